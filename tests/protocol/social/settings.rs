//! `SOCIAL_AUTH_PROVIDERS`: what is wrong stops the start, by name; what is known needs no more than a client.

use postern::settings::Settings;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::providers::{Case, PROVIDER_TOKEN, Proof, SECRET, apple_key, script};
use super::{application, convert, count};
use crate::support::{ADMIN_TOKEN, MASTER_KEY, TestServer};

/// Why the server does not start with this.
fn refusal(providers: &str) -> Option<String> {
    let key = apple_key();
    let variable = |name: &str| {
        let text = match name {
            "SOCIAL_AUTH_PROVIDERS" => Some(providers.to_owned()),
            "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
            "MASTER_KEY" => Some(MASTER_KEY.to_owned()),
            "PROVIDER_SECRET" => Some(SECRET.to_owned()),
            "APPLE_KEY" => Some(key.clone()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        text.into()
    };
    let error = Settings::read(&variable).err()?;
    assert_eq!(error.name, "SOCIAL_AUTH_PROVIDERS");
    Some(error.reason)
}

#[track_caller]
fn assert_refused(providers: &Value, names: &[&str]) {
    let reason = refusal(&providers.to_string()).unwrap_or_else(|| panic!("accepted: {providers}"));
    for name in names {
        assert!(reason.contains(name), "{name} is not named: {reason}");
    }
    assert!(!reason.contains("VALUE"), "a value is quoted: {reason}");
}

/// Which of them counts would be a guess.
const TWICE: &str = r#"{"github": {"client_id": "VALUE"}, "github": {"client_id": "VALUE"}}"#;

#[test]
fn what_is_no_object_of_objects_stops_the_start() {
    for text in ["", "VALUE", "[]", "null", "7", r#""VALUE""#, r#"{"github": "#, TWICE] {
        let reason = refusal(text).unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(!reason.contains("VALUE"), "{reason}");
    }
    for entry in [json!("VALUE"), json!(null), json!([]), json!(7)] {
        assert_refused(&json!({"github": entry}), &["github"]);
    }
    for name in ["", "a b", "a/b", "é", "a;b", &"x".repeat(33)] {
        assert_refused(&json!({name: {"client_id": "VALUE"}}), &[]);
    }
    assert_eq!(refusal("{}"), None);
}

#[test]
fn a_wrong_member_stops_the_start_and_is_named() {
    let wrong = [
        ("client_id", json!(7)),
        ("client_id", json!("")),
        ("client_id", json!(null)),
        ("client_secret", json!("VALUE")),
        ("client_secret", json!("EMPTY")),
        ("client_secret", json!(["VALUE"])),
        ("team_id", json!("VALUE")),
        ("key_id", json!("VALUE")),
        ("kind", json!("VALUE")),
        ("kind", json!(7)),
        ("label", json!("")),
        ("label", json!(7)),
        ("issuer", json!("VALUE")),
        ("issuer", json!("http://VALUE.example")),
        ("issuer", json!("https://VALUE.example/#x")),
        ("other_issuers", json!("VALUE")),
        ("audiences", json!("VALUE")),
        ("audiences", json!([7])),
        ("discovery", json!("VALUE")),
        ("authorization_endpoint", json!("VALUE")),
        ("token_endpoint", json!("http://VALUE.example/")),
        ("userinfo_endpoint", json!("ftp://VALUE.example/")),
        ("emails_endpoint", json!("//VALUE.example/")),
        ("tokeninfo_endpoint", json!("https://u:VALUE@p.example/")),
        ("introspection_endpoint", json!(7)),
        ("revocation_endpoint", json!("javascript:VALUE")),
        ("jwks_uri", json!("VALUE")),
        ("redirect_uri", json!("VALUE")),
        ("scope", json!(["VALUE"])),
        ("allowed_domains", json!("VALUE")),
        ("allowed_emails", json!({"VALUE": 1})),
        ("proofs", json!(["VALUE"])),
        ("proofs", json!([])),
        ("proofs", json!("VALUE")),
        ("appsecret_proof", json!("VALUE")),
        ("pkce", json!("VALUE")),
        ("nonce", json!(1)),
        ("one_tap", json!("VALUE")),
        ("response_mode", json!("VALUE")),
        ("token_endpoint_auth_method", json!("VALUE")),
        ("revocation", json!("VALUE")),
        ("id_token_max_age", json!("VALUE")),
        ("id_token_max_age", json!(0)),
        ("id_token_max_age", json!(86401)),
        ("authorization_parameters", json!("VALUE")),
        ("authorization_parameters", json!({"hd": 7})),
        ("authorization_parameters", json!({"state": "VALUE"})),
        ("authorization_parameters", json!({"redirect_uri": "VALUE"})),
        ("token_check", json!("VALUE")),
        ("token_check", json!({"by": "VALUE", "client": ["x"]})),
        ("token_check", json!({"by": "query"})),
        ("token_check", json!({"by": "query", "client": []})),
        ("token_check", json!({"by": "query", "client": ["x"], "unknown": "VALUE"})),
        ("fields", json!("VALUE")),
        ("fields", json!({"id": ""})),
        ("fields", json!({"id": 7})),
        ("fields", json!({"email_verified": 7})),
        ("fields", json!({"email_verified": ["VALUE"]})),
        ("fields", json!({"unknown": "VALUE"})),
        ("unknown", json!("VALUE")),
        ("Client_id", json!("VALUE")),
    ];
    for (member, value) in wrong {
        for name in ["google-oauth2", "github", "work"] {
            let mut entry = json!({"client_id": "id", "client_secret": "PROVIDER_SECRET"});
            if name == "work" {
                entry["issuer"] = json!("https://id.example");
            }
            entry[member] = value.clone();
            // `key_id` alone is what is wrong with `team_id`, too.
            let named = if member == "key_id" { "team_id" } else { member };
            assert_refused(&json!({name: entry}), &[name, named]);
        }
    }
}

#[test]
fn what_is_missing_stops_the_start_and_is_named() {
    let client = |more: Value| {
        let mut entry = json!({"client_id": "id"});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    assert_refused(&json!({"github": {}}), &["github", "client_id"]);
    assert_refused(&json!({"work": client(json!({}))}), &["work", "issuer"]);
    let plain = json!({"issuer": "https://id.example", "discovery": false});
    assert_refused(
        &json!({"work": client(plain)}),
        &["jwks_uri", "authorization_endpoint", "token_endpoint"],
    );
    let missing = ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"];
    assert_refused(&json!({"chat": client(json!({"kind": "oauth2"}))}), &missing);
    // And nothing else of the entry.
    let secret = json!({"google-oauth2": client(json!({"client_secret": "GONE"}))});
    let reason = "google-oauth2: client_secret: is not the name of a secret of this Worker";
    assert_eq!(refusal(&secret.to_string()).as_deref(), Some(reason));
    // Only the wrong one of many is named.
    let two = json!({"github": client(json!({})), "gitlab": client(json!({"scope": 7}))});
    let reason = refusal(&two.to_string()).unwrap();
    assert!(reason.contains("gitlab") && !reason.contains("github"), "{reason}");
}

#[test]
fn a_private_key_is_to_sign_with_and_never_sent() {
    let apple = json!({"client_id": "com.example.cafe", "client_secret": "APPLE_KEY"});
    assert_refused(&json!({"apple-id": apple}), &["apple-id", "team_id"]);
    let mut with = apple.clone();
    with["team_id"] = json!("TEAM123456");
    with["key_id"] = json!("KEY1234567");
    assert_eq!(refusal(&json!({"apple-id": with}).to_string()), None);
    with["client_secret"] = json!("PROVIDER_SECRET");
    assert_refused(&json!({"apple-id": with}), &["apple-id", "client_secret"]);
}

#[test]
fn every_known_provider_starts_with_a_client_alone() {
    let known = [
        "google-oauth2",
        "google-openidconnect",
        "facebook",
        "facebook-limited-login",
        "github",
        "apple-id",
        "microsoft",
        "twitter",
        "linkedin",
        "gitlab",
        "discord",
    ];
    for name in known {
        let entry = json!({"client_id": "id", "client_secret": "PROVIDER_SECRET"});
        assert_eq!(refusal(&json!({name: entry}).to_string()), None, "{name}");
        // Under another name, too.
        let mut entry = entry;
        entry["kind"] = json!(name);
        assert_eq!(refusal(&json!({"ours": entry}).to_string()), None, "{name}");
    }
    let all: serde_json::Map<String, Value> = known
        .iter()
        .map(|name| ((*name).to_owned(), json!({"client_id": "id", "client_secret": "PROVIDER_SECRET"})))
        .collect();
    assert_eq!(refusal(&Value::Object(all).to_string()), None);
}

#[test]
fn any_endpoint_can_be_another() {
    // GitHub Enterprise, say.
    let mut github = script("github");
    let own = json!({
        "kind": "github",
        "tokeninfo_endpoint": "https://git.example/api/v3/applications/{client_id}/token",
        "userinfo_endpoint": "http://127.0.0.1:9/user",
        "emails_endpoint": "https://git.example/api/v3/user/emails",
        "fields": {"username": "name"},
    });
    github.entry.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    let entries = json!({"enterprise": github.entry}).to_string();
    let server = TestServer::with(&[("SOCIAL_AUTH_PROVIDERS", &entries), ("PROVIDER_SECRET", SECRET)]);
    let client_id = application(&server).client_id;
    let asked = [
        (
            "POST https://git.example/api/v3/applications/Iv1.8a61f9b3a7aba766/token",
            github.check.unwrap().good,
        ),
        ("GET http://127.0.0.1:9/user", github.profile.unwrap().good),
        ("GET https://git.example/api/v3/user/emails", github.emails.unwrap().good),
    ];
    for (to, answer) in &asked {
        server.providers.answer(to, 200, answer);
    }
    convert(&server, &client_id, "enterprise", &[("token", PROVIDER_TOKEN)]).assert_status(200);
    assert_eq!(server.providers.take_urls(), asked.map(|(to, _)| to));
    // The other fields are as they are known.
    super::user(&server, "MonaOctocat");
    assert_eq!(server.db.text("SELECT uid FROM social_accounts"), "583231");
}

#[test]
fn a_time_in_an_answer_that_cannot_be_read_is_no_time_that_is_still_to_come() {
    for (expires_at, status) in [
        (json!(1_800_003_600), 200),
        (json!("1800003600"), 200),
        (json!(null), 200),
        (json!(1_800_000_000), 400),
        (json!(-1), 400),
        (json!(1_700_000_000.5), 400),
        (json!("soon"), 400),
        (json!([1_800_003_600]), 400),
        (json!(true), 400),
    ] {
        let script = script("corporate");
        let server = script.server();
        let client_id = application(&server).client_id;
        script.play(Case::Good, &server.providers);
        let check = script.check.as_ref().unwrap();
        let mut answer = check.good.clone();
        answer["exp"] = expires_at.clone();
        server.providers.answer(check.to, 200, &answer);
        let response = convert(&server, &client_id, "corporate", &[("token", "x")]);
        assert_eq!(response.status(), status, "{expires_at}");
    }
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "keys",
        "kty",
        "n",
        "e",
        "kid",
        "alg",
        "issuer",
        "jwks_uri",
        "sub",
        "active",
        "client_id",
        "exp",
        "email",
        "email_verified",
        "name",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["RSA", "RS256", "AQAB", "s6BhdRkqt3", "https://id.example/realm"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn a_provider_may_answer_anything_at_all(bytes in prop::collection::vec(any::<u8>(), 0..80), json in any_json(), status in 200u16..205) {
        let script = script("corporate");
        for proof in [Proof::AccessToken, Proof::IdToken, Proof::Code] {
            let first = script.server();
            let client_id = application(&first).client_id;
            let good = [&script.check, &script.token, &script.profile];
            let mut all: Vec<&str> = good.iter().map(|answer| answer.as_ref().unwrap().to).collect();
            all.extend(script.keys);
            all.push(script.metadata.as_ref().unwrap().0);
            for at in all {
                for body in [bytes.clone(), json.to_string().into_bytes()] {
                    let server = first.another_isolate();
                    script.play(Case::Good, &server.providers);
                    server.providers.answer_bytes(at, status, &body);
                    let form = script.form(proof, "token", Case::Good);
                    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let response = convert(&server, &client_id, "corporate", &form);
                    prop_assert!([200, 400].contains(&response.status()), "{}", response.status());
                }
            }
            prop_assert!(count(&first, "users") <= 2);
        }
    }

    #[test]
    fn a_setting_may_be_anything_at_all(text in "\\PC{0,60}", json in any_json()) {
        refusal(&text);
        refusal(&json.to_string());
        refusal(&json!({"work": json}).to_string());
    }
}
