//! Cross-origin requests: only origins that an application lists, and never with credentials.

use http::Method;
use postern::call::Request;
use serde_json::json;

use crate::support::{PASSWORD, TestResponse, TestServer, encode_form, form_request, request};

const ORIGIN: &str = "https://app.example";
const PATHS: [&str; 7] = [
    "/sign_up/",
    "/o/token/",
    "/o/revoke_token/",
    "/auth/token/",
    "/auth/revoke-token/",
    "/auth/invalidate-sessions/",
    "/auth/invalidate-refresh-tokens/",
];

fn preflight(server: &TestServer, path: &str, origin: &str) -> TestResponse {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    server.send(request(Method::OPTIONS, path, &headers, ""))
}

fn post(server: &TestServer, path: &str, origin: &str, form: &[(&str, &str)]) -> TestResponse {
    let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
    server.send(request(Method::POST, path, &headers, &encode_form(form)))
}

#[track_caller]
fn assert_allowed(response: &TestResponse, origin: &str) {
    assert_eq!(response.header("access-control-allow-origin"), Some(origin));
    assert_common(response);
}

#[track_caller]
fn assert_not_allowed(response: &TestResponse) {
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(response.header("access-control-allow-methods"), None);
    assert_common(response);
}

#[track_caller]
fn assert_common(response: &TestResponse) {
    assert_eq!(response.header("vary"), Some("Origin"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[test]
fn a_preflight_is_answered_for_an_origin_that_any_application_lists() {
    let server = TestServer::new();
    server.public_application();
    server.application().public().origins(&["https://other.example", ORIGIN]).create();
    for path in PATHS {
        for path in [path, path.trim_end_matches('/')] {
            let response = preflight(&server, path, ORIGIN);
            response.assert_status(204);
            assert_eq!(response.text(), "");
            assert_allowed(&response, ORIGIN);
            assert_eq!(response.header("access-control-allow-methods"), Some("POST, OPTIONS"));
            let headers = response.header("access-control-allow-headers").unwrap();
            assert!(headers.contains("content-type") && headers.contains("authorization"));
        }
    }
}

#[test]
fn a_preflight_from_an_unknown_origin_is_not_allowed() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN, "http://localhost:3000"]).create();
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://sub.app.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example/",
        "https://APP.example",
        "http://localhost:3001",
        "null",
        "*",
        "",
    ] {
        assert_not_allowed(&preflight(&server, "/o/token/", origin));
    }
}

#[test]
fn a_preflight_without_an_origin_names_the_methods() {
    let server = TestServer::new();
    let response = server.send(request(Method::OPTIONS, "/o/token/", &[], ""));
    response.assert_status(204);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    assert_not_allowed(&response);
}

#[test]
fn a_disabled_application_lists_nothing() {
    let server = TestServer::new();
    let app = server.application().public().origins(&[ORIGIN]).create();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    assert_not_allowed(&preflight(&server, "/o/token/", ORIGIN));
}

#[test]
fn the_answer_to_a_preflight_is_kept_for_10_seconds() {
    let server = TestServer::new();
    let app = server.application().public().origins(&[ORIGIN]).create();
    assert_allowed(&preflight(&server, "/o/token/", ORIGIN), ORIGIN);
    let asked = server.db.round_trips.get();
    for _ in 0..3 {
        preflight(&server, "/sign_up/", ORIGIN);
    }
    assert_eq!(server.db.round_trips.get(), asked);
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"allowed_origins": []})).assert_status(200);
    server.advance(9);
    assert_allowed(&preflight(&server, "/o/token/", ORIGIN), ORIGIN);
    server.advance(1);
    assert_not_allowed(&preflight(&server, "/o/token/", ORIGIN));
}

#[test]
fn that_an_origin_is_unknown_is_kept_too() {
    let server = TestServer::new();
    assert_not_allowed(&preflight(&server, "/o/token/", ORIGIN));
    let asked = server.db.round_trips.get();
    assert_not_allowed(&preflight(&server, "/o/token/", ORIGIN));
    assert_eq!(server.db.round_trips.get(), asked);
    server.application().public().origins(&[ORIGIN]).create();
    server.advance(10);
    assert_allowed(&preflight(&server, "/o/token/", ORIGIN), ORIGIN);
}

#[test]
fn an_answer_may_be_read_from_an_origin_of_the_request_s_own_application() {
    let server = TestServer::new();
    let app =
        server.application().public().grants(&["password", "refresh_token"]).origins(&[ORIGIN]).create();
    server.user("alice");
    let mut form = vec![
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
        ("client_id", &app.client_id),
    ];
    let response = post(&server, "/o/token/", ORIGIN, &form);
    assert_allowed(&response, ORIGIN);
    let token = response.tokens().access_token;
    form[2].1 = "wrong";
    let response = post(&server, "/o/token/", ORIGIN, &form);
    assert_allowed(response.assert_error(400, "invalid_grant"), ORIGIN);
    assert!(response.header("access-control-expose-headers").unwrap().contains("x-request-id"));
    let form = [("token", token.as_str()), ("client_id", &app.client_id)];
    assert_allowed(post(&server, "/o/revoke_token/", ORIGIN, &form).assert_status(200), ORIGIN);
}

#[test]
fn an_answer_may_not_be_read_from_another_application_s_origin() {
    let server = TestServer::new();
    let app = server.public_application();
    server.application().public().origins(&[ORIGIN]).create();
    server.user("alice");
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
        ("client_id", &app.client_id),
    ];
    assert_not_allowed(post(&server, "/o/token/", ORIGIN, &form).assert_status(200));
    let form = [("token", "x"), ("client_id", app.client_id.as_str())];
    assert_not_allowed(post(&server, "/o/revoke_token/", ORIGIN, &form).assert_status(200));
}

#[test]
fn where_no_application_is_known_any_application_s_origin_will_do() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN]).create();
    let form = [("grant_type", "password"), ("client_id", "nobody")];
    assert_allowed(post(&server, "/o/token/", ORIGIN, &form).assert_error(401, "invalid_client"), ORIGIN);
    assert_allowed(post(&server, "/o/token/", ORIGIN, &[]).assert_error(400, "invalid_request"), ORIGIN);
    let form = [("username", "alice"), ("password", PASSWORD)];
    assert_allowed(post(&server, "/sign_up/", ORIGIN, &form).assert_status(201), ORIGIN);
    assert_allowed(post(&server, "/sign_up/", ORIGIN, &form).assert_status(400), ORIGIN);
    assert_not_allowed(&post(&server, "/sign_up/", "https://evil.example", &form));
}

#[test]
fn a_wrong_method_may_be_read_too() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN]).create();
    let response = server.send(request(Method::GET, "/o/token/", &[("origin", ORIGIN)], ""));
    assert_allowed(response.assert_error(405, "invalid_request"), ORIGIN);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
}

#[test]
fn every_answer_varies_with_the_origin() {
    let server = TestServer::new();
    for path in PATHS {
        let response = server.post_form(path, &[]);
        assert_not_allowed(&response);
    }
}

#[test]
fn where_the_database_is_down_no_origin_is_allowed() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN]).create();
    server.db.is_down.set(true);
    assert_not_allowed(&preflight(&server, "/o/token/", ORIGIN));
    server.db.is_down.set(false);
    assert_allowed(&preflight(&server, "/o/token/", ORIGIN), ORIGIN);
}

#[test]
fn two_origins_are_none() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN]).create();
    let headers = [("origin", ORIGIN), ("origin", ORIGIN)];
    assert_not_allowed(&server.send(request(Method::OPTIONS, "/o/token/", &headers, "")));
}

#[test]
fn servers_talk_to_the_other_endpoints() {
    let server = TestServer::new();
    server.application().public().origins(&[ORIGIN]).create();
    for path in ["/o/introspect/", "/admin/api/users", "/admin/api/applications", "/"] {
        let response = preflight(&server, path, ORIGIN);
        response.assert_status(405);
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    let response = preflight(&server, "/validate/", ORIGIN);
    response.assert_status(401);
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn everybody_may_read_the_metadata() {
    let server = TestServer::new();
    let path = "/.well-known/oauth-authorization-server";
    let response = server.send(request(Method::GET, path, &[("origin", "https://evil.example")], ""));
    response.assert_status(200);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[test]
fn a_page_of_another_site_cannot_have_its_visitors_guess() {
    let server = TestServer::new();
    let app = server.application().public().grants(&["password"]).origins(&[ORIGIN]).create();
    server.user("alice");
    let by_page = |site: &str, origin: Option<&str>, mut request: Request| {
        let headers =
            [("cf-connecting-ip", Some("192.0.2.1")), ("sec-fetch-site", Some(site)), ("origin", origin)];
        for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        server.send(request)
    };
    let wrong = || {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", "not the password")];
        app.request("/o/token/", &form)
    };
    let signed = || {
        let (signature, now) = ("A".repeat(27), server.now());
        let path = format!(
            "/oauth/request_token/?oauth_consumer_key=x&oauth_signature_method=HMAC-SHA1&oauth_signature={signature}%3D&oauth_timestamp={now}&oauth_nonce=x&oauth_callback=oob"
        );
        request(Method::GET, &path, &[], "")
    };
    let sign_up = || form_request("/sign_up/", &[], &[("username", "bob"), ("password", PASSWORD)]);
    let operator = || request(Method::GET, "/admin/api/users", &[("authorization", "Bearer wrong")], "");
    let users = server.db.number("SELECT count(*) FROM users");
    for origin in [None, Some("null"), Some("https://evil.example")] {
        for request in [wrong(), signed(), sign_up(), operator()] {
            let path = request.uri().path().to_owned();
            assert_eq!(by_page("cross-site", origin, request).status(), 403, "{origin:?} {path}");
        }
    }
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 0);
    assert_eq!(server.db.number("SELECT count(*) FROM users"), users);
    for (site, origin) in
        [("cross-site", Some(ORIGIN)), ("same-site", Some("https://evil.example")), ("none", None)]
    {
        by_page(site, origin, wrong()).assert_error(400, "invalid_grant");
    }
    for (request, status) in [(signed(), 400), (sign_up(), 201), (operator(), 401)] {
        let response = by_page("none", None, request);
        assert_eq!(response.status(), status, "{}", response.text());
    }
    assert!(server.db.number("SELECT count(*) FROM attempts") > 0);
}
