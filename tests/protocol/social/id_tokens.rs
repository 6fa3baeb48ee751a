//! ID tokens that a front-end brings: what is refused, and how the keys are come by (OIDC Core §3.1.3.7).

use postern::crypto::encoding::base64url;
use postern::crypto::{hmac_sha256, sha256};
use serde_json::{Value, json};

use super::providers::{Case, PROVIDER_TOKEN, Proof, Script, TENANT, key_set, part, script};
use super::{application, convert, count};
use crate::support::{Signer, TestResponse, TestServer};

const METADATA: &str = "GET https://id.example/realm/.well-known/openid-configuration";
const KEYS: &str = "GET https://id.example/realm/keys";

/// A provider that answers, and an application.
struct Scene {
    server: TestServer,
    script: Script,
    client_id: String,
}

impl Scene {
    fn of(name: &str) -> Self {
        let script = script(name);
        let server = script.server();
        script.play(Case::Good, &server.providers);
        let client_id = application(&server).client_id;
        Self { server, script, client_id }
    }

    fn openid() -> Self {
        Self::of("corporate")
    }

    /// Good claims, changed; `null` takes away.
    fn claims(&self, changed: Value) -> Value {
        let mut claims = self.script.claims.as_object().unwrap().clone();
        let now = self.server.now();
        claims.extend([("iat".to_owned(), json!(now)), ("exp".to_owned(), json!(now + 300))]);
        claims.extend(changed.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        Value::Object(claims)
    }

    fn token(&self, header: Value, changed: Value) -> String {
        Signer::rs256().id_token(header, self.claims(changed))
    }

    fn present(&self, token: &str) -> TestResponse {
        self.present_with(token, &[])
    }

    fn present_with(&self, token: &str, more: &[(&str, &str)]) -> TestResponse {
        let form = [&[("id_token", token)], more].concat();
        convert(&self.server, &self.client_id, self.script.name, &form)
    }

    /// The provider is not believed, and the log says why.
    #[track_caller]
    fn assert_refused(&self, response: &TestResponse, reason: &str) {
        response.assert_error(400, "access_denied");
        assert_eq!(response.json()["error_description"], "Your credentials aren't allowed");
        let log = self.server.log();
        let line = log.last().expect("a line");
        assert!(line.to_string().contains(reason), "{reason}: {line}");
        assert_eq!(count(&self.server, "users") + count(&self.server, "social_accounts"), 0);
    }

    #[track_caller]
    fn assert_token_refused(&self, token: &str, reason: &str) {
        self.assert_refused(&self.present(token), reason);
    }

    fn publish(&self, signers: &[&Signer]) {
        self.server.providers.answer(self.script.keys.unwrap(), 200, &key_set(signers));
    }

    fn take_urls(&self) -> Vec<String> {
        self.server.providers.take_urls()
    }
}

#[test]
fn a_token_of_no_or_another_algorithm_is_refused() {
    // RFC 8725 §3.1
    let scene = Scene::openid();
    let claims = scene.claims(json!({}));
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    scene.assert_token_refused(&none, "its algorithm is not accepted");
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": "rsa-1"})), part(&claims));
    scene.assert_token_refused(&none, "its algorithm is not accepted");
    // The public key as a secret, in whatever form.
    let jwk = Signer::rs256().jwk();
    let modulus = jwk["n"].as_str().unwrap();
    for secret in [modulus.as_bytes(), jwk.to_string().as_bytes()] {
        let input = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "rsa-1"})), part(&claims));
        let mac = hmac_sha256(secret, input.as_bytes());
        scene.assert_token_refused(&format!("{input}.{}", base64url(&mac)), "its algorithm is not accepted");
    }
    let crit = scene.token(json!({"crit": ["exp"], "exp": 1}), json!({}));
    scene.assert_token_refused(&crit, "it has critical extensions"); // RFC 7515 §4.1.11
    assert!(scene.take_urls().is_empty());
}

#[test]
fn a_token_is_by_a_key_of_the_provider_that_fits() {
    let scene = Scene::openid();
    let unknown = "the provider has no such key";
    let bad = "the signature is not good";
    scene.assert_token_refused(&scene.token(json!({"kid": "other"}), json!({})), unknown);
    // A key of another type, by name.
    scene.assert_token_refused(&scene.token(json!({"kid": "ec-1"}), json!({})), unknown);
    scene.assert_token_refused(&scene.token(json!({"alg": "ES256"}), json!({})), unknown);
    scene.assert_token_refused(&scene.token(json!({"alg": "ES256", "kid": "ec-1"}), json!({})), bad);
    // The key says that it is for RS256 alone (RFC 8725 §3.1).
    for algorithm in ["RS384", "RS512", "PS256"] {
        scene.assert_token_refused(&scene.token(json!({"alg": algorithm}), json!({})), unknown);
    }
    // Somebody else's, under the provider's name of the key.
    let stranger = Signer::other_rs256().id_token(json!({"kid": "rsa-1"}), scene.claims(json!({})));
    scene.assert_token_refused(&stranger, bad);
    // Without a name, only if there is no choice.
    let nameless = scene.token(json!({"kid": null}), json!({}));
    scene.present(&nameless).assert_status(200);
    let ec = Signer::es256().id_token(json!({}), scene.claims(json!({})));
    scene.present(&ec).assert_status(200);

    let scene = Scene::openid();
    scene.publish(&[&Signer::rs256(), &Signer::other_rs256()]);
    scene.assert_token_refused(&nameless, unknown);
    scene.present(&scene.token(json!({}), json!({}))).assert_status(200);
}

#[test]
fn a_token_tampered_with_is_refused() {
    let scene = Scene::openid();
    let good = scene.token(json!({}), json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let other = part(&scene.claims(json!({"sub": "somebody-else"})));
    scene.assert_token_refused(&format!("{}.{other}.{}", parts[0], parts[2]), "the signature is not good");
    let header = part(&json!({"alg": "RS256", "kid": "rsa-1", "x": 1}));
    scene.assert_token_refused(&format!("{header}.{}.{}", parts[1], parts[2]), "the signature is not good");
    let flip = |c: char| if c == 'A' { 'B' } else { 'A' };
    for at in [0, 20, parts[2].len() - 3] {
        let signature: String =
            parts[2].char_indices().map(|(i, c)| if i == at { flip(c) } else { c }).collect();
        let token = format!("{}.{}.{signature}", parts[0], parts[1]);
        scene.assert_token_refused(&token, "the signature is not good");
    }
    for malformed in [format!("{}.{}.", parts[0], parts[1]), format!("{}.{}", parts[0], parts[1])] {
        scene.assert_token_refused(&malformed, "ID token: ");
    }
    scene.present(&good).assert_status(200);
}

#[test]
fn a_token_is_for_us_alone() {
    // OIDC Core §3.1.3.7, 3 to 5
    let scene = Scene::openid();
    let ours = scene.script.client_id;
    let (audience, presenter) = ("aud is not ours alone", "azp is not ours");
    for (changed, reason) in [
        (json!({"aud": "another-client"}), audience),
        (json!({"aud": [ours, "another-client"]}), audience),
        (json!({"aud": [ours, "another-client"], "azp": ours}), audience),
        (json!({"aud": []}), audience),
        (json!({"aud": null}), audience),
        (json!({"aud": ours.to_uppercase()}), audience),
        (json!({"aud": format!("{ours} ")}), audience),
        (json!({"aud": [ours, 7]}), "aud is neither a text nor a list of texts"),
        (json!({"aud": {"client": ours}}), "aud is neither a text nor a list of texts"),
        (json!({"azp": "another-client"}), presenter),
        (json!({"aud": [ours], "azp": "another-client"}), presenter),
        (json!({"azp": ""}), presenter),
        (json!({"azp": [ours]}), "what should be a text is none"),
    ] {
        scene.assert_token_refused(&scene.token(json!({}), changed), reason);
    }
    // Nobody makes us fetch keys for such a token.
    assert!(scene.take_urls().is_empty());
    for changed in [json!({"aud": [ours]}), json!({"aud": [ours], "azp": ours}), json!({"azp": ours})] {
        scene.present(&scene.token(json!({}), changed)).assert_status(200);
    }
}

#[test]
fn other_clients_of_the_operator_are_us_if_the_setting_says_so() {
    let mut script = script("corporate");
    script.entry["audiences"] = json!(["the-ios-app"]);
    let server = script.server();
    script.play(Case::Good, &server.providers);
    let client_id = application(&server).client_id;
    let scene = Scene { server, script, client_id };
    let ours = scene.script.client_id;
    for changed in [
        json!({"aud": "the-ios-app"}),
        json!({"azp": "the-ios-app"}),
        json!({"aud": [ours, "the-ios-app"], "azp": "the-ios-app"}),
    ] {
        scene.present(&scene.token(json!({}), changed)).assert_status(200);
    }
    let response = scene.present(&scene.token(json!({}), json!({"aud": ["the-ios-app", "another"]})));
    response.assert_error(400, "access_denied");
}

#[test]
fn a_token_is_of_the_issuer_to_the_letter() {
    // OIDC Core §3.1.3.7, 2
    let scene = Scene::openid();
    for issuer in [
        json!("https://id.example/realm/"),
        json!("https://id.example/Realm"),
        json!("https://id.example"),
        json!("http://id.example/realm"),
        json!("https://other.example/realm"),
        json!(""),
    ] {
        let token = scene.token(json!({}), json!({"iss": issuer}));
        scene.assert_token_refused(&token, "iss is not the provider's");
    }
    scene.assert_token_refused(&scene.token(json!({}), json!({"iss": null})), "iss is missing");
    let list = scene.token(json!({}), json!({"iss": ["https://id.example/realm"]}));
    scene.assert_token_refused(&list, "what should be a text is none");
    assert!(scene.take_urls().is_empty());
    // Google has two names.
    let scene = Scene::of("google-oauth2");
    for issuer in ["https://accounts.google.com", "accounts.google.com"] {
        scene.present(&scene.token(json!({}), json!({"iss": issuer}))).assert_status(200);
    }
}

#[test]
fn a_token_is_for_now() {
    let scene = Scene::openid();
    let now = scene.server.now();
    let future = "it is from the future";
    for (changed, reason) in [
        (json!({"exp": null}), "exp is missing"),
        (json!({"exp": now - 1}), "it has expired"),
        (json!({"exp": now}), "it has expired"),
        (json!({"exp": (now + 300).to_string()}), "a time is not a number of seconds"),
        (json!({"exp": 1e300}), "a time is not a number of seconds"),
        (json!({"iat": null}), "iat is missing"),
        (json!({"iat": now + 61}), future),
        (json!({"iat": "now"}), "a time is not a number of seconds"),
        (json!({"nbf": now + 61}), future),
        (json!({"nbf": true}), "a time is not a number of seconds"),
    ] {
        scene.assert_token_refused(&scene.token(json!({}), changed), reason);
    }
    assert!(scene.take_urls().is_empty());
    for changed in [
        json!({"exp": now + 1}),
        json!({"exp": now as f64 + 1.5}),
        json!({"iat": now + 60}),
        json!({"nbf": now + 60}),
        json!({"iat": 0}),
    ] {
        scene.present(&scene.token(json!({}), changed)).assert_status(200);
    }
}

#[test]
fn a_token_is_about_somebody() {
    let scene = Scene::openid();
    for sub in [json!(""), json!(null)] {
        scene.assert_token_refused(&scene.token(json!({}), json!({"sub": sub})), "sub is missing");
    }
    let number = scene.token(json!({}), json!({"sub": 7}));
    scene.assert_token_refused(&number, "what should be a text is none");
    let long = scene.token(json!({}), json!({"sub": "x".repeat(256)}));
    scene.assert_token_refused(&long, "profile: there is no id");
    scene.present(&scene.token(json!({}), json!({"sub": "x".repeat(255)}))).assert_status(200);
}

#[test]
fn another_kind_of_token_is_no_id_token() {
    // RFC 8725 §3.11
    let scene = Scene::openid();
    for header in
        [json!({"typ": "at+jwt"}), json!({"typ": "logout+jwt"}), json!({"typ": "application/at+jwt"})]
    {
        let token = scene.token(header, json!({}));
        scene.assert_token_refused(&token, "it is a token of another kind");
    }
    // OIDC Back-Channel Logout §2.4
    let events = json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    scene.assert_token_refused(&scene.token(json!({}), events), "it is a token of another kind");
    for typ in ["JWT", "jwt"] {
        scene.present(&scene.token(json!({"typ": typ}), json!({}))).assert_status(200);
    }
}

#[test]
fn a_token_has_the_nonce_of_the_request_if_there_was_one() {
    // OIDC Core §3.1.3.7, 11
    let scene = Scene::openid();
    let reason = "nonce is not that of the request";
    for changed in [json!({}), json!({"nonce": "another"}), json!({"nonce": "a-nonce "})] {
        let token = scene.token(json!({}), changed);
        scene.assert_refused(&scene.present_with(&token, &[("nonce", "a-nonce")]), reason);
    }
    let token = scene.token(json!({}), json!({"nonce": "a-nonce"}));
    scene.present_with(&token, &[("nonce", "a-nonce")]).assert_status(200);
    scene.present(&token).assert_status(200);
    // The same by a token exchange, and by a code.
    let form = [
        ("grant_type", super::TOKEN_EXCHANGE),
        ("subject_token", &token),
        ("subject_token_type", super::ID_TOKEN),
        ("client_id", &scene.client_id),
    ];
    let with = |nonce| scene.server.post_form("/o/token/", &[&form[..], &[("nonce", nonce)]].concat());
    with("another").assert_error(400, "invalid_request");
    with("a-nonce").assert_status(200);
}

/// The token endpoint's answer to a code, with an ID token of these claims.
fn exchange(scene: &Scene, changed: Value, more: &[(&str, &str)]) -> TestResponse {
    let mut answer = scene.script.token.as_ref().unwrap().good.clone();
    answer["id_token"] = json!(scene.token(json!({}), changed));
    scene.server.providers.answer(scene.script.token.as_ref().unwrap().to, 200, &answer);
    let form = [&[("code", "a-code")], more].concat();
    convert(&scene.server, &scene.client_id, scene.script.name, &form)
}

#[test]
fn what_a_code_buys_belongs_together() {
    let scene = Scene::openid();
    // OIDC Core §3.1.3.8
    let half = |text: &str| base64url(&sha256(text.as_bytes())[..16]);
    let wrong = exchange(&scene, json!({"at_hash": half("another token")}), &[]);
    scene.assert_refused(&wrong, "at_hash is not that of the access token");
    let whole = base64url(&sha256(PROVIDER_TOKEN.as_bytes()));
    let wrong = exchange(&scene, json!({"at_hash": whole}), &[]);
    scene.assert_refused(&wrong, "at_hash is not that of the access token");
    let wrong = exchange(&scene, json!({"nonce": "another"}), &[("nonce", "a-nonce")]);
    scene.assert_refused(&wrong, "nonce is not that of the request");
    let wrong = exchange(&scene, json!({"iss": "https://other.example"}), &[]);
    scene.assert_refused(&wrong, "iss is not the provider's");
    // OIDC Core §5.3.2: what the ID token does not tell, the profile of the same person does.
    let profile = scene.script.profile.as_ref().unwrap();
    let mut other = profile.good.clone();
    other["sub"] = json!("somebody-else");
    scene.server.providers.answer(profile.to, 200, &other);
    let wrong = exchange(&scene, json!({"email": null}), &[]);
    scene.assert_refused(&wrong, "userinfo: it is about somebody else");
    // Without an ID token there is no login at an OpenID provider.
    let answer = scene.script.token.as_ref().unwrap();
    scene.server.providers.answer(answer.to, 200, &answer.good);
    let form = [("code", "a-code")];
    let wrong = convert(&scene.server, &scene.client_id, "corporate", &form);
    scene.assert_refused(&wrong, "there is no ID token");

    exchange(&scene, json!({"at_hash": half(PROVIDER_TOKEN)}), &[]).assert_status(200);
    exchange(&scene, json!({"nonce": "a-nonce"}), &[("nonce", "a-nonce")]).assert_status(200);
    scene.server.providers.answer(profile.to, 200, &profile.good);
    exchange(&scene, json!({"email": null}), &[]).assert_status(200);
    // An access token belongs to the code's ID token alone.
    scene.present(&scene.token(json!({}), json!({"at_hash": "x"}))).assert_status(200);
    // LinkedIn's hold no nonce.
    let scene = Scene::of("linkedin");
    exchange(&scene, json!({}), &[("nonce", "a-nonce")]).assert_status(200);
}

#[test]
fn a_token_of_facebook_limited_login_is_an_hour_old_at_the_most() {
    let scene = Scene::of("facebook-limited-login");
    let now = scene.server.now();
    let issued = |ago: i64| scene.token(json!({}), json!({"iat": now - ago}));
    scene.assert_token_refused(&issued(3601), "it is too old");
    scene.present(&issued(3600)).assert_status(200);
    let limited = scene.token(json!({}), json!({"iss": "https://limited.facebook.com"}));
    scene.present(&limited).assert_status(200);
}

#[test]
fn microsofts_issuers_are_of_the_tenant_that_the_token_names() {
    let scene = Scene::of("microsoft");
    let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let reason = "iss is not the provider's";
    for (issuer, tid) in [
        (of(TENANT), json!("another-tenant")),
        (of("another-tenant"), json!(TENANT)),
        (of(TENANT), json!(null)),
        (of(""), json!("")),
        (of(""), json!(null)),
        (of("{tenantid}"), json!("{tenantid}")),
        (of("a/../b"), json!("a/../b")),
        (of("a.b"), json!("a.b")),
        (of("a%2Fb"), json!("a%2Fb")),
        (of("é"), json!("é")),
        (format!("https://evil.example/{TENANT}/v2.0"), json!(TENANT)),
        (format!("https://login.microsoftonline.com/{TENANT}/v1.0"), json!(TENANT)),
        (format!("https://sts.windows.net/{TENANT}/"), json!(TENANT)),
    ] {
        let token = scene.token(json!({}), json!({"iss": issuer, "tid": tid}));
        scene.assert_token_refused(&token, reason);
    }
    let list = scene.token(json!({}), json!({"tid": [TENANT]}));
    scene.assert_token_refused(&list, reason);
    assert!(scene.take_urls().is_empty());
    // The keys of all tenants are published at once, some with whose they are.
    let key = |issuer: &str| {
        let mut jwk = Signer::rs256().jwk();
        jwk["issuer"] = json!(issuer);
        json!({"keys": [jwk]})
    };
    for foreign in [of("9188040d-6c67-4c5b-b112-36a304b66dad"), of("")] {
        let scene = Scene::of("microsoft");
        scene.server.providers.answer(scene.script.keys.unwrap(), 200, &key(&foreign));
        scene.assert_token_refused(&scene.token(json!({}), json!({})), "the provider has no such key");
    }
    for ours in [of("{tenantid}"), of(TENANT)] {
        let scene = Scene::of("microsoft");
        scene.server.providers.answer(scene.script.keys.unwrap(), 200, &key(&ours));
        scene.present(&scene.token(json!({}), json!({}))).assert_status(200);
    }
}

#[test]
fn a_setting_can_hold_microsoft_to_one_tenant() {
    let mut script = script("microsoft");
    script.entry["issuer"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
    let server = script.server();
    script.play(Case::Good, &server.providers);
    let client_id = application(&server).client_id;
    let scene = Scene { server, script, client_id };
    let other = json!({"iss": "https://login.microsoftonline.com/other/v2.0", "tid": "other"});
    scene.assert_token_refused(&scene.token(json!({}), other), "iss is not the provider's");
    scene.present(&scene.token(json!({}), json!({}))).assert_status(200);
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let scene = Scene::openid();
    let token = scene.token(json!({}), json!({"filling": "x".repeat(16 * 1024)}));
    scene.present(&token).assert_error(400, "invalid_request");
    let exchange = [
        ("grant_type", super::TOKEN_EXCHANGE),
        ("subject_token", token.as_str()),
        ("subject_token_type", super::ID_TOKEN),
        ("client_id", &scene.client_id),
    ];
    scene.server.post_form("/o/token/", &exchange).assert_error(400, "invalid_request");
    let long = scene.token(json!({}), json!({"filling": "x".repeat(9000)}));
    scene.present(&long).assert_status(200);
}

#[test]
fn keys_are_fetched_once_for_many_logins() {
    let scene = Scene::openid();
    for n in 0..5 {
        let token = scene.token(json!({}), json!({"sub": format!("person-{n}"), "email": null}));
        scene.present(&token).assert_status(200);
        scene.server.advance(60);
    }
    assert_eq!(scene.take_urls(), [METADATA, KEYS]);
}

#[test]
fn an_unknown_key_is_looked_for_once_a_minute() {
    let scene = Scene::openid();
    let rotated = || Signer::other_rs256().id_token(json!({}), scene.claims(json!({})));
    let reason = "the provider has no such key";
    scene.assert_token_refused(&rotated(), reason);
    assert_eq!(scene.take_urls(), [METADATA, KEYS]);
    for seconds in [0, 59] {
        scene.server.advance(seconds);
        scene.assert_token_refused(&rotated(), reason);
        assert!(scene.take_urls().is_empty(), "{seconds}");
    }
    scene.server.advance(1);
    scene.assert_token_refused(&rotated(), reason);
    assert_eq!(scene.take_urls(), [KEYS]);
    scene.assert_token_refused(&rotated(), reason);
    scene.server.advance(59);
    scene.assert_token_refused(&rotated(), reason);
    assert!(scene.take_urls().is_empty());
    // The provider does not answer: nobody can say, and it is not asked again at once.
    scene.server.providers.time_out(KEYS);
    scene.server.advance(1);
    scene.present(&rotated()).assert_error(400, "invalid_request");
    scene.assert_token_refused(&rotated(), reason);
    assert_eq!(scene.take_urls(), [KEYS]);
    // It has a new key, and the old one is gone.
    scene.publish(&[&Signer::other_rs256()]);
    scene.server.advance(60);
    scene.present(&rotated()).assert_status(200);
    assert_eq!(scene.take_urls(), [KEYS]);
    scene.present(&scene.token(json!({}), json!({}))).assert_error(400, "access_denied");
}

#[test]
fn what_is_an_hour_old_is_used_while_it_is_renewed_after_the_answer() {
    let scene = Scene::openid();
    let log_in = || scene.present(&scene.token(json!({}), json!({})));
    log_in().assert_status(200);
    assert_eq!(scene.take_urls(), [METADATA, KEYS]);
    scene.server.advance(3599);
    log_in().assert_status(200);
    scene.server.work_after();
    assert!(scene.take_urls().is_empty());
    scene.server.advance(1);
    log_in().assert_status(200);
    assert!(scene.take_urls().is_empty());
    scene.server.work_after();
    let mut renewed = scene.take_urls();
    renewed.sort();
    assert_eq!(renewed, [METADATA, KEYS]);
    log_in().assert_status(200);
    scene.server.work_after();
    assert!(scene.take_urls().is_empty());
    // A key that is gone there is gone here once it is renewed.
    scene.publish(&[&Signer::other_rs256()]);
    scene.server.advance(3600);
    log_in().assert_status(200);
    scene.server.work_after();
    log_in().assert_error(400, "access_denied");
}

#[test]
fn what_cannot_be_renewed_is_used_for_a_day() {
    let scene = Scene::openid();
    let log_in = || scene.present(&scene.token(json!({}), json!({})));
    log_in().assert_status(200);
    for at in [METADATA, KEYS] {
        scene.server.providers.time_out(at);
    }
    scene.take_urls();
    scene.server.advance(3600);
    log_in().assert_status(200);
    scene.server.work_after();
    assert_eq!(scene.take_urls().len(), 2);
    let renewal = |line: &Value| line["event"] == "renewal_failed";
    assert_eq!(scene.server.log().iter().filter(|line| renewal(line)).count(), 2);
    // Not tried again for a minute.
    scene.server.advance(59);
    log_in().assert_status(200);
    scene.server.work_after();
    assert!(scene.take_urls().is_empty());
    scene.server.advance(1);
    log_in().assert_status(200);
    scene.server.work_after();
    assert_eq!(scene.take_urls().len(), 2);
    scene.server.advance(86_400 - 3600 - 60 - 1);
    log_in().assert_status(200);
    scene.server.advance(1);
    log_in().assert_error(400, "invalid_request");
    scene.script.play(Case::Good, &scene.server.providers);
    log_in().assert_status(200);
}

#[test]
fn what_a_provider_does_not_publish_is_asked_for_ten_times_a_minute_at_the_most() {
    for broken in [METADATA, KEYS] {
        for times_out in [true, false] {
            let scene = Scene::openid();
            match times_out {
                true => scene.server.providers.time_out(broken),
                false => scene.server.providers.answer(broken, 200, &json!({})),
            }
            let count_asked = || scene.take_urls().iter().filter(|url| *url == broken).count();
            let log_in = || scene.present(&scene.token(json!({}), json!({})));
            for minute in 0..2 {
                for _ in 0..15 {
                    let response = log_in();
                    response.assert_error(400, "invalid_request");
                    let description = response.json()["error_description"].to_string();
                    assert!(description.starts_with("\"Backend responded with HTTP5"), "{description}");
                }
                assert_eq!(count_asked(), 10, "{broken} {minute}");
                scene.server.advance(60);
            }
            for _ in 0..10 {
                log_in();
            }
            assert_eq!(count_asked(), 10);
            scene.script.play(Case::Good, &scene.server.providers);
            scene.server.advance(59);
            log_in().assert_error(400, "invalid_request");
            scene.server.advance(1);
            log_in().assert_status(200);
        }
    }
}

#[test]
fn metadata_speaks_for_its_own_issuer_and_of_places_where_nobody_reads_along() {
    let (to, good) = script("corporate").metadata.unwrap();
    // OIDC Discovery §4.3
    for issuer in
        [json!("https://id.example/other"), json!("https://id.example/realm/"), json!(null), json!(["x"])]
    {
        let scene = Scene::openid();
        let mut metadata = good.clone();
        metadata["issuer"] = issuer;
        scene.server.providers.answer(to, 200, &metadata);
        scene.present(&scene.token(json!({}), json!({}))).assert_error(400, "invalid_request");
        assert_eq!(scene.take_urls(), [METADATA]);
        // It is not remembered.
        scene.server.providers.answer(to, 200, &good);
        scene.present(&scene.token(json!({}), json!({}))).assert_status(200);
    }
    for address in [
        "http://id.example/x",
        "http://127.0.0.1:8080/x",
        "http://localhost/x",
        "http://[::1]/x",
        "ftp://id.example/x",
        "/x",
        "",
        "https://u:p@id.example/x",
        "https://id.example/x#y",
    ] {
        for (endpoint, proof) in [
            ("jwks_uri", Proof::IdToken),
            ("token_endpoint", Proof::Code),
            ("introspection_endpoint", Proof::AccessToken),
            ("userinfo_endpoint", Proof::AccessToken),
        ] {
            let scene = Scene::openid();
            let mut metadata = good.clone();
            metadata[endpoint] = json!(address);
            scene.server.providers.answer(to, 200, &metadata);
            let form = scene.script.form(proof, "token", Case::Good);
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let response = convert(&scene.server, &scene.client_id, "corporate", &form);
            assert_eq!(response.status(), 400, "{endpoint} {address}");
            let asked = scene.server.providers.take_asked();
            assert!(asked.iter().all(|request| request.url.starts_with("https://id.example/realm/")));
            assert_eq!(count(&scene.server, "users"), 0);
        }
    }
}

#[test]
fn an_endpoint_in_the_setting_goes_before_that_in_the_metadata() {
    let mut script = script("corporate");
    script.entry["jwks_uri"] = json!("https://keys.example/of/corporate");
    script.keys = Some("GET https://keys.example/of/corporate");
    let server = script.server();
    script.play(Case::Good, &server.providers);
    let client_id = application(&server).client_id;
    let scene = Scene { server, script, client_id };
    scene.present(&scene.token(json!({}), json!({}))).assert_status(200);
    assert_eq!(scene.take_urls(), [METADATA, "GET https://keys.example/of/corporate"]);
}

#[test]
fn an_id_token_names_its_provider_by_its_issuer() {
    // RFC 8693 §2.1
    for name in ["corporate", "microsoft", "apple-id"] {
        let scene = Scene::of(name);
        let token = scene.token(json!({}), json!({}));
        let exchange = |token: &str| {
            let form = [
                ("grant_type", super::TOKEN_EXCHANGE),
                ("subject_token", token),
                ("subject_token_type", super::ID_TOKEN),
                ("client_id", &scene.client_id),
            ];
            scene.server.post_form("/o/token/", &form)
        };
        exchange(&token).assert_status(200);
        let stranger = scene.token(json!({}), json!({"iss": "https://other.example"}));
        exchange(&stranger).assert_error(400, "invalid_request");
        exchange("not a token").assert_error(400, "invalid_request");
    }
}
