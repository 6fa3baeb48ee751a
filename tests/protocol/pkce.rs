//! Proof Key for Code Exchange (RFC 7636), from the authorization request to the token request.

use serde_json::json;

use crate::support::{
    AuthorizationRequest, Browser, CALLBACK, Landing, TestClient, TestResponse, TestServer, VERIFIER,
};

fn logged_in(server: &TestServer) -> Browser<'_> {
    server.user("alice");
    let browser = server.browser();
    browser.log_in("alice");
    browser
}

fn without_challenge(app: &TestClient) -> AuthorizationRequest {
    app.authorization().without("code_challenge").without("code_challenge_method")
}

fn exchange(app: &TestClient, code: &str, verifiers: &[&str]) -> TestResponse {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    form.extend(verifiers.iter().map(|verifier| ("code_verifier", *verifier)));
    app.token(&form)
}

#[test]
fn a_request_for_a_code_needs_a_challenge_by_s256() {
    // RFC 9700 §2.1.1
    let server = TestServer::new();
    let confidential = server.application().redirect_uri(CALLBACK).create();
    for app in [server.code_application(), confidential] {
        let request = app.authorization();
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for bad in [
            without_challenge(&app),
            request.clone().without("code_challenge"),
            request.clone().with("code_challenge", ""),
            request.clone().and("code_challenge", challenge),
            request.clone().with("code_challenge", &challenge[1..]),
            request.clone().with("code_challenge", &format!("{challenge}A")),
            request.clone().with("code_challenge", &format!("{challenge}=")),
            request.clone().with("code_challenge", &challenge.replace('-', "+")),
            request.clone().with("code_challenge", &challenge.replace('-', "\u{e9}")),
            request.clone().without("code_challenge_method"),
            request.clone().with("code_challenge_method", ""),
            request.clone().with("code_challenge_method", "plain"),
            request.clone().with("code_challenge_method", "s256"),
            request.clone().with("code_challenge_method", "S512"),
            request.clone().and("code_challenge_method", "S256"),
        ] {
            Landing::of(&server.browser().get(&bad.path())).assert_error("invalid_request");
        }
    }
}

#[test]
fn only_the_verifier_itself_is_one() {
    // RFC 7636 §4.6
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app = server.code_application();
    let code = browser.code(&app.authorization());
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let padded = format!("{VERIFIER}=");
    for bad in
        ["", "x", challenge, &VERIFIER[1..], &padded, &VERIFIER.to_lowercase(), &"a".repeat(129), "\u{e9}"]
    {
        exchange(&app, &code, &[bad]).assert_error(400, "invalid_grant");
    }
    for at in 0..VERIFIER.len() {
        let mut tampered = VERIFIER.as_bytes().to_vec();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        exchange(&app, &code, &[std::str::from_utf8(&tampered).unwrap()]).assert_error(400, "invalid_grant");
    }
    exchange(&app, &code, &[]).assert_error(400, "invalid_grant");
    exchange(&app, &code, &[VERIFIER, VERIFIER]).assert_error(400, "invalid_request");
    exchange(&app, &code, &[VERIFIER, ""]).assert_error(400, "invalid_request");
    exchange(&app, &code, &[VERIFIER]).tokens();
}

#[test]
fn an_operator_can_let_confidential_applications_go_without_and_no_others() {
    let server = TestServer::with(&[("PKCE_REQUIRED", "false")]);
    let browser = logged_in(&server);
    let confidential = server.application().redirect_uri(CALLBACK).create();
    let code = browser.code(&without_challenge(&confidential));
    exchange(&confidential.with_secret(None), &code, &[]).assert_error(401, "invalid_client");
    exchange(&confidential, &code, &[]).tokens();
    // Who sends a challenge is held to it.
    let code = browser.code(&confidential.authorization());
    exchange(&confidential, &code, &[]).assert_error(400, "invalid_grant");
    exchange(&confidential, &code, &[VERIFIER]).tokens();
    let plain = confidential.authorization().with("code_challenge_method", "plain");
    Landing::of(&browser.get(&plain.path())).assert_error("invalid_request");
    let method_alone = confidential.authorization().without("code_challenge");
    Landing::of(&browser.get(&method_alone.path())).assert_error("invalid_request");

    let public = server.code_application();
    Landing::of(&browser.get(&without_challenge(&public).path())).assert_error("invalid_request");
}

#[test]
fn plain_is_for_applications_that_are_registered_for_it() {
    let server = TestServer::new();
    let browser = logged_in(&server);
    let app =
        server.application().public().set("allow_plain_pkce", json!(true)).redirect_uri(CALLBACK).create();
    let plain = app.authorization().with("code_challenge", VERIFIER);
    for request in [
        plain.clone().with("code_challenge_method", "plain"),
        plain.clone().without("code_challenge_method"),
        plain.clone().with("code_challenge_method", ""),
    ] {
        let code = browser.code(&request);
        exchange(&app, &code, &["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
            .assert_error(400, "invalid_grant");
        exchange(&app, &code, &[VERIFIER]).tokens();
    }
    // They may use S256 all the same, and then it is S256.
    let code = browser.code(&app.authorization());
    exchange(&app, &code, &["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
        .assert_error(400, "invalid_grant");
    exchange(&app, &code, &[VERIFIER]).tokens();
    for (challenge, method) in [(VERIFIER, "PLAIN"), ("short", "plain"), (&"a".repeat(129), "plain")] {
        let request = plain.clone().with("code_challenge", challenge).with("code_challenge_method", method);
        Landing::of(&browser.get(&request.path())).assert_error("invalid_request");
    }
}
