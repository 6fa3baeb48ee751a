//! Accounts at identity providers, on the page of one's own: linked, unlinked, and without a password.

use postern::protocol::params::Params;
use serde_json::{Value, json};

use crate::social_login::{
    ISSUER, MAIL, Sent, accounts, apple_knows, assert_refused, assert_sent_to, browser, corp_knows, events,
    log_in, post_from_elsewhere, server, server_with, users, who,
};
use crate::support::{Browser, PASSWORD, TestResponse, TestServer};

const APPLE_COOKIE: &str = "__Host-postern_login_apple-id";

/// A server where alice has signed up with a password, and her browser.
fn alice(server: &TestServer) -> Browser<'_> {
    server.user("alice");
    let browser = browser(server);
    browser.log_in("alice");
    browser
}

/// Presses the button that links an account.
#[track_caller]
fn connect(browser: &Browser<'_>, backend: &str) -> Sent {
    Sent::to(&browser.submit_to(&format!("/login/{backend}/"), &browser.get("/account/"), &[]))
}

#[track_caller]
pub fn link(browser: &Browser<'_>, server: &TestServer, claims: Value) -> TestResponse {
    let sent = connect(browser, "corp");
    corp_knows(server, &sent, claims);
    browser.get(&sent.answer(&[("code", "c")]))
}

/// An account of alice's at another provider.
fn insert(server: &TestServer, id: &str, provider: &str) {
    server.db.execute(&format!(
        "INSERT INTO social_accounts (id, user_id, provider, uid, created_at, last_used_at)
         SELECT '{id:A<16}', id, '{provider}', '{id}', 1, 1 FROM users WHERE username = 'alice'"
    ));
}

/// Presses the button that unlinks an account.
#[track_caller]
pub fn disconnect(browser: &Browser<'_>, backend: &str) -> TestResponse {
    let page = browser.get("/account/");
    let text = page.text();
    let path = text.split(&format!("{ISSUER}/disconnect/{backend}/")).nth(1).expect("a button");
    let path = format!("/disconnect/{backend}/{}", path.split('"').next().unwrap());
    browser.submit_to(&path, &page, &[])
}

#[test]
fn who_is_logged_in_links_an_account_and_logs_in_by_it() {
    let server = server();
    let alice = alice(&server);
    let response = link(&alice, &server, json!({"email": "else@corp.example"}));
    assert_sent_to(&response, "/account/?done=connected");
    let page = alice.get("/account/?done=connected").text();
    assert!(page.contains("Your account is connected") && page.contains("<strong>Corp &amp; Sons</strong>"));
    assert!(!page.contains("Connect Corp") && page.contains("Connect GitHub"), "{page}");
    assert_eq!(events(&server).iter().filter(|action| *action == "social_account_linked").count(), 1);
    // What the provider says of them changes nothing here.
    let user = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!((&user["email"], &user["first_name"]), (&json!(""), &json!("")));
    let elsewhere = browser(&server);
    log_in(&elsewhere, &server, json!({"email": "else@corp.example"}));
    assert_eq!((who(&elsewhere).as_deref(), users(&server)), (Some("alice"), 1));
    // What is theirs already is fine.
    let sent = Sent::to(&post_own(&alice, "/login/corp/"));
    corp_knows(&server, &sent, json!({}));
    assert_sent_to(&alice.get(&sent.answer(&[("code", "c")])), "/account/?done=connected");
    assert_eq!(accounts(&server), 1);
    assert_eq!(events(&server).iter().filter(|action| *action == "social_account_linked").count(), 1);
}

/// A form that is not on the page any more.
fn post_own(browser: &Browser<'_>, path: &str) -> TestResponse {
    let page = browser.get("/account/").text();
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    browser.post(path, &[("csrf_token", token)])
}

/// What the first form of a page bears.
fn csrf_token(page: &str) -> String {
    let value = page.split("name=\"csrf_token\" value=\"").nth(1).expect("a form of ours");
    value.split('"').next().unwrap_or_default().to_owned()
}

#[test]
fn a_link_needs_a_form_of_ours_and_who_sent_it() {
    let server = server();
    let alice = alice(&server);
    for form in [&[][..], &[("csrf_token", "made up")]] {
        let response = alice.post("/login/corp/", form);
        response.assert_status(403);
        assert!(alice.cookie("__Host-postern_login_corp").is_none());
    }
    let page = browser(&server).get("/accounts/login/");
    let stranger = browser(&server);
    let token = csrf_token(&page.text());
    alice.post("/login/corp/", &[("csrf_token", &token)]).assert_status(403);
    // Who is not logged in is led to the login.
    let page = stranger.get("/accounts/login/");
    let token = csrf_token(&page.text());
    let response = stranger.post("/login/corp/", &[("csrf_token", &token)]);
    assert_sent_to(&response, "/accounts/login/?next=%2Faccount%2F");
}

#[test]
fn a_login_that_a_link_began_links_nothing() {
    // GET changes nothing of who is logged in: it logs in who comes back.
    let server = server();
    let alice = alice(&server);
    log_in(&alice, &server, json!({"preferred_username": "mallory", "email": "m@corp.example"}));
    assert_eq!(
        server.db.text("SELECT u.username FROM social_accounts s JOIN users u ON u.id = s.user_id"),
        "mallory"
    );
    assert_eq!(who(&alice).as_deref(), Some("mallory"));
}

#[test]
fn an_account_of_somebody_else_is_not_linked() {
    let server = server();
    log_in(&browser(&server), &server, json!({"preferred_username": "bob"}));
    let alice = alice(&server);
    let response = link(&alice, &server, json!({}));
    assert_refused(&response, 409, "connected to another account here");
    assert_eq!((who(&alice).as_deref(), accounts(&server)), (Some("alice"), 1));
    assert!(!events(&server).contains(&"social_account_linked".to_owned()));
}

#[test]
fn who_is_logged_in_by_then_must_be_who_began() {
    let server = server();
    let alice = alice(&server);
    server.user("bob");
    type Change = fn(&Browser<'_>, &TestServer);
    let changes: [(&str, Change); 4] = [
        ("another", |browser, _| _ = browser.log_in("bob")),
        ("the same, anew", |browser, _| _ = browser.log_in("alice")),
        ("nobody", |browser, _| {
            browser.submit_once(&browser.get("/accounts/logout/"), &[]);
        }),
        ("ended by others", |_, server| server.db.execute("UPDATE users SET token_epoch = token_epoch + 1")),
    ];
    for (what, change) in changes {
        alice.log_in("alice");
        let sent = connect(&alice, "corp");
        corp_knows(&server, &sent, json!({}));
        change(&alice, &server);
        let response = alice.get(&sent.answer(&[("code", "c")]));
        assert_refused(&response, 400, "was not begun in this browser");
        assert_eq!(accounts(&server), 0, "{what}");
    }
}

#[test]
fn an_account_whose_provider_posts_its_answer_is_linked_though_the_session_stays_away() {
    // Browsers keep a cookie with SameSite=Lax back from what another site posts.
    let server = server();
    let alice = alice(&server);
    let link = |meanwhile: &dyn Fn()| {
        let sent = connect(&alice, "apple-id");
        apple_knows(&server, &sent);
        meanwhile();
        let form = [("state", sent.get("state")), ("code", "c")];
        post_from_elsewhere(&alice, &server, "/complete/apple-id/", &[APPLE_COOKIE], &form)
    };
    let log_out = || drop(alice.submit_once(&alice.get("/accounts/logout/"), &[]));
    assert_refused(&link(&log_out), 400, "was not begun in this browser");
    alice.log_in("alice");
    assert_refused(
        &link(&|| server.db.execute("UPDATE users SET token_epoch = token_epoch + 1")),
        400,
        "was not begun in this browser",
    );
    alice.log_in("alice");
    assert_refused(
        &link(&|| server.db.execute("UPDATE users SET is_active = 0")),
        400,
        "was not begun in this browser",
    );
    server.db.execute("UPDATE users SET is_active = 1");
    alice.log_in("alice");
    let expired = link(&|| server.db.execute("UPDATE sessions SET expires_at = 1800000000"));
    assert_refused(&expired, 400, "was not begun in this browser");
    assert_eq!(accounts(&server), 0);
    alice.log_in("alice");
    assert_sent_to(&link(&|| ()), "/account/?done=connected");
    assert_eq!((who(&alice).as_deref(), accounts(&server)), (Some("alice"), 1));
}

#[test]
fn nobody_has_more_than_twenty_accounts() {
    let server = server();
    let alice = alice(&server);
    for n in 0..19 {
        insert(&server, &format!("a{n}"), "gone");
    }
    assert_sent_to(&link(&alice, &server, json!({})), "/account/?done=connected");
    let sent = Sent::to(&post_own(&alice, "/login/corp/"));
    corp_knows(&server, &sent, json!({"sub": "corp-2"}));
    let response = alice.get(&sent.answer(&[("code", "c")]));
    assert_refused(&response, 409, "or you have too many");
    assert_eq!((accounts(&server), alice.get("/account/").text().matches(">Disconnect<").count()), (20, 20));
    // Nor by their address.
    let change = json!({"email": "alice@corp.example", "email_verified": true});
    server.admin("PATCH", "users/alice", change).assert_status(200);
    let response = log_in(&browser(&server), &server, json!({"sub": "corp-2"}));
    assert_refused(&response, 409, "");
    assert_eq!((accounts(&server), users(&server)), (20, 1));
}

#[test]
fn an_account_is_unlinked_and_its_tokens_are_given_up() {
    let server = server();
    let alice = alice(&server);
    link(&alice, &server, json!({}));
    server.providers.take_urls();
    server.providers.answer("POST https://corp.example/revoke", 200, &json!({}));
    assert_sent_to(&disconnect(&alice, "corp"), "/account/?done=disconnected");
    let page = alice.get("/account/?done=disconnected").text();
    assert!(page.contains("The account is no longer connected.") && page.contains("Connect Corp"));
    let asked = server.providers.take_asked();
    assert_eq!((asked.len(), asked[0].url.as_str()), (1, "https://corp.example/revoke")); // RFC 7009 §2.1
    let form = Params::parse(asked[0].body.as_deref().unwrap().as_bytes()).unwrap();
    let value = |name: &str| form.optional(name);
    assert_eq!(
        (value("token"), value("token_type_hint")),
        (Some("corp-refresh-token"), Some("refresh_token"))
    );
    assert_eq!(events(&server).last().map(String::as_str), Some("social_account_disconnected"));
    // Who comes by it from now on is somebody else.
    log_in(&browser(&server), &server, json!({"preferred_username": "new"}));
    assert_eq!((accounts(&server), users(&server)), (1, 2));
}

/// Logs in by this provider's code, which buys a token and this profile.
fn link_plain(
    alice: &Browser<'_>,
    server: &TestServer,
    backend: &str,
    token: &str,
    profile: &str,
    body: &Value,
) {
    let sent = connect(alice, backend);
    server.providers.answer(token, 200, &json!({"access_token": "the-token", "expires_in": 60}));
    server.providers.answer(profile, 200, body);
    server.providers.answer("GET https://api.github.com/user/emails", 200, &json!([]));
    assert_sent_to(&alice.get(&sent.answer(&[("code", "c")])), "/account/?done=connected");
    server.providers.take_urls();
}

#[test]
fn each_provider_is_asked_to_forget_in_its_way() {
    let server = server();
    let alice = alice(&server);
    let header = |asked: &postern::app::OutboundRequest, name: &str| {
        asked.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap()
    };
    link_plain(
        &alice,
        &server,
        "github",
        "POST https://github.com/login/oauth/access_token",
        "GET https://api.github.com/user",
        &json!({"id": 1, "login": "mona"}),
    );
    disconnect(&alice, "github");
    let asked = server.providers.take_asked().remove(0);
    assert_eq!(
        (asked.method, asked.url.as_str(), asked.body.as_deref()),
        (
            "DELETE",
            "https://api.github.com/applications/github-client/token",
            Some(r#"{"access_token":"the-token"}"#)
        )
    );
    assert!(header(&asked, "authorization").starts_with("Basic "));

    link_plain(
        &alice,
        &server,
        "facebook",
        "POST https://graph.facebook.com/v24.0/oauth/access_token",
        "GET https://graph.facebook.com/v24.0/me",
        &json!({"id": "1", "name": "Alice Liddell"}),
    );
    disconnect(&alice, "facebook");
    let asked = server.providers.take_asked().remove(0);
    let (url, query) = asked.url.split_once('?').unwrap();
    assert_eq!((asked.method, url), ("DELETE", "https://graph.facebook.com/v24.0/me/permissions"));
    assert!(query.starts_with("appsecret_proof="), "{query}");
    assert_eq!(header(&asked, "authorization"), "Bearer the-token");

    // There is no way to ask this one.
    link_plain(
        &alice,
        &server,
        "plain",
        "POST https://plain.example/token",
        "GET https://plain.example/me",
        &json!({"id": 1}),
    );
    disconnect(&alice, "plain");
    assert_eq!((accounts(&server), server.providers.take_urls()), (0, vec![]));
}

#[test]
fn a_provider_that_forgets_nothing_changes_nothing_here() {
    let server = server();
    let alice = alice(&server);
    for broken in [Some(500), Some(400), None] {
        link(&alice, &server, json!({}));
        match broken {
            Some(status) => server.providers.answer("POST https://corp.example/revoke", status, &json!({})),
            None => server.providers.time_out("POST https://corp.example/revoke"),
        }
        assert_sent_to(&disconnect(&alice, "corp"), "/account/?done=disconnected");
        assert_eq!(accounts(&server), 0);
        let log = server.log();
        let line = log.last().unwrap();
        assert_eq!(
            (&line["event"], &line["provider"]),
            (&json!("provider_revocation_failed"), &json!("corp"))
        );
        assert!(!json!(log).to_string().contains("corp-refresh-token"));
    }
}

#[test]
fn the_last_way_in_stays() {
    let server = server();
    let alice = browser(&server);
    log_in(&alice, &server, json!({}));
    let refused = |response: &TestResponse| {
        response.assert_status(403);
        assert!(response.text().contains("You could not log in any more."), "{}", response.text());
        for way in ["account", "accounts/password"] {
            assert!(response.text().contains(&format!("href=\"{ISSUER}/{way}/\"")), "{}", response.text());
        }
    };
    server.providers.take_urls();
    refused(&disconnect(&alice, "corp"));
    refused(&post_own(&alice, "/disconnect/corp/"));
    refused(&post_own(&alice, "/auth/disconnect/corp/"));
    // A provider that is not there any more lets nobody in.
    insert(&server, "gone", "gone");
    refused(&disconnect(&alice, "corp"));
    // Nor does a hash that no password has (Django's unusable ones).
    server.db.execute("UPDATE users SET password_hash = '!x'");
    refused(&disconnect(&alice, "corp"));
    assert_eq!((accounts(&server), server.providers.take_urls()), (2, vec![]));
    assert!(!events(&server).contains(&"social_account_disconnected".to_owned()));

    assert_sent_to(&disconnect(&alice, "gone"), "/account/?done=disconnected");
    // Another one there is another way in, but for who leaves them all.
    insert(&server, "second", "corp");
    refused(&post_own(&alice, "/disconnect/corp/"));
    assert_sent_to(&disconnect(&alice, "corp"), "/account/?done=disconnected");
    insert(&server, "github", "github");
    assert_sent_to(&post_own(&alice, "/disconnect/corp/"), "/account/?done=disconnected");
    assert_eq!(accounts(&server), 1);
    server.admin("POST", "users/alice/set-password", json!({"password": PASSWORD})).assert_status(204);
    alice.log_in("alice");
    assert_sent_to(&disconnect(&alice, "github"), "/account/?done=disconnected");
    assert_eq!(accounts(&server), 0);
}

#[test]
fn all_accounts_at_a_provider_are_unlinked_at_once_under_both_prefixes() {
    let server = server();
    let alice = alice(&server);
    for prefix in ["", "/auth"] {
        insert(&server, "one", "corp");
        insert(&server, "two", "corp");
        insert(&server, "else", "github");
        let one = format!("{prefix}/disconnect/corp/{:A<16}/", "one");
        assert_sent_to(&post_own(&alice, &one), "/account/?done=disconnected");
        assert_eq!(accounts(&server), 2);
        let all = format!("{prefix}/disconnect/corp/");
        assert_sent_to(&post_own(&alice, &all), "/account/?done=disconnected");
        assert_eq!(server.db.text("SELECT provider FROM social_accounts"), "github");
        post_own(&alice, &all).assert_status(404);
        server.db.execute("DELETE FROM social_accounts");
    }
}

#[test]
fn one_unlinks_what_is_ones_own_and_by_a_form_of_ours() {
    let server = server();
    let alice = alice(&server);
    insert(&server, "hers", "corp");
    let path = format!("/disconnect/corp/{:A<16}/", "hers");
    alice.post(&path, &[]).assert_status(403);
    alice.post(&path, &[("csrf_token", "made up")]).assert_status(403);
    let stranger = browser(&server);
    stranger.post(&path, &[]).assert_status(403);
    server.user("bob");
    let bob = browser(&server);
    bob.log_in("bob");
    for path in [&*path, "/disconnect/corp/", "/disconnect/corp/nonsense/", "/disconnect/nobody/"] {
        post_own(&bob, path).assert_status(404);
    }
    post_own(&alice, &path.replace("/corp/", "/github/")).assert_status(404);
    assert_eq!(accounts(&server), 1);
    let ended = alice.copy();
    alice.submit_once(&alice.get("/accounts/logout/"), &[]);
    let page = ended.get("/accounts/login/").text();
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let response = ended.post(&path, &[("csrf_token", token)]);
    assert_sent_to(&response, "/accounts/login/?next=%2Faccount%2F");
    assert_eq!(accounts(&server), 1);
}

#[test]
fn the_account_page_lets_its_forms_lead_to_the_providers() {
    // CSP Level 3 §6.4.1: browsers apply `form-action` to where a form's answer redirects, too.
    let server = server();
    let policy = |browser: &Browser<'_>| {
        let page = browser.get("/account/");
        let policy = page.header("content-security-policy").unwrap().to_owned();
        policy.split("form-action ").nth(1).unwrap().split(';').next().unwrap().to_owned()
    };
    assert_eq!(policy(&alice(&server)), "'self' https:");
    let without = TestServer::with(&[("ISSUER", ISSUER)]);
    let bob = alice(&without);
    assert_eq!(policy(&bob), "'self'");
    assert!(!bob.get("/account/").text().contains("Connected accounts"));
    let local = r#"{"corp": {"client_id": "c", "issuer": "http://127.0.0.1:1"}}"#;
    let local = server_with(&[("SOCIAL_AUTH_PROVIDERS", local)]);
    assert_eq!(policy(&alice(&local)), "'self' http://localhost:* http://127.0.0.1:* https:");
}

#[test]
fn an_account_whose_provider_is_not_there_any_more_is_still_shown() {
    let server = server();
    let alice = alice(&server);
    insert(&server, "gone", "<gone>");
    let page = alice.get("/account/").text();
    assert!(
        page.contains("<strong>&lt;gone&gt;</strong>")
            && page.contains("aria-label=\"Disconnect &lt;gone&gt;\"")
    );
}

#[test]
fn who_has_no_password_sets_one_by_a_link() {
    let server = server_with(MAIL);
    let alice = browser(&server);
    log_in(&alice, &server, json!({}));
    let page = alice.get("/accounts/password/");
    page.assert_status(200);
    assert!(page.text().contains("Your account has no password"));
    assert!(page.text().contains(&format!("href=\"{ISSUER}/accounts/password/reset/\"")), "{}", page.text());
    server.mailbox.take();
    let ask = |server: &TestServer| {
        let asking = Browser::at(ISSUER, server);
        let page = asking.get("/accounts/password/reset/");
        asking.submit_once(&page, &[("email", "alice@corp.example")]).assert_status(303);
        server.mailbox.take()
    };
    let mails = ask(&server);
    let link = mails[0].text.lines().find(|line| line.starts_with(ISSUER)).unwrap();
    let path = link.strip_prefix(ISSUER).unwrap();
    alice.submit_once(&alice.get(path), &[("password", PASSWORD)]).assert_status(303);
    alice.log_in("alice");
    assert_sent_to(&disconnect(&alice, "corp"), "/account/?done=disconnected");
    // Who has neither a password nor an account at a provider is the operator's to let in; and an address that nobody has
    // verified opens nothing.
    for change in
        ["UPDATE users SET password_hash = NULL", "UPDATE users SET email_verified = 0, password_hash = NULL"]
    {
        server.db.execute("DELETE FROM social_accounts");
        server.db.execute(change);
        if change.contains("email_verified") {
            insert(&server, "one", "corp");
        }
        assert!(ask(&server).is_empty(), "{change}");
    }
}

#[test]
fn who_takes_over_an_account_with_an_address_that_nobody_has_verified_takes_it_over_alone() {
    // Mallory signs up with Alice's address, links an account of hers, and waits until Alice resets the password.
    for is_verified in [false, true] {
        let server = server_with(MAIL);
        let mallory = alice(&server);
        assert_sent_to(
            &link(&mallory, &server, json!({"email": "m@corp.example"})),
            "/account/?done=connected",
        );
        insert(&server, "two", "github");
        let address = json!({"email": "alice@mail.example", "email_verified": is_verified});
        server.admin("PATCH", "users/alice", address).assert_status(200);
        server.user("bob");
        server.db.execute(
            "INSERT INTO social_accounts (id, user_id, provider, uid, created_at, last_used_at)
             SELECT 'BBBBBBBBBBBBBBBB', id, 'corp', 'bob', 1, 1 FROM users WHERE username = 'bob'",
        );
        let alice = browser(&server);
        let ask = |browser: &Browser<'_>| {
            let page = browser.get("/accounts/password/reset/");
            browser.submit_once(&page, &[("email", "alice@mail.example")]).assert_status(303);
            let mails = server.mailbox.take();
            let link = mails[0].text.lines().find(|line| line.starts_with(ISSUER)).unwrap();
            link.strip_prefix(ISSUER).unwrap().to_owned()
        };
        // A link that is no longer good changes nothing.
        let (old, path) = (ask(&alice), ask(&alice));
        alice.get(&old).assert_status(404);
        assert_eq!(accounts(&server), 3);
        alice.submit_once(&alice.get(&path), &[("password", "another horse battery")]).assert_status(303);
        let kept = if is_verified { 3 } else { 1 };
        assert_eq!(accounts(&server), kept, "{is_verified}");
        let unlinked = |action: &String| action == "social_account_disconnected";
        assert_eq!(
            events(&server).iter().filter(|action| unlinked(action)).count(),
            usize::from(!is_verified)
        );
        // What Mallory linked leads to an account of its own from now on; what Alice had linked, to hers.
        let elsewhere = browser(&server);
        log_in(&elsewhere, &server, json!({"email": "m@corp.example", "preferred_username": "mallory"}));
        assert_eq!(who(&elsewhere).as_deref(), Some(if is_verified { "alice" } else { "mallory" }));
    }
}

#[test]
fn who_has_no_password_is_told_to_set_one_before_they_change_their_address() {
    let server = server();
    let alice = browser(&server);
    log_in(&alice, &server, json!({}));
    let page = alice.get("/account/");
    assert!(!page.text().contains("name=\"current_password\""), "{}", page.text());
    let response =
        alice.submit_to("/account/", &page, &[("email", "else@corp.example"), ("first_name", "Else")]);
    response.assert_status(400);
    assert!(response.text().contains("Your account has no password"), "{}", response.text());
    let user = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!((&user["email"], &user["first_name"]), (&json!("alice@corp.example"), &json!("Alice")));
    // A name is theirs to change.
    let saved = alice.submit_to("/account/", &page, &[("first_name", "Else")]);
    assert_sent_to(&saved, "/account/?done=profile");
}
