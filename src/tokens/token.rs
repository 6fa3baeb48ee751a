//! The tokens themselves: a prefix such as `pst_at_`, and base64url of key id (1 byte), family (16), application (12), user
//! (12), grant (12), secret (32), and a MAC (12) over the prefix and all before it. A made-up one is refused without I/O. User
//! and grant are zero where nobody has logged in. In an access token of OAuth 1.0a the digest of its secret stands in the place of
//! the secret.
//!
//! A token names all that could end it, so that one bulk read of KV can ask for its record and every mark at once.

use std::cell::OnceCell;
use std::fmt;

use crate::crypto::encoding::{array_from_base64url, base64url};
use crate::crypto::keys::{KeyRing, Keys, MAC_LENGTH, TokenMac};
use crate::crypto::secret::{Secret, same_bytes};
use crate::crypto::sha256;
use crate::model::family::TokenDigest;
use crate::model::id::{ApplicationId, FamilyId, GrantId, UserId};

pub const ACCESS_PREFIX: &str = "pst_at_";
pub const REFRESH_PREFIX: &str = "pst_rt_";
pub const CODE_PREFIX: &str = "pst_ac_";
pub const OAUTH1_REQUEST_PREFIX: &str = "pst_1r_";
pub const OAUTH1_ACCESS_PREFIX: &str = "pst_1a_";

const SECRET_LENGTH: usize = 32;

/// In bytes, before they are encoded.
const LENGTH: usize = 97;

const SECRET_AT: usize = LENGTH - MAC_LENGTH - SECRET_LENGTH;

/// An access token as its holder knows it (RFC 6749 §1.4). Never stored, never logged.
pub struct AccessToken(Sealed);

/// A refresh token as its holder knows it (RFC 6749 §1.5). Never stored, never logged.
pub struct RefreshToken(Sealed);

/// An authorization code as its holder knows it (RFC 6749 §1.3.1). It names the family that it buys. Never stored, never logged.
pub struct AuthorizationCode(Sealed);

/// A request token of OAuth 1.0a: temporary credentials (RFC 5849 §1.1). It names the family that it is exchanged for. Worth
/// nothing without its secret.
pub struct Oauth1RequestToken(Sealed);

/// An access token of OAuth 1.0a: token credentials (RFC 5849 §1.1). Worth nothing without its secret.
pub struct Oauth1AccessToken(Sealed);

struct Sealed {
    text: String,
    holder: Holder,
    mac: TokenMac,
    digest: OnceCell<TokenDigest>,
}

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub family: FamilyId,
    pub application: ApplicationId,
    /// None for client credentials.
    pub user: Option<(UserId, GrantId)>,
}

macro_rules! token {
    ($name:ident, $prefix:ident) => {
        impl $name {
            pub fn mint(holder: Holder, secret: [u8; SECRET_LENGTH], keys: &Keys) -> Self {
                let (text, mac) = seal($prefix, &holder, &secret, keys);
                Self(Sealed { text, holder, mac, digest: OnceCell::new() })
            }

            /// Reads a token that bears our MAC, and nothing else.
            pub fn parse(text: &str, keys: &KeyRing) -> Option<Self> {
                let (holder, mac) = unseal($prefix, text, keys)?;
                Some(Self(Sealed { text: text.to_owned(), holder, mac, digest: OnceCell::new() }))
            }

            pub fn holder(&self) -> &Holder {
                &self.0.holder
            }

            /// The clear value, for the one response that hands it over, and for deriving a successor.
            pub fn expose(&self) -> &str {
                &self.0.text
            }

            /// What the database and KV know it by.
            pub fn digest(&self) -> TokenDigest {
                *self.0.digest.get_or_init(|| TokenDigest::of(&self.0.text))
            }

            /// What an isolate's memory knows it by.
            pub fn mac(&self) -> &TokenMac {
                &self.0.mac
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

token!(AccessToken, ACCESS_PREFIX);
token!(RefreshToken, REFRESH_PREFIX);
token!(AuthorizationCode, CODE_PREFIX);
token!(Oauth1RequestToken, OAUTH1_REQUEST_PREFIX);
token!(Oauth1AccessToken, OAUTH1_ACCESS_PREFIX);

impl Oauth1AccessToken {
    /// As [`Oauth1AccessToken::mint`], for this secret.
    pub fn mint_for(holder: Holder, secret: &Secret, keys: &Keys) -> Self {
        Self::mint(holder, sha256(secret.expose().as_bytes()), keys)
    }

    /// True of the secret that it was issued with. It holds the digest of its 256 random bits, under the MAC: so a made-up
    /// pair is refused without I/O, also when nothing is kept of the secret any more.
    pub fn is_for(&self, secret: &Secret) -> bool {
        let bytes: Option<[u8; LENGTH]> =
            self.expose().strip_prefix(OAUTH1_ACCESS_PREFIX).and_then(array_from_base64url);
        let held = bytes.as_ref().and_then(|bytes| bytes.get(SECRET_AT..SECRET_AT + SECRET_LENGTH));
        held.is_some_and(|held| same_bytes(held, &sha256(secret.expose().as_bytes())))
    }
}

fn seal(prefix: &str, holder: &Holder, secret: &[u8; SECRET_LENGTH], keys: &Keys) -> (String, TokenMac) {
    let (user, grant) = match &holder.user {
        Some((user, grant)) => (user.as_bytes(), grant.as_bytes()),
        None => (&[0; UserId::LENGTH][..], &[0; GrantId::LENGTH][..]),
    };
    let key_id = [keys.id()];
    let parts = [&key_id, holder.family.as_bytes(), holder.application.as_bytes(), user, grant, secret];
    let mut bytes = parts.concat();
    let mac = keys.mac(prefix, &bytes);
    bytes.extend_from_slice(mac.as_bytes());
    (format!("{prefix}{}", base64url(&bytes)), mac)
}

/// Whose the token is, if its MAC is ours.
fn unseal(prefix: &str, text: &str, keys: &KeyRing) -> Option<(Holder, TokenMac)> {
    let bytes: [u8; LENGTH] = array_from_base64url(text.strip_prefix(prefix)?)?;
    let (sealed, presented) = bytes.split_at_checked(LENGTH - MAC_LENGTH)?;
    let (key_id, body) = sealed.split_first()?;
    let mac = keys.find(*key_id)?.mac(prefix, sealed);
    if !mac.ends_in(presented) {
        return None;
    }
    let (family, rest) = body.split_at_checked(FamilyId::LENGTH)?;
    let (application, rest) = rest.split_at_checked(ApplicationId::LENGTH)?;
    let (user, rest) = rest.split_at_checked(UserId::LENGTH)?;
    let (grant, _secret) = rest.split_at_checked(GrantId::LENGTH)?;
    let holder = Holder {
        family: FamilyId::from_bytes(family)?,
        application: ApplicationId::from_bytes(application)?,
        user: match user.iter().chain(grant).all(|&byte| byte == 0) {
            true => None,
            false => Some((UserId::from_bytes(user)?, GrantId::from_bytes(grant)?)),
        },
    };
    Some((holder, mac))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RING: &str = "3:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn ring() -> KeyRing {
        KeyRing::parse(RING).unwrap()
    }

    fn holder(user: bool) -> Holder {
        Holder {
            family: FamilyId::from_bytes(&[1; 16]).unwrap(),
            application: ApplicationId::from_bytes(&[2; 12]).unwrap(),
            user: user
                .then(|| (UserId::from_bytes(&[3; 12]).unwrap(), GrantId::from_bytes(&[4; 12]).unwrap())),
        }
    }

    #[test]
    fn a_token_reads_as_it_was_minted() {
        let ring = ring();
        for user in [true, false] {
            let token = AccessToken::mint(holder(user), [5; 32], ring.first());
            assert_eq!(token.expose().len(), ACCESS_PREFIX.len() + 130);
            assert_eq!(AccessToken::parse(token.expose(), &ring).unwrap().holder(), &holder(user));
        }
    }

    #[test]
    fn one_kind_is_never_the_other() {
        let ring = ring();
        let access = AccessToken::mint(holder(true), [5; 32], ring.first());
        let refresh = RefreshToken::mint(holder(true), [5; 32], ring.first());
        assert!(RefreshToken::parse(&access.expose().replace("pst_at_", "pst_rt_"), &ring).is_none());
        assert!(AccessToken::parse(&refresh.expose().replace("pst_rt_", "pst_at_"), &ring).is_none());
        assert!(AccessToken::parse(refresh.expose(), &ring).is_none());
        assert!(RefreshToken::parse(refresh.expose(), &ring).is_some());
    }

    #[test]
    fn no_single_changed_character_gets_through() {
        let ring = ring();
        let token = AccessToken::mint(holder(true), [5; 32], ring.first());
        for at in 0..token.expose().len() {
            for other in ["A", "B", "_", "-", "=", " "] {
                let mut text = token.expose().to_owned();
                text.replace_range(at..=at, other);
                assert!(text == token.expose() || AccessToken::parse(&text, &ring).is_none(), "{at} {other}");
            }
        }
    }

    #[test]
    fn a_key_that_is_gone_takes_its_tokens_along() {
        let token = AccessToken::mint(holder(true), [5; 32], ring().first());
        let other = KeyRing::parse("4:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(AccessToken::parse(token.expose(), &other).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", body in proptest::collection::vec(any::<u8>(), 80..120)) {
            let ring = ring();
            for text in [text, format!("{ACCESS_PREFIX}{}", base64url(&body))] {
                prop_assert!(AccessToken::parse(&text, &ring).is_none());
                prop_assert!(RefreshToken::parse(&text, &ring).is_none());
            }
        }
    }
}
