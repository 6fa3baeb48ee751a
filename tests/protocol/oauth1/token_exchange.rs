//! Token credentials of OAuth 1.0a for tokens of OAuth 2 (RFC 8693): who gets them, for what, and until when the old ones sign.

use postern::call::Request;
use serde_json::{Value, json};

use crate::oauth1::{mover, signed_in, signed_in_to};
use crate::oauth1_applications::patch;
use crate::social::{ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE};
use crate::support::oauth1::{Credentials, SigningClient};
use crate::support::{TestClient, TestResponse, TestServer, encode_form};

pub const OAUTH1: &str = "urn:postern:token-type:oauth1";

/// The answer of `/oauth/access_token/`, as it was.
pub fn subject(client: &SigningClient<'_>) -> String {
    let Credentials { token, secret } = client.token.as_ref().expect("a token");
    encode_form(&[("oauth_token", token), ("oauth_token_secret", secret)])
}

pub fn exchange_request(app: &TestClient<'_>, subject: &str, more: &[(&str, &str)]) -> Request {
    let form = [("grant_type", TOKEN_EXCHANGE), ("subject_token_type", OAUTH1), ("subject_token", subject)];
    app.request("/o/token/", &[&form, more].concat())
}

/// An exchange at the application's isolate.
pub fn exchange(app: &TestClient<'_>, client: &SigningClient<'_>, more: &[(&str, &str)]) -> TestResponse {
    let form = [("grant_type", TOKEN_EXCHANGE), ("subject_token_type", OAUTH1)];
    let subject = subject(client);
    app.token(&[&form[..], &[("subject_token", subject.as_str())], more].concat())
}

#[test]
fn they_lead_to_tokens_of_oauth2_that_are_good_everywhere() {
    let google = r#"{"google-oauth2": {"client_id": "x", "client_secret": "GOOGLE_SECRET"}}"#;
    for settings in [&[][..], &[("SOCIAL_AUTH_PROVIDERS", google), ("GOOGLE_SECRET", "y")]] {
        let server = TestServer::with(settings);
        let (app, client) = signed_in(&server);
        let response = exchange(&app, &client, &[]);
        let tokens = response.tokens();
        assert_eq!(response.json()["issued_token_type"], ACCESS_TOKEN); // RFC 8693 §2.2.1
        assert_eq!(response.json()["token_type"], "Bearer");
        assert_eq!((tokens.scope.as_str(), tokens.expires_in), ("read write groups", 36_000));
        server.assert_good(&tokens.access_token);
        let answer = server.validate(&tokens.access_token);
        assert_eq!(answer.header("x-auth-username"), Some("alice"));
        let next = app.refresh(tokens.refresh()).tokens();
        server.assert_good(&next.access_token);
        app.revoke(next.refresh()).assert_status(200);
        server.assert_dead(&next.access_token);
    }
}

#[test]
fn the_wanted_type_may_be_named() {
    // RFC 8693 §2.1
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    exchange(&app, &client, &[("requested_token_type", ACCESS_TOKEN)]).tokens();
}

#[test]
fn the_scope_is_what_was_granted_or_less() {
    // RFC 8693 §2.2.1
    let server = TestServer::new();
    server.user("alice");
    let app = mover(&server).scope("read write").create();
    let client = signed_in_to(&app, &server);
    for wider in ["read groups", "groups", "introspection", "unknown"] {
        exchange(&app, &client, &[("scope", wider)]).assert_error(400, "invalid_scope");
    }
    client.validate().assert_status(200);
    let narrowed = exchange(&app, &client, &[("scope", "read")]).tokens();
    assert_eq!(narrowed.scope, "read");
    // For one token: what was granted is still there (RFC 6749 §6).
    assert_eq!(app.refresh(narrowed.refresh()).tokens().scope, "read write");
}

#[test]
fn what_an_application_may_no_more_have_it_does_not_get() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    patch(&server, &app, json!({"scope": "read"})).assert_status(200);
    assert_eq!(exchange(&app, &client, &[]).tokens().scope, "read");
}

#[test]
fn a_refresh_token_is_for_who_may_refresh() {
    let server = TestServer::new();
    server.user("alice");
    let app = mover(&server).grants(&["oauth1", TOKEN_EXCHANGE]).create();
    let client = signed_in_to(&app, &server);
    let first = exchange(&app, &client, &[]);
    assert!(first.json().get("refresh_token").is_none());
    server.assert_good(&first.tokens().access_token);
}

#[test]
fn an_application_exchanges_if_it_may_now() {
    let server = TestServer::new();
    server.user("alice");
    let app = mover(&server).grants(&["oauth1", "refresh_token"]).create();
    let client = signed_in_to(&app, &server);
    exchange(&app, &client, &[]).assert_error(400, "unauthorized_client");
    let elsewhere = server.another_isolate();
    exchange(&app.at(&elsewhere), &client, &[]).assert_error(400, "unauthorized_client");
    client.validate().assert_status(200);
    let grants = json!(["oauth1", "refresh_token", TOKEN_EXCHANGE]);
    patch(&server, &app, json!({"grant_types": grants})).assert_status(200);
    // Also where it is remembered as one that may not.
    server.advance(10);
    exchange(&app.at(&elsewhere), &client, &[]).tokens();
}

#[test]
fn an_application_that_signs_no_more_still_moves_on() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    patch(&server, &app, json!({"grant_types": ["refresh_token", TOKEN_EXCHANGE]})).assert_status(200);
    client.validate().assert_signed_error(401, "invalid_token");
    exchange(&app, &client, &[]).tokens();
}

#[test]
fn whoever_else_presents_them_gets_nothing_and_ends_nothing() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let others = mover(&server).create();
    exchange(&others, &client, &[]).assert_error(400, "invalid_request");
    exchange(&app.with_secret(Some("wrong")), &client, &[]).assert_error(401, "invalid_client");
    exchange(&app.with_secret(None), &client, &[]).assert_error(401, "invalid_client");
    let Credentials { token, secret } = client.token.clone().unwrap();
    let wrong = |token: &str, secret: &str| {
        client.with_token(&Credentials { token: token.to_owned(), secret: secret.to_owned() })
    };
    let temporary = SigningClient::of(&app, &server).request_token("oob").credentials();
    let last = if token.ends_with('A') { 'Q' } else { 'A' };
    for client in [
        wrong(&token, ""),
        wrong(&token, &format!("{secret}A")),
        wrong(&token, &secret[1..]),
        wrong(&format!("{}{last}", &token[..token.len() - 1]), &secret),
        wrong("", &secret),
        wrong(&temporary.token, &temporary.secret),
        wrong(&token.replace("pst_1a_", "pst_at_"), &secret),
    ] {
        // Within the grace and long after it: it is not reuse.
        for seconds in [0, 61] {
            server.advance(seconds);
            exchange(&app, &client, &[]).assert_error(400, "invalid_request");
        }
    }
    client.validate().assert_status(200);
    for subject in [
        "",
        "x",
        &token,
        "oauth_token=&oauth_token_secret=",
        "oauth_token_secret=x",
        "%FF=%FF",
        &format!("oauth_token={token}&oauth_token={token}&oauth_token_secret={secret}"),
    ] {
        server.send(exchange_request(&app, subject, &[])).assert_error(400, "invalid_request");
    }
    let whole = subject(&client);
    // As it is, or in another order.
    let (first, second) = whole.split_once('&').unwrap();
    server.send(exchange_request(&app, &format!("{second}&{first}"), &[])).tokens();
}

#[test]
fn nobody_acts_for_another_and_for_nobody_else_are_they() {
    // RFC 8693 §2.1
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    for (name, value, code) in [
        ("resource", "https://api.example", "invalid_target"),
        ("audience", "api", "invalid_target"),
        ("actor_token", "x", "invalid_request"),
        ("actor_token_type", ACCESS_TOKEN, "invalid_request"),
        ("requested_token_type", ID_TOKEN, "invalid_request"),
        ("requested_token_type", OAUTH1, "invalid_request"),
    ] {
        exchange(&app, &client, &[(name, value)]).assert_error(400, code);
    }
    client.validate().assert_status(200);
    exchange(&app, &client, &[]).tokens();
}

#[test]
fn another_type_of_subject_is_not_supported() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let whole = subject(&client);
    let form = [("grant_type", TOKEN_EXCHANGE), ("subject_token", whole.as_str())];
    for more in [
        &[][..],
        &[("subject_token_type", "oauth1")],
        &[("subject_token_type", ACCESS_TOKEN), ("backend", "x")],
    ] {
        app.token(&[&form, more].concat()).assert_error(400, "invalid_request");
    }
    let form = [("grant_type", TOKEN_EXCHANGE), ("subject_token_type", OAUTH1)];
    app.token(&form).assert_error(400, "invalid_request");
}

#[test]
fn they_sign_until_the_grace_is_over() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let elsewhere = server.another_isolate();
    let there = client.at(&elsewhere);
    let tokens = exchange(&app, &client, &[]).tokens();
    server.advance(59);
    // Where its secret has to be read, too.
    client.validate().assert_status(200);
    there.validate().assert_status(200);
    server.advance(1);
    for client in [&client, &there] {
        client.validate().assert_signed_error(401, "invalid_token");
    }
    server.assert_good(&tokens.access_token);
}

#[test]
fn they_sign_no_more_once_the_new_ones_were_refreshed() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let elsewhere = server.another_isolate();
    let there = client.at(&elsewhere);
    there.validate().assert_status(200);
    let tokens = exchange(&app, &client, &[]).tokens();
    app.refresh(tokens.refresh()).tokens();
    for client in [&client, &there] {
        client.validate().assert_signed_error(401, "invalid_token");
    }
    // Nobody needs the secret any more.
    assert_eq!(server.db.number("SELECT count(*) FROM families WHERE oauth1_secret IS NOT NULL"), 0);
}

#[test]
fn what_has_ended_is_not_exchanged() {
    for (method, path, body, code) in [
        ("POST", "users/alice/logout", Value::Null, "invalid_request"),
        ("PATCH", "users/alice", json!({"is_active": false}), "invalid_request"),
        ("DELETE", "users/alice", Value::Null, "invalid_request"),
        ("PATCH", "applications/{}", json!({"is_active": false}), "invalid_client"),
        ("DELETE", "applications/{}", Value::Null, "invalid_client"),
    ] {
        let server = TestServer::new();
        let (app, client) = signed_in(&server);
        let elsewhere = server.another_isolate();
        app.at(&elsewhere).client_credentials().tokens();
        server.admin(method, &path.replace("{}", &app.client_id), body);
        for app in [app.clone(), app.at(&elsewhere)] {
            let response = exchange(&app, &client, &[]);
            let status = if code == "invalid_client" { 401 } else { 400 };
            response.assert_error(status, code);
        }
        if path == "applications/{}" && method == "PATCH" {
            patch(&server, &app, json!({"is_active": true})).assert_status(200);
            exchange(&app, &client, &[]).assert_error(400, "invalid_request");
        }
    }
    // A grant that a person has ended.
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let browser = server.browser();
    browser.log_in("alice");
    let path = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
    browser.submit_to(&path, &browser.get(&path), &[]).assert_status(303);
    exchange(&app, &client, &[]).assert_error(400, "invalid_request");
}

#[test]
fn what_has_expired_is_not_exchanged() {
    let server = TestServer::with(&[("OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS", "7200")]);
    let (app, client) = signed_in(&server);
    let other = signed_in_to(&app, &server);
    server.advance(7199);
    let tokens = exchange(&app, &client, &[]).tokens();
    server.advance(1);
    exchange(&app, &other, &[]).assert_error(400, "invalid_request");
    server.assert_good(&tokens.access_token);
    // It signed no longer than it would have.
    client.validate().assert_signed_error(401, "invalid_token");
}
