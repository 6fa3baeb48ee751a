//! Signed requests (RFC 5849, OAuth 1.0a).

mod signature_method;

pub use signature_method::SignatureMethod;
