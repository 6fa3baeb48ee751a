//! Token credentials (RFC 5849 §2.3): a request token that somebody has approved is exchanged for them, once.

use postern::call::Request;
use serde_json::{Value, json};

use crate::oauth1::{builder, client};
use crate::support::oauth1::{Credentials, Place, SigningClient, Unsigned};
use crate::support::{CALLBACK, Meddle, Meddling, TestResponse, TestServer, admin_request};

const PATH: &str = "/oauth/access_token/";

/// A client with a request token that `alice` has approved, and the verifier.
pub fn approved<'a>(client: &SigningClient<'a>) -> (SigningClient<'a>, String) {
    let temporary = client.request_token("oob").credentials();
    let verifier = client.approve(&temporary, "alice");
    (client.with_token(&temporary), verifier)
}

fn furnished(server: &TestServer) -> SigningClient<'_> {
    server.user("alice");
    client(server)
}

fn exchange(client: &SigningClient<'_>, verifier: &str) -> Unsigned {
    client.unsigned("POST", PATH).oauth("oauth_verifier", verifier)
}

fn families(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM families")
}

#[track_caller]
fn assert_good(client: &SigningClient<'_>, token: &Credentials) {
    let client = client.with_token(token);
    client.validate().assert_status(200);
    client.at(&client.server.another_isolate()).validate().assert_status(200);
}

#[test]
fn what_is_answered_is_the_token_and_its_secret() {
    // RFC 5849 §2.3
    let server = TestServer::new();
    let (client, verifier) = approved(&furnished(&server));
    let answer = client.access_token(&verifier);
    let issued = answer.credentials();
    assert_eq!(answer.text(), format!("oauth_token={}&oauth_token_secret={}", issued.token, issued.secret));
    assert!(issued.token.starts_with("pst_1a_") && issued.secret.len() >= 43);
    assert_good(&client, &issued);
    // The request token is gone, and its secret is not that of the new one.
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_tokens"), 0);
    let old = client.token.clone().unwrap();
    assert_ne!(old.secret, issued.secret);
    let mixed = Credentials { token: issued.token.clone(), secret: old.secret };
    client.with_token(&mixed).validate().assert_signed_error(401, "invalid_token");
    // It is no Bearer token.
    server.validate(&issued.token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_verifier_is_that_of_its_token() {
    // RFC 5849 §2.3
    let server = TestServer::new();
    let client = furnished(&server);
    let (first, verifier) = approved(&client);
    let (_, of_another) = approved(&client);
    let swapped: String = verifier.chars().rev().collect();
    let next = format!("{:010}", (verifier.parse::<u64>().unwrap() + 1) % 10_000_000_000);
    for wrong in [
        "",
        "x",
        &of_another,
        &next,
        &swapped,
        &format!("{verifier} "),
        &format!("0{verifier}"),
        &verifier[1..],
    ] {
        first.access_token(wrong).assert_oauth1_error(400, "Invalid OAuth verifier.");
    }
    let missing = server.send(first.unsigned("POST", PATH).sign());
    missing.assert_oauth1_error(400, "Missing OAuth parameters: oauth_verifier");
    let twice = exchange(&first, &verifier);
    let doubled = Unsigned {
        oauth: [&twice.oauth[..], &[("oauth_verifier".into(), verifier.clone())]].concat(),
        ..twice
    };
    server.send(doubled.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    let apart = first.unsigned("POST", PATH).form("oauth_verifier", &verifier);
    server.send(apart.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    assert_eq!(families(&server), 0);
    // None of this has used it up.
    first.access_token(&verifier).credentials();
}

#[test]
fn a_token_is_required_and_one_that_this_server_knows() {
    let server = TestServer::new();
    let client = furnished(&server);
    let (approved, verifier) = approved(&client);
    for unsigned in [exchange(&client, &verifier), exchange(&client, &verifier).oauth("oauth_token", "")] {
        let said = "Missing OAuth parameters: oauth_token";
        server.send(unsigned.sign()).assert_oauth1_error(400, said);
    }
    let nothing = server.send(client.unsigned("POST", PATH).sign());
    nothing.assert_oauth1_error(400, "Missing OAuth parameters: oauth_token, oauth_verifier");
    let access = client.three_legs("alice");
    let good = approved.token.clone().unwrap();
    let tampered = format!("{}x", &good.token[..good.token.len() - 1]);
    for (token, secret) in [
        ("x", "x"),
        (&*tampered, &*good.secret),
        (&access.token, &access.secret),
        (&good.token.to_uppercase(), &good.secret),
        (&format!("{} ", good.token), &good.secret),
    ] {
        let wrong = client.with_token(&Credentials { token: token.to_owned(), secret: secret.to_owned() });
        wrong.access_token(&verifier).assert_oauth1_error(400, "Invalid request token.");
    }
    approved.access_token(&verifier).credentials();
}

#[test]
fn it_is_signed_with_both_secrets() {
    // RFC 5849 §3.4.2
    let server = TestServer::new();
    let client = furnished(&server);
    let (approved, verifier) = approved(&client);
    let other = client.request_token("oob").credentials();
    let token = approved.token.clone().unwrap();
    for key in [
        format!("{}&", approved.consumer_secret),
        format!("&{}", token.secret),
        format!("{}&{}", approved.consumer_secret, other.secret),
        format!("{}&{}", token.secret, approved.consumer_secret),
    ] {
        let mut unsigned = exchange(&approved, &verifier);
        unsigned.key = key;
        server.send(unsigned.sign()).assert_oauth1_error(401, "Could not verify OAuth request.");
    }
    let unsigned = exchange(&approved, "0000000000");
    let signature = unsigned.signature();
    let altered = unsigned.oauth("oauth_verifier", &verifier).with_signature(&signature);
    server.send(altered).assert_oauth1_error(401, "Could not verify OAuth request.");
    approved.access_token(&verifier).credentials();
}

#[test]
fn what_nobody_has_approved_is_no_use() {
    let server = TestServer::new();
    let client = furnished(&server);
    let pending = client.with_token(&client.request_token("oob").credentials());
    for verifier in ["", "x", "0000000000"] {
        pending.access_token(verifier).assert_oauth1_error(400, "Request Token not approved by the user.");
    }
    assert_eq!(families(&server), 0);
    let verifier = client.approve(pending.token.as_ref().unwrap(), "alice");
    pending.access_token(&verifier).credentials();
}

#[test]
fn it_expires_ten_minutes_after_it_was_issued_however_late_it_was_approved() {
    let server = TestServer::new();
    let client = furnished(&server);
    for (seconds, is_good) in [(599, true), (600, false)] {
        let temporary = client.request_token("oob").credentials();
        server.advance(300);
        let verifier = client.approve(&temporary, "alice");
        server.advance(seconds - 300);
        let answer = client.with_token(&temporary).access_token(&verifier);
        match is_good {
            true => drop(answer.credentials()),
            false => drop(answer.assert_oauth1_error(400, "Invalid request token.")),
        }
    }
    // It expires on the way.
    let (late, verifier) = approved(&client);
    server.advance(600);
    let expired = server.db.number("SELECT count(*) FROM oauth1_tokens");
    late.access_token(&verifier).assert_oauth1_error(400, "Invalid request token.");
    assert!(expired > 0);
}

#[test]
fn it_is_the_application_s_to_which_it_was_issued() {
    // RFC 5849 §2.3
    let server = TestServer::new();
    let client = furnished(&server);
    let (mine, verifier) = approved(&client);
    let theirs = crate::oauth1::client(&server).with_token(mine.token.as_ref().unwrap());
    theirs.access_token(&verifier).assert_oauth1_error(400, "Invalid request token.");
    theirs.access_token("x").assert_oauth1_error(400, "Invalid request token.");
    mine.access_token(&verifier).credentials();
    assert_eq!(families(&server), 1);
}

#[test]
fn of_a_hundred_exchanges_at_once_one_is_answered_and_its_token_is_good() {
    let server = TestServer::new();
    let client = furnished(&server);
    let isolates: Vec<TestServer> = (0..5).map(|_| server.another_isolate()).collect();
    let (approved, verifier) = approved(&client);
    let requests: Vec<(&TestServer, Request)> =
        (0..100).map(|n| (&isolates[n % 5], exchange(&approved, &verifier).sign())).collect();
    let answers = TestServer::send_everywhere(requests);
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 200);
    assert_eq!(good.len(), 1);
    for answer in refused {
        answer.assert_oauth1_error(400, "Invalid request token.");
    }
    assert_eq!(families(&server), 1);
    assert_good(&client, &good[0].credentials());
    // One signed request, sent a hundred times.
    let (approved, verifier) = self::approved(&client);
    let one = exchange(&approved, &verifier).sign();
    let answers = TestServer::send_everywhere((0..100).map(|n| (&isolates[n % 5], one.clone())).collect());
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 400, 401].contains(&answer.status())));
}

#[test]
fn a_used_token_is_used_up_and_what_it_led_to_stays_good() {
    let server = TestServer::new();
    let client = furnished(&server);
    let (approved, verifier) = approved(&client);
    let issued = approved.access_token(&verifier).credentials();
    for isolate in [&server, &server.another_isolate()] {
        for verifier in [&*verifier, "x"] {
            let answer = isolate.send(exchange(&approved, verifier).sign());
            answer.assert_oauth1_error(400, "Invalid request token.");
        }
    }
    assert_good(&client, &issued);
}

/// What somebody asks for.
type Change = Box<dyn Fn(&TestServer) -> Request>;

/// What ends an approval that has not been used yet, and what its exchange is answered then; empty: either.
fn ends() -> Vec<(&'static str, Change)> {
    let user = |method: &'static str, path: &'static str, body: Value| -> Change {
        Box::new(move |_| admin_request(method, path, body.clone()))
    };
    let application = |method: &'static str, body: Value| -> Change {
        Box::new(move |server| {
            let client_id = server.db.text("SELECT client_id FROM applications");
            admin_request(method, &format!("applications/{client_id}"), body.clone())
        })
    };
    vec![
        ("Invalid request token.", user("DELETE", "users/alice", Value::Null)),
        ("Invalid request token.", user("PATCH", "users/alice", json!({"is_active": false}))),
        ("Invalid request token.", user("POST", "users/alice/logout", Value::Null)),
        (
            "Invalid request token.",
            user("POST", "users/alice/set-password", json!({"password": "another one of mine"})),
        ),
        ("Invalid request token.", Box::new(ending_the_grant)),
        ("Invalid consumer.", application("PATCH", json!({"is_active": false}))),
        ("Invalid consumer.", application("PATCH", json!({"grant_types": ["client_credentials"]}))),
        ("", application("DELETE", Value::Null)),
    ]
}

/// Alice takes back what she has authorized.
fn ending_the_grant(server: &TestServer) -> Request {
    let browser = server.browser();
    browser.log_in("alice");
    let path = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
    browser.form_request(&path, &browser.get(&path), &[])
}

#[test]
fn what_ends_between_approval_and_exchange_leads_to_nothing() {
    for (said, end) in ends() {
        let server = TestServer::new();
        let (approved, verifier) = approved(&furnished(&server));
        let elsewhere = server.another_isolate();
        // An isolate that knows the application.
        elsewhere.send(exchange(&approved, "x").sign()).assert_oauth1_error(400, "Invalid OAuth verifier.");
        let ended = server.send(end(&server)).status();
        assert!((200..400).contains(&ended), "{ended}");
        for isolate in [&elsewhere, &server, &server.another_isolate()] {
            let answer = isolate.send(exchange(&approved, &verifier).sign());
            // Who still remembers an application that is deleted finds that its request tokens are gone.
            let is_known = ["Invalid consumer.", "Invalid request token."].contains(&&*answer.text());
            assert!(is_known && (said.is_empty() || answer.text() == said), "{}", answer.text());
            answer.assert_oauth1_error(400, &answer.text());
        }
        assert_eq!(families(&server), 0);
    }
}

#[test]
fn what_ends_in_the_middle_of_an_exchange_leads_to_nothing() {
    for case in 0..ends().len() {
        // Before the application, the request token, the nonce, and the exchange itself.
        for call in 0..4 {
            let server = TestServer::new();
            let (approved, verifier) = approved(&furnished(&server));
            let (_, end) = ends().swap_remove(case);
            let between = Meddle::After(vec![(server.another_isolate(), end(&server))]);
            let isolate = Meddling::isolate(&server, call, between);
            let answer = isolate.send(exchange(&approved, &verifier).sign());
            match answer.status() {
                // Its nonce has been used: the application signs anew.
                503 => assert_eq!(answer.text(), "Try again in a moment."),
                200 => assert!(call > 2, "{case} {call}"),
                status => assert_eq!(status, 400, "{case} {call} {}", answer.text()),
            }
            if answer.status() != 200 {
                assert_eq!(families(&server), 0);
            }
            // Before the last call is before the exchange.
            assert_ne!((answer.status(), call), (200, 3), "{case}");
        }
    }
}

#[test]
fn a_scope_that_shrinks_meanwhile_is_not_granted() {
    let server = TestServer::new();
    server.user("alice");
    let app = builder(&server).scope("read write").create();
    let client = SigningClient::of(&app, &server);
    let (approved, verifier) = approved(&client);
    let patch = |body: Value| {
        server.admin("PATCH", &format!("applications/{}", app.client_id), body).assert_status(200);
    };
    patch(json!({"scope": "groups"}));
    approved.access_token(&verifier).assert_oauth1_error(401, "Scope does not exist.");
    assert_eq!(families(&server), 0);
    patch(json!({"scope": "read groups"}));
    let issued = approved.access_token(&verifier).credentials();
    assert_eq!(client.with_token(&issued).validate().json()["scope"], "read");
}

#[test]
fn a_callback_that_is_not_registered_any_more_was_good_when_it_was_used() {
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let temporary = client.request_token(CALLBACK).credentials();
    let browser = server.browser();
    let page = browser.log_in("alice").get(&format!("/oauth/authorize/?oauth_token={}", temporary.token));
    let landing = crate::support::Landing::of(&browser.submit_once(&page, &[("decision", "allow")]));
    let path = format!("applications/{}", client.consumer_key);
    server.admin("PATCH", &path, json!({"redirect_uris": []})).assert_status(200);
    client.with_token(&temporary).access_token(landing.get("oauth_verifier")).credentials();
}

#[test]
fn a_secret_sealed_by_a_key_that_is_gone_exchanges_nothing() {
    let server = TestServer::new();
    let (approved, verifier) = approved(&furnished(&server));
    let later = server.another_isolate_with(&[("MASTER_KEY", crate::oauth1_applications::LAST)]);
    let answer = later.send(exchange(&approved, &verifier).sign());
    assert!([400, 401].contains(&answer.status()), "{}", answer.text());
    // Nor can the secret of one row be put in another's.
    let (other, of_other) = self::approved(&crate::oauth1::client(&server));
    server.db.execute("UPDATE oauth1_tokens SET secret = (SELECT min(secret) FROM oauth1_tokens)");
    let answers = [approved.access_token(&verifier), other.access_token(&of_other)];
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    let refused = answers.iter().find(|answer| answer.status() != 200).unwrap();
    refused.assert_oauth1_error(400, "Invalid request token.");
}

#[test]
fn while_storage_refuses_any_one_call_nothing_is_half_done() {
    let server = TestServer::new();
    let client = furnished(&server);
    let mut call = 0;
    loop {
        let (approved, verifier) = approved(&client);
        let isolate = Meddling::isolate(&server, call, Meddle::Refuse);
        let answer = isolate.send(exchange(&approved, &verifier).sign());
        if answer.status() == 200 {
            assert_good(&client, &answer.credentials());
            break;
        }
        assert_unavailable(&answer);
        assert_eq!(families(&server), call as i64);
        // The request token is as good as before.
        assert_good(&client, &approved.access_token(&verifier).credentials());
        call += 1;
    }
    // The request token, the application, the nonce, and the exchange.
    assert_eq!(call, 4);
    server.db.is_down.set(true);
    let another = server.another_isolate();
    assert_unavailable(&another.send(exchange(&client.with_token(&made_up()), "x").sign()));
}

fn made_up() -> Credentials {
    Credentials { token: "x".to_owned(), secret: "x".to_owned() }
}

#[track_caller]
fn assert_unavailable(answer: &TestResponse) {
    answer.assert_status(503);
    assert_eq!(answer.text(), "Try again in a moment.");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("retry-after").is_some() && answer.header("x-request-id").is_some());
}

#[test]
fn when_the_answer_of_any_one_call_is_lost_it_is_stored_whole_or_not_at_all() {
    let server = TestServer::new();
    let client = furnished(&server);
    for call in 0..4 {
        let (approved, verifier) = approved(&client);
        let before = families(&server);
        let isolate = Meddling::isolate(&server, call, Meddle::LoseAnswer);
        assert_unavailable(&isolate.send(exchange(&approved, &verifier).sign()));
        let again = approved.access_token(&verifier);
        match call {
            0..3 => assert_good(&client, &again.credentials()),
            // Nobody knows the token, and it cannot be told from a replay.
            _ => drop(again.assert_oauth1_error(400, "Invalid request token.")),
        }
        assert_eq!(families(&server), before + 1);
    }
}

#[test]
fn what_was_answered_is_stored_whatever_kv_says() {
    let server = TestServer::new();
    let client = furnished(&server);
    let (approved, verifier) = approved(&client);
    server.kv.is_down.set(true);
    let issued = approved.access_token(&verifier).credentials();
    assert_good(&client, &issued);
    server.kv.is_down.set(false);
    assert_good(&client, &issued);
}

#[test]
fn an_exchange_is_an_event() {
    let server = TestServer::new();
    let client = furnished(&server);
    let (approved, verifier) = approved(&client);
    let events = || {
        server.db.number(
            "SELECT count(*) FROM audit_events WHERE action = 'logged_in' AND target LIKE 'application %'",
        )
    };
    approved.access_token("x").assert_oauth1_error(400, "Invalid OAuth verifier.");
    assert_eq!(events(), 0);
    let mut request = exchange(&approved, &verifier).at(Place::Form).sign();
    request.headers_mut().insert("cf-connecting-ip", "192.0.2.1".parse().unwrap());
    server.send(request).credentials();
    assert_eq!(events(), 1);
    let address = server
        .db
        .text("SELECT address FROM audit_events WHERE target LIKE 'application %' AND action = 'logged_in'");
    assert_eq!(address, "192.0.2.1");
    let login = server.db.number("SELECT last_login_at FROM users");
    assert_eq!(login, server.now());
}

#[test]
fn a_token_lives_as_long_as_the_setting_says() {
    let server = TestServer::with(&[("OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS", "1000")]);
    let client = furnished(&server);
    let client = client.with_token(&client.three_legs("alice"));
    server.advance(999);
    client.validate().assert_status(200);
    server.advance(1);
    client.validate().assert_signed_error(401, "invalid_token");
    client.at(&server.another_isolate()).validate().assert_signed_error(401, "invalid_token");
}
