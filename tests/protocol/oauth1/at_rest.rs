//! Secrets at rest: each is sealed for its row (AES-256-GCM, the row's id as associated data).

use crate::oauth1::{client, signed_in};
use crate::support::TestServer;
use crate::support::oauth1::{Credentials, SigningClient};

/// Exchanges the sealed texts of the two rows of a table that have one.
fn swap(table: &str, key: &str, secret: &str, server: &TestServer) {
    server.db.execute(&format!(
        "CREATE TEMP TABLE swapped AS SELECT one.{key} AS id, other.{secret} AS secret
         FROM {table} one JOIN {table} other ON other.{key} <> one.{key}
         WHERE one.{secret} IS NOT NULL AND other.{secret} IS NOT NULL;
         UPDATE {table} SET {secret} = (SELECT secret FROM swapped WHERE id = {table}.{key})
         WHERE {key} IN (SELECT id FROM swapped);
         DROP TABLE swapped"
    ));
}

/// Each of two tokens, with its own secret, or with the other's.
fn pairs(one: &Credentials, other: &Credentials) -> [Credentials; 4] {
    let pair = |token: &Credentials, secret: &Credentials| Credentials {
        token: token.token.clone(),
        secret: secret.secret.clone(),
    };
    [pair(one, one), pair(one, other), pair(other, one), pair(other, other)]
}

#[test]
fn the_secret_of_an_access_token_opens_in_no_other_row() {
    let server = TestServer::new();
    let (_, alices) = signed_in(&server);
    let alone = SigningClient { token: None, ..alices.clone() };
    server.user("bob");
    let bobs = alone.three_legs("bob");
    let isolate = server.another_isolate();
    alone.at(&isolate).with_token(&bobs).validate().assert_status(200);
    swap("families", "id", "oauth1_secret", &server);
    let isolate = server.another_isolate();
    for pair in pairs(alices.token.as_ref().unwrap(), &bobs) {
        alone.at(&isolate).with_token(&pair).validate().assert_signed_error(401, "invalid_token");
    }
}

#[test]
fn the_secret_of_a_request_token_opens_in_no_other_row() {
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let temporary = [0, 1].map(|_| client.request_token("oob").credentials());
    let verifiers = [0, 1].map(|at: usize| client.approve(&temporary[at], "alice"));
    swap("oauth1_tokens", "digest", "secret", &server);
    for pair in pairs(&temporary[0], &temporary[1]) {
        for verifier in &verifiers {
            let answer = client.with_token(&pair).access_token(verifier);
            answer.assert_oauth1_error(400, "Invalid request token.");
        }
    }
    swap("oauth1_tokens", "digest", "secret", &server);
    client.with_token(&temporary[0]).access_token(&verifiers[0]).credentials();
}
