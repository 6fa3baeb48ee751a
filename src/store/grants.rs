//! `grants`.

use super::database::{Database, Row, Statement, StoreError, outcome};
use super::{audit_events, expired};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::id::{ApplicationId, GrantId, UserId};
use crate::model::scope::Scope;
use crate::model::session::Session;
use crate::model::time::{Lifetime, Timestamp};
use crate::model::user::User;

/// What a person has agreed to on a page.
#[derive(Debug)]
pub struct Consent<'a> {
    /// All that they agree to by now.
    pub scope: &'a Scope,
    pub event: &'a AuditEvent,
}

/// What a logged-in person lets an application have.
#[derive(Debug)]
pub struct Approval<'a> {
    pub application: &'a Application,
    pub session: &'a Session,
    pub grant_id: GrantId,
    /// None if they had agreed to it before.
    pub consent: Option<Consent<'a>>,
    pub scope: &'a Scope,
}

/// A grant, as the person sees it who gave it.
#[derive(Debug)]
pub struct ListedGrant {
    pub id: GrantId,
    pub application_id: ApplicationId,
    pub client_id: String,
    pub client_name: String,
    /// What they agreed to on a page; empty if they were not asked on one.
    pub scope: Scope,
    pub created_at: Timestamp,
    pub is_ended: bool,
}

/// A page of what a user has authorized, in the order of the applications' ids, after this one.
pub async fn list(
    user: &UserId,
    after: &str,
    limit: i64,
    db: &dyn Database,
) -> Result<Vec<ListedGrant>, StoreError> {
    let statement = Statement::new(
        "SELECT g.*, a.client_id, a.client_name FROM grants g JOIN applications a ON a.id = g.application_id
         WHERE g.user_id = ?1 AND g.ended_at IS NULL AND g.application_id > ?2
         ORDER BY g.application_id LIMIT ?3",
    )
    .bind(user)
    .bind(after)
    .bind(limit);
    db.run(statement).await?.rows.iter().map(read_listed).collect()
}

/// Finds a grant of this user and nobody else, an ended one too.
pub async fn find_of(
    user: &UserId,
    grant: &GrantId,
    db: &dyn Database,
) -> Result<Option<ListedGrant>, StoreError> {
    let statement = Statement::new(
        "SELECT g.*, a.client_id, a.client_name FROM grants g JOIN applications a ON a.id = g.application_id
         WHERE g.id = ?1 AND g.user_id = ?2",
    )
    .bind(grant)
    .bind(user);
    db.run(statement).await?.first().map(read_listed).transpose()
}

fn read_listed(row: &Row) -> Result<ListedGrant, StoreError> {
    Ok(ListedGrant {
        id: row.parsed("id", GrantId::parse)?,
        application_id: row.parsed("application_id", ApplicationId::parse)?,
        client_id: row.text("client_id")?.to_owned(),
        client_name: row.text("client_name")?.to_owned(),
        scope: Scope::from_stored(row.text("scope")?),
        created_at: row.time("created_at")?,
        is_ended: row.optional_time("ended_at")?.is_some(),
    })
}

/// Ends a grant, and with it every token that came of it, unless it has ended before. If there is a `successor`, what the user
/// had agreed to on a page stays agreed to: it is theirs to take back, not the application's, and goes on as that grant, of
/// which nothing has come yet. `keep`: as for [`expired::clear`].
pub async fn end(
    grant: &GrantId,
    successor: Option<&GrantId>,
    event: &AuditEvent,
    keep: Lifetime,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(), StoreError> {
    let end = Statement::new("UPDATE grants SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL");
    // `changes()` is first what was ended, then whether that was noted: one as much as the other.
    let mut batch = vec![end.bind(grant).bind(now), audit_events::note(event, now)];
    batch.extend(successor.map(|successor| {
        let succeed = Statement::new(
            "INSERT INTO grants (id, user_id, application_id, scope, created_at)
             SELECT ?2, user_id, application_id, scope, created_at FROM grants
             WHERE id = ?1 AND scope <> '' AND changes() > 0",
        );
        succeed.bind(grant).bind(successor)
    }));
    batch.extend(expired::delete_left_behind(keep, now));
    db.batch(batch).await.map(drop)
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
/// there is another one by now, or this one has ended, nothing is written.
pub(super) fn write(
    grant: &GrantId,
    user: &UserId,
    user_epoch: i64,
    application: &Application,
    scope: &Scope,
    now: Timestamp,
) -> Statement {
    write_statement(grant, user, user_epoch, application, scope, now).bind(false)
}

/// As [`write`], if the statement before it has changed something.
pub(super) fn write_if_changed(
    grant: &GrantId,
    user: &User,
    application: &Application,
    scope: &Scope,
    now: Timestamp,
) -> Statement {
    write_statement(grant, &user.id, user.token_epoch, application, scope, now).bind(true)
}

fn write_statement(
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
         AND NOT EXISTS (SELECT 1 FROM grants WHERE id = ?1 AND ended_at IS NOT NULL)
         AND (?8 = 0 OR changes() > 0)
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
