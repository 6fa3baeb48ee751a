//! Answers: JSON and the standards' errors. Which code has which status stands here, once.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::call::{Response, because, set};
use crate::model::fields::FieldErrors;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::encode;
use crate::tokens::mint::TokenResponse;

/// As many as a good answer of `/validate/` has.
const USUAL_HEADERS: usize = 8;

/// A JSON answer that nobody may store (RFC 6749 §5.1).
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = Response::new(to_json(body).into_bytes());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(USUAL_HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_storing(headers);
    response
}

/// JSON of a body of ours: they have text as keys, and fail nowhere.
pub fn to_json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// The body of a token response (RFC 6749 §5.1).
pub fn token_body(tokens: &TokenResponse) -> Map<String, Value> {
    let mut body = Map::new();
    let mut insert = |name: &str, value: Value| body.insert(name.to_owned(), value);
    insert("access_token", tokens.access_token.expose().into());
    insert("token_type", "Bearer".into());
    insert("expires_in", tokens.expires_in.seconds().into());
    if let Some(refresh_token) = &tokens.refresh_token {
        insert("refresh_token", refresh_token.expose().into());
    }
    insert("scope", tokens.scope.to_string().into());
    body
}

/// Credentials of OAuth 1.0a (RFC 5849 §2.1): form-encoded, and nobody may store them.
pub fn form(pairs: &[(&str, &str)]) -> Response {
    text(StatusCode::OK, "application/x-www-form-urlencoded", encode(pairs))
}

/// An error of OAuth 1.0a (RFC 5849 §3.2). `reason` is for the log.
pub fn oauth1_error(status: StatusCode, said: &str, reason: &str) -> Response {
    let mut response = text(status, "text/plain; charset=utf-8", said.to_owned());
    set(&mut response, WWW_AUTHENTICATE, r#"OAuth realm="api""#);
    because(&mut response, "oauth1", format!("{said} {reason}"), true);
    response
}

/// As [`oauth1_error`], where nothing was done: too many tries, or storage does not answer.
pub fn oauth1_unavailable(error: &OAuthError) -> Response {
    let said = match error.code() {
        ErrorCode::TooManyAttempts => "Too many failures: try again later.",
        _ => "Try again in a moment.",
    };
    let mut response = text(status(error.code()), "text/plain; charset=utf-8", said.to_owned());
    finish_error(&mut response, error);
    response
}

fn text(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    forbid_storing(response.headers_mut());
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    forbid_storing(response.headers_mut());
    response
}

fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// An error of the OAuth endpoints (RFC 6749 §5.2).
pub fn error(error: &OAuthError) -> Response {
    let mut response = json(status(error.code()), &ErrorBody::new(error, None));
    if error.code() == ErrorCode::InvalidClient {
        set(&mut response, WWW_AUTHENTICATE, r#"Basic realm="api""#);
    }
    finish_error(&mut response, error);
    response
}

/// An error of protected resources (RFC 6750 §3). `scope`: what would have sufficed.
pub fn bearer_error(error: &OAuthError, scope: Option<&str>) -> Response {
    let mut response = challenge(error, scope);
    finish_error(&mut response, error);
    response
}

/// As [`bearer_error`], by form or MAC alone: a log line would cost more than the refusal, so it is only counted.
pub fn unlogged_bearer_error(error: &OAuthError) -> Response {
    challenge(error, None)
}

fn challenge(error: &OAuthError, scope: Option<&str>) -> Response {
    let mut response = json(status(error.code()), &ErrorBody::new(error, Some(false)));
    if error.code() != ErrorCode::TemporarilyUnavailable {
        set_challenge(&mut response, error, scope);
    }
    response
}

fn set_challenge(response: &mut Response, error: &OAuthError, scope: Option<&str>) {
    let mut challenge = String::with_capacity(160);
    for part in [r#"Bearer realm="api", error=""#, error.code().as_str(), r#"", error_description=""#] {
        challenge.push_str(part);
    }
    challenge.push_str(error.description());
    challenge.push('"');
    if let Some(scope) = scope {
        challenge.push_str(&format!(r#", scope="{scope}""#));
    }
    set(response, WWW_AUTHENTICATE, &challenge);
}

/// The answer to a request without credentials: a challenge without an error code (RFC 6750 §3.1).
pub fn bearer_challenge() -> Response {
    without_credentials(&json!({"active": false}))
}

/// As [`bearer_challenge`], in the shape of Django REST framework.
pub fn drf_bearer_challenge() -> Response {
    without_credentials(&json!({"detail": "Authentication credentials were not provided."}))
}

fn without_credentials(body: &Value) -> Response {
    let mut response = json(StatusCode::UNAUTHORIZED, body);
    set(&mut response, WWW_AUTHENTICATE, r#"Bearer realm="api""#);
    because(&mut response, "no_credentials", String::new(), false);
    response
}

/// The access token is a bad one (RFC 6750 §3), in the shape of Django REST framework. `is_logged`: the form and the MAC were
/// good.
pub fn drf_bearer_error(error: &OAuthError, is_logged: bool) -> Response {
    let mut response = json(StatusCode::UNAUTHORIZED, &json!({"detail": error.description()}));
    set_challenge(&mut response, error, None);
    because(&mut response, error.code().as_str(), error.detail(), is_logged);
    response
}

/// An error by fields in the shape of Django REST framework.
pub fn drf_fields(errors: &FieldErrors) -> Response {
    let mut response = json(StatusCode::BAD_REQUEST, &json!(errors));
    because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
    response
}

/// Any other error in the shape of Django REST framework.
pub fn drf_detail(status: StatusCode, detail: &str) -> Response {
    let mut response = json(status, &json!({"detail": detail}));
    because(&mut response, "invalid_request", detail.to_owned(), true);
    response
}

/// Nothing was done: too many tries, or storage does not answer; in the shape of Django REST framework.
pub fn drf_error(error: &OAuthError) -> Response {
    let detail = match (error.code(), error.retry_after_seconds()) {
        (ErrorCode::TooManyAttempts, Some(1)) => {
            "Request was throttled. Expected available in 1 second.".to_owned()
        }
        (ErrorCode::TooManyAttempts, Some(seconds)) => {
            format!("Request was throttled. Expected available in {seconds} seconds.")
        }
        _ => "Try again in a moment.".to_owned(),
    };
    let mut response = drf_detail(status(error.code()), &detail);
    finish_error(&mut response, error);
    response
}

/// An error of the operator's API, by fields.
pub fn admin_fields(errors: &FieldErrors, status: StatusCode) -> Response {
    let body = json!({
        "error": "invalid_request",
        "error_description": format!("wrong or missing: {}", errors.names()),
        "fields": errors,
    });
    let mut response = json(status, &body);
    because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
    response
}

/// An OAuth error whose status the protocol does not name, such as 404 or 413.
pub fn oauth_with_status(status: StatusCode, code: &'static str, description: &str) -> Response {
    let mut response = json(status, &json!({"error": code, "error_description": description}));
    because(&mut response, code, description.to_owned(), true);
    response
}

/// As [`oauth_with_status`], of validation.
pub fn inactive_with_status(status: StatusCode, description: &str) -> Response {
    let error = "invalid_request";
    let mut response =
        json(status, &json!({"error": error, "error_description": description, "active": false}));
    because(&mut response, error, description.to_owned(), true);
    response
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidGrant
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::UnsupportedTokenType
        | ErrorCode::UnsupportedResponseType
        | ErrorCode::InvalidTarget
        | ErrorCode::AccessDenied
        | ErrorCode::LoginRequired
        | ErrorCode::ConsentRequired
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::InvalidScope => StatusCode::BAD_REQUEST,
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
}

impl<'a> ErrorBody<'a> {
    fn new(error: &'a OAuthError, active: Option<bool>) -> Self {
        Self { error: error.code().as_str(), error_description: error.description(), active }
    }
}

fn finish_error(response: &mut Response, error: &OAuthError) {
    if let Some(seconds) = error.retry_after_seconds() {
        set(response, RETRY_AFTER, &seconds.to_string());
    }
    // The first refusal of an account or address is an event with a line of its own.
    let is_logged = error.code() != ErrorCode::TooManyAttempts;
    because(response, error.code().as_str(), error.detail(), is_logged);
}
