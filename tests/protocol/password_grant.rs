//! The resource owner password credentials grant (RFC 6749 §4.3).

use crate::support::{PASSWORD, TestServer};

#[test]
fn a_user_gets_tokens_for_name_and_password() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let response = app.password("alice", PASSWORD);
    let tokens = response.tokens();
    assert_eq!(tokens.expires_in, 36_000);
    assert_eq!(tokens.scope, "read write groups");
    assert!(tokens.access_token.starts_with("pst_at_") && tokens.refresh().starts_with("pst_rt_"));
    let names: Vec<String> = response.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "refresh_token", "scope"]);

    let validated = server.validate(&tokens.access_token);
    validated.assert_status(200);
    assert_eq!(validated.json()["username"], "alice");
}

#[test]
fn refresh_works() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    assert_ne!(first.access_token, second.access_token);
    assert_eq!(app.refresh(first.refresh()).tokens(), second);
    let third = app.refresh(second.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.refresh(third.refresh()).assert_error(400, "invalid_grant");
    server.validate(&third.access_token).assert_bearer_error(401, "invalid_token");
}
