//! Sealing anew what an older key has sealed, so that the key can go.

use crate::app::App;
use crate::crypto::sealed::Purpose;
use crate::model::id::SocialAccountId;
use crate::store::database::StoreError;
use crate::store::provider_tokens::{self, Kept};

/// How many rows one step looks at.
const STEP: i64 = 50;

/// What one step has done.
#[derive(Debug)]
pub struct Step {
    pub reencrypted: u64,
    /// No key of today opens them: they were left as they are.
    pub unreadable: usize,
    /// Where the next step begins; none: this was the last one.
    pub last: Option<SocialAccountId>,
}

/// Seals anew, by the first key, what other keys have sealed in the rows after `after`. What somebody else stores at the same
/// time is sealed by the first key anyway, and stays.
///
/// # Errors
/// The database did not answer. Whatever has been done by then, the same step can be done again.
pub async fn step(after: Option<SocialAccountId>, app: &App) -> Result<Step, StoreError> {
    let rows = provider_tokens::list(after, STEP, &*app.db).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= STEP);
    let last = rows.last().map(|(account, _)| *account).filter(|_| is_full);
    let kept = rows.into_iter().filter_map(|(account, sealed)| Some(Kept { account, sealed: sealed? }));
    let old: Vec<Kept> = kept.filter(|row| !app.settings.keys.is_current(&row.sealed)).collect();
    let count = old.len();
    let anew: Vec<(Kept, String)> = old.into_iter().filter_map(|row| seal_anew(row, app)).collect();
    let unreadable = count - anew.len();
    let reencrypted = provider_tokens::reseal(&anew, &*app.db).await?;
    Ok(Step { reencrypted, unreadable, last })
}

fn seal_anew(row: Kept, app: &App) -> Option<(Kept, String)> {
    let (keys, context) = (&app.settings.keys, row.account.to_string());
    let opened = keys.open(Purpose::ProviderToken, &context, &row.sealed)?;
    let sealed = keys.seal(Purpose::ProviderToken, &context, opened.expose(), &*app.random);
    Some((row, sealed))
}
