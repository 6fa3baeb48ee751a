//! Every parser of foreign bytes, given any: it never panics, and what it lets through is what it says.

use postern::crypto::encoding::{base64url, from_base64, from_base64url, header_text, standard_base64};
use postern::crypto::keys::KeyRing;
use postern::crypto::password_hash::{PasswordHasher, PasswordMatch};
use postern::crypto::sealed::Purpose;
use postern::crypto::secret::Secret;
use postern::crypto::signature::{PublicKey, SignatureAlgorithm};
use postern::model::address::Address;
use postern::model::application::Registration;
use postern::model::family::TokenDigest;
use postern::model::fields::Fields;
use postern::model::id::{ApplicationId, FamilyId, UserId};
use postern::model::limit::Limit;
use postern::model::scope::Scope;
use postern::model::session::SessionToken;
use postern::model::stored_secret::StoredSecret;
use postern::model::user::NewUser;
use postern::model::username::{self, Username};
use postern::pages::consent::Decision;
use postern::pages::next::Next;
use postern::protocol::authorization::{self, Credentials};
use postern::protocol::jwk::JwkSet;
use postern::protocol::jwt::{Jwt, LONGEST_JWT};
use postern::protocol::params::{Params, decode, decode_segment, encode};
use postern::protocol::pkce::CodeChallenge;
use postern::protocol::uri::{
    Issuer, RedirectSchemes, check_origin, check_redirect_uri, check_url, host_without_port, is_loopback,
    is_same_redirect, policy_sources, shown_target,
};
use postern::settings::{Settings, Variable};
use postern::tokens::oauth1::from_subject_token;
use postern::tokens::record::TokenRecord;
use postern::tokens::token::{AccessToken, RefreshToken};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::oauth1::SigningClient;
use crate::support::{
    CALLBACK, MASTER_KEY, PASSWORD, TestResponse, TestServer, bytes_request, form_of, form_request,
    percent_encode,
};

/// Any text, with what parsers stumble over more often than chance would have it.
pub fn text() -> impl Strategy<Value = String> {
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
    "oauth1_signature_methods",
    "skip_authorization",
    "token_format",
    "xauth_allowed",
    "allow_plain_pkce",
    "owner",
    "is_active",
];
const OF_HEADERS: &[&str] = &["kid", "typ", "crit", "b64", "jku", "jwk", "x5c"];
const OF_CLAIMS: &[&str] = &["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "email_verified"];
const OF_KEYS: &[&str] = &["kid", "use", "key_ops", "alg", "issuer"];
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
    fn what_is_good_of_a_malformed_form(body in prop::collection::vec(any::<u8>(), 0..200), values in prop::collection::vec(text(), 1..5), twice in any::<prop::sample::Index>(), spoilt in prop::sample::select(vec!["x=%", "%zz=1", "y=%ff", "%00", "z=%c3"])) {
        let (lenient, fault) = Params::parse_leniently(&body);
        match Params::parse(&body) {
            Ok(strict) => prop_assert_eq!((lenient, fault), (strict, None)),
            Err(strict) => prop_assert_eq!(fault, Some(strict)),
        }
        // What stands once and can be read is good, whatever else there is.
        let values: Vec<String> = values.into_iter().map(|value| value.replace('\0', "")).collect();
        let pairs: Vec<(String, &str)> = values.iter().enumerate().map(|(n, value)| (format!("p{n}"), &**value)).collect();
        let twice = format!("p{}", twice.index(values.len()));
        let (lenient, fault) = Params::parse_leniently(format!("{}&{twice}=x&{spoilt}", encode(&pairs)).as_bytes());
        prop_assert!(fault.is_some());
        for (name, value) in &pairs {
            let expected = Some(*value).filter(|value| *name != twice && !value.is_empty());
            prop_assert_eq!(lenient.optional(name), expected);
        }
        prop_assert_eq!(lenient.into_pairs().len(), values.len() - 1);
    }

    #[test]
    fn what_is_encoded_is_read_as_it_was(pairs in prop::collection::btree_map(text(), text(), 0..8)) {
        let pairs: Vec<(String, String)> = pairs.into_iter().filter(|(name, value)| !format!("{name}{value}").contains('\0')).collect();
        let encoded = encode(&pairs);
        prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte)), "{}", encoded);
        prop_assert_eq!(Params::parse(encoded.as_bytes()).unwrap().into_pairs(), pairs.clone());
        // As a URI, too, where `+` is no space.
        for ((name, value), pair) in pairs.iter().zip(encoded.split('&')) {
            let (encoded_name, encoded_value) = pair.split_once('=').unwrap();
            prop_assert_eq!(&decode_segment(encoded_name).unwrap(), name);
            prop_assert_eq!(&decode_segment(encoded_value).unwrap(), value);
        }
    }

    #[test]
    fn redirect_uris(one in text(), other in text(), port in any::<u32>(), path in text()) {
        for (registered, asked) in [
            (one.clone(), other.clone()),
            (format!("http://127.0.0.1{one}"), format!("http://127.0.0.1{other}")),
            (format!("http://127.0.0.1{path}"), format!("http://127.0.0.1:{port}{path}")),
            (format!("http://[::1]:{port}/{path}"), format!("http://[::1]{one}/{path}")),
            (format!("https://{one}/{path}"), format!("https://{one}:{port}/{path}")),
        ] {
            let is_same = is_same_redirect(&registered, &asked);
            prop_assert_eq!(is_same, is_same_redirect(&asked, &registered));
            let _ = (policy_sources(&asked), shown_target(&asked));
            if is_same && registered != asked && check_redirect_uri(&registered, &RedirectSchemes::default()).is_ok() {
                // As somebody else reads them.
                let (a, b): (http::Uri, http::Uri) = (registered.parse().unwrap(), asked.parse().unwrap());
                prop_assert_eq!((a.scheme_str(), b.scheme_str()), (Some("http"), Some("http")));
                prop_assert_eq!(a.host(), b.host());
                prop_assert!(is_loopback(b.host().unwrap()) && b.host() != Some("localhost"));
                prop_assert!(!asked.contains('@') || b.authority().is_some_and(|authority| !authority.as_str().contains('@')));
                prop_assert_eq!(a.path_and_query(), b.path_and_query());
            }
            if let Some(sources) = policy_sources(&asked) {
                let hosts = sources.replace(":* ", " ");
                prop_assert!(!hosts.contains([';', ',', '\'', '*']), "{}", sources);
            }
        }
    }

    #[test]
    fn where_a_login_leads(text in text(), rest in text()) {
        for asked in [text.clone(), format!("/{text}"), format!("/{text}//{rest}"), format!("//{text}/{rest}"), format!("/\\{rest}")] {
            let next = Next::read(Some(&asked));
            prop_assert!(next.path() == asked || next.path() == "/account/");
            prop_assert!(next.path().starts_with('/') && !next.path().starts_with("//"));
            let url = format!("https://id.example{}", next.path());
            if let Ok(uri) = url.parse::<http::Uri>() {
                prop_assert_eq!(uri.authority().unwrap().as_str(), "id.example");
            }
            prop_assert!(http::HeaderValue::from_str(&url).is_ok() && !url.contains(['\\', '#', ' ']));
        }
    }

    #[test]
    fn code_challenges(text in text(), challenge in "[A-Za-z0-9._~-]{40,130}", method in prop::sample::select(vec![None, Some("S256"), Some("plain"), Some("s256"), Some("")]), allow_plain in any::<bool>()) {
        let _ = CodeChallenge::read(Some(&text), Some(&text), allow_plain);
        let _ = CodeChallenge::read(None, Some(&text), allow_plain);
        for challenge in [&text, &challenge] {
            let Ok(read) = CodeChallenge::read(Some(challenge), method, allow_plain) else { continue };
            let read = read.unwrap();
            prop_assert!((43..=128).contains(&challenge.len()) && challenge.is_ascii());
            let is_plain = method != Some("S256");
            prop_assert!(allow_plain || !is_plain);
            prop_assert_eq!(read.is_of(challenge), is_plain);
            prop_assert!(!read.is_of(&text) || &text == challenge);
        }
        // What is made of a verifier fits it, and nothing else.
        if (43..=128).contains(&challenge.len()) {
            let made = base64url(&postern::crypto::sha256(challenge.as_bytes()));
            let read = CodeChallenge::read(Some(&made), Some("S256"), allow_plain).unwrap().unwrap();
            let longer = format!("{challenge}A");
            prop_assert!(read.is_of(&challenge) && !read.is_of(&longer) && !read.is_of(&made));
        }
    }

    #[test]
    fn decisions(pairs in prop::collection::btree_map(prop_oneof![Just("decision".to_owned()), "scope [a-z]{0,4}", text()], prop_oneof![Just("allow".to_owned()), text()], 0..6)) {
        let pairs: Vec<(String, String)> = pairs.into_iter().filter(|(name, value)| !format!("{name}{value}").contains('\0')).collect();
        let params = Params::parse(encode(&pairs).as_bytes()).unwrap();
        match Decision::read(&params) {
            Decision::Allow(scope) => {
                prop_assert_eq!(params.optional("decision"), Some("allow"));
                let has = |token: &str| params.contains(&format!("scope {token}"));
                prop_assert!(scope.iter().all(has));
            }
            Decision::Deny => prop_assert_ne!(params.optional("decision"), Some("allow")),
        }
    }

    #[test]
    fn cookies(garbage in prop::collection::vec(any::<u8>(), 0..60), pieces in prop::collection::vec(text(), 0..3)) {
        pieces.iter().for_each(|piece| drop(SessionToken::parse(piece)));
        SITE.with(|site| {
            let silent = format!("/o/authorize/?response_type=none&prompt=none&client_id={}", site.client_ids[0]);
            let odd: Vec<u8> = pieces.join(";").into_bytes();
            // Whatever stands beside our cookies, they are found; without them, nobody is there.
            let is_ours = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("postern_");
            for other in [garbage, odd].into_iter().filter(|other| !is_ours(other)) {
                for (cookies, error) in [
                    ([&other[..], b";", site.cookies.as_bytes()].concat(), "consent_required"),
                    ([site.cookies.as_bytes(), b"; ", &other[..]].concat(), "consent_required"),
                    (other.clone(), "login_required"),
                ] {
                    let Ok(cookies) = http::HeaderValue::from_bytes(&cookies) else { continue };
                    let mut request = bytes_request(http::Method::GET, &silent, &[], b"");
                    request.headers_mut().insert("cookie", cookies);
                    let response = site.server.send(request);
                    let location = response.header("location").unwrap_or_default().to_owned();
                    assert!(location.contains(error), "{other:?}: {location}");
                }
            }
        });
    }

    #[test]
    fn authorization_requests(
        pairs in prop::collection::vec((parameter(), value()), 0..10),
        is_whole in any::<bool>(),
        garbage in prop_oneof![3 => Just(String::new()), 1 => text()],
        how in 0..4,
        is_logged_in in any::<bool>(),
    ) {
        SITE.with(|site| {
            let mut query = String::new();
            if is_whole {
                query.push_str("response_type=code&client_id={client_id}&redirect_uri={redirect_uri}&");
            }
            for (name, value) in &pairs {
                query.push_str(&format!("{name}={value}&"));
            }
            query.push_str(&percent_encode(&garbage).replace("%25", "%"));
            let (client_id, redirect_uri) = (pairs.len() % site.client_ids.len(), garbage.len() % REDIRECT_URIS.len());
            let query = query
                .replace("{client_id}", &site.client_ids[client_id])
                .replace("{redirect_uri}", &percent_encode(REDIRECT_URIS[redirect_uri]));
            let cookies = if is_logged_in { site.cookies.as_str() } else { "" };
            let path = format!("/o/authorize/?{query}");
            let form = [("cookie", cookies), ("content-type", "application/x-www-form-urlencoded")];
            let request = match how {
                0 => bytes_request(http::Method::HEAD, &path, &[("cookie", cookies)], b""),
                1 => bytes_request(http::Method::POST, "/o/authorize/", &form, query.as_bytes()),
                2 => {
                    let consent = [("csrf_token", site.csrf_token.as_str()), ("authorization_request", &query)];
                    let more = [("decision", "allow"), ("scope read", "on")];
                    form_request("/o/authorize/", &[("cookie", cookies)], &[consent, more].concat())
                }
                _ => bytes_request(http::Method::GET, &path, &[("cookie", cookies)], b""),
            };
            assert_leads_home(&site.server.send(request), &query);
        });
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
    fn social_bearer_headers(header in text(), scheme in "(?i:bearer)", backend in "[a-z0-9-]{1,12}", token in text()) {
        let token = token.trim_matches(' ');
        let whole = format!("{scheme} {backend}  {token} ");
        let read = authorization::parse_social_bearer(&whole).unwrap();
        prop_assert_eq!((read.backend, read.token), (&*backend, Some(token).filter(|token| !token.is_empty())));
        for header in [header.clone(), format!("{scheme} {header}")] {
            let first = header.split(' ').next().unwrap();
            let Some(read) = authorization::parse_social_bearer(&header) else {
                prop_assert!(!first.eq_ignore_ascii_case("bearer"));
                continue;
            };
            prop_assert!(first.eq_ignore_ascii_case("bearer") && !read.backend.contains(' '));
            // Nothing is lost but blanks.
            let read = format!("{first}{}{}", read.backend, read.token.unwrap_or_default());
            prop_assert_eq!(read.replace(' ', ""), header.replace(' ', ""));
        }
    }

    #[test]
    fn cursors_of_lists(text in text(), bytes in prop::collection::vec(any::<u8>(), 0..20), id in "[A-Za-z0-9_-]{15,17}", number in any::<i64>()) {
        let text = text.replace('\0', "");
        let user = format!("{text}\0{id}");
        SITE.with(|site| {
            for cursor in [text.clone(), base64url(text.as_bytes()), base64url(&bytes), base64url(user.as_bytes()), base64url(number.to_string().as_bytes()), id.clone()] {
                let query = format!("cursor={}", percent_encode(&cursor));
                let key = from_base64url(&cursor).and_then(|key| String::from_utf8(key).ok());
                let is_number = key.as_ref().is_some_and(|key| key.parse().is_ok_and(|id: i64| id <= 1 << 53));
                for (list, is_good) in [
                    ("applications", key.is_some()),
                    ("users", key.as_ref().is_some_and(|key| key.contains('\0'))),
                    ("audit-events", is_number),
                ] {
                    let response = site.server.admin("GET", &format!("{list}?{query}"), Value::Null);
                    assert_cursor(&response, is_good || cursor.is_empty());
                }
                for list in ["/o/applications/", "/o/authorized_tokens/"] {
                    let headers = [("cookie", &*site.cookies)];
                    let list = bytes_request(http::Method::GET, &format!("{list}?{query}"), &headers, b"");
                    let is_good = cursor.is_empty() || ApplicationId::parse(&cursor).is_some();
                    site.server.send(list).assert_status(if is_good { 200 } else { 400 });
                }
                let reencrypt = |cursor: &str| site.server.admin("POST", "reencrypt", json!({"cursor": cursor}));
                assert_cursor(&reencrypt(&cursor), false);
                assert_cursor(&reencrypt(&format!("social_accounts.{cursor}")), true);
            }
        });
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
    fn what_is_sealed(garbage in text(), context in text(), plaintext in prop::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let server = TestServer::new();
        let keys = &server.app.settings.keys;
        let opened = |context: &str, sealed: &str| keys.open(Purpose::SocialLogin, context, sealed);
        assert_eq!(opened(&context, &garbage), None);
        assert_eq!(opened(&context, &format!("1.{}", base64url(garbage.as_bytes()))), None);
        let sealed = keys.seal(Purpose::SocialLogin, &context, &plaintext, &*server.app.random);
        assert_eq!(opened(&context, &sealed).unwrap().expose(), plaintext);
        assert!(garbage.is_empty() || opened(&format!("{context}{garbage}"), &sealed).is_none());
        let mut tampered = sealed.clone().into_bytes();
        tampered[at.index(sealed.len())] ^= flip;
        assert!(!String::from_utf8(tampered).is_ok_and(|tampered| opened(&context, &tampered).is_some()));
    }

    #[test]
    fn json_web_tokens(
        garbage in text(),
        alg in prop::sample::select(vec!["RS256", "ES256", "EdDSA", "none", "HS256", ""]),
        mut header in object_with(OF_HEADERS),
        claims in object_with(OF_CLAIMS),
        name in prop::sample::select(OF_CLAIMS),
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = Jwt::parse(&garbage);
        header.insert("alg".to_owned(), alg.into());
        let part = |object: &Map<String, Value>| base64url(Value::Object(object.clone()).to_string().as_bytes());
        let token = format!("{}.{}.{}", part(&header), part(&claims), base64url(&signature));
        if let Ok(jwt) = Jwt::parse(&token) {
            assert_eq!((jwt.algorithm.as_str(), jwt.kid), (alg, header.get("kid").map(|kid| kid.as_str().unwrap().to_owned())));
            assert!(!header.contains_key("crit") && token.len() <= LONGEST_JWT);
        }
        let input = token.rsplit_once('.').unwrap().0;
        for bad in [format!("{input}{garbage}"), format!("{token}{garbage}"), format!("{garbage}.{token}")] {
            if let Ok(jwt) = Jwt::parse(&bad) {
                assert_eq!(format!("{}.{}", jwt.signing_input, base64url(&jwt.signature)), bad);
            }
        }
        let good = format!("{}.{}.", base64url(br#"{"alg":"RS256"}"#), part(&claims));
        if let Ok(jwt) = Jwt::parse(&good) {
            assert!(jwt.claims.keys().eq(claims.keys()));
            let claim = claims.get(name);
            assert_eq!(jwt.text(name).ok(), claim.map_or(Some(None), |claim| claim.as_str().map(Some)));
            if let Ok(time) = jwt.time(name) {
                assert_eq!(time.is_some(), claim.is_some());
                assert!(time.is_none_or(|time| time.abs() < 1 << 53 && claim.unwrap().is_number()));
            }
            let _ = jwt.audiences();
        }
    }

    #[test]
    fn key_sets(
        body in prop::collection::vec(any::<u8>(), 0..200),
        keys in prop::collection::vec((object_with(OF_KEYS), prop::collection::vec(any::<u8>(), 0..300), prop::sample::select(vec![31_usize, 32, 48, 256, 257]), any::<prop::sample::Index>()), 0..5),
        kid in prop::option::of(text()),
    ) {
        let _ = JwkSet::parse(&body);
        let keys = keys.into_iter().map(|(mut key, mut bytes, length, kind)| {
            bytes.resize(length, 0xff);
            let kinds = [("RSA", ""), ("EC", "P-256"), ("EC", "P-384"), ("OKP", "Ed25519"), ("oct", "")];
            let (kty, crv) = kind.get(&kinds);
            for (name, value) in [("kty", *kty), ("crv", *crv), ("e", "AQAB")] {
                key.insert(name.to_owned(), value.into());
            }
            for name in ["n", "x", "y"] {
                key.insert(name.to_owned(), base64url(&bytes).into());
            }
            Value::Object(key)
        });
        let set = JwkSet::parse(json!({"keys": keys.collect::<Vec<Value>>()}).to_string().as_bytes());
        for name in ["RS256", "PS512", "ES256", "ES384", "EdDSA"] {
            let algorithm = SignatureAlgorithm::parse(name).unwrap();
            if let Some(found) = set.as_ref().and_then(|set| set.find(kid.as_deref(), algorithm)) {
                assert!(found.key.fits(algorithm) && found.algorithm.is_none_or(|only| only == algorithm));
                assert!(kid.is_none() || found.kid == kid);
                assert!(!matches!(&found.key, PublicKey::Rsa { n, .. } if n.len() < 256));
            }
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
            if check_url(&uri).is_ok() {
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
        let generated = StoredSecret::from_stored(&format!("sha256${stored}"));
        prop_assert!(!generated.is_hash_of(&secret));
        prop_assert_eq!(StoredSecret::from_stored(&stored).to_stored(), stored);
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

    #[test]
    fn pairs_of_oauth1_as_subject_tokens(text in text(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        thread_local! {
            static REAL: String = an_oauth1_pair();
        }
        let real = REAL.with(Clone::clone);
        let keys = KeyRing::parse(MASTER_KEY).unwrap();
        let mut spoilt = real.clone().into_bytes();
        spoilt[at.index(real.len())] ^= flip;
        let spoilt = String::from_utf8_lossy(&spoilt);
        let (token, secret) = real.split_at(1 + at.index(real.len() - 1));
        for made_up in [&*text, &*spoilt, token, secret, &format!("oauth_token={text}&oauth_token_secret={text}")] {
            prop_assert!(from_subject_token(made_up, &keys).is_none(), "{}", made_up);
        }
        // However it is written, it is known by one text.
        let (token, secret) = real.split_once('&').unwrap();
        for written in [real.clone(), format!("{secret}&{token}"), format!("{real}&{text}"), format!("{text}&{real}")] {
            if let Some((_, known)) = from_subject_token(&written, &keys) {
                prop_assert_eq!(known.expose(), &*real);
            } else {
                prop_assert!(!text.is_empty() && written.contains(&text) && written.len() > real.len());
            }
        }
    }
}

#[track_caller]
fn assert_cursor(response: &TestResponse, is_good: bool) {
    match is_good {
        true => response.assert_status(200),
        false => response.assert_fields(400, &["cursor"]),
    };
}

/// The answer of `/oauth/access_token/`, as it is.
fn an_oauth1_pair() -> String {
    let server = TestServer::new();
    server.user("alice");
    let app = server.application().grants(&["oauth1"]).redirect_uri(CALLBACK).create();
    let pair = SigningClient::of(&app, &server).three_legs("alice");
    encode(&[("oauth_token", pair.token), ("oauth_token_secret", pair.secret)])
}

fn a_token_and_its_record() -> (String, String) {
    let server = TestServer::new();
    server.user("alice");
    let token = server.public_application().log_in("alice").access_token;
    let entry = server.kv.entries().into_iter().find(|(key, _)| key.starts_with("t:")).unwrap().1;
    (token, entry.value)
}

/// A server that knows some applications, and a browser in which somebody is logged in.
struct Site {
    server: TestServer,
    client_ids: Vec<String>,
    cookies: String,
    csrf_token: String,
}

const REDIRECT_URIS: [&str; 5] = [
    CALLBACK,
    "https://app.example/cb?own=1",
    "http://127.0.0.1/cb",
    "com.example.app:/cb",
    "https://evil.example/cb",
];

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let server = TestServer::new();
        server.user("alice");
        let grants = ["authorization_code", "implicit"];
        let all = || server.application().public().grants(&grants).redirect_uris(&REDIRECT_URIS[..4]);
        let client_ids = vec![
            all().redirect_uri(CALLBACK).create().client_id,
            all().create().client_id,
            all()
                .set("skip_authorization", Value::Bool(true))
                .set("allow_plain_pkce", Value::Bool(true))
                .create()
                .client_id,
            server.application().redirect_uri(CALLBACK).create().client_id,
            server.application().grants(&["password"]).redirect_uri(CALLBACK).create().client_id,
        ];
        let browser = server.browser();
        let page = browser.get("/accounts/login/");
        browser.submit_once(&page, &[("username", "alice"), ("password", PASSWORD)]).assert_status(303);
        let (_, fields) = form_of(&browser.get("/accounts/logout/").text());
        let csrf_token = fields.into_iter().find(|(name, _)| name == "csrf_token").unwrap().1;
        let cookies = browser.cookies();
        Self { server, client_ids, cookies, csrf_token }
    }
}

fn parameter() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "state",
        "scope",
        "prompt",
        "max_age",
        "login_hint",
        "approval_prompt",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "request",
        "request_uri",
        "authorization_request",
        "decision",
    ]);
    prop_oneof![12 => known.prop_map(str::to_owned), 1 => text().prop_map(|text| percent_encode(&text))]
}

/// A value as it stands in a query, `{client_id}` and `{redirect_uri}` for good ones.
fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "{client_id}",
        "{redirect_uri}",
        "code",
        "token",
        "none",
        "query",
        "fragment",
        "form_post",
        "read",
        "read%20write",
        "login",
        "consent",
        "create",
        "0",
        "100",
        "auto",
        "force",
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "S256",
        "plain",
        "https%3A%2F%2Fevil.example%2F",
        "%2F%2Fevil.example",
        "http%3A%2F%2F127.0.0.1%3A4000%2Fcb",
        "%",
        "%ff",
        "",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => text().prop_map(|text| percent_encode(&text))]
}

/// Whatever was asked: it is no failure, and leads to a page of ours, or to where an application has registered.
fn assert_leads_home(response: &TestResponse, query: &str) {
    assert!([200, 303, 400, 403].contains(&response.status()), "{}: {query}", response.status());
    let is_registered = |uri: &str| {
        let rest = uri
            .strip_prefix("http://127.0.0.1:4000/cb")
            .or_else(|| REDIRECT_URIS[..4].iter().rev().find_map(|known| uri.strip_prefix(known)));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '&', '#']))
    };
    match response.header("location") {
        Some(location) => {
            assert_eq!(response.status(), 303);
            let is_here = location.strip_prefix("http://localhost:8787/").is_some_and(|path| {
                ["o/authorize/?", "accounts/login/?", "accounts/signup/?"]
                    .iter()
                    .any(|page| path.starts_with(page))
            });
            assert!(is_here || is_registered(location), "{location}: {query}");
        }
        None => assert_ne!(response.status(), 303),
    }
    let page = response.text();
    if response.status() == 200 && page.contains("<form ") {
        let (action, _) = form_of(&page);
        assert!(
            action == "http://localhost:8787/o/authorize/" || is_registered(&action),
            "{action}: {query}"
        );
    }
}
