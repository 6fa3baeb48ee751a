//! The tokens that identity providers have given us, for calls in a user's name: good when they are handed over.

use serde_json::json;

use crate::app::App;
use crate::model::social::ProviderTokens;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::error::OAuthError;
use crate::social::{SocialError, code, user};
use crate::store::database::StoreError;
use crate::store::provider_tokens::{self, Kept};

/// What expires within this is refreshed first.
const MARGIN: Lifetime = Lifetime(60);

/// How long whoever refreshes is waited for: longer than the provider is (`app::OUTBOUND_SECONDS`), even if it has to be
/// asked for its endpoints, too.
const LEASE: Lifetime = Lifetime(15);

const REFUSED: &str = "the provider no longer takes the refresh token: the user has to log in by it again";
const EXPIRED: &str =
    "the provider's token has expired, and cannot be refreshed: the user has to log in by it again";

/// How often tokens that were stored in between are read.
const TRIES: usize = 3;

/// The tokens of a user's account at a provider; none if there are none that can be read. What is about to expire is
/// refreshed by one of any number of isolates; the others hand over what is there while it is good.
///
/// # Errors
/// - `invalid_grant`: they have expired, and the provider takes no refresh token for new ones.
/// - `temporarily_unavailable`: they have expired, and somebody else is refreshing them, or the provider does not answer.
pub async fn find(username: &str, provider: &str, app: &App) -> Result<Option<ProviderTokens>, OAuthError> {
    for _ in 0..TRIES {
        let Some(kept) = provider_tokens::find(username, provider, &*app.db).await? else {
            return Ok(None);
        };
        let Some(tokens) = user::open(&kept.sealed, &kept.account, app) else {
            let target = format!("social account {}", kept.account);
            app.log.line(json!({"level": "error", "event": "tokens_unreadable", "target": target}));
            return Ok(None);
        };
        if !is_due(&tokens, app.clock.now()) {
            return Ok(Some(tokens));
        }
        match refresh(&kept, &tokens, provider, app).await? {
            Refreshed::Yes(tokens) => return Ok(Some(tokens)),
            Refreshed::No(why) => return present(tokens, why, app).map(Some),
            Refreshed::Overtaken => {}
        }
    }
    Err(StoreError("the tokens were stored anew again and again".to_owned()).into())
}

/// What came of refreshing.
enum Refreshed {
    Yes(ProviderTokens),
    /// What is to be said if those that are kept are no longer good.
    No(OAuthError),
    /// Others are kept by now: a login has brought them, or they are gone.
    Overtaken,
}

async fn refresh(
    kept: &Kept,
    tokens: &ProviderTokens,
    provider: &str,
    app: &App,
) -> Result<Refreshed, OAuthError> {
    let provider = app.settings.providers.find(provider);
    let (Some(provider), Some(refresh_token)) = (provider, &tokens.refresh_token) else {
        return Ok(Refreshed::No(OAuthError::invalid_grant(EXPIRED)));
    };
    let now = app.clock.now();
    let lease = now + LEASE;
    if !provider_tokens::take_lease(kept, lease, now, &*app.db).await? {
        let why = "somebody else is refreshing the tokens, or has just tried in vain";
        return Ok(Refreshed::No(OAuthError::temporarily_unavailable(why)));
    }
    let mut fresh = match code::refresh(refresh_token, provider, app).await {
        Ok(fresh) => fresh,
        Err(SocialError::Refused(reason)) => {
            return Ok(match provider_tokens::free_lease(kept, lease, &*app.db).await? {
                true => Refreshed::No(refused(reason)),
                false => Refreshed::Overtaken,
            });
        }
        // The lease stays: until it ends, nobody waits for the provider again.
        Err(error) => return Ok(Refreshed::No(OAuthError::provider_unavailable(error.reason()))),
    };
    // RFC 6749 §5.1: left out, it is as it was.
    fresh.scope = fresh.scope.or_else(|| tokens.scope.clone());
    fresh.refresh_token = fresh.refresh_token.or_else(|| tokens.refresh_token.clone());
    match store(kept, tokens, &fresh, app).await? {
        true => Ok(Refreshed::Yes(fresh)),
        false => Ok(Refreshed::Overtaken),
    }
}

fn refused(reason: String) -> OAuthError {
    OAuthError::invalid_grant(REFUSED).because(reason)
}

/// False if other tokens are there by now. The same ones may have been sealed anew: what the provider gave for them must not
/// get lost, since it may have ended the refresh token that is kept.
async fn store(
    kept: &Kept,
    tokens: &ProviderTokens,
    fresh: &ProviderTokens,
    app: &App,
) -> Result<bool, StoreError> {
    let sealed = user::seal(fresh, &kept.account, app);
    if replace(kept, &sealed, app).await? {
        return Ok(true);
    }
    let Some(resealed) = provider_tokens::read(&kept.account, &*app.db).await? else {
        return Ok(false);
    };
    let Some(found) = user::open(&resealed.sealed, &resealed.account, app) else {
        return Ok(false);
    };
    if found.access_token == tokens.access_token {
        return replace(&resealed, &sealed, app).await;
    }
    // A login that brought no refresh token has kept the old one: the new one must not get lost either.
    if found.refresh_token == tokens.refresh_token && fresh.refresh_token != tokens.refresh_token {
        let merged = ProviderTokens { refresh_token: fresh.refresh_token.clone(), ..found };
        replace(&resealed, &user::seal(&merged, &kept.account, app), app).await?;
    }
    Ok(false)
}

/// Tried twice, if the database does not answer.
async fn replace(kept: &Kept, sealed: &str, app: &App) -> Result<bool, StoreError> {
    match provider_tokens::replace(kept, sealed, &*app.db).await {
        Ok(is_replaced) => Ok(is_replaced),
        Err(_) => provider_tokens::replace(kept, sealed, &*app.db).await,
    }
}

fn is_due(tokens: &ProviderTokens, now: Timestamp) -> bool {
    tokens.expires_at.is_some_and(|expires_at| expires_at <= now + MARGIN)
}

/// The tokens that are kept, while they are good.
fn present(tokens: ProviderTokens, why: OAuthError, app: &App) -> Result<ProviderTokens, OAuthError> {
    match tokens.expires_at.is_some_and(|expires_at| expires_at <= app.clock.now()) {
        true => Err(why),
        false => Ok(tokens),
    }
}
