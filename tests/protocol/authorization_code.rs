//! The authorization code at the token endpoint (RFC 6749 §4.1.3).

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Browser, CALLBACK, TestClient, TestResponse, TestServer, VERIFIER, encode_form, form_request, request,
};

fn logged_in(server: &TestServer) -> Browser<'_> {
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    browser
}

/// A good token request for a code, with these parameters instead, or left out where they are `-`.
fn exchange_with(app: &TestClient, code: &str, changed: &[(&str, &str)]) -> TestResponse {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changed {
        form.retain(|(known, _)| known != name);
        if *value != "-" {
            form.push((name, value));
        }
    }
    app.token(&form)
}

#[test]
fn every_fault_is_refused_and_does_not_use_the_code_up() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let long = "x".repeat(5000);
    for (changed, error) in [
        ([("code", "-")], "invalid_request"),
        ([("code", "")], "invalid_request"),
        ([("code", "x")], "invalid_grant"),
        ([("code", long.as_str())], "invalid_grant"),
        ([("code", "\u{e9}\u{202e}")], "invalid_grant"),
        ([("grant_type", "-")], "invalid_request"),
        ([("grant_type", "")], "invalid_request"),
        ([("grant_type", "code")], "unsupported_grant_type"),
        ([("grant_type", "implicit")], "unsupported_grant_type"),
        ([("grant_type", "refresh_token")], "invalid_request"),
        ([("redirect_uri", "-")], "invalid_grant"),
        ([("redirect_uri", "")], "invalid_grant"),
        ([("redirect_uri", "https://app.example/cb/")], "invalid_grant"),
        ([("redirect_uri", "https://app.example/CB")], "invalid_grant"),
        ([("redirect_uri", "https://evil.example/cb")], "invalid_grant"),
        ([("code_verifier", "-")], "invalid_grant"),
        ([("code_verifier", "")], "invalid_grant"),
        ([("code_verifier", "x")], "invalid_grant"),
    ] {
        let response = exchange_with(&app, &code, &changed);
        response.assert_error(400, error);
    }
    for name in ["code", "grant_type", "redirect_uri", "code_verifier", "client_id"] {
        let value = match name {
            "code" => &code,
            "grant_type" => "authorization_code",
            "redirect_uri" => CALLBACK,
            "code_verifier" => VERIFIER,
            _ => &app.client_id,
        };
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            (name, value),
        ];
        app.token(&form).assert_error(400, "invalid_request");
    }
    app.exchange(&code).tokens();
}

#[test]
fn the_operators_log_says_why_a_code_was_refused_and_the_answer_does_not() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let (app, other) = (server.code_application(), server.code_application());
    let code = browser.code(&app.authorization());
    let answer = exchange_with(&app, "x", &[]).text();
    let assert_refused = |response: &TestResponse, why: &str| {
        assert_eq!(response.assert_error(400, "invalid_grant").text(), answer);
        let reason = server.reason(response);
        assert!(reason.ends_with(&format!(": {why}")), "{reason}");
    };
    assert_refused(&exchange_with(&other, &code, &[]), "it was issued to another application");
    for (name, value, why) in [
        ("redirect_uri", "-", "redirect_uri is missing"),
        ("redirect_uri", "https://app.example/cb/", "redirect_uri is another one"),
        ("code_verifier", "-", "code_verifier is missing"),
        ("code_verifier", "x", "code_verifier is not that of code_challenge"),
    ] {
        assert_refused(&exchange_with(&app, &code, &[(name, value)]), why);
    }
    app.exchange(&code).tokens();
    assert_refused(&app.exchange(&code), "it was used before: its family has been ended");
    let code = browser.code(&app.authorization());
    server.advance(60);
    assert_refused(&app.exchange(&code), "it has expired");
}

#[test]
fn a_code_is_whole_or_nothing() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    for at in 0..code.len() {
        let mut tampered = code.as_bytes().to_vec();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        app.exchange(std::str::from_utf8(&tampered).unwrap()).assert_error(400, "invalid_grant");
        app.exchange(&code[..at]).assert_status(400);
    }
    for other in [format!("{code}A"), format!(" {code}"), format!("{code}\n"), code.to_uppercase()] {
        app.exchange(&other).assert_error(400, "invalid_grant");
    }
    let tokens = app.exchange(&code).tokens();
    // One thing is not taken for another.
    for other in [&tokens.access_token, tokens.refresh()] {
        app.exchange(other).assert_error(400, "invalid_grant");
    }
    let another = browser.code(&app.authorization());
    app.refresh(&another).assert_error(400, "invalid_grant");
    server.validate(&another).assert_bearer_error(401, "invalid_token");
    server.validate(&another.replace("pst_ac_", "pst_at_")).assert_bearer_error(401, "invalid_token");
    app.exchange(&another).tokens();
}

#[test]
fn a_code_is_good_until_the_second_in_which_it_expires() {
    // RFC 6749 §4.1.2
    for (setting, lifetime) in [("60", 60), ("600", 600)] {
        let server = TestServer::with(&[("AUTHORIZATION_CODE_EXPIRE_SECONDS", setting)]);
        let browser = logged_in(&server);
        let app = server.code_application();
        let (first, second) = (browser.code(&app.authorization()), browser.code(&app.authorization()));
        server.advance(lifetime - 1);
        app.exchange(&first).tokens();
        server.advance(1);
        app.exchange(&second).assert_error(400, "invalid_grant");
        app.at(&server.another_isolate()).exchange(&second).assert_error(400, "invalid_grant");
        assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
    }
}

#[test]
fn a_code_is_for_the_application_that_asked_and_for_it_as_it_is_now() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.application().redirect_uri(CALLBACK).create();
    let path = format!("applications/{}", app.client_id);
    let other = server.code_application();
    let code = browser.code(&app.authorization());
    other.exchange(&code).assert_error(400, "invalid_grant");
    app.with_secret(None).exchange(&code).assert_error(401, "invalid_client");
    app.with_secret(Some("a wrong secret that is long enough"))
        .exchange(&code)
        .assert_error(401, "invalid_client");
    let form =
        encode_form(&[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)]);
    let nobody =
        request(Method::POST, "/o/token/", &[("content-type", "application/x-www-form-urlencoded")], &form);
    server.send(nobody).assert_error(401, "invalid_client");
    for (change, status, error) in [
        (json!({"is_active": false}), 401, "invalid_client"),
        (json!({"is_active": true, "grant_types": ["refresh_token"]}), 400, "unauthorized_client"),
    ] {
        server.admin("PATCH", &path, change).assert_status(200);
        app.exchange(&code).assert_error(status, error);
        app.at(&server.another_isolate()).exchange(&code).assert_error(status, error);
    }
    let grants = json!({"grant_types": ["authorization_code"]});
    server.admin("PATCH", &path, grants).assert_status(200);
    // Not registered for refreshing, it gets nothing to refresh with.
    assert_eq!(app.exchange(&code).tokens().refresh_token, None);
}

#[test]
fn a_code_stands_and_falls_with_its_person() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let request = app.authorization();
    let disable = json!({"is_active": false});
    let code = browser.code(&request);
    server.admin("PATCH", "users/alice", disable).assert_status(200);
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.admin("PATCH", "users/alice", json!({"is_active": true})).assert_status(200);

    browser.log_in("alice");
    let code = browser.code(&request);
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    app.exchange(&code).assert_error(400, "invalid_grant");

    browser.log_in("alice");
    let code = browser.code(&request);
    let password = json!({"password": "another password of alice"});
    server.admin("POST", "users/alice/set-password", password).assert_status(204);
    app.exchange(&code).assert_error(400, "invalid_grant");

    let login = browser.get("/accounts/login/");
    let typed = [("username", "alice"), ("password", "another password of alice")];
    browser.submit_once(&login, &typed).assert_status(303);
    let code = browser.code(&request);
    server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    app.exchange(&code).assert_error(400, "invalid_grant");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn parameters_belong_in_the_body() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &app.client_id),
    ];
    let path = format!("/o/token/?{}", encode_form(&form));
    server.send(form_request(&path, &[], &[])).assert_error(400, "invalid_request");
    server.send(form_request("/o/token/?x", &[], &form)).assert_error(400, "invalid_request");
    server.get(&path).assert_status(405);
    let json = [("content-type", "application/json")];
    let body = json!({"grant_type": "authorization_code", "code": code}).to_string();
    server.send(request(Method::POST, "/o/token/", &json, &body)).assert_error(400, "invalid_request");
    server.send(form_request("/o/token/", &[], &form)).tokens();
}

#[test]
fn a_code_used_twice_ends_what_it_issued() {
    // RFC 6749 §4.1.2
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let code = server.browser().log_in("alice").code(&app.authorization());

    let tokens = app.exchange(&code).tokens();
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn a_second_use_ends_what_came_of_it_by_then_as_long_as_the_first_access_token_would_live() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let (code, later) = (browser.code(&app.authorization()), browser.code(&app.authorization()));
    let (first, of_later) = (app.exchange(&code).tokens(), app.exchange(&later).tokens());
    server.advance(3600);
    let second = app.refresh(first.refresh()).tokens();
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
    // Other logins of theirs go on.
    server.assert_good(&of_later.access_token);
    server.advance(36_000 - 3600 - 1);
    // Clearing away keeps what is still needed.
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    app.exchange(&later).assert_error(400, "invalid_grant");
    app.refresh(of_later.refresh()).assert_error(400, "invalid_grant");
    let events = "SELECT count(*) FROM audit_events WHERE action = 'authorization_code_reused'";
    assert_eq!(server.db.number(events), 2);
}

#[test]
fn of_a_hundred_exchanges_at_once_one_is_answered_and_its_tokens_end() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let code = server.browser().log_in("alice").code(&app.authorization());

    let responses = server.send_all((0..100).map(|_| app.exchange_request(&code)).collect());
    let (good, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status() == 200);
    assert_eq!((good.len(), refused.len()), (1, 99));
    for response in refused {
        response.assert_error(400, "invalid_grant");
    }
    server.assert_dead(&good[0].tokens().access_token);
}

#[test]
fn no_code_stands_in_the_log_or_in_the_database() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let session = browser.cookie("postern_session").unwrap();
    app.exchange(&format!("{code}x"));
    exchange_with(&app, &code, &[("code_verifier", "x")]);
    app.exchange(&code).tokens();
    app.exchange(&code).assert_error(400, "invalid_grant");
    browser.get(&format!("/o/authorize/?client_id={code}")).assert_status(400);
    browser.get(&format!("/o/authorize/{code}")).assert_status(404);
    let places = [server.db.dump(), json!(server.log()).to_string(), stored_in_kv(&server)];
    for secret in [&code[code.len() - 30..], &session[session.len() - 30..], VERIFIER] {
        assert!(places.iter().all(|place| !place.contains(secret)), "{secret}");
    }
}

fn stored_in_kv(server: &TestServer) -> String {
    server.kv.entries().into_iter().map(|(key, entry)| format!("{key} {}\n", entry.value)).collect()
}
