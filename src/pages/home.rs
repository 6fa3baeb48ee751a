//! `/`: what this server is, for whoever opens it in a browser.

use http::StatusCode;

use super::layout::{Html, page};

/// The page of a server that calls itself `issuer`.
pub fn show(issuer: &str) -> http::Response<Vec<u8>> {
    let metadata = format!("{issuer}/o/.well-known/oauth-authorization-server");
    let body = Html::markup("<p>This is an OAuth 2 authorization server: it signs users up and issues tokens to applications.</p>")
        .then("<p>Programs find its endpoints at <a href=\"")
        .with(&Html::text(&metadata))
        .then("\"><code>")
        .with(&Html::text(&metadata))
        .then("</code></a>.</p>");
    page(StatusCode::OK, "Postern", &body)
}
