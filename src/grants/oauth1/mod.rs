//! OAuth 1.0a (RFC 5849): signed requests, and how their tokens are earned.

pub mod access_token;
pub mod request_token;
pub mod resource;
pub mod signature;
pub mod token_exchange;
pub mod xauth;

use std::borrow::Cow;

use super::guessing;
use crate::app::App;
use crate::model::address::Address;
use crate::protocol::error::OAuthError;
use crate::protocol::oauth1::Malformed;
use crate::store::database::StoreError;

/// Why a request of OAuth 1.0a gets nothing.
#[derive(Debug)]
pub enum Oauth1Error {
    Refused {
        refusal: Refusal,
        /// For the operator's log.
        reason: Cow<'static, str>,
    },
    /// There were too many tries, or storage does not answer.
    Unavailable(OAuthError),
}

/// What the client learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Missing(Vec<&'static str>),
    Malformed,
    Consumer,
    Signature,
    /// The timestamp or the nonce (RFC 5849 §3.3): no secret was looked at, or the right one was there.
    Nonce,
    Callback,
    Scope,
    RequestToken,
    NoRequestToken,
    NotApproved,
    Verifier,
    Xauth,
    XauthNotAllowed,
    XauthOnRequestToken,
    Credentials,
    AccessToken,
}

impl Refusal {
    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> Oauth1Error {
        Oauth1Error::Refused { refusal: self, reason: reason.into() }
    }
}

impl Oauth1Error {
    /// True if another registration of the application could have led to another answer.
    fn rests_on_registration(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::Consumer | Refusal::Signature, .. })
    }

    /// True if somebody may be trying out secrets.
    fn is_guess(&self) -> bool {
        matches!(
            self,
            Self::Refused { refusal: Refusal::Consumer | Refusal::Signature | Refusal::Verifier, .. }
        )
    }
}

/// Lets `act` go on unless there were too many wrong secrets from the address, and counts another one.
///
/// # Errors
/// - 429: there were too many.
/// - What `act` returns.
pub async fn guarded<T>(
    address: Option<Address>,
    app: &App,
    act: impl AsyncFnOnce() -> Result<T, Oauth1Error>,
) -> Result<T, Oauth1Error> {
    guessing::check_address(address, app)?;
    match act().await {
        Err(error) if error.is_guess() => {
            guessing::count(None, address, app).await?;
            Err(error)
        }
        outcome => outcome,
    }
}

impl From<OAuthError> for Oauth1Error {
    fn from(error: OAuthError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<Malformed> for Oauth1Error {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Missing(names) => Refusal::Missing(names).because("parameters are missing"),
            Malformed::Invalid(reason) => Refusal::Malformed.because(reason),
            Malformed::UnsupportedMethod => Refusal::Signature.because("the signature method is unknown"),
        }
    }
}

impl From<StoreError> for Oauth1Error {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// The application was changed between two looks at it, and the request's nonce has been used: the client has to sign anew.
fn stale() -> Oauth1Error {
    StoreError("the application was changed during the request".to_owned()).into()
}
