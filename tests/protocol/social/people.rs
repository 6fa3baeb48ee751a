//! People as two providers know them: `corporate`, by OpenID Connect, and `chat`, by endpoints.

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use super::providers::{Case, PROVIDER_TOKEN, SECRET, Script, script};
use super::{application, convert_request};
use crate::support::{TestResponse, TestServer, request};

/// A server that knows both, and the client_id of an application.
pub fn server() -> (TestServer, String) {
    server_with(json!({}), &[])
}

/// With more members in the entry of `corporate`, and more settings.
pub fn server_with(members: Value, more: &[(&str, &str)]) -> (TestServer, String) {
    let mut corporate = script("corporate").entry;
    corporate.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let entries = json!({"corporate": corporate, "chat": script("chat").entry}).to_string();
    let own = [("SOCIAL_AUTH_PROVIDERS", entries.as_str()), ("PROVIDER_SECRET", SECRET)];
    let server = TestServer::with(&[&own, more].concat());
    let client_id = application(&server).client_id;
    (server, client_id)
}

/// A person with this id and verified address, and no name.
pub fn person(id: &str, email: &str) -> Value {
    json!({"sub": id, "email": email, "email_verified": true})
}

/// From now on the provider knows them as the holder of the token and of the code.
pub fn is_at_corporate(person: &Value, server: &TestServer) {
    let script = script("corporate");
    script.play(Case::Good, &server.providers);
    let (check, profile) = (script.check.as_ref().unwrap(), script.profile.as_ref().unwrap());
    let mut answer = check.good.clone();
    answer["sub"] = person["sub"].clone();
    // Whenever it is asked.
    answer["exp"] = json!(server.now() + 3600);
    server.providers.answer(check.to, 200, &answer);
    server.providers.answer(profile.to, 200, person);
    let mut claims = script.claims.clone();
    let members = claims.as_object_mut().unwrap();
    members.retain(|name, _| ["iss", "aud"].contains(&name.as_str()));
    members.extend(person.as_object().unwrap().clone());
    members.extend([("iat".to_owned(), json!(server.now())), ("exp".to_owned(), json!(server.now() + 60))]);
    let token = script.token.as_ref().unwrap();
    let mut answer = token.good.clone();
    answer["id_token"] = json!(crate::support::Signer::rs256().id_token(json!({}), claims));
    server.providers.answer(token.to, 200, &answer);
}

/// The same at `chat`.
pub fn is_at_chat(id: &str, email: &str, server: &TestServer) {
    let script: Script = script("chat");
    script.play(Case::Good, &server.providers);
    let account = json!({"uuid": id, "handle": format!("chatter-{id}")});
    let profile = json!({"account": account, "contact": {"mail": email, "is_confirmed": true}});
    server.providers.answer(script.profile.as_ref().unwrap().to, 200, &profile);
}

/// A request with the access token of whom the provider knows.
pub fn by_token(client_id: &str, backend: &str) -> Request {
    convert_request(client_id, backend, &[("token", PROVIDER_TOKEN)])
}

/// A request with a code of whom the provider knows.
pub fn by_code(client_id: &str, backend: &str) -> Request {
    convert_request(client_id, backend, &[("code", "a-code")])
}

/// Somebody logs in by `corporate`.
pub fn log_in(person: &Value, client_id: &str, server: &TestServer) -> TestResponse {
    is_at_corporate(person, server);
    server.send(by_token(client_id, "corporate"))
}

/// What is true of all that is stored, whatever happened: every account at a provider is somebody's, nobody was made
/// without one, and each family is of a user.
#[track_caller]
pub fn assert_whole(server: &TestServer) {
    let number = |sql| server.db.number(sql);
    let lost = "SELECT count(*) FROM social_accounts WHERE user_id NOT IN (SELECT id FROM users)";
    assert_eq!(number(lost), 0);
    let bare = "SELECT count(*) FROM users WHERE password_hash IS NULL
        AND id NOT IN (SELECT user_id FROM social_accounts)";
    assert_eq!(number(bare), 0, "{}", server.db.dump());
}

/// `/social/{backend}/` with the access token.
pub fn by_social(client_id: &str, backend: &str) -> Request {
    let body = json!({"access_token": PROVIDER_TOKEN, "client_id": client_id}).to_string();
    let path = format!("/social/{backend}/");
    request(Method::POST, &path, &[("content-type", "application/json")], &body)
}
