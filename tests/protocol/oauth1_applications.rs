//! Applications that sign their requests (RFC 5849): what is registered of them, and secrets that are kept sealed.

use futures_executor::block_on;
use postern::crypto::signature::PublicKey;
use postern::model::application::Application;
use postern::protocol::oauth1::SignatureMethod;
use postern::store::applications;
use serde_json::{Value, json};

use crate::support::{TestClient, TestResponse, TestServer};

pub const CHOSEN: &str = "a chosen secret of mine";

/// A value of `MASTER_KEY` that accepts nothing that the tests' own key has made.
pub const LAST: &str = "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

const MODULUS: &str = concat!(
    "rGyPEmbIJM_YoSeSvZwEJvh64v4wKVsuMTchDHVBDst7ZVJt1k12KYGM6KlfeDaJivhfmw372M6o9grsAG1vdjkHjcAJ_tNRvEBs1dmQ_2qiFkJJaGcXX7",
    "TeoM1G6pqFnv1_bZhmqI8OFdDXV4gBudI4-xKW4DumLAurssYZcGYEsjW960fxfsVlGl6WJNArTxUBu-DpmO-5fmEarLwXBQjzt5_t99Cm9-fS_RztWuzG",
    "NHj_gARgiZX_byyVXFA3G1cy4EQIdLQUe4TIkg0iXrXYKlfsMRvHIJYrVFb4ACUs_gOhFwmFxsdDgtsh_BOgHgKKsvVPRzjpdEfo2zFuWw"
);
const SHORT_MODULUS: &str = concat!(
    "1l7oWkZQwMgBVmWar9L5oKn81uu8muWlQ_rAoqGIdN2Ew-p724kozKciudnUcT2CXU6r_AtLQQvP-WVhUOA2EA79IP3Sws5nojQPHFSLyI2qj8GM5Oc2dk",
    "-lmJx0N0ij1b9nvGNum9e-peaUB7gng-poXOuYVrLkE_8d7TdP22U"
);

fn rsa_key() -> Value {
    json!({"use": "sig", "kty": "RSA", "n": MODULUS, "kid": "mine", "e": "AQAB", "x5t": "of a certificate"})
}

/// A set that can be registered.
pub fn rsa_keys() -> Value {
    json!({"more": {"of": [null, 1]}, "keys": [rsa_key()]})
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

pub fn signing(server: &TestServer, client_secret: Value) -> TestClient<'_> {
    let app = server.application().grants(&["client_credentials", "oauth1"]);
    app.set("client_secret", client_secret).create()
}

pub fn stored(server: &TestServer, app: &TestClient<'_>) -> String {
    server.db.text(&format!("SELECT secret FROM applications WHERE client_id = '{}'", app.client_id))
}

pub fn patch(server: &TestServer, app: &TestClient<'_>, patch: Value) -> TestResponse {
    server.admin("PATCH", &format!("applications/{}", app.client_id), patch)
}

fn rotate(server: &TestServer, app: &TestClient<'_>) -> Value {
    let path = format!("applications/{}/rotate-secret", app.client_id);
    server.admin("POST", &path, Value::Null).assert_status(200).json()
}

pub fn found(server: &TestServer, client_id: &str) -> Application {
    block_on(applications::find_by_client_id(client_id, &*server.app.db)).unwrap().unwrap()
}

/// Its secret as requests are signed by it.
pub fn consumer_secret(server: &TestServer, app: &TestClient<'_>) -> Option<String> {
    let secret = found(server, &app.client_id).consumer_secret(&server.app.settings.keys);
    secret.map(|secret| secret.expose().to_owned())
}

#[test]
fn the_secret_of_an_application_that_signs_is_sealed_and_can_be_read() {
    let server = TestServer::new();
    for (chosen, prefix) in [(Value::Null, "sealed$1."), (json!(CHOSEN), "sealed-chosen$1.")] {
        let app = signing(&server, chosen);
        let secret = app.client_secret.clone().unwrap();
        assert!(stored(&server, &app).starts_with(prefix), "{}", stored(&server, &app));
        assert!(!server.db.dump().contains(&secret));
        assert_eq!(consumer_secret(&server, &app), Some(secret));
    }
    for app in [server.confidential_application(), server.public_application()] {
        assert_eq!(consumer_secret(&server, &app), None);
    }
}

#[test]
fn a_sealed_secret_authenticates_the_client_at_the_token_endpoint() {
    let server = TestServer::new();
    for chosen in [Value::Null, json!(CHOSEN)] {
        let app = signing(&server, chosen);
        app.client_credentials().tokens();
        app.at(&server.another_isolate()).client_credentials().tokens();
        let secret = app.client_secret.clone().unwrap();
        let sealed = stored(&server, &app);
        let inner = sealed.split_once('$').unwrap().1;
        let shorter = &secret[..secret.len() - 1];
        for wrong in ["wrong", shorter, &format!("{secret}x"), &secret.to_uppercase(), &sealed, inner] {
            app.with_secret(Some(wrong)).client_credentials().assert_error(401, "invalid_client");
        }
        app.with_secret(None).client_credentials().assert_error(401, "invalid_client");
        app.client_credentials().tokens();
        // No slow hash is needed where there is none.
        assert_eq!(server.app.settings.password_hasher.count(), 0);
    }
}

#[test]
fn what_is_sealed_opens_in_its_own_row_as_it_is_alone() {
    let server = TestServer::new();
    let (app, other) = (signing(&server, Value::Null), signing(&server, Value::Null));
    let sealed = stored(&server, &app);
    let set = |app: &TestClient<'_>, text: &str| {
        let set = format!("UPDATE applications SET secret = '{text}' WHERE client_id = '{}'", app.client_id);
        server.db.execute(&set);
        server.advance(11); // nobody remembers the application
    };
    // Who can write in the database cannot give an application the secret of another.
    set(&other, &sealed);
    other.with_secret(app.client_secret.as_deref()).client_credentials().assert_error(401, "invalid_client");
    other.client_credentials().assert_error(401, "invalid_client");
    assert_eq!(consumer_secret(&server, &other), None);
    for at in 10..sealed.len() {
        let tampered = match sealed.as_bytes()[at] {
            b'A' => format!("{}B{}", &sealed[..at], &sealed[at + 1..]),
            _ => format!("{}A{}", &sealed[..at], &sealed[at + 1..]),
        };
        set(&app, &tampered);
        assert_eq!(consumer_secret(&server, &app), None, "{at}");
    }
    for bad in ["sealed$", "sealed$1.", "sealed-chosen$", "sealed", ""] {
        set(&app, bad);
        app.client_credentials().assert_error(401, "invalid_client");
        app.with_secret(Some("")).client_credentials().assert_error(401, "invalid_client");
    }
    set(&app, &sealed);
    app.client_credentials().tokens();
}

#[test]
fn a_secret_whose_key_is_gone_lets_nobody_in_until_it_is_rotated() {
    let server = TestServer::new();
    for chosen in [Value::Null, json!(CHOSEN)] {
        let app = signing(&server, chosen);
        let later = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
        for secret in [app.client_secret.as_deref(), Some("wrong"), None] {
            app.at(&later).with_secret(secret).client_credentials().assert_error(401, "invalid_client");
        }
        let log = format!("{:?}", later.log());
        assert!(log.contains("no key of MASTER_KEY opens the secret"), "{log}");
        let new = rotate(&later, &app);
        assert!(stored(&server, &app).starts_with("sealed$2."));
        app.at(&later).with_secret(new["client_secret"].as_str()).client_credentials().tokens();
    }
}

#[test]
fn an_application_that_begins_to_sign_gets_a_new_secret() {
    let server = TestServer::new();
    for chosen in [Value::Null, json!(CHOSEN)] {
        let app = server.application().grants(&["client_credentials"]).set("client_secret", chosen).create();
        app.client_credentials().tokens();
        let signs = json!({"grant_types": ["client_credentials", "oauth1"]});
        let answer = patch(&server, &app, signs.clone()).assert_status(200).json();
        let new = answer["client_secret"].as_str().unwrap();
        assert!(new.starts_with("pst_cs_") && stored(&server, &app).starts_with("sealed$1."));
        assert_eq!(consumer_secret(&server, &app).as_deref(), Some(new));
        app.client_credentials().assert_error(401, "invalid_client");
        app.with_secret(Some(new)).client_credentials().tokens();
        // Once.
        let sealed = stored(&server, &app);
        for again in [signs, json!({"client_name": "Notes"})] {
            let answer = patch(&server, &app, again).assert_status(200).json();
            assert!(answer.get("client_secret").is_none());
        }
        assert_eq!(stored(&server, &app), sealed);
    }
    let public = server.public_application();
    let both = json!({"client_type": "confidential", "grant_types": ["oauth1"]});
    let answer = patch(&server, &public, both).assert_status(200).json();
    assert_eq!(consumer_secret(&server, &public).as_deref(), answer["client_secret"].as_str());
}

#[test]
fn an_application_that_signs_no_more_keeps_its_secret_as_a_hash() {
    let server = TestServer::new();
    for (chosen, prefix) in [(Value::Null, "sha256$"), (json!(CHOSEN), "$argon2id$")] {
        let app = signing(&server, chosen);
        let answer = patch(&server, &app, json!({"grant_types": ["client_credentials"]}));
        assert!(answer.assert_status(200).json().get("client_secret").is_none());
        assert!(stored(&server, &app).starts_with(prefix), "{}", stored(&server, &app));
        assert_eq!(consumer_secret(&server, &app), None);
        app.client_credentials().tokens();
        app.at(&server.another_isolate()).client_credentials().tokens();
        app.with_secret(Some("wrong")).client_credentials().assert_error(401, "invalid_client");
    }
}

#[test]
fn a_lost_secret_gives_way_to_a_new_one_when_it_is_to_be_hashed() {
    let server = TestServer::new();
    let app = signing(&server, json!(CHOSEN));
    let later = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    let changed =
        patch(&later, &app, json!({"grant_types": ["client_credentials"]})).assert_status(200).json();
    assert!(stored(&server, &app).starts_with("sha256$"));
    app.with_secret(changed["client_secret"].as_str()).client_credentials().tokens();
    app.client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn a_rotated_secret_is_kept_in_the_way_that_is_needed() {
    let server = TestServer::new();
    for chosen in [Value::Null, json!(CHOSEN)] {
        let app = signing(&server, chosen);
        app.client_credentials().tokens();
        let new = rotate(&server, &app);
        let new = new["client_secret"].as_str().unwrap();
        assert!(new.starts_with("pst_cs_") && stored(&server, &app).starts_with("sealed$1."));
        assert_eq!(consumer_secret(&server, &app).as_deref(), Some(new));
        app.client_credentials().assert_error(401, "invalid_client");
        app.with_secret(Some(new)).client_credentials().tokens();
    }
    let app = server.confidential_application();
    rotate(&server, &app);
    assert!(stored(&server, &app).starts_with("sha256$"));
}

#[test]
fn a_public_application_cannot_sign() {
    // RFC 5849 §3.4.2: the secret is part of what the signature is made by.
    let server = TestServer::new();
    let fields = json!({"client_type": "public", "grant_types": ["oauth1"]});
    server.admin("POST", "applications", fields).assert_fields(400, &["grant_types"]);
    let public = server.public_application();
    patch(&server, &public, json!({"grant_types": ["oauth1"]})).assert_fields(400, &["grant_types"]);
    let app = signing(&server, Value::Null);
    let before = stored(&server, &app);
    let patched = patch(&server, &app, json!({"client_type": "public", "grant_types": ["oauth1"]}));
    patched.assert_fields(400, &["grant_types"]);
    assert_eq!(stored(&server, &app), before);
    patch(&server, &app, json!({"client_type": "public", "grant_types": ["password"]})).assert_status(200);
    assert_eq!(server.db.number("SELECT count(*) FROM applications WHERE secret IS NOT NULL"), 0);
}

#[test]
fn an_application_signs_by_the_methods_that_it_is_registered_for() {
    // RFC 5849 §3.4
    let server = TestServer::new();
    let all: Vec<&str> = SignatureMethod::ALL.map(SignatureMethod::as_str).to_vec();
    for (given, expected) in [
        (Value::Null, json!(["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"])),
        (json!(["PLAINTEXT"]), json!(["PLAINTEXT"])),
        (json!(["HMAC-SHA512", "HMAC-SHA1", "HMAC-SHA512"]), json!(["HMAC-SHA512", "HMAC-SHA1"])),
        (json!(all), json!(all)),
    ] {
        let app =
            server.application().set("oauth1_signature_methods", given).set("jwks", rsa_keys()).create();
        let found = found(&server, &app.client_id);
        assert_eq!(found.to_json()["oauth1_signature_methods"], expected);
        for method in SignatureMethod::ALL {
            let is_listed = expected.as_array().unwrap().contains(&json!(method.as_str()));
            assert_eq!(found.allows_signature_method(method), is_listed, "{expected}, {method:?}");
        }
    }
    let before = server.db.dump();
    for bad in [
        json!([]),
        json!(["HMAC-MD5"]),
        json!(["HMAC-SHA1", "hmac-sha1"]),
        json!("HMAC-SHA1"),
        json!([1]),
        json!({}),
        json!(vec!["HMAC-SHA1"; 101]),
    ] {
        let fields = json!({"client_type": "confidential", "oauth1_signature_methods": bad});
        server.admin("POST", "applications", fields).assert_fields(400, &["oauth1_signature_methods"]);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn its_keys_are_registered_and_shown_as_they_were_given() {
    // RFC 7591 §2
    let server = TestServer::new();
    let app = server.application().set("jwks", rsa_keys()).create();
    let path = format!("applications/{}", app.client_id);
    assert_eq!(server.admin("GET", &path, Value::Null).json()["jwks"], rsa_keys());
    let keys = found(&server, &app.client_id).rsa_keys();
    assert!(matches!(&keys[..], [PublicKey::Rsa { n, e }] if n.len() == 256 && *e == [1, 0, 1]));
    // Keys that verify no such signature may stand beside it (RFC 7517 §5).
    let keys_of_all_kinds = [
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        with(rsa_key(), "use", json!("enc")),
        with(rsa_key(), "alg", json!("PS256")),
        json!({"kty": "unknown"}),
        with(rsa_key(), "alg", json!("RS256")),
    ];
    let set = json!({"keys": keys_of_all_kinds});
    patch(&server, &app, json!({"jwks": set})).assert_status(200);
    assert_eq!(found(&server, &app.client_id).rsa_keys(), keys);
    // RFC 7396: what a patch does not name stays, inside too.
    patch(&server, &app, json!({"jwks": {"other": 1}})).assert_status(200);
    let shown = server.admin("GET", &path, Value::Null).json()["jwks"].clone();
    assert_eq!(shown, json!({"keys": set["keys"], "more": rsa_keys()["more"], "other": 1}));
    patch(&server, &app, json!({"jwks": null})).assert_status(200);
    assert_eq!(server.admin("GET", &path, Value::Null).json()["jwks"], Value::Null);
    assert!(found(&server, &app.client_id).rsa_keys().is_empty());
}

#[test]
fn keys_that_do_not_verify_or_are_not_public_are_refused() {
    let server = TestServer::new();
    let before = server.db.dump();
    let set = |key: Value| json!({"keys": [key]});
    let too_many = json!({"keys": vec![rsa_key(); 11]});
    let too_long = with(rsa_keys(), "more", json!("x".repeat(16 * 1024)));
    let beside = json!({"keys": [rsa_key(), {"kty": "EC", "crv": "P-256", "x": "", "y": "", "d": "secret-of-theirs"}]});
    for (bad, message) in [
        (json!("{}"), "an object"),
        (json!([rsa_key()]), "an object"),
        (json!({}), "list of keys"),
        (json!({"keys": rsa_key()}), "list of keys"),
        (json!({"keys": []}), "no RSA key"),
        (json!({"keys": [1]}), "no RSA key"),
        (set(json!({"kty": "EC", "crv": "P-256", "x": "A", "y": "A"})), "no RSA key"),
        (set(with(rsa_key(), "use", json!("enc"))), "no RSA key"),
        (set(with(rsa_key(), "alg", json!("PS256"))), "no RSA key"),
        (set(with(rsa_key(), "n", json!(SHORT_MODULUS))), "2048"),
        (set(with(rsa_key(), "e", json!("Aw=="))), "2048"),
        (set(with(rsa_key(), "e", json!("AQ"))), "2048"),
        (set(with(rsa_key(), "n", Value::Null)), "2048"),
        (json!({"keys": [rsa_key(), with(rsa_key(), "n", json!(SHORT_MODULUS))]}), "2048"),
        (too_many, "at most 10"),
        (too_long, "16 KiB"),
        (beside, "private"),
        (with(rsa_keys(), "more", json!({"in": [{"d": "secret-of-theirs"}]})), "private"),
        (json!({"keys": [rsa_key(), {"kty": "oct", "k": "secret-of-theirs"}]}), "private"),
    ] {
        let fields = json!({"client_type": "confidential", "jwks": bad});
        let response = server.admin("POST", "applications", fields);
        response.assert_fields(400, &["jwks"]);
        assert!(response.text().contains(message), "{bad}: {}", response.text());
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let fields = json!({"client_type": "confidential", "jwks": set(with(rsa_key(), member, json!("secret-of-theirs")))});
        let response = server.admin("POST", "applications", fields);
        response.assert_fields(400, &["jwks"]);
        assert!(response.text().contains("private") && !response.text().contains("secret-of-theirs"));
    }
    assert_eq!(server.db.dump(), before);
    assert!(!format!("{:?}", server.log()).contains("secret-of-theirs"));
    let ten = json!({"client_type": "confidential", "jwks": {"keys": vec![rsa_key(); 10]}});
    server.admin("POST", "applications", ten).assert_status(201);
}

#[test]
fn who_signs_by_rsa_has_keys_registered() {
    // RFC 5849 §3.4.3
    let server = TestServer::new();
    for method in ["RSA-SHA1", "RSA-SHA256"] {
        let fields =
            json!({"client_type": "confidential", "oauth1_signature_methods": ["HMAC-SHA1", method]});
        server.admin("POST", "applications", fields.clone()).assert_fields(400, &["jwks"]);
        let created = server.admin("POST", "applications", with(fields, "jwks", rsa_keys()));
        let path =
            format!("applications/{}", created.assert_status(201).json()["client_id"].as_str().unwrap());
        server.admin("PATCH", &path, json!({"jwks": null})).assert_fields(400, &["jwks"]);
        let neither = json!({"jwks": null, "oauth1_signature_methods": null});
        server.admin("PATCH", &path, neither).assert_status(200);
        let without = json!({"oauth1_signature_methods": [method]});
        server.admin("PATCH", &path, without).assert_fields(400, &["jwks"]);
    }
}

#[test]
fn its_owner_changes_on_the_pages_what_is_theirs_and_the_rest_stays() {
    let server = TestServer::new();
    server.user("alice");
    let app = server
        .application()
        .grants(&["authorization_code", "oauth1"])
        .set("owner", json!("alice"))
        .set("client_secret", json!(CHOSEN))
        .set("oauth1_signature_methods", json!(["RSA-SHA1"]))
        .set("jwks", rsa_keys())
        .create();
    let sealed = stored(&server, &app);
    let browser = server.browser();
    browser.log_in("alice");
    let update = format!("/o/applications/{}/update/", app.client_id);
    browser.submit_to(&update, &browser.get(&update), &[("client_name", "Mine")]).assert_status(303);
    let shown = server.admin("GET", &format!("applications/{}", app.client_id), Value::Null).json();
    for (name, value) in [
        ("client_name", json!("Mine")),
        ("grant_types", json!(["authorization_code", "oauth1"])),
        ("oauth1_signature_methods", json!(["RSA-SHA1"])),
        ("jwks", rsa_keys()),
    ] {
        assert_eq!(shown[name], value);
    }
    assert_eq!(stored(&server, &app), sealed);
    let rotate = format!("/o/applications/{}/rotate-secret/", app.client_id);
    let page = browser.submit_to(&rotate, &browser.get(&rotate), &[]).assert_status(200).text();
    assert!(page.contains(&consumer_secret(&server, &app).unwrap()));
}
