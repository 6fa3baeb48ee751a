//! What an attacker tries: to make work, to widen what they have, to profit from what an isolate remembers.

use http::Method;
use postern::tokens::token::{AccessToken, RefreshToken};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, encode_form, request};

#[test]
fn an_origin_that_nobody_could_list_costs_nothing() {
    let server = TestServer::new();
    let before = server.db.round_trips.get();
    for origin in ["null", "https://a.example/path", &format!("https://{}.example", "a".repeat(300))] {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let response = server.send(request(Method::OPTIONS, "/o/token/", &headers, ""));
        response.assert_status(204);
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    assert_eq!(server.db.round_trips.get(), before);
}

#[test]
fn a_scope_longer_than_any_is_refused_at_once() {
    let server = TestServer::new();
    let app = server.public_application();
    let scope: String = (0..1000).map(|n| format!("s{n:03} ")).collect();
    let form = [("grant_type", "password"), ("username", "a"), ("password", "b"), ("scope", scope.as_str())];
    app.token(&form).assert_error(400, "invalid_scope");
    let query = encode_form(&[("scope", &scope)]);
    server.validate_with("x", &query, &[]).assert_bearer_error(400, "invalid_request");
}

#[test]
fn a_username_longer_than_any_is_not_looked_for() {
    let server = TestServer::new();
    let app = server.public_application();
    app.password("nobody", PASSWORD).assert_error(400, "invalid_grant");
    let before = server.db.round_trips.get();
    app.password(&"ﷺ".repeat(151), PASSWORD).assert_error(400, "invalid_grant");
    assert_eq!(server.db.round_trips.get(), before);
}

#[test]
fn who_can_write_to_kv_cannot_widen_a_token() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let (key, entry) =
        server.kv.entries().into_iter().find(|(key, _)| key.starts_with("t:")).expect("a record");
    for (from, to) in [("read write groups", "read write admin"), ("alice", "root"), ("180003", "990003")] {
        assert!(entry.value.contains(from), "{}", entry.value);
        server.kv.replace(&key, &entry.value.replace(from, to));
        let validated = server.another_isolate().validate(&token);
        assert_eq!(validated.assert_status(200).json()["scope"], "read write groups");
        assert_eq!(validated.json()["username"], "alice");
        assert_eq!(validated.json()["exp"], server.now() + 36_000);
    }
}

#[test]
fn one_token_s_record_is_no_other_s() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let revoked = app.log_in("alice").access_token;
    app.revoke(&revoked).assert_status(200);
    server.kv.clear();
    app.log_in("alice");
    let records = server.kv.entries();
    let record = records.iter().find(|(key, _)| key.starts_with("t:")).expect("a record").1;
    let digest = postern::model::family::TokenDigest::of(&revoked);
    server.kv.replace(&format!("t:{digest}"), &record.value);
    server.another_isolate().validate(&revoked).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_refresh_gives_no_more_than_the_application_may_still_have() {
    let server = TestServer::new();
    let scope = "read write introspection";
    let app = server.application().public().grants(&["password", "refresh_token"]).scope(scope).create();
    server.user("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("scope", scope)];
    let first = app.token(&form).tokens();
    assert_eq!(first.scope, scope);
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"scope": "read"})).assert_status(200);
    let second = app.refresh(first.refresh()).tokens();
    assert_eq!(second.scope, "read");
    app.refresh_for_scope(second.refresh(), "write").assert_error(400, "invalid_scope");
    assert_eq!(server.validate_with(&second.access_token, "fresh=1", &[]).json()["scope"], "read");
    server.admin("PATCH", &path, json!({"scope": scope})).assert_status(200);
    assert_eq!(app.refresh(second.refresh()).tokens().scope, scope);
}

#[test]
fn a_dead_refresh_token_makes_no_more_than_one_write() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    app.refresh(second.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    let before = server.kv.writes.get();
    for _ in 0..10 {
        app.refresh(first.refresh()).assert_error(400, "invalid_grant");
        app.revoke(first.refresh()).assert_status(200);
    }
    assert_eq!(server.kv.writes.get(), before);
}

#[test]
fn a_secret_that_was_rotated_out_does_not_tell_whether_a_password_is_right() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).log_in("alice");
    let path = format!("applications/{}/rotate-secret", app.client_id);
    server.admin("POST", &path, Value::Null).assert_status(200);
    for password in [PASSWORD, "wrong"] {
        app.at(&elsewhere).password("alice", password).assert_error(401, "invalid_client");
    }
}

#[test]
fn what_an_application_is_newly_allowed_is_allowed_at_once_everywhere() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read").create();
    server.user("alice");
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens();
    let patch = json!({"grant_types": ["client_credentials", "password"], "scope": "read write"});
    server.admin("PATCH", &format!("applications/{}", app.client_id), patch).assert_status(200);
    app.at(&elsewhere).password("alice", PASSWORD).tokens();

    let again = server.another_isolate();
    app.at(&again).client_credentials().tokens();
    let patch = json!({"scope": "read write groups"});
    server.admin("PATCH", &format!("applications/{}", app.client_id), patch).assert_status(200);
    app.at(&again).token(&[("grant_type", "client_credentials"), ("scope", "groups")]).tokens();
}

#[test]
fn a_revoked_bearer_token_introspects_nothing_any_more() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("introspection").create();
    let token =
        app.token(&[("grant_type", "client_credentials"), ("scope", "introspection")]).tokens().access_token;
    let elsewhere = server.another_isolate();
    let ask = |form: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        elsewhere.send(crate::support::form_request("/o/introspect/", &headers, form))
    };
    ask(&[("token", &token)]).assert_status(200);
    ask(&[("token", &token), ("client_secret", "x")]).assert_error(400, "invalid_request");
    app.revoke(&token).assert_status(200);
    ask(&[("token", &token)]).assert_bearer_error(401, "invalid_token");
}

#[test]
fn refreshing_does_not_make_an_isolate_forget_what_it_ended() {
    let server = TestServer::with(&[("VALIDATION_CACHE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let ended = app.log_in("alice");
    let records = server.kv.entries();
    app.revoke(&ended.access_token).assert_status(200);
    let mut tokens = app.log_in("alice");
    for _ in 0..10_001 {
        tokens = app.refresh(tokens.refresh()).tokens();
    }
    // KV as it was seen before the mark.
    server.kv.go_back_to(&records);
    server.validate(&ended.access_token).assert_bearer_error(401, "invalid_token");
}

/// What who holds `MASTER_KEY` and the database can make: a token with a good MAC for a family that there is.
fn forged(server: &TestServer, of: &str) -> (String, String) {
    let keys = &server.app.settings.keys;
    let holder = *AccessToken::parse(of, keys).expect("a token").holder();
    let access = AccessToken::mint(holder, [7; 32], keys.first());
    let refresh = RefreshToken::mint(holder, [7; 32], keys.first());
    (access.expose().to_owned(), refresh.expose().to_owned())
}

#[test]
fn the_master_key_and_the_database_together_forge_no_token() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let (access, refresh) = forged(&server, &tokens.access_token);
    for query in ["", "fresh=1"] {
        server.another_isolate().validate_with(&access, query, &[]).assert_bearer_error(401, "invalid_token");
    }
    server.validate(&tokens.access_token).assert_status(200);
    // It counts as reuse: no token is to be had, and the login is over.
    app.refresh(&refresh).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
}

#[test]
fn epochs_are_compared_for_equality() {
    // As after a restore of the database: an epoch may also have gone back.
    for (table, other) in [("users", 4), ("users", 6), ("applications", 4), ("applications", 6)] {
        let server = TestServer::new();
        server.db.execute("UPDATE users SET token_epoch = 5");
        let app = server.public_application();
        server.user("alice");
        server.db.execute("UPDATE users SET token_epoch = 5; UPDATE applications SET token_epoch = 5");
        let tokens = app.at(&server.another_isolate()).log_in("alice");
        server.validate_with(&tokens.access_token, "fresh=1", &[]).assert_status(200);
        server.db.execute(&format!("UPDATE {table} SET token_epoch = {other}"));
        let elsewhere = server.another_isolate();
        elsewhere
            .validate_with(&tokens.access_token, "fresh=1", &[])
            .assert_bearer_error(401, "invalid_token");
        app.at(&elsewhere).refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    }
}
