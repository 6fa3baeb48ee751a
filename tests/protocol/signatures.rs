//! The signature vectors (`tests/signatures/vectors.json`) on the native driver. The same file runs on WebCrypto, in
//! workerd: where the two differ, a test of ID tokens would prove nothing about production.

use futures_executor::block_on;
use postern::app::Signatures;
use postern::crypto::encoding::{base64url, from_base64url};
use postern::crypto::secret::Secret;
use postern::crypto::signature::{PublicKey, SignatureAlgorithm};
use postern::protocol::jwk::JwkSet;
use postern::protocol::jwt::Jwt;
use postern::protocol::oauth1::SignatureMethod;
use serde_json::{Value, json};

use crate::support::{Ring, Signer, vectors};

#[test]
fn the_native_driver_verifies_what_webcrypto_does() {
    let vectors = vectors();
    let cases = vectors["verify"].as_array().unwrap();
    assert!(cases.len() >= 200);
    for case in cases {
        let key = &vectors["keys"][text(&case["key"])];
        let key = public_key(&key["jwk"], text(&key["algorithm"]));
        let signature = from_base64url(text(&case["signature"])).unwrap();
        let verified = verify(text(&case["algorithm"]), &key, text(&case["message"]), &signature);
        assert_eq!(case["valid"], json!(verified), "{}", case["name"]);
    }
}

#[test]
fn what_is_signed_verifies() {
    let vectors = vectors();
    for case in vectors["sign"].as_array().unwrap() {
        let key = &vectors["keys"][text(&case["key"])];
        let (algorithm, message) = (text(&case["algorithm"]), text(&case["message"]));
        let signature = sign(algorithm, text(&key["pkcs8"]), message).unwrap();
        assert!(verify(algorithm, &public_key(&key["jwk"], algorithm), message, &signature));
        if let Some(expected) = case["signature"].as_str() {
            assert_eq!(base64url(&signature), expected);
        }
    }
    let ec = text(&vectors["keys"]["RFC 7515 A.3"]["pkcs8"]);
    assert_eq!(sign("RS256", ec, "").unwrap_err(), "the key is of another type");
    assert_eq!(sign("ES256", "AAAA", "").unwrap_err(), "the key is of another type");
    assert_eq!(sign("ES256", "not base64", "").unwrap_err(), "the key is not PEM");
    let rsa = text(&vectors["keys"]["RFC 7515 A.2"]["pkcs8"]);
    assert!(sign("RS256", rsa, "").is_ok() && sign("RSA-SHA1", rsa, "").is_err());
}

#[test]
fn id_tokens_of_the_tests_verify_by_their_own_key_only() {
    let signers = [Signer::rs256(), Signer::other_rs256(), Signer::es256()];
    let jwks: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    let set = JwkSet::parse(json!({"keys": jwks}).to_string().as_bytes()).unwrap();
    for signer in &signers {
        let jwt = Jwt::parse(&signer.id_token(json!({"typ": "JWT"}), json!({"sub": "7"}))).unwrap();
        assert_eq!(jwt.text("sub"), Ok(Some("7")));
        let found = set.find(jwt.kid.as_deref(), jwt.algorithm).unwrap();
        for jwk in &jwks {
            let key = public_key(jwk, text(&jwk["alg"]));
            let verified = verify(jwt.algorithm.as_str(), &key, &jwt.signing_input, &jwt.signature);
            assert_eq!(verified, key == found.key);
        }
    }
    let changed = signers[0].id_token(json!({"kid": null, "alg": "ES256"}), json!({}));
    let jwt = Jwt::parse(&changed).unwrap();
    assert_eq!((jwt.kid.as_deref(), jwt.algorithm), (None, SignatureAlgorithm::Es256));
}

fn verify(algorithm: &str, key: &PublicKey, message: &str, signature: &[u8]) -> bool {
    let algorithm = named(algorithm);
    block_on(Ring.verify(algorithm, key, message.as_bytes(), signature))
}

fn sign(algorithm: &str, pkcs8: &str, message: &str) -> Result<Vec<u8>, String> {
    let algorithm = named(algorithm);
    let pem = Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n"));
    block_on(Ring.sign(algorithm, &pem, message.as_bytes())).map_err(|error| error.0)
}

/// An `alg`, or a signature method of RFC 5849.
fn named(name: &str) -> SignatureAlgorithm {
    SignatureAlgorithm::parse(name).or_else(|| SignatureMethod::parse(name)?.algorithm()).unwrap()
}

fn public_key(jwk: &Value, algorithm: &str) -> PublicKey {
    let set = JwkSet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    set.find(None, SignatureAlgorithm::parse(algorithm).unwrap()).unwrap().key.clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
