//! What all pages share: escaping, the frame, and the headers that keep a page to itself.

use std::sync::OnceLock;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::call::{Response, set};
use crate::crypto::encoding::standard_base64;
use crate::crypto::sha256;

/// Text that is safe to stand in a page. What makes it up is never inlined: pages use it so often that it would show in the
/// size of the Worker.
#[derive(Clone, Debug, Default)]
pub struct Html(String);

impl Html {
    /// Text from anywhere: escaped, also for a quoted attribute.
    pub fn text(text: &str) -> Self {
        Self::default().say(text)
    }

    /// Markup of our own.
    #[inline(never)]
    pub fn markup(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    #[must_use]
    #[inline(never)]
    pub fn with(mut self, more: &Html) -> Self {
        self.0.push_str(&more.0);
        self
    }

    /// More markup of our own.
    #[must_use]
    #[inline(never)]
    pub fn then(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// More text from anywhere.
    #[must_use]
    pub fn say(mut self, text: &str) -> Self {
        let html = &mut self.0;
        html.reserve(text.len());
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
        self
    }
}

/// A page about to be shown.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub title: String,
    pub body: Html,
    pub forms: Forms,
    /// Runs when the page is there; the page does what it is for without it, too.
    pub script: Option<&'static str>,
}

/// Where the page's forms may lead (CSP Level 3 §6.4.1; browsers apply it to redirects after a POST, too).
#[derive(Debug, Default)]
pub enum Forms {
    #[default]
    None,
    /// To this server, and from there on to these.
    Here(Vec<String>),
    /// To an application, by its own address.
    There(String),
}

const STYLE: &str = include_str!("style.css");

impl Page {
    pub fn new(title: &str, body: Html) -> Self {
        let title = title.to_owned();
        Self { status: StatusCode::OK, title, body, forms: Forms::None, script: None }
    }

    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Its forms lead to this server, and from there on to `targets`.
    #[must_use]
    pub fn forms_here(self, targets: Vec<String>) -> Self {
        Self { forms: Forms::Here(targets), ..self }
    }

    pub fn respond(&self) -> Response {
        let html = Html::markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .then("<meta name=\"viewport\" content=\"width=device-width\"><title>")
            .say(&self.title)
            .then("</title><style>")
            .then(STYLE)
            .then("</style></head><body><main><h1>")
            .say(&self.title)
            .then("</h1>")
            .with(&self.body)
            .then("</main>");
        let html = match self.script {
            Some(script) => html.then("<script>").then(script).then("</script>"),
            None => html,
        };
        let mut response = Response::new(html.then("</body></html>").0.into_bytes());
        *response.status_mut() = self.status;
        set(&mut response, CONTENT_SECURITY_POLICY, &self.policy());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        keep_private(&mut response);
        response
    }

    fn policy(&self) -> String {
        static STYLE_HASH: OnceLock<String> = OnceLock::new();
        let style = STYLE_HASH.get_or_init(|| hash(STYLE));
        let script = self.script.map(|script| format!("script-src {}; ", hash(script))).unwrap_or_default();
        let forms = match &self.forms {
            Forms::None => "'none'".to_owned(),
            Forms::Here(targets) => [&["'self'".to_owned()], targets.as_slice()].concat().join(" "),
            Forms::There(target) => target.clone(),
        };
        format!(
            "default-src 'none'; style-src {style}; {script}base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
        )
    }
}

/// How a policy names a style or a script.
fn hash(source: &str) -> String {
    format!("'sha256-{}'", standard_base64(&sha256(source.as_bytes())))
}

/// Sends the browser elsewhere, always to be asked for by GET (RFC 9700 §4.12).
pub fn see_other(url: &str) -> Response {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    set(&mut response, LOCATION, url);
    keep_private(&mut response);
    response
}

/// No cache keeps it, and where it leads does not learn its address.
fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(Html::text(r#"<a href='x'>"&"#).0, "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
