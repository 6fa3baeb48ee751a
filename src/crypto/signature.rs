//! Signatures by public keys: their algorithms (RFC 7518 §3.1) and keys. What verifies them is `app::Signatures`.

use std::fmt;

use super::encoding::from_base64;
use super::secret::Secret;

/// An `alg` of a signature that somebody else can verify. There is neither `none` nor a MAC, so no token can choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    /// RFC 8037 §3.1, with Ed25519 alone.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-1: for requests that are signed so (RFC 5849 §3.4.3), and verified only. It is no `alg`.
    RsaSha1,
}

/// A key that verifies. Made by the functions below, it is of a size that is safe, and that everybody can compute with.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    P256 {
        x: [u8; 32],
        y: [u8; 32],
    },
    P384 {
        x: [u8; 48],
        y: [u8; 48],
    },
    Ed25519 {
        x: [u8; 32],
    },
}

impl SignatureAlgorithm {
    /// Reads an `alg`. SHA-1 is none: no token can choose it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::RsaSha1 => "RSA-SHA1",
        }
    }
}

impl PublicKey {
    /// An RSA key of 2048 to 8192 bits (RFC 7518 §3.3). Leading zeros do not count: some put one (RFC 7518 §6.3.1.1).
    /// None too for a modulus that does not fill its bytes, or an exponent other than 3 and 65537: nobody makes those, and
    /// WebCrypto on Workers refuses the latter.
    pub fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let is_modulus = (256..=1024).contains(&n.len())
            && n.first().is_some_and(|&byte| byte >= 0x80)
            && n.last().is_some_and(|byte| byte % 2 == 1);
        let is_exponent = matches!(e, [3] | [1, 0, 1]);
        (is_modulus && is_exponent).then(|| Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// A point of P-256, which may not lie on it: that shows when it is used.
    pub fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        Some(Self::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? })
    }

    /// A point of P-384, as [`PublicKey::p256`].
    pub fn p384(x: &[u8], y: &[u8]) -> Option<Self> {
        Some(Self::P384 { x: x.try_into().ok()?, y: y.try_into().ok()? })
    }

    pub fn ed25519(x: &[u8]) -> Option<Self> {
        Some(Self::Ed25519 { x: x.try_into().ok()? })
    }

    /// True if signatures of this algorithm are made by keys of this type: no key is ever used for another.
    pub fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512, RsaSha1};
        match self {
            Self::Rsa { .. } => {
                matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 | RsaSha1)
            }
            Self::P256 { .. } => algorithm == Es256,
            Self::P384 { .. } => algorithm == Es384,
            Self::Ed25519 { .. } => algorithm == EdDsa,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa { .. } => "Rsa",
            Self::P256 { .. } => "P256",
            Self::P384 { .. } => "P384",
            Self::Ed25519 { .. } => "Ed25519",
        })
    }
}

/// The bytes of a private key that is PKCS#8 in PEM (RFC 7468 §10): one `PRIVATE KEY`, and nothing around it.
pub fn pkcs8_from_pem(pem: &Secret) -> Option<Vec<u8>> {
    let body = pem.expose().trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?;
    let body = body.strip_suffix("-----END PRIVATE KEY-----")?;
    from_base64(&body.split_ascii_whitespace().collect::<String>()).filter(|bytes| !bytes.is_empty())
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

    #[test]
    fn an_algorithm_is_spelt_one_way() {
        for name in ALL {
            assert_eq!(SignatureAlgorithm::parse(name).unwrap().as_str(), name);
        }
        for other in
            ["none", "None", "HS256", "HS384", "HS512", "ES512", "ES256K", "rs256", "RS256 ", "RS1", ""]
        {
            assert_eq!(SignatureAlgorithm::parse(other), None, "{other}");
        }
        // RFC 5849 §3.4.3: of requests, and of no token
        assert_eq!(SignatureAlgorithm::parse(SignatureAlgorithm::RsaSha1.as_str()), None);
    }

    #[test]
    fn a_key_fits_algorithms_of_its_own_type_only() {
        let rsa = PublicKey::rsa(&[0xff; 256], &[1, 0, 1]).unwrap();
        let p256 = PublicKey::p256(&[1; 32], &[2; 32]).unwrap();
        let p384 = PublicKey::p384(&[1; 48], &[2; 48]).unwrap();
        let ed25519 = PublicKey::ed25519(&[1; 32]).unwrap();
        for (key, fitting) in [(rsa, &ALL[..6]), (p256, &ALL[6..7]), (p384, &ALL[7..8]), (ed25519, &ALL[8..])]
        {
            for name in ALL {
                let algorithm = SignatureAlgorithm::parse(name).unwrap();
                assert_eq!(key.fits(algorithm), fitting.contains(&name), "{key:?} {name}");
            }
            let is_rsa = matches!(key, PublicKey::Rsa { .. });
            assert_eq!(key.fits(SignatureAlgorithm::RsaSha1), is_rsa, "{key:?}");
        }
    }

    #[test]
    fn an_rsa_key_is_neither_small_nor_odd_in_shape() {
        // RFC 7518 §3.3
        let e = [1, 0, 1];
        let of = |length: usize, first: u8| {
            let mut n = vec![0xff; length];
            n[0] = first;
            n
        };
        let good = PublicKey::rsa(&of(256, 0x80), &e);
        assert!(good.is_some());
        assert_eq!(PublicKey::rsa(&[&[0][..], &of(256, 0x80)].concat(), &[0, 1, 0, 1]), good);
        assert!(PublicKey::rsa(&of(1024, 0x80), &[3]).is_some());
        for n in [of(256, 0x7f), of(255, 0xff), of(257, 0x01), of(1025, 0x80), vec![], vec![0; 256]] {
            assert_eq!(PublicKey::rsa(&n, &e), None, "{} bytes", n.len());
        }
        let mut even = of(256, 0x80);
        even[255] = 0xfe;
        assert_eq!(PublicKey::rsa(&even, &e), None);
        for e in [&[][..], &[0], &[1], &[2], &[1, 0, 3], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            assert_eq!(PublicKey::rsa(&of(256, 0x80), e), None, "{e:?}");
        }
    }

    #[test]
    fn a_coordinate_has_its_length() {
        // RFC 7518 §6.2.1.2
        for length in [0, 31, 33, 47, 49, 64] {
            assert_eq!(PublicKey::p256(&vec![1; length], &[1; 32]), None);
            assert_eq!(PublicKey::p256(&[1; 32], &vec![1; length]), None);
            assert_eq!(PublicKey::p384(&vec![1; length], &[1; 48]), None);
            assert_eq!(PublicKey::p384(&[1; 48], &vec![1; length]), None);
            assert_eq!(PublicKey::ed25519(&vec![1; length]), None);
        }
    }

    #[test]
    fn a_private_key_is_read_from_pem() {
        // RFC 7468 §10
        let read = |pem: &str| pkcs8_from_pem(&Secret::new(pem));
        let good = "-----BEGIN PRIVATE KEY-----\nAAEC\nAwQ=\n-----END PRIVATE KEY-----\n";
        assert_eq!(read(good), Some(vec![0, 1, 2, 3, 4]));
        assert_eq!(read(&format!("\r\n {}", good.replace('\n', "\r\n"))), read(good));
        for bad in [
            "",
            "AAEC",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            &good.replace("AwQ=", "AwQ"),
            &good.replace("AwQ=", "Aw-_"),
            &good.replace("PRIVATE", "EC PRIVATE"),
            &good.replace("PRIVATE", "PUBLIC"),
            &format!("{good}{good}"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
