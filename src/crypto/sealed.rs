//! What is encrypted at rest: AES-256-GCM (NIST SP 800-38D) under keys that come from `MASTER_KEY`.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};

use super::encoding::{base64url, from_base64url};
use super::keys::{KeyRing, Keys};
use super::secret::Secret;
use super::{Random, random_bytes};

/// The length of a nonce, in bytes (RFC 5116 §5.1). Random ones are safe for 2³² values under one key.
const NONCE_LENGTH: usize = 12;

/// What is sealed. Each purpose has a key of its own: what was sealed for one does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tokens that an identity provider gave us, in the database.
    ProviderToken,
    /// What a browser carries while somebody logs in at an identity provider.
    SocialLogin,
    /// The secret of an application that signs its requests (RFC 5849 §3.4.2), in the database.
    ClientSecret,
    /// The secret of a token of OAuth 1.0a, in the database.
    Oauth1Token,
}

/// What was sealed, in clear.
#[derive(PartialEq, Eq)]
pub struct Opened(Vec<u8>);

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::ProviderToken => b"postern provider token",
            Self::SocialLogin => b"postern social login",
            Self::ClientSecret => b"postern client secret",
            Self::Oauth1Token => b"postern oauth1 token",
        }
    }
}

impl Opened {
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// None if it is not UTF-8.
    pub fn into_text(self) -> Option<Secret> {
        String::from_utf8(self.0).ok().map(Secret::new)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(redacted)")
    }
}

impl KeyRing {
    /// Encrypts by the first key: `<key id>.<base64url(nonce, ciphertext, tag)>`. It opens for this purpose, and with this
    /// context, alone: the id of the row that it stands in, so that it cannot be moved to another.
    pub fn seal(&self, purpose: Purpose, context: &str, plaintext: &[u8], random: &dyn Random) -> String {
        let nonce = random_bytes(random);
        // AES-GCM refuses only what is longer than 64 GiB. Nothing would open what came of that, least of all in clear.
        let sealed = seal(self.first(), purpose, &nonce, context, plaintext).unwrap_or_default();
        format!("{}.{}", self.first().id(), base64url(&[&nonce[..], &sealed].concat()))
    }

    /// Decrypts what [`KeyRing::seal`] made by a key that is still accepted. None if anything about it is different.
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &str) -> Option<Opened> {
        let (id, bytes) = sealed.split_once('.')?;
        let keys = self.all().find(|keys| keys.id().to_string() == id)?;
        let bytes = from_base64url(bytes)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
        cipher(keys, purpose)?.decrypt(nonce.into(), payload).ok().map(Opened)
    }

    /// True if it was sealed by the first key: else it is to be sealed anew, before its key goes.
    pub fn is_current(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_some_and(|(id, _)| id == self.first().id().to_string())
    }
}

fn seal(
    keys: &Keys,
    purpose: Purpose,
    nonce: &[u8; NONCE_LENGTH],
    context: &str,
    plaintext: &[u8],
) -> Option<Vec<u8>> {
    let payload = Payload { msg: plaintext, aad: context.as_bytes() };
    cipher(keys, purpose)?.encrypt(nonce.into(), payload).ok()
}

fn cipher(keys: &Keys, purpose: Purpose) -> Option<Aes256Gcm> {
    keys.sealing_key(purpose.label()).map(|key| Aes256Gcm::new(&key.into()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use Purpose::{ProviderToken, SocialLogin};

    const FIRST: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const OTHER: &str = "2:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// Fills with 1, 2, 3, …
    struct Counting(Cell<u8>);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0.set(self.0.get() + 1);
                *byte = self.0.get();
            }
        }
    }

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text).unwrap()
    }

    fn random() -> Counting {
        Counting(Cell::new(0))
    }

    fn open(ring: &KeyRing, sealed: &str) -> Option<Vec<u8>> {
        ring.open(ProviderToken, "7", sealed).map(|opened| opened.0)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    /// McGrew and Viega, The Galois/Counter Mode of Operation, App. B, test cases 13, 14 and 16.
    #[test]
    fn the_crate_computes_aes_256_gcm() {
        let key = "feffe9928665731c6d6a8f9467308308".repeat(2);
        let cases = [
            (&*"0".repeat(64), &*"0".repeat(24), "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
            (
                &*"0".repeat(64),
                &*"0".repeat(24),
                &*"0".repeat(32),
                "",
                "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
            ),
            (
                &*key,
                "cafebabefacedbaddecaf888",
                concat!(
                    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
                    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
                ),
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                concat!(
                    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
                    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                    "76fc6ece0f4e1768cddf8853bb2d551b"
                ),
            ),
        ];
        for (key, nonce, plaintext, data, sealed) in cases {
            let cipher = Aes256Gcm::new_from_slice(&bytes(key)).unwrap();
            let nonce: [u8; NONCE_LENGTH] = bytes(nonce).try_into().unwrap();
            let payload = Payload { msg: &bytes(plaintext), aad: &bytes(data) };
            assert_eq!(cipher.encrypt(&nonce.into(), payload).unwrap(), bytes(sealed));
            let payload = Payload { msg: &bytes(sealed), aad: &bytes(data) };
            assert_eq!(cipher.decrypt(&nonce.into(), payload).unwrap(), bytes(plaintext));
        }
    }

    /// Computed by OpenSSL: HKDF-SHA-256 and AES-256-GCM. What is stored has to open in later versions, too.
    #[test]
    fn the_form_is_the_one_that_is_stored() {
        let ring = ring(FIRST);
        for (purpose, context, plaintext, sealed) in [
            (ProviderToken, "7", "ya29.token", "1.AQIDBAUGBwgJCgsMKlgeGaEnII3hcWz4RvkfHDMUOntm47P13dg"),
            (SocialLogin, "", "{}", "1.AQIDBAUGBwgJCgsMEYFmV9J2gslES7EQ32EulHD1"),
        ] {
            assert_eq!(ring.seal(purpose, context, plaintext.as_bytes(), &random()), sealed);
            let opened = ring.open(purpose, context, sealed).unwrap();
            assert_eq!(
                (opened.expose(), format!("{opened:?}")),
                (plaintext.as_bytes(), "Opened(redacted)".to_owned())
            );
            assert_eq!(opened.into_text(), Some(Secret::new(plaintext)));
        }
    }

    #[test]
    fn what_is_sealed_opens() {
        let ring = ring(FIRST);
        let random = random();
        for plaintext in [&b""[..], b"a", &[0xff; 5000]] {
            let sealed = ring.seal(ProviderToken, "7", plaintext, &random);
            assert_eq!(open(&ring, &sealed).as_deref(), Some(plaintext));
            assert_ne!(ring.seal(ProviderToken, "7", plaintext, &random), sealed);
        }
        assert_eq!(
            ring.open(ProviderToken, "7", &ring.seal(ProviderToken, "7", &[0xff], &random))
                .unwrap()
                .into_text(),
            None
        );
    }

    #[test]
    fn it_opens_for_its_purpose_with_its_context_and_by_its_key_alone() {
        let ring_1 = ring(FIRST);
        let sealed = ring_1.seal(ProviderToken, "7", b"token", &random());
        assert!(open(&ring_1, &sealed).is_some());
        assert_eq!(ring_1.open(SocialLogin, "7", &sealed), None);
        for context in ["", "8", "70", "7 "] {
            assert_eq!(ring_1.open(ProviderToken, context, &sealed), None, "{context}");
        }
        assert_eq!(open(&ring(OTHER), &sealed), None);
        assert_eq!(open(&ring(&OTHER.replace("2:", "1:")), &sealed), None);
        assert_eq!(open(&ring(&format!("{FIRST},{OTHER}")), &sealed.replace("1.", "2.")), None);
    }

    #[test]
    fn no_byte_of_it_may_differ() {
        let ring = ring(FIRST);
        let sealed = ring.seal(ProviderToken, "7", b"token", &random());
        let whole = from_base64url(sealed.split_once('.').unwrap().1).unwrap();
        for at in 0..whole.len() {
            let mut tampered = whole.clone();
            tampered[at] ^= 1;
            assert_eq!(open(&ring, &format!("1.{}", base64url(&tampered))), None, "{at}");
            assert_eq!(open(&ring, &format!("1.{}", base64url(&whole[..at]))), None, "{at}");
        }
        for bad in [
            "",
            ".",
            "1",
            "1.",
            &sealed[2..],
            &format!("0{sealed}"),
            &format!("+{sealed}"),
            &format!("{sealed}="),
        ] {
            assert_eq!(open(&ring, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rotated_ring_still_opens() {
        let (before, after) = (ring(FIRST), ring(&format!("{OTHER},{FIRST}")));
        let sealed = before.seal(ProviderToken, "7", b"token", &random());
        assert!(before.is_current(&sealed) && !after.is_current(&sealed));
        assert_eq!(open(&after, &sealed).as_deref(), Some(&b"token"[..]));
        let anew = after.seal(ProviderToken, "7", b"token", &random());
        assert!(after.is_current(&anew) && !before.is_current(&anew));
        assert_eq!(open(&before, &anew), None);
        assert!(!after.is_current("") && !after.is_current("2"));
    }
}
