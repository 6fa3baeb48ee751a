//! `/auth/revoke-token/`, `/auth/invalidate-sessions/` and `/auth/invalidate-refresh-tokens/`: whoever has an access token
//! ends things with it, as in drf-social-oauth2.

use http::Method;
use postern::call::Request;
use postern::crypto::encoding::standard_base64;
use serde_json::{Value, json};

use crate::support::{
    Browser, CALLBACK, Landing, Meddle, Meddling, TestClient, TestResponse, TestServer, Tokens,
    admin_request, bytes_request, form_request, request,
};

pub const REVOKE: &str = "/auth/revoke-token/";
pub const SESSIONS: &str = "/auth/invalidate-sessions/";
pub const REFRESH: &str = "/auth/invalidate-refresh-tokens/";
const ALL: [&str; 3] = [REVOKE, SESSIONS, REFRESH];
const UNLINKED: &str = "The application linked to the provided client_id could not be found.";

fn ask_request(path: &str, token: &str, form: &[(&str, &str)]) -> Request {
    form_request(path, &[("authorization", &format!("Bearer {token}"))], form)
}

fn ask(server: &TestServer, path: &str, token: &str, form: &[(&str, &str)]) -> TestResponse {
    server.send(ask_request(path, token, form))
}

/// As the application of the token does.
pub fn end(app: &TestClient<'_>, server: &TestServer, path: &str, token: &str) -> TestResponse {
    ask(server, path, token, &[("client_id", &app.client_id)])
}

fn json_request(path: &str, token: &str, body: &Value) -> Request {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    request(Method::POST, path, &headers, &body.to_string())
}

#[track_caller]
fn assert_done(response: &TestResponse) {
    response.assert_status(204);
    assert_eq!(response.text(), "");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

/// An error in a sentence, as Django REST framework has it.
#[track_caller]
fn assert_detail(response: &TestResponse, status: u16) -> String {
    response.assert_status(status);
    let body = response.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["detail"], "{body}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("x-request-id").is_some());
    assert_eq!(response.header("retry-after").is_some(), status == 503);
    body["detail"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_bad_token(response: &TestResponse) {
    assert_detail(response, 401);
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.starts_with(r#"Bearer realm="api", error="invalid_token", error_description=""#),
        "{challenge}"
    );
}

#[track_caller]
fn assert_ended(server: &TestServer, app: &TestClient<'_>, tokens: &Tokens) {
    server.assert_dead(&tokens.access_token);
    for isolate in [server, &server.another_isolate()] {
        app.at(isolate).refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    }
}

/// Both tokens do what they are for.
#[track_caller]
fn assert_live(server: &TestServer, app: &TestClient<'_>, tokens: &Tokens) {
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

/// An application for everything, and alice in a browser who has agreed to let it read.
fn agreed(server: &TestServer) -> (Browser<'_>, TestClient<'_>) {
    server.user("alice");
    let app = server
        .application()
        .grants(&["authorization_code", "password", "refresh_token"])
        .redirect_uri(CALLBACK)
        .create();
    let browser = server.browser();
    browser.log_in("alice");
    browser.code(&app.authorization().with("scope", "read"));
    (browser, app)
}

/// A code, if nobody has to be asked for it.
fn code_at_once(browser: &Browser<'_>, app: &TestClient<'_>) -> Option<String> {
    let response = browser.get(&app.authorization().with("scope", "read").path());
    (response.status() == 303).then(|| Landing::of(&response).get("code").to_owned())
}

#[test]
fn revoking_ends_the_login_of_the_token_and_no_other() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let other = app.log_in("alice");
    for by_json in [true, false] {
        for path in [REVOKE, REVOKE.trim_end_matches('/')] {
            let tokens = app.log_in("alice");
            assert_done(&match by_json {
                true => server.send(json_request(
                    path,
                    &tokens.access_token,
                    &json!({"client_id": app.client_id}),
                )),
                false => end(&app, &server, path, &tokens.access_token),
            });
            assert_ended(&server, &app, &tokens);
        }
    }
    assert_live(&server, &app, &other);
}

#[test]
fn the_scheme_s_case_does_not_matter() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let header = format!("bearer {}", tokens.access_token);
    assert_done(&server.send(form_request(
        REVOKE,
        &[("authorization", &header)],
        &[("client_id", &app.client_id)],
    )));
    assert_ended(&server, &app, &tokens);
}

#[test]
fn what_the_body_names_is_what_is_revoked() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.confidential_application();
    let mine = app.log_in("alice");
    let revoke = |token: &str| {
        // Its clients send the secret along; the token is proof enough, and no other one is looked at.
        let form = [("client_id", app.client_id.as_str()), ("client_secret", "wrong"), ("token", token)];
        ask(&server, REVOKE, &mine.access_token, &form)
    };
    for by_refresh_token in [true, false] {
        let named = app.log_in("alice");
        assert_done(&revoke(if by_refresh_token { named.refresh() } else { &named.access_token }));
        assert_ended(&server, &app, &named);
    }
    // What nobody knows is good no more in any case.
    for unknown in ["x", "pst_at_x", &mine.access_token[1..]] {
        assert_done(&revoke(unknown));
    }
    server.assert_good(&mine.access_token);
    assert_done(&revoke(&mine.access_token));
    assert_ended(&server, &app, &mine);
}

#[test]
fn a_token_of_another_user_or_application_is_not_revoked() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let (app, other) = (server.confidential_application(), server.public_application());
    let mine = app.log_in("alice");
    let theirs = [(&app, app.log_in("bob")), (&other, other.log_in("alice"))];
    let own = app.client_credentials().tokens().access_token;
    for token in
        theirs.iter().flat_map(|(_, tokens)| [tokens.access_token.as_str(), tokens.refresh()]).chain([&*own])
    {
        let form = [("client_id", app.client_id.as_str()), ("token", token)];
        assert_detail(&ask(&server, REVOKE, &mine.access_token, &form), 400);
    }
    for (app, tokens) in &theirs {
        assert_live(&server, app, tokens);
    }
    server.assert_good(&own);
    assert_live(&server, &app, &mine);
}

#[test]
fn an_older_client_revokes_by_its_credentials() {
    let server = TestServer::new();
    server.user("alice");
    for app in [server.confidential_application(), server.public_application()] {
        let secret = app.client_secret.clone().unwrap_or_default();
        let pair = format!("{}:{secret}", app.client_id);
        let basic = format!("Basic {}", standard_base64(pair.as_bytes()));
        let as_json = |token: &str| {
            let mut body = json!({"client_id": app.client_id, "token": token});
            if let Some(secret) = &app.client_secret {
                body["client_secret"] = secret.as_str().into();
            }
            request(Method::POST, REVOKE, &[("content-type", "application/json")], &body.to_string())
        };
        for way in 0..3 {
            let tokens = app.log_in("alice");
            assert_done(&match way {
                0 => app.post(REVOKE, &[("token", &tokens.access_token)]),
                1 => server.send(as_json(tokens.refresh())),
                _ => server.send(form_request(
                    REVOKE,
                    &[("authorization", &basic)],
                    &[("token", tokens.refresh())],
                )),
            });
            assert_ended(&server, &app, &tokens);
        }
        assert_done(&app.post(REVOKE, &[("token", "unknown")]));
    }
}

#[test]
fn an_older_client_is_refused_in_the_shape_of_oauth() {
    let server = TestServer::new();
    server.user("alice");
    let (app, other) = (server.confidential_application(), server.public_application());
    let tokens = app.log_in("alice");
    let token = [("token", tokens.access_token.as_str())];
    for secret in [None, Some("wrong")] {
        let refused = app.with_secret(secret).post(REVOKE, &token);
        refused.assert_error(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"api\""));
    }
    server.post_form(REVOKE, &token).assert_error(401, "invalid_client");
    other.post(REVOKE, &token).assert_error(400, "invalid_grant");
    app.post(REVOKE, &[]).assert_error(400, "invalid_request");
    app.post(REVOKE, &[("token", "")]).assert_error(400, "invalid_request");
    let basic = [("authorization", "Basic %%%")];
    server.send(form_request(REVOKE, &basic, &token)).assert_error(400, "invalid_request");
    server
        .send(form_request(REVOKE, &[("authorization", "Digest a=b")], &token))
        .assert_error(401, "invalid_client");
    let number = json!({"client_id": other.client_id, "token": "x", "client_secret": 1}).to_string();
    let typed = [("content-type", "application/json"), ("authorization", "Basic Og==")];
    server.send(request(Method::POST, REVOKE, &typed, &number)).assert_error(400, "invalid_request");
    assert_live(&server, &app, &tokens);
}

#[test]
fn invalidating_sessions_ends_every_token_of_the_user_at_the_application() {
    let server = TestServer::new();
    let (browser, app) = agreed(&server);
    server.user("bob");
    let elsewhere = server.confidential_application();
    let (bob, other) = (app.log_in("bob"), elsewhere.log_in("alice"));
    let pending = code_at_once(&browser, &app).unwrap();
    let mine = [
        app.log_in("alice"),
        app.refresh(app.log_in("alice").refresh()).tokens(),
        app.exchange(&code_at_once(&browser, &app).unwrap()).tokens(),
        app.log_in("alice"),
    ];
    assert_done(&end(&app, &server, SESSIONS, &mine[0].access_token));
    for tokens in &mine {
        assert_ended(&server, &app, tokens);
    }
    // A code that was on its way buys nothing either.
    app.exchange(&pending).assert_error(400, "invalid_grant");
    assert_live(&server, &app, &bob);
    assert_live(&server, &elsewhere, &other);
    // And she can come again.
    let again = app.log_in("alice");
    assert_live(&server, &app, &again);
    assert_bad_token(&end(&app, &server, SESSIONS, &mine[1].access_token));
    server.assert_good(&again.access_token);
}

#[test]
fn what_was_agreed_to_outlives_the_sessions() {
    let server = TestServer::new();
    let (browser, app) = agreed(&server);
    let tokens = app.log_in("alice");
    let grant = "SELECT id FROM grants WHERE ended_at IS NULL";
    let first = server.db.text(grant);
    let shown = browser.get("/o/authorized_tokens/").text().replace(&first, "");
    server.advance(100);
    assert_done(&end(&app, &server, SESSIONS, &tokens.access_token));
    // Another grant, of the same scope and since the same time.
    let second = server.db.text(grant);
    assert_ne!(second, first);
    assert_eq!(browser.get("/o/authorized_tokens/").text().replace(&second, ""), shown);
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 2);
    let tokens = app.exchange(&code_at_once(&browser, &app).expect("nobody is asked")).tokens();
    assert_eq!(tokens.scope, "read");
    server.assert_good(&tokens.access_token);
    // What they had not agreed to is asked for as before.
    browser.get(&app.authorization().with("scope", "read write").path()).assert_status(200);
}

#[test]
fn where_nothing_was_agreed_to_nothing_is_left() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    assert_done(&end(&app, &server, SESSIONS, &tokens.access_token));
    assert_eq!(server.db.number("SELECT count(*) FROM grants WHERE ended_at IS NULL"), 0);
    assert_live(&server, &app, &app.log_in("alice"));
}

#[test]
fn what_the_person_takes_back_at_that_moment_does_not_come_back() {
    let server = TestServer::new();
    let (browser, app) = agreed(&server);
    let tokens = app.log_in("alice");
    let path = format!("/o/authorized_tokens/{}/delete/", server.db.text("SELECT id FROM grants"));
    let take_back = browser.form_request(&path, &browser.get(&path), &[]);
    // After the token was seen to be good.
    let isolate = Meddling::isolate(&server, 1, Meddle::After(vec![(server.another_isolate(), take_back)]));
    assert_done(&end(&app, &isolate, SESSIONS, &tokens.access_token));
    assert_eq!(server.db.number("SELECT count(*) FROM grants WHERE ended_at IS NULL"), 0);
    assert_eq!(code_at_once(&browser, &app), None);
    assert_ended(&server, &app, &tokens);
}

#[test]
fn a_user_or_application_that_goes_at_that_moment_leaves_nothing() {
    for path in ["users/alice", "applications/my-app"] {
        let server = TestServer::new();
        server.user("alice");
        let app = server
            .application()
            .set("client_id", "my-app".into())
            .grants(&["authorization_code", "password"])
            .redirect_uri(CALLBACK)
            .create();
        server.browser().log_in("alice").code(&app.authorization());
        let token = app.password("alice", crate::support::PASSWORD).tokens().access_token;
        let delete = admin_request("DELETE", path, Value::Null);
        let isolate = Meddling::isolate(&server, 1, Meddle::After(vec![(server.another_isolate(), delete)]));
        assert_done(&end(&app, &isolate, SESSIONS, &token));
        server.assert_dead(&token);
        server.advance(100_000);
        for _ in 0..3 {
            server.admin("POST", "cleartokens", Value::Null).assert_status(200);
            server.advance(100_000);
        }
        for table in ["grants", "families", "purges"] {
            assert_eq!(server.db.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
        }
    }
}

#[test]
fn invalidating_refresh_tokens_leaves_the_access_tokens_until_they_expire() {
    let server = TestServer::new();
    let (browser, app) = agreed(&server);
    server.user("bob");
    let elsewhere = server.confidential_application();
    let (bob, other) = (app.log_in("bob"), elsewhere.log_in("alice"));
    let mine = [
        app.log_in("alice"),
        app.exchange(&code_at_once(&browser, &app).unwrap()).tokens(),
        app.log_in("alice"),
    ];
    for _ in 0..2 {
        assert_done(&end(&app, &server, REFRESH, &mine[0].access_token));
        for tokens in &mine {
            for isolate in [&server, &server.another_isolate()] {
                app.at(isolate).refresh(tokens.refresh()).assert_error(400, "invalid_grant");
            }
            assert_eq!(app.introspect(tokens.refresh()).json(), json!({"active": false}));
            server.assert_good(&tokens.access_token);
        }
    }
    assert_live(&server, &app, &bob);
    assert_live(&server, &elsewhere, &other);
    // A later login is another matter.
    assert_live(&server, &app, &app.log_in("alice"));
    server.advance(35_999);
    server.assert_good(&mine[1].access_token);
    server.advance(1);
    server.assert_dead(&mine[1].access_token);
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    assert_eq!(server.db.number("SELECT count(*) FROM families WHERE refresh_digest IS NULL"), 0);
}

#[test]
fn a_refresh_whose_answer_was_lost_is_not_repeated_after_that() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    // Both are in the grace, and good.
    assert_eq!(app.refresh(first.refresh()).tokens(), second);
    server.assert_good(&first.access_token);
    assert_done(&end(&app, &server, REFRESH, &first.access_token));
    for token in [first.refresh(), second.refresh()] {
        app.refresh(token).assert_error(400, "invalid_grant");
        app.refresh_for_scope(token, "read").assert_error(400, "invalid_grant");
    }
    // Nor is it reuse, which would end the access tokens.
    server.advance(59);
    server.assert_good(&first.access_token);
    server.advance(1);
    server.assert_dead(&first.access_token);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&second.access_token);
    // An access token alone can still be revoked, and by what is no refresh token any more.
    app.revoke(second.refresh()).assert_status(200);
    server.assert_dead(&second.access_token);
}

#[test]
fn a_refresh_at_the_same_moment_leaves_no_refresh_token() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for path in [REFRESH, SESSIONS] {
        for before in 0..3 {
            let tokens = app.log_in("alice");
            let form = [("client_id", app.client_id.as_str())];
            let mut requests = vec![app.refresh_request(tokens.refresh()); before];
            requests.push(ask_request(path, &tokens.access_token, &form));
            requests.extend(vec![app.refresh_request(tokens.refresh()); 3 - before]);
            let answers = server.send_all(requests);
            assert_done(&answers[before]);
            for answer in answers.iter().filter(|answer| answer.status() == 200) {
                app.refresh(answer.tokens().refresh()).assert_error(400, "invalid_grant");
                if path == SESSIONS {
                    server.assert_dead(&answer.tokens().access_token);
                }
            }
            app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
        }
    }
}

#[test]
fn without_a_bearer_token_there_is_a_challenge_without_an_error() {
    let server = TestServer::new();
    let app = server.public_application();
    let form = [("client_id", app.client_id.as_str())];
    for path in ALL {
        let mut responses = vec![server.post_form(path, &form), server.post_form(path, &[])];
        if path != REVOKE {
            let headers = ["Basic bXktYXBwOg==", "Digest a=b", "Token x"];
            responses.extend(
                headers.map(|header| server.send(form_request(path, &[("authorization", header)], &form))),
            );
        }
        for response in responses {
            assert_eq!(assert_detail(&response, 401), "Authentication credentials were not provided.");
            assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"api\""));
        }
    }
}

#[test]
fn a_bad_bearer_token_ends_nothing() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let app = server.public_application();
    let (kept, refreshed, revoked) = (app.log_in("alice"), app.log_in("alice"), app.log_in("alice"));
    app.refresh(refreshed.refresh()).tokens();
    app.revoke(&revoked.access_token).assert_status(200);
    let (logged_out, expired) = (app.log_in("bob"), app.log_in("alice"));
    server.admin("POST", "users/bob/logout", Value::Null).assert_status(204);
    let expires = "UPDATE families SET access_expires_at = 1800000060 WHERE access_digest = ";
    server.db.execute(&format!("{expires}'{}'", digest(&expired)));
    // Its grace is over.
    server.advance(60);
    let tampered = format!("{}{}", &kept.access_token[..kept.access_token.len() - 1], "_");
    let before = server.db.dump();
    let form = [("client_id", app.client_id.as_str())];
    let lines = server.log().len();
    let made_up = ["x", "pst_at_x", "", "a b", "é", &tampered, kept.refresh(), refreshed.refresh()];
    for path in ALL {
        for token in made_up {
            assert_bad_token(&ask(&server, path, token, &form));
        }
        let mut twice = ask_request(path, &kept.access_token, &form);
        twice.headers_mut().append("authorization", "Bearer x".parse().unwrap());
        assert_bad_token(&server.send(twice));
    }
    // They cost no line of the log, nor a call.
    assert_eq!(server.log().len(), lines);
    for path in ALL {
        for tokens in [&refreshed, &revoked, &logged_out, &expired] {
            assert_bad_token(&ask(&server, path, &tokens.access_token, &form));
            assert_bad_token(&ask(&server.another_isolate(), path, &tokens.access_token, &form));
        }
    }
    assert_eq!(server.db.dump(), before);
    assert_live(&server, &app, &kept);
}

fn digest(tokens: &Tokens) -> String {
    postern::model::family::TokenDigest::of(&tokens.access_token).to_string()
}

#[test]
fn the_database_is_asked_not_what_an_isolate_or_kv_remembers() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for path in ALL {
        let (tokens, kept) = (app.log_in("alice"), app.log_in("alice"));
        let elsewhere = server.another_isolate();
        elsewhere.validate(&tokens.access_token).assert_status(200);
        server.db.execute(&format!(
            "UPDATE families SET ended_at = 1 WHERE access_digest = '{}'",
            digest(&tokens)
        ));
        let form = [("client_id", app.client_id.as_str())];
        assert_bad_token(&ask(&elsewhere, path, &tokens.access_token, &form));
        // Whoever ended it had not told KV: this does.
        server.another_isolate().validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
        assert_live(&server, &app, &kept);
    }
}

#[test]
fn client_id_must_be_that_of_the_token_s_application() {
    let server = TestServer::new();
    server.user("alice");
    let (app, other) = (server.confidential_application(), server.public_application());
    let tokens = app.log_in("alice");
    let own = app.client_credentials().tokens().access_token;
    let before = server.db.dump();
    for path in ALL {
        for form in [&[][..], &[("client_id", "")], &[("client_secret", "x")]] {
            let response = ask(&server, path, &tokens.access_token, form);
            response.assert_status(400);
            assert_eq!(response.json(), json!({"client_id": ["This field is required."]}));
        }
        let unlinked = [
            ask(&server, path, &tokens.access_token, &[("client_id", "nobody")]),
            ask(&server, path, &tokens.access_token, &[("client_id", &other.client_id)]),
            ask(&server, path, &tokens.access_token, &[("client_id", &app.client_id.to_uppercase())]),
            // It has no user whose anything could be ended.
            ask(&server, path, &own, &[("client_id", &app.client_id)]),
            server.send(json_request(path, &tokens.access_token, &json!({"client_id": other.client_id}))),
        ];
        for response in unlinked {
            assert_eq!(assert_detail(&response, 400), UNLINKED);
            assert_eq!(response.header("www-authenticate"), None);
        }
    }
    assert_eq!(server.db.dump(), before);
    server.assert_good(&own);
    assert_live(&server, &app, &tokens);
}

#[test]
fn a_body_that_cannot_be_read_is_400() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let bearer = format!("Bearer {}", tokens.access_token);
    let id = &app.client_id;
    let before = server.db.dump();
    for path in ALL {
        for (media_type, body) in [
            ("application/x-www-form-urlencoded", format!("client_id={id}&client_id={id}")),
            ("application/x-www-form-urlencoded", format!("client_id={id}&a=%zz")),
            ("application/json", format!(r#"{{"client_id": "{id}", "client_id": "{id}"}}"#)),
            ("application/json", format!(r#"[{{"client_id": "{id}"}}]"#)),
            ("application/json", format!(r#"{{"client_id": "{id}""#)),
            ("application/json", r#"{"client_id": 1}"#.to_owned()),
            ("application/json", r#"{"client_id": null}"#.to_owned()),
            ("application/json", format!(r#"{{"client_id": ["{id}"]}}"#)),
            ("application/json", String::new()),
            ("text/plain", format!("client_id={id}")),
            ("", format!("client_id={id}")),
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", media_type)];
            let response = server.send(bytes_request(Method::POST, path, &headers, body.as_bytes()));
            let said = assert_detail(&response, 400);
            assert!(!body.contains(": 1") || said == "client_id must be a string", "{said}");
        }
        let in_url =
            ask(&server, &format!("{path}?client_id={id}"), &tokens.access_token, &[("client_id", id)]);
        assert_detail(&in_url, 400);
        assert_detail(&server.get(path), 405);
        let long = format!("client_id={id}&x={}", "x".repeat(65_536));
        let headers =
            [("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        assert_detail(&server.send(request(Method::POST, path, &headers, &long)), 413);
    }
    assert_eq!(server.db.dump(), before);
    assert_live(&server, &app, &tokens);
}

#[test]
fn the_mark_is_in_kv_before_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for path in [REVOKE, SESSIONS] {
        let tokens = app.log_in("alice");
        let elsewhere = server.another_isolate();
        elsewhere.validate(&tokens.access_token).assert_status(200);
        server.kv.delays_late_writes.set(true);
        assert_done(&end(&app, &server, path, &tokens.access_token));
        server.another_isolate().validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
        // Another isolate learns of it when it asks KV again.
        server.advance(10);
        elsewhere.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
        server.kv.deliver();
        server.kv.delays_late_writes.set(false);
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn another_isolate_refuses_when_kv_shows_the_mark_and_ends_nothing_by_the_token_before() {
    for path in [REVOKE, SESSIONS] {
        let server = TestServer::new();
        server.user("alice");
        let app = server.public_application();
        let tokens = app.log_in("alice");
        let elsewhere = server.another_isolate();
        let is_good = || elsewhere.validate(&tokens.access_token).status() == 200;
        assert!(is_good());
        assert_done(&end(&app, &server, path, &tokens.access_token));
        // KV lags behind: where the other isolate is, it has the record, and not the mark.
        let written = server.kv.entries();
        server.kv.clear();
        let show = |kind: fn(&str) -> bool| {
            for (key, entry) in written.iter().filter(|(key, _)| kind(key)) {
                server.kv.replace(key, &entry.value);
            }
        };
        show(|key| key.starts_with("t:"));
        server.advance(10);
        assert!(is_good());
        // It asks KV again when it has forgotten what it found.
        show(|key| !key.starts_with("t:"));
        server.advance(9);
        assert!(is_good());
        assert_bad_token(&end(&app, &server.another_isolate(), path, &tokens.access_token));
        server.advance(1);
        assert!(!is_good());
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn where_kv_is_down_it_is_not_done_and_a_retry_anywhere_puts_the_mark() {
    let server = TestServer::new();
    let (_, app) = agreed(&server);
    for path in [REVOKE, SESSIONS] {
        for at_another in [true, false] {
            let tokens = app.log_in("alice");
            let elsewhere = server.another_isolate();
            server.kv.is_down.set(true);
            assert_detail(&end(&app, &server, path, &tokens.access_token), 503);
            // The token is dead by now, so there is nothing to do but to tell KV; which still fails.
            assert_detail(&end(&app, &server, path, &tokens.access_token), 503);
            server.kv.is_down.set(false);
            server.another_isolate().validate(&tokens.access_token).assert_status(200);
            assert_bad_token(&end(
                &app,
                if at_another { &elsewhere } else { &server },
                path,
                &tokens.access_token,
            ));
            assert_ended(&server, &app, &tokens);
        }
    }
    // And that was it: a dead token makes no write after that.
    let tokens = app.log_in("alice");
    assert_done(&end(&app, &server, REVOKE, &tokens.access_token));
    let (writes, dump) = (server.kv.writes.get(), server.db.dump());
    assert_bad_token(&end(&app, &server, REVOKE, &tokens.access_token));
    assert_eq!((server.kv.writes.get(), server.db.dump()), (writes, dump));
    // No mark is needed for refresh tokens.
    let tokens = app.log_in("alice");
    server.kv.is_down.set(true);
    assert_done(&end(&app, &server, REFRESH, &tokens.access_token));
}

#[test]
fn while_the_database_fails_at_any_one_call_it_is_503_and_a_repetition_does_it() {
    let server = TestServer::new();
    let (browser, app) = agreed(&server);
    for path in ALL {
        for call in 0..2 {
            for loses in [false, true] {
                let tokens = app.log_in("alice");
                let what = if loses { Meddle::LoseAnswer } else { Meddle::Refuse };
                let isolate = Meddling::isolate(&server, call, what);
                assert_detail(&end(&app, &isolate, path, &tokens.access_token), 503);
                let repeated = end(&app, &server, path, &tokens.access_token);
                match loses && call == 1 && path != REFRESH {
                    // It was done, and the token with it.
                    true => assert_bad_token(&repeated),
                    false => assert_done(&repeated),
                }
                app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
                if path != REFRESH {
                    assert_ended(&server, &app, &tokens);
                }
                assert!(code_at_once(&browser, &app).is_some());
            }
        }
        // There is no third one.
        let isolate = Meddling::isolate(&server, 2, Meddle::Refuse);
        assert_done(&end(&app, &isolate, path, &app.log_in("alice").access_token));
    }
    server.db.is_down.set(true);
    for path in ALL {
        assert_detail(&ask(&server, path, "x", &[]), 401);
    }
}

#[test]
fn who_ended_what_is_noted_once() {
    let server = TestServer::new();
    let (_, app) = agreed(&server);
    let by = format!("user {}", server.db.text("SELECT id FROM users"));
    let last = || {
        let column =
            |name: &str| server.db.text(&format!("SELECT {name} FROM audit_events ORDER BY id DESC"));
        (column("actor"), column("action"), column("target"), column("address"))
    };
    let count = || server.db.number("SELECT count(*) FROM audit_events");
    let send = |path: &str, tokens: &Tokens| {
        let mut request = ask_request(path, &tokens.access_token, &[("client_id", &app.client_id)]);
        request.headers_mut().insert("cf-connecting-ip", "2001:db8::7".parse().unwrap());
        server.send(request).status()
    };
    let tokens = app.log_in("alice");
    let grant = format!("grant {}", server.db.text("SELECT id FROM grants"));
    let family = "SELECT id FROM families WHERE access_digest = '";
    let family = format!("family {}", server.db.text(&format!("{family}{}'", digest(&tokens))));
    for (path, action, target, again) in [
        (REFRESH, "refresh_tokens_revoked", &grant, 204),
        (REVOKE, "tokens_revoked", &family, 401),
        (SESSIONS, "tokens_revoked", &grant, 401),
    ] {
        let tokens = if path == SESSIONS { app.log_in("alice") } else { tokens.clone() };
        let before = count();
        assert_eq!(send(path, &tokens), 204);
        let expected = (by.clone(), action.to_owned(), target.clone(), "2001:db8::7".to_owned());
        assert_eq!(last(), expected);
        assert_eq!(send(path, &tokens), again);
        assert_eq!(count(), before + 1, "{path}");
    }
}

#[test]
fn the_answer_may_be_read_from_the_origins_of_the_token_s_application() {
    let server = TestServer::new();
    server.user("alice");
    let origin = "https://app.example";
    let app =
        server.application().public().grants(&["password", "refresh_token"]).origins(&[origin]).create();
    let other = server.application().public().origins(&["https://other.example"]).create();
    let allowed = |path: &str, token: &str, client_id: &str, origin: &str| {
        let mut request = ask_request(path, token, &[("client_id", client_id)]);
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let response = server.send(request);
        response.header("access-control-allow-origin").map(|allowed| assert_eq!(allowed, origin)).is_some()
    };
    for path in ALL {
        let token = || app.log_in("alice").access_token;
        assert!(allowed(path, &token(), &app.client_id, origin));
        assert!(!allowed(path, &token(), &app.client_id, "https://other.example"));
        // It is the token's that counts, not the one that the body names.
        assert!(allowed(path, &token(), &other.client_id, origin));
        assert!(!allowed(path, &token(), &other.client_id, "https://other.example"));
        // Where none is known, any will do.
        assert!(allowed(path, "x", &app.client_id, "https://other.example"));
        assert!(!allowed(path, "x", &app.client_id, "https://evil.example"));
    }
}
