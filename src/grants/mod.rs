//! How tokens are earned: one file for each grant type (the RFC's other use of the word; a user's standing
//! authorization of an application is a `Grant` too).

pub mod client;
pub mod client_credentials;
pub mod password;
pub mod refresh_token;

use crate::protocol::error::OAuthError;
use crate::store::database::StoreError;

/// Why no token was issued.
#[derive(Debug)]
pub enum GrantError {
    OAuth(OAuthError),
    /// The application has changed since this isolate read it: authenticate it anew.
    StaleApplication,
}

impl From<OAuthError> for GrantError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::OAuth(error.into())
    }
}
