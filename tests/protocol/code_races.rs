//! Authorization codes when several things happen at once, or the database or KV does not answer.

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Browser, CALLBACK, Landing, Meddle, Meddling, TestResponse, TestServer, admin_request, request,
};

fn logged_in<'a>(server: &'a TestServer, username: &str) -> Browser<'a> {
    server.user(username);
    let browser = server.browser();
    browser.log_in(username);
    browser
}

/// What is refused anywhere, by the database and by an isolate that knows nothing.
fn is_good(server: &TestServer, token: &str) -> bool {
    let fresh = server.validate_with(token, "fresh=1", &[]).status();
    let elsewhere = server.another_isolate().validate(token).status();
    assert!(fresh == elsewhere || fresh == 401, "{fresh} {elsewhere}");
    fresh == 200
}

#[test]
fn of_simultaneous_exchanges_at_different_isolates_one_is_answered_and_its_tokens_end() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let isolates: Vec<TestServer> = (0..20).map(|_| server.another_isolate()).collect();
    let requests = isolates.iter().map(|isolate| (isolate, app.exchange_request(&code))).collect();
    let responses = TestServer::send_everywhere(requests);
    let (good, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status() == 200);
    assert_eq!((good.len(), refused.len()), (1, 19));
    for response in refused {
        response.assert_error(400, "invalid_grant");
    }
    let tokens = good[0].tokens();
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    for isolate in &isolates {
        isolate.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn a_replay_that_kv_did_not_learn_of_is_503_and_a_repetition_ends_the_family_everywhere() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let tokens = app.exchange(&code).tokens();
    let elsewhere = server.another_isolate();
    elsewhere.validate(&tokens.access_token).assert_status(200);
    server.kv.is_down.set(true);
    app.exchange(&code).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    app.at(&elsewhere).exchange(&code).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
    elsewhere.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn an_exchange_whose_tokens_kv_does_not_take_is_good_all_the_same() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    server.kv.is_down.set(true);
    let tokens = app.exchange(&code).tokens();
    server.validate(&tokens.access_token).assert_status(200);
    server.kv.is_down.set(false);
    server.assert_good(&tokens.access_token);
}

#[test]
fn while_the_database_refuses_any_one_call_nothing_is_half_done() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let mut call = 0;
    loop {
        let code = browser.code(&app.authorization());
        let families = server.db.number("SELECT count(*) FROM families");
        let response = app.at(&Meddling::isolate(&server, call, Meddle::Refuse)).exchange(&code);
        if response.status() == 200 {
            break;
        }
        response.assert_error(503, "temporarily_unavailable");
        assert_eq!(server.db.number("SELECT count(*) FROM families"), families);
        // The code is as good as before.
        server.assert_good(&app.exchange(&code).tokens().access_token);
        call += 1;
    }
    // The application, the code, and the exchange.
    assert_eq!(call, 3);
}

#[test]
fn when_the_answer_of_any_one_call_is_lost_a_repetition_leads_to_tokens_or_to_none_that_are_good() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    for call in 0..3 {
        let code = browser.code(&app.authorization());
        let isolate = Meddling::isolate(&server, call, Meddle::LoseAnswer);
        app.at(&isolate).exchange(&code).assert_error(503, "temporarily_unavailable");
        let live = || server.db.number("SELECT count(*) FROM families WHERE ended_at IS NULL");
        if call < 2 {
            app.revoke(app.exchange(&code).tokens().refresh()).assert_status(200);
        } else {
            // Nobody knows the tokens, and it cannot be told from a replay.
            assert_eq!(live(), 1);
            app.exchange(&code).assert_error(400, "invalid_grant");
        }
        assert_eq!(live(), 0);
    }
}

#[test]
fn a_replay_while_the_database_refuses_any_one_call_is_503_and_a_repetition_ends_the_family() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    for call in 0..3 {
        for what in [Meddle::Refuse, Meddle::LoseAnswer] {
            let code = browser.code(&app.authorization());
            let tokens = app.exchange(&code).tokens();
            let isolate = Meddling::isolate(&server, call, what);
            app.at(&isolate).exchange(&code).assert_error(503, "temporarily_unavailable");
            app.exchange(&code).assert_error(400, "invalid_grant");
            server.assert_dead(&tokens.access_token);
        }
    }
}

/// Whatever an exchange was answered, its tokens have ended if `ends` came before or after it.
fn assert_ends(server: &TestServer, answers: &[TestResponse]) {
    for response in answers.iter().filter(|response| response.status() == 200) {
        assert!(!is_good(server, &response.tokens().access_token));
    }
}

#[test]
fn a_logout_everywhere_in_the_middle_of_an_exchange_leaves_no_token() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    for call in 0..4 {
        browser.log_in("alice");
        let code = browser.code(&app.authorization());
        let log_out = admin_request("POST", "users/alice/logout", Value::Null);
        let isolate =
            Meddling::isolate(&server, call, Meddle::After(vec![(server.another_isolate(), log_out)]));
        let answer = app.at(&isolate).exchange(&code);
        match call {
            0..3 => answer.assert_error(400, "invalid_grant"),
            // It came too early.
            _ => answer.assert_status(200),
        };
        if call < 3 {
            assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
            app.exchange(&code).assert_error(400, "invalid_grant");
        } else {
            server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
        }
        assert_ends(&server, &[answer]);
    }
    // At the same time, in whatever order the database gets to see them.
    for before in 0..4 {
        browser.log_in("alice");
        let code = browser.code(&app.authorization());
        let mut requests = vec![app.exchange_request(&code); before];
        requests.push(admin_request("POST", "users/alice/logout", Value::Null));
        requests.extend(vec![app.exchange_request(&code); 3 - before]);
        let answers = server.send_all(requests);
        assert_ends(&server, &answers);
        assert_eq!(
            server.db.number(
                "SELECT count(*) FROM families f JOIN users u ON u.id = f.user_id
             WHERE f.ended_at IS NULL AND f.user_epoch = u.token_epoch"
            ),
            0
        );
    }
}

#[test]
fn a_change_of_the_application_in_the_middle_of_an_exchange_counts() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let path = format!("applications/{}", app.client_id);
    let meddle = |call: usize, body: Value, code: &str| {
        let change = admin_request("PATCH", &path, body);
        let isolate =
            Meddling::isolate(&server, call, Meddle::After(vec![(server.another_isolate(), change)]));
        app.at(&isolate).exchange(code)
    };
    for call in 0..3 {
        let code = browser.code(&app.authorization());
        assert_eq!(meddle(call, json!({"scope": "read"}), &code).tokens().scope, "read");
        server.admin("PATCH", &path, json!({"scope": ""})).assert_status(200);
        let code = browser.code(&app.authorization());
        meddle(call, json!({"is_active": false}), &code).assert_error(401, "invalid_client");
        server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
        app.exchange(&code).tokens();
    }
}

#[test]
fn a_grant_that_ends_in_the_middle_of_an_exchange_buys_nothing() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    for call in 0..3 {
        let code = browser.code(&app.authorization());
        let end = Meddle::AfterSql("UPDATE grants SET ended_at = 1800000000 WHERE ended_at IS NULL");
        app.at(&Meddling::isolate(&server, call, end)).exchange(&code).assert_error(400, "invalid_grant");
        assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    }
}

#[test]
fn a_decision_in_whose_middle_the_grant_ends_is_a_decision_all_the_same() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server
        .application()
        .public()
        .grants(&["authorization_code", "implicit"])
        .redirect_uri(CALLBACK)
        .create();
    for response_type in ["code", "token", "none"] {
        for call in 0..2 {
            browser.code(&app.authorization().with("scope", "read"));
            // They agree to more, and to the same once more.
            for scope in ["read write", "read"] {
                let request = app
                    .authorization()
                    .with("response_type", response_type)
                    .with("scope", scope)
                    .with("prompt", "consent");
                let page = browser.get(&request.path());
                let (_, form) = crate::support::form_of(&page.text());
                let mut form: Vec<(&str, &str)> =
                    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                form.push(("decision", "allow"));
                let end = Meddle::AfterSql("UPDATE grants SET ended_at = 1800000000 WHERE ended_at IS NULL");
                let isolate = Meddling::isolate(&server, call, end);
                let landing = Landing::of(&isolate.send(browser.post_request("/o/authorize/", &form)));
                assert_eq!(landing.params.optional("error"), None, "{response_type} {call}: {landing:?}");
                match response_type {
                    "code" => assert_eq!(app.exchange(landing.get("code")).tokens().scope, scope),
                    "token" => server.assert_good(landing.get("access_token")),
                    _ => {}
                }
                let live = "SELECT count(*) FROM grants WHERE ended_at IS NULL";
                assert_eq!(server.db.number(live), 1);
            }
        }
    }
}

#[test]
fn a_remembered_consent_that_ends_in_the_middle_is_asked_for() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    browser.code(&app.authorization());
    let end = Meddle::AfterSql("UPDATE grants SET ended_at = 1800000000");
    let page = Meddling::isolate(&server, 1, end).send(browser.get_request(&app.authorization().path()));
    page.assert_status(200);
    assert!(page.text().contains("Read your data"));
    assert_eq!(server.db.number("SELECT count(*) FROM authorization_codes"), 1);
}

#[test]
fn a_session_that_ends_in_the_middle_of_an_authorization_gets_nothing() {
    let server = TestServer::new();
    server.user("alice");
    let grants = ["authorization_code", "implicit", "refresh_token"];
    let app = server.application().public().grants(&grants).redirect_uri(CALLBACK).create();
    let issued = || {
        server
            .db
            .number("SELECT (SELECT count(*) FROM authorization_codes) + (SELECT count(*) FROM families)")
    };
    for (response_type, remembered) in [("code", false), ("code", true), ("token", false), ("token", true)] {
        let browser = server.browser();
        browser.log_in("alice");
        let request = app.authorization().with("response_type", response_type);
        if remembered {
            browser.authorize(&request);
        }
        let before = issued();
        let page = browser.get(&request.with("prompt", "consent").path());
        let (_, form) = crate::support::form_of(&page.text());
        let mut form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form.push(("decision", "allow"));
        let isolate = Meddling::isolate(&server, 1, Meddle::AfterSql("DELETE FROM sessions"));
        let response = isolate.send(browser.post_request("/o/authorize/", &form));
        assert!(response.header("location").unwrap().starts_with("http://localhost:8787/accounts/login/"));
        assert_eq!(issued(), before);
    }
}

#[test]
fn the_first_consents_of_a_person_to_an_application_are_one() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server
        .application()
        .public()
        .grants(&["authorization_code", "implicit", "refresh_token"])
        .redirect_uri(CALLBACK)
        .create();
    let form_for = |response_type: &str| {
        let request = app.authorization().with("response_type", response_type);
        let (_, mut form) = crate::support::form_of(&browser.get(&request.path()).text());
        form.push(("decision".to_owned(), "allow".to_owned()));
        form
    };
    let forms: Vec<_> = ["code", "token", "code", "none", "token", "code"].map(form_for).into();
    let isolates: Vec<TestServer> = forms.iter().map(|_| server.another_isolate()).collect();
    let requests = forms.iter().zip(&isolates).map(|(form, isolate)| {
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (isolate, browser.post_request("/o/authorize/", &form))
    });
    let landings: Vec<Landing> =
        TestServer::send_everywhere(requests.collect()).iter().map(Landing::of).collect();
    for landing in &landings {
        assert_eq!(landing.params.optional("error"), None, "{landing:?}");
        if let Some(code) = landing.params.optional("code") {
            server.assert_good(&app.exchange(code).tokens().access_token);
        }
        if let Some(token) = landing.params.optional("access_token") {
            server.assert_good(token);
        }
    }
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
    let agreed = "SELECT count(*) FROM audit_events WHERE action = 'authorized'";
    assert_eq!(server.db.number(agreed), 1);
}

#[test]
fn a_request_that_is_overtaken_again_and_again_is_503_and_not_an_endless_one() {
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    browser.code(&app.authorization());
    server.db.execute(
        "CREATE TRIGGER overtaken BEFORE INSERT ON authorization_codes BEGIN SELECT raise(IGNORE); END",
    );
    let before = server.db.round_trips.get();
    let page = browser.get(&app.authorization().path());
    page.assert_status(503);
    assert_eq!((page.header("location"), server.db.round_trips.get() - before), (None, 6));
    let get = request(Method::GET, "/healthz", &[], "");
    server.send(get).assert_status(200);
}
