//! Social login where a front-end brings the proof: every provider, every proof, and everything that goes wrong.

mod id_tokens;
mod matrix;
mod people;
mod providers;
mod requests;
mod settings;
mod shapes;
mod users;
mod users_at_once;

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use crate::support::{TestClient, TestResponse, TestServer, form_request, request};

pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A public application that may do all of it.
pub fn application(server: &TestServer) -> TestClient<'_> {
    server.application().public().grants(&["convert_token", TOKEN_EXCHANGE, "refresh_token"]).create()
}

/// `POST /auth/convert-token/` for a public application.
pub fn convert_request(client_id: &str, backend: &str, form: &[(&str, &str)]) -> Request {
    let mut all = vec![("grant_type", "convert_token"), ("backend", backend), ("client_id", client_id)];
    all.extend(form);
    form_request("/auth/convert-token/", &[], &all)
}

pub fn convert(server: &TestServer, client_id: &str, backend: &str, form: &[(&str, &str)]) -> TestResponse {
    server.send(convert_request(client_id, backend, form))
}

pub fn post_json(server: &TestServer, path: &str, body: &Value) -> TestResponse {
    let headers = [("content-type", "application/json")];
    server.send(request(Method::POST, path, &headers, &body.to_string()))
}

pub fn users(server: &TestServer) -> Vec<Value> {
    server.admin("GET", "users", Value::Null).json()["users"].as_array().unwrap().clone()
}

/// The one user with this name.
pub fn user(server: &TestServer, username: &str) -> Value {
    let response = server.admin("GET", &format!("users/{username}"), Value::Null);
    response.assert_status(200);
    response.json()
}

/// A user of the operator's making.
pub fn create_user(server: &TestServer, username: &str, email: &str, is_verified: bool) {
    let password = crate::support::PASSWORD;
    let body =
        json!({"username": username, "password": password, "email": email, "email_verified": is_verified});
    server.admin("POST", "users", body).assert_status(201);
}

pub fn count(server: &TestServer, table: &str) -> i64 {
    server.db.number(&format!("SELECT count(*) FROM {table}"))
}
