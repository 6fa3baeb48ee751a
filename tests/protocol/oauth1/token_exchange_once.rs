//! An exchange happens once: a repetition within the grace is answered the identical pair, and reuse ends the login.

use crate::oauth1::token_exchange::{exchange, exchange_request, subject};
use crate::oauth1::{signed_in, signed_in_to};
use crate::support::oauth1::SigningClient;
use crate::support::{Meddle, Meddling, TestClient, TestServer};

fn rotations(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM families WHERE rotated_at IS NOT NULL")
}

#[test]
fn of_fifty_at_once_all_are_answered_the_identical_pair() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let isolates: Vec<TestServer> = (0..5).map(|_| server.another_isolate()).collect();
    app.at(&isolates[0]).client_credentials().tokens();
    let before = server.db.rows_written.get();
    let request = exchange_request(&app, &subject(&client), &[]);
    let all = (0..50).map(|n| (&isolates[n % 5], request.clone())).collect();
    let tokens: Vec<_> = TestServer::send_everywhere(all).iter().map(|answer| answer.tokens()).collect();
    assert!(tokens.iter().all(|pair| *pair == tokens[0]));
    assert_eq!((rotations(&server), server.db.rows_written.get() - before), (1, 1));
    server.assert_good(&tokens[0].access_token);
    app.refresh(tokens[0].refresh()).tokens();
}

#[test]
fn within_the_grace_a_repetition_is_answered_the_identical_pair() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let first = exchange(&app, &client, &[]).tokens();
    server.advance(59);
    let again = exchange(&app.at(&server.another_isolate()), &client, &[]).tokens();
    assert_eq!((&again.access_token, &again.refresh_token), (&first.access_token, &first.refresh_token));
    assert_eq!(again.expires_in, first.expires_in - 59);
    server.assert_good(&first.access_token);
}

#[test]
fn after_the_grace_a_repetition_ends_the_login() {
    // RFC 9700 §4.14.2
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let other = signed_in_to(&app, &server);
    let first = exchange(&app, &client, &[]).tokens();
    server.advance(60);
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
    server.assert_dead(&first.access_token);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    client.validate().assert_signed_error(401, "invalid_token");
    other.validate().assert_status(200);
}

#[test]
fn once_the_successor_was_used_a_repetition_ends_the_login() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let first = exchange(&app, &client, &[]).tokens();
    let second = app.refresh(first.refresh()).tokens();
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
    server.assert_dead(&second.access_token);
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn a_reuse_is_another_s_only_if_it_is_the_application_s() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let thief = crate::oauth1::mover(&server).create();
    let first = exchange(&app, &client, &[]).tokens();
    server.advance(60);
    exchange(&thief, &client, &[]).assert_error(400, "invalid_request");
    exchange(&app.with_secret(Some("wrong")), &client, &[]).assert_error(401, "invalid_client");
    server.assert_good(&first.access_token);
}

#[test]
fn where_refresh_tokens_are_not_rotated_an_exchange_happens_once_all_the_same() {
    let server = TestServer::with(&[("ROTATE_REFRESH_TOKEN", "false")]);
    let (app, client) = signed_in(&server);
    let first = exchange(&app, &client, &[]).tokens();
    assert_eq!(exchange(&app, &client, &[]).tokens(), first);
    let second = app.refresh(first.refresh()).tokens();
    assert_eq!(second.refresh_token, first.refresh_token);
    server.advance(60);
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
    server.assert_dead(&second.access_token);
}

fn assert_goes_on(server: &TestServer, app: &TestClient<'_>, client: &SigningClient<'_>) {
    let tokens = exchange(app, client, &[]).tokens();
    assert_eq!(exchange(&app.at(&server.another_isolate()), client, &[]).tokens(), tokens);
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
    assert_eq!(rotations(server), 1);
}

#[test]
fn each_call_that_fails_or_whose_answer_is_lost_is_503_and_a_retry_gets_the_pair() {
    // At an isolate that knows nothing: the application, the scope if one is asked for, the rotation.
    for scope in [&[][..], &[("scope", "read")]] {
        for call in 0..2 + scope.len() {
            for meddle in [Meddle::Refuse, Meddle::LoseAnswer] {
                let server = TestServer::new();
                let (app, client) = signed_in(&server);
                let isolate = Meddling::isolate(&server, call, meddle);
                let request = exchange_request(&app, &subject(&client), scope);
                let answer = isolate.send(request.clone());
                answer.assert_error(503, "temporarily_unavailable");
                server.advance(30);
                let tokens = isolate.send(request).tokens();
                assert_eq!(tokens.scope, if scope.is_empty() { "read write groups" } else { "read" });
                assert_goes_on(&server, &app, &client);
            }
        }
    }
}

#[test]
fn a_database_that_is_down_is_503_and_kv_does_not_matter() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    server.db.is_down.set(true);
    exchange(&app, &client, &[]).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    server.kv.is_down.set(true);
    exchange(&app, &client, &[]).tokens();
    server.kv.is_down.set(false);
    assert_goes_on(&server, &app, &client);
}

#[test]
fn reuse_that_kv_did_not_learn_of_is_503_and_a_retry_ends_the_login_everywhere() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let first = exchange(&app, &client, &[]).tokens();
    server.assert_good(&first.access_token);
    server.advance(60);
    server.kv.is_down.set(true);
    exchange(&app, &client, &[]).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
    server.assert_dead(&first.access_token);
}
