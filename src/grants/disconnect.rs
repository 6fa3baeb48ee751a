//! Ending that an account at a provider lets somebody in here.

use serde_json::json;

use crate::app::App;
use crate::model::audit::{Action, By};
use crate::model::id::{SocialAccountId, UserId};
use crate::social::{revoke, user};
use crate::store::database::StoreError;
use crate::store::social_accounts::{self, Disconnected};

/// Unlinks one account at a provider, or all there, unless nothing would be left to log in by. The provider is asked to
/// forget the tokens, if it can; that it does not answer changes nothing here.
///
/// # Errors
/// The database did not answer.
pub async fn disconnect(
    user: &UserId,
    provider: &str,
    account: Option<SocialAccountId>,
    by: By,
    app: &App,
) -> Result<Disconnected, StoreError> {
    let target = account.map_or_else(|| format!("provider {provider}"), |id| format!("social account {id}"));
    let event = by.did(Action::SocialAccountDisconnected, target);
    let ways_in = app.settings.providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>();
    let ways_in = json!(ways_in).to_string();
    let now = app.clock.now();
    let done = social_accounts::disconnect(user, provider, account, &ways_in, &event, now, &*app.db).await?;
    if let (Disconnected::Yes(removed), Some(provider)) = (&done, app.settings.providers.find(provider)) {
        for (account, sealed) in removed {
            let tokens = sealed.as_ref().and_then(|sealed| user::open(sealed, account, app));
            if let Some(tokens) = tokens {
                revoke::revoke(&tokens, provider, app).await;
            }
        }
    }
    Ok(done)
}
