//! `audit_events`.

use serde_json::{Value, json};

use super::database::{Database, Row, Statement, StoreError};
use crate::model::audit::AuditEvent;
use crate::model::time::{Lifetime, Timestamp};

/// How long an event is kept: 90 days.
const KEPT: Lifetime = Lifetime(90 * 86_400);

/// Part of a batch: notes what the statement right before it did, if it changed anything.
pub(super) fn note(event: &AuditEvent, now: Timestamp) -> Statement {
    bind(
        "INSERT INTO audit_events (created_at, actor, action, target, address)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE changes() > 0",
        event,
        now,
    )
}

/// Notes what has been done, and clears away a few old events: who guesses can make more of them than anybody.
pub async fn insert(event: &AuditEvent, now: Timestamp, db: &dyn Database) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO audit_events (created_at, actor, action, target, address) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.batch(vec![bind(sql, event, now), delete_expired(now, 4)]).await.map(drop)
}

fn bind(sql: &'static str, event: &AuditEvent, now: Timestamp) -> Statement {
    Statement::new(sql)
        .bind(now)
        .bind(event.by.actor.to_string())
        .bind(event.action.as_str())
        .bind(&event.target)
        .bind(event.by.address.map(|address| address.to_string()))
}

/// A page of events, the latest first, of those before this id.
pub async fn list(before: i64, limit: i64, db: &dyn Database) -> Result<Vec<Value>, StoreError> {
    let sql = "SELECT * FROM audit_events WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    db.run(Statement::new(sql).bind(before).bind(limit)).await?.rows.iter().map(to_json).collect()
}

fn to_json(row: &Row) -> Result<Value, StoreError> {
    Ok(json!({
        "id": row.integer("id")?,
        "created_at": row.integer("created_at")?,
        "actor": row.text("actor")?,
        "action": row.text("action")?,
        "target": row.text("target")?,
        "address": row.optional_text("address")?,
    }))
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE created_at <= ?1 LIMIT ?2)",
    )
    .bind(now.0 - KEPT.seconds())
    .bind(limit)
}
