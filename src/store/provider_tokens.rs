//! The tokens of identity providers, sealed: columns of `social_accounts` with rules of their own.

use super::database::{Database, Row, Statement, StoreError};
use crate::model::id::SocialAccountId;
use crate::model::time::Timestamp;

/// Tokens as they are kept.
#[derive(Debug)]
pub struct Kept {
    pub account: SocialAccountId,
    pub sealed: String,
}

/// The tokens that are kept of a user's account at a provider; of several accounts, of the one used last.
pub async fn find(username: &str, provider: &str, db: &dyn Database) -> Result<Option<Kept>, StoreError> {
    let statement = Statement::new(
        "SELECT s.id, s.tokens FROM users u JOIN social_accounts s ON s.user_id = u.id AND s.provider = ?2
         WHERE u.username = ?1 AND s.tokens IS NOT NULL ORDER BY s.last_used_at DESC, s.id LIMIT 1",
    )
    .bind(username)
    .bind(provider);
    db.run(statement).await?.first().map(read_kept).transpose()
}

/// Takes the lease of refreshing these very tokens. True for one caller until then, however many isolates try.
pub async fn take_lease(
    kept: &Kept,
    until: Timestamp,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let statement = Statement::new(
        "UPDATE social_accounts SET lease_until = ?3
         WHERE id = ?1 AND tokens = ?2 AND (lease_until IS NULL OR lease_until <= ?4)",
    )
    .bind(&kept.account)
    .bind(&kept.sealed)
    .bind(until)
    .bind(now);
    Ok(db.run(statement).await?.changed == 1)
}

/// Gives a lease back. False if it has ended, or other tokens are there by now.
pub async fn free_lease(kept: &Kept, until: Timestamp, db: &dyn Database) -> Result<bool, StoreError> {
    let statement = Statement::new(
        "UPDATE social_accounts SET lease_until = NULL WHERE id = ?1 AND tokens = ?2 AND lease_until = ?3",
    )
    .bind(&kept.account)
    .bind(&kept.sealed)
    .bind(until);
    Ok(db.run(statement).await?.changed == 1)
}

/// Puts other tokens in the place of these very ones, and ends the lease. False if others are there by now.
pub async fn replace(kept: &Kept, sealed: &str, db: &dyn Database) -> Result<bool, StoreError> {
    let statement = Statement::new(
        "UPDATE social_accounts SET tokens = ?3, lease_until = NULL WHERE id = ?1 AND tokens = ?2",
    )
    .bind(&kept.account)
    .bind(&kept.sealed)
    .bind(sealed);
    Ok(db.run(statement).await?.changed == 1)
}

/// Tokens as they are kept by now for an account.
pub async fn read(account: &SocialAccountId, db: &dyn Database) -> Result<Option<Kept>, StoreError> {
    let statement =
        Statement::new("SELECT id, tokens FROM social_accounts WHERE id = ?1 AND tokens IS NOT NULL")
            .bind(account);
    db.run(statement).await?.first().map(read_kept).transpose()
}

fn read_kept(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept { account: row.parsed("id", SocialAccountId::parse)?, sealed: row.text("tokens")?.to_owned() })
}
