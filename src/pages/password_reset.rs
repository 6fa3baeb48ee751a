//! `/accounts/password/reset/`: for who has forgotten their password.

use http::StatusCode;

use super::form::{self, Field, alert, submit};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::login::password_field;
use super::visitor::{Visitor, checked_form, forget_session};
use super::{english, error, mail};
use crate::call::{Call, Response};
use crate::crypto::secret::Secret;
use crate::grants::mail_links;
use crate::model::mail_link::{LinkHolder, LinkSecret, Purpose};
use crate::model::password;
use crate::protocol::error::OAuthError;
use crate::protocol::params::{Params, encode};

/// `GET /accounts/password/reset/`
pub async fn get(call: &Call<'_>) -> Response {
    ask(call, &Visitor::of(call))
}

/// `POST /accounts/password/reset/`: answers the same, and as fast, whether anybody has the address or not.
pub async fn post(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let params = match checked_form(&visitor, call) {
        Ok(params) => params,
        Err(refusal) => return *refusal,
    };
    let (Some(mailer), Some(email)) = (&call.app.mailer, params.optional("email")) else {
        return ask(call, &visitor);
    };
    match mail_links::ask_to_reset(email, call.address(), call.app).await {
        Ok(links) => {
            for link in &links {
                mailer.send_later(mail::reset_password(link, &call.issuer));
            }
            see_other(&format!("{}/accounts/password/sent/", call.issuer))
        }
        Err(error) => error::unavailable(&error),
    }
}

/// The form; without a carrier of e-mail, what to do instead.
fn ask(call: &Call<'_>, visitor: &Visitor) -> Response {
    if call.app.mailer.is_none() {
        return Page::new(english::RESET_PASSWORD, form::text(english::NO_MAIL)).respond();
    }
    let email = Field {
        name: "email",
        label: english::EMAIL_ADDRESS,
        kind: "email",
        autocomplete: "email",
        value: "",
        help: Some(english::RESET_HELP),
        is_required: true,
        errors: &[],
    };
    let content = visitor.csrf_field(call).with(&email.show()).with(&submit(english::SEND_LINK));
    let body = form::form(&format!("{}/accounts/password/reset/", call.issuer), &content);
    visitor.show(Page::new(english::RESET_PASSWORD, body).forms_here(Vec::new()).respond(), call)
}

/// `GET /accounts/password/sent/`
pub async fn sent(_call: &Call<'_>) -> Response {
    Page::new(english::RESET_PASSWORD, form::text(english::RESET_SENT)).respond()
}

/// `GET /accounts/password/reset/{link}/`: does not use the link, since scanners of mail open links.
pub async fn get_link(call: &Call<'_>) -> Response {
    match find(call).await {
        Ok((_, holder)) => show(call, &Visitor::of(call), &holder, None),
        Err(refusal) => *refusal,
    }
}

/// `POST /accounts/password/reset/{link}/`: sets the password, and logs out everywhere.
pub async fn post_link(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let params = match checked_form(&visitor, call) {
        Ok(params) => params,
        Err(refusal) => return *refusal,
    };
    match reset(call, &visitor, &params).await {
        Ok(response) => response,
        Err(refusal) => *refusal,
    }
}

async fn reset(call: &Call<'_>, visitor: &Visitor, params: &Params) -> Result<Response, Box<Response>> {
    let (secret, holder) = find(call).await?;
    let typed = params.optional("password").unwrap_or_default();
    if let Err(rule) = password::check_new(typed, &holder.username) {
        return Ok(show(call, visitor, &holder, Some(rule)));
    }
    let password = Secret::new(typed);
    let is_set = mail_links::reset_password(&secret, &holder, &password, call.address(), call.app);
    match is_set.await {
        Ok(true) => {
            let query = encode(&[("login_hint", &holder.username)]);
            let mut response = see_other(&format!("{}/accounts/login/?{query}", call.issuer));
            forget_session(&mut response, call);
            Ok(response)
        }
        Ok(false) => Err(Box::new(old_link("/accounts/password/reset/", call))),
        Err(error) => Err(Box::new(error::unavailable(&error))),
    }
}

/// The link that stands in the path, and whose it is.
async fn find(call: &Call<'_>) -> Result<(LinkSecret, LinkHolder), Box<Response>> {
    find_for(Purpose::ResetPassword, "/accounts/password/reset/", call).await
}

/// The link that stands in the path, and whose it is; or a page that leads to where there is another.
pub(super) async fn find_for(
    purpose: Purpose,
    ask_again: &str,
    call: &Call<'_>,
) -> Result<(LinkSecret, LinkHolder), Box<Response>> {
    let found = match LinkSecret::parse(call.capture(0)) {
        Some(secret) => {
            mail_links::find(&secret, purpose, call.app).await.map(|found| Some((secret, found?)))
        }
        None => Ok(None),
    };
    let found = found.map_err(|error| Box::new(error::unavailable(&error.into())))?;
    found.ok_or_else(|| Box::new(old_link(ask_again, call)))
}

/// A link that was used, replaced or made up, or is too old.
pub(super) fn old_link(ask_again: &str, call: &Call<'_>) -> Response {
    let again = link(&format!("{}{ask_again}", call.issuer), english::ASK_AGAIN);
    let body = form::text(english::LINK_IS_OLD).with(&Html::markup("<p>")).with(&again).then("</p>");
    let page = Page::new(english::NOT_POSSIBLE, body).status(StatusCode::NOT_FOUND);
    error::with_reason(page, &OAuthError::invalid_request("the link cannot be used, or not any more"))
}

fn show(call: &Call<'_>, visitor: &Visitor, holder: &LinkHolder, wrong: Option<&str>) -> Response {
    let errors: Vec<String> = wrong.map(str::to_owned).into_iter().collect();
    let password = Field {
        label: english::NEW_PASSWORD,
        help: Some(english::PASSWORD_RULES),
        errors: &errors,
        ..password_field("new-password")
    };
    let content = visitor.csrf_field(call).with(&password.show()).with(&submit(english::SET_PASSWORD));
    let action = format!("{}/accounts/password/reset/{}/", call.issuer, call.capture(0));
    let body = wrong
        .map(|_| alert(english::CHECK_FIELDS))
        .unwrap_or_default()
        .with(&form::text(&english::reset_for(&holder.username)))
        .with(&form::form(&action, &content));
    let page = Page::new(english::RESET_PASSWORD, body).forms_here(Vec::new());
    visitor.show(
        match wrong {
            None => page.respond(),
            Some(_) => {
                let error = OAuthError::invalid_request("the new password breaks a rule");
                error::with_reason(page.status(StatusCode::BAD_REQUEST), &error)
            }
        },
        call,
    )
}
