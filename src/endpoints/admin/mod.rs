//! The operator's JSON API, for whoever holds `ADMIN_TOKEN`.

pub mod applications;
pub mod audit_events;
pub mod keys;
mod reencrypt;
pub mod social;
pub mod tokens;
pub mod users;

use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Map, Value};

use super::respond;
use crate::call::{self, Call, Response, header};
use crate::crypto::encoding::{base64url, from_base64url};
use crate::grants::guessing;
use crate::grants::registration::TRIES;
use crate::model::audit::{Actor, By};
use crate::model::fields::FieldErrors;
use crate::protocol::authorization::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::tokens::revoke::RevocationFailed;

/// Lets `act` go on, in the operator's name, if the request bears `ADMIN_TOKEN`, and makes an answer of what comes of it.
pub async fn authorized(
    call: &Call<'_>,
    act: impl AsyncFnOnce(By) -> Result<Response, AdminError>,
) -> Response {
    match operator(call).await {
        Ok(by) => act(by).await.unwrap_or_else(|error| refusal(&error)),
        Err(refusal) => refusal,
    }
}

/// The operator, if the request bears `ADMIN_TOKEN`. At an address that has guessed too often, not even the right one is
/// looked at.
async fn operator(call: &Call<'_>) -> Result<By, Response> {
    let presented = header(call.request, AUTHORIZATION.as_str());
    let is_operator = match presented.as_ref().map(|header| header.map(authorization::parse)) {
        Ok(Some(Ok(Credentials::Bearer(token)))) => token == call.app.settings.admin_token,
        _ => false,
    };
    let guess = match (presented, is_operator) {
        (Ok(None), _) => Ok(()),
        (_, true) => guessing::check_address(call.address(), call.app),
        (_, false) => guessing::count(None, call.address(), call.app).await.map(drop),
    };
    guess.map_err(|error| respond::error(&error))?;
    if is_operator {
        return Ok(call.by(Actor::Operator));
    }
    let mut response = respond::oauth_with_status(
        StatusCode::UNAUTHORIZED,
        ErrorCode::InvalidToken.as_str(),
        "this takes the ADMIN_TOKEN as a Bearer token",
    );
    call::set(&mut response, WWW_AUTHENTICATE, r#"Bearer realm="admin""#);
    Err(response)
}

fn refusal(error: &AdminError) -> Response {
    match error {
        AdminError::OAuth(error) => respond::error(error),
        AdminError::Fields(errors) => respond::admin_fields(errors, StatusCode::BAD_REQUEST),
        AdminError::Taken(errors) => respond::admin_fields(errors, StatusCode::CONFLICT),
        AdminError::NotFound => {
            respond::oauth_with_status(StatusCode::NOT_FOUND, "not_found", "there is nothing of this name")
        }
        AdminError::Conflict => respond::oauth_with_status(
            StatusCode::CONFLICT,
            "conflict",
            "somebody else changed it just now: try again",
        ),
    }
}

/// Why the operator does not get what they asked for.
pub enum AdminError {
    OAuth(OAuthError),
    Fields(FieldErrors),
    /// A name is taken.
    Taken(FieldErrors),
    NotFound,
    Conflict,
}

impl From<OAuthError> for AdminError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::OAuth(error.into())
    }
}

impl From<RevocationFailed> for AdminError {
    fn from(error: RevocationFailed) -> Self {
        Self::OAuth(error.into())
    }
}

impl From<FieldErrors> for AdminError {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

/// Which part of a list is asked for.
struct Page {
    /// The key of the last row of the page before.
    after: Option<String>,
    limit: i64,
    search: Option<String>,
}

impl Page {
    fn read(call: &Call<'_>) -> Result<Self, AdminError> {
        let query =
            Params::parse(call.request.uri().query().unwrap_or("").as_bytes()).map_err(OAuthError::from)?;
        let mut errors = FieldErrors::default();
        for (name, _) in query.clone().into_pairs() {
            if !matches!(name.as_str(), "cursor" | "limit" | "search") {
                errors.add(&name, "There is no such parameter.");
            }
        }
        let after = query.optional("cursor").map(decode_cursor);
        if after == Some(None) {
            errors.add("cursor", "This is not a cursor of this list.");
        }
        let limit = query.optional("limit").map_or(Ok(50), str::parse);
        if !limit.as_ref().is_ok_and(|limit| (1..=200).contains(limit)) {
            errors.add("limit", "Must be from 1 to 200.");
        }
        let search = query.optional("search").map(str::to_owned);
        if search.as_ref().is_some_and(|search| search.len() > 48) {
            errors.add("search", "Use at most 48 bytes.");
        }
        match (errors.is_empty(), limit) {
            (true, Ok(limit)) => Ok(Self { after: after.flatten(), limit, search }),
            _ => Err(errors.into()),
        }
    }

    /// The cursor of the next page, if this one is full.
    fn next(&self, rows: usize, last: Option<String>) -> Value {
        let is_full = i64::try_from(rows).is_ok_and(|rows| rows >= self.limit);
        last.filter(|_| is_full).map_or(Value::Null, |key| base64url(key.as_bytes()).into())
    }
}

fn decode_cursor(cursor: &str) -> Option<String> {
    String::from_utf8(from_base64url(cursor)?).ok()
}

/// A JSON Merge Patch (RFC 7396 §2). It is as deep as the body was that it comes from, which is bounded.
fn merge_patch(mut object: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in patch {
        let merged = match (object.remove(&name), value) {
            (_, Value::Null) => continue,
            (Some(Value::Object(within)), Value::Object(patch)) => merge_patch(within, patch).into(),
            (_, Value::Object(patch)) => merge_patch(Map::new(), patch).into(),
            (_, value) => value,
        };
        object.insert(name, merged);
    }
    object
}

/// Takes out of a patch what may stand there only as it is.
fn refuse_changes(
    patch: &mut Map<String, Value>,
    current: &Value,
    names: &[&str],
) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::default();
    for name in names {
        if patch.remove(*name).is_some_and(|value| Some(&value) != current.get(*name)) {
            errors.add(name, "This cannot be changed here.");
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
