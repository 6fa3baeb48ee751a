//! `sessions`.

use super::attempts::{Attempt, Counted};
use super::database::{Database, Outcome, Row, Statement, StoreError, outcome};
use super::social_accounts::SocialLogin;
use super::{applications, audit_events, users};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::id::{GrantId, SessionId, UserId};
use crate::model::scope::Scope;
use crate::model::session::{ListedSession, Session, SessionLimits, SessionToken};
use crate::model::time::{Lifetime, Timestamp};
use crate::model::user::User;

/// How exactly a session knows when it was used last, at the most: so a person who reads page after page makes few writes.
const SEEN: Lifetime = Lifetime(60);

/// A session about to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub token: &'a SessionToken,
    pub user_id: UserId,
    /// Nothing begins if the user has another epoch by then.
    pub user_epoch: i64,
    pub user_agent: &'a str,
    /// A hash of the password with today's parameters, if the stored one has others.
    pub password_hash: Option<&'a str>,
    /// The try that turned out to be right.
    pub attempt: Option<Attempt<Counted>>,
    /// The account at an identity provider by which they log in, if they do: it must be theirs.
    pub social: Option<&'a SocialLogin>,
    /// The one that this browser had before.
    pub replaces: Option<&'a SessionToken>,
    pub event: AuditEvent,
}

/// Begins a session, and ends the one that the browser had. False if the user is not what was read.
pub async fn insert(
    session: NewSession<'_>,
    limits: SessionLimits,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let insert = Statement::new(
        "INSERT INTO sessions (id, digest, user_id, user_epoch, user_agent, address, created_at, last_seen_at,
         expires_at, ends_at)
         SELECT ?1, ?2, u.id, u.token_epoch, ?5, ?6, ?7, ?7, min(?7 + ?8, ?7 + ?9), ?7 + ?9 FROM users u
         WHERE u.id = ?3 AND u.token_epoch = ?4 AND u.is_active = 1
         AND (?10 IS NULL OR EXISTS (SELECT 1 FROM social_accounts WHERE id = ?10 AND user_id = u.id))",
    )
    .bind(&session.token.id())
    .bind(&session.token.digest())
    .bind(&session.user_id)
    .bind(session.user_epoch)
    .bind(session.user_agent)
    .bind(session.event.by.address.map(|address| address.to_string()))
    .bind(now)
    .bind(limits.idle.seconds())
    .bind(limits.absolute.seconds())
    .bind(session.social.map(|social| social.account.to_string()));
    let mut batch: Vec<Statement> =
        session.social.into_iter().flat_map(|social| social.statements(None, now)).collect();
    let insert_at = batch.len();
    batch.extend([insert, audit_events::note(&session.event, now)]);
    batch.push(users::note_session(&session.user_id, session.password_hash, &session.token.id(), now));
    batch.extend(session.replaces.map(delete_statement));
    batch.extend(session.attempt.iter().flat_map(Attempt::settling));
    batch.push(delete_expired(now, 4));
    batch.push(audit_events::delete_expired(now, 4));
    Ok(outcome(&db.batch(batch).await?, insert_at)?.changed > 0)
}

/// Who is logged in, if anybody; notes that they have been seen.
pub async fn find(
    token: &SessionToken,
    limits: SessionLimits,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<Session>, StoreError> {
    let outcomes = db.batch(vec![see(token, limits, now), find_statement(token, now)]).await?;
    read_found(outcomes.get(1))
}

/// As [`find`], by something else that only the session's browser has.
pub async fn find_by_id(
    session: &SessionId,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<Session>, StoreError> {
    let statement = Statement::new(
        "SELECT u.*, s.id AS session_id, s.created_at AS session_created_at FROM sessions s
         JOIN users u ON u.id = s.user_id AND u.token_epoch = s.user_epoch AND u.is_active = 1
         WHERE s.id = ?1 AND s.expires_at > ?2",
    )
    .bind(session)
    .bind(now);
    read_found(Some(&db.run(statement).await?))
}

/// An authorization request: who is logged in, which application asks, and what has been granted to it.
#[derive(Debug)]
pub struct Asked {
    pub application: Option<Application>,
    pub session: Option<Session>,
    pub grant: Option<(GrantId, Scope)>,
}

/// All that an authorization request needs to know, in one round trip.
pub async fn find_for(
    token: Option<&SessionToken>,
    client_id: &str,
    limits: SessionLimits,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Asked, StoreError> {
    let mut batch = vec![applications::find_statement(client_id)];
    if let Some(token) = token {
        batch.extend([see(token, limits, now), find_statement(token, now)]);
        batch.push(
            Statement::new(
                "SELECT g.id, g.scope FROM sessions s JOIN grants g ON g.user_id = s.user_id AND g.ended_at IS NULL
                 AND g.application_id = (SELECT id FROM applications WHERE client_id = ?3)
                 WHERE s.id = ?1 AND s.digest = ?2",
            )
            .bind(&token.id())
            .bind(&token.digest())
            .bind(client_id),
        );
    }
    let outcomes = db.batch(batch).await?;
    let grant = outcomes
        .get(3)
        .and_then(Outcome::first)
        .map(|row| Ok((row.parsed("id", GrantId::parse)?, Scope::from_stored(row.text("scope")?))));
    Ok(Asked {
        application: outcome(&outcomes, 0)?.first().map(applications::read).transpose()?,
        session: read_found(outcomes.get(2))?,
        grant: grant.transpose()?,
    })
}

/// Ends a session of a user: theirs, and nobody else's.
pub async fn delete(
    session: &SessionId,
    user: &UserId,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(), StoreError> {
    let delete =
        Statement::new("DELETE FROM sessions WHERE id = ?1 AND user_id = ?2").bind(session).bind(user);
    db.batch(vec![delete, audit_events::note(event, now)]).await.map(drop)
}

/// Ends all sessions of a user but this one.
pub async fn delete_others(
    session: &SessionId,
    user: &UserId,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(), StoreError> {
    let delete =
        Statement::new("DELETE FROM sessions WHERE user_id = ?2 AND id <> ?1").bind(session).bind(user);
    db.batch(vec![delete, audit_events::note(event, now)]).await.map(drop)
}

/// The sessions in which a user is logged in, the last used first; at most 100.
pub async fn list(user: &User, now: Timestamp, db: &dyn Database) -> Result<Vec<ListedSession>, StoreError> {
    let statement = Statement::new(
        "SELECT * FROM sessions WHERE user_id = ?1 AND user_epoch = ?2 AND expires_at > ?3
         ORDER BY last_seen_at DESC, created_at DESC LIMIT 100",
    )
    .bind(&user.id)
    .bind(user.token_epoch)
    .bind(now);
    let read = |row: &Row| {
        Ok(ListedSession {
            id: row.parsed("id", SessionId::parse)?,
            user_agent: row.text("user_agent")?.to_owned(),
            address: row.optional_text("address")?.map(str::to_owned),
            created_at: row.time("created_at")?,
            last_seen_at: row.time("last_seen_at")?,
        })
    };
    db.run(statement).await?.rows.iter().map(read).collect()
}

/// Notes, at most once in a while, that a session is in use.
fn see(token: &SessionToken, limits: SessionLimits, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE sessions SET last_seen_at = ?3, expires_at = min(?3 + ?4, ends_at)
         WHERE id = ?1 AND digest = ?2 AND expires_at > ?3 AND last_seen_at <= ?3 - ?5",
    )
    .bind(&token.id())
    .bind(&token.digest())
    .bind(now)
    .bind(limits.idle.seconds())
    .bind(SEEN.seconds().min(limits.idle.seconds() / 4))
}

fn find_statement(token: &SessionToken, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT u.*, s.id AS session_id, s.created_at AS session_created_at FROM sessions s
         JOIN users u ON u.id = s.user_id AND u.token_epoch = s.user_epoch AND u.is_active = 1
         WHERE s.id = ?1 AND s.digest = ?2 AND s.expires_at > ?3",
    )
    .bind(&token.id())
    .bind(&token.digest())
    .bind(now)
}

fn delete_statement(token: &SessionToken) -> Statement {
    Statement::new("DELETE FROM sessions WHERE id = ?1 AND digest = ?2")
        .bind(&token.id())
        .bind(&token.digest())
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

fn read_found(found: Option<&Outcome>) -> Result<Option<Session>, StoreError> {
    found.and_then(Outcome::first).map(read).transpose()
}

fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.parsed("session_id", SessionId::parse)?,
        user: users::read(row)?,
        created_at: row.time("session_created_at")?,
    })
}
