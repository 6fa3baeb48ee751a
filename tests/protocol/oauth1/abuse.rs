//! What bad input gets under `/oauth/`: an error of OAuth 1.0a, nothing stored, never a 5xx; and nothing secret is left lying
//! about by good input.

use http::{HeaderValue, Method};
use postern::call::Request;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::oauth1::client;
use crate::oauth1::request_token::request;
use crate::support::oauth1::{Place, SigningClient, Unsigned};
use crate::support::{CALLBACK, Landing, PASSWORD, TestResponse, TestServer, bytes_request};

const PATHS: [&str; 3] = ["/oauth/request_token/", "/oauth/authorize/", "/oauth/access_token/"];
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// An error of a 4xx, in plain text or on a page.
fn check_refused(answer: &TestResponse) -> Result<(), String> {
    let (status, media_type) = (answer.status(), answer.header("content-type").unwrap_or_default());
    let is_known = media_type == "text/plain; charset=utf-8" || media_type == "text/html; charset=utf-8";
    let says_how = media_type.starts_with("text/html") || answer.header("www-authenticate").is_some();
    match (400..500).contains(&status) && is_known && says_how && answer.header("x-request-id").is_some() {
        true => Ok(()),
        false => Err(format!("{status} {media_type} {}", answer.text())),
    }
}

#[track_caller]
fn assert_refused(server: &TestServer, request: Request, before: &str) {
    let answer = server.send(request);
    assert_eq!(check_refused(&answer), Ok(()));
    assert_eq!(server.db.dump(), before);
}

fn with_authorization(path: &str, header: &[u8]) -> Option<Request> {
    let mut request = bytes_request(Method::POST, path, &[], b"");
    request.headers_mut().insert("authorization", HeaderValue::from_bytes(header).ok()?);
    Some(request)
}

#[test]
fn what_is_malformed_is_refused_wherever_it_stands() {
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    let malformed: [&[u8]; 12] = [
        b"%",
        b"%6",
        b"%zz",
        b"%ff",
        b"%c3%28",
        b"%ed%a0%80",
        b"%00",
        b"a%00b",
        b"\xff",
        b"\xc3\x28",
        b"\0",
        b"\xf4\x90\x80\x80",
    ];
    for path in PATHS {
        for bad in malformed {
            let name = [b"oauth_signature=x&", bad, b"=x"].concat();
            let value = [b"oauth_signature=x&x=", bad].concat();
            let own = [b"oauth_signature=", bad].concat();
            for body in [&name, &value, &own] {
                assert_refused(&server, bytes_request(Method::POST, path, &[FORM], body), &before);
                if let Ok(query) = std::str::from_utf8(body)
                    && !query.contains('\0')
                {
                    for method in [Method::GET, Method::POST] {
                        let url = format!("{path}?{query}&oauth_token=%ff");
                        assert_refused(&server, bytes_request(method, &url, &[FORM], b""), &before);
                    }
                }
            }
            for header in [
                [b"OAuth x=\"", bad, b"\""].concat(),
                [b"OAuth ", bad, b"=\"x\""].concat(),
                [b"OAuth oauth_signature=\"", bad, b"\""].concat(),
                [b"OAuth ", bad].concat(),
            ] {
                if let Some(request) = with_authorization(path, &header) {
                    assert_refused(&server, request, &before);
                }
            }
        }
    }
    // Also beside a good signature.
    let mut signed = request(&client).form("a", "1").sign();
    *signed.body_mut() = b"a=1&b=%ff".to_vec();
    assert_refused(&server, signed, &before);
}

#[test]
fn floods_are_refused() {
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    let many: Vec<String> = (0..10_000).map(|n| format!("{n}=")).collect();
    let (form, list) = (many.join("&"), many.join("\"\",") + "\"\"");
    for path in PATHS {
        let signed = format!("{form}&oauth_signature=x");
        assert_refused(&server, bytes_request(Method::POST, path, &[FORM], signed.as_bytes()), &before);
        let url = format!("{path}?{signed}&oauth_token=%ff");
        assert_refused(&server, bytes_request(Method::GET, &url, &[], b""), &before);
        for header in [
            format!("OAuth {list}"),
            format!("OAuth {}", ",".repeat(100_000)),
            format!("OAuth {}", "=\"\",".repeat(20_000)),
            format!("OAuth x=\"{}", "\\".repeat(100_000)),
            format!("OAuth realm=\"{}\"", "x".repeat(100_000)),
            format!("OAuth {}", "x".repeat(100_000)),
            format!("OAuth x=\"{}\"", "%".repeat(100_000)),
        ] {
            assert_refused(&server, with_authorization(path, header.as_bytes()).unwrap(), &before);
        }
    }
    // A good signature does not make too many parameters good.
    let mut unsigned = request(&client);
    unsigned.form = (0..5000).map(|n| (n.to_string(), String::new())).collect();
    assert_refused(&server, unsigned.sign(), &before);
    // Nor one header many.
    let mut signed = request(&client).sign();
    for n in 0..1000 {
        let value = HeaderValue::from_str(&format!("OAuth oauth_nonce=\"{n}\"")).unwrap();
        signed.headers_mut().append("authorization", value);
    }
    assert_refused(&server, signed, &before);
}

/// A request of a known kind, and what is done to it.
fn spoilt() -> impl Strategy<Value = (usize, usize, Vec<(usize, u8)>)> {
    let edits = prop::collection::vec((any::<usize>(), any::<u8>()), 1..4);
    (0..6_usize, 0..3_usize, edits)
}

fn real(client: &SigningClient<'_>, kind: usize, place: usize) -> Unsigned {
    let unsigned = match kind {
        0 => request(client),
        1 => request(client).form("scope", "read").query("a", "b"),
        2 => client.unsigned("POST", PATHS[2]).oauth("oauth_token", "x").oauth("oauth_verifier", "1"),
        3 => client
            .unsigned("POST", PATHS[2])
            .form("x_auth_mode", "client_auth")
            .form("x_auth_username", "alice"),
        4 => client.unsigned("GET", PATHS[1]).query("oauth_token", "x"),
        _ => client.unsigned("GET", PATHS[0]).oauth("oauth_callback", CALLBACK),
    };
    let is_get = unsigned.method == "GET";
    unsigned.at(match place {
        0 => Place::Header,
        1 if !is_get => Place::Form,
        _ => Place::Query,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_anywhere_are_refused(
        path in select(PATHS.to_vec()),
        is_get in any::<bool>(),
        header in prop::collection::vec(any::<u8>(), 0..120),
        is_oauth in any::<bool>(),
        query in "[!-\"$-~]{0,120}",
        body in prop::collection::vec(any::<u8>(), 0..120),
        is_form in any::<bool>(),
        accept in select(vec!["", "text/html", "*/*"]),
    ) {
        let server = TestServer::new();
        let before = server.db.dump();
        let method = if is_get { Method::GET } else { Method::POST };
        let built = http::Request::builder()
            .method(method)
            .uri(format!("http://localhost:8787{path}?{query}"))
            .header("accept", accept)
            .header("content-type", if is_form { FORM.1 } else { "text/plain" });
        let header = if is_oauth { [b"OAuth ", &header[..]].concat() } else { header };
        let built = match HeaderValue::from_bytes(&header) {
            Ok(value) => built.header("authorization", value),
            Err(_) => built,
        };
        if let Ok(request) = built.body(body) {
            let answer = server.send(request);
            prop_assert_eq!(check_refused(&answer), Ok(()));
            prop_assert_eq!(server.db.dump(), before);
        }
    }

    #[test]
    fn a_real_request_with_other_bytes_in_it_is_refused((kind, place, edits) in spoilt()) {
        let server = TestServer::new();
        let client = client(&server);
        // Only what is not good as it is can be told from what is not good any more.
        let mut request = real(&client, kind, place).with_signature("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let before = server.db.dump();
        for (at, byte) in edits {
            match request.headers().get("authorization").map(|header| header.as_bytes().to_vec()) {
                Some(mut header) => {
                    let length = header.len();
                    header[at % length] = byte;
                    if let Ok(value) = HeaderValue::from_bytes(&header) {
                        request.headers_mut().insert("authorization", value);
                    }
                }
                None if !request.body().is_empty() => {
                    let length = request.body().len();
                    request.body_mut()[at % length] = byte;
                }
                None => {
                    let mut uri = request.uri().to_string().into_bytes();
                    let query = uri.iter().position(|byte| *byte == b'?').map_or(uri.len() - 1, |at| at + 1);
                    let length = uri.len() - query;
                    uri[query + at % length] = byte;
                    if let Ok(uri) = http::Uri::try_from(uri) {
                        *request.uri_mut() = uri;
                    }
                }
            }
        }
        let answer = server.send(request);
        prop_assert_eq!(check_refused(&answer), Ok(()));
        prop_assert_eq!(server.db.dump(), before);
    }
}

#[test]
fn after_all_flows_there_is_no_secret_at_rest_or_in_the_log() {
    let server = TestServer::new();
    server.user("alice");
    let app = crate::oauth1::builder(&server).set("xauth_allowed", json!(true));
    let app = app.set("oauth1_signature_methods", json!(["HMAC-SHA1", "PLAINTEXT"])).create();
    let client = SigningClient::of(&app, &server);
    let mut secrets =
        vec![client.consumer_secret.clone(), PASSWORD.to_owned(), "a wrong password".to_owned()];

    let browser = server.browser();
    browser.log_in("alice");
    for callback in ["oob", CALLBACK] {
        let temporary = client.request_token(callback).credentials();
        let page = browser.get(&format!("/oauth/authorize/?oauth_token={}", temporary.token));
        let answer = browser.submit_once(&page, &[("decision", "allow")]);
        let verifier = match callback {
            "oob" => crate::support::oauth1::verifier_of(&answer),
            _ => Landing::of(&answer).get("oauth_verifier").to_owned(),
        };
        let client = client.with_token(&temporary);
        client.access_token("a wrong verifier").assert_status(400);
        let mut forged = client.unsigned("POST", PATHS[2]).oauth("oauth_verifier", &verifier);
        forged.key = "wrong&wrong".to_owned();
        server.send(forged.sign()).assert_status(401);
        for what in 0..3 {
            server.db.is_down.set(what == 0);
            server.db.loses_answers.set(what == 1);
            let answer = client.access_token(&verifier);
            server.db.is_down.set(false);
            server.db.loses_answers.set(false);
            if answer.status() == 200 {
                let issued = answer.credentials();
                client.with_token(&issued).validate().assert_status(200);
                secrets.extend([issued.token, issued.secret]);
            }
        }
        client.access_token(&verifier).assert_status(400);
        browser.get(&format!("/oauth/authorize/?oauth_token={}", temporary.token)).assert_status(400);
        secrets.extend([temporary.token, temporary.secret, verifier]);
    }
    let pending = client.request_token("oob").credentials();
    secrets.extend([pending.token, pending.secret]);
    let issued = client.xauth("alice", PASSWORD).credentials();
    secrets.extend([issued.token, issued.secret]);
    client.xauth("alice", "a wrong password").assert_status(400);
    client.xauth("a wrong password", "x").assert_status(400);
    let by_query = client.unsigned("GET", PATHS[2]).query("x_auth_mode", "client_auth");
    let by_query = by_query.query("x_auth_username", "alice").query("x_auth_password", "a wrong password");
    server.send(by_query.sign()).assert_status(400);
    let plain = client.with_method("PLAINTEXT");
    plain.request_token("oob").credentials();
    plain.request_token("https://evil.example/").assert_status(401);
    server.send(request(&plain).oauth("oauth_timestamp", "1").sign()).assert_status(401);
    server.send(request(&plain).oauth("oauth_version", "2").sign()).assert_status(401);
    server.db.is_down.set(true);
    client.xauth("alice", PASSWORD).assert_status(503);
    server.db.is_down.set(false);

    let (log, dump) = (format!("{:?}", server.log()), server.db.dump());
    assert!(log.contains("oauth_verifier is not that of the request token"), "{log}");
    for secret in &secrets {
        let encoded = crate::support::oauth1::encode(secret);
        let end: String = secret.chars().skip(secret.chars().count().saturating_sub(20)).collect();
        for form in [secret, &encoded, &end] {
            assert!(!log.contains(form.as_str()), "{secret} stands in the log");
            // The wrong ones are nobody's: what is kept of a name that was typed is a keyed digest.
            assert!(!dump.contains(form.as_str()), "{secret} is stored");
        }
    }
}
