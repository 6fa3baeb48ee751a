//! Validation of a forwarded `Authorization` header, over HTTP or RPC: is this token good, and good enough?

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};

use super::introspect::Active;
use super::respond;
use super::social::LONGEST_PROOF;
use crate::app::App;
use crate::call::{self, Call, Request, Response, header};
use crate::crypto::encoding::header_text;
use crate::crypto::secret::Secret;
use crate::grants::social_bearer;
use crate::model::scope::Scope;
use crate::protocol::authorization;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::settings::SettingError;
use crate::social::provider::Provider;
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
}

/// `/validate/`, by any method.
pub async fn any(call: &Call<'_>) -> Response {
    let query = Params::parse(call.request.uri().query().unwrap_or("").as_bytes());
    let is_nginx = query.as_ref().is_ok_and(|query| query.optional("proxy") == Some("nginx"));
    let demands = query.map_err(OAuthError::from).and_then(|query| Demands::read(&query, call.request));
    let authorization = header(call.request, AUTHORIZATION.as_str());
    let mut response = match (demands, authorization) {
        (Ok(demands), Ok(authorization)) => answer(authorization, &demands, Some(call), call.app).await,
        (Err(error), _) | (_, Err(error)) => respond::bearer_error(&error, None),
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
        Err(error) => return respond::bearer_error(&error, None),
    };
    if app.settings.social_bearer
        && let Some(answer) = social_answer(authorization, &needed, demands.fresh, call, app).await
    {
        return answer;
    }
    let token = match authorization.map(bearer_token) {
        None | Some(Ok(None)) => return respond::bearer_challenge(),
        Some(Ok(Some(token))) => token,
        Some(Err(error)) => return respond::unlogged_bearer_error(&error),
    };
    let Some(token) = AccessToken::parse(token, &app.settings.keys) else {
        return respond::unlogged_bearer_error(&invalid_token());
    };
    match find::find(&token, demands.fresh, app.clock.now(), app).await {
        Err(error) => respond::bearer_error(&error.into(), None),
        Ok(Found::Refused(reason)) => respond::bearer_error(&invalid_token().because(reason), None),
        Ok(Found::Good(record)) => needed.answer(&record),
    }
}

/// The answer to a header with a provider's token (compat: drf-social-oauth2's authentication class), if it is one.
async fn social_answer(
    authorization: Option<&str>,
    needed: &Needed,
    fresh: bool,
    call: Option<&Call<'_>>,
    app: &App,
) -> Option<Response> {
    let header = authorization?;
    let (provider, token) = match read_social(header, app)? {
        Ok(found) => found,
        Err(error) => return Some(respond::unlogged_bearer_error(&error)),
    };
    let address = call.and_then(Call::address);
    Some(match social_bearer::find(&token, provider, fresh, address, app).await {
        Ok(record) => needed.answer(&record),
        Err(error) => social_error(&error, provider),
    })
}

/// True if a request brings a provider's token.
pub fn is_social(request: &Request) -> bool {
    let header = header(request, AUTHORIZATION.as_str()).ok().flatten();
    header.and_then(authorization::parse_social_bearer).is_some_and(|parts| parts.token.is_some())
}

/// The provider and its token, in the texts of drf-social-oauth2 where something is wrong; none if the header is not of that
/// kind.
fn read_social<'a>(header: &str, app: &'a App) -> Option<Result<(&'a Provider, Secret), OAuthError>> {
    let providers = &app.settings.providers;
    let malformed = |what| Some(Err(OAuthError::invalid_request(format!("Invalid token header. {what}"))));
    let parts = authorization::parse_social_bearer(header)?;
    match (providers.find(parts.backend), parts.token) {
        (_, None) if parts.backend.is_empty() => malformed("No backend provided."),
        (Some(_), None) => malformed("No credentials provided."),
        // One of our own.
        (None, None) => None,
        (_, Some(token)) if token.contains([' ', '\t']) => {
            malformed("Token string should not contain spaces.")
        }
        (_, Some(token)) if token.len() > LONGEST_PROOF => malformed("The token is too long."),
        (Some(provider), Some(token)) => Some(Ok((provider, Secret::new(token)))),
        (None, Some(_)) => Some(Err(OAuthError::new(ErrorCode::InvalidToken, "Invalid backend."))),
    }
}

/// drf-social-oauth2's challenge is `Bearer backend realm="api"`: here it is of the form of RFC 9110 §11.6.1.
fn social_error(error: &OAuthError, provider: &Provider) -> Response {
    let mut response = respond::bearer_error(error, None);
    if error.code() == ErrorCode::TooManyAttempts {
        // Nothing is known of the token; and who asks here knows 503, not 429.
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().remove(WWW_AUTHENTICATE);
    }
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let rest = challenge.and_then(|challenge| challenge.strip_prefix("Bearer "));
    if let Some(challenge) = rest.map(|rest| format!(r#"Bearer backend="{}", {rest}"#, provider.name)) {
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
        Ok(Self {
            scope: query.optional("scope").map(str::to_owned),
            any_scope: query.optional("any_scope").map(str::to_owned),
            read_write: query.optional("read_write") == Some("1"),
            fresh: query.optional("fresh") == Some("1"),
            audience: query.optional("audience").map(str::to_owned),
            method: method.map(str::to_owned),
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
    fn answer(&self, record: &TokenRecord) -> Response {
        match self.check(record) {
            Ok(()) => good(record),
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

fn good(record: &TokenRecord) -> Response {
    let mut response = respond::json(StatusCode::OK, &Active::new(record));
    let mut set = |name, value: &str| call::set(&mut response, name, &header_text(value));
    if let Some(user) = &record.user {
        set(SUBJECT, &user.id);
        set(USERNAME, &user.username);
    }
    set(CLIENT_ID, &record.client_id);
    set(SCOPE, &record.scope);
    response.headers_mut().insert(EXPIRES, HeaderValue::from(record.exp.0));
    response
}

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const USERNAME: HeaderName = HeaderName::from_static("x-auth-username");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-auth-client-id");
const SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");
const EXPIRES: HeaderName = HeaderName::from_static("x-auth-expires");

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
