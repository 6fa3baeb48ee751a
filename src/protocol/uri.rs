//! URIs that an application registers: where redirects may go, and which origins may call.

use fluent_uri::Uri;

/// Checks a redirect URI for registration: absolute, no fragment (RFC 6749 §3.1.2), no user info; `https`, `http` on
/// loopback only, or a private-use scheme in reverse domain form (RFC 8252 §7). Compared as a string later (RFC 9700 §2.1).
///
/// # Errors
/// Says which rule it breaks.
pub fn check_redirect_uri(text: &str) -> Result<(), &'static str> {
    let uri = Uri::parse(text).map_err(|_| "is not an absolute URI")?;
    if uri.fragment().is_some() {
        return Err("has a fragment");
    }
    if text.len() > 2000 {
        return Err("is longer than 2000 characters");
    }
    match (uri.scheme().as_str(), uri.authority()) {
        ("https" | "http", Some(authority))
            if authority.userinfo().is_some() || authority.host().is_empty() =>
        {
            Err("must name a host and no user")
        }
        ("https" | "http", None) => Err("must name a host and no user"),
        ("https", Some(_)) => Ok(()),
        ("http", Some(authority)) if is_loopback(authority.host()) => Ok(()),
        ("http", Some(_)) => Err("must be https, except on loopback"),
        (scheme, _) if scheme.contains('.') => Ok(()),
        _ => Err("must be https, http on loopback, or a private-use scheme such as com.example.app"),
    }
}

/// Checks an origin (RFC 6454 §6.2) for CORS, in the form in which browsers send it.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_origin(text: &str) -> Result<(), &'static str> {
    let uri = Uri::parse(text).map_err(|_| "is not an origin such as https://app.example")?;
    let Some(authority) = uri.authority() else {
        return Err("is not an origin such as https://app.example");
    };
    if !uri.path().is_empty()
        || uri.query().is_some()
        || uri.fragment().is_some()
        || authority.userinfo().is_some()
    {
        return Err("must be a scheme, a host and perhaps a port, with nothing behind");
    }
    if authority.host().is_empty() || text.bytes().any(|b| b.is_ascii_uppercase()) || text.len() > 300 {
        return Err("must name a host, in lower case");
    }
    let port = authority.port().map(fluent_uri::pct_enc::EStr::as_str);
    match (uri.scheme().as_str(), port) {
        (_, Some("")) | ("https", Some("443")) | ("http", Some("80")) => {
            Err("must leave out the default port")
        }
        ("https", _) => Ok(()),
        ("http", _) if is_loopback(authority.host()) => Ok(()),
        ("http", _) => Err("must be https, except on loopback"),
        // Apps in a web view send origins such as capacitor://localhost.
        _ => Ok(()),
    }
}

/// An issuer identifier (RFC 8414 §2): its origin, and its path without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    path_at: usize,
}

impl Issuer {
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri = Uri::parse(text).map_err(|_| "is not an absolute URI")?;
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return Err("must name a host");
        };
        if uri.query().is_some() || uri.fragment().is_some() || authority.userinfo().is_some() {
            return Err("must have no query, fragment or user");
        }
        match uri.scheme().as_str() {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            _ => return Err("must be https, except on loopback"),
        }
        let text = text.trim_end_matches('/').to_owned();
        let path_at = text.len() - uri.path().as_str().trim_end_matches('/').len();
        Ok(Self { text, path_at })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, empty or with a slash in front.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }
}

/// True for a host that is this machine, by the names that RFC 8252 §7.3 and browsers accept.
pub fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// The host of a `Host` header or authority, without its port.
pub fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris() {
        for good in [
            "https://app.example/cb?x=1",
            "http://127.0.0.1/cb",
            "http://[::1]:4000/cb",
            "http://localhost:3000/",
            "com.example.app:/oauth",
            "com.example.app://oauth",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "//app.example/cb",
            "https://app.example/cb#f",
            "http://app.example/cb",
            "https://user@app.example/cb",
            "https:///cb",
            "https:/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp://cb",
            "https://app.example/c b",
            "https://app.example/é",
        ] {
            assert!(check_redirect_uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins() {
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "https://app.example:8443",
            "capacitor://localhost",
        ] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "null",
            "https://app.example/",
            "https://App.example",
            "https://app.example:443",
            "https://app.example:",
            "http://app.example",
            "https://u@app.example",
            "https://",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn issuers() {
        let issuer = Issuer::parse("https://id.example/auth/").unwrap();
        assert_eq!((issuer.as_str(), issuer.path()), ("https://id.example/auth", "/auth"));
        assert_eq!(Issuer::parse("http://localhost:8787").unwrap().path(), "");
        for bad in [
            "id.example",
            "http://id.example",
            "https://id.example?x",
            "https://id.example#x",
            "ftp://localhost",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }
}
