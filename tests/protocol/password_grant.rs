//! The resource owner password credentials grant (RFC 6749 §4.3).

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer};

const FRESH: &str = "fresh=1";

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
    assert_eq!(validated.json()["client_id"], app.client_id);
}

#[test]
fn a_confidential_application_proves_itself_first() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    app.log_in("alice");

    let mut impostor = app.clone();
    impostor.client_secret = Some("pst_cs_made-up".to_owned());
    impostor.password("alice", PASSWORD).assert_error(401, "invalid_client");
    impostor.client_secret = None;
    impostor.password("alice", PASSWORD).assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn every_login_is_a_family_of_its_own() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let (one, another) = (app.log_in("alice"), app.log_in("alice"));
    assert_ne!(one.access_token, another.access_token);
    assert_ne!(one.refresh_token, another.refresh_token);

    app.revoke(&one.access_token).assert_status(200);
    server.validate(&one.access_token).assert_bearer_error(401, "invalid_token");
    server.validate(&another.access_token).assert_status(200);
    app.refresh(another.refresh()).tokens();
}

#[test]
fn a_user_who_logs_in_again_has_one_grant_still() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice");
    app.log_in("alice");
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
}

#[test]
fn simultaneous_first_logins_all_succeed_and_make_one_grant() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let responses = server.send_all((0..20).map(|_| app.request("/o/token/", &form)).collect());

    for response in &responses {
        server.validate_with(&response.tokens().access_token, FRESH, &[]).assert_status(200);
    }
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 1);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 20);
}

#[test]
fn a_name_may_be_typed_in_another_case_or_width() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("Straße");
    for typed in ["straße", "STRASSE", "ｓｔｒａｓｓｅ"] {
        let tokens = app.password(typed, PASSWORD).tokens();
        assert_eq!(
            server.validate(&tokens.access_token).header("x-auth-username"),
            Some("Stra%C3%9Fe"),
            "{typed}"
        );
    }
}

#[test]
fn of_imported_names_that_look_alike_the_exact_one_is_meant_or_none() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.db.execute(
        "INSERT INTO users SELECT 'AAAAAAAAAAAAAAAA', 'ALICE', username_key, password_hash, email, email_key,
         email_verified, first_name, last_name, is_active, is_superuser, token_epoch, created_at, last_login_at
         FROM users WHERE username = 'alice'",
    );
    for name in ["alice", "ALICE"] {
        let tokens = app.log_in(name);
        assert_eq!(server.validate(&tokens.access_token).json()["username"], name);
    }
    app.password("Alice", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn who_is_refused_does_not_learn_why() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.user("disabled");
    server.admin("PATCH", "users/disabled", json!({"is_active": false})).assert_status(200);
    server.admin("POST", "users", json!({"username": "without-password"})).assert_status(201);

    let expected = app.password("nobody", PASSWORD).assert_error(400, "invalid_grant").text();
    for (username, password) in [
        ("alice", "correct horse batterz"),
        ("alice", "Correct horse battery"),
        ("alice", " correct horse battery"),
        ("alice", "x"),
        ("disabled", PASSWORD),
        ("disabled", "wrong"),
        ("without-password", PASSWORD),
        ("without-password", "!"),
        ("alice ", PASSWORD),
        ("alice", &"x".repeat(4097)),
    ] {
        let response = app.password(username, password);
        assert_eq!(response.assert_error(400, "invalid_grant").text(), expected, "{username}");
        assert!(response.header("www-authenticate").is_none());
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn the_operators_log_says_why() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for (username, why) in [("nobody", "there is no such user"), ("alice", "the password is wrong")] {
        let response = app.password(username, "not this one");
        let id = Value::from(response.header("x-request-id").expect("an id"));
        let line = server.log().into_iter().find(|line| line["request_id"] == id).expect("a line");
        assert!(line["detail"].as_str().unwrap().ends_with(why), "{line}");
    }
}

#[test]
fn a_missing_or_empty_parameter_is_named() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for (form, name) in [
        (&[("username", "alice")][..], "password"),
        (&[("username", "alice"), ("password", "")], "password"),
        (&[("password", PASSWORD)], "username"),
        (&[("password", PASSWORD), ("username", "")], "username"),
    ] {
        let response = app.token(&[&[("grant_type", "password")], form].concat());
        response.assert_error(400, "invalid_request");
        assert!(response.json()["error_description"].as_str().unwrap().contains(name));
    }
}

#[test]
fn a_repeated_parameter_is_refused() {
    // RFC 6749 §3.2
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    for (name, value) in [("username", "alice"), ("password", PASSWORD), ("password", "")] {
        let response = app.token(&[&form[..], &[(name, value)]].concat());
        response.assert_error(400, "invalid_request");
        assert!(response.json()["error_description"].as_str().unwrap().contains(name));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn an_application_must_be_registered_for_it() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    server.user("alice");
    for app in [
        server.application().public().create(),
        server.application().grants(&["client_credentials"]).create(),
    ] {
        app.password("alice", PASSWORD).assert_error(400, "unauthorized_client");
        app.password("alice", "wrong").assert_error(400, "unauthorized_client");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn without_the_refresh_grant_there_is_no_refresh_token() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.application().public().grants(&["password"]).create();
    let tokens = app.log_in("alice");
    assert_eq!(tokens.refresh_token, None);
    server.validate(&tokens.access_token).assert_status(200);
}

#[test]
fn scope_is_what_was_asked_for() {
    // RFC 6749 §3.3
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let ask = |scope| {
        app.token(&[
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", PASSWORD),
            ("scope", scope),
        ])
    };
    for (asked, granted) in
        [("read", "read"), ("write read", "write read"), ("read  read", "read"), ("", "read write groups")]
    {
        let tokens = ask(asked).tokens();
        assert_eq!(tokens.scope, granted);
        assert_eq!(server.validate(&tokens.access_token).json()["scope"], granted);
    }
    for beyond in ["read admin", "introspection", "openid", "READ", " ", "re\"ad", "read\twrite", "é"] {
        ask(beyond).assert_error(400, "invalid_scope");
    }
}

#[test]
fn scope_ends_where_the_applications_does() {
    let server = TestServer::new();
    let app = server
        .application()
        .public()
        .grants(&["password", "refresh_token"])
        .scope("read introspection")
        .create();
    server.user("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    assert_eq!(app.log_in("alice").scope, "read", "a built-in scope is never a default");
    let listed = app.token(&[&form[..], &[("scope", "introspection read")]].concat());
    assert_eq!(listed.tokens().scope, "introspection read");
    app.token(&[&form[..], &[("scope", "read write")]].concat()).assert_error(400, "invalid_scope");
}

#[test]
fn the_access_token_expires_to_the_second() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "300")]);
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    assert_eq!(tokens.expires_in, 300);
    let elsewhere = server.another_isolate();
    server.advance(299);
    for isolate in [&server, &elsewhere] {
        isolate.validate(&tokens.access_token).assert_status(200);
        isolate.validate_with(&tokens.access_token, FRESH, &[]).assert_status(200);
    }
    server.advance(1);
    for isolate in [&server, &elsewhere] {
        isolate.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
        isolate.validate_with(&tokens.access_token, FRESH, &[]).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn a_hash_with_yesterdays_parameters_is_made_anew_at_login() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let before = app.log_in("alice");
    let today = server.another_isolate_with(&[("PASSWORD_HASH_ITERATIONS", "2")]);
    let is_todays = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=8,t=2,p=1$%'";

    app.at(&today).password("alice", "wrong").assert_error(400, "invalid_grant");
    assert_eq!(server.db.number(is_todays), 0);
    app.at(&today).log_in("alice");
    assert_eq!(server.db.number(is_todays), 1);
    app.at(&today).log_in("alice");
    app.at(&today).password("alice", "wrong").assert_error(400, "invalid_grant");
    server.validate_with(&before.access_token, FRESH, &[]).assert_status(200);
}

#[test]
fn a_login_is_noted_and_a_failed_one_is_not() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let last_login = || server.admin("GET", "users/alice", Value::Null).json()["last_login_at"].clone();
    app.password("alice", "wrong").assert_error(400, "invalid_grant");
    assert_eq!(last_login(), Value::Null);
    server.advance(5);
    app.log_in("alice");
    assert_eq!(last_login(), server.now());
}

#[test]
fn a_login_that_came_to_nothing_is_not_noted() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens(); // it remembers the application
    let path = format!("applications/{}/rotate-secret", app.client_id);
    server.admin("POST", &path, json!({})).assert_status(200);
    app.at(&elsewhere).password("alice", PASSWORD).assert_error(401, "invalid_client");
    let user = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!(user["last_login_at"], Value::Null);
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
}

#[test]
fn a_database_that_is_down_is_503_and_stores_nothing() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.db.is_down.set(true);
    app.password("alice", PASSWORD).assert_error(503, "temporarily_unavailable");
    server.db.is_down.set(false);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    app.log_in("alice");
    server.db.is_down.set(true);
    app.password("alice", PASSWORD).assert_error(503, "temporarily_unavailable");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn kv_is_not_needed_to_log_in() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.kv.is_down.set(true);
    let tokens = app.log_in("alice");
    server.validate(&tokens.access_token).assert_status(200);
    server.kv.is_down.set(false);
    server.another_isolate().validate(&tokens.access_token).assert_status(200);
}

#[test]
fn it_takes_two_round_trips_and_one_write_to_kv() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice");
    let (round_trips, writes) = (server.db.round_trips.get(), server.kv.writes.get());
    app.log_in("alice");
    assert_eq!(server.db.round_trips.get() - round_trips, 2);
    assert_eq!(server.kv.writes.get() - writes, 1);
    assert_eq!(server.kv.reads.get(), 0);
}
