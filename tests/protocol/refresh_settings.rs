//! How long a refresh token lives, and whether it is rotated.

use serde_json::json;

use crate::support::{TestServer, Tokens};

fn live_families(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM families WHERE ended_at IS NULL")
}

const NOT_ROTATING: (&str, &str) = ("ROTATE_REFRESH_TOKEN", "false");

#[test]
fn a_confidential_application_may_keep_its_refresh_token() {
    let server = TestServer::with(&[NOT_ROTATING]);
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let mut access_tokens = vec![first.access_token.clone()];
    for _ in 0..3 {
        server.advance(60);
        let tokens = app.refresh(first.refresh()).tokens();
        assert_eq!(tokens.refresh_token, first.refresh_token);
        assert!(!access_tokens.contains(&tokens.access_token));
        server.assert_good(&tokens.access_token);
        access_tokens.push(tokens.access_token);
    }
    assert_eq!(live_families(&server), 1);
}

#[test]
fn where_it_is_kept_a_repetition_within_the_grace_is_answered_the_same() {
    let server = TestServer::with(&[NOT_ROTATING]);
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let responses = server.send_all((0..20).map(|_| app.refresh_request(first.refresh())).collect());
    let second = responses[0].tokens();
    assert!(responses.iter().all(|response| response.tokens() == second));
    server.advance(59);
    assert_eq!(app.refresh(first.refresh()).tokens(), Tokens { expires_in: 35_941, ..second.clone() });
    server.advance(1);
    assert_ne!(app.refresh(first.refresh()).tokens().access_token, second.access_token);
}

#[test]
fn where_it_is_kept_it_expires_counted_from_the_last_refresh() {
    let server = TestServer::with(&[NOT_ROTATING, ("REFRESH_TOKEN_EXPIRE_SECONDS", "1000")]);
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(999);
    app.refresh(first.refresh()).tokens();
    server.advance(999);
    app.refresh(first.refresh()).tokens();
    server.advance(1000);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn a_public_applications_refresh_token_is_always_rotated() {
    // RFC 9700 §4.14.2
    let server = TestServer::with(&[NOT_ROTATING]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(app.refresh(first.refresh()).tokens(), second);
    server.advance(60);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
}

#[test]
fn turning_rotation_off_refuses_nobody_who_was_just_rotated() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    let deployed = server.another_isolate_with(&[NOT_ROTATING]);
    assert_eq!(app.at(&deployed).refresh(second.refresh()).tokens().refresh_token, second.refresh_token);
}

#[test]
fn turning_rotation_on_rotates_what_was_kept() {
    let server = TestServer::with(&[NOT_ROTATING]);
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    let deployed = server.another_isolate_with(&[("ROTATE_REFRESH_TOKEN", "true")]);
    let third = app.at(&deployed).refresh(first.refresh()).tokens();
    assert_ne!(third.refresh_token, first.refresh_token);
    assert_eq!(app.at(&deployed).refresh(first.refresh()).tokens(), third);
    app.at(&deployed).refresh(third.refresh()).tokens();
}

#[test]
fn it_expires_to_the_second_counted_from_the_last_refresh() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "1000")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(999);
    let second = app.refresh(first.refresh()).tokens();
    server.advance(999);
    let third = app.refresh(second.refresh()).tokens();
    server.advance(1000);
    app.refresh(third.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn one_that_was_never_used_expires_to_the_second() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "1000")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(1000);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&first.access_token);
}

#[test]
fn a_row_is_kept_while_its_access_token_is_good_and_cleared_away_after() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "1000")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(35_999);
    app.log_in("alice");
    server.assert_good(&first.access_token);
    server.advance(1);
    app.log_in("alice");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 2);
}

#[test]
fn a_repetition_does_not_put_the_expiry_off() {
    let server = TestServer::with(&[
        ("REFRESH_TOKEN_EXPIRE_SECONDS", "1000"),
        ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "600"),
    ]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    server.advance(500);
    let second = app.refresh(first.refresh()).tokens();
    server.advance(500);
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn with_zero_it_never_expires_and_is_never_cleared_away() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let mut tokens = app.log_in("alice");
    for _ in 0..2 {
        server.advance(10 * 365 * 86_400);
        app.log_in("alice");
        server.admin("POST", "cleartokens", json!({})).assert_status(200);
        tokens = app.refresh(tokens.refresh()).tokens();
    }
}
