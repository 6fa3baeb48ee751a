//! OAuth 1.0a (RFC 5849), xAuth, and signed requests at `/validate/`.

mod abuse;
mod access_token;
mod authorize;
mod nonces;
mod remembered_secret;
mod request_token;
mod signing;
mod three_legs;
mod validate;
mod xauth;

use crate::support::oauth1::SigningClient;
use crate::support::{ApplicationBuilder, CALLBACK, TestServer};

/// Registered for three legs, and for acting alone.
fn builder(server: &TestServer) -> ApplicationBuilder<'_> {
    server.application().grants(&["oauth1", "client_credentials"]).redirect_uri(CALLBACK)
}

fn client(server: &TestServer) -> SigningClient<'_> {
    SigningClient::of(&builder(server).create(), server)
}
