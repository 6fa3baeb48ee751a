//! What ends a signed request's right ends it at once, at every isolate: the database is asked each time.

use serde_json::{Value, json};

use crate::oauth1::{API, assert_logged, builder, mover, signed_in, subject};
use crate::oauth1_applications::LAST;
use crate::support::oauth1::SigningClient;
use crate::support::{TestClient, TestServer};

const ROTATED: &str =
    "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8,1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Three isolates that have just accepted what `act` is about, and the answers right after it.
fn after(
    server: &TestServer,
    client: &SigningClient<'_>,
    act: impl FnOnce(),
    judge: impl Fn(&SigningClient<'_>),
) {
    let isolates = [server.another_isolate(), server.another_isolate()];
    let clients = [client.clone(), client.at(&isolates[0]), client.at(&isolates[1])];
    for client in &clients {
        client.validate().assert_status(200);
    }
    act();
    // No mark is waited for, and none is needed.
    server.kv.clear();
    clients.iter().for_each(&judge);
}

fn refused(client: &SigningClient<'_>) {
    client.validate().assert_signed_error(401, "invalid_token");
}

fn patch(server: &TestServer, app: &TestClient<'_>, body: Value) {
    server.admin("PATCH", &format!("applications/{}", app.client_id), body).assert_status(200);
}

#[test]
fn what_a_person_has_authorized_shows_and_can_be_ended() {
    for by_xauth in [true, false] {
        let server = TestServer::new();
        server.user("alice");
        let app = mover(&server).set("client_name", json!("Old client")).create();
        let client = SigningClient::of(&app, &server);
        let client = match by_xauth {
            true => client.with_token(&client.xauth("alice", crate::support::PASSWORD).credentials()),
            false => client.with_token(&client.three_legs("alice")),
        };
        let browser = server.browser();
        browser.log_in("alice");
        let list = browser.get("/o/authorized_tokens/").assert_status(200).text();
        assert!(list.contains("<strong>Old client</strong>"), "{list}");
        let end = || {
            let path = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
            browser.submit_to(&path, &browser.get(&path), &[]).assert_status(303);
        };
        after(&server, &client, end, refused);
        assert!(!browser.get("/o/authorized_tokens/").text().contains("Old client"));
    }
}

#[test]
fn a_person_logs_out_everywhere() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let browser = server.browser();
    browser.log_in("alice");
    let end = || {
        let page = browser.get("/account/");
        browser.submit_to("/account/sessions/", &page, &[("end", "everywhere")]).assert_status(303);
    };
    after(&server, &client, end, refused);
}

#[test]
fn the_operator_ends_a_user_or_an_application() {
    for (method, path, body, why) in [
        ("POST", "users/alice/logout", Value::Null, "logged out everywhere"),
        (
            "POST",
            "users/alice/set-password",
            json!({"password": "another password"}),
            "logged out everywhere",
        ),
        ("PATCH", "users/alice", json!({"is_active": false}), "the user is disabled"),
        ("DELETE", "users/alice", Value::Null, "unknown"),
        ("PATCH", "applications/{}", json!({"is_active": false}), "the application is disabled"),
        ("DELETE", "applications/{}", Value::Null, "oauth_consumer_key is unknown"),
    ] {
        let server = TestServer::new();
        let (app, client) = signed_in(&server);
        let end = || {
            let status = server.admin(method, &path.replace("{}", &app.client_id), body).status();
            assert!(matches!(status, 200 | 204), "{path}: {status}");
        };
        after(&server, &client, end, |client| {
            let answer = client.validate();
            answer.assert_signed_error(401, "invalid_token");
            if why != "unknown" {
                assert_logged(client, &answer, why);
            }
        });
    }
}

#[test]
fn a_token_stays_ended_when_its_application_is_enabled_again() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let elsewhere = server.another_isolate();
    let client_there = client.at(&elsewhere);
    client_there.validate().assert_status(200);
    patch(&server, &app, json!({"is_active": false}));
    refused(&client_there);
    patch(&server, &app, json!({"is_active": true}));
    refused(&client_there);
    refused(&client);
    // Acting alone goes on at once.
    let alone = client_there.alone();
    alone.validate().assert_status(200);
}

#[test]
fn a_rotated_secret_signs_no_more_and_the_new_one_does_at_once() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let rotate = || {
        let path = format!("applications/{}/rotate-secret", app.client_id);
        let rotated = server.admin("POST", &path, Value::Null).assert_status(200).json();
        rotated["client_secret"].as_str().unwrap().to_owned()
    };
    let new = std::cell::RefCell::new(String::new());
    after(&server, &client, || *new.borrow_mut() = rotate(), refused);
    // First the new one, where the old one is remembered.
    let mut latest = client.clone();
    latest.consumer_secret = new.borrow().clone();
    after(
        &server,
        &latest,
        || *new.borrow_mut() = rotate(),
        |client| {
            let mut latest = client.clone();
            latest.consumer_secret = new.borrow().clone();
            latest.validate().assert_status(200);
            refused(client);
        },
    );
}

#[test]
fn what_an_application_may_no_more_it_may_nowhere() {
    let grants = ["client_credentials", "refresh_token"];
    for (body, why) in [
        (json!({"grant_types": grants}), "not registered for oauth1"),
        (json!({"oauth1_signature_methods": ["HMAC-SHA256"]}), "may not use this signature method"),
    ] {
        let server = TestServer::new();
        let (app, client) = signed_in(&server);
        let also = client.alone();
        after(
            &server,
            &client,
            || patch(&server, &app, body),
            |client| {
                for client in [client, &client.alone()] {
                    let answer = client.validate();
                    answer.assert_signed_error(401, "invalid_token");
                    assert_logged(client, &answer, why);
                }
            },
        );
        refused(&also);
    }
    // And what it may again, it may everywhere.
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let isolate = server.another_isolate();
    let there = client.at(&isolate);
    patch(&server, &app, json!({"oauth1_signature_methods": ["HMAC-SHA256"]}));
    refused(&there);
    patch(&server, &app, json!({"oauth1_signature_methods": ["HMAC-SHA1"]}));
    there.validate().assert_status(200);
}

#[test]
fn who_may_not_act_alone_any_more_may_nowhere() {
    let server = TestServer::new();
    let app = builder(&server).create();
    let client = SigningClient::of(&app, &server);
    after(&server, &client, || patch(&server, &app, json!({"grant_types": ["oauth1"]})), refused);
    patch(&server, &app, json!({"grant_types": ["oauth1", "client_credentials"], "scope": "read"}));
    assert_eq!(client.validate().assert_status(200).json()["scope"], "read");
}

#[test]
fn tokens_go_with_the_key_of_their_mac() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    client.at(&rotated).validate().assert_status(200);
    let mut cursor = json!({"cursor": null});
    while {
        let step = rotated.admin("POST", "reencrypt", cursor).assert_status(200).json();
        cursor = json!({"cursor": step["next_cursor"]});
        !step["next_cursor"].is_null()
    } {}
    // Sealed by the new key, the secrets are read by it; the old isolate has them in memory.
    let fresh = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    for isolate in [&server, &rotated, &fresh] {
        client.at(isolate).validate().assert_status(200);
    }
    // Who has not got the new key and remembers nothing can open them no more.
    refused(&client.at(&server.another_isolate()));
    let of_new_key = SigningClient::of(&app, &fresh);
    let of_new_key =
        of_new_key.with_token(&of_new_key.xauth("alice", crate::support::PASSWORD).credentials());
    // Without the old key its tokens are nobody's; the application and the tokens of the new key go on.
    let last = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    let old = client.at(&last);
    let answer = old.validate();
    answer.assert_signed_error(401, "invalid_token");
    assert_logged(&old, &answer, "not a token of this server");
    old.alone().validate().assert_status(200);
    of_new_key.at(&last).validate().assert_status(200);
}

#[test]
fn the_end_of_one_is_not_the_end_of_another() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    server.user("bob");
    let alone = client.alone();
    let bobs = alone.with_token(&alone.xauth("bob", crate::support::PASSWORD).credentials());
    server.admin("POST", "users/bob/logout", Value::Null).assert_status(204);
    refused(&bobs);
    client.validate().assert_status(200);
    let request = client.unsigned("GET", API).forwarded("");
    server.send(request).assert_status(200);
}

#[test]
fn its_application_revokes_it_by_token_and_secret() {
    // RFC 7009 §2.1
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let revoke = |token: &str| app.revoke(token).assert_status(200).text();
    // Whoever sees a signed request has seen its token, and its application's secret may stand in a program that people install.
    let pair = subject(&client);
    revoke(&client.token.as_ref().unwrap().token);
    revoke(&format!("{}x", pair));
    let other = mover(&server).create();
    other.revoke(&pair).assert_error(400, "invalid_grant");
    client.validate().assert_status(200);
    after(&server, &client, || drop(revoke(&pair)), refused);
    // Again is no error.
    revoke(&pair);
    assert_eq!(
        server.db.text("SELECT count(*) || '' FROM audit_events WHERE action = 'tokens_revoked'"),
        "1"
    );
}
