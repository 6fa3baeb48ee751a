//! A provider's token at `/validate/`, as drf-social-oauth2 takes it: `Authorization: Bearer <backend> <token>`.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use http::Method;
use postern::app::Limiter;
use postern::call::Request;
use serde_json::{Value, json};

use crate::support::forgetting::forget_ends;
use crate::support::{Meddle, Meddling, PASSWORD, Signer, TestResponse, TestServer, admin_request, request};

const PROVIDERS: &str = r#"{
    "google-oauth2": {"client_id": "g-client", "client_secret": "SECRET"},
    "facebook-limited-login": {"client_id": "fb-client"},
    "twitter": {"client_id": "x-client", "client_secret": "SECRET"}
}"#;
const SETTINGS: &[(&str, &str)] = &[
    ("SOCIAL_AUTH_PROVIDERS", PROVIDERS),
    ("SECRET", "s"),
    ("SOCIAL_DEFAULT_APPLICATION", "front"),
    ("SOCIAL_BEARER", "true"),
];
const CHECK: &str = "GET https://oauth2.googleapis.com/tokeninfo";
const USER: &str = "GET https://openidconnect.googleapis.com/v1/userinfo";
const KEYS: &str = "GET https://limited.facebook.com/.well-known/oauth/openid/jwks/";
const FACEBOOK: &str = "facebook-limited-login";

fn server() -> TestServer {
    server_with(&[])
}

/// Its default application is registered, and Google knows Mona.
fn server_with(settings: &[(&str, &str)]) -> TestServer {
    let server = TestServer::with(&[SETTINGS, settings].concat());
    register(&server, json!({}));
    google(&server);
    server
}

fn register(server: &TestServer, more: Value) {
    let mut application = json!({"client_id": "front", "client_type": "public", "grant_types": ["convert_token"], "scope": "read write"});
    application.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.admin("POST", "applications", application).assert_status(201);
}

/// Says that Mona holds a token of ours that is good for 1,000 seconds more.
fn google(server: &TestServer) {
    server.providers.answer(
        CHECK,
        200,
        &json!({"aud": "g-client", "azp": "g-client", "sub": "7", "exp": server.now() + 1000}),
    );
    let person = json!({
        "sub": "7", "email": "mona@p.example", "email_verified": true, "given_name": "Mona", "family_name": "Lisa",
    });
    server.providers.answer(USER, 200, &person);
}

fn isolate(server: &TestServer) -> TestServer {
    let isolate = server.another_isolate();
    google(&isolate);
    isolate
}

fn bearer_request(header: &str, query: &str, headers: &[(&str, &str)]) -> Request {
    let headers = [&[("authorization", header)], headers].concat();
    request(Method::GET, &format!("/validate/?{query}"), &headers, "")
}

fn send(server: &TestServer, header: &str) -> TestResponse {
    server.send(bearer_request(header, "", &[]))
}

fn validate(server: &TestServer) -> TestResponse {
    send(server, "Bearer google-oauth2 ya29.token")
}

/// The error, with a challenge that names the provider.
#[track_caller]
fn assert_refused(response: &TestResponse) {
    response.assert_error(401, "invalid_token");
    assert_eq!(response.json()["active"], false);
    let challenge = response.header("www-authenticate").unwrap();
    let expected =
        r#"Bearer backend="google-oauth2", realm="api", error="invalid_token", error_description=""#;
    assert!(challenge.starts_with(expected), "{challenge}");
}

fn asked(server: &TestServer) -> usize {
    server.providers.take_asked().len()
}

#[test]
fn a_providers_token_is_answered_as_one_of_ours() {
    let server = server();
    let response = validate(&server);
    response.assert_status(200);
    let mona = server.admin("GET", "users/mona", Value::Null).json();
    let body = json!({
        "active": true, "scope": "read write", "client_id": "front", "token_type": "Bearer", "username": "mona",
        "sub": mona["id"], "iat": server.now(), "exp": server.now() + 1000,
    });
    assert_eq!(response.json(), body);
    let exp = (server.now() + 1000).to_string();
    for (name, value) in [
        ("x-auth-subject", mona["id"].as_str().unwrap()),
        ("x-auth-username", "mona"),
        ("x-auth-client-id", "front"),
        ("x-auth-scope", "read write"),
        ("x-auth-expires", &exp),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!((&mona["email"], &mona["first_name"]), (&json!("mona@p.example"), &json!("Mona")));
    assert_eq!(server.providers.take_urls(), [CHECK, USER]);
    // It is a person who can be found again, but no token of ours, and no standing authorization.
    assert_eq!(
        server.db.number("SELECT count(*) FROM families") + server.db.number("SELECT count(*) FROM grants"),
        0
    );
    validate(&isolate(&server)).assert_status(200);
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 1);
    assert!(!format!("{:?}{}", server.log(), server.db.dump()).contains("ya29"));
}

#[test]
fn the_scheme_may_be_written_in_any_case_and_with_blanks() {
    let server = server();
    for header in ["bearer google-oauth2 ya29.token", "BEARER  google-oauth2   ya29.token"] {
        send(&server, header).assert_status(200);
    }
    // `Token` is that of the tutorial, whose tokens are ours.
    send(&server, "Token google-oauth2 ya29.token").assert_bearer_error(400, "invalid_request");
}

#[test]
fn scopes_are_checked_as_those_of_ours() {
    let server = server();
    let ask = |query: &str, headers: &[(&str, &str)]| {
        server.send(bearer_request("Bearer google-oauth2 ya29.token", query, headers))
    };
    for query in ["scope=read", "scope=read%20write", "any_scope=groups%20write"] {
        ask(query, &[]).assert_status(200);
    }
    for query in ["scope=groups", "scope=read%20groups", "any_scope=groups"] {
        ask(query, &[]).assert_bearer_error(403, "insufficient_scope");
    }
    ask("read_write=1", &[("x-forwarded-method", "POST")]).assert_status(200);
    ask("read_write=1", &[]).assert_bearer_error(400, "invalid_request");
    ask("scope=", &[]).assert_bearer_error(400, "invalid_request");
}

#[test]
fn an_id_token_is_taken_where_the_provider_has_no_access_tokens() {
    let server = server();
    let signer = Signer::rs256();
    server.providers.answer(KEYS, 200, &json!({"keys": [signer.jwk()]}));
    let claims = |audience: &str| {
        json!({
            "iss": "https://www.facebook.com", "aud": audience, "sub": "42", "iat": server.now(), "exp": server.now() + 600,
            "email": "mona@p.example", "given_name": "Mona",
        })
    };
    let token = signer.id_token(json!({}), claims("fb-client"));
    let response = send(&server, &format!("Bearer {FACEBOOK} {token}"));
    response.assert_status(200);
    assert_eq!(response.json()["exp"], json!(server.now() + 600));
    let of_another = signer.id_token(json!({}), claims("another"));
    send(&server, &format!("Bearer {FACEBOOK} {of_another}")).assert_error(401, "invalid_token");
    // Remembered, it is good no longer than it says.
    server.advance(600);
    send(&server, &format!("Bearer {FACEBOOK} {token}")).assert_error(401, "invalid_token");
}

#[test]
fn it_is_good_no_longer_than_one_of_ours() {
    let server = server_with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "300")]);
    assert_eq!(validate(&server).json()["exp"], json!(server.now() + 300));
    // Nobody knows how long: as long as one of ours.
    let server = self::server();
    server.providers.answer(CHECK, 200, &json!({"aud": "g-client", "sub": "7"}));
    assert_eq!(validate(&server).json()["exp"], json!(server.now() + 36_000));
}

#[test]
fn what_the_provider_does_not_confirm_is_refused() {
    for (status, body) in [
        (200, json!({"aud": "another", "sub": "7", "exp": 1_900_000_000})),
        (200, json!({"aud": "g-client", "sub": "8", "exp": 1_900_000_000})),
        (200, json!({"aud": "g-client", "sub": "7", "exp": 1})),
        (400, json!({"error": "invalid_token"})),
        (401, json!({})),
    ] {
        let server = server();
        server.providers.answer(CHECK, status, &body);
        assert_refused(&validate(&server));
        assert_eq!(server.db.number("SELECT count(*) FROM users"), 0);
        assert!(!format!("{:?}", server.log()).contains("ya29"));
    }
    let server = server();
    send(&server, "Bearer twitter token").assert_error(401, "invalid_token");
    assert_eq!(asked(&server), 0);
}

#[test]
fn a_malformed_header_is_told_in_drf_social_oauth2s_words() {
    let server = server();
    for (header, status, said) in [
        ("Bearer", 400, "Invalid token header. No backend provided."),
        ("Bearer google-oauth2", 400, "Invalid token header. No credentials provided."),
        ("Bearer google-oauth2 a b", 400, "Invalid token header. Token string should not contain spaces."),
        ("Bearer nobody token", 401, "Invalid backend."),
    ] {
        let code = if status == 400 { "invalid_request" } else { "invalid_token" };
        let response = send(&server, header);
        response.assert_bearer_error(status, code);
        assert_eq!(response.json()["error_description"], said);
    }
    let long = format!("Bearer google-oauth2 {}", "a".repeat(16 * 1024 + 1));
    send(&server, &long).assert_bearer_error(400, "invalid_request");
    assert_eq!(asked(&server), 0);
}

#[test]
fn our_own_tokens_are_good_as_ever() {
    let server = server();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    server.assert_good(&token);
    server.validate("pst_at_made-up").assert_bearer_error(401, "invalid_token");
    server.get("/validate/").assert_status(401);
    assert_eq!(asked(&server), 0);
}

#[test]
fn without_the_setting_it_is_no_header_that_is_known() {
    for settings in [&[][..], &[("SOCIAL_BEARER", "false")]] {
        let server = TestServer::with(&[&SETTINGS[..3], settings].concat());
        register(&server, json!({}));
        google(&server);
        for header in ["Bearer google-oauth2 ya29.token", "Bearer", "Bearer nobody token", "Bearer a b c"] {
            let response = send(&server, header);
            response.assert_bearer_error(400, "invalid_request");
            let said = "the Authorization header is not Bearer and one token";
            assert_eq!(response.json()["error_description"], said);
        }
        assert_eq!(asked(&server), 0);
    }
}

#[test]
fn a_good_verdict_is_remembered_for_a_while_and_not_if_it_is_to_be_fresh() {
    let server = server();
    validate(&server).assert_status(200);
    server.advance(9);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 2);
    server.send(bearer_request("Bearer google-oauth2 ya29.token", "fresh=1", &[])).assert_status(200);
    assert_eq!(asked(&server), 2);
    server.advance(9);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 0);
    server.advance(1);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 2);
    // Another token, or the same at another provider, is another matter.
    send(&server, "Bearer google-oauth2 ya29.other").assert_status(200);
    send(&server, &format!("Bearer {FACEBOOK} ya29.token")).assert_error(401, "invalid_token");
    assert_eq!(asked(&server), 2);
}

#[test]
fn a_verdict_is_not_remembered_beyond_its_expiry() {
    let server = server_with(&[("VALIDATION_CACHE_SECONDS", "3600")]);
    validate(&server).assert_status(200);
    server.advance(999);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 2);
    server.advance(1);
    assert_refused(&validate(&server));
    assert_eq!(asked(&server), 1);
}

#[test]
fn a_refusal_is_remembered_for_a_minute() {
    let server = server();
    server.providers.answer(CHECK, 400, &json!({}));
    assert_refused(&validate(&server));
    google(&server);
    server.advance(59);
    assert_refused(&validate(&server));
    assert_refused(&server.send(bearer_request("Bearer google-oauth2 ya29.token", "fresh=1", &[])));
    assert_eq!(asked(&server), 1);
    server.advance(1);
    validate(&server).assert_status(200);
}

#[test]
fn a_provider_or_a_database_that_is_down_is_503_and_not_remembered() {
    let server = server();
    for (what, status) in [(CHECK, Some(500)), (CHECK, None), (USER, Some(429)), (USER, None)] {
        google(&server);
        match status {
            Some(status) => server.providers.answer(what, status, &json!({})),
            None => server.providers.time_out(what),
        }
        let response = validate(&server);
        response.assert_error(503, "temporarily_unavailable");
        assert_eq!((&response.json()["active"], response.header("www-authenticate")), (&json!(false), None));
    }
    google(&server);
    validate(&server).assert_status(200);
    // The application, who it is, and the new user.
    for what in [|| Meddle::Refuse, || Meddle::LoseAnswer] {
        for call in 0..3 {
            let server = self::server();
            let isolate = Meddling::isolate(&server, call, what());
            google(&isolate);
            validate(&isolate).assert_error(503, "temporarily_unavailable");
            validate(&isolate).assert_status(200);
            assert_eq!(server.db.number("SELECT count(*) FROM users"), 1);
            assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 1);
        }
    }
}

#[test]
fn a_known_user_costs_one_round_trip_and_no_write() {
    let server = server();
    validate(&server).assert_status(200);
    let before = (server.db.round_trips.get(), server.db.rows_written.get());
    server.send(bearer_request("Bearer google-oauth2 ya29.token", "fresh=1", &[])).assert_status(200);
    assert_eq!((server.db.round_trips.get(), server.db.rows_written.get()), (before.0 + 1, before.1));
    validate(&server).assert_status(200);
    assert_eq!(server.db.round_trips.get(), before.0 + 1);
}

#[test]
fn who_is_disabled_or_deleted_is_refused_here_at_once_and_elsewhere_within_the_cache() {
    let act: [(&str, &str, Value); 2] =
        [("PATCH", "users/mona", json!({"is_active": false})), ("DELETE", "users/mona", Value::Null)];
    for (method, path, body) in act {
        let server = server();
        let elsewhere = isolate(&server);
        validate(&server).assert_status(200);
        validate(&elsewhere).assert_status(200);
        assert!(server.admin(method, path, body).status() < 300);
        // Whom nobody knows here would be a new user, as long as the provider vouches for them.
        if method == "DELETE" {
            server.providers.answer(CHECK, 400, &json!({}));
            elsewhere.providers.answer(CHECK, 400, &json!({}));
        }
        assert_refused(&validate(&server));
        validate(&elsewhere).assert_status(200);
        server.advance(10);
        assert_refused(&validate(&elsewhere));
    }
}

#[test]
fn who_is_disabled_is_refused_here_although_it_is_forgotten() {
    let server = server();
    validate(&server).assert_status(200);
    server.admin("PATCH", "users/mona", json!({"is_active": false})).assert_status(200);
    forget_ends(&server);
    assert_refused(&validate(&server));
}

#[test]
fn what_an_isolate_forgot_before_does_not_make_it_ask_again_and_again() {
    let server = server();
    forget_ends(&server);
    server.advance(1);
    validate(&server).assert_status(200);
    asked(&server);
    let before = server.db.round_trips.get();
    validate(&server).assert_status(200);
    assert_eq!((asked(&server), server.db.round_trips.get()), (0, before));
}

#[test]
fn who_is_logged_out_everywhere_is_asked_about_anew() {
    let server = server();
    validate(&server).assert_status(200);
    asked(&server);
    server.admin("POST", "users/mona/logout", Value::Null).assert_status(204);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 2);
    validate(&server).assert_status(200);
    assert_eq!(asked(&server), 0);
}

#[test]
fn the_default_application_must_be_there_and_active_and_registered_for_it() {
    let change = |change: Value| {
        let server = server();
        server.admin("PATCH", "applications/front", change).assert_status(200);
        server
    };
    let without = TestServer::with(SETTINGS);
    google(&without);
    for server in [
        without,
        change(json!({"is_active": false})),
        change(json!({"grant_types": ["refresh_token", "password"]})),
    ] {
        assert_refused(&validate(&server));
        assert_eq!(asked(&server), 0);
        let names_it = |line: &Value| line.to_string().contains("SOCIAL_DEFAULT_APPLICATION");
        assert!(server.log().iter().any(names_it), "{:?}", server.log());
    }
}

#[test]
fn an_application_that_is_disabled_elsewhere_is_seen_although_it_is_remembered() {
    let server = server();
    validate(&server).assert_status(200);
    let elsewhere = isolate(&server);
    elsewhere.admin("PATCH", "applications/front", json!({"is_active": false})).assert_status(200);
    assert_refused(&server.send(bearer_request("Bearer google-oauth2 ya29.token", "fresh=1", &[])));
    // And one that is not any more.
    let server = self::server();
    server.admin("PATCH", "applications/front", json!({"is_active": false})).assert_status(200);
    assert_refused(&validate(&server));
    let enabled = json!({"is_active": true});
    server.another_isolate().admin("PATCH", "applications/front", enabled).assert_status(200);
    send(&server, "Bearer google-oauth2 ya29.other").assert_status(200);
}

#[test]
fn who_has_the_address_unverified_here_is_refused() {
    let server = server();
    let alice = json!({"username": "alice", "password": PASSWORD, "email": "mona@p.example"});
    server.admin("POST", "users", alice).assert_status(201);
    assert_refused(&validate(&server));
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 0);
}

#[test]
fn who_has_it_verified_is_linked() {
    let server = server();
    let alice = json!({
        "username": "alice", "password": PASSWORD, "email": "mona@p.example", "email_verified": true,
    });
    server.admin("POST", "users", alice).assert_status(201);
    assert_eq!(validate(&server).json()["username"], "alice");
    assert_eq!(validate(&isolate(&server)).json()["username"], "alice");
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 1);
}

#[test]
fn of_many_at_once_one_makes_the_user() {
    let server = server();
    let isolates: Vec<TestServer> = (0..4).map(|_| isolate(&server)).collect();
    let requests = (0..20)
        .map(|n| (&isolates[n % 4], bearer_request("Bearer google-oauth2 ya29.token", "", &[])))
        .collect();
    let subjects: Vec<Value> = TestServer::send_everywhere(requests)
        .iter()
        .map(|response| response.assert_status(200).json()["sub"].clone())
        .collect();
    assert!(subjects.iter().all(|subject| *subject == subjects[0]));
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 1);
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 1);
}

#[test]
fn an_application_that_changes_in_between_is_read_anew() {
    let server = server();
    let narrow = || admin_request("PATCH", "applications/front", json!({"scope": "read"}));
    // Before it is known who it is, and before they are stored.
    for call in [1, 2] {
        server.db.execute("DELETE FROM users");
        let isolate =
            Meddling::isolate(&server, call, Meddle::After(vec![(server.another_isolate(), narrow())]));
        google(&isolate);
        let response = validate(&isolate);
        response.assert_status(200);
        assert_eq!(response.json()["scope"], "read");
        assert_eq!(asked(&isolate), 2);
        let wide = json!({"scope": "read write"});
        server.admin("PATCH", "applications/front", wide).assert_status(200);
    }
}

#[test]
fn an_address_with_too_many_refusals_is_not_listened_to() {
    let server = server_with(&[("ADDRESS_FAILURE_LIMIT", "3/900")]);
    let from = |address: &str, n: usize| {
        let header = format!("Bearer google-oauth2 ya29.guess-{n}");
        server.send(bearer_request(&header, "", &[("cf-connecting-ip", address)]))
    };
    server.providers.answer(CHECK, 400, &json!({}));
    for n in 0..3 {
        assert_refused(&from("192.0.2.1", n));
    }
    // What is refused from memory is no guess.
    assert_refused(&from("192.0.2.1", 0));
    let over = from("192.0.2.1", 3);
    over.assert_error(503, "temporarily_unavailable");
    assert_eq!(over.header("www-authenticate"), None);
    asked(&server);
    google(&server);
    from("192.0.2.1", 4).assert_error(503, "temporarily_unavailable");
    assert_eq!(asked(&server), 0);
    from("192.0.2.2", 4).assert_status(200);
}

struct Two(Rc<RefCell<Vec<String>>>);

#[async_trait(?Send)]
impl Limiter for Two {
    async fn allows(&self, key: &str) -> bool {
        self.0.borrow_mut().push(key.to_owned());
        self.0.borrow().iter().filter(|known| *known == key).count() <= 2
    }
}

#[test]
fn bursts_are_stopped_by_the_limiter_under_a_key_of_its_own() {
    let mut server = server();
    let keys = Rc::new(RefCell::new(Vec::new()));
    server.app.limiter = Some(Box::new(Two(keys.clone())));
    let server = server;
    let from = |headers: &[(&str, &str)], n: usize| {
        let header = format!("Bearer google-oauth2 ya29.{n}");
        server.send(bearer_request(&header, "", headers))
    };
    let address = [("cf-connecting-ip", "192.0.2.1")];
    for headers in [&address[..], &[]] {
        from(headers, 1).assert_status(200);
        from(headers, 2).assert_status(200);
        // These are remembered.
        from(headers, 1).assert_status(200);
        asked(&server);
        let response = from(headers, 3);
        response.assert_error(503, "temporarily_unavailable");
        assert_eq!(response.header("retry-after"), Some("60"));
        assert_eq!(asked(&server), 0);
        server.advance(10);
    }
    let expected = ["social_bearer:192.0.2.1"; 3].into_iter().chain(["social_bearer:"; 3]);
    assert_eq!(*keys.borrow(), expected.collect::<Vec<_>>());
}
