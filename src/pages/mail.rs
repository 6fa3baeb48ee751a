//! What people are sent. A link begins with the issuer: no `Host` header decides where it leads.

use serde_json::json;

use super::english;
use crate::app::{App, Mail};
use crate::grants::mail_links;
use crate::model::mail_link::MailLink;
use crate::model::user::User;
use crate::store::database::StoreError;

/// Sends a new user the link to verify the address that they gave, if there is a carrier of e-mail. The user is stored
/// whatever comes of it: who misses the link can ask for another.
pub async fn welcome(user: &User, issuer: &str, app: &App) {
    if let Err(error) = send_to_verify(user, issuer, app).await {
        app.log.line(json!({"level": "error", "event": "mail_failed", "detail": error.to_string()}));
    }
}

/// Sends a user the link to verify their address, unless there is nothing to verify, no carrier, or has been too much.
///
/// # Errors
/// The database did not answer.
pub async fn send_to_verify(user: &User, issuer: &str, app: &App) -> Result<(), StoreError> {
    let Some(mailer) = app.mailer.as_ref().filter(|_| !user.profile.email.is_empty()) else {
        return Ok(());
    };
    if let Some(link) = mail_links::ask_to_verify(&user.id, &user.profile.email, app).await? {
        mailer.send_later(verify_email(&link, issuer));
    }
    Ok(())
}

/// For who has forgotten their password. There may be several accounts, so it says which; but not to an address that nobody
/// has confirmed, since whoever gave it has chosen the username, too: the page that the link opens says it.
pub fn reset_password(link: &MailLink, issuer: &str) -> Mail {
    let username = Some(link.username.as_str()).filter(|_| link.is_verified);
    let url = format!("{issuer}/accounts/password/reset/{}/", link.secret.expose());
    mail(link, english::RESET_SUBJECT, english::reset_text(username, issuer, &url))
}

/// For who has signed up, or changed their address. It does not quote the username: anybody may send this to anybody.
pub fn verify_email(link: &MailLink, issuer: &str) -> Mail {
    let url = format!("{issuer}/accounts/email/verify/{}/", link.secret.expose());
    mail(link, english::VERIFY_SUBJECT, english::verify_text(issuer, &url))
}

fn mail(link: &MailLink, subject: &str, text: String) -> Mail {
    Mail { to: link.email.clone(), subject: subject.to_owned(), text }
}
