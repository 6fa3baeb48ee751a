//! How a request is signed (RFC 5849 §3.4), by its name on the wire.

use crate::crypto::signature::SignatureAlgorithm;

/// A signature method. The names with SHA-256 and SHA-512 are those of the client libraries: RFC 5849 has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMethod {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    RsaSha1,
    RsaSha256,
    /// The secrets themselves: over a connection that nobody can read (RFC 5849 §3.4.4).
    Plaintext,
}

impl SignatureMethod {
    pub const ALL: [Self; 6] =
        [Self::HmacSha1, Self::HmacSha256, Self::HmacSha512, Self::RsaSha1, Self::RsaSha256, Self::Plaintext];

    /// What an application may use that does not say.
    pub const DEFAULT: [Self; 3] = [Self::HmacSha1, Self::HmacSha256, Self::HmacSha512];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::RsaSha1 => "RSA-SHA1",
            Self::RsaSha256 => "RSA-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }

    /// What the application's key has to verify (RFC 5849 §3.4.3); none where the secrets decide.
    pub fn algorithm(self) -> Option<SignatureAlgorithm> {
        match self {
            Self::RsaSha1 => Some(SignatureAlgorithm::RsaSha1),
            Self::RsaSha256 => Some(SignatureAlgorithm::Rs256),
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512 | Self::Plaintext => None,
        }
    }

    /// True if the application's key decides (RFC 5849 §3.4.3), not the secrets.
    pub fn is_rsa(self) -> bool {
        self.algorithm().is_some()
    }
}
