//! URIs that an application registers: where redirects may go, and which origins may call.

use fluent_uri::Uri;

use super::params::encode;

/// The schemes that redirect URIs may have; none: `https`, `http` on loopback, and private-use schemes (RFC 8252 §7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectSchemes(Option<Vec<String>>);

impl RedirectSchemes {
    /// Reads names with spaces between them. Naming `http` allows it on loopback, as always.
    pub fn parse(text: &str) -> Option<Self> {
        let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let is_private = |name: &str| {
            let is_scheme = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
            is_scheme && check_redirect_uri(&format!("{name}:/"), &Self::default()).is_ok()
        };
        let is_good = |name: &String| matches!(name.as_str(), "https" | "http") || is_private(name);
        (!names.is_empty() && names.iter().all(is_good)).then_some(Self(Some(names)))
    }

    pub fn allow(&self, redirect_uri: &str) -> bool {
        let scheme = redirect_uri.split(':').next().unwrap_or_default();
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| name == scheme))
    }

    /// These, and those of URIs that are there already.
    #[must_use]
    pub fn and_of(&self, redirect_uris: &[String]) -> Self {
        let there = redirect_uris.iter().filter_map(|uri| uri.split(':').next()).map(str::to_owned);
        Self(self.0.as_ref().map(|names| names.iter().cloned().chain(there).collect()))
    }
}

/// Checks a redirect URI for registration: absolute, no fragment (RFC 6749 §3.1.2), no user info; `https`, `http` on
/// loopback only, or a private-use scheme in reverse domain form (RFC 8252 §7). Compared as a string later (RFC 9700 §2.1).
///
/// # Errors
/// Says which rule it breaks.
pub fn check_redirect_uri(text: &str, schemes: &RedirectSchemes) -> Result<(), &'static str> {
    let uri = Uri::parse(text).map_err(|_| "is not an absolute URI")?;
    if !schemes.allow(text) {
        return Err("has a scheme that is not among the setting ALLOWED_REDIRECT_URI_SCHEMES");
    }
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

/// `uri` with these parameters behind those that it has.
pub fn with_query(uri: &str, fields: &[(&str, &str)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", encode(fields))
}

/// True if nobody on the way can read what is sent there: `https`, or loopback.
pub fn is_private_url(url: &str) -> bool {
    Uri::parse(url).is_ok_and(|uri| match uri.scheme().as_str() {
        scheme if scheme.eq_ignore_ascii_case("https") => true,
        scheme if scheme.eq_ignore_ascii_case("http") => {
            uri.authority().is_some_and(|authority| is_loopback(authority.host()))
        }
        _ => false,
    })
}

/// True if a registered redirect URI is the one that is asked for: the same text, but for the port of a loopback address
/// (RFC 8252 §7.3).
pub fn is_same_redirect(registered: &str, asked: &str) -> bool {
    registered == asked
        || matches!((without_port(registered), without_port(asked)), (Some(a), Some(b)) if a == b)
}

/// What stands before and after the port of an `http` URI of a loopback address. A port is at most five digits.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|host| uri.starts_with(host))?;
    let rest = uri.get(host.len()..)?;
    let Some(port_and_path) = rest.strip_prefix(':') else {
        let is_path = rest.is_empty() || rest.starts_with(['/', '?']);
        return is_path.then_some((host, rest));
    };
    let digits = port_and_path.bytes().take_while(u8::is_ascii_digit).count();
    let (port, path) = port_and_path.split_at_checked(digits)?;
    let is_port = (1..=5).contains(&digits) && port.parse::<u16>().is_ok();
    (is_port && (path.is_empty() || path.starts_with(['/', '?']))).then_some((host, path))
}

/// Why a redirect URI is none of the registered ones: the first part that differs from the one that it is most like.
pub fn redirect_difference(registered: &[String], asked: &str) -> &'static str {
    let Some(asked) = parts(asked) else {
        return "it is no URI";
    };
    let same = |uri: [String; 3]| uri.iter().zip(&asked).take_while(|(one, other)| one == other).count();
    match registered.iter().filter_map(|uri| parts(uri)).map(same).max() {
        None => "there is none",
        Some(0) => "its scheme differs",
        Some(1) => "its host or port differs",
        Some(2) => "its path differs",
        Some(_) => "its query or fragment differs",
    }
}

/// Scheme, authority and path, without the port of a loopback address.
fn parts(uri: &str) -> Option<[String; 3]> {
    let uri = without_port(uri).map_or_else(|| uri.to_owned(), |(host, path)| format!("{host}{path}"));
    let uri = Uri::parse(uri.as_str()).ok()?;
    let authority = uri.authority().map(|authority| format!("//{}", authority.as_str()));
    Some([uri.scheme().as_str().to_owned(), authority.unwrap_or_default(), uri.path().as_str().to_owned()])
}

/// True if a redirect URI leads to a program on the person's device: a loopback address or a private-use scheme.
pub fn is_on_device(redirect_uri: &str) -> bool {
    !redirect_uri.starts_with("https://")
}

/// What a page's policy has to allow so that the answer to a form may lead to `redirect_uri` (CSP Level 3 §2.3.1), and on from
/// there to wherever the application sends the browser next: some browsers hold every redirect after a POST against it.
pub fn policy_sources(redirect_uri: &str) -> Option<String> {
    let uri = Uri::parse(redirect_uri).ok()?;
    Some(match (uri.scheme().as_str(), uri.authority().map(|authority| authority.host())) {
        ("https", _) => "https:".to_owned(),
        ("http", Some("localhost" | "127.0.0.1")) => {
            "http://localhost:* http://127.0.0.1:* https:".to_owned()
        }
        // An IPv6 address cannot be written in a policy.
        ("http", _) => "http: https:".to_owned(),
        (scheme, _) => format!("{scheme}: https:"),
    })
}

/// The host of a redirect URI, or its scheme where it is a private-use one: what a person can tell it by.
pub fn shown_target(redirect_uri: &str) -> String {
    let Ok(uri) = Uri::parse(redirect_uri) else {
        return String::new();
    };
    match (uri.scheme().as_str(), uri.authority()) {
        ("https" | "http", Some(authority)) => authority.as_str().to_owned(),
        (scheme, _) => scheme.to_owned(),
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

/// Checks an address that the operator names, to send requests or people to: `https`, or `http` on loopback only.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_url(text: &str) -> Result<(), &'static str> {
    let uri = Uri::parse(text).map_err(|_| "is not an absolute URI")?;
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err("must name a host");
    };
    if uri.fragment().is_some() || authority.userinfo().is_some() {
        return Err("must have no fragment or user");
    }
    check_is_private(uri.scheme().as_str(), authority.host())
}

/// Nobody on the way reads along.
fn check_is_private(scheme: &str, host: &str) -> Result<(), &'static str> {
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        _ => Err("must be https, except on loopback"),
    }
}

/// An issuer identifier (RFC 8414 §2): its origin, and its path without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    path_at: usize,
    is_loopback: bool,
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
        let path = uri.path().as_str().trim_end_matches('/');
        if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..") || segment.contains('%'))
        {
            return Err("must have a path that browsers leave as it is");
        }
        check_is_private(uri.scheme().as_str(), authority.host())?;
        let is_loopback = is_loopback(authority.host());
        let text = text.trim_end_matches('/').to_owned();
        let path_at = text.len() - path.len();
        Ok(Self { text, path_at, is_loopback })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// It is this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
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
            assert_eq!(check_redirect_uri(good, &RedirectSchemes::default()), Ok(()), "{good}");
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
            assert!(check_redirect_uri(bad, &RedirectSchemes::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirect_schemes() {
        let schemes = RedirectSchemes::parse("https com.example.app").unwrap();
        for good in ["https://app.example/cb", "com.example.app:/cb"] {
            assert_eq!(check_redirect_uri(good, &schemes), Ok(()), "{good}");
        }
        for bad in ["http://127.0.0.1/cb", "com.example.other:/cb", "com.example:/cb"] {
            assert!(check_redirect_uri(bad, &schemes).is_err(), "{bad}");
            assert_eq!(check_redirect_uri(bad, &schemes.and_of(&[bad.to_owned()])), Ok(()), "{bad}");
        }
        let http = RedirectSchemes::parse("http").unwrap();
        assert!(check_redirect_uri("http://app.example/cb", &http).is_err());
        for bad in ["", " ", "*", "javascript", "https:", "com.example.app://", "a b.c", ".a"] {
            assert_eq!(RedirectSchemes::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let registered = ["https://app.example/cb?x=1", "http://127.0.0.1/cb", "com.example.app:/cb"];
        let registered = registered.map(str::to_owned);
        for (asked, part) in [
            ("app.example/cb", "it is no URI"),
            ("com.example.another:/cb", "its scheme differs"),
            ("com.example.app:///cb", "its host or port differs"),
            ("https://evil.example/cb?x=1", "its host or port differs"),
            ("https://app.example:444/cb?x=1", "its host or port differs"),
            ("https://app.example/cb/", "its path differs"),
            ("https://app.example/cb", "its query or fragment differs"),
            ("https://app.example/cb?x=1#", "its query or fragment differs"),
            ("http://127.0.0.1:4000/other", "its path differs"),
        ] {
            assert_eq!(redirect_difference(&registered, asked), part, "{asked}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let same = |registered, asked| is_same_redirect(registered, asked);
        assert!(same("https://app.example/cb", "https://app.example/cb"));
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:4000/cb"),
            ("http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:65535/cb?x=1"),
            ("http://[::1]:3000/cb", "http://[::1]/cb"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
        ] {
            assert!(same(registered, asked), "{asked}");
        }
        for (registered, asked) in [
            ("https://app.example/cb", "https://app.example:444/cb"),
            ("https://app.example/cb", "https://app.example/cb/"),
            ("https://app.example/cb", "https://app.example/cb?x"),
            ("https://app.example/cb", "HTTPS://app.example/cb"),
            ("http://localhost/cb", "http://localhost:4000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4000/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4000@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:70000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1#/cb"),
            ("http://127.0.0.1/cb", "http://[::1]/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
        ] {
            assert!(!same(registered, asked), "{asked}");
        }
    }

    #[test]
    fn a_policy_names_the_scheme_and_on_loopback_the_host() {
        for (uri, sources) in [
            ("https://app.example/cb?x", "https:"),
            ("https://a;b.example/cb", "https:"),
            ("http://127.0.0.1:4000/cb", "http://localhost:* http://127.0.0.1:* https:"),
            ("http://[::1]:4000/cb", "http: https:"),
            ("com.example.app:/oauth", "com.example.app: https:"),
            ("com.example.app://oauth", "com.example.app: https:"),
        ] {
            assert_eq!(policy_sources(uri).as_deref(), Some(sources));
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
    fn webhooks() {
        for good in ["https://mail.example/send?key=1", "http://127.0.0.1:8025/", "http://localhost/send"] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/send",
            "mail.example/send",
            "http://mail.example/send",
            "http://127.0.0.1.example/",
            "https://user:word@mail.example/",
            "https://mail.example/#f",
            "https:///send",
            "mailto:ann@mail.example",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
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
            "https://id.example/..",
            "https://id.example/a/./b",
            "https://id.example/%2e%2e",
            "https://id.example//x",
            "ftp://localhost",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }
}
