//! Validation of a forwarded `Authorization` header (RFC 6750), and the way from the isolate over KV to D1.

use http::Method;

use crate::support::{TestResponse, TestServer, Tokens, request};

/// What no key of ours has made.
const MADE_UP: &str = "pst_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn token(server: &TestServer) -> String {
    let app = server.public_application();
    server.user("alice");
    app.log_in("alice").access_token
}

/// Sends headers to `/validate/` as they are.
fn send(server: &TestServer, query: &str, headers: &[(&str, &str)]) -> TestResponse {
    server.send(request(Method::GET, &format!("/validate/?{query}"), headers, ""))
}

/// How many round trips to D1 and bulk reads of KV it took to answer about a token.
#[track_caller]
fn cost(server: &TestServer, token: &str, status: u16) -> (u64, u64) {
    let before = (server.db.round_trips.get(), server.kv.reads.get());
    server.validate(token).assert_status(status);
    (server.db.round_trips.get() - before.0, server.kv.reads.get() - before.1)
}

#[track_caller]
fn assert_no_subject(response: &TestResponse) {
    for header in ["x-auth-subject", "x-auth-username", "x-auth-client-id", "x-auth-scope", "x-auth-expires"]
    {
        assert_eq!(response.header(header), None);
    }
}

#[track_caller]
fn assert_bare_challenge(response: &TestResponse) {
    response.assert_status(401); // RFC 6750 §3.1
    assert_eq!(response.header("www-authenticate"), Some(r#"Bearer realm="api""#));
    assert_eq!(response.json()["active"], false);
    assert_eq!(response.json().get("error"), None);
    assert_no_subject(response);
}

#[test]
fn a_good_token_is_described_in_body_and_headers() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let user = server.admin("GET", "users/alice", serde_json::Value::Null).json();
    let (subject, now) = (user["id"].as_str().unwrap(), server.now());
    let response = server.validate(&token);
    response.assert_status(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let expected = serde_json::json!({ // RFC 7662 §2.2
        "active": true, "scope": "read write groups", "client_id": app.client_id, "token_type": "Bearer",
        "exp": now + 36_000, "iat": now, "username": "alice", "sub": subject,
    });
    assert_eq!(response.json(), expected);
    assert_eq!(response.header("x-auth-subject"), Some(subject));
    assert_eq!(response.header("x-auth-username"), Some("alice"));
    assert_eq!(response.header("x-auth-client-id"), Some(app.client_id.as_str()));
    assert_eq!(response.header("x-auth-scope"), Some("read write groups"));
    assert_eq!(response.header("x-auth-expires"), Some((now + 36_000).to_string().as_str()));
}

#[test]
fn every_layer_says_the_same() {
    let server = TestServer::new();
    let token = token(&server);
    let elsewhere = server.another_isolate();
    let from_kv = elsewhere.validate(&token);
    let from_memory = elsewhere.validate(&token);
    let from_database = elsewhere.validate_with(&token, "fresh=1", &[]);
    assert_eq!(from_kv.json(), from_memory.json());
    assert_eq!(from_kv.json(), from_database.json());
    assert_eq!(from_kv.0.headers(), from_database.0.headers());
}

#[test]
fn an_odd_username_is_percent_encoded_in_its_header() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("Жанна");
    let response = server.validate(&app.log_in("Жанна").access_token);
    assert_eq!(response.json()["username"], "Жанна");
    assert_eq!(response.header("x-auth-username"), Some("%D0%96%D0%B0%D0%BD%D0%BD%D0%B0"));
}

#[test]
fn an_imported_username_cannot_break_its_header() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    server.db.execute(
        "UPDATE users SET username = '100%' || char(10) || 'a b', username_key = '100%' || char(10) || 'a b'",
    );
    let token = app.log_in("100%\na b").access_token;
    for answer in [server.validate(&token), server.validate_with(&token, "fresh=1", &[])] {
        assert_eq!(answer.assert_status(200).header("x-auth-username"), Some("100%25%0Aa b"));
    }
}

#[test]
fn a_token_of_client_credentials_has_no_subject() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let token = app.client_credentials().tokens().access_token;
    for query in ["", "fresh=1"] {
        let response = server.another_isolate().validate_with(&token, query, &[]);
        response.assert_status(200);
        assert_eq!((response.json().get("sub"), response.json().get("username")), (None, None));
        assert_eq!((response.header("x-auth-subject"), response.header("x-auth-username")), (None, None));
        assert_eq!(response.header("x-auth-client-id"), Some(app.client_id.as_str()));
    }
}

#[test]
fn what_the_caller_sends_as_x_auth_is_not_echoed() {
    let server = TestServer::new();
    let token = server.confidential_application().client_credentials().tokens().access_token;
    let headers = [("x-auth-subject", "admin"), ("x-auth-username", "admin")];
    let response = server.validate_with(&token, "", &headers);
    response.assert_status(200);
    assert_eq!((response.header("x-auth-subject"), response.header("x-auth-username")), (None, None));
}

#[test]
fn without_credentials_the_challenge_is_bare() {
    let server = TestServer::new();
    assert_bare_challenge(&server.get("/validate/"));
    assert_bare_challenge(&server.get("/validate"));
}

#[test]
fn credentials_of_another_scheme_are_none() {
    let server = TestServer::new();
    for header in ["Basic YTpi", "Basic !", "Digest a=b", "Negotiate"] {
        assert_bare_challenge(&send(&server, "", &[("authorization", header)]));
    }
}

#[test]
fn a_malformed_header_is_an_invalid_request() {
    let server = TestServer::new();
    let token = token(&server);
    for header in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer a b".to_owned(),
        "Bearer \"a\"".to_owned(),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Token {token} {token}"),
    ] {
        let response = send(&server, "", &[("authorization", &header)]);
        assert_no_subject(response.assert_bearer_error(400, "invalid_request"));
    }
}

#[test]
fn two_authorization_headers_are_an_invalid_request() {
    let server = TestServer::new();
    let bearer = format!("Bearer {}", token(&server));
    for second in [bearer.as_str(), "Basic YTpi", ""] {
        let headers = [("authorization", bearer.as_str()), ("authorization", second)];
        send(&server, "", &headers).assert_bearer_error(400, "invalid_request");
    }
}

#[test]
fn a_header_that_is_no_text_is_an_invalid_request() {
    let server = TestServer::new();
    let mut request = request(Method::GET, "/validate/", &[], "");
    let value = http::HeaderValue::from_bytes(b"Bearer \xff").unwrap();
    request.headers_mut().insert("authorization", value);
    server.send(request).assert_bearer_error(400, "invalid_request");
}

#[test]
fn the_scheme_is_bearer_in_any_case_or_token() {
    let server = TestServer::new();
    let token = token(&server);
    for scheme in ["Bearer", "bearer", "BEARER", "Token", "token", "TOKEN"] {
        let header = format!("{scheme} {token}");
        send(&server, "", &[("authorization", &header)]).assert_status(200);
        let header = format!("{scheme} {MADE_UP}");
        send(&server, "", &[("authorization", &header)]).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn a_made_up_token_is_refused_without_asking_anybody() {
    let server = TestServer::new();
    for token in [MADE_UP, "x", "pst_at_", "abc.def.ghi", &MADE_UP[..100]] {
        assert_eq!(cost(&server, token, 401), (0, 0), "{token}");
        server.validate(token).assert_bearer_error(401, "invalid_token");
        server.validate_with(token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    }
    assert_eq!((server.db.round_trips.get(), server.kv.reads.get()), (0, 0));
}

#[test]
fn a_made_up_token_is_only_counted() {
    let server = TestServer::new();
    let id = |server: &TestServer| server.validate(MADE_UP).header("x-request-id").unwrap().to_owned();
    let first = id(&server);
    assert!(first.starts_with("unlogged-") && first.len() == 17, "{first}");
    for _ in 2..1000 {
        assert_eq!(id(&server), first);
    }
    assert_eq!(server.log(), [] as [serde_json::Value; 0]);
    assert_eq!(id(&server), first);
    let line = |count: u32| serde_json::json!({"level": "info", "event": "refused_unlogged", "request_id": first, "count": count});
    assert_eq!(server.log(), [line(1000)]);
    for _ in 1000..2000 {
        send(&server, "", &[]).assert_status(401);
    }
    assert_eq!(server.log(), [line(1000), line(2000)]);
    assert_ne!(id(&server.another_isolate()), first);
}

#[test]
fn a_revoked_token_is_logged_under_its_request_id_without_the_token() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    app.revoke(&token).assert_status(200);
    let response = server.validate(&token);
    let line = server.log().pop().expect("a line");
    assert_eq!(line["request_id"].as_str(), response.header("x-request-id"));
    assert_eq!(line["error"], "invalid_token");
    assert!(!line.to_string().contains(&token) && !response.text().contains("ended"));
}

#[test]
fn the_operators_log_says_why_a_token_was_refused_and_the_answer_does_not() {
    let server = TestServer::with(&[("REFRESH_TOKEN_EXPIRE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let [ended, logged_out] = [(); 2].map(|()| app.log_in("alice"));
    let assert_refused = |tokens: &Tokens, of_kv: &str, of_database: &str| {
        for (query, why) in [("", of_kv), ("fresh=1", of_database)] {
            let isolate = server.another_isolate();
            let response = isolate.validate_with(&tokens.access_token, query, &[]);
            let said = response.assert_bearer_error(401, "invalid_token").json()["error_description"].clone();
            assert_eq!(isolate.reason(&response), format!("{}: {why}", said.as_str().unwrap()));
        }
    };
    app.revoke(ended.refresh()).assert_status(200);
    assert_refused(&ended, "the family has ended", "the family has ended");
    server.admin("POST", "users/alice/logout", serde_json::Value::Null).assert_status(204);
    let everywhere = "the user has been logged out everywhere";
    assert_refused(&logged_out, "the user has ended all their tokens", everywhere);
    let expired = app.log_in("alice");
    server.advance(36_000);
    assert_refused(&expired, "the token has expired", "the token has expired");
}

#[test]
fn an_isolate_remembers_ten_thousand_tokens() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let tokens: Vec<String> = (0..10_000).map(|_| app.client_credentials().tokens().access_token).collect();
    let isolate = server.another_isolate();
    let before = (server.db.round_trips.get(), server.kv.reads.get());
    for _ in 0..2 {
        for token in &tokens {
            isolate.validate(token).assert_status(200);
        }
        assert_eq!((server.db.round_trips.get(), server.kv.reads.get()), (before.0, before.1 + 10_000));
    }
}

#[test]
fn a_token_tampered_by_one_byte_is_refused_without_asking_anybody() {
    let server = TestServer::new();
    let token = token(&server);
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut tampered = token.clone();
        tampered.replace_range(at..=at, other);
        assert_eq!(cost(&server, &tampered, 401), (0, 0), "at {at}");
    }
    server.validate(&token).assert_status(200);
}

#[test]
fn a_token_of_another_master_key_is_refused() {
    let server = TestServer::new();
    let token = token(&server);
    let other = "1:EAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let elsewhere = server.another_isolate_with(&[("MASTER_KEY", other)]);
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_refresh_token_is_refused() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    assert_eq!(cost(&server, tokens.refresh(), 401), (0, 0));
    server.validate(tokens.refresh()).assert_bearer_error(401, "invalid_token");
    let disguised = tokens.refresh().replace("pst_rt_", "pst_at_");
    server.validate(&disguised).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_token_is_good_until_the_second_before_it_expires() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "100")]);
    let token = token(&server);
    server.advance(99);
    let (remembers, knows_kv) = (server.another_isolate(), server.another_isolate());
    remembers.validate(&token).assert_status(200);
    for query in ["", "fresh=1"] {
        server.validate_with(&token, query, &[]).assert_status(200);
    }
    server.advance(1);
    remembers.validate(&token).assert_bearer_error(401, "invalid_token");
    knows_kv.validate(&token).assert_bearer_error(401, "invalid_token");
    server.validate_with(&token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    server.kv.clear();
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_token_that_was_refused_for_its_age_is_not_good_again_if_the_clock_goes_back() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "100")]);
    let token = token(&server);
    server.advance(99);
    server.validate(&token).assert_status(200);
    server.advance(1);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
    server.advance(-1);
    server.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn all_scopes_of_scope_are_needed() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read groups").create();
    let token = app.client_credentials().tokens().access_token;
    for query in ["scope=read", "scope=groups+read", "scope=read%20%20groups", "scope=read+read"] {
        server.validate_with(&token, query, &[]).assert_status(200);
    }
    for (query, scope) in
        [("scope=write", "write"), ("scope=read+write", "read write"), ("scope=Read", "Read")]
    {
        let response = server.validate_with(&token, query, &[]);
        response.assert_bearer_error(403, "insufficient_scope");
        assert!(response.header("www-authenticate").unwrap().ends_with(&format!(r#", scope="{scope}""#)));
        assert_no_subject(&response);
    }
}

#[test]
fn one_scope_of_any_scope_is_enough() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read").create();
    let token = app.client_credentials().tokens().access_token;
    server.validate_with(&token, "any_scope=write+read", &[]).assert_status(200);
    let response = server.validate_with(&token, "any_scope=write+groups", &[]);
    response.assert_bearer_error(403, "insufficient_scope");
    assert!(response.header("www-authenticate").unwrap().ends_with(r#", scope="write groups""#));
}

#[test]
fn scope_and_any_scope_both_have_to_hold() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read groups").create();
    let token = app.client_credentials().tokens().access_token;
    server.validate_with(&token, "scope=read&any_scope=write+groups", &[]).assert_status(200);
    for query in ["scope=write&any_scope=read", "scope=read&any_scope=write"] {
        server.validate_with(&token, query, &[]).assert_bearer_error(403, "insufficient_scope");
    }
}

#[test]
fn read_write_needs_read_for_reading_and_write_for_all_else() {
    let server = TestServer::new();
    let reader = server.application().grants(&["client_credentials"]).scope("read").create();
    let writer = server.application().grants(&["client_credentials"]).scope("write").create();
    let (reader, writer) = (reader.client_credentials().tokens(), writer.client_credentials().tokens());
    for (method, may_read, may_write) in [
        ("GET", 200, 403),
        ("HEAD", 200, 403),
        ("OPTIONS", 200, 403),
        ("POST", 403, 200),
        ("DELETE", 403, 200),
        ("PROPFIND", 403, 200),
        ("get", 403, 200), // methods are case-sensitive (RFC 9110 §9.1)
    ] {
        let headers = [("x-forwarded-method", method)];
        let ask = |token: &str| server.validate_with(token, "read_write=1", &headers).status();
        assert_eq!((ask(&reader.access_token), ask(&writer.access_token)), (may_read, may_write), "{method}");
    }
}

#[test]
fn read_write_adds_to_scope() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).scope("read").create();
    let token = app.client_credentials().tokens().access_token;
    let ask =
        |method| server.validate_with(&token, "scope=read&read_write=1", &[("x-forwarded-method", method)]);
    ask("GET").assert_status(200);
    let response = ask("POST");
    response.assert_bearer_error(403, "insufficient_scope");
    assert!(response.header("www-authenticate").unwrap().ends_with(r#", scope="read write""#));
}

#[test]
fn read_write_never_takes_the_method_of_its_own_request() {
    let server = TestServer::new();
    let token = token(&server);
    for headers in
        [&[][..], &[("x-forwarded-method", "")], &[("x-forwarded-method", "G T")], &[("x-method", "GET")]]
    {
        let response = server.validate_with(&token, "read_write=1", headers);
        response.assert_bearer_error(400, "invalid_request");
    }
}

#[test]
fn what_cannot_be_checked_is_refused_whatever_the_token() {
    let server = TestServer::new();
    for token in [token(&server).as_str(), MADE_UP] {
        server.validate_with(token, "read_write=1", &[]).assert_bearer_error(400, "invalid_request");
    }
    send(&server, "read_write=1", &[]).assert_bearer_error(400, "invalid_request");
}

#[test]
fn a_forwarded_header_that_came_twice_is_an_invalid_request() {
    let server = TestServer::new();
    let token = token(&server);
    for (name, once, twice) in [
        ("x-forwarded-method", "GET", "GET, POST"),
        ("x-forwarded-method", "GET", "GET,POST"),
        ("x-forwarded-proto", "https", "https, http"),
        ("x-forwarded-host", "api.example", "api.example, evil.example"),
        ("x-forwarded-uri", "/a,b?c=d,e", "/a, /b"),
        ("x-original-url", "https://api.example/a,b", "https://api.example/a, https://api.example/b"),
    ] {
        let ask = |headers: &[(&str, &str)]| server.validate_with(&token, "", headers);
        ask(&[(name, once)]).assert_status(200);
        ask(&[(name, twice)]).assert_bearer_error(400, "invalid_request");
        ask(&[(name, once), (name, once)]).assert_bearer_error(400, "invalid_request");
    }
}

#[test]
fn a_parameter_that_is_empty_unknown_or_no_choice_is_an_invalid_request() {
    let server = TestServer::new();
    let token = token(&server);
    for query in [
        "scope=",
        "scope",
        "scope=+",
        "scope=%22",
        "scope=%C3%A9",
        "any_scope=",
        "any_scope=+",
        "audience=",
        "read_write=",
        "read_write=true",
        "fresh=",
        "fresh=yes",
        "proxy=",
        "proxy=caddy",
        "scopes=read",
        "Scope=read",
        "x=1",
        "x",
    ] {
        let response = server.validate_with(&token, query, &[("x-forwarded-method", "GET")]);
        response.assert_bearer_error(400, "invalid_request");
    }
    for query in ["read_write=0", "fresh=0", "&"] {
        server.validate_with(&token, query, &[]).assert_status(200);
    }
}

#[test]
fn a_repeated_or_malformed_parameter_is_an_invalid_request() {
    let server = TestServer::new();
    let token = token(&server);
    for query in
        ["scope=read&scope=write", "scope=read&scope=read", "fresh=1&fresh=0", "scope=%", "scope=%ff"]
    {
        server.validate_with(&token, query, &[]).assert_bearer_error(400, "invalid_request");
    }
}

#[test]
fn audience_is_not_supported() {
    let server = TestServer::new();
    let token = token(&server);
    let response = server.validate_with(&token, "audience=https%3A%2F%2Fapi.example", &[]);
    response.assert_bearer_error(400, "invalid_request");
}

#[test]
fn fresh_asks_the_database() {
    let server = TestServer::new();
    let token = token(&server);
    server.validate(&token).assert_status(200);
    let before = (server.db.round_trips.get(), server.kv.reads.get());
    server.validate_with(&token, "fresh=1", &[]).assert_status(200);
    let after = (server.db.round_trips.get(), server.kv.reads.get());
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));
}

#[test]
fn fresh_knows_of_a_revocation_that_kv_does_not_show() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let elsewhere = server.another_isolate();
    elsewhere.validate(&token).assert_status(200);
    server.kv.is_down.set(true);
    app.revoke(&token).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    elsewhere.validate(&token).assert_status(200);
    elsewhere.validate_with(&token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn nginx_gets_401_for_400_and_nothing_else_changed() {
    let server = TestServer::new();
    let token = token(&server);
    let ask = |query: &str, header: &str| {
        send(&server, &format!("proxy=nginx{query}"), &[("authorization", header)])
    };
    let good = format!("Bearer {token}");
    ask("", "Bearer").assert_bearer_error(401, "invalid_request");
    ask("&read_write=1", &good).assert_bearer_error(401, "invalid_request");
    ask("&x=1", &good).assert_bearer_error(401, "invalid_request");
    ask("", &good).assert_status(200);
    ask("&scope=openid", &good).assert_bearer_error(403, "insufficient_scope");
    ask("", &format!("Bearer {MADE_UP}")).assert_bearer_error(401, "invalid_token");
    server.db.is_down.set(true);
    ask("&fresh=1", &good).assert_error(503, "temporarily_unavailable");
}

#[test]
fn any_method_will_do() {
    let server = TestServer::new();
    let bearer = format!("Bearer {}", token(&server));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        for path in ["/validate/", "/validate"] {
            let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
            let response = server.send(request(method.parse().unwrap(), path, &headers, "a=b&a"));
            response.assert_status(200);
            assert_eq!(response.json()["active"], true);
        }
    }
}

#[test]
fn head_is_answered_without_a_body() {
    let server = TestServer::new();
    let bearer = format!("Bearer {}", token(&server));
    for (header, status) in [(bearer.as_str(), 200), ("Bearer x", 401)] {
        let response = server.send(request(Method::HEAD, "/validate/", &[("authorization", header)], ""));
        assert_eq!((response.status(), response.text().as_str()), (status, ""));
        assert_eq!(response.header("x-auth-username").is_some(), status == 200);
    }
}

#[test]
fn a_database_that_is_down_is_neither_200_nor_401() {
    let server = TestServer::new();
    let token = token(&server);
    server.kv.clear();
    server.db.is_down.set(true);
    for query in ["", "fresh=1", "scope=openid"] {
        let response = server.validate_with(&token, query, &[]);
        response.assert_error(503, "temporarily_unavailable");
        assert!(response.header("retry-after").unwrap().parse::<u32>().is_ok());
        assert_eq!(response.header("www-authenticate"), None);
        assert_no_subject(&response);
        assert_eq!(response.json()["active"], false);
    }
    server.validate(MADE_UP).assert_bearer_error(401, "invalid_token");
    server.db.is_down.set(false);
    server.validate(&token).assert_status(200);
}

#[test]
fn a_database_that_is_down_does_not_matter_to_who_need_not_ask_it() {
    let server = TestServer::new();
    let token = token(&server);
    server.db.is_down.set(true);
    server.validate(&token).assert_status(200);
    server.validate_with(&token, "fresh=1", &[]).assert_error(503, "temporarily_unavailable");
}

#[test]
fn kv_failing_is_a_miss() {
    let server = TestServer::new();
    let token = token(&server);
    server.kv.is_down.set(true);
    assert_eq!(cost(&server, &token, 200), (1, 0));
    server.db.is_down.set(true);
    server.another_isolate().validate(&token).assert_error(503, "temporarily_unavailable");
}

#[test]
fn it_works_for_any_host_without_an_issuer() {
    let server = TestServer::new();
    let bearer = format!("Bearer {}", token(&server));
    for host in ["http://localhost", "https://id.example", "http://10.0.0.1:80", "https://auth"] {
        for path in ["/validate/", "/validate"] {
            let headers = [("authorization", bearer.as_str())];
            server.send(request(Method::GET, &format!("{host}{path}"), &headers, "")).assert_status(200);
        }
    }
}

#[test]
fn it_works_below_the_path_of_an_issuer_and_without_it() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/auth")]);
    let token = token(&server);
    let bearer = format!("Bearer {token}");
    for path in ["/validate/", "/auth/validate/", "/auth/validate"] {
        server.send(request(Method::GET, path, &[("authorization", &bearer)], "")).assert_status(200);
    }
}

// The read path: isolate, then KV, then D1.

#[test]
fn what_an_isolate_remembers_costs_nothing() {
    let server = TestServer::new();
    let token = token(&server);
    server.validate(&token).assert_status(200);
    assert_eq!(cost(&server, &token, 200), (0, 0));
    server.advance(9);
    assert_eq!(cost(&server, &token, 200), (0, 0));
    server.advance(1);
    assert_eq!(cost(&server, &token, 200), (0, 1));
}

#[test]
fn what_kv_knows_costs_one_bulk_read() {
    let server = TestServer::new();
    let token = token(&server);
    assert_eq!(cost(&server.another_isolate(), &token, 200), (0, 1));
}

#[test]
fn what_only_the_database_knows_is_put_back_into_kv() {
    let server = TestServer::new();
    let token = token(&server);
    let written = server.kv.entries();
    server.kv.clear();
    assert_eq!(cost(&server.another_isolate(), &token, 200), (1, 1));
    let (record, again) = (written.first_key_value().unwrap(), server.kv.entries());
    assert_eq!(again.len(), 1);
    assert_eq!(again[record.0].value, record.1.value);
    assert_eq!(cost(&server.another_isolate(), &token, 200), (0, 1));
}

#[test]
fn a_refused_token_is_remembered_too() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    app.revoke(&token).assert_status(200);
    let elsewhere = server.another_isolate();
    assert_eq!(cost(&elsewhere, &token, 401), (0, 1));
    server.advance(100);
    assert_eq!(cost(&elsewhere, &token, 401), (0, 0));
}

#[test]
fn a_refused_token_is_not_put_into_kv() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    app.revoke(&token).assert_status(200);
    server.kv.clear();
    assert_eq!(cost(&server.another_isolate(), &token, 401), (1, 1));
    assert!(server.kv.entries().is_empty());
}

#[test]
fn an_isolate_can_be_told_to_remember_nothing() {
    let server = TestServer::with(&[("VALIDATION_CACHE_SECONDS", "0")]);
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    for _ in 0..3 {
        assert_eq!(cost(&server, &token, 200), (0, 1));
    }
    let elsewhere = server.another_isolate();
    elsewhere.validate(&token).assert_status(200);
    app.revoke(&token).assert_status(200);
    elsewhere.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn kv_keeps_a_record_as_long_as_the_token_lives() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "1000")]);
    let token = token(&server);
    let expires_at = server.now() + 1000;
    assert!(server.kv.entries().values().all(|entry| entry.expires_at == expires_at));
    server.kv.clear();
    server.advance(400);
    server.validate(&token).assert_status(200);
    assert_eq!(server.kv.entries().len(), 1);
    assert!(server.kv.entries().values().all(|entry| entry.expires_at == expires_at));
}

#[test]
fn kv_holds_no_token() {
    let server = TestServer::new();
    let app = server.public_application();
    server.user("alice");
    let tokens = app.log_in("alice");
    server.validate(&tokens.access_token).assert_status(200);
    let refreshed = app.refresh(tokens.refresh()).tokens();
    let held = format!("{:?} {}", server.kv.entries(), server.db.dump());
    for tokens in [&tokens, &refreshed] {
        for token in [tokens.access_token.as_str(), tokens.refresh()] {
            assert!(!held.contains(token));
            assert!(!held.contains(token.rsplit('_').next().unwrap()));
        }
    }
}

#[test]
fn an_old_record_does_not_outlive_its_mark_where_lifetimes_were_lowered() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "36000")]);
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let lowered = server.another_isolate_with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "600")]);
    lowered.validate(&token).assert_status(200);
    app.at(&lowered).revoke(&token).assert_status(200);
    for seconds in [0, 599, 1, 3_600] {
        server.advance(seconds);
        let isolate = lowered.another_isolate();
        isolate.validate(&token).assert_bearer_error(401, "invalid_token");
    }
}

#[test]
fn an_old_record_does_not_outlive_its_mark_where_lifetimes_were_lowered_for_a_while() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "36000")]);
    let app = server.public_application();
    server.user("alice");
    let token = app.log_in("alice").access_token;
    let lowered = server.another_isolate_with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "600")]);
    app.at(&lowered).revoke(&token).assert_status(200);
    server.advance(601);
    server.another_isolate().validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_longer_lived_token_stays_good_where_lifetimes_were_lowered() {
    let server = TestServer::with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "36000")]);
    let token = token(&server);
    let lowered = server.another_isolate_with(&[("ACCESS_TOKEN_EXPIRE_SECONDS", "600")]);
    server.advance(35_999);
    lowered.validate(&token).assert_status(200);
    server.advance(1);
    lowered.validate(&token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn a_remembered_token_is_refused_at_once_where_it_is_ended_whatever_was_ended_before() {
    let server = TestServer::new();
    let app = server.public_application();
    for user in ["alice", "bob", "carol"] {
        server.user(user);
    }
    let [first, second, third] = ["alice", "bob", "carol"].map(|user| app.log_in(user));
    for ended in [&first, &second] {
        // Remembered, and looked up again with the marks of today.
        for _ in 0..2 {
            server.validate(&ended.access_token).assert_status(200);
            server.validate(&third.access_token).assert_status(200);
        }
        app.revoke(&ended.access_token).assert_status(200);
        server.validate(&ended.access_token).assert_bearer_error(401, "invalid_token");
        server.validate(&third.access_token).assert_status(200);
    }
    app.refresh(third.refresh()).assert_status(200);
    server.validate(&third.access_token).assert_status(200);
    server.advance(60);
    server.validate(&third.access_token).assert_bearer_error(401, "invalid_token");
}
