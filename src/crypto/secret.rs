//! Values that must not be printed, stored or compared carelessly.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret that somebody presents or that the operator configured: a password, a client secret, the admin token.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The clear value, for hashing it, or for the one response that hands it over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Constant time for equal lengths; the digests of both are compared, so even the length does not show.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let ours = super::sha256(self.0.as_bytes());
        ours.ct_eq(&super::sha256(other.0.as_bytes())).into()
    }
}

/// True if two digests or MACs are equal, in constant time.
pub fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}
