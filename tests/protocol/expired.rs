//! What is over goes away: in bounded steps by the clock or `cleartokens`, and a little at each issuance.

use futures_executor::block_on;
use http::Method;
use serde_json::{Value, json};

use crate::support::oauth1::SigningClient;
use crate::support::{CALLBACK, PASSWORD, TestServer, form_request, request};

fn count(server: &TestServer, table: &str) -> i64 {
    server.db.number(&format!("SELECT count(*) FROM {table}"))
}

fn run_cron(server: &TestServer) {
    block_on(postern::cron::run(&server.app)).expect("the database is there");
}

fn clear(server: &TestServer) -> Value {
    let response = server.admin("POST", "cleartokens", Value::Null);
    response.assert_status(200);
    response.json()
}

#[test]
fn cleartokens_deletes_what_has_expired_and_nothing_else() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "50000")]);
    let app = server.confidential_application();
    server.user("alice");
    app.log_in("alice");
    app.client_credentials().tokens();
    server.advance(1);
    let live = app.log_in("alice");
    server.advance(35_998);
    assert_eq!(
        clear(&server),
        json!({"deleted": {"families": 0, "grants": 0, "attempts": 1, "audit_events": 0, "sessions": 0, "authorization_codes": 0, "mail_links": 0, "oauth1_tokens": 0, "oauth1_nonces": 0}, "more": false})
    );
    server.advance(1); // the token of client credentials
    assert_eq!(clear(&server)["deleted"]["families"], 1);
    server.advance(13_999);
    assert_eq!(clear(&server)["deleted"]["families"], 0);
    server.advance(1); // the first login
    assert_eq!(clear(&server)["deleted"]["families"], 1);
    assert_eq!(count(&server, "families"), 1);
    app.refresh(live.refresh()).tokens();
}

#[test]
fn a_refresh_keeps_its_row_alive_and_makes_no_other() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "50000")]);
    let app = server.public_application();
    server.user("alice");
    let mut tokens = app.log_in("alice");
    for _ in 0..5 {
        server.advance(40_000);
        clear(&server);
        tokens = app.refresh(tokens.refresh()).tokens();
        assert_eq!(count(&server, "families"), 1);
    }
    server.validate(&tokens.access_token).assert_status(200);
}

#[test]
fn a_login_that_never_expires_stays() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.advance(100_000_000);
    run_cron(&server);
    assert_eq!(app.refresh(tokens.refresh()).tokens().expires_in, 36_000);
}

#[test]
fn a_revoked_login_goes_when_its_access_tokens_would_have_expired() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    app.revoke(tokens.refresh()).assert_status(200);
    server.advance(35_999);
    assert_eq!(clear(&server)["deleted"]["families"], 0);
    server.advance(1);
    assert_eq!(clear(&server)["deleted"]["families"], 1);
}

#[test]
fn each_issuance_deletes_a_few_expired_rows() {
    let server = TestServer::new();
    let app = server.confidential_application();
    for _ in 0..10 {
        app.client_credentials().tokens();
    }
    server.advance(36_000);
    for left in [6, 2, 0, 0] {
        app.client_credentials().tokens();
        let old = format!("families WHERE expires_at <= {}", server.now());
        assert_eq!(count(&server, &old), left);
    }
}

#[test]
fn storage_stays_bounded_if_no_cron_ever_runs() {
    let server =
        TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "100"), ("REFRESH_TOKEN_EXPIRE_SECONDS", "100")]);
    let app = server.public_application();
    server.user("alice");
    for _ in 0..50 {
        app.log_in("alice");
        server.advance(10);
        assert!(count(&server, "families") <= 11);
    }
    assert_eq!(count(&server, "grants"), 1);
}

/// Of what `leave` leaves behind again and again, with no cron.
#[track_caller]
fn assert_does_not_pile_up(leave: impl Fn(&TestServer, u32)) {
    let server = TestServer::new();
    server.user("alice");
    for round in 0..10 {
        leave(&server, round);
        server.advance(36_000);
    }
    let left = ["grants", "purges", "families"].map(|table| count(&server, table));
    assert!(left.iter().all(|&left| left <= 3), "{left:?}");
}

#[test]
fn neither_do_ended_grants_pile_up() {
    assert_does_not_pile_up(|server, _| {
        let app = server.public_application();
        let bearer = format!("Bearer {}", app.log_in("alice").access_token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = json!({"client_id": app.client_id}).to_string();
        server.send(request(Method::POST, "/auth/invalidate-sessions/", &headers, &body)).assert_status(204);
    });
}

#[test]
fn neither_do_deleted_users_pile_up() {
    assert_does_not_pile_up(|server, round| {
        let name = format!("user-{round}");
        server.user(&name);
        server.public_application().log_in(&name);
        server.admin("DELETE", &format!("users/{name}"), Value::Null).assert_status(204);
    });
}

#[test]
fn neither_do_deleted_applications_pile_up() {
    assert_does_not_pile_up(|server, _| {
        let app = server.public_application();
        app.log_in("alice");
        server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    });
}

#[test]
fn cleartokens_goes_in_bounded_steps() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.db.multiply("families", 1_200);
    server.advance(36_000);
    let steps: Vec<Value> = (0..3).map(|_| clear(&server)).collect();
    let step = |families: u32, more: bool| json!({"deleted": {"families": families, "grants": 0, "attempts": 0, "audit_events": 0, "sessions": 0, "authorization_codes": 0, "mail_links": 0, "oauth1_tokens": 0, "oauth1_nonces": 0}, "more": more});
    assert_eq!(steps, [step(500, true), step(500, true), step(200, false)]);
}

/// What is over at a moment, wherever it came from.
const OVER_BY_TIME: [&str; 7] = [
    "attempts",
    "audit_events",
    "sessions",
    "authorization_codes",
    "mail_links",
    "oauth1_tokens",
    "oauth1_nonces",
];

/// Stores 1,200 rows in each of these tables that have been over since 1970.
fn store_old_rows(server: &TestServer) {
    for table in OVER_BY_TIME {
        let values = server.db.text(&format!(
            "SELECT group_concat(CASE WHEN type = 'TEXT' THEN '''x'' || n' WHEN pk THEN '-n' ELSE '1' END)
             FROM pragma_table_info('{table}')"
        ));
        server.db.execute(&format!(
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1200)
             INSERT INTO {table} SELECT {values} FROM c"
        ));
    }
}

/// How many of them are left.
fn old_rows(server: &TestServer, table: &str) -> i64 {
    let time = if table == "audit_events" { "created_at" } else { "expires_at" };
    count(server, &format!("{table} WHERE {time} = 1"))
}

#[test]
fn every_kind_of_row_goes_in_bounded_steps() {
    let server = TestServer::new();
    store_old_rows(&server);
    for (deleted, left, more) in [(500, 700, true), (500, 200, true), (200, 0, false)] {
        let cleared = clear(&server);
        assert_eq!(cleared["more"], more);
        for table in OVER_BY_TIME {
            let told = (&cleared["deleted"][table], old_rows(&server, table));
            assert_eq!(told, (&deleted.into(), left), "{table}");
        }
    }
}

#[test]
fn what_stores_a_row_deletes_four_old_ones() {
    let server = TestServer::with(&[("MAIL_CARRIER", "log"), ("MAIL_FROM", "id@id.example")]);
    let app = server.application().public().grants(&["authorization_code", "password"]);
    let app = app.redirect_uri(CALLBACK).create();
    let signing = server.application().grants(&["oauth1"]).redirect_uri(CALLBACK).create();
    let ann = json!({"username": "ann", "password": PASSWORD, "email": "ann@mail.example"});
    server.admin("POST", "users", ann).assert_status(201);
    let browser = server.browser();
    store_old_rows(&server);
    let mut expected = [1_200; OVER_BY_TIME.len()];
    let mut assert_fewer = |after: &str, fewer: &[&str]| {
        for (table, left) in OVER_BY_TIME.iter().zip(&mut expected) {
            *left -= if fewer.contains(table) { 4 } else { 0 };
            assert_eq!(old_rows(&server, table), *left, "{table} after {after}");
        }
    };
    app.password("ann", "a wrong one").assert_error(400, "invalid_grant");
    assert_fewer("a wrong password", &["attempts"]);
    browser.log_in("ann");
    assert_fewer("a login on the page", &["attempts", "sessions", "audit_events"]);
    let form = [("username", "bob"), ("password", PASSWORD)];
    server.send(form_request("/sign_up/", &[("cf-connecting-ip", "192.0.2.1")], &form)).assert_status(201);
    assert_fewer("a sign-up", &["attempts", "audit_events"]);
    let code = browser.code(&app.authorization());
    assert_fewer("a code", &["authorization_codes"]);
    app.exchange(&code).tokens();
    assert_fewer("what it bought", &["audit_events"]);
    let form = browser.get("/accounts/password/reset/");
    browser.submit_once(&form, &[("email", "ann@mail.example")]).assert_status(303);
    assert_fewer("a link by e-mail", &["attempts", "mail_links"]);
    SigningClient::of(&signing, &server).request_token(CALLBACK).credentials();
    assert_fewer("a request token", &["oauth1_tokens", "oauth1_nonces"]);
}

#[test]
fn one_run_of_the_clock_does_all_steps_that_are_due() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.db.multiply("families", 1_200);
    server.advance(36_000);
    let before = server.db.round_trips.get();
    run_cron(&server);
    assert_eq!((count(&server, "families"), server.db.round_trips.get() - before), (0, 3));
}

#[test]
fn one_run_of_the_clock_is_bounded() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.db.multiply("families", 12_000);
    server.advance(36_000);
    run_cron(&server);
    assert_eq!(count(&server, "families"), 2_000);
    run_cron(&server);
    assert_eq!(count(&server, "families"), 0);
}

#[test]
fn what_a_deleted_user_leaves_goes_in_bounded_steps() {
    let server = TestServer::new();
    let (app, other_app) = (server.public_application(), server.public_application());
    server.user("alice");
    app.log_in("alice");
    server.db.multiply("families", 1_200);
    other_app.log_in("alice");
    server.user("bob");
    let bob = app.log_in("bob");
    server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    assert_eq!((count(&server, "families"), count(&server, "grants")), (1_202, 3));
    let mut steps = 0;
    while clear(&server)["more"] == true {
        steps += 1;
    }
    assert!((2..=4).contains(&steps), "{steps}");
    clear(&server);
    assert_eq!((count(&server, "families"), count(&server, "grants"), count(&server, "purges")), (1, 1, 0));
    app.refresh(bob.refresh()).tokens();
}

#[test]
fn what_a_deleted_application_leaves_goes_in_bounded_steps() {
    let server = TestServer::new();
    let (app, other_app) = (server.public_application(), server.public_application());
    server.user("alice");
    app.log_in("alice");
    server.db.multiply("families", 1_200);
    server.user("bob");
    app.log_in("bob");
    let live = other_app.log_in("alice");
    server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    run_cron(&server);
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "grants"), count(&server, "purges")), (1, 1, 0));
    other_app.refresh(live.refresh()).tokens();
}

#[test]
fn one_run_of_the_clock_leaves_nothing_of_a_deleted_user() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice");
    server.db.multiply("families", 600);
    server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "grants"), count(&server, "purges")), (0, 0, 0));
}

#[test]
fn a_token_of_a_deleted_application_for_itself_goes_when_it_expires() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    server.advance(36_000);
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "purges")), (0, 0));
}

#[test]
fn what_a_log_out_ended_goes_and_later_logins_stay() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    server.db.multiply("families", 700);
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    let live = app.log_in("alice");
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "grants"), count(&server, "purges")), (1, 1, 0));
    app.refresh(live.refresh()).tokens();
    app.refresh(old.refresh()).assert_error(400, "invalid_grant");
    server.another_isolate().validate(&old.access_token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn what_disabling_an_application_ended_goes_and_later_logins_stay() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice");
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
    let live = app.log_in("alice");
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "purges")), (1, 0));
    app.refresh(live.refresh()).tokens();
}

#[test]
fn a_log_out_between_two_steps_is_not_forgotten() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice");
    server.db.multiply("families", 600);
    for _ in 0..3 {
        server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
        clear(&server);
        app.log_in("alice");
    }
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    run_cron(&server);
    assert_eq!((count(&server, "families"), count(&server, "purges")), (0, 0));
}

#[test]
fn live_rows_stay_through_it_all() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    server.user("bob");
    let (login, own) = (app.log_in("alice"), app.client_credentials().tokens());
    app.log_in("bob");
    server.admin("DELETE", "users/bob", Value::Null).assert_status(204);
    for _ in 0..3 {
        server.advance(1_000);
        run_cron(&server);
        clear(&server);
    }
    for token in [&login.access_token, &own.access_token] {
        server.validate_with(token, "fresh=1", &[]).assert_status(200);
    }
    app.refresh(login.refresh()).tokens();
}

#[test]
fn a_run_without_the_database_fails_and_the_next_goes_on() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.advance(36_000);
    server.db.is_down.set(true);
    assert!(block_on(postern::cron::run(&server.app)).is_err());
    server.admin("POST", "cleartokens", Value::Null).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    run_cron(&server);
    assert_eq!(count(&server, "families"), 0);
}

#[test]
fn only_the_operator_clears() {
    let server = TestServer::new();
    server.post_form("/admin/api/cleartokens", &[]).assert_error(401, "invalid_token");
}
