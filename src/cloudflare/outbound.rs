//! Requests to identity providers.

use async_trait::async_trait;
use js_sys::{Promise, Reflect, Uint8Array};
use serde_json::{Map, Value};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::message;
use crate::app::{
    LONGEST_OUTBOUND_ANSWER, OUTBOUND_SECONDS, Outbound, OutboundError, OutboundRequest, OutboundResponse,
};

#[wasm_bindgen(module = "/src/cloudflare/outbound.js")]
extern "C" {
    fn send(
        method: &str,
        url: &str,
        headers: &str,
        body: Option<String>,
        longest: usize,
        patience: u32,
    ) -> Promise;
}

pub struct Fetch;

#[async_trait(?Send)]
impl Outbound for Fetch {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let headers = request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        let headers = Value::Object(headers.collect::<Map<String, Value>>()).to_string();
        let patience = OUTBOUND_SECONDS * 1000;
        let sent =
            send(request.method, &request.url, &headers, request.body, LONGEST_OUTBOUND_ANSWER, patience);
        let answer = JsFuture::from(sent).await.map_err(|error| failed(&error))?;
        let field = |name| Reflect::get(&answer, &JsValue::from_str(name)).map_err(|error| failed(&error));
        let body: Uint8Array = field("body")?.dyn_into().map_err(|error| failed(&error))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a status is from 200 to 599"
        )]
        let status = field("status")?.as_f64().unwrap_or_default() as u16;
        Ok(OutboundResponse { status, body: body.to_vec() })
    }
}

/// The messages of outbound.js name neither the request's URL nor what it carried.
fn failed(error: &JsValue) -> OutboundError {
    OutboundError(message(error))
}
