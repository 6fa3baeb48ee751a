//! The client credentials grant (RFC 6749 §4.4).

use serde_json::json;

use crate::support::{TestServer, form_request};

const FRESH: &str = "fresh=1";

#[test]
fn an_application_gets_an_access_token_for_itself_and_no_refresh_token() {
    // RFC 6749 §4.4.3
    let server = TestServer::new();
    let app = server.confidential_application();
    let response = app.client_credentials();
    let tokens = response.tokens();
    assert_eq!((tokens.expires_in, tokens.scope.as_str()), (36_000, "read write groups"));
    let names: Vec<String> = response.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "scope"]);
}

#[test]
fn its_token_is_nobodys_but_the_applications() {
    // RFC 9700 §4.15
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    for query in ["", FRESH] {
        let validated = server.validate_with(&token, query, &[]);
        validated.assert_status(200);
        assert_eq!(validated.json()["client_id"], app.client_id);
        assert!(validated.json().get("sub").is_none() && validated.json().get("username").is_none());
        assert!(
            validated.header("x-auth-subject").is_none() && validated.header("x-auth-username").is_none()
        );
        assert_eq!(validated.header("x-auth-client-id"), Some(app.client_id.as_str()));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
}

#[test]
fn an_application_must_be_registered_for_it() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    server.public_application().client_credentials().assert_error(400, "unauthorized_client");
    let app = server.application().grants(&["password", "refresh_token"]).create();
    app.client_credentials().assert_error(400, "unauthorized_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn the_client_id_alone_is_not_enough() {
    // RFC 6749 §4.4.2
    let server = TestServer::new();
    let mut app = server.confidential_application();
    app.client_secret = None;
    app.client_credentials().assert_error(401, "invalid_client");
    app.client_secret = Some(String::new());
    app.client_credentials().assert_error(401, "invalid_client");
    server
        .send(form_request("/o/token/", &[], &[("grant_type", "client_credentials")]))
        .assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn scope_is_what_was_asked_for_and_never_more_than_registered() {
    // RFC 6749 §3.3
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read write introspection").create();
    let ask = |scope| app.token(&[("grant_type", "client_credentials"), ("scope", scope)]);
    for (asked, granted) in [
        ("", "read write"),
        ("write", "write"),
        ("introspection", "introspection"),
        ("write  read write", "write read"),
    ] {
        assert_eq!(ask(asked).tokens().scope, granted);
    }
    for beyond in ["groups", "read groups", "openid", "nonsense", " ", "re\\ad"] {
        ask(beyond).assert_error(400, "invalid_scope");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 4);
}

#[test]
fn an_application_with_built_in_scopes_alone_has_to_ask() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("introspection").create();
    app.client_credentials().assert_error(400, "invalid_scope");
    app.token(&[("grant_type", "client_credentials"), ("scope", "introspection")]).tokens();
}

#[test]
fn the_settings_say_which_scopes_are_granted_unasked() {
    let server = TestServer::with(&[
        ("SCOPES", r#"{"read": "Read", "write": "Write", "erase": "Erase"}"#),
        ("DEFAULT_SCOPES", "read"),
    ]);
    let app = server.confidential_application();
    assert_eq!(app.client_credentials().tokens().scope, "read");
    let ask = |scope| app.token(&[("grant_type", "client_credentials"), ("scope", scope)]);
    assert_eq!(ask("erase read").tokens().scope, "erase read");
    ask("groups").assert_error(400, "invalid_scope");
}

#[test]
fn the_token_expires_to_the_second() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "90")]);
    let token = server.confidential_application().client_credentials().tokens().access_token;
    server.advance(89);
    server.validate(&token).assert_status(200);
    server.another_isolate().validate_with(&token, FRESH, &[]).assert_status(200);
    server.advance(1);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
    server.another_isolate().validate_with(&token, FRESH, &[]).assert_bearer_error(401, "invalid_token");
}

#[test]
fn kv_holds_its_record_as_long_as_it_lives() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "90")]);
    server.confidential_application().client_credentials().tokens();
    let entries = server.kv.entries();
    assert_eq!(entries.len(), 1);
    for (key, entry) in entries {
        assert!(key.starts_with("t:"), "{key}");
        assert_eq!(entry.expires_at, server.now() + 90);
    }
}

#[test]
fn each_issuance_clears_a_few_expired_ones_away() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "90")]);
    let app = server.confidential_application();
    for _ in 0..3 {
        app.client_credentials().tokens();
    }
    server.advance(89);
    app.client_credentials().tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 4);
    server.advance(1);
    app.client_credentials().tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 2);
}

#[test]
fn disabling_the_application_ends_its_tokens_for_good() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    let elsewhere = server.another_isolate();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    app.client_credentials().assert_error(401, "invalid_client");
    server.validate(&token).assert_bearer_error(401, "invalid_token");

    server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
    elsewhere.validate_with(&token, FRESH, &[]).assert_bearer_error(401, "invalid_token");
    let new = app.client_credentials().tokens().access_token;
    elsewhere.validate(&new).assert_status(200);
}

#[test]
fn another_isolate_notices_at_once_that_the_application_changed() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens();
    let path = format!("applications/{}", app.client_id);

    server.admin("PATCH", &path, json!({"scope": "read"})).assert_status(200);
    assert_eq!(app.at(&elsewhere).client_credentials().tokens().scope, "read");
    server.admin("PATCH", &path, json!({"grant_types": ["password"]})).assert_status(200);
    app.at(&elsewhere).client_credentials().assert_error(400, "unauthorized_client");
}

#[test]
fn another_isolate_notices_at_once_that_the_application_is_disabled() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    app.at(&elsewhere).client_credentials().assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn another_isolate_notices_at_once_that_the_application_is_gone() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens();
    server.admin("DELETE", &format!("applications/{}", app.client_id), json!(null)).assert_status(204);
    app.at(&elsewhere).client_credentials().assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn a_database_that_is_down_is_503_and_kv_is_not_needed() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.db.is_down.set(true);
    app.client_credentials().assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    app.client_credentials().tokens();
    server.db.is_down.set(true);
    app.client_credentials().assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);

    server.kv.is_down.set(true);
    let token = app.client_credentials().tokens().access_token;
    server.validate(&token).assert_status(200);
}

#[test]
fn with_a_remembered_application_it_takes_one_round_trip_and_one_write_to_kv() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    let (round_trips, writes) = (server.db.round_trips.get(), server.kv.writes.get());
    app.client_credentials().tokens();
    assert_eq!(server.db.round_trips.get() - round_trips, 1);
    assert_eq!(server.kv.writes.get() - writes, 1);
    assert_eq!(server.kv.reads.get(), 0);
}
