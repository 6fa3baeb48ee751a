//! Every parser of foreign bytes, given any: it never panics, and what it lets through is what it says.

use postern::crypto::encoding::{base64url, from_base64, from_base64url, header_text, standard_base64};
use postern::crypto::keys::KeyRing;
use postern::crypto::password_hash::{PasswordHasher, PasswordMatch};
use postern::crypto::secret::Secret;
use postern::model::address::Address;
use postern::model::application::{Registration, SecretHash};
use postern::model::family::TokenDigest;
use postern::model::fields::Fields;
use postern::model::id::{FamilyId, UserId};
use postern::model::limit::Limit;
use postern::model::scope::Scope;
use postern::model::user::NewUser;
use postern::model::username::{self, Username};
use postern::protocol::authorization::{self, Credentials};
use postern::protocol::params::{Params, decode, decode_segment};
use postern::protocol::uri::{
    Issuer, RedirectSchemes, check_origin, check_redirect_uri, check_webhook, host_without_port, is_loopback,
};
use postern::settings::{Settings, Variable};
use postern::tokens::record::TokenRecord;
use postern::tokens::token::{AccessToken, RefreshToken};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::support::{MASTER_KEY, TestServer, percent_encode};

/// Any text, with what parsers stumble over more often than chance would have it.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "",
        " ",
        ",",
        ":",
        "/",
        "//",
        "%",
        "%00",
        "%zz",
        "\0",
        "\"",
        "\\",
        "?",
        "#",
        "@",
        "[",
        "]",
        "..",
        "é",
        "\u{301}",
        "\u{202e}",
        "𝔸",
        "ß",
        "İ",
        "&",
        "=",
        "+",
        "127.0.0.1",
        "::1",
        "https://",
        "localhost",
        "xn--",
        "\u{feff}",
        "*",
    ]);
    prop::collection::vec(
        prop_oneof![odd.prop_map(str::to_owned), any::<char>().prop_map(String::from), "[a-z0-9]{1,4}"],
        0..8,
    )
    .prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An object with some of these members, of whatever kind.
fn object_with(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![8 => prop::sample::select(names).prop_map(str::to_owned), 1 => text()];
    prop::collection::vec((name, json_value()), 0..6).prop_map(|members| members.into_iter().collect())
}

const OF_APPLICATIONS: &[&str] = &[
    "client_name",
    "client_type",
    "grant_types",
    "redirect_uris",
    "post_logout_redirect_uris",
    "allowed_origins",
    "scope",
    "token_endpoint_auth_method",
    "jwks",
    "skip_authorization",
    "token_format",
    "xauth_allowed",
    "allow_plain_pkce",
    "owner",
    "is_active",
];
const OF_USERS: &[&str] = &[
    "username",
    "password",
    "email",
    "email_verified",
    "first_name",
    "last_name",
    "is_active",
    "is_superuser",
];
const SETTINGS: &[&str] = &[
    "ISSUER",
    "SCOPES",
    "DEFAULT_SCOPES",
    "ACCESS_TOKEN_EXPIRE_SECONDS",
    "REFRESH_TOKEN_EXPIRE_SECONDS",
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS",
    "ROTATE_REFRESH_TOKEN",
    "REFRESH_TOKEN_REUSE_PROTECTION",
    "PASSWORD_HASH_MEMORY_KIB",
    "PASSWORD_HASH_ITERATIONS",
    "VALIDATION_CACHE_SECONDS",
    "SIGN_UP_LIMIT",
    "LOGIN_FAILURE_LIMIT",
    "ADDRESS_FAILURE_LIMIT",
    "MAIL_LIMIT",
    "MAIL_CARRIER",
    "MAIL_FROM",
    "MAIL_WEBHOOK_URL",
    "MAIL_WEBHOOK_TOKEN",
    "ADMIN_TOKEN",
    "MASTER_KEY",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn forms(body in prop::collection::vec(any::<u8>(), 0..200), pairs in prop::collection::vec((text(), text()), 0..6)) {
        let _ = Params::parse(&body);
        let _ = decode(&body);
        let mut pairs: Vec<(String, String)> = pairs;
        pairs.sort();
        pairs.dedup_by(|one, other| one.0 == other.0);
        pairs.retain(|(name, value)| !name.is_empty() && !format!("{name}{value}").contains('\0'));
        let form: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let encoded = form.iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)));
        let parsed = Params::parse(encoded.collect::<Vec<_>>().join("&").as_bytes()).unwrap();
        prop_assert_eq!(parsed.into_pairs(), pairs);
    }

    #[test]
    fn path_segments(segment in text()) {
        let _ = decode_segment(&segment);
        if !segment.contains('\0') {
            prop_assert_eq!(decode_segment(&percent_encode(&segment)).unwrap(), segment);
        }
    }

    #[test]
    fn authorization_headers(header in text(), scheme in "(?i:basic|bearer|token)", id in text(), secret in text()) {
        let _ = authorization::parse(&header);
        let _ = authorization::parse(&format!("{scheme} {header}"));
        if !format!("{id}{secret}").contains('\0') {
            let joined = format!("{}:{}", percent_encode(&id), percent_encode(&secret));
            let parsed = authorization::parse(&format!("Basic {}", standard_base64(joined.as_bytes())));
            let Ok(Credentials::Basic { client_id, client_secret }) = parsed else { panic!("not Basic") };
            prop_assert_eq!((client_id.as_str(), client_secret.expose()), (id.as_str(), secret.as_str()));
        }
    }

    #[test]
    fn encodings(text in text(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (from_base64(&text), UserId::parse(&text), FamilyId::parse(&text), TokenDigest::parse(&text));
        prop_assert_eq!(from_base64url(&base64url(&bytes)), Some(bytes.clone()));
        if let Some(decoded) = from_base64url(&text) {
            prop_assert_eq!(base64url(&decoded), text.clone());
        }
        // A header may hold it, and nothing is lost.
        let header = header_text(&text);
        prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        if header.contains('%') && !text.contains('\0') {
            prop_assert_eq!(decode_segment(&header).unwrap(), text);
        }
    }

    #[test]
    fn uris(text in text(), host in "[a-z0-9.:\\[\\]-]{0,20}") {
        let _ = (is_loopback(&text), host_without_port(&text), is_loopback(host_without_port(&host)));
        for uri in [text.clone(), format!("https://{text}"), format!("http://{host}"), format!("https://{host}/{text}")] {
            if check_redirect_uri(&uri, &RedirectSchemes::default()).is_ok() {
                prop_assert!(!uri.contains('#') && !uri.contains(char::is_whitespace) && uri.is_ascii(), "{}", uri);
                prop_assert!(!uri.to_ascii_lowercase().starts_with("javascript:"));
            }
            if check_webhook(&uri).is_ok() {
                prop_assert!(uri.starts_with("https://") || is_loopback(host_without_port(uri.split('/').nth(2).unwrap().split('?').next().unwrap())));
            }
            if check_origin(&uri).is_ok() {
                prop_assert_eq!(uri.matches('/').count(), 2, "{}", uri);
                prop_assert_eq!(uri.to_ascii_lowercase(), uri.clone());
            }
            if let Ok(issuer) = Issuer::parse(&uri) {
                prop_assert!(uri.starts_with(issuer.as_str()), "{}", uri);
                prop_assert!(!issuer.as_str().ends_with('/') && !issuer.as_str().contains(['?', '#']), "{}", uri);
            }
        }
    }

    #[test]
    fn scopes(text in text()) {
        if let Ok(scope) = Scope::parse(&text) {
            prop_assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope.clone());
            prop_assert_eq!(Scope::from_stored(&scope.to_string()), scope.clone());
            prop_assert!(scope.iter().all(|token| token.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'"' && b != b'\\')));
        }
    }

    #[test]
    fn usernames(text in text()) {
        // What is compared is compared once and for all: its own key is itself.
        let key = username::key(&text);
        prop_assert_eq!(username::key(&key), key.clone());
        prop_assert_eq!(username::key(&text.to_uppercase().to_lowercase()), username::key(&text.to_lowercase()));
        if let Ok(name) = Username::parse(&text) {
            prop_assert_eq!(name.as_str(), text.as_str());
            prop_assert!(!name.key().is_empty());
            prop_assert!(!text.contains(|c: char| c.is_control() || c.is_whitespace() || "/?#%\\\"<>&'".contains(c)));
        }
    }

    #[test]
    fn addresses_and_limits(text in text(), v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), suffix in any::<[u8; 8]>()) {
        let _ = (Address::parse(&text), Limit::parse(&text), Limit::parse(&format!("{text}/{text}")));
        let v4 = std::net::Ipv4Addr::from(v4);
        let mapped = Address::parse(&v4.to_ipv6_mapped().to_string());
        prop_assert_eq!(mapped, Address::parse(&v4.to_string()));
        let mut other = v6;
        other[8..].copy_from_slice(&suffix);
        let network = |bytes: [u8; 16]| Address::parse(&std::net::Ipv6Addr::from(bytes).to_string()).unwrap().network();
        if v6[..8] != [0; 8] {
            prop_assert_eq!(network(v6), network(other));
        }
    }

    #[test]
    fn applications(object in object_with(OF_APPLICATIONS)) {
        let known = Scope::from_stored("read write groups");
        if let Ok(registration) = Registration::read(Fields::new(object), &known, &RedirectSchemes::default()) {
            // What is shown can be given back.
            let shown = registration.to_json();
            let again = Registration::read(Fields::new(shown.clone()), &known, &RedirectSchemes::default()).unwrap();
            prop_assert_eq!(again.to_json(), shown);
        }
    }

    #[test]
    fn users(object in object_with(OF_USERS)) {
        let _ = NewUser::from_operator(Fields::new(object.clone()));
        if let Ok(user) = NewUser::from_sign_up(Fields::new(object)) {
            prop_assert!(!user.profile.is_superuser && !user.profile.email_verified && user.profile.is_active);
        }
    }

    #[test]
    fn settings(values in prop::collection::vec((prop::sample::select(SETTINGS), text()), 0..4)) {
        let read = Settings::read(&|name| match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Variable::Text(value.clone()),
            None if name == "ADMIN_TOKEN" => Variable::Text("x".repeat(32)),
            None if name == "MASTER_KEY" => Variable::Text(MASTER_KEY.to_owned()),
            None if name == "MAIL_FROM" => Variable::Text("id@id.example".to_owned()),
            None if name == "MAIL_WEBHOOK_TOKEN" => Variable::Text("abc".to_owned()),
            None => Variable::Missing,
        });
        if let Err(error) = read {
            let given = values.iter().find(|(name, _)| *name == error.name);
            prop_assert!(given.is_some(), "{}", error);
            let value = &given.unwrap().1;
            prop_assert!(value.len() < 12 || !error.to_string().contains(value.as_str()), "{}", error);
        }
    }

    #[test]
    fn stored_hashes(stored in text(), password in text()) {
        let hasher = PasswordHasher::new(8, 1).unwrap();
        for phc in [stored.clone(), format!("$argon2id$v=19$m=8,t=1,p=1${stored}"), format!("$argon2id${stored}")] {
            prop_assert_eq!(hasher.verify(&password, Some(&phc)), PasswordMatch::No);
        }
        let secret = Secret::new(password.clone());
        let generated = SecretHash::from_stored(&format!("sha256${stored}"));
        prop_assert!(!generated.is_of_generated(&secret));
        let phc = hasher.hash(&password, [7; 16]).unwrap();
        prop_assert_eq!(hasher.verify(&password, Some(&phc)), PasswordMatch::Yes);
        prop_assert_eq!(hasher.verify(&format!("{password}x"), Some(&phc)), PasswordMatch::No);
    }

    #[test]
    fn tokens_and_their_records(bytes in prop::collection::vec(any::<u8>(), 0..130), text in text(), at in any::<usize>(), flip in 1..=255_u8) {
        thread_local! {
            static REAL: (String, String) = a_token_and_its_record();
        }
        let (token, record) = REAL.with(Clone::clone);
        let keys = KeyRing::parse(MASTER_KEY).unwrap();
        for made_up in [text.clone(), format!("pst_at_{text}"), format!("pst_at_{}", base64url(&bytes))] {
            prop_assert!(AccessToken::parse(&made_up, &keys).is_none());
            prop_assert!(RefreshToken::parse(&made_up.replace("_at_", "_rt_"), &keys).is_none());
        }
        let parsed = AccessToken::parse(&token, &keys).unwrap();
        prop_assert!(TokenRecord::from_stored(&record, &parsed, &keys).is_some());
        prop_assert!(TokenRecord::from_stored(&text, &parsed, &keys).is_none());
        let spoil = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            String::from_utf8_lossy(&bytes).into_owned()
        };
        prop_assert!(TokenRecord::from_stored(&spoil(&record), &parsed, &keys).is_none());
        prop_assert!(AccessToken::parse(&spoil(&token), &keys).is_none());
        let _ = KeyRing::parse(&text);
    }
}

fn a_token_and_its_record() -> (String, String) {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    let entry = server.kv.entries().into_iter().find(|(key, _)| key.starts_with("t:")).unwrap().1;
    (token, entry.value)
}
