//! What a front-end brings to show who a person is.

use super::code::{self, Code};
use super::id_token::{self, Expected};
use super::provider::{Proof, Provider, Providers};
use super::{SocialError, access_token, profile};
use crate::app::App;
use crate::crypto::secret::Secret;
use crate::model::social::Identity;
use crate::model::time::Timestamp;
use crate::protocol::jwt::Jwt;

/// One of the three that a provider may take.
#[derive(Debug)]
pub enum Presented<'a> {
    AccessToken(Secret),
    IdToken { token: Secret, nonce: Option<&'a str> },
    Code(Code<'a>),
}

/// Who it is, by what the provider itself says; where it says nothing clear, nobody.
///
/// # Errors
/// - `Refused`: the proof is not good, or not for us.
/// - `NotAllowed`: the operator lets only others in.
/// - `Failed`: the provider does not answer, or makes no sense.
pub async fn verify(
    presented: &Presented<'_>,
    provider: &Provider,
    app: &App,
) -> Result<Identity, SocialError> {
    let kind = match presented {
        Presented::AccessToken(_) => Proof::AccessToken,
        Presented::IdToken { .. } => Proof::IdToken,
        Presented::Code(_) => Proof::Code,
    };
    if !provider.takes(kind) {
        return Err(SocialError::refused(format!("{kind:?} is not a proof that this provider can confirm")));
    }
    let identity = match presented {
        Presented::AccessToken(token) => access_token::verify(token, provider, app).await?,
        Presented::IdToken { token, nonce } => {
            let expected = Expected { nonce: *nonce, access_token: None };
            let claims = id_token::verify(token.expose(), provider, expected, app).await?;
            profile::of_profile(&claims, provider)?
        }
        Presented::Code(code) => code::exchange(*code, provider, app).await?,
    };
    match is_allowed(&identity, provider) {
        true => Ok(identity),
        false => Err(SocialError::NotAllowed),
    }
}

/// Until when a proof that has been verified is good, if that is known.
pub fn expires_at(presented: &Presented<'_>, identity: &Identity) -> Option<Timestamp> {
    match presented {
        Presented::IdToken { token, .. } => {
            Jwt::parse(token.expose()).ok()?.time("exp").ok().flatten().map(Timestamp)
        }
        _ => identity.tokens.as_ref().and_then(|tokens| tokens.expires_at),
    }
}

/// The provider whose issuer an ID token names, be it true or not; None if there are more.
pub fn provider_of_id_token<'a>(token: &str, providers: &'a Providers) -> Option<&'a Provider> {
    let jwt = Jwt::parse(token).ok()?;
    let is_meant =
        |provider: &&Provider| provider.takes(Proof::IdToken) && id_token::names_issuer(&jwt, provider);
    let mut found = providers.iter().filter(is_meant);
    found.next().filter(|_| found.next().is_none())
}

/// Where the operator names domains or addresses, only whose verified address is one of them.
fn is_allowed(identity: &Identity, provider: &Provider) -> bool {
    if provider.allowed_domains.is_empty() && provider.allowed_emails.is_empty() {
        return true;
    }
    let Some(email) = identity.email.as_ref().filter(|email| email.is_verified) else {
        return false;
    };
    // In ASCII alone: the Kelvin sign is no k, though it is one in lower case.
    let domain = email.address.rsplit('@').next().unwrap_or_default();
    provider.allowed_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
        || provider.allowed_emails.iter().any(|allowed| allowed.eq_ignore_ascii_case(&email.address))
}
