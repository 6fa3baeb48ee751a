//! `oauth1_tokens`: request tokens of OAuth 1.0a, until they are exchanged.

use super::audit_events;
use super::database::{Database, Row, Statement, StoreError, outcome};
use super::grants::{self, Approval};
use crate::model::application::Application;
use crate::model::family::TokenDigest;
use crate::model::id::{ApplicationId, GrantId, UserId};
use crate::model::oauth1::{Callback, RequestToken, RequestTokenState};
use crate::model::scope::Scope;
use crate::model::time::Timestamp;

/// A request token about to be stored.
#[derive(Debug)]
pub struct NewRequestToken<'a> {
    pub digest: &'a TokenDigest,
    /// Sealed for its row.
    pub secret: &'a str,
    pub application: &'a Application,
    pub callback: &'a Callback,
    pub scope: &'a Scope,
    pub expires_at: Timestamp,
}

/// Stores a request token if the application is still what was read. False if it is not.
pub async fn insert(
    token: &NewRequestToken<'_>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let insert = Statement::new(
        "INSERT INTO oauth1_tokens (digest, secret, application_id, callback, scope, expires_at)
         SELECT ?1, ?2, a.id, ?5, ?6, ?7 FROM applications a
         WHERE a.id = ?3 AND a.revision = ?4 AND a.is_active = 1",
    )
    .bind(token.digest)
    .bind(token.secret)
    .bind(&token.application.id)
    .bind(&token.application.revision)
    .bind(token.callback.uri().map(str::to_owned))
    .bind(token.scope)
    .bind(token.expires_at);
    let outcomes = db.batch(vec![insert, delete_expired(now, 4)]).await?;
    Ok(outcome(&outcomes, 0)?.changed > 0)
}

/// Finds a request token, an expired one too.
pub async fn find(token: &TokenDigest, db: &dyn Database) -> Result<Option<RequestToken>, StoreError> {
    let statement = Statement::new(
        "SELECT t.*, a.client_id FROM oauth1_tokens t JOIN applications a ON a.id = t.application_id
         WHERE t.digest = ?1",
    )
    .bind(token);
    db.run(statement).await?.first().map(read).transpose()
}

/// Notes who has approved, once, and the consent if there is one, if the application, the session, the user and the grant are
/// still what was read. False if they are not, or somebody has approved before.
pub async fn approve(
    token: &TokenDigest,
    approval: &Approval<'_>,
    verifier: &TokenDigest,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let (application, user) = (approval.application, &approval.session.user);
    // First, so that nobody has agreed to anything whose approval comes to nothing.
    let mut batch = vec![
        Statement::new(
            "UPDATE oauth1_tokens SET user_id = ?4, user_epoch = ?5, grant_id = ?6, scope = ?8, verifier_digest = ?9
             WHERE digest = ?1 AND user_id IS NULL AND application_id = ?2 AND expires_at > ?10
             AND EXISTS (SELECT 1 FROM applications WHERE id = ?2 AND revision = ?3 AND is_active = 1)
             AND EXISTS (SELECT 1 FROM users u JOIN sessions s ON s.user_id = u.id
               WHERE u.id = ?4 AND u.token_epoch = ?5 AND u.is_active = 1
               AND s.id = ?7 AND s.user_epoch = u.token_epoch)
             AND (EXISTS (SELECT 1 FROM grants
                 WHERE id = ?6 AND user_id = ?4 AND application_id = ?2 AND ended_at IS NULL)
               OR (?11 = 1 AND NOT EXISTS (SELECT 1 FROM grants WHERE id = ?6) AND NOT EXISTS (
                 SELECT 1 FROM grants WHERE user_id = ?4 AND application_id = ?2 AND ended_at IS NULL)))",
        )
        .bind(token)
        .bind(&application.id)
        .bind(&application.revision)
        .bind(&user.id)
        .bind(user.token_epoch)
        .bind(&approval.grant_id)
        .bind(&approval.session.id)
        .bind(approval.scope)
        .bind(verifier)
        .bind(now)
        .bind(approval.consent.is_some()),
    ];
    if let Some(consent) = &approval.consent {
        let grant = &approval.grant_id;
        batch.push(grants::write_if_changed(grant, user, application, consent.scope, now));
        batch.push(audit_events::note(consent.event, now));
    }
    Ok(outcome(&db.batch(batch).await?, 0)?.changed > 0)
}

/// Deletes a request token that nobody has approved. False if there is none.
pub async fn refuse(token: &TokenDigest, db: &dyn Database) -> Result<bool, StoreError> {
    let delete =
        Statement::new("DELETE FROM oauth1_tokens WHERE digest = ?1 AND user_id IS NULL").bind(token);
    Ok(db.run(delete).await?.changed > 0)
}

/// Uses a request token up if what it stands for is still so. The statement right after it can ask `changes()` whether it
/// did; of any number of tries one does.
pub(super) fn consume(
    token: &TokenDigest,
    application: &Application,
    grant: &GrantId,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "DELETE FROM oauth1_tokens WHERE digest = ?1 AND application_id = ?2 AND expires_at > ?5
         AND EXISTS (SELECT 1 FROM applications WHERE id = ?2 AND revision = ?3 AND is_active = 1)
         AND EXISTS (SELECT 1 FROM users u JOIN grants g ON g.user_id = u.id
           WHERE u.id = oauth1_tokens.user_id AND u.token_epoch = oauth1_tokens.user_epoch AND u.is_active = 1
           AND g.id = ?4 AND g.id = oauth1_tokens.grant_id AND g.application_id = ?2 AND g.ended_at IS NULL)",
    )
    .bind(token)
    .bind(&application.id)
    .bind(&application.revision)
    .bind(grant)
    .bind(now)
}

/// Part of a batch: a row if the request token has been used up.
pub(super) fn is_consumed(token: &TokenDigest) -> Statement {
    Statement::new("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM oauth1_tokens WHERE digest = ?1)").bind(token)
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM oauth1_tokens WHERE digest IN (
           SELECT digest FROM oauth1_tokens WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

fn read(row: &Row) -> Result<RequestToken, StoreError> {
    let state = match row.optional_parsed("user_id", UserId::parse)? {
        None => RequestTokenState::Pending,
        Some(user_id) => RequestTokenState::Approved {
            user_id,
            user_epoch: row.integer("user_epoch")?,
            grant_id: row.parsed("grant_id", GrantId::parse)?,
            verifier: row.parsed("verifier_digest", TokenDigest::parse)?,
        },
    };
    let callback = row.optional_text("callback")?;
    Ok(RequestToken {
        secret: row.text("secret")?.to_owned(),
        application_id: row.parsed("application_id", ApplicationId::parse)?,
        client_id: row.text("client_id")?.to_owned(),
        callback: callback.map_or(Callback::OutOfBand, |uri| Callback::Uri(uri.to_owned())),
        scope: Scope::from_stored(row.text("scope")?),
        expires_at: row.time("expires_at")?,
        state,
    })
}
