//! Requests and responses between JavaScript and the `http` crate.

use std::borrow::Cow;
use std::cell::RefCell;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ResponseInit;

use crate::app::App;
use crate::call::body::{LONGEST_BODY, MediaType, media_type};
use crate::call::head::{Head, put_headers};
use crate::call::{Request, Response};
use crate::endpoints::{respond, validate};
use crate::router::{BodyTooLong, is_hostless, reads_body};

#[wasm_bindgen(module = "/src/cloudflare/http.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn head(request: &web_sys::Request) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = otherHeaders)]
    fn other_headers(request: &web_sys::Request) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = checkHost)]
    fn check_host(request: &web_sys::Request) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = respond)]
    fn to_response(body: &JsValue, head: &web_sys::Response) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/src/cloudflare/body.js")]
extern "C" {
    #[wasm_bindgen(js_name = readBody)]
    fn read_body(request: &web_sys::Request, longest: usize) -> Promise;
}

/// What is read first.
pub fn read_head(incoming: &web_sys::Request) -> Head {
    Head::new(head(incoming).unwrap_or_default())
}

/// Reads a request, and of its body no more than is allowed.
///
/// # Errors
/// A 400 answer to what is no request that anybody could answer.
pub async fn read(head: &Head, incoming: &web_sys::Request, app: &App) -> Result<Request, Response> {
    let refused = |what| respond::oauth_with_status(StatusCode::BAD_REQUEST, "invalid_request", what);
    let mut request = head.request().map_err(refused)?;
    let is_hostless = is_hostless(request.uri().path(), app);
    let may_sign_body = is_hostless && validate::may_sign_body(&request);
    if !is_hostless || may_sign_body || counts_for_address(&request, app) {
        let others = other_headers(incoming).map_err(|_| refused("a header is malformed"))?;
        put_headers(&others, &mut request).map_err(refused)?;
    } else {
        check_host(incoming).map_err(|_| refused("a header is malformed"))?;
    }
    let signs_form = || may_sign_body && media_type(&request) == MediaType::Form;
    if reads_body(request.method(), request.uri().path(), app) || signs_form() {
        let body = JsFuture::from(read_body(incoming, LONGEST_BODY)).await;
        match body.map_err(|_| refused("the body broke off"))?.dyn_into::<Uint8Array>() {
            Ok(body) => *request.body_mut() = body.to_vec(),
            Err(_) => drop(request.extensions_mut().insert(BodyTooLong)),
        }
    }
    Ok(request)
}

/// True if whose token it is has to be asked elsewhere: that is counted for who makes us ask.
fn counts_for_address(request: &Request, app: &App) -> bool {
    app.settings.social_bearer && validate::is_social(request)
}

/// Hands an answer to JavaScript. All our bodies are text.
///
/// # Errors
/// JavaScript refuses it.
pub fn write(response: &Response) -> Result<JsValue, JsValue> {
    HEADS.with_borrow_mut(|heads| to_response(&body(response), &heads.find_or_make(response)?.written))
}

fn body(response: &Response) -> JsValue {
    match response.body().as_slice() {
        [] => JsValue::NULL,
        body => JsValue::from_str(&String::from_utf8_lossy(body)),
    }
}

thread_local! {
    static HEADS: RefCell<Heads> = RefCell::default();
}

/// The heads of earlier answers, as JavaScript has them: what does not change from one answer to the next does not cross
/// again. A response copies its head, so none is changed by a later one.
#[derive(Default)]
struct Heads(Vec<WrittenHead>);

struct WrittenHead {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    written: web_sys::Response,
}

impl Heads {
    /// There are few kinds of answers that are given again and again.
    const MOST: usize = 16;

    fn find_or_make(&mut self, response: &Response) -> Result<&WrittenHead, JsValue> {
        let at = match self.0.iter().position(|head| head.has_names_of(response)) {
            Some(at) => at,
            None => {
                if self.0.len() >= Self::MOST {
                    self.0.clear();
                }
                self.0.push(WrittenHead::new(response)?);
                self.0.len() - 1
            }
        };
        let head = self.0.get_mut(at).ok_or(JsValue::UNDEFINED)?;
        head.update(response.headers())?;
        Ok(head)
    }
}

impl WrittenHead {
    fn new(response: &Response) -> Result<Self, JsValue> {
        let headers = response.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { status: response.status(), headers, written: head_of(response)? })
    }

    /// True if the answer differs in the values of headers only. One that stands twice cannot be set anew.
    fn has_names_of(&self, response: &Response) -> bool {
        let headers = response.headers();
        self.status == response.status()
            && self.headers.len() == headers.keys_len()
            && headers.len() == headers.keys_len()
            && self.headers.iter().zip(headers.keys()).all(|((known, _), name)| known == name)
    }

    fn update(&mut self, headers: &HeaderMap) -> Result<(), JsValue> {
        for ((name, known), value) in self.headers.iter_mut().zip(headers.values()) {
            if known != value {
                self.written.headers().set(name.as_str(), &text(value))?;
                *known = value.clone();
            }
        }
        Ok(())
    }
}

/// An answer as JavaScript has it, to be given again and again.
pub struct WrittenAnswer {
    head: web_sys::Response,
    body: JsValue,
}

impl WrittenAnswer {
    /// # Errors
    /// JavaScript refuses it.
    pub fn new(response: &Response) -> Result<Self, JsValue> {
        Ok(Self { head: head_of(response)?, body: body(response) })
    }

    /// Makes it another one.
    ///
    /// # Errors
    /// JavaScript refuses it: then it is neither.
    pub fn change<'a>(
        &mut self,
        headers: impl Iterator<Item = (&'a str, Cow<'a, str>)>,
        body: &str,
    ) -> Result<(), JsValue> {
        for (name, value) in headers {
            self.head.headers().set(name, &value)?;
        }
        self.body = JsValue::from_str(body);
        Ok(())
    }

    /// # Errors
    /// JavaScript refuses it.
    pub fn respond(&self) -> Result<JsValue, JsValue> {
        to_response(&self.body, &self.head)
    }
}

/// Status and headers as JavaScript has them: a response without a body, which is read faster than a `ResponseInit`.
fn head_of(response: &Response) -> Result<web_sys::Response, JsValue> {
    let init = ResponseInit::new();
    init.set_status(response.status().as_u16());
    let head = web_sys::Response::new_with_opt_str_and_init(None, &init)?;
    for (name, value) in response.headers() {
        head.headers().append(name.as_str(), &text(value))?;
    }
    Ok(head)
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}
