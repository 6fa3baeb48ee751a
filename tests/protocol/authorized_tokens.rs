//! `/o/authorized_tokens/`: what a person has authorized, and how they end it.

use serde_json::Value;

use crate::support::{Browser, TestClient, TestResponse, TestServer, Tokens};

const LIST: &str = "/o/authorized_tokens/";

/// Alice in a browser, and an application that she has allowed to read and write.
fn furnished(server: &TestServer) -> (Browser<'_>, TestClient<'_>, Tokens) {
    server.user("alice");
    let app = server
        .application()
        .public()
        .grants(&["authorization_code", "refresh_token"])
        .redirect_uri(crate::support::CALLBACK)
        .set("client_name", "Notes & more".into())
        .create();
    let browser = server.browser();
    let code = browser.log_in("alice").code(&app.authorization());
    let tokens = app.exchange(&code).tokens();
    (browser, app, tokens)
}

fn grant(server: &TestServer) -> String {
    server.db.text("SELECT id FROM grants ORDER BY created_at DESC")
}

fn delete_path(grant: &str) -> String {
    format!("{LIST}{grant}/delete/")
}

fn delete(browser: &Browser<'_>, grant: &str) -> TestResponse {
    let path = delete_path(grant);
    browser.submit_to(&path, &browser.get(&path), &[])
}

#[test]
fn the_list_tells_who_may_do_what_and_since_when() {
    let server = TestServer::new();
    let (browser, _, _) = furnished(&server);
    server.advance(10);
    let page = browser.get(LIST);
    page.assert_status(200);
    for said in [
        "<strong>Notes &amp; more</strong>",
        "<li>Read your data</li><li>Change your data</li>",
        "since <time datetime=\"2027-01-15T08:00:00Z\">",
        &format!("href=\"http://localhost:8787{}\"", delete_path(&grant(&server))),
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    assert!(!page.text().contains("See your groups"));
}

#[test]
fn an_application_without_a_name_shows_by_its_id_and_a_password_grant_as_what_it_is() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    app.log_in("alice");
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.get(LIST).text();
    assert!(page.contains(&format!("<strong>{}</strong>", app.client_id)), "{page}");
    assert!(page.contains("You were not asked what it may do"));
    // Neither an application that is gone nor a grant that has ended is there.
    server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    assert!(browser.get(LIST).text().contains("You have authorized no application."));
}

#[test]
fn ending_it_asks_first_and_ends_all_its_tokens_at_once() {
    let server = TestServer::new();
    let (browser, app, tokens) = furnished(&server);
    let others = server.public_application().log_in("alice");
    server.advance(1);
    let code = browser.code(&app.authorization());
    let grant = server.db.text("SELECT g.id FROM grants g WHERE g.scope <> ''");

    let page = browser.get(&delete_path(&grant));
    page.assert_status(200);
    assert!(page.text().contains("<h1>End what Notes &amp; more may do?</h1>"));
    assert!(page.text().contains("<li>Read your data</li>"));
    server.assert_good(&tokens.access_token);

    let response = delete(&browser, &grant);
    assert_eq!(
        response.assert_status(303).header("location"),
        Some("http://localhost:8787/o/authorized_tokens/")
    );
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    // Nor does a code that was under way lead to tokens.
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_good(&others.access_token);
    assert!(!browser.get(LIST).text().contains("Notes &amp; more"));
    browser.get(&delete_path(&grant)).assert_status(404);
    let alice = server.db.text("SELECT id FROM users");
    let noted = "SELECT actor || ', ' || action || ', ' || target FROM audit_events ORDER BY id DESC";
    assert_eq!(server.db.text(noted), format!("user {alice}, grant_ended, grant {grant}"));
    // The person is asked anew.
    assert!(browser.open(&app.authorization().path()).text().contains("Read your data"));
}

#[test]
fn only_ones_own_are_there_to_be_ended() {
    let server = TestServer::new();
    let (alice, _, tokens) = furnished(&server);
    server.user("bob");
    let bob = server.browser();
    bob.log_in("bob");
    assert!(bob.get(LIST).text().contains("You have authorized no application."));
    let path = delete_path(&grant(&server));
    bob.get(&path).assert_status(404);
    // With a form of his own, sent to hers.
    let form = bob.get("/accounts/logout/").text().replace("/accounts/logout/", &path);
    let mut form_page = bob.get("/accounts/logout/");
    *form_page.0.body_mut() = form.into_bytes();
    let before = server.db.dump();
    bob.submit_to(&path, &form_page, &[]).assert_status(404);
    assert_eq!(server.db.dump(), before);
    server.assert_good(&tokens.access_token);
    for bad in ["x", "AAAAAAAAAAAAAAAA", "%41", "..", "null", "é", &"A".repeat(5000)] {
        let path = delete_path(&crate::support::percent_encode(bad));
        assert_eq!(
            alice.get(&path).assert_status(404).header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
}

#[test]
fn a_form_of_another_page_of_another_browser_or_of_another_site_ends_nothing() {
    let server = TestServer::new();
    let (browser, _, tokens) = furnished(&server);
    let path = delete_path(&grant(&server));
    let page = browser.get(&path);
    let before = server.db.dump();
    browser.submit_to(&path, &page, &[("csrf_token", "-")]).assert_status(403);
    server.browser().submit_to(&path, &page, &[]).assert_status(403);
    let mut request = browser.form_request(&path, &page, &[]);
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    server.send(request).assert_status(403);
    assert_eq!(server.db.dump(), before);
    server.assert_good(&tokens.access_token);
    // Nor does a link.
    browser.get(&path).assert_status(200);
    server.assert_good(&tokens.access_token);
}

#[test]
fn if_kv_fails_trying_again_puts_the_mark() {
    let server = TestServer::new();
    let (browser, _, tokens) = furnished(&server);
    let elsewhere = server.another_isolate();
    let path = delete_path(&grant(&server));
    let page = browser.get(&path);
    server.kv.is_down.set(true);
    let failed = browser.submit_to(&path, &page, &[]);
    failed.assert_status(503);
    assert!(failed.header("retry-after").is_some());
    server.kv.is_down.set(false);
    elsewhere.validate(&tokens.access_token).assert_status(200);
    browser.submit_to(&path, &page, &[]).assert_status(303);
    server.assert_dead(&tokens.access_token);
    assert_eq!(server.db.number("SELECT count(*) FROM audit_events WHERE action = 'grant_ended'"), 1);
}

#[test]
fn a_long_list_goes_on_on_another_page() {
    let server = TestServer::new();
    let (browser, _, _) = furnished(&server);
    server.db.execute(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250)
         INSERT INTO applications SELECT printf('ZZZZZZZZZZZZZ%03d', n), printf('app-%03d', n), secret, '', client_type,
         grant_types, redirect_uris, post_logout_redirect_uris, scope, token_endpoint_auth_method, oauth1_signature_methods, NULL,
         0, 0, 0, NULL, 1, 0, 'r', 0
         FROM applications, n;
         INSERT INTO grants SELECT printf('GGGGGGGGGGGGG%03d', row_number() OVER ()), (SELECT id FROM users), id, '', 0, NULL
         FROM applications WHERE client_id LIKE 'app-%'",
    );
    let first = browser.get(LIST).text();
    assert_eq!(first.matches("/delete/").count(), 200);
    let next = first.split("?cursor=").nth(1).unwrap().split('"').next().unwrap();
    let second = browser.get(&format!("{LIST}?cursor={next}")).text();
    assert_eq!(second.matches("/delete/").count(), 51);
    assert!(!second.contains("?cursor="));
    let names = |page: &str| -> Vec<String> {
        page.split("<strong>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    };
    let mut all = [names(&first), names(&second)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 251);
    for bad in ["x", "%00", "%ff", "AAAA", "AAAAAAAAAAAAAAAAA"] {
        let status = browser.get(&format!("{LIST}?cursor={bad}")).status();
        // What cannot be read is as if it were not there.
        assert_eq!(status, if bad.starts_with('%') { 200 } else { 400 }, "{bad}");
    }
}
