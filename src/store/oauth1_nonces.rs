//! `oauth1_nonces`: signed requests that have been seen.

use super::database::{Database, Statement, StoreError, outcome};
use super::families;
use crate::model::application::Application;
use crate::model::family::{Family, TokenDigest};
use crate::model::id::FamilyId;
use crate::model::time::Timestamp;

/// A signed request, of which there may be no second.
#[derive(Debug)]
pub struct Nonce {
    /// Of application, token, timestamp and nonce.
    pub digest: TokenDigest,
    /// When a repetition is refused by its timestamp.
    pub expires_at: Timestamp,
}

/// What came of using a nonce.
#[derive(Debug)]
pub struct Used {
    /// It had not been used before, and now has.
    pub is_new: bool,
    /// The application is still in the revision that the isolate remembers; if not, nothing was stored.
    pub application_is_current: bool,
    /// The family that was asked for, as it is now.
    pub family: Option<Family>,
}

/// Stores a nonce, unless it is there: of any number of simultaneous tries one is new (RFC 5849 §3.3). In the same round trip,
/// reads the family that the request's token is of. None: a request that needs no nonce.
pub async fn insert(
    nonce: Option<&Nonce>,
    application: &Application,
    family: Option<&FamilyId>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Used, StoreError> {
    let mut batch = vec![families::revision_of(&application.id)];
    if let Some(nonce) = nonce {
        batch.push(insert_statement(nonce, application));
        batch.push(delete_expired(now, 4));
    }
    batch.extend(family.map(families::find_statement));
    let outcomes = db.batch(batch).await?;
    let found = outcomes.last().filter(|_| family.is_some());
    Ok(Used {
        is_new: nonce.is_none() || outcome(&outcomes, 1)?.changed > 0,
        application_is_current: families::is_current(application, outcomes.first())?,
        family: found.and_then(|found| found.first()).map(families::read).transpose()?,
    })
}

fn insert_statement(nonce: &Nonce, application: &Application) -> Statement {
    Statement::new(
        "INSERT INTO oauth1_nonces (digest, expires_at)
         SELECT ?1, ?2 FROM applications WHERE id = ?3 AND revision = ?4
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(&nonce.digest)
    .bind(nonce.expires_at)
    .bind(&application.id)
    .bind(&application.revision)
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM oauth1_nonces WHERE digest IN (
           SELECT digest FROM oauth1_nonces WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}
