//! `TestServer` and what belongs to it.

mod browser;
mod client;
pub mod edge;
pub mod forgetting;
pub mod hot;
mod mail;
mod meddling;
pub mod oauth1;
mod outbound;
mod response;
mod routes;
mod shortcut;
mod signatures;
pub mod sqlite;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::join_all;
use http::{HeaderValue, Method};
use postern::app::{App, Clock, HotTokens, Log, Mailer};
use postern::call::Request;
use postern::crypto::Random;
use postern::memory::Memory;
use postern::model::time::Timestamp;
use postern::settings::Settings;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

pub use browser::{AuthorizationRequest, Browser, Landing, VERIFIER, form_of};
pub use client::{ApplicationBuilder, TestClient, Tokens};
pub use hot::FakeKv;
pub use mail::Mailbox;
pub use meddling::{Meddle, Meddling};
pub use outbound::Providers;
pub use response::TestResponse;
pub use routes::{read_headers, routes};
pub use shortcut::handle;
pub use signatures::{Ring, Signer, vectors};
use sqlite::Sqlite;

pub const ADMIN_TOKEN: &str = "the-admin-token-of-the-tests-is-long-enough";
pub const MASTER_KEY: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Where the applications of the tests want their answers.
pub const CALLBACK: &str = "https://app.example/cb";
/// What [`TestServer::user`] signs up with.
pub const PASSWORD: &str = "correct horse battery";

/// One isolate of the server. [`TestServer::another_isolate`] shares database, KV and clock with it.
pub struct TestServer {
    pub app: App,
    pub db: Rc<Sqlite>,
    pub kv: Rc<FakeKv>,
    clock: Rc<Cell<i64>>,
    log: Rc<RefCell<Vec<Value>>>,
    /// What has been sent, if the settings name a carrier.
    pub mailbox: Mailbox,
    /// The identity providers that it can reach.
    pub providers: Providers,
    /// Where what [`TestServer::send`] sends comes from, if Cloudflare says so.
    pub address: Cell<Option<&'static str>>,
    settings: Rc<[(String, String)]>,
    isolates: Rc<Cell<u64>>,
}

impl TestServer {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With these settings instead of the defaults.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let clock = Rc::new(Cell::new(1_800_000_000));
        let settings: Rc<[_]> =
            settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let (kv, read) = (Rc::new(FakeKv::new(clock.clone())), read(&settings));
        let hot = Box::new(hot::Shared(kv.clone()));
        Self::isolate(settings, read, Rc::new(Sqlite::new()), kv, hot, clock, Rc::new(Cell::new(0)))
    }

    /// Another isolate over the same database, KV and clock, which remembers nothing.
    pub fn another_isolate(&self) -> Self {
        self.another_isolate_with(&[])
    }

    /// As [`TestServer::another_isolate`], with some settings changed: as after a deployment.
    pub fn another_isolate_with(&self, changed: &[(&str, &str)]) -> Self {
        let mut settings = self.settings.to_vec();
        for (name, value) in changed {
            settings.retain(|(known, _)| known != name);
            settings.push((name.to_string(), value.to_string()));
        }
        let (db, kv, read) = (self.db.clone(), self.kv.clone(), read(&settings));
        let hot = Box::new(hot::Shared(kv.clone()));
        Self::isolate(settings.into(), read, db, kv, hot, self.clock.clone(), self.isolates.clone())
    }

    /// As [`TestServer::another_isolate`], with another KV than [`TestServer::kv`].
    pub fn another_isolate_over(&self, hot: Box<dyn HotTokens>) -> Self {
        let (db, kv) = (self.db.clone(), self.kv.clone());
        let (settings, read) = (self.settings.clone(), self.app.settings.clone());
        Self::isolate(settings, read, db, kv, hot, self.clock.clone(), self.isolates.clone())
    }

    /// Lets `play` do what it likes at another isolate, be it that it panics, and takes all of it back.
    pub fn take_back<T>(&self, play: impl FnOnce(&TestServer) -> T) -> T {
        let (isolate, before) = (self.another_isolate(), self.kv.entries());
        let mut played = None;
        self.db.take_back(|| played = Some(catch_unwind(AssertUnwindSafe(|| play(&isolate)))));
        self.kv.go_back_to(&before);
        played.expect("it was played").unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// What is random from here on depends on `seed` alone.
    pub fn reseed(&self, seed: u64) {
        self.isolates.set(seed);
        oauth1::reseed_nonces();
    }

    fn isolate(
        settings: Rc<[(String, String)]>,
        read: Settings,
        db: Rc<Sqlite>,
        kv: Rc<FakeKv>,
        hot: Box<dyn HotTokens>,
        clock: Rc<Cell<i64>>,
        isolates: Rc<Cell<u64>>,
    ) -> Self {
        isolates.set(isolates.get() + 1);
        let log = Rc::new(RefCell::new(Vec::new()));
        let mailbox = Mailbox::default();
        let providers = Providers::default();
        let mailer = read.mail.as_ref().map(|_| Box::new(mailbox.clone()) as Box<dyn Mailer>);
        let app = App {
            settings: read,
            clock: Box::new(FakeClock(clock.clone())),
            random: Box::new(Seeded(RefCell::new(ChaCha20Rng::seed_from_u64(isolates.get())))),
            db: Box::new(sqlite::Shared(db.clone())),
            hot,
            limiter: None,
            mailer,
            outbound: Box::new(providers.clone()),
            signatures: Box::new(Ring),
            log: Box::new(Captured(log.clone())),
            memory: RefCell::new(Memory::default()),
        };
        let address = Cell::new(None);
        Self { app, db, kv, clock, log, mailbox, providers, address, settings, isolates }
    }

    pub fn now(&self) -> i64 {
        self.clock.get()
    }

    /// Lets seconds pass.
    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.get() + seconds);
    }

    /// All lines of this isolate's log so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.borrow().clone()
    }

    /// Why a request was refused, as the log has it under the id of the answer.
    #[track_caller]
    pub fn reason(&self, response: &TestResponse) -> String {
        let id = response.header("x-request-id").expect("an id");
        let line = self.log().into_iter().find(|line| line["request_id"] == id).expect("a line");
        line["detail"].as_str().expect("a detail").to_owned()
    }

    pub fn send(&self, mut request: Request) -> TestResponse {
        if let Some(address) = self.address.get() {
            request.headers_mut().insert("cf-connecting-ip", HeaderValue::from_static(address));
        }
        TestResponse(block_on(handle(&request, &self.app)))
    }

    /// What is left to do once an answer has gone out.
    pub fn work_after(&self) {
        block_on(postern::social::metadata::renew(&self.app));
    }

    /// All at once: each takes its turn at every call of the database or KV.
    pub fn send_all(&self, requests: Vec<Request>) -> Vec<TestResponse> {
        let all = requests.iter().map(|request| handle(request, &self.app));
        block_on(join_all(all)).into_iter().map(TestResponse).collect()
    }

    /// All at once, each at its own isolate; in turns as in [`TestServer::send_all`].
    pub fn send_everywhere(requests: Vec<(&TestServer, Request)>) -> Vec<TestResponse> {
        let all = requests.iter().map(|(server, request)| handle(request, &server.app));
        block_on(join_all(all)).into_iter().map(TestResponse).collect()
    }

    pub fn get(&self, path: &str) -> TestResponse {
        self.send(request(Method::GET, path, &[], ""))
    }

    pub fn post_form(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        self.send(form_request(path, &[], form))
    }

    /// Asks the operator's API. A `null` body is none.
    pub fn admin(&self, method: &str, path: &str, body: Value) -> TestResponse {
        self.send(admin_request(method, path, body))
    }

    /// Changes each of these fields by a request of its own, all at once: those that were answered 200 hold, those that
    /// were refused do not, and not all are refused.
    #[track_caller]
    pub fn assert_patches_at_once_lose_nothing(&self, path: &str, fields: &[(&str, Value)]) {
        let patch = |(name, value): &(&str, Value)| admin_request("PATCH", path, json!({*name: value}));
        let responses = self.send_all(fields.iter().map(patch).collect());
        let shown = self.admin("GET", path, Value::Null).json();
        for ((name, value), response) in fields.iter().zip(&responses) {
            match response.status() {
                200 => assert_eq!(shown[name], *value),
                _ => assert_ne!(shown[name], *value, "{}", response.assert_error(409, "conflict").text()),
            }
        }
        assert!(responses.iter().filter(|response| response.status() == 200).count() >= 3);
    }

    /// Begins the registration of an application.
    pub fn application(&self) -> ApplicationBuilder<'_> {
        ApplicationBuilder::new(self)
    }

    /// A public application for passwords and refreshing.
    pub fn public_application(&self) -> TestClient<'_> {
        self.application().public().grants(&["password", "refresh_token"]).create()
    }

    /// A confidential application for client credentials, passwords and refreshing.
    pub fn confidential_application(&self) -> TestClient<'_> {
        self.application().grants(&["client_credentials", "password", "refresh_token"]).create()
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// A public application for authorization codes and refreshing, at `https://app.example/cb`.
    pub fn code_application(&self) -> TestClient<'_> {
        self.application()
            .public()
            .grants(&["authorization_code", "refresh_token"])
            .redirect_uri(CALLBACK)
            .create()
    }

    /// Signs a user up, with [`PASSWORD`].
    pub fn user(&self, username: &str) {
        let body = json!({"username": username, "password": PASSWORD}).to_string();
        let headers = [("content-type", "application/json")];
        let response = self.send(request(Method::POST, "/sign_up/", &headers, &body));
        assert_eq!(response.status(), 201, "{}", response.text());
    }

    /// Asks `/validate/` about a Bearer token.
    pub fn validate(&self, token: &str) -> TestResponse {
        self.validate_with(token, "", &[])
    }

    /// As [`TestServer::validate`], with a query and more headers.
    pub fn validate_with(&self, token: &str, query: &str, headers: &[(&str, &str)]) -> TestResponse {
        let bearer = format!("Bearer {token}");
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.send(request(Method::GET, &format!("/validate/?{query}"), &headers, ""))
    }

    /// This isolate, the database and a new isolate accept an access token.
    #[track_caller]
    pub fn assert_good(&self, access_token: &str) {
        self.validate(access_token).assert_status(200);
        self.validate_with(access_token, "fresh=1", &[]).assert_status(200);
        self.another_isolate().validate(access_token).assert_status(200);
    }

    /// This isolate, the database and a new isolate refuse an access token.
    #[track_caller]
    pub fn assert_dead(&self, access_token: &str) {
        self.validate(access_token).assert_bearer_error(401, "invalid_token");
        self.validate_with(access_token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
        self.another_isolate().validate(access_token).assert_bearer_error(401, "invalid_token");
    }
}

/// What a server makes of these settings, and of what all tests need.
fn read(settings: &[(String, String)]) -> Settings {
    let variable = |name: &str| {
        let set = settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let found = set.or_else(|| match name {
            "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
            "MASTER_KEY" => Some(MASTER_KEY.to_owned()),
            "PASSWORD_HASH_MEMORY_KIB" => Some("8".to_owned()),
            "PASSWORD_HASH_ITERATIONS" => Some("1".to_owned()),
            _ => None,
        });
        found.into()
    };
    Settings::read(&variable).expect("the settings of the test are good")
}

/// A request to the operator's API. A `null` body is none.
pub fn admin_request(method: &str, path: &str, body: Value) -> Request {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    admin_bytes_request(method, path, body.as_bytes())
}

/// As [`admin_request`], with a body that may only say that it is JSON.
pub fn admin_bytes_request(method: &str, path: &str, body: &[u8]) -> Request {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    bytes_request(method.parse().expect("a method"), &format!("/admin/api/{path}"), &headers, body)
}

/// A request on `http://localhost:8787`, or on another host if `path` is a whole URL.
pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request {
    bytes_request(method, path, headers, body.as_bytes())
}

pub fn bytes_request(method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let url = if path.starts_with('/') { format!("http://localhost:8787{path}") } else { path.to_owned() };
    let mut builder = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.to_vec()).expect("a request")
}

pub fn form_request(path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Request {
    let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
    request(Method::POST, path, &headers, &encode_form(form))
}

pub fn encode_form(form: &[(&str, &str)]) -> String {
    let mut encoded = String::with_capacity(256);
    for (name, value) in form {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        encoded.push_str(name);
        encoded.push('=');
        push_encoded(&mut encoded, value, b"-_.");
    }
    encoded
}

pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    push_encoded(&mut encoded, text, b"-_.");
    encoded
}

/// Letters, digits and what is among `plain` stand for themselves.
fn push_encoded(encoded: &mut String, text: &str, plain: &[u8]) {
    for byte in text.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || plain.contains(&byte) => encoded.push(char::from(byte)),
            _ => {
                const DIGITS: [char; 16] =
                    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
                encoded.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
}

struct FakeClock(Rc<Cell<i64>>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.get())
    }
}

struct Seeded(RefCell<ChaCha20Rng>);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill_bytes(bytes);
    }
}

struct Captured(Rc<RefCell<Vec<Value>>>);

impl Log for Captured {
    fn line(&self, line: Value) {
        self.0.borrow_mut().push(line);
    }
}
