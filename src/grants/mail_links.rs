//! One-time links by e-mail: asking for one, and using it. Who opens a link has shown that they read the mailbox, and
//! nothing else.

use super::guessing::{self, Account};
use crate::app::App;
use crate::crypto::random_bytes;
use crate::crypto::secret::Secret;
use crate::model::address::Address;
use crate::model::audit::{Action, Actor, By};
use crate::model::id::UserId;
use crate::model::mail_link::{LinkHolder, LinkSecret, MailLink, Purpose};
use crate::model::user::is_email;
use crate::protocol::error::OAuthError;
use crate::store::database::StoreError;
use crate::store::mail_links::{self, MOST, NewPassword};
use crate::tokens::revoke;

/// Makes the links for who has forgotten their password: none if nobody has this address, which takes the same calls.
/// They go to the address that the account has, not to the one that was typed.
///
/// # Errors
/// - 429 with the seconds to wait: there were too many failures from the address.
/// - The database did not answer.
pub async fn ask_to_reset(
    email: &str,
    address: Option<Address>,
    app: &App,
) -> Result<Vec<MailLink>, OAuthError> {
    guessing::check_address(address, app)?;
    let attempt = guessing::asking(Purpose::ResetPassword, email, address, app);
    let secrets = (0..MOST).map(|_| LinkSecret::random(&*app.random)).collect();
    let now = app.clock.now();
    let (links, counted) = mail_links::insert_for_email(email, secrets, attempt, now, &*app.db).await?;
    guessing::judge_asking(&counted, address, app).await?;
    Ok(links.into_iter().filter(can_be_sent).collect())
}

/// Makes the link for a user to verify this address of theirs; none if it is verified, or there were too many.
///
/// # Errors
/// The database did not answer.
pub async fn ask_to_verify(user: &UserId, email: &str, app: &App) -> Result<Option<MailLink>, StoreError> {
    let attempt = guessing::asking_by(user, Purpose::VerifyEmail, email, app);
    let secret = LinkSecret::random(&*app.random);
    let now = app.clock.now();
    let (link, _) = mail_links::insert_for_user(user, secret, attempt, now, &*app.db).await?;
    Ok(link.filter(can_be_sent))
}

/// An imported user may have what is not one address.
fn can_be_sent(link: &MailLink) -> bool {
    is_email(&link.email)
}

/// Whose a link is, as long as it can be used. Looking does not use it: scanners of mail open links.
///
/// # Errors
/// The database did not answer.
pub async fn find(link: &LinkSecret, purpose: Purpose, app: &App) -> Result<Option<LinkHolder>, StoreError> {
    mail_links::find(&link.digest(), purpose, app.clock.now(), &*app.db).await
}

/// Uses a link to set a new password, and ends all tokens of the user. False if somebody was faster, or the link can no
/// longer be used.
///
/// # Errors
/// The database or KV did not answer. If it was KV, the password is set, and tokens may be good for a while.
pub async fn reset_password(
    link: &LinkSecret,
    holder: &LinkHolder,
    password: &Secret,
    address: Option<Address>,
    app: &App,
) -> Result<bool, OAuthError> {
    let hash = app.settings.password_hasher.hash(password.expose(), random_bytes(&*app.random));
    let user = holder.user_id;
    let by = By { actor: Actor::User(user), address };
    let new = NewPassword {
        password_hash: &hash.map_err(OAuthError::temporarily_unavailable)?,
        unlinked: by.did(Action::SocialAccountDisconnected, "all providers"),
        failures: guessing::attempt(Some(Account::User(&holder.username)), None, app).account,
        event: by.did(Action::PasswordReset, user),
    };
    let now = app.clock.now();
    match mail_links::reset_password(&link.digest(), holder, new, now, &*app.db).await? {
        Some(epoch) => revoke::mark_user(&user, epoch, app).await.map(|()| true).map_err(OAuthError::from),
        None => Ok(false),
    }
}

/// Uses a link to verify the address that it was sent to. False as in [`reset_password`].
///
/// # Errors
/// The database did not answer.
pub async fn verify_email(
    link: &LinkSecret,
    holder: &LinkHolder,
    address: Option<Address>,
    app: &App,
) -> Result<bool, StoreError> {
    let user = holder.user_id;
    let event = By { actor: Actor::User(user), address }.did(Action::EmailVerified, user);
    mail_links::verify_email(&link.digest(), holder, &event, app.clock.now(), &*app.db).await
}
