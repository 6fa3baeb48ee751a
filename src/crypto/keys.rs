//! The keys that come from `MASTER_KEY`: one MAC key and one derivation key for each of its entries.

use std::fmt;

use hkdf::Hkdf;
use hmac::{KeyInit, Mac};
use sha2::Sha256;

use super::encoding::{base64url, from_base64url};
use super::{HmacSha256, secret};

/// The length of a token's MAC, in bytes.
pub const MAC_LENGTH: usize = 12;

/// Says which entry of `MASTER_KEY` made a token.
pub type KeyId = u8;

/// All keys that are accepted. The first one makes new tokens.
#[derive(Clone)]
pub struct KeyRing {
    first: Keys,
    others: Vec<Keys>,
}

/// What is derived from one entry of `MASTER_KEY` by HKDF-SHA-256 (RFC 5869), with a label for each use.
#[derive(Clone)]
pub struct Keys {
    id: KeyId,
    master: Hkdf<Sha256>,
    mac: HmacSha256,
    derivation: HmacSha256,
    memory: HmacSha256,
    record: HmacSha256,
    attempt: HmacSha256,
    form: HmacSha256,
}

/// The MAC of a token. The token carries the first bytes of it; the whole names the token in an isolate's memory, and
/// saves hashing it once more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenMac([u8; 32]);

impl KeyRing {
    /// Reads `id:base64url(32 bytes)[,…]`; a bare value has the id 0.
    ///
    /// # Errors
    /// Says what is wrong, and never quotes the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<Keys> = Vec::new();
        for entry in text.split(',') {
            let parsed = Keys::parse(entry.trim())?;
            if keys.iter().any(|known| known.id == parsed.id) {
                return Err(format!("the key id {} stands twice", parsed.id));
            }
            keys.push(parsed);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or("it is empty")?;
        Ok(Self { first, others: keys.collect() })
    }

    /// The keys that make new tokens.
    pub fn first(&self) -> &Keys {
        &self.first
    }

    /// All keys that are accepted, the one that makes new tokens first.
    pub fn all(&self) -> impl Iterator<Item = &Keys> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The keys with this id, if they are still accepted.
    pub fn find(&self, id: KeyId) -> Option<&Keys> {
        self.all().find(|keys| keys.id == id)
    }
}

impl Keys {
    fn parse(entry: &str) -> Result<Self, String> {
        let (id, encoded) = match entry.split_once(':') {
            Some((id, encoded)) => {
                (id.parse().map_err(|_| "a key id is not a number from 0 to 255")?, encoded)
            }
            None => (0, entry),
        };
        let master = from_base64url(encoded).ok_or("a key is not base64url without padding")?;
        if master.len() != 32 {
            return Err("a key is not 32 bytes long".to_owned());
        }
        let master = Hkdf::<Sha256>::new(None, &master);
        Ok(Self {
            id,
            mac: derive(&master, b"postern token mac")?,
            derivation: derive(&master, b"postern token derivation")?,
            memory: derive(&master, b"postern secret memory")?,
            record: derive(&master, b"postern token record")?,
            attempt: derive(&master, b"postern attempt subject")?,
            form: derive(&master, b"postern page form")?,
            master,
        })
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The MAC of a token: it covers the prefix and everything before it.
    pub fn mac(&self, prefix: &str, body: &[u8]) -> TokenMac {
        TokenMac(finish(&self.mac, &[prefix.as_bytes(), body]))
    }

    /// The secret of a rotated token: what the presented refresh token and the rotation's nonce lead to, and nothing else.
    pub fn derive(&self, refresh_token: &str, rotation_nonce: &[u8], kind: &str) -> [u8; 32] {
        let length = (refresh_token.len() as u64).to_be_bytes();
        finish(&self.derivation, &[&length, refresh_token.as_bytes(), rotation_nonce, kind.as_bytes()])
    }

    /// The MAC of what KV holds of a token: whoever can write there must not be able to widen one.
    pub fn record_mac(&self, digest: &str, record: &str) -> [u8; 32] {
        finish(&self.record, &[digest.as_bytes(), record.as_bytes()])
    }

    /// The key of what is encrypted for the purpose with this label. Derived when it is used: few requests do.
    pub(super) fn sealing_key(&self, label: &[u8]) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.master.expand(label, &mut key).ok()?;
        Some(key)
    }

    /// What the database knows by that something was tried: not what was typed.
    pub fn attempt_subject(&self, kind: &str, what: &str) -> String {
        base64url(&finish(&self.attempt, &[kind.as_bytes(), b":", what.as_bytes()]))
    }

    /// What a form bears that we showed to this browser: `nonce` is fresh for each page, `browser` is the cookie that the
    /// form comes back with, `session` who is logged in there.
    pub fn form_mac(&self, nonce: &[u8], browser: &str, session: &str) -> [u8; 32] {
        finish(&self.form, &[nonce, browser.as_bytes(), b"|", session.as_bytes()])
    }

    /// What an isolate keeps of a client secret that it has seen to be right, instead of hashing slowly again.
    pub fn memory_digest(&self, salt: &str, secret: &str) -> [u8; 32] {
        let length = (salt.len() as u64).to_be_bytes();
        finish(&self.memory, &[&length, salt.as_bytes(), secret.as_bytes()])
    }
}

impl TokenMac {
    /// The part that ends the token.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get(..MAC_LENGTH).unwrap_or(&self.0)
    }

    /// True if a token with this MAC ends in `bytes`; in constant time.
    pub fn ends_in(&self, bytes: &[u8]) -> bool {
        secret::same_bytes(self.as_bytes(), bytes)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(redacted)")
    }
}

fn derive(master: &Hkdf<Sha256>, label: &[u8]) -> Result<HmacSha256, String> {
    let mut key = [0; 32];
    master.expand(label, &mut key).map_err(|error| error.to_string())?;
    HmacSha256::new_from_slice(&key).map_err(|error| error.to_string())
}

fn finish(keyed: &HmacSha256, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &str = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn the_first_makes_and_all_are_accepted() {
        let ring = KeyRing::parse(&format!("7:{OTHER},{KEY}")).unwrap();
        assert_eq!(ring.first().id(), 7);
        assert!(ring.find(0).is_some());
        assert!(ring.find(1).is_none());
    }

    #[test]
    fn a_bad_ring_says_why_without_quoting_it() {
        for (text, why) in [
            ("", "a key is not 32 bytes long"),
            ("256:AAAA", "a key id is not a number from 0 to 255"),
            ("AA==", "a key is not base64url without padding"),
            (&format!("{KEY},0:{OTHER}"), "the key id 0 stands twice"),
        ] {
            assert_eq!(KeyRing::parse(text).unwrap_err(), why);
        }
    }

    #[test]
    fn every_part_counts() {
        let keys = Keys::parse(KEY).unwrap();
        let base = keys.derive("token", b"nonce", "kind");
        assert_ne!(base, keys.derive("token2", b"nonce", "kind"));
        assert_ne!(base, keys.derive("token", b"nonce2", "kind"));
        assert_ne!(base, keys.derive("token", b"nonce", "other"));
        assert_ne!(base, Keys::parse(OTHER).unwrap().derive("token", b"nonce", "kind"));
        let mac = keys.mac("p", b"body");
        assert!(mac.ends_in(keys.mac("p", b"body").as_bytes()));
        assert!(!mac.ends_in(keys.mac("q", b"body").as_bytes()));
        assert!(!mac.ends_in(keys.mac("p", b"bodx").as_bytes()));
        assert!(!mac.ends_in(&[]));
        assert_eq!(mac.as_bytes().len(), MAC_LENGTH);
    }

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let keys = Keys::parse(KEY).unwrap();
        let macs: Vec<[u8; 32]> =
            [&keys.mac, &keys.derivation, &keys.memory, &keys.record, &keys.attempt, &keys.form]
                .map(|key| finish(key, &[b"the same input"]))
                .to_vec();
        for (index, mac) in macs.iter().enumerate() {
            assert!(!macs[index + 1..].contains(mac));
        }
    }
}
