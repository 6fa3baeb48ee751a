//! `/account/` and `/accounts/password/`, seen from a browser.

use serde_json::{Value, json};

use crate::support::{Browser, PASSWORD, TestResponse, TestServer, form_request};

const NEW_PASSWORD: &str = "another horse battery";
const LOGIN: &str = "http://localhost:8787/accounts/login/?next=";

/// The pages that are for who is logged in.
const PAGES: [&str; 5] = [
    "/account/",
    "/accounts/password/",
    "/o/authorized_tokens/",
    "/o/applications/",
    "/o/applications/register/",
];

/// With alice, who may do what a person may.
fn server() -> TestServer {
    let server = TestServer::with(&[("APPLICATION_REGISTRATION", "anyone")]);
    server.user("alice");
    server
}

fn alice(server: &TestServer) -> Value {
    server.admin("GET", "users/alice", Value::Null).json()
}

fn change_password<'a>(browser: &Browser<'a>, current: &str, new: &str) -> TestResponse {
    let page = browser.get("/accounts/password/");
    browser.submit_once(&page, &[("current_password", current), ("password", new)])
}

#[track_caller]
fn assert_logged_in(browser: &Browser<'_>, is: bool) {
    let status = if is { 200 } else { 303 };
    browser.get("/account/").assert_status(status);
}

#[track_caller]
fn can_log_in(server: &TestServer, password: &str) -> bool {
    let browser = server.browser();
    let page = browser.get("/accounts/login/");
    browser.submit_once(&page, &[("username", "alice"), ("password", password)]).status() == 303
}

#[test]
fn who_is_not_logged_in_is_led_to_the_login_and_back() {
    let server = server();
    for path in PAGES {
        let browser = server.browser();
        let response = browser.get(path);
        let location = response.assert_status(303).header("location").unwrap();
        assert_eq!(location, format!("{LOGIN}{}", path.replace('/', "%2F")));
        let page = browser.submit(&browser.open(path), &[("username", "alice"), ("password", PASSWORD)]);
        page.assert_status(200);
        assert_eq!(page.text(), without_tokens(&page, &browser.get(path)), "{path}");
    }
}

/// The text of `other` with the CSRF tokens of `page` in place of its own.
fn without_tokens(page: &TestResponse, other: &TestResponse) -> String {
    let (page, mut other) = (page.text(), other.text());
    let tokens = |text: &str| -> Vec<String> {
        let values = text.split("name=\"csrf_token\" value=\"").skip(1);
        values.map(|value| value.split('"').next().unwrap().to_owned()).collect()
    };
    for (new, old) in tokens(&other).iter().zip(tokens(&page)) {
        other = other.replace(new.as_str(), &old);
    }
    other
}

#[test]
fn pages_are_for_this_browser_alone_and_head_is_get_without_a_body() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    for path in PAGES {
        let page = browser.get(path);
        page.assert_status(200);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script"), "{policy}");
        let mut request = browser.get_request(path);
        *request.method_mut() = http::Method::HEAD;
        let head = server.send(request);
        assert_eq!((head.status(), head.text().as_str()), (200, ""), "{path}");
    }
}

#[test]
fn every_input_has_a_label_and_every_password_its_autocomplete() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    for path in PAGES {
        let page = browser.get(path).text();
        for tag in ["<input ", "<textarea ", "<select "] {
            for input in page.split(tag).skip(1).map(|input| input.split('>').next().unwrap()) {
                let attribute = |name: &str| {
                    input.split(&format!("{name}=\"")).nth(1).map(|rest| rest.split('"').next().unwrap())
                };
                if [Some("hidden"), Some("checkbox")].contains(&attribute("type")) {
                    continue;
                }
                assert!(
                    page.contains(&format!("<label for=\"{}\"", attribute("id").unwrap())),
                    "{path} {input}"
                );
                if attribute("type") == Some("password") {
                    let autocomplete = attribute("autocomplete").unwrap();
                    assert!(["current-password", "new-password"].contains(&autocomplete), "{input}");
                }
            }
        }
    }
}

#[test]
fn while_the_database_does_not_answer_each_page_is_503_and_nothing_is_done() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let forms = [
        ("/account/", browser.get("/account/"), vec![("first_name", "A")]),
        ("/account/sessions/", browser.get("/account/"), vec![("end", "everywhere")]),
        (
            "/accounts/password/",
            browser.get("/accounts/password/"),
            vec![("current_password", PASSWORD), ("password", NEW_PASSWORD)],
        ),
        ("/o/applications/register/", browser.get("/o/applications/register/"), vec![]),
    ];
    let before = server.db.dump();
    server.db.is_down.set(true);
    let answers = PAGES
        .map(|path| browser.get(path))
        .into_iter()
        .chain(forms.iter().map(|(path, page, values)| browser.submit_to(path, page, values)));
    for answer in answers {
        answer.assert_status(503);
        assert!(answer.header("retry-after").is_some() && answer.header("x-request-id").is_some());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    server.db.is_down.set(false);
    assert_eq!(server.db.dump(), before);
    assert_logged_in(&browser, true);
}

#[test]
fn a_person_sees_and_changes_their_profile() {
    let server = server();
    server
        .admin("PATCH", "users/alice", json!({"email": "alice@example.com", "email_verified": true}))
        .assert_status(200);
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/account/");
    for said in ["<strong>alice</strong>", "value=\"alice@example.com\"", "This address is confirmed."] {
        assert!(page.text().contains(said), "{said}");
    }
    assert!(!page.text().contains("/accounts/email/verify/"));
    let values = [("first_name", "Al <ice>"), ("last_name", "Liddell")];
    let response = browser.submit_to("/account/", &page, &values);
    let location = response.assert_status(303).header("location").unwrap().to_owned();
    assert_eq!(location, "http://localhost:8787/account/?done=profile");
    let page = browser.open("/account/?done=profile");
    assert!(page.text().contains("role=\"status\">Your profile has been saved."));
    assert!(page.text().contains("value=\"Al &lt;ice&gt;\""));
    let user = alice(&server);
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Al <ice>"), &json!("Liddell")));
    // The address is the same, and still verified.
    assert_eq!((&user["email"], &user["email_verified"]), (&json!("alice@example.com"), &json!(true)));

    let email = [("email", "a@example.com"), ("current_password", PASSWORD)];
    browser.submit_to("/account/", &page, &email).assert_status(303);
    let user = alice(&server);
    assert_eq!((&user["email"], &user["email_verified"]), (&json!("a@example.com"), &json!(false)));
    let unverified = browser.get("/account/").text();
    assert!(
        unverified.contains("This address is not confirmed yet.")
            && unverified.contains("/accounts/email/verify/")
    );
    browser
        .submit_to("/account/", &page, &[("email", ""), ("current_password", PASSWORD)])
        .assert_status(303);
    assert_eq!(alice(&server)["email"], "");
    let id = server.db.text("SELECT id FROM users");
    assert_eq!(server.db.text("SELECT action FROM audit_events ORDER BY id DESC"), "user_changed");
    assert_eq!(server.db.text("SELECT target FROM audit_events ORDER BY id DESC"), id);
    assert_eq!(server.db.text("SELECT actor FROM audit_events ORDER BY id DESC"), format!("user {id}"));
}

#[test]
fn a_profile_has_nothing_else_that_a_person_could_change() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let before = alice(&server);
    let page = browser.get("/account/");
    let more = [
        ("username", "mallory"),
        ("is_superuser", "true"),
        ("is_active", "false"),
        ("email_verified", "true"),
        ("id", "AAAAAAAAAAAAAAAA"),
        ("password", NEW_PASSWORD),
    ];
    browser.submit_to("/account/", &page, &more).assert_status(303);
    assert_eq!(alice(&server), before);
    let email = [("email", "a@example.com"), ("current_password", PASSWORD), ("email_verified", "true")];
    browser.submit_to("/account/", &page, &email).assert_status(303);
    assert_eq!(alice(&server)["email_verified"], false);
}

#[test]
fn another_email_address_takes_the_password_and_wrong_ones_count() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "3/900")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/account/");
    let change = |current: &str| {
        let form = [("email", "a@example.com"), ("first_name", "A"), ("current_password", current)];
        browser.submit_to("/account/", &page, &form)
    };
    let before = alice(&server);
    for (current, tries) in [("-", 0), ("", 0), ("wrong", 1), ("wrong", 2)] {
        let text = change(current).assert_status(400).text();
        assert!(text.contains("id=\"current_password-note\"><strong>"), "{text}");
        assert!(text.contains("value=\"a@example.com\""));
        assert_eq!(server.db.number("SELECT coalesce(max(count), 0) FROM attempts"), tries);
    }
    assert_eq!(alice(&server), before);
    change(PASSWORD).assert_status(303);
    assert_eq!(server.db.number("SELECT count FROM attempts"), 0);
    assert_eq!(alice(&server)["email"], "a@example.com");
    for _ in 0..3 {
        let form = [("email", ""), ("current_password", "wrong")];
        browser.submit_to("/account/", &page, &form).assert_status(400);
    }
    // Locked: the right one does no more. A name takes none.
    let form = [("email", ""), ("current_password", PASSWORD)];
    browser.submit_to("/account/", &page, &form).assert_status(400);
    let form = [("email", "-"), ("last_name", "B")];
    browser.submit_to("/account/", &page, &form).assert_status(303);
    assert_eq!(alice(&server)["email"], "a@example.com");
}

#[test]
fn what_is_wrong_stands_at_its_field_and_nothing_is_stored() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let before = server.db.dump();
    let page = browser.get("/account/");
    let long = "x".repeat(151);
    for (name, value) in [
        ("email", "nonsense"),
        ("email", "a@b"),
        ("email", "a b@example.com"),
        ("first_name", long.as_str()),
        ("last_name", long.as_str()),
    ] {
        let response = browser.submit_to("/account/", &page, &[(name, value)]);
        response.assert_status(400);
        assert!(response.header("x-request-id").is_some());
        let text = response.text();
        assert!(text.contains(&format!("id=\"{name}-note\"><strong>")), "{text}");
        assert!(text.contains("role=\"alert\"") && text.contains(&format!("value=\"{value}\"")));
        assert_eq!(text.matches("aria-invalid").count(), 1 + text.matches("[aria-invalid]").count());
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn an_imported_name_does_not_stand_in_the_way_of_changing_the_rest() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    server.db.execute("UPDATE users SET username = 'a b', last_name = 'x'");
    let page = browser.get("/account/");
    browser.submit_to("/account/", &page, &[("first_name", "A")]).assert_status(303);
    assert_eq!(server.db.text("SELECT first_name FROM users"), "A");
    assert_eq!(server.db.text("SELECT username FROM users"), "a b");
}

#[test]
fn changes_at_once_lose_nothing() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/account/");
    let values = [("email", "a@example.com"), ("first_name", "A"), ("last_name", "B")];
    let only = |kept: &str, value: &str| {
        let mut form: Vec<(&str, &str)> = values.iter().map(|(name, _)| (*name, "-")).collect();
        form.extend([(kept, value), ("current_password", PASSWORD)]);
        browser.form_request("/account/", &page, &form)
    };
    let requests = values.map(|(name, value)| only(name, value)).into_iter().collect();
    for response in server.send_all(requests) {
        response.assert_status(303);
    }
    let user = alice(&server);
    for (name, value) in values {
        assert_eq!(user[name], value);
    }
}

#[test]
fn another_password_ends_all_sessions_and_tokens_but_begins_a_new_one_here() {
    let server = server();
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let (browser, other) = (server.browser(), server.browser());
    browser.log_in("alice");
    other.log_in("alice");
    let before = browser.cookie("postern_session");

    let response = change_password(&browser, PASSWORD, NEW_PASSWORD);
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/account/?done=password")
    );
    assert_ne!(browser.cookie("postern_session"), before);
    assert_logged_in(&browser, true);
    assert_logged_in(&other, false);
    other.set_cookie("postern_session", &before.unwrap());
    assert_logged_in(&other, false);
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    assert!(!can_log_in(&server, PASSWORD));
    assert!(can_log_in(&server, NEW_PASSWORD));
    let alice = server.db.text("SELECT id FROM users");
    let noted = "SELECT actor || ' ' || target FROM audit_events WHERE action = 'password_set'";
    assert_eq!(server.db.text(noted), format!("user {alice} {alice}"));
}

#[test]
fn another_password_costs_one_slow_hash_to_check_and_one_to_make() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let hashes = |act: &dyn Fn()| {
        let before = server.app.settings.password_hasher.count();
        act();
        server.app.settings.password_hasher.count() - before
    };
    let wrong = || {
        change_password(&browser, "wrong", NEW_PASSWORD).assert_status(400);
    };
    assert_eq!(hashes(&wrong), 1);
    let weak = || {
        change_password(&browser, PASSWORD, "password").assert_status(400);
    };
    assert_eq!(hashes(&weak), 0);
    // One of other parameters is checked, and not made anew only to be replaced.
    let elsewhere = server.another_isolate_with(&[("PASSWORD_HASH_MEMORY_KIB", "16")]);
    let page = browser.get("/accounts/password/");
    let form = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    let request = browser.form_request("/accounts/password/", &page, &form);
    elsewhere.send(request).assert_status(303);
    assert_eq!(elsewhere.app.settings.password_hasher.count(), 2);
}

#[test]
fn a_password_that_will_not_do_is_refused_at_its_field() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let before = server.db.text("SELECT password_hash FROM users");
    let long = "x".repeat(4097);
    for (current, new, field) in [
        ("wrong", NEW_PASSWORD, "current_password"),
        ("", NEW_PASSWORD, "current_password"),
        ("-", NEW_PASSWORD, "current_password"),
        (long.as_str(), NEW_PASSWORD, "current_password"),
        (PASSWORD, "", "password"),
        (PASSWORD, "-", "password"),
        (PASSWORD, "short", "password"),
        (PASSWORD, "password", "password"),
        (PASSWORD, "ALICE", "password"),
        (PASSWORD, long.as_str(), "password"),
    ] {
        let response = change_password(&browser, current, new);
        response.assert_status(400);
        let text = response.text();
        assert!(text.contains(&format!("id=\"{field}-note\"><strong>")), "{current} {new}: {text}");
        assert!(!text.contains(PASSWORD) && !text.contains(NEW_PASSWORD));
    }
    assert_eq!(server.db.text("SELECT password_hash FROM users"), before);
    assert_logged_in(&browser, true);
}

#[test]
fn wrong_passwords_count_as_at_the_login_and_a_right_one_forgives_them() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "3/900")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    for _ in 0..2 {
        change_password(&browser, "wrong", NEW_PASSWORD).assert_status(400);
    }
    assert_eq!(server.db.number("SELECT count FROM attempts"), 2);
    change_password(&browser, PASSWORD, NEW_PASSWORD).assert_status(303);
    assert_eq!(server.db.number("SELECT count FROM attempts"), 0);
    for _ in 0..3 {
        change_password(&browser, "wrong", PASSWORD).assert_status(400);
    }
    // Locked: the right one does no more, here or at the login.
    change_password(&browser, NEW_PASSWORD, PASSWORD).assert_status(400);
    assert!(!can_log_in(&server, NEW_PASSWORD));
    server.advance(900);
    change_password(&browser, NEW_PASSWORD, PASSWORD).assert_status(303);
}

#[test]
fn an_address_with_too_many_failures_is_429() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "2/900"), ("LOGIN_FAILURE_LIMIT", "0")]);
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/accounts/password/");
    let attempt = |current: &str| {
        let form = [("current_password", current), ("password", NEW_PASSWORD)];
        let mut request = browser.form_request("/accounts/password/", &page, &form);
        request.headers_mut().insert("cf-connecting-ip", "192.0.2.1".parse().unwrap());
        server.send(request)
    };
    attempt("wrong").assert_status(400);
    attempt("wrong").assert_status(400);
    for _ in 0..2 {
        let refused = attempt(PASSWORD);
        refused.assert_status(429);
        assert_eq!(refused.header("retry-after"), Some("900"));
    }
}

#[test]
fn who_has_no_password_is_told_that_it_cannot_be_changed_here() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let form = browser.get("/accounts/password/");
    server.db.execute("UPDATE users SET password_hash = NULL");
    let page = browser.get("/accounts/password/");
    page.assert_status(200);
    assert!(page.text().contains("Your account has no password") && !page.text().contains("<form"));
    let values = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    browser.submit_once(&form, &values).assert_status(403);
    assert_eq!(server.db.number("SELECT count(*) FROM users WHERE password_hash IS NULL"), 1);
}

#[test]
fn of_changes_at_once_one_is_made() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/accounts/password/");
    let passwords: Vec<String> = (0..5).map(|n| format!("{NEW_PASSWORD} {n}")).collect();
    let request = |new: &String| {
        let form = [("current_password", PASSWORD), ("password", new.as_str())];
        browser.form_request("/accounts/password/", &page, &form)
    };
    let responses = server.send_all(passwords.iter().map(request).collect());
    let made: Vec<&String> = passwords
        .iter()
        .zip(&responses)
        .filter(|(_, response)| response.header("location").is_some_and(|to| to.ends_with("done=password")))
        .map(|(password, _)| password)
        .collect();
    assert_eq!(made.len(), 1);
    assert!(can_log_in(&server, made[0]));
    assert_eq!(server.db.number("SELECT token_epoch FROM users"), 1);
}

#[test]
fn a_password_that_the_operator_has_set_meanwhile_stays() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/accounts/password/");
    let form = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
    let change = browser.form_request("/accounts/password/", &page, &form);
    let set = crate::support::admin_request(
        "POST",
        "users/alice/set-password",
        json!({"password": "the operator's own"}),
    );
    server.send_all(vec![change, set]);
    assert!(can_log_in(&server, "the operator's own"));
}

#[test]
fn if_kv_fails_the_password_is_another_one_and_the_person_is_told_what_to_do() {
    let server = server();
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let browser = server.browser();
    browser.log_in("alice");
    server.kv.is_down.set(true);
    let response = change_password(&browser, PASSWORD, NEW_PASSWORD);
    response.assert_status(503);
    assert!(response.text().contains("Log out everywhere"));
    server.kv.is_down.set(false);
    // They are logged in, and the button puts the mark.
    let page = browser.get("/account/");
    browser.submit_to("/account/sessions/", &page, &[("end", "everywhere")]).assert_status(303);
    server.assert_dead(&tokens.access_token);
    assert!(can_log_in(&server, NEW_PASSWORD));
}

#[test]
fn a_form_is_taken_from_the_page_of_this_browser_and_session_only() {
    let server = server();
    server.user("bob");
    let (alice, bob) = (server.browser(), server.browser());
    alice.log_in("alice");
    bob.log_in("bob");
    let paths = [
        ("/account/", "/account/"),
        ("/account/", "/account/sessions/"),
        ("/accounts/password/", "/accounts/password/"),
        ("/o/applications/register/", "/o/applications/register/"),
    ];
    for (page, path) in paths {
        let before = server.db.dump();
        let page = alice.get(page);
        let values = [
            ("end", "everywhere"),
            ("first_name", "M"),
            ("current_password", PASSWORD),
            ("password", NEW_PASSWORD),
            ("client_type", "public"),
        ];
        let refused = |response: TestResponse| {
            response.assert_status(403);
            assert!(response.header("x-request-id").is_some());
            assert_eq!(server.db.dump(), before, "{path}");
        };
        // Without a token, with one of nobody's, and with that of another browser.
        for token in ["-", "", "AAAA", &"A".repeat(64), "é"] {
            let mut values = values.to_vec();
            values.push(("csrf_token", token));
            refused(alice.submit_to(path, &page, &values));
        }
        refused(bob.submit_to(path, &page, &values));
        refused(server.browser().submit_to(path, &page, &values));
        // Under an earlier session of the same browser.
        let earlier = server.browser();
        earlier.set_cookie("postern_browser", &alice.cookie("postern_browser").unwrap());
        refused(earlier.submit_to(path, &page, &values));
        // Sent by another site, whatever it knows.
        for site in ["cross-site", "same-site", "x"] {
            let mut request = alice.form_request(path, &page, &values);
            request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
            refused(server.send(request));
        }
        // With parameters in the URL.
        let mut request = alice.form_request(path, &page, &values);
        *request.uri_mut() = format!("http://localhost:8787{path}?a=b").parse().unwrap();
        server.send(request).assert_status(400);
        assert_eq!(server.db.dump(), before, "{path}");
    }
}

#[test]
fn a_form_of_a_session_that_has_ended_leads_to_the_login() {
    let server = server();
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get("/account/");
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    let before = server.db.dump();
    let response = browser.submit_to("/account/", &page, &[("first_name", "A")]);
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/accounts/login/?next=%2Faccount%2F")
    );
    assert_eq!(server.db.dump(), before);
    let anonymous = form_request("/account/", &[], &[("first_name", "A")]);
    server.send(anonymous).assert_status(403);
}

#[test]
fn below_an_issuer_with_a_path_the_login_leads_back_there() {
    let server = TestServer::with(&[("ISSUER", "http://localhost:8787/id")]);
    for path in ["/id/account/", "/account/"] {
        let response = server.get(path);
        let location = response.assert_status(303).header("location").unwrap();
        assert_eq!(location, "http://localhost:8787/id/accounts/login/?next=%2Faccount%2F");
    }
}
