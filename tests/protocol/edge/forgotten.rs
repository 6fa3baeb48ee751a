//! What an isolate has refused or ended, and does not remember any more, while KV shows it to be good.

use postern::model::id::UserId;
use postern::tokens::record::Mark;
use serde_json::Value;

use super::found::revoked_unshown;
use crate::support::TestServer;
use crate::support::forgetting::{end_others, forget_ends, forget_refusals};

#[test]
fn a_token_whose_refusal_is_forgotten_is_not_good_again() {
    let server = TestServer::new();
    let token = revoked_unshown(&server);
    let elsewhere = server.another_isolate();
    elsewhere.validate_with(&token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    forget_refusals(&elsewhere);
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_token_whose_end_is_forgotten_is_not_good_again_where_it_was_ended() {
    let server = TestServer::new();
    let token = revoked_unshown(&server);
    forget_ends(&server);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn an_isolate_that_forgets_asks_the_database_as_long_as_kv_may_lag() {
    for forget in [forget_refusals, forget_ends] {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let [one, another] = [(); 2].map(|()| app.log_in("alice").access_token);
        let isolate = server.another_isolate();
        forget(&isolate);
        for cost in [1, 0] {
            let before = server.db.round_trips.get();
            isolate.validate(&one).assert_status(200);
            assert_eq!(server.db.round_trips.get() - before, cost);
        }
        server.advance(120);
        let before = server.db.round_trips.get();
        isolate.validate(&another).assert_status(200);
        assert_eq!(server.db.round_trips.get(), before, "KV is believed again");
    }
}

#[test]
fn what_is_lost_before_a_token_is_found_good_does_not_matter_to_it() {
    for forget in [forget_refusals, forget_ends] {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let tokens = [(); 5].map(|()| app.log_in("alice").access_token);
        let [dead, other] = [(); 2].map(|()| app.log_in("alice"));
        app.revoke(&dead.access_token).assert_status(200);
        forget(&server);
        server.advance(1);
        let cost = || {
            let before = (server.db.round_trips.get(), server.kv.reads.get());
            for token in &tokens {
                server.validate(token).assert_status(200);
            }
            (server.db.round_trips.get() - before.0, server.kv.reads.get() - before.1)
        };
        cost();
        app.revoke(&dead.access_token).assert_status(200);
        assert_eq!(cost(), (0, 0), "after another end");
        app.refresh(other.refresh()).assert_status(200);
        assert_eq!(cost(), (0, 0), "after a refresh");
    }
}

#[test]
fn what_was_ended_here_stays_so_although_verdicts_are_remembered_longer_than_kv_lags() {
    let server = TestServer::with(&[("VALIDATION_CACHE_SECONDS", "600")]);
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    server.validate(&token).assert_status(200);
    app.revoke(&token).assert_status(200);
    end_others(&server, 0..5_000);
    server.advance(121);
    end_others(&server, 5_000..10_001);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn an_earlier_log_out_that_is_heard_of_later_does_not_undo_a_later_one() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let log_out = || {
        server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    };
    log_out();
    let earlier = server.db.number("SELECT token_epoch FROM users");
    let token = app.log_in("alice").access_token;
    let subject = server.validate(&token).json()["sub"].as_str().unwrap().to_owned();
    let as_shown_elsewhere = server.kv.entries();
    log_out();
    server.kv.go_back_to(&as_shown_elsewhere);
    let user = Mark::User(UserId::parse(&subject).unwrap());
    server.app.memory.borrow_mut().mark(user, earlier, server.app.clock.now());
    server.validate(&token).assert_bearer_error(401, "invalid_token");
}
