//! A provider's proof for our tokens: the paths, the shapes, and the pipeline.

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestClient, TestResponse, TestServer, request};

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
