//! Where a person approves a request token (RFC 5849 §2.2), or does not.

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use crate::oauth1::{builder, client};
use crate::support::oauth1::{Credentials, SigningClient, verifier_of};
use crate::support::{
    AuthorizationRequest, Browser, CALLBACK, Landing, Meddle, Meddling, TestResponse, TestServer,
    admin_request, encode_form, form_of, request,
};

const PATH: &str = "/oauth/authorize/";
const ALLOW: [(&str, &str); 1] = [("decision", "allow")];
const DENY: [(&str, &str); 1] = [("decision", "deny")];

fn logged_in<'a>(server: &'a TestServer, username: &str) -> Browser<'a> {
    server.user(username);
    let browser = server.browser();
    browser.log_in(username);
    browser
}

fn path(token: &str) -> String {
    format!("{PATH}?oauth_token={token}")
}

/// Asks for approval of a new request token.
fn ask(client: &SigningClient<'_>, callback: &str, browser: &Browser<'_>) -> (Credentials, TestResponse) {
    let temporary = client.request_token(callback).credentials();
    let page = browser.get(&path(&temporary.token));
    page.assert_status(200);
    (temporary, page)
}

/// What the form of the page sends if the person agrees.
fn allowing(browser: &Browser<'_>, page: &TestResponse) -> Request {
    browser.form_request(PATH, page, &ALLOW)
}

fn pending(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM oauth1_tokens WHERE user_id IS NULL")
}

/// Registered for OAuth 2, too.
fn both(server: &TestServer) -> (SigningClient<'_>, AuthorizationRequest) {
    let grants = ["oauth1", "authorization_code", "refresh_token"];
    let app = server.application().grants(&grants).redirect_uri(CALLBACK).create();
    (SigningClient::of(&app, server), app.authorization())
}

#[test]
fn who_is_not_logged_in_logs_in_on_the_way_and_comes_back() {
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let temporary = client.request_token(CALLBACK).credentials();
    let browser = server.browser();
    let to_login = browser.get(&path(&temporary.token));
    to_login.assert_status(303);
    assert!(to_login.header("location").unwrap().starts_with("http://localhost:8787/accounts/login/?next="));
    let page = browser.open(&path(&temporary.token));
    let wrong = browser.submit(&page, &[("username", "alice"), ("password", "not the password")]);
    let page = browser.submit(&wrong, &[("username", "alice"), ("password", crate::support::PASSWORD)]);
    assert!(page.text().contains("You are logged in as <strong>alice</strong>"), "{}", page.text());
    let landing = Landing::of(&browser.submit_once(&page, &ALLOW));
    assert_eq!(landing.get("oauth_token"), temporary.token);
    client.with_token(&temporary).access_token(landing.get("oauth_verifier")).credentials();
}

#[test]
fn the_page_says_who_wants_what_for_whom_and_where_it_goes_from_there() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = builder(&server).set("client_name", json!("Photos <& more>")).scope("read write").create();
    let client = SigningClient::of(&app, &server);
    let (_, page) = ask(&client, CALLBACK, &browser);
    for said in [
        "<strong>Photos &lt;&amp; more&gt;</strong>",
        "<strong>alice</strong>",
        "Read your data",
        "Change your data",
        "you will be sent on to <strong>app.example</strong>",
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    assert!(!page.text().contains("See your groups"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' https:") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let (_, page) = ask(&client, "oob", &browser);
    assert!(page.text().contains("you will get a number to type in there"), "{}", page.text());
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'self';"));
}

#[test]
fn a_person_grants_what_they_leave_ticked() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    for (unticked, granted) in [
        (&["scope write"][..], "read groups"),
        (&["scope read", "scope groups"], "write"),
        (&[], "read write groups"),
    ] {
        let (temporary, page) = ask(&client, "oob", &browser);
        let values = unticked.iter().map(|name| (*name, "-")).chain(ALLOW).collect::<Vec<_>>();
        let verifier = verifier_of(&browser.submit(&page, &values));
        let issued = client.with_token(&temporary).access_token(&verifier).credentials();
        assert_eq!(client.with_token(&issued).validate().json()["scope"], granted);
    }
    // What was not asked for cannot be ticked.
    let unsigned = client.unsigned("POST", "/oauth/request_token/").oauth("oauth_callback", "oob");
    let temporary = server.send(unsigned.form("scope", "read").sign()).credentials();
    let page = browser.get(&path(&temporary.token));
    let more = [("scope write", "on"), ("scope openid", "on"), ALLOW[0]];
    let verifier = verifier_of(&browser.submit(&page, &more));
    let issued = client.with_token(&temporary).access_token(&verifier).credentials();
    assert_eq!(client.with_token(&issued).validate().json()["scope"], "read");
}

#[test]
fn who_does_not_agree_is_sent_back_with_that_and_the_token_is_gone() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let nothing = [("scope read", "-"), ("scope write", "-"), ("scope groups", "-"), ALLOW[0]];
    for values in [&DENY[..], &[("decision", "-")], &[("decision", "x")], &nothing] {
        let (temporary, page) = ask(&client, CALLBACK, &browser);
        let answer = browser.submit_once(&page, values);
        let landing = Landing::of(&answer);
        assert_eq!(landing.uri, CALLBACK);
        assert_eq!(landing.get("error"), "Access not granted by user.");
        assert_eq!(landing.get("oauth_token"), temporary.token);
        assert!(!answer.header("location").unwrap().contains("verifier"));
        let client = client.with_token(&temporary);
        client.access_token("x").assert_oauth1_error(400, "Invalid request token.");
        browser.get(&path(&temporary.token)).assert_oauth1_error(400, "Invalid request token.");
        server.send(allowing(&browser, &page)).assert_oauth1_error(400, "Invalid request token.");
    }
    let (temporary, page) = ask(&client, "oob", &browser);
    let page = browser.submit(&page, &DENY);
    page.assert_status(200);
    assert!(page.text().contains("may do nothing for you") && !page.text().contains("class=\"code\""));
    client.with_token(&temporary).access_token("x").assert_oauth1_error(400, "Invalid request token.");
    for table in ["oauth1_tokens", "grants"] {
        assert_eq!(server.db.number(&format!("SELECT count(*) FROM {table}")), 0);
    }
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'authorized'"), 0);
}

#[test]
fn a_verifier_is_short_where_it_is_typed_and_long_where_it_is_not() {
    // RFC 5849 §2.2
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let (_, page) = ask(&client, "oob", &browser);
        let verifier = verifier_of(&browser.submit(&page, &ALLOW));
        assert!(verifier.len() == 10 && verifier.bytes().all(|byte| byte.is_ascii_digit()), "{verifier}");
        // All ten are random.
        assert!(!verifier.starts_with("000"), "{verifier}");
        let (_, page) = ask(&client, CALLBACK, &browser);
        let landing = Landing::of(&browser.submit_once(&page, &ALLOW));
        assert!(landing.get("oauth_verifier").len() >= 22);
        assert!(seen.insert(verifier) && seen.insert(landing.get("oauth_verifier").to_owned()));
    }
}

#[test]
fn a_callback_keeps_its_own_query() {
    // RFC 5849 §2.2
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let uris =
        ["https://app.example/cb?x=%20&oauth_token=theirs", "com.example.app:/cb", "http://127.0.0.1/cb?"];
    let app = server.application().grants(&["oauth1"]).redirect_uris(&uris).create();
    let client = SigningClient::of(&app, &server);
    for (callback, start) in [
        (uris[0], "https://app.example/cb?x=%20&oauth_token=theirs&oauth_token="),
        (uris[1], "com.example.app:/cb?oauth_token="),
        ("http://127.0.0.1:4000/cb?", "http://127.0.0.1:4000/cb?"),
    ] {
        for (values, then) in
            [(ALLOW, "&oauth_verifier="), (DENY, "&error=Access%20not%20granted%20by%20user.")]
        {
            let (temporary, page) = ask(&client, callback, &browser);
            let answer = browser.submit_once(&page, &values);
            answer.assert_status(303);
            let location = answer.header("location").unwrap();
            assert!(location.starts_with(start), "{location}");
            let theirs = location.contains(&format!("oauth_token={}{then}", temporary.token));
            assert!(theirs, "{location}");
        }
    }
}

/// As a browser asks for a page.
fn as_browser(browser: &Browser<'_>, path: &str) -> Request {
    let cookies = browser.cookies();
    request(Method::GET, path, &[("cookie", &cookies), ("accept", "text/html,application/xhtml+xml")], "")
}

#[test]
fn a_token_that_cannot_be_approved_is_refused_in_words_for_programs_and_on_a_page_for_people() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let (used, page) = ask(&client, "oob", &browser);
    let verifier = verifier_of(&browser.submit(&page, &ALLOW));
    let access = client.with_token(&used).access_token(&verifier).credentials();
    let (approved, page) = ask(&client, "oob", &browser);
    browser.submit(&page, &ALLOW).assert_status(200);
    let (denied, page) = ask(&client, "oob", &browser);
    browser.submit(&page, &DENY).assert_status(200);
    let fresh = client.request_token("oob").credentials();
    let tampered = format!("{}x", &fresh.token[..fresh.token.len() - 1]);
    let before = server.db.dump();
    let anybody = server.browser();
    for (query, status, said) in [
        (String::new(), 400, "No request token specified."),
        ("?oauth_callback=https://evil.example/".to_owned(), 400, "No request token specified."),
        ("?oauth_token=".to_owned(), 400, "No request token specified."),
        (
            format!("?oauth_token={}&oauth_token={}", fresh.token, fresh.token),
            401,
            "Invalid request parameters.",
        ),
        ("?oauth_token=%ff".to_owned(), 401, "Invalid request parameters."),
        ("?oauth_token=x".to_owned(), 400, "Invalid request token."),
        (format!("?oauth_token={tampered}"), 400, "Invalid request token."),
        (format!("?oauth_token={}", access.token), 400, "Invalid request token."),
        (format!("?oauth_token={}", used.token), 400, "Invalid request token."),
        (format!("?oauth_token={}", approved.token), 400, "Invalid request token."),
        (format!("?oauth_token={}", denied.token), 400, "Invalid request token."),
    ] {
        for who in [&browser, &anybody] {
            let path = format!("{PATH}{query}");
            who.get(&path).assert_oauth1_error(status, said);
            let page = server.send(as_browser(who, &path));
            page.assert_status(status);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
            assert!(page.text().contains(said), "{}", page.text());
            assert!(page.header("x-request-id").is_some());
        }
    }
    assert_eq!(server.db.dump(), before);
    browser.get(&path(&fresh.token)).assert_status(200);
}

#[test]
fn a_request_token_lives_ten_minutes() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    for seconds in [599, 600] {
        let (late, page) = ask(&client, "oob", &browser);
        let shown = client.request_token("oob").credentials();
        server.advance(seconds);
        let (shown, posted) = (browser.get(&path(&shown.token)), server.send(allowing(&browser, &page)));
        match seconds {
            599 => drop((shown.assert_status(200), verifier_of(&posted))),
            _ => {
                shown.assert_oauth1_error(400, "Invalid request token.");
                posted.assert_oauth1_error(400, "Invalid request token.");
                client.with_token(&late).access_token("x").assert_oauth1_error(400, "Invalid request token.");
                server
                    .send(browser.form_request(PATH, &page, &DENY))
                    .assert_oauth1_error(400, "Invalid request token.");
            }
        }
    }
}

#[test]
fn of_two_persons_who_agree_at_once_one_has_and_the_token_is_theirs() {
    let server = TestServer::new();
    let (alice, bob) = (logged_in(&server, "alice"), logged_in(&server, "bob"));
    let client = client(&server);
    for order in 0..2 {
        let temporary = client.request_token(CALLBACK).credentials();
        let (of_alice, of_bob) = (alice.get(&path(&temporary.token)), bob.get(&path(&temporary.token)));
        let mut requests = vec![("alice", allowing(&alice, &of_alice)), ("bob", allowing(&bob, &of_bob))];
        requests.rotate_left(order);
        let (names, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let answers = server.send_all(requests);
        let winners: Vec<_> =
            answers.iter().zip(names).filter(|(answer, _)| answer.status() == 303).collect();
        let [(answer, winner)] = winners[..] else { panic!("{}", winners.len()) };
        for loser in answers.iter().filter(|answer| answer.status() != 303) {
            loser.assert_oauth1_error(400, "Invalid request token.");
        }
        let verifier = Landing::of(answer).get("oauth_verifier").to_owned();
        let issued = client.with_token(&temporary).access_token(&verifier).credentials();
        assert_eq!(client.with_token(&issued).validate().json()["username"], winner);
    }
}

#[test]
fn who_agrees_to_what_somebody_else_has_approved_has_authorized_nothing() {
    // Alice is faster, right before each of the calls of the database that Bob's answer makes.
    for call in 0..3 {
        let server = TestServer::new();
        let (alice, bob) = (logged_in(&server, "alice"), logged_in(&server, "bob"));
        let client = client(&server);
        let temporary = client.request_token(CALLBACK).credentials();
        let (of_alice, of_bob) = (alice.get(&path(&temporary.token)), bob.get(&path(&temporary.token)));
        let faster = Meddle::After(vec![(server.another_isolate(), allowing(&alice, &of_alice))]);
        let answer = Meddling::isolate(&server, call, faster).send(allowing(&bob, &of_bob));
        answer.assert_oauth1_error(400, "Invalid request token.");
        assert_eq!(server.db.text("SELECT username FROM users u JOIN grants g ON g.user_id = u.id"), "alice");
        assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
        assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'authorized'"), 1);
    }
}

#[test]
fn one_who_agrees_twice_at_once_has_agreed_once() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let (temporary, page) = ask(&client, CALLBACK, &browser);
    let answers = server.send_all(vec![allowing(&browser, &page); 5]);
    let good: Vec<_> = answers.iter().filter(|answer| answer.status() == 303).collect();
    assert_eq!(good.len(), 1);
    let verifier = Landing::of(good[0]).get("oauth_verifier").to_owned();
    client.with_token(&temporary).access_token(&verifier).credentials();
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'authorized'"), 1);
    // Agreeing and denying at once: what was answered is so.
    let (temporary, page) = ask(&client, CALLBACK, &browser);
    let denying = browser.form_request(PATH, &page, &DENY);
    let answers = server.send_all(vec![allowing(&browser, &page), denying]);
    let good: Vec<_> = answers.iter().filter(|answer| answer.status() == 303).collect();
    assert_eq!(good.len(), 1);
    let landing = Landing::of(good[0]);
    let client = client.with_token(&temporary);
    match landing.params.optional("oauth_verifier") {
        Some(verifier) => drop(client.access_token(verifier).credentials()),
        None => drop(client.access_token("x").assert_oauth1_error(400, "Invalid request token.")),
    }
}

#[test]
fn what_changes_between_the_page_and_the_answer_counts() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    for (change, status, said) in [
        (json!({"is_active": false}), 400, "Invalid consumer."),
        (json!({"grant_types": ["authorization_code"]}), 400, "Invalid consumer."),
        (json!({"redirect_uris": ["https://app.example/other"]}), 401, "Invalid callback URL."),
    ] {
        // Before the answer, and right before each of its calls of the database.
        for call in [None, Some(0), Some(1), Some(2)] {
            let client = client(&server);
            let (temporary, page) = ask(&client, CALLBACK, &browser);
            let patch =
                admin_request("PATCH", &format!("applications/{}", client.consumer_key), change.clone());
            let answer = match call {
                None => {
                    server.send(patch).assert_status(200);
                    browser.get(&path(&temporary.token)).assert_oauth1_error(status, said);
                    server.send(allowing(&browser, &page))
                }
                Some(call) => {
                    let what = Meddle::After(vec![(server.another_isolate(), patch)]);
                    Meddling::isolate(&server, call, what).send(allowing(&browser, &page))
                }
            };
            answer.assert_oauth1_error(status, said);
            assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0, "{change}, {call:?}");
            assert_eq!(pending(&server), 1);
            server
                .admin("DELETE", &format!("applications/{}", client.consumer_key), Value::Null)
                .assert_status(204);
            server.send(allowing(&browser, &page)).assert_oauth1_error(400, "Invalid request token.");
            server.db.execute("DELETE FROM oauth1_tokens");
        }
    }
}

#[test]
fn a_form_comes_from_the_page_that_this_browser_was_shown() {
    let server = TestServer::new();
    let (alice, bob) = (logged_in(&server, "alice"), logged_in(&server, "bob"));
    let client = client(&server);
    let (temporary, page) = ask(&client, CALLBACK, &alice);
    let (_, fields) = form_of(&page.text());
    let post = |browser: &Browser<'_>, fields: &[(String, String)], headers: &[(&str, &str)]| {
        let form: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (&**name, &**value)).chain(ALLOW).collect();
        let mut request = browser.post_request(PATH, &form);
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        server.send(request)
    };
    let without: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf_token").cloned().collect();
    let before = server.db.dump();
    let with = |value: &str| [&without[..], &[("csrf_token".to_owned(), value.to_owned())]].concat();
    for fields in [without.clone(), with(""), with("x"), with(&"A".repeat(64))] {
        post(&alice, &fields, &[]).assert_status(403);
    }
    for browser in [&bob, &server.browser()] {
        post(browser, &fields, &[]).assert_status(403);
    }
    for site in ["cross-site", "same-site"] {
        post(&alice, &fields, &[("sec-fetch-site", site)]).assert_status(403);
    }
    // Nor by a link.
    let pairs: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (&**name, &**value)).chain(ALLOW).collect();
    let nameable: Vec<(&str, &str)> = pairs.iter().filter(|(name, _)| !name.contains(' ')).copied().collect();
    let query = encode_form(&nameable);
    alice.get(&format!("{}&{query}", path(&temporary.token))).assert_status(200);
    server.send(alice.post_request(&format!("{PATH}?{query}"), &pairs)).assert_status(400);
    assert_eq!(server.db.dump(), before);
    Landing::of(&post(&alice, &fields, &[("sec-fetch-site", "same-origin")]));
}

#[test]
fn a_form_names_the_token_that_it_was_shown_for() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let (_, page) = ask(&client, CALLBACK, &browser);
    let before = server.db.dump();
    for (token, said) in [
        ("-", "No request token specified."),
        ("", "No request token specified."),
        ("x", "Invalid request token."),
    ] {
        let request = browser.form_request(PATH, &page, &[("authorization_request", token), ALLOW[0]]);
        server.send(request).assert_oauth1_error(400, said);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn whose_session_has_ended_logs_in_again_and_is_asked_again() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    for end in [
        |server: &TestServer| server.admin("POST", "users/alice/logout", Value::Null),
        |server: &TestServer| {
            server.admin("POST", "users/alice/set-password", json!({"password": crate::support::PASSWORD}))
        },
    ] {
        browser.log_in("alice");
        let (temporary, page) = ask(&client, CALLBACK, &browser);
        end(&server).assert_status(204);
        let login = browser.submit(&page, &ALLOW);
        assert_eq!(pending(&server), 1);
        let page = browser.submit(&login, &[("username", "alice"), ("password", crate::support::PASSWORD)]);
        let landing = Landing::of(&browser.submit_once(&page, &ALLOW));
        assert_eq!(landing.get("oauth_token"), temporary.token);
    }
    // Right before it is stored.
    browser.log_in("alice");
    let (_, page) = ask(&client, CALLBACK, &browser);
    let grants = || server.db.number("SELECT count(*) FROM grants WHERE ended_at IS NULL");
    let before = grants();
    let log_out = admin_request("POST", "users/alice/logout", Value::Null);
    let isolate = Meddling::isolate(&server, 2, Meddle::After(vec![(server.another_isolate(), log_out)]));
    let answer = isolate.send(allowing(&browser, &page));
    answer.assert_status(303);
    assert!(answer.header("location").unwrap().contains("/accounts/login/"));
    assert_eq!((pending(&server), grants()), (1, before));
    // This session alone.
    browser.log_in("alice");
    let (_, page) = ask(&client, CALLBACK, &browser);
    let before = grants();
    let isolate = Meddling::isolate(&server, 2, Meddle::AfterSql("DELETE FROM sessions"));
    let answer = isolate.send(allowing(&browser, &page));
    assert!(answer.header("location").unwrap().contains("/accounts/login/"));
    assert_eq!((pending(&server), grants()), (2, before));
    // Who is disabled cannot log in.
    browser.log_in("alice");
    let page = browser.get(&path(&client.request_token("oob").credentials().token));
    server.admin("PATCH", "users/alice", json!({"is_active": false})).assert_status(200);
    browser.submit_once(&page, &ALLOW).assert_status(303);
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_tokens WHERE verifier_digest IS NOT NULL"), 2);
}

#[test]
fn the_page_always_asks() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = builder(&server).set("skip_authorization", json!(true)).create();
    let client = SigningClient::of(&app, &server);
    for _ in 0..2 {
        let (_, page) = ask(&client, CALLBACK, &browser);
        Landing::of(&browser.submit_once(&page, &ALLOW));
    }
}

#[test]
fn what_is_agreed_to_here_is_for_the_application_by_whatever_protocol() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let (client, oauth2) = both(&server);
    let (temporary, page) = ask(&client, "oob", &browser);
    let values = [("scope groups", "-"), ALLOW[0]];
    let verifier = verifier_of(&browser.submit(&page, &values));
    assert_eq!(server.db.text("SELECT scope FROM grants"), "read write");
    // OAuth 2 does not ask for the same again.
    Landing::of(&browser.open(&oauth2.path())).get("code");
    browser.open(&oauth2.clone().with("scope", "read groups").path()).assert_status(200);
    let issued = client.with_token(&temporary).access_token(&verifier).credentials();
    client.with_token(&issued).validate().assert_status(200);
    // It is listed, and ends from there.
    let list = browser.get("/o/authorized_tokens/");
    assert!(list.text().contains(&client.consumer_key) && list.text().contains("Change your data"));
    let end = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
    browser.submit_to(&end, &browser.get(&end), &[]).assert_status(303);
    server.advance(1);
    client.with_token(&issued).validate().assert_signed_error(401, "invalid_token");
    browser.open(&oauth2.path()).assert_status(200);
}

#[test]
fn what_was_agreed_to_elsewhere_stays_agreed_to() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let (client, oauth2) = both(&server);
    browser.authorize(&oauth2.clone().with("scope", "read"));
    let grant = server.db.text("SELECT id FROM grants");
    let unsigned = client.unsigned("POST", "/oauth/request_token/").oauth("oauth_callback", "oob");
    let temporary = server.send(unsigned.form("scope", "write").sign()).credentials();
    // It is asked all the same.
    let page = browser.get(&path(&temporary.token));
    let verifier = verifier_of(&browser.submit(&page, &ALLOW));
    assert_eq!(server.db.text("SELECT id || scope FROM grants"), format!("{grant}read write"));
    let issued = client.with_token(&temporary).access_token(&verifier).credentials();
    assert_eq!(client.with_token(&issued).validate().json()["scope"], "write");
    // What is agreed to already is no event.
    let events = || server.db.number("SELECT count(*) FROM audit_events WHERE action = 'authorized'");
    let before = events();
    let (_, page) = ask(&client, "oob", &browser);
    verifier_of(&browser.submit(&page, &[("scope groups", "-"), ALLOW[0]]));
    assert_eq!(events(), before);
    // What is unticked is not agreed to any more.
    let (_, page) = ask(&client, "oob", &browser);
    verifier_of(&browser.submit(&page, &[("scope read", "-"), ("scope groups", "-"), ALLOW[0]]));
    assert_eq!(server.db.text("SELECT id || scope FROM grants"), format!("{grant}write"));
}

#[test]
fn approval_is_told_to_the_operator_and_its_verifier_to_nobody() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let (_, page) = ask(&client, "oob", &browser);
    let verifier = verifier_of(&browser.submit(&page, &ALLOW));
    let event = server.db.text("SELECT actor || ' ' || target FROM audit_events WHERE action = 'authorized'");
    let user = server.db.text("SELECT id FROM users");
    let application = server.db.text("SELECT id FROM applications");
    assert_eq!(event, format!("user {user} application {application}"));
    assert!(!server.db.dump().contains(&verifier));
}

#[test]
fn while_storage_fails_nothing_is_half_approved() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let client = client(&server);
    let mut calls = 0;
    loop {
        let (temporary, page) = ask(&client, "oob", &browser);
        let isolate = Meddling::isolate(&server, calls, Meddle::Refuse);
        let answer = isolate.send(allowing(&browser, &page));
        if answer.status() == 200 {
            break;
        }
        answer.assert_status(503);
        assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
        assert_eq!(pending(&server), 1);
        for request in [allowing(&browser, &page), browser.get_request(&path(&temporary.token))] {
            Meddling::isolate(&server, calls.min(1), Meddle::Refuse).send(request).assert_status(503);
        }
        browser.submit(&page, &DENY).assert_status(200);
        calls += 1;
    }
    // The token, who is there, and the approval.
    assert_eq!(calls, 3);
    let (temporary, page) = ask(&client, "oob", &browser);
    Meddling::isolate(&server, 2, Meddle::LoseAnswer).send(allowing(&browser, &page)).assert_status(503);
    // Nobody knows the verifier: the application begins anew.
    browser.get(&path(&temporary.token)).assert_oauth1_error(400, "Invalid request token.");
    let (_, page) = ask(&client, "oob", &browser);
    verifier_of(&browser.submit(&page, &ALLOW));
}
