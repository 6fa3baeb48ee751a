//! The optional rate limiting binding `LIMITER`.

use async_trait::async_trait;
use js_sys::{Function, Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::app::Limiter;
use crate::settings::SettingError;

const NAME: &str = "LIMITER";

// The crate's own type takes its argument by way of serde: more code than all of this room.
#[wasm_bindgen]
extern "C" {
    type Binding;

    #[wasm_bindgen(method, catch)]
    async fn limit(this: &Binding, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// The limiter, if there is one.
pub fn open(env: &JsValue) -> Result<Option<Box<dyn Limiter>>, SettingError> {
    let binding = Reflect::get(env, &JsValue::from_str(NAME)).unwrap_or_default();
    if binding.is_undefined() {
        return Ok(None);
    }
    let limit = Reflect::get(&binding, &JsValue::from_str("limit"));
    if !limit.is_ok_and(|limit| limit.is_instance_of::<Function>()) {
        return Err(SettingError { name: NAME, reason: "it is not a rate limiting binding".to_owned() });
    }
    Ok(Some(Box::new(binding.unchecked_into::<Binding>())))
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
