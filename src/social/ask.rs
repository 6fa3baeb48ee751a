//! Requests to identity providers, and what their answers mean.

use serde_json::{Map, Value};

use super::provider::{ClientSecret, Provider};
use super::{SocialError, client_secret};
use crate::app::{App, OutboundRequest};
use crate::crypto::encoding::{hex, standard_base64};
use crate::crypto::hmac_sha256;
use crate::protocol::params::{encode, encode_segment};

/// GitHub refuses requests without one.
const USER_AGENT: (&str, &str) = ("user-agent", "Postern");

pub fn get(url: &str) -> OutboundRequest {
    request("GET", url.to_owned(), None)
}

pub fn delete(url: &str) -> OutboundRequest {
    request("DELETE", url.to_owned(), None)
}

/// A form in the body.
pub fn post(url: &str, form: &[(&str, &str)]) -> OutboundRequest {
    let mut request = request("POST", url.to_owned(), Some(encode(form)));
    request.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    request
}

/// A JSON body.
pub fn with_json(method: &'static str, url: &str, body: &Value) -> OutboundRequest {
    let mut request = request(method, url.to_owned(), Some(body.to_string()));
    request.headers.push(("content-type", "application/json".to_owned()));
    request
}

fn request(method: &'static str, url: String, body: Option<String>) -> OutboundRequest {
    let headers = vec![("accept", "application/json".to_owned()), (USER_AGENT.0, USER_AGENT.1.to_owned())];
    OutboundRequest { method, url, headers, body }
}

/// More parameters for a URL that may have some.
pub fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", encode(query))
}

/// With Facebook's proof that the call comes from who knows the secret, where the provider wants it.
pub fn with_proof(url: &str, token: &str, provider: &Provider) -> String {
    match &provider.secret {
        ClientSecret::Text(secret) if provider.appsecret_proof => {
            let proof = hex(&hmac_sha256(secret.expose().as_bytes(), token.as_bytes()));
            with_query(url, &[("appsecret_proof", &proof)])
        }
        _ => url.to_owned(),
    }
}

#[must_use]
pub fn bearer(mut request: OutboundRequest, token: &str) -> OutboundRequest {
    request.headers.push(("authorization", format!("Bearer {token}")));
    request
}

/// Our client by HTTP Basic (RFC 6749 §2.3.1).
#[must_use]
pub fn basic(mut request: OutboundRequest, client_id: &str, secret: &str) -> OutboundRequest {
    let credentials =
        standard_base64(format!("{}:{}", encode_segment(client_id), encode_segment(secret)).as_bytes());
    request.headers.push(("authorization", format!("Basic {credentials}")));
    request
}

/// A form that we post as the provider's client (RFC 6749 §2.3).
///
/// # Errors
/// The client's JWT cannot be signed.
pub async fn post_as_client(
    url: &str,
    form: &[(&str, &str)],
    provider: &Provider,
    app: &App,
) -> Result<OutboundRequest, SocialError> {
    let secret = client_secret::text(provider, app).await?;
    Ok(match (&secret, &provider.secret) {
        (Some(secret), ClientSecret::Text(_)) if provider.basic_authentication => {
            basic(post(url, form), &provider.client_id, secret.expose())
        }
        _ => {
            let mut form = form.to_vec();
            form.push(("client_id", &provider.client_id));
            if let Some(secret) = &secret {
                form.push(("client_secret", secret.expose()));
            }
            post(url, &form)
        }
    })
}

/// Sends a request and reads a JSON value. `what` names the request in the log.
///
/// # Errors
/// - `Refused`: the provider says that it is our request that is wrong.
/// - `Failed`: it does not answer, or answers what says nothing about the request.
pub async fn for_value(request: OutboundRequest, what: &str, app: &App) -> Result<Value, SocialError> {
    let response = app.outbound.send(request).await?;
    match response.status {
        200..=299 => serde_json::from_slice(&response.body)
            .map_err(|_| SocialError::garbage(format!("{what}: the answer is not JSON"))),
        // Whoever is asked too much, or wants another address, says nothing about a token.
        status @ (300..=399 | 408 | 425 | 429 | 500..) => {
            Err(SocialError::Failed { status, reason: what.to_owned() })
        }
        status => Err(SocialError::Refused(format!("{what}: the provider answered {status}"))),
    }
}

/// As [`for_value`], a JSON object.
///
/// # Errors
/// As [`for_value`].
pub async fn for_object(
    request: OutboundRequest,
    what: &str,
    app: &App,
) -> Result<Map<String, Value>, SocialError> {
    match for_value(request, what, app).await? {
        Value::Object(object) => Ok(object),
        _ => Err(SocialError::garbage(format!("{what}: the answer is not a JSON object"))),
    }
}

/// What stands in an object at a path: names with dots between them.
pub fn at<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = object.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// The same, as text; a number is written as one.
pub fn text_at(object: &Map<String, Value>, path: &str) -> Option<String> {
    match at(object, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// True if the value says yes: some providers write it as a text or a number.
pub fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn paths_lead_inside() {
        let object = object(json!({"data": {"id": 7, "name": null, "list": ["a"]}, "id": "x", "half": 0.5}));
        assert_eq!(text_at(&object, "data.id").as_deref(), Some("7"));
        assert_eq!(text_at(&object, "id").as_deref(), Some("x"));
        for nowhere in ["", "data", "data.name", "data.list", "data.id.more", "data.list.0", "none", "half"] {
            assert_eq!(text_at(&object, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn only_what_says_yes_is_true() {
        for yes in [json!(true), json!("true"), json!("1"), json!(1)] {
            assert!(is_true(Some(&yes)), "{yes}");
        }
        for no in [json!(false), json!("false"), json!("yes"), json!(2), json!([true]), json!({})] {
            assert!(!is_true(Some(&no)), "{no}");
        }
        assert!(!is_true(None));
    }

    #[test]
    fn more_parameters_go_behind_those_that_are_there() {
        assert_eq!(with_query("https://p.example/a", &[("b", "c d")]), "https://p.example/a?b=c%20d");
        assert_eq!(with_query("https://p.example/a?x=1", &[("b", "")]), "https://p.example/a?x=1&b=");
    }
}
