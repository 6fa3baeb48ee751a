//! Answers: JSON and the standards' errors. Which code has which status stands here, once.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::Response;
use crate::model::fields::FieldErrors;
use crate::protocol::error::{ErrorCode, OAuthError};

/// Why a request was refused, for the operator's log.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub error: &'static str,
    pub detail: String,
    /// False where a line would cost more than the refusal: then it is only counted.
    pub is_logged: bool,
}

/// A JSON answer that nobody may store (RFC 6749 §5.1).
pub fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(body.to_string().into_bytes());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, PRAGMA, "no-cache");
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    set(&mut response, CACHE_CONTROL, "no-store");
    set(&mut response, PRAGMA, "no-cache");
    response
}

/// An error of the OAuth endpoints (RFC 6749 §5.2).
pub fn error(error: &OAuthError) -> Response {
    let mut response = json(status(error.code()), &error_body(error));
    if error.code() == ErrorCode::InvalidClient {
        set(&mut response, WWW_AUTHENTICATE, r#"Basic realm="api""#);
    }
    finish_error(&mut response, error);
    response
}

/// An error of protected resources (RFC 6750 §3). `scope`: what would have sufficed.
pub fn bearer_error(error: &OAuthError, scope: Option<&str>) -> Response {
    let mut body = error_body(error);
    if let Value::Object(body) = &mut body {
        body.insert("active".to_owned(), false.into());
    }
    let mut response = json(status(error.code()), &body);
    if error.code() != ErrorCode::TemporarilyUnavailable {
        let mut challenge = format!(
            r#"Bearer realm="api", error="{}", error_description="{}""#,
            error.code().as_str(),
            error.description()
        );
        if let Some(scope) = scope {
            challenge.push_str(&format!(r#", scope="{scope}""#));
        }
        set(&mut response, WWW_AUTHENTICATE, &challenge);
    }
    finish_error(&mut response, error);
    response
}

/// The answer to a request without credentials: a challenge without an error code (RFC 6750 §3.1).
pub fn bearer_challenge() -> Response {
    let mut response = json(StatusCode::UNAUTHORIZED, &json!({"active": false}));
    set(&mut response, WWW_AUTHENTICATE, r#"Bearer realm="api""#);
    because(&mut response, "no_credentials", String::new(), false);
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

/// Puts a header. What cannot be one is left out.
pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Notes for the log why a request is refused.
pub fn because(response: &mut Response, error: &'static str, detail: String, is_logged: bool) {
    response.extensions_mut().insert(Refusal { error, detail, is_logged });
}

/// A refusal by form or MAC alone: a log line would cost more than it, so it is only counted.
pub fn unlogged(mut response: Response) -> Response {
    if let Some(refusal) = response.extensions_mut().get_mut::<Refusal>() {
        refusal.is_logged = false;
    }
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
        | ErrorCode::InvalidScope => StatusCode::BAD_REQUEST,
    }
}

fn error_body(error: &OAuthError) -> Value {
    let mut body = Map::new();
    body.insert("error".to_owned(), error.code().as_str().into());
    body.insert("error_description".to_owned(), error.description().into());
    Value::Object(body)
}

fn finish_error(response: &mut Response, error: &OAuthError) {
    if let Some(seconds) = error.retry_after_seconds() {
        set(response, RETRY_AFTER, &seconds.to_string());
    }
    because(response, error.code().as_str(), error.detail(), true);
}
