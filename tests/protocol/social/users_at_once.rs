//! Logins by providers when several things happen at once, or the database does not answer; and what they cost.

use http::Method;
use serde_json::{Value, json};

use super::people::{
    assert_whole, by_code, by_token, is_at_chat, is_at_corporate, log_in, person, server, server_with,
};
use super::{count, create_user, user, users};
use crate::support::{Meddle, Meddling, TestServer, admin_request, request};

/// How somebody arrives.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    Known,
    ByEmail,
    New,
}

const ARRIVALS: [Arrival; 3] = [Arrival::Known, Arrival::ByEmail, Arrival::New];

/// A server to which ann comes in this way, with her address.
fn scene(arrival: Arrival) -> (TestServer, String) {
    let (server, app) = server();
    match arrival {
        Arrival::Known => drop(log_in(&person("1", "ann@p.example"), &app, &server)),
        Arrival::ByEmail => create_user(&server, "ann", "ann@p.example", true),
        Arrival::New => {}
    }
    (server, app)
}

#[test]
fn simultaneous_first_logins_make_one_user() {
    for by in [by_token, by_code] {
        let (server, app) = server();
        let isolates: Vec<TestServer> = (0..8).map(|_| server.another_isolate()).collect();
        let requests = isolates.iter().map(|isolate| {
            is_at_corporate(&person("1", "ann@p.example"), isolate);
            (isolate, by(&app, "corporate"))
        });
        for response in TestServer::send_everywhere(requests.collect()) {
            server.assert_good(&response.tokens().access_token);
        }
        assert_eq!((users(&server).len(), count(&server, "social_accounts")), (1, 1));
        assert_eq!((count(&server, "grants"), count(&server, "families")), (1, 8));
        let signed_up = "SELECT count(*) FROM audit_events WHERE action = 'signed_up'";
        assert_eq!(server.db.number(signed_up), 1);
        assert_whole(&server);
    }
}

#[test]
fn simultaneous_first_logins_of_people_who_want_one_name_make_two_users() {
    let (server, app) = server();
    let isolates: Vec<TestServer> = (0..4).map(|_| server.another_isolate()).collect();
    let requests = isolates.iter().enumerate().map(|(n, isolate)| {
        is_at_corporate(&json!({"sub": format!("{n}"), "preferred_username": "mona"}), isolate);
        (isolate, by_token(&app, "corporate"))
    });
    for response in TestServer::send_everywhere(requests.collect()) {
        response.tokens();
    }
    assert_eq!((users(&server).len(), count(&server, "social_accounts")), (4, 4));
    user(&server, "mona");
    assert_whole(&server);
}

#[test]
fn a_sign_up_at_the_same_time_takes_no_name_and_loses_none() {
    let (server, app) = server();
    let body = json!({"username": "mona", "password": crate::support::PASSWORD}).to_string();
    for call in 0..3 {
        let sign_up = request(Method::POST, "/sign_up/", &[("content-type", "application/json")], &body);
        let what = Meddle::After(vec![(server.another_isolate(), sign_up)]);
        let isolate = Meddling::isolate(&server, call, what);
        is_at_corporate(&json!({"sub": format!("{call}"), "preferred_username": "mona"}), &isolate);
        isolate.send(by_token(&app, "corporate")).tokens();
        assert_whole(&server);
        for user in users(&server) {
            let name = user["username"].as_str().unwrap();
            assert!(name.starts_with("mona"), "{name}");
            server.admin("DELETE", &format!("users/{name}"), Value::Null).assert_status(204);
        }
    }
}

#[test]
fn while_the_database_refuses_any_one_call_nothing_is_half_written_and_the_next_try_works() {
    for arrival in ARRIVALS {
        let mut call = 0;
        loop {
            let (server, app) = scene(arrival);
            let before = server.db.dump();
            let isolate = Meddling::isolate(&server, call, Meddle::Refuse);
            is_at_corporate(&person("1", "ann@p.example"), &isolate);
            let response = isolate.send(by_token(&app, "corporate"));
            if response.status() == 200 {
                break;
            }
            response.assert_error(503, "temporarily_unavailable");
            assert_eq!(server.db.dump(), before, "{arrival:?} {call}");
            isolate.send(by_token(&app, "corporate")).tokens();
            assert_eq!((users(&server).len(), count(&server, "social_accounts")), (1, 1));
            assert_whole(&server);
            call += 1;
        }
        // The application, who it is, and the tokens.
        assert_eq!(call, 3, "{arrival:?}");
    }
}

#[test]
fn when_the_answer_of_any_one_call_is_lost_the_next_try_works() {
    for arrival in ARRIVALS {
        for call in 0..3 {
            let (server, app) = scene(arrival);
            let isolate = Meddling::isolate(&server, call, Meddle::LoseAnswer);
            is_at_corporate(&person("1", "ann@p.example"), &isolate);
            let response = isolate.send(by_token(&app, "corporate"));
            response.assert_error(503, "temporarily_unavailable");
            assert_whole(&server);
            isolate.send(by_token(&app, "corporate")).tokens();
            assert_eq!((users(&server).len(), count(&server, "social_accounts")), (1, 1));
            assert_whole(&server);
        }
    }
}

#[test]
fn storage_that_does_not_answer_is_503_at_every_place() {
    let (server, app) = scene(Arrival::Known);
    server.db.is_down.set(true);
    is_at_corporate(&person("1", "ann@p.example"), &server);
    for path in ["/auth/convert-token/", "/o/token/"] {
        let form =
            [("grant_type", "convert_token"), ("backend", "corporate"), ("client_id", &app), ("token", "x")];
        server.post_form(path, &form).assert_error(503, "temporarily_unavailable");
    }
    let social = server.send(super::people::by_social(&app, "corporate"));
    social.assert_status(503);
    assert!(social.header("retry-after").is_some());
    assert!(social.json()["errors"]["non_field_errors"].is_string());
}

#[test]
fn a_code_is_exchanged_once_even_if_the_application_changes_in_between() {
    const TOKEN: &str = "POST https://id.example/realm/token";
    for arrival in ARRIVALS {
        for call in 0..4 {
            let (server, app) = scene(arrival);
            let change = admin_request("PATCH", &format!("applications/{app}"), json!({"scope": "read"}));
            let what = Meddle::After(vec![(server.another_isolate(), change)]);
            let isolate = Meddling::isolate(&server, call, what);
            is_at_corporate(&person("1", "ann@p.example"), &isolate);
            let tokens = isolate.send(by_code(&app, "corporate")).tokens();
            let asked = isolate.providers.take_urls();
            assert_eq!(asked.iter().filter(|url| *url == TOKEN).count(), 1, "{asked:?}");
            // What the application may have when the tokens are stored.
            assert_eq!(tokens.scope == "read", call < 3, "{arrival:?} {call}");
            assert_eq!((users(&server).len(), count(&server, "social_accounts")), (1, 1));
        }
    }
}

#[test]
fn a_user_who_changes_in_between_is_looked_at_anew() {
    for (sql, status, is_left) in [
        ("UPDATE users SET is_active = 0, token_epoch = token_epoch + 1", 400, true),
        ("DELETE FROM users", 200, false),
        ("DELETE FROM social_accounts", 200, true),
        ("UPDATE users SET token_epoch = token_epoch + 1", 200, true),
        ("UPDATE grants SET ended_at = 1800000000 WHERE ended_at IS NULL", 200, true),
    ] {
        for call in 1..3 {
            let (server, app) = scene(Arrival::Known);
            let isolate = Meddling::isolate(&server, call, Meddle::AfterSql(sql));
            let mut person = person("1", "ann@p.example");
            person["given_name"] = json!("Annabel");
            is_at_corporate(&person, &isolate);
            let id = user(&server, "ann")["id"].clone();
            let response = isolate.send(by_token(&app, "corporate"));
            response.assert_status(status);
            assert_whole(&server);
            match status {
                200 => {
                    server.assert_good(&response.tokens().access_token);
                    assert_eq!(user(&server, "ann")["id"] == id, is_left, "{sql} {call}");
                }
                _ => {
                    response.assert_error(400, "invalid_grant");
                    assert_eq!(user(&server, "ann")["first_name"], "", "{sql} {call}");
                }
            }
            assert_eq!(users(&server).len(), 1, "{sql} {call}");
        }
    }
}

#[test]
fn an_address_that_changes_in_between_links_nobody() {
    for (sql, status) in [
        ("UPDATE users SET email_verified = 0", 400),
        ("UPDATE users SET email = 'x@p.example', email_key = 'x@p.example'", 200),
        (
            "INSERT INTO users (id, username, username_key, email, email_key, email_verified, first_name,
             last_name, is_active, is_superuser, token_epoch, created_at)
             SELECT 'AAAAAAAAAAAAAAAA', 'copy', 'copy', email, email_key, 1, '', '', 1, 0, 0, 0 FROM users",
            400,
        ),
    ] {
        for call in 1..3 {
            let (server, app) = scene(Arrival::ByEmail);
            let isolate = Meddling::isolate(&server, call, Meddle::AfterSql(sql));
            is_at_corporate(&person("1", "ann@p.example"), &isolate);
            let response = isolate.send(by_token(&app, "corporate"));
            assert_eq!(response.status(), status, "{sql} {call}: {}", response.text());
            let linked = "SELECT count(*) FROM social_accounts s JOIN users u ON u.id = s.user_id
                WHERE u.username = 'ann'";
            assert_eq!(server.db.number(linked), 0, "{sql} {call}");
        }
    }
}

#[test]
fn a_login_that_is_overtaken_again_and_again_is_503_and_not_an_endless_one() {
    let (server, app) = server();
    server
        .db
        .execute("CREATE TRIGGER overtaken BEFORE INSERT ON social_accounts BEGIN SELECT raise(IGNORE); END");
    let before = server.db.round_trips.get();
    let response = log_in(&person("1", "ann@p.example"), &app, &server);
    response.assert_error(503, "temporarily_unavailable");
    assert!(server.db.round_trips.get() - before <= 7);
    assert_eq!(count(&server, "families"), 0);
}

#[test]
fn a_login_costs_two_round_trips_and_one_more_where_the_application_is_not_remembered() {
    for arrival in ARRIVALS {
        let (server, app) = scene(arrival);
        // The application is remembered once it has been asked for.
        let warm = server.another_isolate();
        warm.post_form(
            "/o/token/",
            &[("grant_type", "refresh_token"), ("client_id", &app), ("refresh_token", "x")],
        );
        for (isolate, expected) in [(warm, 2), (server.another_isolate(), 3)] {
            let (fresh, fresh_app) = scene(arrival);
            let (isolate, app) = match expected {
                2 => (isolate, app.clone()),
                _ => (fresh.another_isolate(), fresh_app),
            };
            is_at_corporate(&person("1", "ann@p.example"), &isolate);
            let before = isolate.db.round_trips.get();
            isolate.send(by_token(&app, "corporate")).tokens();
            assert_eq!(isolate.db.round_trips.get() - before, expected, "{arrival:?}");
        }
    }
}

#[test]
fn a_wrong_token_is_counted_for_its_address_and_a_provider_that_fails_is_not() {
    let (server, app) = server_with(json!({}), &[("ADDRESS_FAILURE_LIMIT", "3/900")]);
    let send = |token: &str| {
        let form = [
            ("grant_type", "convert_token"),
            ("backend", "corporate"),
            ("client_id", &app),
            ("token", token),
        ];
        server.send(crate::support::form_request(
            "/auth/convert-token/",
            &[("cf-connecting-ip", "192.0.2.1")],
            &form,
        ))
    };
    is_at_corporate(&person("1", "ann@p.example"), &server);
    let introspect = "POST https://id.example/realm/introspect";
    server.providers.time_out(introspect);
    for _ in 0..5 {
        send("x").assert_error(400, "invalid_request");
    }
    server.providers.answer(introspect, 200, &json!({"active": false}));
    let mut refused = 0;
    while send("x").status() == 400 {
        refused += 1;
        assert!(refused < 10);
    }
    assert_eq!(refused, 3);
    server.providers.take_urls();
    let response = send("x");
    response.assert_status(429);
    assert!(response.header("retry-after").is_some());
    assert!(server.providers.take_urls().is_empty(), "who is over the limit is not asked about");
}

#[test]
fn an_application_that_is_disabled_in_between_gets_nothing() {
    for arrival in ARRIVALS {
        for call in 0..3 {
            let (server, app) = scene(arrival);
            let change = admin_request("PATCH", &format!("applications/{app}"), json!({"is_active": false}));
            let what = Meddle::After(vec![(server.another_isolate(), change)]);
            let isolate = Meddling::isolate(&server, call, what);
            let mut person = person("1", "ann@p.example");
            person["given_name"] = json!("Annabel");
            is_at_corporate(&person, &isolate);
            let written =
                |table: &str| server.db.text(&format!("SELECT coalesce(group_concat({table}), '')"));
            let rows = || {
                [
                    written("(SELECT group_concat(first_name) FROM users)"),
                    written("(SELECT group_concat(tokens) FROM social_accounts)"),
                    written("(SELECT count(*) FROM users)"),
                    written("(SELECT count(*) FROM social_accounts)"),
                    written("(SELECT count(*) FROM families)"),
                ]
            };
            let before = rows();
            isolate.send(by_token(&app, "corporate")).assert_error(401, "invalid_client");
            assert_eq!(rows(), before, "{arrival:?} {call}");
        }
    }
}

#[test]
fn simultaneous_first_logins_by_two_providers_that_verified_one_address_make_one_user() {
    let (server, app) = server();
    let isolates: Vec<TestServer> = (0..6).map(|_| server.another_isolate()).collect();
    let requests = isolates.iter().enumerate().map(|(n, isolate)| {
        is_at_corporate(&person("1", "ann@p.example"), isolate);
        is_at_chat("2", "Ann@p.example", isolate);
        (isolate, by_token(&app, if n % 2 == 0 { "corporate" } else { "chat" }))
    });
    for response in TestServer::send_everywhere(requests.collect()) {
        server.assert_good(&response.tokens().access_token);
    }
    assert_eq!((users(&server).len(), count(&server, "social_accounts")), (1, 2));
    assert_whole(&server);
}
