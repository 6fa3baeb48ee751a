//! The head of a request, as `cloudflare/http.js` writes it.

use http::{HeaderName, HeaderValue, Method, Uri};

use super::Request;

/// The method, a blank, the URL, a line feed; then the headers that validation reads, `authorization` first, each a name, a
/// colon, the value, a line feed. No part can hold a line feed.
pub struct Head(String);

impl Head {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Method, URL, and the headers' lines.
    fn parts(&self) -> Option<(&str, &str, &str)> {
        let (target, headers) = self.0.split_once('\n')?;
        let (method, url) = target.split_once(' ')?;
        Some((method, url, headers))
    }

    /// What stands between this beginning and the only line feed after it, at the end.
    pub fn all_after(&self, beginning: &str) -> Option<&str> {
        let (rest, more) = self.0.strip_prefix(beginning)?.split_once('\n')?;
        (!beginning.is_empty() && more.is_empty()).then_some(rest)
    }

    /// Of a GET that has no query, and of the other headers none: the path, all before the value of `Authorization`, and that.
    pub fn authorization_alone(&self) -> Option<(&str, &str, &str)> {
        let (method, url, headers) = self.parts()?;
        let authorization = headers.strip_prefix("authorization:")?.strip_suffix('\n')?;
        let beginning = self.0.strip_suffix('\n')?.strip_suffix(authorization)?;
        let (_, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        let is_alone = method == "GET"
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && !path.contains(['?', '#'])
            && !authorization.contains('\n');
        is_alone.then_some((path, beginning, authorization))
    }

    /// The request, without a body and the headers that validation does not read.
    ///
    /// # Errors
    /// What is malformed.
    pub fn request(&self) -> Result<Request, &'static str> {
        let (method, url, headers) = self.parts().ok_or("the request cannot be read")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| "the method is malformed")?;
        // Behind a `#`, which a Host header may hold, would be what is asked: nobody would see it.
        let url = Some(url).filter(|url| !url.contains('#'));
        let uri = url.and_then(|url| url.parse::<Uri>().ok()).ok_or("the URL is malformed")?;
        let mut request = Request::new(Vec::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        put_headers(headers, &mut request)?;
        Ok(request)
    }
}

/// Puts the headers of lines as in a [`Head`].
///
/// # Errors
/// A name is none.
pub fn put_headers(lines: &str, request: &mut Request) -> Result<(), &'static str> {
    let malformed = "a header is malformed";
    for line in lines.split_terminator('\n') {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed)?;
        // What no header may hold becomes one that is not text: whoever reads it refuses it, in its route's shape.
        let value = HeaderValue::from_str(value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .or_else(|_| HeaderValue::from_bytes(b"\xff"))
            .map_err(|_| malformed)?;
        request.headers_mut().insert(name, value);
    }
    Ok(())
}
