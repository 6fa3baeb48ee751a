//! Ending many tokens at once: of a user, of an application, of a grant. One update and one mark, however many there are.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use futures_executor::block_on;
use futures_util::future::join;
use postern::app::{HotError, HotTokens};
use postern::call::Request;
use postern::model::audit::{Action, Actor, By};
use postern::model::id::GrantId;
use postern::model::time::Lifetime;
use postern::router;
use postern::tokens::revoke;
use serde_json::{Value, json};

use crate::support::sqlite::take_turns;
use crate::support::{PASSWORD, TestClient, TestResponse, TestServer, Tokens, admin_request, hot};

/// Refused at once where it was done and where D1 is asked, and elsewhere as soon as KV shows the mark; no refresh.
#[track_caller]
fn assert_ended(server: &TestServer, app: &TestClient<'_>, tokens: &Tokens) {
    server.assert_dead(&tokens.access_token);
    for isolate in [server, &server.another_isolate()] {
        assert!(matches!(app.at(isolate).refresh(tokens.refresh()).status(), 400 | 401));
    }
}

fn end_grant(server: &TestServer) {
    let records = server.kv.entries();
    let record = records.iter().find(|(key, _)| key.starts_with("t:")).expect("a record").1;
    // Key id, MAC and JSON.
    let record: Value = serde_json::from_str(record.value.splitn(3, '.').last().unwrap()).unwrap();
    let grant = GrantId::parse(record["grant"].as_str().unwrap()).unwrap();
    let by = By { actor: Actor::Operator, address: None };
    block_on(revoke::end_grant(&grant, &by.did(Action::GrantEnded, grant), &server.app)).unwrap();
}

/// Ends something; `{}` stands for the client_id.
type End = (&'static str, &'static str, Value);

fn ends() -> [End; 6] {
    [
        ("POST", "users/alice/logout", Value::Null),
        ("POST", "users/alice/set-password", json!({"password": "another password"})),
        ("PATCH", "users/alice", json!({"is_active": false})),
        ("DELETE", "users/alice", Value::Null),
        ("PATCH", "applications/{}", json!({"is_active": false})),
        ("DELETE", "applications/{}", Value::Null),
    ]
}

#[track_caller]
fn perform(server: &TestServer, app: &TestClient<'_>, (method, path, body): End) -> u16 {
    server.admin(method, &path.replace("{}", &app.client_id), body).status()
}

fn log_out_request() -> Request {
    admin_request("POST", "users/alice/logout", Value::Null)
}

#[test]
fn every_end_refuses_all_sessions_at_once() {
    for end in ends() {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let (one, other) = (app.log_in("alice"), app.log_in("alice"));
        server.assert_good(&one.access_token);
        assert!(matches!(perform(&server, &app, end), 200 | 204));
        assert_ended(&server, &app, &one);
        assert_ended(&server, &app, &other);
    }
}

#[test]
fn every_end_leaves_the_others_alone() {
    for end in ends() {
        let server = TestServer::new();
        let (app, other_app) = (server.public_application(), server.public_application());
        server.user("alice");
        server.user("bob");
        let is_of_user = end.1.starts_with("users/");
        app.log_in("alice");
        let other = if is_of_user { app.log_in("bob") } else { other_app.log_in("alice") };
        perform(&server, &app, end);
        server.assert_good(&other.access_token);
    }
}

#[test]
fn every_end_costs_the_same_for_1_session_and_1000() {
    for end in ends() {
        let costs = [1, 1_000].map(|sessions| {
            let server = TestServer::new();
            let app = server.public_application();
            server.user("alice");
            let tokens = app.log_in("alice");
            server.db.multiply("families", sessions);
            assert_eq!(server.db.number("SELECT count(*) FROM families"), sessions as i64);
            let before = (server.db.round_trips.get(), server.kv.writes.get());
            perform(&server, &app, end.clone());
            let after = (server.db.round_trips.get(), server.kv.writes.get());
            assert_ended(&server, &app, &tokens);
            (after.0 - before.0, after.1 - before.1)
        });
        assert_eq!(costs[0], costs[1], "{} {}", end.0, end.1);
        assert_eq!(costs[0].1, 1, "one mark");
        assert!(costs[0].0 <= 4, "{} {} took {} round trips", end.0, end.1, costs[0].0);
    }
}

#[test]
fn ending_a_grant_costs_one_update_and_one_mark() {
    for sessions in [1, 1_000] {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let tokens = app.log_in("alice");
        server.db.multiply("families", sessions);
        let before = (server.db.round_trips.get(), server.kv.writes.get());
        end_grant(&server);
        let after = (server.db.round_trips.get(), server.kv.writes.get());
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn ending_a_grant_leaves_the_user_s_other_grants() {
    let server = TestServer::new();
    let (app, other_app) = (server.public_application(), server.public_application());
    server.user("alice");
    let tokens = app.log_in("alice");
    end_grant(&server);
    let other = other_app.log_in("alice");
    assert_ended(&server, &app, &tokens);
    server.assert_good(&other.access_token);
}

#[test]
fn a_new_login_after_the_end_of_a_grant_works() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    end_grant(&server);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
    app.refresh(new.refresh()).tokens();
    assert_ended(&server, &app, &old);
}

#[test]
fn new_logins_after_logging_out_work_again_and_again() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    for _ in 0..3 {
        let old = app.log_in("alice");
        assert_eq!(perform(&server, &app, ("POST", "users/alice/logout", Value::Null)), 204);
        let new = app.log_in("alice");
        server.assert_good(&new.access_token);
        assert_ended(&server, &app, &old);
        app.refresh(new.refresh()).tokens();
    }
}

#[test]
fn after_a_new_password_only_it_works() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    perform(&server, &app, ("POST", "users/alice/set-password", json!({"password": "another password"})));
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    let tokens = app.password("alice", "another password").tokens();
    server.assert_good(&tokens.access_token);
}

#[test]
fn enabling_a_user_again_brings_no_token_back() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    perform(&server, &app, ("PATCH", "users/alice", json!({"is_active": false})));
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    perform(&server, &app, ("PATCH", "users/alice", json!({"is_active": true})));
    assert_ended(&server, &app, &old);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
}

#[test]
fn enabling_an_application_again_brings_no_token_back() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    perform(&server, &app, ("PATCH", "applications/{}", json!({"is_active": false})));
    app.password("alice", PASSWORD).assert_error(401, "invalid_client");
    perform(&server, &app, ("PATCH", "applications/{}", json!({"is_active": true})));
    assert_ended(&server, &app, &old);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
}

#[test]
fn a_user_of_the_same_name_gets_none_of_the_deleted_one_s_tokens() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    assert_eq!(perform(&server, &app, ("DELETE", "users/alice", Value::Null)), 204);
    server.user("alice");
    assert_ended(&server, &app, &old);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
}

#[test]
fn an_application_of_the_same_client_id_gets_none_of_the_deleted_one_s_tokens() {
    let server = TestServer::new();
    let create = || {
        let app = server.application().public().grants(&["password", "refresh_token"]);
        app.set("client_id", json!("my-app")).create()
    };
    server.user("alice");
    let app = create();
    let old = app.log_in("alice");
    assert_eq!(perform(&server, &app, ("DELETE", "applications/{}", Value::Null)), 204);
    let app = create();
    assert_ended(&server, &app, &old);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
}

#[test]
fn tokens_of_client_credentials_end_with_their_application() {
    for end in ends().into_iter().filter(|end| end.1.starts_with("applications/")) {
        let server = TestServer::new();
        let app = server.confidential_application();
        let token = app.client_credentials().tokens().access_token;
        perform(&server, &app, end);
        server.validate(&token).assert_bearer_error(401, "invalid_token");
        server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn where_kv_is_down_it_is_not_done_and_a_retry_puts_the_mark() {
    for end in ends() {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let tokens = app.log_in("alice");
        server.kv.is_down.set(true);
        assert_eq!(perform(&server, &app, end.clone()), 503);
        server.kv.is_down.set(false);
        assert!(matches!(perform(&server, &app, end), 200 | 204));
        assert_ended(&server, &app, &tokens);
    }
}

#[test]
fn where_the_database_is_down_it_is_not_done() {
    for end in ends() {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let tokens = app.log_in("alice");
        server.db.is_down.set(true);
        assert_eq!(perform(&server, &app, end), 503);
        server.db.is_down.set(false);
        server.assert_good(&tokens.access_token);
    }
}

#[test]
fn two_at_once_both_end_everything() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let old = app.log_in("alice");
    for response in server.send_all(vec![log_out_request(), log_out_request()]) {
        response.assert_status(204);
    }
    assert_ended(&server, &app, &old);
    let new = app.log_in("alice");
    server.assert_good(&new.access_token);
    let marks: Vec<String> = server
        .kv
        .entries()
        .into_iter()
        .filter(|(key, _)| key.starts_with("u:"))
        .map(|(_, entry)| entry.value)
        .collect();
    assert_eq!(marks, ["2"]);
}

#[test]
fn a_login_at_the_same_moment_is_either_before_or_after() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let responses = server.send_all(vec![log_in_request(&app), log_out_request()]);
    responses[1].assert_status(204);
    match responses[0].status() {
        200 => {
            let token = responses[0].tokens().access_token;
            let truth = server.validate_with(&token, "fresh=1", &[]).status();
            assert_eq!(server.another_isolate().validate(&token).status(), truth);
        }
        _ => {
            responses[0].assert_error(400, "invalid_grant");
        }
    }
}

/// KV that lets puts wait, and may fail after the first one.
struct Slow {
    kv: hot::Shared,
    may_put: Rc<Cell<bool>>,
    succeeds: Cell<u32>,
}

#[async_trait(?Send)]
impl HotTokens for Slow {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        self.kv.get_many(keys).await
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        while !self.may_put.get() {
            take_turns().await;
        }
        let left = self.succeeds.get().checked_sub(1).ok_or_else(|| HotError("KV went down".to_owned()))?;
        self.succeeds.set(left);
        self.kv.put(key, value, lifetime).await
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        self.kv.put_later(key, value, lifetime);
    }
}

/// An end at an isolate whose KV is slow; after its update, others happen one by one; then it puts its mark.
fn overtaken(
    server: &TestServer,
    end: &Request,
    succeeding_puts: u32,
    others: &[Request],
) -> (TestResponse, Vec<TestResponse>) {
    let may_put = Rc::new(Cell::new(false));
    let kv = hot::Shared(server.kv.clone());
    let slow = Slow { kv, may_put: may_put.clone(), succeeds: Cell::new(succeeding_puts) };
    let slow = server.another_isolate_over(Box::new(slow));
    let meanwhile = async {
        // By then it has found what it is about, changed it, and waits for KV.
        for _ in 0..10 {
            take_turns().await;
        }
        let mut responses = Vec::new();
        for request in others {
            responses.push(TestResponse(router::handle(request, &server.app).await));
        }
        may_put.set(true);
        responses
    };
    let (response, responses) = block_on(join(router::handle(end, &slow.app), meanwhile));
    (TestResponse(response), responses)
}

fn log_in_request(app: &TestClient<'_>) -> Request {
    app.request("/o/token/", &[("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)])
}

#[test]
fn a_deletion_that_an_enabling_overtakes_leaves_no_token_behind() {
    for (table, path) in [("users", "users/alice"), ("applications", "applications/notes")] {
        let server = TestServer::new();
        let app = server
            .application()
            .public()
            .grants(&["password", "refresh_token"])
            .set("client_id", json!("notes"))
            .create();
        server.user("alice");
        let enable = admin_request("PATCH", path, json!({"is_active": true}));
        let others = [enable, log_in_request(&app)];
        let (deletion, others) = overtaken(&server, &admin_request("DELETE", path, Value::Null), 9, &others);
        deletion.assert_status(204);
        others[0].assert_status(200);
        assert_eq!(server.db.number(&format!("SELECT count(*) FROM {table}")), 0);
        assert_ended(&server, &app, &others[1].tokens());
    }
}

#[test]
fn a_mark_that_comes_after_a_later_one_does_not_undo_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let others = [log_in_request(&app), log_out_request()];
    let (overtaken, others) = overtaken(&server, &log_out_request(), 2, &others);
    overtaken.assert_status(204);
    others[1].assert_status(204);
    assert_ended(&server, &app, &others[0].tokens());
}

#[test]
fn an_application_s_mark_that_comes_after_a_later_one_does_not_undo_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let path = format!("applications/{}", app.client_id);
    let change = |body: Value| admin_request("PATCH", &path, body);
    let disable = || change(json!({"is_active": false}));
    let others = [change(json!({"is_active": true})), log_in_request(&app), disable()];
    let (overtaken, others) = overtaken(&server, &disable(), 2, &others);
    overtaken.assert_status(200);
    others[2].assert_status(200);
    assert_ended(&server, &app, &others[1].tokens());
}

#[test]
fn a_log_out_that_fails_after_it_was_overtaken_is_to_be_repeated() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let others = [log_in_request(&app), log_out_request()];
    let (overtaken, others) = overtaken(&server, &log_out_request(), 1, &others);
    overtaken.assert_status(503);
    others[1].assert_status(204);
    server.send(log_out_request()).assert_status(204);
    assert_ended(&server, &app, &others[0].tokens());
}
