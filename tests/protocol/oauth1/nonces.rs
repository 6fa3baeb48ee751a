//! A signed request is good once (RFC 5849 §3.3), at all isolates together; and what is kept for that does not grow.

use serde_json::Value;

use crate::oauth1::client;
use crate::oauth1::request_token::{request, with_header};
use crate::support::oauth1::{Place, Unsigned};
use crate::support::{Meddle, Meddling, TestResponse, TestServer};

#[track_caller]
fn assert_used(answer: &TestResponse) {
    answer.assert_oauth1_error(401, "Could not verify OAuth request.");
}

fn count(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM oauth1_nonces")
}

#[test]
fn a_nonce_is_one_of_its_application_token_and_timestamp() {
    // RFC 5849 §3.3
    let server = TestServer::new();
    let (one, other) = (client(&server), client(&server));
    let now = server.now();
    let signed = |unsigned: Unsigned, timestamp: i64, nonce: &str| {
        unsigned.oauth("oauth_timestamp", &timestamp.to_string()).oauth("oauth_nonce", nonce).sign()
    };
    server.send(signed(request(&one), now, "n")).credentials();
    for _ in 0..2 {
        assert_used(&server.send(signed(request(&one), now, "n")));
    }
    // Whatever else it asks for, wherever it stands, and wherever it goes.
    assert_used(&server.send(signed(request(&one).form("scope", "read"), now, "n")));
    assert_used(&server.send(signed(request(&one).at(Place::Query), now, "n")));
    assert_used(&server.send(signed(request(&one.with_method("HMAC-SHA256")), now, "n")));
    let validated = one.unsigned("GET", "https://api.example/").oauth("oauth_nonce", "n");
    server.send(validated.forwarded("")).assert_signed_error(401, "invalid_token");
    server.send(signed(request(&one), now + 1, "n")).credentials();
    server.send(signed(request(&one), now - 1, "n")).credentials();
    server.send(signed(request(&one), now, "N")).credentials();
    server.send(signed(request(&one), now, "n ")).credentials();
    server.send(signed(request(&one), now, "\u{fc}")).credentials();
    server.send(signed(request(&one), now, "u\u{308}")).credentials();
    server.send(signed(request(&other), now, "n")).credentials();
    // Request tokens: those of one do not use up those of another.
    server.user("alice");
    let tokens = [one.request_token("oob").credentials(), one.request_token("oob").credentials()];
    for token in &tokens {
        let verifier = one.approve(token, "alice");
        let client = one.with_token(token);
        let unsigned = client.unsigned("POST", "/oauth/access_token/").oauth("oauth_verifier", &verifier);
        server.send(signed(unsigned, now, "n")).credentials();
    }
    // Nor does an empty token make another of none.
    server.send(signed(request(&one), now, "e")).credentials();
    assert_used(&server.send(signed(request(&one).oauth("oauth_token", ""), now, "e")));
    server.send(signed(request(&one), now, &"x".repeat(255))).credentials();
    for bad in [&"x".repeat(256), "\n", "a\tb"] {
        let answer = server.send(signed(request(&one), now, bad));
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
}

#[test]
fn a_nonce_in_another_spelling_is_the_same() {
    let server = TestServer::new();
    let elsewhere = server.another_isolate();
    let client = client(&server);
    let plain = || request(&client).oauth("oauth_nonce", "abc").sign();
    let spelt = |spelling: &'static str| {
        with_header(plain(), move |header| header.replace("\"abc\"", &format!("\"{spelling}\"")))
    };
    // First the odd one: it is good.
    server.send(spelt("%61bc")).credentials();
    for isolate in [&server, &elsewhere] {
        for request in [plain(), spelt("%61bc"), spelt("a%62c"), spelt("%61%62%63")] {
            assert_used(&isolate.send(request));
        }
    }
    for place in [Place::Form, Place::Query] {
        let client = crate::oauth1::client(&server);
        let plain = || request(&client).oauth("oauth_nonce", "abc").at(place).sign();
        let spelt = || {
            let mut request = plain();
            let body = String::from_utf8(request.body().clone()).unwrap().replace("=abc", "=%61bc");
            *request.body_mut() = body.into_bytes();
            *request.uri_mut() = request.uri().to_string().replace("=abc", "=%61bc").parse().unwrap();
            request
        };
        elsewhere.send(plain()).credentials();
        assert_used(&server.send(spelt()));
        assert_used(&elsewhere.send(spelt()));
    }
    // A timestamp, too.
    let client = crate::oauth1::client(&server);
    let padded =
        |timestamp: &str| request(&client).oauth("oauth_timestamp", timestamp).oauth("oauth_nonce", "n");
    server.send(padded("1800000000").sign()).credentials();
    for timestamp in ["01800000000", "0000001800000000"] {
        assert_used(&elsewhere.send(padded(timestamp).sign()));
    }
}

#[test]
fn of_one_request_at_many_isolates_at_once_one_is_answered() {
    let server = TestServer::new();
    let client = client(&server);
    let isolates: Vec<TestServer> = (0..50).map(|_| server.another_isolate()).collect();
    let signed = request(&client).sign();
    let requests = isolates.iter().map(|isolate| (isolate, signed.clone())).collect();
    let answers = TestServer::send_everywhere(requests);
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 200);
    assert_eq!(good.len(), 1);
    refused.into_iter().for_each(assert_used);
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_tokens"), 1);
}

#[test]
fn who_cannot_sign_uses_up_no_nonce() {
    let server = TestServer::new();
    let client = client(&server);
    let unsigned = request(&client);
    let forged = |unsigned: Unsigned| {
        let before = server.db.dump();
        let refused = server.send(unsigned.with_signature("AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
        assert!(refused.status() == 400 || refused.status() == 401);
        assert_eq!(server.db.dump(), before);
    };
    forged(unsigned.clone());
    forged(unsigned.clone().oauth("oauth_token", "x"));
    forged(unsigned.clone().oauth("oauth_signature_method", "RSA-SHA1"));
    forged(unsigned.clone().oauth("oauth_signature_method", "PLAINTEXT"));
    forged(unsigned.clone().oauth("oauth_consumer_key", "nobody"));
    forged(unsigned.clone().oauth("oauth_timestamp", "1"));
    server.send(unsigned.sign()).credentials();
}

#[test]
fn a_nonce_is_kept_as_long_as_its_timestamp_is_good_and_then_cleared_away() {
    let server = TestServer::new();
    let client = client(&server);
    let early = request(&client).oauth("oauth_timestamp", &(server.now() + 300).to_string()).sign();
    server.send(early.clone()).credentials();
    let fill = || (0..10).for_each(|_| drop(client.request_token("oob").credentials()));
    for seconds in [300, 300] {
        server.advance(seconds);
        fill();
        server.admin("POST", "cleartokens", Value::Null).assert_status(200);
        assert_used(&server.send(early.clone()));
        assert_eq!(server.db.number("SELECT min(expires_at) FROM oauth1_nonces"), 1_800_000_000 + 300 + 361);
    }
    // From here on the timestamp refuses it.
    server.advance(1);
    assert_used(&server.send(early.clone()));
    server.advance(59);
    fill();
    assert!(server.db.number("SELECT min(expires_at) FROM oauth1_nonces") <= server.now() + 1);
    server.advance(1);
    fill();
    assert!(server.db.number("SELECT min(expires_at) FROM oauth1_nonces") > server.now());
    assert_used(&server.send(early));
    server.advance(1000);
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    assert_eq!(count(&server), 0);
}

#[test]
fn nonces_do_not_grow_though_nobody_clears_away() {
    let server = TestServer::new();
    let client = client(&server);
    let send = |times: usize| (0..times).for_each(|_| drop(client.request_token("oob").credentials()));
    send(100);
    for _ in 0..10 {
        server.advance(700);
        send(40);
        assert!(count(&server) <= 40, "{}", count(&server));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_tokens"), 40);
}

#[test]
fn a_nonce_whose_storing_failed_can_be_used_and_one_whose_answer_was_lost_cannot() {
    let server = TestServer::new();
    let client = client(&server);
    let (first, second) = (request(&client).sign(), request(&client).sign());
    Meddling::isolate(&server, 1, Meddle::Refuse).send(first.clone()).assert_status(503);
    server.send(first).credentials();
    Meddling::isolate(&server, 1, Meddle::LoseAnswer).send(second.clone()).assert_status(503);
    assert_used(&server.send(second));
}
