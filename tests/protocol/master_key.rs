//! Rotation of `MASTER_KEY`: the first key makes, all are accepted.

use serde_json::json;

use crate::oauth1::mover;
use crate::support::oauth1::SigningClient;
use crate::support::{CALLBACK, MASTER_KEY, PASSWORD, TestServer};

/// A later setting, which still accepts what the first key made.
const ROTATED: &str =
    "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8,1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// And the one after that, which does not.
const LAST: &str = "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

#[test]
fn a_repetition_after_a_new_key_was_put_first_is_answered_the_identical_pair() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    let deployed = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    assert_eq!(app.at(&deployed).refresh(first.refresh()).tokens(), second);
    app.at(&deployed).refresh(second.refresh()).tokens();
}

#[test]
fn what_the_old_key_made_stays_good_and_leads_to_tokens_of_the_new_one() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let of_client = app.client_credentials().tokens();
    let deployed = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    deployed.assert_good(&first.access_token);
    deployed.assert_good(&of_client.access_token);
    let second = app.at(&deployed).refresh(first.refresh()).tokens();
    assert_eq!(app.at(&deployed).refresh(first.refresh()).tokens(), second);
    deployed.assert_good(&second.access_token);

    let last = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    last.assert_good(&second.access_token);
    last.assert_dead(&first.access_token);
    app.at(&last).refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.at(&last).refresh(second.refresh()).tokens();
}

#[test]
fn what_is_made_after_a_new_key_was_put_first_needs_the_old_one_no_more() {
    let server = TestServer::new();
    let grants = ["authorization_code", "client_credentials", "password", "refresh_token"];
    let app = server.application().grants(&grants).redirect_uri(CALLBACK).create();
    server.user("alice");
    let [deployed, last] = [ROTATED, LAST].map(|keys| server.another_isolate_with(&[("MASTER_KEY", keys)]));
    let login = app.at(&deployed).log_in("alice");
    let code = deployed.browser().log_in("alice").code(&app.authorization());
    last.assert_good(&login.access_token);
    last.assert_good(&app.at(&deployed).client_credentials().tokens().access_token);
    app.at(&last).refresh(login.refresh()).tokens();
    app.at(&last).exchange(&code).tokens();
    let signing = SigningClient::of(&mover(&deployed).create(), &deployed);
    let token = signing.xauth("alice", PASSWORD).credentials();
    let there = signing.at(&last);
    there.with_token(&token).validate().assert_status(200);
    let temporary = signing.request_token("oob").credentials();
    let verifier = there.approve(&temporary, "alice");
    there.with_token(&temporary).access_token(&verifier).credentials();
}

#[test]
fn a_chosen_secret_and_a_password_outlive_it() {
    let server = TestServer::new();
    let grants = ["password", "refresh_token"];
    let app =
        server.application().grants(&grants).set("client_secret", json!("a chosen secret of mine")).create();
    server.user("alice");
    let deployed = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    app.at(&deployed).log_in("alice");
    app.at(&deployed).log_in("alice");
}

#[test]
fn another_key_under_the_same_id_accepts_nothing() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let other = LAST.replace("2:", "1:");
    assert_ne!(other, MASTER_KEY);
    let deployed = server.another_isolate_with(&[("MASTER_KEY", &other)]);
    deployed.assert_dead(&first.access_token);
    app.at(&deployed).refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.refresh(first.refresh()).tokens();
}
