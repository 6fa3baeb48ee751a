//! The optional rate limiting binding `LIMITER`.

use async_trait::async_trait;
use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::binding;
use crate::app::Limiter;
use crate::settings::SettingError;

// The crate's own type takes its argument by way of serde: more code than all of this room.
#[wasm_bindgen]
extern "C" {
    type Binding;

    #[wasm_bindgen(method, catch)]
    async fn limit(this: &Binding, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// The limiter, if there is one.
pub fn open(env: &JsValue) -> Result<Option<Box<dyn Limiter>>, SettingError> {
    let limiter = binding(env, "LIMITER", "limit")?;
    Ok(limiter.map(|limiter| Box::new(limiter.unchecked_into::<Binding>()) as Box<dyn Limiter>))
}

#[async_trait(?Send)]
impl Limiter for Binding {
    async fn allows(&self, key: &str) -> bool {
        let options = Object::new();
        let is_set = Reflect::set(&options, &JsValue::from_str("key"), &JsValue::from_str(key));
        let outcome = self.limit(&options).await;
        match (is_set, outcome) {
            (Ok(true), Ok(outcome)) => Reflect::get(&outcome, &JsValue::from_str("success"))
                .map_or(true, |success| !success.is_falsy()),
            _ => true,
        }
    }
}
