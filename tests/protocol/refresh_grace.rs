//! Rotation of refresh tokens and detection of reuse (RFC 9700 §4.14.2): within the grace, a repetition is answered the
//! identical pair, so that a lost response is no logout, and parallel refreshes agree.

use crate::support::{TestResponse, TestServer, Tokens};

fn live_families(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM families WHERE ended_at IS NULL")
}

#[test]
fn a_repetition_is_answered_the_identical_pair_and_what_is_left_of_it() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    for (seconds, left) in [(0, 36_000), (20, 35_980), (39, 35_941)] {
        server.advance(seconds);
        let again = app.refresh(first.refresh()).tokens();
        assert_eq!(again, Tokens { expires_in: left, ..second.clone() });
    }
    app.refresh(second.refresh()).tokens();
}

#[test]
fn another_isolate_answers_the_identical_pair_too() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    for _ in 0..3 {
        assert_eq!(app.at(&server.another_isolate()).refresh(first.refresh()).tokens(), second);
    }
    assert_eq!(live_families(&server), 1);
}

#[test]
fn it_ends_to_the_second_and_then_the_family_does() {
    // RFC 9700 §4.14.2
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(59);
    assert_eq!(app.refresh(first.refresh()).tokens().access_token, second.access_token);
    server.advance(1);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
    server.assert_dead(&first.access_token);
    assert_eq!(live_families(&server), 0);
}

#[test]
fn it_lasts_as_long_as_the_setting_says() {
    let server = TestServer::with(&[("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "5")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.advance(4);
    assert_eq!(app.refresh(first.refresh()).tokens().refresh_token, second.refresh_token);
    server.advance(1);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    assert_eq!(live_families(&server), 0);
}

#[test]
fn without_one_every_repetition_is_reuse() {
    let server = TestServer::with(&[("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    server.assert_dead(&first.access_token);
    server.assert_good(&second.access_token);
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&second.access_token);
}

#[test]
fn it_ends_when_the_successor_is_presented() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    let third = app.refresh(second.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
    app.refresh(third.refresh()).assert_error(400, "invalid_grant");
    for dead in [&first, &second, &third] {
        server.assert_dead(&dead.access_token);
    }
}

#[test]
fn a_token_of_long_ago_ends_the_family_too() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let mut tokens = first.clone();
    for _ in 0..4 {
        server.advance(1000);
        tokens = app.refresh(tokens.refresh()).tokens();
    }
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
}

#[test]
fn reuse_ends_its_own_family_only() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let (stolen, other) = (app.log_in("alice"), app.log_in("alice"));
    app.refresh(stolen.refresh()).tokens();
    server.advance(60);
    app.refresh(stolen.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&other.access_token);
    app.refresh(other.refresh()).tokens();
}

#[test]
fn a_client_learns_nothing_of_why_it_is_refused() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    app.refresh(first.refresh()).tokens();
    server.advance(60);
    let reused = app.refresh(first.refresh()).text();
    let ended = app.refresh(first.refresh()).text();
    let made_up = app.refresh("made-up").text();
    assert_eq!((&reused, &reused), (&ended, &made_up));
}

#[test]
fn without_reuse_protection_a_replaced_token_is_merely_refused() {
    let server = TestServer::with(&[("REFRESH_TOKEN_REUSE_PROTECTION", "false")]);
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let second = app.refresh(first.refresh()).tokens();
    assert_eq!(app.refresh(first.refresh()).tokens(), second);
    let third = app.refresh(second.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    server.advance(60);
    app.refresh(second.refresh()).assert_error(400, "invalid_grant");
    server.assert_good(&third.access_token);
    app.refresh(third.refresh()).tokens();
}

#[test]
fn a_hundred_are_all_answered_the_identical_pair() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    server.advance(100);
    let responses = server.send_all((0..100).map(|_| app.refresh_request(first.refresh())).collect());
    let second = responses[0].tokens();
    assert!(responses.iter().all(|response| response.tokens() == second));

    assert_eq!(live_families(&server), 1);
    let third = app.refresh(second.refresh()).tokens();
    app.refresh(third.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    assert_eq!(live_families(&server), 0);
}

#[test]
fn a_hundred_at_five_isolates_are_all_answered_the_identical_pair() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let first = app.log_in("alice");
    let isolates: Vec<TestServer> = (0..5).map(|_| server.another_isolate()).collect();
    let requests = (0..100).map(|n| (&isolates[n % 5], app.refresh_request(first.refresh()))).collect();
    let responses = TestServer::send_everywhere(requests);
    let second = responses[0].tokens();
    assert!(responses.iter().all(|response| response.tokens() == second));

    assert_eq!(live_families(&server), 1);
    for isolate in &isolates {
        isolate.validate(&second.access_token).assert_status(200);
    }
    app.refresh(second.refresh()).tokens();
    app.refresh(first.refresh()).assert_error(400, "invalid_grant");
    assert_eq!(live_families(&server), 0);
}

#[test]
fn a_hundred_with_narrower_scopes_agree_as_well() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let first = app.log_in("alice");
    let scopes = ["read", "write", "groups", "read write"];
    let requests = (0..100).map(|n| {
        app.request(
            "/o/token/",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", first.refresh()),
                ("scope", scopes[n % scopes.len()]),
            ],
        )
    });
    let responses = server.send_all(requests.collect());
    let second = responses[0].tokens();
    assert!(responses.iter().all(|response| response.tokens() == second));
    assert_eq!(server.validate(&second.access_token).json()["scope"], second.scope.as_str());
}

#[test]
fn the_old_token_and_its_successor_never_lead_to_two_chains() {
    for offset in 0..4 {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let first = app.log_in("alice");
        let second = app.refresh(first.refresh()).tokens();
        let requests = (offset..offset + 20)
            .map(|n| app.refresh_request(if n % 4 == 0 { second.refresh() } else { first.refresh() }));
        let responses = server.send_all(requests.collect());
        for response in responses.iter().filter(|response| response.status() != 200) {
            response.assert_error(400, "invalid_grant");
        }
        let mut pairs: Vec<Tokens> =
            responses.iter().filter(|response| response.status() == 200).map(TestResponse::tokens).collect();
        pairs.retain(|pair| *pair != second);
        pairs.dedup();
        assert_eq!(pairs.len(), 1, "the successor led to one pair");
        assert_eq!(live_families(&server), 0, "the old token came after its successor");
    }
}

#[test]
fn a_refresh_never_survives_a_revocation() {
    // RFC 7009 §2.1
    for revoked_at in 0..6 {
        let server = TestServer::new();
        let app = server.public_application();
        server.user("alice");
        let first = app.log_in("alice");
        let mut requests: Vec<_> = (0..5).map(|_| app.refresh_request(first.refresh())).collect();
        requests.insert(revoked_at, app.request("/o/revoke_token/", &[("token", first.refresh())]));
        for (at, response) in server.send_all(requests).iter().enumerate() {
            match response.status() {
                200 if at == revoked_at => {}
                200 => {
                    let tokens = response.tokens();
                    server.assert_dead(&tokens.access_token);
                    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
                }
                _ => {
                    response.assert_error(400, "invalid_grant");
                }
            }
        }
    }
}
