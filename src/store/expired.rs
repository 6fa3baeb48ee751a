//! Clearing away what is over, in bounded steps: expired families, sessions, codes, links, tries, audit
//! events, and what deletions and log-outs left behind.

use serde_json::{Value, json};

use super::database::{Database, Statement, StoreError};
use super::{
    attempts, audit_events, authorization_codes, mail_links, oauth1_nonces, oauth1_tokens, sessions,
};
use crate::model::time::{Lifetime, Timestamp};

/// How many rows of each kind one step deletes at the most.
const STEP: i64 = 500;

/// What a step did.
#[derive(Debug)]
pub struct Cleared {
    pub families: u64,
    pub grants: u64,
    pub attempts: u64,
    pub audit_events: u64,
    pub sessions: u64,
    pub authorization_codes: u64,
    pub mail_links: u64,
    pub oauth1_tokens: u64,
    pub oauth1_nonces: u64,
    /// There may be more: do another step.
    pub more: bool,
}

impl Cleared {
    pub fn to_json(&self) -> Value {
        let deleted = json!({
            "families": self.families,
            "grants": self.grants,
            "attempts": self.attempts,
            "audit_events": self.audit_events,
            "sessions": self.sessions,
            "authorization_codes": self.authorization_codes,
            "mail_links": self.mail_links,
            "oauth1_tokens": self.oauth1_tokens,
            "oauth1_nonces": self.oauth1_nonces,
        });
        json!({"deleted": deleted, "more": self.more})
    }
}

/// Deletes a few expired families: part of every issuance, so that storage stays bounded even if no cron ever runs.
pub(super) fn delete_a_few(now: Timestamp) -> Statement {
    delete_expired_families(now, 4)
}

/// Deletes what was left behind earlier by what leaves something behind now: for the same reason part of every end of a
/// grant and of every deletion.
pub(super) fn delete_left_behind(keep: Lifetime, now: Timestamp) -> Vec<Statement> {
    left_behind(before(keep, now), 100)
}

fn before(keep: Lifetime, now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(keep.seconds()))
}

fn left_behind(before: Timestamp, limit: i64) -> Vec<Statement> {
    let step = |sql| Statement::new(sql).bind(limit);
    vec![
        step(DELETE_FAMILIES_OF_ENDED_GRANTS).bind(before),
        step(END_GRANTS_OF_DELETED_USERS).bind(before),
        step(END_GRANTS_OF_DELETED_APPLICATIONS).bind(before),
        step(DELETE_ENDED_GRANTS).bind(before),
        step(DELETE_PURGES_OF_DELETED),
    ]
}

/// One step. Ended grants are kept for `keep`, as long as an access token may still be somewhere in a cache.
pub async fn clear(keep: Lifetime, now: Timestamp, db: &dyn Database) -> Result<Cleared, StoreError> {
    let mut batch = vec![
        delete_expired_families(now, STEP),
        Statement::new(DELETE_FAMILIES_OF_EARLIER_USER_EPOCHS).bind(STEP),
        Statement::new(DELETE_FAMILIES_OF_EARLIER_APPLICATION_EPOCHS).bind(STEP),
    ];
    batch.extend(left_behind(before(keep, now), STEP));
    batch.extend([
        Statement::new(DELETE_PURGES_OF_EPOCHS).bind(STEP),
        attempts::delete_expired(now, STEP),
        audit_events::delete_expired(now, STEP),
        sessions::delete_expired(now, STEP),
        authorization_codes::delete_expired(now, STEP),
        mail_links::delete_expired(now, STEP),
        oauth1_tokens::delete_expired(now, STEP),
        oauth1_nonces::delete_expired(now, STEP),
    ]);
    let outcomes = db.batch(batch).await?;
    let changed: Vec<u64> = outcomes.iter().map(|outcome| outcome.changed).collect();
    let sum = |indexes: &[usize]| indexes.iter().filter_map(|&index| changed.get(index)).sum();
    Ok(Cleared {
        families: sum(&[0, 1, 2, 3]),
        grants: sum(&[6]),
        attempts: sum(&[9]),
        audit_events: sum(&[10]),
        sessions: sum(&[11]),
        authorization_codes: sum(&[12]),
        mail_links: sum(&[13]),
        oauth1_tokens: sum(&[14]),
        oauth1_nonces: sum(&[15]),
        more: changed.iter().any(|&count| count >= STEP.unsigned_abs()),
    })
}

fn delete_expired_families(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}

// CROSS JOIN keeps SQLite to the order of the tables, the few first: by itself it may begin with all families.

const DELETE_FAMILIES_OF_EARLIER_USER_EPOCHS: &str = "DELETE FROM families WHERE id IN (
   SELECT f.id FROM purges p CROSS JOIN grants g ON g.user_id = p.owner_id AND g.ended_at IS NULL
   CROSS JOIN families f ON f.grant_id = g.id WHERE f.user_epoch < p.token_epoch LIMIT ?1)";

const DELETE_FAMILIES_OF_EARLIER_APPLICATION_EPOCHS: &str = "DELETE FROM families WHERE id IN (
   SELECT f.id FROM purges p CROSS JOIN grants g ON g.application_id = p.owner_id AND g.ended_at IS NULL
   CROSS JOIN families f ON f.grant_id = g.id WHERE f.application_epoch < p.token_epoch LIMIT ?1)";

const DELETE_FAMILIES_OF_ENDED_GRANTS: &str = "DELETE FROM families WHERE id IN (
   SELECT f.id FROM grants g CROSS JOIN families f ON f.grant_id = g.id WHERE g.ended_at <= ?2 LIMIT ?1)";

const END_GRANTS_OF_DELETED_USERS: &str = "UPDATE grants SET ended_at = ?2 WHERE id IN (
   SELECT g.id FROM purges p CROSS JOIN grants g ON g.user_id = p.owner_id
   WHERE p.is_deleted = 1 AND g.ended_at IS NULL LIMIT ?1)";

const END_GRANTS_OF_DELETED_APPLICATIONS: &str = "UPDATE grants SET ended_at = ?2 WHERE id IN (
   SELECT g.id FROM purges p CROSS JOIN grants g ON g.application_id = p.owner_id
   WHERE p.is_deleted = 1 AND g.ended_at IS NULL LIMIT ?1)";

const DELETE_ENDED_GRANTS: &str =
    "DELETE FROM grants WHERE id IN (SELECT id FROM grants g WHERE g.ended_at <= ?2
   AND NOT EXISTS (SELECT 1 FROM families f WHERE f.grant_id = g.id) LIMIT ?1)";

const DELETE_PURGES_OF_DELETED: &str = "DELETE FROM purges WHERE owner_id IN (
   SELECT owner_id FROM purges p WHERE p.is_deleted = 1
   AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.user_id = p.owner_id AND g.ended_at IS NULL)
   AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.application_id = p.owner_id AND g.ended_at IS NULL) LIMIT ?1)";

const DELETE_PURGES_OF_EPOCHS: &str = "DELETE FROM purges WHERE owner_id IN (
   SELECT owner_id FROM purges p WHERE p.is_deleted = 0 AND NOT EXISTS (
     SELECT 1 FROM grants g JOIN families f ON f.grant_id = g.id
     WHERE g.user_id = p.owner_id AND g.ended_at IS NULL AND f.user_epoch < p.token_epoch)
   AND NOT EXISTS (
     SELECT 1 FROM grants g JOIN families f ON f.grant_id = g.id
     WHERE g.application_id = p.owner_id AND g.ended_at IS NULL AND f.application_epoch < p.token_epoch) LIMIT ?1)";
