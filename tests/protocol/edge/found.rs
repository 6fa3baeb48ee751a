//! What the simulated edge has found, as tests of their own.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use futures_executor::block_on;
use futures_util::future::join;
use http::Method;
use postern::app::{HotError, HotTokens};
use postern::model::time::Lifetime;
use postern::router;
use serde_json::Value;

use crate::support::sqlite::take_turns;
use crate::support::{PASSWORD, TestResponse, TestServer, admin_request, hot, request};

/// KV that has read, and takes its time to say so.
struct SlowRead {
    kv: hot::Shared,
    may_answer: Rc<Cell<bool>>,
}

#[async_trait(?Send)]
impl HotTokens for SlowRead {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        let values = self.kv.get_many(keys).await;
        while !self.may_answer.get() {
            take_turns().await;
        }
        values
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        self.kv.put(key, value, lifetime).await
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        self.kv.put_later(key, value, lifetime);
    }
}

#[test]
fn what_kv_said_before_a_refusal_does_not_undo_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let may_answer = Rc::new(Cell::new(false));
    let kv = hot::Shared(server.kv.clone());
    let elsewhere = server.another_isolate_over(Box::new(SlowRead { kv, may_answer: may_answer.clone() }));
    let revoke = app.request("/o/revoke_token/", &[("token", &token)]);
    let bearer = format!("Bearer {token}");
    let ask = request(Method::GET, "/validate/", &[("authorization", &bearer)], "");
    let ask_fresh = request(Method::GET, "/validate/?fresh=1", &[("authorization", &bearer)], "");
    let meanwhile = async {
        take_turns().await;
        take_turns().await;
        let revoked = TestResponse(router::handle(&revoke, &server.app).await);
        revoked.assert_status(200);
        let refused = TestResponse(router::handle(&ask_fresh, &elsewhere.app).await);
        refused.assert_bearer_error(401, "invalid_token");
        may_answer.set(true);
    };
    let (overtaken, ()) = block_on(join(router::handle(&ask, &elsewhere.app), meanwhile));
    TestResponse(overtaken).assert_bearer_error(401, "invalid_token");
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

/// A token that was good and is revoked, where KV does not show it yet.
pub fn revoked_unshown(server: &TestServer) -> String {
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    server.validate(&token).assert_status(200);
    let as_shown_elsewhere = server.kv.entries();
    app.revoke(&token).assert_status(200);
    server.kv.go_back_to(&as_shown_elsewhere);
    token
}

#[test]
fn a_refusal_is_remembered_where_verdicts_are_not_cached() {
    let server = TestServer::with(&[("VALIDATION_CACHE_SECONDS", "0")]);
    let token = revoked_unshown(&server);
    let elsewhere = server.another_isolate();
    elsewhere.validate(&token).assert_status(200);
    elsewhere.validate_with(&token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_session_that_was_cleared_away_is_marked_when_it_is_revoked() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    server.kv.is_down.set(true);
    server.admin("POST", "users/alice/logout", Value::Null).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    server.another_isolate().validate(&token).assert_status(200);
    app.revoke(&token).assert_status(200);
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
}

/// KV that stores the later of two marks first, and says of it last that it is stored.
struct Crossing {
    kv: hot::Shared,
    later_is_stored: Cell<bool>,
    earlier_is_answered: Cell<bool>,
}

impl Crossing {
    async fn until(is_so: &Cell<bool>) {
        while !is_so.get() {
            take_turns().await;
        }
    }
}

#[async_trait(?Send)]
impl HotTokens for Crossing {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        self.kv.get_many(keys).await
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        if value == "1" {
            Self::until(&self.later_is_stored).await;
            self.kv.put(key, value, lifetime).await?;
            self.earlier_is_answered.set(true);
            return Ok(());
        }
        self.kv.put(key, value, lifetime).await?;
        self.later_is_stored.set(true);
        Self::until(&self.earlier_is_answered).await;
        Ok(())
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        self.kv.put_later(key, value, lifetime);
    }
}

#[test]
fn of_two_log_outs_at_one_isolate_the_later_stays_in_kv() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let kv = hot::Shared(server.kv.clone());
    let crossing = Crossing { kv, later_is_stored: Cell::new(false), earlier_is_answered: Cell::new(false) };
    let isolate = server.another_isolate_over(Box::new(crossing));
    let log_out = admin_request("POST", "users/alice/logout", Value::Null);
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let log_in = app.request("/o/token/", &form);
    let logged_in = Cell::new(false);
    let in_between = async {
        while server.db.number("SELECT token_epoch FROM users") == 0 {
            take_turns().await;
        }
        let answer = TestResponse(router::handle(&log_in, &server.app).await);
        logged_in.set(true);
        answer.tokens().access_token
    };
    let later = async {
        // So that the login comes in between.
        Crossing::until(&logged_in).await;
        TestResponse(router::handle(&log_out, &isolate.app).await).assert_status(204);
    };
    let earlier = async {
        TestResponse(router::handle(&log_out, &isolate.app).await).assert_status(204);
    };
    let ((), ((), token)) = block_on(join(earlier, join(later, in_between)));
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
}
