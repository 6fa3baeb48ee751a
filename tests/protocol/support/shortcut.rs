//! The Worker answers some requests past `router::handle` (src/cloudflare/at_once.rs): whatever a test asks there is asked
//! both ways, and the answers have to be the same.

use http::Method;
use postern::app::App;
use postern::call::{Request, Response};
use postern::endpoints::validate::{self, Known};
use postern::router;

/// As `router::handle`.
pub async fn handle(request: &Request, app: &App) -> Response {
    let known = authorization_alone(request, app).and_then(|authorization| Known::find(authorization, app));
    let response = router::handle(request, app).await;
    if let Some(known) = known {
        assert_same(&known, &response);
    }
    response
}

/// As `authorization_alone` in src/call/head.rs, where the request is not taken apart yet.
fn authorization_alone<'a>(request: &'a Request, app: &App) -> Option<&'a str> {
    let is_forwarded = request.headers().keys().any(|name| name.as_str().starts_with("x-"));
    let is_alone = request.method() == Method::GET && request.uri().query().is_none() && !is_forwarded;
    let authorization = request.headers().get("authorization")?.to_str().ok()?;
    (is_alone && router::is_validation(request.uri().path(), app)).then_some(authorization)
}

fn assert_same(known: &Known, response: &Response) {
    let mut shortcut = known.answer();
    if let Some(id) = response.headers().get("x-request-id") {
        shortcut.headers_mut().insert("x-request-id", id.clone());
    }
    assert_eq!(shortcut.status(), response.status());
    assert_eq!(shortcut.headers(), response.headers());
    assert_eq!(shortcut.body(), response.body());
    if let Known::Good(record) = known {
        assert_eq!(validate::body(record).as_bytes(), response.body());
        for (name, value) in validate::told(record) {
            assert_eq!(response.headers().get(name).and_then(|told| told.to_str().ok()), Some(&*value));
        }
    }
}
