//! Sessions of people: where one is logged in, how long that lasts, and what ends it.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, PASSWORD, TestResponse, TestServer, request};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[track_caller]
fn assert_logged_in(browser: &Browser<'_>, is: bool) {
    browser.get("/account/").assert_status(if is { 200 } else { 303 });
}

/// Logs alice in with these headers.
fn log_in_with<'a>(server: &'a TestServer, headers: &[(&'static str, &str)]) -> Browser<'a> {
    let browser = server.browser();
    let page = browser.get("/accounts/login/");
    let form = [("username", "alice"), ("password", PASSWORD)];
    let mut request = browser.form_request("/accounts/login/", &page, &form);
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let response = browser.receive(server.send(request));
    response.assert_status(303);
    browser
}

fn end(browser: &Browser<'_>, what: &str) -> TestResponse {
    browser.submit_to("/account/sessions/", &browser.get("/account/"), &[("end", what)])
}

fn session_of(browser: &Browser<'_>) -> String {
    // The id is the first 12 bytes of the cookie.
    browser.cookie("postern_session").unwrap()[..16].to_owned()
}

fn last_event(server: &TestServer) -> (String, String) {
    let text = |column: &str| server.db.text(&format!("SELECT {column} FROM audit_events ORDER BY id DESC"));
    (text("action"), text("target"))
}

#[test]
fn the_account_page_lists_where_one_is_logged_in() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let there = log_in_with(&server, &[("user-agent", FIREFOX), ("cf-connecting-ip", "192.0.2.7")]);
    server.browser().log_in("bob");
    server.advance(3600);
    there.get("/account/");
    server.advance(3600);
    let here = log_in_with(&server, &[("user-agent", "<script>alert(1)</script>")]);
    let page = here.get("/account/").text();
    let items: Vec<&str> = page.split("<ul class=\"list\">").nth(1).unwrap().split("<li>").skip(1).collect();
    assert_eq!(items.len(), 2, "{page}");
    // The last used first.
    assert!(items[0].contains("&lt;script&gt;alert(1)&lt;/script&gt;</strong> (this browser)"), "{page}");
    assert!(items[0].contains(">2027-01-15 10:00 UTC</time>"));
    for said in [
        "Firefox, Linux",
        "192.0.2.7",
        "since <time datetime=\"2027-01-15T08:00:00Z\">",
        "last used <time datetime=\"2027-01-15T09:00:00Z\">",
    ] {
        assert!(items[1].contains(said), "{said}: {}", items[1]);
    }
    assert!(items[1].contains(&format!(
        "name=\"end\" value=\"{}\" aria-label=\"Log out of Firefox, Linux\"",
        session_of(&there)
    )));
    assert!(!page.contains("<script"));
}

#[test]
fn ended_expired_and_earlier_sessions_are_not_listed() {
    let server = TestServer::with(&[("SESSION_IDLE_SECONDS", "600")]);
    server.user("alice");
    let listed = |browser: &Browser<'_>| browser.get("/account/").text().matches("<li>").count();
    let (_old, ended) = (server.browser().log_in("alice").cookies(), server.browser());
    ended.log_in("alice");
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    let idle = server.browser();
    idle.log_in("alice");
    assert_eq!(listed(&idle), 1);
    assert_eq!(server.db.number("SELECT count(*) FROM sessions"), 3);
    server.advance(599);
    let browser = server.browser();
    browser.log_in("alice");
    assert_eq!(listed(&browser), 2);
    server.advance(1);
    assert_eq!(listed(&browser), 1);
}

#[test]
fn one_session_is_ended() {
    let server = TestServer::new();
    server.user("alice");
    let (here, there, elsewhere) = (server.browser(), server.browser(), server.browser());
    for browser in [&here, &there, &elsewhere] {
        browser.log_in("alice");
    }
    let id = session_of(&there);
    let response = end(&here, &id);
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/account/?done=session")
    );
    assert_logged_in(&there, false);
    assert_logged_in(&here, true);
    assert_logged_in(&elsewhere, true);
    assert_eq!(last_event(&server), ("session_ended".to_owned(), format!("session {id}")));
    // It has ended: nothing more is done, and nothing noted.
    let events = server.db.number("SELECT count(*) FROM audit_events");
    end(&here, &id).assert_status(303);
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events"), events);
}

#[test]
fn all_others_are_ended() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let (here, there, bob) = (server.browser(), server.browser(), server.browser());
    here.log_in("alice");
    there.log_in("alice");
    bob.log_in("bob");
    assert!(here.get("/account/").text().contains("value=\"others\""));
    let response = end(&here, "others");
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/account/?done=sessions")
    );
    for (browser, is) in [(&here, true), (&there, false), (&bob, true)] {
        assert_logged_in(browser, is);
    }
    server.assert_good(&tokens.access_token);
    let alice = server.db.text("SELECT id FROM users WHERE username = 'alice'");
    assert_eq!(last_event(&server), ("other_sessions_ended".to_owned(), alice));
    assert!(!here.get("/account/").text().contains("value=\"others\""));
}

#[test]
fn logging_out_everywhere_ends_all_sessions_and_all_tokens() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let app = server.public_application();
    let (tokens, of_bob) = (app.log_in("alice"), app.log_in("bob"));
    let (here, there) = (server.browser(), server.browser());
    here.log_in("alice");
    there.log_in("alice");
    let cookies = here.cookies();
    let response = end(&here, "everywhere");
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/accounts/login/?next=%2Faccount%2F")
    );
    assert_eq!(here.cookie("postern_session"), None);
    server.send(request(Method::GET, "/account/", &[("cookie", &cookies)], "")).assert_status(303);
    assert_logged_in(&there, false);
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&of_bob.access_token);
    let alice = server.db.text("SELECT id FROM users WHERE username = 'alice'");
    assert_eq!(last_event(&server), ("user_logged_out".to_owned(), alice));
}

#[test]
fn nobody_ends_a_session_of_somebody_else() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let (alice, bob) = (server.browser(), server.browser());
    alice.log_in("alice");
    bob.log_in("bob");
    let before = server.db.dump();
    end(&alice, &session_of(&bob)).assert_status(303);
    assert_eq!(server.db.dump(), before);
    assert_logged_in(&bob, true);
    for bad in ["-", "", "x", "AAAA", "other", "../..", "é", &"A".repeat(1000)] {
        end(&alice, bad).assert_status(400);
    }
    assert_eq!(server.db.dump(), before);
    alice.get("/account/sessions/").assert_status(405);
}

#[test]
fn a_session_ends_when_nobody_has_come_back_for_so_long() {
    let server =
        TestServer::with(&[("SESSION_IDLE_SECONDS", "1000"), ("SESSION_LIFETIME_SECONDS", "100000")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    server.advance(999);
    assert_logged_in(&browser, true);
    // It has been used: counted anew.
    server.advance(999);
    assert_logged_in(&browser, true);
    server.advance(1000);
    assert_logged_in(&browser, false);
}

#[test]
fn a_use_within_a_minute_of_the_last_is_not_noted() {
    let server = TestServer::with(&[("SESSION_IDLE_SECONDS", "1000")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    let seen = || server.db.number("SELECT last_seen_at FROM sessions");
    let begun = seen();
    server.advance(59);
    assert_logged_in(&browser, true);
    assert_eq!(seen(), begun);
    server.advance(1);
    assert_logged_in(&browser, true);
    assert_eq!(seen(), begun + 60);
    server.advance(59);
    assert_logged_in(&browser, true);
    server.advance(940);
    assert_logged_in(&browser, true);
    server.advance(1000);
    assert_logged_in(&browser, false);
}

#[test]
fn who_keeps_coming_back_stays_logged_in_however_short_the_idle_limit() {
    let server = TestServer::with(&[("SESSION_IDLE_SECONDS", "60")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    for _ in 0..12 {
        server.advance(40);
        assert_logged_in(&browser, true);
    }
    server.advance(60);
    assert_logged_in(&browser, false);
}

#[test]
fn a_session_ends_in_any_case_after_its_lifetime() {
    let server = TestServer::with(&[("SESSION_IDLE_SECONDS", "1000"), ("SESSION_LIFETIME_SECONDS", "2500")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    for seconds in [900, 900, 699] {
        server.advance(seconds);
        assert_logged_in(&browser, true);
    }
    server.advance(1);
    assert_logged_in(&browser, false);
}

#[test]
fn a_lifetime_shorter_than_the_idle_limit_rules() {
    let server = TestServer::with(&[("SESSION_IDLE_SECONDS", "1000"), ("SESSION_LIFETIME_SECONDS", "500")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    server.advance(499);
    assert_logged_in(&browser, true);
    server.advance(1);
    assert_logged_in(&browser, false);
}

#[test]
fn what_ends_a_person_ends_their_sessions() {
    let ends = [
        ("POST", "users/alice/logout", Value::Null),
        ("POST", "users/alice/set-password", json!({"password": "another horse battery"})),
        ("PATCH", "users/alice", json!({"is_active": false})),
        ("PATCH", "users/alice", json!({"username": "alice2"})),
        ("DELETE", "users/alice", Value::Null),
    ];
    for (method, path, body) in ends {
        let server = TestServer::new();
        server.user("alice");
        server.user("bob");
        let (alice, bob) = (server.browser(), server.browser());
        alice.log_in("alice");
        bob.log_in("bob");
        assert!(server.admin(method, path, body).status() < 300);
        assert_logged_in(&alice, false);
        assert_logged_in(&bob, true);
        if path == "users/alice" && method == "PATCH" {
            // Nor does it come back with them.
            server.admin("PATCH", path, json!({"is_active": true}));
            assert_logged_in(&alice, false);
        }
    }
}

#[test]
fn logging_out_ends_the_session_also_for_who_has_kept_its_cookie() {
    let server = TestServer::new();
    server.user("alice");
    let (browser, other) = (server.browser(), server.browser());
    browser.log_in("alice");
    other.log_in("alice");
    let kept = browser.cookies();
    // A link alone logs nobody out.
    let page = browser.get("/accounts/logout/");
    assert_logged_in(&browser, true);
    browser.submit_once(&page, &[]).assert_status(303);
    assert_eq!(browser.cookie("postern_session"), None);
    server.send(request(Method::GET, "/account/", &[("cookie", &kept)], "")).assert_status(303);
    assert_logged_in(&other, true);
    assert_eq!(last_event(&server).0, "logged_out");
}

#[test]
fn a_tampered_cookie_is_nobodys() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let (browser, bob) = (server.browser(), server.browser());
    browser.log_in("alice");
    bob.log_in("bob");
    let good = browser.cookie("postern_session").unwrap();
    for at in [0, 5, 15, 16, 30, good.len() - 2] {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        browser.set_cookie("postern_session", &format!("{}{other}{}", &good[..at], &good[at + 1..]));
        assert_logged_in(&browser, false);
    }
    // The id of one with the secret of another.
    let mixed = format!("{}{}", session_of(&bob), &good[16..]);
    for bad in [&mixed, &good[..16], &good[1..], "", "null", &"A".repeat(5000)] {
        browser.set_cookie("postern_session", bad);
        assert_logged_in(&browser, false);
    }
    browser.set_cookie("postern_session", &good);
    assert_logged_in(&browser, true);
}

#[test]
fn the_database_does_not_hold_what_a_cookie_holds() {
    let server = TestServer::new();
    server.user("alice");
    let browser = server.browser();
    let cookie = browser.log_in("alice").cookie("postern_session").unwrap();
    assert!(!server.db.dump().contains(&cookie[16..]));
    assert!(!format!("{:?}", server.log()).contains(&cookie[16..]));
}

/// The cookies that an answer sets: their names, and their attributes.
fn set_cookies(response: &TestResponse) -> Vec<(String, Vec<String>)> {
    let cookies = response.0.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let read = |cookie: &str| {
        let mut parts = cookie.split("; ");
        let name = parts.next().unwrap().split('=').next().unwrap().to_owned();
        let mut attributes: Vec<String> = parts.map(str::to_owned).collect();
        attributes.sort();
        (name, attributes)
    };
    cookies.map(read).collect()
}

#[test]
fn cookies_on_loopback_are_plain_and_on_https_bound_to_the_host() {
    for (issuer, prefix, secure) in
        [(None, "", None), (Some("https://id.example"), "__Host-", Some("Secure"))]
    {
        let settings: Vec<(&str, &str)> = issuer.map(|issuer| ("ISSUER", issuer)).into_iter().collect();
        let server = TestServer::with(&settings);
        server.user("alice");
        let origin = issuer.unwrap_or("http://localhost:8787");
        let page = server.send(request(Method::GET, &format!("{origin}/accounts/login/"), &[], ""));
        let expected = |seconds: i64| {
            let max_age = format!("Max-Age={seconds}");
            let mut attributes: Vec<String> =
                ["HttpOnly", &max_age, "Path=/", "SameSite=Lax"].map(str::to_owned).to_vec();
            attributes.extend(secure.map(str::to_owned));
            attributes
        };
        let browser_cookie = format!("{prefix}postern_browser");
        assert_eq!(set_cookies(&page), [(browser_cookie.clone(), expected(31_536_000))]);
        let text = page.text();
        let token = text.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let pair = page.header("set-cookie").unwrap().split(';').next().unwrap();
        let log_in = |pair: &str| {
            let form = [("username", "alice"), ("password", PASSWORD), ("csrf_token", token)];
            server.send(crate::support::form_request(
                &format!("{origin}/accounts/login/"),
                &[("cookie", pair)],
                &form,
            ))
        };
        let response = log_in(pair);
        response.assert_status(303);
        assert_eq!(response.header("location"), Some(&*format!("{origin}/account/")));
        assert_eq!(set_cookies(&response), [(format!("{prefix}postern_session"), expected(2_592_000))]);
        // Under the name that another host or a plain connection could have put there, it is nothing on https.
        let session = response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let account = |session: &str| {
            let cookies = format!("{pair}; {session}");
            server
                .send(request(Method::GET, &format!("{origin}/account/"), &[("cookie", &cookies)], ""))
                .status()
        };
        assert_eq!(account(&session), 200);
        if !prefix.is_empty() {
            assert_eq!(account(session.strip_prefix(prefix).unwrap()), 303);
            log_in(pair.strip_prefix(prefix).unwrap()).assert_status(403);
        } else {
            assert_eq!(account(&format!("__Host-{session}")), 303);
        }
    }
}

#[test]
fn fields_tell_browsers_and_password_managers_what_they_are_for() {
    let server = TestServer::new();
    let browser = server.browser();
    let assert_fields = |path: &str, fields: &[(&str, &str)]| {
        let text = browser.get(path).text();
        for (name, autocomplete) in fields {
            let field = format!("name=\"{name}\" autocomplete=\"{autocomplete}\"");
            assert!(text.contains(&field), "{path}: {field}");
        }
    };
    assert_fields("/accounts/login/", &[("username", "username"), ("password", "current-password")]);
    let new = [("username", "username"), ("email", "email"), ("password", "new-password")];
    assert_fields("/accounts/signup/", &new);
    server.user("alice");
    browser.log_in("alice");
    let change = [("current_password", "current-password"), ("password", "new-password")];
    assert_fields("/accounts/password/", &change);
}
