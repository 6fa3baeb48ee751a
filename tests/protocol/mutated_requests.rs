//! Good requests for everything that this server does, mutated: no 5xx, and no panic.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use postern::call::Request;
use postern::protocol::params::Params;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::bad_input::{FORM, JSON, ROUTES, furnished, route_of};
use crate::support::{
    ADMIN_TOKEN, AuthorizationRequest, Browser, CALLBACK, Landing, PASSWORD, TestResponse, TestServer,
    VERIFIER, encode_form, percent_encode, read_headers, routes,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_request_makes_a_5xx_or_a_panic(drafts in proptest::collection::vec(draft(), 1..12)) {
        FURNITURE.with(|furniture| furniture.play(|server, known| {
            for draft in drafts {
                let Some(request) = draft.request(known) else { continue };
                let response = server.send(request);
                let status = response.status();
                prop_assert!(status < 500, "{}: {}", status, response.text());
                prop_assert!(status < 400 || response.header("x-request-id").is_some());
                prop_assert!(!response.text().contains("argon2"));
            }
            Ok(())
        }))?;
    }
}

#[test]
fn what_is_mutated_is_good_to_begin_with() {
    let furniture = Furniture::new();
    for real in real() {
        let request = Draft::of(real.clone()).request(&furniture.known).unwrap();
        let response = furniture.play(|server, _| server.send(request));
        assert!(response.status() < 400, "{real:?}: {} {}", response.status(), response.text());
        // Nor is who is known sent to log in, but where that is what comes of it.
        let location = response.header("location").unwrap_or_default();
        let ends_login = ["/accounts/logout", "/accounts/password/reset/{reset}", "/account/sessions"];
        assert!(!location.contains("/accounts/login/") || ends_login.contains(&real.path), "{real:?}");
    }
}

#[test]
fn every_method_of_every_route_is_mutated() {
    let mutated: BTreeSet<_> =
        real().iter().map(|real| (route_of(real.path).unwrap(), real.method)).collect();
    let of_route = |(path, methods, _): &(&'static str, &'static [&'static str], _)| {
        let route = route_of(path).unwrap();
        let methods = methods.iter().filter(|method| !["HEAD", "OPTIONS"].contains(method));
        methods.map(|method| (route, *method)).collect::<Vec<_>>()
    };
    let mut known: BTreeSet<_> = ROUTES.iter().flat_map(of_route).collect();
    known.extend([("/validate", "GET"), ("/validate", "POST")]);
    assert_eq!(known.difference(&mutated).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
    let routes: BTreeSet<_> = routes().into_iter().collect();
    assert_eq!(routes, mutated.iter().map(|(route, _)| *route).collect());
}

/// A good request.
#[derive(Clone, Debug)]
struct Real {
    who: Who,
    method: &'static str,
    path: &'static str,
    /// What it asks: of a GET, the query. Names in braces stand for what [`Known`] has.
    body: Value,
}

/// What lets a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nothing, or what stands in the body.
    Anyone,
    /// `ADMIN_TOKEN`.
    Operator,
    /// An access token of alice.
    Bearer,
    /// Alice's session, and the token of her forms.
    Person,
}

/// What a path reads.
enum Takes {
    Form,
    Json,
    Either,
}

fn takes(path: &str) -> Takes {
    let either = ["/sign_up", "/social/", "/api/2.0/social/"].iter().any(|start| path.starts_with(start));
    let is_of_auth = [
        "/auth/token",
        "/auth/convert-token",
        "/auth/revoke-token",
        "/auth/invalidate-sessions",
        "/auth/invalidate-refresh-tokens",
        "/auth/disconnect-backend",
    ];
    match path.starts_with("/admin/") {
        true => Takes::Json,
        false if either || is_of_auth.contains(&path) => Takes::Either,
        false => Takes::Form,
    }
}

/// A server where all of that is good.
struct Furniture {
    server: TestServer,
    known: Known,
}

thread_local! {
    static FURNITURE: Furniture = Furniture::new();
}

impl Furniture {
    fn new() -> Self {
        let server = furnished();
        let known = Known::of(&server);
        Self { server, known }
    }

    /// Lets `play` do what it likes at an isolate of its own, and takes all of it back.
    fn play<T>(&self, play: impl FnOnce(&TestServer, &Known) -> T) -> T {
        self.server.take_back(|isolate| {
            answer_as_github(isolate);
            play(isolate, &self.known)
        })
    }
}

/// What only the server knows before it is asked, by the name that stands for it.
struct Known {
    cookies: String,
    values: Vec<(&'static str, String)>,
}

impl Known {
    /// Alice is logged in, in two browsers, and has authorized applications, connected an account at GitHub, and been sent links.
    fn of(server: &TestServer) -> Self {
        let browser = server.browser();
        browser.log_in("alice");
        let notes = server.post_form(
            "/o/token/",
            &[
                ("grant_type", "password"),
                ("client_id", "notes"),
                ("username", "alice"),
                ("password", PASSWORD),
            ],
        );
        let tokens = notes.tokens();
        let code = browser.code(&AuthorizationRequest::for_code("notes"));
        let account = connect(&browser, server);
        let state = state_of(&browser.get("/login/github/"));
        let (request_token, approved, verifier) = signed(&browser, server);
        let reset = mailed("/accounts/password/reset/", &browser, server);
        let verify = mailed("/accounts/email/verify/", &browser, server);
        server.browser().log_in("alice");
        let page = browser.get("/account/").text();
        let after = |start: &str| page.split(start).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let values = vec![
            ("{access_token}", tokens.access_token.clone()),
            ("{refresh_token}", tokens.refresh().to_owned()),
            ("{code}", code),
            ("{account}", account),
            ("{state}", state),
            ("{request_token}", request_token),
            ("{approved_token}", approved.0),
            ("{approved_secret}", approved.1),
            ("{verifier}", verifier),
            ("{reset}", reset),
            ("{verify}", verify),
            ("{grant}", server.db.text("SELECT id FROM grants LIMIT 1")),
            ("{session}", after("name=\"end\" value=\"")),
            ("{csrf_token}", after("name=\"csrf_token\" value=\"")),
        ];
        Self { cookies: browser.cookies(), values }
    }

    fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
        self.values.iter().fold(text.to_owned(), fill)
    }
}

fn answer_as_github(server: &TestServer) {
    for (what, body) in [
        ("POST https://github.com/login/oauth/access_token", json!({"access_token": "of-github"})),
        (
            "POST https://api.github.com/applications/c/token",
            json!({"app": {"client_id": "c"}, "user": {"id": 7}}),
        ),
        ("DELETE https://api.github.com/applications/c/token", json!({})),
        ("GET https://api.github.com/user", json!({"login": "mona", "id": 7})),
        ("GET https://api.github.com/user/emails", json!([])),
    ] {
        server.providers.answer(what, 200, &body);
    }
}

/// Connects alice's account at GitHub: its id here.
fn connect(browser: &Browser<'_>, server: &TestServer) -> String {
    answer_as_github(server);
    let page = browser.get("/account/");
    let state = state_of(&browser.submit_to("/login/github/", &page, &[]));
    browser.get(&format!("/complete/github/?code=a-code&state={state}")).assert_status(303);
    server.db.text("SELECT id FROM social_accounts")
}

/// The state with which a browser is sent to a provider.
fn state_of(sent: &TestResponse) -> String {
    Landing::of(sent).get("state").to_owned()
}

/// Of the application `old`: a request token; another with its secret, which alice has approved, and its verifier.
fn signed(browser: &Browser<'_>, server: &TestServer) -> (String, (String, String), String) {
    let ask = || {
        let answer = server
            .post_form("/oauth/request_token/", &[OLD[0], OLD[1], OLD[2], ("oauth_callback", CALLBACK)]);
        answer.assert_status(200);
        let answer = Params::parse(answer.text().as_bytes()).unwrap();
        let value = |name| answer.optional(name).unwrap().to_owned();
        (value("oauth_token"), value("oauth_token_secret"))
    };
    let approved = ask();
    let page = browser.open(&format!("/oauth/authorize/?oauth_token={}", approved.0));
    let landing = Landing::of(&browser.submit_once(&page, &[("decision", "allow")]));
    (ask().0, approved, landing.get("oauth_verifier").to_owned())
}

/// The secret of the link that alice is sent from a page.
fn mailed(path: &str, browser: &Browser<'_>, server: &TestServer) -> String {
    server.mailbox.take();
    browser.submit_once(&browser.get(path), &[("email", "alice@a.example")]).assert_status(303);
    let mail = server.mailbox.take().remove(0).text;
    mail.split(path).nth(1).unwrap().split(['/', '\n']).next().unwrap().to_owned()
}

/// A real request, and what is done to it.
#[derive(Clone, Debug)]
struct Draft {
    real: Real,
    method: Option<String>,
    path_end: String,
    query: Option<String>,
    /// What lets it in is there.
    is_known: bool,
    /// Of the two forms of a body, if it may have either.
    is_json: bool,
    /// The other of the two than the right one.
    is_swapped: bool,
    edits: Vec<(usize, &'static str, Option<Value>)>,
    spoilt: Option<(usize, u8)>,
    headers: Vec<(&'static str, String)>,
}

impl Draft {
    /// With nothing done to it.
    fn of(real: Real) -> Self {
        Self {
            real,
            method: None,
            path_end: String::new(),
            query: None,
            is_known: true,
            is_json: true,
            is_swapped: false,
            edits: Vec::new(),
            spoilt: None,
            headers: Vec::new(),
        }
    }

    /// None if no client could send it.
    fn request(&self, known: &Known) -> Option<Request> {
        let Real { who, method, path, body } = &self.real;
        let is_json = match takes(path) {
            Takes::Form => self.is_swapped,
            Takes::Json => !self.is_swapped,
            Takes::Either => self.is_json,
        };
        let mut pairs: Map<String, Value> =
            serde_json::from_str(&known.fill(&body.to_string())).expect("still an object");
        let mut headers = Vec::new();
        match who {
            _ if !self.is_known => {}
            Who::Anyone => {}
            Who::Operator => headers.push(("authorization", format!("Bearer {ADMIN_TOKEN}"))),
            Who::Bearer => headers.push(("authorization", known.fill("Bearer {access_token}"))),
            Who::Person => {
                headers.push(("cookie", known.cookies.clone()));
                if *method == "POST" {
                    pairs.insert("csrf_token".to_owned(), known.fill("{csrf_token}").into());
                }
            }
        }
        let pairs = self.edited(pairs);
        let (queries, body) = match *method {
            "GET" => (vec![form(&pairs)], Vec::new()),
            _ if is_json => (vec![], Value::Object(pairs.into_iter().collect()).to_string().into_bytes()),
            _ => (vec![], form(&pairs).into_bytes()),
        };
        let queries: Vec<String> =
            queries.into_iter().chain(self.query.clone()).filter(|query| !query.is_empty()).collect();
        let query = if queries.is_empty() { String::new() } else { format!("?{}", queries.join("&")) };
        let mut builder = http::Request::builder()
            .method(self.method.as_deref().unwrap_or(method))
            .uri(format!("http://localhost:8787{}{}{query}", known.fill(path), self.path_end))
            .header("content-type", if is_json { JSON } else { FORM });
        for (name, value) in headers.iter().chain(&self.headers) {
            builder = builder.header(*name, value);
        }
        builder.body(self.spoilt(body)).ok()
    }

    fn edited(&self, pairs: Map<String, Value>) -> Vec<(String, Value)> {
        let mut pairs: Vec<(String, Value)> = pairs.into_iter().collect();
        for (at, name, value) in &self.edits {
            match (value, pairs.len()) {
                (Some(value), length) if at % 3 == 0 || length == 0 => {
                    pairs.push((name.to_string(), value.clone()))
                }
                (Some(value), length) => pairs[at % length].1 = value.clone(),
                (None, 0) => {}
                (None, length) => drop(pairs.remove(at % length)),
            }
        }
        pairs
    }

    fn spoilt(&self, mut body: Vec<u8>) -> Vec<u8> {
        if let Some((at, byte)) = self.spoilt.filter(|_| !body.is_empty()) {
            let length = body.len();
            body[at % length] = byte;
        }
        body
    }
}

fn form(pairs: &[(String, Value)]) -> String {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| (percent_encode(name), text(value))).collect();
    let pairs: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    encode_form(&pairs)
}

fn draft() -> impl Strategy<Value = Draft> {
    let piece = || {
        prop_oneof![
            10 => select(PIECES).prop_map(str::to_owned),
            1 => "[ -~é\u{1F44D}]{0,12}",
            1 => any::<i64>().prop_map(|number| number.to_string()),
        ]
    };
    let value = prop_oneof![
        6 => piece().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        2 => proptest::collection::vec(piece(), 0..3).prop_map(Value::from),
        1 => Just(json!({"a": {"b": [null, {}]}})),
    ];
    let edit = (any::<usize>(), select(names()), proptest::option::weighted(0.8, value));
    let pair =
        (select(names()), piece()).prop_map(|(name, value)| format!("{name}={}", percent_encode(&value)));
    let query = proptest::collection::vec(prop_oneof![6 => pair, 1 => piece()], 0..3);
    let header = (
        select(read_headers()),
        prop_oneof![4 => select(HEADER_VALUES).prop_map(str::to_owned), 1 => piece()],
    );
    let method = prop_oneof!["GET|POST|PATCH|DELETE|OPTIONS|HEAD|PUT", "[A-Za-z-]{1,9}"];
    let path_end = prop_oneof![8 => Just(String::new()), 1 => Just("/".to_owned()), 1 => "[/!-~é]{1,6}"];
    let real = (select(real()), proptest::option::weighted(0.1, method), path_end);
    let around = (proptest::option::weighted(0.2, query), proptest::collection::vec(header, 0..2));
    let spoilt = proptest::option::weighted(0.05, (any::<usize>(), any::<u8>()));
    let flags = (proptest::bool::weighted(0.95), any::<bool>(), proptest::bool::weighted(0.05));
    let edits = proptest::collection::vec(edit, 0..3);
    (real, around, flags, edits, spoilt).prop_map(
        |((real, method, path_end), (query, headers), (is_known, is_json, is_swapped), edits, spoilt)| {
            Draft {
                real,
                method,
                path_end,
                query: query.map(|pairs| pairs.join("&")),
                is_known,
                is_json,
                is_swapped,
                edits,
                spoilt,
                headers,
            }
        },
    )
}

/// One good request for each thing that this server does, with the furniture of [`furnished`] and [`Known`].
fn real() -> Vec<Real> {
    use Who::{Anyone, Bearer, Operator, Person};
    let with = |mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let password =
        json!({"grant_type": "password", "client_id": "notes", "username": "alice", "password": PASSWORD});
    let secretive = json!({"client_id": "secretive", "client_secret": "the secret of secretive"});
    let of_notes = json!({"client_id": "notes", "token": "{access_token}"});
    let application = json!({
        "client_type": "public", "client_name": "x", "grant_types": ["password"], "scope": "read", "owner": "alice",
        "redirect_uris": ["https://a.example/cb"], "allowed_origins": ["https://a.example"], "client_id": "a/b",
    });
    let user = json!({"username": "bob", "password": PASSWORD, "email": "b@example.com", "first_name": "B"});
    let own = json!({
        "client_name": "x", "client_type": "public", "grant_type authorization_code": "on", "scope": "read",
        "redirect_uris": "https://a.example/cb", "allowed_origins": "https://a.example",
        "post_logout_redirect_uris": "https://a.example/",
    });
    let at_github = json!({"client_id": "notes", "backend": "github"});
    let convert = with(at_github.clone(), json!({"grant_type": "convert_token", "token": "of-github"}));
    let code = json!({"client_id": "notes", "code": "a-code", "redirect_uri": CALLBACK});
    let asked = AuthorizationRequest::for_code("notes");
    let authorize = Params::parse(asked.query().as_bytes()).unwrap().into_pairs();
    let authorize = Value::Object(authorize.into_iter().map(|(name, value)| (name, value.into())).collect());
    let agreed = json!({"authorization_request": asked.query(), "decision": "allow", "scope read": "on"});
    let old = Value::Object(OLD.iter().map(|(name, value)| (name.to_string(), json!(value))).collect());
    let oauth_token = json!({"oauth_token": "{request_token}"});
    let three_legged = json!({
        "oauth_token": "{approved_token}", "oauth_signature": format!("{}{{approved_secret}}", OLD[2].1),
        "oauth_verifier": "{verifier}",
    });
    let xauth = json!({"x_auth_mode": "client_auth", "x_auth_username": "alice", "x_auth_password": PASSWORD, "scope": "read"});
    let new_password = json!({"password": "another horse battery"});
    let none = json!({});
    let all = [
        (Anyone, "POST", "/o/token", with(password.clone(), json!({"scope": "read"}))),
        (
            Anyone,
            "POST",
            "/o/token",
            json!({"grant_type": "refresh_token", "client_id": "notes", "refresh_token": "{refresh_token}"}),
        ),
        (Anyone, "POST", "/o/token", with(secretive.clone(), json!({"grant_type": "client_credentials"}))),
        (
            Anyone,
            "POST",
            "/o/token",
            json!({
                "grant_type": "authorization_code", "client_id": "notes", "code": "{code}", "redirect_uri": CALLBACK,
                "code_verifier": VERIFIER,
            }),
        ),
        (
            Anyone,
            "POST",
            "/o/token",
            json!({
                "grant_type": TOKEN_EXCHANGE, "client_id": "notes", "backend": "github", "subject_token": "of-github",
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }),
        ),
        (Anyone, "POST", "/o/introspect", with(secretive.clone(), json!({"token": "{access_token}"}))),
        (Anyone, "POST", "/o/revoke_token", of_notes.clone()),
        (Anyone, "POST", "/sign_up", user.clone()),
        (Anyone, "OPTIONS", "/sign_up", none.clone()),
        (Anyone, "POST", "/auth/token", password),
        (Anyone, "POST", "/auth/convert-token", convert),
        (
            Anyone,
            "POST",
            "/auth/convert-token",
            with(code.clone(), json!({"grant_type": "convert_token", "backend": "github"})),
        ),
        (Anyone, "POST", "/auth/revoke-token", of_notes.clone()),
        (Bearer, "POST", "/auth/revoke-token", of_notes),
        (Bearer, "POST", "/auth/invalidate-sessions", json!({"client_id": "notes"})),
        (Bearer, "POST", "/auth/invalidate-refresh-tokens", json!({"client_id": "notes"})),
        (
            Bearer,
            "POST",
            "/auth/disconnect-backend",
            with(at_github.clone(), json!({"association_id": "{account}"})),
        ),
        (Anyone, "POST", "/social/github", json!({"client_id": "notes", "access_token": "of-github"})),
        (Anyone, "POST", "/api/2.0/social/github", code),
        (
            Bearer,
            "GET",
            "/validate",
            json!({"scope": "read", "any_scope": "read write", "fresh": "1", "proxy": "nginx"}),
        ),
        (Bearer, "POST", "/validate", none.clone()),
        (Anyone, "GET", "/healthz", none.clone()),
        (Anyone, "GET", "/", none.clone()),
        (Anyone, "GET", "/.well-known/oauth-authorization-server", none.clone()),
        (Anyone, "GET", "/o/.well-known/oauth-authorization-server", none.clone()),
        (Anyone, "POST", "/oauth/request_token", with(old.clone(), json!({"oauth_callback": CALLBACK}))),
        (Anyone, "GET", "/oauth/request_token", with(old.clone(), json!({"oauth_callback": "oob"}))),
        (Anyone, "POST", "/oauth/access_token", with(old.clone(), three_legged)),
        (Anyone, "GET", "/oauth/access_token", with(old, xauth)),
        (Person, "GET", "/oauth/authorize", oauth_token.clone()),
        (
            Person,
            "POST",
            "/oauth/authorize",
            json!({"authorization_request": "{request_token}", "decision": "allow"}),
        ),
        (Person, "GET", "/o/authorize", authorize.clone()),
        (Person, "POST", "/o/authorize", agreed.clone()),
        (Person, "GET", "/auth/authorize", authorize),
        (Person, "POST", "/auth/authorize", agreed),
        (Operator, "GET", "/admin/api/applications", json!({"limit": "1"})),
        (Operator, "POST", "/admin/api/applications", application),
        (Operator, "GET", "/admin/api/applications/secretive", none.clone()),
        (Operator, "PATCH", "/admin/api/applications/notes", json!({"client_name": "x", "is_active": true})),
        (
            Operator,
            "PATCH",
            "/admin/api/applications/secretive",
            json!({"client_type": "confidential", "scope": "write"}),
        ),
        (Operator, "POST", "/admin/api/applications/secretive/rotate-secret", none.clone()),
        (Operator, "DELETE", "/admin/api/applications/notes", none.clone()),
        (Operator, "GET", "/admin/api/users", json!({"search": "a", "limit": "200"})),
        (
            Operator,
            "POST",
            "/admin/api/users",
            with(user.clone(), json!({"email_verified": true, "is_superuser": false})),
        ),
        (Operator, "GET", "/admin/api/users/alice", none.clone()),
        (
            Operator,
            "PATCH",
            "/admin/api/users/alice",
            json!({"username": "alice", "email": "a@example.com", "is_active": true}),
        ),
        (Operator, "POST", "/admin/api/users/alice/set-password", json!({"password": PASSWORD})),
        (Operator, "POST", "/admin/api/users/alice/logout", none.clone()),
        (Operator, "DELETE", "/admin/api/users/alice", none.clone()),
        (Operator, "GET", "/admin/api/users/alice/social/github/token", none.clone()),
        (Operator, "GET", "/admin/api/audit-events", json!({"limit": "10"})),
        (Operator, "POST", "/admin/api/cleartokens", none.clone()),
        (Operator, "POST", "/admin/api/reencrypt", none.clone()),
        (Person, "GET", "/account", none.clone()),
        (
            Person,
            "POST",
            "/account",
            json!({"email": "a@example.com", "first_name": "A", "last_name": "B", "current_password": PASSWORD}),
        ),
        (Person, "POST", "/account/sessions", json!({"end": "others"})),
        (Person, "POST", "/account/sessions", json!({"end": "everywhere"})),
        (Person, "POST", "/account/sessions", json!({"end": "{session}"})),
        (Person, "GET", "/accounts/login", json!({"next": "/account/", "login_hint": "alice"})),
        (
            Person,
            "POST",
            "/accounts/login",
            json!({"username": "alice", "password": PASSWORD, "next": "/account/"}),
        ),
        (Person, "GET", "/accounts/signup", json!({"next": "/account/"})),
        (Person, "POST", "/accounts/signup", with(user, json!({"next": "/account/"}))),
        (Person, "GET", "/accounts/logout", none.clone()),
        (Person, "POST", "/accounts/logout", none.clone()),
        (Person, "GET", "/accounts/password", none.clone()),
        (
            Person,
            "POST",
            "/accounts/password",
            with(new_password.clone(), json!({"current_password": PASSWORD})),
        ),
        (Person, "GET", "/accounts/password/reset", none.clone()),
        (Person, "POST", "/accounts/password/reset", json!({"email": "alice@a.example"})),
        (Person, "GET", "/accounts/password/sent", none.clone()),
        (Person, "GET", "/accounts/password/reset/{reset}", none.clone()),
        (Person, "POST", "/accounts/password/reset/{reset}", new_password),
        (Person, "GET", "/accounts/email/verify", none.clone()),
        (Person, "POST", "/accounts/email/verify", none.clone()),
        (Person, "GET", "/accounts/email/sent", none.clone()),
        (Person, "GET", "/accounts/email/verified", none.clone()),
        (Person, "GET", "/accounts/email/verify/{verify}", none.clone()),
        (Person, "POST", "/accounts/email/verify/{verify}", none.clone()),
        (Person, "GET", "/login/github", json!({"next": "/account/"})),
        (Person, "POST", "/login/github", none.clone()),
        (Person, "GET", "/auth/login/github", none.clone()),
        (Person, "POST", "/auth/login/github", none.clone()),
        (Person, "GET", "/complete/github", json!({"code": "a-code", "state": "{state}"})),
        (Person, "POST", "/complete/github", json!({"code": "a-code", "state": "{state}"})),
        (Person, "GET", "/auth/complete/github", json!({"code": "a-code", "state": "{state}"})),
        (Person, "POST", "/auth/complete/github", json!({"code": "a-code", "state": "{state}"})),
        (Person, "POST", "/disconnect/github", none.clone()),
        (Person, "POST", "/auth/disconnect/github", none.clone()),
        (Person, "POST", "/disconnect/github/{account}", none.clone()),
        (Person, "POST", "/auth/disconnect/github/{account}", none.clone()),
        (Person, "GET", "/o/authorized_tokens", none.clone()),
        (Person, "GET", "/o/authorized_tokens/{grant}/delete", none.clone()),
        (Person, "POST", "/o/authorized_tokens/{grant}/delete", none.clone()),
        (Person, "GET", "/o/applications", none.clone()),
        (Person, "GET", "/o/applications/register", none.clone()),
        (Person, "POST", "/o/applications/register", own.clone()),
        (Person, "GET", "/o/applications/notes", none.clone()),
        (Person, "GET", "/o/applications/notes/update", none.clone()),
        (Person, "POST", "/o/applications/notes/update", own),
        (Person, "GET", "/o/applications/secretive/rotate-secret", none.clone()),
        (Person, "POST", "/o/applications/secretive/rotate-secret", none.clone()),
        (Person, "GET", "/o/applications/notes/delete", none.clone()),
        (Person, "POST", "/o/applications/notes/delete", none),
    ];
    all.into_iter().map(|(who, method, path, body)| Real { who, method, path, body }).collect()
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// How the application of [`furnished`] that signs its requests does so: the same way every time (RFC 5849 §3.1).
const OLD: [(&str, &str); 3] = [
    ("oauth_consumer_key", "old"),
    ("oauth_signature_method", "PLAINTEXT"),
    ("oauth_signature", "the%20secret%20of%20old&"),
];

/// Those of the real requests, and others that are read.
fn names() -> Vec<&'static str> {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
        let real = real()
            .into_iter()
            .flat_map(|real| real.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        real.chain(NAMES.iter().map(|name| name.to_string())).collect::<BTreeSet<_>>().into_iter().collect()
    });
    ALL.iter().map(String::as_str).collect()
}

const NAMES: &[&str] = &[
    "actor_token",
    "approval_prompt",
    "audience",
    "client_assertion",
    "created_at",
    "credential",
    "csrf_token",
    "cursor",
    "error",
    "g_csrf_token",
    "grant_type client_credentials",
    "id",
    "id_token",
    "iss",
    "jwks",
    "max_age",
    "nonce",
    "nonsense",
    "oauth1_signature_methods",
    "oauth_nonce",
    "oauth_timestamp",
    "oauth_version",
    "prompt",
    "read_write",
    "requested_token_type",
    "resource",
    "response_mode",
    "token_endpoint_auth_method",
    "token_format",
    "token_type_hint",
    "user",
];

const PIECES: &[&str] = &[
    "pst_at_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pst_rt_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pst_at_AQ",
    "password",
    "client_credentials",
    "refresh_token",
    "authorization_code",
    "implicit",
    "alice",
    "ALICE",
    "bob",
    "é",
    "İ",
    "ﷺ",
    PASSWORD,
    "another horse battery",
    "notes",
    "secretive",
    "the secret of secretive",
    "public",
    "confidential",
    "none",
    "client_secret_post",
    "opaque",
    "others",
    "everywhere",
    "on",
    "AAAAAAAAAAAAAAAA",
    "github",
    "of-github",
    "convert_token",
    TOKEN_EXCHANGE,
    "allow",
    "deny",
    "code",
    "query",
    "form_post",
    "login",
    "consent",
    "oob",
    "PLAINTEXT",
    "HMAC-SHA1",
    "old",
    "the%20secret%20of%20old&",
    "/account/",
    "//b.example",
    "https://a.example/cb\r\nhttps://b.example/cb\r\n",
    "javascript:alert(1)",
    "jwt",
    "read",
    "read write",
    "write  read",
    "introspection",
    "openid",
    "fly",
    "1",
    "0",
    "-1",
    "200",
    "nginx",
    "YQ",
    "YWxpY2UAYWFh",
    "https://a.example",
    "https://a.example/cb",
    CALLBACK,
    "http://localhost:1",
    "com.example:/",
    "a@example.com",
    "a@b",
    "",
    " ",
    "%",
    "'",
    "\"",
    "\\",
    "\0",
    "\u{10FFFF}",
    "a\u{301}",
    "*",
    "null",
];

const HEADER_VALUES: &[&str] = &[
    "Bearer",
    "Bearer x",
    "Bearer pst_at_AQ",
    "Token x",
    "Basic",
    "Basic bm90ZXM6",
    "Basic bm90ZXM6eA==",
    "Basic /w==",
    "Basic c2VjcmV0aXZlOnRoZStzZWNyZXQrb2Yrc2VjcmV0aXZl",
    "Digest x",
    "application/json",
    FORM,
    JSON,
    "text/plain",
    "https://a.example",
    "https://notes.example",
    "null",
    "GET",
    "POST",
    "G T",
    "a, b",
    "https",
    "https://a.example/?x#y",
    "::1",
    "same-origin",
    "cross-site",
    "OAuth",
    "OAuth oauth_consumer_key=\"old\", oauth_signature_method=\"PLAINTEXT\", oauth_signature=\"the%2520secret%2520of%2520old%26\"",
    "postern_session=a; postern_login_github=b",
    "é",
    "",
];
