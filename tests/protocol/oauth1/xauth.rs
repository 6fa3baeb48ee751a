//! xAuth: token credentials for a username and password, and how guessing is slowed.

use postern::call::Request;
use serde_json::{Value, json};

use crate::guessing::{HERE, WRONG, from, statuses};
use crate::oauth1::builder;
use crate::support::oauth1::{Credentials, SigningClient, Unsigned};
use crate::support::{Meddle, Meddling, PASSWORD, TestResponse, TestServer, admin_request};

const PATH: &str = "/oauth/access_token/";
const ELSEWHERE: &str = "198.51.100.7";

fn furnished(server: &TestServer) -> SigningClient<'_> {
    server.user("alice");
    client(server)
}

fn client(server: &TestServer) -> SigningClient<'_> {
    SigningClient::of(&builder(server).set("xauth_allowed", json!(true)).create(), server)
}

fn user_with_email(server: &TestServer, username: &str, email: &str, is_verified: bool) {
    let body = json!({"username": username, "password": format!("the password of {username}"), "email": email,
        "email_verified": is_verified});
    server.admin("POST", "users", body).assert_status(201);
}

#[track_caller]
fn assert_wrong(answer: &TestResponse) {
    answer.assert_oauth1_error(400, "xAuth username or password is not valid");
}

#[track_caller]
fn assert_unverified(answer: &TestResponse) {
    answer.assert_oauth1_error(401, "Could not verify OAuth request.");
}

#[track_caller]
fn assert_throttled(answer: &TestResponse, seconds: &str) {
    answer.assert_status(429);
    assert_eq!(answer.text(), "Too many failures: try again later.");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("retry-after"), Some(seconds));
}

fn families(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM families")
}

/// Whose token it is.
fn owner(client: &SigningClient<'_>, token: &Credentials) -> Value {
    client.with_token(token).validate().json()["username"].clone()
}

#[test]
fn a_username_and_password_lead_to_a_token() {
    let server = TestServer::new();
    let client = furnished(&server);
    let answer = client.xauth("alice", PASSWORD);
    let issued = answer.credentials();
    assert_eq!(answer.text(), format!("oauth_token={}&oauth_token_secret={}", issued.token, issued.secret));
    assert_eq!(owner(&client, &issued), "alice");
    assert_eq!(client.with_token(&issued).validate().json()["scope"], "read write groups");
    let elsewhere = server.another_isolate();
    client.at(&elsewhere).with_token(&issued).validate().assert_status(200);
    // In the header, too; and for less.
    let in_header = client.unsigned("POST", PATH).oauth("x_auth_mode", "client_auth");
    let in_header = in_header.oauth("x_auth_username", "alice").oauth("x_auth_password", PASSWORD);
    let less = server.send(in_header.form("scope", "read").sign()).credentials();
    assert_eq!(client.with_token(&less).validate().json()["scope"], "read");
}

#[test]
fn only_an_application_that_may_asks_for_passwords() {
    let server = TestServer::new();
    server.user("alice");
    let app = builder(&server).create();
    let client = SigningClient::of(&app, &server);
    let hashes = server.app.settings.password_hasher.count();
    for password in [PASSWORD, WRONG] {
        client.xauth("alice", password).assert_oauth1_error(400, "xAuth not allowed for this method");
    }
    assert_eq!(server.app.settings.password_hasher.count(), hashes);
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"xauth_allowed": true})).assert_status(200);
    client.xauth("alice", PASSWORD).credentials();
    let elsewhere = server.another_isolate();
    client.at(&elsewhere).xauth("alice", PASSWORD).credentials();
    server.admin("PATCH", &path, json!({"xauth_allowed": false})).assert_status(200);
    for isolate in [&elsewhere, &server] {
        let answer = client.at(isolate).xauth("alice", PASSWORD);
        answer.assert_oauth1_error(400, "xAuth not allowed for this method");
    }
    assert_eq!(families(&server), 2);
}

#[test]
fn a_person_is_found_by_the_username_in_any_case_as_at_the_login() {
    let server = TestServer::new();
    server.user("Zoé");
    let client = client(&server);
    for name in ["Zoé", "zoé", "ZOÉ", "zoe\u{301}", "Ｚoé"] {
        assert_eq!(owner(&client, &client.xauth(name, PASSWORD).credentials()), "Zoé");
    }
    for name in ["Zoe", " Zoé", "Zoé@", ""] {
        assert_wrong(&client.xauth(name, PASSWORD));
    }
}

#[test]
fn a_person_is_found_by_the_e_mail_address_that_is_theirs_alone() {
    let server = TestServer::new();
    let client = client(&server);
    user_with_email(&server, "ann", "Ann@Mail.example", false);
    let of = |name: &str| format!("the password of {name}");
    for email in ["Ann@Mail.example", "ann@mail.example", "ANN@MAIL.EXAMPLE"] {
        assert_eq!(owner(&client, &client.xauth(email, &of("ann")).credentials()), "ann");
    }
    for email in ["ann@mail.example ", "ann", "@mail.example", "ann@mail", "@", "%@%", "ann@mail.example\0"] {
        if email != "ann" {
            assert_ne!(client.xauth(email, &of("ann")).status(), 200, "{email}");
        }
    }
    // Who has shown that it is theirs has it, and among those who have not, nobody.
    user_with_email(&server, "bob", "ann@mail.example", false);
    for name in ["ann", "bob"] {
        assert_wrong(&client.xauth("ann@mail.example", &of(name)));
    }
    user_with_email(&server, "cid", "ann@mail.example", true);
    assert_eq!(owner(&client, &client.xauth("ann@mail.example", &of("cid")).credentials()), "cid");
    assert_wrong(&client.xauth("ann@mail.example", &of("ann")));
    user_with_email(&server, "dan", "ann@mail.example", true);
    for name in ["ann", "bob", "cid", "dan"] {
        assert_wrong(&client.xauth("ann@mail.example", &of(name)));
        client.xauth(name, &of(name)).credentials();
    }
    // A name comes before an address.
    user_with_email(&server, "eve", "eve@mail.example", true);
    user_with_email(&server, "Eve@mail.example", "", false);
    assert_wrong(&client.xauth("eve@mail.example", &of("eve")));
    let by_name = client.xauth("eve@mail.example", &of("Eve@mail.example")).credentials();
    assert_eq!(owner(&client, &by_name), "Eve@mail.example");
    // Nobody has the empty one.
    user_with_email(&server, "fay", "", false);
    assert_wrong(&client.xauth("", &of("fay")));
}

#[test]
fn tries_by_name_and_by_address_count_for_one_account() {
    let server = TestServer::new();
    let client = client(&server);
    user_with_email(&server, "ann", "ann@mail.example", true);
    for name in ["ann", "ann@mail.example", "ANN", "Ann@Mail.example", "aNn"].iter().cycle().take(10) {
        assert_wrong(&client.xauth(name, WRONG));
    }
    for name in ["ann", "ann@mail.example"] {
        assert_wrong(&client.xauth(name, "the password of ann"));
    }
    server.advance(900);
    client.xauth("ann@mail.example", "the password of ann").credentials();
}

#[test]
fn the_mode_and_the_two_fields_are_there() {
    let server = TestServer::new();
    let client = furnished(&server);
    let post = || client.unsigned("POST", PATH);
    let both =
        |unsigned: Unsigned| unsigned.form("x_auth_username", "alice").form("x_auth_password", PASSWORD);
    for unsigned in [
        both(post()),
        both(post().form("x_auth_mode", "")),
        both(post().form("x_auth_mode", "CLIENT_AUTH")),
        both(post().form("x_auth_mode", "reverse_auth")),
        post().form("x_auth_mode", "client_auth"),
        post().form("x_auth_mode", "client_auth").form("x_auth_username", "alice"),
        post().form("x_auth_mode", "client_auth").form("x_auth_password", PASSWORD),
        both(post().form("x_auth_mode", "client_auth").oauth("oauth_token", "x")),
    ] {
        server.send(unsigned.sign()).assert_oauth1_error(400, "Could not verify xAuth request.");
    }
    for name in ["x_auth_mode", "x_auth_username", "x_auth_password"] {
        let twice = both(post().form("x_auth_mode", "client_auth")).form(name, "alice");
        server.send(twice.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    }
    assert_eq!(families(&server), 0);
}

#[test]
fn it_is_signed() {
    let server = TestServer::new();
    let client = furnished(&server);
    let before = server.app.settings.password_hasher.count();
    let unsigned = || {
        let unsigned = client.unsigned("POST", PATH).form("x_auth_mode", "client_auth");
        unsigned.form("x_auth_username", "alice").form("x_auth_password", PASSWORD)
    };
    let mut of_another = unsigned();
    of_another.key = "another secret&".to_owned();
    assert_unverified(&server.send(of_another.sign()));
    let mut altered = unsigned();
    let signature = altered.signature();
    altered.form[1].1 = "bob".to_owned();
    assert_unverified(&server.send(altered.with_signature(&signature)));
    let replayed = unsigned().sign();
    server.send(replayed.clone()).credentials();
    assert_unverified(&server.send(replayed));
    // No password was looked at but the one.
    assert_eq!(server.app.settings.password_hasher.count(), before + 1);
    let other = unsigned().oauth("oauth_consumer_key", "nobody");
    server.send(other.sign()).assert_oauth1_error(400, "Invalid consumer.");
    let scope = server.send(unsigned().form("scope", "nonsense").sign());
    scope.assert_oauth1_error(401, "Scope does not exist.");
    assert_eq!(families(&server), 1);
}

#[test]
fn nobody_learns_who_is_there() {
    let server = TestServer::new();
    let client = furnished(&server);
    user_with_email(&server, "ann", "ann@mail.example", true);
    user_with_email(&server, "disabled", "", false);
    server.admin("PATCH", "users/disabled", json!({"is_active": false})).assert_status(200);
    client.xauth("alice", PASSWORD).credentials();
    let cost = |name: &str, password: &str| {
        let so_far = || (server.db.round_trips.get(), server.app.settings.password_hasher.count());
        let before = so_far();
        let answer = client.xauth(name, password);
        assert_wrong(&answer);
        let after = so_far();
        (after.0 - before.0, after.1 - before.1, answer.text())
    };
    let of_nobody = cost("nobody", WRONG);
    assert_eq!((of_nobody.0, of_nobody.1), (3, 1));
    assert_eq!(cost("alice", WRONG), of_nobody);
    assert_eq!(cost("disabled", "the password of disabled"), of_nobody);
    let of_no_address = cost("nobody@mail.example", WRONG);
    assert_eq!((of_no_address.0, of_no_address.1), (4, 1));
    assert_eq!(cost("ann@mail.example", WRONG), of_no_address);
}

#[test]
fn an_account_is_locked_after_too_many_wrong_passwords_and_opens_again() {
    let server = TestServer::new();
    let client = furnished(&server);
    for name in ["alice", "ALICE"].iter().cycle().take(10) {
        assert_wrong(&client.at(&server.another_isolate()).xauth(name, WRONG));
    }
    let (right, wrong) = (client.xauth("alice", PASSWORD), client.xauth("alice", WRONG));
    assert_wrong(&right);
    assert_eq!(right.text(), wrong.text());
    // For whatever protocol.
    let oauth2 = server.public_application();
    oauth2.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.advance(899);
    assert_wrong(&client.xauth("alice", PASSWORD));
    server.advance(1);
    client.xauth("alice", PASSWORD).credentials();
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'account_locked'"), 1);
}

#[test]
fn of_tries_at_once_no_more_than_the_limit_find_out_anything() {
    let server = TestServer::new();
    let client = furnished(&server);
    let password = |n| if n == 10 { PASSWORD } else { WRONG };
    let tries = (0..40).map(|n| client.xauth_request("alice", password(n))).collect();
    assert_eq!(statuses(&server.send_all(tries)), [400; 40]);
    assert_eq!(families(&server), 0);
}

#[test]
fn a_success_resets_the_failures_of_the_account() {
    let server = TestServer::new();
    let client = furnished(&server);
    for _ in 0..3 {
        for _ in 0..9 {
            assert_wrong(&client.xauth("alice", WRONG));
        }
        client.xauth("alice", PASSWORD).credentials();
    }
}

#[test]
fn an_address_that_guesses_passwords_is_stopped() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let client = furnished(&server);
    for n in 0..5 {
        assert_wrong(&server.send(from(ELSEWHERE, client.xauth_request(&n.to_string(), WRONG))));
    }
    let right = || client.xauth_request("alice", PASSWORD);
    assert_throttled(&server.send(from(ELSEWHERE, right())), "900");
    // From there on without any work, at this isolate; and at others.
    let before = server.db.round_trips.get();
    server.advance(1);
    assert_throttled(&server.send(from(ELSEWHERE, right())), "899");
    assert_eq!(server.db.round_trips.get(), before);
    assert_throttled(&server.another_isolate().send(from(ELSEWHERE, right())), "899");
    server.send(from(HERE, right())).credentials();
    server.advance(899);
    server.send(from(ELSEWHERE, right())).credentials();
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'address_blocked'"), 1);
}

#[test]
fn an_address_that_guesses_secrets_or_verifiers_is_stopped() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "5/900")]);
    let client = furnished(&server);
    let wrong = |path: &str| {
        let unsigned = client.unsigned("POST", path).oauth("oauth_callback", "oob");
        unsigned.oauth("oauth_verifier", "1").with_signature("AAAA")
    };
    let unknown =
        || crate::oauth1::request_token::request(&client).oauth("oauth_consumer_key", "nobody").sign();
    let (approved, _) = crate::oauth1::access_token::approved(&client);
    let verifier = || approved.access_token_request("1");
    let guesses: [&dyn Fn() -> Request; 3] = [&|| wrong("/oauth/request_token/"), &unknown, &verifier];
    for (n, guess) in guesses.into_iter().enumerate() {
        let address = format!("192.0.2.{}", n + 10);
        for _ in 0..5 {
            let answer = server.send(from(&address, guess()));
            assert!([400, 401].contains(&answer.status()), "{}", answer.text());
        }
        let answer = server.send(from(&address, guess()));
        assert_eq!(answer.status(), 429, "{n} {}", answer.text());
        let good = crate::oauth1::request_token::request(&client);
        assert_throttled(&server.send(from(&address, good.clone().sign())), "900");
        assert_throttled(&server.another_isolate().send(from(&address, guess())), "900");
        server.send(from(HERE, good.sign())).credentials();
    }
    // What is only malformed is no guess.
    for _ in 0..20 {
        let unsigned = crate::oauth1::request_token::request(&client).without("oauth_nonce");
        server.send(from("192.0.2.20", unsigned.sign())).assert_status(400);
    }
    server.send(from("192.0.2.20", crate::oauth1::request_token::request(&client).sign())).credentials();
}

#[test]
fn a_hash_with_other_parameters_is_made_anew() {
    let server = TestServer::new();
    let client = furnished(&server);
    let later = server.another_isolate_with(&[("PASSWORD_HASH_ITERATIONS", "2")]);
    let is_todays = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=8,t=2,p=1$%'";
    assert_wrong(&client.at(&later).xauth("alice", WRONG));
    assert_eq!(server.db.number(is_todays), 0);
    client.at(&later).xauth("alice", PASSWORD).credentials();
    assert_eq!(server.db.number(is_todays), 1);
    client.at(&later).xauth("alice", PASSWORD).credentials();
    assert_wrong(&client.at(&later).xauth("alice", WRONG));
}

#[test]
fn who_is_disabled_or_gone_gets_nothing_not_even_in_the_middle() {
    for (method, path, body) in [
        ("PATCH", "users/alice", json!({"is_active": false})),
        ("DELETE", "users/alice", Value::Null),
        ("POST", "users/alice/set-password", json!({"password": "another one of mine"})),
    ] {
        // The application, the nonce, the login, and the token.
        for call in 0..4 {
            let server = TestServer::new();
            let client = furnished(&server);
            let change = admin_request(method, path, body.clone());
            let between = Meddle::After(vec![(server.another_isolate(), change)]);
            let isolate = Meddling::isolate(&server, call, between);
            assert_wrong(&isolate.send(client.xauth_request("alice", PASSWORD)));
            assert_wrong(&client.xauth("alice", PASSWORD));
            assert_eq!(families(&server), 0);
        }
    }
}

#[test]
fn a_change_of_the_application_in_the_middle_counts() {
    for call in 0..4 {
        let server = TestServer::new();
        let client = furnished(&server);
        let path = format!("applications/{}", client.consumer_key);
        let change = admin_request("PATCH", &path, json!({"xauth_allowed": false}));
        let between = Meddle::After(vec![(server.another_isolate(), change)]);
        let answer = Meddling::isolate(&server, call, between).send(client.xauth_request("alice", PASSWORD));
        match call {
            0 | 1 => assert_eq!(
                (answer.status(), answer.text().as_str()),
                (400, "xAuth not allowed for this method")
            ),
            // Its nonce has been used: it signs anew.
            _ => assert_eq!((answer.status(), answer.text().as_str()), (503, "Try again in a moment.")),
        }
        assert_eq!(families(&server), 0);
    }
}

#[test]
fn while_storage_fails_nothing_is_half_done() {
    let server = TestServer::new();
    let client = furnished(&server);
    for call in 0..4 {
        for what in [Meddle::Refuse, Meddle::LoseAnswer] {
            let is_stored = call == 3 && matches!(what, Meddle::LoseAnswer);
            let before = families(&server);
            let isolate = Meddling::isolate(&server, call, what);
            let answer = isolate.send(client.xauth_request("alice", PASSWORD));
            answer.assert_status(503);
            assert!(answer.header("retry-after").is_some());
            assert_eq!(families(&server) - before, i64::from(is_stored));
        }
    }
    client.xauth("alice", PASSWORD).credentials();
}

#[test]
fn a_login_at_once_with_others_gets_its_own_token() {
    let server = TestServer::new();
    let client = furnished(&server);
    let requests = (0..10).map(|_| client.xauth_request("alice", PASSWORD)).collect();
    let answers = server.send_all(requests);
    let tokens: std::collections::BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .map(|answer| {
            let issued = answer.credentials();
            assert_eq!(owner(&client, &issued), "alice");
            issued.token
        })
        .collect();
    assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status())));
    assert_eq!(tokens.len() as i64, families(&server));
    assert!(!tokens.is_empty());
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
}

#[test]
fn a_login_is_an_event_and_stands_among_what_is_authorized() {
    let server = TestServer::new();
    let client = furnished(&server);
    assert_wrong(&client.xauth("alice", WRONG));
    let events = || server.db.number("SELECT count(*) FROM audit_events WHERE action = 'logged_in'");
    assert_eq!(events(), 0);
    let issued = server.send(from(HERE, client.xauth_request("alice", PASSWORD))).credentials();
    let event = server
        .db
        .text("SELECT actor || ' ' || target || ' ' || address FROM audit_events WHERE action = 'logged_in'");
    let user = server.db.text("SELECT id FROM users");
    let application = server.db.text("SELECT id FROM applications");
    assert_eq!(event, format!("user {user} application {application} {HERE}"));
    assert_eq!(server.db.number("SELECT last_login_at FROM users"), server.now());
    let browser = server.browser();
    browser.log_in("alice");
    let end = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
    assert!(browser.get("/o/authorized_tokens/").text().contains(&client.consumer_key));
    browser.submit_to(&end, &browser.get(&end), &[]).assert_status(303);
    client.with_token(&issued).validate().assert_signed_error(401, "invalid_token");
    let another = client.xauth("alice", PASSWORD).credentials();
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    client.with_token(&another).validate().assert_signed_error(401, "invalid_token");
}
