//! What runs by the clock: clearing away what has expired, in bounded steps.

use crate::app::App;
use crate::store::database::StoreError;
use crate::store::expired;

/// How many steps one run makes at the most.
const STEPS: usize = 20;

/// One run. Stops early when nothing is left.
///
/// # Errors
/// The database did not answer; the next run goes on.
pub async fn run(app: &App) -> Result<(), StoreError> {
    for _ in 0..STEPS {
        let cleared = expired::clear(app.settings.access_token_lifetime, app.clock.now(), &*app.db).await?;
        if !cleared.more {
            break;
        }
    }
    Ok(())
}
