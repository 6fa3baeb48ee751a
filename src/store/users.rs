//! `users`.

use super::attempts::{Attempt, Counted, Counter, OnlyFor};
use super::database::{Database, Row, Statement, StoreError, outcome};
use super::purges::{self, Owner};
use super::{audit_events, expired};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::id::{FamilyId, GrantId, SessionId, UserId};
use crate::model::time::{Lifetime, Timestamp};
use crate::model::user::{Profile, User};
use crate::model::username;

/// A user about to log in to an application, and their standing grant of it.
#[derive(Debug)]
pub struct LoginCandidate {
    pub user: User,
    pub grant_id: Option<GrantId>,
}

/// What came of looking for who is about to log in.
#[derive(Debug)]
pub enum Candidate {
    Found(Box<LoginCandidate>),
    Nobody,
    /// The application is not in the revision that the isolate remembers.
    StaleApplication,
}

/// Finds by the exact name.
pub async fn find_by_username(username: &str, db: &dyn Database) -> Result<Option<User>, StoreError> {
    let found = db.run(Statement::new("SELECT * FROM users WHERE username = ?1").bind(username)).await?;
    found.first().map(read).transpose()
}

/// Finds who is meant by a name typed at a login: the exact name first, else the only one with its key. Counts the try in
/// the same round trip, if the application is in the revision that the isolate remembers; none: a login to our own pages.
pub async fn find_for_login(
    typed: &str,
    application: Option<&Application>,
    attempt: Attempt<Counter>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(Candidate, Attempt<Counted>), StoreError> {
    let find = Statement::new(
        "SELECT u.*, g.id AS grant_id, a.revision FROM (SELECT 1)
         LEFT JOIN applications a ON a.id = ?3
         LEFT JOIN users u ON u.username_key = ?2
         LEFT JOIN grants g ON g.user_id = u.id AND g.application_id = ?3 AND g.ended_at IS NULL
         ORDER BY u.username = ?1 DESC LIMIT 2",
    )
    .bind(typed)
    .bind(username::key(typed))
    .bind(application.map(|application| application.id.to_string()));
    let mut batch = vec![find];
    batch.extend(attempt.statements(OnlyFor::Login(application), now));
    let outcomes = db.batch(batch).await?;
    let found = &outcome(&outcomes, 0)?.rows;
    let mut counted = attempt.counted(outcomes.get(1..).unwrap_or(&[]))?;
    if found.len() > 1 {
        counted.forgive_itself_alone();
    }
    let row = found.first().ok_or_else(|| StoreError("a row that is always there is missing".to_owned()))?;
    if row.optional_text("revision")? != application.map(|application| application.revision.as_str()) {
        return Ok((Candidate::StaleApplication, counted));
    }
    let candidate = match row.optional_text("username")? {
        None => Candidate::Nobody,
        Some(username) if found.len() > 1 && username != typed => Candidate::Nobody,
        Some(_) => Candidate::Found(Box::new(LoginCandidate {
            user: read(row)?,
            grant_id: row.optional_parsed("grant_id", GrantId::parse)?,
        })),
    };
    Ok((candidate, counted))
}

/// The name of who has this e-mail address: the one who has it verified, or else the only one who has it. None if it is
/// somebody's name.
pub async fn find_name_by_email(email: &str, db: &dyn Database) -> Result<Option<String>, StoreError> {
    let find = Statement::new(
        "SELECT username, email_verified FROM users WHERE email_key = ?1 AND email_key <> ''
         AND NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?1)
         ORDER BY email_verified DESC LIMIT 2",
    )
    .bind(username::key(email));
    let found = db.run(find).await?;
    let Some(first) = found.first() else {
        return Ok(None);
    };
    let is_alone = match found.rows.get(1) {
        Some(second) => first.flag("email_verified")? && !second.flag("email_verified")?,
        None => true,
    };
    Ok(if is_alone { Some(first.text("username")?.to_owned()) } else { None })
}

/// Stores a new user, unless a name with the same key is taken. True if it was stored.
pub async fn insert(user: &User, event: &AuditEvent, db: &dyn Database) -> Result<bool, StoreError> {
    let insert = Statement::new(
        "INSERT INTO users (id, username, username_key, email, email_key, email_verified, first_name, last_name,
         is_active, is_superuser, password_hash, token_epoch, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
         WHERE NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?3)",
    )
    .bind(&user.id);
    let insert = bind_profile(insert, &user.profile)
        .bind(user.password_hash.clone())
        .bind(user.token_epoch)
        .bind(user.created_at);
    let note = audit_events::note(event, user.created_at);
    let clear = audit_events::delete_expired(user.created_at, 4);
    let outcomes = db.batch(vec![insert, note, clear]).await?;
    Ok(outcome(&outcomes, 0)?.changed > 0)
}

pub(super) fn bind_profile(statement: Statement, profile: &Profile) -> Statement {
    statement
        .bind(&profile.username)
        .bind(username::key(&profile.username))
        .bind(&profile.email)
        .bind(username::key(&profile.email))
        .bind(profile.email_verified)
        .bind(&profile.first_name)
        .bind(&profile.last_name)
        .bind(profile.is_active)
        .bind(profile.is_superuser)
}

/// A page of users in the order of their names, after the one with this key and id. `prefix`: only those whose name or
/// e-mail begins like that.
pub async fn list(
    after: Option<(&str, &str)>,
    prefix: Option<&str>,
    limit: i64,
    db: &dyn Database,
) -> Result<Vec<User>, StoreError> {
    let (key, id) = after.unwrap_or(("", ""));
    let statement = match prefix.map(username::key) {
        None => Statement::new(
            "SELECT * FROM users WHERE (username_key, id) > (?1, ?2) ORDER BY username_key, id LIMIT ?3",
        )
        .bind(key)
        .bind(id)
        .bind(limit),
        Some(prefix) => Statement::new(
            "SELECT * FROM users WHERE id IN (
               SELECT id FROM users WHERE username_key >= ?4 AND username_key < ?5
               UNION SELECT id FROM users WHERE email_key <> '' AND email_key >= ?4 AND email_key < ?5)
             AND (username_key, id) > (?1, ?2) ORDER BY username_key, id LIMIT ?3",
        )
        .bind(key)
        .bind(id)
        .bind(limit)
        .bind(&prefix)
        .bind(format!("{prefix}\u{10FFFF}")),
    };
    db.run(statement).await?.rows.iter().map(read).collect()
}

/// What came of changing a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// The token epoch that the user has now.
    Yes {
        token_epoch: i64,
    },
    NameTaken,
    /// Somebody else changed the user in between: read again.
    Conflict,
}

/// Changes a user from what was read to `profile`, all or nothing. `ends_tokens`: as [`end_tokens`].
pub async fn update(
    user: &User,
    profile: &Profile,
    ends_tokens: bool,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Changed, StoreError> {
    let before = &user.profile;
    let update = Statement::new(
        "UPDATE users SET username = ?2, username_key = ?3, email = ?4, email_key = ?5, email_verified = ?6,
         first_name = ?7, last_name = ?8, is_active = ?9, is_superuser = ?10, token_epoch = token_epoch + ?11
         WHERE id = ?1 AND username = ?12 AND email = ?13 AND email_verified = ?14 AND first_name = ?15
         AND last_name = ?16 AND is_active = ?17 AND is_superuser = ?18
         AND (username = ?2 OR NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?3 AND id <> ?1))
         RETURNING token_epoch",
    )
    .bind(&user.id);
    let update = bind_profile(update, profile)
        .bind(ends_tokens)
        .bind(&before.username)
        .bind(&before.email)
        .bind(before.email_verified)
        .bind(&before.first_name)
        .bind(&before.last_name)
        .bind(before.is_active)
        .bind(before.is_superuser);
    // Imported users may share a key: it does not stand in the way of who keeps their name.
    let is_taken = Statement::new(
        "SELECT 1 FROM users WHERE username_key = ?2 AND id <> ?1
         AND NOT EXISTS (SELECT 1 FROM users WHERE id = ?1 AND username = ?3)",
    )
    .bind(&user.id)
    .bind(username::key(&profile.username))
    .bind(&profile.username);
    let note = audit_events::note(event, now);
    let outcomes = db.batch(vec![update, note, purges::note_epoch(Owner::User(user.id)), is_taken]).await?;
    if let Some(row) = outcome(&outcomes, 0)?.first() {
        return Ok(Changed::Yes { token_epoch: row.integer("token_epoch")? });
    }
    Ok(if outcome(&outcomes, 3)?.rows.is_empty() { Changed::Conflict } else { Changed::NameTaken })
}

/// Ends all tokens of a user, however many there are, by one more epoch; sets a new password too, if there is one.
/// Returns the new epoch, or none if the user is gone.
pub async fn end_tokens(
    user: &UserId,
    password_hash: Option<&str>,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<i64>, StoreError> {
    let update = Statement::new(
        "UPDATE users SET token_epoch = token_epoch + 1, password_hash = coalesce(?2, password_hash)
         WHERE id = ?1 RETURNING token_epoch",
    )
    .bind(user)
    .bind(password_hash);
    let note = audit_events::note(event, now);
    let outcomes = db.batch(vec![update, note, purges::note_epoch(Owner::User(*user))]).await?;
    outcome(&outcomes, 0)?.first().map(|row| row.integer("token_epoch")).transpose()
}

/// Sets a new password for a user who is still what was read, and ends all tokens and sessions by one more epoch. `attempt`:
/// the try at the old one that turned out to be right. Returns the new epoch, or none if somebody was faster.
pub async fn change_password(
    user: &User,
    password_hash: &str,
    attempt: &Attempt<Counted>,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<i64>, StoreError> {
    let update = Statement::new(
        "UPDATE users SET token_epoch = token_epoch + 1, password_hash = ?3
         WHERE id = ?1 AND token_epoch = ?2 AND is_active = 1 RETURNING token_epoch",
    )
    .bind(&user.id)
    .bind(user.token_epoch)
    .bind(password_hash);
    let mut batch = vec![update, audit_events::note(event, now), purges::note_epoch(Owner::User(user.id))];
    batch.extend(attempt.settling());
    let outcomes = db.batch(batch).await?;
    outcome(&outcomes, 0)?.first().map(|row| row.integer("token_epoch")).transpose()
}

/// The token epoch that a user has now; [`purges::DELETED_EPOCH`] if they are gone.
pub async fn token_epoch(user: &UserId, db: &dyn Database) -> Result<i64, StoreError> {
    let found = db.run(Statement::new("SELECT token_epoch FROM users WHERE id = ?1").bind(user)).await?;
    found.first().map_or(Ok(purges::DELETED_EPOCH), |row| row.integer("token_epoch"))
}

/// Deletes a user who is disabled and has this token epoch; what hangs on them is cleared away in bounded steps, of which
/// this is one. `keep`: as for [`expired::clear`]. False if somebody has enabled them in between.
pub async fn delete(
    user: &UserId,
    token_epoch: i64,
    event: &AuditEvent,
    keep: Lifetime,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let delete = Statement::new("DELETE FROM users WHERE id = ?1 AND is_active = 0 AND token_epoch = ?2")
        .bind(user)
        .bind(token_epoch);
    let is_gone = Statement::new("SELECT 1 FROM users WHERE id = ?1").bind(user);
    let note = audit_events::note(event, now);
    let mut batch = vec![delete, note, purges::note_deleted(Owner::User(*user)), is_gone];
    batch.extend(expired::delete_left_behind(keep, now));
    let outcomes = db.batch(batch).await?;
    Ok(outcome(&outcomes, 3)?.rows.is_empty())
}

/// Notes a successful login to our own pages, and the password's hash if it was made anew; only if the session was stored.
pub(super) fn note_session(
    user: &UserId,
    password_hash: Option<&str>,
    session: &SessionId,
    now: Timestamp,
) -> Statement {
    let sql = "UPDATE users SET last_login_at = ?2, password_hash = coalesce(?3, password_hash)
         WHERE id = ?1 AND EXISTS (SELECT 1 FROM sessions WHERE id = ?4)";
    bind_login(sql, user, password_hash, now).bind(session)
}

/// As [`note_session`], for a login to an application; only if the family was stored.
pub(super) fn note_login(
    user: &UserId,
    password_hash: Option<&str>,
    family: &FamilyId,
    now: Timestamp,
) -> Statement {
    let sql = "UPDATE users SET last_login_at = ?2, password_hash = coalesce(?3, password_hash)
         WHERE id = ?1 AND EXISTS (SELECT 1 FROM families WHERE id = ?4)";
    bind_login(sql, user, password_hash, now).bind(family)
}

fn bind_login(sql: &'static str, user: &UserId, password_hash: Option<&str>, now: Timestamp) -> Statement {
    Statement::new(sql).bind(user).bind(now).bind(password_hash)
}

pub(super) fn read(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.parsed("id", UserId::parse)?,
        profile: Profile {
            username: row.text("username")?.to_owned(),
            email: row.text("email")?.to_owned(),
            email_verified: row.flag("email_verified")?,
            first_name: row.text("first_name")?.to_owned(),
            last_name: row.text("last_name")?.to_owned(),
            is_active: row.flag("is_active")?,
            is_superuser: row.flag("is_superuser")?,
        },
        password_hash: row.optional_text("password_hash")?.map(str::to_owned),
        token_epoch: row.integer("token_epoch")?,
        created_at: row.time("created_at")?,
        last_login_at: row.optional_time("last_login_at")?,
    })
}
