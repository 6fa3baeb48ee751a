//! OAuth 1.0a (RFC 5849), xAuth, and signed requests at `/validate/`.

mod abuse;
mod access_token;
mod at_rest;
mod authorize;
mod breaker;
mod nonces;
mod remembered_secret;
mod replay;
mod request_token;
mod revocation;
mod same_work;
mod signed_failures;
mod signing;
mod three_legs;
mod token_exchange;
mod token_exchange_once;
mod validate;
mod validate_url;
mod who;
mod xauth;

use serde_json::json;

pub use token_exchange::{exchange, subject};

use crate::support::oauth1::SigningClient;
use crate::support::{ApplicationBuilder, CALLBACK, PASSWORD, TestClient, TestResponse, TestServer};

/// What the clients of the tests call.
const API: &str = "https://api.example/photos";

/// Registered for three legs, and for acting alone.
fn builder(server: &TestServer) -> ApplicationBuilder<'_> {
    server.application().grants(&["oauth1", "client_credentials"]).redirect_uri(CALLBACK)
}

fn client(server: &TestServer) -> SigningClient<'_> {
    SigningClient::of(&builder(server).create(), server)
}

/// Registered for everything: xAuth, acting alone, and moving on to OAuth 2.
pub fn mover(server: &TestServer) -> ApplicationBuilder<'_> {
    let grants =
        ["oauth1", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"];
    server.application().grants(&grants).redirect_uri(CALLBACK).set("xauth_allowed", json!(true))
}

/// That application, and the same signing with an access token of `alice`, who has signed up for it.
fn signed_in(server: &TestServer) -> (TestClient<'_>, SigningClient<'_>) {
    server.user("alice");
    let app = mover(server).create();
    let client = signed_in_to(&app, server);
    (app, client)
}

/// An application of [`mover`], signing with an access token of `alice`.
fn signed_in_to<'a>(app: &TestClient<'_>, server: &'a TestServer) -> SigningClient<'a> {
    let client = SigningClient::of(app, server);
    client.with_token(&client.xauth("alice", PASSWORD).credentials())
}

/// The isolate's log says why it refused, and holds no secret.
#[track_caller]
fn assert_logged(client: &SigningClient<'_>, response: &TestResponse, why: &str) {
    let lines = client.server.log();
    let id = response.header("x-request-id").expect("an id");
    let line = lines.iter().find(|line| line["request_id"] == id).expect("a line").to_string();
    assert!(line.contains(why), "{line}");
    assert!(!line.contains(&client.consumer_secret), "{line}");
    for text in client.token.iter().flat_map(|token| [&token.token, &token.secret]) {
        assert!(text.is_empty() || !line.contains(text), "{line}");
    }
}
