//! Authorization codes of a provider, exchanged by us as its client (RFC 6749 §4.1.3).

use serde_json::{Map, Value};

use super::id_token::Expected;
use super::provider::{Proof, Provider};
use super::{SocialError, ask, id_token, metadata, profile};
use crate::app::App;
use crate::crypto::secret::Secret;
use crate::model::social::{Identity, ProviderTokens};
use crate::model::time::{Lifetime, Timestamp};

/// What belongs to a code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    pub code: &'a str,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a str>,
    pub nonce: Option<&'a str>,
}

/// Who a code was issued for: by the ID token that it buys, else by the profile.
///
/// # Errors
/// - `Refused`: the provider does not take the code, or what it buys is not good.
/// - `Failed`: it does not answer, or makes no sense.
pub async fn exchange(code: Code<'_>, provider: &Provider, app: &App) -> Result<Identity, SocialError> {
    let endpoints = metadata::endpoints(provider, app).await?;
    let url = endpoints.token.as_ref();
    let url = url.ok_or_else(|| SocialError::garbage("metadata: there is no token_endpoint"))?;
    let mut form = vec![("grant_type", "authorization_code"), ("code", code.code)];
    form.extend(code.redirect_uri.map(|uri| ("redirect_uri", uri)));
    form.extend(code.code_verifier.map(|verifier| ("code_verifier", verifier)));
    let request = ask::post_as_client(url, &form, provider, app).await?;
    let answer = ask::for_object(request, "token endpoint", app).await?;
    let tokens = read_tokens(&answer, app.clock.now());
    let access_token = tokens.as_ref().map(|tokens| tokens.access_token.expose());
    let mut identity = match ask::text_at(&answer, "id_token") {
        Some(token) if provider.takes(Proof::IdToken) => {
            let expected = Expected { nonce: code.nonce.filter(|_| provider.nonce), access_token };
            let claims = id_token::verify(&token, provider, expected, app).await?;
            let identity = profile::of_profile(&claims, provider)?;
            match (access_token, &endpoints.userinfo) {
                (Some(token), Some(_)) if identity.email.is_none() => {
                    let more = profile::of_access_token(token, provider, &endpoints, app).await?;
                    // OIDC Core §5.3.2.
                    if more.uid != identity.uid {
                        return Err(SocialError::refused("userinfo: it is about somebody else"));
                    }
                    more
                }
                _ => identity,
            }
        }
        _ if provider.takes(Proof::IdToken) => {
            return Err(SocialError::refused("token endpoint: there is no ID token"));
        }
        _ => {
            // GitHub answers 200 to a code that is not good.
            let token =
                access_token.ok_or_else(|| SocialError::refused("token endpoint: no access token"))?;
            profile::of_access_token(token, provider, &endpoints, app).await?
        }
    };
    identity.tokens = tokens;
    Ok(identity)
}

/// New tokens for a refresh token (RFC 6749 §6).
///
/// # Errors
/// - `Refused`: the provider does not take it any more.
/// - `Failed`: it does not answer, or makes no sense.
pub async fn refresh(
    refresh_token: &Secret,
    provider: &Provider,
    app: &App,
) -> Result<ProviderTokens, SocialError> {
    let endpoints = metadata::endpoints(provider, app).await?;
    let url = endpoints.token.as_ref();
    let url = url.ok_or_else(|| SocialError::garbage("metadata: there is no token_endpoint"))?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())];
    let request = ask::post_as_client(url, &form, provider, app).await?;
    let answer = ask::for_object(request, "refresh", app).await?;
    let tokens = read_tokens(&answer, app.clock.now());
    tokens.ok_or_else(|| SocialError::refused("refresh: there is no access token"))
}

fn read_tokens(answer: &Map<String, Value>, now: Timestamp) -> Option<ProviderTokens> {
    let text = |name| ask::text_at(answer, name).filter(|text| !text.is_empty());
    let expires_in = text("expires_in").and_then(|seconds| seconds.parse::<i64>().ok());
    Some(ProviderTokens {
        access_token: Secret::new(text("access_token")?),
        refresh_token: text("refresh_token").map(Secret::new),
        expires_at: expires_in.filter(|seconds| *seconds > 0).map(|seconds| now + Lifetime(seconds)),
        scope: text("scope"),
    })
}
