//! What a person is asked, and what is remembered of it.

use serde_json::{Value, json};

use crate::support::{Browser, CALLBACK, Landing, PASSWORD, TestClient, TestResponse, TestServer};

/// The consent page is shown, for these scopes.
#[track_caller]
fn assert_asks(page: &TestResponse, scopes: &[&str]) {
    page.assert_status(200);
    let (action, fields) = crate::support::form_of(&page.text());
    assert_eq!(action, "http://localhost:8787/o/authorize/", "{}", page.text());
    let asked: Vec<&str> = fields.iter().filter_map(|(name, _)| name.strip_prefix("scope ")).collect();
    assert_eq!(asked, scopes);
}

/// The scope of the tokens that an answer leads to.
#[track_caller]
fn scope_of(app: &TestClient, response: &TestResponse) -> String {
    app.exchange(Landing::of(response).get("code")).tokens().scope
}

/// What the operator changes of an application.
fn change(server: &TestServer, app: &TestClient, body: Value) {
    server.admin("PATCH", &format!("applications/{}", app.client_id), body).assert_status(200);
}

fn logged_in<'a>(server: &'a TestServer, username: &str) -> Browser<'a> {
    server.user(username);
    let browser = server.browser();
    browser.log_in(username);
    browser
}

#[test]
fn what_was_agreed_to_is_remembered_and_asked_for_again_only_for_more() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let ask = |scope: &str| browser.get(&app.authorization().with("scope", scope).path());
    let page = ask("read");
    assert_asks(&page, &["read"]);
    assert_eq!(scope_of(&app, &browser.submit_once(&page, &[("decision", "allow")])), "read");
    assert_eq!(scope_of(&app, &ask("read")), "read");
    let page = ask("write read");
    assert_asks(&page, &["write", "read"]);
    assert_eq!(scope_of(&app, &browser.submit_once(&page, &[("decision", "allow")])), "write read");
    for known in ["read", "write", "read write"] {
        assert_eq!(scope_of(&app, &ask(known)), known);
    }
    assert_asks(&ask("groups"), &["groups"]);
    // Without a scope, it is about all of them.
    assert_asks(&browser.get(&app.authorization().without("scope").path()), &["read", "write", "groups"]);
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
    // It is this person's word to this application.
    let other = server.code_application();
    assert_asks(&browser.get(&other.authorization().path()), &["read", "write"]);
    assert_asks(&logged_in(&server, "bob").get(&app.authorization().path()), &["read", "write"]);
    // It holds wherever they log in.
    let elsewhere = server.another_isolate();
    let browser = elsewhere.browser();
    browser.log_in("alice");
    assert_eq!(scope_of(&app, &browser.get(&app.authorization().path())), "read write");
}

#[test]
fn single_scopes_can_be_unticked() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let page = browser.get(&app.authorization().path());
    let response = browser.submit_once(&page, &[("decision", "allow"), ("scope write", "-")]);
    assert_eq!(scope_of(&app, &response), "read");
    assert_asks(&browser.get(&app.authorization().path()), &["read", "write"]);
    assert_eq!(scope_of(&app, &browser.get(&app.authorization().with("scope", "read").path())), "read");
}

#[test]
fn what_is_unticked_later_is_not_agreed_to_any_more() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let everything = app.authorization().with("scope", "read write groups");
    browser.code(&everything);
    let page = browser.get(&app.authorization().with("prompt", "consent").path());
    assert_asks(&page, &["read", "write"]);
    let response = browser.submit_once(&page, &[("decision", "allow"), ("scope write", "-")]);
    assert_eq!(scope_of(&app, &response), "read");
    assert_asks(&browser.get(&app.authorization().path()), &["read", "write"]);
    // What the page did not ask about stays as it was.
    assert_eq!(scope_of(&app, &browser.get(&everything.with("scope", "read groups").path())), "read groups");
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
}

#[test]
fn nothing_ticked_and_any_other_button_is_a_denial_and_leaves_nothing_behind() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let page = browser.get(&app.authorization().path());
    for answer in [
        &[("decision", "allow"), ("scope read", "-"), ("scope write", "-")][..],
        &[("decision", "deny")],
        &[("decision", "ALLOW")],
        &[("decision", "")],
        &[],
    ] {
        Landing::of(&browser.submit_once(&page, answer)).assert_error("access_denied");
        assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
        assert_eq!(server.db.number("SELECT count(*) FROM authorization_codes"), 0);
    }
    let events = "SELECT count(*) FROM audit_events WHERE action = 'authorized'";
    assert_eq!(server.db.number(events), 0);
    browser.submit_once(&page, &[("decision", "allow")]);
    assert_eq!(server.db.number(events), 1);
}

#[test]
fn nobody_gets_more_than_was_asked_for() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let page = browser.get(&app.authorization().with("scope", "read").path());
    let more =
        [("decision", "allow"), ("scope write", "on"), ("scope introspection", "on"), ("scope ", "on")];
    assert_eq!(scope_of(&app, &browser.submit_once(&page, &more)), "read");
    assert_asks(&browser.get(&app.authorization().path()), &["read", "write"]);
}

#[test]
fn whoever_is_logged_out_by_then_has_not_decided() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let page = browser.get(&app.authorization().path());
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    let response = browser.submit(&page, &[("decision", "allow")]);
    assert!(response.text().contains("<h1>Log in</h1>"));
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
    let page = browser.submit(&response, &[("username", "alice"), ("password", PASSWORD)]);
    assert_asks(&page, &["read", "write"]);
}

#[test]
fn a_decision_counts_for_the_application_as_it_is_by_then() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let page = browser.get(&app.authorization().path());
    change(&server, &app, json!({"scope": "read"}));
    Landing::of(&browser.submit_once(&page, &[("decision", "allow")])).assert_error("invalid_scope");
    change(&server, &app, json!({"scope": "", "redirect_uris": ["https://app.example/other"]}));
    browser.submit_once(&page, &[("decision", "allow")]).assert_status(400);
    change(&server, &app, json!({"redirect_uris": [CALLBACK], "is_active": false}));
    browser.submit_once(&page, &[("decision", "allow")]).assert_status(400);
    change(&server, &app, json!({"is_active": true}));
    assert_eq!(scope_of(&app, &browser.submit_once(&page, &[("decision", "allow")])), "read write");
}

#[test]
fn a_grant_that_was_ended_is_asked_for_anew_and_its_tokens_are_dead() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let tokens = app.exchange(&browser.code(&app.authorization())).tokens();
    let code = browser.code(&app.authorization());
    server.db.execute(&format!("UPDATE grants SET ended_at = {}", server.now()));
    app.exchange(&code).assert_error(400, "invalid_grant");
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    let page = browser.get(&app.authorization().path());
    assert_asks(&page, &["read", "write"]);
    let response = browser.submit_once(&page, &[("decision", "allow")]);
    let anew = app.exchange(Landing::of(&response).get("code")).tokens();
    server.assert_good(&anew.access_token);
    server.validate_with(&tokens.access_token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 2);
}

#[test]
fn a_code_buys_no_more_than_the_application_may_have_by_then() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let (first, second) = (browser.code(&app.authorization()), browser.code(&app.authorization()));
    change(&server, &app, json!({"scope": "read groups"}));
    assert_eq!(app.exchange(&first).tokens().scope, "read");
    change(&server, &app, json!({"scope": "groups"}));
    app.exchange(&second).assert_error(400, "invalid_grant");
    // Who may have it again gets it: the code was not used up.
    change(&server, &app, json!({"scope": ""}));
    assert_eq!(app.exchange(&second).tokens().scope, "read write");
}

#[test]
fn who_trusts_an_application_registers_it_so_that_nobody_is_asked() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.application().set("skip_authorization", json!(true)).redirect_uri(CALLBACK).create();
    let request = app.authorization();
    assert_eq!(scope_of(&app, &browser.get(&request.path())), "read write");
    assert_eq!(scope_of(&app, &browser.get(&request.clone().with("scope", "groups").path())), "groups");
    assert_eq!(scope_of(&app, &browser.get(&request.clone().with("prompt", "none").path())), "read write");
    // Unless the request wants it.
    for asks in [request.clone().with("prompt", "consent"), request.clone().with("approval_prompt", "force")]
    {
        let page = browser.get(&asks.path());
        assert_asks(&page, &["read", "write"]);
        Landing::of(&browser.submit_once(&page, &[("decision", "deny")])).assert_error("access_denied");
        scope_of(&app, &browser.submit_once(&page, &[("decision", "allow")]));
    }
    // Nobody has agreed to anything by that.
    change(&server, &app, json!({"skip_authorization": false}));
    assert_asks(&browser.get(&request.path()), &["read", "write"]);
}

#[test]
fn approval_prompt_is_auto_or_force() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let request = app.authorization();
    browser.code(&request);
    let with = |value: &str| request.clone().with("approval_prompt", value);
    scope_of(&app, &browser.get(&with("auto").path()));
    scope_of(&app, &browser.get(&with("").path()));
    assert_asks(&browser.get(&with("force").path()), &["read", "write"]);
    Landing::of(&browser.get(&with("force").with("prompt", "none").path())).assert_error("consent_required");
    Landing::of(&browser.get(&with("nonsense").path())).assert_error("invalid_request");
    Landing::of(&browser.get(&with("auto").and("approval_prompt", "auto").path()))
        .assert_error("invalid_request");
}

#[test]
fn an_operator_can_have_everybody_asked_every_time() {
    let server = TestServer::with(&[("REQUEST_APPROVAL_PROMPT", "force")]);
    let browser = logged_in(&server, "alice");
    let trusted = server.application().set("skip_authorization", json!(true)).redirect_uri(CALLBACK).create();
    for app in [server.code_application(), trusted] {
        let request = app.authorization();
        browser.code(&request);
        // The application cannot talk it away.
        for request in [request.clone(), request.clone().with("approval_prompt", "auto")] {
            assert_asks(&browser.get(&request.path()), &["read", "write"]);
        }
    }
}

#[test]
fn the_page_says_who_asks_for_what_and_where_it_leads() {
    let server =
        TestServer::with(&[("SCOPES", r#"{"read": "Read <b>\"all\"</b> of it", "write": "Write"}"#)]);
    let browser = logged_in(&server, "alice");
    let app = server
        .application()
        .public()
        .set("client_name", json!("<script>alert('x')</script> & \"Co\""))
        .redirect_uri("https://app.example:8443/cb?x=<")
        .redirect_uri("https://app.example:8443/cb")
        .create();
    let request = app.authorization().with("redirect_uri", "https://app.example:8443/cb");
    let page = browser.get(&request.path());
    assert_asks(&page, &["read", "write"]);
    let text = page.text();
    for said in [
        "<strong>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;Co&quot;</strong>",
        "<strong>alice</strong>",
        "<strong>app.example:8443</strong>",
        "Read &lt;b&gt;&quot;all&quot;&lt;/b&gt; of it",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("<script"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https:;"), "{policy}");
    assert!(!policy.contains("script-src") && policy.contains("default-src 'none'"), "{policy}");
    let nameless = server.code_application();
    let page = browser.get(&nameless.authorization().path());
    assert!(page.text().contains(&format!("<strong>{}</strong>", nameless.client_id)));
}

#[test]
fn as_many_scopes_as_there_can_be_are_asked_for_on_one_page() {
    let scopes = |count: usize| {
        let all = (0..count).map(|n| (format!("scope{n}"), serde_json::json!(format!("Do thing {n}"))));
        serde_json::Value::Object(all.collect()).to_string()
    };
    let server = TestServer::with(&[("SCOPES", &scopes(90))]);
    server.user("alice");
    let app = server.code_application();
    let landing = server.browser().log_in("alice").authorize(&app.authorization().without("scope"));
    let tokens = app.exchange(landing.get("code")).tokens();
    assert_eq!(tokens.scope.split(' ').count(), 90);
    let variable = |name: &str| match name {
        "SCOPES" => Some(scopes(91)),
        "ADMIN_TOKEN" => Some("x".repeat(32)),
        "MASTER_KEY" => Some(crate::support::MASTER_KEY.to_owned()),
        _ => None,
    };
    let settings = postern::settings::Settings::read(&|name| variable(name).into());
    assert_eq!(settings.unwrap_err().name, "SCOPES");
}
