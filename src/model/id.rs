//! Identifiers: random bytes, written as base64url.

use std::fmt;

use crate::crypto::encoding::{base64url, from_base64url};
use crate::crypto::{Random, random_bytes};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// In bytes.
            pub const LENGTH: usize = $length;

            pub fn parse(text: &str) -> Option<Self> {
                Self::from_bytes(&from_base64url(text)?)
            }

            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64url(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

identifier!(
    /// A person who can log in; `sub` on the wire.
    UserId,
    12
);
identifier!(
    /// A registered application. Its `client_id` may be used again after a deletion; this never is.
    ApplicationId,
    12
);
identifier!(
    /// A user's standing authorization of an application.
    GrantId,
    12
);
identifier!(
    /// A login and all tokens that come of it. The first byte is the number of the database shard, now always 0.
    FamilyId,
    16
);

identifier!(
    /// A browser in which a person is logged in.
    SessionId,
    12
);

identifier!(
    /// A user's account at an identity provider.
    SocialAccountId,
    12
);

macro_rules! random_identifier {
    ($($name:ident),*) => {$(
        impl $name {
            pub fn random(random: &dyn Random) -> Self {
                Self(random_bytes(random))
            }
        }
    )*};
}

random_identifier!(UserId, ApplicationId, GrantId, SessionId, SocialAccountId);

impl FamilyId {
    const SHARD: u8 = 0;

    pub fn random(random: &dyn Random) -> Self {
        let mut bytes: [u8; Self::LENGTH] = random_bytes(random);
        if let Some(shard) = bytes.first_mut() {
            *shard = Self::SHARD;
        }
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Random for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn a_family_is_a_shard_and_fifteen_random_bytes() {
        let family = FamilyId::random(&Ones);
        assert_eq!(family.as_bytes(), [&[0][..], &[0xff; 15]].concat());
        assert_eq!(FamilyId::parse(&family.to_string()), Some(family));
    }

    #[test]
    fn what_has_another_length_is_no_id() {
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAA", "!"] {
            assert_eq!(UserId::parse(text), None, "{text}");
        }
        assert!(UserId::parse("AAAAAAAAAAAAAAAA").is_some());
    }
}
