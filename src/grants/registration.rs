//! Registering an application, and changing what is registered: by the operator's API, and by its owner on the pages.

use serde_json::{Map, Value};

use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::random_bytes;
use crate::crypto::secret::Secret;
use crate::model::application::{Application, ClientType, Registration, SecretHash};
use crate::model::audit::{Action, AuditEvent, By};
use crate::model::fields::{FieldErrors, Fields};
use crate::model::id::ApplicationId;
use crate::protocol::error::OAuthError;
use crate::store::applications::{self, Changed};
use crate::store::database::StoreError;
use crate::tokens::revoke;

/// How often something is read and changed anew because somebody else changed it in between.
pub const TRIES: usize = 3;

/// An application about to be registered.
pub struct NewApplication {
    pub registration: Registration,
    /// None: one is generated.
    pub client_id: Option<String>,
    /// None: one is generated, if it needs one. A public application has none.
    pub client_secret: Option<String>,
    /// Its owner may have so many.
    pub most: Option<i64>,
}

/// Registers an application. Returns it with the secret, to be shown this once; none if its `client_id` is taken, or its
/// owner has too many or is gone.
///
/// # Errors
/// The database did not answer, or the secret could not be hashed.
pub async fn create(
    new: NewApplication,
    by: By,
    app: &App,
) -> Result<Option<(Application, Option<Secret>)>, StoreError> {
    let (client_secret, secret_hash) = match (new.registration.client_type, new.client_secret) {
        (ClientType::Public, _) => (None, None),
        (ClientType::Confidential, Some(chosen)) => {
            let hash = app.settings.password_hasher.hash(&chosen, random_bytes(&*app.random));
            (Some(Secret::new(chosen)), Some(SecretHash::Slow(hash.map_err(StoreError)?)))
        }
        (ClientType::Confidential, None) => {
            let (secret, hash) = generate_secret(app);
            (Some(secret), Some(hash))
        }
    };
    let application = Application {
        id: ApplicationId::random(&*app.random),
        client_id: new.client_id.unwrap_or_else(|| generate_client_id(app)),
        secret_hash,
        registration: new.registration,
        token_epoch: 0,
        revision: new_revision(app),
        created_at: app.clock.now(),
    };
    let event = by.did(Action::ApplicationCreated, application.id);
    let is_stored = applications::insert(&application, new.most, &event, &*app.db).await?;
    Ok(is_stored.then_some((application, client_secret)))
}

/// The application as `fields`, a whole registration, want it; and its secret if it gets one by that.
///
/// # Errors
/// By field, what is wrong.
pub fn changed(
    current: &Application,
    fields: Map<String, Value>,
    app: &App,
) -> Result<(Application, Option<Secret>), FieldErrors> {
    // A scope that the settings have lost since may stay: it is not granted.
    let known = app.settings.scopes.iter().chain(current.registration.scope.iter()).collect();
    let schemes = app.settings.redirect_schemes.and_of(&current.registration.redirect_uris);
    let registration = Registration::read(Fields::new(fields), &known, &schemes)?;
    let (client_secret, secret_hash) = match (registration.client_type, &current.secret_hash) {
        (ClientType::Public, _) => (None, None),
        (ClientType::Confidential, Some(hash)) => (None, Some(hash.clone())),
        (ClientType::Confidential, None) => {
            let (secret, hash) = generate_secret(app);
            (Some(secret), Some(hash))
        }
    };
    let changed = Application { secret_hash, registration, revision: new_revision(app), ..current.clone() };
    Ok((changed, client_secret))
}

/// The application with another secret. A public one has none: that is for the caller to see.
pub fn with_new_secret(current: &Application, app: &App) -> (Application, Secret) {
    let (secret, hash) = generate_secret(app);
    (Application { secret_hash: Some(hash), revision: new_revision(app), ..current.clone() }, secret)
}

/// Stores a change unless somebody else was faster, and ends the tokens of what is disabled. True if it was stored.
///
/// # Errors
/// The database or KV did not answer.
pub async fn store(
    current: &Application,
    changed: &Application,
    event: &AuditEvent,
    app: &App,
) -> Result<bool, OAuthError> {
    let ends_tokens = current.registration.is_active && !changed.registration.is_active;
    let Changed::Yes { token_epoch } =
        applications::update(current, changed, ends_tokens, event, app.clock.now(), &*app.db).await?
    else {
        return Ok(false);
    };
    app.memory.borrow_mut().forget_application(&current.client_id);
    // Also where nothing ends now: the mark may be what failed when something did.
    if token_epoch > 0 {
        revoke::mark_application(&current.id, token_epoch, app).await?;
    }
    Ok(true)
}

/// Deletes an application unless somebody else changed it in between. Its tokens are ended first: should that fail, the
/// application is still there to be deleted again. True if it is gone.
///
/// # Errors
/// The database or KV did not answer.
pub async fn delete(current: &Application, by: By, app: &App) -> Result<bool, OAuthError> {
    let mut disabled = current.clone();
    disabled.registration.is_active = false;
    disabled.revision = new_revision(app);
    let disabling = by.did(Action::ApplicationChanged, current.id);
    let deleting = by.did(Action::ApplicationDeleted, current.id);
    Ok(store(current, &disabled, &disabling, app).await?
        && applications::delete(&disabled, &deleting, app.clock.now(), &*app.db).await?)
}

fn generate_client_id(app: &App) -> String {
    random_bytes::<16>(&*app.random).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 256 random bits, with a prefix for secret scanners; and what is kept of them.
fn generate_secret(app: &App) -> (Secret, SecretHash) {
    let secret = Secret::new(format!("pst_cs_{}", base64url(&random_bytes::<32>(&*app.random))));
    let hash = SecretHash::of_generated(&secret);
    (secret, hash)
}

fn new_revision(app: &App) -> String {
    base64url(&random_bytes::<12>(&*app.random))
}
