//! Temporary credentials (RFC 5849 §2.1): what is answered, and what is refused.

use http::{HeaderValue, Method};
use postern::call::Request;
use serde_json::{Value, json};

use crate::oauth1::{builder, client};
use crate::support::oauth1::{Place, SigningClient, Unsigned};
use crate::support::{CALLBACK, TestServer, bytes_request, encode_form, request as plain_request};

pub const PATH: &str = "/oauth/request_token/";

const REQUIRED: [&str; 5] =
    ["oauth_consumer_key", "oauth_signature_method", "oauth_signature", "oauth_timestamp", "oauth_nonce"];

/// A request for a request token, out of band.
pub fn request(client: &SigningClient<'_>) -> Unsigned {
    client.unsigned("POST", PATH).oauth("oauth_callback", "oob")
}

/// How many request tokens are stored.
fn count(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM oauth1_tokens")
}

/// With something else in its `Authorization` header.
pub fn with_header(mut request: Request, change: impl Fn(&str) -> String) -> Request {
    let header = request.headers()["authorization"].to_str().unwrap().to_owned();
    let changed = HeaderValue::from_str(&change(&header)).unwrap();
    request.headers_mut().insert("authorization", changed);
    request
}

#[test]
fn a_callback_is_one_that_is_registered_or_out_of_band() {
    // RFC 5849 §2.1, RFC 9700 §2.1
    let server = TestServer::new();
    let uris = ["https://app.example/cb?x=1", "http://127.0.0.1:80/cb", "com.example.app:/cb", CALLBACK];
    let app = server.application().grants(&["oauth1"]).redirect_uris(&uris).create();
    let client = SigningClient::of(&app, &server);
    let good = ["oob", "http://127.0.0.1:50000/cb", "http://127.0.0.1/cb"];
    for callback in good.iter().chain(&uris) {
        client.request_token(callback).credentials();
    }
    assert_eq!(count(&server), 7);
    for callback in [
        "",
        "OOB",
        "oob ",
        "https://app.example/",
        "https://app.example/cb/",
        "https://app.example/cb?",
        "https://app.example/cb?x=2",
        "https://app.example/cb?x=1&y=2",
        "https://app.example/cb#f",
        "https://app.example:443/cb",
        "http://app.example/cb",
        "https://evil.example/cb",
        "https://app.example@evil.example/cb",
        "http://127.0.0.1:50000/other",
        "http://localhost/cb",
        "com.example.app:/other",
        "javascript:alert(1)",
        "/cb",
    ] {
        client.request_token(callback).assert_oauth1_error(401, "Invalid callback URL.");
    }
    assert_eq!(count(&server), 7);
    let none = server.application().grants(&["oauth1"]).create();
    let none = SigningClient::of(&none, &server);
    none.request_token("oob").credentials();
    none.request_token(CALLBACK).assert_oauth1_error(401, "Invalid callback URL.");
}

#[test]
fn a_callback_is_required() {
    // RFC 5849 §2.1
    let server = TestServer::new();
    let client = client(&server);
    for place in [Place::Header, Place::Form, Place::Query] {
        let unsigned = client.unsigned("POST", PATH).at(place);
        let answer = server.send(unsigned.sign());
        answer.assert_oauth1_error(400, "Missing OAuth parameters: oauth_callback");
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn a_scope_is_what_the_application_may_have() {
    let server = TestServer::new();
    let app = builder(&server).scope("read groups").create();
    let client = SigningClient::of(&app, &server);
    let stored = || server.db.text("SELECT scope FROM oauth1_tokens");
    for (asked, granted) in [
        (None, "read groups"),
        (Some(""), "read groups"),
        (Some("read"), "read"),
        (Some("groups"), "groups"),
        (Some("groups read"), "groups read"),
    ] {
        server.db.execute("DELETE FROM oauth1_tokens");
        let mut unsigned = request(&client);
        if let Some(asked) = asked {
            unsigned = unsigned.form("scope", asked);
        }
        server.send(unsigned.sign()).credentials();
        assert_eq!(stored(), granted, "{asked:?}");
    }
    // It may stand wherever a parameter may.
    server.db.execute("DELETE FROM oauth1_tokens");
    server.send(request(&client).query("scope", "read").sign()).credentials();
    assert_eq!(stored(), "read");
    server.db.execute("DELETE FROM oauth1_tokens");
    server.send(request(&client).oauth("scope", "groups").sign()).credentials();
    assert_eq!(stored(), "groups");
    server.db.execute("DELETE FROM oauth1_tokens");
    for asked in
        ["write", "read write", "nonsense", "openid", "READ", " ", "re\"ad", "read\u{e9}", "read,groups"]
    {
        let answer = server.send(request(&client).form("scope", asked).sign());
        answer.assert_oauth1_error(401, "Scope does not exist.");
    }
    let twice = request(&client).form("scope", "read").form("scope", "read");
    server.send(twice.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    let apart = request(&client).form("scope", "read").query("scope", "read");
    server.send(apart.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    assert_eq!(count(&server), 0);
}

#[test]
fn what_is_missing_or_empty_is_named() {
    // RFC 5849 §3.1, §3.2
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    let without = |unsigned: Unsigned, names: &[&str], is_empty: bool| {
        let signature = if names.contains(&"oauth_signature") { "" } else { "x" };
        let change = |unsigned: Unsigned, name: &&str| match is_empty {
            true => unsigned.oauth(name, ""),
            false => unsigned.without(name),
        };
        let named = names.iter().filter(|name| **name != "oauth_signature");
        named.fold(unsigned, change).with_signature(signature)
    };
    for place in [Place::Header, Place::Form] {
        for is_empty in [false, true] {
            for name in REQUIRED {
                let answer = server.send(without(request(&client).at(place), &[name], is_empty));
                answer.assert_oauth1_error(400, &format!("Missing OAuth parameters: {name}"));
            }
            let all = server.send(without(request(&client).at(place), &REQUIRED, is_empty));
            all.assert_oauth1_error(400, &format!("Missing OAuth parameters: {}", REQUIRED.join(", ")));
            let two = without(request(&client).at(place), &["oauth_nonce", "oauth_consumer_key"], is_empty);
            let said = "Missing OAuth parameters: oauth_consumer_key, oauth_nonce";
            server.send(two).assert_oauth1_error(400, said);
        }
    }
    let empty = [("authorization", "OAuth")];
    let answer = server.send(plain_request(Method::POST, PATH, &empty, ""));
    answer.assert_oauth1_error(400, &format!("Missing OAuth parameters: {}", REQUIRED.join(", ")));
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_request_that_is_not_signed_is_none() {
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    let bearer = [("authorization", "Bearer x")];
    for request in [
        plain_request(Method::POST, PATH, &[], ""),
        plain_request(Method::GET, PATH, &[], ""),
        plain_request(Method::POST, PATH, &bearer, ""),
        plain_request(Method::GET, &format!("{PATH}?oauth_consumer_key={}", client.consumer_key), &[], ""),
    ] {
        server.send(request).assert_oauth1_error(401, "Invalid request parameters.");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn parameters_stand_once() {
    // RFC 5849 §3.1
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    for place in [Place::Header, Place::Form, Place::Query] {
        for name in
            REQUIRED.into_iter().chain(["oauth_callback", "oauth_version", "oauth_token", "oauth_of_mine"])
        {
            let mut unsigned =
                request(&client).oauth("oauth_version", "1.0").oauth("oauth_of_mine", "1").at(place);
            let value = unsigned.oauth.iter().find(|(known, _)| known == name);
            let value = value.map(|(_, value)| value.clone()).unwrap_or_default();
            let count = if name == "oauth_token" { 2 } else { 1 };
            unsigned.oauth.extend(vec![(name.to_owned(), value); count]);
            let answer = server.send(unsigned.sign());
            answer.assert_oauth1_error(401, "Invalid request parameters.");
        }
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn parameters_of_the_protocol_stand_in_one_place() {
    // RFC 5849 §3.5
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    let refused = |unsigned: Unsigned| {
        server.send(unsigned.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    };
    for name in ["oauth_callback", "oauth_version", "oauth_token", "oauth_of_mine"] {
        let value = if name == "oauth_callback" { "oob" } else { "1.0" };
        for place in [Place::Header, Place::Form] {
            refused(request(&client).without(name).query(name, value).at(place));
        }
        for place in [Place::Header, Place::Query] {
            refused(request(&client).without(name).form(name, value).at(place));
        }
    }
    assert_eq!(server.db.dump(), before);
    // Others stand where they like.
    let both =
        request(&client).query("a", "1").form("a", "1").form("a", "0").form("", "").query("scope", "read");
    server.send(both.sign()).credentials();
}

#[test]
fn get_and_post_are_answered_with_and_without_a_slash_and_nothing_else_is() {
    let server = TestServer::new();
    let client = client(&server);
    for path in [PATH, "/oauth/request_token"] {
        for method in ["GET", "POST"] {
            let unsigned = client.unsigned(method, path).oauth("oauth_callback", "oob");
            server.send(unsigned.sign()).credentials();
        }
    }
    let head = client.unsigned("HEAD", PATH).oauth("oauth_callback", "oob");
    let head = server.send(head.sign());
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    let before = server.db.dump();
    for path in ["/oauth/request_token", "/oauth/authorize", "/oauth/access_token"] {
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
            for slash in ["", "/"] {
                let mut unsigned = client.unsigned("POST", &format!("{path}{slash}"));
                unsigned.method = method;
                let answer = server.send(unsigned.oauth("oauth_callback", "oob").sign());
                answer.assert_oauth1_error(405, "this method is not allowed here");
                assert_eq!(answer.header("allow"), Some("GET, POST, HEAD"));
            }
        }
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_body_is_at_most_64_kib() {
    let server = TestServer::new();
    let client = client(&server);
    let padded = |length: usize| {
        let empty = request(&client).form("x", "").sign().body().len();
        request(&client).form("x", &"a".repeat(length - empty)).sign()
    };
    let longest = padded(64 * 1024);
    assert_eq!(longest.body().len(), 64 * 1024);
    server.send(longest).credentials();
    let before = server.db.dump();
    for path in ["/oauth/request_token/", "/oauth/access_token/", "/oauth/authorize/"] {
        let mut request = padded(64 * 1024 + 1);
        *request.uri_mut() = format!("http://localhost:8787{path}").parse().unwrap();
        let answer = server.send(request);
        answer.assert_oauth1_error(413, "the body is longer than 65536 bytes");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn only_a_form_is_part_of_what_is_signed() {
    // RFC 5849 §3.4.1.3.1
    let server = TestServer::new();
    let client = client(&server);
    let with_body = |unsigned: Unsigned, media_type: &str, body: &[u8]| {
        let signed = unsigned.sign();
        let header = signed.headers()["authorization"].to_str().unwrap().to_owned();
        let headers = [("authorization", header.as_str()), ("content-type", media_type)];
        bytes_request(Method::POST, PATH, &headers, body)
    };
    for (media_type, body) in [
        ("application/json", &br#"{"scope": "read"}"#[..]),
        ("application/json", b"{"),
        ("text/plain", b"scope=nonsense&scope=%ZZ"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/octet-stream", &[0, 0xff]),
    ] {
        server.send(with_body(request(&client), media_type, body)).credentials();
    }
    let form = "application/x-www-form-urlencoded";
    for media_type in [form, "application/x-www-form-urlencoded; charset=utf-8"] {
        let unsigned = with_body(request(&client), media_type, b"scope=read");
        server.send(unsigned).assert_oauth1_error(401, "Could not verify OAuth request.");
        let mut signed = request(&client).form("scope", "read").sign();
        signed.headers_mut().insert("content-type", HeaderValue::from_str(media_type).unwrap());
        server.send(signed).credentials();
    }
    // What is no form has no parameters.
    for media_type in ["application/json", "text/plain"] {
        let mut unread = request(&client).at(Place::Form).sign();
        unread.headers_mut().insert("content-type", HeaderValue::from_static(media_type));
        server.send(unread).assert_oauth1_error(401, "Invalid request parameters.");
    }
    let pairs = request(&client).oauth.into_iter().collect::<std::collections::BTreeMap<_, _>>();
    let json = [("content-type", "application/json")];
    let request = bytes_request(Method::POST, PATH, &json, json!(pairs).to_string().as_bytes());
    server.send(request).assert_oauth1_error(401, "Invalid request parameters.");
}

#[test]
fn a_realm_is_no_parameter_and_the_header_is_read_as_a_list() {
    // RFC 5849 §3.4.1.3.1, §3.5.1; RFC 9110 §5.6.1.2, §11.1
    let server = TestServer::new();
    let client = client(&server);
    for change in [
        |header: &str| header.replacen("OAuth ", r#"OAuth realm="Photos", "#, 1),
        |header: &str| header.replacen("OAuth ", r#"OAuth REALM="a, \"b\" = %zz", "#, 1),
        |header: &str| format!(r#"{header}, realm="""#),
        |header: &str| header.replacen("OAuth", "oauth", 1),
        |header: &str| header.replacen("OAuth ", "OAUTH   , ,", 1),
        |header: &str| header.replace(", ", ","),
        |header: &str| header.replace(", ", " ,\t"),
        |header: &str| header.replace("=\"", " = \""),
        |header: &str| format!("{header},"),
    ] {
        server.send(with_header(request(&client).sign(), change)).credentials();
    }
    // In a form or a query it is a parameter as any other.
    server.send(request(&client).form("realm", "Photos").sign()).credentials();
    let added =
        with_header(request(&client).form("realm", "a").sign(), |header| format!("{header}, x=\"1\""));
    server.send(added).assert_oauth1_error(401, "Could not verify OAuth request.");
    for change in [
        |header: &str| header.replace(", ", " "),
        |header: &str| header.replace('"', ""),
        |header: &str| header.replace('"', "'"),
        |header: &str| header.replacen("oauth_nonce=\"", "oauth_nonce=\"%zz", 1),
        |header: &str| header.replacen("oauth_nonce=\"", "oauth_nonce=\"%ff", 1),
        |header: &str| header.replacen("oauth_nonce=\"", "oauth_nonce=\"%00", 1),
        |header: &str| header.replacen("oauth_nonce=\"", "oauth_nonce=\"a b", 1),
        |header: &str| format!("{header}, x"),
        |header: &str| format!("{header}, =\"1\""),
        |header: &str| format!("{header}, x=\"1"),
    ] {
        let answer = server.send(with_header(request(&client).sign(), change));
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
    let mut twice = request(&client).sign();
    let header = twice.headers()["authorization"].clone();
    twice.headers_mut().append("authorization", header);
    server.send(twice).assert_oauth1_error(401, "Invalid request parameters.");
}

#[test]
fn the_version_is_1_0_or_not_told() {
    // RFC 5849 §3.1
    let server = TestServer::new();
    let client = client(&server);
    server.send(request(&client).oauth("oauth_version", "1.0").sign()).credentials();
    for version in ["", "1", "1.0a", "1.00", "2.0", " 1.0"] {
        let answer = server.send(request(&client).oauth("oauth_version", version).sign());
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
}

#[test]
fn there_is_no_token_yet() {
    // RFC 5849 §2.1, §3.1
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    server.send(request(&client).oauth("oauth_token", "").sign()).credentials();
    let temporary = client.request_token("oob").credentials();
    let token = client.three_legs("alice");
    let before = count(&server);
    for client in [client.with_token(&temporary), client.with_token(&token)] {
        let answer = server.send(request(&client).sign());
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
    let made_up = request(&client).oauth("oauth_token", "x");
    server.send(made_up.sign()).assert_oauth1_error(401, "Invalid request parameters.");
    assert_eq!(count(&server), before);
}

#[test]
fn xauth_begins_at_the_access_token() {
    let server = TestServer::new();
    let client = SigningClient::of(&builder(&server).set("xauth_allowed", true.into()).create(), &server);
    for mode in ["client_auth", "", "other"] {
        for unsigned in [
            request(&client).form("x_auth_mode", mode),
            request(&client).query("x_auth_mode", mode),
            request(&client).oauth("x_auth_mode", mode),
            client.unsigned("POST", PATH).form("x_auth_mode", mode),
        ] {
            let answer = server.send(unsigned.sign());
            answer.assert_oauth1_error(400, "xAuth not allowed for this method.");
        }
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn an_application_that_may_not_sign_is_as_unknown_as_one_that_is_not_there() {
    let server = TestServer::new();
    let elsewhere = server.another_isolate();
    let good = || client(&server);
    let (disabled, other, deleted) = (good(), good(), good());
    for client in [&disabled, &other, &deleted] {
        for isolate in [&server, &elsewhere] {
            client.at(isolate).request_token("oob").credentials();
        }
    }
    let path = |client_id: &str| format!("applications/{client_id}");
    server.admin("PATCH", &path(&disabled.consumer_key), json!({"is_active": false})).assert_status(200);
    let grants = json!({"grant_types": ["client_credentials"]});
    server.admin("PATCH", &path(&other.consumer_key), grants).assert_status(200);
    server.admin("DELETE", &path(&deleted.consumer_key), Value::Null).assert_status(204);
    let before = count(&server);
    for client in [&disabled, &other, &deleted] {
        for isolate in [&server, &elsewhere, &server.another_isolate()] {
            let client = client.at(isolate);
            client.request_token("oob").assert_oauth1_error(400, "Invalid consumer.");
            let wrong = request(&client).with_signature("AAAA");
            isolate.send(wrong).assert_oauth1_error(400, "Invalid consumer.");
        }
    }
    let client = client(&server);
    for key in ["x", "'", "\u{e9}", " ", &client.consumer_key.to_uppercase(), &"x".repeat(255)] {
        let answer = server.send(request(&client).oauth("oauth_consumer_key", key).sign());
        answer.assert_oauth1_error(400, "Invalid consumer.");
    }
    for key in ["\n", "\u{7f}", &"x".repeat(256)] {
        let answer = server.send(request(&client).oauth("oauth_consumer_key", key).sign());
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
    assert_eq!(count(&server), before);
}

#[test]
fn an_unknown_application_takes_the_work_of_a_known_one_with_a_wrong_signature() {
    let server = TestServer::new();
    let client = client(&server);
    let calls = |unsigned: Unsigned| {
        let isolate = server.another_isolate();
        let before = server.db.round_trips.get();
        isolate.send(unsigned.with_signature("AAAA"));
        server.db.round_trips.get() - before
    };
    let (known, unknown) = (request(&client), request(&client).oauth("oauth_consumer_key", "x"));
    assert_eq!((calls(known), calls(unknown)), (1, 1));
}

#[test]
fn what_an_application_gets_is_its_own_and_new() {
    let server = TestServer::new();
    let client = client(&server);
    let first = client.request_token("oob").credentials();
    let second = client.request_token("oob").credentials();
    assert!(first.token.starts_with("pst_1r_") && second.token.starts_with("pst_1r_"));
    assert!(first.token != second.token && first.secret != second.secret);
    assert!(first.secret.len() >= 43);
    // It is no Bearer token.
    server.validate(&first.token).assert_bearer_error(401, "invalid_token");
}

#[test]
fn an_application_is_told_below_the_issuer_whatever_a_proxy_has_made_of_the_path() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/auth")]);
    let client = client(&server);
    for path in ["", "/auth"] {
        let url = format!("https://id.example{path}/oauth/request_token");
        let mut unsigned = client.unsigned("POST", &url).oauth("oauth_callback", "oob");
        unsigned.url = "https://id.example/auth/oauth/request_token".to_owned();
        let mut signed = unsigned.clone().sign();
        *signed.uri_mut() = url.parse().unwrap();
        server.send(signed).credentials();
    }
    for other in ["https://id.example/oauth/request_token", "http://id.example/auth/oauth/request_token"] {
        let unsigned = client.unsigned("POST", other).oauth("oauth_callback", "oob");
        server.send(unsigned.sign()).assert_oauth1_error(401, "Could not verify OAuth request.");
    }
}

#[test]
fn request_tokens_are_cleared_away_when_they_have_expired_and_no_sooner() {
    let server = TestServer::new();
    let client = client(&server);
    for _ in 0..20 {
        client.request_token("oob").credentials();
    }
    server.advance(599);
    client.request_token("oob").credentials();
    assert_eq!(count(&server), 21);
    server.advance(1);
    for _ in 0..5 {
        client.request_token("oob").credentials();
    }
    assert_eq!(count(&server), 6);
    server.advance(600);
    server.admin("POST", "cleartokens", Value::Null).assert_status(200);
    assert_eq!(count(&server), 0);
}

#[test]
fn storage_that_fails_is_503_and_nothing_is_stored_but_what_is_swept_away() {
    use crate::support::{Meddle, Meddling};
    let server = TestServer::new();
    let client = client(&server);
    // The application, the nonce, the request token.
    for call in 0..3 {
        for what in [Meddle::Refuse, Meddle::LoseAnswer] {
            let before = count(&server);
            let is_lost = call == 2 && matches!(what, Meddle::LoseAnswer);
            let isolate = Meddling::isolate(&server, call, what);
            let answer = isolate.send(request(&client.at(&isolate)).sign());
            answer.assert_status(503);
            assert_eq!(answer.text(), "Try again in a moment.");
            assert!(answer.header("retry-after").is_some());
            assert_eq!(count(&server) - before, i64::from(is_lost));
        }
    }
    server.another_isolate().send(request(&client).sign()).credentials();
    server.db.is_down.set(true);
    client.request_token("oob").assert_status(503);
}

#[test]
fn a_change_of_the_application_in_between_counts() {
    use crate::support::{Meddle, Meddling, admin_request};
    let server = TestServer::new();
    for (change, call, said) in [
        (json!({"is_active": false}), 1, "Invalid consumer."),
        (json!({"grant_types": ["client_credentials"]}), 1, "Invalid consumer."),
        (json!({"redirect_uris": []}), 1, "Invalid callback URL."),
        // Its nonce has been used: it signs anew.
        (json!({"is_active": false}), 2, "Try again in a moment."),
        (json!({"redirect_uris": []}), 2, "Try again in a moment."),
    ] {
        let app = server.application().grants(&["oauth1"]).redirect_uri(CALLBACK).create();
        let patch = admin_request("PATCH", &format!("applications/{}", app.client_id), change);
        let what = Meddle::After(vec![(server.another_isolate(), patch)]);
        let isolate = Meddling::isolate(&server, call, what);
        let client = SigningClient::of(&app, &server);
        let unsigned = client.unsigned("POST", PATH).oauth("oauth_callback", CALLBACK);
        assert_eq!(isolate.send(unsigned.sign()).text(), said);
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn the_form_of_the_answer_is_that_of_a_form() {
    // RFC 5849 §2.1
    let server = TestServer::new();
    let answer = client(&server).request_token("oob");
    let issued = answer.credentials();
    let pairs = [
        ("oauth_token", &*issued.token),
        ("oauth_token_secret", &*issued.secret),
        ("oauth_callback_confirmed", "true"),
    ];
    assert_eq!(answer.text(), encode_form(&pairs));
}
