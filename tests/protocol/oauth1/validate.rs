//! Signed requests at `/validate/` (RFC 5849 §3).

use crate::oauth1::client;
use crate::support::TestServer;

#[test]
fn a_repeated_request_is_refused_at_every_isolate() {
    // RFC 5849 §3.3
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let client = client.with_token(&client.three_legs("alice"));
    let request =
        || client.unsigned("GET", "https://api.example/photos").oauth("oauth_nonce", "n").forwarded("");
    server.send(request()).assert_status(200);
    server.send(request()).assert_signed_error(401, "invalid_token");
    server.another_isolate().send(request()).assert_signed_error(401, "invalid_token");
}

#[test]
fn an_application_acts_alone_where_it_may() {
    let server = TestServer::new();
    let client = client(&server);
    let answer = client.validate();
    answer.assert_status(200);
    assert_eq!(answer.json()["client_id"], client.consumer_key.as_str());
    assert!(answer.json().get("sub").is_none() && answer.header("x-auth-subject").is_none());
}
