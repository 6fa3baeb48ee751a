//! Guessing by tries at once, at the edges of a window, and where a success forgives: no more find out anything by it.

use futures_executor::block_on;
use futures_util::future::{join, join_all};
use http::Method;
use postern::call::Request;
use postern::router;
use serde_json::{Value, json};

use crate::guessing::{
    CHOSEN, HERE, WRONG, basic, from, guess, in_body, sign_up, statuses, with_chosen_secret,
};
use crate::support::sqlite::take_turns;
use crate::support::{PASSWORD, TestServer, admin_request, request};

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

/// How many isolates there are below.
const ISOLATES: usize = 5;
/// How many tries come to them at once.
const TRIES: usize = 40;

fn isolates(server: &TestServer) -> [TestServer; ISOLATES] {
    std::array::from_fn(|_| server.another_isolate())
}

/// How many slow hashes they have made.
fn hashes(isolates: &[TestServer]) -> u64 {
    isolates.iter().map(|isolate| isolate.app.settings.password_hasher.count()).sum()
}

/// What so many tries at once are answered: first come those that the first isolate gets, and so on.
fn at_once(isolates: &[TestServer], tries: usize, request: impl Fn(usize) -> Request) -> Vec<u16> {
    let isolate = |n: usize| &isolates[n * ISOLATES / tries];
    statuses(&TestServer::send_everywhere((0..tries).map(|n| (isolate(n), request(n))).collect()))
}

/// The places, among [`TRIES`] at once, at which the right secret would have been found out. `answers`: to all of them, if
/// it is at this place.
fn found_out(refusal: u16, answers: impl Fn(usize) -> Vec<u16>) -> Vec<usize> {
    let is_found_out = |right: &usize| {
        let mut answers = answers(*right);
        let answer = answers.remove(*right);
        assert_eq!(answers, [refusal; TRIES - 1], "{right}");
        assert!([200, refusal].contains(&answer), "{right}: {answer}");
        answer == 200
    };
    (0..TRIES).filter(is_found_out).collect()
}

#[test]
fn of_passwords_at_many_isolates_at_once_no_more_than_the_limit_find_out_anything() {
    let places = found_out(400, |right| {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let isolates = isolates(&server);
        let password = |n: usize| if n == right { PASSWORD } else { WRONG };
        let answers = at_once(&isolates, TRIES, |n| from(ELSEWHERE, guess(&app, "alice", password(n))));
        assert_eq!(hashes(&isolates), TRIES as u64, "each costs the same");
        for isolate in &isolates {
            let later = isolate.send(from(ELSEWHERE, guess(&app, "alice", PASSWORD)));
            later.assert_error(400, "invalid_grant");
        }
        answers
    });
    assert_eq!(places, (0..10).collect::<Vec<_>>());
}

#[test]
fn of_tries_from_one_address_at_many_isolates_at_once_no_more_than_its_limit_are_looked_at() {
    let server = TestServer::new();
    let app = server.public_application();
    let isolates = isolates(&server);
    let one = |n: usize| from(&format!("2001:db8::{n}"), guess(&app, &format!("user-{n}"), WRONG));
    let answers = at_once(&isolates, 300, one);
    assert_eq!(answers, [[400; 100].as_slice(), &[429; 200]].concat());
    assert_eq!(hashes(&isolates), 100);
}

#[test]
fn of_chosen_secrets_at_many_isolates_at_once_no_more_than_the_limit_find_out_anything() {
    // An isolate that knows the digest of the right one looks at one try uncounted.
    let uncounted = (0..TRIES).step_by(TRIES / ISOLATES);
    for create in CHOSEN {
        for (is_known, is_locked) in [(false, false), (true, false), (false, true), (true, true)] {
            let places = found_out(401, |right| {
                let server = TestServer::new();
                let app = create(&server);
                let isolates = isolates(&server);
                for isolate in isolates.iter().filter(|_| is_known) {
                    app.at(isolate).client_credentials().tokens();
                }
                for _ in (0..11).filter(|_| is_locked) {
                    server.send(basic(&app, WRONG)).assert_error(401, "invalid_client");
                }
                let secret = |n: usize| if n == right { SECRET } else { WRONG };
                at_once(&isolates, TRIES, |n| basic(&app, secret(n)))
            });
            let counted = 0..if is_locked { 0 } else { 10 };
            let is_looked_at =
                |n: &usize| counted.contains(n) || (is_known && uncounted.clone().any(|u| u == *n));
            assert_eq!(places, (0..TRIES).filter(is_looked_at).collect::<Vec<_>>(), "{is_known} {is_locked}");
        }
    }
}

#[test]
fn the_operators_token_is_guessed_at_many_isolates_at_once_no_more_often_than_the_address_may() {
    let server = TestServer::new();
    let isolates = isolates(&server);
    let wrong = |n: usize| {
        let bearer = format!("Bearer {n:032}");
        let request = request(Method::GET, "/admin/api/users", &[("authorization", &bearer)], "");
        from(&format!("2001:db8::{n}"), request)
    };
    let answers = at_once(&isolates, 150, wrong);
    assert_eq!(answers, [[401; 100].as_slice(), &[429; 50]].concat());
    // An isolate that has seen it looks at no token from there.
    for isolate in &isolates {
        isolate.send(wrong(0)).assert_error(429, "temporarily_unavailable");
        let right = from("2001:db8::7", admin_request("GET", "users", Value::Null));
        isolate.send(right).assert_error(429, "temporarily_unavailable");
    }
}

#[test]
fn of_sign_ups_at_many_isolates_at_once_no_more_than_the_limit_are_made() {
    let server = TestServer::new();
    let isolates = isolates(&server);
    let one = |n: usize| from(&format!("2001:db8::{n}"), sign_up(&format!("user-{n}")));
    let answers = at_once(&isolates, 50, one);
    assert_eq!(answers, [[201; 20].as_slice(), &[429; 30]].concat());
    assert_eq!(hashes(&isolates), 20);
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 20);
}
