//! Programs on a person's device (RFC 8252).

use serde_json::json;

use crate::support::{Browser, Landing, TestClient, TestServer, VERIFIER};

fn logged_in(server: &TestServer) -> Browser<'_> {
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    browser
}

fn native<'a>(server: &'a TestServer, uri: &str) -> TestClient<'a> {
    server.application().public().redirect_uri(uri).create()
}

fn exchange(app: &TestClient, code: &str, uri: &str) -> crate::support::TestResponse {
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", uri)];
    app.token(&[&form[..], &[("code_verifier", VERIFIER)]].concat())
}

#[test]
fn the_port_of_a_loopback_address_is_free_until_the_code_is_made() {
    // RFC 8252 §7.3
    let server = TestServer::new();
    let browser = logged_in(&server);
    for (registered, asked, other) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:51005/cb"),
        ("http://127.0.0.1:3000/cb?x=1", "http://127.0.0.1:51004/cb?x=1", "http://127.0.0.1:3000/cb?x=1"),
        ("http://[::1]/cb", "http://[::1]:51004/cb", "http://[::1]/cb"),
        ("http://127.0.0.1", "http://127.0.0.1:51004", "http://127.0.0.1"),
    ] {
        let app = native(&server, registered);
        let request = app.authorization().with("redirect_uri", asked);
        let page = browser.get(&request.path());
        page.assert_status(200);
        let response = browser.submit_once(&page, &[("decision", "allow")]);
        assert!(response.header("location").unwrap().starts_with(asked));
        let code = Landing::of(&response).get("code").to_owned();
        exchange(&app, &code, other).assert_error(400, "invalid_grant");
        exchange(&app, &code, registered).assert_error(400, "invalid_grant");
        exchange(&app, &code, asked).tokens();
    }
}

#[test]
fn nothing_but_the_port_is_free_and_only_there() {
    let server = TestServer::new();
    for (registered, asked) in [
        ("http://127.0.0.1/cb", "http://127.0.0.2:4000/cb"),
        ("http://127.0.0.1/cb", "http://localhost:4000/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:4000/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:4000/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000/cb/../evil"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000/cb?x"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:-1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:\u{661}/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4000\\@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.1:4000/cb"),
        ("http://127.0.0.1/cb", "http://2130706433:4000/cb"),
        ("http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:4000/cb"),
        ("http://localhost/cb", "http://localhost:4000/cb"),
        ("https://app.example/cb", "https://app.example:4000/cb"),
        ("com.example.app:/cb", "com.example.app:4000/cb"),
    ] {
        let app = native(&server, registered);
        let page = server.browser().get(&app.authorization().with("redirect_uri", asked).path());
        page.assert_status(400);
        assert_eq!(page.header("location"), None, "{asked}");
    }
}

#[test]
fn a_public_application_on_the_device_is_always_asked_for() {
    // RFC 8252 §8.6
    let server = TestServer::new();
    let browser = logged_in(&server);
    for uri in
        ["com.example.app:/cb", "com.example.app://oauth/cb", "http://127.0.0.1/cb", "http://localhost/cb"]
    {
        let public = server.application().public().set("skip_authorization", json!(true)).redirect_uri(uri);
        for app in [native(&server, uri), public.create()] {
            let request = app.authorization().with("redirect_uri", uri);
            for _ in 0..2 {
                let page = browser.get(&request.path());
                page.assert_status(200);
                assert!(page.text().contains("Read your data"));
                let response = browser.submit_once(&page, &[("decision", "allow")]);
                exchange(&app, Landing::of(&response).get("code"), uri).tokens();
            }
            let silent = request.clone().with("prompt", "none").with("approval_prompt", "auto");
            Landing::of(&browser.get(&silent.path())).assert_error("consent_required");
        }
        // One with a secret proves itself by it.
        let confidential = server.application().redirect_uri(uri).create();
        let request = confidential.authorization().with("redirect_uri", uri);
        browser.code(&request);
        let code = Landing::of(&browser.get(&request.path())).get("code").to_owned();
        exchange(&confidential, &code, uri).tokens();
    }
}

#[test]
fn a_private_use_scheme_is_shown_and_allowed_by_the_pages_that_lead_there() {
    let server = TestServer::new();
    server.user("alice");
    let uri = "com.example.app:/cb";
    let app = native(&server, uri);
    let browser = server.browser();
    let login = browser.open(&app.authorization().with("redirect_uri", uri).path());
    let consent = browser.submit(&login, &[("username", "alice"), ("password", crate::support::PASSWORD)]);
    for page in [&login, &consent] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("form-action 'self' com.example.app: https:;"), "{policy}");
    }
    assert!(consent.text().contains("<strong>com.example.app</strong>"));
    let response = browser.submit_once(&consent, &[("decision", "allow")]);
    assert!(response.header("location").unwrap().starts_with("com.example.app:/cb?code="));
}
