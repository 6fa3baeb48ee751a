//! Signed requests at `/validate/` (RFC 5849 §3): where they stand, what else is asked, and what a refusal says.

use futures_executor::block_on;
use http::Method;
use postern::endpoints::validate::{Demands, answer};
use postern::router::note_refusal;

use crate::oauth1::{API, assert_logged, builder, client, signed_in};
use crate::support::oauth1::{Place, SigningClient};
use crate::support::{TestResponse, TestServer, encode_form, request};

#[test]
fn parameters_stand_in_one_of_three_places() {
    // RFC 5849 §3.5
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    for place in [Place::Header, Place::Query, Place::Form] {
        let unsigned = client.unsigned("POST", API).query("a", "1").form("b", "2").at(place);
        let answer = server.send(unsigned.forwarded(""));
        answer.assert_status(200);
        assert_eq!(answer.header("x-auth-username"), Some("alice"));
    }
    for (place, other) in
        [(Place::Header, Place::Query), (Place::Header, Place::Form), (Place::Query, Place::Form)]
    {
        for extra in ["oauth_nonce", "oauth_signature", "oauth_version", "oauth_anything"] {
            let unsigned = client.unsigned("POST", API).at(place);
            let doubled = match other {
                Place::Query => unsigned.query(extra, "1.0"),
                _ => unsigned.form(extra, "1.0"),
            };
            let answer = server.send(doubled.forwarded(""));
            answer.assert_signed_error(400, "invalid_request");
            assert_logged(&client, &answer, "more than one place");
        }
    }
}

#[test]
fn every_parameter_is_needed_once() {
    // RFC 5849 §3.1
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    for name in ["oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce"] {
        let without = client.unsigned("GET", API).without(name).forwarded("");
        let answer = server.send(without);
        answer.assert_signed_error(400, "invalid_request");
        let empty = client.unsigned("GET", API).oauth(name, "").forwarded("");
        server.send(empty).assert_signed_error(400, "invalid_request");
        let mut doubled = client.unsigned("GET", API);
        doubled.oauth.push((name.to_owned(), "x".to_owned()));
        server.send(doubled.forwarded("")).assert_signed_error(400, "invalid_request");
    }
    server
        .send(client.unsigned("GET", API).forwarded_with("", ""))
        .assert_signed_error(400, "invalid_request");
    for (name, value) in [
        ("oauth_version", "2.0"),
        ("oauth_timestamp", "now"),
        ("oauth_timestamp", "-1"),
        ("oauth_timestamp", "0"),
    ] {
        let request = client.unsigned("GET", API).oauth(name, value).forwarded("");
        server.send(request).assert_signed_error(400, "invalid_request");
    }
    server.send(client.unsigned("GET", API).oauth("oauth_version", "1.0").forwarded("")).assert_status(200);
    let unknown = client.unsigned("GET", API).oauth("oauth_signature_method", "HMAC-MD5").forwarded("");
    let answer = server.send(unknown);
    answer.assert_signed_error(401, "invalid_token");
    assert_logged(&client, &answer, "the signature method is unknown");
}

#[test]
fn the_scheme_is_known_in_any_case() {
    // RFC 9110 §11.1
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    for scheme in ["OAuth", "oauth", "OAUTH"] {
        let mut request = client.unsigned("GET", API).forwarded("");
        let value = request.headers()["authorization"].to_str().unwrap().replacen("OAuth", scheme, 1);
        request.headers_mut().insert("authorization", value.parse().unwrap());
        server.send(request).assert_status(200);
    }
    for malformed in ["OAuth", "oauth ", "OAuth x", "OAuth realm=\"api\"", "OAuth oauth_nonce=n"] {
        let mut request = client.unsigned("GET", API).forwarded("");
        request.headers_mut().insert("authorization", malformed.parse().unwrap());
        server.send(request).assert_signed_error(400, "invalid_request");
    }
}

#[test]
fn beside_a_bearer_token_a_signed_query_is_nothing() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let bearer = app.client_credentials().tokens().access_token;
    let ask = |authorization: &str| {
        let mut request = client.unsigned("GET", API).at(Place::Query).forwarded("");
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        server.send(request)
    };
    let answer = ask(&format!("Bearer {bearer}"));
    answer.assert_status(200);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.header("x-auth-username"), None);
    ask("Bearer pst_at_x").assert_bearer_error(401, "invalid_token");
    let answer = ask("Basic eDp5");
    answer.assert_status(401);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api""#));
}

#[test]
fn without_credentials_the_challenge_is_that_for_bearer_tokens() {
    // RFC 6750 §3.1
    let server = TestServer::new();
    let told =
        [("x-forwarded-method", "GET"), ("x-forwarded-host", "api.example"), ("x-forwarded-uri", "/a?b=%FF")];
    for headers in [&[][..], &told[..], &told[..1], &told[1..2], &told[2..]] {
        for method in [Method::GET, Method::POST] {
            let answer = server.send(request(method, "/validate/", headers, ""));
            answer.assert_status(401);
            assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api""#));
        }
    }
    // What is no signature is nothing, wherever it stands.
    let form = encode_form(&[("oauth_token", "x"), ("oauth_consumer_key", "x")]);
    let headers = [&told[..], &[("content-type", "application/x-www-form-urlencoded")]].concat();
    let answer = server.send(request(Method::POST, "/validate/", &headers, &form));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api""#));
}

#[test]
fn what_else_is_asked_for_holds_of_signed_requests_too() {
    let server = TestServer::new();
    let app = builder(&server).scope("read groups").create();
    let client = SigningClient::of(&app, &server);
    let ask = |method: &'static str, query: &str| server.send(client.unsigned(method, API).forwarded(query));
    for (method, query) in [
        ("GET", "scope=read%20groups"),
        ("GET", "any_scope=write%20read"),
        ("GET", "read_write=1"),
        ("HEAD", "read_write=1&scope=groups"),
        ("POST", "fresh=1"),
        ("POST", "read_write=0"),
    ] {
        let answer = ask(method, query);
        answer.assert_status(200);
        assert_eq!(answer.json()["scope"], "read groups");
    }
    for (method, query, scope) in [
        ("GET", "scope=read%20write", "read write"),
        ("GET", "any_scope=write", "write"),
        ("POST", "read_write=1", "write"),
        ("DELETE", "read_write=1&scope=read", "read write"),
    ] {
        let answer = ask(method, query);
        answer.assert_signed_error(403, "insufficient_scope");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.ends_with(&format!(r#", scope="{scope}""#)), "{challenge}");
    }
    for query in [
        "audience=https%3A%2F%2Fapi.example",
        "audience=",
        "scope=",
        "any_scope=",
        "fresh=yes",
        "read_write=true",
        "scopes=read",
        "proxy=caddy",
        "fresh=1&fresh=1",
    ] {
        ask("GET", query).assert_signed_error(400, "invalid_request");
    }
}

#[test]
fn a_question_that_cannot_be_asked_uses_no_nonce_up() {
    let server = TestServer::new();
    let client = client(&server);
    let unsigned = client.unsigned("GET", API);
    server.send(unsigned.clone().forwarded("scopes=read")).assert_signed_error(400, "invalid_request");
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_nonces"), 0);
    server.send(unsigned.clone().forwarded("scope=write")).assert_status(200);
    // Whoever is short of scope has signed, and was told so.
    server.send(unsigned.forwarded("")).assert_signed_error(401, "invalid_token");
}

#[test]
fn a_refusal_says_why_to_the_operator_alone() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let unsigned = || client.unsigned("GET", API);
    for (request, why) in [
        (unsigned().forwarded_with("AAAA", ""), "the signature is not that of the request"),
        (unsigned().oauth("oauth_consumer_key", "nobody").forwarded(""), "oauth_consumer_key is unknown"),
        (unsigned().oauth("oauth_token", "pst_1a_x").forwarded(""), "it is not a token of this server"),
        (unsigned().oauth("oauth_timestamp", "1799999000").forwarded(""), "1000 seconds behind"),
        (
            unsigned().oauth("oauth_signature_method", "RSA-SHA1").forwarded(""),
            "may not use this signature method",
        ),
    ] {
        let answer = server.send(request);
        answer.assert_signed_error(401, "invalid_token");
        assert_eq!(answer.json()["error_description"], "the access token is invalid, expired or revoked");
        assert_logged(&client, &answer, why);
        assert!(!server.log().last().unwrap().to_string().contains("AAAA"));
    }
}

#[test]
fn an_application_acts_alone_where_it_may() {
    let server = TestServer::new();
    let client = client(&server);
    let answer = client.validate();
    answer.assert_status(200);
    let body = answer.json();
    assert_eq!(body["client_id"], client.consumer_key.as_str());
    assert_eq!((&body["token_type"], &body["scope"]), (&"OAuth".into(), &"read write groups".into()));
    assert!(body.get("sub").is_none() && body.get("username").is_none());
    assert_eq!((answer.header("x-auth-subject"), answer.header("x-auth-username")), (None, None));
    assert_eq!(answer.header("x-auth-client-id"), Some(client.consumer_key.as_str()));
    // An empty token counts as none.
    server.send(client.unsigned("GET", API).oauth("oauth_token", "").forwarded("")).assert_status(200);

    let app = server.application().grants(&["oauth1"]).create();
    let client = SigningClient::of(&app, &server);
    let answer = client.validate();
    answer.assert_signed_error(401, "invalid_token");
    assert_logged(&client, &answer, "the application may not act alone");
    // Neither does one that may act alone sign, if it may not sign.
    let app = server.confidential_application();
    let client = SigningClient::of(&app, &server);
    let answer = client.validate();
    answer.assert_signed_error(401, "invalid_token");
    assert_logged(&client, &answer, "not registered for oauth1");
}

/// As over RPC, where the original request is told by options.
fn ask(server: &TestServer, authorization: Option<&str>, demands: &Demands) -> TestResponse {
    let mut response = block_on(answer(authorization, demands, None, &server.app));
    note_refusal("RPC", "validate", &mut response, &server.app);
    TestResponse(response)
}

#[test]
fn over_rpc_the_same_holds() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let bearer = format!("Bearer {}", app.client_credentials().tokens().access_token);
    // What the request would have told by headers.
    let demands = |place: Place| {
        let request = client.unsigned("POST", API).at(place).forwarded("");
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let demands = Demands {
            method: Some("POST".to_owned()),
            url: Some(format!("https://api.example{}", header("x-forwarded-uri").unwrap())),
            form: Some(request.body().clone()),
            ..Demands::default()
        };
        (header("authorization"), demands)
    };
    for place in [Place::Header, Place::Query, Place::Form] {
        let (authorization, told) = demands(place);
        let response = ask(&server, authorization.as_deref(), &told);
        assert_eq!(response.assert_status(200).json()["username"], "alice");
        // Once.
        ask(&server, authorization.as_deref(), &told).assert_signed_error(401, "invalid_token");
        // A Bearer token beside it decides, and the nonce is not used up.
        let (authorization, told) = demands(place);
        let response = ask(&server, Some(&bearer), &told);
        assert_eq!(response.assert_status(200).json()["token_type"], "Bearer");
        ask(&server, authorization.as_deref(), &told).assert_status(200);
        for untold in [
            Demands { method: None, ..demands(place).1 },
            Demands { method: Some("G ET".to_owned()), ..demands(place).1 },
        ] {
            let authorization = demands(place).0;
            ask(&server, authorization.as_deref(), &untold).assert_signed_error(400, "invalid_request");
        }
    }
}
