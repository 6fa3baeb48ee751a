//! Guessing by tries at once, at the edges of a window, and where a success forgives: no more find out anything by it.

use futures_executor::block_on;
use futures_util::future::{join, join_all};
use postern::router;
use serde_json::json;

use crate::guessing::{HERE, WRONG, basic, from, guess, in_body, statuses, with_chosen_secret};
use crate::support::sqlite::take_turns;
use crate::support::{PASSWORD, TestServer, admin_request};

const SECRET: &str = "a chosen secret of mine";
const ELSEWHERE: &str = "198.51.100.7";

#[test]
fn an_isolate_that_knows_a_chosen_secret_looks_at_no_more_guesses_at_once() {
    let server = TestServer::new();
    let app = with_chosen_secret(&server);
    app.client_credentials().tokens();
    let secret = |n| if n == 20 { SECRET } else { WRONG };
    let requests = (0..40).map(|n| from(ELSEWHERE, basic(&app, secret(n)))).collect();
    assert_eq!(statuses(&server.send_all(requests)), [401; 40]);
    server.send(from(HERE, in_body(&app, SECRET))).tokens();
}

#[test]
fn an_isolate_that_doubted_a_secret_knows_it_again() {
    let server = TestServer::new();
    let app = with_chosen_secret(&server);
    app.client_credentials().tokens();
    server.send(basic(&app, WRONG)).assert_error(401, "invalid_client");
    let hashes = server.app.settings.password_hasher.count();
    app.client_credentials().tokens();
    assert_eq!(server.app.settings.password_hasher.count(), hashes);
}

#[test]
fn a_login_in_between_opens_no_more_than_the_limit_for_tries_under_way() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let request = |n| match n {
        12 => from(HERE, guess(&app, "alice", PASSWORD)),
        23 => from(ELSEWHERE, guess(&app, "alice", PASSWORD)),
        _ => from(ELSEWHERE, guess(&app, "alice", WRONG)),
    };
    let answered = statuses(&server.send_all((0..30).map(request).collect()));
    let expected: Vec<u16> = (0..30).map(|n| if n == 12 { 200 } else { 400 }).collect();
    assert_eq!(answered, expected);
}

#[test]
fn the_end_of_a_window_opens_nothing_for_tries_under_way() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    app.password("alice", WRONG);
    server.advance(899);
    let tries: Vec<_> =
        (0..30).map(|n| guess(&app, "alice", if n == 20 { PASSWORD } else { WRONG })).collect();
    let another = guess(&app, "bob", WRONG);
    // The window ends when all of them have been counted and none has been answered: the next try clears its count away.
    let next_window = async {
        take_turns().await;
        take_turns().await;
        server.advance(1);
        router::handle(&another, &server.app).await;
    };
    let under_way = join_all(tries.iter().map(|request| router::handle(request, &server.app)));
    let (_, answered) = block_on(join(next_window, under_way));
    assert_eq!(server.db.number("SELECT min(expires_at) FROM attempts"), server.now() + 900);
    assert!(answered.iter().all(|response| response.status().as_u16() == 400));
}

#[test]
fn a_success_forgives_nothing_of_the_next_window() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    app.password("alice", WRONG);
    server.advance(899);
    let (right, wrong) = (guess(&app, "alice", PASSWORD), guess(&app, "alice", WRONG));
    let next_window = async {
        take_turns().await;
        take_turns().await;
        server.advance(1);
        router::handle(&wrong, &server.app).await
    };
    let (failure, success) = block_on(join(next_window, router::handle(&right, &server.app)));
    assert_eq!((failure.status().as_u16(), success.status().as_u16()), (400, 200));
    assert_eq!(server.db.number("SELECT count FROM attempts"), 1);
}

#[test]
fn an_address_over_its_limit_counts_against_nobody_else() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let app = server.public_application();
    server.user("alice");
    let spent = (0..5).map(|n| from(ELSEWHERE, guess(&app, &n.to_string(), WRONG)));
    let more = (0..20).map(|_| from(ELSEWHERE, guess(&app, "alice", WRONG)));
    let answered = statuses(&server.send_all(spent.chain(more).collect()));
    assert_eq!(answered.iter().filter(|status| **status == 429).count(), 20);
    app.log_in("alice");
}

#[test]
fn of_two_with_alike_names_none_forgives_the_failures_of_the_other() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.user("mallory");
    // As imported: sign-up would have refused the second.
    server
        .db
        .execute("UPDATE users SET username = 'Alice', username_key = 'alice' WHERE username = 'mallory'");
    for _ in 0..2 {
        for _ in 0..5 {
            app.password("alice", WRONG).assert_error(400, "invalid_grant");
        }
        app.password("Alice", PASSWORD);
    }
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.advance(900);
    for _ in 0..15 {
        app.log_in("Alice");
    }
    app.log_in("alice");
}

#[test]
fn over_the_limit_of_an_address_a_secret_that_an_isolate_knows_is_guessed_no_more_often() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let app = with_chosen_secret(&server);
    app.client_credentials().tokens();
    for n in 0..6 {
        server.send(from(ELSEWHERE, guess(&app, &n.to_string(), WRONG)));
    }
    // Who knows it works on.
    server.send(from(ELSEWHERE, in_body(&app, SECRET))).tokens();
    let secret = |n| if n < 20 { WRONG } else { SECRET };
    for n in 0..25 {
        server.send(from(ELSEWHERE, basic(&app, secret(n)))).assert_error(429, "temporarily_unavailable");
    }
    let before = server.db.round_trips.get();
    server.send(from(ELSEWHERE, basic(&app, SECRET))).assert_error(429, "temporarily_unavailable");
    assert_eq!(server.db.round_trips.get(), before);
    server.send(from(HERE, basic(&app, SECRET))).tokens();
}

#[test]
fn a_wrong_secret_is_counted_for_the_application_even_over_the_limit_of_the_address() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "1/900")]);
    let app = with_chosen_secret(&server);
    for _ in 0..11 {
        // Each of them may have known the secret, and so have looked.
        server.another_isolate().send(from(ELSEWHERE, basic(&app, WRONG)));
    }
    app.client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn a_right_secret_is_settled_once_though_the_application_is_changed_meanwhile() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let app = with_chosen_secret(&server);
    for n in 0..4 {
        server.send(from(HERE, guess(&app, &n.to_string(), WRONG))).assert_error(400, "invalid_grant");
    }
    let path = format!("applications/{}", app.client_id);
    let requests =
        [from(HERE, in_body(&app, SECRET)), admin_request("PATCH", &path, json!({"client_name": "Notes"}))];
    assert_eq!(statuses(&server.another_isolate().send_all(requests.into())), [200, 200]);
    assert_eq!(server.db.number("SELECT max(count) FROM attempts"), 4);
}

#[test]
fn the_last_try_that_an_address_has_counts_for_the_account() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900"), ("LOGIN_FAILURE_LIMIT", "5/900")]);
    let app = server.public_application();
    server.user("alice");
    for _ in 0..5 {
        server.send(from(ELSEWHERE, guess(&app, "alice", WRONG))).assert_error(400, "invalid_grant");
    }
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn beyond_its_limit_a_count_stands_still() {
    let server = TestServer::new();
    let app = server.public_application();
    for _ in 0..30 {
        app.password("nobody", WRONG).assert_error(400, "invalid_grant");
    }
    assert_eq!(server.db.number("SELECT count FROM attempts"), 12);
}

#[test]
fn a_try_is_counted_once_though_the_application_has_changed() {
    let server = TestServer::new();
    let app = server.public_application();
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).password("alice", WRONG).assert_error(400, "invalid_grant");
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"client_name": "Notes"})).assert_status(200);
    app.at(&elsewhere).password("alice", WRONG).assert_error(400, "invalid_grant");
    assert_eq!(server.db.number("SELECT count FROM attempts"), 2);
}

#[test]
fn a_login_that_is_overtaken_takes_back_one_try() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.send(from(HERE, guess(&app, "nobody", WRONG))).assert_error(400, "invalid_grant");
    // Each makes the first grant: one of them finds that there is one, and tries again.
    let both = (0..2).map(|_| from(HERE, guess(&app, "alice", PASSWORD))).collect();
    assert_eq!(statuses(&server.send_all(both)), [200, 200]);
    assert_eq!(server.db.number("SELECT sum(count) FROM attempts"), 2);
}
