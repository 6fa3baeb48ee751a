//! Signatures by `ring`, and who makes ID tokens.

use async_trait::async_trait;
use postern::app::{SignatureError, Signatures};
use postern::crypto::encoding::{base64url, from_base64};
use postern::crypto::secret::Secret;
use postern::crypto::signature::{PublicKey, SignatureAlgorithm, pkcs8_from_pem};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaKeyPair,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaKeyPair, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde_json::{Map, Value, json};

/// The native driver of the port.
pub struct Ring;

#[async_trait(?Send)]
impl Signatures for Ring {
    async fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match (key, algorithm) {
            (PublicKey::Rsa { n, e }, _) => rsa(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            (PublicKey::P256 { x, y }, SignatureAlgorithm::Es256) => {
                by(&ECDSA_P256_SHA256_FIXED, &[&[4], &x[..], y].concat())
            }
            (PublicKey::P384 { x, y }, SignatureAlgorithm::Es384) => {
                by(&ECDSA_P384_SHA384_FIXED, &[&[4], &x[..], y].concat())
            }
            (PublicKey::Ed25519 { x }, SignatureAlgorithm::EdDsa) => by(&ED25519, x),
            _ => false,
        }
    }

    async fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        key: &Secret,
        message: &[u8],
    ) -> Result<Vec<u8>, SignatureError> {
        let refused = |why: &str| SignatureError(why.to_owned());
        let pkcs8 = pkcs8_from_pem(key).ok_or_else(|| refused("the key is not PEM"))?;
        let pair = KeyPair::read(algorithm, &pkcs8).ok_or_else(|| refused("the key is of another type"))?;
        Ok(pair.sign(message))
    }
}

fn rsa(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        SignatureAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        SignatureAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        SignatureAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        SignatureAlgorithm::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        SignatureAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        SignatureAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        SignatureAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// What signs natively: RS256 and ES256.
enum KeyPair {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
}

impl KeyPair {
    fn read(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            SignatureAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(pkcs8).ok().map(|pair| Self::Rsa(Box::new(pair)))
            }
            SignatureAlgorithm::Es256 => {
                let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::from_pkcs8(signing, pkcs8, &SystemRandom::new())
                    .ok()
                    .map(|pair| Self::P256(Box::new(pair)))
            }
            _ => None,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("an RSA signature");
                signature
            }
            Self::P256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
        }
    }
}

/// The keys and cases that the native driver and WebCrypto agree on.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../../signatures/vectors.json")).expect("JSON")
}

/// An identity provider's key.
pub struct Signer {
    kid: &'static str,
    algorithm: &'static str,
    pair: KeyPair,
    jwk: Value,
}

impl Signer {
    /// RS256, by the key of RFC 7515 App. A.2.
    pub fn rs256() -> Self {
        Self::of("RFC 7515 A.2", "rsa-1", "RS256")
    }

    /// RS256, by another key: that of RFC 7517 App. A.2.
    pub fn other_rs256() -> Self {
        Self::of("RFC 7517 A.2", "rsa-2", "RS256")
    }

    /// ES256, by the key of RFC 7515 App. A.3.
    pub fn es256() -> Self {
        Self::of("RFC 7515 A.3", "ec-1", "ES256")
    }

    fn of(key: &str, kid: &'static str, algorithm: &'static str) -> Self {
        let key = &vectors()["keys"][key];
        let pkcs8 = from_base64(key["pkcs8"].as_str().expect("a private key")).expect("base64");
        let pair = KeyPair::read(SignatureAlgorithm::parse(algorithm).expect("an alg"), &pkcs8);
        Self { kid, algorithm, pair: pair.expect("a key of the alg"), jwk: key["jwk"].clone() }
    }

    /// The signature of any message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message)
    }

    /// The public half, as the provider's key set has it.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with these claims. Its header has `alg` and `kid`; `header` adds, changes, and with `null` takes away.
    /// Whatever it says, the signature is this key's.
    pub fn id_token(&self, header: Value, claims: Value) -> String {
        let mut members = Map::new();
        let changed = header.as_object().expect("an object").clone();
        for (name, value) in [("alg", self.algorithm), ("kid", self.kid)] {
            members.insert(name.to_owned(), value.into());
        }
        members.extend(changed);
        members.retain(|_, value| !value.is_null());
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&Value::Object(members)), part(&claims));
        let signature = self.pair.sign(input.as_bytes());
        format!("{input}.{}", base64url(&signature))
    }
}
