//! The RPC method of the Worker's entrypoint: `env.AUTH.validate(authorization, options)`.

use js_sys::{JSON, JsString, Object, Reflect};
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::{app, now_or_later, unusable};
use crate::call::Response;
use crate::endpoints::respond;
use crate::endpoints::validate::{self, Demands};
use crate::protocol::error::OAuthError;

/// Validates an `Authorization` header. Never throws, and gives `{status, headers, body}`, equal to what
/// `/validate/` would have answered. Both arguments are taken as they come: a typed one would trap on a wrong type.
#[wasm_bindgen]
pub fn validate(authorization: JsValue, options: JsValue) -> JsValue {
    now_or_later(Box::pin(async move { Ok(to_js(&answer(&authorization, &options).await)) }))
}

async fn answer(authorization: &JsValue, options: &JsValue) -> Response {
    let app = match app() {
        Ok(app) => app,
        Err(error) => return unusable("RPC", "/validate", &error),
    };
    let mut response = match (read_authorization(authorization), read_options(options)) {
        (Ok(authorization), Ok(demands)) => {
            validate::answer(authorization.as_deref(), &demands, None, &app).await
        }
        (Err(error), _) | (_, Err(error)) => respond::bearer_error(&error, None),
    };
    super::work_after(&app);
    crate::router::note_refusal("RPC", "validate", &mut response, &app);
    response
}

fn read_authorization(value: &JsValue) -> Result<Option<String>, OAuthError> {
    if value.is_null() || value.is_undefined() {
        return Ok(None);
    }
    let text = read_text(value, "authorization must be a string, and not too long")?;
    // As a header would carry it: without the blanks around it, and printable ASCII only.
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        true => Ok(Some(text.to_owned())),
        false => Err(OAuthError::invalid_request("the header authorization came twice or is not text")),
    }
}

/// A name that nobody knows could be a check that is not made.
fn read_options(value: &JsValue) -> Result<Demands, OAuthError> {
    if value.is_null() || value.is_undefined() {
        return Ok(Demands::default());
    }
    let refused = |what: &'static str| OAuthError::invalid_request(what);
    let object = plain_object(value).ok_or_else(|| refused("options must be a plain object"))?;
    let mut demands = Demands::default();
    for name in Object::keys(object).iter() {
        let value = Reflect::get(object, &name).map_err(|_| refused("options cannot be read"))?;
        if value.is_undefined() {
            return Err(refused("an option is undefined: a check that is meant to be made would not be"));
        }
        let text = || read_text(&value, "an option that must be a string is none, or too long");
        let flag =
            || value.as_bool().ok_or_else(|| refused("an option that must be true or false is neither"));
        match name.as_string().unwrap_or_default().as_str() {
            "scope" => demands.scope = Some(text()?),
            "any_scope" => demands.any_scope = Some(text()?),
            "read_write" => demands.read_write = flag()?,
            "fresh" => demands.fresh = flag()?,
            "audience" => demands.audience = Some(text()?),
            "method" => demands.method = Some(text()?),
            // They matter to signed requests alone.
            "url" => demands.url = Some(text()?),
            "body" => demands.form = Some(read_body(&value)?),
            _ => return Err(refused("options has a name that is not known here")),
        }
    }
    Ok(demands)
}

/// Most UTF-16 units of a text: a body may be as long, and all headers of a request together have not much more.
const LONGEST_TEXT: u32 = 65_536;

/// A text, which is looked at only if it is not too long: whoever passes on what strangers send would have us copy it all.
fn read_text(value: &JsValue, otherwise: &'static str) -> Result<String, OAuthError> {
    let text = value.dyn_ref::<JsString>().filter(|text| text.length() <= LONGEST_TEXT);
    text.and_then(|text| text.as_string()).ok_or_else(|| OAuthError::invalid_request(otherwise))
}

/// A body, which may be too long as long as it is not signed: of such a one, enough to see that.
fn read_body(value: &JsValue) -> Result<Vec<u8>, OAuthError> {
    let beginning = value.dyn_ref::<JsString>().map(|text| text.slice(0, LONGEST_TEXT + 1));
    let beginning = beginning.and_then(|text| text.as_string()).map(String::into_bytes);
    beginning.ok_or_else(|| OAuthError::invalid_request("body must be a string"))
}

/// The value, if it is an object as `{}` writes it: no array, date, map or stub of something remote.
fn plain_object(value: &JsValue) -> Option<&Object> {
    let object = value.dyn_ref::<Object>().filter(|_| !value.is_function())?;
    let prototype = Reflect::get_prototype_of(object).ok()?;
    let plain = Reflect::get_prototype_of(&Object::new()).ok()?;
    Object::is(&prototype, &plain).then_some(object)
}

fn to_js(response: &Response) -> JsValue {
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body: Value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    let answer = json!({"status": response.status().as_u16(), "headers": headers, "body": body});
    // Our own JSON parses; should it ever not, `undefined` is no 200.
    JSON::parse(&answer.to_string()).unwrap_or(JsValue::UNDEFINED)
}
