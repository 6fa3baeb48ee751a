//! The `Authorization` header: Basic (RFC 7617, RFC 6749 §2.3.1) and Bearer (RFC 6750 §2.1).

use super::error::OAuthError;
use super::params;
use crate::crypto::encoding::from_base64;
use crate::crypto::secret::Secret;

/// What an `Authorization` header carries.
#[derive(Debug)]
pub enum Credentials {
    Basic {
        client_id: String,
        client_secret: Secret,
    },
    Bearer(Secret),
    /// A scheme that is not ours to judge.
    OtherScheme,
}

/// Reads an `Authorization` header. The scheme's case does not matter (RFC 9110 §11.1).
///
/// # Errors
/// - `invalid_request`: the header is not of its scheme's form.
pub fn parse(header: &str) -> Result<Credentials, OAuthError> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("basic") {
        parse_basic(rest)
            .ok_or_else(|| OAuthError::invalid_request("the Authorization header is not valid Basic"))
    } else if scheme.eq_ignore_ascii_case("bearer") {
        parse_bearer(rest).map(|token| Credentials::Bearer(Secret::new(token)))
    } else {
        Ok(Credentials::OtherScheme)
    }
}

/// Reads what follows the scheme Bearer: one token.
///
/// # Errors
/// - `invalid_request`: it is something else.
pub fn parse_bearer(rest: &str) -> Result<&str, OAuthError> {
    Some(rest.trim_matches(' '))
        .filter(|token| is_token68(token))
        .ok_or_else(|| OAuthError::invalid_request("the Authorization header is not Bearer and one token"))
}

/// The parts of a Bearer header as drf-social-oauth2 has them.
pub struct SocialBearer<'a> {
    /// A provider's name; or one of our own tokens, where nothing follows; or nothing.
    pub backend: &'a str,
    /// All that follows: more than a token, if there is a blank in it.
    pub token: Option<&'a str>,
}

/// Reads `Bearer <backend> <token>`; none if the scheme is another one.
pub fn parse_social_bearer(header: &str) -> Option<SocialBearer<'_>> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    let rest = rest.trim_matches(' ');
    let (backend, token) = match rest.split_once(' ') {
        Some((backend, token)) => (backend, Some(token.trim_matches(' '))),
        None => (rest, None),
    };
    scheme.eq_ignore_ascii_case("bearer").then_some(SocialBearer { backend, token })
}

/// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
fn parse_basic(encoded: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(from_base64(encoded)?).ok()?;
    let (client_id, client_secret) = decoded.split_once(':')?;
    Some(Credentials::Basic {
        client_id: params::decode(client_id.as_bytes()).ok()?,
        client_secret: Secret::new(params::decode(client_secret.as_bytes()).ok()?),
    })
}

/// `b64token` of RFC 6750 §2.1.
pub fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_section_2_3_1() {
        let Ok(Credentials::Basic { client_id, client_secret }) =
            parse("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
        else {
            panic!("not Basic")
        };
        assert_eq!((client_id.as_str(), client_secret.expose()), ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"));
    }

    #[test]
    fn both_halves_are_percent_decoded() {
        // "a%3Ab:c+d%25" in base64
        let Ok(Credentials::Basic { client_id, client_secret }) = parse("basic YSUzQWI6YytkJTI1") else {
            panic!("not Basic")
        };
        assert_eq!((client_id.as_str(), client_secret.expose()), ("a:b", "c d%"));
    }

    #[test]
    fn malformed_is_an_error_and_other_schemes_are_not() {
        for header in [
            "Basic",
            "Basic !",
            "Basic YQ==",
            "Basic YTol",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer \"a\"",
            "bearer a,b",
        ] {
            assert!(parse(header).is_err(), "{header}");
        }
        assert!(matches!(parse("Digest a=b"), Ok(Credentials::OtherScheme)));
        assert!(matches!(parse("BEARER  a "), Ok(Credentials::Bearer(_))));
    }
}
