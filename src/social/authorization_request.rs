//! Sending a person to a provider to log in there (RFC 6749 §4.1.1), and knowing them again when they come back.

use serde_json::{Value, json};

use super::provider::Provider;
use super::{SocialError, ask, metadata};
use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::sealed::Purpose;
use crate::crypto::secret::same_bytes;
use crate::crypto::{random_bytes, sha256};
use crate::model::id::SessionId;
use crate::model::time::{Lifetime, Timestamp};

/// How long a person may take at the provider.
pub const PATIENCE: Lifetime = Lifetime(600);

/// A login under way: kept, sealed, by the browser that it is under way in (RFC 9700 §4.7).
#[derive(Debug)]
pub struct Pending {
    state: String,
    pub nonce: String,
    pub code_verifier: String,
    pub redirect_uri: String,
    /// Where to go in the end: a path of ours.
    pub next: String,
    /// The session to whose user the account at the provider is to be linked; None: it is a login.
    pub link: Option<SessionId>,
    begun_at: Timestamp,
}

impl Pending {
    pub fn begin(redirect_uri: String, next: &str, link: Option<SessionId>, app: &App) -> Self {
        let random = || base64url(&random_bytes::<32>(&*app.random));
        Self {
            state: random(),
            nonce: random(),
            code_verifier: random(),
            redirect_uri,
            next: next.to_owned(),
            link,
            begun_at: app.clock.now(),
        }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// The provider's metadata is needed, and cannot be fetched or used.
    pub async fn location(&self, provider: &Provider, app: &App) -> Result<String, SocialError> {
        let endpoints = metadata::endpoints(provider, app).await?;
        let endpoint = endpoints.authorization.as_ref();
        let endpoint =
            endpoint.ok_or_else(|| SocialError::garbage("metadata: there is no authorization_endpoint"))?;
        let challenge = base64url(&sha256(self.code_verifier.as_bytes()));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", provider.client_id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("state", &self.state),
        ];
        if !provider.scope.is_empty() {
            query.push(("scope", &provider.scope));
        }
        if provider.nonce {
            query.push(("nonce", &self.nonce));
        }
        if provider.pkce {
            query.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        if provider.form_post {
            query.push(("response_mode", "form_post"));
        }
        for (name, value) in &provider.authorization_parameters {
            query.push((name, value));
        }
        Ok(ask::with_query(endpoint, &query))
    }

    /// As the browser keeps it.
    pub fn seal(&self, provider: &Provider, app: &App) -> String {
        let text = json!({
            "state": self.state,
            "nonce": self.nonce,
            "code_verifier": self.code_verifier,
            "redirect_uri": self.redirect_uri,
            "next": self.next,
            "link": self.link.map(|session| session.to_string()),
            "begun_at": self.begun_at,
        });
        let text = text.to_string();
        app.settings.keys.seal(Purpose::SocialLogin, &provider.name, text.as_bytes(), &*app.random)
    }

    /// What [`Pending::seal`] has made for this provider, if the answer bears its state, and it is not too long ago.
    pub fn open(sealed: &str, state: &str, provider: &Provider, app: &App) -> Option<Self> {
        let text = app.settings.keys.open(Purpose::SocialLogin, &provider.name, sealed)?;
        let value: Value = serde_json::from_slice(text.expose()).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let pending = Self {
            state: text("state")?,
            nonce: text("nonce")?,
            code_verifier: text("code_verifier")?,
            redirect_uri: text("redirect_uri")?,
            next: text("next")?,
            link: text("link").map(|session| SessionId::parse(&session)).unwrap_or_default(),
            begun_at: Timestamp(value.get("begun_at")?.as_i64()?),
        };
        let is_fresh = pending.begun_at + PATIENCE > app.clock.now();
        let is_ours = same_bytes(state.as_bytes(), pending.state.as_bytes());
        (is_fresh && is_ours).then_some(pending)
    }
}
