//! The pages for who has forgotten their password, and for who shows that an e-mail address is theirs.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Browser, Meddle, Meddling, PASSWORD, TestResponse, TestServer, form_request, request};

const EMAIL: &str = "ann@mail.example";
const NEW_PASSWORD: &str = "another horse battery";
const ASK: &str = "/accounts/password/reset/";

fn server() -> TestServer {
    TestServer::with(&[("MAIL_CARRIER", "log")])
}

/// Ann signs up at the page.
fn sign_up(browser: &Browser<'_>) -> TestResponse {
    let page = browser.get("/accounts/signup/");
    let typed = [("username", "ann"), ("email", EMAIL), ("password", PASSWORD)];
    browser.submit_once(&page, &typed)
}

/// A server where Ann has signed up, and has read what she was sent.
fn with_ann() -> TestServer {
    let server = server();
    sign_up(&server.browser()).assert_status(303);
    server.mailbox.take();
    server
}

pub fn ask(browser: &Browser<'_>, email: &str) -> TestResponse {
    browser.submit_once(&browser.get(ASK), &[("email", email)])
}

/// The path of the link in the only e-mail that has arrived.
#[track_caller]
fn link_in_mail(server: &TestServer) -> String {
    let mut mails = server.mailbox.take();
    assert_eq!(mails.len(), 1);
    let mail = mails.remove(0);
    assert_eq!(mail.to, EMAIL);
    let link = mail.text.lines().find(|line| line.starts_with("http")).expect("a link");
    link.strip_prefix("http://localhost:8787").expect("a link of ours").to_owned()
}

fn reset_link(server: &TestServer) -> String {
    let sent = ask(&server.browser(), EMAIL);
    sent.assert_status(303);
    link_in_mail(server)
}

fn is_verified(server: &TestServer) -> bool {
    server.admin("GET", "users/ann", Value::Null).json()["email_verified"] == true
}

#[test]
fn who_has_forgotten_their_password_gets_a_link_and_sets_another() {
    let server = with_ann();
    let app = server.public_application();
    let elsewhere = server.browser();
    elsewhere.log_in("ann");
    let tokens = app.log_in("ann");
    let browser = server.browser();
    let login = browser.get("/accounts/login/");
    assert!(login.text().contains("href=\"http://localhost:8787/accounts/password/reset/\""));

    let sent = ask(&browser, "Ann@Mail.Example");
    sent.assert_status(303);
    assert_eq!(sent.header("location"), Some("http://localhost:8787/accounts/password/sent/"));
    let link = link_in_mail(&server);
    let page = browser.get(&link);
    page.assert_status(200);
    assert!(page.text().contains("for the account ann."));
    let done = browser.submit_once(&page, &[("password", NEW_PASSWORD)]);
    done.assert_status(303);
    assert_eq!(done.header("location"), Some("http://localhost:8787/accounts/login/?login_hint=ann"));

    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    let code_app = server.code_application();
    let next = elsewhere.open(&code_app.authorization().path());
    assert!(next.text().contains("<h1>Log in</h1>"), "the session elsewhere has ended");
    app.password("ann", PASSWORD).assert_error(400, "invalid_grant");
    let login = browser.open("/accounts/login/?login_hint=ann");
    browser.submit_once(&login, &[("password", NEW_PASSWORD)]).assert_status(303);
    assert!(is_verified(&server));
}

#[test]
fn looking_at_a_link_does_not_use_it_and_using_it_does() {
    let server = with_ann();
    let link = reset_link(&server);
    for _ in 0..3 {
        server.get(&link).assert_status(200);
        server.send(request(Method::HEAD, &link, &[], "")).assert_status(200);
    }
    let browser = server.browser();
    browser.log_in("ann");
    let page = browser.get(&link);
    browser.submit_once(&page, &[("password", NEW_PASSWORD)]).assert_status(303);
    assert_eq!(browser.cookie("postern_session"), None);
    let page = browser.submit_once(&page, &[("password", "a third horse battery")]);
    page.assert_status(403); // it was shown under the login that has ended
    let page = browser.get(ASK);
    let token = page.text().split("name=\"csrf_token\" value=\"").nth(1).unwrap().to_owned();
    let token = token.split('"').next().unwrap();
    let again = browser.post(&link, &[("csrf_token", token), ("password", "a third horse battery")]);
    again.assert_status(404);
    assert!(again.text().contains("href=\"http://localhost:8787/accounts/password/reset/\""));
    browser.get(&link).assert_status(404);
    server.public_application().password("ann", NEW_PASSWORD).tokens();
}

#[test]
fn asking_answers_the_same_whether_anybody_has_the_address() {
    let server = with_ann();
    let seen = |email: &str| {
        let before = server.db.round_trips.get();
        let response = ask(&server.browser(), email);
        let location = response.header("location").map(str::to_owned);
        (
            response.status(),
            location,
            response.text(),
            server.db.round_trips.get() - before,
            server.log().len(),
        )
    };
    let known = seen(EMAIL);
    assert_eq!((known.0, known.3), (303, 1));
    for email in ["nobody@mail.example", "no address at all", &"x".repeat(5_000), "\u{1F600}"] {
        assert_eq!(seen(email), known, "{email}");
    }
    assert_eq!(server.mailbox.take().len(), 1);
}

#[test]
fn an_empty_field_is_asked_for_again() {
    let server = with_ann();
    let browser = server.browser();
    let page = ask(&browser, "");
    page.assert_status(200);
    assert!(page.text().contains("name=\"email\""));
    assert!(server.mailbox.take().is_empty());
}

#[test]
fn a_new_password_has_to_keep_the_rules_and_the_link_stays_good() {
    let server = with_ann();
    let link = reset_link(&server);
    let browser = server.browser();
    let mut page = browser.get(&link);
    for bad in ["short", "", "password", &"x".repeat(4_097)] {
        page = browser.submit_once(&page, &[("password", bad)]);
        page.assert_status(400);
        assert!(page.text().contains("aria-invalid=\"true\""), "{}", page.text());
    }
    server.public_application().log_in("ann");
    browser.submit_once(&page, &[("password", NEW_PASSWORD)]).assert_status(303);
}

#[test]
fn other_sites_can_neither_ask_nor_use_a_link() {
    let server = with_ann();
    let link = reset_link(&server);
    let form = [("email", EMAIL), ("password", NEW_PASSWORD)];
    for path in [ASK, &link, "/accounts/email/verify/"] {
        server.post_form(path, &form).assert_status(403);
    }
    assert!(server.mailbox.take().is_empty());
    server.get(&link).assert_status(200);
    server.public_application().log_in("ann");
}

#[test]
fn the_pages_of_a_link_keep_it_to_themselves() {
    let server = with_ann();
    let link = reset_link(&server);
    let secret = link.split('/').nth(4).unwrap();
    let page = server.get(&link);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    server.advance(3_600);
    server.get(&link).assert_status(404);
    server.post_form(&link, &[]).assert_status(403);
    let log = Value::from(server.log()).to_string();
    assert!(log.contains("/accounts/password/reset/{}") && !log.contains(secret), "{log}");
}

#[test]
fn links_have_the_issuer_in_front_and_no_host_header() {
    let settings = [
        ("ISSUER", "https://id.example/auth"),
        ("MAIL_CARRIER", "send_email"),
        ("MAIL_FROM", "id@id.example"),
    ];
    let server = TestServer::with(&settings);
    let body = json!({"username": "ann", "password": PASSWORD, "email": EMAIL}).to_string();
    let headers = [("content-type", "application/json"), ("host", "evil.example")];
    server
        .send(request(Method::POST, "https://evil.example/auth/sign_up/", &headers, &body))
        .assert_status(201);
    let text = server.mailbox.take().remove(0).text;
    assert!(text.contains("\nhttps://id.example/auth/accounts/email/verify/"), "{text}");
    let path = "https://evil.example/auth/accounts/password/reset/";
    let page = server.get(path);
    let cookie = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let text = page.text();
    let token = text.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("csrf_token", token), ("email", EMAIL)];
    server.send(form_request(path, &[("cookie", &cookie)], &form)).assert_status(303);
    let text = server.mailbox.take().remove(0).text;
    assert!(text.contains("\nhttps://id.example/auth/accounts/password/reset/"), "{text}");
    assert!(!text.contains("evil"), "{text}");
}

#[test]
fn a_server_without_a_carrier_says_so() {
    let server = TestServer::new();
    let browser = server.browser();
    sign_up(&browser).assert_status(303);
    for path in [ASK, "/accounts/email/verify/"] {
        let page = browser.get(path);
        page.assert_status(200);
        assert!(page.text().contains("sends no e-mail") && !page.text().contains("<form"), "{}", page.text());
    }
    assert_eq!(server.db.number("SELECT count(*) FROM mail_links"), 0);
}

#[test]
fn an_address_that_asks_too_often_is_told_to_wait() {
    let server = TestServer::with(&[("MAIL_CARRIER", "log"), ("ADDRESS_FAILURE_LIMIT", "2/600")]);
    let browser = server.browser();
    let page = browser.get(ASK).text();
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("csrf_token", token), ("email", EMAIL)];
    let headers = [("cookie", browser.cookies()), ("cf-connecting-ip", "192.0.2.1".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let statuses: Vec<u16> =
        (0..4).map(|_| server.send(form_request(ASK, &headers, &form)).status()).collect();
    assert_eq!(statuses, [303, 303, 429, 429]);
    let refused = server.send(form_request(ASK, &headers, &form));
    assert_eq!(refused.header("retry-after"), Some("600"));
}

#[test]
fn who_signs_up_at_the_page_is_sent_the_link_to_confirm_their_address() {
    let server = server();
    let browser = server.browser();
    sign_up(&browser).assert_status(303);
    let link = link_in_mail(&server);
    // On another device, where nobody is logged in.
    let phone = server.browser();
    let page = phone.get(&link);
    page.assert_status(200);
    assert!(page.text().contains("ann@mail.example") && !is_verified(&server));
    let done = phone.submit(&page, &[]);
    assert!(done.text().contains("Your e-mail address is confirmed.") && is_verified(&server));
    phone.submit_once(&page, &[]).assert_status(404);
    let page = browser.get("/accounts/email/verify/");
    assert!(page.text().contains("Your e-mail address is confirmed."));
}

#[test]
fn who_is_logged_in_can_ask_for_another_link_to_confirm() {
    let server = with_ann();
    let browser = server.browser();
    let page = browser.open("/accounts/email/verify/");
    assert!(page.text().contains("<h1>Log in</h1>"));
    let offer = browser.submit(&page, &[("username", "ann"), ("password", PASSWORD)]);
    assert!(offer.text().contains("ann@mail.example is yours"), "{}", offer.text());
    let sent = browser.submit(&offer, &[]);
    assert!(sent.text().contains("on its way"));
    let page = browser.get(&link_in_mail(&server));
    browser.submit(&page, &[]).assert_status(200);
    assert!(is_verified(&server));
    browser.submit_once(&offer, &[]).assert_status(303);
    assert!(server.mailbox.take().is_empty(), "there is nothing left to confirm");
}

#[test]
fn nobody_sends_e_mail_to_one_address_after_the_other() {
    let server = with_ann();
    let browser = server.browser();
    browser.log_in("ann");
    let mut sent = 0;
    for n in 0..8 {
        let page = browser.get("/account/");
        let email = format!("somebody-{n}@mail.example");
        let typed = [("email", email.as_str()), ("current_password", PASSWORD)];
        browser.submit_to("/account/", &page, &typed).assert_status(303);
        let page = browser.get("/accounts/email/verify/");
        browser.submit_once(&page, &[]).assert_status(303);
        sent += server.mailbox.take().len();
    }
    assert_eq!(sent, 4, "five, with the one of the sign-up");
    server.advance(3600);
    let page = browser.get("/accounts/email/verify/");
    browser.submit_once(&page, &[]).assert_status(303);
    assert_eq!(server.mailbox.take().len(), 1);
}

#[test]
fn who_signs_up_with_somebody_elses_address_chooses_no_word_of_what_they_are_sent() {
    let server = with_ann();
    let browser = server.browser();
    let page = browser.get("/accounts/signup/");
    let typed = [("username", "win.evil.example"), ("email", EMAIL), ("password", PASSWORD)];
    browser.submit_once(&page, &typed).assert_status(303);
    ask(&server.browser(), EMAIL).assert_status(303);
    let mails = server.mailbox.take();
    assert_eq!(mails.len(), 3);
    for mail in &mails {
        assert!(!mail.text.contains("evil.example"), "{}", mail.text);
    }
    // Who has confirmed the address is told which of their accounts it is about.
    server.admin("PATCH", "users/ann", json!({"email_verified": true})).assert_status(200);
    ask(&server.browser(), EMAIL).assert_status(303);
    let texts: String = server.mailbox.take().into_iter().map(|mail| mail.text).collect();
    assert!(texts.contains("for your account ann at") && !texts.contains("evil.example"), "{texts}");
}

#[test]
fn if_the_session_cannot_begin_who_has_signed_up_is_led_to_the_login() {
    let server = server();
    let browser = server.browser();
    let page = browser.get("/accounts/signup/?next=/accounts/password/");
    let typed = [("username", "ann"), ("password", PASSWORD)];
    let request = browser.form_request("/accounts/signup/", &page, &typed);
    let isolate = Meddling::isolate(&server, 1, Meddle::Refuse);
    let response = browser.receive(isolate.send(request));
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 1);
    response.assert_status(303);
    let login =
        browser.open(response.header("location").unwrap().strip_prefix("http://localhost:8787").unwrap());
    let page = browser.submit(&login, &[("username", "ann"), ("password", PASSWORD)]);
    assert!(page.text().contains("<h1>Change password</h1>"), "{}", page.text());
}

#[test]
fn without_the_database_pages_say_to_try_again() {
    let server = with_ann();
    let link = reset_link(&server);
    let browser = server.browser();
    let (asking, page) = (browser.get(ASK), browser.get(&link));
    server.db.is_down.set(true);
    browser.submit_once(&asking, &[("email", EMAIL)]).assert_status(503);
    browser.get(&link).assert_status(503);
    browser.submit_once(&page, &[("password", NEW_PASSWORD)]).assert_status(503);
    server.db.is_down.set(false);
    assert!(server.mailbox.take().is_empty());
    browser.submit_once(&page, &[("password", NEW_PASSWORD)]).assert_status(303);
}
