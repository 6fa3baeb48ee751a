//! Who guesses learns nothing from what a refusal costs: the same calls of the database, and a signature for each.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postern::app::{SignatureError, Signatures};
use postern::crypto::secret::Secret;
use postern::crypto::signature::{PublicKey, SignatureAlgorithm};
use postern::model::family::TokenDigest;
use serde_json::json;

use crate::oauth1::{API, mover, signed_in, signed_in_to};
use crate::support::oauth1::{Credentials, SigningClient};
use crate::support::{Ring, Signer, TestServer};

/// Counts what it verifies.
struct Counting(Rc<Cell<u32>>);

#[async_trait(?Send)]
impl Signatures for Counting {
    async fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.0.set(self.0.get() + 1);
        Ring.verify(algorithm, key, message, signature).await
    }

    async fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        key: &Secret,
        message: &[u8],
    ) -> Result<Vec<u8>, SignatureError> {
        Ring.sign(algorithm, key, message).await
    }
}

/// The calls of the database that a request costs here.
fn calls(server: &TestServer, act: impl FnOnce()) -> u64 {
    let before = server.db.round_trips.get();
    act();
    server.db.round_trips.get() - before
}

/// Nobody's, and a token that looks like one.
fn strangers<'a>(client: &SigningClient<'a>) -> [SigningClient<'a>; 3] {
    let Credentials { token, secret } = client.token.clone().expect("a token");
    let last = if token.ends_with('A') { 'Q' } else { 'A' };
    let made_up = Credentials { token: format!("{}{last}", &token[..token.len() - 1]), secret };
    let mut nobody = client.clone();
    nobody.consumer_key = "nobody".to_owned();
    let mut wrong = client.clone();
    wrong.consumer_secret = "wrong".to_owned();
    [nobody, wrong, client.with_token(&made_up)]
}

#[test]
fn an_unknown_application_costs_what_a_wrong_signature_costs() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let [nobody, wrong, _] = strangers(&client);
    let refuse = |client: &SigningClient<'_>| {
        client.validate().assert_signed_error(401, "invalid_token");
    };
    // Where the application is remembered: whether it has been changed is asked in each case.
    assert_eq!(calls(&server, || refuse(&nobody)), 1);
    assert_eq!(calls(&server, || refuse(&wrong)), 1);
    // Without a token, where nothing is remembered.
    for client in [nobody, wrong] {
        let elsewhere = server.another_isolate();
        let client = client.at(&elsewhere).alone();
        assert_eq!(calls(&elsewhere, || refuse(&client)), 1);
    }
}

#[test]
fn a_made_up_token_costs_the_database_nothing() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let [.., made_up] = strangers(&client);
    let refuse = || {
        made_up.validate().assert_signed_error(401, "invalid_token");
    };
    assert_eq!(calls(&server, refuse), 0);
}

#[test]
fn a_token_that_is_gone_costs_what_one_costs_that_is_there() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let gone = signed_in_to(&app, &server);
    let digest = TokenDigest::of(&gone.token.as_ref().unwrap().token);
    server.db.execute(&format!("DELETE FROM families WHERE access_digest = '{digest}'"));
    let wrong = Credentials { secret: "wrong".to_owned(), ..client.token.clone().unwrap() };
    let costs = [client.with_token(&wrong), gone].map(|client| {
        let elsewhere = server.another_isolate();
        let client = client.at(&elsewhere);
        calls(&elsewhere, || {
            client.validate().assert_signed_error(401, "invalid_token");
        })
    });
    assert_eq!(costs, [2, 2]);
}

#[test]
fn a_signature_is_verified_for_whoever_sends_one() {
    let mut server = TestServer::new();
    server.user("alice");
    let verified = Rc::new(Cell::new(0));
    server.app.signatures = Box::new(Counting(verified.clone()));
    let server = &server;
    let signer = Signer::rs256();
    let app = mover(server)
        .set("oauth1_signature_methods", json!(["HMAC-SHA1", "RSA-SHA256"]))
        .set("jwks", json!({"keys": [signer.jwk()]}))
        .create();
    let by_secret = mover(server).create();
    let client = signed_in_to(&app, server).with_method("RSA-SHA256");
    let without_key = signed_in_to(&by_secret, server).with_method("RSA-SHA256");
    let send = |client: &SigningClient<'_>, signer: &Signer| {
        verified.set(0);
        let unsigned = client.unsigned("GET", API);
        let signature = BASE64_STANDARD.encode(signer.sign(unsigned.base_string().as_bytes()));
        let answer = server.send(unsigned.forwarded_with(&signature, ""));
        assert!(verified.get() > 0);
        answer
    };
    send(&client, &signer).assert_status(200);
    assert_eq!(verified.get(), 1);
    let [nobody, _, made_up] = strangers(&client);
    let mut others = client.clone();
    others.token.clone_from(&without_key.token);
    for client in [&nobody, &made_up, &others, &without_key] {
        send(client, &signer).assert_signed_error(401, "invalid_token");
    }
    send(&client, &Signer::other_rs256()).assert_signed_error(401, "invalid_token");
    // Neither secret signs by RSA (RFC 5849 §3.4.3): the key alone does.
    let mut keyed = client.clone();
    keyed.consumer_secret = "nobody knows".to_owned();
    send(&keyed, &signer).assert_status(200);
    // What is no base64 is no signature.
    server
        .send(client.unsigned("GET", API).forwarded_with("%%%", ""))
        .assert_signed_error(401, "invalid_token");
}
