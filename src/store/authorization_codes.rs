//! `authorization_codes`.

use super::audit_events;
use super::database::{Database, Row, Statement, StoreError, outcome};
use super::grants::{self, Consent};
use crate::model::application::Application;
use crate::model::authorization_code::IssuedCode;
use crate::model::family::TokenDigest;
use crate::model::id::{ApplicationId, GrantId, SessionId, UserId};
use crate::model::scope::Scope;
use crate::model::time::Timestamp;
use crate::protocol::pkce::{ChallengeMethod, CodeChallenge};

/// A code about to be stored.
#[derive(Debug)]
pub struct NewCode<'a> {
    pub digest: &'a TokenDigest,
    pub application: &'a Application,
    pub session: SessionId,
    pub user_id: UserId,
    pub user_epoch: i64,
    pub grant_id: GrantId,
    /// What the person has just agreed to, if they were asked.
    pub consent: Option<&'a Consent<'a>>,
    pub redirect_uri: &'a str,
    pub redirect_uri_asked: bool,
    pub scope: &'a Scope,
    pub code_challenge: Option<&'a CodeChallenge>,
    pub expires_at: Timestamp,
}

/// Stores a code, and the consent if there is one, if the application, the session, the user and the grant are still what
/// was read. False if they are not.
pub async fn insert(code: &NewCode<'_>, now: Timestamp, db: &dyn Database) -> Result<bool, StoreError> {
    let mut batch = Vec::new();
    if let Some(consent) = code.consent {
        let (user, epoch) = (&code.user_id, code.user_epoch);
        batch.push(grants::write(&code.grant_id, user, epoch, code.application, consent.scope, now));
        batch.push(audit_events::note(consent.event, now));
    }
    let insert_at = batch.len();
    batch.push(insert_statement(code));
    batch.push(delete_expired(now, 4));
    Ok(outcome(&db.batch(batch).await?, insert_at)?.changed > 0)
}

fn insert_statement(code: &NewCode<'_>) -> Statement {
    Statement::new(
        "INSERT INTO authorization_codes (digest, application_id, user_id, user_epoch, redirect_uri,
         redirect_uri_asked, scope, code_challenge, code_challenge_method, expires_at)
         SELECT ?1, a.id, u.id, u.token_epoch, ?8, ?9, ?10, ?11, ?12, ?13
         FROM applications a, users u, grants g, sessions s
         WHERE a.id = ?2 AND a.revision = ?3 AND a.is_active = 1
         AND u.id = ?4 AND u.token_epoch = ?5 AND u.is_active = 1
         AND g.id = ?6 AND g.user_id = u.id AND g.application_id = a.id AND g.ended_at IS NULL
         AND s.id = ?7 AND s.user_id = u.id AND s.user_epoch = u.token_epoch",
    )
    .bind(code.digest)
    .bind(&code.application.id)
    .bind(&code.application.revision)
    .bind(&code.user_id)
    .bind(code.user_epoch)
    .bind(&code.grant_id)
    .bind(&code.session)
    .bind(code.redirect_uri)
    .bind(code.redirect_uri_asked)
    .bind(code.scope)
    .bind(code.code_challenge.map(|challenge| challenge.challenge.as_str()))
    .bind(code.code_challenge.map(|challenge| challenge.method.as_str()))
    .bind(code.expires_at)
}

/// Finds a code, a used one too.
pub async fn find(code: &TokenDigest, db: &dyn Database) -> Result<Option<IssuedCode>, StoreError> {
    let found = db
        .run(
            Statement::new(
                "SELECT c.*, u.username FROM authorization_codes c LEFT JOIN users u ON u.id = c.user_id
                 WHERE c.digest = ?1",
            )
            .bind(code),
        )
        .await?;
    found.first().map(read).transpose()
}

/// Uses a code up if what it stands for is still so. The row stays until `keep`. The statement right after it can ask
/// `changes()` whether it did; of any number of tries one does.
pub(super) fn consume(
    code: &TokenDigest,
    application: &Application,
    grant: &GrantId,
    keep: Timestamp,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE authorization_codes SET consumed_at = ?5, expires_at = max(expires_at, ?6)
         WHERE digest = ?1 AND consumed_at IS NULL AND expires_at > ?5 AND application_id = ?2
         AND EXISTS (SELECT 1 FROM applications a WHERE a.id = ?2 AND a.revision = ?3 AND a.is_active = 1)
         AND EXISTS (SELECT 1 FROM users u WHERE u.id = authorization_codes.user_id AND u.is_active = 1
           AND u.token_epoch = authorization_codes.user_epoch)
         AND EXISTS (SELECT 1 FROM grants g WHERE g.id = ?4 AND g.user_id = authorization_codes.user_id
           AND g.application_id = ?2 AND g.ended_at IS NULL)",
    )
    .bind(code)
    .bind(&application.id)
    .bind(&application.revision)
    .bind(grant)
    .bind(now)
    .bind(keep)
}

/// Part of a batch: a row if the code has been used up.
pub(super) fn is_consumed(code: &TokenDigest) -> Statement {
    Statement::new("SELECT 1 FROM authorization_codes WHERE digest = ?1 AND consumed_at IS NOT NULL")
        .bind(code)
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM authorization_codes WHERE digest IN (
           SELECT digest FROM authorization_codes WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

fn read(row: &Row) -> Result<IssuedCode, StoreError> {
    let challenge = row.optional_text("code_challenge")?;
    let method = row.optional_parsed("code_challenge_method", ChallengeMethod::parse)?;
    let code_challenge =
        challenge.zip(method).map(|(text, method)| CodeChallenge { challenge: text.to_owned(), method });
    Ok(IssuedCode {
        application_id: row.parsed("application_id", ApplicationId::parse)?,
        user_id: row.parsed("user_id", UserId::parse)?,
        user_epoch: row.integer("user_epoch")?,
        username: row.optional_text("username")?.map(str::to_owned),
        redirect_uri: row.text("redirect_uri")?.to_owned(),
        redirect_uri_asked: row.flag("redirect_uri_asked")?,
        scope: Scope::from_stored(row.text("scope")?),
        code_challenge,
        expires_at: row.time("expires_at")?,
        is_consumed: row.optional_time("consumed_at")?.is_some(),
    })
}
