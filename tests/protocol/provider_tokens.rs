//! Providers' tokens for calls in a user's name: `/admin/api/users/{username}/social/{backend}/token`.

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use crate::support::{Meddle, Meddling, TestResponse, TestServer, admin_request, request};

const SETTINGS: &[(&str, &str)] = &[
    (
        "SOCIAL_AUTH_PROVIDERS",
        r#"{"acme": {"kind": "oauth2", "client_id": "c", "client_secret": "ACME_SECRET",
            "authorization_endpoint": "https://acme.example/authorize", "token_endpoint": "https://acme.example/token",
            "userinfo_endpoint": "https://acme.example/me"}}"#,
    ),
    ("ACME_SECRET", "s"),
];
const TOKEN: &str = "POST https://acme.example/token";
const ME: &str = "GET https://acme.example/me";
const PATH: &str = "users/mona/social/acme/token";

/// Mona logs in by a code that buys these tokens, and is a user after that.
fn log_in(server: &TestServer, uid: &str, tokens: Value) {
    server.providers.answer(TOKEN, 200, &tokens);
    server.providers.answer(ME, 200, &json!({"id": uid, "username": "mona"}));
    server.send(log_in_request(server)).assert_status(200);
    server.providers.take_urls();
}

fn log_in_request(server: &TestServer) -> Request {
    let _ = server.admin(
        "POST",
        "applications",
        json!({
            "client_id": "front", "client_type": "public", "grant_types": ["convert_token"],
        }),
    );
    let body = json!({
        "grant_type": "convert_token", "backend": "acme", "code": "a-code", "client_id": "front",
        "redirect_uri": "https://app.example/cb",
    });
    let headers = [("content-type", "application/json")];
    request(Method::POST, "/auth/convert-token/", &headers, &body.to_string())
}

/// Mona's tokens are good for a minute more than they are refreshed before.
fn server() -> TestServer {
    let server = TestServer::with(SETTINGS);
    log_in(
        &server,
        "7",
        json!({"access_token": "old-access", "refresh_token": "old-refresh", "expires_in": 120, "scope": "repo"}),
    );
    server
}

fn read(server: &TestServer) -> TestResponse {
    server.admin("GET", PATH, Value::Null)
}

fn refreshed(server: &TestServer) {
    let tokens = json!({"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 3600});
    server.providers.answer(TOKEN, 200, &tokens);
}

#[track_caller]
fn assert_token(response: &TestResponse, token: &str) {
    response.assert_status(200);
    assert_eq!(response.json()["access_token"], token);
}

/// With the refresh token that the provider got, if it was asked.
fn forms_sent(server: &TestServer) -> Vec<String> {
    server.providers.take_asked().into_iter().map(|request| request.body.unwrap_or_default()).collect()
}

#[test]
fn a_good_token_is_handed_over_as_it_is() {
    let server = server();
    let response = read(&server);
    response.assert_status(200);
    assert_eq!(
        response.json(),
        json!({"access_token": "old-access", "token_type": "Bearer", "expires_at": server.now() + 120, "scope": "repo"})
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    // What expires in 61 seconds is good enough.
    server.advance(59);
    assert_token(&read(&server), "old-access");
    assert!(server.providers.take_asked().is_empty());
}

#[test]
fn what_never_expires_is_not_refreshed() {
    let server = TestServer::with(SETTINGS);
    log_in(&server, "7", json!({"access_token": "for-ever", "refresh_token": "r"}));
    server.advance(1_000_000_000);
    let response = read(&server);
    response.assert_status(200);
    assert_eq!(
        response.json(),
        json!({"access_token": "for-ever", "token_type": "Bearer", "expires_at": null, "scope": null})
    );
    assert!(server.providers.take_asked().is_empty());
}

#[test]
fn it_is_for_the_operator_alone() {
    let server = server();
    server.get(&format!("/admin/api/{PATH}")).assert_error(401, "invalid_token");
    let headers = [("authorization", "Bearer guessed")];
    let response = server.send(request(Method::GET, &format!("/admin/api/{PATH}"), &headers, ""));
    assert!(!response.assert_error(401, "invalid_token").text().contains("old-access"));
}

#[test]
fn where_there_is_none_it_is_not_found() {
    let server = server();
    for path in ["users/nobody/social/acme/token", "users/mona/social/github/token"] {
        server.admin("GET", path, Value::Null).assert_error(404, "not_found");
    }
    server.db.execute("UPDATE social_accounts SET tokens = NULL");
    read(&server).assert_error(404, "not_found");
    server.db.execute("UPDATE social_accounts SET tokens = '9.AAAA'");
    read(&server).assert_error(404, "not_found");
    assert!(server.log().iter().any(|line| line["event"] == "tokens_unreadable"), "{:?}", server.log());
}

#[test]
fn of_several_accounts_it_is_that_of_the_one_used_last() {
    let server = server();
    server.advance(10);
    log_in(&server, "8", json!({"access_token": "other-access"}));
    server.db.execute("UPDATE social_accounts SET user_id = (SELECT id FROM users WHERE username = 'mona')");
    assert_token(&read(&server), "other-access");
    server.db.execute("UPDATE social_accounts SET last_used_at = last_used_at + 100 WHERE uid = '7'");
    assert_token(&read(&server), "old-access");
}

#[test]
fn what_is_about_to_expire_is_refreshed_first() {
    let server = server();
    refreshed(&server);
    server.advance(60);
    let response = read(&server);
    assert_eq!(
        response.json(),
        json!({"access_token": "new-access", "token_type": "Bearer", "expires_at": server.now() + 3600, "scope": "repo"})
    );
    let sent = forms_sent(&server);
    assert_eq!(sent, ["grant_type=refresh_token&refresh_token=old-refresh"]);
    // It is stored, with the next refresh token, and the lease is free.
    assert_token(&read(&server.another_isolate()), "new-access");
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts WHERE lease_until IS NULL"), 1);
    server.advance(3600);
    read(&server);
    assert!(forms_sent(&server)[0].contains("refresh_token=new-refresh"));
    assert!(!format!("{:?}{}", server.log(), server.db.dump()).contains("-access"));
    assert!(!format!("{:?}{}", server.log(), server.db.dump()).contains("-refresh"));
}

#[test]
fn the_old_refresh_token_stays_where_no_new_one_comes() {
    // RFC 6749 §6
    let server = server();
    server.providers.answer(TOKEN, 200, &json!({"access_token": "new-access", "expires_in": 60}));
    for _ in 0..3 {
        server.advance(120);
        assert_token(&read(&server), "new-access");
        assert!(forms_sent(&server)[0].contains("refresh_token=old-refresh"));
    }
}

#[test]
fn of_twenty_requests_at_once_at_several_isolates_one_refreshes() {
    for (later, others) in [(60, 200), (120, 503)] {
        let server = server();
        server.advance(later);
        let isolates: Vec<TestServer> = (0..4).map(|_| server.another_isolate()).collect();
        isolates.iter().for_each(refreshed);
        let requests = (0..20).map(|n| (&isolates[n % 4], admin_request("GET", PATH, Value::Null))).collect();
        let responses = TestServer::send_everywhere(requests);
        let new = |response: &&TestResponse| response.text().contains("new-access");
        assert_eq!(responses.iter().filter(new).count(), 1);
        for response in responses.iter().filter(|response| !new(response)) {
            match others {
                200 => assert_token(response, "old-access"),
                _ => drop(response.assert_error(503, "temporarily_unavailable")),
            }
        }
        assert_eq!(isolates.iter().map(|isolate| forms_sent(isolate).len()).sum::<usize>(), 1);
        assert_token(&read(&server), "new-access");
    }
}

#[test]
fn if_the_lease_holder_dies_the_next_one_refreshes_after_15_seconds() {
    let server = server();
    server.advance(60);
    refreshed(&server);
    // The lease is taken, and nothing comes after that.
    let dying = Meddling::isolate(&server, 1, Meddle::LoseAnswer);
    dying.admin("GET", PATH, Value::Null).assert_error(503, "temporarily_unavailable");
    assert_token(&read(&server), "old-access");
    server.advance(14);
    assert_token(&read(&server), "old-access");
    assert!(server.providers.take_asked().is_empty());
    server.advance(1);
    assert_token(&read(&server), "new-access");
}

#[test]
fn while_the_lease_holder_is_dead_an_expired_token_is_not_handed_over() {
    let server = server();
    server.advance(120);
    refreshed(&server);
    let dying = Meddling::isolate(&server, 1, Meddle::LoseAnswer);
    dying.admin("GET", PATH, Value::Null).assert_error(503, "temporarily_unavailable");
    read(&server).assert_error(503, "temporarily_unavailable");
    server.advance(15);
    assert_token(&read(&server), "new-access");
}

#[test]
fn storage_that_fails_at_any_call_loses_no_tokens() {
    for what in [|| Meddle::Refuse, || Meddle::LoseAnswer] {
        for call in 0..3 {
            let server = server();
            server.advance(120);
            let isolate = Meddling::isolate(&server, call, what());
            refreshed(&isolate);
            let response = isolate.admin("GET", PATH, Value::Null);
            let asked = isolate.providers.take_asked().len();
            match call {
                // The provider has not been asked: its refresh token is as it was.
                0 | 1 => {
                    response.assert_error(503, "temporarily_unavailable");
                    assert_eq!(asked, 0);
                }
                // It has: what it gave is stored in the end.
                _ => assert_token(&response, "new-access"),
            }
            server.advance(15);
            refreshed(&server);
            assert_token(&read(&server), "new-access");
            assert_eq!(asked + server.providers.take_asked().len(), 1, "call {call}");
        }
    }
}

#[test]
fn a_login_in_between_is_not_overwritten() {
    // Before the lease is taken: the token that was read is still good. While the provider is asked: it is read anew.
    for (call, answered) in [(1, "old-access"), (2, "login-access")] {
        let server = server();
        server.advance(60);
        let other = server.another_isolate();
        let tokens =
            json!({"access_token": "login-access", "refresh_token": "login-refresh", "expires_in": 900});
        other.providers.answer(TOKEN, 200, &tokens);
        other.providers.answer(ME, 200, &json!({"id": "7", "username": "mona"}));
        let login = log_in_request(&other);
        let isolate = Meddling::isolate(&server, call, Meddle::After(vec![(other, login)]));
        refreshed(&isolate);
        assert_token(&isolate.admin("GET", PATH, Value::Null), answered);
        assert_token(&read(&server), "login-access");
        assert_eq!(isolate.providers.take_asked().len(), call - 1);
        assert_eq!(server.db.number("SELECT count(*) FROM social_accounts WHERE lease_until IS NULL"), 1);
    }
}

#[test]
fn a_login_without_a_refresh_token_does_not_bring_back_the_one_that_was_replaced() {
    // Providers that rotate refresh tokens take a replaced one for a theft (RFC 9700 §4.14.2).
    let server = server();
    server.advance(60);
    let other = server.another_isolate();
    other.providers.answer(TOKEN, 200, &json!({"access_token": "login-access", "expires_in": 900}));
    other.providers.answer(ME, 200, &json!({"id": "7", "username": "mona"}));
    let login = log_in_request(&other);
    let isolate = Meddling::isolate(&server, 2, Meddle::After(vec![(other, login)]));
    refreshed(&isolate);
    assert_token(&isolate.admin("GET", PATH, Value::Null), "login-access");
    assert_token(&read(&server), "login-access");
    forms_sent(&server);
    server.advance(900);
    refreshed(&server);
    assert_token(&read(&server), "new-access");
    let forms = forms_sent(&server);
    assert!(forms.len() == 1 && forms[0].contains("refresh_token=new-refresh"), "{forms:?}");
}

#[test]
fn a_login_while_the_old_refresh_token_is_refused_counts() {
    let server = server();
    server.advance(120);
    let other = server.another_isolate();
    other.providers.answer(TOKEN, 200, &json!({"access_token": "login-access", "expires_in": 900}));
    other.providers.answer(ME, 200, &json!({"id": "7", "username": "mona"}));
    let login = log_in_request(&other);
    let isolate = Meddling::isolate(&server, 2, Meddle::After(vec![(other, login)]));
    isolate.providers.answer(TOKEN, 400, &json!({"error": "invalid_grant"}));
    assert_token(&isolate.admin("GET", PATH, Value::Null), "login-access");
}

#[test]
fn an_account_unlinked_in_between_stays_so() {
    let server = server();
    server.advance(60);
    let isolate = Meddling::isolate(&server, 2, Meddle::AfterSql("DELETE FROM social_accounts"));
    refreshed(&isolate);
    isolate.admin("GET", PATH, Value::Null).assert_error(404, "not_found");
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts"), 0);
}

#[test]
fn who_is_refused_by_the_provider_has_to_log_in_again() {
    for (status, body) in [
        (400, json!({"error": "invalid_grant"})),
        (401, json!({})),
        (200, json!({"error": "bad_refresh_token"})),
    ] {
        let server = server();
        server.providers.answer(TOKEN, status, &body);
        server.advance(60);
        assert_token(&read(&server), "old-access");
        server.advance(60);
        let response = read(&server);
        response.assert_error(400, "invalid_grant");
        assert_eq!(
            response.json()["error_description"],
            "the provider no longer takes the refresh token: the user has to log in by it again"
        );
        // The lease was free each time.
        assert_eq!(server.providers.take_asked().len(), 2);
        log_in(&server, "7", json!({"access_token": "login-access", "expires_in": 900}));
        assert_token(&read(&server), "login-access");
    }
}

#[test]
fn without_a_refresh_token_or_a_provider_it_is_good_until_it_expires() {
    let server = TestServer::with(SETTINGS);
    log_in(&server, "7", json!({"access_token": "old-access", "expires_in": 120}));
    let gone = self::server();
    for server in [server, gone.another_isolate_with(&[("SOCIAL_AUTH_PROVIDERS", "{}")])] {
        server.advance(119);
        assert_token(&read(&server), "old-access");
        server.advance(1);
        read(&server).assert_error(400, "invalid_grant");
        assert!(server.providers.take_asked().is_empty());
    }
}

#[test]
fn a_provider_that_is_down_is_asked_once_in_15_seconds() {
    for down in [None, Some(500), Some(429), Some(302)] {
        let server = server();
        match down {
            Some(status) => server.providers.answer(TOKEN, status, &json!({})),
            None => server.providers.time_out(TOKEN),
        }
        server.advance(119);
        assert_token(&read(&server), "old-access");
        server.advance(1);
        read(&server.another_isolate()).assert_error(503, "temporarily_unavailable");
        assert_eq!(server.providers.take_asked().len(), 1);
        server.advance(14);
        let response = read(&server);
        response.assert_error(503, "temporarily_unavailable");
        assert_eq!(response.header("retry-after"), Some("10"));
        refreshed(&server);
        server.advance(15);
        assert_token(&read(&server), "new-access");
    }
}

#[test]
fn a_token_that_is_good_costs_one_round_trip() {
    let server = server();
    let isolate = Meddling::isolate(&server, 1, Meddle::Refuse);
    assert_token(&isolate.admin("GET", PATH, Value::Null), "old-access");
}

/// A later setting, which still accepts what the first key made.
const ROTATED: &str =
    "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8,1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// And the one after that, which does not.
const LAST: &str = "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

/// Steps until there is none left: how many rows were sealed anew, how many could not be read, and how many steps it took.
fn reencrypt(server: &TestServer) -> (u64, u64, usize) {
    let (mut reencrypted, mut unreadable, mut cursor) = (0, 0, Value::Null);
    for steps in 1.. {
        let response = server.admin("POST", "reencrypt", json!({"cursor": cursor}));
        let step = response.assert_status(200).json();
        reencrypted += step["reencrypted"].as_u64().unwrap();
        unreadable += step["unreadable"].as_u64().unwrap();
        cursor = step["next_cursor"].clone();
        if cursor.is_null() {
            return (reencrypted, unreadable, steps);
        }
    }
    unreachable!()
}

/// So many people besides Mona, whose accounts are of the same provider.
fn crowd(server: &TestServer, count: usize) {
    for n in 0..count {
        let tokens = json!({"access_token": format!("access-{n}"), "refresh_token": "r"});
        server.providers.answer(TOKEN, 200, &tokens);
        let person = json!({"id": format!("person-{n}"), "username": format!("person-{n}")});
        server.providers.answer(ME, 200, &person);
        server.send(log_in_request(server)).assert_status(200);
    }
    server.providers.take_asked();
}

#[track_caller]
fn assert_all_open(server: &TestServer, count: usize) {
    assert_token(&read(server), "old-access");
    for n in 0..count {
        let path = format!("users/person-{n}/social/acme/token");
        assert_token(&server.admin("GET", &path, Value::Null), &format!("access-{n}"));
    }
}

const SEALED_BY_1: &str = "SELECT count(*) FROM social_accounts WHERE tokens LIKE '1.%'";

#[test]
fn after_a_rotation_and_reencryption_the_old_key_can_go() {
    let server = server();
    crowd(&server, 120);
    server.db.execute("UPDATE social_accounts SET tokens = NULL WHERE uid = 'person-119'");
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    assert_all_open(&rotated, 119);
    assert_eq!(server.db.number(SEALED_BY_1), 120);
    assert_eq!(reencrypt(&rotated), (120, 0, 3));
    assert_eq!(server.db.number(SEALED_BY_1), 0);
    assert_all_open(&rotated, 119);
    assert_all_open(&server.another_isolate_with(&[("MASTER_KEY", LAST)]), 119);
    // Again there is nothing to do.
    assert_eq!(reencrypt(&rotated), (0, 0, 3));
}

#[test]
fn without_a_rotation_nothing_is_reencrypted() {
    let server = server();
    let before = server.db.text("SELECT tokens FROM social_accounts");
    assert_eq!(reencrypt(&server), (0, 0, 1));
    assert_eq!(server.db.text("SELECT tokens FROM social_accounts"), before);
}

#[test]
fn a_step_is_bounded_and_needs_no_body() {
    let server = server();
    crowd(&server, 60);
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    let step = rotated.admin("POST", "reencrypt", Value::Null).json();
    assert_eq!((&step["reencrypted"], &step["unreadable"]), (&json!(50), &json!(0)));
    assert_eq!(server.db.number(SEALED_BY_1), 11);
    let cursor = step["next_cursor"].as_str().unwrap();
    let last = server.db.text("SELECT id FROM social_accounts ORDER BY id LIMIT 1 OFFSET 49");
    assert_eq!(cursor, format!("social_accounts.{last}"));
}

#[test]
fn reencryption_that_is_broken_off_goes_on_and_loses_nothing() {
    // At each call of two steps, before and after it is carried out: the first one reads one table, the other all four.
    for what in [|| Meddle::Refuse, || Meddle::LoseAnswer] {
        for call in 0..7 {
            let server = server();
            crowd(&server, 60);
            let mut isolate = Meddling::isolate(&server, call, what());
            isolate.app.settings = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]).app.settings;
            let mut cursor = Value::Null;
            let failed = (0..2).find(|_| {
                let response = isolate.admin("POST", "reencrypt", json!({"cursor": cursor}));
                cursor = response.json()["next_cursor"].clone();
                response.status() == 503
            });
            assert_eq!(failed, Some(usize::from(call > 1)));
            let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
            assert_all_open(&rotated, 60);
            let (left, _, _) = reencrypt(&rotated);
            assert!(left <= 61);
            assert_all_open(&server.another_isolate_with(&[("MASTER_KEY", LAST)]), 60);
        }
    }
}

#[test]
fn what_no_key_opens_is_counted_and_left_alone() {
    let server = server();
    crowd(&server, 2);
    server.db.execute("UPDATE social_accounts SET tokens = '9.AAAA' WHERE uid = 'person-0'");
    // Sealed for another row.
    server.db.execute(
        "UPDATE social_accounts SET tokens = (SELECT tokens FROM social_accounts WHERE uid = '7') WHERE uid = 'person-1'",
    );
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    let before = server.db.text("SELECT tokens FROM social_accounts WHERE uid = 'person-1'");
    assert_eq!(reencrypt(&rotated), (1, 2, 1));
    assert_eq!(server.db.text("SELECT tokens FROM social_accounts WHERE uid = 'person-0'"), "9.AAAA");
    assert_eq!(server.db.text("SELECT tokens FROM social_accounts WHERE uid = 'person-1'"), before);
}

#[test]
fn a_login_during_reencryption_stays() {
    let server = server();
    let other = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    other.providers.answer(TOKEN, 200, &json!({"access_token": "login-access", "expires_in": 900}));
    other.providers.answer(ME, 200, &json!({"id": "7", "username": "mona"}));
    let login = log_in_request(&other);
    let mut isolate = Meddling::isolate(&server, 4, Meddle::After(vec![(other, login)]));
    isolate.app.settings = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]).app.settings;
    assert_eq!(reencrypt(&isolate), (0, 0, 1));
    assert_token(&read(&server.another_isolate_with(&[("MASTER_KEY", LAST)])), "login-access");
}

#[test]
fn what_a_refresh_brings_during_reencryption_is_not_lost() {
    let server = server();
    server.advance(60);
    let rotated = || server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    // While the provider is asked.
    let step = admin_request("POST", "reencrypt", Value::Null);
    let mut isolate = Meddling::isolate(&server, 2, Meddle::After(vec![(rotated(), step)]));
    isolate.app.settings = rotated().app.settings;
    refreshed(&isolate);
    assert_token(&isolate.admin("GET", PATH, Value::Null), "new-access");
    assert_token(&read(&server.another_isolate_with(&[("MASTER_KEY", LAST)])), "new-access");
    assert_eq!(server.db.number("SELECT count(*) FROM social_accounts WHERE lease_until IS NULL"), 1);
}

#[test]
fn only_the_operator_reencrypts_and_from_a_cursor_of_this_list() {
    let server = server();
    let form: [(&str, &str); 0] = [];
    server.post_form("/admin/api/reencrypt", &form).assert_error(401, "invalid_token");
    for cursor in
        [json!("nonsense"), json!(7), json!(""), json!("users."), json!("applications"), json!(".x")]
    {
        server.admin("POST", "reencrypt", json!({"cursor": cursor})).assert_fields(400, &["cursor"]);
    }
    server.admin("POST", "reencrypt", json!({"after": "x"})).assert_fields(400, &["after"]);
    server.admin("POST", "reencrypt", json!([])).assert_error(400, "invalid_request");
}
