//! Registering an application, and changing what is registered: by the operator's API, and by its owner on the pages.

use serde_json::{Map, Value};

use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::random_bytes;
use crate::crypto::sealed::Purpose;
use crate::crypto::secret::Secret;
use crate::model::application::{Application, ClientType, Registration};
use crate::model::audit::{Action, AuditEvent, By};
use crate::model::fields::{FieldErrors, Fields};
use crate::model::id::ApplicationId;
use crate::model::stored_secret::StoredSecret;
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
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
    let id = ApplicationId::random(&*app.random);
    let client_secret = match new.registration.client_type {
        ClientType::Public => None,
        ClientType::Confidential => Some(match new.client_secret {
            Some(chosen) => ClientSecret { text: Secret::new(chosen), is_chosen: true },
            None => ClientSecret::generate(app),
        }),
    };
    let secret = match &client_secret {
        Some(secret) => Some(secret.to_stored(&id, &new.registration, app)?),
        None => None,
    };
    let application = Application {
        id,
        client_id: new.client_id.unwrap_or_else(|| generate_client_id(app)),
        secret,
        registration: new.registration,
        token_epoch: 0,
        revision: new_revision(app),
        created_at: app.clock.now(),
    };
    let event = by.did(Action::ApplicationCreated, application.id);
    let is_stored = applications::insert(&application, new.most, &event, &*app.db).await?;
    Ok(is_stored.then(|| (application, client_secret.map(|secret| secret.text))))
}

/// What is to be registered instead, from `fields`, a whole registration.
///
/// # Errors
/// By field, what is wrong.
pub fn read_change(
    current: &Application,
    fields: Map<String, Value>,
    app: &App,
) -> Result<Registration, FieldErrors> {
    // A scope that the settings have lost since may stay: it is not granted.
    let known = app.settings.scopes.iter().chain(current.registration.scope.iter()).collect();
    let schemes = app.settings.redirect_schemes.and_of(&current.registration.redirect_uris);
    Registration::read(Fields::new(fields), &known, &schemes)
}

/// The application with another registration; and its secret if it gets one by that.
///
/// # Errors
/// The secret could not be hashed.
pub fn changed(
    current: &Application,
    registration: Registration,
    app: &App,
) -> Result<(Application, Option<Secret>), StoreError> {
    let (secret, shown) = match registration.client_type {
        ClientType::Public => (None, None),
        ClientType::Confidential => {
            let (secret, shown) = kept_secret(current, &registration, app)?;
            (Some(secret), shown)
        }
    };
    Ok((Application { secret, registration, revision: new_revision(app), ..current.clone() }, shown))
}

/// Its secret as the registration needs it; and in clear if it is a new one, because there was none, or it can be read no
/// more: a hash leads to no clear text, nor does what a lost key has sealed.
fn kept_secret(
    current: &Application,
    registration: &Registration,
    app: &App,
) -> Result<(StoredSecret, Option<Secret>), StoreError> {
    let in_clear = current.consumer_secret(&app.settings.keys);
    match (&current.secret, in_clear) {
        (Some(secret), _) if secret.sealed().is_some() == is_sealed_for(registration) => {
            Ok((secret.clone(), None))
        }
        (Some(secret), Some(text)) => {
            let same = ClientSecret { text, is_chosen: secret.is_chosen() };
            Ok((same.to_stored(&current.id, registration, app)?, None))
        }
        _ => {
            let new = ClientSecret::generate(app);
            Ok((new.to_stored(&current.id, registration, app)?, Some(new.text)))
        }
    }
}

/// The application with another secret. A public one has none: that is for the caller to see.
///
/// # Errors
/// The secret could not be hashed.
pub fn with_new_secret(current: &Application, app: &App) -> Result<(Application, Secret), StoreError> {
    let new = ClientSecret::generate(app);
    let secret = Some(new.to_stored(&current.id, &current.registration, app)?);
    Ok((Application { secret, revision: new_revision(app), ..current.clone() }, new.text))
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
        && applications::delete(
            &disabled,
            &deleting,
            app.settings.access_token_lifetime,
            app.clock.now(),
            &*app.db,
        )
        .await?)
}

fn generate_client_id(app: &App) -> String {
    random_bytes::<16>(&*app.random).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A client secret in clear.
struct ClientSecret {
    text: Secret,
    is_chosen: bool,
}

impl ClientSecret {
    /// 256 random bits, with a prefix for secret scanners.
    fn generate(app: &App) -> Self {
        let random = base64url(&random_bytes::<32>(&*app.random));
        Self { text: Secret::new(format!("pst_cs_{random}")), is_chosen: false }
    }

    /// What is kept of it: sealed where the protocol needs it in clear, else hashed.
    fn to_stored(
        &self,
        id: &ApplicationId,
        registration: &Registration,
        app: &App,
    ) -> Result<StoredSecret, StoreError> {
        let text = self.text.expose();
        if is_sealed_for(registration) {
            let keys = &app.settings.keys;
            let sealed = keys.seal(Purpose::ClientSecret, &id.to_string(), text.as_bytes(), &*app.random);
            return Ok(match self.is_chosen {
                true => StoredSecret::SealedChosen(sealed),
                false => StoredSecret::Sealed(sealed),
            });
        }
        if !self.is_chosen {
            return Ok(StoredSecret::of_generated(&self.text));
        }
        let hash = app.settings.password_hasher.hash(text, random_bytes(&*app.random));
        Ok(StoredSecret::Slow(hash.map_err(StoreError)?))
    }
}

/// Signatures of OAuth 1.0a are computed from the secret itself (RFC 5849 §3.4.2).
fn is_sealed_for(registration: &Registration) -> bool {
    registration.grant_types.contains(&GrantType::OAuth1)
}

fn new_revision(app: &App) -> String {
    base64url(&random_bytes::<12>(&*app.random))
}
