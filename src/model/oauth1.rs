//! Request tokens of OAuth 1.0a, as they are kept: temporary credentials (RFC 5849 §2.1).

use super::family::TokenDigest;
use super::id::{ApplicationId, GrantId, UserId};
use super::scope::Scope;
use super::time::Timestamp;

/// A row of `oauth1_tokens`, with what its application is called by now.
#[derive(Clone, Debug)]
pub struct RequestToken {
    /// Sealed for its row.
    pub secret: String,
    pub application_id: ApplicationId,
    pub client_id: String,
    pub callback: Callback,
    /// What is asked for; once it is approved, what was granted.
    pub scope: Scope,
    pub expires_at: Timestamp,
    pub state: RequestTokenState,
}

/// Where the person goes once they have decided (RFC 5849 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    Uri(String),
    /// `oob`: a page shows the verifier.
    OutOfBand,
}

#[derive(Clone, Debug)]
pub enum RequestTokenState {
    Pending,
    Approved { user_id: UserId, user_epoch: i64, grant_id: GrantId, verifier: TokenDigest },
}

impl Callback {
    pub fn parse(text: &str) -> Self {
        match text {
            "oob" => Self::OutOfBand,
            uri => Self::Uri(uri.to_owned()),
        }
    }

    pub fn uri(&self) -> Option<&str> {
        match self {
            Self::Uri(uri) => Some(uri),
            Self::OutOfBand => None,
        }
    }
}
