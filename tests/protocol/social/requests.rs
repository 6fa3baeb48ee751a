//! What providers are asked, to the letter.

use futures_executor::block_on;
use postern::app::{OutboundRequest, Signatures};
use postern::crypto::signature::SignatureAlgorithm;
use postern::protocol::jwk::JwkSet;
use postern::protocol::jwt::Jwt;
use serde_json::json;

use super::providers::{
    Case, PROOFS, PROVIDER_CODE, PROVIDER_REFRESH_TOKEN, PROVIDER_TOKEN, Proof, SECRET, Script, TENANT,
    VERIFIER, script, scripts,
};
use super::{application, convert};
use crate::support::{Ring, Signer, TestServer};

fn log_in(server: &TestServer, script: &Script, proof: Proof) -> Vec<OutboundRequest> {
    let app = application(server);
    script.play(Case::Good, &server.providers);
    let form = script.form(proof, "token", Case::Good);
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    convert(server, &app.client_id, script.name, &form).assert_status(200);
    server.providers.take_asked()
}

/// A request as one line, without what all have.
fn line(request: &OutboundRequest) -> String {
    let mut headers = request.headers.clone();
    for header in [("accept", "application/json"), ("user-agent", "Postern")] {
        let at = headers.iter().position(|(name, value)| (*name, value.as_str()) == header);
        headers.remove(at.expect("every request says what it takes, and who asks"));
    }
    let mut line = format!("{} {}", request.method, request.url);
    for (name, value) in headers {
        line += &format!(" | {name}: {value}");
    }
    if let Some(body) = &request.body {
        line += &format!(" | {body}");
    }
    line
}

fn lines(name: &str, proof: Proof) -> Vec<String> {
    let script = script(name);
    log_in(&script.server(), &script, proof).iter().map(line).collect()
}

const BEARER: &str = "authorization: Bearer a-token-of-the-provider";
const FORM: &str = "content-type: application/x-www-form-urlencoded";
/// The code's form, as far as it is alike.
const CODE: &str = "grant_type=authorization_code&code=a-code-of-the-provider&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code_verifier=a-verifier-of-the-front-end-that-is-long-enough";
const IN_BODY: &str = "client_secret=our%20secret%20at%20the%20provider";

#[test]
fn google_is_asked_by_tokeninfo_and_userinfo() {
    let name = "google-oauth2";
    let id = "1234987819200-mona.apps.googleusercontent.com";
    assert_eq!(
        lines(name, Proof::AccessToken),
        [
            "GET https://oauth2.googleapis.com/tokeninfo?access_token=a-token-of-the-provider".to_owned(),
            format!("GET https://openidconnect.googleapis.com/v1/userinfo | {BEARER}"),
        ]
    );
    assert_eq!(lines(name, Proof::IdToken), ["GET https://www.googleapis.com/oauth2/v3/certs"]);
    assert_eq!(
        lines(name, Proof::Code),
        [
            format!("POST https://oauth2.googleapis.com/token | {FORM} | {CODE}&client_id={id}&{IN_BODY}"),
            "GET https://www.googleapis.com/oauth2/v3/certs".to_owned(),
        ]
    );
}

#[test]
fn facebook_gets_an_app_token_and_an_appsecret_proof() {
    // HMAC-SHA256 of the token by the secret, by OpenSSL.
    let proof = "appsecret_proof=5b1020f588c859670e889357ee6f7c8b9064704d4d5f2b3ac08808d120490677";
    let me = format!(
        "GET https://graph.facebook.com/v24.0/me?fields=id,name,email,first_name,last_name&{proof} | {BEARER}"
    );
    let app_token = "access_token=138483919580948%7Cour%20secret%20at%20the%20provider";
    let debug = "https://graph.facebook.com/v24.0/debug_token?input_token=a-token-of-the-provider";
    assert_eq!(lines("facebook", Proof::AccessToken), [format!("GET {debug}&{app_token}"), me.clone()]);
    let token = "https://graph.facebook.com/v24.0/oauth/access_token";
    assert_eq!(
        lines("facebook", Proof::Code),
        [format!("POST {token} | {FORM} | {CODE}&client_id=138483919580948&{IN_BODY}"), me]
    );
}

#[test]
fn facebook_limited_login_is_asked_for_its_keys_alone() {
    let keys = "GET https://limited.facebook.com/.well-known/oauth/openid/jwks/";
    assert_eq!(lines("facebook-limited-login", Proof::IdToken), [keys]);
}

#[test]
fn github_checks_a_token_for_our_credentials() {
    let script = script("github");
    let check = format!(
        r#"POST https://api.github.com/applications/Iv1.8a61f9b3a7aba766/token | content-type: application/json | authorization: {} | {{"access_token":"a-token-of-the-provider"}}"#,
        script.basic()
    );
    let profile = [
        format!("GET https://api.github.com/user | {BEARER}"),
        format!("GET https://api.github.com/user/emails | {BEARER}"),
    ];
    assert_eq!(lines("github", Proof::AccessToken), [&[check][..], &profile].concat());
    let token = format!(
        "POST https://github.com/login/oauth/access_token | {FORM} | {CODE}&client_id=Iv1.8a61f9b3a7aba766&{IN_BODY}"
    );
    assert_eq!(lines("github", Proof::Code), [&[token][..], &profile].concat());
}

#[test]
fn apple_gets_a_secret_that_we_sign_for_it_alone_and_for_five_minutes() {
    let script = script("apple-id");
    let server = script.server();
    let asked = log_in(&server, &script, Proof::Code);
    let lines: Vec<String> = asked.iter().map(line).collect();
    let (form, secret) = lines[0].split_once("&client_secret=").expect("a client secret");
    assert_eq!(
        form,
        format!("POST https://appleid.apple.com/auth/token | {FORM} | {CODE}&client_id=com.example.cafe")
    );
    assert_eq!(lines[1..], ["GET https://appleid.apple.com/auth/keys"]);
    let jwt = Jwt::parse(secret).unwrap();
    let header = secret.split('.').next().unwrap();
    let header = postern::crypto::encoding::from_base64url(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"}));
    let now = server.now();
    let claims = json!({"iss": "TEAM123456", "sub": "com.example.cafe", "aud": "https://appleid.apple.com",
        "iat": now, "exp": now + 300});
    assert_eq!(serde_json::Value::Object(jwt.claims.clone()), claims);
    let set = JwkSet::parse(json!({"keys": [Signer::es256().jwk()]}).to_string().as_bytes()).unwrap();
    let key = &set.find(None, SignatureAlgorithm::Es256).unwrap().key;
    let message = jwt.signing_input.as_bytes();
    assert!(block_on(Ring.verify(SignatureAlgorithm::Es256, key, message, &jwt.signature)));
    assert_eq!(self::lines("apple-id", Proof::IdToken), ["GET https://appleid.apple.com/auth/keys"]);
}

#[test]
fn microsoft_is_asked_for_tokens_and_keys() {
    let keys = "GET https://login.microsoftonline.com/common/discovery/v2.0/keys";
    assert_eq!(lines("microsoft", Proof::IdToken), [keys]);
    let token = "https://login.microsoftonline.com/common/oauth2/v2.0/token";
    let id = "6731de76-14a6-49ae-97bc-6eba6914391e";
    assert_eq!(
        lines("microsoft", Proof::Code),
        [format!("POST {token} | {FORM} | {CODE}&client_id={id}&{IN_BODY}"), keys.to_owned()]
    );
    assert!(script("microsoft").claims["iss"].as_str().unwrap().contains(TENANT));
}

#[test]
fn x_gets_our_credentials_by_basic() {
    let basic = script("twitter").basic();
    assert_eq!(
        lines("twitter", Proof::Code),
        [
            format!("POST https://api.x.com/2/oauth2/token | {FORM} | authorization: {basic} | {CODE}"),
            format!("GET https://api.x.com/2/users/me?user.fields=confirmed_email | {BEARER}"),
        ]
    );
}

#[test]
fn linkedin_introspects_for_our_credentials_in_the_body() {
    let introspect = "https://www.linkedin.com/oauth/v2/introspectToken";
    let form = "token=a-token-of-the-provider&token_type_hint=access_token&client_id=77linkedin";
    assert_eq!(
        lines("linkedin", Proof::AccessToken),
        [
            format!("POST {introspect} | {FORM} | {form}&{IN_BODY}"),
            format!("GET https://api.linkedin.com/v2/userinfo | {BEARER}"),
        ]
    );
    let keys = "GET https://www.linkedin.com/oauth/openid/jwks".to_owned();
    let token = "https://www.linkedin.com/oauth/v2/accessToken";
    assert_eq!(
        lines("linkedin", Proof::Code),
        [format!("POST {token} | {FORM} | {CODE}&client_id=77linkedin&{IN_BODY}"), keys.clone()]
    );
    assert_eq!(lines("linkedin", Proof::IdToken), [keys]);
}

#[test]
fn gitlab_and_discord_are_asked_by_the_token_itself() {
    let of =
        |check: &str, profile: &str| [format!("GET {check} | {BEARER}"), format!("GET {profile} | {BEARER}")];
    assert_eq!(
        lines("gitlab", Proof::AccessToken),
        of("https://gitlab.com/oauth/token/info", "https://gitlab.com/oauth/userinfo")
    );
    assert_eq!(
        lines("discord", Proof::AccessToken),
        of("https://discord.com/api/oauth2/@me", "https://discord.com/api/users/@me")
    );
    let basic = script("gitlab").basic();
    let keys = "GET https://gitlab.com/oauth/discovery/keys".to_owned();
    assert_eq!(
        lines("gitlab", Proof::Code),
        [
            format!("POST https://gitlab.com/oauth/token | {FORM} | authorization: {basic} | {CODE}"),
            keys.clone(),
        ]
    );
    assert_eq!(lines("gitlab", Proof::IdToken), [keys]);
    let basic = script("discord").basic();
    assert_eq!(
        lines("discord", Proof::Code),
        [
            format!("POST https://discord.com/api/oauth2/token | {FORM} | authorization: {basic} | {CODE}"),
            format!("GET https://discord.com/api/users/@me | {BEARER}"),
        ]
    );
}

#[test]
fn an_openid_provider_is_asked_where_its_metadata_says() {
    let metadata = "GET https://id.example/realm/.well-known/openid-configuration".to_owned();
    let basic = script("corporate").basic();
    let post = |path: &str, form: &str| {
        format!("POST https://id.example/realm/{path} | {FORM} | authorization: {basic} | {form}")
    };
    assert_eq!(
        lines("corporate", Proof::AccessToken),
        [
            metadata.clone(),
            post("introspect", "token=a-token-of-the-provider&token_type_hint=access_token"),
            format!("GET https://id.example/realm/userinfo | {BEARER}"),
        ]
    );
    let keys = "GET https://id.example/realm/keys".to_owned();
    assert_eq!(lines("corporate", Proof::IdToken), [metadata.clone(), keys.clone()]);
    assert_eq!(lines("corporate", Proof::Code), [metadata, post("token", CODE), keys]);
}

#[test]
fn a_provider_by_endpoints_is_asked_there() {
    let form = "token=a-token-of-the-provider&token_type_hint=access_token&client_id=chat-client";
    let me = format!("GET https://chat.example/api/me | {BEARER}");
    assert_eq!(
        lines("chat", Proof::AccessToken),
        [format!("POST https://chat.example/oauth/introspect | {FORM} | {form}&{IN_BODY}"), me.clone()]
    );
    let token = "https://chat.example/oauth/token";
    assert_eq!(
        lines("chat", Proof::Code),
        [format!("POST {token} | {FORM} | {CODE}&client_id=chat-client&{IN_BODY}"), me]
    );
}

/// Google's tokeninfo and Facebook's debug_token take nothing else.
const MUST: [&str; 2] = [
    "https://oauth2.googleapis.com/tokeninfo?access_token=",
    "https://graph.facebook.com/v24.0/debug_token?",
];

#[test]
fn no_secret_and_no_token_stands_in_a_url_where_the_provider_does_not_want_it() {
    for script in scripts() {
        for proof in PROOFS.into_iter().filter(|proof| script.proofs.contains(proof)) {
            for request in log_in(&script.server(), &script, proof) {
                let url = &request.url;
                if MUST.iter().any(|must| url.starts_with(must)) {
                    continue;
                }
                let encoded = SECRET.replace(' ', "%20");
                for secret in
                    [PROVIDER_TOKEN, PROVIDER_REFRESH_TOKEN, PROVIDER_CODE, VERIFIER, SECRET, &encoded]
                {
                    assert!(!url.contains(secret), "{url}");
                }
                assert!(!url.contains("client_secret"), "{url}");
            }
        }
    }
}

#[test]
fn nothing_of_what_was_sent_or_answered_gets_into_the_log() {
    for script in scripts() {
        for proof in PROOFS.into_iter().filter(|proof| script.proofs.contains(proof)) {
            for case in [Case::Good, Case::OtherApplication, Case::Expired, Case::WithoutId] {
                let server = script.server();
                let app = application(&server);
                script.play(case, &server.providers);
                let form = script.form(proof, "token", case);
                let form: Vec<(&str, &str)> =
                    form.iter().map(|(name, value)| (*name, value.as_str())).collect();
                convert(&server, &app.client_id, script.name, &form);
                let log = serde_json::Value::from(server.log()).to_string();
                assert_eq!(case == Case::Good, server.log().is_empty(), "{log}");
                let id_token = script.id_token(case, server.now());
                for secret in [
                    PROVIDER_TOKEN,
                    PROVIDER_REFRESH_TOKEN,
                    PROVIDER_CODE,
                    VERIFIER,
                    SECRET,
                    &id_token,
                    super::providers::EMAIL,
                ] {
                    assert!(!log.contains(secret), "{} {case:?}: {log}", script.name);
                }
            }
        }
    }
}
