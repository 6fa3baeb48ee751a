//! The errors that the standards name (RFC 6749 §5.2, RFC 6750 §3.1).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A registered error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedTokenType,
    UnsupportedResponseType,
    InvalidScope,
    /// RFC 8693 §2.2.2.
    InvalidTarget,
    AccessDenied,
    /// OIDC Core §3.1.2.6, as is the next.
    LoginRequired,
    ConsentRequired,
    /// OIDC Core §3.1.2.6, as is the next.
    RequestNotSupported,
    RequestUriNotSupported,
    InvalidToken,
    InsufficientScope,
    ServerError,
    TemporarilyUnavailable,
    /// Too many tries: the standards' code for a server that is too busy, with a status of its own (RFC 6585 §4).
    TooManyAttempts,
}

impl ErrorCode {
    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable | Self::TooManyAttempts => "temporarily_unavailable",
        }
    }
}

/// How many seconds a client should wait when storage did not answer.
pub const STORAGE_SECONDS: i64 = 2;

/// How many seconds a client should wait when an identity provider did not answer.
pub const PROVIDER_SECONDS: i64 = 10;

/// An error that a standard names. `description` goes to the client; `cause` goes to the operator's log and nowhere else.
#[derive(Debug)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    cause: Option<Box<dyn Error>>,
    /// In seconds.
    retry_after: Option<i64>,
}

impl OAuthError {
    /// `description` is printable ASCII without `"` and `\` (RFC 6749 §5.2), and names the parameter at fault.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: description.into(), cause: None, retry_after: None }
    }

    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    pub fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    pub fn access_denied(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::AccessDenied, description)
    }

    pub fn invalid_scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidScope, description)
    }

    pub fn temporarily_unavailable(cause: impl Into<Box<dyn Error>>) -> Self {
        Self::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
            .because(cause)
            .retry_after(STORAGE_SECONDS)
    }

    /// An identity provider does not answer, or makes no sense.
    pub fn provider_unavailable(cause: impl Into<Box<dyn Error>>) -> Self {
        Self::new(ErrorCode::TemporarilyUnavailable, "the identity provider does not answer: try again")
            .because(cause)
            .retry_after(PROVIDER_SECONDS)
    }

    /// Nothing was looked at: there have been too many tries, and the next are welcome in so many seconds.
    pub fn too_many_attempts(seconds: i64) -> Self {
        Self::new(ErrorCode::TooManyAttempts, "too many tries: wait as long as Retry-After says")
            .retry_after(seconds)
    }

    /// Keeps for the operator's log what the client must not learn.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// In how many seconds it is worth trying again (RFC 9110 §10.2.3).
    pub fn retry_after_seconds(&self) -> Option<i64> {
        self.retry_after
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    /// Why, in full, for the operator's log.
    pub fn detail(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.description),
            None => self.description.to_string(),
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl Error for OAuthError {}
