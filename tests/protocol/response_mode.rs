//! How an authorization response gets to the application (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth
//! 2.0 Form Post Response Mode).

use postern::crypto::encoding::standard_base64;
use postern::crypto::sha256;

use crate::support::{AuthorizationRequest, CALLBACK, Landing, TestResponse, TestServer, form_of};

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    &fields.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}: {fields:?}")).1
}

/// What a policy says about something, without its name.
fn directive(page: &TestResponse, name: &str) -> String {
    let policy = page.header("content-security-policy").expect("a policy");
    let found: Vec<&str> =
        policy.split("; ").filter_map(|part| part.strip_prefix(name)?.strip_prefix(' ')).collect();
    assert_eq!(found.len(), 1, "{name}: {policy}");
    found[0].to_owned()
}

#[test]
fn a_code_comes_back_in_the_query_the_fragment_or_a_form() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    browser.code(&app.authorization());
    for (mode, is_fragment) in [("query", false), ("", false), ("fragment", true)] {
        let landing = Landing::of(&browser.get(&app.authorization().with("response_mode", mode).path()));
        assert_eq!(landing.is_fragment, is_fragment);
        app.exchange(landing.get("code")).tokens();
    }
    let page = browser.get(&app.authorization().with("response_mode", "form_post").path());
    page.assert_status(200);
    let (action, fields) = form_of(&page.text());
    assert_eq!(action, CALLBACK);
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "state", "iss"]);
    app.exchange(value(&fields, "code")).tokens();
}

#[test]
fn the_page_of_a_form_runs_its_one_script_and_nothing_else() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let page = browser.open(&app.authorization().path());
    browser.submit_once(&page, &[("decision", "allow")]);
    let page = browser.get(&app.authorization().with("response_mode", "form_post").path());
    let text = page.text();
    let scripts: Vec<&str> =
        text.split("<script>").skip(1).map(|s| s.split("</script>").next().unwrap()).collect();
    assert_eq!((scripts.len(), text.matches("<script").count()), (1, 1));
    assert_eq!(
        directive(&page, "script-src"),
        format!("'sha256-{}'", standard_base64(&sha256(scripts[0].as_bytes())))
    );
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert_eq!(
        directive(&page, "style-src"),
        format!("'sha256-{}'", standard_base64(&sha256(style.as_bytes())))
    );
    assert_eq!(directive(&page, "default-src"), "'none'");
    assert_eq!(directive(&page, "form-action"), "https:");
    assert_eq!(directive(&page, "frame-ancestors"), "'none'");
    assert_eq!(directive(&page, "base-uri"), "'none'");
    // For those without scripts, a button. Named `submit`, it would take the place of the method that the script calls.
    assert!(text.contains("<button>") && !text.contains("\"submit\""));
    // The one form is the first: it is what the script sends.
    assert_eq!((text.matches("<form ").count(), text.matches("method=\"post\"").count()), (1, 1));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(!text.contains(" onload") && !text.contains("javascript:"));
}

#[test]
fn whatever_stands_in_state_is_text_in_the_form() {
    let server = TestServer::new();
    let app = server.code_application();
    let silent = app.authorization().with("response_mode", "form_post").with("prompt", "none");
    for state in
        ["\"'<>&", "</form><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "&quot;&lt;"]
    {
        let page = server.browser().get(&silent.clone().with("state", state).path());
        page.assert_status(200);
        let (action, fields) = form_of(&page.text());
        assert_eq!((action.as_str(), value(&fields, "state")), (CALLBACK, state));
        assert_eq!(value(&fields, "error"), "login_required");
        assert_eq!(page.text().matches("<script").count(), 1);
        assert!(!page.text().contains("<img"));
    }
}

#[test]
fn errors_and_tokens_go_by_form_too() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.application().public().grants(&["implicit"]).redirect_uri(CALLBACK).create();
    let browser = server.browser();
    browser.log_in("alice");
    let request = AuthorizationRequest::for_token(&app.client_id).with("response_mode", "form_post");
    let consent = browser.open(&request.path());
    let denied = browser.submit_once(&consent, &[("decision", "deny")]);
    denied.assert_status(200);
    let (action, fields) = form_of(&denied.text());
    assert_eq!((action.as_str(), value(&fields, "error")), (CALLBACK, "access_denied"));
    assert_eq!((value(&fields, "state"), value(&fields, "iss")), ("the state", "http://localhost:8787"));
    let (action, fields) = form_of(&browser.submit_once(&consent, &[("decision", "allow")]).text());
    assert_eq!(action, CALLBACK);
    server.assert_good(value(&fields, "access_token"));
}

#[test]
fn a_form_to_a_program_on_the_device_may_go_there() {
    let server = TestServer::new();
    for (uri, source) in [
        ("http://127.0.0.1/cb", "http://localhost:* http://127.0.0.1:* https:"),
        ("http://[::1]/cb", "http: https:"),
        ("com.example.app:/cb", "com.example.app: https:"),
    ] {
        let app = server.application().public().redirect_uri(uri).create();
        let silent = app.authorization().with("redirect_uri", uri).with("prompt", "none");
        let page = server.browser().get(&silent.with("response_mode", "form_post").path());
        assert_eq!(form_of(&page.text()).0, uri);
        assert_eq!(directive(&page, "form-action"), source);
    }
}
