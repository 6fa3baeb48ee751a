//! What somebody tries who has seen much, and may sign nothing.

use http::{HeaderValue, Method};
use postern::call::Request;
use serde_json::json;

use crate::oauth1::token_exchange::{exchange_request, subject};
use crate::oauth1::{API, client, exchange, signed_in};
use crate::support::oauth1::{Credentials, SigningClient, encode};
use crate::support::{PASSWORD, Signer, TestServer, request};

fn from(mut request: Request) -> Request {
    request.headers_mut().insert("cf-connecting-ip", HeaderValue::from_static("192.0.2.1"));
    request
}

#[test]
fn who_has_seen_a_token_ends_no_login_that_has_moved_on() {
    // RFC 5849 §1.1: a token is no secret. The secrets of applications that people install are none either.
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let token = client.token.as_ref().unwrap().token.clone();
    let made_up = client.with_token(&Credentials { token, secret: "A".repeat(43) });
    let assert_no_use = || {
        let answer = server.send(exchange_request(&app, &subject(&made_up), &[]));
        answer.assert_error(400, "invalid_request");
    };
    assert_no_use();
    let first = exchange(&app, &client, &[]).tokens();
    assert_no_use();
    server.advance(61);
    assert_no_use();
    server.assert_good(&first.access_token);
    let mut last = app.refresh(first.refresh()).tokens();
    for _ in 0..2 {
        assert_no_use();
        server.assert_good(&last.access_token);
        server.advance(61);
        last = app.refresh(last.refresh()).tokens();
    }
    // The right secret is reuse, however late.
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
    server.assert_dead(&last.access_token);
}

#[test]
fn nothing_follows_what_was_signed_behind_a_fragment() {
    // RFC 9112 §3.2: no request target has one. An API may read on where the signature ends.
    let server = TestServer::new();
    let client = client(&server);
    let signed = || client.unsigned("GET", API).query("size", "1");
    server.send(signed().forwarded("")).assert_status(200);
    for more in ["#", "#&admin=1", "#?admin=1", "#/../../admin"] {
        let mut parts = signed().forwarded("");
        let told = format!("/photos?size=1{more}").parse().unwrap();
        parts.headers_mut().insert("x-forwarded-uri", told);
        let mut whole = signed().forwarded("");
        whole.headers_mut().insert("x-original-url", format!("{API}?size=1{more}").parse().unwrap());
        for request in [parts, whole] {
            server.send(request).assert_signed_error(400, "invalid_request");
        }
    }
    let mut bare = client.unsigned("GET", API).forwarded("");
    bare.headers_mut().insert("x-forwarded-uri", HeaderValue::from_static("/photos#?admin=1"));
    server.send(bare).assert_signed_error(400, "invalid_request");
}

#[test]
fn a_clock_that_is_off_and_a_request_sent_twice_are_no_guesses() {
    // One server that acts for many must not lock them out because its clock is wrong.
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let (_, client) = signed_in(&server);
    let client = client.alone();
    let ask = |client: &SigningClient<'_>| {
        client.unsigned("POST", "/oauth/request_token/").oauth("oauth_callback", "oob")
    };
    let late = (server.now() - 301).to_string();
    let twice = || ask(&client).oauth("oauth_nonce", "twice").sign();
    server.send(from(twice())).assert_status(200);
    let failures = || server.db.number("SELECT sum(count) FROM attempts");
    let before = failures();
    for _ in 0..10 {
        let refused = server.send(from(ask(&client).oauth("oauth_timestamp", &late).sign()));
        refused.assert_oauth1_error(401, "Could not verify OAuth request.");
        server.send(from(twice())).assert_oauth1_error(401, "Could not verify OAuth request.");
    }
    assert_eq!(failures(), before);
    server.send(from(client.xauth_request("alice", PASSWORD))).assert_status(200);
    // What is signed with a wrong secret is one, whenever it was.
    for _ in 0..5 {
        server.send(from(ask(&client).with_signature("AAAA"))).assert_status(401);
    }
    server.send(from(client.xauth_request("alice", PASSWORD))).assert_status(429);
}

#[test]
fn nothing_that_comes_back_as_text_can_be_read_as_a_page() {
    let server = TestServer::new();
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        format!("/oauth/authorize/?oauth_token={script}"),
        format!("/oauth/authorize/?{script}=1&{script}=1"),
        format!("/oauth/request_token/?oauth_signature={script}&oauth_consumer_key={script}"),
        format!("/oauth/access_token/?oauth_signature={script}&oauth_signature_method={script}"),
    ] {
        for accept in ["*/*", "text/html"] {
            let answer = server.send(request(Method::GET, &path, &[("accept", accept)], ""));
            assert!((400..500).contains(&answer.status()), "{path}");
            assert!(!answer.text().contains("<script"), "{path}: {}", answer.text());
        }
    }
}

#[test]
fn the_public_keys_of_an_application_are_no_secret_of_an_hmac() {
    let server = TestServer::new();
    let key = Signer::rs256().jwk();
    let app = crate::oauth1::builder(&server)
        .set("oauth1_signature_methods", json!(["RSA-SHA256", "HMAC-SHA256", "PLAINTEXT"]))
        .set("jwks", json!({"keys": [key.clone()]}))
        .create();
    let n = key["n"].as_str().unwrap().to_owned();
    let nobodys = "nobody has this secret, which is as long as one";
    for secret in [&n, &key.to_string(), "", nobodys] {
        for method in ["HMAC-SHA256", "PLAINTEXT", "RSA-SHA256"] {
            let mut unsigned = SigningClient::of(&app, &server).with_method(method).unsigned("GET", API);
            unsigned.key = format!("{}&", encode(secret));
            server.send(unsigned.forwarded("")).assert_signed_error(401, "invalid_token");
        }
    }
}
