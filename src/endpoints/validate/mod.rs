//! Validation of a forwarded `Authorization` header, over HTTP or RPC: is this token good, and good enough?

mod signed;
mod social;

pub use signed::may_sign_body;
pub use social::is_social;

use std::borrow::Cow;
use std::rc::Rc;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};

use super::introspect::{Active, BEARER};
use super::respond;
use crate::app::App;
use crate::call::{self, Call, Request, Response, header};
use crate::crypto::encoding::header_text;
use crate::model::scope::Scope;
use crate::protocol::authorization;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::settings::SettingError;
use crate::tokens::find::{self, Found};
use crate::tokens::record::TokenRecord;
use crate::tokens::token::AccessToken;

/// What the caller wants to know of a token.
#[derive(Debug, Default)]
pub struct Demands {
    /// All of these.
    pub scope: Option<String>,
    /// At least one of these.
    pub any_scope: Option<String>,
    /// `read` for GET, HEAD and OPTIONS, else `write`.
    pub read_write: bool,
    /// Ask the database, not the caches.
    pub fresh: bool,
    pub audience: Option<String>,
    /// The method of the original request.
    pub method: Option<String>,
    /// Its URL, and its body if that is a form: read where the request may be signed.
    pub url: Option<String>,
    pub form: Option<Vec<u8>>,
}

/// `/validate/`, by any method.
pub async fn any(call: &Call<'_>) -> Response {
    let query = Params::parse(call.request.uri().query().unwrap_or("").as_bytes());
    let is_nginx = query.as_ref().is_ok_and(|query| query.optional("proxy") == Some("nginx"));
    let demands = query.map_err(OAuthError::from).and_then(|query| Demands::read(&query, call.request));
    let authorization = header(call.request, AUTHORIZATION.as_str());
    let mut response = match (demands, authorization) {
        (Ok(demands), Ok(authorization)) => answer(authorization, &demands, Some(call), call.app).await,
        (Err(error), Ok(authorization)) => malformed(&error, authorization),
        (_, Err(error)) => malformed(&error, None),
    };
    // auth_request knows 401 and 403 only; a 503 it passes on as an error, which is right.
    if is_nginx && response.status() == StatusCode::BAD_REQUEST {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

/// The answer to an `Authorization` header, the same for HTTP and RPC. `call`: the request, if it came by HTTP.
pub async fn answer(
    authorization: Option<&str>,
    demands: &Demands,
    call: Option<&Call<'_>>,
    app: &App,
) -> Response {
    // First of all: a check that was asked for in vain must show, whatever the token.
    let needed = match demands.needed() {
        Ok(needed) => needed,
        Err(error) => return malformed(&error, authorization),
    };
    if app.settings.social_bearer
        && let Some(answer) = social::answer(authorization, &needed, demands.fresh, call, app).await
    {
        return answer;
    }
    if authorization.is_none_or(signed::is_oauth1)
        && let Some(answer) = signed::answer(authorization, demands, &needed, app).await
    {
        return answer;
    }
    let token = match authorization.map(bearer_token) {
        None | Some(Ok(None)) => return respond::bearer_challenge(),
        Some(Ok(Some(token))) => token,
        Some(Err(error)) => return respond::unlogged_bearer_error(&error),
    };
    let Some(token) = AccessToken::parse(token, &app.settings.keys) else {
        return foreign();
    };
    match find::find(&token, demands.fresh, app.clock.now(), app).await {
        Err(error) => respond::bearer_error(&error.into(), None),
        Ok(Found::Refused(reason)) => respond::bearer_error(&invalid_token().because(reason), None),
        Ok(Found::Good(record)) => needed.answer(&record, BEARER),
    }
}

/// The body of the answer to a good Bearer token.
pub fn body(record: &TokenRecord) -> String {
    respond::to_json(&Active::new(record, BEARER))
}

/// What [`answer`] says to an `Authorization` header without any demands, where this isolate's memory suffices for it.
pub enum Known {
    Good(Rc<TokenRecord>),
    /// It bears no MAC of ours: the same is answered to all of these.
    Foreign,
}

impl Known {
    /// None: who wants to know has to ask [`answer`].
    pub fn find(authorization: &str, app: &App) -> Option<Self> {
        if app.settings.social_bearer {
            return None;
        }
        let token = bearer_token(authorization).ok()??;
        let Some(token) = AccessToken::parse(token, &app.settings.keys) else {
            return Some(Self::Foreign);
        };
        match find::in_memory(&token, app.clock.now(), app)? {
            Found::Good(record) => Some(Self::Good(record)),
            Found::Refused(_) => None,
        }
    }

    /// The answer.
    pub fn answer(&self) -> Response {
        match self {
            Self::Good(record) => good(record, BEARER),
            Self::Foreign => foreign(),
        }
    }
}

/// What cannot be asked like this, in the scheme that was used.
fn malformed(error: &OAuthError, authorization: Option<&str>) -> Response {
    let response = respond::bearer_error(error, None);
    match authorization.is_some_and(signed::is_oauth1) {
        true => signed::with_scheme(response),
        false => response,
    }
}

/// With a challenge that begins in another way than `Bearer `.
fn with_challenge(mut response: Response, beginning: &str) -> Response {
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let rest = challenge.and_then(|challenge| challenge.strip_prefix("Bearer "));
    if let Some(challenge) = rest.map(|rest| format!("{beginning}{rest}")) {
        call::set(&mut response, WWW_AUTHENTICATE, &challenge);
    }
    response
}

/// The answer while a setting cannot be used: nobody knows of any token whether it is good.
pub fn unavailable(error: &SettingError) -> Response {
    respond::bearer_error(&OAuthError::temporarily_unavailable(error.clone()), None)
}

impl Demands {
    /// Reads the query and the forwarded headers. A name that nobody knows could be a check that is not made.
    fn read(query: &Params, request: &Request) -> Result<Self, OAuthError> {
        for (name, value) in query.clone().into_pairs() {
            match (name.as_str(), value.as_str()) {
                ("scope" | "any_scope", "") => return Err(no_scopes(&name)),
                ("audience", "") => return Err(no_audience()),
                ("scope" | "any_scope" | "audience", _)
                | ("read_write" | "fresh", "0" | "1")
                | ("proxy", "nginx") => {}
                ("read_write" | "fresh", _) => {
                    return Err(OAuthError::invalid_request(format!("{name} must be 1")));
                }
                ("proxy", _) => return Err(OAuthError::invalid_request("proxy must be nginx")),
                _ => {
                    return Err(OAuthError::invalid_request(
                        "the query has a parameter that is not known here",
                    ));
                }
            }
        }
        check_forwarded(request)?;
        let method = header(request, "x-forwarded-method")?;
        let (url, form) = match signed::may_be(request) {
            true => (signed::url(request)?, signed::form(request)),
            false => (None, None),
        };
        Ok(Self {
            scope: query.optional("scope").map(str::to_owned),
            any_scope: query.optional("any_scope").map(str::to_owned),
            read_write: query.optional("read_write") == Some("1"),
            fresh: query.optional("fresh") == Some("1"),
            audience: query.optional("audience").map(str::to_owned),
            method: method.map(str::to_owned),
            url,
            form,
        })
    }

    /// What the token's scope must hold.
    fn needed(&self) -> Result<Needed, OAuthError> {
        if self.audience.is_some() {
            return Err(no_audience());
        }
        let read = |name: &str, text: &Option<String>| match text.as_deref().map(Scope::parse) {
            None => Ok(None),
            Some(Ok(scope)) if !scope.is_empty() => Ok(Some(scope)),
            Some(_) => Err(no_scopes(name)),
        };
        let mut all = read("scope", &self.scope)?;
        if self.read_write {
            let scope = match self.method.as_deref() {
                None | Some("") => {
                    return Err(OAuthError::invalid_request("read_write needs X-Forwarded-Method"));
                }
                Some(method) if !is_method(method) => {
                    return Err(OAuthError::invalid_request("X-Forwarded-Method is not one method"));
                }
                Some("GET" | "HEAD" | "OPTIONS") => "read",
                Some(_) => "write",
            };
            let known = all.unwrap_or_default();
            all = Some(known.iter().chain(Some(scope).filter(|scope| !known.contains(scope))).collect());
        }
        Ok(Needed { all, any: read("any_scope", &self.any_scope)? })
    }
}

fn no_scopes(name: &str) -> OAuthError {
    OAuthError::invalid_request(format!("{name} is empty or not a list of scopes"))
}

fn no_audience() -> OAuthError {
    OAuthError::invalid_request("audience is not supported")
}

/// What a token's scope must hold.
struct Needed {
    all: Option<Scope>,
    any: Option<Scope>,
}

impl Needed {
    fn answer(&self, record: &TokenRecord, token_type: &'static str) -> Response {
        match self.check(record) {
            Ok(()) => good(record, token_type),
            Err((error, scope)) => respond::bearer_error(&error, Some(&scope)),
        }
    }

    /// The error names what would have sufficed.
    fn check(&self, record: &TokenRecord) -> Result<(), (OAuthError, String)> {
        if self.all.is_none() && self.any.is_none() {
            return Ok(());
        }
        let held = Scope::from_stored(&record.scope);
        let short = |scope: &Scope| {
            let error = OAuthError::new(ErrorCode::InsufficientScope, "the access token lacks a scope");
            Err((error, scope.to_string()))
        };
        match (&self.all, &self.any) {
            (Some(all), _) if !held.contains_all(all) => short(all),
            (_, Some(any)) if !held.contains_any(any) => short(any),
            _ => Ok(()),
        }
    }
}

/// The token of a Bearer header, or of `Token`, as Django REST framework's clients send it; none if it is not for us.
fn bearer_token(header: &str) -> Result<Option<&str>, OAuthError> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    match scheme {
        _ if scheme.eq_ignore_ascii_case("bearer") => authorization::parse_bearer(rest).map(Some),
        _ if scheme.eq_ignore_ascii_case("token") && header.len() > scheme.len() => {
            authorization::parse_bearer(rest).map(Some)
        }
        _ => Ok(None),
    }
}

/// The answer to a token that bears no MAC of ours.
fn foreign() -> Response {
    respond::unlogged_bearer_error(&invalid_token())
}

fn good(record: &TokenRecord, token_type: &'static str) -> Response {
    let mut response = respond::json(StatusCode::OK, &Active::new(record, token_type));
    for (name, value) in told(record) {
        call::set(&mut response, HeaderName::from_static(name), &value);
    }
    response
}

/// What headers tell of a good token.
pub fn told(record: &TokenRecord) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
    let of_user = record
        .user
        .iter()
        .flat_map(|user| [("x-auth-subject", user.id.as_str()), ("x-auth-username", user.username.as_str())]);
    let of_token = [("x-auth-client-id", record.client_id.as_str()), ("x-auth-scope", record.scope.as_str())];
    let expires = ("x-auth-expires", Cow::Owned(record.exp.0.to_string()));
    of_user.chain(of_token).map(|(name, value)| (name, header_text(value))).chain([expires])
}

fn invalid_token() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, "the access token is invalid, expired or revoked")
}

/// What the proxy tells of the original request must stand once: a second value is the caller's own.
fn check_forwarded(request: &Request) -> Result<(), OAuthError> {
    if !request.headers().keys().any(|name| name.as_str().starts_with("x-")) {
        return Ok(());
    }
    for name in ["x-forwarded-method", "x-forwarded-proto", "x-forwarded-host"] {
        if header(request, name)?.is_some_and(|value| value.contains(',')) {
            return Err(OAuthError::invalid_request(format!("{name} came twice")));
        }
    }
    for name in ["x-forwarded-uri", "x-original-url"] {
        if header(request, name)?.is_some_and(|value| value.contains(", ")) {
            return Err(OAuthError::invalid_request(format!("{name} came twice")));
        }
    }
    Ok(())
}

fn is_method(text: &str) -> bool {
    http::Method::from_bytes(text.as_bytes()).is_ok()
}
