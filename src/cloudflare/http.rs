//! Requests and responses between JavaScript and the `http` crate.

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, ResponseInit};

use crate::app::App;
use crate::endpoints::{Request, Response, respond};
use crate::router::{BodyTooLong, LONGEST_BODY, reads_body};

/// The headers that this server reads. Each costs a call into JavaScript, so no others are copied.
const HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "cf-connecting-ip",
    "content-type",
    "cookie",
    "origin",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-original-url",
];

/// Reads a request, and of its body at most one byte more than is allowed.
///
/// # Errors
/// A 400 answer to what is no request that anybody could answer.
pub async fn read(incoming: &web_sys::Request, app: &App) -> Result<Request, Response> {
    let refused = |what| respond::oauth_with_status(StatusCode::BAD_REQUEST, "invalid_request", what);
    let method =
        Method::from_bytes(incoming.method().as_bytes()).map_err(|_| refused("the method is malformed"))?;
    let uri: Uri = incoming.url().parse().map_err(|_| refused("the URL is malformed"))?;
    let (body, is_too_long) = match reads_body(&method, uri.path(), app) {
        true => read_body(incoming).await.map_err(|_| refused("the body broke off"))?,
        false => (Vec::new(), false),
    };
    let mut request = Request::new(body);
    if is_too_long {
        request.extensions_mut().insert(BodyTooLong);
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = incoming.headers();
    for name in HEADERS {
        if let Ok(Some(value)) = headers.get(name) {
            // What no header may hold becomes one that is not text: whoever reads it refuses it, in its route's shape.
            let value = HeaderValue::from_str(&value)
                .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
                .or_else(|_| HeaderValue::from_bytes(b"\xff"))
                .map_err(|_| refused("a header is malformed"))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(request)
}

/// The body, and whether it is longer than is read.
async fn read_body(incoming: &web_sys::Request) -> Result<(Vec<u8>, bool), JsValue> {
    let mut body = Vec::new();
    let Some(stream) = incoming.body() else {
        return Ok((body, false));
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
        if Reflect::get(&chunk, &JsValue::from_str("done"))?.is_truthy() {
            return Ok((body, false));
        }
        let bytes: Uint8Array = Reflect::get(&chunk, &JsValue::from_str("value"))?.unchecked_into();
        if body.len() + bytes.length() as usize > LONGEST_BODY {
            let _ = JsFuture::from(reader.cancel()).await;
            return Ok((body, true));
        }
        body.extend_from_slice(&bytes.to_vec());
    }
}

/// Hands an answer to JavaScript. All our bodies are text.
pub fn write(response: Response) -> worker::Result<web_sys::Response> {
    let (parts, body) = response.into_parts();
    let headers = web_sys::Headers::new()?;
    for (name, value) in &parts.headers {
        headers.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    let init = ResponseInit::new();
    init.set_status(parts.status.as_u16());
    init.set_headers(&headers);
    let body = String::from_utf8_lossy(&body);
    let body = Some(body.as_ref()).filter(|body| !body.is_empty());
    Ok(web_sys::Response::new_with_opt_str_and_init(body, &init)?)
}
