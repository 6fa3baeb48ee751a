//! What signs a base string with shared secrets (RFC 5849 §3.4.2, §3.4.4).

use super::{SignatureMethod, percent_encode};
use crate::crypto::encoding::standard_base64;
use crate::crypto::secret::Secret;
use crate::crypto::{hmac_sha1, hmac_sha256, hmac_sha512};

/// The key of the HMACs, and the signature of PLAINTEXT (RFC 5849 §3.4.2, §3.4.4).
pub fn signing_key(consumer_secret: &Secret, token_secret: Option<&Secret>) -> Secret {
    let token_secret = token_secret.map_or("", Secret::expose);
    Secret::new(format!("{}&{}", percent_encode(consumer_secret.expose()), percent_encode(token_secret)))
}

/// The signature of `base_string` as it stands in a request, decoded (RFC 5849 §3.4.2). None for methods that are no HMAC.
pub fn hmac_signature(method: SignatureMethod, key: &Secret, base_string: &str) -> Option<String> {
    let (key, message) = (key.expose().as_bytes(), base_string.as_bytes());
    match method {
        SignatureMethod::HmacSha1 => Some(standard_base64(&hmac_sha1(key, message))),
        SignatureMethod::HmacSha256 => Some(standard_base64(&hmac_sha256(key, message))),
        SignatureMethod::HmacSha512 => Some(standard_base64(&hmac_sha512(key, message))),
        SignatureMethod::RsaSha1 | SignatureMethod::RsaSha256 | SignatureMethod::Plaintext => None,
    }
}
