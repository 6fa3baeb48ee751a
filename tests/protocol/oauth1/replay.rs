//! A signed request is good once, for ten minutes around its timestamp (RFC 5849 §3.3).

use http::HeaderValue;
use serde_json::{Value, json};

use crate::oauth1::{API, assert_logged, builder, client, mover, signed_in, signed_in_to};
use crate::support::oauth1::{Place, SigningClient};
use crate::support::{PASSWORD, TestServer};

fn nonces(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM oauth1_nonces")
}

#[test]
fn a_repeated_request_is_refused_at_every_isolate() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let request = client.unsigned("GET", API).forwarded("");
    server.send(request.clone()).assert_status(200);
    for isolate in [&server, &server.another_isolate()] {
        let client = client.at(isolate);
        let answer = isolate.send(request.clone());
        answer.assert_signed_error(401, "invalid_token");
        assert_logged(&client, &answer, "the nonce has been used before");
    }
    // The place does not matter, nor what else the request is.
    let nonce = |unsigned: crate::support::oauth1::Unsigned| unsigned.oauth("oauth_nonce", "n");
    server.send(nonce(client.unsigned("GET", API)).forwarded("")).assert_status(200);
    for request in [
        nonce(client.unsigned("GET", API)).at(Place::Query).forwarded(""),
        nonce(client.unsigned("DELETE", "https://api.example/others")).forwarded(""),
        nonce(client.with_method("HMAC-SHA256").unsigned("GET", API)).forwarded(""),
    ] {
        server.send(request).assert_signed_error(401, "invalid_token");
    }
}

#[test]
fn of_a_hundred_at_once_at_several_isolates_one_is_good() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let isolates: Vec<TestServer> = (0..5).map(|_| server.another_isolate()).collect();
    // Some know the application and the token.
    for isolate in &isolates[..2] {
        client.at(isolate).validate().assert_status(200);
    }
    for client in [client.clone(), client.alone()] {
        let request = client.unsigned("GET", API).oauth("oauth_nonce", "one of a hundred").forwarded("");
        let requests = (0..100).map(|n| (&isolates[n % 5], request.clone())).collect();
        let answers = TestServer::send_everywhere(requests);
        assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
        for answer in answers.iter().filter(|answer| answer.status() != 200) {
            answer.assert_signed_error(401, "invalid_token");
        }
    }
}

#[test]
fn a_timestamp_may_be_five_minutes_off() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let at = |seconds: i64| {
        let timestamp = (server.now() + seconds).to_string();
        server.send(client.unsigned("GET", API).oauth("oauth_timestamp", &timestamp).forwarded(""))
    };
    for seconds in [-300, -1, 0, 300] {
        at(seconds).assert_status(200);
    }
    let before = nonces(&server);
    for seconds in [-301, 301, -server.now() + 1, 9_000_000_000_000] {
        at(seconds).assert_signed_error(401, "invalid_token");
    }
    for timestamp in ["9007199254740992", "9007199254740993", "99999999999999999999"] {
        let request = client.unsigned("GET", API).oauth("oauth_timestamp", timestamp).forwarded("");
        let status = server.send(request).status();
        assert!(matches!(status, 400 | 401), "{timestamp}: {status}");
    }
    assert_eq!(nonces(&server), before);
}

#[test]
fn a_nonce_is_kept_until_its_timestamp_refuses_the_request() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let timestamp = server.now() + 300;
    let ahead = client.unsigned("GET", API).oauth("oauth_timestamp", &timestamp.to_string()).forwarded("");
    server.send(ahead.clone()).assert_status(200);
    let kept = || {
        server
            .db
            .number(&format!("SELECT count(*) FROM oauth1_nonces WHERE expires_at = {}", timestamp + 361))
    };
    let clear = || server.admin("POST", "cleartokens", Value::Null).assert_status(200).status();
    for (seconds, why) in
        [(0, "used before"), (300, "used before"), (300, "used before"), (1, "seconds behind")]
    {
        server.advance(seconds);
        clear();
        let answer = server.another_isolate().send(ahead.clone());
        answer.assert_signed_error(401, "invalid_token");
        let answer = server.send(ahead.clone());
        assert_logged(&client, &answer, why);
    }
    // Another minute, since clocks differ.
    server.advance(59);
    clear();
    client.validate().assert_status(200);
    assert_eq!(kept(), 1);
    server.advance(1);
    // Requests clear away what has expired, too.
    client.validate().assert_status(200);
    assert_eq!(kept(), 0);
}

#[test]
fn a_nonce_is_one_for_an_application_a_token_and_a_timestamp() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let alone = client.alone();
    let second = alone.with_token(&alone.xauth("alice", PASSWORD).credentials());
    let others = signed_in_to(&mover(&server).create(), &server);
    let send = |client: &SigningClient<'_>, timestamp: i64, nonce: &str| {
        let unsigned = client.unsigned("GET", API).oauth("oauth_timestamp", &timestamp.to_string());
        server.send(unsigned.oauth("oauth_nonce", nonce).forwarded(""))
    };
    let now = server.now();
    for client in [&client, &alone, &second, &others] {
        for timestamp in [now, now + 1] {
            for nonce in ["n", "N", "n ", "1 n"] {
                send(client, timestamp, nonce).assert_status(200);
            }
        }
    }
    for client in [&client, &alone, &second, &others] {
        send(client, now, "n").assert_signed_error(401, "invalid_token");
        // One spelling for each timestamp.
        let zero = client.unsigned("GET", API).oauth("oauth_timestamp", &format!("0{now}"));
        server.send(zero.oauth("oauth_nonce", "n").forwarded("")).assert_signed_error(401, "invalid_token");
    }
    assert!(client.consumer_key == app.client_id && others.consumer_key != app.client_id);
}

#[test]
fn a_nonce_has_one_spelling() {
    // `%61bc` is `abc`: RFC 5849 §3.6
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let request = client.unsigned("GET", API).oauth("oauth_nonce", "abc").forwarded("");
    let mut respelt = request.clone();
    let header = request.headers()["authorization"].to_str().unwrap();
    let header = header.replace("oauth_nonce=\"abc\"", "oauth_nonce=\"%61b%63\"");
    respelt.headers_mut().insert("authorization", HeaderValue::from_str(&header).unwrap());
    assert_ne!(respelt.headers(), request.headers());
    server.send(respelt.clone()).assert_status(200);
    server.send(request).assert_signed_error(401, "invalid_token");
    server.send(respelt).assert_signed_error(401, "invalid_token");
}

#[test]
fn what_is_refused_uses_no_nonce_up() {
    // Else whoever sees a nonce could use it up (as in django-oauth-plus).
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let unsigned = client.unsigned("GET", API);
    let mut wrong = client.clone();
    wrong.consumer_secret = "wrong".to_owned();
    let before = nonces(&server);
    server.send(unsigned.clone().forwarded_with("AAAA", "")).assert_signed_error(401, "invalid_token");
    let stolen = wrong.unsigned("GET", API);
    let (_, nonce) = unsigned.oauth.iter().find(|(name, _)| name == "oauth_nonce").unwrap();
    server.send(stolen.oauth("oauth_nonce", nonce).forwarded("")).assert_signed_error(401, "invalid_token");
    assert_eq!(nonces(&server), before);
    server.send(unsigned.forwarded("")).assert_status(200);
}

#[test]
fn a_nonce_without_a_token_is_one_for_all_endpoints() {
    let server = TestServer::new();
    let client = client(&server);
    let at =
        |path: &str| client.unsigned("POST", path).oauth("oauth_nonce", "n").oauth("oauth_callback", "oob");
    server.send(at(API).forwarded("")).assert_status(200);
    server
        .send(at("/oauth/request_token/").sign())
        .assert_oauth1_error(401, "Could not verify OAuth request.");
    let mut later = at("/oauth/request_token/").oauth("oauth_timestamp", &(server.now() + 1).to_string());
    server.send(later.clone().sign()).credentials();
    later.url = API.to_owned();
    server.send(later.forwarded("")).assert_signed_error(401, "invalid_token");
}

#[test]
fn plaintext_may_go_without_a_nonce_over_a_connection_that_nobody_reads() {
    // RFC 5849 §3.1, §3.4.4
    let server = TestServer::new();
    let app = builder(&server).set("oauth1_signature_methods", json!(["PLAINTEXT"])).create();
    let client = SigningClient::of(&app, &server).with_method("PLAINTEXT");
    let bare = |url: &str| {
        client.unsigned("GET", url).without("oauth_nonce").without("oauth_timestamp").forwarded("")
    };
    for url in [API, "http://127.0.0.1:8080/photos", "http://localhost/photos"] {
        server.send(bare(url)).assert_status(200);
        server.send(bare(url)).assert_status(200);
    }
    assert_eq!(nonces(&server), 0);
    let readable = server.send(bare("http://api.example/photos"));
    readable.assert_signed_error(401, "invalid_token");
    assert_logged(&client, &readable, "others can read");
    // Who sends one keeps to it.
    let request = client.unsigned("GET", API).forwarded("");
    server.send(request.clone()).assert_status(200);
    server.send(request).assert_signed_error(401, "invalid_token");
    let mut wrong = client.clone();
    wrong.consumer_secret = format!("{}x", client.consumer_secret);
    wrong.validate().assert_signed_error(401, "invalid_token");
}
