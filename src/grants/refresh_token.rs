//! The refresh token grant (RFC 6749 §6), with rotation and detection of reuse (RFC 9700 §4.14.2), in which a lost
//! response is no logout: within the grace, a repetition is answered the identical pair.

use super::GrantError;
use super::client::AuthenticatedClient;
use crate::app::App;
use crate::crypto::random_bytes;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, By};
use crate::model::family::{Family, Rotation, RotationNonce, TokenDigest};
use crate::model::scope::{BUILT_IN, Scope};
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::store::families::{self, NewAccess, NewRefresh, Replacement};
use crate::tokens::mint::{Pair, TokenResponse, announce_refresh, derive_pair, refresh_expiry};
use crate::tokens::revoke;
use crate::tokens::token::{Holder, RefreshToken};

/// Exchanges a refresh token for a new pair.
///
/// # Errors
/// - `invalid_request`: `refresh_token` is missing.
/// - `invalid_grant`: it is not one of this application's, or it has expired, ended or been replaced. One that was replaced
///   longer ago than the grace, or whose successor was presented, ends its family.
/// - `invalid_scope`: `scope` asks for more than was granted.
/// - `unauthorized_client`: the application is not registered for the grant.
pub async fn exchange(
    params: &Params,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let application = client.application();
    application.check_grant_type(GrantType::RefreshToken)?;
    let token = RefreshToken::parse(params.required("refresh_token")?, &app.settings.keys)
        .ok_or_else(|| invalid("it is not a refresh token of this server"))?;
    let presented = Presented {
        text: token.expose(),
        holder: token.holder(),
        digest: token.digest(),
        scope: params.optional("scope"),
        rotates: app.settings.rotate_refresh_token || application.is_public(),
    };
    let rotated = rotate(&presented, client, address, app).await?;
    let Rotated { pair, family, is_successor } = rotated;
    Ok(TokenResponse {
        access_token: pair.access_token,
        expires_in: family.access.expires_at.remaining(app.clock.now()),
        refresh_token: Some(if is_successor { pair.refresh_token } else { token }),
        scope: family.access.scope,
    })
}

/// What a family is rotated with: a refresh token, or what stands in its place.
pub struct Presented<'a> {
    /// Of this server, and whole: else who has seen a part of it could end the family by what passes for reuse.
    pub text: &'a str,
    pub holder: &'a Holder,
    /// What the family knows it by.
    pub digest: TokenDigest,
    /// What is asked for; none: all that was granted.
    pub scope: Option<&'a str>,
    /// A new refresh token takes its place.
    pub rotates: bool,
}

/// The pair that was asked for, now or before.
pub struct Rotated {
    pub pair: Pair,
    /// As it is with that pair.
    pub family: Family,
    /// The refresh token of the pair takes the place of what was presented.
    pub is_successor: bool,
}

/// Replaces the present pair of a family, or repeats what was answered the first time.
///
/// # Errors
/// - As [`exchange`].
pub async fn rotate(
    presented: &Presented<'_>,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<Rotated, GrantError> {
    let (application, now) = (client.application(), app.clock.now());
    if presented.holder.application != application.id {
        return Err(invalid("it was issued to another application").into());
    }
    // Never more than the application may still have.
    let scope = match presented.scope {
        Some(asked) => narrow(asked, presented, application, app).await?,
        None => app.settings.scopes.iter().chain(BUILT_IN).collect(),
    };
    let scope = scope.filter(|token| application.may_have(token, &app.settings.scopes));

    let keys = app.settings.keys.first();
    let nonce = RotationNonce::new(keys.id(), random_bytes(&*app.random));
    let pair = derive_pair(presented.text, presented.holder, &nonce, keys);
    let digest = if presented.rotates { pair.refresh_token.digest() } else { presented.digest };
    let replacement = Replacement {
        family: presented.holder.family,
        application,
        presented: &presented.digest,
        refresh: NewRefresh { digest, expires_at: refresh_expiry(now, app) },
        nonce,
        access: NewAccess {
            digest: pair.access_token.digest(),
            scope: &scope,
            expires_at: now + app.settings.access_token_lifetime,
        },
        grace: app.settings.refresh_token_grace,
        rotates: presented.rotates,
    };
    let refreshed = families::refresh(&replacement, now, &*app.db).await?;
    if !refreshed.application_is_current {
        return Err(GrantError::StaleApplication);
    }
    let family = refreshed.family.ok_or_else(|| invalid("the family is unknown"))?;
    if !refreshed.replaced {
        let by = By { actor: Actor::Application(application.id), address };
        return repeat(presented, family, by, app).await;
    }
    let live = family.check_live().map_err(invalid)?;
    announce_refresh(&family, &live, &pair.access_token, now, app);
    Ok(Rotated { pair, family, is_successor: presented.rotates })
}

/// What was presented is not the present one, or not to be replaced yet.
async fn repeat(presented: &Presented<'_>, family: Family, by: By, app: &App) -> Result<Rotated, GrantError> {
    let now = app.clock.now();
    if family.ended_at.is_some() {
        // KV may not have learnt of it when it ended.
        revoke::mark_family(&family.id, app).await.map_err(OAuthError::from)?;
    }
    let live = family.check_live().map_err(invalid)?;
    let refresh = family.refresh.as_ref().ok_or_else(|| invalid("the family has no refresh token"))?;
    if refresh.is_expired(now) {
        return Err(invalid("it has expired").into());
    }
    let is_present = refresh.digest == presented.digest;
    let in_grace = |rotation: &&Rotation| {
        rotation.previous_digest == presented.digest && now < rotation.at + app.settings.refresh_token_grace
    };
    if let Some(rotation) = refresh.rotation.as_ref().filter(in_grace) {
        let keys = app.settings.keys.find(rotation.nonce.key_id());
        let pair = keys.map(|keys| derive_pair(presented.text, presented.holder, &rotation.nonce, keys));
        let pair = pair
            .filter(|pair| pair.access_token.digest() == family.access.digest)
            .ok_or_else(|| invalid("the key that derived its successor is gone"))?;
        // KV may not have learnt of it the first time.
        announce_refresh(&family, &live, &pair.access_token, now, app);
        return Ok(Rotated { pair, family, is_successor: !is_present });
    }
    if !is_present && app.settings.refresh_token_reuse_protection {
        let event = by.did(Action::RefreshTokenReused, format!("family {}", family.id));
        revoke::end_family(&family.id, &event, now, app).await.map_err(OAuthError::from)?;
        return Err(invalid("it was replaced before: its family has been ended").into());
    }
    Err(invalid("it was replaced before").into())
}

/// The scope may be narrowed for one access token, never widened (RFC 6749 §6).
async fn narrow(
    asked: &str,
    presented: &Presented<'_>,
    application: &Application,
    app: &App,
) -> Result<Scope, GrantError> {
    let asked = Scope::parse(asked)?;
    let family = families::find(&presented.holder.family, &*app.db).await?;
    let family = family.ok_or_else(|| invalid("the family is unknown"))?;
    // What was replaced is a repetition or reuse, whatever it asks for.
    let is_present = family.refresh.as_ref().is_some_and(|refresh| refresh.digest == presented.digest);
    let may_have = |token| family.scope.contains(token) && application.may_have(token, &app.settings.scopes);
    if is_present && (asked.is_empty() || !asked.iter().all(may_have)) {
        return Err(OAuthError::invalid_scope("scope asks for more than was granted").into());
    }
    Ok(asked)
}

fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::invalid_grant("refresh_token is invalid, expired, ended or already used").because(reason)
}
