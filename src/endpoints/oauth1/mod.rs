//! OAuth 1.0a (RFC 5849), in the words of django-oauth-plus: form-encoded answers, and errors in plain text.

pub mod authorize;

use std::borrow::Cow;

use http::StatusCode;
use http::header::AUTHORIZATION;

use super::respond;
use crate::call::body::{MediaType, media_type};
use crate::call::{Call, Response, header};
use crate::crypto::secret::Secret;
use crate::grants::oauth1::{self, Oauth1Error, Refusal};
use crate::protocol::oauth1::{Received, SignedRequest};

/// `/oauth/request_token/`
pub async fn request_token(call: &Call<'_>) -> Response {
    let issued = with_signed(call, async |request, url| {
        oauth1::request_token::issue(request, url, &call.issuer, call.app).await
    });
    match issued.await {
        Ok(issued) => {
            let confirmed = ("oauth_callback_confirmed", "true");
            credentials(issued.token.expose(), &issued.secret, &[confirmed])
        }
        Err(error) => respond_error(&error),
    }
}

/// `/oauth/access_token/`
pub async fn access_token(call: &Call<'_>) -> Response {
    let issued = with_signed(call, async |request, url| match is_xauth(request)? {
        true => oauth1::xauth::issue(request, url, call.address(), call.app).await,
        false => oauth1::access_token::exchange(request, url, call.address(), call.app).await,
    });
    match issued.await {
        Ok(issued) => credentials(issued.token.expose(), &issued.secret, &[]),
        Err(error) => respond_error(&error),
    }
}

fn is_xauth(request: &SignedRequest) -> Result<bool, Oauth1Error> {
    for name in ["x_auth_mode", "x_auth_username", "x_auth_password"] {
        if request.parameter(name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lets `act` go on with the signed request, and what its client called.
async fn with_signed<T>(
    call: &Call<'_>,
    act: impl AsyncFnOnce(&SignedRequest, &str) -> Result<T, Oauth1Error>,
) -> Result<T, Oauth1Error> {
    let url = url(call);
    let authorization = header(call.request, AUTHORIZATION.as_str())
        .map_err(|error| Refusal::Malformed.because(error.description().to_owned()))?;
    let received = Received {
        method: call.request.method().as_str(),
        url: &url,
        authorization,
        form: Some(call.request.body().as_slice()).filter(|_| media_type(call.request) == MediaType::Form),
    };
    let request = SignedRequest::read(&received)?;
    let request = request.ok_or_else(|| Refusal::Malformed.because("the request is not signed"))?;
    oauth1::guarded(call.address(), call.app, async || act(&request, &url).await).await
}

/// What the client called: below our issuer, whatever a proxy on the way has made of it.
fn url(call: &Call<'_>) -> String {
    let query = call.request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{}{query}", call.issuer, call.path())
}

fn credentials(token: &str, secret: &Secret, more: &[(&str, &str)]) -> Response {
    let pairs = [&[("oauth_token", token), ("oauth_token_secret", secret.expose())], more].concat();
    respond::form(&pairs)
}

fn respond_error(error: &Oauth1Error) -> Response {
    match error {
        Oauth1Error::Unavailable(error) => respond::oauth1_unavailable(error),
        Oauth1Error::Refused { refusal, reason } => {
            let (status, text) = said(refusal);
            respond::oauth1_error(status, &text, reason)
        }
    }
}

/// What django-oauth-plus says.
fn said(refusal: &Refusal) -> (StatusCode, Cow<'static, str>) {
    let bad = |text: &'static str| (StatusCode::BAD_REQUEST, text.into());
    let unauthorized = |text: &'static str| (StatusCode::UNAUTHORIZED, text.into());
    match refusal {
        Refusal::Missing(names) => {
            (StatusCode::BAD_REQUEST, format!("Missing OAuth parameters: {}", names.join(", ")).into())
        }
        Refusal::Malformed => unauthorized("Invalid request parameters."),
        Refusal::Consumer => bad("Invalid consumer."),
        Refusal::Signature | Refusal::Nonce => unauthorized("Could not verify OAuth request."),
        Refusal::Callback => unauthorized("Invalid callback URL."),
        Refusal::Scope => unauthorized("Scope does not exist."),
        Refusal::RequestToken => bad("Invalid request token."),
        Refusal::NoRequestToken => bad("No request token specified."),
        Refusal::NotApproved => bad("Request Token not approved by the user."),
        Refusal::Verifier => bad("Invalid OAuth verifier."),
        Refusal::Xauth => bad("Could not verify xAuth request."),
        Refusal::XauthNotAllowed => bad("xAuth not allowed for this method"),
        Refusal::XauthOnRequestToken => bad("xAuth not allowed for this method."),
        Refusal::Credentials => bad("xAuth username or password is not valid"),
        Refusal::AccessToken => unauthorized("Invalid access token."),
    }
}
