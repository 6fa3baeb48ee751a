//! What an isolate has refused or ended, and does not remember any more, while KV shows it to be good.

use super::found::revoked_unshown;
use crate::support::TestServer;
use crate::support::forgetting::{forget_ends, forget_refusals};

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
