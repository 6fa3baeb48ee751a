//! The operator can look up who did what, when, and from where.

use http::HeaderValue;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, admin_request};

/// Actor, action and target of each event so far, the earliest first.
fn events(server: &TestServer) -> Vec<(String, String, String)> {
    let listed = server.admin("GET", "audit-events?limit=200", Value::Null);
    listed.assert_status(200);
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let events = listed.json()["audit_events"].as_array().unwrap().clone();
    events
        .iter()
        .rev()
        .map(|event| (text(event, "actor"), text(event, "action"), text(event, "target")))
        .collect()
}

fn last(server: &TestServer, count: usize) -> Vec<(String, String, String)> {
    let mut events = events(server);
    events.split_off(events.len() - count)
}

fn event(actor: &str, action: &str, target: &str) -> (String, String, String) {
    (actor.to_owned(), action.to_owned(), target.to_owned())
}

fn id_of(server: &TestServer, table: &str) -> String {
    server.db.text(&format!("SELECT id FROM {table}"))
}

#[test]
fn what_people_and_applications_do_is_noted() {
    let server = TestServer::with(&[("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let (alice, application) = (id_of(&server, "users"), id_of(&server, "applications"));
    let by_alice = format!("user {alice}");
    let by_application = format!("application {application}");
    assert_eq!(last(&server, 1), [event(&by_alice, "signed_up", &alice)]);

    let tokens = app.log_in("alice");
    assert_eq!(last(&server, 1), [event(&by_alice, "logged_in", &by_application)]);
    let family = format!("family {}", id_of(&server, "families"));
    app.refresh(tokens.refresh()).tokens();
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    assert_eq!(last(&server, 1), [event(&by_application, "refresh_token_reused", &family)]);

    // It has ended: nothing is done by ending it once more.
    let before = events(&server).len();
    app.revoke(tokens.refresh()).assert_status(200);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    assert_eq!(events(&server).len(), before);

    server.advance(1);
    let tokens = app.log_in("alice");
    app.revoke(&tokens.access_token).assert_status(200);
    let family = format!("family {}", server.db.text("SELECT id FROM families ORDER BY created_at DESC"));
    assert_eq!(last(&server, 1), [event(&by_application, "tokens_revoked", &family)]);
}

#[test]
fn what_the_operator_does_is_noted() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let application = id_of(&server, "applications");
    assert_eq!(events(&server), [event("operator", "application_created", &application)]);
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"client_name": "Notes"})).assert_status(200);
    server.admin("POST", &format!("{path}/rotate-secret"), Value::Null).assert_status(200);
    server.admin("DELETE", &path, Value::Null).assert_status(204);
    let names = ["application_changed", "secret_rotated", "application_changed", "application_deleted"];
    assert_eq!(last(&server, 4), names.map(|name| event("operator", name, &application)));

    server.admin("POST", "users", json!({"username": "bob", "password": PASSWORD})).assert_status(201);
    let bob = id_of(&server, "users");
    server.admin("PATCH", "users/bob", json!({"first_name": "Bob"})).assert_status(200);
    let password = json!({"password": "another good password"});
    server.admin("POST", "users/bob/set-password", password).assert_status(204);
    server.admin("POST", "users/bob/logout", Value::Null).assert_status(204);
    server.admin("DELETE", "users/bob", Value::Null).assert_status(204);
    let names =
        ["user_created", "user_changed", "password_set", "user_logged_out", "user_changed", "user_deleted"];
    assert_eq!(last(&server, 6), names.map(|name| event("operator", name, &bob)));
}

#[test]
fn what_was_refused_is_not_noted_as_done() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let before = events(&server);
    server.admin("POST", "users", json!({"username": "alice", "password": PASSWORD})).assert_status(409);
    server
        .admin("POST", "applications", json!({"client_id": app.client_id, "client_type": "public"}))
        .assert_status(409);
    server.admin("DELETE", "users/nobody", Value::Null).assert_status(404);
    app.password("alice", "wrong").assert_error(400, "invalid_grant");
    app.revoke("unknown").assert_status(200);
    assert_eq!(events(&server), before);
}

#[test]
fn locks_are_noted_once_with_whose_and_from_where() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "3/900"), ("ADDRESS_FAILURE_LIMIT", "6/900")]);
    let app = server.public_application();
    server.user("alice");
    let alice = id_of(&server, "users");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
    for _ in 0..20 {
        let mut request = app.request("/o/token/", &form);
        request.headers_mut().insert("cf-connecting-ip", HeaderValue::from_static("2001:db8::7"));
        server.send(request);
        server.advance(5);
    }
    let expected = [
        event("anybody", "account_locked", &format!("user {alice}")),
        event("anybody", "address_blocked", "2001:db8::"),
    ];
    assert_eq!(last(&server, 2), expected);
    assert_eq!(events(&server).iter().filter(|event| event.0 == "anybody").count(), 2);
    assert_eq!(server.db.text("SELECT address FROM audit_events ORDER BY id DESC"), "2001:db8::7");
    let warnings: Vec<Value> = server
        .log()
        .into_iter()
        .filter(|line| line["level"] == "warning")
        .map(|line| line["event"].clone())
        .collect();
    assert_eq!(warnings, ["account_locked", "address_blocked"]);
}

#[test]
fn a_lock_is_noted_with_the_first_try_beyond_the_limit_that_of_an_application_too() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "3/900")]);
    let app = server.application().grants(&["client_credentials"]);
    let app = app.set("client_secret", json!("a chosen secret of mine")).create();
    let before = events(&server).len();
    let guess = || {
        app.with_secret(Some("wrong")).client_credentials().assert_error(401, "invalid_client");
    };
    for _ in 0..3 {
        guess();
    }
    assert_eq!(events(&server).len(), before);
    guess();
    let application = format!("application {}", id_of(&server, "applications"));
    assert_eq!(last(&server, 1), [event("anybody", "account_locked", &application)]);
    guess();
    assert_eq!(events(&server).len(), before + 1);
}

#[test]
fn no_application_is_noted_as_locked_that_nobody_can_lock() {
    let server = TestServer::new();
    let (confidential, public) = (server.confidential_application(), server.public_application());
    let before = events(&server);
    for _ in 0..20 {
        for app in [&confidential, &public] {
            app.with_secret(Some("wrong")).client_credentials().assert_error(401, "invalid_client");
        }
    }
    assert_eq!(events(&server), before);
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 0);
}

#[test]
fn the_list_goes_from_the_latest_to_the_earliest_in_pages() {
    let server = TestServer::new();
    for n in 0..5 {
        server.user(&format!("user-{n}"));
        server.advance(1);
    }
    let page = |query: &str| server.admin("GET", &format!("audit-events?{query}"), Value::Null).json();
    let first = page("limit=3");
    let second = page(&format!("limit=3&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!(second["next_cursor"], Value::Null);
    let all = [first, second].map(|page| page["audit_events"].as_array().unwrap().clone()).concat();
    let times: Vec<i64> = all.iter().map(|event| event["created_at"].as_i64().unwrap()).collect();
    let now = server.now();
    assert_eq!(times, [now - 1, now - 2, now - 3, now - 4, now - 5]);
    assert_eq!(all[0]["address"], Value::Null);

    for (query, field) in
        [("limit=0", "limit"), ("search=x", "search"), ("cursor=x", "cursor"), ("cursor=eA", "cursor")]
    {
        let refused = server.admin("GET", &format!("audit-events?{query}"), Value::Null);
        refused.assert_fields(400, &[field]);
    }
    server.send(admin_request("POST", "audit-events", Value::Null)).assert_status(405);
    server.get("/admin/api/audit-events").assert_error(401, "invalid_token");
}

#[test]
fn events_are_kept_for_ninety_days() {
    let server = TestServer::new();
    server.user("alice");
    server.advance(90 * 86_400 - 1);
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    assert_eq!(events(&server).len(), 1);
    server.advance(1);
    let cleared = server.admin("POST", "cleartokens", Value::Null).json();
    assert_eq!((&cleared["deleted"]["audit_events"], events(&server).len()), (&json!(1), 0));
}

#[test]
fn old_events_go_with_new_ones_even_if_no_cron_ever_runs() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "86400")]);
    let app = server.public_application();
    server.user("alice");
    for _ in 0..30 {
        app.log_in("alice");
        server.advance(10 * 86_400);
        assert!(server.db.number("SELECT count(*) FROM audit_events") <= 12);
    }
}

#[test]
fn old_events_go_with_new_ones_even_if_nobody_but_guessers_comes() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "1/900")]);
    let app = server.public_application();
    for n in 0..30 {
        for _ in 0..2 {
            app.password(&format!("user-{n}"), "wrong");
        }
        server.advance(10 * 86_400);
        assert!(server.db.number("SELECT count(*) FROM audit_events") <= 10);
    }
}

#[test]
fn the_api_reference_knows_every_action() {
    let source = include_str!("../../src/model/audit.rs");
    let reference = include_str!("../../docs/openapi.yaml");
    let actions: Vec<&str> =
        source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(actions.len() > 20);
    for action in actions {
        assert!(reference.contains(&format!("\n            - {action}\n")), "{action}");
    }
}
