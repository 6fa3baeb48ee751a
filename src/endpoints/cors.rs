//! Cross-origin requests of front-ends (only origins that an application lists, never credentials).

use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};

use super::respond::empty;
use crate::call::set;
use crate::call::{Call, Response, header};
use crate::protocol::uri::check_origin;
use crate::store::applications;
use crate::store::database::StoreError;

/// Answers a preflight. It has no `client_id`: any application that lists the origin will do.
pub async fn preflight(call: &Call<'_>, methods: &str) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    set(&mut response, http::header::ALLOW, methods);
    allow_origin(call, &mut response, true).await;
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, methods);
        set(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
        set(&mut response, ACCESS_CONTROL_MAX_AGE, "600");
    }
    response
}

/// Lets the front-end read the answer, if the request's own application lists its origin, or, where none is known, any, as far
/// as the isolate remembers that or `may_ask`.
pub async fn allow_origin(call: &Call<'_>, response: &mut Response, may_ask: bool) {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    let Ok(Some(origin)) = header(call.request, ORIGIN.as_str()) else {
        return;
    };
    let requester = call.requester.borrow().clone();
    let is_allowed = match requester {
        Some(application) if application.allows_origin(origin) => {
            call.app.memory.borrow_mut().remember_origin_of(&application, origin);
            true
        }
        Some(_) => false,
        None if !may_ask => remembered(origin, call).unwrap_or(false),
        // If the database does not answer, the browser has to wait for a better time.
        None => any_allows(origin, call).await.unwrap_or(false),
    };
    if is_allowed {
        set(response, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(response, ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after, x-request-id");
    }
}

/// True if a page of another site has its visitor's browser ask, and no application lists its origin. What it gets wrong would
/// be counted for the visitor's address. If the database does not answer, nothing can be counted either.
pub async fn is_strangers_page(call: &Call<'_>) -> bool {
    let told = |name| header(call.request, name).ok().flatten();
    told("sec-fetch-site") == Some("cross-site")
        && match told(ORIGIN.as_str()) {
            Some(origin) => !any_allows(origin, call).await.unwrap_or(true),
            None => true,
        }
}

async fn any_allows(origin: &str, call: &Call<'_>) -> Result<bool, StoreError> {
    let app = call.app;
    // What no application could list is neither asked for nor remembered.
    if check_origin(origin).is_err() {
        return Ok(false);
    }
    if let Some(is_allowed) = remembered(origin, call) {
        return Ok(is_allowed);
    }
    let is_allowed = applications::any_allows_origin(origin, &*app.db).await?;
    app.memory.borrow_mut().remember_origin(origin, is_allowed, app.clock.now());
    Ok(is_allowed)
}

fn remembered(origin: &str, call: &Call<'_>) -> Option<bool> {
    call.app.memory.borrow().origin(origin, call.app.clock.now())
}
