//! What an authorization code stands for (RFC 6749 §4.1.2).

use super::application::Application;
use super::id::{ApplicationId, UserId};
use super::scope::Scope;
use super::time::Timestamp;
use crate::protocol::error::OAuthError;
use crate::protocol::pkce::CodeChallenge;

/// A row of `authorization_codes`, with the name of its user.
#[derive(Clone, Debug)]
pub struct IssuedCode {
    pub application_id: ApplicationId,
    pub user_id: UserId,
    pub user_epoch: i64,
    /// None if the user has been deleted.
    pub username: Option<String>,
    pub redirect_uri: String,
    /// The authorization request named it: then the token request has to (RFC 6749 §4.1.3).
    pub redirect_uri_asked: bool,
    pub scope: Scope,
    pub code_challenge: Option<CodeChallenge>,
    pub expires_at: Timestamp,
    pub is_consumed: bool,
}

impl IssuedCode {
    /// Checks that whoever presents the code is who it was made for (RFC 6749 §4.1.3, RFC 7636 §4.6).
    ///
    /// # Errors
    /// - `invalid_grant`: it is another application's, or does not fit `redirect_uri` or `code_verifier`.
    pub fn check_holder(
        &self,
        application: &Application,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
    ) -> Result<(), OAuthError> {
        if self.application_id != application.id {
            return Err(invalid("it was issued to another application"));
        }
        match redirect_uri {
            Some(named) if named != self.redirect_uri => Err(invalid("redirect_uri is another one")),
            None if self.redirect_uri_asked => Err(invalid("redirect_uri is missing")),
            _ => Ok(()),
        }?;
        match (&self.code_challenge, code_verifier) {
            (None, None) => Ok(()),
            (Some(challenge), Some(verifier)) if challenge.is_of(verifier) => Ok(()),
            (Some(_), Some(_)) => Err(invalid("code_verifier is not that of code_challenge")),
            (Some(_), None) => Err(invalid("code_verifier is missing")),
            // RFC 9700 §4.8.2: somebody has taken the challenge out of the authorization request.
            (None, Some(_)) => Err(invalid("there is a code_verifier, and there was no code_challenge")),
        }
    }
}

/// Which check failed is for the operator's log.
pub fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::invalid_grant(
        "code is invalid, expired, already used, or does not fit redirect_uri or code_verifier",
    )
    .because(reason)
}
