//! Sealing anew what an older key has sealed, so that the key can go.

use crate::app::App;
use crate::crypto::sealed::Purpose;
use crate::model::stored_secret::StoredSecret;
use crate::store::database::StoreError;
use crate::store::sealed::{self, Kept, SealedColumn};

/// How many rows one step looks at.
const STEP: usize = 50;

/// What one step has done.
#[derive(Debug)]
pub struct Step {
    pub reencrypted: u64,
    /// No key of today opens them: they were left as they are.
    pub unreadable: usize,
    /// Where the next step begins; none: this was the last one.
    pub next: Option<Cursor>,
}

/// Where a step begins: after the row with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    column: SealedColumn,
    after: String,
}

impl Cursor {
    /// At the first row of the first table.
    pub fn start() -> Self {
        Self { column: SealedColumn::ProviderTokens, after: String::new() }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (table, after) = text.split_once('.')?;
        let column = SealedColumn::ALL.into_iter().find(|column| column.table() == table)?;
        Some(Self { column, after: after.to_owned() })
    }

    pub fn to_text(&self) -> String {
        format!("{}.{}", self.column.table(), self.after)
    }
}

/// Seals anew, by the first key, what other keys have sealed in the next rows, of one table after the other. What somebody
/// else stores at the same time is sealed by the first key anyway, and stays.
///
/// # Errors
/// The database did not answer. Whatever has been done by then, the same step can be done again.
pub async fn step(start: Cursor, app: &App) -> Result<Step, StoreError> {
    let mut anew = Vec::new();
    let mut unreadable = 0;
    let mut left = STEP;
    let mut next = None;
    for column in SealedColumn::ALL.into_iter().skip_while(|column| *column != start.column) {
        let after = if column == start.column { start.after.as_str() } else { "" };
        let rows = sealed::list(column, after, i64::try_from(left).unwrap_or(0), &*app.db).await?;
        left = left.saturating_sub(rows.len());
        let last = rows.last().map_or_else(|| after.to_owned(), |row| row.key.clone());
        for row in rows {
            match seal_anew(column, &row, app) {
                Anew::Sealed(stored) => anew.push((column, row, stored)),
                Anew::Unreadable => unreadable += 1,
                Anew::NoNeed => {}
            }
        }
        if left == 0 {
            next = Some(Cursor { column, after: last });
            break;
        }
    }
    let reencrypted = sealed::replace(&anew, &*app.db).await?;
    Ok(Step { reencrypted, unreadable, next })
}

/// What came of one row.
enum Anew {
    Sealed(String),
    /// No key opens it.
    Unreadable,
    /// The first key has sealed it, or nothing in it is sealed.
    NoNeed,
}

fn seal_anew(column: SealedColumn, row: &Kept, app: &App) -> Anew {
    let Some(stored) = &row.stored else {
        return Anew::NoNeed;
    };
    if column != SealedColumn::ClientSecrets {
        return open_and_seal(column, row, stored, app);
    }
    let secret = StoredSecret::from_stored(stored);
    match secret.sealed().map(|sealed| open_and_seal(column, row, sealed, app)) {
        Some(Anew::Sealed(sealed)) => Anew::Sealed(secret.resealed(sealed).to_stored()),
        Some(other) => other,
        None => Anew::NoNeed,
    }
}

fn open_and_seal(column: SealedColumn, row: &Kept, sealed: &str, app: &App) -> Anew {
    let keys = &app.settings.keys;
    let purpose = match column {
        SealedColumn::ProviderTokens => Purpose::ProviderToken,
        SealedColumn::ClientSecrets => Purpose::ClientSecret,
        SealedColumn::Oauth1Tokens | SealedColumn::Oauth1RequestTokens => Purpose::Oauth1Token,
    };
    if keys.is_current(sealed) {
        return Anew::NoNeed;
    }
    match keys.open(purpose, &row.key, sealed) {
        Some(opened) => Anew::Sealed(keys.seal(purpose, &row.key, opened.expose(), &*app.random)),
        None => Anew::Unreadable,
    }
}
