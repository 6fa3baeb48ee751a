//! `social_accounts`.

use super::audit_events;
use super::database::{Database, Row, Statement, StoreError, outcome};
use super::users::{self, LoginCandidate};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::id::{GrantId, SocialAccountId, UserId};
use crate::model::session::Session;
use crate::model::social::SocialAccount;
use crate::model::time::Timestamp;
use crate::model::user::User;
use crate::model::username;

/// How many accounts at providers a user may have.
pub const MOST: i64 = 20;

/// Who is looked for.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub provider: &'a str,
    pub uid: &'a str,
    /// An address that the provider has verified.
    pub email: Option<&'a str>,
    /// The name that a new user would get.
    pub username: &'a str,
    /// Where the login is to lead, or our own pages.
    pub application: Option<&'a Application>,
}

/// Who may be meant.
#[derive(Debug)]
pub struct Found {
    /// The application is still in the revision that the isolate remembers.
    pub application_is_current: bool,
    /// Whose account at the provider it is, and the tokens that are kept there, sealed.
    pub known: Option<(SocialAccountId, Option<String>, LoginCandidate)>,
    /// Who has the e-mail address; of more than two, two.
    pub by_email: Vec<LoginCandidate>,
    /// One of them has [`MOST`] accounts.
    pub by_email_is_full: bool,
    pub username_is_taken: bool,
}

/// Finds who is meant by an account at a provider, in one round trip.
pub async fn find(wanted: &Wanted<'_>, db: &dyn Database) -> Result<Found, StoreError> {
    let application = wanted.application.map(|application| application.id.to_string());
    let known = Statement::new(
        "SELECT u.*, s.id AS social_account_id, s.tokens, g.id AS grant_id, a.revision FROM (SELECT 1)
         LEFT JOIN applications a ON a.id = ?3
         LEFT JOIN social_accounts s ON s.provider = ?1 AND s.uid = ?2
         LEFT JOIN users u ON u.id = s.user_id
         LEFT JOIN grants g ON g.user_id = u.id AND g.application_id = ?3 AND g.ended_at IS NULL",
    )
    .bind(wanted.provider)
    .bind(wanted.uid)
    .bind(application.clone());
    let by_email = Statement::new(
        "SELECT u.*, g.id AS grant_id,
         (SELECT count(*) FROM social_accounts WHERE user_id = u.id) AS accounts FROM users u
         LEFT JOIN grants g ON g.user_id = u.id AND g.application_id = ?2 AND g.ended_at IS NULL
         WHERE u.email_key = ?1 AND u.email_key <> '' LIMIT 2",
    )
    .bind(wanted.email.map(username::key).unwrap_or_default())
    .bind(application);
    let is_taken = Statement::new("SELECT 1 FROM users WHERE username_key = ?1 LIMIT 1")
        .bind(username::key(wanted.username));
    let outcomes = db.batch(vec![known, by_email, is_taken]).await?;
    let row = outcome(&outcomes, 0)?.first();
    let row = row.ok_or_else(|| StoreError("a row that is always there is missing".to_owned()))?;
    let revision = wanted.application.map(|application| application.revision.as_str());
    let known = match row.optional_parsed("social_account_id", SocialAccountId::parse)? {
        Some(account) => {
            Some((account, row.optional_text("tokens")?.map(str::to_owned), read_candidate(row)?))
        }
        None => None,
    };
    let by_email = &outcome(&outcomes, 1)?.rows;
    let accounts: Vec<i64> = by_email.iter().map(|row| row.integer("accounts")).collect::<Result<_, _>>()?;
    Ok(Found {
        application_is_current: row.optional_text("revision")? == revision,
        known,
        by_email: by_email.iter().map(read_candidate).collect::<Result<_, _>>()?,
        by_email_is_full: accounts.iter().any(|count| *count >= MOST),
        username_is_taken: outcome(&outcomes, 2)?.first().is_some(),
    })
}

fn read_candidate(row: &Row) -> Result<LoginCandidate, StoreError> {
    Ok(LoginCandidate { user: users::read(row)?, grant_id: row.optional_parsed("grant_id", GrantId::parse)? })
}

/// A login by an account at a provider: what has to be written for it, in the same batch as what it buys. That is bought
/// only if the account is there then, and this user's.
#[derive(Debug)]
pub struct SocialLogin {
    pub account: SocialAccountId,
    pub user: User,
    pub arrival: Arrival,
    /// The provider's tokens, sealed; None: those that are kept stay.
    pub tokens: Option<String>,
}

/// How somebody comes from a provider.
#[derive(Debug)]
pub enum Arrival {
    /// They have been here.
    Known { first_name: String, last_name: String },
    /// Their address is that of a user. `event`: that the account is linked.
    ByEmail { link: Link, email: String, event: AuditEvent },
    /// They are new. `event`: that they have signed up.
    New { link: Link, event: AuditEvent },
}

/// The account at the provider.
#[derive(Debug)]
pub struct Link {
    pub provider: String,
    pub uid: String,
}

impl SocialLogin {
    /// What goes before the tokens or the session, if the application is still what was read.
    pub(super) fn statements(&self, application: Option<&Application>, now: Timestamp) -> Vec<Statement> {
        match &self.arrival {
            Arrival::Known { first_name, last_name } => {
                vec![self.update_user(first_name, last_name, application), self.update(application, now)]
            }
            Arrival::ByEmail { link, email, event } => {
                vec![self.link_by_email(link, email, application, now), audit_events::note(event, now)]
            }
            Arrival::New { link, event } => vec![
                self.insert_user(link, application, now),
                audit_events::note(event, now),
                self.link_new(link, now),
            ],
        }
    }

    fn update_user(&self, first_name: &str, last_name: &str, application: Option<&Application>) -> Statement {
        let statement = Statement::new(
            "UPDATE users SET first_name = ?5, last_name = ?6
             WHERE id = ?3 AND (first_name <> ?5 OR last_name <> ?6) AND is_active = 1
             AND EXISTS (SELECT 1 FROM social_accounts WHERE id = ?4 AND user_id = ?3)
             AND (?1 IS NULL OR EXISTS (
               SELECT 1 FROM applications WHERE id = ?1 AND revision = ?2 AND is_active = 1))",
        );
        bind_application(statement, application)
            .bind(&self.user.id)
            .bind(&self.account)
            .bind(first_name)
            .bind(last_name)
    }

    fn update(&self, application: Option<&Application>, now: Timestamp) -> Statement {
        let statement = Statement::new(
            "UPDATE social_accounts SET last_used_at = ?5, tokens = coalesce(?6, tokens),
             lease_until = CASE WHEN ?6 IS NULL THEN lease_until END WHERE id = ?3 AND user_id = ?4
             AND EXISTS (SELECT 1 FROM users WHERE id = ?4 AND is_active = 1)
             AND (?1 IS NULL OR EXISTS (
               SELECT 1 FROM applications WHERE id = ?1 AND revision = ?2 AND is_active = 1))",
        );
        bind_application(statement, application)
            .bind(&self.account)
            .bind(&self.user.id)
            .bind(now)
            .bind(self.tokens.clone())
    }

    /// Only if the user's address still is what it was, verified, and nobody else's.
    fn link_by_email(
        &self,
        link: &Link,
        email: &str,
        application: Option<&Application>,
        now: Timestamp,
    ) -> Statement {
        let statement = Statement::new(
            "INSERT INTO social_accounts (id, user_id, provider, uid, tokens, created_at, last_used_at)
             SELECT ?3, u.id, ?5, ?6, ?7, ?8, ?8 FROM users u
             WHERE u.id = ?4 AND u.is_active = 1 AND u.email_verified = 1 AND u.email_key = ?9
             AND NOT EXISTS (SELECT 1 FROM users WHERE email_key = ?9 AND email_key <> '' AND id <> ?4)
             AND NOT EXISTS (SELECT 1 FROM social_accounts WHERE provider = ?5 AND uid = ?6)
             AND (SELECT count(*) FROM social_accounts WHERE user_id = ?4) < ?10
             AND (?1 IS NULL OR EXISTS (
               SELECT 1 FROM applications WHERE id = ?1 AND revision = ?2 AND is_active = 1))",
        );
        self.bind_link(bind_application(statement, application), link, now)
            .bind(username::key(email))
            .bind(MOST)
    }

    /// Only if the name is free, and so is an address that is verified: else two logins at the same time made two users.
    fn insert_user(&self, link: &Link, application: Option<&Application>, now: Timestamp) -> Statement {
        let statement = Statement::new(
            "INSERT INTO users (id, username, username_key, email, email_key, email_verified, first_name, last_name,
             is_active, is_superuser, token_epoch, created_at)
             SELECT ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13
             WHERE NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?5)
             AND (?8 = 0 OR NOT EXISTS (SELECT 1 FROM users WHERE email_key = ?7 AND email_key <> ''))
             AND NOT EXISTS (SELECT 1 FROM social_accounts WHERE provider = ?14 AND uid = ?15)
             AND (?1 IS NULL OR EXISTS (
               SELECT 1 FROM applications WHERE id = ?1 AND revision = ?2 AND is_active = 1))",
        );
        let statement = bind_application(statement, application).bind(&self.user.id);
        users::bind_profile(statement, &self.user.profile).bind(now).bind(&link.provider).bind(&link.uid)
    }

    /// For the user who was inserted just before, if they were.
    fn link_new(&self, link: &Link, now: Timestamp) -> Statement {
        let statement = Statement::new(
            "INSERT INTO social_accounts (id, user_id, provider, uid, tokens, created_at, last_used_at)
             SELECT ?1, id, ?3, ?4, ?5, ?6, ?6 FROM users WHERE id = ?2
             AND NOT EXISTS (SELECT 1 FROM social_accounts WHERE provider = ?3 AND uid = ?4)",
        );
        self.bind_link(statement, link, now)
    }

    fn bind_link(&self, statement: Statement, link: &Link, now: Timestamp) -> Statement {
        statement
            .bind(&self.account)
            .bind(&self.user.id)
            .bind(&link.provider)
            .bind(&link.uid)
            .bind(self.tokens.clone())
            .bind(now)
    }
}

fn bind_application(statement: Statement, application: Option<&Application>) -> Statement {
    statement
        .bind(application.map(|application| application.id.to_string()))
        .bind(application.map(|application| application.revision.clone()))
}

/// Stores who comes from a provider, if the application is still what was read. False if somebody else was faster.
pub async fn arrive(
    login: &SocialLogin,
    application: &Application,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let mut statements = login.statements(Some(application), now);
    let is_theirs = "SELECT 1 FROM social_accounts WHERE id = ?1 AND user_id = ?2";
    statements.push(Statement::new(is_theirs).bind(&login.account).bind(&login.user.id));
    Ok(db.batch(statements).await?.last().is_some_and(|outcome| outcome.first().is_some()))
}

/// The accounts at providers of a user, the oldest first; at most [`MOST`].
pub async fn list(user: &UserId, db: &dyn Database) -> Result<Vec<SocialAccount>, StoreError> {
    let statement =
        Statement::new("SELECT * FROM social_accounts WHERE user_id = ?1 ORDER BY created_at, id LIMIT ?2")
            .bind(user)
            .bind(MOST);
    db.run(statement).await?.rows.iter().map(read).collect()
}

/// An account at a provider that who is logged in wants to have linked.
#[derive(Debug)]
pub struct NewLink<'a> {
    pub account: SocialAccountId,
    pub link: Link,
    pub session: &'a Session,
    /// Sealed.
    pub tokens: Option<String>,
    pub event: &'a AuditEvent,
}

/// Links an account at a provider to a user who is still logged in. True if it is theirs after that; false if it is
/// somebody else's, or they have too many.
pub async fn link(new: &NewLink<'_>, now: Timestamp, db: &dyn Database) -> Result<bool, StoreError> {
    let user = &new.session.user;
    let insert = Statement::new(
        "INSERT INTO social_accounts (id, user_id, provider, uid, tokens, created_at, last_used_at)
         SELECT ?1, u.id, ?4, ?5, ?6, ?7, ?7 FROM users u JOIN sessions s ON s.user_id = u.id AND s.id = ?3
         WHERE u.id = ?2 AND u.token_epoch = s.user_epoch AND u.is_active = 1
         AND NOT EXISTS (SELECT 1 FROM social_accounts WHERE provider = ?4 AND uid = ?5)
         AND (SELECT count(*) FROM social_accounts WHERE user_id = ?2) < ?8",
    )
    .bind(&new.account)
    .bind(&user.id)
    .bind(&new.session.id)
    .bind(&new.link.provider)
    .bind(&new.link.uid)
    .bind(new.tokens.clone())
    .bind(now)
    .bind(MOST);
    let is_theirs =
        Statement::new("SELECT 1 FROM social_accounts WHERE provider = ?1 AND uid = ?2 AND user_id = ?3")
            .bind(&new.link.provider)
            .bind(&new.link.uid)
            .bind(&user.id);
    let outcomes = db.batch(vec![insert, audit_events::note(new.event, now), is_theirs]).await?;
    Ok(outcome(&outcomes, 2)?.first().is_some())
}

/// What came of unlinking.
#[derive(Debug)]
pub enum Disconnected {
    /// These are gone, with what was kept of their tokens.
    Yes(Vec<(SocialAccountId, Option<String>)>),
    NotThere,
    /// Nothing would be left to log in by.
    LastWayIn,
}

/// Unlinks an account at a provider, or all of a user's there, if something is left to log in by: a password, or an
/// account at one of the providers `ways_in` (a JSON list).
pub async fn disconnect(
    user: &UserId,
    provider: &str,
    account: Option<SocialAccountId>,
    ways_in: &str,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Disconnected, StoreError> {
    let account = account.map(|account| account.to_string());
    let delete = Statement::new(
        "DELETE FROM social_accounts WHERE user_id = ?1 AND provider = ?2 AND (?3 IS NULL OR id = ?3)
         AND EXISTS (
           SELECT 1 FROM users WHERE id = ?1 AND substr(password_hash, 1, 1) <> '!'
           UNION ALL
           SELECT 1 FROM social_accounts WHERE user_id = ?1 AND provider IN (SELECT value FROM json_each(?4))
           AND NOT (provider = ?2 AND (?3 IS NULL OR id = ?3)))
         RETURNING id, tokens",
    )
    .bind(user)
    .bind(provider)
    .bind(account.clone())
    .bind(ways_in);
    let left = Statement::new(
        "SELECT 1 FROM social_accounts WHERE user_id = ?1 AND provider = ?2 AND (?3 IS NULL OR id = ?3) LIMIT 1",
    )
    .bind(user)
    .bind(provider)
    .bind(account);
    let outcomes = db.batch(vec![delete, audit_events::note(event, now), left]).await?;
    let removed = outcome(&outcomes, 0)?.rows.iter().map(read_account_tokens);
    let removed: Vec<_> = removed.collect::<Result<_, _>>()?;
    Ok(match (removed.is_empty(), outcome(&outcomes, 2)?.first()) {
        (false, _) => Disconnected::Yes(removed),
        (true, Some(_)) => Disconnected::LastWayIn,
        (true, None) => Disconnected::NotThere,
    })
}

fn read_account_tokens(row: &Row) -> Result<(SocialAccountId, Option<String>), StoreError> {
    Ok((row.parsed("id", SocialAccountId::parse)?, row.optional_text("tokens")?.map(str::to_owned)))
}

fn read(row: &Row) -> Result<SocialAccount, StoreError> {
    Ok(SocialAccount {
        id: row.parsed("id", SocialAccountId::parse)?,
        user_id: row.parsed("user_id", UserId::parse)?,
        provider: row.text("provider")?.to_owned(),
        uid: row.text("uid")?.to_owned(),
        created_at: row.time("created_at")?,
        last_used_at: row.time("last_used_at")?,
    })
}
