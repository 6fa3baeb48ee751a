//! The parameters of an authorization request (RFC 6749 §4.1.1, §4.2.1; OIDC Core §3.1.2.1).

use super::error::{ErrorCode, OAuthError};
use super::grant_type::GrantType;
use super::params::Params;

/// What the client wants to get (RFC 6749 §3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    Code,
    Token,
    /// Nothing but to know whether the person would agree (OAuth 2.0 Multiple Response Type Encoding Practices §4).
    None,
}

/// How the answer gets to the client (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, and Form Post).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// What the person is to be asked (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    /// Initiating User Registration via OpenID Connect 1.0 §4.
    pub create: bool,
}

impl ResponseType {
    pub const ALL: [Self; 3] = [Self::Code, Self::Token, Self::None];

    /// # Errors
    /// - `invalid_request`: it is missing.
    /// - `unsupported_response_type`: it is another one.
    pub fn read(params: &Params) -> Result<Self, OAuthError> {
        let asked = params.required("response_type")?;
        Self::ALL.into_iter().find(|known| known.as_str() == asked).ok_or_else(|| {
            OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code, token or none")
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Token => "token",
            Self::None => "none",
        }
    }

    /// The grant that an application has to be registered for; none: either.
    pub fn grant_type(self) -> Option<GrantType> {
        match self {
            Self::Code => Some(GrantType::AuthorizationCode),
            Self::Token => Some(GrantType::Implicit),
            Self::None => None,
        }
    }
}

impl ResponseMode {
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of a response type where none is asked for.
    pub fn default_of(response_type: ResponseType) -> Self {
        match response_type {
            ResponseType::Token => Self::Fragment,
            ResponseType::Code | ResponseType::None => Self::Query,
        }
    }

    /// # Errors
    /// - `invalid_request`: it is unknown, or would put a token into a query, where it would be logged.
    pub fn read(params: &Params, response_type: ResponseType) -> Result<Self, OAuthError> {
        let Some(asked) = params.optional("response_mode") else {
            return Ok(Self::default_of(response_type));
        };
        match Self::ALL.into_iter().find(|known| known.as_str() == asked) {
            Some(Self::Query) if response_type == ResponseType::Token => {
                Err(OAuthError::invalid_request("response_mode must not be query for a token"))
            }
            Some(mode) => Ok(mode),
            None => Err(OAuthError::invalid_request("response_mode must be query, fragment or form_post")),
        }
    }
}

impl Prompt {
    /// # Errors
    /// - `invalid_request`: it has an unknown value, or `none` beside others.
    pub fn read(params: &Params) -> Result<Self, OAuthError> {
        let mut prompt = Self::default();
        for word in params.optional("prompt").unwrap_or("").split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                // Who logs in anew chooses the account.
                "login" | "select_account" => prompt.login = true,
                "consent" => prompt.consent = true,
                "create" => prompt.create = true,
                _ => return Err(OAuthError::invalid_request("prompt has a value that is not supported")),
            }
        }
        match prompt.none && (prompt.login || prompt.consent || prompt.create) {
            true => Err(OAuthError::invalid_request("prompt has none beside another value")),
            false => Ok(prompt),
        }
    }
}

/// How long ago the person may have logged in, in seconds; none: at any time.
///
/// # Errors
/// - `invalid_request`: it is no number of seconds.
pub fn read_max_age(params: &Params) -> Result<Option<i64>, OAuthError> {
    let seconds = params.optional("max_age").map(|text| {
        let is_plain = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain)
    });
    match seconds {
        None => Ok(None),
        Some(Some(seconds)) => Ok(Some(seconds)),
        Some(None) => Err(OAuthError::invalid_request("max_age must be a number of seconds")),
    }
}
