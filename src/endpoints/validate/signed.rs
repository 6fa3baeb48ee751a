//! A signed request (RFC 5849 §3) in the place of a token: what was signed stands in the headers that the proxy sets.

use http::Method;
use http::header::AUTHORIZATION;

use super::{Demands, Needed, invalid_token, is_method, with_challenge};
use crate::app::App;
use crate::call::body::{LONGEST_BODY, MediaType, media_type};
use crate::call::{Request, Response, header};
use crate::endpoints::respond;
use crate::grants::oauth1::{Oauth1Error, Refusal, resource};
use crate::protocol::error::OAuthError;
use crate::protocol::oauth1::{Received, SignedRequest};

/// What RFC 7662 §2.2 calls the type of the token.
const OAUTH1: &str = "OAuth";

/// The answer to a signed request; none if it is not signed.
pub async fn answer(
    authorization: Option<&str>,
    demands: &Demands,
    needed: &Needed,
    app: &App,
) -> Option<Response> {
    let (request, url) = match read(authorization, demands) {
        Ok(Some(read)) => read,
        Ok(None) => return None,
        Err(error) => return Some(refused(&error)),
    };
    let response = match resource::find(&request, url, app).await {
        Ok(record) => needed.answer(&record, OAUTH1),
        Err(error) => return Some(refused(&error)),
    };
    Some(with_scheme(response))
}

fn read<'a>(
    authorization: Option<&str>,
    demands: &'a Demands,
) -> Result<Option<(SignedRequest, &'a str)>, Oauth1Error> {
    let method = demands.method.as_deref().filter(|method| is_method(method));
    let is_told = method.is_some() && demands.url.is_some();
    let (method, url) = (method.unwrap_or_default(), demands.url.as_deref().unwrap_or_default());
    let received = Received { method, url, authorization, form: demands.form.as_deref() };
    // By HTTP it would not have come so far.
    if received.form.is_some_and(|form| form.len() > LONGEST_BODY) {
        return Err(Refusal::Malformed.because("the body is longer than is read"));
    }
    // No request target has a fragment (RFC 9112 §3.2): an API could read on where the signature ends.
    if (!is_told || url.contains('#')) && received.is_signed() {
        return Err(Refusal::Malformed.because("the original request is not told, or has a fragment"));
    }
    Ok(SignedRequest::read(&received)?.map(|request| (request, url)))
}

/// What OAuth 1.0a refuses, in the codes of Bearer tokens.
fn refused(error: &Oauth1Error) -> Response {
    let response = match error {
        Oauth1Error::Unavailable(error) => respond::bearer_error(error, None),
        Oauth1Error::Refused { refusal: Refusal::Malformed | Refusal::Missing(_), reason } => {
            let error = OAuthError::invalid_request(
                "the signed request is malformed, or not all of X-Forwarded-Method, X-Forwarded-Host and X-Forwarded-Uri are there",
            );
            respond::bearer_error(&error.because(reason.clone().into_owned()), None)
        }
        Oauth1Error::Refused { reason, .. } => {
            respond::bearer_error(&invalid_token().because(reason.clone().into_owned()), None)
        }
    };
    with_scheme(response)
}

/// The challenge of this scheme.
pub(super) fn with_scheme(response: Response) -> Response {
    with_challenge(response, "OAuth ")
}

/// True of the scheme `OAuth` (RFC 5849 §3.5.1).
pub fn is_oauth1(authorization: &str) -> bool {
    let scheme = authorization.split(' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("oauth")
}

/// True if the parameters of a signature may stand in it: then its body matters, too.
pub fn may_be(request: &Request) -> bool {
    match header(request, AUTHORIZATION.as_str()) {
        Ok(authorization) => authorization.is_none_or(is_oauth1),
        Err(_) => false,
    }
}

/// True if parameters in its body may have been signed.
pub fn may_sign_body(request: &Request) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) && may_be(request)
}

/// What the client called, if the proxy tells it. No part may stand for another: a signature for one URL would be good for two.
/// What is missing or malformed makes a URL without a host, which is refused once it turns out to be signed.
pub fn url(request: &Request) -> Result<Option<String>, OAuthError> {
    if let Some(url) = header(request, "x-original-url")? {
        return Ok(Some(url.to_owned()));
    }
    let (host, uri) = (header(request, "x-forwarded-host")?, header(request, "x-forwarded-uri")?);
    let scheme = header(request, "x-forwarded-proto")?.unwrap_or("https");
    let are_parts = !scheme.contains(':') && uri.is_some_and(|uri| uri.starts_with('/'));
    let host = host.filter(|host| are_parts && !host.contains(['/', '?', '#']));
    Ok(uri.map(|uri| match host {
        Some(host) => format!("{scheme}://{host}{uri}"),
        None => format!(":///{uri}"),
    }))
}

/// The body, if it is a form (RFC 5849 §3.4.1.3.1).
pub fn form(request: &Request) -> Option<Vec<u8>> {
    Some(request.body().clone()).filter(|_| media_type(request) == MediaType::Form)
}
