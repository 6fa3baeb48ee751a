//! Signatures by WebCrypto.

use async_trait::async_trait;
use js_sys::{Promise, Uint8Array};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::message;
use crate::app::{SignatureError, Signatures};
use crate::crypto::encoding::base64url;
use crate::crypto::secret::Secret;
use crate::crypto::signature::{PublicKey, SignatureAlgorithm, pkcs8_from_pem};

#[wasm_bindgen(module = "/src/cloudflare/signatures.js")]
extern "C" {
    // What is waited for outlives the call: it gets copies of the bytes, not a view of the wasm's memory.
    fn verify(algorithm: &str, jwk: &str, message: Uint8Array, signature: Uint8Array) -> Promise;

    fn sign(algorithm: &str, pkcs8: Uint8Array, message: Uint8Array) -> Promise;
}

pub struct WebCrypto;

#[async_trait(?Send)]
impl Signatures for WebCrypto {
    async fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if !key.fits(algorithm) {
            return false;
        }
        let jwk = jwk(key).to_string();
        let verified = verify(algorithm.as_str(), &jwk, message.into(), signature.into());
        JsFuture::from(verified).await.is_ok_and(|verified| verified == JsValue::TRUE)
    }

    async fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        key: &Secret,
        message: &[u8],
    ) -> Result<Vec<u8>, SignatureError> {
        if algorithm == SignatureAlgorithm::RsaSha1 {
            return Err(SignatureError("nothing is signed with SHA-1".to_owned()));
        }
        let pkcs8 = pkcs8_from_pem(key).ok_or_else(|| SignatureError("the key is not PEM".to_owned()))?;
        let signed = sign(algorithm.as_str(), pkcs8.as_slice().into(), message.into());
        let signature = JsFuture::from(signed).await.map_err(|error| failed(&error))?;
        let signature: Uint8Array = signature.dyn_into().map_err(|error| failed(&error))?;
        Ok(signature.to_vec())
    }
}

/// RFC 7518 §6, RFC 8037 §2.
fn jwk(key: &PublicKey) -> Value {
    match key {
        PublicKey::Rsa { n, e } => json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)}),
        PublicKey::P256 { x, y } => {
            json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)})
        }
        PublicKey::P384 { x, y } => {
            json!({"kty": "EC", "crv": "P-384", "x": base64url(x), "y": base64url(y)})
        }
        PublicKey::Ed25519 { x } => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(x)}),
    }
}

/// WebCrypto's messages do not quote keys.
fn failed(error: &JsValue) -> SignatureError {
    SignatureError(message(error))
}
