//! Guessing is slowed: failures are counted for accounts, applications and addresses, however they are spread.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use http::{HeaderValue, Method};
use postern::app::Limiter;
use postern::call::Request;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, PASSWORD, TestClient, TestResponse, TestServer, admin_request, form_request, request, routes,
};

/// What stands for the guess of somebody who knows nothing.
pub const WRONG: &str = "not the password";
pub const HERE: &str = "192.0.2.1";

pub fn from(address: &str, mut request: Request) -> Request {
    request.headers_mut().insert("cf-connecting-ip", HeaderValue::from_str(address).unwrap());
    request
}

pub fn guess(app: &TestClient<'_>, username: &str, password: &str) -> Request {
    app.request("/o/token/", &[("grant_type", "password"), ("username", username), ("password", password)])
}

pub fn statuses(responses: &[TestResponse]) -> Vec<u16> {
    responses.iter().map(TestResponse::status).collect()
}

fn assert_throttled(response: &TestResponse, seconds: i64) {
    response.assert_error(429, "temporarily_unavailable");
    assert_eq!(response.header("retry-after"), Some(seconds.to_string().as_str()));
}

#[test]
fn an_account_is_locked_after_too_many_wrong_passwords_and_opens_again() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for _ in 0..10 {
        app.password("alice", WRONG).assert_error(400, "invalid_grant");
    }
    // As for a wrong password: the right one is not told from it.
    let (right, wrong) = (app.password("alice", PASSWORD), app.password("alice", WRONG));
    assert_eq!(right.text(), wrong.text());
    assert_eq!(right.status(), 400);
    app.at(&server.another_isolate()).password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.advance(899);
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.advance(1);
    app.log_in("alice");
}

#[test]
fn the_last_try_below_the_limit_is_a_try() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for _ in 0..9 {
        app.password("alice", WRONG).assert_error(400, "invalid_grant");
    }
    app.log_in("alice");
}

#[test]
fn a_success_resets_the_failures_of_the_account() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for _ in 0..5 {
        for _ in 0..9 {
            app.password("alice", WRONG).assert_error(400, "invalid_grant");
        }
        app.log_in("alice");
    }
}

#[test]
fn other_accounts_are_not_locked_with_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.user("bob");
    for _ in 0..20 {
        app.password("alice", WRONG).assert_error(400, "invalid_grant");
    }
    app.log_in("bob");
}

#[test]
fn no_spelling_of_a_name_has_tries_of_its_own() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("Zoé");
    for name in ["Zoé", "zoé", "ZOÉ", "zoe\u{301}", "Ｚoé", "ZOE\u{301}", "zOé", "Zoe\u{301}", "ｚｏé", "zoÉ"]
    {
        app.password(name, WRONG).assert_error(400, "invalid_grant");
    }
    app.password("Zoé", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn no_application_and_no_isolate_has_tries_of_its_own() {
    let server = TestServer::new();
    let (one, another) = (server.public_application(), server.confidential_application());
    server.user("alice");
    for _ in 0..5 {
        one.at(&server.another_isolate()).password("alice", WRONG).assert_error(400, "invalid_grant");
        another.at(&server.another_isolate()).password("alice", WRONG).assert_error(400, "invalid_grant");
    }
    one.password("alice", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn of_tries_at_once_no_more_than_the_limit_find_out_anything() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    // The right one is somewhere behind the limit: who guesses does not learn that it is right.
    let tries = (0..100).map(|n| guess(&app, "alice", if n == 10 { PASSWORD } else { WRONG })).collect();
    assert_eq!(statuses(&server.send_all(tries)), [400; 100]);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn right_tries_at_once_all_get_in() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for address in [HERE, "198.51.100.7"] {
        let tries = (0..50).map(|_| from(address, guess(&app, "alice", PASSWORD))).collect();
        assert_eq!(statuses(&server.send_all(tries)), [200; 50]);
    }
    app.log_in("alice");
}

#[test]
fn the_owner_gets_in_from_an_address_without_failures() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let attack = |n: u32| from("198.51.100.7", guess(&app, "alice", &n.to_string()));
    server.send_all((0..30).map(attack).collect());
    server.send(from("198.51.100.7", guess(&app, "alice", PASSWORD))).assert_error(400, "invalid_grant");
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.send(from(HERE, guess(&app, "alice", PASSWORD))).tokens();
}

#[test]
fn a_clean_address_has_one_try_at_a_locked_account() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let attack = |_| from("198.51.100.7", guess(&app, "alice", WRONG));
    server.send_all((0..30).map(attack).collect());
    server.send(from(HERE, guess(&app, "alice", WRONG))).assert_error(400, "invalid_grant");
    server.send(from(HERE, guess(&app, "alice", PASSWORD))).assert_error(400, "invalid_grant");
    // Nor does it have several at once.
    let elsewhere = "203.0.113.9";
    let tries = [WRONG, PASSWORD].map(|password| from(elsewhere, guess(&app, "alice", password)));
    assert_eq!(statuses(&server.send_all(tries.into())), [400, 400]);
}

#[test]
fn a_locked_account_costs_what_a_wrong_password_costs() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let cost = |username: &str, password: &str| {
        let before = (server.db.round_trips.get(), server.app.settings.password_hasher.count());
        app.password(username, password).assert_error(400, "invalid_grant");
        (server.db.round_trips.get() - before.0, server.app.settings.password_hasher.count() - before.1)
    };
    app.log_in("alice");
    assert_eq!(cost("alice", WRONG), (2, 1));
    assert_eq!(cost("nobody", WRONG), (2, 1));
    for _ in 0..10 {
        app.password("alice", WRONG);
    }
    assert_eq!(cost("alice", WRONG), (2, 1));
    assert_eq!(cost("alice", PASSWORD), (2, 1));
}

#[test]
fn an_address_with_too_many_failures_is_refused_before_any_work() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tries = |n: u32| from(HERE, guess(&app, &format!("user-{n}"), WRONG));
    assert_eq!(statuses(&server.send_all((0..100).map(tries).collect())), [400; 100]);
    server.advance(60);
    let elsewhere = server.another_isolate();
    let hashes = elsewhere.app.settings.password_hasher.count();
    assert_throttled(&elsewhere.send(from(HERE, guess(&app, "alice", PASSWORD))), 840);
    assert_eq!(elsewhere.app.settings.password_hasher.count(), hashes);
    // Now this isolate knows it: not even the database is asked.
    let before = (elsewhere.db.round_trips.get(), elsewhere.log().len());
    assert_throttled(&elsewhere.send(from(HERE, guess(&app, "alice", PASSWORD))), 840);
    assert_eq!((elsewhere.db.round_trips.get(), elsewhere.log().len()), before);

    server.send(from("192.0.2.2", guess(&app, "alice", PASSWORD))).tokens();
    server.advance(840);
    elsewhere.send(from(HERE, guess(&app, "alice", PASSWORD))).tokens();
}

#[test]
fn an_isolate_that_knows_an_address_is_over_its_limit_asks_the_database_every_ten_seconds() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900"), ("SIGN_UP_LIMIT", "1/900")]);
    let app = server.public_application();
    let wrong = || request(Method::GET, "/admin/api/users", &[("authorization", "Bearer x")], "");
    let tries = || [guess(&app, "nobody", WRONG), wrong(), sign_up("alice")];
    for _ in 0..2 {
        server.send_all(tries().map(|request| from(HERE, request)).into());
    }
    let asked = |seconds: &str| {
        let before = server.db.round_trips.get();
        for refused in tries().map(|request| server.send(from(HERE, request))) {
            refused.assert_status(429);
            assert_eq!(refused.header("retry-after"), Some(seconds));
        }
        server.db.round_trips.get() - before
    };
    assert_eq!(asked("900"), 0);
    server.advance(9);
    assert_eq!(asked("891"), 0);
    for (later, seconds) in [(1, 890), (885, 5)] {
        server.advance(later);
        let before = server.db.round_trips.get();
        assert_throttled(&server.send(from(HERE, wrong())), seconds);
        assert_eq!(server.db.round_trips.get(), before + 1);
    }
    // It is not refused any longer than the database would.
    server.advance(5);
    server.send(from(HERE, wrong())).assert_error(401, "invalid_token");
}

#[test]
fn of_tries_at_once_from_one_address_no_more_than_its_limit_are_looked_at() {
    let server = TestServer::new();
    let app = server.public_application();
    let before = server.app.settings.password_hasher.count();
    let tries = |n: u32| from(HERE, guess(&app, &format!("user-{n}"), WRONG));
    let statuses = statuses(&server.send_all((0..300).map(tries).collect()));
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 100);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 200);
    assert_eq!(server.app.settings.password_hasher.count() - before, 100);
}

#[test]
fn a_host_has_no_tries_of_its_own_for_each_of_its_ipv6_addresses() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let app = server.public_application();
    for n in 0..5 {
        let address = format!("2001:db8:0:1:{n}::{n}");
        server.send(from(&address, guess(&app, &n.to_string(), WRONG))).assert_error(400, "invalid_grant");
    }
    assert_throttled(&server.send(from("2001:DB8::1:ffff:0:0:1", guess(&app, "x", WRONG))), 900);
    server.send(from("2001:db8:0:2::1", guess(&app, "x", WRONG))).assert_error(400, "invalid_grant");

    for address in ["192.0.2.9", "::ffff:192.0.2.9", "::FFFF:c000:0209", "192.0.2.9", "::ffff:192.0.2.9"] {
        server.send(from(address, guess(&app, "y", WRONG))).assert_error(400, "invalid_grant");
    }
    assert_throttled(&server.send(from("192.0.2.9", guess(&app, "z", WRONG))), 900);
}

#[test]
fn the_failures_of_an_address_are_not_reset_by_a_login() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let app = server.public_application();
    server.user("mallory");
    for n in 0..5 {
        server.send(from(HERE, guess(&app, "mallory", PASSWORD))).tokens();
        server.send(from(HERE, guess(&app, &n.to_string(), WRONG))).assert_error(400, "invalid_grant");
    }
    assert_throttled(&server.send(from(HERE, guess(&app, "mallory", PASSWORD))), 900);
}

#[test]
fn what_others_claim_of_an_address_is_not_counted() {
    // Only Cloudflare's own header tells it; without it there is none.
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900")]);
    let app = server.public_application();
    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"] {
        let mut request = guess(&app, "nobody", WRONG);
        request.headers_mut().insert(name, HeaderValue::from_static(HERE));
        server.send(request).assert_error(400, "invalid_grant");
    }
    for address in ["", "unknown", "192.0.2.1, 192.0.2.2"] {
        server.send(from(address, guess(&app, "nobody", WRONG))).assert_error(400, "invalid_grant");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 1);
}

pub fn with_chosen_secret(server: &TestServer) -> TestClient<'_> {
    let app = server.application().grants(&["client_credentials", "password"]);
    app.set("client_secret", json!("a chosen secret of mine")).create()
}

/// The same of an application that signs requests: its secret is sealed, not hashed.
pub fn with_sealed_secret(server: &TestServer) -> TestClient<'_> {
    let app = server.application().grants(&["client_credentials", "password", "oauth1"]);
    app.set("client_secret", json!("a chosen secret of mine")).create()
}

/// Applications with a secret that can be guessed.
pub const CHOSEN: [fn(&TestServer) -> TestClient<'_>; 2] = [with_chosen_secret, with_sealed_secret];

pub fn basic(app: &TestClient<'_>, secret: &str) -> Request {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let credentials = BASE64_STANDARD.encode(format!("{}:{secret}", app.client_id));
    let headers = [("authorization", &*format!("Basic {credentials}"))];
    form_request("/o/token/", &headers, &[("grant_type", "client_credentials")])
}

pub fn in_body(app: &TestClient<'_>, secret: &str) -> Request {
    let app = app.with_secret(Some(secret));
    app.request("/o/token/", &[("grant_type", "client_credentials")])
}

#[test]
fn an_application_with_a_chosen_secret_is_locked_however_the_secret_is_sent_and_wherever() {
    for create in CHOSEN {
        let server = TestServer::new();
        let app = create(&server);
        app.client_credentials().tokens();
        for n in 0..5 {
            let elsewhere = server.another_isolate();
            elsewhere.send(basic(&app, &n.to_string())).assert_error(401, "invalid_client");
            elsewhere.send(in_body(&app, WRONG)).assert_error(401, "invalid_client");
        }
        for isolate in [&server.another_isolate(), &server.another_isolate()] {
            for path in ["/o/token/", "/o/introspect/", "/o/revoke_token/"] {
                let form = [("grant_type", "client_credentials"), ("token", "x")];
                app.at(isolate).post(path, &form).assert_error(401, "invalid_client");
            }
        }
        // Where it was proven before, the digest of the right secret is remembered: the first wrong one ends that.
        server.send(basic(&app, WRONG)).assert_error(401, "invalid_client");
        app.client_credentials().assert_error(401, "invalid_client");
        server.send(from(HERE, basic(&app, "a chosen secret of mine"))).tokens();
        app.client_credentials().tokens();
    }
}

#[test]
fn right_chosen_secrets_at_once_are_all_accepted() {
    for create in CHOSEN {
        let server = TestServer::new();
        let app = create(&server);
        let isolate = server.another_isolate();
        let requests = (0..50).map(|_| in_body(&app, "a chosen secret of mine")).collect();
        assert_eq!(statuses(&isolate.send_all(requests)), [200; 50]);
        app.client_credentials().tokens();
    }
}

#[test]
fn of_wrong_chosen_secrets_at_once_none_beyond_the_limit_is_accepted() {
    for create in CHOSEN {
        let server = TestServer::new();
        let app = create(&server);
        let secret = |n| if n == 10 { "a chosen secret of mine" } else { WRONG };
        let isolate = server.another_isolate();
        let requests = (0..40).map(|n| basic(&app, secret(n))).collect();
        assert_eq!(statuses(&isolate.send_all(requests)), [401; 40]);
    }
}

#[test]
fn a_chosen_secret_that_looks_generated_can_be_guessed() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials", "oauth1"]);
    let secret = format!("pst_cs_{}", "a".repeat(43));
    let app = app.set("client_secret", json!(secret)).create();
    for _ in 0..10 {
        server.another_isolate().send(basic(&app, WRONG)).assert_error(401, "invalid_client");
    }
    app.client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn nobody_can_lock_out_an_application_whose_secret_nobody_can_guess() {
    for more in ["refresh_token", "oauth1"] {
        let server = TestServer::new();
        let app = server.application().grants(&["password", "client_credentials", more]).create();
        for _ in 0..20 {
            server.send(basic(&app, WRONG)).assert_error(401, "invalid_client");
        }
        app.client_credentials().tokens();
        // Its failures count for the address.
        let wrong = |_| from(HERE, basic(&app, WRONG));
        let statuses = statuses(&server.send_all((0..150).map(wrong).collect()));
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 100);
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 50);
        assert_throttled(&server.send(from(HERE, guess(&app, "alice", PASSWORD))), 900);
        server.send(from(HERE, in_body(&app, app.client_secret.as_deref().unwrap()))).tokens();
    }
}

#[test]
fn wrong_secrets_of_no_application_count_for_the_address() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "3/900")]);
    let app = server.confidential_application();
    let mut nobody = app.clone();
    nobody.client_id = "nobody".to_owned();
    for _ in 0..3 {
        server.send(from(HERE, basic(&nobody, WRONG))).assert_error(401, "invalid_client");
    }
    assert_throttled(&server.send(from(HERE, basic(&nobody, WRONG))), 900);
}

#[test]
fn a_name_longer_than_any_counts_for_the_address() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900")]);
    let app = server.public_application();
    let long = "x".repeat(151);
    server.send(from(HERE, guess(&app, &long, WRONG))).assert_error(400, "invalid_grant");
    assert_throttled(&server.send(from(HERE, guess(&app, &long, WRONG))), 900);
}

#[test]
fn who_proves_their_secret_and_asks_for_too_much_has_not_guessed() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900")]);
    let app = server.confidential_application();
    for _ in 0..3 {
        let form = [("grant_type", "client_credentials"), ("scope", "unheard-of")];
        server.send(from(HERE, app.request("/o/token/", &form))).assert_error(400, "invalid_scope");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 0);
}

#[test]
fn requests_without_a_secret_are_no_guesses() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900"), ("LOGIN_FAILURE_LIMIT", "1/900")]);
    let app = server.confidential_application().with_secret(None);
    for _ in 0..5 {
        server.send(from(HERE, app.request("/o/token/", &[("grant_type", "client_credentials")])));
        server.send(from(HERE, request(Method::GET, "/admin/api/users", &[], "")));
        server.send(from(HERE, request(Method::GET, "/validate/", &[("authorization", "Bearer x")], "")));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 0);
}

#[test]
fn the_operators_token_is_guessed_no_more_often_than_the_address_may() {
    let server = TestServer::new();
    let wrong = |n: u32| {
        let bearer = format!("Bearer {n:032}");
        from(HERE, request(Method::GET, "/admin/api/users", &[("authorization", &bearer)], ""))
    };
    let responses = server.send_all((0..150).map(wrong).collect());
    assert_eq!(responses.iter().filter(|response| response.status() == 401).count(), 100);
    let right = || from(HERE, admin_request("GET", "users", Value::Null));
    assert_throttled(&server.send(right()), 900);
    server.admin("GET", "users", Value::Null).assert_status(200);
    server.advance(900);
    server.send(right()).assert_status(200);
    assert!(!server.db.dump().contains(ADMIN_TOKEN));
}

pub fn sign_up(username: &str) -> Request {
    let body = json!({"username": username, "password": PASSWORD}).to_string();
    request(Method::POST, "/sign_up/", &[("content-type", "application/json")], &body)
}

#[test]
fn an_address_signs_up_no_more_often_than_it_may() {
    let server = TestServer::new();
    for n in 0..19 {
        server.send(from("2001:db8::1", sign_up(&format!("user-{n}")))).assert_status(201);
    }
    // Somebody who looks for names that are taken is counted, too; what is no sign-up is not.
    server.send(from("2001:db8::2", sign_up("user-1"))).assert_status(400);
    server.send(from("2001:db8::2", sign_up(""))).assert_status(400);
    let hashes = server.app.settings.password_hasher.count();
    let refused = server.another_isolate().send(from("2001:db8::3", sign_up("user-20")));
    refused.assert_status(429);
    assert_eq!(refused.header("retry-after"), Some("3600"));
    let detail = "Request was throttled. Expected available in 3600 seconds.";
    assert_eq!(refused.json(), json!({"detail": detail}));
    assert_eq!(server.app.settings.password_hasher.count(), hashes);

    server.send(from("2001:db8:0:1::1", sign_up("user-20"))).assert_status(201);
    server.user("user-21");
    server.advance(3_600);
    server.send(from("2001:db8::3", sign_up("user-22"))).assert_status(201);
}

#[test]
fn of_sign_ups_at_once_no_more_than_the_limit_are_made() {
    let server = TestServer::new();
    let all = (0..50).map(|n| from(HERE, sign_up(&format!("user-{n}")))).collect();
    server.send_all(all);
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 20);
}

#[test]
fn sign_ups_are_not_failures() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900")]);
    let app = server.public_application();
    for n in 0..5 {
        server.send(from(HERE, sign_up(&format!("user-{n}")))).assert_status(201);
        server.send(from(HERE, guess(&app, &format!("user-{n}"), PASSWORD))).tokens();
    }
}

#[test]
fn a_limit_of_0_is_none() {
    let server = TestServer::with(&[
        ("SIGN_UP_LIMIT", "0"),
        ("LOGIN_FAILURE_LIMIT", "0"),
        ("ADDRESS_FAILURE_LIMIT", "0"),
    ]);
    let app = server.public_application();
    for n in 0..25 {
        server.send(from(HERE, sign_up(&format!("user-{n}")))).assert_status(201);
    }
    for _ in 0..150 {
        server.send(from(HERE, guess(&app, "user-1", WRONG))).assert_error(400, "invalid_grant");
    }
    server.send(from(HERE, guess(&app, "user-1", PASSWORD))).tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 0);
}

#[test]
fn front_ends_can_read_that_they_are_to_wait() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900"), ("SIGN_UP_LIMIT", "1/900")]);
    let app = server.application().public().grants(&["password"]).origins(&["https://app.example"]).create();
    let ask = |mut request: Request| {
        request.headers_mut().insert("origin", HeaderValue::from_static("https://app.example"));
        server.send(from(HERE, request))
    };
    ask(guess(&app, "nobody", WRONG));
    ask(sign_up("alice"));
    for response in [ask(guess(&app, "nobody", WRONG)), ask(sign_up("bob"))] {
        response.assert_status(429);
        assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    }
}

#[test]
fn neither_the_database_nor_the_log_tells_what_was_typed() {
    let server = TestServer::new();
    let app = server.public_application();
    for _ in 0..12 {
        server.send(from(HERE, guess(&app, "my password, in the wrong field", WRONG)));
    }
    let log = server.log().iter().map(Value::to_string).collect::<String>();
    assert!(log.contains("account_locked"), "{log}");
    for text in [server.db.dump(), log] {
        assert!(!text.contains("my password") && !text.contains(WRONG), "{text}");
    }
}

#[test]
fn what_is_counted_goes_away_even_if_no_cron_ever_runs() {
    let server = TestServer::new();
    let app = server.public_application();
    for n in 0..300 {
        app.password(&format!("user-{n}"), WRONG);
        server.advance(30);
        assert!(server.db.number("SELECT count(*) FROM attempts") <= 32);
    }
}

#[test]
fn sign_ups_clear_away_what_was_counted_of_others() {
    let server = TestServer::new();
    for n in 0..10 {
        server.send(from(&format!("192.0.2.{n}"), sign_up(&format!("user-{n}")))).assert_status(201);
        server.advance(3_600);
        assert_eq!(server.db.number("SELECT count(*) FROM attempts"), 1);
    }
}

#[test]
fn a_front_end_that_was_heard_before_can_read_that_its_burst_was_stopped() {
    let mut server = TestServer::new();
    server.app.limiter = Some(Box::new(Three(Rc::default())));
    let origin = "https://app.example";
    let app = server.application().public().grants(&["password"]).origins(&[origin]).create();
    let burst = || {
        let mut request = from(HERE, guess(&app, "alice", WRONG));
        request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        server.send(request)
    };
    let answers = [burst(), burst(), burst(), burst()];
    assert_eq!(statuses(&answers), [400, 400, 400, 429]);
    assert!(answers.iter().all(|answer| answer.header("access-control-allow-origin") == Some(origin)));
}

/// Allows three calls for each key.
struct Three(Rc<RefCell<Vec<String>>>);

#[async_trait(?Send)]
impl Limiter for Three {
    async fn allows(&self, key: &str) -> bool {
        self.0.borrow_mut().push(key.to_owned());
        self.0.borrow().iter().filter(|known| *known == key).count() <= 3
    }
}

#[test]
fn bursts_are_stopped_by_the_limiter_if_there_is_one() {
    let mut server = TestServer::new();
    let asked = Rc::new(RefCell::new(Vec::new()));
    server.app.limiter = Some(Box::new(Three(asked.clone())));
    let server = server;
    let app = server.confidential_application();
    let address = "2001:db8::7";
    let before = server.db.round_trips.get();
    for _ in 0..3 {
        server.send(from(address, request(Method::GET, "/admin/api/users", &[], ""))).assert_status(401);
    }
    let refused = [
        server.send(from("2001:db8::8", app.request("/o/token/", &[("grant_type", "client_credentials")]))),
        server.send(from(address, app.request("/o/introspect/", &[("token", "x")]))),
        server.send(from(address, app.request("/o/revoke_token/", &[("token", "x")]))),
        server.send(from(address, admin_request("GET", "users", Value::Null))),
    ];
    for response in &refused {
        assert_throttled(response, 60);
    }
    let sign_up = server.send(from(address, sign_up("alice")));
    assert_eq!(sign_up.header("retry-after"), Some("60"));
    assert!(sign_up.json()["detail"].is_string());
    for path in ["/oauth/request_token/", "/oauth/access_token/"] {
        let signed = server.send(from(address, request(Method::POST, path, &[], "")));
        assert_eq!((signed.status(), signed.header("retry-after")), (429, Some("60")), "{path}");
        assert_eq!(signed.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(server.db.round_trips.get(), before);
    assert!(asked.borrow().iter().all(|key| key == "2001:db8::"));

    // What cannot be guessed is not limited, nor what has no address.
    server.send(from(address, request(Method::GET, "/validate/", &[], ""))).assert_status(401);
    server.send(from(address, request(Method::GET, "/healthz", &[], ""))).assert_status(200);
    app.client_credentials().tokens();
    assert_eq!(asked.borrow().len(), 10);
}

/// Where secrets can be guessed, or somebody be bothered: what the binding `LIMITER` is for.
const LIMITED: [&str; 35] = [
    "/o/token",
    "/o/revoke_token",
    "/o/introspect",
    "/sign_up",
    "/auth/convert-token",
    "/social/{}",
    "/api/2.0/social/{}",
    "/auth/token",
    "/auth/revoke-token",
    "/auth/invalidate-sessions",
    "/auth/invalidate-refresh-tokens",
    "/auth/disconnect-backend",
    "/oauth/request_token",
    "/oauth/access_token",
    "/admin/api/applications",
    "/admin/api/applications/{}",
    "/admin/api/applications/{}/rotate-secret",
    "/admin/api/users",
    "/admin/api/users/{}",
    "/admin/api/users/{}/set-password",
    "/admin/api/users/{}/logout",
    "/admin/api/users/{}/social/{}/token",
    "/admin/api/audit-events",
    "/admin/api/cleartokens",
    "/admin/api/reencrypt",
    "/accounts/login",
    "/accounts/signup",
    "/accounts/password/reset",
    "/accounts/password/reset/{}",
    "/accounts/email/verify",
    "/accounts/email/verify/{}",
    "/accounts/password",
    "/account",
    "/complete/{}",
    "/auth/complete/{}",
];

/// Allows nothing.
struct Never;

#[async_trait(?Send)]
impl Limiter for Never {
    async fn allows(&self, _: &str) -> bool {
        false
    }
}

#[test]
fn bursts_are_stopped_wherever_secrets_can_be_guessed_before_the_database_is_asked() {
    let mut server = TestServer::new();
    server.app.limiter = Some(Box::new(Never));
    let routes = routes();
    assert!(LIMITED.iter().all(|path| routes.contains(path)));
    for route in routes {
        let path = route.replace("{*}", "").replace("{}", "x");
        let methods = [Method::GET, Method::POST, Method::PATCH, Method::DELETE];
        let answers = methods.map(|method| {
            let before = server.db.round_trips.get();
            let origin = format!("https://{}.example", method.as_str().to_lowercase());
            let answer = server.send(from("192.0.2.1", request(method, &path, &[("origin", &origin)], "")));
            let retry_after = answer.header("retry-after").map(str::to_owned);
            (answer.status(), retry_after, server.db.round_trips.get() - before)
        });
        let answers: Vec<_> = answers.into_iter().filter(|(status, ..)| *status != 405).collect();
        assert!(!answers.is_empty(), "{route}");
        if LIMITED.contains(&route) {
            let refused = (429, Some("60".to_owned()), 0);
            assert!(answers.iter().all(|answer| *answer == refused), "{route}: {answers:?}");
        } else {
            assert!(answers.iter().all(|(status, ..)| *status != 429), "{route}: {answers:?}");
        }
    }
}
