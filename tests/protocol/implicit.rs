//! The implicit grant (RFC 6749 §4.2), for applications that are registered for it.

use crate::support::{AuthorizationRequest, CALLBACK, Landing, TestClient, TestServer};

fn implicit_application(server: &TestServer) -> TestClient<'_> {
    server.application().public().grants(&["implicit", "refresh_token"]).redirect_uri(CALLBACK).create()
}

#[test]
fn a_token_comes_back_in_the_fragment() {
    // RFC 6749 §4.2.2
    let server = TestServer::new();
    server.user("alice");
    let app = implicit_application(&server);
    let browser = server.browser();
    browser.log_in("alice");
    let landing = browser.authorize(&AuthorizationRequest::for_token(&app.client_id));
    assert_eq!((landing.uri.as_str(), landing.is_fragment), (CALLBACK, true));
    assert_eq!((landing.get("token_type"), landing.get("expires_in")), ("Bearer", "36000"));
    assert_eq!((landing.get("scope"), landing.get("state")), ("read write", "the state"));
    assert_eq!(landing.get("iss"), "http://localhost:8787");
    server.assert_good(landing.get("access_token"));
    // RFC 6749 §4.2.2: never a refresh token.
    for absent in ["refresh_token", "code"] {
        assert_eq!(landing.params.optional(absent), None);
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families WHERE refresh_digest IS NOT NULL"), 0);
    // What was agreed to is remembered, and each token is a new one.
    let again = Landing::of(&browser.get(&AuthorizationRequest::for_token(&app.client_id).path()));
    assert_ne!(again.get("access_token"), landing.get("access_token"));
    app.revoke(landing.get("access_token")).assert_status(200);
    server.assert_dead(landing.get("access_token"));
    server.assert_good(again.get("access_token"));
}

#[test]
fn every_fault_comes_back_in_the_fragment() {
    // RFC 6749 §4.2.2.1
    let server = TestServer::new();
    server.user("alice");
    let app = implicit_application(&server);
    let request = AuthorizationRequest::for_token(&app.client_id);
    for (request, error) in [
        (request.clone().with("scope", "nonsense"), "invalid_scope"),
        (request.clone().with("response_mode", "query"), "invalid_request"),
        (request.clone().with("response_mode", "nonsense"), "invalid_request"),
        (request.clone().with("prompt", "none"), "login_required"),
        (request.clone().with("prompt", "nonsense"), "invalid_request"),
        (request.clone().with("max_age", "x"), "invalid_request"),
        (request.clone().with("request", "x"), "request_not_supported"),
        (request.clone().with("code_challenge", "short"), "invalid_request"),
    ] {
        let landing = Landing::of(&server.browser().get(&request.path()));
        landing.assert_error(error);
        assert!(landing.is_fragment, "{landing:?}");
    }
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.open(&request.path());
    let landing = Landing::of(&browser.submit_once(&page, &[("decision", "deny")]));
    landing.assert_error("access_denied");
    assert!(landing.is_fragment);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn an_application_for_tokens_gets_no_code() {
    let server = TestServer::new();
    let app = implicit_application(&server);
    let landing = Landing::of(&server.browser().get(&app.authorization().path()));
    landing.assert_error("unauthorized_client");
    assert!(!landing.is_fragment);
    app.exchange("a code").assert_error(400, "unauthorized_client");
}

#[test]
fn a_token_never_stands_in_a_query() {
    // RFC 9700 §4.3.2
    let server = TestServer::new();
    server.user("alice");
    let app = implicit_application(&server);
    let browser = server.browser();
    browser.log_in("alice");
    let request = AuthorizationRequest::for_token(&app.client_id);
    browser.authorize(&request);
    for mode in ["query", "QUERY", "fragment", "form_post", "query.jwt", ""] {
        let response = browser.get(&request.clone().with("response_mode", mode).path());
        let location = response.header("location").unwrap_or_default();
        let query = location.split('#').next().unwrap();
        assert!(!query.contains("access_token"), "{mode}: {location}");
    }
}
