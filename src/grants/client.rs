//! The proof that a request comes from an application (RFC 6749 §2.3).

use std::rc::Rc;

use crate::app::App;
use crate::crypto::password_hash::PasswordMatch;
use crate::crypto::secret::{Secret, same_bytes};
use crate::model::application::{Application, SecretHash};
use crate::protocol::error::OAuthError;

/// A client that has proven who it is. Only [`AuthenticatedClient::prove`] makes one.
#[derive(Debug)]
pub struct AuthenticatedClient(Rc<Application>);

impl AuthenticatedClient {
    /// Takes what a client presented for a proof, or does not. A public client has no secret, and is who it says.
    ///
    /// # Errors
    /// - `invalid_client`: the application is disabled, or the secret is missing, wrong or one too many.
    pub fn prove(
        application: Rc<Application>,
        presented: Option<&Secret>,
        app: &App,
    ) -> Result<Self, OAuthError> {
        let is_proof = match (&application.secret_hash, presented) {
            (None, None) => true,
            (Some(hash), Some(secret)) => is_right(secret, hash, &application, app),
            _ => false,
        };
        if !is_proof {
            return Err(unproven("the secret is missing, wrong, or one too many"));
        }
        if !application.registration.is_active {
            return Err(unproven("the application is disabled"));
        }
        Ok(Self(application))
    }

    pub fn application(&self) -> &Application {
        &self.0
    }
}

/// What a client learns if its proof is no proof, whatever the reason.
pub fn unproven(reason: &'static str) -> OAuthError {
    OAuthError::invalid_client("client authentication failed").because(reason)
}

/// A chosen secret is hashed slowly once in an isolate; then a keyed digest of it is remembered.
fn is_right(secret: &Secret, hash: &SecretHash, application: &Application, app: &App) -> bool {
    let SecretHash::Slow(phc) = hash else {
        return hash.is_of_generated(secret);
    };
    let digest = app.settings.keys.first().memory_digest(phc, secret.expose());
    let proven = app.memory.borrow().proven_secret(&application.id);
    if proven.is_some_and(|proven| same_bytes(&proven, &digest)) {
        return true;
    }
    let is_right = app.settings.password_hasher.verify(secret.expose(), Some(phc)) != PasswordMatch::No;
    if is_right {
        app.memory.borrow_mut().remember_proven_secret(application.id, digest);
    }
    is_right
}
