//! KV.

use async_trait::async_trait;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::KvStore;
use worker::kv::KvError;

use super::wait_until;
use crate::app::{HotError, HotTokens};
use crate::model::time::Lifetime;

pub struct Kv(pub KvStore);

/// KV takes no shorter one.
const SHORTEST: i64 = 60;

#[async_trait(?Send)]
impl HotTokens for Kv {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        let mut found = self.0.get_bulk(keys).text().await.map_err(failed)?;
        Ok(keys.iter().map(|key| found.remove(key).flatten()).collect())
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        let seconds = lifetime.seconds().max(SHORTEST).unsigned_abs();
        self.0.put(key, value).map_err(failed)?.expiration_ttl(seconds).execute().await.map_err(failed)
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        let (kv, key, value) = (Self(self.0.clone()), key.to_owned(), value.to_owned());
        wait_until(&future_to_promise(async move {
            // KV failing is a miss: the database knows.
            let _ = kv.put(&key, &value, lifetime).await;
            Ok(JsValue::UNDEFINED)
        }));
    }
}

fn failed(error: KvError) -> HotError {
    HotError(error.to_string())
}
