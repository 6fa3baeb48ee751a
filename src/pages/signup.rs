//! `/accounts/signup/`.

use http::StatusCode;
use serde_json::Value;

use super::form::{self, Field, alert, hidden, submit};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::login::{password_field, username_field};
use super::next::Next;
use super::person::to_login;
use super::visitor::{Proof, Visitor, checked_form};
use super::{english, error, mail, social};
use crate::call::{Call, Response, because};
use crate::grants::{guessing, sign_up};
use crate::model::audit::{Action, Actor};
use crate::model::fields::{FieldErrors, Fields};
use crate::model::user::NewUser;
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;

/// `GET /accounts/signup/`
pub async fn get(call: &Call<'_>) -> Response {
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    let next = Next::read(query.optional("next"));
    show(call, &Visitor::of(call), &next, &Params::default(), &FieldErrors::default()).await
}

/// `POST /accounts/signup/`: makes a user, and logs them in.
pub async fn post(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let params = match checked_form(&visitor, call) {
        Ok(params) => params,
        Err(refusal) => return *refusal,
    };
    let next = Next::read(params.optional("next"));
    match sign_up(call, &visitor, &params, &next).await {
        Ok(Ok(response)) => response,
        Ok(Err(errors)) => show(call, &visitor, &next, &params, &errors).await,
        Err(error) => error::unavailable(&error),
    }
}

async fn sign_up(
    call: &Call<'_>,
    visitor: &Visitor,
    params: &Params,
    next: &Next,
) -> Result<Result<Response, FieldErrors>, OAuthError> {
    let fields = ["username", "email", "password"]
        .iter()
        .map(|name| ((*name).to_owned(), Value::from(params.optional(name).unwrap_or_default())));
    let new_user = match NewUser::from_sign_up(Fields::new(fields.collect())) {
        Ok(new_user) => new_user,
        Err(errors) => return Ok(Err(errors)),
    };
    guessing::count_sign_up(call.address(), call.app).await?;
    let by = |id| call.by(Actor::User(id));
    let stored = sign_up::store(new_user, by, Action::SignedUp, call.app).await;
    let Some(user) = stored.map_err(OAuthError::temporarily_unavailable)? else {
        return Ok(Err(sign_up::name_taken()));
    };
    mail::welcome(&user, &call.issuer, call.app).await;
    let mut response = see_other(&next.url(call));
    Ok(Ok(match visitor.log_in(&user, Proof::default(), call, &mut response).await {
        Ok(true) => response,
        // They have their account, and log in.
        _ => to_login(next, call),
    }))
}

async fn show(
    call: &Call<'_>,
    visitor: &Visitor,
    next: &Next,
    typed: &Params,
    errors: &FieldErrors,
) -> Response {
    let targets = match next.form_targets(call).await {
        Ok(targets) => targets,
        Err(error) => return error::unavailable(&error.into()),
    };
    let username = Field {
        help: Some(english::USERNAME_RULES),
        errors: errors.of("username"),
        ..username_field(typed.optional("username").unwrap_or_default())
    };
    let email = Field {
        name: "email",
        label: english::EMAIL,
        kind: "email",
        autocomplete: "email",
        value: typed.optional("email").unwrap_or_default(),
        help: None,
        is_required: false,
        errors: errors.of("email"),
    };
    let password = Field {
        help: Some(english::PASSWORD_RULES),
        errors: errors.of("password"),
        ..password_field("new-password")
    };
    let content = hidden("next", next.path())
        .with(&visitor.csrf_field(call))
        .with(&username.show())
        .with(&email.show())
        .with(&password.show())
        .with(&submit(english::SIGN_UP));
    let log_in = next.with_path(&format!("{}/accounts/login/", call.issuer));
    let problem = if errors.is_empty() { Html::default() } else { alert(english::CHECK_FIELDS) };
    let body = problem
        .with(&form::form(&format!("{}/accounts/signup/", call.issuer), &content))
        .with(&social::buttons(next, call))
        .with(&Html::markup("<p>").say(english::HAVE_ACCOUNT).then(" "))
        .with(&link(&log_in, english::LOG_IN))
        .then("</p>");
    let page = Page::new(english::SIGN_UP, body).forms_here(targets);
    if errors.is_empty() {
        return visitor.show(page.respond(), call);
    }
    let mut response = page.status(StatusCode::BAD_REQUEST).respond();
    because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
    visitor.show(response, call)
}
