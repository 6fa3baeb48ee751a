//! `/account/`: who one is here, and the way to all that one can change.

use http::StatusCode;
use serde_json::Value;

use super::error::Instead;
use super::form::{self, Field, alert, status, submit};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::next::Next;
use super::password::{current_field, prove_current};
use super::person::{Person, after, to_login};
use super::{english, sessions, social};
use crate::call::{Call, Response, because};
use crate::grants::registration::TRIES;
use crate::model::audit::Action;
use crate::model::fields::{FieldErrors, Fields};
use crate::model::user::{Profile, User};
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::store::users::{self, Changed};

/// What of a profile is its owner's to change.
const OWN: [&str; 3] = ["email", "first_name", "last_name"];

/// `GET /account/`
///
/// # Errors
/// Another page.
pub async fn get(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    let done = query.optional("done").and_then(english::done).map(status).unwrap_or_default();
    let profile = &person.user().profile;
    show(call, &person, profile, &done, &FieldErrors::default()).await
}

/// `POST /account/`: another name; or another e-mail address, which has to be verified anew, and takes the password, since
/// whoever reads what is sent there can set another one.
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (mut person, params) = Person::acting(call).await?;
    let mut is_proven = false;
    for _ in 0..TRIES {
        let user = person.user();
        let profile = match changed(user, &params) {
            Ok(profile) => profile,
            Err((typed, errors)) => return refused(call, &person, &typed, &errors).await,
        };
        if profile.email != user.profile.email && !is_proven {
            if user.password_hash.is_none() {
                let errors = FieldErrors::one("email", english::NO_PASSWORD_FOR_EMAIL);
                return refused(call, &person, &profile, &errors).await;
            }
            match prove_current(&person, &params, call).await? {
                Ok((_, attempt)) => attempt.settle(&*call.app.db).await?,
                Err(errors) => return refused(call, &person, &profile, &errors).await,
            }
            is_proven = true;
        }
        let event = person.by(call).did(Action::UserChanged, user.id);
        let now = call.app.clock.now();
        match users::update(user, &profile, false, &event, now, &*call.app.db).await? {
            Changed::Yes { .. } => return Ok(see_other(&after("profile", call))),
            // Somebody else changed something in between, or the user's name is no longer theirs alone.
            Changed::Conflict | Changed::NameTaken => {}
        }
        person.session = match person.visitor.session(call).await? {
            Some(session) => session,
            None => return Ok(to_login(&Next::read(None), call)),
        };
    }
    Err(StoreError("the user was changed by others again and again".to_owned()).into())
}

/// The profile as the form wants it; or as it was typed, and what is wrong with it.
fn changed(user: &User, params: &Params) -> Result<Profile, (Box<Profile>, FieldErrors)> {
    let mut object = user.profile.to_json();
    for name in OWN {
        // A form without the field leaves it as it is.
        if params.contains(name) {
            object.insert(name.to_owned(), Value::from(params.optional(name).unwrap_or_default()));
        }
    }
    let mut fields = Fields::new(object);
    let mut profile = Profile::read(&mut fields);
    // An imported user may have what we would not accept, and what they cannot change here.
    if let Err(errors) = fields.finish().or_else(|errors| errors.among(&OWN.map(str::to_owned))) {
        return Err((Box::new(profile), errors));
    }
    if profile.email != user.profile.email {
        profile.email_verified = false;
    }
    Ok(profile)
}

/// The form as it was typed, with what is wrong with it.
async fn refused(
    call: &Call<'_>,
    person: &Person,
    typed: &Profile,
    errors: &FieldErrors,
) -> Result<Response, Instead> {
    let mut response = show(call, person, typed, &alert(english::CHECK_FIELDS), errors).await?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
    Ok(response)
}

async fn show(
    call: &Call<'_>,
    person: &Person,
    typed: &Profile,
    message: &Html,
    errors: &FieldErrors,
) -> Result<Response, Instead> {
    let field = |name, label, kind, autocomplete, value| Field {
        name,
        label,
        kind,
        autocomplete,
        value,
        help: None,
        is_required: false,
        errors: errors.of(name),
    };
    let before = &person.user().profile;
    let email_help = match (before.email.is_empty(), before.email_verified) {
        (true, _) => None,
        (false, true) => Some(english::EMAIL_VERIFIED),
        (false, false) => Some(english::EMAIL_NOT_VERIFIED),
    };
    let email = Field { help: email_help, ..field("email", english::EMAIL, "email", "email", &typed.email) };
    let first_name = field("first_name", english::FIRST_NAME, "text", "given-name", &typed.first_name);
    let last_name = field("last_name", english::LAST_NAME, "text", "family-name", &typed.last_name);
    let current =
        Field { help: Some(english::PASSWORD_FOR_EMAIL), is_required: false, ..current_field(errors) };
    let has_password = person.user().password_hash.is_some();
    let content = person
        .visitor
        .csrf_field(call)
        .with(&email.show())
        .with(&first_name.show())
        .with(&last_name.show())
        .with(&if has_password { current.show() } else { Html::default() })
        .with(&submit(english::SAVE));
    let body = message
        .clone()
        .then("<p>")
        .say(english::LOGGED_IN_AS)
        .then(" <strong>")
        .say(&before.username)
        .then("</strong>.</p>")
        .with(&links(before, call))
        .then("<h2>")
        .say(english::PROFILE)
        .then("</h2>")
        .with(&form::form(&format!("{}/account/", call.issuer), &content))
        .with(&social::section(person, call).await?)
        .with(&sessions::section(person, call).await?);
    let page = Page::new(english::ACCOUNT, body).forms_here(social::form_targets(call));
    Ok(person.visitor.show(page.respond(), call))
}

fn links(profile: &Profile, call: &Call<'_>) -> Html {
    let issuer = &call.issuer;
    let mut html = Html::markup("<p class=\"links\">");
    if !profile.email.is_empty() && !profile.email_verified {
        html = html.with(&link(&format!("{issuer}/accounts/email/verify/"), english::VERIFY_EMAIL));
    }
    html.with(&link(&format!("{issuer}/accounts/password/"), english::CHANGE_PASSWORD))
        .with(&link(&format!("{issuer}/o/authorized_tokens/"), english::AUTHORIZED))
        .with(&link(&format!("{issuer}/o/applications/"), english::APPLICATIONS))
        .with(&link(&format!("{issuer}/accounts/logout/"), english::LOG_OUT))
        .then("</p>")
}
