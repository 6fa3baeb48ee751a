//! Nothing at rest, and no line of the log, lets its reader use a token, a password or a secret.

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, MASTER_KEY, PASSWORD, TestClient, TestServer, Tokens, VERIFIER, encode_form, form_request,
    request,
};

/// What was secret in a test, each under a name that says what it was.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, name: &'static str, secret: &str) {
        self.0.push((name, secret.to_owned()));
    }

    fn add_tokens(&mut self, tokens: &Tokens) {
        self.add("an access token", &tokens.access_token);
        if let Some(refresh_token) = &tokens.refresh_token {
            self.add("a refresh token", refresh_token);
        }
    }

    /// Neither whole, nor without what stands in front of it.
    fn assert_not_in(&self, place: &str, text: &str) {
        for (name, secret) in &self.0 {
            let end = secret.chars().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<String>();
            assert!(!text.contains(secret) && !text.contains(&end), "{name} stands in {place}");
        }
    }
}

#[test]
fn after_all_flows_there_is_no_secret_at_rest_or_in_the_log() {
    let server = TestServer::new();
    let elsewhere = server.another_isolate();
    let mut secrets = Secrets::default();
    secrets.add("ADMIN_TOKEN", ADMIN_TOKEN);
    secrets.add("MASTER_KEY", MASTER_KEY.trim_start_matches("1:"));
    secrets.add("a user's password", PASSWORD);
    server.user("alice");
    let new_user = json!({"username": "bob", "password": "the password of bob"});
    secrets.add("a password that the operator gave", "the password of bob");
    server.admin("POST", "users", new_user.clone()).assert_status(201);
    server.admin("POST", "users", new_user).assert_status(409);

    let public = server.public_application();
    let app = server.confidential_application();
    let chosen = server.application().grants(&["client_credentials"]);
    let chosen = chosen.set("client_secret", json!("a chosen secret of mine")).create();
    // Those are kept so that they can be read, by who has the key.
    let signing = server.application().grants(&["client_credentials", "oauth1"]).create();
    let chosen_signing = server.application().grants(&["client_credentials", "oauth1"]);
    let chosen_signing = chosen_signing.set("client_secret", json!("another chosen secret of mine")).create();
    for app in [&app, &chosen, &signing, &chosen_signing] {
        secrets.add("a client secret", app.client_secret.as_deref().expect("a secret"));
    }

    // Success.
    let first = public.log_in("alice");
    let second = public.refresh(first.refresh()).tokens();
    public.at(&elsewhere).refresh(first.refresh()).tokens();
    let third = public.refresh_for_scope(second.refresh(), "read").tokens();
    let of_clients = [&app, &chosen, &signing, &chosen_signing].map(|app| app.client_credentials().tokens());
    for tokens in [&first, &second, &third].into_iter().chain(&of_clients) {
        secrets.add_tokens(tokens);
        for isolate in [&server, &elsewhere] {
            isolate.validate(&tokens.access_token);
            app.at(isolate).introspect(&tokens.access_token).assert_status(200);
        }
    }
    let revoked = app.password("bob", "the password of bob").tokens();
    secrets.add_tokens(&revoked);
    app.revoke(revoked.refresh()).assert_status(200);

    // Refusal.
    public.refresh(first.refresh()).assert_error(400, "invalid_grant");
    public.refresh(third.refresh()).assert_error(400, "invalid_grant");
    server.validate(&third.access_token).assert_bearer_error(401, "invalid_token");
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    let tampered = format!("{}x", third.refresh());
    public.refresh(&tampered).assert_error(400, "invalid_grant");
    server.validate(&tampered).assert_bearer_error(401, "invalid_token");
    secrets.add("a wrong password", "correct horse batterz");
    public.password("alice", "correct horse batterz").assert_error(400, "invalid_grant");
    public.password("correct horse batterz", "x").assert_error(400, "invalid_grant");
    secrets.add("a wrong client secret", "a wrong secret of mine");
    let mut impostor = app.clone();
    impostor.client_secret = Some("a wrong secret of mine".to_owned());
    impostor.client_credentials().assert_error(401, "invalid_client");

    // What is malformed.
    let query = format!("refresh_token={}&access_token={}", third.refresh(), third.access_token);
    server.post_form(&format!("/o/token/?{query}"), &[]).assert_error(400, "invalid_request");
    server.get(&format!("/validate/?{query}")).assert_status(400);
    let twice = [("refresh_token", third.refresh()), ("refresh_token", third.refresh())];
    server.post_form("/o/token/", &twice).assert_error(400, "invalid_request");
    let as_name = [(third.refresh(), "x"), (third.refresh(), "x")];
    server.post_form("/o/token/", &as_name).assert_error(400, "invalid_request");
    server
        .post_form("/o/token/", &[("grant_type", third.refresh())])
        .assert_error(400, "unsupported_grant_type");
    let header = format!("Basic {}", third.refresh());
    server.send(form_request("/o/token/", &[("authorization", &header)], &[("grant_type", "password")]));
    let headers = [("content-type", "application/json")];
    let body = format!(r#"{{"username": "carol", "password": "{PASSWORD}""#);
    server.send(request(Method::POST, "/sign_up/", &headers, &body)).assert_status(400);
    let short = json!({"username": "alice", "password": PASSWORD}).to_string();
    server.send(request(Method::POST, "/sign_up/", &headers, &short)).assert_field_error("username");
    let wrong_admin = [("authorization", "Bearer not-the-admin-token-of-these-tests"), headers[0]];
    secrets.add("a wrong admin token", "not-the-admin-token-of-these-tests");
    server.send(request(Method::GET, "/admin/api/users", &wrong_admin, "")).assert_status(401);

    // What fails.
    server.kv.is_down.set(true);
    server.another_isolate().validate(&of_clients[0].access_token);
    server.validate(&first.access_token);
    server.kv.is_down.set(false);
    server.db.is_down.set(true);
    public.password("alice", PASSWORD).assert_error(503, "temporarily_unavailable");
    public.refresh(second.refresh()).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);

    // What the operator changes.
    secrets.add("a new password", "a new password of alice");
    let body = json!({"password": "a new password of alice"});
    server.admin("POST", "users/alice/set-password", body).assert_status(204);
    let last = public.password("alice", "a new password of alice").tokens();
    secrets.add_tokens(&last);
    let change = |app: &TestClient<'_>, change: Value| {
        server.admin("PATCH", &format!("applications/{}", app.client_id), change).assert_status(200).json()
    };
    for app in [&app, &signing, &chosen_signing] {
        let path = format!("applications/{}/rotate-secret", app.client_id);
        let rotated = server.admin("POST", &path, json!({}));
        secrets.add("a rotated client secret", rotated.json()["client_secret"].as_str().expect("a secret"));
    }
    let signs = change(&chosen, json!({"grant_types": ["client_credentials", "oauth1"]}));
    secrets.add("a new client secret", signs["client_secret"].as_str().expect("a secret"));
    change(&signing, json!({"grant_types": ["client_credentials"]}));
    change(&signing, json!({"client_type": "public", "grant_types": []}));
    let deployed = server.another_isolate_with(&[("PASSWORD_HASH_ITERATIONS", "2")]);
    secrets.add_tokens(&public.at(&deployed).password("alice", "a new password of alice").tokens());

    let database = server.db.dump();
    assert!(database.contains("alice") && database.contains(&app.client_id), "the dump shows what is there");
    secrets.assert_not_in("the database", &database);
    let kv = format!("{:?}", server.kv.entries());
    assert!(kv.contains(&app.client_id), "the dump shows what is there");
    secrets.assert_not_in("KV", &kv);
    for isolate in [&server, &elsewhere] {
        secrets.assert_not_in("the log", &Value::from(isolate.log()).to_string());
    }
    assert!(server.log().len() > 15, "refusals were logged");
}

#[test]
fn what_is_at_rest_gets_nobody_in() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "0")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    let at_rest = format!("{}|{:?}", server.db.dump(), server.kv.entries());
    for text in at_rest.split(['|', '"', '\n', ' ']).filter(|text| text.len() >= 8) {
        for token in [text.to_owned(), format!("pst_at_{text}"), format!("pst_rt_{text}")] {
            assert_ne!(server.validate(&token).status(), 200, "{token}");
            assert_ne!(app.refresh(&token).status(), 200, "{token}");
        }
        app.password("alice", text).assert_error(400, "invalid_grant");
    }
}

#[test]
fn after_all_that_people_do_on_pages_there_is_no_secret_at_rest_or_in_the_log() {
    let server = TestServer::with(&[("MAIL_CARRIER", "log")]);
    let mut secrets = Secrets::default();
    let browser = server.browser();
    let take_cookies = |secrets: &mut Secrets| {
        for name in ["postern_session", "postern_browser"] {
            secrets.add("a cookie", &browser.cookie(name).expect("a cookie"));
        }
    };
    let link = || {
        let text = server.mailbox.take().pop().expect("an e-mail").text;
        let link = text.lines().find(|line| line.starts_with("http")).expect("a link").to_owned();
        link.trim_start_matches("http://localhost:8787").to_owned()
    };
    let secret_of = |link: &str| link.trim_end_matches('/').rsplit('/').next().expect("a secret").to_owned();
    secrets.add("a password", PASSWORD);

    let page = browser.get("/accounts/signup/");
    let typed = [("username", "ann"), ("email", "ann@mail.example"), ("password", PASSWORD)];
    browser.submit_once(&page, &typed).assert_status(303);
    take_cookies(&mut secrets);
    let verify = link();
    secrets.add("a link", &secret_of(&verify));
    browser.submit_once(&browser.get(&verify), &[]).assert_status(303);
    browser.get(&verify).assert_status(404);

    let app = server.code_application();
    let code = browser.code(&app.authorization());
    secrets.add("a code", &code);
    secrets.add("a verifier", VERIFIER);
    secrets.add_tokens(&app.exchange(&code).tokens());
    app.exchange(&code).assert_error(400, "invalid_grant");
    app.exchange(&format!("{code}x")).assert_error(400, "invalid_grant");
    let second = browser.code(&app.authorization());
    secrets.add("a code", &second);
    let wrong = [("grant_type", "authorization_code"), ("code", &second), ("code_verifier", PASSWORD)];
    app.token(&wrong).assert_error(400, "invalid_grant");
    let misplaced = [("redirect_uri", code.as_str()), ("state", second.as_str()), ("client_id", PASSWORD)];
    browser.get(&format!("/o/authorize/?{}", encode_form(&misplaced))).assert_status(400);

    secrets.add("a wrong password", "correct horse batterz");
    let login = browser.get("/accounts/login/");
    browser
        .submit_once(&login, &[("username", "ann"), ("password", "correct horse batterz")])
        .assert_status(400);
    browser
        .submit_once(&login, &[("username", "correct horse batterz"), ("password", "x")])
        .assert_status(400);
    secrets.add("a new password", "another horse battery");
    let change = browser.get("/accounts/password/");
    let typed = [("current_password", PASSWORD), ("password", "another horse battery")];
    browser.submit_once(&change, &typed).assert_status(303);
    take_cookies(&mut secrets);
    browser.post("/accounts/logout/", &[("csrf_token", &code)]).assert_status(403);

    let ask = browser.get("/accounts/password/reset/");
    browser.submit_once(&ask, &[("email", "ann@mail.example")]).assert_status(303);
    let reset = link();
    secrets.add("a link", &secret_of(&reset));
    secrets.add("a third password", "a third horse battery");
    let page = browser.get(&reset);
    browser.submit_once(&page, &[("password", "short")]).assert_status(400);
    server.db.is_down.set(true);
    browser.submit_once(&page, &[("password", "a third horse battery")]).assert_status(503);
    server.db.is_down.set(false);
    let database = server.db.dump();
    secrets.assert_not_in("the database, before the link is used", &database);
    browser.submit_once(&page, &[("password", "a third horse battery")]).assert_status(303);
    browser.get(&reset).assert_status(404);

    let database = server.db.dump();
    assert!(database.contains("ann@mail.example"), "the dump shows what is there");
    secrets.assert_not_in("the database", &database);
    secrets.assert_not_in("KV", &format!("{:?}", server.kv.entries()));
    secrets.assert_not_in("the log", &Value::from(server.log()).to_string());
    assert!(server.log().len() > 8, "refusals were logged");
}
