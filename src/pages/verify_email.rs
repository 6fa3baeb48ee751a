//! `/accounts/email/verify/`: a person shows that their e-mail address is theirs.

use super::form::{self, submit};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::next::Next;
use super::password_reset::{find_for, old_link};
use super::visitor::{Visitor, checked_form};
use super::{english, error, mail};
use crate::call::{Call, Response};
use crate::grants::mail_links;
use crate::model::mail_link::{LinkHolder, LinkSecret, Purpose};
use crate::model::user::User;

/// `GET /accounts/email/verify/`: offers to send a link to who is logged in.
pub async fn get(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    let user = match logged_in(&visitor, call).await {
        Ok(user) => user,
        Err(elsewhere) => return *elsewhere,
    };
    let profile = &user.profile;
    let say = |text: &str| Page::new(english::VERIFY_EMAIL, form::text(text)).respond();
    match (profile.email.is_empty(), profile.email_verified, &call.app.mailer) {
        (true, _, _) => say(english::NO_EMAIL),
        (_, true, _) => say(english::EMAIL_IS_VERIFIED),
        (_, _, None) => say(english::NO_MAIL),
        _ => {
            let content = visitor.csrf_field(call).with(&submit(english::SEND_LINK));
            let body = form::text(&english::verify_offer(&profile.email))
                .with(&form::form(&format!("{}/accounts/email/verify/", call.issuer), &content));
            visitor.show(Page::new(english::VERIFY_EMAIL, body).forms_here(Vec::new()).respond(), call)
        }
    }
}

/// `POST /accounts/email/verify/`: sends the link.
pub async fn post(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    if let Err(refusal) = checked_form(&visitor, call) {
        return *refusal;
    }
    let user = match logged_in(&visitor, call).await {
        Ok(user) => user,
        Err(elsewhere) => return *elsewhere,
    };
    match mail::send_to_verify(&user, &call.issuer, call.app).await {
        Ok(()) => see_other(&format!("{}/accounts/email/sent/", call.issuer)),
        Err(error) => error::unavailable(&error.into()),
    }
}

/// `GET /accounts/email/sent/`
pub async fn sent(_call: &Call<'_>) -> Response {
    Page::new(english::VERIFY_EMAIL, form::text(english::VERIFY_SENT)).respond()
}

/// `GET /accounts/email/verified/`
pub async fn done(call: &Call<'_>) -> Response {
    let account = link(&format!("{}/account/", call.issuer), english::ACCOUNT);
    let body = form::text(english::EMAIL_IS_VERIFIED).with(&Html::markup("<p>")).with(&account).then("</p>");
    Page::new(english::VERIFY_EMAIL, body).respond()
}

/// `GET /accounts/email/verify/{link}/`: asks, and does not use the link yet.
pub async fn get_link(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    match find(call).await {
        Ok((_, holder)) => {
            let content = visitor.csrf_field(call).with(&submit(english::VERIFY));
            let action = format!("{}/accounts/email/verify/{}/", call.issuer, call.capture(0));
            let body = form::text(&english::verify_for(&holder.username, &holder.email))
                .with(&form::form(&action, &content));
            visitor.show(Page::new(english::VERIFY_EMAIL, body).forms_here(Vec::new()).respond(), call)
        }
        Err(refusal) => *refusal,
    }
}

/// `POST /accounts/email/verify/{link}/`
pub async fn post_link(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    if let Err(refusal) = checked_form(&visitor, call) {
        return *refusal;
    }
    let (secret, holder) = match find(call).await {
        Ok(found) => found,
        Err(refusal) => return *refusal,
    };
    match mail_links::verify_email(&secret, &holder, call.address(), call.app).await {
        Ok(true) => see_other(&format!("{}/accounts/email/verified/", call.issuer)),
        Ok(false) => old_link(PATH, call),
        Err(error) => error::unavailable(&error.into()),
    }
}

const PATH: &str = "/accounts/email/verify/";

async fn find(call: &Call<'_>) -> Result<(LinkSecret, LinkHolder), Box<Response>> {
    find_for(Purpose::VerifyEmail, PATH, call).await
}

/// Who is logged in; else the way to the login page.
async fn logged_in(visitor: &Visitor, call: &Call<'_>) -> Result<User, Box<Response>> {
    match visitor.session(call).await {
        Ok(Some(session)) => Ok(session.user),
        Ok(None) => {
            let login = format!("{}/accounts/login/", call.issuer);
            Err(Box::new(see_other(&Next::read(Some(PATH)).with_path(&login))))
        }
        Err(error) => Err(Box::new(error::unavailable(&error.into()))),
    }
}
