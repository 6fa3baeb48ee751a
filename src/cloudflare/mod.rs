//! The only room that knows Workers: events, RPC, D1, KV, clock, randomness and log. The Worker exports `fetch`,
//! `scheduled` and `validate`, and nothing else: every exported function can be called by whoever binds the Worker.

mod at_once;
mod database;
mod executor;
mod hot_tokens;
mod http;
mod limiter;
mod mail;
mod outbound;
mod rpc;
mod signatures;
#[cfg(feature = "test_hooks")]
mod test_hooks;

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Promise, Reflect};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use worker::console_log;

use self::executor::now_or_later;
use crate::app::{App, Clock, Log};
use crate::call::Response;
use crate::call::head::Head;
use crate::crypto::{Random, RandomStock};
use crate::memory::Memory;
use crate::model::time::Timestamp;
use crate::settings::{SettingError, Settings, Variable};
use crate::social::metadata;
use crate::{cron, router};

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: JsValue;

    /// Keeps the isolate at work until a promise settles, be it that the answer has gone out, or that nobody waits for it any more.
    #[wasm_bindgen(js_name = waitUntil)]
    fn wait_until(promise: &JsValue);
}

thread_local! {
    static APP: RefCell<Option<Rc<App>>> = const { RefCell::new(None) };
    static STOCK: RefCell<RandomStock> = const { RefCell::new(RandomStock::empty()) };
}

/// The fetch event.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request) -> JsValue {
    let head = http::read_head(&request);
    if let Some(answer) = APP.with_borrow(|app| at_once::answer(&head, app.as_deref()?)) {
        return executor::settled(answer);
    }
    now_or_later(Box::pin(answer_event(request, head)))
}

async fn answer_event(request: web_sys::Request, head: Head) -> Result<JsValue, JsValue> {
    #[cfg(feature = "test_hooks")]
    test_hooks::panic_if_asked(&request).await;
    let response = match app() {
        Ok(app) => match http::read(&head, &request, &app).await {
            Ok(request) => {
                let response = router::handle(&request, &app).await;
                work_after(&app);
                response
            }
            Err(mut refusal) => {
                router::note_refusal(&request.method(), "", &mut refusal, &app);
                refusal
            }
        },
        Err(error) => unusable(&request.method(), &request.url(), &error),
    };
    http::write(&response)
}

/// What an answer has left to do: it is begun, and goes on once the answer has gone out.
fn work_after(app: &Rc<App>) {
    if app.memory.borrow().published.is_to_renew() {
        let app = app.clone();
        finish_later(async move { metadata::renew(&app).await });
    }
}

/// Begins this, and keeps the isolate at work until it is done, after the answer has gone out.
fn finish_later(work: impl Future<Output = ()> + 'static) {
    now_or_later(Box::pin(async {
        work.await;
        Ok(JsValue::UNDEFINED)
    }));
}

/// The cron event. Its argument is not looked at: whoever binds the Worker can call this by RPC with anything, and the
/// crate's `#[event(scheduled)]` traps on what is no event, which resets the isolate.
#[wasm_bindgen]
pub fn scheduled(_event: JsValue) -> JsValue {
    now_or_later(Box::pin(async {
        let failed = match app() {
            Ok(app) => cron::run(&app).await.err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(detail) = failed {
            WorkerLog.line(json!({"level": "error", "event": "clearing_failed", "detail": detail}));
        }
        Ok(JsValue::UNDEFINED)
    }))
}

fn unusable(method: &str, url: &str, error: &SettingError) -> Response {
    router::unusable(method, url, error, &WorkerRandom, &WorkerLog)
}

/// The isolate's one [`App`]. Bindings are the same for all requests, so it is made once.
fn app() -> Result<Rc<App>, SettingError> {
    if let Some(app) = APP.with_borrow(Option::clone) {
        return Ok(app);
    }
    console_error_panic_hook::set_once();
    let app = Rc::new(ENV.with(open)?);
    APP.set(Some(app.clone()));
    Ok(app)
}

fn open(env: &JsValue) -> Result<App, SettingError> {
    let missing = || SettingError { name: "TOKENS", reason: "the binding is missing".to_owned() };
    let settings = Settings::read(&|name| variable(env, name))?;
    Ok(App {
        mailer: mail::open(settings.mail.as_ref(), env)?,
        settings,
        clock: Box::new(WorkerClock),
        random: Box::new(WorkerRandom),
        db: Box::new(database::D1::open(env)?),
        hot: Box::new(hot_tokens::Kv(binding(env, "TOKENS", "get")?.ok_or_else(missing)?)),
        limiter: limiter::open(env)?,
        outbound: Box::new(outbound::Fetch),
        signatures: Box::new(signatures::WebCrypto),
        log: Box::new(WorkerLog),
        memory: RefCell::new(Memory::default()),
    })
}

/// The text that a promise resolves to, or why it rejects.
async fn text_of(promise: Promise) -> Result<String, String> {
    let text = JsFuture::from(promise).await.map_err(|error| message(&error))?;
    text.as_string().ok_or_else(|| "there is no text".to_owned())
}

/// What an error of JavaScript says.
fn message(error: &JsValue) -> String {
    let message = Reflect::get(error, &JsValue::from_str("message")).unwrap_or_default();
    message.as_string().unwrap_or_default()
}

/// The binding of this name, if there is one; it has to have this method.
fn binding(env: &JsValue, name: &'static str, method: &str) -> Result<Option<JsValue>, SettingError> {
    let binding = Reflect::get(env, &JsValue::from_str(name)).unwrap_or_default();
    if binding.is_undefined() {
        return Ok(None);
    }
    let found = Reflect::get(&binding, &JsValue::from_str(method));
    match found.is_ok_and(|found| found.is_function()) {
        true => Ok(Some(binding)),
        false => Err(SettingError { name, reason: format!("the binding of this name has no {method}()") }),
    }
}

fn variable(env: &JsValue, name: &str) -> Variable {
    match Reflect::get(env, &JsValue::from_str(name)) {
        Ok(value) if value.is_undefined() => Variable::Missing,
        Ok(value) => value.as_string().map_or(Variable::NotText, Variable::Text),
        Err(_) => Variable::NotText,
    }
}

struct WorkerClock;

impl Clock for WorkerClock {
    fn now(&self) -> Timestamp {
        // Milliseconds fit an i64 for 292 million years.
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are wanted")]
        Timestamp((js_sys::Date::now() / 1000.0) as i64)
    }
}

struct WorkerRandom;

impl Random for WorkerRandom {
    /// `crypto.getRandomValues` cannot fail for buffers of our size; if it did, guessable secrets would be worse than
    /// the end of the request.
    fn fill(&self, bytes: &mut [u8]) {
        let filled = STOCK.with_borrow_mut(|stock| stock.fill(bytes, getrandom::fill));
        if filled.is_err() {
            wasm_bindgen::throw_str("no randomness");
        }
    }
}

struct WorkerLog;

impl Log for WorkerLog {
    fn line(&self, line: Value) {
        console_log!("{line}");
    }
}
