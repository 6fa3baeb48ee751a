//! ID tokens (OIDC Core §2), verified here by the keys that the provider publishes.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::provider::Provider;
use super::{SocialError, metadata};
use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::secret::same_bytes;
use crate::crypto::sha256;
use crate::model::time::Lifetime;
use crate::protocol::jwk::{Jwk, JwkSet};
use crate::protocol::jwt::Jwt;

/// How far a provider's clock may be ahead of ours.
const LEEWAY: Lifetime = Lifetime(60);

/// What an ID token has to fit, beside the provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// That of the request (OIDC Core §3.1.3.7, 11).
    pub nonce: Option<&'a str>,
    /// That which came with it (OIDC Core §3.1.3.8).
    pub access_token: Option<&'a str>,
}

/// The claims of an ID token that this provider made, for us, and for now (OIDC Core §3.1.3.7).
///
/// # Errors
/// - `Refused`: it is not such a token; or it was signed by a key that the provider does not publish.
/// - `Failed`: the keys cannot be fetched.
pub async fn verify(
    token: &str,
    provider: &Provider,
    expected: Expected<'_>,
    app: &App,
) -> Result<Map<String, Value>, SocialError> {
    let refused = |reason: &str| SocialError::refused(format!("ID token: {reason}"));
    let jwt = Jwt::parse(token).map_err(refused)?;
    // First what costs nothing: nobody makes us fetch keys for a token that would be refused anyway.
    check_claims(&jwt, provider, expected, app).map_err(refused)?;
    let endpoints = metadata::endpoints(provider, app).await?;
    let url = endpoints.jwks_uri.ok_or_else(|| SocialError::garbage("metadata: there is no jwks_uri"))?;
    let mut keys = metadata::keys(&url, app).await?;
    if find_key(&keys, &jwt).is_none()
        && let Some(newer) = metadata::newer_keys(&url, app).await?
    {
        keys = newer;
    }
    let key = find_key(&keys, &jwt).ok_or_else(|| refused("the provider has no such key"))?;
    let is_good =
        app.signatures.verify(jwt.algorithm, &key.key, jwt.signing_input.as_bytes(), &jwt.signature).await;
    if !is_good {
        return Err(refused("the signature is not good"));
    }
    Ok(jwt.claims)
}

/// The key must be for the token's issuer, if it says for whom it is: Microsoft publishes those of all its tenants at once.
fn find_key<'a>(keys: &'a Rc<JwkSet>, jwt: &Jwt) -> Option<&'a Jwk> {
    let issuer = jwt.text("iss").ok().flatten()?;
    let key = keys.find(jwt.kid.as_deref(), jwt.algorithm)?;
    key.issuer.as_ref().is_none_or(|template| is_issuer(template, issuer, jwt)).then_some(key)
}

fn check_claims(
    jwt: &Jwt,
    provider: &Provider,
    expected: Expected<'_>,
    app: &App,
) -> Result<(), &'static str> {
    // Other tokens of the same issuer, for the same client, are none: access tokens, logout tokens (RFC 8725 §3.11, §3.12).
    let is_id_token = jwt.typ.as_deref().is_none_or(|typ| typ == "jwt") && !jwt.claims.contains_key("events");
    if !is_id_token {
        return Err("it is a token of another kind");
    }
    jwt.text("iss")?.ok_or("iss is missing")?;
    if !names_issuer(jwt, provider) {
        return Err("iss is not the provider's");
    }
    if !provider.are_ours(&jwt.audiences()?) {
        return Err("aud is not ours alone");
    }
    if jwt.text("azp")?.is_some_and(|azp| !provider.are_ours(&[azp])) {
        return Err("azp is not ours");
    }
    check_times(jwt, provider, app)?;
    if jwt.text("sub")?.unwrap_or_default().is_empty() {
        return Err("sub is missing");
    }
    let nonce = jwt.text("nonce")?;
    if let Some(expected) = expected.nonce
        && !nonce.is_some_and(|nonce| same_bytes(nonce.as_bytes(), expected.as_bytes()))
    {
        return Err("nonce is not that of the request");
    }
    // Of the other algorithms nobody uses, the hash is another one: then the TLS connection has to do.
    if let (Some(hash), Some(access_token)) = (jwt.text("at_hash")?, expected.access_token)
        && jwt.algorithm.as_str().ends_with("256")
        && hash != half_hash(access_token)
    {
        return Err("at_hash is not that of the access token");
    }
    Ok(())
}

fn check_times(jwt: &Jwt, provider: &Provider, app: &App) -> Result<(), &'static str> {
    let now = app.clock.now();
    let latest = (now + LEEWAY).0;
    let issued_at = jwt.time("iat")?.ok_or("iat is missing")?;
    if jwt.time("exp")?.ok_or("exp is missing")? <= now.0 {
        return Err("it has expired");
    }
    if issued_at > latest || jwt.time("nbf")?.is_some_and(|time| time > latest) {
        return Err("it is from the future");
    }
    match provider.id_token_max_age {
        Some(age) if issued_at + age.seconds() < now.0 => Err("it is too old"),
        _ => Ok(()),
    }
}

/// True if a token says that this provider has made it, be it true or not.
pub fn names_issuer(jwt: &Jwt, provider: &Provider) -> bool {
    let issuer = jwt.text("iss").ok().flatten().unwrap_or_default();
    provider.issuers.iter().any(|template| is_issuer(template, issuer, jwt))
}

/// `{tenantid}` stands for what the token says of its tenant.
fn is_issuer(template: &str, issuer: &str, jwt: &Jwt) -> bool {
    match template.split_once("{tenantid}") {
        None => template == issuer,
        Some((before, after)) => {
            let tenant = jwt.text("tid").ok().flatten().unwrap_or_default();
            let is_plain = tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_plain && !tenant.is_empty() && issuer == format!("{before}{tenant}{after}")
        }
    }
}

/// OIDC Core §3.1.3.6.
fn half_hash(text: &str) -> String {
    let hash = sha256(text.as_bytes());
    base64url(hash.get(..16).unwrap_or(&hash))
}
