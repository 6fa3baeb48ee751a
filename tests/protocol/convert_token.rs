//! A provider's proof for our tokens: the paths, the shapes, and the pipeline.

use http::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestClient, TestResponse, TestServer, form_request, request};

/// Providers whose answers are scripted.
const SETTINGS: &[(&str, &str)] = &[
    (
        "SOCIAL_AUTH_PROVIDERS",
        r#"{"github": {"client_id": "gh-client", "client_secret": "GITHUB_SECRET"}, "google-oauth2": {"client_id": "g-client", "client_secret": "GOOGLE_SECRET"}}"#,
    ),
    ("GITHUB_SECRET", "gh-secret"),
    ("GOOGLE_SECRET", "g-secret"),
];

const CHECK: &str = "POST https://api.github.com/applications/gh-client/token";
const USER: &str = "GET https://api.github.com/user";
const EMAILS: &str = "GET https://api.github.com/user/emails";

/// GitHub knows one person.
fn github(server: &TestServer, id: u64, login: &str, email: &str, is_verified: bool) {
    let providers = &server.providers;
    providers.answer(
        CHECK,
        200,
        &json!({"app": {"client_id": "gh-client"}, "user": {"id": id, "login": login}}),
    );
    providers.answer(
        USER,
        200,
        &json!({"id": id, "login": login, "name": "Mona Lisa Octocat", "email": null}),
    );
    let emails = json!([
        {"email": "other@p.example", "primary": false, "verified": true},
        {"email": email, "primary": true, "verified": is_verified},
    ]);
    providers.answer(EMAILS, 200, &emails);
}

fn application(server: &TestServer) -> TestClient<'_> {
    server.application().public().grants(&["convert_token", "refresh_token"]).create()
}

fn convert(server: &TestServer, client_id: &str, backend: &str, token: &str) -> TestResponse {
    let form =
        [("grant_type", "convert_token"), ("backend", backend), ("token", token), ("client_id", client_id)];
    server.post_form("/auth/convert-token/", &form)
}

fn users(server: &TestServer) -> Vec<Value> {
    server.admin("GET", "users", Value::Null).json()["users"].as_array().unwrap().clone()
}

#[test]
fn a_new_person_becomes_a_user_with_tokens() {
    let server = TestServer::with(SETTINGS);
    let app = application(&server);
    github(&server, 583231, "octocat", "mona@p.example", true);
    let response = convert(&server, &app.client_id, "github", "gh-token");
    assert_eq!(response.status(), 200, "{} {:?}", response.text(), server.log());
    let body = response.json();
    let tokens = body["access_token"].as_str().unwrap();
    server.assert_good(tokens);
    assert_eq!(
        body["user"],
        json!({"email": "mona@p.example", "first_name": "Mona", "last_name": "Lisa Octocat"})
    );
    assert!(body["refresh_token"].is_string());
    let users = users(&server);
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0]["username"], &users[0]["email_verified"]), (&json!("octocat"), &json!(true)));
    assert_eq!(server.providers.take_urls(), [CHECK, USER, EMAILS]);
    // The second time it is the same user.
    github(&server, 583231, "renamed", "else@p.example", true);
    let again = convert(&server, &app.client_id, "github", "gh-token-2");
    assert_eq!(again.status(), 200, "{}", again.text());
    assert_eq!(self::users(&server).len(), 1);
    let json_body = json!({"access_token": "x", "client_id": app.client_id}).to_string();
    let headers = [("content-type", "application/json")];
    let response = server.send(request(Method::POST, "/social/github/", &headers, &json_body));
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.json()["token"], response.json()["access_token"]);
}

/// Somebody whom GitHub knows, with a password here; their access token and the id of their account there.
fn linked(server: &TestServer, app: &TestClient<'_>) -> String {
    github(server, 1, "mona", "mona@p.example", true);
    let body = convert(server, &app.client_id, "github", "gh-token").json();
    server.providers.take_asked();
    body["access_token"].as_str().unwrap().to_owned()
}

pub fn disconnect(server: &TestServer, token: &str, form: &[(&str, &str)]) -> TestResponse {
    let bearer = format!("Bearer {token}");
    server.send(form_request("/auth/disconnect-backend/", &[("authorization", &bearer)], form))
}

const REVOKE: &str = "DELETE https://api.github.com/applications/gh-client/token";

#[test]
fn an_application_disconnects_a_provider_unless_it_is_the_last_way_in() {
    let server = TestServer::with(SETTINGS);
    let app = application(&server);
    let token = linked(&server, &app);
    let only = disconnect(&server, &token, &[("backend", "github")]);
    assert_eq!(
        (only.status(), only.json()),
        (400, json!({"detail": "It is the last way for the user to log in."}))
    );
    server.admin("POST", "users/mona/set-password", json!({"password": PASSWORD})).assert_status(204);
    // That has logged them out everywhere.
    let token = linked(&server, &app);
    let id = server.db.text("SELECT id FROM social_accounts");
    for (form, detail) in [
        (&[("backend", "google-oauth2")][..], "There is no such association."),
        (&[("backend", "github"), ("association_id", "AAAAAAAAAAAAAAAA")], "There is no such association."),
        (&[("backend", "github"), ("association_id", "7")], "There is no such association."),
    ] {
        let response = disconnect(&server, &token, form);
        assert_eq!((response.status(), response.json()), (400, json!({"detail": detail})));
    }
    let missing = disconnect(&server, &token, &[]);
    assert_eq!((missing.status(), missing.json()), (400, json!({"backend": ["This field is required."]})));
    disconnect(&server, "pst_at_x", &[("backend", "github")]).assert_status(401);
    assert_eq!(server.providers.take_urls(), [""; 0]);

    server.providers.answer(REVOKE, 204, &Value::Null);
    disconnect(&server, &token, &[("backend", "github"), ("association_id", &id)]).assert_status(204);
    let asked = server.providers.take_asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body.as_deref(), Some(r#"{"access_token":"gh-token"}"#));
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 0);
    assert_eq!(disconnect(&server, &token, &[("backend", "github")]).status(), 400);
}

#[test]
fn other_applications_have_no_business_with_how_people_log_in() {
    let server = TestServer::with(SETTINGS);
    linked(&server, &application(&server));
    server.admin("POST", "users/mona/set-password", json!({"password": PASSWORD})).assert_status(204);
    let other = server.public_application().log_in("mona");
    disconnect(&server, &other.access_token, &[("backend", "github")]).assert_status(403);
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 1);
}

#[test]
fn who_is_new_is_asked_whether_the_address_is_theirs_if_the_provider_does_not_know() {
    let mail = [("MAIL_CARRIER", "log")];
    let server = TestServer::with(&[SETTINGS, &mail].concat());
    let app = application(&server);
    for (id, is_verified, sent) in [(1, true, 0), (2, false, 1), (2, false, 0)] {
        github(&server, id, &format!("user-{id}"), &format!("{id}@p.example"), is_verified);
        convert(&server, &app.client_id, "github", "gh-token").assert_status(200);
        assert_eq!(server.mailbox.take().len(), sent);
    }
}
