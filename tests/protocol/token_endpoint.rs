//! The token endpoint (RFC 6749 §3.2): what it reads, and what it says to what it cannot.

use http::Method;

use crate::support::{
    PASSWORD, TestClient, TestResponse, TestServer, bytes_request, encode_form, form_request, request,
};

const FORM_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A body for client credentials, good as it is.
fn good_body(app: &TestClient<'_>) -> String {
    let secret = app.client_secret.as_deref().expect("a secret");
    encode_form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", secret),
    ])
}

fn post(server: &TestServer, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TestResponse {
    server.send(bytes_request(Method::POST, path, headers, body))
}

#[track_caller]
fn assert_nothing_was_stored(server: &TestServer) {
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    assert!(server.kv.entries().is_empty());
}

#[test]
fn it_answers_with_and_without_the_slash_at_its_end() {
    let server = TestServer::new();
    let app = server.confidential_application();
    for path in ["/o/token/", "/o/token"] {
        post(&server, path, &[FORM_TYPE], good_body(&app).as_bytes()).tokens();
    }
    post(&server, "/o/token//", &[FORM_TYPE], good_body(&app).as_bytes()).assert_status(404);
    post(&server, "/o/Token/", &[FORM_TYPE], good_body(&app).as_bytes()).assert_status(404);
}

#[test]
fn success_is_json_that_nobody_stores() {
    // RFC 6749 §5.1
    let server = TestServer::new();
    let app = server.confidential_application();
    let response = app.client_credentials();
    response.assert_status(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("pragma"), Some("no-cache"));
    assert_eq!(response.json()["token_type"], "Bearer");
    assert_eq!(response.header("www-authenticate"), None);
    assert_eq!(response.header("x-request-id"), None);
}

#[test]
fn every_refusal_has_an_id_of_its_own_in_the_log() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let ids: Vec<String> = (0..2)
        .map(|_| app.token(&[("grant_type", "nonsense")]))
        .map(|response| response.header("x-request-id").expect("an id").to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        let line = server.log().into_iter().find(|line| line["request_id"] == id.as_str()).expect("a line");
        assert_eq!((&line["status"], &line["error"]), (&400.into(), &"unsupported_grant_type".into()));
    }
}

#[test]
fn the_media_type_must_be_a_forms() {
    let server = TestServer::new();
    let app = server.confidential_application();
    for media_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencoded, application/json",
        "",
    ] {
        let headers = [("content-type", media_type)];
        post(&server, "/o/token/", &headers, good_body(&app).as_bytes()).assert_error(400, "invalid_request");
    }
    post(&server, "/o/token/", &[], good_body(&app).as_bytes()).assert_error(400, "invalid_request");
    let twice = [FORM_TYPE, FORM_TYPE];
    post(&server, "/o/token/", &twice, good_body(&app).as_bytes()).assert_error(400, "invalid_request");
    let json = [("content-type", "application/json")];
    post(&server, "/o/token/", &json, br#"{"grant_type":"password"}"#).assert_error(400, "invalid_request");
    assert_nothing_was_stored(&server);
}

#[test]
fn the_media_type_may_have_parameters_and_any_case() {
    // RFC 9110 §8.3.1
    let server = TestServer::new();
    let app = server.confidential_application();
    for media_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "Application/X-WWW-Form-URLEncoded",
    ] {
        let headers = [("content-type", media_type)];
        post(&server, "/o/token/", &headers, good_body(&app).as_bytes()).tokens();
    }
}

#[test]
fn parameters_in_the_url_are_refused() {
    // RFC 6749 §2.3.1
    let server = TestServer::new();
    let app = server.confidential_application();
    let body = good_body(&app);
    for (path, body) in [
        (format!("/o/token/?{body}"), ""),
        (format!("/o/token/?{body}"), body.as_str()),
        ("/o/token/?scope=read".to_owned(), body.as_str()),
        ("/o/token?x".to_owned(), body.as_str()),
    ] {
        post(&server, &path, &[FORM_TYPE], body.as_bytes()).assert_error(400, "invalid_request");
    }
    assert_nothing_was_stored(&server);
    post(&server, "/o/token/?", &[FORM_TYPE], body.as_bytes()).tokens();
}

#[test]
fn grant_type_is_required() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    let app = server.confidential_application();
    for form in [&[][..], &[("grant_type", "")], &[("Grant_Type", "client_credentials")]] {
        let response = app.token(form);
        response.assert_error(400, "invalid_request");
        assert!(response.json()["error_description"].as_str().unwrap().contains("grant_type"));
    }
    post(&server, "/o/token/", &[FORM_TYPE], b"").assert_error(400, "invalid_request");
    assert_nothing_was_stored(&server);
}

#[test]
fn an_unknown_grant_type_is_unsupported() {
    // RFC 6749 §5.2
    let server = TestServer::new();
    let app = server.confidential_application();
    for grant_type in ["nonsense", "Password", "client_credentials ", " password", "urn:x", "é", "\u{1f511}"]
    {
        app.token(&[("grant_type", grant_type)]).assert_error(400, "unsupported_grant_type");
    }
    assert_nothing_was_stored(&server);
}

#[test]
fn a_grant_type_that_is_still_to_come_is_unsupported() {
    let server = TestServer::new();
    let grants = ["implicit", "urn:ietf:params:oauth:grant-type:device_code", "convert_token", "oauth1"];
    let redirect_uris = serde_json::json!(["https://app.example/cb"]);
    let app = server.application().grants(&grants).set("redirect_uris", redirect_uris).create();
    for grant_type in grants {
        app.token(&[("grant_type", grant_type), ("code", "x")]).assert_error(400, "unsupported_grant_type");
    }
    assert_nothing_was_stored(&server);
}

#[test]
fn a_repeated_parameter_is_refused_whichever_it_is() {
    // RFC 6749 §3.2
    let server = TestServer::new();
    let app = server.confidential_application();
    for more in [
        "grant_type=client_credentials",
        "grant_type=password",
        "grant_type=",
        "client_id=x",
        "client_secret=",
        "scope=read&scope=read",
        "scope=&scope=read",
        "what=1&what=2",
        "grant%5Ftype=client_credentials",
        "=&=",
    ] {
        let body = format!("{}&{more}", good_body(&app));
        post(&server, "/o/token/", &[FORM_TYPE], body.as_bytes()).assert_error(400, "invalid_request");
    }
    assert_nothing_was_stored(&server);
}

#[test]
fn a_repeated_parameter_is_named_if_its_name_is_plain() {
    let server = TestServer::new();
    for (body, named) in [("scope=a&scope=b", true), ("sc%22pe=a&sc%22pe=b", false)] {
        let response = post(&server, "/o/token/", &[FORM_TYPE], body.as_bytes());
        response.assert_error(400, "invalid_request");
        assert_eq!(response.json()["error_description"].as_str().unwrap().contains("scope"), named);
    }
}

#[test]
fn unknown_parameters_are_ignored() {
    // RFC 6749 §3.2
    let server = TestServer::new();
    let app = server.confidential_application();
    for more in ["resource=", "what=ever", "redirect_uri=https%3A%2F%2Fapp.example", "&&", "x"] {
        let body = format!("{}&{more}", good_body(&app));
        post(&server, "/o/token/", &[FORM_TYPE], body.as_bytes()).tokens();
    }
}

#[test]
fn an_empty_parameter_counts_as_absent() {
    // RFC 6749 §3.1
    let server = TestServer::new();
    let app = server.confidential_application();
    let tokens = app.token(&[("grant_type", "client_credentials"), ("scope", "")]).tokens();
    assert_eq!(tokens.scope, "read write groups");
}

#[test]
fn what_is_no_form_is_refused() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let good = good_body(&app);
    for more in [
        &b"&x=%"[..],
        b"&x=%4",
        b"&x=%zz",
        b"&x=%+1",
        b"&%=x",
        b"&x=\xff",
        b"&x=%ff",
        b"&x=%c3%28",
        b"&x=%ed%a0%80",
        b"&x=a\0b",
        b"&x=%00",
        b"&%00=x",
        b"&scope=read%00",
    ] {
        let body = [good.as_bytes(), more].concat();
        post(&server, "/o/token/", &[FORM_TYPE], &body).assert_error(400, "invalid_request");
    }
    let many: String = (0..200).map(|n| format!("&p{n}=x")).collect();
    post(&server, "/o/token/", &[FORM_TYPE], format!("{good}{many}").as_bytes())
        .assert_error(400, "invalid_request");
    assert_nothing_was_stored(&server);
}

#[test]
fn a_nul_gets_into_no_parameter() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for (username, password) in [("alice\0", PASSWORD), ("alice", &format!("{PASSWORD}\0")), ("\0", "\0")] {
        app.password(username, password).assert_error(400, "invalid_request");
    }
    app.refresh("\0").assert_error(400, "invalid_request");
    assert_nothing_was_stored(&server);
}

#[test]
fn a_body_over_64_kib_is_413() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let good = good_body(&app);
    let padded = |length: usize| format!("{good}&x={}", "x".repeat(length - good.len() - 3));
    post(&server, "/o/token/", &[FORM_TYPE], padded(65_537).as_bytes()).assert_error(413, "invalid_request");
    assert_nothing_was_stored(&server);
    post(&server, "/o/token/", &[FORM_TYPE], padded(65_536).as_bytes()).tokens();
}

#[test]
fn a_body_that_was_too_long_to_read_is_413() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let mut request = form_request("/o/token/", &[], &[("grant_type", "client_credentials")]);
    request.extensions_mut().insert(postern::router::BodyTooLong);
    server.send(request).assert_error(413, "invalid_request");
    app.client_credentials().tokens();
}

#[test]
fn another_method_is_405_with_allow() {
    // RFC 9110 §15.5.6
    let server = TestServer::new();
    let app = server.confidential_application();
    for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
        for path in ["/o/token/", "/o/token"] {
            let method = method.parse().expect("a method");
            let response = server.send(request(method, path, &[FORM_TYPE], &good_body(&app)));
            response.assert_error(405, "invalid_request");
            assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
        }
    }
    assert_nothing_was_stored(&server);
}

#[test]
fn head_is_405_without_a_body() {
    // RFC 9110 §9.3.2
    let server = TestServer::new();
    let response = server.send(request(Method::HEAD, "/o/token/", &[], ""));
    response.assert_status(405);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(response.text(), "");
}

#[test]
fn get_with_good_parameters_issues_nothing() {
    // RFC 6749 §3.2
    let server = TestServer::new();
    let app = server.confidential_application();
    server.get(&format!("/o/token/?{}", good_body(&app))).assert_error(405, "invalid_request");
    assert_nothing_was_stored(&server);
}

#[test]
fn a_user_is_found_by_what_was_typed_and_not_by_sql() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for username in ["alice' --", "' OR 1=1 --", "%", "alice%", "_lice", "?1"] {
        app.password(username, PASSWORD).assert_error(400, "invalid_grant");
    }
    assert_nothing_was_stored(&server);
}
