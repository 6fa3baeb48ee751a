//! Request token, approval, access token (RFC 5849 §2).

use crate::oauth1::client;
use crate::support::oauth1::{Credentials, Place, SigningClient};
use crate::support::{CALLBACK, Landing, TestServer};

/// A request token that `alice` has approved, with its verifier.
fn approved(client: &SigningClient<'_>) -> (Credentials, String) {
    let temporary = client.request_token("oob").credentials();
    let verifier = client.approve(&temporary, "alice");
    (temporary, verifier)
}

#[test]
fn three_legs_lead_to_a_token_that_speaks_for_the_person() {
    // RFC 5849 §1.2
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let response = client.request_token(CALLBACK);
    assert!(response.text().ends_with("&oauth_callback_confirmed=true"), "{}", response.text());
    let temporary = response.credentials();

    let browser = server.browser();
    let page = browser.open(&format!("/oauth/authorize/?oauth_token={}", temporary.token));
    let page = browser.submit(&page, &[("username", "alice"), ("password", crate::support::PASSWORD)]);
    let landing = Landing::of(&browser.submit_once(&page, &[("decision", "allow")]));
    assert_eq!(landing.uri, CALLBACK);
    assert_eq!(landing.get("oauth_token"), temporary.token);

    let issued = client.with_token(&temporary).access_token(landing.get("oauth_verifier")).credentials();
    let answer = client.with_token(&issued).validate();
    answer.assert_status(200);
    let body = answer.json();
    assert_eq!((&body["username"], &body["token_type"]), (&"alice".into(), &"OAuth".into()));
    assert_eq!(body["scope"], "read write groups");
    assert_eq!(answer.header("x-auth-username"), Some("alice"));
    assert_eq!(body["exp"], server.now() + 31_536_000);
}

#[test]
fn parameters_stand_in_one_of_three_places() {
    // RFC 5849 §3.5
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    for (place, method) in [
        (Place::Header, "POST"),
        (Place::Form, "POST"),
        (Place::Query, "POST"),
        (Place::Header, "GET"),
        (Place::Query, "GET"),
    ] {
        let unsigned = client.unsigned(method, "/oauth/request_token/").oauth("oauth_callback", "oob");
        let temporary = server.send(unsigned.at(place).sign()).credentials();
        let verifier = client.approve(&temporary, "alice");
        let unsigned = client.with_token(&temporary).unsigned(method, "/oauth/access_token");
        let unsigned = unsigned.oauth("oauth_verifier", &verifier).at(place);
        server.send(unsigned.sign()).credentials();
    }
}

#[test]
fn a_request_token_is_exchanged_once() {
    let server = TestServer::new();
    server.user("alice");
    let client = client(&server);
    let (temporary, verifier) = approved(&client);
    let client = client.with_token(&temporary);
    client.access_token(&verifier).credentials();
    client.access_token(&verifier).assert_oauth1_error(400, "Invalid request token.");
}
