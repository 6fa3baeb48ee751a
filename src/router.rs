//! Every route: a table for programs, and one for people.

use std::cell::RefCell;
use std::pin::Pin;

use http::header::{ACCEPT, ALLOW, HeaderName};
use http::{Method, StatusCode};
use serde_json::json;

use crate::app::{App, Log};
use crate::crypto::encoding::base64url;
use crate::crypto::{Random, random_bytes};

use crate::call::body::LONGEST_BODY;
use crate::call::{self, Call, Refusal, Request, Response};
use crate::endpoints::cors;
use crate::endpoints::respond;
use crate::endpoints::{
    admin, authorize, discovery, healthz, housekeeping, introspect, oauth1, revoke_token, sign_up, social,
    token, validate,
};
use crate::memory::Unlogged;
use crate::pages;
use crate::pages::error::either;
use crate::protocol::error::OAuthError;
use crate::protocol::params::decode_segment;
use crate::protocol::uri::{host_without_port, is_loopback};
use crate::settings::SettingError;

type Answer<'a> = Pin<Box<dyn Future<Output = Response> + 'a>>;
type Handler = for<'a> fn(&'a Call<'a>) -> Answer<'a>;

/// Stands among a request's extensions if its body was longer and has not been read.
#[derive(Clone)]
pub struct BodyTooLong;

/// Stands among the extensions of the limiter's refusal: for that the database is not asked anything.
#[derive(Clone)]
struct Burst;

struct Route {
    /// `{}` takes one segment, `{*}` all that follow. Every path answers with and without a slash at its end.
    path: &'static str,
    shape: Shape,
    /// Front-ends call it from other origins.
    cors: bool,
    /// Secrets can be guessed at it: bursts are stopped if there is a limiter.
    limited: bool,
    /// It reads neither the host nor, but for signed forms, the body, and works without `ISSUER`.
    hostless: bool,
    methods: &'static [(&'static str, Handler)],
}

/// What errors look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    OAuth,
    Drf,
    OAuth1,
    /// Of validation: as OAuth, and `active` is false: whoever looks at nothing else lets nobody in.
    Resource,
    Page,
}

const fn route(path: &'static str, shape: Shape, methods: &'static [(&'static str, Handler)]) -> Route {
    Route { path, shape, cors: false, limited: false, hostless: false, methods }
}

const fn page(path: &'static str, methods: &'static [(&'static str, Handler)]) -> Route {
    route(path, Shape::Page, methods)
}

const fn with_cors(route: Route) -> Route {
    Route { cors: true, ..route }
}

const fn limited(route: Route) -> Route {
    Route { limited: true, ..route }
}

const fn hostless(route: Route) -> Route {
    Route { hostless: true, ..route }
}

/// For programs, and where people come with a program's request.
const ROUTES: &[Route] = &[
    hostless(route("/validate", Shape::Resource, &[("*", |call| Box::pin(validate::any(call)))])),
    hostless(route("/healthz", Shape::OAuth, &[("GET", |call| Box::pin(healthz::get(call)))])),
    limited(with_cors(route("/o/token", Shape::OAuth, &[("POST", |call| Box::pin(token::post(call)))]))),
    limited(with_cors(route(
        "/o/revoke_token",
        Shape::OAuth,
        &[("POST", |call| Box::pin(revoke_token::post(call)))],
    ))),
    limited(route("/o/introspect", Shape::OAuth, &[("POST", |call| Box::pin(introspect::post(call)))])),
    limited(with_cors(route("/sign_up", Shape::Drf, &[("POST", |call| Box::pin(sign_up::post(call)))]))),
    limited(with_cors(route(
        "/auth/convert-token",
        Shape::OAuth,
        &[("POST", |call| Box::pin(social::convert_token(call)))],
    ))),
    limited(with_cors(route("/social/{}", Shape::Drf, &[("POST", |call| Box::pin(social::exchange(call)))]))),
    limited(with_cors(route(
        "/api/2.0/social/{}",
        Shape::Drf,
        &[("POST", |call| Box::pin(social::exchange(call)))],
    ))),
    limited(with_cors(route(
        "/auth/token",
        Shape::OAuth,
        &[("POST", |call| Box::pin(token::post_json_too(call)))],
    ))),
    limited(with_cors(route(
        "/auth/revoke-token",
        Shape::Drf,
        &[("POST", |call| Box::pin(housekeeping::revoke_token(call)))],
    ))),
    limited(with_cors(route(
        "/auth/invalidate-sessions",
        Shape::Drf,
        &[("POST", |call| Box::pin(housekeeping::invalidate_sessions(call)))],
    ))),
    limited(with_cors(route(
        "/auth/invalidate-refresh-tokens",
        Shape::Drf,
        &[("POST", |call| Box::pin(housekeeping::invalidate_refresh_tokens(call)))],
    ))),
    limited(with_cors(route(
        "/auth/disconnect-backend",
        Shape::Drf,
        &[("POST", |call| Box::pin(housekeeping::disconnect_backend(call)))],
    ))),
    limited(route("/oauth/request_token", Shape::OAuth1, REQUEST_TOKEN)),
    limited(route("/oauth/access_token", Shape::OAuth1, OAUTH1_ACCESS_TOKEN)),
    route(
        "/oauth/authorize",
        Shape::OAuth1,
        &[
            ("GET", |call| Box::pin(oauth1::authorize::get(call))),
            ("POST", |call| Box::pin(oauth1::authorize::post(call))),
        ],
    ),
    route("/.well-known/oauth-authorization-server/{*}", Shape::OAuth, METADATA),
    route("/o/.well-known/oauth-authorization-server/{*}", Shape::OAuth, METADATA),
    limited(route(
        "/admin/api/applications",
        Shape::OAuth,
        &[
            ("GET", |call| Box::pin(admin::applications::list(call))),
            ("POST", |call| Box::pin(admin::applications::create(call))),
        ],
    )),
    limited(route(
        "/admin/api/applications/{}",
        Shape::OAuth,
        &[
            ("GET", |call| Box::pin(admin::applications::read(call))),
            ("PATCH", |call| Box::pin(admin::applications::change(call))),
            ("DELETE", |call| Box::pin(admin::applications::delete(call))),
        ],
    )),
    limited(route(
        "/admin/api/applications/{}/rotate-secret",
        Shape::OAuth,
        &[("POST", |call| Box::pin(admin::applications::rotate_secret(call)))],
    )),
    limited(route(
        "/admin/api/users",
        Shape::OAuth,
        &[
            ("GET", |call| Box::pin(admin::users::list(call))),
            ("POST", |call| Box::pin(admin::users::create(call))),
        ],
    )),
    limited(route(
        "/admin/api/users/{}",
        Shape::OAuth,
        &[
            ("GET", |call| Box::pin(admin::users::read(call))),
            ("PATCH", |call| Box::pin(admin::users::change(call))),
            ("DELETE", |call| Box::pin(admin::users::delete(call))),
        ],
    )),
    limited(route(
        "/admin/api/users/{}/set-password",
        Shape::OAuth,
        &[("POST", |call| Box::pin(admin::users::set_password(call)))],
    )),
    limited(route(
        "/admin/api/users/{}/logout",
        Shape::OAuth,
        &[("POST", |call| Box::pin(admin::users::log_out(call)))],
    )),
    limited(route(
        "/admin/api/users/{}/social/{}/token",
        Shape::OAuth,
        &[("GET", |call| Box::pin(admin::social::token(call)))],
    )),
    limited(route(
        "/admin/api/audit-events",
        Shape::OAuth,
        &[("GET", |call| Box::pin(admin::audit_events::list(call)))],
    )),
    limited(route(
        "/admin/api/cleartokens",
        Shape::OAuth,
        &[("POST", |call| Box::pin(admin::tokens::clear(call)))],
    )),
    limited(route(
        "/admin/api/reencrypt",
        Shape::OAuth,
        &[("POST", |call| Box::pin(admin::keys::reencrypt(call)))],
    )),
    route("/", Shape::Page, &[("GET", |call| Box::pin(pages::home::get(call)))]),
    route("/o/authorize", Shape::Page, AUTHORIZE),
    route("/auth/authorize", Shape::Page, AUTHORIZE),
];

const REQUEST_TOKEN: &[(&str, Handler)] = &[
    ("GET", |call| Box::pin(oauth1::request_token(call))),
    ("POST", |call| Box::pin(oauth1::request_token(call))),
];

const OAUTH1_ACCESS_TOKEN: &[(&str, Handler)] = &[
    ("GET", |call| Box::pin(oauth1::access_token(call))),
    ("POST", |call| Box::pin(oauth1::access_token(call))),
];

/// Pages for people.
const PAGES: &[Route] = &[
    limited(page(
        "/accounts/login",
        &[
            ("GET", |call| Box::pin(pages::login::get(call))),
            ("POST", |call| Box::pin(pages::login::post(call))),
        ],
    )),
    limited(page(
        "/accounts/signup",
        &[
            ("GET", |call| Box::pin(pages::signup::get(call))),
            ("POST", |call| Box::pin(pages::signup::post(call))),
        ],
    )),
    page(
        "/accounts/logout",
        &[
            ("GET", |call| Box::pin(pages::login::get_logout(call))),
            ("POST", |call| Box::pin(pages::login::post_logout(call))),
        ],
    ),
    limited(page(
        "/accounts/password/reset",
        &[
            ("GET", |call| Box::pin(pages::password_reset::get(call))),
            ("POST", |call| Box::pin(pages::password_reset::post(call))),
        ],
    )),
    page("/accounts/password/sent", &[("GET", |call| Box::pin(pages::password_reset::sent(call)))]),
    limited(page(
        "/accounts/password/reset/{}",
        &[
            ("GET", |call| Box::pin(pages::password_reset::get_link(call))),
            ("POST", |call| Box::pin(pages::password_reset::post_link(call))),
        ],
    )),
    limited(page(
        "/accounts/email/verify",
        &[
            ("GET", |call| Box::pin(pages::verify_email::get(call))),
            ("POST", |call| Box::pin(pages::verify_email::post(call))),
        ],
    )),
    page("/accounts/email/sent", &[("GET", |call| Box::pin(pages::verify_email::sent(call)))]),
    page("/accounts/email/verified", &[("GET", |call| Box::pin(pages::verify_email::done(call)))]),
    limited(page(
        "/accounts/email/verify/{}",
        &[
            ("GET", |call| Box::pin(pages::verify_email::get_link(call))),
            ("POST", |call| Box::pin(pages::verify_email::post_link(call))),
        ],
    )),
    limited(page(
        "/accounts/password",
        &[
            ("GET", |call| Box::pin(either(pages::password::get(call)))),
            ("POST", |call| Box::pin(either(pages::password::post(call)))),
        ],
    )),
    limited(page(
        "/account",
        &[
            ("GET", |call| Box::pin(either(pages::account::get(call)))),
            ("POST", |call| Box::pin(either(pages::account::post(call)))),
        ],
    )),
    page("/login/{}", LOGIN),
    page("/auth/login/{}", LOGIN),
    limited(page("/complete/{}", COMPLETE)),
    limited(page("/auth/complete/{}", COMPLETE)),
    page("/disconnect/{}", DISCONNECT),
    page("/auth/disconnect/{}", DISCONNECT),
    page("/disconnect/{}/{}", DISCONNECT),
    page("/auth/disconnect/{}/{}", DISCONNECT),
    page("/account/sessions", &[("POST", |call| Box::pin(either(pages::sessions::post(call))))]),
    page("/o/authorized_tokens", &[("GET", |call| Box::pin(either(pages::authorized_tokens::list(call))))]),
    page(
        "/o/authorized_tokens/{}/delete",
        &[
            ("GET", |call| Box::pin(either(pages::authorized_tokens::get_delete(call)))),
            ("POST", |call| Box::pin(either(pages::authorized_tokens::post_delete(call)))),
        ],
    ),
    page("/o/applications", &[("GET", |call| Box::pin(either(pages::applications::list(call))))]),
    page(
        "/o/applications/register",
        &[
            ("GET", |call| Box::pin(either(pages::applications::get_register(call)))),
            ("POST", |call| Box::pin(either(pages::applications::post_register(call)))),
        ],
    ),
    page("/o/applications/{}", &[("GET", |call| Box::pin(either(pages::applications::get(call))))]),
    page(
        "/o/applications/{}/update",
        &[
            ("GET", |call| Box::pin(either(pages::applications::get_update(call)))),
            ("POST", |call| Box::pin(either(pages::applications::post_update(call)))),
        ],
    ),
    page(
        "/o/applications/{}/delete",
        &[
            ("GET", |call| Box::pin(either(pages::applications::get_delete(call)))),
            ("POST", |call| Box::pin(either(pages::applications::post_delete(call)))),
        ],
    ),
    page(
        "/o/applications/{}/rotate-secret",
        &[
            ("GET", |call| Box::pin(either(pages::applications::get_rotate_secret(call)))),
            ("POST", |call| Box::pin(either(pages::applications::post_rotate_secret(call)))),
        ],
    ),
];

const LOGIN: &[(&str, Handler)] = &[
    ("GET", |call| Box::pin(either(pages::social::login::get(call)))),
    ("POST", |call| Box::pin(either(pages::social::login::post(call)))),
];

const COMPLETE: &[(&str, Handler)] = &[
    ("GET", |call| Box::pin(either(pages::social::complete::get(call)))),
    ("POST", |call| Box::pin(either(pages::social::complete::post(call)))),
];

const DISCONNECT: &[(&str, Handler)] =
    &[("POST", |call| Box::pin(either(pages::social::disconnect::post(call))))];

const AUTHORIZE: &[(&str, Handler)] =
    &[("GET", |call| Box::pin(authorize::get(call))), ("POST", |call| Box::pin(authorize::post(call)))];

const METADATA: &[(&str, Handler)] = &[("GET", |call| Box::pin(discovery::get(call)))];

/// Answers one request. A refusal gets an id, and a line in the operator's log under it.
pub async fn handle(request: &Request, app: &App) -> Response {
    let (mut response, path) = find_and_call(request, app).await;
    if request.method() == Method::HEAD {
        response.body_mut().clear();
    }
    note_refusal(request.method().as_str(), path, &mut response, app);
    response
}

/// True if this is the path of validation.
pub fn is_validation(path: &str, app: &App) -> bool {
    find(path, app).is_some_and(|(route, _)| route.shape == Shape::Resource)
}

/// True if the handlers of this path read nothing of the request but its target and what a proxy forwards.
pub fn is_hostless(path: &str, app: &App) -> bool {
    find(path, app).is_some_and(|(route, _)| route.hostless)
}

/// True if the handler of this request reads its body.
pub fn reads_body(method: &Method, path: &str, app: &App) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        && find(path, app).is_some_and(|(route, _)| !route.hostless)
}

/// The route of a path, and what the path has where the route has a `{}`.
fn find<'a>(path: &'a str, app: &App) -> Option<(&'static Route, Vec<&'a str>)> {
    let find = |path: &'a str| {
        let mut all = ROUTES.iter().chain(PAGES);
        all.find_map(|route| captures(route.path, path).map(|captures| (route, captures)))
    };
    // Where the issuer has a path, the routes stand below it; some proxies take it away on the way here. The home page comes
    // last: an issuer's path may be that of a route, and a page at /validate/ would let everybody in.
    let prefix = app.settings.issuer.as_ref().map_or("", |issuer| issuer.path());
    let (home, below) = match path.strip_prefix(prefix) {
        Some("" | "/") => (Some("/"), None),
        below => (None, below),
    };
    below.and_then(find).or_else(|| find(path)).or_else(|| home.and_then(find))
}

/// The answer, and the route's path for the log: what a caller wrote there may be anything, a token too.
async fn find_and_call(request: &Request, app: &App) -> (Response, &'static str) {
    let Some((route, captures)) = find(request.uri().path(), app) else {
        let refusal = issuer(request, app).map_or_else(|error| misconfigured(&error), |_| not_found(request));
        return (refusal, "");
    };
    let Ok(captures) = captures.into_iter().map(decode_segment).collect() else {
        let refusal = refuse(route.shape, StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8");
        return (refusal, route.path);
    };
    let issuer = if route.hostless { Ok(String::new()) } else { issuer(request, app) };
    let call = match issuer {
        Ok(issuer) => Call { request, app, issuer, captures, requester: RefCell::new(None) },
        Err(error) => return (misconfigured(&error), route.path),
    };
    let mut response = call_route(route, &call).await;
    if route.cors && request.method() != Method::OPTIONS {
        let may_ask = response.extensions().get::<Burst>().is_none();
        cors::allow_origin(&call, &mut response, may_ask).await;
    }
    (response, route.path)
}

/// Who this server says that it is: the setting, or on loopback the request's own origin. No other `Host` header may
/// decide.
fn issuer(request: &Request, app: &App) -> Result<String, SettingError> {
    if let Some(issuer) = &app.settings.issuer {
        return Ok(issuer.as_str().to_owned());
    }
    let uri = request.uri();
    match uri.authority() {
        Some(authority) if is_loopback(host_without_port(authority.as_str())) => {
            Ok(format!("{}://{authority}", uri.scheme_str().unwrap_or("http")))
        }
        _ => Err(SettingError {
            name: "ISSUER",
            reason: "it is missing, and the request is not for a loopback host".to_owned(),
        }),
    }
}

/// The answer to any request while a setting cannot be used and there is no [`App`].
pub fn unusable(
    method: &str,
    url: &str,
    error: &SettingError,
    random: &dyn Random,
    log: &dyn Log,
) -> Response {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (mut response, path) = match path.trim_end_matches('/').ends_with("/validate") {
        true => (validate::unavailable(error), "/validate"),
        false => (pages::error::misconfigured(error), ""),
    };
    let refusal = Refusal { error: "bad_setting", detail: error.to_string(), is_logged: true };
    log_refusal(&refusal, method, path, &mut response, random, log);
    response
}

/// A page that names the setting, and a line in the log.
fn misconfigured(error: &SettingError) -> Response {
    let mut response = pages::error::misconfigured(error);
    call::because(&mut response, "bad_setting", error.to_string(), true);
    response
}

async fn call_route(route: &Route, call: &Call<'_>) -> Response {
    let method = match call.request.method().as_str() {
        "HEAD" => "GET",
        other => other,
    };
    if route.cors && method == "OPTIONS" {
        return cors::preflight(call, &allowed(route)).await;
    }
    let handler = route.methods.iter().find(|(known, _)| *known == method || *known == "*");
    let Some((_, handler)) = handler else {
        let mut response =
            refuse(route.shape, StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here");
        call::set(&mut response, ALLOW, &allowed(route));
        return response;
    };
    if route.limited && !is_within_bounds(call).await {
        let mut response = too_many(route.shape);
        response.extensions_mut().insert(Burst);
        return response;
    }
    if route.limited && route.shape != Shape::Page && cors::is_strangers_page(call).await {
        return refuse(route.shape, StatusCode::FORBIDDEN, "no application lists the origin of this page");
    }
    if call.request.body().len() > LONGEST_BODY || call.request.extensions().get::<BodyTooLong>().is_some() {
        return refuse(route.shape, StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 65536 bytes");
    }
    handler(call).await
}

async fn is_within_bounds(call: &Call<'_>) -> bool {
    match (&call.app.limiter, call.address()) {
        (Some(limiter), Some(address)) => limiter.allows(&address.network()).await,
        _ => true,
    }
}

fn too_many(shape: Shape) -> Response {
    let error = OAuthError::too_many_attempts(LIMITER_SECONDS).because("the binding LIMITER says so");
    match shape {
        Shape::Drf => respond::drf_error(&error),
        Shape::OAuth1 => respond::oauth1_unavailable(&error),
        Shape::OAuth | Shape::Resource => respond::error(&error),
        Shape::Page => pages::error::unavailable(&error),
    }
}

/// The longest period that the binding can have.
const LIMITER_SECONDS: i64 = 60;

/// The captured segments, still encoded, if the path fits the pattern.
fn captures<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    // Most routes are of no concern, which shows by how they begin.
    let literal = pattern.split('{').next()?.trim_end_matches('/');
    if !path.starts_with(literal) {
        return None;
    }
    let mut captures = Vec::new();
    let path = path.strip_prefix('/')?;
    let mut path = path.strip_suffix('/').unwrap_or(path).split('/');
    for expected in pattern.strip_prefix('/')?.split('/') {
        if expected == "{*}" {
            captures.extend(path);
            return Some(captures);
        }
        let segment = path.next()?;
        match expected {
            "{}" if segment.is_empty() => return None,
            "{}" => captures.push(segment),
            _ if expected == segment => {}
            _ => return None,
        }
    }
    path.next().is_none().then_some(captures)
}

fn allowed(route: &Route) -> String {
    let mut methods: Vec<&str> = route.methods.iter().map(|(method, _)| *method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if route.cors {
        methods.push("OPTIONS");
    }
    methods.join(", ")
}

fn refuse(shape: Shape, status: StatusCode, description: &'static str) -> Response {
    match shape {
        Shape::OAuth => respond::oauth_with_status(status, "invalid_request", description),
        Shape::Resource => respond::inactive_with_status(status, description),
        Shape::Page => pages::error::refused(status, &OAuthError::invalid_request(description)),
        Shape::Drf => respond::drf_detail(status, description),
        Shape::OAuth1 => respond::oauth1_error(status, description, ""),
    }
}

/// JSON for programs that say so, else a page.
fn not_found(request: &Request) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("application/json") {
        let mut response =
            respond::oauth_with_status(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path");
        call::because(&mut response, "not_found", String::new(), false);
        response
    } else {
        pages::error::not_found()
    }
}

/// If this is a refusal, be it by a redirect: the client learns the standard error and an id; the operator finds under that
/// id what the matter was.
pub fn note_refusal(method: &str, path: &str, response: &mut Response, app: &App) {
    let refusal = response.extensions().get::<Refusal>().cloned();
    let status = response.status();
    if refusal.is_none() && !status.is_client_error() && !status.is_server_error() {
        return;
    }
    match refusal.filter(|refusal| refusal.is_logged) {
        Some(refusal) => log_refusal(&refusal, method, path, response, &*app.random, &*app.log),
        None => call::set(response, REQUEST_ID, &count_unlogged(app)),
    }
}

/// Counts a refusal by form or MAC alone, of which a line in the log would cost more than itself: the log has the count at
/// every thousandth. All of an isolate have one id, which says so.
pub fn count_unlogged(app: &App) -> String {
    let mut memory = app.memory.borrow_mut();
    let unlogged = memory.unlogged.get_or_insert_with(|| Unlogged {
        id: format!("unlogged-{}", base64url(&random_bytes::<6>(&*app.random))),
        count: 0,
    });
    unlogged.count += 1;
    if unlogged.count.is_multiple_of(UNLOGGED_FOR_A_LINE) {
        let (id, count) = (&unlogged.id, unlogged.count);
        app.log.line(json!({"level": "info", "event": "refused_unlogged", "request_id": id, "count": count}));
    }
    unlogged.id.clone()
}

const UNLOGGED_FOR_A_LINE: u64 = 1_000;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn log_refusal(
    refusal: &Refusal,
    method: &str,
    path: &str,
    response: &mut Response,
    random: &dyn Random,
    log: &dyn Log,
) {
    let id = base64url(&random_bytes::<12>(random));
    call::set(response, REQUEST_ID, &id);
    log.line(json!({
        "level": if response.status().is_server_error() { "error" } else { "info" },
        "event": "refused",
        "request_id": id,
        "method": method,
        "path": path,
        "status": response.status().as_u16(),
        "error": refusal.error,
        "detail": refusal.detail,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_with_and_without_a_slash_at_the_end() {
        assert_eq!(captures("/o/token", "/o/token"), Some(vec![]));
        assert_eq!(captures("/o/token", "/o/token/"), Some(vec![]));
        assert_eq!(captures("/o/token", "/o/token//"), None);
        assert_eq!(captures("/o/token", "/o"), None);
        assert_eq!(captures("/", "/"), Some(vec![]));
        assert_eq!(captures("/", ""), None);
        assert_eq!(captures("/a/{}/b", "/a/x%2Fy+z/b/"), Some(vec!["x%2Fy+z"]));
        assert_eq!(captures("/a/{}/b", "/a//b"), None);
        assert_eq!(captures("/a/{}", "/a/%ff"), Some(vec!["%ff"]));
        assert_eq!(captures("/w/{*}", "/w"), Some(vec![]));
        assert_eq!(captures("/w/{*}", "/w/a/b"), Some(vec!["a", "b"]));
    }
}
