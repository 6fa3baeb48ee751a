//! Token revocation (RFC 7009).

use http::Method;
use postern::crypto::encoding::standard_base64;

use crate::support::{TestClient, TestServer, Tokens, form_request, request};

/// No token of the family is good any more, here and elsewhere.
#[track_caller]
fn assert_ended(server: &TestServer, app: &TestClient<'_>, tokens: &Tokens) {
    server.assert_dead(&tokens.access_token);
    for isolate in [server, &server.another_isolate()] {
        app.at(isolate).refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    }
}

#[test]
fn revoking_the_access_token_ends_the_family() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.assert_good(&tokens.access_token);
    let response = app.revoke(&tokens.access_token);
    response.assert_status(200);
    assert_eq!(response.text(), "");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_ended(&server, &app, &tokens);
}

#[test]
fn revoking_the_refresh_token_ends_the_family() {
    // RFC 7009 §2.1
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    app.revoke(tokens.refresh()).assert_status(200);
    assert_ended(&server, &app, &tokens);
}

#[test]
fn revoking_a_token_that_was_replaced_ends_the_family() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for by_refresh_token in [false, true] {
        let first = app.log_in("alice");
        let second = app.refresh(first.refresh()).tokens();
        let third = app.refresh(second.refresh()).tokens();
        let old = if by_refresh_token { first.refresh() } else { &first.access_token };
        app.revoke(old).assert_status(200);
        assert_ended(&server, &app, &third);
    }
}

#[test]
fn revoking_one_login_leaves_the_others() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let (one, other) = (app.log_in("alice"), app.log_in("alice"));
    app.revoke(one.refresh()).assert_status(200);
    assert_ended(&server, &app, &one);
    server.assert_good(&other.access_token);
}

#[test]
fn a_token_of_client_credentials_can_be_revoked() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    app.revoke(&token).assert_status(200);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn an_expired_token_can_be_revoked() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.advance(36_000);
    app.revoke(&tokens.access_token).assert_status(200);
    assert_ended(&server, &app, &tokens);
}

#[test]
fn an_unknown_token_is_no_error() {
    // RFC 7009 §2.2
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let swapped = tokens.access_token.replace("pst_at_", "pst_rt_");
    for unknown in ["x", "pst_at_", "pst_rt_x", &tokens.access_token[1..], &swapped] {
        app.revoke(unknown).assert_status(200);
    }
    server.assert_good(&tokens.access_token);
}

#[test]
fn a_token_tampered_by_one_byte_ends_nothing() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    for token in [&tokens.access_token, &tokens.refresh().to_owned()] {
        let mut tampered = token.clone();
        let at = token.len() - 1;
        tampered.replace_range(at.., if token.ends_with('A') { "B" } else { "A" });
        app.revoke(&tampered).assert_status(200);
    }
    server.assert_good(&tokens.access_token);
}

#[test]
fn a_hint_does_not_matter() {
    // RFC 7009 §2.1
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let tokens = app.log_in("alice");
        let form = [("token", tokens.refresh()), ("token_type_hint", hint)];
        app.post("/o/revoke_token/", &form).assert_status(200);
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn another_client_s_token_is_refused_and_stays_good() {
    // RFC 7009 §2.1
    let server = TestServer::new();
    let (app, other) = (server.public_application(), server.confidential_application());
    server.user("alice");
    let tokens = app.log_in("alice");
    other.revoke(&tokens.access_token).assert_error(400, "invalid_grant");
    other.revoke(tokens.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn a_client_that_has_not_proven_itself_ends_nothing() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let secret = app.client_secret.clone().unwrap();
    for secret in [None, Some(""), Some(&secret[1..])] {
        app.with_secret(secret).revoke(&tokens.access_token).assert_error(401, "invalid_client");
    }
    let form = [("token", tokens.access_token.as_str())];
    server.post_form("/o/revoke_token/", &form).assert_error(401, "invalid_client");
    server.assert_good(&tokens.access_token);
}

#[test]
fn a_client_may_authenticate_by_basic() {
    let server = TestServer::new();
    server.user("alice");
    for app in [server.confidential_application(), server.public_application()] {
        let tokens = app.log_in("alice");
        let pair = format!("{}:{}", app.client_id, app.client_secret.clone().unwrap_or_default());
        let header = format!("Basic {}", standard_base64(pair.as_bytes()));
        let form = [("token", tokens.refresh())];
        server
            .send(form_request("/o/revoke_token/", &[("authorization", &header)], &form))
            .assert_status(200);
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn revoking_again_is_no_error() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    for _ in 0..3 {
        app.revoke(&tokens.access_token).assert_status(200);
        app.revoke(tokens.refresh()).assert_status(200);
        server.advance(100);
    }
    assert_ended(&server, &app, &tokens);
}

#[test]
fn a_revoked_token_stays_revoked_when_its_row_is_gone() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    app.revoke(tokens.refresh()).assert_status(200);
    server.advance(36_000);
    server.admin("POST", "cleartokens", serde_json::Value::Null).assert_status(200);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    app.revoke(tokens.refresh()).assert_status(200);
    assert_ended(&server, &app, &tokens);
}

#[test]
fn the_mark_is_in_kv_before_the_answer() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    app.revoke(&tokens.access_token).assert_status(200);
    let elsewhere = server.another_isolate();
    elsewhere.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_record_that_comes_late_does_not_bring_the_token_back() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.kv.delays_late_writes.set(true);
    let tokens = app.log_in("alice");
    server.another_isolate().validate(&tokens.access_token).assert_status(200);
    app.revoke(&tokens.access_token).assert_status(200);
    server.kv.deliver();
    assert_ended(&server, &app, &tokens);
}

#[test]
fn a_mark_lives_as_long_as_the_longest_access_token_and_at_least_a_day() {
    for (lifetime, mark) in [("1000", 86_400), ("100000", 100_000)] {
        assert_mark_lives(lifetime, mark);
    }
}

fn assert_mark_lives(lifetime: &str, mark: i64) {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", lifetime)]);
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.kv.clear();
    server.advance(10);
    app.revoke(&tokens.access_token).assert_status(200);
    let expires: Vec<i64> = server.kv.entries().values().map(|entry| entry.expires_at).collect();
    assert_eq!(expires, [server.now() + mark]);
}

#[test]
fn where_kv_is_down_it_is_not_done_and_a_retry_puts_the_mark() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.kv.is_down.set(true);
    app.revoke(&tokens.access_token).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    // The database knows; only KV still shows the token as good.
    server.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
    server.another_isolate().validate(&tokens.access_token).assert_status(200);
    app.revoke(&tokens.access_token).assert_status(200);
    assert_ended(&server, &app, &tokens);
}

#[test]
fn where_the_database_is_down_it_is_not_done() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.db.is_down.set(true);
    app.revoke(&tokens.access_token).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    server.assert_good(&tokens.access_token);
}

#[test]
fn it_takes_one_round_trip_and_one_mark() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let before = (server.db.round_trips.get(), server.kv.writes.get());
    app.revoke(&tokens.access_token).assert_status(200);
    let after = (server.db.round_trips.get(), server.kv.writes.get());
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
}

#[test]
fn a_refresh_at_the_same_moment_leaves_nothing_good() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for revoke_first in [true, false] {
        let tokens = app.log_in("alice");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        let mut requests = vec![
            app.request("/o/token/", &refresh),
            app.request("/o/revoke_token/", &[("token", &tokens.access_token)]),
        ];
        if revoke_first {
            requests.reverse();
        }
        let mut responses = server.send_all(requests);
        if revoke_first {
            responses.reverse();
        }
        responses[1].assert_status(200);
        if responses[0].status() == 200 {
            assert_ended(&server, &app, &responses[0].tokens());
        }
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn a_missing_empty_or_repeated_token_is_an_invalid_request() {
    let server = TestServer::new();
    let app = server.public_application();
    app.post("/o/revoke_token/", &[]).assert_error(400, "invalid_request");
    app.revoke("").assert_error(400, "invalid_request");
    app.post("/o/revoke_token/", &[("token", "a"), ("token", "b")]).assert_error(400, "invalid_request");
}

#[test]
fn a_body_that_is_no_form_is_an_invalid_request() {
    let server = TestServer::new();
    let app = server.public_application();
    let body = serde_json::json!({"token": "x", "client_id": app.client_id}).to_string();
    for content_type in ["application/json", "text/plain"] {
        let headers = [("content-type", content_type)];
        server
            .send(request(Method::POST, "/o/revoke_token/", &headers, &body))
            .assert_error(400, "invalid_request");
    }
}

#[test]
fn tokens_do_not_belong_in_urls() {
    let server = TestServer::new();
    let response = server.get("/o/revoke_token/?token=x");
    response.assert_error(405, "invalid_request");
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
}
