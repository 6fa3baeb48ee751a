//! The only room that knows Workers: events, RPC, D1, KV, clock, randomness and log. The Worker exports `fetch`,
//! `scheduled` and `validate`, and nothing else: every exported function can be called by whoever binds the Worker.

mod at_once;
mod database;
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
use std::task::{Context, Poll, Waker};

use js_sys::{Promise, Reflect};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use worker::{Env, console_log};

use self::http::Head;
use crate::app::{App, Clock, Log};
use crate::call::Response;
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

    /// Keeps the isolate at work until the promise settles, after the answer has gone out.
    #[wasm_bindgen(js_name = waitUntil)]
    fn wait_until(promise: &Promise);
}

thread_local! {
    static APP: RefCell<Option<Rc<App>>> = const { RefCell::new(None) };
    static STOCK: RefCell<RandomStock> = const { RefCell::new(RandomStock::empty()) };
}

/// The fetch event.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request) -> JsValue {
    let head = Head::read(&request);
    if let Some(answer) = APP.with_borrow(|app| at_once::answer(&head, app.as_deref()?)) {
        return settled(answer);
    }
    now_or_later(answer_event(request, head))
}

/// What does not wait for anything is answered at once: a promise, and the turn of the event loop that it takes, would cost
/// as much as finding a token in memory.
fn now_or_later(answer: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> JsValue {
    let mut answer = Box::pin(answer);
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => settled(answer),
        Poll::Pending => future_to_promise(answer).into(),
    }
}

fn settled(answer: Result<JsValue, JsValue>) -> JsValue {
    answer.unwrap_or_else(|error| Promise::reject(&error).into())
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

/// What an answer has left to do, once it has gone out.
fn work_after(app: &Rc<App>) {
    if app.memory.borrow().published.is_to_renew() {
        let app = app.clone();
        wait_until(&future_to_promise(async move {
            metadata::renew(&app).await;
            Ok(JsValue::UNDEFINED)
        }));
    }
}

/// The cron event. Its argument is not looked at: whoever binds the Worker can call this by RPC with anything, and the
/// crate's `#[event(scheduled)]` traps on what is no event, which resets the isolate.
#[wasm_bindgen]
pub async fn scheduled(_event: JsValue) {
    let failed = match app() {
        Ok(app) => cron::run(&app).await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(detail) = failed {
        WorkerLog.line(json!({"level": "error", "event": "clearing_failed", "detail": detail}));
    }
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
    let env: &Env = env.unchecked_ref();
    let missing = |name| move |_| SettingError { name, reason: "the binding is missing".to_owned() };
    let settings = Settings::read(&|name| variable(env, name))?;
    Ok(App {
        mailer: mail::open(settings.mail.as_ref(), env)?,
        settings,
        clock: Box::new(WorkerClock),
        random: Box::new(WorkerRandom),
        db: Box::new(database::D1(env.d1("DB").map_err(missing("DB"))?)),
        hot: Box::new(hot_tokens::Kv(env.kv("TOKENS").map_err(missing("TOKENS"))?)),
        limiter: limiter::open(env)?,
        outbound: Box::new(outbound::Fetch),
        signatures: Box::new(signatures::WebCrypto),
        log: Box::new(WorkerLog),
        memory: RefCell::new(Memory::default()),
    })
}

fn variable(env: &Env, name: &str) -> Variable {
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
