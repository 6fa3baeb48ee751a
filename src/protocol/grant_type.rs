//! The grant types (RFC 6749 §1.3 and later standards) by their names on the wire.

/// A way to earn a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    AuthorizationCode,
    Implicit,
    Password,
    ClientCredentials,
    RefreshToken,
    DeviceCode,
    TokenExchange,
    ConvertToken,
    OAuth1,
}

impl GrantType {
    pub const ALL: [Self; 9] = [
        Self::AuthorizationCode,
        Self::Implicit,
        Self::Password,
        Self::ClientCredentials,
        Self::RefreshToken,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::ConvertToken,
        Self::OAuth1,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| grant_type.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Implicit => "implicit",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::ConvertToken => "convert_token",
            Self::OAuth1 => "oauth1",
        }
    }

    /// True if only a client with a secret can use it: RFC 6749 §4.4, RFC 5849 §3.4.2.
    pub fn needs_secret(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::OAuth1)
    }

    /// True if the browser is sent back to a redirect URI, so that an application for it needs one.
    pub fn redirects(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::Implicit)
    }
}
