//! Ending tokens: first in the database, then by a mark that is in KV before the answer goes out, so that no crash after
//! it brings a token back. Repeating it does no harm and puts the mark again.

use std::error::Error;

use crate::app::App;
use crate::model::id::{ApplicationId, FamilyId, GrantId, UserId};
use crate::model::time::Timestamp;
use crate::protocol::error::OAuthError;
use crate::store::{applications, families, grants, users};

/// The database or KV did not do its part: try again.
#[derive(Debug)]
pub struct RevocationFailed(Box<dyn Error>);

impl<E: Error + 'static> From<E> for RevocationFailed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<RevocationFailed> for OAuthError {
    fn from(failed: RevocationFailed) -> Self {
        OAuthError::new(crate::protocol::error::ErrorCode::TemporarilyUnavailable, "try again in a moment")
            .because(failed.0)
    }
}

/// Ends a family.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_family(family: &FamilyId, now: Timestamp, app: &App) -> Result<(), RevocationFailed> {
    families::end(family, app.settings.access_token_lifetime, now, &*app.db).await?;
    mark_family(family, now, app).await
}

/// Puts the mark of a family that has ended.
///
/// # Errors
/// KV did not answer.
pub async fn mark_family(family: &FamilyId, now: Timestamp, app: &App) -> Result<(), RevocationFailed> {
    mark(format!("f:{family}"), now.0, app).await
}

/// Ends a user's standing authorization of an application: one row and one mark, however many tokens came of it.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_grant(grant: &GrantId, now: Timestamp, app: &App) -> Result<(), RevocationFailed> {
    grants::end(grant, now, &*app.db).await?;
    mark(format!("g:{grant}"), now.0, app).await
}

/// Ends all tokens of a user, and sets a new password too if there is one: one update and one mark, however many
/// tokens there are. False if there is no such user.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_user_tokens(
    user: &UserId,
    password_hash: Option<&str>,
    app: &App,
) -> Result<bool, RevocationFailed> {
    match users::end_tokens(user, password_hash, &*app.db).await? {
        Some(epoch) => mark_user(user, epoch, app).await.map(|()| true),
        None => Ok(false),
    }
}

/// Puts the mark of a user whose tokens before `epoch` have ended. Two at once may overtake each other on the way to
/// KV: so the database is asked again afterwards, and the later epoch put again.
///
/// # Errors
/// The database or KV did not answer.
pub async fn mark_user(user: &UserId, epoch: i64, app: &App) -> Result<(), RevocationFailed> {
    let mut epoch = epoch;
    loop {
        mark(format!("u:{user}"), epoch, app).await?;
        let latest = users::token_epoch(user, &*app.db).await?;
        if latest == epoch {
            return Ok(());
        }
        epoch = latest;
    }
}

/// As [`mark_user`], for an application.
///
/// # Errors
/// The database or KV did not answer.
pub async fn mark_application(
    application: &ApplicationId,
    epoch: i64,
    app: &App,
) -> Result<(), RevocationFailed> {
    let mut epoch = epoch;
    loop {
        mark(format!("a:{application}"), epoch, app).await?;
        let latest = applications::token_epoch(application, &*app.db).await?;
        if latest == epoch {
            return Ok(());
        }
        epoch = latest;
    }
}

/// This isolate knows it at once; the others when KV shows it. It lives as long as the longest access token.
async fn mark(key: String, value: i64, app: &App) -> Result<(), RevocationFailed> {
    let value = value.to_string();
    app.memory.borrow_mut().marks.insert(key.clone(), value.clone());
    app.hot.put(&key, &value, app.settings.access_token_lifetime).await?;
    Ok(())
}
