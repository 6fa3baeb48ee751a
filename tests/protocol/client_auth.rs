//! Client authentication (RFC 6749 §2.3).

use http::Method;
use postern::crypto::encoding::standard_base64;
use serde_json::json;

use crate::support::{
    PASSWORD, TestClient, TestResponse, TestServer, bytes_request, encode_form, form_request, percent_encode,
};

const FORM: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Both halves form-encoded, then joined, then base64 (RFC 6749 §2.3.1).
fn basic(client_id: &str, client_secret: &str) -> String {
    raw_basic(&format!("{}:{}", percent_encode(client_id), percent_encode(client_secret)))
}

fn raw_basic(joined: &str) -> String {
    format!("Basic {}", standard_base64(joined.as_bytes()))
}

fn send(server: &TestServer, authorization: &str, form: &[(&str, &str)]) -> TestResponse {
    server.send(form_request("/o/token/", &[("authorization", authorization)], form))
}

fn secret<'a>(app: &'a TestClient<'_>) -> &'a str {
    app.client_secret.as_deref().expect("a secret")
}

/// The same application with another secret.
fn with_secret<'a>(app: &TestClient<'a>, secret: &str) -> TestClient<'a> {
    let mut app = app.clone();
    app.client_secret = Some(secret.to_owned());
    app
}

#[test]
fn a_secret_may_come_by_basic_or_in_the_body() {
    // RFC 6749 §2.3.1
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    send(&server, &basic(&app.client_id, secret(&app)), &FORM).tokens();
}

#[test]
fn the_schemes_case_does_not_matter() {
    // RFC 9110 §11.1
    let server = TestServer::new();
    let app = server.confidential_application();
    let header = basic(&app.client_id, secret(&app));
    for scheme in ["basic", "BASIC", "bAsIc"] {
        send(&server, &header.replace("Basic", scheme), &FORM).tokens();
    }
}

#[test]
fn both_halves_of_basic_are_percent_decoded() {
    // RFC 6749 §2.3.1
    let server = TestServer::new();
    let (client_id, client_secret) = ("my app:100% + more", "chosen: %41 & a+b=c, yes");
    server
        .application()
        .grants(&["client_credentials"])
        .set("client_id", json!(client_id))
        .set("client_secret", json!(client_secret))
        .create();
    send(&server, &basic(client_id, client_secret), &FORM).tokens();
    let spaces_as_plus = raw_basic("my+app%3A100%25+%2b+more:chosen%3a+%2541+%26+a%2Bb%3Dc%2C+yes");
    send(&server, &spaces_as_plus, &FORM).tokens();
    let colons_in_the_secret = raw_basic("my+app%3A100%25+%2B+more:chosen:+%2541+&+a%2Bb=c,+yes");
    send(&server, &colons_in_the_secret, &FORM).tokens();

    let not_encoded_at_all = raw_basic("my app%3A100%25 %2B more:chosen: %41 & a+b=c, yes");
    send(&server, &not_encoded_at_all, &FORM).assert_error(401, "invalid_client");
}

#[test]
fn failing_is_401_with_a_basic_challenge() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    let app = server.confidential_application();
    let by_body = with_secret(&app, "wrong").client_credentials();
    let by_basic = send(&server, &basic(&app.client_id, "wrong"), &FORM);
    for response in [by_body, by_basic] {
        response.assert_error(401, "invalid_client");
        assert_eq!(response.header("www-authenticate"), Some(r#"Basic realm="api""#));
    }
}

#[test]
fn a_secret_wrong_by_one_character_is_refused() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let right = secret(&app).to_owned();
    for at in [0, right.len() / 2, right.len() - 1] {
        let mut wrong = right.clone();
        wrong.replace_range(at..=at, if &right[at..=at] == "x" { "y" } else { "x" });
        with_secret(&app, &wrong).client_credentials().assert_error(401, "invalid_client");
        send(&server, &basic(&app.client_id, &wrong), &FORM).assert_error(401, "invalid_client");
    }
    for wrong in
        [&right[..right.len() - 1], &format!("{right}x"), &format!("{right} "), &right.to_uppercase()]
    {
        with_secret(&app, wrong).client_credentials().assert_error(401, "invalid_client");
    }
    app.client_credentials().tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 1);
}

#[test]
fn what_is_stored_of_a_secret_is_no_secret() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let chosen = server.application().grants(&["client_credentials"]);
    let chosen = chosen.set("client_secret", json!("a chosen secret of mine")).create();
    for app in [app, chosen] {
        let stored = server.db.dump();
        let row = stored.lines().find(|line| line.contains(&app.client_id)).expect("its row").to_owned();
        let hash = row.split('|').find(|text| text.contains('$')).expect("its hash").to_owned();
        with_secret(&app, &hash).client_credentials().assert_error(401, "invalid_client");
        let without_scheme = hash.trim_start_matches("sha256$");
        with_secret(&app, without_scheme).client_credentials().assert_error(401, "invalid_client");
    }
}

#[test]
fn the_secret_of_another_application_is_refused() {
    let server = TestServer::new();
    let (one, another) = (server.confidential_application(), server.confidential_application());
    with_secret(&one, secret(&another)).client_credentials().assert_error(401, "invalid_client");
    send(&server, &basic(&one.client_id, secret(&another)), &FORM).assert_error(401, "invalid_client");
}

#[test]
fn an_unknown_client_is_answered_as_one_with_a_wrong_secret() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let expected = with_secret(&app, "wrong").client_credentials().text();
    let mut unknown = app.clone();
    for client_id in ["unknown", "é", " ", &app.client_id.to_uppercase(), &"x".repeat(10_000)] {
        unknown.client_id = client_id.to_owned();
        let by_body = unknown.client_credentials();
        let by_basic = send(&server, &basic(client_id, secret(&app)), &FORM);
        for response in [by_body, by_basic] {
            assert_eq!(response.assert_error(401, "invalid_client").text(), expected, "{client_id}");
        }
    }
}

#[test]
fn a_public_client_says_who_it_is() {
    // RFC 6749 §3.2.1
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    app.log_in("alice");
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    send(&server, &basic(&app.client_id, ""), &form).tokens();
}

#[test]
fn a_public_client_has_no_secret_and_may_not_send_one() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    with_secret(&app, "a secret").token(&form).assert_error(401, "invalid_client");
    send(&server, &basic(&app.client_id, "a secret"), &form).assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn an_empty_secret_is_none() {
    let server = TestServer::new();
    let app = server.confidential_application();
    send(&server, &basic(&app.client_id, ""), &FORM).assert_error(401, "invalid_client");
    with_secret(&app, "").client_credentials().assert_error(401, "invalid_client");

    server.user("alice");
    let public = server.public_application();
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    with_secret(&public, "").token(&form).tokens();
}

#[test]
fn nobody_at_all_is_401() {
    let server = TestServer::new();
    for form in [&FORM[..], &[FORM[0], ("client_id", "")], &[FORM[0], ("client_secret", "a secret")]] {
        server.post_form("/o/token/", form).assert_error(401, "invalid_client");
    }
    send(&server, &basic("", "a secret"), &FORM).assert_error(401, "invalid_client");
}

#[test]
fn two_methods_at_once_are_refused() {
    // RFC 6749 §2.3
    let server = TestServer::new();
    let app = server.confidential_application();
    let header = basic(&app.client_id, secret(&app));
    for twice in [
        &[("client_secret", secret(&app))][..],
        &[("client_id", &app.client_id), ("client_secret", secret(&app))],
        &[("client_secret", "another")],
    ] {
        send(&server, &header, &[&FORM, twice].concat()).assert_error(400, "invalid_request");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn beside_basic_the_client_id_may_stand_in_the_body_if_it_is_the_same() {
    let server = TestServer::new();
    let (app, other) = (server.confidential_application(), server.confidential_application());
    let header = basic(&app.client_id, secret(&app));
    send(&server, &header, &[FORM[0], ("client_id", &app.client_id)]).tokens();
    send(&server, &header, &[FORM[0], ("client_id", &other.client_id)]).assert_error(400, "invalid_request");
}

#[test]
fn malformed_basic_is_an_invalid_request() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let joined = format!("{}:{}", app.client_id, secret(&app));
    for header in [
        "Basic",
        "Basic ",
        "Basic !",
        &raw_basic(&app.client_id),
        &raw_basic(&format!("{joined}%")),
        &raw_basic(&format!("{joined}%4")),
        &raw_basic(&format!("%zz{joined}")),
        &raw_basic(&format!("{joined}%00")),
        &raw_basic(&format!("{joined}%ff")),
        &format!("{} x", raw_basic(&joined)),
        &format!("Basic {joined}"),
    ] {
        send(&server, header, &FORM).assert_error(400, "invalid_request");
    }
    let not_utf8 = format!("Basic {}", standard_base64(b"\xff:\xff"));
    send(&server, &not_utf8, &FORM).assert_error(400, "invalid_request");
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
}

#[test]
fn two_authorization_headers_are_refused() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let header = basic(&app.client_id, secret(&app));
    let headers = [("authorization", header.as_str()), ("authorization", header.as_str())];
    server.send(form_request("/o/token/", &headers, &FORM)).assert_error(400, "invalid_request");
}

#[test]
fn an_authorization_header_that_is_no_text_is_refused() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let mut form = FORM.to_vec();
    form.extend([("client_id", app.client_id.as_str()), ("client_secret", secret(&app))]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let mut request = bytes_request(Method::POST, "/o/token/", &headers, encode_form(&form).as_bytes());
    let value = http::HeaderValue::from_bytes(b"Basic \xff").expect("bytes that a header may hold");
    request.headers_mut().insert("authorization", value);
    server.send(request).assert_error(400, "invalid_request");
}

#[test]
fn other_schemes_do_not_authenticate_a_client() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    let credentials = [("client_id", app.client_id.as_str()), ("client_secret", secret(&app))];
    for header in [&format!("Bearer {token}"), "Digest username=x", "Negotiate abc", "Basicx abc"] {
        for form in [&FORM[..], &[&FORM, &credentials[..]].concat()] {
            let response = send(&server, header, form);
            response.assert_error(401, "invalid_client");
            assert_eq!(response.header("www-authenticate"), Some(r#"Basic realm="api""#));
        }
    }
}

#[test]
fn a_client_assertion_is_not_taken_for_a_proof() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        FORM[0],
        ("client_id", &app.client_id),
        ("client_assertion_type", kind),
        ("client_assertion", "a.b.c"),
    ];
    server.post_form("/o/token/", &form).assert_error(401, "invalid_client");
}

#[test]
fn a_disabled_application_is_refused_with_its_right_secret() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    let expected = with_secret(&app, "wrong").client_credentials().text();
    assert_eq!(app.client_credentials().assert_error(401, "invalid_client").text(), expected);
    send(&server, &basic(&app.client_id, secret(&app)), &FORM).assert_error(401, "invalid_client");
    server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
    app.client_credentials().tokens();
}

#[test]
fn a_deleted_application_is_unknown() {
    let server = TestServer::new();
    let app = server.confidential_application();
    app.client_credentials().tokens();
    let path = format!("applications/{}", app.client_id);
    server.admin("DELETE", &path, json!(null)).assert_status(204);
    app.client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn a_chosen_secret_is_checked_before_and_after_it_was_proven() {
    let server = TestServer::new();
    let app = server
        .application()
        .grants(&["client_credentials"])
        .set("client_secret", json!("a chosen secret of mine"))
        .create();
    let wrong = with_secret(&app, "a chosen secret of mind");
    for _ in 0..2 {
        wrong.client_credentials().assert_error(401, "invalid_client");
        app.client_credentials().tokens();
        wrong.client_credentials().assert_error(401, "invalid_client");
        with_secret(&app, "").client_credentials().assert_error(401, "invalid_client");
        send(&server, &basic(&app.client_id, "a chosen secret of mine"), &FORM).tokens();
        server.advance(11); // the isolate asks for the application anew
    }
}

#[test]
fn the_same_chosen_secret_proves_its_own_application_only() {
    let server = TestServer::new();
    let create = |secret: &str| {
        let app = server.application().grants(&["client_credentials"]);
        app.set("client_secret", json!(secret)).create()
    };
    let (one, another) = (create("a chosen secret of mine"), create("a chosen secret of yours"));
    one.client_credentials().tokens();
    another.client_credentials().tokens();
    with_secret(&another, secret(&one)).client_credentials().assert_error(401, "invalid_client");
    with_secret(&one, secret(&another)).client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn a_proven_chosen_secret_is_refused_once_it_was_rotated() {
    let server = TestServer::new();
    let app = server
        .application()
        .grants(&["client_credentials"])
        .set("client_secret", json!("a chosen secret of mine"))
        .create();
    let elsewhere = server.another_isolate();
    app.client_credentials().tokens();
    app.at(&elsewhere).client_credentials().tokens();
    let rotated = server.admin("POST", &format!("applications/{}/rotate-secret", app.client_id), json!({}));
    let new = rotated.assert_status(200).json()["client_secret"].as_str().expect("a secret").to_owned();

    for isolate in [&server, &elsewhere, &server.another_isolate()] {
        app.at(isolate).client_credentials().assert_error(401, "invalid_client");
        with_secret(&app.at(isolate), &new).client_credentials().tokens();
    }
}

#[test]
fn a_rotated_secret_is_refused_at_once_by_an_isolate_that_remembers_it() {
    let server = TestServer::new();
    let app = server.confidential_application();
    server.user("alice");
    let isolates: Vec<TestServer> = (0..4).map(|_| server.another_isolate()).collect();
    let logins: Vec<_> = isolates.iter().map(|isolate| app.at(isolate).log_in("alice")).collect();
    let rotated = server.admin("POST", &format!("applications/{}/rotate-secret", app.client_id), json!({}));
    let new = rotated.assert_status(200).json()["client_secret"].as_str().expect("a secret").to_owned();

    let [one, two, three, four] = &isolates[..] else { panic!("four isolates") };
    app.at(one).client_credentials().assert_error(401, "invalid_client");
    app.at(two).password("alice", PASSWORD).assert_error(401, "invalid_client");
    app.at(three).refresh(logins[2].refresh()).assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM families WHERE rotated_at IS NOT NULL"), 0);
    app.at(four).revoke(&logins[3].access_token).assert_error(401, "invalid_client");
    server.validate(&logins[3].access_token).assert_status(200);
    with_secret(&app, &new).refresh(logins[2].refresh()).tokens();
}

#[test]
fn a_new_secret_is_good_at_once_where_the_old_one_is_remembered() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let elsewhere = server.another_isolate();
    app.at(&elsewhere).client_credentials().tokens();
    let rotated = server.admin("POST", &format!("applications/{}/rotate-secret", app.client_id), json!({}));
    let new = rotated.assert_status(200).json()["client_secret"].as_str().expect("a secret").to_owned();
    with_secret(&app.at(&elsewhere), &new).client_credentials().tokens();
}

#[test]
fn an_application_that_is_enabled_again_is_good_at_once_where_it_was_refused() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let elsewhere = server.another_isolate();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    app.at(&elsewhere).client_credentials().assert_error(401, "invalid_client");
    server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
    app.at(&elsewhere).client_credentials().tokens();
}

#[test]
fn a_public_application_that_becomes_confidential_needs_its_secret_at_once() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let elsewhere = server.another_isolate();
    let tokens = app.at(&elsewhere).log_in("alice");
    let path = format!("applications/{}", app.client_id);
    let changed = server.admin("PATCH", &path, json!({"client_type": "confidential"}));
    let new = changed.assert_status(200).json()["client_secret"].as_str().expect("a secret").to_owned();

    app.at(&elsewhere).refresh(tokens.refresh()).assert_error(401, "invalid_client");
    with_secret(&app.at(&elsewhere), &new).refresh(tokens.refresh()).tokens();
}

#[test]
fn revocation_and_introspection_authenticate_clients_the_same_way() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    for path in ["/o/introspect/", "/o/revoke_token/"] {
        let post = |header: &str, form: &[(&str, &str)]| {
            let form = [&[("token", token.as_str())], form].concat();
            server.send(form_request(path, &[("authorization", header)], &form))
        };
        let right = basic(&app.client_id, secret(&app));
        post(&basic(&app.client_id, "wrong"), &[]).assert_error(401, "invalid_client");
        post(&right, &[("client_secret", secret(&app))]).assert_error(400, "invalid_request");
        post("Basic !", &[]).assert_error(400, "invalid_request");
        post(&right, &[]).assert_status(200);
    }
}
