//! `/`: what this server is, for whoever opens it in a browser.

use super::english;
use super::layout::{Html, Page};
use crate::call::{Call, Response};

/// `GET /`
pub async fn get(call: &Call<'_>) -> Response {
    let issuer = call.issuer.as_str();
    let documentation = call.app.settings.service_documentation.as_deref();
    let metadata = format!("{issuer}/o/.well-known/oauth-authorization-server");
    let body = Html::markup("<p>")
        .say(english::HOME_TEXT)
        .then("</p><p class=\"links\">")
        .with(&link(&format!("{issuer}/accounts/login/"), english::LOG_IN))
        .with(&link(&format!("{issuer}/accounts/signup/"), english::SIGN_UP))
        .with(&link(&format!("{issuer}/account/"), english::ACCOUNT))
        .with(&documentation.map(|url| link(url, english::DOCUMENTATION)).unwrap_or_default())
        .then("</p><p>")
        .say(english::HOME_PROGRAMS)
        .then(" <a href=\"")
        .say(&metadata)
        .then("\"><code>")
        .say(&metadata)
        .then("</code></a></p>");
    Page::new("Postern", body).respond()
}

/// A link of our own, and a space.
pub fn link(url: &str, text: &str) -> Html {
    Html::markup("<a href=\"").say(url).then("\">").say(text).then("</a> ")
}
