//! What all pages share: escaping, the frame, and the headers that keep a page to itself.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

use crate::crypto::encoding::standard_base64;
use crate::crypto::sha256;

/// Text that is safe to stand in a page.
#[derive(Clone, Debug, Default)]
pub struct Html(String);

impl Html {
    /// Text from anywhere: escaped.
    pub fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(other),
            }
        }
        Self(html)
    }

    /// Markup of our own.
    pub fn markup(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    #[must_use]
    pub fn with(mut self, more: &Html) -> Self {
        self.0.push_str(&more.0);
        self
    }

    #[must_use]
    pub fn then(self, markup: &'static str) -> Self {
        self.with(&Self::markup(markup))
    }
}

const STYLE: &str = include_str!("style.css");

/// A page with this title and body.
pub fn page(status: StatusCode, title: &str, body: &Html) -> Response<Vec<u8>> {
    let title = Html::text(title);
    let html = Html::markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        .then("<meta name=\"viewport\" content=\"width=device-width\"><title>")
        .with(&title)
        .then("</title><style>")
        .then(STYLE)
        .then("</style></head><body><main><h1>")
        .with(&title)
        .then("</h1>")
        .with(body)
        .then("</main></body></html>");
    let mut response = Response::new(html.0.into_bytes());
    *response.status_mut() = status;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        standard_base64(&sha256(STYLE.as_bytes()))
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(Html::text(r#"<a href='x'>"&"#).0, "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
