//! Signatures (RFC 5849 §3.4) and timestamps (RFC 5849 §3.3) at the endpoints under `/oauth/`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use postern::call::Request;
use serde_json::{Value, json};

use crate::oauth1::request_token::{PATH, request};
use crate::oauth1::{builder, client};
use crate::support::oauth1::{Place, SigningClient, Unsigned};
use crate::support::{CALLBACK, Signer, TestResponse, TestServer};

const HMACS: [&str; 3] = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"];
const ALL: [&str; 6] = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "PLAINTEXT"];

#[track_caller]
fn assert_unverified(answer: &TestResponse) {
    answer.assert_oauth1_error(401, "Could not verify OAuth request.");
}

/// An application that may use these methods, and has these keys.
fn with_methods<'a>(server: &'a TestServer, methods: &[&str], keys: &[&Signer]) -> SigningClient<'a> {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    let app = builder(server).set("oauth1_signature_methods", json!(methods));
    let app = if keys.is_empty() { app } else { app.set("jwks", json!({"keys": keys})) };
    SigningClient::of(&app.create(), server)
}

fn signed_by(signer: &Signer, unsigned: Unsigned) -> Request {
    let signature = BASE64_STANDARD.encode(signer.sign(unsigned.base_string().as_bytes()));
    unsigned.with_signature(&signature)
}

/// A request whose signature is of something else.
fn altered(unsigned: Unsigned, alter: impl Fn(Unsigned) -> Unsigned) -> Request {
    let signature = unsigned.signature();
    alter(unsigned).with_signature(&signature)
}

#[test]
fn a_signature_is_that_of_the_secrets() {
    // RFC 5849 §3.4.2
    let server = TestServer::new();
    let others = client(&server);
    for method in HMACS {
        let client = client(&server).with_method(method);
        let secret = client.consumer_secret.clone();
        for key in [
            String::new(),
            "&".to_owned(),
            secret.clone(),
            format!("{secret}&x"),
            format!("&{secret}"),
            format!("{}&", others.consumer_secret),
            format!("{}&", secret.to_lowercase()),
        ] {
            let mut unsigned = request(&client);
            unsigned.key = key;
            assert_unverified(&server.send(unsigned.sign()));
        }
        server.send(request(&client).sign()).credentials();
    }
}

#[test]
fn a_signature_with_another_byte_is_another() {
    let server = TestServer::new();
    for method in HMACS {
        let client = client(&server).with_method(method);
        let unsigned = request(&client);
        let signature = unsigned.signature();
        for at in 0..signature.len() {
            let mut tampered = signature.clone().into_bytes();
            tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert_unverified(&server.send(unsigned.clone().with_signature(&tampered)));
        }
        for other in [
            signature.trim_end_matches('=').to_owned(),
            format!("{signature}="),
            format!("{signature} "),
            format!(" {signature}"),
            format!("{signature}{signature}"),
            signature[1..].to_owned(),
            signature[..signature.len() - 1].to_owned(),
            signature.to_lowercase(),
            signature.replace('=', "%3D"),
            format!("{}&", client.consumer_secret),
            "x".repeat(5000),
        ] {
            assert_unverified(&server.send(unsigned.clone().with_signature(&other)));
        }
        server.send(unsigned.with_signature(&signature)).credentials();
    }
}

#[test]
fn everything_that_is_signed_counts() {
    // RFC 5849 §3.4.1
    let server = TestServer::new();
    let app = builder(&server).redirect_uris(&[CALLBACK, "https://app.example/other"]).create();
    let client = SigningClient::of(&app, &server);
    let unsigned = || {
        let unsigned = client.unsigned("POST", PATH).oauth("oauth_callback", CALLBACK);
        unsigned
            .oauth("oauth_version", "1.0")
            .form("scope", "read write")
            .query("of mine", "a b")
            .query("a", "")
    };
    for place in [Place::Header, Place::Form, Place::Query] {
        let later = (server.now() + 1).to_string();
        for (name, value) in [
            ("oauth_callback", "https://app.example/other"),
            ("oauth_callback", "oob"),
            ("oauth_nonce", "another"),
            ("oauth_timestamp", &later),
            ("oauth_timestamp", "01800000000"),
            ("oauth_signature_method", "HMAC-SHA256"),
            ("oauth_token", ""),
            ("oauth_of_mine", "1"),
            ("OAUTH_VERSION", "1.0"),
        ] {
            let request = altered(unsigned().at(place), |unsigned| unsigned.oauth(name, value));
            assert_unverified(&server.send(request));
        }
        let request = altered(unsigned().at(place), |unsigned| unsigned.without("oauth_version"));
        assert_unverified(&server.send(request));
        for alter in [
            |unsigned: Unsigned| Unsigned { form: vec![], ..unsigned },
            |unsigned: Unsigned| Unsigned { query: vec![], ..unsigned },
            |unsigned: Unsigned| Unsigned { form: vec![("scope".into(), "read".into())], ..unsigned },
            |unsigned: Unsigned| Unsigned { form: vec![("Scope".into(), "read write".into())], ..unsigned },
            |unsigned: Unsigned| unsigned.form("x", ""),
            |unsigned: Unsigned| unsigned.query("a", ""),
            |unsigned: Unsigned| unsigned.query("", ""),
            |unsigned: Unsigned| unsigned.query("of mine", "a b"),
        ] {
            assert_unverified(&server.send(altered(unsigned().at(place), alter)));
        }
        // By another method than it was sent, to another path, and to another host.
        let mut by_get = unsigned().at(place);
        by_get.method = "GET";
        let mut by_get = by_get.sign();
        *by_get.method_mut() = http::Method::POST;
        assert_unverified(&server.send(by_get));
        for url in [
            "http://localhost:8787/oauth/request_token",
            "http://localhost:8787/oauth/access_token/",
            "http://localhost/oauth/request_token/",
            "http://127.0.0.1:8787/oauth/request_token/",
            "https://localhost:8787/oauth/request_token/",
        ] {
            let mut elsewhere = unsigned().at(place);
            elsewhere.url = url.to_owned();
            let mut request = elsewhere.sign();
            let query = request.uri().query().unwrap_or_default();
            let uri: Uri = format!("http://localhost:8787{PATH}?{query}").parse().unwrap();
            *request.uri_mut() = uri;
            assert_unverified(&server.send(request));
        }
        server.send(unsigned().at(place).sign()).credentials();
    }
}

#[test]
fn an_application_signs_by_the_methods_that_it_may_use() {
    let server = TestServer::new();
    let key = Signer::rs256();
    let default =
        SigningClient::of(&builder(&server).set("jwks", json!({"keys": [key.jwk()]})).create(), &server);
    let clients = ALL.map(|method| (vec![method], with_methods(&server, &[method], &[&key])));
    let both =
        (vec!["HMAC-SHA512", "PLAINTEXT"], with_methods(&server, &["HMAC-SHA512", "PLAINTEXT"], &[&key]));
    for (allowed, client) in clients.into_iter().chain([both, (HMACS.to_vec(), default)]) {
        // `ring` makes no signatures with SHA-1.
        for method in ALL.into_iter().filter(|method| *method != "RSA-SHA1") {
            let unsigned = request(&client.with_method(method));
            let request = if method == "RSA-SHA256" { signed_by(&key, unsigned) } else { unsigned.sign() };
            match allowed.contains(&method) {
                true => drop(server.send(request).credentials()),
                false => assert_unverified(&server.send(request)),
            }
        }
    }
}

#[test]
fn an_unknown_method_is_none() {
    // RFC 5849 §3.4
    let server = TestServer::new();
    let client = client(&server);
    let before = server.db.dump();
    for method in ["HMAC-MD5", "hmac-sha1", "HMAC-SHA", "HMAC-SHA1 ", "RSA-SHA512", "plaintext", "none"] {
        let unsigned = request(&client).oauth("oauth_signature_method", method);
        assert_unverified(&server.send(unsigned.sign()));
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_signature_of_one_method_is_none_of_another() {
    let server = TestServer::new();
    let client = with_methods(&server, &ALL, &[&Signer::rs256()]);
    for said in ALL {
        for used in HMACS.into_iter().chain(["PLAINTEXT"]).filter(|used| *used != said) {
            let unsigned = request(&client.with_method(said));
            let signature = unsigned.clone().oauth("oauth_signature_method", used).signature();
            assert_unverified(&server.send(unsigned.with_signature(&signature)));
        }
    }
}

#[test]
fn plaintext_is_the_secrets_themselves() {
    // RFC 5849 §3.4.4
    for settings in [&[][..], &[("ISSUER", "https://id.example")]] {
        let server = TestServer::with(settings);
        let client = with_methods(&server, &["PLAINTEXT"], &[]).with_method("PLAINTEXT");
        let url = if settings.is_empty() { PATH.to_owned() } else { format!("https://id.example{PATH}") };
        let unsigned = || client.unsigned("POST", &url).oauth("oauth_callback", "oob");
        for place in [Place::Header, Place::Form] {
            server.send(unsigned().at(place).sign()).credentials();
        }
        let secret = &client.consumer_secret;
        for wrong in [
            secret.clone(),
            format!("{secret}& "),
            format!("{secret}&x"),
            format!("{secret}x&"),
            format!("&{secret}"),
            "&".to_owned(),
            format!("{}&", &secret[..secret.len() - 1]),
        ] {
            assert_unverified(&server.send(unsigned().with_signature(&wrong)));
        }
    }
}

#[test]
fn plaintext_may_do_without_timestamp_and_nonce() {
    // RFC 5849 §3.1
    let server = TestServer::new();
    let client = with_methods(&server, &["PLAINTEXT"], &[]).with_method("PLAINTEXT");
    let bare = || request(&client).without("oauth_timestamp").without("oauth_nonce");
    for _ in 0..2 {
        server.send(bare().sign()).credentials();
        server.send(bare().oauth("oauth_nonce", "n").sign()).credentials();
        server.send(bare().oauth("oauth_timestamp", "1").sign()).credentials();
        server.send(bare().oauth("oauth_timestamp", "").oauth("oauth_nonce", "").sign()).credentials();
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth1_nonces"), 0);
    // Who has both is held to both.
    server.send(request(&client).oauth("oauth_nonce", "n").sign()).credentials();
    assert_unverified(&server.send(request(&client).oauth("oauth_nonce", "n").sign()));
    assert_unverified(&server.send(request(&client).oauth("oauth_timestamp", "1").sign()));
    let answer = server.send(bare().oauth("oauth_timestamp", "x").sign());
    answer.assert_oauth1_error(401, "Invalid request parameters.");
    let none = bare().with_signature("");
    server.send(none).assert_oauth1_error(400, "Missing OAuth parameters: oauth_signature");
}

#[test]
fn a_secret_is_percent_encoded_before_it_signs() {
    // RFC 5849 §3.4.2
    let server = TestServer::new();
    for secret in ["a secret & more=%41", "a secret {|}~`^ of \"mine\"", "+/~ ~/+ !'()* more"] {
        let app = builder(&server)
            .set("client_secret", json!(secret))
            .set("oauth1_signature_methods", json!(["HMAC-SHA1", "PLAINTEXT"]));
        let client = SigningClient::of(&app.create(), &server);
        client.request_token("oob").credentials();
        client.with_method("PLAINTEXT").request_token("oob").credentials();
        let mut unsigned = request(&client);
        unsigned.key = format!("{secret}&");
        assert_unverified(&server.send(unsigned.sign()));
    }
}

#[test]
fn rsa_signatures_are_those_of_any_key_that_is_registered() {
    // RFC 5849 §3.4.3
    let server = TestServer::new();
    let (mine, other) = (Signer::rs256(), Signer::other_rs256());
    let one = with_methods(&server, &["RSA-SHA256"], &[&mine]).with_method("RSA-SHA256");
    let two = with_methods(&server, &["RSA-SHA256"], &[&other, &mine]).with_method("RSA-SHA256");
    for (client, key) in [(&one, &mine), (&two, &mine), (&two, &other)] {
        server.send(signed_by(key, request(client))).credentials();
        // Whoever has the secret has not the key.
        assert_unverified(&server.send(request(client).sign()));
        let unsigned = request(client);
        let mut signature = key.sign(unsigned.base_string().as_bytes());
        signature[200] ^= 1;
        assert_unverified(&server.send(unsigned.with_signature(&BASE64_STANDARD.encode(signature))));
        for not_base64 in ["!", "AAA=A", "AAAA"] {
            assert_unverified(&server.send(request(client).with_signature(not_base64)));
        }
        let altered = |unsigned: Unsigned| {
            let signature = BASE64_STANDARD.encode(key.sign(unsigned.base_string().as_bytes()));
            unsigned.form("scope", "read").with_signature(&signature)
        };
        assert_unverified(&server.send(altered(request(client))));
    }
    assert_unverified(&server.send(signed_by(&other, request(&one))));
    // What is not registered any more signs no more, wherever it was known.
    let elsewhere = server.another_isolate();
    elsewhere.send(signed_by(&other, request(&two))).credentials();
    let keys = json!({"jwks": {"keys": [mine.jwk()]}});
    server.admin("PATCH", &format!("applications/{}", two.consumer_key), keys).assert_status(200);
    for isolate in [&server, &elsewhere] {
        assert_unverified(&isolate.send(signed_by(&other, request(&two))));
        isolate.send(signed_by(&mine, request(&two))).credentials();
    }
}

/// By the key of RFC 7515 App. A.2, of an application `photos` that asks for a request token out of band at 1,800,000,000 with
/// the nonce `n`; made by OpenSSL.
const RSA_SHA1: &str = concat!(
    "XrvgpU/ivOs/IR4FN8f6NIbWyM3od0olFE07golZ67giyDGJGEnDByi5HMP0wTq0S1DXEg5cNfpXrIeNN4qCiHEIv8gYBANpMDPfMm8hA1Kt93wl",
    "q9XTJXRZSvVgXkTW5poDkQZ1Gush4sQv3RJFa04eNvdsK8a7DtuPNla9JlX/s8OTN+BFKUqIje283h51DE9Y2tQQP8O33MaiukxMKb1FHZSsMqyd",
    "3NPoJOyUC/gMjYpYQ9yY+uuXcNtIfWTXbQnLJ84CNXOMR+G6ITJcfHqC5WvFcnxI1UdNqeY033sSDDHTYV4ITLms1l3gvjX7o4washxU9iY+MPNo",
    "kHNuAw=="
);

#[test]
fn rsa_signatures_with_sha_1_are_good_for_who_may_use_them() {
    // RFC 5849 §3.4.3
    let server = TestServer::new();
    let jwks = json!({"keys": [Signer::other_rs256().jwk(), Signer::rs256().jwk()]});
    let app = builder(&server)
        .set("client_id", json!("photos"))
        .set("oauth1_signature_methods", json!(["RSA-SHA1", "RSA-SHA256"]))
        .set("jwks", jwks);
    let client = SigningClient::of(&app.create(), &server).with_method("RSA-SHA1");
    let unsigned = || request(&client).oauth("oauth_nonce", "n");
    let with_sha_256 = unsigned().oauth("oauth_signature_method", "RSA-SHA256");
    assert_unverified(&server.send(with_sha_256.with_signature(RSA_SHA1)));
    assert_unverified(&server.send(unsigned().oauth("oauth_nonce", "m").with_signature(RSA_SHA1)));
    assert_unverified(&server.send(signed_by(&Signer::rs256(), unsigned())));
    server.send(unsigned().with_signature(RSA_SHA1)).credentials();
    assert_unverified(&server.send(unsigned().with_signature(RSA_SHA1)));
}

#[test]
fn a_timestamp_is_within_300_seconds() {
    // RFC 5849 §3.3
    let server = TestServer::new();
    let client = client(&server);
    let at = |seconds: i64| {
        server.send(request(&client).oauth("oauth_timestamp", &(server.now() + seconds).to_string()).sign())
    };
    for good in [-300, -299, 0, 299, 300] {
        at(good).credentials();
    }
    for bad in [-301, 301, -3600, 3600, 1 - server.now(), (1 << 53) - server.now()] {
        assert_unverified(&at(bad));
    }
    for malformed in [
        "0",
        "-1",
        "abc",
        "+1800000000",
        " 1800000000",
        "1800000000 ",
        "1800000000.0",
        "1.8e9",
        "0x6b49d200",
        "9007199254740993",
        "99999999999999999999999999",
        "\u{661}\u{668}\u{660}\u{660}\u{660}\u{660}\u{660}\u{660}\u{660}\u{660}",
    ] {
        let answer = server.send(request(&client).oauth("oauth_timestamp", malformed).sign());
        answer.assert_oauth1_error(401, "Invalid request parameters.");
    }
}

#[test]
fn a_rotated_secret_signs_no_more_at_any_isolate() {
    let server = TestServer::new();
    let elsewhere = server.another_isolate();
    let old = client(&server);
    for isolate in [&server, &elsewhere] {
        old.at(isolate).request_token("oob").credentials();
    }
    let path = format!("applications/{}/rotate-secret", old.consumer_key);
    let rotated = server.admin("POST", &path, Value::Null).json();
    let secret = rotated["client_secret"].as_str().unwrap().to_owned();
    let mut new = old.clone();
    new.consumer_secret = secret;
    for isolate in [&elsewhere, &server, &server.another_isolate()] {
        assert_unverified(&old.at(isolate).request_token("oob"));
    }
    for isolate in [&elsewhere, &server] {
        isolate.send(request(&new).sign()).credentials();
    }
}

#[test]
fn what_an_isolate_remembers_of_an_application_refuses_nothing_alone() {
    let server = TestServer::new();
    for (before, after) in [
        (json!({"is_active": false}), json!({"is_active": true})),
        (json!({"grant_types": ["client_credentials"]}), json!({"grant_types": ["oauth1"]})),
        (json!({"oauth1_signature_methods": ["PLAINTEXT"]}), json!({"oauth1_signature_methods": null})),
    ] {
        let mut client = client(&server);
        let path = format!("applications/{}", client.consumer_key);
        server.admin("PATCH", &path, before).assert_status(200);
        let isolate = server.another_isolate();
        assert_ne!(isolate.send(request(&client).sign()).status(), 200);
        let changed = server.admin("PATCH", &path, after).assert_status(200).json();
        // Who begins to sign again gets a new secret.
        if let Some(secret) = changed["client_secret"].as_str() {
            client.consumer_secret = secret.to_owned();
        }
        isolate.send(request(&client).sign()).credentials();
    }
    let mut client = client(&server);
    let isolate = server.another_isolate();
    isolate.send(request(&client).sign()).credentials();
    let path = format!("applications/{}/rotate-secret", client.consumer_key);
    let rotated = server.admin("POST", &path, Value::Null).json();
    client.consumer_secret = rotated["client_secret"].as_str().unwrap().to_owned();
    isolate.send(request(&client).sign()).credentials();
}

#[test]
fn a_secret_that_no_key_opens_signs_nothing() {
    let server = TestServer::new();
    let client = client(&server);
    let later = server.another_isolate_with(&[("MASTER_KEY", crate::oauth1_applications::LAST)]);
    assert_unverified(&later.send(request(&client).sign()));
    for key in ["&", ""] {
        let mut unsigned = request(&client);
        unsigned.key = key.to_owned();
        assert_unverified(&later.send(unsigned.sign()));
    }
}

#[test]
fn a_header_that_is_not_ascii_is_refused() {
    let server = TestServer::new();
    let mut signed = request(&client(&server)).sign();
    let header = [signed.headers()["authorization"].as_bytes(), b", x=\"\xff\""].concat();
    signed.headers_mut().insert("authorization", HeaderValue::from_bytes(&header).unwrap());
    server.send(signed).assert_oauth1_error(401, "Invalid request parameters.");
}
