//! Ending tokens: first in the database, then by a mark that is in KV before the answer goes out, so that no crash after
//! it brings a token back. Repeating it does no harm and puts the mark again.

use std::error::Error;

use super::record::Mark;
use crate::app::App;
use crate::model::audit::AuditEvent;
use crate::model::family::Family;
use crate::model::id::{ApplicationId, FamilyId, GrantId, UserId};
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::error::OAuthError;
use crate::store::database::StoreError;
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
        OAuthError::temporarily_unavailable(failed.0)
    }
}

/// Ends a family.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_family(
    family: &FamilyId,
    event: &AuditEvent,
    now: Timestamp,
    app: &App,
) -> Result<(), RevocationFailed> {
    families::end(family, event, app.settings.access_token_lifetime, now, &*app.db).await?;
    mark_family(family, app).await
}

/// Puts the mark of a family that has ended.
///
/// # Errors
/// KV did not answer.
pub async fn mark_family(family: &FamilyId, app: &App) -> Result<(), RevocationFailed> {
    mark(Mark::Family(*family), ENDED, app).await
}

/// Ends a user's standing authorization of an application: one row and one mark, however many tokens came of it.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_grant(grant: &GrantId, event: &AuditEvent, app: &App) -> Result<(), RevocationFailed> {
    end_in_database(grant, None, event, app).await?;
    mark_grant(grant, app).await
}

/// Ends all tokens that came of a grant, but not what the user had agreed to on a page.
///
/// # Errors
/// The database or KV did not answer.
pub async fn renew_grant(grant: &GrantId, event: &AuditEvent, app: &App) -> Result<(), RevocationFailed> {
    let successor = GrantId::random(&*app.random);
    end_in_database(grant, Some(&successor), event, app).await?;
    mark_grant(grant, app).await
}

async fn end_in_database(
    grant: &GrantId,
    successor: Option<&GrantId>,
    event: &AuditEvent,
    app: &App,
) -> Result<(), StoreError> {
    let keep = app.settings.access_token_lifetime;
    grants::end(grant, successor, event, keep, app.clock.now(), &*app.db).await
}

/// Puts the marks of what has ended a family, the family itself or its grant: whoever ended it may have failed to.
///
/// # Errors
/// KV did not answer.
pub async fn mark_again(family: &Family, app: &App) -> Result<(), RevocationFailed> {
    if family.ended_at.is_some() {
        mark_family(&family.id, app).await?;
    }
    match &family.user {
        Some(user) if user.grant_ended => mark_grant(&user.grant_id, app).await,
        _ => Ok(()),
    }
}

async fn mark_grant(grant: &GrantId, app: &App) -> Result<(), RevocationFailed> {
    mark(Mark::Grant(*grant), ENDED, app).await
}

/// Ends all tokens of a user, and sets a new password too if there is one: one update and one mark, however many
/// tokens there are. False if there is no such user.
///
/// # Errors
/// The database or KV did not answer.
pub async fn end_user_tokens(
    user: &UserId,
    password_hash: Option<&str>,
    event: &AuditEvent,
    app: &App,
) -> Result<bool, RevocationFailed> {
    match users::end_tokens(user, password_hash, event, app.clock.now(), &*app.db).await? {
        Some(epoch) => mark_user(user, epoch, app).await.map(|()| true),
        None => Ok(false),
    }
}

/// Puts the mark of a user whose tokens before `epoch` have ended.
///
/// # Errors
/// The database or KV did not answer.
pub async fn mark_user(user: &UserId, epoch: i64, app: &App) -> Result<(), RevocationFailed> {
    mark_epoch(Mark::User(*user), epoch, app, async || users::token_epoch(user, &*app.db).await).await
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
    let latest = async || applications::token_epoch(application, &*app.db).await;
    mark_epoch(Mark::Application(*application), epoch, app, latest).await
}

/// Two at once may overtake each other on the way to KV: so the database is asked again afterwards, and the later epoch
/// put again. If KV refuses that, it is tried again at once: what is there may be the earlier of the two.
async fn mark_epoch(
    about: Mark,
    epoch: i64,
    app: &App,
    latest: impl AsyncFn() -> Result<i64, StoreError>,
) -> Result<(), RevocationFailed> {
    let mut epoch = epoch;
    let mut failure = None;
    for _ in 0..TRIES {
        failure = mark(about, epoch, app).await.err();
        let latest = latest().await?;
        if failure.is_none() && latest == epoch {
            return Ok(());
        }
        epoch = latest;
    }
    Err(failure.unwrap_or_else(|| StoreError("the epoch changed again and again".to_owned()).into()))
}

/// How often a mark is put until it is the latest.
const TRIES: usize = 4;

/// Marks live as long as the longest access token, and at least a day: so lowering the setting for a while and raising
/// it again lets no record outlive its marks.
pub fn mark_lifetime(app: &App) -> Lifetime {
    app.settings.access_token_lifetime.max(Lifetime(86_400))
}

/// This isolate knows it at once; the others when KV shows it. What KV has stored before is not put again: the holder
/// of a dead token could make it write without end.
async fn mark(about: Mark, value: i64, app: &App) -> Result<(), RevocationFailed> {
    app.memory.borrow_mut().mark(about, value, app.clock.now());
    let is_stored = app.memory.borrow().is_stored(&about, value);
    if is_stored {
        return Ok(());
    }
    app.memory.borrow_mut().begin_put(about);
    let stored = app.hot.put(&about.to_string(), &value.to_string(), mark_lifetime(app)).await;
    app.memory.borrow_mut().end_put(about, stored.is_ok().then_some(value));
    Ok(stored?)
}

/// The value of a mark that says by being there what it says.
const ENDED: i64 = 1;
