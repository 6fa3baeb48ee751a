//! Signed requests (RFC 5849, OAuth 1.0a).

mod authorization_header;
mod base_string;
mod request;
mod signature;
mod signature_method;

pub use super::params::encode_segment as percent_encode;
pub use request::{Malformed, Received, SignedRequest};
pub use signature::{hmac_signature, signing_key};
pub use signature_method::SignatureMethod;
