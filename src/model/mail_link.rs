//! Links that are sent by e-mail: who can open one can read the mailbox.

use std::fmt;

use super::id::UserId;
use super::time::Lifetime;
use crate::crypto::encoding::{array_from_base64url, base64url};
use crate::crypto::{Random, random_bytes, sha256};

const SECRET_LENGTH: usize = 32;

/// What a link has that nobody can guess. Never stored, never logged.
pub struct LinkSecret([u8; SECRET_LENGTH]);

/// What the database knows a link by.
#[derive(Clone, Copy)]
pub struct LinkDigest([u8; 32]);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    ResetPassword,
    VerifyEmail,
}

/// A link that is to be sent.
pub struct MailLink {
    pub secret: LinkSecret,
    pub username: String,
    /// The address that it is sent to.
    pub email: String,
    /// Who reads there has said that the account is theirs.
    pub is_verified: bool,
}

/// Whose a live link is.
#[derive(Clone, Debug)]
pub struct LinkHolder {
    pub user_id: UserId,
    pub username: String,
    pub email: String,
}

impl LinkSecret {
    pub fn random(random: &dyn Random) -> Self {
        Self(random_bytes(random))
    }

    /// Reads what stands in a link.
    pub fn parse(text: &str) -> Option<Self> {
        array_from_base64url(text).map(Self)
    }

    /// As it stands in the one link.
    pub fn expose(&self) -> String {
        base64url(&self.0)
    }

    pub fn digest(&self) -> LinkDigest {
        LinkDigest(sha256(&self.0))
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(redacted)")
    }
}

impl fmt::Display for LinkDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::VerifyEmail => "verify_email",
        }
    }

    /// How long a link is good: an hour if it opens an account, else three days.
    pub fn lifetime(self) -> Lifetime {
        match self {
            Self::ResetPassword => Lifetime(3_600),
            Self::VerifyEmail => Lifetime(3 * 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_spelling_and_does_not_show() {
        let secret = LinkSecret([7; SECRET_LENGTH]);
        let text = secret.expose();
        assert_eq!((text.len(), LinkSecret::parse(&text).unwrap().expose()), (43, text.clone()));
        assert_eq!(format!("{secret:?}"), "LinkSecret(redacted)");
        assert!(!secret.digest().to_string().contains(&text));
        for other in
            ["", "x", &text[1..], &format!("{text}="), &format!("{text}A"), &text.replace("Bw", "B+")]
        {
            assert!(LinkSecret::parse(other).is_none(), "{other}");
        }
    }
}
