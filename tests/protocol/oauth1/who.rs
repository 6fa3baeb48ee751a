//! Whose a signed request is: of the right application, with a token of its own, and with the secrets of both.

use postern::settings::Settings;
use serde_json::{Value, json};

use crate::oauth1::{API, assert_logged, mover, signed_in, signed_in_to};
use crate::support::oauth1::{Credentials, SigningClient};
use crate::support::{ADMIN_TOKEN, MASTER_KEY, PASSWORD, TestServer, form_request};

/// The text with another character at this place.
fn tampered(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[test]
fn a_token_is_its_application_s_alone() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let others = mover(&server).create();
    let thief = SigningClient::of(&others, &server).with_token(client.token.as_ref().unwrap());
    let answer = thief.validate();
    answer.assert_signed_error(401, "invalid_token");
    assert_logged(&thief, &answer, "another application");
    client.validate().assert_status(200);
}

#[test]
fn no_other_token_stands_in_its_place() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let secret = client.token.as_ref().unwrap().secret.clone();
    let temporary = client.request_token("oob");
    temporary.assert_status(401);
    let alone = SigningClient::of(&app, &server);
    let temporary = alone.request_token("oob").credentials();
    client.approve(&temporary, "alice");
    let client_credentials = app.client_credentials().tokens().access_token;
    for (token, secret) in [
        (temporary.token.as_str(), temporary.secret.as_str()),
        (temporary.token.as_str(), secret.as_str()),
        (client_credentials.as_str(), secret.as_str()),
        (client_credentials.as_str(), ""),
        ("nonsense", secret.as_str()),
    ] {
        let wrong = alone.with_token(&Credentials { token: token.to_owned(), secret: secret.to_owned() });
        let answer = wrong.validate();
        answer.assert_signed_error(401, "invalid_token");
        assert_logged(&wrong, &answer, "not a token of this server");
    }
}

#[test]
fn it_is_no_bearer_token_anywhere() {
    // Whoever sees a signed request has seen its token.
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let token = &client.token.as_ref().unwrap().token;
    for query in ["", "fresh=1"] {
        server.validate_with(token, query, &[]).assert_bearer_error(401, "invalid_token");
    }
    let response = app.post("/o/introspect/", &[("token", token)]);
    assert_eq!(response.assert_status(200).json(), json!({"active": false}));
    for hint in ["access_token", "refresh_token"] {
        app.post("/o/revoke_token/", &[("token", token), ("token_type_hint", hint)]).assert_status(200);
    }
    let bearer = format!("Bearer {token}");
    let form = [("client_id", app.client_id.as_str())];
    for path in ["/auth/revoke-token/", "/auth/invalidate-sessions/", "/auth/invalidate-refresh-tokens/"] {
        server.send(form_request(path, &[("authorization", &bearer)], &form)).assert_status(401);
    }
    let asked = form_request("/o/introspect/", &[("authorization", &bearer)], &[("token", token)]);
    server.send(asked).assert_bearer_error(401, "invalid_token");
    app.refresh(token).assert_error(400, "invalid_grant");
    client.validate().assert_status(200);
}

#[test]
fn no_character_of_token_or_signature_may_be_another() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let Credentials { token, secret } = client.token.clone().unwrap();
    for at in 0..token.len() {
        let token = Credentials { token: tampered(&token, at), secret: secret.clone() };
        client.with_token(&token).validate().assert_signed_error(401, "invalid_token");
    }
    let signed = client.unsigned("GET", API).forwarded("");
    let header = signed.headers()["authorization"].to_str().unwrap().to_owned();
    let (_, signature) = header.rsplit_once("oauth_signature=\"").unwrap();
    let signature =
        signature.trim_end_matches('"').replace("%3D", "=").replace("%2B", "+").replace("%2F", "/");
    let mut unsigned = client.unsigned("GET", API);
    for (name, value) in &mut unsigned.oauth {
        if name == "oauth_nonce" {
            let (_, rest) = header.split_once("oauth_nonce=\"").unwrap();
            *value = rest.split('"').next().unwrap().to_owned();
        }
    }
    for at in 0..signature.len() {
        let request = unsigned.clone().forwarded_with(&tampered(&signature, at), "");
        server.send(request).assert_signed_error(401, "invalid_token");
    }
    for other in [signature.trim_end_matches('='), &format!("{signature}="), &format!("{signature} ")] {
        server.send(unsigned.clone().forwarded_with(other, "")).assert_signed_error(401, "invalid_token");
    }
    // All of them were of the one request that is good.
    server.send(unsigned.forwarded_with(&signature, "")).assert_status(200);
}

#[test]
fn both_secrets_sign() {
    // RFC 5849 §3.4.2
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let Credentials { token, secret } = client.token.clone().unwrap();
    let mut wrong = client.clone();
    wrong.consumer_secret = tampered(&client.consumer_secret, 0);
    wrong.validate().assert_signed_error(401, "invalid_token");
    for secret in [&tampered(&secret, 0), "", &secret[1..]] {
        let token = Credentials { token: token.clone(), secret: secret.to_owned() };
        client.with_token(&token).validate().assert_signed_error(401, "invalid_token");
    }
    let mut nobody = client.clone();
    nobody.consumer_key = "nobody".to_owned();
    nobody.validate().assert_signed_error(401, "invalid_token");
    // By any method that takes secrets.
    for method in ["HMAC-SHA256", "HMAC-SHA512"] {
        let mut wrong = wrong.with_method(method);
        wrong.validate().assert_signed_error(401, "invalid_token");
        wrong.consumer_secret.clone_from(&client.consumer_secret);
        wrong.validate().assert_status(200);
    }
    // A token of alice with a secret of another one of hers.
    let other = client.with_token(&client.token.clone().unwrap());
    let alone = other.alone();
    let second = alone.xauth("alice", PASSWORD).credentials();
    let mixed = Credentials { token, secret: second.secret.clone() };
    alone.with_token(&mixed).validate().assert_signed_error(401, "invalid_token");
    alone.with_token(&second).validate().assert_status(200);
}

#[test]
fn a_token_is_good_for_a_year_and_not_a_second_longer() {
    for (settings, lifetime) in
        [(&[][..], 31_536_000), (&[("OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS", "7200")], 7200)]
    {
        let server = TestServer::with(settings);
        let (_, client) = signed_in(&server);
        let answer = client.validate();
        assert_eq!(answer.assert_status(200).json()["exp"], server.now() + lifetime);
        assert_eq!(answer.header("x-auth-expires"), Some((server.now() + lifetime).to_string().as_str()));
        server.advance(lifetime - 1);
        client.validate().assert_status(200);
        server.advance(1);
        for isolate in [&server, &server.another_isolate()] {
            let client = client.at(isolate);
            let answer = client.validate();
            answer.assert_signed_error(401, "invalid_token");
            assert_logged(&client, &answer, "the token has expired");
        }
    }
}

#[test]
fn a_lifetime_that_is_none_is_a_bad_setting() {
    let error = |lifetime: &str| {
        let variable = |name: &str| match name {
            "OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS" => Some(lifetime.to_owned()),
            "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
            "MASTER_KEY" => Some(MASTER_KEY.to_owned()),
            _ => None,
        };
        Settings::read(&|name| variable(name).into()).err()
    };
    for bad in ["0", "-1", "1.5", "a year", "99999999999999999999"] {
        assert_eq!(error(bad).expect(bad).name, "OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS");
    }
    for good in ["1", "31536000"] {
        assert!(error(good).is_none());
    }
}

#[test]
fn a_token_of_an_application_that_took_the_name_of_another_is_good_at_once() {
    let server = TestServer::new();
    let (app, client) = signed_in(&server);
    let elsewhere = server.another_isolate();
    client.at(&elsewhere).validate().assert_status(200);
    server.admin("DELETE", &format!("applications/{}", app.client_id), Value::Null).assert_status(204);
    let again = mover(&server).set("client_id", json!(app.client_id)).create();
    let fresh = signed_in_to(&again, &server);
    // That isolate remembers the other one.
    fresh.at(&elsewhere).validate().assert_status(200);
    client.at(&elsewhere).validate().assert_signed_error(401, "invalid_token");
}
