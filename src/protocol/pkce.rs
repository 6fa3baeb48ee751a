//! Proof Key for Code Exchange (RFC 7636).

use super::error::OAuthError;
use crate::crypto::encoding::base64url;
use crate::crypto::secret::same_bytes;
use crate::crypto::sha256;

/// What the client will prove that it knows the verifier of (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChallenge {
    pub challenge: String,
    pub method: ChallengeMethod,
}

/// RFC 7636 §4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeMethod {
    Plain,
    S256,
}

impl ChallengeMethod {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Plain, Self::S256].into_iter().find(|method| method.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::S256 => "S256",
        }
    }
}

impl CodeChallenge {
    /// Reads the parameters of an authorization request. Without a method it is `plain` (RFC 7636 §4.3), which only
    /// applications that are registered for it may use.
    ///
    /// # Errors
    /// - `invalid_request`: they are malformed, or the method is not allowed.
    pub fn read(
        challenge: Option<&str>,
        method: Option<&str>,
        allow_plain: bool,
    ) -> Result<Option<Self>, OAuthError> {
        let Some(challenge) = challenge else {
            return match method {
                None => Ok(None),
                Some(_) => Err(OAuthError::invalid_request("code_challenge is missing")),
            };
        };
        let method = match method.map(ChallengeMethod::parse) {
            Some(Some(ChallengeMethod::S256)) => ChallengeMethod::S256,
            Some(Some(ChallengeMethod::Plain)) | None if allow_plain => ChallengeMethod::Plain,
            _ => return Err(OAuthError::invalid_request("code_challenge_method must be S256")),
        };
        let is_whole = match method {
            // 32 bytes in base64url.
            ChallengeMethod::S256 => challenge.len() == 43 && !challenge.contains(['.', '~']),
            ChallengeMethod::Plain => true,
        };
        match is_whole && is_verifier(challenge) {
            true => Ok(Some(Self { challenge: challenge.to_owned(), method })),
            false => Err(OAuthError::invalid_request("code_challenge is malformed")),
        }
    }

    /// True if the challenge was made of this verifier (RFC 7636 §4.6).
    pub fn is_of(&self, verifier: &str) -> bool {
        let made = match self.method {
            ChallengeMethod::Plain => verifier.to_owned(),
            ChallengeMethod::S256 => base64url(&sha256(verifier.as_bytes())),
        };
        is_verifier(verifier) && same_bytes(made.as_bytes(), self.challenge.as_bytes())
    }
}

/// 43 to 128 unreserved characters (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 Appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc_7636_appendix_b() {
        let challenge = CodeChallenge::read(Some(CHALLENGE), Some("S256"), false).unwrap().unwrap();
        assert!(challenge.is_of(VERIFIER));
        assert!(!challenge.is_of(CHALLENGE));
        assert!(!challenge.is_of(""));
    }

    #[test]
    fn plain_is_for_those_who_are_registered_for_it() {
        for method in [None, Some("plain")] {
            assert!(CodeChallenge::read(Some(VERIFIER), method, false).is_err());
            let challenge = CodeChallenge::read(Some(VERIFIER), method, true).unwrap().unwrap();
            assert!(challenge.is_of(VERIFIER) && !challenge.is_of(CHALLENGE));
        }
        assert!(CodeChallenge::read(Some(CHALLENGE), Some("S512"), true).is_err());
        assert!(CodeChallenge::read(None, Some("S256"), true).is_err());
        assert_eq!(CodeChallenge::read(None, None, false).unwrap(), None);
    }

    #[test]
    fn what_no_verifier_can_lead_to_is_refused() {
        for bad in ["", "short", &"a".repeat(129), &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert!(CodeChallenge::read(Some(bad), Some("S256"), false).is_err(), "{bad}");
            assert!(CodeChallenge::read(Some(bad), None, true).is_err(), "{bad}");
        }
        assert!(CodeChallenge::read(Some(&"a".repeat(44)), Some("S256"), false).is_err());
        assert!(CodeChallenge::read(Some(&"~".repeat(43)), Some("S256"), false).is_err());
    }
}
