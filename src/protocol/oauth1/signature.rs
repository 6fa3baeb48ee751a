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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(consumer_secret: &str, token_secret: Option<&str>) -> Secret {
        signing_key(&Secret::new(consumer_secret), token_secret.map(Secret::new).as_ref())
    }

    #[test]
    fn a_key_is_both_secrets_encoded() {
        // RFC 5849 §3.4.2
        assert_eq!(
            key("djr9rjt0jd78jf88", Some("jjd999tj88uiths3")).expose(),
            "djr9rjt0jd78jf88&jjd999tj88uiths3"
        );
        assert_eq!(key("djr9rjt0jd78jf88", None).expose(), "djr9rjt0jd78jf88&");
        assert_eq!(key("", Some("")).expose(), "&");
        assert_eq!(key("a&b ", Some("é~%")).expose(), "a%26b%20&%C3%A9~%25");
    }

    #[test]
    fn each_hmac_is_its_own() {
        // OAuth Core 1.0a App. A.5, and what OpenSSL computes of it with the other hashes.
        let base_string = concat!(
            "GET&http%3A%2F%2Fphotos.example.net%2Fphotos&file%3Dvacation.jpg%26oauth_consumer_key%3Ddpf43f3p2l4k3l03",
            "%26oauth_nonce%3Dkllo9940pd9333jh%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1191242096",
            "%26oauth_token%3Dnnch734d00sl2jdk%26oauth_version%3D1.0%26size%3Doriginal"
        );
        let key = key("kd94hf93k423kf44", Some("pfkkdhi9sl3r4s00"));
        for (method, expected) in [
            (SignatureMethod::HmacSha1, Some("tR3+Ty81lMeYAr/Fid0kMTYa/WM=")),
            (SignatureMethod::HmacSha256, Some("0gCtTYQAxqCKhIE0sltgx7UgHkAs10vrpuYE7xpRBnE=")),
            (
                SignatureMethod::HmacSha512,
                Some(
                    "gBVfbUzGSfMEYIR09OrlLdmvyHsZOHxquCzEAblZY3b4ycWEp2vmFO4FMlSowJfsc7QZODjKLsqjjvtd+xkeEQ==",
                ),
            ),
            (SignatureMethod::RsaSha1, None),
            (SignatureMethod::RsaSha256, None),
            (SignatureMethod::Plaintext, None),
        ] {
            assert_eq!(hmac_signature(method, &key, base_string).as_deref(), expected, "{method:?}");
        }
    }
}
