//! `/admin/api/applications`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{AdminError, Page, TRIES, authorized, merge_patch, refuse_changes};
use crate::app::App;
use crate::call::body::json_object;
use crate::call::{Call, Response};
use crate::crypto::encoding::base64url;
use crate::crypto::random_bytes;
use crate::crypto::secret::Secret;
use crate::endpoints::respond;
use crate::model::application::{
    Application, ClientType, Registration, SecretHash, check_client_id, check_client_secret,
};
use crate::model::audit::{Action, AuditEvent};
use crate::model::fields::{FieldErrors, Fields};
use crate::model::id::ApplicationId;
use crate::store::applications::{self, Changed};
use crate::store::users;
use crate::tokens::revoke;

/// `POST /admin/api/applications`
pub async fn create(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        let mut fields = Fields::new(json_object(call.request)?);
        let client_id =
            fields.text("client_id").filter(|id| fields.check("client_id", check_client_id(id)).is_some());
        let chosen = fields
            .text("client_secret")
            .filter(|secret| fields.check("client_secret", check_client_secret(secret)).is_some());
        let registration = Registration::read(fields, &app.settings.scopes)?;
        check_owner(&registration, app).await?;
        if chosen.is_some() && registration.client_type == ClientType::Public {
            return Err(FieldErrors::one("client_secret", "A public application has no secret.").into());
        }
        let (client_secret, secret_hash) = match (registration.client_type, chosen) {
            (ClientType::Public, _) => (None, None),
            (ClientType::Confidential, Some(chosen)) => {
                let hash = app.settings.password_hasher.hash(&chosen, random_bytes(&*app.random));
                let hash = hash.map_err(crate::store::database::StoreError)?;
                (Some(Secret::new(chosen)), Some(SecretHash::Slow(hash)))
            }
            (ClientType::Confidential, None) => {
                let secret = generate_secret(app);
                let hash = SecretHash::of_generated(&secret);
                (Some(secret), Some(hash))
            }
        };
        let application = Application {
            id: ApplicationId::random(&*app.random),
            client_id: client_id.unwrap_or_else(|| generate_client_id(app)),
            secret_hash,
            registration,
            token_epoch: 0,
            revision: new_revision(app),
            created_at: app.clock.now(),
        };
        let event = by.did(Action::ApplicationCreated, application.id);
        if !applications::insert(&application, &event, &*app.db).await? {
            return Err(AdminError::Taken(FieldErrors::one(
                "client_id",
                "An application with this client_id exists.",
            )));
        }
        Ok(respond::json(StatusCode::CREATED, &with_secret(&application, client_secret.as_ref())))
    })
    .await
}

/// `GET /admin/api/applications`
pub async fn list(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let page = Page::read(call)?;
        if page.search.is_some() {
            return Err(FieldErrors::one("search", "There is no such parameter.").into());
        }
        let after = page.after.as_deref().unwrap_or("");
        let found = applications::list(after, page.limit, &*call.app.db).await?;
        let last = found.last().map(|application| application.client_id.clone());
        let shown: Vec<Map<String, Value>> = found.iter().map(Application::to_json).collect();
        let body = json!({"applications": shown, "next_cursor": page.next(found.len(), last)});
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /admin/api/applications/{client_id}`
pub async fn read(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let application = find(call).await?;
        Ok(respond::json(StatusCode::OK, &Value::Object(application.to_json())))
    })
    .await
}

/// `PATCH /admin/api/applications/{client_id}` (RFC 7396). Disabling it ends its tokens. A public application that
/// becomes confidential is answered its new secret.
pub async fn change(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        let patch = json_object(call.request)?;
        for _ in 0..TRIES {
            let current = find(call).await?;
            let (changed, client_secret) = patched(&current, patch.clone(), app)?;
            check_owner(&changed.registration, app).await?;
            let event = by.did(Action::ApplicationChanged, current.id);
            if store(&current, &changed, &event, app).await? {
                return Ok(respond::json(StatusCode::OK, &with_secret(&changed, client_secret.as_ref())));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

/// `POST /admin/api/applications/{client_id}/rotate-secret`: from now on only the answered secret is good.
pub async fn rotate_secret(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        for _ in 0..TRIES {
            let current = find(call).await?;
            if current.is_public() {
                return Err(FieldErrors::one("client_type", "A public application has no secret.").into());
            }
            let secret = generate_secret(app);
            let mut changed = current.clone();
            changed.secret_hash = Some(SecretHash::of_generated(&secret));
            changed.revision = new_revision(app);
            let event = by.did(Action::SecretRotated, current.id);
            if store(&current, &changed, &event, app).await? {
                return Ok(respond::json(StatusCode::OK, &with_secret(&changed, Some(&secret))));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

/// `DELETE /admin/api/applications/{client_id}`. Its tokens are ended first: should that fail, the application is
/// still there to be deleted again.
pub async fn delete(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        for _ in 0..TRIES {
            let current = find(call).await?;
            let mut disabled = current.clone();
            disabled.registration.is_active = false;
            disabled.revision = new_revision(app);
            let disabling = by.did(Action::ApplicationChanged, current.id);
            let deleting = by.did(Action::ApplicationDeleted, current.id);
            if store(&current, &disabled, &disabling, app).await?
                && applications::delete(&disabled, &deleting, app.clock.now(), &*app.db).await?
            {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

async fn find(call: &Call<'_>) -> Result<Application, AdminError> {
    let found = applications::find_by_client_id(call.capture(0), &*call.app.db).await?;
    found.ok_or(AdminError::NotFound)
}

/// Stores a change unless somebody else was faster, and ends the tokens of what is disabled.
async fn store(
    current: &Application,
    changed: &Application,
    event: &AuditEvent,
    app: &App,
) -> Result<bool, AdminError> {
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

/// The application as the patch wants it, and its secret if it gets one by that.
fn patched(
    current: &Application,
    mut patch: Map<String, Value>,
    app: &App,
) -> Result<(Application, Option<Secret>), AdminError> {
    let shown = Value::Object(current.to_json());
    refuse_changes(&mut patch, &shown, &["client_id", "client_secret", "created_at"])?;
    let mut object = current.registration.to_json();
    // What a public application says here does not fit a confidential one, and the other way round.
    if patch.get("client_type").is_some_and(|wanted| Some(wanted) != shown.get("client_type")) {
        object.remove("token_endpoint_auth_method");
    }
    // A scope that the settings have lost since may stay: it is not granted.
    let known = app.settings.scopes.iter().chain(current.registration.scope.iter()).collect();
    let registration = Registration::read(Fields::new(merge_patch(object, patch)), &known)?;
    let (client_secret, secret_hash) = match (registration.client_type, &current.secret_hash) {
        (ClientType::Public, _) => (None, None),
        (ClientType::Confidential, Some(hash)) => (None, Some(hash.clone())),
        (ClientType::Confidential, None) => {
            let secret = generate_secret(app);
            let hash = SecretHash::of_generated(&secret);
            (Some(secret), Some(hash))
        }
    };
    let changed = Application { secret_hash, registration, revision: new_revision(app), ..current.clone() };
    Ok((changed, client_secret))
}

async fn check_owner(registration: &Registration, app: &App) -> Result<(), AdminError> {
    let Some(owner) = &registration.owner else {
        return Ok(());
    };
    match users::find_by_username(owner, &*app.db).await? {
        Some(_) => Ok(()),
        None => Err(FieldErrors::one("owner", "There is no user of this name.").into()),
    }
}

/// The one answer that shows a secret.
fn with_secret(application: &Application, secret: Option<&Secret>) -> Value {
    let mut object = application.to_json();
    if let Some(secret) = secret {
        object.insert("client_secret".to_owned(), secret.expose().into());
    }
    Value::Object(object)
}

fn generate_client_id(app: &App) -> String {
    random_bytes::<16>(&*app.random).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 256 random bits, with a prefix for secret scanners.
fn generate_secret(app: &App) -> Secret {
    Secret::new(format!("pst_cs_{}", base64url(&random_bytes::<32>(&*app.random))))
}

fn new_revision(app: &App) -> String {
    base64url(&random_bytes::<12>(&*app.random))
}
