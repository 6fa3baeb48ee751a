//! A registered application, as its developer uses it.

use postern::call::Request;
use serde_json::{Map, Value, json};

use super::{AuthorizationRequest, CALLBACK, PASSWORD, TestResponse, TestServer, VERIFIER, form_request};

/// An application about to be registered, confidential unless said otherwise.
pub struct ApplicationBuilder<'a> {
    server: &'a TestServer,
    body: Map<String, Value>,
}

impl<'a> ApplicationBuilder<'a> {
    pub(super) fn new(server: &'a TestServer) -> Self {
        let mut body = Map::new();
        body.insert("client_type".to_owned(), "confidential".into());
        Self { server, body }
    }

    pub fn public(self) -> Self {
        self.set("client_type", json!("public"))
    }

    pub fn grants(self, grant_types: &[&str]) -> Self {
        self.set("grant_types", json!(grant_types))
    }

    pub fn origins(self, origins: &[&str]) -> Self {
        self.set("allowed_origins", json!(origins))
    }

    pub fn redirect_uri(self, redirect_uri: &str) -> Self {
        self.redirect_uris(&[redirect_uri])
    }

    pub fn redirect_uris(self, redirect_uris: &[&str]) -> Self {
        self.set("redirect_uris", json!(redirect_uris))
    }

    pub fn scope(self, scope: &str) -> Self {
        self.set("scope", json!(scope))
    }

    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.body.insert(field.to_owned(), value);
        self
    }

    pub fn create(self) -> TestClient<'a> {
        let response = self.server.admin("POST", "applications", Value::Object(self.body));
        response.assert_status(201);
        let body = response.json();
        TestClient {
            server: self.server,
            client_id: body["client_id"].as_str().expect("a client_id").to_owned(),
            client_secret: body["client_secret"].as_str().map(str::to_owned),
        }
    }
}

/// A registered application. Sends its credentials in the body.
#[derive(Clone)]
pub struct TestClient<'a> {
    server: &'a TestServer,
    pub client_id: String,
    pub client_secret: Option<String>,
}

/// The tokens of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub expires_in: i64,
    pub scope: String,
}

impl TestClient<'_> {
    /// The same application at another isolate.
    pub fn at<'b>(&self, server: &'b TestServer) -> TestClient<'b> {
        TestClient { server, client_id: self.client_id.clone(), client_secret: self.client_secret.clone() }
    }

    /// The same application, believing that this is its secret.
    pub fn with_secret(&self, client_secret: Option<&str>) -> Self {
        Self { client_secret: client_secret.map(str::to_owned), ..self.clone() }
    }

    /// A request with the client's credentials in the body.
    pub fn request(&self, path: &str, form: &[(&str, &str)]) -> Request {
        let mut form = form.to_vec();
        form.push(("client_id", &self.client_id));
        if let Some(secret) = &self.client_secret {
            form.push(("client_secret", secret));
        }
        form_request(path, &[], &form)
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        self.server.send(self.request(path, form))
    }

    /// A token request.
    pub fn token(&self, form: &[(&str, &str)]) -> TestResponse {
        self.post("/o/token/", form)
    }

    /// Logs a user of [`TestServer::user`] in.
    pub fn log_in(&self, username: &str) -> Tokens {
        self.password(username, PASSWORD).tokens()
    }

    pub fn password(&self, username: &str, password: &str) -> TestResponse {
        self.token(&[("grant_type", "password"), ("username", username), ("password", password)])
    }

    pub fn client_credentials(&self) -> TestResponse {
        self.token(&[("grant_type", "client_credentials")])
    }

    /// Exchanges a code that was asked for by [`TestClient::authorization`].
    pub fn exchange(&self, code: &str) -> TestResponse {
        self.server.send(self.exchange_request(code))
    }

    pub fn exchange_request(&self, code: &str) -> Request {
        let grant = ("grant_type", "authorization_code");
        let form = [grant, ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.request("/o/token/", &form)
    }

    /// An authorization request for a code, by S256.
    pub fn authorization(&self) -> AuthorizationRequest {
        AuthorizationRequest::for_code(&self.client_id)
    }

    pub fn refresh(&self, refresh_token: &str) -> TestResponse {
        self.server.send(self.refresh_request(refresh_token))
    }

    pub fn refresh_request(&self, refresh_token: &str) -> Request {
        self.request("/o/token/", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    pub fn refresh_for_scope(&self, refresh_token: &str, scope: &str) -> TestResponse {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)])
    }

    pub fn revoke(&self, token: &str) -> TestResponse {
        self.post("/o/revoke_token/", &[("token", token)])
    }

    pub fn introspect(&self, token: &str) -> TestResponse {
        self.post("/o/introspect/", &[("token", token)])
    }
}

impl Tokens {
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().expect("a refresh token")
    }
}

impl TestResponse {
    /// A successful token response (RFC 6749 §5.1).
    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        self.assert_status(200);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("pragma"), Some("no-cache"));
        let body = self.json();
        assert_eq!(body["token_type"], "Bearer");
        Tokens {
            access_token: body["access_token"].as_str().expect("an access token").to_owned(),
            refresh_token: body["refresh_token"].as_str().map(str::to_owned),
            expires_in: body["expires_in"].as_i64().expect("expires_in"),
            scope: body["scope"].as_str().expect("a scope").to_owned(),
        }
    }
}
