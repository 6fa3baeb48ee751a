//! What ends a login, and when the access token that a refresh replaced does.

use futures_executor::block_on;
use postern::model::audit::{Action, Actor, By};
use postern::model::id::GrantId;
use postern::tokens::revoke;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestClient, TestServer, admin_request};

const FRESH: &str = "fresh=1";

/// Ends what `end` ends, between a login and a refresh; also where isolates remember the application and the token.
/// Returns the server and the dead tokens.
#[track_caller]
fn assert_ends(error: (u16, &str), end: impl Fn(&TestServer, &TestClient<'_>)) {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    server.user("bob");
    let elsewhere = server.another_isolate();
    let first = app.at(&elsewhere).log_in("alice");
    let second = app.at(&elsewhere).refresh(first.refresh()).tokens();
    server.validate(&second.access_token).assert_status(200);
    server.validate(&first.access_token).assert_status(200);

    end(&server, &app);
    server.advance(1);
    for isolate in [&elsewhere, &server, &server.another_isolate()] {
        for token in [&first, &second] {
            app.at(isolate).refresh(token.refresh()).assert_error(error.0, error.1);
            isolate.validate_with(&token.access_token, FRESH, &[]).assert_bearer_error(401, "invalid_token");
        }
    }
    for token in [&first, &second] {
        server.assert_dead(&token.access_token);
    }
    let refreshed = format!("SELECT count(*) FROM families WHERE rotated_at = {}", server.now());
    assert_eq!(server.db.number(&refreshed), 0, "nothing was stored");
}

#[test]
fn disabling_the_user() {
    assert_ends((400, "invalid_grant"), |server, app| {
        server.admin("PATCH", "users/alice", json!({"is_active": false})).assert_status(200);
        app.log_in("bob");
    });
}

#[test]
fn disabling_the_user_for_a_moment() {
    assert_ends((400, "invalid_grant"), |server, app| {
        for is_active in [false, true] {
            server.admin("PATCH", "users/alice", json!({"is_active": is_active})).assert_status(200);
        }
        app.log_in("alice");
    });
}

#[test]
fn deleting_the_user() {
    assert_ends((400, "invalid_grant"), |server, _| {
        server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    });
}

#[test]
fn deleting_the_user_and_making_another_of_the_same_name() {
    assert_ends((400, "invalid_grant"), |server, app| {
        server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
        server.user("alice");
        app.log_in("alice");
    });
}

#[test]
fn logging_out_everywhere() {
    assert_ends((400, "invalid_grant"), |server, app| {
        server.admin("POST", "users/alice/logout", json!({})).assert_status(204);
        app.log_in("alice");
    });
}

#[test]
fn setting_a_password() {
    assert_ends((400, "invalid_grant"), |server, app| {
        let body = json!({"password": "another password"});
        server.admin("POST", "users/alice/set-password", body).assert_status(204);
        app.password("alice", "another password").tokens();
    });
}

#[test]
fn a_login_with_the_old_password_never_survives_a_new_one() {
    for head_start in 0..4 {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let login = || {
            app.request(
                "/o/token/",
                &[("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)],
            )
        };
        let change =
            || admin_request("POST", "users/alice/set-password", json!({"password": "a new password"}));
        // The more requests stand before it, the later it comes to its turn.
        let mut requests: Vec<_> = (0..head_start).map(|_| login()).collect();
        requests.push(change());
        requests.extend((0..4).map(|_| login()));

        for response in server.send_all(requests) {
            match response.status() {
                200 => {
                    let tokens = response.tokens();
                    server
                        .validate_with(&tokens.access_token, FRESH, &[])
                        .assert_bearer_error(401, "invalid_token");
                    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
                }
                204 => {}
                _ => {
                    response.assert_error(400, "invalid_grant");
                }
            }
        }
        app.password("alice", "a new password").tokens();
    }
}

#[test]
fn disabling_the_application() {
    assert_ends((401, "invalid_client"), |server, app| {
        let path = format!("applications/{}", app.client_id);
        server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    });
}

#[test]
fn disabling_the_application_for_a_moment() {
    assert_ends((400, "invalid_grant"), |server, app| {
        let path = format!("applications/{}", app.client_id);
        for is_active in [false, true] {
            server.admin("PATCH", &path, json!({"is_active": is_active})).assert_status(200);
        }
        app.log_in("alice");
    });
}

#[test]
fn deleting_the_application() {
    assert_ends((401, "invalid_client"), |server, app| {
        server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    });
}

#[test]
fn revoking_the_refresh_token_or_the_access_token() {
    // RFC 7009 §2.1
    for kind in ["pst_rt_", "pst_at_"] {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let first = app.log_in("alice");
        let second = app.refresh(first.refresh()).tokens();
        let revoked = if kind == "pst_rt_" { second.refresh() } else { &second.access_token };
        app.revoke(revoked).assert_status(200);
        server.advance(1);
        for token in [&first, &second] {
            app.refresh(token.refresh()).assert_error(400, "invalid_grant");
            server.assert_dead(&token.access_token);
        }
        let refreshed = format!("SELECT count(*) FROM families WHERE rotated_at = {}", server.now());
        assert_eq!(server.db.number(&refreshed), 0, "nothing was stored");
    }
}

#[test]
fn ending_the_grant() {
    assert_ends((400, "invalid_grant"), |server, app| {
        let grant = server.db.text("SELECT id FROM grants");
        let grant = GrantId::parse(&grant).expect("a grant");
        let by = By { actor: Actor::Operator, address: None };
        let event = by.did(Action::GrantEnded, grant);
        block_on(revoke::end_grant(&grant, &event, &server.app)).expect("it ends");
        let again = app.log_in("alice");
        server.validate_with(&again.access_token, FRESH, &[]).assert_status(200);
        app.refresh(again.refresh()).tokens();
    });
}

#[test]
fn changing_the_users_profile_does_not() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let body = json!({"first_name": "Alicia", "email": "alicia@example.com", "is_superuser": true});
    server.admin("PATCH", "users/alice", body).assert_status(200);
    app.refresh(first.refresh()).tokens();
}

#[test]
fn renaming_the_user_does_even_if_kv_was_down() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.kv.is_down.set(true);
    server.admin("PATCH", "users/alice", json!({"username": "alicia"})).assert_status(503);
    server.kv.is_down.set(false);
    // There is no alice any more: whatever is changed of alicia puts the mark.
    server.admin("PATCH", "users/alicia", json!({})).assert_status(200);
    server.assert_dead(&tokens.access_token);
    server.another_isolate().validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn renaming_the_user_does() {
    // What KV holds of a token has the name in it, and somebody else may take the old one.
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.another_isolate().validate(&tokens.access_token).assert_status(200);
    server.admin("PATCH", "users/alice", json!({"username": "alicia"})).assert_status(200);
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    let again = app.password("alicia", PASSWORD).tokens();
    assert_eq!(server.another_isolate().validate(&again.access_token).json()["username"], "alicia");
}

#[test]
fn changing_the_application_does_not() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let elsewhere = server.another_isolate();
    let first = app.at(&elsewhere).log_in("alice");
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"client_name": "Another name"})).assert_status(200);
    app.at(&elsewhere).refresh(first.refresh()).tokens();
}

#[test]
fn it_stays_good_until_the_end_of_the_grace() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let elsewhere = server.another_isolate();
    let first = app.log_in("alice");
    server.advance(100);
    app.refresh(first.refresh()).tokens();
    server.advance(59);
    server.assert_good(&first.access_token);
    elsewhere.validate(&first.access_token).assert_status(200);
    server.advance(1);
    server.assert_dead(&first.access_token);
    elsewhere.validate(&first.access_token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn its_exp_is_said_to_be_the_end_of_the_grace() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    for isolate in [&server, &server.another_isolate()] {
        for query in ["", FRESH] {
            let validated = isolate.validate_with(&first.access_token, query, &[]);
            assert_eq!(validated.json()["exp"], server.now() + 60);
        }
    }
}

#[test]
fn it_does_not_outlive_its_own_exp() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "90")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(50);
    app.refresh(first.refresh()).tokens();
    server.advance(39);
    server.assert_good(&first.access_token);
    server.advance(1);
    server.assert_dead(&first.access_token);
}

#[test]
fn an_isolate_that_remembers_it_forgets_it_with_the_grace() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let elsewhere = server.another_isolate();
    app.refresh(first.refresh()).tokens();
    server.advance(55);
    for isolate in [&server, &elsewhere] {
        isolate.validate(&first.access_token).assert_status(200);
    }
    server.advance(5);
    for isolate in [&server, &elsewhere] {
        isolate.validate(&first.access_token).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn the_isolate_that_refreshed_does_not_wait_for_kv_to_show_its_end() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    app.refresh(first.refresh()).tokens();
    server.advance(59);
    server.validate(&first.access_token).assert_status(200);
    server.advance(1);
    server.validate(&first.access_token).assert_bearer_error(401, "invalid_token");
    server.kv.deliver();
    server.assert_dead(&first.access_token);
}

#[test]
fn the_database_alone_and_kv_alone_say_the_same() {
    for seconds in [59, 60] {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let first = app.log_in("alice");
        app.refresh(first.refresh()).tokens();
        server.advance(seconds);

        let by_kv = server.another_isolate();
        server.db.is_down.set(true);
        let by_kv = by_kv.validate(&first.access_token).status();
        server.db.is_down.set(false);
        server.kv.clear();
        let by_database = server.another_isolate().validate(&first.access_token).status();
        let expected = if seconds < 60 { 200 } else { 401 };
        assert_eq!((by_kv, by_database), (expected, expected));
    }
}

#[test]
fn a_repeated_refresh_does_not_put_its_end_off() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    server.advance(59);
    app.refresh(first.refresh()).tokens();
    app.at(&server.another_isolate()).refresh(first.refresh()).tokens();
    server.advance(1);
    server.assert_dead(&first.access_token);
}

#[test]
fn the_new_one_is_good_at_once_everywhere() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    let second = app.refresh(first.refresh()).tokens();
    server.assert_good(&second.access_token);
    server.kv.deliver();
    server.assert_good(&second.access_token);
    server.advance(35_999);
    server.assert_good(&second.access_token);
    server.advance(1);
    server.assert_dead(&second.access_token);
}

#[test]
fn a_replaced_token_is_refused_elsewhere_until_it_expires() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    for seconds in [60, 3_600, 32_339] {
        server.advance(seconds);
        server.another_isolate().validate(&first.access_token).assert_bearer_error(401, "invalid_token");
    }
}
