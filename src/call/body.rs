//! Request bodies: forms under `/o/`, JSON for the operator, both under `/auth/` and for signing up.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::{Request, header};
use crate::protocol::error::OAuthError;
use crate::protocol::json;
use crate::protocol::params::Params;

/// A request body may be this long, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;

/// What a body says that it is.
#[derive(Debug, PartialEq, Eq)]
pub enum MediaType {
    Form,
    Json,
    Other,
}

/// Reads the media type without its parameters.
pub fn media_type(request: &Request) -> MediaType {
    match essence(request).as_str() {
        "application/x-www-form-urlencoded" => MediaType::Form,
        "application/json" => MediaType::Json,
        _ => MediaType::Other,
    }
}

fn essence(request: &Request) -> String {
    let value = header(request, CONTENT_TYPE.as_str()).ok().flatten().unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// The parameters of a form. They belong in the body: in a URL they would be logged (RFC 6749 §2.3.1).
///
/// # Errors
/// - `invalid_request`: the body is not a form, or a malformed one, or the URL has a query.
pub fn form(request: &Request) -> Result<Params, OAuthError> {
    refuse_query(request)?;
    if media_type(request) != MediaType::Form {
        return Err(OAuthError::invalid_request("the body must be application/x-www-form-urlencoded"));
    }
    Ok(Params::parse(request.body())?)
}

/// As [`form`], or a JSON object in its place, whose members are strings.
///
/// # Errors
/// - `invalid_request`: the body is neither, or a malformed one, or the URL has a query.
pub fn form_or_json(request: &Request) -> Result<Params, OAuthError> {
    refuse_query(request)?;
    match media_type(request) {
        MediaType::Form => Ok(Params::parse(request.body())?),
        MediaType::Json => Ok(Params::from_object(read_object(request)?)?),
        MediaType::Other => Err(OAuthError::invalid_request(
            "the body must be application/json or application/x-www-form-urlencoded",
        )),
    }
}

fn refuse_query(request: &Request) -> Result<(), OAuthError> {
    match request.uri().query() {
        None | Some("") => Ok(()),
        Some(_) => Err(OAuthError::invalid_request("parameters belong in the body, not in the URL")),
    }
}

/// A PATCH may say what it is (RFC 7396 §4).
fn is_merge_patch(request: &Request) -> bool {
    request.method() == http::Method::PATCH && essence(request) == "application/merge-patch+json"
}

/// The JSON object that an operator sends.
///
/// # Errors
/// - `invalid_request`: the body is not a JSON object.
pub fn json_object(request: &Request) -> Result<Map<String, Value>, OAuthError> {
    if media_type(request) != MediaType::Json && !is_merge_patch(request) {
        return Err(OAuthError::invalid_request("the body must be application/json"));
    }
    read_object(request)
}

fn read_object(request: &Request) -> Result<Map<String, Value>, OAuthError> {
    json::parse_body(request.body())
        .map_err(|reason| OAuthError::invalid_request(format!("the body is not good JSON: {reason}")))
}
