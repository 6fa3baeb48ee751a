//! Token revocation (RFC 7009).

use http::StatusCode;

use super::{client_auth, respond};
use crate::call::body::form;
use crate::call::{Call, Response};
use crate::crypto::keys::KeyRing;
use crate::grants::GrantError;
use crate::grants::client::AuthenticatedClient;
use crate::model::audit::{Action, Actor};
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::store::families;
use crate::tokens::oauth1::from_subject_token;
use crate::tokens::revoke;
use crate::tokens::token::{AccessToken, Holder, RefreshToken};

/// `POST /o/revoke_token/`: 200 for tokens that nobody knows, too (RFC 7009 §2.2).
pub async fn post(call: &Call<'_>) -> Response {
    answer(form(call.request), StatusCode::OK, call).await
}

/// The same, whatever the parameters were read from, and whatever success is told by.
pub async fn answer(params: Result<Params, OAuthError>, done: StatusCode, call: &Call<'_>) -> Response {
    match revoke(params, call).await {
        Ok(()) => respond::empty(done),
        Err(error) => respond::error(&error),
    }
}

async fn revoke(params: Result<Params, OAuthError>, call: &Call<'_>) -> Result<(), OAuthError> {
    let params = params?;
    let holder = holder(params.required("token")?, &call.app.settings.keys);
    client_auth::with_client(call, &params, async |client| match &holder {
        Some(holder) => end(holder, &client, call).await,
        None => Ok(()),
    })
    .await
}

/// Whose a token is, if it bears our MAC. Each kind says so, so `token_type_hint` cannot help. One of OAuth 1.0a comes with its
/// secret, as the answer of `/oauth/access_token/` had it: whoever sees a signed request has seen the token.
pub fn holder(token: &str, keys: &KeyRing) -> Option<Holder> {
    AccessToken::parse(token, keys)
        .map(|token| *token.holder())
        .or_else(|| RefreshToken::parse(token, keys).map(|token| *token.holder()))
        .or_else(|| from_subject_token(token, keys).map(|(token, _)| *token.holder()))
}

/// Ends the family, whichever of its tokens was presented, an expired one too: who logs out with what they have must not
/// stay logged in. Only for the application that it belongs to (RFC 7009 §2.1).
async fn end(holder: &Holder, client: &AuthenticatedClient, call: &Call<'_>) -> Result<(), GrantError> {
    let (app, application) = (call.app, client.application());
    if holder.application != application.id {
        return Err(OAuthError::invalid_grant("token was issued to another application").into());
    }
    let now = app.clock.now();
    let keep = app.settings.access_token_lifetime;
    let event = call
        .by(Actor::Application(application.id))
        .did(Action::TokensRevoked, format!("family {}", holder.family));
    let ended = families::end_for(&holder.family, application, &event, keep, now, &*app.db).await?;
    if !ended.caller_is_current {
        return Err(GrantError::StaleApplication);
    }
    // Also where it is gone: what ended it before it was cleared away may have failed to tell KV.
    if ended.is_over {
        revoke::mark_family(&holder.family, app).await.map_err(OAuthError::from)?;
    }
    Ok(())
}
