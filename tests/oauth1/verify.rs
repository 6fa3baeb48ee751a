//! Reads what tests/python/oauth1_requests.py writes, one request on a line, and says where we and oauthlib differ: in what
//! a request holds, in its base string and signature, and in whether it still verifies with one byte changed.

#![expect(clippy::expect_used, reason = "a test: its input is as agreed, or it ends")]

use std::io::{BufRead, stdin};
use std::process::ExitCode;

use postern::crypto::secret::{Secret, same_bytes};
use postern::protocol::oauth1::{Received, SignatureMethod, SignedRequest, hmac_signature, signing_key};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let mut counts = Counts::default();
    for line in stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let checked = check_signed(&case, &mut counts).and_then(|()| check_tampered(&case, &mut counts));
        if let Err(why) = checked {
            counts.differences += 1;
            println!("{why}: {case}");
        }
    }
    let Counts { differences, verified, refused, malformed, still_verified } = counts;
    println!(
        "{}",
        json!({"verified": verified, "refused": refused, "malformed": malformed, "still_verified": still_verified})
    );
    if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Counts {
    differences: usize,
    /// As they were signed.
    verified: usize,
    /// With one byte changed, by both of us.
    refused: usize,
    /// With one byte changed, by us alone: we cannot read it.
    malformed: usize,
    /// With a byte changed that means the same, or that PLAINTEXT does not sign.
    still_verified: usize,
}

/// The request as it was signed.
fn check_signed(case: &Value, counts: &mut Counts) -> Result<(), &'static str> {
    let request = read(case).ok_or("it is not read")?;
    if request.base_string() != text(case, "base_string") {
        return Err("the base strings differ");
    }
    let one = |name: &str| {
        let mut values = parameters(case).filter(|(known, _)| *known == name).map(|(_, value)| value);
        (values.next(), values.next())
    };
    for (name, value) in parameters(case) {
        let repeated = one(name).1.is_some();
        if repeated != request.parameter(name).is_err()
            || !repeated && request.parameter(name) != Ok(Some(value))
        {
            return Err("a parameter differs");
        }
    }
    let once = request.once().map(|(timestamp, nonce)| (timestamp.to_string(), nonce));
    let said = (
        Some(request.consumer_key()),
        request.token(),
        Some(request.signature_method().as_str()),
        once.as_ref().map(|(timestamp, nonce)| (timestamp.as_str(), *nonce)),
    );
    let sent = (
        one("oauth_consumer_key").0,
        one("oauth_token").0,
        one("oauth_signature_method").0,
        one("oauth_timestamp").0.zip(one("oauth_nonce").0),
    );
    if said != sent {
        return Err("who signed it, and how, differs");
    }
    let (consumer_secret, token_secret) = secrets(case);
    let other = Secret::new(format!("{}~", consumer_secret.expose()));
    if verifies(&request, &other, &token_secret) {
        return Err("another secret verifies it");
    }
    if !verifies(&request, &consumer_secret, &token_secret) {
        return Err("the signatures differ");
    }
    counts.verified += 1;
    Ok(())
}

fn check_tampered(case: &Value, counts: &mut Counts) -> Result<(), &'static str> {
    let tampered = &case["tampered"];
    let (consumer_secret, token_secret) = secrets(case);
    let ours = read(tampered).map(|request| verifies(&request, &consumer_secret, &token_secret));
    match (ours, tampered["verifies"].as_bool().expect("true or false")) {
        (Some(true), true) => counts.still_verified += 1,
        (Some(false) | None, false) => counts.refused += 1,
        (None, true) => counts.malformed += 1,
        (Some(true), false) => return Err("oauthlib refuses what we take"),
        (Some(false), true) => return Err("oauthlib takes what we refuse"),
    }
    Ok(())
}

fn verifies(request: &SignedRequest, consumer_secret: &Secret, token_secret: &Secret) -> bool {
    let key = signing_key(consumer_secret, request.token().map(|_| token_secret));
    let expected = match request.signature_method() {
        SignatureMethod::Plaintext => Some(key.expose().to_owned()),
        method => hmac_signature(method, &key, request.base_string()),
    };
    expected.is_some_and(|expected| same_bytes(expected.as_bytes(), request.signature().as_bytes()))
}

fn read(case: &Value) -> Option<SignedRequest> {
    let received = Received {
        method: text(case, "method"),
        url: text(case, "url"),
        authorization: case["authorization"].as_str(),
        form: case["form"].as_str().map(str::as_bytes),
    };
    SignedRequest::read(&received).ok().flatten()
}

fn parameters(case: &Value) -> impl Iterator<Item = (&str, &str)> {
    let pairs = case["parameters"].as_array().expect("a list").iter();
    pairs.map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value")))
}

fn secrets(case: &Value) -> (Secret, Secret) {
    (Secret::new(text(case, "consumer_secret")), Secret::new(text(case, "token_secret")))
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("text")
}
