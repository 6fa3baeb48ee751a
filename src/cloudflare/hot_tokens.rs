//! KV.

use async_trait::async_trait;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use super::{message, text_of, wait_until};
use crate::app::{HotError, HotTokens};
use crate::model::time::Lifetime;

#[wasm_bindgen(module = "/src/cloudflare/hot_tokens.js")]
extern "C" {
    #[wasm_bindgen(js_name = getMany)]
    fn get_many(namespace: &JsValue, keys: &str) -> Promise;

    fn put(namespace: &JsValue, key: &str, value: &str, seconds: f64) -> Promise;

    #[wasm_bindgen(js_name = tryToPut)]
    fn try_to_put(namespace: &JsValue, key: &str, value: &str, seconds: f64) -> Promise;
}

pub struct Kv(pub JsValue);

/// KV takes no shorter one.
const SHORTEST: i64 = 60;

#[async_trait(?Send)]
impl HotTokens for Kv {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        let keys = serde_json::to_string(keys).map_err(|_| malformed())?;
        let values = text_of(get_many(&self.0, &keys)).await.map_err(HotError)?;
        serde_json::from_str(&values).map_err(|_| malformed())
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        let stored = JsFuture::from(put(&self.0, key, value, seconds(lifetime))).await;
        stored.map(drop).map_err(|error| HotError(message(&error)))
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        // KV failing is a miss: the database knows.
        wait_until(&try_to_put(&self.0, key, value, seconds(lifetime)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "no lifetime is longer than 2^53 seconds")]
fn seconds(lifetime: Lifetime) -> f64 {
    lifetime.seconds().max(SHORTEST) as f64
}

/// Without what is stored.
fn malformed() -> HotError {
    HotError("the values are not what they should be".to_owned())
}
