//! What people are sent. A link begins with the issuer: no `Host` header decides where it leads.

use serde_json::json;

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
    let account = match link.is_verified {
        true => format!("your account {}", link.username),
        false => "an account with this e-mail address".to_owned(),
    };
    let text = format!(
        "Somebody asked to set a new password for {account} at {issuer}\n\n\
         To do that, open this link within an hour:\n\n\
         {issuer}/accounts/password/reset/{secret}/\n\n\
         If it was not you, do nothing: your password stays as it is.\n",
        secret = link.secret.expose(),
    );
    Mail { to: link.email.clone(), subject: "Set a new password".to_owned(), text }
}

/// For who has signed up, or changed their address. It does not quote the username: anybody may send this to anybody.
pub fn verify_email(link: &MailLink, issuer: &str) -> Mail {
    let text = format!(
        "Somebody gave this e-mail address for an account at {issuer}\n\n\
         If it was you, open this link within three days to confirm that the address is yours:\n\n\
         {issuer}/accounts/email/verify/{secret}/\n\n\
         If it was not you, do nothing.\n",
        secret = link.secret.expose(),
    );
    Mail { to: link.email.clone(), subject: "Confirm your e-mail address".to_owned(), text }
}
