//! Token introspection (RFC 7662): it asks D1, so it knows of everything at once.

use http::Method;
use postern::crypto::encoding::standard_base64;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestClient, TestResponse, TestServer, form_request, percent_encode, request};

/// An API that may ask about tokens.
fn api(server: &TestServer) -> TestClient<'_> {
    server.application().grants(&["client_credentials"]).create()
}

/// Asks with an `Authorization` header instead of credentials in the body.
fn ask_with(server: &TestServer, authorization: &str, token: &str) -> TestResponse {
    let headers = [("authorization", authorization)];
    server.send(form_request("/o/introspect/", &headers, &[("token", token)]))
}

fn basic(client: &TestClient<'_>, secret: &str) -> String {
    let pair = format!("{}:{}", percent_encode(&client.client_id), percent_encode(secret));
    format!("Basic {}", standard_base64(pair.as_bytes()))
}

fn secret<'a>(client: &'a TestClient<'_>) -> &'a str {
    client.client_secret.as_deref().expect("a secret")
}

/// A token with the scope `introspection`.
fn introspection_token(server: &TestServer) -> String {
    let app = server.application().grants(&["client_credentials"]).scope("introspection").create();
    let form = [("grant_type", "client_credentials"), ("scope", "introspection")];
    app.token(&form).tokens().access_token
}

#[track_caller]
fn assert_inactive(response: &TestResponse) {
    response.assert_status(200); // RFC 7662 §2.2: and nothing else, not even why
    assert_eq!(response.json(), json!({"active": false}));
}

#[test]
fn a_confidential_client_learns_of_an_access_token() {
    let server = TestServer::new();
    let (app, api) = (server.public_application(), api(&server));
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let response = api.introspect(&token);
    response.assert_status(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let user = server.admin("GET", "users/alice", Value::Null).json();
    let expected = json!({
        "active": true, "scope": "read write groups", "client_id": app.client_id, "token_type": "Bearer",
        "exp": server.now() + 36_000, "iat": server.now(), "username": "alice", "sub": user["id"],
    });
    assert_eq!(response.json(), expected);
    assert_eq!(response.json(), server.validate(&token).json());
}

#[test]
fn a_token_of_client_credentials_has_no_subject() {
    // RFC 9700 §4.15
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let body = api.introspect(&token).json();
    assert_eq!(body["active"], true);
    assert_eq!((body.get("sub"), body.get("username")), (None, None));
}

#[test]
fn a_client_may_authenticate_by_basic() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let response = ask_with(&server, &basic(&api, secret(&api)), &token);
    assert_eq!(response.assert_status(200).json()["active"], true);
}

#[test]
fn a_wrong_secret_is_refused() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let wrong = secret(&api).replace("pst_cs_", "pst_cs-");
    ask_with(&server, &basic(&api, &wrong), &token).assert_error(401, "invalid_client");
    for secret in [None, Some(""), Some(wrong.as_str())] {
        api.with_secret(secret).introspect(&token).assert_error(401, "invalid_client");
    }
}

#[test]
fn two_methods_of_authentication_at_once_are_an_invalid_request() {
    let server = TestServer::new();
    let api = api(&server);
    let header = basic(&api, secret(&api));
    let form = [("token", "x"), ("client_secret", secret(&api))];
    server
        .send(form_request("/o/introspect/", &[("authorization", &header)], &form))
        .assert_error(400, "invalid_request");
}

#[test]
fn nobody_in_particular_is_refused() {
    let server = TestServer::new();
    let token = api(&server).client_credentials().tokens().access_token;
    server.post_form("/o/introspect/", &[("token", &token)]).assert_error(401, "invalid_client");
}

#[test]
fn a_public_client_is_refused() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    for token in [tokens.access_token.as_str(), tokens.refresh(), "unknown"] {
        app.introspect(token).assert_error(401, "invalid_client");
        ask_with(&server, &basic(&app, ""), token).assert_error(401, "invalid_client");
    }
}

#[test]
fn a_disabled_client_is_refused() {
    let server = TestServer::new();
    let api = api(&server);
    let token = introspection_token(&server);
    api.introspect(&token).assert_status(200);
    let elsewhere = server.another_isolate();
    let path = format!("applications/{}", api.client_id);
    elsewhere.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    api.introspect(&token).assert_error(401, "invalid_client");
}

#[test]
fn a_bearer_token_with_the_scope_introspection_will_do() {
    let server = TestServer::new();
    let token = introspection_token(&server);
    let bearer = format!("Bearer {token}");
    let about = api(&server).client_credentials().tokens().access_token;
    assert_eq!(ask_with(&server, &bearer, &about).assert_status(200).json()["active"], true);
    assert_inactive(&ask_with(&server, &bearer, "unknown"));
}

#[test]
fn a_bearer_token_without_the_scope_is_refused() {
    let server = TestServer::new();
    let token = api(&server).client_credentials().tokens().access_token;
    let response = ask_with(&server, &format!("Bearer {token}"), &token);
    response.assert_bearer_error(403, "insufficient_scope");
    assert!(response.header("www-authenticate").unwrap().ends_with(r#", scope="introspection""#));
}

#[test]
fn a_bearer_token_that_is_not_good_is_refused() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "100")]);
    let token = introspection_token(&server);
    let bearer = format!("Bearer {token}");
    ask_with(&server, "Bearer x", &token).assert_bearer_error(401, "invalid_token");
    server.advance(100);
    ask_with(&server, &bearer, &token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_malformed_authorization_header_is_an_invalid_request() {
    let server = TestServer::new();
    for header in ["Bearer", "Bearer a b", "Basic !"] {
        ask_with(&server, header, "x").assert_error(400, "invalid_request");
    }
}

#[test]
fn a_missing_empty_or_repeated_token_is_an_invalid_request() {
    let server = TestServer::new();
    let api = api(&server);
    api.post("/o/introspect/", &[]).assert_error(400, "invalid_request");
    api.introspect("").assert_error(400, "invalid_request");
    api.post("/o/introspect/", &[("token", "a"), ("token", "a")]).assert_error(400, "invalid_request");
    let bearer = format!("Bearer {}", introspection_token(&server));
    ask_with(&server, &bearer, "").assert_error(400, "invalid_request");
}

#[test]
fn tokens_do_not_belong_in_urls() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let response = server.get(&format!("/o/introspect/?token={token}"));
    response.assert_error(405, "invalid_request");
    assert_eq!(response.header("allow"), Some("POST"));
    let mut in_url = api.request("/o/introspect/", &[]);
    *in_url.uri_mut() = format!("http://localhost:8787/o/introspect/?token={token}").parse().unwrap();
    server.send(in_url).assert_error(400, "invalid_request");
}

#[test]
fn a_body_that_is_no_form_is_an_invalid_request() {
    let server = TestServer::new();
    let headers = [("content-type", "application/json")];
    let body = json!({"token": "x", "client_id": "y"}).to_string();
    server
        .send(request(Method::POST, "/o/introspect/", &headers, &body))
        .assert_error(400, "invalid_request");
}

#[test]
fn an_unknown_token_is_inactive() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    for unknown in ["x", "pst_at_", &token[1..], &token.replace("pst_at_", "pst_rt_")] {
        assert_inactive(&api.introspect(unknown));
    }
    let mut tampered = token.clone();
    let other = if token.ends_with('A') { "B" } else { "A" };
    tampered.replace_range(token.len() - 1.., other);
    assert_inactive(&api.introspect(&tampered));
}

#[test]
fn a_hint_does_not_matter() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let form = [("token", token.as_str()), ("token_type_hint", hint)];
        assert_eq!(api.post("/o/introspect/", &form).assert_status(200).json()["active"], true);
    }
}

#[test]
fn a_refresh_token_is_active_for_its_own_application() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let refresh_token = app.log_in("alice").refresh_token.unwrap();
    let user = server.admin("GET", "users/alice", Value::Null).json();
    let expected = json!({
        "active": true, "scope": "read write groups", "client_id": app.client_id,
        "exp": server.now() + 2_592_000, "username": "alice", "sub": user["id"],
    });
    assert_eq!(app.introspect(&refresh_token).assert_status(200).json(), expected);
}

#[test]
fn a_refresh_token_is_inactive_for_everybody_else() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let refresh_token = app.log_in("alice").refresh_token.unwrap();
    assert_inactive(&api(&server).introspect(&refresh_token));
    let bearer = format!("Bearer {}", introspection_token(&server));
    assert_inactive(&ask_with(&server, &bearer, &refresh_token));
}

#[test]
fn a_refresh_token_that_was_replaced_is_inactive() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    assert_inactive(&app.introspect(first.refresh()));
    assert_eq!(app.introspect(second.refresh()).json()["active"], true);
}

#[test]
fn a_refresh_token_is_active_until_the_second_before_it_expires() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "50000")]);
    let app = server.confidential_application();
    server.user("alice");
    let refresh_token = app.log_in("alice").refresh_token.unwrap();
    server.advance(49_999);
    assert_eq!(app.introspect(&refresh_token).json()["active"], true);
    server.advance(1);
    assert_inactive(&app.introspect(&refresh_token));
}

#[test]
fn an_access_token_is_active_until_the_second_before_it_expires() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    server.advance(35_999);
    assert_eq!(api.introspect(&token).json()["active"], true);
    server.advance(1);
    assert_inactive(&api.introspect(&token));
}

#[test]
fn an_access_token_that_a_refresh_replaced_is_active_for_the_grace() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    let body = app.introspect(&first.access_token).json();
    assert_eq!((&body["active"], &body["exp"]), (&json!(true), &json!(server.now() + 60)));
    server.advance(60);
    assert_inactive(&app.introspect(&first.access_token));
}

#[test]
fn a_revoked_token_is_inactive_at_once_everywhere() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let elsewhere = server.another_isolate();
    let there = app.at(&elsewhere);
    assert_eq!(there.introspect(&tokens.access_token).json()["active"], true);
    app.revoke(&tokens.access_token).assert_status(200);
    server.kv.clear();
    for token in [tokens.access_token.as_str(), tokens.refresh()] {
        assert_inactive(&there.introspect(token));
        assert_inactive(&app.introspect(token));
    }
}

#[test]
fn tokens_of_a_disabled_or_logged_out_user_are_inactive() {
    let server = TestServer::new();
    let app = server.confidential_application();
    for (name, method, path, body) in [
        ("alice", "PATCH", "users/alice", json!({"is_active": false})),
        ("bob", "POST", "users/bob/logout", Value::Null),
        ("carol", "POST", "users/carol/set-password", json!({"password": "another password"})),
        ("dave", "DELETE", "users/dave", Value::Null),
    ] {
        server.user(name);
        let tokens = app.log_in(name);
        assert!(server.another_isolate().admin(method, path, body).0.status().is_success());
        assert_inactive(&app.introspect(&tokens.access_token));
        assert_inactive(&app.introspect(tokens.refresh()));
    }
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn tokens_of_a_disabled_or_deleted_application_are_inactive() {
    let server = TestServer::new();
    let api = api(&server);
    for (method, body) in [("PATCH", json!({"is_active": false})), ("DELETE", Value::Null)] {
        let app = server.confidential_application();
        let token = app.client_credentials().tokens().access_token;
        let path = format!("applications/{}", app.client_id);
        assert!(server.admin(method, &path, body).0.status().is_success());
        assert_inactive(&api.introspect(&token));
    }
}

#[test]
fn it_takes_one_round_trip() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let before = (server.db.round_trips.get(), server.kv.reads.get(), server.kv.writes.get());
    api.introspect(&token).assert_status(200);
    assert_eq!(server.db.round_trips.get() - before.0, 1);
    assert_eq!((server.kv.reads.get(), server.kv.writes.get()), (before.1, before.2));
}

#[test]
fn a_made_up_token_takes_none() {
    let server = TestServer::new();
    let api = api(&server);
    api.client_credentials().tokens();
    let before = server.db.round_trips.get();
    assert_inactive(&api.introspect("x"));
    assert_eq!(server.db.round_trips.get(), before);
}

#[test]
fn a_database_that_is_down_is_no_answer() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    server.db.is_down.set(true);
    api.introspect(&token).assert_error(503, "temporarily_unavailable");
    let bearer = format!("Bearer {token}");
    ask_with(&server.another_isolate(), &bearer, &token).assert_status(503);
}

#[test]
fn kv_that_is_down_does_not_matter() {
    let server = TestServer::new();
    let api = api(&server);
    let token = api.client_credentials().tokens().access_token;
    let bearer = format!("Bearer {}", introspection_token(&server));
    server.kv.is_down.set(true);
    assert_eq!(api.introspect(&token).json()["active"], true);
    assert_eq!(ask_with(&server, &bearer, &token).json()["active"], true);
}
