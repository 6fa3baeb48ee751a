//! What is sealed, in whichever table: for sealing it anew.

use super::database::{Database, Row, Statement, StoreError};

/// A column that holds what is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    ProviderTokens,
    ClientSecrets,
    Oauth1Tokens,
    Oauth1RequestTokens,
}

/// A row as it is kept. `key` is what it was sealed for.
#[derive(Debug)]
pub struct Kept {
    pub key: String,
    /// None: there is nothing in this row.
    pub stored: Option<String>,
}

impl SealedColumn {
    pub const ALL: [Self; 4] =
        [Self::ProviderTokens, Self::ClientSecrets, Self::Oauth1Tokens, Self::Oauth1RequestTokens];

    /// The table that it is in.
    pub fn table(self) -> &'static str {
        match self {
            Self::ProviderTokens => "social_accounts",
            Self::ClientSecrets => "applications",
            Self::Oauth1Tokens => "families",
            Self::Oauth1RequestTokens => "oauth1_tokens",
        }
    }

    fn list(self) -> &'static str {
        match self {
            Self::ProviderTokens => {
                "SELECT id AS key, tokens AS stored FROM social_accounts WHERE id > ?1 ORDER BY id LIMIT ?2"
            }
            Self::ClientSecrets => {
                "SELECT id AS key, secret AS stored FROM applications WHERE id > ?1 ORDER BY id LIMIT ?2"
            }
            // By its small index: the table holds every session, and few of them are of OAuth 1.0a.
            Self::Oauth1Tokens => {
                "SELECT id AS key, oauth1_secret AS stored FROM families INDEXED BY families_of_oauth1
                 WHERE oauth1_secret IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2"
            }
            Self::Oauth1RequestTokens => {
                "SELECT digest AS key, secret AS stored FROM oauth1_tokens WHERE digest > ?1 ORDER BY digest LIMIT ?2"
            }
        }
    }

    fn replace(self) -> &'static str {
        match self {
            Self::ProviderTokens => "UPDATE social_accounts SET tokens = ?3 WHERE id = ?1 AND tokens = ?2",
            Self::ClientSecrets => "UPDATE applications SET secret = ?3 WHERE id = ?1 AND secret = ?2",
            Self::Oauth1Tokens => {
                "UPDATE families SET oauth1_secret = ?3 WHERE id = ?1 AND oauth1_secret = ?2"
            }
            Self::Oauth1RequestTokens => {
                "UPDATE oauth1_tokens SET secret = ?3 WHERE digest = ?1 AND secret = ?2"
            }
        }
    }
}

/// The next rows in the order of their keys.
pub async fn list(
    column: SealedColumn,
    after: &str,
    limit: i64,
    db: &dyn Database,
) -> Result<Vec<Kept>, StoreError> {
    let statement = Statement::new(column.list()).bind(after).bind(limit);
    db.run(statement).await?.rows.iter().map(read).collect()
}

/// Puts the same, sealed anew, in the place of these very ones; nothing else about a row changes: who is refreshing a
/// provider's tokens keeps the lease, and an application its revision. Returns of how many.
pub async fn replace(anew: &[(SealedColumn, Kept, String)], db: &dyn Database) -> Result<u64, StoreError> {
    if anew.is_empty() {
        return Ok(0);
    }
    let statement = |(column, kept, stored): &(SealedColumn, Kept, String)| {
        Statement::new(column.replace()).bind(&kept.key).bind(kept.stored.clone()).bind(stored)
    };
    let outcomes = db.batch(anew.iter().map(statement).collect()).await?;
    Ok(outcomes.iter().map(|outcome| outcome.changed).sum())
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept { key: row.text("key")?.to_owned(), stored: row.optional_text("stored")?.map(str::to_owned) })
}
