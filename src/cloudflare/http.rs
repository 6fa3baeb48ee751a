//! Requests and responses between JavaScript and the `http` crate.

use std::borrow::Cow;
use std::cell::RefCell;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, ResponseInit};

use crate::app::App;
use crate::call::body::{LONGEST_BODY, MediaType, media_type};
use crate::call::{Request, Response};
use crate::endpoints::{respond, validate};
use crate::router::{BodyTooLong, is_hostless, reads_body};

#[wasm_bindgen(module = "/src/cloudflare/http.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn head(request: &web_sys::Request) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = otherHeaders)]
    fn other_headers(request: &web_sys::Request) -> Result<String, JsValue>;
}

/// Reads a request, and of its body at most one byte more than is allowed.
///
/// # Errors
/// A 400 answer to what is no request that anybody could answer.
pub async fn read(incoming: &web_sys::Request, app: &App) -> Result<Request, Response> {
    let refused = |what| respond::oauth_with_status(StatusCode::BAD_REQUEST, "invalid_request", what);
    let head = head(incoming).map_err(|_| refused("the request cannot be read"))?;
    let (target, headers) = head.split_once('\n').unwrap_or_default();
    let (method, url) = target.split_once(' ').unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| refused("the method is malformed"))?;
    let uri: Uri = url.parse().map_err(|_| refused("the URL is malformed"))?;
    let mut request = Request::new(Vec::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    put_headers(headers, &mut request).map_err(|()| refused("a header is malformed"))?;
    let is_hostless = is_hostless(request.uri().path(), app);
    let may_sign_body = is_hostless && validate::may_sign_body(&request);
    if !is_hostless || may_sign_body || counts_for_address(&request, app) {
        let others = other_headers(incoming).map_err(|_| refused("the request cannot be read"))?;
        put_headers(&others, &mut request).map_err(|()| refused("a header is malformed"))?;
    }
    let signs_form = || may_sign_body && media_type(&request) == MediaType::Form;
    if reads_body(request.method(), request.uri().path(), app) || signs_form() {
        let (body, is_too_long) = read_body(incoming).await.map_err(|_| refused("the body broke off"))?;
        *request.body_mut() = body;
        if is_too_long {
            request.extensions_mut().insert(BodyTooLong);
        }
    }
    Ok(request)
}

/// True if whose token it is has to be asked elsewhere: that is counted for who makes us ask.
fn counts_for_address(request: &Request, app: &App) -> bool {
    app.settings.social_bearer && validate::is_social(request)
}

fn put_headers(lines: &str, request: &mut Request) -> Result<(), ()> {
    for line in lines.split_terminator('\n') {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ())?;
        // What no header may hold becomes one that is not text: whoever reads it refuses it, in its route's shape.
        let value = HeaderValue::from_str(value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .or_else(|_| HeaderValue::from_bytes(b"\xff"))
            .map_err(|_| ())?;
        request.headers_mut().insert(name, value);
    }
    Ok(())
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
///
/// # Errors
/// JavaScript refuses it.
pub fn write(response: Response) -> Result<web_sys::Response, JsValue> {
    let (parts, body) = response.into_parts();
    let body = String::from_utf8_lossy(&body);
    let body = Some(body.as_ref()).filter(|body| !body.is_empty());
    HEADS.with_borrow_mut(|heads| {
        let head = heads.find_or_make(parts.status, &parts.headers)?;
        web_sys::Response::new_with_opt_str_and_init(body, &head.init)
    })
}

thread_local! {
    static HEADS: RefCell<Heads> = RefCell::default();
}

/// The heads of earlier answers, as JavaScript has them: what does not change from one answer to the next does not cross
/// again. A response copies its head, so none is changed by a later one.
#[derive(Default)]
struct Heads(Vec<Head>);

struct Head {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    written: web_sys::Headers,
    init: ResponseInit,
}

impl Heads {
    /// There are few kinds of answers that are given again and again.
    const MOST: usize = 16;

    fn find_or_make(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<&Head, JsValue> {
        let at = match self.0.iter().position(|head| head.has_names(status, headers)) {
            Some(at) => at,
            None => {
                if self.0.len() >= Self::MOST {
                    self.0.clear();
                }
                self.0.push(Head::new(status, headers)?);
                self.0.len() - 1
            }
        };
        let head = self.0.get_mut(at).ok_or(JsValue::UNDEFINED)?;
        head.update(headers)?;
        Ok(head)
    }
}

impl Head {
    fn new(status: StatusCode, headers: &HeaderMap) -> Result<Self, JsValue> {
        let written = web_sys::Headers::new()?;
        let init = ResponseInit::new();
        init.set_status(status.as_u16());
        init.set_headers(&written);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in &headers {
            written.append(name.as_str(), &text(value))?;
        }
        Ok(Self { status, headers, written, init })
    }

    /// True if the answer differs in the values of headers only. One that stands twice cannot be set anew.
    fn has_names(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.status == status
            && self.headers.len() == headers.keys_len()
            && headers.len() == headers.keys_len()
            && self.headers.iter().zip(headers.keys()).all(|((known, _), name)| known == name)
    }

    fn update(&mut self, headers: &HeaderMap) -> Result<(), JsValue> {
        for ((name, known), value) in self.headers.iter_mut().zip(headers.values()) {
            if known != value {
                self.written.set(name.as_str(), &text(value))?;
                *known = value.clone();
            }
        }
        Ok(())
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
