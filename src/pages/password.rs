//! `/accounts/password/`: another password.

use http::StatusCode;

use super::error::{self, Instead};
use super::form::{self, Field, alert, submit_or_cancel};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::login::password_field;
use super::next::Next;
use super::person::{Person, after, to_login};
use super::{english, visitor};
use crate::call::{Call, Response, because};
use crate::crypto::random_bytes;
use crate::grants::{GrantError, guessing, login};
use crate::model::audit::Action;
use crate::model::fields::FieldErrors;
use crate::model::password;
use crate::model::user::User;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::store::attempts::{Attempt, Counted};
use crate::store::database::StoreError;
use crate::store::users;
use crate::tokens::revoke;

/// The field for the password that is to be replaced.
const CURRENT: &str = "current_password";

/// `GET /accounts/password/`
///
/// # Errors
/// Another page.
pub async fn get(call: &Call<'_>) -> Result<Response, Instead> {
    Ok(show(call, &Person::reading(call).await?, &FieldErrors::default()))
}

/// `POST /accounts/password/`: all sessions and tokens of the user end, and this browser begins a new session.
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, params) = Person::acting(call).await?;
    if person.user().password_hash.is_none() {
        return Err(error::forbidden(english::NO_PASSWORD, "the user has no password").into());
    }
    match prove(&person, &params, call).await? {
        Ok((user, attempt, new)) => change(&person, &user, &attempt, new, call).await,
        Err(errors) => {
            let mut response = show(call, &person, &errors);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
            Ok(response)
        }
    }
}

/// Who has proven once more who they are, by which try, and the password that they want.
type Proof<'a> = (User, Attempt<Counted>, &'a str);

/// The new password is looked at first: what is wrong with it shows without a try at the old one.
async fn prove<'a>(
    person: &Person,
    params: &'a Params,
    call: &Call<'_>,
) -> Result<Result<Proof<'a>, FieldErrors>, Instead> {
    let new = params.optional("password").unwrap_or_default();
    if let Err(message) = password::check_new(new, &person.user().profile.username) {
        return Ok(Err(FieldErrors::one("password", message)));
    }
    Ok(prove_current(person, params, call).await?.map(|(user, attempt)| (user, attempt, new)))
}

/// Looks whether who is logged in knows their password. The try is to be settled.
///
/// # Errors
/// Another page; within, what is wrong with the field.
pub async fn prove_current(
    person: &Person,
    params: &Params,
    call: &Call<'_>,
) -> Result<Result<(User, Attempt<Counted>), FieldErrors>, Instead> {
    let Some(current) = params.optional(CURRENT) else {
        return Ok(Err(FieldErrors::one(CURRENT, english::REQUIRED)));
    };
    guessing::check_address(call.address(), call.app)?;
    match login::prove_again(person.user(), current, call.address(), call.app).await {
        Ok(proof) => Ok(Ok(proof)),
        Err(GrantError::OAuth(error)) if error.code() == ErrorCode::InvalidGrant => {
            Ok(Err(FieldErrors::one(CURRENT, english::WRONG_PASSWORD)))
        }
        Err(GrantError::OAuth(error)) => Err(error.into()),
        Err(GrantError::StaleApplication) => {
            Err(StoreError("there is no application here".to_owned()).into())
        }
    }
}

async fn change(
    person: &Person,
    user: &User,
    attempt: &Attempt<Counted>,
    new: &str,
    call: &Call<'_>,
) -> Result<Response, Instead> {
    let app = call.app;
    let hash = app.settings.password_hasher.hash(new, random_bytes(&*app.random)).map_err(StoreError)?;
    let event = person.by(call).did(Action::PasswordSet, user.id);
    let changed = users::change_password(user, &hash, attempt, &event, app.clock.now(), &*app.db).await?;
    let Some(token_epoch) = changed else {
        return Ok(to_login(&Next::read(None), call)); // Their sessions have ended meanwhile.
    };
    let marked = revoke::mark_user(&user.id, token_epoch, app).await;
    let mut response = match marked {
        Ok(()) => see_other(&after("password", call)),
        Err(failed) => not_marked(&failed.into()),
    };
    let user = User { token_epoch, ..user.clone() };
    match person.visitor.log_in(&user, visitor::Proof::default(), call, &mut response).await {
        Ok(true) => Ok(response),
        // They have their new password, and log in.
        _ => Ok(to_login(&Next::read(None), call)),
    }
}

/// The password is another one already, and asking again with the old one would be of no use.
fn not_marked(error: &OAuthError) -> Response {
    let body = Html::markup("<p>").say(english::PASSWORD_CHANGED_ONLY).then("</p>");
    let page = Page::new(english::TRY_LATER, body).status(StatusCode::SERVICE_UNAVAILABLE);
    error::with_reason(page, error)
}

/// The field for the password that one has.
pub fn current_field(errors: &FieldErrors) -> Field<'_> {
    Field {
        name: CURRENT,
        label: english::CURRENT_PASSWORD,
        errors: errors.of(CURRENT),
        ..password_field("current-password")
    }
}

fn show(call: &Call<'_>, person: &Person, errors: &FieldErrors) -> Response {
    let visitor = &person.visitor;
    let account = format!("{}/account/", call.issuer);
    if person.user().password_hash.is_none() {
        let body = Html::markup("<p>")
            .say(english::NO_PASSWORD)
            .then("</p><p class=\"links\">")
            .with(&link(&format!("{}/accounts/password/reset/", call.issuer), english::RESET_PASSWORD))
            .with(&link(&account, english::ACCOUNT))
            .then("</p>");
        return visitor.show(Page::new(english::CHANGE_PASSWORD, body).respond(), call);
    }
    let current = current_field(errors);
    let new = Field {
        label: english::NEW_PASSWORD,
        help: Some(english::PASSWORD_RULES),
        errors: errors.of("password"),
        ..password_field("new-password")
    };
    let content = visitor
        .csrf_field(call)
        .with(&current.show())
        .with(&new.show())
        .with(&submit_or_cancel(english::CHANGE_PASSWORD, &account));
    let problem = if errors.is_empty() { Html::default() } else { alert(english::CHECK_FIELDS) };
    let body = problem
        .then("<p>")
        .say(english::PASSWORD_TEXT)
        .then("</p>")
        .with(&form::form(&format!("{}/accounts/password/", call.issuer), &content));
    visitor.show(Page::new(english::CHANGE_PASSWORD, body).forms_here(Vec::new()).respond(), call)
}
