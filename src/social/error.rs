//! Why nobody is logged in by an identity provider.

use crate::app::OutboundError;
use crate::store::database::StoreError;

/// The reasons are for the operator's log: they hold nothing of a token.
#[derive(Debug)]
pub enum SocialError {
    /// The proof is not good, not for us, or not clear.
    Refused(String),
    /// The operator lets only others in.
    NotAllowed,
    /// The provider answered this status, and nothing can be said about the proof.
    Failed {
        status: u16,
        reason: String,
    },
    /// Somebody here has this e-mail address, and it is not certain that it is the same person.
    EmailTaken,
    /// The account at the provider is that of another user here.
    InUse,
    /// The user is disabled.
    Disabled,
    Store(StoreError),
}

impl SocialError {
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// What the provider said makes no sense: as a gateway would put it (RFC 9110 §15.6.3).
    pub fn garbage(reason: impl Into<String>) -> Self {
        Self::Failed { status: 502, reason: reason.into() }
    }

    /// For the operator's log.
    pub fn reason(&self) -> String {
        match self {
            Self::Refused(reason) => reason.clone(),
            Self::NotAllowed => {
                "neither the domain nor the address is allowed, or it is not verified".to_owned()
            }
            Self::Failed { status, reason } => format!("provider {status}: {reason}"),
            Self::EmailTaken => {
                "an account has this e-mail address: unverified, in other letters, like another one, or with too many links"
                    .to_owned()
            }
            Self::InUse => "the account at the provider is linked to another user".to_owned(),
            Self::Disabled => "the user is disabled".to_owned(),
            Self::Store(error) => error.to_string(),
        }
    }
}

impl From<StoreError> for SocialError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// No answer: as a gateway would put it (RFC 9110 §15.6.5).
impl From<OutboundError> for SocialError {
    fn from(error: OutboundError) -> Self {
        Self::Failed { status: 504, reason: error.0 }
    }
}
