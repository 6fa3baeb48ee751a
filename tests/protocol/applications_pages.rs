//! `/o/applications/`: what a person can do with their own applications, and what only an operator can.

use serde_json::{Value, json};

use crate::support::{Browser, Meddle, Meddling, TestResponse, TestServer, percent_encode};

const LIST: &str = "/o/applications/";
const REGISTER: &str = "/o/applications/register/";

fn server_for(registrants: &str) -> TestServer {
    let server = TestServer::with(&[("APPLICATION_REGISTRATION", registrants)]);
    server.user("alice");
    server.user("bob");
    server
}

fn logged_in<'a>(server: &'a TestServer, username: &str) -> Browser<'a> {
    let browser = server.browser();
    browser.log_in(username);
    browser
}

pub fn register(browser: &Browser<'_>, values: &[(&str, &str)]) -> TestResponse {
    browser.submit_to(REGISTER, &browser.get(REGISTER), values)
}

/// An application of alice's, made by the operator.
fn of_alice(server: &TestServer, more: Value) -> String {
    let mut body = json!({
        "client_type": "confidential", "client_name": "Notes", "owner": "alice",
        "redirect_uris": ["https://app.example/cb"], "scope": "read",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = server.admin("POST", "applications", body);
    created.assert_status(201);
    created.json()["client_id"].as_str().unwrap().to_owned()
}

fn stored(server: &TestServer, client_id: &str) -> Value {
    server.admin("GET", &format!("applications/{}", percent_encode(client_id)), Value::Null).json()
}

pub fn path(client_id: &str, action: &str) -> String {
    format!("{LIST}{}/{action}", percent_encode(client_id))
}

fn only_application(server: &TestServer) -> Value {
    stored(server, &server.db.text("SELECT client_id FROM applications"))
}

#[test]
fn who_may_register_is_for_the_operator_to_say() {
    for (setting, alice_may, superuser_may) in [
        (Some("anyone"), true, true),
        (Some("superusers"), false, true),
        (Some("nobody"), false, false),
        (None, false, true),
    ] {
        let settings: Vec<(&str, &str)> =
            setting.map(|value| ("APPLICATION_REGISTRATION", value)).into_iter().collect();
        let server = TestServer::with(&settings);
        server.user("alice");
        server.user("root");
        server.admin("PATCH", "users/root", json!({"is_superuser": true})).assert_status(200);
        for (username, may) in [("alice", alice_may), ("root", superuser_may)] {
            let browser = logged_in(&server, username);
            assert_eq!(
                browser.get(LIST).text().contains("/o/applications/register/"),
                may,
                "{setting:?} {username}"
            );
            let page = browser.get(REGISTER);
            page.assert_status(if may { 200 } else { 403 });
            // With the form of another page.
            let mut form = browser.get("/accounts/logout/");
            *form.0.body_mut() = form.text().replace("/accounts/logout/", REGISTER).into_bytes();
            let before = server.db.number("SELECT count(*) FROM applications");
            let response = browser.submit_to(REGISTER, &form, &[("client_type", "public")]);
            response.assert_status(if may { 303 } else { 403 });
            let made = server.db.number("SELECT count(*) FROM applications") - before;
            assert_eq!(made, i64::from(may));
        }
    }
}

#[test]
fn a_public_application_is_registered_and_works() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let values = [
        ("client_name", "My <app>"),
        ("redirect_uris", "https://app.example/cb\r\n\r\n  http://127.0.0.1/cb  \r\n"),
        ("post_logout_redirect_uris", "https://app.example/bye"),
        ("allowed_origins", "https://app.example"),
        ("scope", "read write"),
    ];
    let response = register(&browser, &values);
    let application = only_application(&server);
    let client_id = application["client_id"].as_str().unwrap();
    let location = format!("http://localhost:8787/o/applications/{client_id}/");
    assert_eq!(response.assert_status(303).header("location"), Some(location.as_str()));
    for (field, value) in [
        ("client_name", json!("My <app>")),
        ("client_type", json!("public")),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("redirect_uris", json!(["https://app.example/cb", "http://127.0.0.1/cb"])),
        ("post_logout_redirect_uris", json!(["https://app.example/bye"])),
        ("allowed_origins", json!(["https://app.example"])),
        ("scope", json!("read write")),
        ("token_endpoint_auth_method", json!("none")),
        ("owner", json!("alice")),
        ("is_active", json!(true)),
        ("skip_authorization", json!(false)),
    ] {
        assert_eq!(application[field], value, "{field}");
    }
    assert!(browser.get(LIST).text().contains("My &lt;app&gt;</a>"));
    let page = browser.get(&path(client_id, "")).text();
    for said in [client_id, "https://app.example/cb\nhttp://127.0.0.1/cb", "read write"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("rotate-secret"));
    let request = crate::support::AuthorizationRequest::for_code(client_id);
    let code = browser.code(&request);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", crate::support::VERIFIER),
        ("client_id", client_id),
    ];
    server.post_form("/o/token/", &form).tokens();
    let noted = "SELECT actor || ' ' || action FROM audit_events WHERE action LIKE 'application%'";
    let alice = server.db.text("SELECT id FROM users WHERE username = 'alice'");
    assert_eq!(server.db.text(noted), format!("user {alice} application_created"));
}

/// The secret that a page shows.
fn shown_secret(page: &TestResponse) -> String {
    page.assert_status(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let text = page.text();
    let secret = text.split("<code>").find(|text| text.starts_with("pst_cs_")).expect("a secret");
    secret.split('<').next().unwrap().to_owned()
}

#[track_caller]
fn assert_secret(server: &TestServer, client_id: &str, secret: &str, status: u16) {
    let form = [("token", "x"), ("client_id", client_id), ("client_secret", secret)];
    server.post_form("/o/introspect/", &form).assert_status(status);
}

#[test]
fn the_secret_is_shown_once_on_the_page_that_answers() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let page = register(&browser, &[("client_type", "confidential"), ("client_name", "Server")]);
    let secret = shown_secret(&page);
    let application = only_application(&server);
    let client_id = application["client_id"].as_str().unwrap();
    assert_secret(&server, client_id, &secret, 200);
    assert!(!server.db.dump().contains(&secret));
    for path in
        [LIST.to_owned(), path(client_id, ""), path(client_id, "update/"), path(client_id, "rotate-secret/")]
    {
        assert!(!browser.get(&path).assert_status(200).text().contains("pst_cs_"), "{path}");
    }

    // Asking changes nothing; the button does.
    let rotate = path(client_id, "rotate-secret/");
    let question = browser.get(&rotate);
    assert_secret(&server, client_id, &secret, 200);
    let second = shown_secret(&browser.submit_to(&rotate, &question, &[]));
    assert_ne!(second, secret);
    assert_secret(&server, client_id, &secret, 401);
    assert_secret(&server, client_id, &second, 200);
    assert_secret(&server.another_isolate(), client_id, &second, 200);
    assert_eq!(server.db.text("SELECT action FROM audit_events ORDER BY id DESC"), "secret_rotated");
}

#[test]
fn a_public_application_has_no_secret_to_rotate() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({"client_type": "public"}));
    let browser = logged_in(&server, "alice");
    let rotate = path(&client_id, "rotate-secret/");
    browser.get(&rotate).assert_status(403);
    let mut form = browser.get("/accounts/logout/");
    *form.0.body_mut() = form.text().replace("/accounts/logout/", &rotate).into_bytes();
    let before = server.db.dump();
    browser.submit_to(&rotate, &form, &[]).assert_status(403);
    assert_eq!(server.db.dump(), before);
}

#[test]
fn what_is_wrong_stands_at_its_field_by_the_rules_of_the_operators_api() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let client_id = of_alice(&server, json!({}));
    let update = path(&client_id, "update/");
    let before = server.db.dump();
    let (long, many) = ("x".repeat(256), "https://app.example/cb\n".repeat(101));
    for (field, value) in [
        ("client_name", long.as_str()),
        // A page that names it would read otherwise than it is, or name nobody.
        ("client_name", "\u{202e}elpmaxE"),
        ("client_name", "Example\u{2066}"),
        ("client_name", "Example\nof somebody else"),
        ("client_name", " "),
        ("client_name", "\u{a0}\u{200b}"),
        ("redirect_uris", "http://app.example/cb"),
        ("redirect_uris", "https://app.example/cb\nnonsense"),
        ("redirect_uris", "javascript:alert(1)"),
        ("redirect_uris", "https://app.example/cb#x"),
        ("redirect_uris", "https://app.example/cb https://b.example/cb"),
        ("redirect_uris", &many),
        ("post_logout_redirect_uris", "http://app.example/"),
        ("allowed_origins", "https://app.example/path"),
        ("allowed_origins", "*"),
        ("scope", "read fly"),
        ("scope", "\"read\""),
        ("scope", "introspection"),
        ("scope", "read introspection"),
    ] {
        for (path, page) in [(REGISTER, browser.get(REGISTER)), (&*update, browser.get(&update))] {
            let response = browser.submit_to(path, &page, &[(field, value)]);
            response.assert_status(400);
            let text = response.text();
            assert!(text.contains(&format!("id=\"{field}-note\"><strong>")), "{field} {value}: {text}");
            assert!(text.contains("role=\"alert\"") && response.header("x-request-id").is_some());
        }
    }
    for client_type in ["-", "", "secret", "PUBLIC"] {
        let text = register(&browser, &[("client_type", client_type)]).assert_status(400).text();
        assert!(text.contains("id=\"client_type-note\"><strong>"), "{text}");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_refused_form_keeps_what_was_typed() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let values = [
        ("client_name", "My \"app\""),
        ("client_type", "confidential"),
        ("grant_type refresh_token", "-"),
        ("redirect_uris", "https://app.example/cb\nnonsense"),
        ("scope", "read"),
    ];
    let refused = register(&browser, &values);
    refused.assert_status(400);
    // Sent once more with the one mistake mended.
    let page = browser.submit_to(REGISTER, &refused, &[("redirect_uris", "https://app.example/cb")]);
    page.assert_status(200);
    let application = only_application(&server);
    assert_eq!(application["client_name"], "My \"app\"");
    assert_eq!(application["client_type"], "confidential");
    assert_eq!(application["grant_types"], json!(["authorization_code"]));
    assert_eq!(application["scope"], "read");
}

#[test]
fn nobody_gives_their_application_what_only_an_operator_may() {
    let server = server_for("anyone");
    server.admin("PATCH", "users/bob", json!({"is_superuser": true})).assert_status(200);
    let forbidden = [
        ("skip_authorization", "true"),
        ("xauth_allowed", "true"),
        ("allow_plain_pkce", "true"),
        ("is_active", "false"),
        ("owner", "bob"),
        ("client_id", "chosen"),
        ("client_secret", "a secret of my own choice"),
        ("token_endpoint_auth_method", "none"),
        ("jwks", "{}"),
        ("oauth1_signature_methods", "PLAINTEXT"),
        ("token_format", "jwt"),
        ("grant_types", "password"),
        ("grant_type password", "on"),
        ("grant_type implicit", "on"),
        ("grant_type convert_token", "on"),
        ("grant_type oauth1", "on"),
        ("grant_type urn:ietf:params:oauth:grant-type:token-exchange", "on"),
    ];
    for (username, grants) in [
        ("alice", json!(["authorization_code", "refresh_token"])),
        ("bob", json!(["authorization_code", "refresh_token", "client_credentials"])),
    ] {
        let browser = logged_in(&server, username);
        let mut values = forbidden.to_vec();
        values.extend([("client_type", "confidential"), ("grant_type client_credentials", "on")]);
        values.retain(|(name, _)| *name != "owner" || username == "alice");
        register(&browser, &values).assert_status(200);
        let of = format!("owner_id = (SELECT id FROM users WHERE username = '{username}')");
        let client_id = server.db.text(&format!("SELECT client_id FROM applications WHERE {of}"));
        assert_ne!(client_id, "chosen");
        for _ in 0..2 {
            let application = stored(&server, &client_id);
            assert_eq!(application["grant_types"], grants, "{username}");
            assert_eq!(application["owner"], username);
            assert_eq!(application["is_active"], true);
            assert_eq!(application["token_endpoint_auth_method"], "client_secret_basic");
            for flag in ["skip_authorization", "xauth_allowed", "allow_plain_pkce"] {
                assert_eq!(application[flag], false, "{flag}");
            }
            // Nor by a change.
            let update = path(&client_id, "update/");
            values.push(("client_type", "public"));
            browser.submit_to(&update, &browser.get(&update), &values).assert_status(303);
        }
        assert_eq!(stored(&server, &client_id)["client_type"], "confidential");
    }
}

#[test]
fn a_change_keeps_what_an_operator_has_set() {
    let server = server_for("nobody");
    let client_id = of_alice(
        &server,
        json!({
            "grant_types": ["authorization_code", "implicit", "refresh_token"], "allow_plain_pkce": true, "xauth_allowed": true,
            "token_endpoint_auth_method": "client_secret_post", "is_active": false,
        }),
    );
    let browser = logged_in(&server, "alice");
    let update = path(&client_id, "update/");
    let page = browser.get(&update);
    assert!(!page.text().contains("implicit") && !page.text().contains("name=\"scope\""));
    assert!(browser.get(&path(&client_id, "")).text().contains("has disabled this application"));
    let values = [
        ("client_name", "Other"),
        ("redirect_uris", "https://other.example/cb"),
        ("grant_type refresh_token", "-"),
        // Who gets tokens by a grant that the operator gave has the scope that they gave.
        ("scope", "read write"),
        ("is_active", "true"),
    ];
    let response = browser.submit_to(&update, &page, &values);
    assert_eq!(
        response.assert_status(303).header("location"),
        Some(&*format!("http://localhost:8787{}", path(&client_id, "")))
    );
    let application = stored(&server, &client_id);
    for (field, value) in [
        ("client_name", json!("Other")),
        ("redirect_uris", json!(["https://other.example/cb"])),
        ("grant_types", json!(["authorization_code", "implicit"])),
        ("scope", json!("read")),
        ("allow_plain_pkce", json!(true)),
        ("xauth_allowed", json!(true)),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("is_active", json!(false)),
        ("owner", json!("alice")),
    ] {
        assert_eq!(application[field], value, "{field}");
    }
    assert_eq!(server.db.text("SELECT action FROM audit_events ORDER BY id DESC"), "application_changed");
}

#[test]
fn introspection_stays_where_an_operator_has_given_it() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({"scope": "read introspection"}));
    let browser = logged_in(&server, "alice");
    let update = path(&client_id, "update/");
    let page = browser.get(&update);
    assert!(page.text().contains("value=\"read\""));
    browser.submit_to(&update, &page, &[("scope", "write")]).assert_status(303);
    assert_eq!(stored(&server, &client_id)["scope"], "write introspection");
}

#[test]
fn an_application_that_nobody_is_asked_about_is_not_its_owners_to_change() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    let browser = logged_in(&server, "alice");
    let update = path(&client_id, "update/");
    let page = browser.get(&update);
    server
        .admin("PATCH", &format!("applications/{client_id}"), json!({"skip_authorization": true}))
        .assert_status(200);
    let before = server.db.dump();
    browser.get(&update).assert_status(403);
    browser.submit_to(&update, &page, &[("redirect_uris", "https://evil.example/cb")]).assert_status(403);
    assert_eq!(server.db.dump(), before);
    let page = browser.get(&path(&client_id, "")).text();
    assert!(!page.contains("update/") && page.contains("Only they can change it."));
}

#[test]
fn deleting_asks_first_and_ends_all_its_tokens() {
    let server = server_for("anyone");
    let client_id = of_alice(
        &server,
        json!({"client_type": "public", "client_id": "a/b?c d%", "grant_types": ["password"]}),
    );
    let form = [
        ("grant_type", "password"),
        ("client_id", client_id.as_str()),
        ("username", "bob"),
        ("password", crate::support::PASSWORD),
    ];
    let tokens = server.post_form("/o/token/", &form).tokens();
    let browser = logged_in(&server, "alice");
    let list = browser.get(LIST).text();
    let link = list.split("<li><a href=\"http://localhost:8787").nth(1).unwrap().split('"').next().unwrap();
    browser.get(link).assert_status(200);
    let delete = path(&client_id, "delete/");
    let page = browser.get(&delete);
    page.assert_status(200);
    server.assert_good(&tokens.access_token);
    let response = browser.submit_to(&delete, &page, &[]);
    assert_eq!(response.assert_status(303).header("location"), Some("http://localhost:8787/o/applications/"));
    server.assert_dead(&tokens.access_token);
    assert_eq!(server.db.number("SELECT count(*) FROM applications"), 0);
    browser.get(&delete).assert_status(404);
    browser.submit_to(&delete, &page, &[]).assert_status(404);
    assert_eq!(server.db.text("SELECT action FROM audit_events ORDER BY id DESC"), "application_deleted");
}

#[test]
fn only_the_owner_sees_or_changes_an_application() {
    let server = server_for("anyone");
    let of_alice = of_alice(&server, json!({}));
    let of_nobody = server.application().set("client_id", "nobodys".into()).create().client_id;
    let alice = logged_in(&server, "alice");
    let forms: Vec<(String, TestResponse)> = ["update/", "delete/", "rotate-secret/"]
        .iter()
        .map(|action| (path(&of_alice, action), alice.get(&path(&of_alice, action))))
        .collect();
    server.admin("PATCH", &format!("applications/{of_alice}"), json!({"owner": "bob"})).assert_status(200);
    let before = server.db.dump();
    for (path, page) in &forms {
        page.assert_status(200);
        alice.submit_to(path, page, &[]).assert_status(404);
    }
    for client_id in [of_alice.as_str(), &of_nobody, "unknown", "é", "..", &"x".repeat(5000)] {
        for action in ["", "update/", "delete/", "rotate-secret/"] {
            let page = alice.get(&path(client_id, action));
            assert_eq!(page.assert_status(404).header("content-type"), Some("text/html; charset=utf-8"));
        }
    }
    assert!(alice.get(LIST).text().contains("You have no applications."));
    assert!(logged_in(&server, "bob").get(LIST).text().contains(&of_alice));
    assert_eq!(
        server.db.dump().lines().filter(|line| line.contains("application_")).count(),
        before.lines().filter(|line| line.contains("application_")).count()
    );
    assert_eq!(stored(&server, &of_alice)["client_name"], "Notes");
}

#[test]
fn a_form_without_this_browsers_token_changes_nothing() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    let (browser, other) = (logged_in(&server, "alice"), logged_in(&server, "alice"));
    let before = server.db.dump();
    for action in ["update/", "delete/", "rotate-secret/"] {
        let path = path(&client_id, action);
        let page = browser.get(&path);
        browser.submit_to(&path, &page, &[("csrf_token", "-")]).assert_status(403);
        other.submit_to(&path, &page, &[]).assert_status(403);
        for site in ["cross-site", "same-site"] {
            let mut request = browser.form_request(&path, &page, &[]);
            request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
            server.send(request).assert_status(403);
        }
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn one_person_registers_at_most_a_hundred_however_many_at_once() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let page = browser.get(REGISTER);
    let requests = (0..105).map(|_| browser.form_request(REGISTER, &page, &[])).collect();
    let responses = server.send_all(requests);
    let made = responses.iter().filter(|response| response.status() == 303).count();
    let refused = responses.iter().filter(|response| response.status() == 403).count();
    assert_eq!((made, refused), (100, 5));
    assert_eq!(server.db.number("SELECT count(*) FROM applications"), 100);
    // Others have a hundred of their own, and an operator may give her more.
    register(&logged_in(&server, "bob"), &[]).assert_status(303);
    of_alice(&server, json!({}));
    let first = browser.get(LIST).text();
    assert_eq!(first.matches("<li>").count(), 100);
    let next = first.split("?cursor=").nth(1).unwrap().split('"').next().unwrap();
    let second = browser.get(&format!("{LIST}?cursor={next}")).text();
    assert_eq!(second.matches("<li>").count(), 1);
    browser.get(&format!("{LIST}?cursor=x")).assert_status(400);
}

#[test]
fn changes_at_once_by_owner_and_operator_lose_nothing() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    let browser = logged_in(&server, "alice");
    let update = path(&client_id, "update/");
    let rename = browser.form_request(&update, &browser.get(&update), &[("client_name", "Other")]);
    let disable = crate::support::admin_request(
        "PATCH",
        &format!("applications/{client_id}"),
        json!({"is_active": false}),
    );
    let responses = server.send_all(vec![rename, disable]);
    assert_eq!((responses[0].status(), responses[1].status()), (303, 200));
    let application = stored(&server, &client_id);
    assert_eq!((&application["client_name"], &application["is_active"]), (&json!("Other"), &json!(false)));
}

#[test]
fn an_owner_who_is_renamed_in_between_keeps_their_application() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    let browser = logged_in(&server, "alice");
    for (action, values) in [("update/", &[("client_name", "Other")][..]), ("rotate-secret/", &[])] {
        let request =
            browser.form_request(&path(&client_id, action), &browser.get(&path(&client_id, action)), values);
        // The session, the application, then the change.
        let rename =
            Meddle::AfterSql("UPDATE users SET username = username || 'x' WHERE username LIKE 'alice%'");
        let status = Meddling::isolate(&server, 2, rename).send(request).status();
        assert!((200..400).contains(&status), "{status}");
        let owner = stored(&server, &client_id)["owner"].clone();
        assert!(owner.as_str().is_some_and(|owner| owner.starts_with("alicex")), "{action} {owner}");
    }
}

#[test]
fn nobody_registers_an_application_for_nobody() {
    let server = server_for("anyone");
    let browser = logged_in(&server, "alice");
    let request = browser.form_request(REGISTER, &browser.get(REGISTER), &[("client_name", "Mine")]);
    let rename = Meddle::AfterSql("UPDATE users SET username = 'carol' WHERE username = 'alice'");
    Meddling::isolate(&server, 1, rename).send(request.clone()).assert_status(403);
    assert_eq!(server.db.number("SELECT count(*) FROM applications"), 0);
    server.send(request).assert_status(303);
    assert_eq!(only_application(&server)["owner"], "carol");
}

#[test]
fn what_the_database_does_not_answer_is_503_and_not_done() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    let browser = logged_in(&server, "alice");
    let pages: Vec<(String, TestResponse)> = ["update/", "delete/", "rotate-secret/"]
        .iter()
        .map(|action| (path(&client_id, action), browser.get(&path(&client_id, action))))
        .collect();
    let before = server.db.dump();
    server.db.is_down.set(true);
    for (path, page) in &pages {
        for answer in [browser.get(path), browser.submit_to(path, page, &[])] {
            answer.assert_status(503);
            assert!(answer.header("retry-after").is_some());
            assert!(!answer.text().contains("pst_cs_"));
        }
    }
    server.db.is_down.set(false);
    assert_eq!(server.db.dump(), before);
}

#[test]
fn an_application_outlives_its_owner() {
    let server = server_for("anyone");
    let client_id = of_alice(&server, json!({}));
    server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    assert_eq!(stored(&server, &client_id)["owner"], Value::Null);
}
