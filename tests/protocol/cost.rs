//! What a request costs: the calls of D1 and KV, the rows written, the slow hashes and the lines of the log.

use http::Method;
use serde_json::json;

use crate::oauth1::exchange;
use crate::support::oauth1::SigningClient;
use crate::support::{
    AuthorizationRequest, CALLBACK, Landing, PASSWORD, TestClient, TestResponse, TestServer, request,
};

#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    d1: u64,
    rows_written: u64,
    kv_reads: u64,
    kv_writes: u64,
    hashes: u64,
    log_lines: u64,
}

const NOTHING: Cost = Cost { d1: 0, rows_written: 0, kv_reads: 0, kv_writes: 0, hashes: 0, log_lines: 0 };

/// What `act` costs at this isolate.
fn cost_of(server: &TestServer, act: impl FnOnce()) -> Cost {
    let so_far = || Cost {
        d1: server.db.round_trips.get(),
        rows_written: server.db.rows_written.get(),
        kv_reads: server.kv.reads.get(),
        kv_writes: server.kv.writes.get(),
        hashes: server.app.settings.password_hasher.count(),
        log_lines: server.log().len() as u64,
    };
    let before = so_far();
    act();
    let after = so_far();
    Cost {
        d1: after.d1 - before.d1,
        rows_written: after.rows_written - before.rows_written,
        kv_reads: after.kv_reads - before.kv_reads,
        kv_writes: after.kv_writes - before.kv_writes,
        hashes: after.hashes - before.hashes,
        log_lines: after.log_lines - before.log_lines,
    }
}

fn bearer(server: &TestServer, token: &str, status: u16) {
    server.validate(token).assert_status(status);
}

#[test]
fn validating_a_token_that_the_isolate_knows_costs_nothing() {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    bearer(&server, &token, 200);
    assert_eq!(cost_of(&server, || bearer(&server, &token, 200)), NOTHING);
}

#[test]
fn validating_a_token_that_kv_knows_costs_one_bulk_read() {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    let elsewhere = server.another_isolate();
    assert_eq!(cost_of(&elsewhere, || bearer(&elsewhere, &token, 200)), Cost { kv_reads: 1, ..NOTHING });
}

#[test]
fn validating_a_token_that_only_the_database_knows_costs_one_read_of_each_and_puts_it_into_kv() {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    server.kv.clear();
    let elsewhere = server.another_isolate();
    let expected = Cost { d1: 1, kv_reads: 1, kv_writes: 1, ..NOTHING };
    assert_eq!(cost_of(&elsewhere, || bearer(&elsewhere, &token, 200)), expected);
}

#[test]
fn refusing_a_made_up_token_costs_nothing_not_even_a_line() {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    for made_up in ["", "x", &token[..token.len() - 1], &format!("{}A", &token[..token.len() - 1])] {
        let act = || assert!([400, 401].contains(&server.validate(made_up).status()));
        assert_eq!(cost_of(&server, act), NOTHING, "{made_up}");
    }
    let challenge = || {
        server.send(request(Method::GET, "/validate/", &[], "")).assert_status(401);
    };
    assert_eq!(cost_of(&server, challenge), NOTHING);
}

#[test]
fn introspection_costs_one_read() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.confidential_application();
    let token = app.log_in("alice").access_token;
    let introspect = || {
        app.introspect(&token).assert_status(200);
    };
    assert_eq!(cost_of(&server, introspect), Cost { d1: 1, ..NOTHING });
}

#[test]
fn client_credentials_cost_one_write_and_one_of_kv_after_the_answer() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    server.kv.delays_late_writes.set(true);
    let issue = || {
        app.client_credentials().tokens();
    };
    assert_eq!(cost_of(&server, issue), Cost { d1: 1, rows_written: 1, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
}

#[test]
fn a_login_costs_two_round_trips_one_slow_hash_and_one_write_of_kv_after_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.confidential_application();
    app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    let log_in = || {
        app.log_in("alice");
    };
    // The family, the user's last login and the event; the account's count, up and down.
    assert_eq!(cost_of(&server, log_in), Cost { d1: 2, rows_written: 5, hashes: 1, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
}

#[test]
fn a_wrong_password_costs_what_a_right_one_does_but_the_writing() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    app.log_in("alice");
    for (username, password) in [("alice", "wrong"), ("nobody", PASSWORD)] {
        let guess = || {
            app.password(username, password).assert_error(400, "invalid_grant");
        };
        let expected = Cost { d1: 2, rows_written: 1, hashes: 1, log_lines: 1, ..NOTHING };
        assert_eq!(cost_of(&server, guess), expected);
    }
}

#[test]
fn a_refresh_costs_one_round_trip_and_one_write_of_kv_after_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    let refresh = || {
        app.refresh(tokens.refresh()).tokens();
    };
    assert_eq!(cost_of(&server, refresh), Cost { d1: 1, rows_written: 1, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
}

#[test]
fn a_revocation_costs_one_round_trip_and_one_write_of_kv_before_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    server.kv.delays_late_writes.set(true);
    let revoke = || {
        app.revoke(tokens.refresh()).assert_status(200);
    };
    assert_eq!(cost_of(&server, revoke), Cost { d1: 1, rows_written: 2, kv_writes: 1, ..NOTHING });
}

#[test]
fn what_ends_by_a_bearer_token_costs_one_round_trip_to_look_and_one_to_end_it() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let log_in = || app.exchange(&browser.code(&app.authorization())).tokens().access_token;
    let end = |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = json!({"client_id": app.client_id}).to_string();
        server.send(request(Method::POST, path, &headers, &body)).status()
    };
    // What has ended, and the event; and the grant that goes on, if something was agreed to.
    for (path, rows_written, kv_writes) in [
        ("/auth/revoke-token/", 2, 1),
        ("/auth/invalidate-sessions/", 3, 1),
        ("/auth/invalidate-refresh-tokens/", 2, 0),
    ] {
        let token = log_in();
        server.kv.delays_late_writes.set(true);
        let act = || assert_eq!(end(path, &token), 204);
        assert_eq!(cost_of(&server, act), Cost { d1: 2, rows_written, kv_writes, ..NOTHING }, "{path}");
        let repeat = || assert_eq!(end(path, &token), if kv_writes == 0 { 204 } else { 401 });
        let expected = match kv_writes {
            0 => Cost { d1: 2, ..NOTHING },
            _ => Cost { d1: 1, log_lines: 1, ..NOTHING },
        };
        assert_eq!(cost_of(&server, repeat), expected, "{path}");
        server.kv.delays_late_writes.set(false);
        server.kv.deliver();
    }
    let made_up = || assert_eq!(end("/auth/invalidate-sessions/", "pst_at_x"), 401);
    assert_eq!(cost_of(&server, made_up), NOTHING);
}

#[test]
fn a_sign_up_costs_one_round_trip_to_count_and_one_to_store_and_one_slow_hash() {
    let server = TestServer::new();
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    let sign_up = |address: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], address].concat();
        server.send(request(Method::POST, "/sign_up/", &headers, &body));
    };
    let address = [("cf-connecting-ip", "192.0.2.1")];
    let expected = Cost { d1: 2, rows_written: 3, hashes: 1, ..NOTHING };
    assert_eq!(cost_of(&server, || sign_up(&address)), expected);
}

#[test]
fn a_login_page_for_a_browser_without_cookies_costs_nothing() {
    let server = TestServer::new();
    let app = server.code_application();
    let elsewhere = server.another_isolate();
    for path in ["/accounts/login/", "/accounts/signup/", "/accounts/login/?next=/account/", "/"] {
        let get = || {
            elsewhere.get(path).assert_status(200);
        };
        assert_eq!(cost_of(&elsewhere, get), NOTHING, "{path}");
    }
    // On the way to an application it has to name where that is: asked for once in a while.
    let next = crate::support::percent_encode(&app.authorization().path());
    for d1 in [1, 0] {
        let get = || {
            elsewhere.get(&format!("/accounts/login/?next={next}")).assert_status(200);
        };
        assert_eq!(cost_of(&elsewhere, get), Cost { d1, ..NOTHING });
    }
}

#[test]
fn a_login_by_the_page_costs_two_round_trips_and_one_slow_hash() {
    let server = TestServer::new();
    server.user("alice");
    let browser = server.browser();
    let page = browser.get("/accounts/login/");
    let typed = [("username", "alice"), ("password", PASSWORD)];
    let log_in = |page: &TestResponse| {
        browser.submit_once(page, &typed).assert_status(303);
    };
    // The session, the user's last login and the event; the account's count, up and down.
    let expected = Cost { d1: 2, rows_written: 5, hashes: 1, ..NOTHING };
    assert_eq!(cost_of(&server, || log_in(&page)), expected);
    // In place of another one, that one goes.
    let page = browser.get("/accounts/login/");
    assert_eq!(cost_of(&server, || log_in(&page)), Cost { rows_written: 6, ..expected });
}

#[test]
fn a_wrong_password_on_the_page_costs_two_round_trips_and_one_slow_hash() {
    let server = TestServer::new();
    server.user("alice");
    let browser = server.browser();
    let page = browser.get("/accounts/login/");
    for typed in
        [[("username", "alice"), ("password", "wrong")], [("username", "nobody"), ("password", PASSWORD)]]
    {
        let guess = || {
            browser.submit_once(&page, &typed).assert_status(400);
        };
        assert_eq!(
            cost_of(&server, guess),
            Cost { d1: 2, rows_written: 1, hashes: 1, log_lines: 1, ..NOTHING }
        );
    }
    // A form that is none of ours costs nothing but a line.
    let forged = || {
        server
            .browser()
            .post("/accounts/login/", &[("username", "alice"), ("password", PASSWORD)])
            .assert_status(403);
    };
    assert_eq!(cost_of(&server, forged), Cost { log_lines: 1, ..NOTHING });
}

#[test]
fn an_authorization_costs_one_round_trip_to_look_and_one_to_store() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let look = || {
        browser.get(&app.authorization().path()).assert_status(303);
    };
    assert_eq!(cost_of(&server, look), Cost { d1: 1, ..NOTHING });
    browser.log_in("alice");
    let page = browser.get(&app.authorization().path());
    let ask = || {
        browser.get(&app.authorization().path()).assert_status(200);
    };
    assert_eq!(cost_of(&server, ask), Cost { d1: 1, ..NOTHING });
    let allow = || {
        Landing::of(&browser.submit_once(&page, &[("decision", "allow")])).get("code");
    };
    // The grant, the event, and the code.
    assert_eq!(cost_of(&server, allow), Cost { d1: 2, rows_written: 3, ..NOTHING });
    let remembered = || {
        Landing::of(&browser.get(&app.authorization().path())).get("code");
    };
    for _ in 0..3 {
        assert_eq!(cost_of(&server, remembered), Cost { d1: 2, rows_written: 1, ..NOTHING });
    }
    // Once a minute it is noted that the session is in use; the codes of before have expired, and are cleared away.
    server.advance(60);
    assert_eq!(cost_of(&server, remembered), Cost { d1: 2, rows_written: 2 + 4, ..NOTHING });
}

#[test]
fn an_exchange_of_a_code_costs_two_round_trips_and_one_write_of_kv_after_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let code = browser.code(&app.authorization());
    app.exchange(&browser.code(&app.authorization())).tokens();
    server.kv.delays_late_writes.set(true);
    let exchange = || {
        app.exchange(&code).tokens();
    };
    // The code, the family, the user's last login and the event.
    assert_eq!(cost_of(&server, exchange), Cost { d1: 2, rows_written: 4, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
    let replay = || {
        app.exchange(&code).assert_error(400, "invalid_grant");
    };
    // The family and the event; the mark, before the answer.
    let expected = Cost { d1: 2, rows_written: 2, kv_writes: 1, log_lines: 1, ..NOTHING };
    assert_eq!(cost_of(&server, replay), expected);
    // Whoever goes on with it makes no more writes of it.
    assert_eq!(cost_of(&server, replay), Cost { d1: 2, log_lines: 1, ..NOTHING });
    // What is no code of ours is not even looked for.
    let tampered = || {
        app.exchange(&format!("{}A", &code[..code.len() - 1])).assert_error(400, "invalid_grant");
    };
    assert_eq!(cost_of(&server, tampered), Cost { log_lines: 1, ..NOTHING });
}

#[test]
fn a_token_by_the_authorization_endpoint_costs_two_round_trips_and_one_write_of_kv_after_the_answer() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.application().public().grants(&["implicit"]).redirect_uri(CALLBACK).create();
    let browser = server.browser();
    browser.log_in("alice");
    let request = AuthorizationRequest::for_token(&app.client_id);
    browser.authorize(&request);
    server.kv.delays_late_writes.set(true);
    let issue = || {
        Landing::of(&browser.get(&request.path())).get("access_token");
    };
    // The family, the user's last login and the event.
    assert_eq!(cost_of(&server, issue), Cost { d1: 2, rows_written: 3, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
}

/// An application that does all of OAuth 1.0a, signing with a token of `alice`.
fn signing(server: &TestServer) -> (TestClient<'_>, SigningClient<'_>) {
    server.user("alice");
    let grants = ["oauth1", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"];
    let app = server.application().grants(&grants).set("xauth_allowed", json!(true)).create();
    let client = SigningClient::of(&app, server);
    let client = client.with_token(&client.xauth("alice", PASSWORD).credentials());
    (app, client)
}

#[test]
fn validating_a_signed_request_costs_one_round_trip_where_application_and_token_are_known() {
    let server = TestServer::new();
    let (_, client) = signing(&server);
    let validate = |client: &SigningClient<'_>| {
        client.validate().assert_status(200);
    };
    // The nonce.
    let warm = Cost { d1: 1, rows_written: 1, ..NOTHING };
    for _ in 0..3 {
        assert_eq!(cost_of(&server, || validate(&client)), warm);
    }
    // Elsewhere the application and the token's secret are read first.
    let elsewhere = server.another_isolate();
    let there = client.at(&elsewhere);
    assert_eq!(cost_of(&elsewhere, || validate(&there)), Cost { d1: 3, rows_written: 1, ..NOTHING });
    assert_eq!(cost_of(&elsewhere, || validate(&there)), warm);
    // The six nonces so far have expired: four at a time are cleared away, and the application is read anew.
    server.advance(700);
    for (d1, rows_written) in [(2, 1 + 4), (1, 1 + 2), (1, 1)] {
        assert_eq!(cost_of(&elsewhere, || validate(&there)), Cost { d1, rows_written, ..NOTHING });
    }
}

#[test]
fn refusing_a_signed_request_writes_nothing_but_a_line() {
    let server = TestServer::new();
    let (_, client) = signing(&server);
    let refused = |d1| Cost { d1, log_lines: 1, ..NOTHING };
    let mut wrong = client.clone();
    wrong.consumer_secret = "wrong".to_owned();
    let refuse = || {
        wrong.validate().assert_signed_error(401, "invalid_token");
    };
    assert_eq!(cost_of(&server, refuse), refused(1));
    let unsigned = || client.unsigned("GET", "https://api.example/photos");
    let refuse = || {
        let stale = unsigned().oauth("oauth_timestamp", "1700000000").forwarded("");
        server.send(stale).assert_signed_error(401, "invalid_token");
    };
    assert_eq!(cost_of(&server, refuse), refused(0));
    let repeated = unsigned().forwarded("");
    server.send(repeated.clone()).assert_status(200);
    // That the registration is still the same, the batch of the nonce has said.
    let refuse = || {
        server.send(repeated).assert_signed_error(401, "invalid_token");
    };
    assert_eq!(cost_of(&server, refuse), refused(1));
}

#[test]
fn the_legs_of_oauth1_cost_a_round_trip_each_beside_that_of_the_nonce() {
    let server = TestServer::new();
    let (_, client) = signing(&server);
    let alone = client.alone();
    let ask = || {
        alone.request_token("oob").credentials();
    };
    // The nonce, and the request token.
    assert_eq!(cost_of(&server, ask), Cost { d1: 2, rows_written: 2, ..NOTHING });
    let temporary = alone.request_token("oob").credentials();
    let verifier = alone.approve(&temporary, "alice");
    let client = alone.with_token(&temporary);
    let exchange = || {
        client.access_token(&verifier).credentials();
    };
    // The request token is found; the nonce; it goes, for the family, the user's last login and the event.
    assert_eq!(cost_of(&server, exchange), Cost { d1: 3, rows_written: 1 + 4, ..NOTHING });
}

#[test]
fn xauth_costs_three_round_trips_and_one_slow_hash() {
    let server = TestServer::new();
    let (_, client) = signing(&server);
    let alone = client.alone();
    let log_in = || {
        alone.xauth("alice", PASSWORD).credentials();
    };
    // The nonce; the account's count, up and down; the family, the user's last login and the event.
    assert_eq!(cost_of(&server, log_in), Cost { d1: 3, rows_written: 1 + 5, hashes: 1, ..NOTHING });
    for (username, password) in [("alice", "wrong"), ("nobody", PASSWORD)] {
        let guess = || {
            alone.xauth(username, password).assert_status(400);
        };
        let expected = Cost { d1: 3, rows_written: 1 + 1, hashes: 1, log_lines: 1, ..NOTHING };
        assert_eq!(cost_of(&server, guess), expected);
    }
    // Whose signature is wrong gets no hash out of us.
    let mut wrong = alone.clone();
    wrong.consumer_secret = "wrong".to_owned();
    let forged = || {
        wrong.xauth("alice", PASSWORD).assert_status(401);
    };
    assert_eq!(cost_of(&server, forged), Cost { d1: 1, log_lines: 1, ..NOTHING });
}

#[test]
fn an_exchange_for_oauth2_costs_one_round_trip_and_one_write_of_kv_after_the_answer() {
    let server = TestServer::new();
    let (app, client) = signing(&server);
    server.kv.delays_late_writes.set(true);
    let exchange = || {
        exchange(&app, &client, &[]).tokens();
    };
    assert_eq!(cost_of(&server, exchange), Cost { d1: 1, rows_written: 1, ..NOTHING });
    assert_eq!(cost_of(&server, || server.kv.deliver()), Cost { kv_writes: 1, ..NOTHING });
}
