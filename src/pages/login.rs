//! `/accounts/login/`, and `/accounts/logout/`.

use http::StatusCode;

use super::form::{self, Field, alert, hidden, submit};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::next::Next;
use super::visitor::{Proof, Visitor, checked_form, forget_session};
use super::{english, error, social};
use crate::call::{Call, Response};
use crate::grants::{GrantError, guessing, login};
use crate::model::audit::{Action, Actor};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::store::sessions;

/// `GET /accounts/login/`
pub async fn get(call: &Call<'_>) -> Response {
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    let next = Next::read(query.optional("next"));
    let username = query.optional("login_hint").unwrap_or_default();
    show(call, &Visitor::of(call), &next, username, None).await
}

/// `POST /accounts/login/`: begins a session in place of the one that the browser had.
pub async fn post(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let params = match checked_form(&visitor, call) {
        Ok(params) => params,
        Err(refusal) => return *refusal,
    };
    let next = Next::read(params.optional("next"));
    match log_in(call, &visitor, &params, &next).await {
        Ok(response) => response,
        Err(error) => {
            let username = params.optional("username").unwrap_or_default();
            show(call, &visitor, &next, username, Some(&error)).await
        }
    }
}

async fn log_in(
    call: &Call<'_>,
    visitor: &Visitor,
    params: &Params,
    next: &Next,
) -> Result<Response, OAuthError> {
    guessing::check_address(call.address(), call.app)?;
    let username = params.required("username")?;
    let password = params.required("password")?;
    let proven = login::prove(username, password, None, call.address(), call.app).await;
    let proven = proven.map_err(|error| match error {
        GrantError::OAuth(error) => error,
        GrantError::StaleApplication => StoreError("there is no application here".to_owned()).into(),
    })?;
    let user = &proven.candidate.user;
    let proof =
        Proof { password_hash: proven.password_hash.as_deref(), attempt: Some(proven.attempt), social: None };
    let mut response = see_other(&next.url(call));
    match visitor.log_in(user, proof, call, &mut response).await? {
        true => Ok(response),
        false => Err(login::invalid_credentials("the user was changed during the login")),
    }
}

async fn show(
    call: &Call<'_>,
    visitor: &Visitor,
    next: &Next,
    username: &str,
    error: Option<&OAuthError>,
) -> Response {
    let targets = match next.form_targets(call).await {
        Ok(targets) => targets,
        Err(error) => return error::unavailable(&error.into()),
    };
    let (status, message) = match error.map(|error| (error.code(), error.retry_after_seconds())) {
        None => (StatusCode::OK, None),
        Some((ErrorCode::TooManyAttempts, seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(english::too_many(seconds.unwrap_or_default())))
        }
        Some((ErrorCode::TemporarilyUnavailable, _)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(english::TRY_LATER_TEXT.to_owned()))
        }
        Some(_) => (StatusCode::BAD_REQUEST, Some(english::WRONG_LOGIN.to_owned())),
    };
    let content = hidden("next", next.path())
        .with(&visitor.csrf_field(call))
        .with(&username_field(username).show())
        .with(&password_field("current-password").show())
        .with(&submit(english::LOG_IN));
    let sign_up = next.with_path(&format!("{}/accounts/signup/", call.issuer));
    let body = message
        .map(|message| alert(&message))
        .unwrap_or_default()
        .with(&form::form(&format!("{}/accounts/login/", call.issuer), &content))
        .with(&social::buttons(next, call))
        .with(&Html::markup("<p>").say(english::NEW_HERE).then(" "))
        .with(&link(&sign_up, english::SIGN_UP))
        .then("</p><p>")
        .with(&link(&format!("{}/accounts/password/reset/", call.issuer), english::FORGOTTEN))
        .then("</p>");
    let page = Page::new(english::LOG_IN, body).status(status).forms_here(targets);
    let response = match error {
        Some(error) => error::with_reason(page, error),
        None => page.respond(),
    };
    visitor.show(response, call)
}

/// The field for a name at a login.
pub fn username_field(value: &str) -> Field<'_> {
    Field {
        name: "username",
        label: english::USERNAME,
        kind: "text",
        autocomplete: "username",
        value,
        help: None,
        is_required: true,
        errors: &[],
    }
}

/// The field for a password: a `current-password`, or a `new-password`.
pub fn password_field(autocomplete: &'static str) -> Field<'static> {
    Field {
        name: "password",
        label: english::PASSWORD,
        kind: "password",
        autocomplete,
        value: "",
        help: None,
        is_required: true,
        errors: &[],
    }
}

/// `GET /accounts/logout/`: asks, since links must change nothing.
pub async fn get_logout(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let content = visitor.csrf_field(call).with(&submit(english::LOG_OUT));
    let body = Html::markup("<p>")
        .say(english::LOG_OUT_TEXT)
        .then("</p>")
        .with(&form::form(&format!("{}/accounts/logout/", call.issuer), &content));
    visitor.show(Page::new(english::LOG_OUT, body).forms_here(Vec::new()).respond(), call)
}

/// `POST /accounts/logout/`
pub async fn post_logout(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    if let Err(refusal) = checked_form(&visitor, call) {
        return *refusal;
    }
    if let Err(error) = log_out(call, &visitor).await {
        return error::unavailable(&error.into());
    }
    let mut response = see_other(&format!("{}/", call.issuer));
    forget_session(&mut response, call);
    response
}

async fn log_out(call: &Call<'_>, visitor: &Visitor) -> Result<(), StoreError> {
    let Some(session) = visitor.session(call).await? else {
        return Ok(());
    };
    let user = session.user.id;
    let event = call.by(Actor::User(user)).did(Action::LoggedOut, format!("session {}", session.id));
    sessions::delete(&session.id, &user, &event, call.app.clock.now(), &*call.app.db).await
}
