//! The refresh token grant (RFC 6749 §6): what it takes, and what it answers.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestResponse, TestServer};

const FRESH: &str = "fresh=1";
const OTHER_MASTER_KEY: &str = "1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

#[test]
fn a_refresh_answers_a_new_pair() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(100);
    let response = app.refresh(first.refresh());
    let second = response.tokens();
    assert_ne!(second.access_token, first.access_token);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!((second.expires_in, second.scope.as_str()), (36_000, "read write groups"));
    let names: Vec<String> = response.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "refresh_token", "scope"]);
    server.assert_good(&second.access_token);
    assert_eq!(server.validate(&second.access_token).json()["username"], "alice");
    assert_eq!(server.validate(&second.access_token).json()["exp"], server.now() + 36_000);
}

#[test]
fn a_chain_can_go_on_and_stays_one_row() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let mut tokens = app.log_in("alice");
    for _ in 0..10 {
        server.advance(30);
        let next = app.refresh(tokens.refresh()).tokens();
        assert_ne!(next, tokens);
        tokens = next;
    }
    server.assert_good(&tokens.access_token);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn a_confidential_application_proves_itself_at_every_refresh() {
    // RFC 6749 §6
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let mut impostor = app.clone();
    for secret in [None, Some("wrong".to_owned())] {
        impostor.client_secret = secret;
        impostor.refresh(tokens.refresh()).assert_error(401, "invalid_client");
    }
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn refresh_token_is_required_once() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let grant = ("grant_type", "refresh_token");
    let token = ("refresh_token", tokens.refresh());
    for form in [&[grant][..], &[grant, ("refresh_token", "")], &[grant, token, token]] {
        let response = app.token(form);
        response.assert_error(400, "invalid_request");
        assert!(response.json()["error_description"].as_str().unwrap().contains("refresh_token"));
    }
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn an_application_must_be_registered_for_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let path = format!("applications/{}", app.client_id);
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).password("alice", "wrong").assert_error(400, "invalid_grant"); // it remembers the application

    server.admin("PATCH", &path, json!({"grant_types": ["password"]})).assert_status(200);
    app.refresh(tokens.refresh()).assert_error(400, "unauthorized_client");
    app.at(&elsewhere).refresh(tokens.refresh()).assert_error(400, "unauthorized_client");
    server.admin("PATCH", &path, json!({"grant_types": ["refresh_token"]})).assert_status(200);
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn it_may_be_narrowed_for_one_access_token() {
    // RFC 6749 §6
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh_for_scope(first.refresh(), "write read").tokens();
    assert_eq!(second.scope, "read write");
    for query in ["", FRESH] {
        let scope = server.validate_with(&second.access_token, query, &[]).json()["scope"].clone();
        assert_eq!(scope, "read write");
    }
    assert_eq!(server.validate_with(&second.access_token, "scope=groups", &[]).status(), 403);
}

#[test]
fn omitted_after_narrowing_it_is_what_was_granted() {
    // RFC 6749 §6
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh_for_scope(first.refresh(), "read").tokens();
    let third = app.refresh(second.refresh()).tokens();
    assert_eq!(third.scope, "read write groups");
    let fourth = app.refresh_for_scope(third.refresh(), "").tokens();
    assert_eq!(fourth.scope, "read write groups");
    assert_eq!(server.validate(&fourth.access_token).json()["scope"], "read write groups");
}

#[test]
fn it_is_never_widened() {
    // RFC 6749 §6
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let first = app.token(&[&form[..], &[("scope", "read write")]].concat()).tokens();
    for wider in ["read write groups", "groups", "admin", "introspection", "READ", " ", "re\"ad"] {
        app.refresh_for_scope(first.refresh(), wider).assert_error(400, "invalid_scope");
    }
    let second = app.refresh_for_scope(first.refresh(), "read").tokens();
    app.refresh_for_scope(second.refresh(), "read groups").assert_error(400, "invalid_scope");
    assert_eq!(app.refresh_for_scope(second.refresh(), "read write").tokens().scope, "read write");
}

#[test]
fn the_replaced_access_token_keeps_its_own() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh_for_scope(first.refresh(), "read").tokens();
    for query in ["", FRESH] {
        let scope = server.validate_with(&first.access_token, query, &[]).json()["scope"].clone();
        assert_eq!(scope, "read write groups");
    }
}

#[test]
fn a_repetition_is_answered_the_scope_of_the_pair() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh_for_scope(first.refresh(), "read").tokens();
    assert_eq!(app.refresh_for_scope(first.refresh(), "read").tokens(), second);
    assert_eq!(app.refresh(first.refresh()).tokens(), second);
    assert_eq!(app.refresh_for_scope(first.refresh(), "write").tokens(), second);
}

#[test]
fn asking_for_one_does_not_hide_reuse() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(60);
    app.refresh_for_scope(first.refresh(), "read").assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
}

#[test]
fn asking_for_too_much_does_not_hide_reuse_either() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(60);
    app.refresh_for_scope(first.refresh(), "read admin").assert_status(400);
    server.assert_dead(&second.access_token);
}

#[test]
fn another_applications_token_is_refused_and_does_no_harm() {
    // RFC 6749 §6
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(60);
    for other in [server.public_application(), server.confidential_application()] {
        for token in [&first, &second] {
            other.refresh(token.refresh()).assert_error(400, "invalid_grant");
            other.refresh_for_scope(token.refresh(), "read").assert_error(400, "invalid_grant");
        }
    }
    server.assert_good(&second.access_token);
    app.refresh(second.refresh()).tokens();
}

#[test]
fn the_operators_log_says_why_a_refresh_was_refused_and_the_answer_does_not() {
    let server = TestServer::new();
    let (app, other) = (server.public_application(), server.public_application());
    server.user("alice");
    let answer = app.refresh("x").text();
    let assert_refused = |response: &TestResponse, why: &str| {
        assert_eq!(response.assert_error(400, "invalid_grant").text(), answer);
        let reason = server.reason(response);
        assert!(reason.ends_with(&format!(": {why}")), "{reason}");
    };
    let [ended, replaced, old] = [(); 3].map(|()| app.log_in("alice"));
    assert_refused(&other.refresh(old.refresh()), "it was issued to another application");
    app.revoke(ended.refresh()).assert_status(200);
    assert_refused(&app.refresh(ended.refresh()), "the family has ended");
    app.refresh(app.refresh(replaced.refresh()).tokens().refresh()).tokens();
    assert_refused(&app.refresh(replaced.refresh()), "it was replaced before: its family has been ended");
    server.advance(2_592_000);
    assert_refused(&app.refresh(old.refresh()), "it has expired");
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    assert_refused(&app.refresh(old.refresh()), "the user has been logged out everywhere");
}

#[test]
fn a_token_of_the_same_client_id_before_it_was_deleted_is_refused() {
    let server = TestServer::new();
    let create = || {
        let app = server.application().public().grants(&["password", "refresh_token"]);
        app.set("client_id", json!("the-app")).create()
    };
    server.user("alice");
    let first = create().log_in("alice");
    server.admin("DELETE", "applications/the-app", Value::Null).assert_status(204);
    let again = create();
    again.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&first.access_token);
    again.log_in("alice");
}

#[test]
fn a_token_wrong_in_any_byte_is_refused_without_a_round_trip_and_does_no_harm() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let right = first.refresh();
    let round_trips = server.db.round_trips.get();
    for at in 0..right.len() {
        let mut wrong = right.to_owned();
        wrong.replace_range(at..=at, if &right[at..=at] == "x" { "y" } else { "x" });
        app.refresh(&wrong).assert_error(400, "invalid_grant");
    }
    for wrong in [&right[1..], &right[..right.len() - 1], &format!("{right}A"), &format!("{right}="), " "] {
        app.refresh(wrong).assert_error(400, "invalid_grant");
    }
    app.refresh_for_scope("pst_rt_made-up", "read").assert_error(400, "invalid_grant");
    assert_eq!(server.db.round_trips.get(), round_trips);
    app.refresh(right).tokens();
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (server, other) = (TestServer::new(), TestServer::with(&[("MASTER_KEY", OTHER_MASTER_KEY)]));
    let (app, other_app) = (server.public_application(), other.public_application());
    server.user("alice");
    other.user("alice");
    app.refresh(other_app.log_in("alice").refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn an_access_token_is_no_refresh_token_and_a_refresh_token_no_access_token() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    let as_refresh = tokens.access_token.replace("pst_at_", "pst_rt_");
    let as_access = tokens.refresh().replace("pst_rt_", "pst_at_");
    for wrong in [&tokens.access_token, &as_refresh] {
        app.refresh(wrong).assert_error(400, "invalid_grant");
    }
    for wrong in [tokens.refresh(), &as_access] {
        server.assert_dead(wrong);
    }
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

#[track_caller]
fn assert_cost(server: &TestServer, round_trips: u64, writes: u64, act: impl FnOnce()) {
    let before = (server.db.round_trips.get(), server.kv.writes.get(), server.kv.reads.get());
    act();
    assert_eq!(server.db.round_trips.get() - before.0, round_trips, "round trips");
    assert_eq!(server.kv.writes.get() - before.1, writes, "writes to KV");
    assert_eq!(server.kv.reads.get(), before.2, "reads of KV");
}

#[test]
fn a_refresh_takes_one_round_trip_and_one_write_to_kv() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let mut tokens = app.log_in("alice");
    for _ in 0..3 {
        assert_cost(&server, 1, 1, || tokens = app.refresh(tokens.refresh()).tokens());
    }
}

#[test]
fn a_refresh_after_the_access_token_expired_takes_one_round_trip_and_one_write_to_kv() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "5")]);
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.advance(6);
    assert_cost(&server, 1, 1, || {
        app.refresh(tokens.refresh()).tokens();
    });
}

#[test]
fn a_repetition_takes_one_round_trip() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    app.refresh(tokens.refresh()).tokens();
    let round_trips = server.db.round_trips.get();
    app.refresh(tokens.refresh()).tokens();
    assert_eq!(server.db.round_trips.get() - round_trips, 1);
}

#[test]
fn a_narrowed_scope_takes_one_more() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    assert_cost(&server, 2, 1, || {
        app.refresh_for_scope(tokens.refresh(), "read").tokens();
    });
}
