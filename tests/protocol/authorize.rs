//! The authorization endpoint (RFC 6749 §3.1), seen from a browser.

use crate::support::{CALLBACK, Landing, TestServer};

#[test]
fn a_person_logs_in_allows_and_comes_back_with_a_code() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();

    let login = browser.open(&app.authorization().path());
    login.assert_status(200);
    assert!(login.text().contains("<h1>Log in</h1>"));
    let consent = browser.submit(&login, &[("username", "alice"), ("password", crate::support::PASSWORD)]);
    consent.assert_status(200);
    for said in ["<strong>alice</strong>", "app.example", "Read your data", "Change your data"] {
        assert!(consent.text().contains(said), "{said}: {}", consent.text());
    }
    assert!(!consent.text().contains("See your groups"));

    let landing = Landing::of(&browser.submit_once(&consent, &[("decision", "allow")]));
    assert_eq!(landing.uri, CALLBACK);
    assert_eq!((landing.get("state"), landing.get("iss")), ("the state", "http://localhost:8787"));
    let tokens = app.exchange(landing.get("code")).tokens();
    assert_eq!(tokens.scope, "read write");
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn a_repeated_parameter_goes_back_as_an_error_unless_it_is_what_leads_back() {
    let server = TestServer::new();
    let app = server.code_application();
    let browser = server.browser();
    let request = app.authorization();
    browser.authorize(&request.clone().and("scope", "read")).assert_error("invalid_request");
    for (name, value) in [("client_id", app.client_id.as_str()), ("redirect_uri", CALLBACK)] {
        browser.open(&request.clone().and(name, value).path()).assert_status(400);
    }
}

#[test]
fn a_login_begins_a_session_in_place_of_the_one_before() {
    let server = TestServer::new();
    server.user("alice");
    let browser = server.browser();
    let first = browser.log_in("alice").cookie("postern_session").unwrap();
    let second = browser.log_in("alice").cookie("postern_session").unwrap();
    assert_ne!(first, second);
    let app = server.code_application();
    let consent = |session: &str| {
        browser.set_cookie("postern_session", session);
        browser.open(&app.authorization().path()).text().contains("Read your data")
    };
    assert!(!consent(&first));
    assert!(consent(&second));
}

#[test]
fn what_was_agreed_to_is_remembered_even_where_nothing_is_issued() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let nothing = app.authorization().with("response_type", "none");
    browser.get(&nothing.path()).assert_status(200);
    let landing = browser.authorize(&nothing);
    assert_eq!(landing.params.optional("code"), None);
    assert_eq!(landing.get("state"), "the state");
    for response_type in ["none", "code"] {
        browser.get(&app.authorization().with("response_type", response_type).path()).assert_status(303);
    }
}

#[test]
fn redirect_uris_have_the_schemes_that_the_operator_allows() {
    let server = TestServer::new();
    let app = server.code_application();
    let strict = server.another_isolate_with(&[("ALLOWED_REDIRECT_URI_SCHEMES", "com.example.app")]);
    server.browser().open(&app.authorization().path()).assert_status(200);
    strict.browser().open(&app.authorization().path()).assert_status(400);
    let path = format!("applications/{}", app.client_id);
    // What is registered may stay, and nothing of the kind be added elsewhere.
    strict.admin("PATCH", &path, serde_json::json!({"client_name": "Notes"})).assert_status(200);
    let new = serde_json::json!({"client_type": "public", "redirect_uris": [CALLBACK]});
    strict.admin("POST", "applications", new).assert_fields(400, &["redirect_uris"]);
}
