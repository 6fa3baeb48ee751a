//! Where an authorization response goes, and what it says (RFC 6749 §4.1.2, §4.2.2).

use super::application::Application;
use crate::protocol::authorization_request::ResponseMode;
use crate::protocol::error::OAuthError;
use crate::protocol::params::encode;
use crate::protocol::uri::{self, RedirectSchemes};

/// Where an authorization response may go. Made only by [`VerifiedRedirect::verify`].
#[derive(Clone, Debug)]
pub struct VerifiedRedirect {
    uri: String,
    /// The request named it.
    is_asked: bool,
    mode: ResponseMode,
    state: Option<String>,
    issuer: String,
}

/// An authorization response, ready to be sent through the browser.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthorizationResponse {
    /// By a redirect to here.
    Location(String),
    /// By a form that the browser posts there (OAuth 2.0 Form Post Response Mode).
    Form { action: String, fields: Vec<(&'static str, String)> },
}

impl VerifiedRedirect {
    /// Checks a redirect URI against the registration: the same text (RFC 9700 §2.1), but for the port of a loopback address
    /// (RFC 8252 §7.3). It may be left out if there is only one (RFC 6749 §3.1.2.3).
    ///
    /// # Errors
    /// Why not; which part is wrong is for the operator's log alone. Nothing may be sent to where it points.
    pub fn verify(
        asked: Option<&str>,
        application: &Application,
        schemes: &RedirectSchemes,
        issuer: &str,
    ) -> Result<Self, OAuthError> {
        let registered = &application.registration.redirect_uris;
        let refused = |why: &'static str| OAuthError::invalid_request(why);
        let uri = match (asked, registered.as_slice()) {
            (Some(asked), _) if registered.iter().any(|known| uri::is_same_redirect(known, asked)) => asked,
            (Some(asked), _) => {
                let why = "redirect_uri is not one that the application has registered";
                return Err(refused(why).because(uri::redirect_difference(registered, asked)));
            }
            (None, [only]) => only,
            (None, []) => return Err(refused("the application has registered no redirect URI")),
            (None, _) => {
                return Err(refused("redirect_uri is missing, and the application has registered several"));
            }
        };
        if !schemes.allow(uri) {
            return Err(refused("redirect_uri has a scheme that this server does not allow"));
        }
        Ok(Self {
            uri: uri.to_owned(),
            is_asked: asked.is_some(),
            mode: ResponseMode::Query,
            state: None,
            issuer: issuer.to_owned(),
        })
    }

    #[must_use]
    pub fn with_mode(self, mode: ResponseMode) -> Self {
        Self { mode, ..self }
    }

    #[must_use]
    pub fn with_state(self, state: Option<&str>) -> Self {
        Self { state: state.map(str::to_owned), ..self }
    }

    pub fn uri(&self) -> &str {
        &self.uri
    }

    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// True if another program on the person's device could have taken this address for its own (RFC 8252 §8.6).
    pub fn is_on_device(&self) -> bool {
        uri::is_on_device(&self.uri)
    }

    /// A response with these parameters, `state`, and `iss` (RFC 9207 §2).
    pub fn respond(&self, mut fields: Vec<(&'static str, String)>) -> AuthorizationResponse {
        fields.extend(self.state.iter().map(|state| ("state", state.clone())));
        fields.push(("iss", self.issuer.clone()));
        let separator = match self.mode {
            ResponseMode::FormPost => {
                return AuthorizationResponse::Form { action: self.uri.clone(), fields };
            }
            ResponseMode::Fragment => '#',
            ResponseMode::Query if self.uri.contains('?') => '&',
            ResponseMode::Query => '?',
        };
        AuthorizationResponse::Location(format!("{}{separator}{}", self.uri, encode(&fields)))
    }

    /// An error response (RFC 6749 §4.1.2.1, §4.2.2.1).
    pub fn respond_error(&self, error: &OAuthError) -> AuthorizationResponse {
        self.respond(vec![
            ("error", error.code().as_str().to_owned()),
            ("error_description", error.description().to_owned()),
        ])
    }
}
