//! A client of OAuth 1.0a, by its own reading of RFC 5849, and by the HMAC of another crate than the server's.

use std::cell::Cell;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use postern::call::Request;
use postern::protocol::params::Params;
use ring::hmac;

use super::{TestClient, TestResponse, TestServer, bytes_request, push_encoded};

thread_local! {
    /// How many requests the test has made: no two have the same nonce unless it says so.
    static NONCES: Cell<u64> = const { Cell::new(0) };
}

/// From here on the nonces are those of the beginning.
pub fn reseed_nonces() {
    NONCES.set(0);
}

/// An application that signs its requests, with a token once it has one.
#[derive(Clone)]
pub struct SigningClient<'a> {
    pub server: &'a TestServer,
    pub consumer_key: String,
    pub consumer_secret: String,
    pub token: Option<Credentials>,
    pub signature_method: &'static str,
}

/// A token and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub token: String,
    pub secret: String,
}

/// Where the parameters of the protocol stand (RFC 5849 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Header,
    Form,
    Query,
}

/// A request about to be signed. A test may change all of it.
#[derive(Clone, Debug)]
pub struct Unsigned {
    pub method: &'static str,
    /// Without a query.
    pub url: String,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    pub oauth: Vec<(String, String)>,
    pub place: Place,
    pub key: String,
}

impl<'a> SigningClient<'a> {
    pub fn of(client: &TestClient<'_>, server: &'a TestServer) -> Self {
        Self {
            server,
            consumer_key: client.client_id.clone(),
            consumer_secret: client.client_secret.clone().expect("a secret"),
            token: None,
            signature_method: "HMAC-SHA1",
        }
    }

    #[must_use]
    pub fn with_token(&self, token: &Credentials) -> Self {
        Self { token: Some(token.clone()), ..self.clone() }
    }

    /// Without a token.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    #[must_use]
    pub fn with_method(&self, signature_method: &'static str) -> Self {
        Self { signature_method, ..self.clone() }
    }

    /// The same client at another isolate.
    #[must_use]
    pub fn at<'b>(&self, server: &'b TestServer) -> SigningClient<'b> {
        let Self { consumer_key, consumer_secret, token, signature_method, .. } = self.clone();
        SigningClient { server, consumer_key, consumer_secret, token, signature_method }
    }

    /// To be signed now, with a nonce that has not been used.
    pub fn unsigned(&self, method: &'static str, url: &str) -> Unsigned {
        let nonce = NONCES.replace(NONCES.get() + 1);
        let url = if url.starts_with('/') { format!("http://localhost:8787{url}") } else { url.to_owned() };
        let unsigned = Unsigned {
            method,
            url,
            query: Vec::new(),
            form: Vec::new(),
            oauth: Vec::new(),
            place: Place::Header,
            key: format!(
                "{}&{}",
                encode(&self.consumer_secret),
                self.token.as_ref().map(|token| encode(&token.secret)).unwrap_or_default()
            ),
        };
        let mut unsigned = unsigned
            .oauth("oauth_consumer_key", &self.consumer_key)
            .oauth("oauth_signature_method", self.signature_method)
            .oauth("oauth_timestamp", &self.server.now().to_string())
            .oauth("oauth_nonce", &format!("nonce{nonce}"));
        if let Some(token) = &self.token {
            unsigned = unsigned.oauth("oauth_token", &token.token);
        }
        unsigned
    }

    pub fn request_token(&self, callback: &str) -> TestResponse {
        let unsigned = self.unsigned("POST", "/oauth/request_token/").oauth("oauth_callback", callback);
        self.server.send(unsigned.sign())
    }

    /// Exchanges the request token that it has.
    pub fn access_token(&self, verifier: &str) -> TestResponse {
        self.server.send(self.access_token_request(verifier))
    }

    pub fn access_token_request(&self, verifier: &str) -> Request {
        self.unsigned("POST", "/oauth/access_token/").oauth("oauth_verifier", verifier).sign()
    }

    pub fn xauth(&self, username: &str, password: &str) -> TestResponse {
        self.server.send(self.xauth_request(username, password))
    }

    pub fn xauth_request(&self, username: &str, password: &str) -> Request {
        let unsigned = self.unsigned("POST", "/oauth/access_token/").form("x_auth_mode", "client_auth");
        unsigned.form("x_auth_username", username).form("x_auth_password", password).sign()
    }

    /// Asks `/validate/` about a GET of an API that the client signs.
    pub fn validate(&self) -> TestResponse {
        self.server.send(self.unsigned("GET", "https://api.example/photos").forwarded(""))
    }

    /// All three legs, for a user of [`TestServer::user`], who agrees.
    pub fn three_legs(&self, username: &str) -> Credentials {
        let temporary = self.request_token("oob").credentials();
        let verifier = self.approve(&temporary, username);
        self.with_token(&temporary).access_token(&verifier).credentials()
    }

    /// The verifier that a user gets who agrees out of band.
    pub fn approve(&self, temporary: &Credentials, username: &str) -> String {
        let browser = self.server.browser();
        browser.log_in(username);
        let page = browser.get(&format!("/oauth/authorize/?oauth_token={}", temporary.token));
        verifier_of(&browser.submit(&page, &[("decision", "allow")]))
    }
}

/// The number on the page that shows the verifier.
#[track_caller]
pub fn verifier_of(page: &TestResponse) -> String {
    page.assert_status(200);
    let text = page.text();
    let (_, rest) = text.split_once("<p class=\"code\"><strong>").unwrap_or_else(|| panic!("none: {text}"));
    rest.split('<').next().expect("a verifier").to_owned()
}

impl Unsigned {
    /// With this parameter of the protocol instead of the one that is there.
    #[must_use]
    pub fn oauth(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.oauth.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.oauth.retain(|(known, _)| known != name);
        self
    }

    #[must_use]
    pub fn form(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// RFC 5849 §3.4.1.
    pub fn base_string(&self) -> String {
        let all = self.query.iter().chain(&self.form).chain(&self.oauth);
        let mut pairs: Vec<(String, String)> =
            all.map(|(name, value)| (encode(name), encode(value))).collect();
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}&{}&{}", self.method, encode(&self.url), encode(&pairs.join("&")))
    }

    /// RFC 5849 §3.4, but for the methods with RSA.
    pub fn signature(&self) -> String {
        let method = self.oauth.iter().find(|(name, _)| name == "oauth_signature_method");
        let algorithm = match method.map(|(_, value)| value.as_str()) {
            Some("PLAINTEXT") => return self.key.clone(),
            Some("HMAC-SHA256") => hmac::HMAC_SHA256,
            Some("HMAC-SHA512") => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        };
        let key = hmac::Key::new(algorithm, self.key.as_bytes());
        BASE64_STANDARD.encode(hmac::sign(&key, self.base_string().as_bytes()))
    }

    /// Signed, at this server itself.
    pub fn sign(self) -> Request {
        let signature = self.signature();
        self.with_signature(&signature)
    }

    /// With this signature.
    pub fn with_signature(self, signature: &str) -> Request {
        let (url, authorization, body) = self.parts(signature);
        let mut headers = vec![];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/x-www-form-urlencoded")));
        let body = body.unwrap_or_default();
        bytes_request(self.method.parse::<Method>().expect("a method"), &url, &headers, body.as_bytes())
    }

    /// Signed, for an API that asks `/validate/` about it.
    pub fn forwarded(self, query: &str) -> Request {
        let signature = self.signature();
        self.forwarded_with(&signature, query)
    }

    /// As [`Unsigned::forwarded`], with this signature.
    pub fn forwarded_with(self, signature: &str, query: &str) -> Request {
        let (url, authorization, body) = self.parts(signature);
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (host, uri) = rest.split_once('/').expect("a path");
        let uri = format!("/{uri}");
        let mut headers = vec![
            ("x-forwarded-method", self.method),
            ("x-forwarded-proto", scheme),
            ("x-forwarded-host", host),
            ("x-forwarded-uri", uri.as_str()),
        ];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/x-www-form-urlencoded")));
        let body = body.unwrap_or_default();
        bytes_request(Method::POST, &format!("/validate/?{query}"), &headers, body.as_bytes())
    }

    /// The URL, the header and the form.
    fn parts(&self, signature: &str) -> (String, Option<String>, Option<String>) {
        let mut oauth = self.oauth.clone();
        oauth.push(("oauth_signature".to_owned(), signature.to_owned()));
        let (mut query, mut form) = (self.query.clone(), self.form.clone());
        let authorization = match self.place {
            Place::Header => {
                let pair = |(name, value): &(String, String)| format!("{name}=\"{}\"", encode(value));
                Some(format!("OAuth {}", oauth.iter().map(pair).collect::<Vec<_>>().join(", ")))
            }
            Place::Form => {
                form.extend(oauth);
                None
            }
            Place::Query => {
                query.extend(oauth);
                None
            }
        };
        let join = |pairs: &[(String, String)]| {
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            pairs.join("&")
        };
        let url = match query.is_empty() {
            true => self.url.clone(),
            false => format!("{}?{}", self.url, join(&query)),
        };
        (url, authorization, (!form.is_empty()).then(|| join(&form)))
    }
}

impl TestResponse {
    /// Credentials, form-encoded (RFC 5849 §2.1, §2.3).
    #[track_caller]
    pub fn credentials(&self) -> Credentials {
        self.assert_status(200);
        assert_eq!(self.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let params = Params::parse(self.text().as_bytes()).expect("a form");
        let get = |name| params.optional(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
        Credentials { token: get("oauth_token"), secret: get("oauth_token_secret") }
    }

    /// An error in plain text (as in django-oauth-plus).
    #[track_caller]
    pub fn assert_oauth1_error(&self, status: u16, said: &str) -> &Self {
        self.assert_status(status);
        assert_eq!(self.text(), said);
        assert_eq!(self.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(self.header("www-authenticate"), Some(r#"OAuth realm="api""#));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(self.header("x-request-id").is_some());
        self
    }

    /// As [`TestResponse::assert_bearer_error`], of a signed request.
    #[track_caller]
    pub fn assert_signed_error(&self, status: u16, code: &str) -> &Self {
        self.assert_error(status, code);
        assert_eq!(self.json()["active"], false);
        let challenge = self.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with(&format!(r#"OAuth realm="api", error="{code}""#)), "{challenge}");
        self
    }
}

/// RFC 5849 §3.6.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    push_encoded(&mut encoded, text, b"-_.~");
    encoded
}
