//! Refreshing while the database or KV does not answer: 503 or an answer, and a retry gets the right pair.

use crate::support::TestServer;

#[test]
fn a_database_that_is_down_is_503_and_a_retry_gets_a_pair() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.db.is_down.set(true);
    app.refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    app.refresh_for_scope(first.refresh(), "read").assert_error(503, "temporarily_unavailable");
    app.at(&server.another_isolate()).refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    let second = app.refresh(first.refresh()).tokens();
    app.refresh(second.refresh()).tokens();
}

#[test]
fn a_retry_after_a_lost_answer_of_the_database_gets_the_pair_that_it_stored() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.db.loses_answers.set(true);
    app.refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    server.db.loses_answers.set(false);
    server.advance(30);
    let second = app.refresh(first.refresh()).tokens();
    assert_eq!(second.expires_in, 35_970);
    server.assert_good(&second.access_token);
    assert_eq!(app.at(&server.another_isolate()).refresh(first.refresh()).tokens(), second);
    app.refresh(second.refresh()).tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn a_retry_after_kv_was_down_gets_the_pair_that_was_stored() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.kv.is_down.set(true);
    let without_kv = app.refresh(first.refresh());
    server.kv.is_down.set(false);
    let second = app.refresh(first.refresh()).tokens();
    if without_kv.status() == 200 {
        assert_eq!(without_kv.tokens(), second);
    } else {
        without_kv.assert_error(503, "temporarily_unavailable");
    }
    server.assert_good(&second.access_token);
    app.refresh(second.refresh()).tokens();
}

#[test]
fn a_replaced_access_token_ends_with_the_grace_even_if_kv_was_down() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.kv.is_down.set(true);
    app.refresh(first.refresh());
    server.kv.is_down.set(false);
    app.refresh(first.refresh()).tokens();
    server.advance(60);
    server.assert_dead(&first.access_token);
}

#[test]
fn a_replaced_access_token_ends_with_the_grace_even_if_the_databases_answer_was_lost() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.db.loses_answers.set(true);
    app.refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    server.db.loses_answers.set(false);
    app.refresh(first.refresh()).tokens();
    server.advance(60);
    server.assert_dead(&first.access_token);
}

#[test]
fn reuse_that_kv_did_not_learn_of_is_503_and_a_retry_ends_the_family_everywhere() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.assert_good(&second.access_token);
    server.advance(60);
    server.kv.is_down.set(true);
    app.refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
}

#[test]
fn reuse_while_the_database_is_down_is_503_and_a_retry_ends_the_family() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(60);
    server.db.is_down.set(true);
    app.refresh(first.refresh()).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
}
