//! `grants`.

use super::audit_events;
use super::database::{Database, Statement, StoreError, outcome};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::id::{GrantId, UserId};
use crate::model::scope::Scope;
use crate::model::time::Timestamp;
use crate::model::user::User;

/// What a person has agreed to on a page.
#[derive(Debug)]
pub struct Consent<'a> {
    /// All that they have agreed to so far.
    pub scope: &'a Scope,
    pub event: &'a AuditEvent,
}

/// Ends a grant, and with it every token that came of it. True if there was one that had not ended.
pub async fn end(grant: &GrantId, now: Timestamp, db: &dyn Database) -> Result<bool, StoreError> {
    let ended = db
        .run(
            Statement::new("UPDATE grants SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL")
                .bind(grant)
                .bind(now),
        )
        .await?;
    Ok(ended.changed > 0)
}

/// Stores what a user has agreed to. False if the user, the application or the grant is not what was read.
pub async fn agree(
    grant: &GrantId,
    user: &User,
    application: &Application,
    consent: &Consent<'_>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let write = write(grant, &user.id, user.token_epoch, application, consent.scope, now);
    let outcomes = db.batch(vec![write, audit_events::note(consent.event, now)]).await?;
    Ok(outcome(&outcomes, 0)?.changed > 0)
}

/// A grant of `application` by a user who is still what was read: a first one, or the same one with another scope. Where
/// there is another one by now, nothing is written.
pub(super) fn write(
    grant: &GrantId,
    user: &UserId,
    user_epoch: i64,
    application: &Application,
    scope: &Scope,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO grants (id, user_id, application_id, scope, created_at)
         SELECT ?1, u.id, a.id, ?7, ?6 FROM users u, applications a
         WHERE u.id = ?2 AND u.token_epoch = ?3 AND u.is_active = 1 AND a.id = ?4 AND a.revision = ?5
         ON CONFLICT (user_id, application_id) WHERE ended_at IS NULL
         DO UPDATE SET scope = excluded.scope WHERE id = excluded.id",
    )
    .bind(grant)
    .bind(user)
    .bind(user_epoch)
    .bind(&application.id)
    .bind(&application.revision)
    .bind(now)
    .bind(scope)
}
