//! The proof that a request comes from an application (RFC 6749 §2.3).

use std::rc::Rc;

use super::guessing::{self, Account, Counting};
use crate::app::App;
use crate::crypto::password_hash::PasswordMatch;
use crate::crypto::secret::{Secret, same_bytes};
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::id::ApplicationId;
use crate::model::stored_secret::StoredSecret;
use crate::protocol::error::OAuthError;
use crate::store::applications;
use crate::store::database::StoreError;

/// An application, from the isolate's memory, or the database; and whether it was the memory.
///
/// # Errors
/// The database did not answer.
pub async fn find(client_id: &str, app: &App) -> Result<Option<(Rc<Application>, bool)>, StoreError> {
    let remembered = app.memory.borrow().application(client_id, app.clock.now());
    if let Some(application) = remembered {
        return Ok(Some((application, true)));
    }
    let found = applications::find_by_client_id(client_id, &*app.db).await?.map(Rc::new);
    if let Some(application) = &found {
        app.memory.borrow_mut().remember_application(application.clone(), app.clock.now());
    }
    Ok(found.map(|application| (application, false)))
}

/// A client that has proven who it is. Only [`AuthenticatedClient::prove`] makes one.
#[derive(Debug)]
pub struct AuthenticatedClient(Rc<Application>);

impl AuthenticatedClient {
    /// Takes what a client presented for a proof, or does not. A public client has no secret, and is who it says.
    ///
    /// # Errors
    /// - `invalid_client`: the application is disabled, or the secret is missing, wrong or one too many.
    /// - 429: there were too many wrong secrets from the address.
    pub async fn prove(
        application: Rc<Application>,
        presented: Option<&Secret>,
        attempt: &mut SecretAttempt,
        app: &App,
    ) -> Result<Self, OAuthError> {
        let is_proof = match (&application.secret, presented) {
            (None, None) => true,
            (Some(stored), Some(secret)) if stored.is_chosen() => {
                is_chosen(secret, stored, &application, attempt, app).await?
            }
            (Some(stored), Some(secret)) => is_right(secret, stored, &application, app),
            _ => false,
        };
        if !is_proof {
            return Err(unproven(match application.has_lost_secret(&app.settings.keys) {
                true => "no key of MASTER_KEY opens the secret: rotate it",
                false => "the secret is missing, wrong, or one too many",
            }));
        }
        if !application.registration.is_active {
            return Err(unproven("the application is disabled"));
        }
        if let Some(counting) = attempt.counting.take() {
            counting.attempt.settle(&*app.db).await?;
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

/// A try at the secret of an application: counted once, however often it is looked at.
#[derive(Debug)]
pub struct SecretAttempt {
    address: Option<Address>,
    counting: Option<Counting>,
}

impl SecretAttempt {
    pub fn from(address: Option<Address>) -> Self {
        Self { address, counting: None }
    }

    /// Counts the try if it has not been.
    ///
    /// # Errors
    /// - 429: there were too many wrong secrets from the address.
    pub async fn count(
        &mut self,
        application: Option<ApplicationId>,
        app: &App,
    ) -> Result<Counting, OAuthError> {
        let counting = match self.counting.take() {
            Some(counting) => counting,
            None => guessing::count(application.map(Account::Application), self.address, app).await?,
        };
        self.counting = Some(counting.clone());
        Ok(counting)
    }
}

/// Looks at a secret. One that is sealed is compared in constant time.
fn is_right(secret: &Secret, stored: &StoredSecret, application: &Application, app: &App) -> bool {
    match stored {
        StoredSecret::Slow(phc) => {
            app.settings.password_hasher.verify(secret.expose(), Some(phc)) != PasswordMatch::No
        }
        StoredSecret::Sha256(_) => stored.is_hash_of(secret),
        StoredSecret::Sealed(_) | StoredSecret::SealedChosen(_) => {
            consumer_secret(application, app).is_some_and(|ours| ours == *secret)
        }
    }
}

/// The secret of an application that signs its requests, in clear. An isolate opens it once: that takes as long as reading
/// half a signed request.
pub fn consumer_secret(application: &Application, app: &App) -> Option<Secret> {
    let sealed = application.secret.as_ref()?.sealed()?;
    let remembered = app.memory.borrow().consumer_secret(&application.id, sealed);
    if remembered.is_some() {
        return remembered;
    }
    let secret = application.consumer_secret(&app.settings.keys)?;
    app.memory.borrow_mut().remember_consumer_secret(application.id, sealed, &secret);
    Some(secret)
}

/// A chosen secret is looked at once in an isolate, where it is hashed slowly; then a keyed digest of it is remembered. A
/// generated one cannot be guessed: nothing is counted before it is looked at, and nobody can lock its application out. The
/// digest tells a wrong secret uncounted, so that one is counted wherever it comes from.
async fn is_chosen(
    secret: &Secret,
    stored: &StoredSecret,
    application: &Application,
    attempt: &mut SecretAttempt,
    app: &App,
) -> Result<bool, OAuthError> {
    let digest = app.settings.keys.first().memory_digest(&stored.to_stored(), secret.expose());
    let proven = app.memory.borrow().proven_secret(&application.id);
    let is_known = proven.is_some_and(|proven| same_bytes(&proven, &digest));
    if guessing::is_locked_here(application.id, app) {
        guessing::check_address(attempt.address, app)?;
    } else if is_known {
        return Ok(true);
    } else {
        guessing::doubt(application.id, app);
    }
    let counting = attempt.count(Some(application.id), app).await?;
    let is_right = is_right(secret, stored, application, app);
    if counting.is_refused(is_right, app).await? {
        return Ok(false);
    }
    app.memory.borrow_mut().remember_proven_secret(application.id, digest);
    Ok(true)
}
