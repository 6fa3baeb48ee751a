//! `/admin/api/applications`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{AdminError, Page, TRIES, authorized, merge_patch, refuse_changes};
use crate::app::App;
use crate::call::body::json_object;
use crate::call::{Call, Response};
use crate::crypto::secret::Secret;
use crate::endpoints::respond;
use crate::grants::registration::{self, NewApplication};
use crate::model::application::{
    Application, ClientType, Registration, check_client_id, check_client_secret,
};
use crate::model::audit::Action;
use crate::model::fields::{FieldErrors, Fields};
use crate::store::applications;
use crate::store::users;

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
        let registration = Registration::read(fields, &app.settings.scopes, &app.settings.redirect_schemes)?;
        check_owner(&registration, app).await?;
        if chosen.is_some() && registration.client_type == ClientType::Public {
            return Err(FieldErrors::one("client_secret", "A public application has no secret.").into());
        }
        let new = NewApplication { registration, client_id, client_secret: chosen, most: None };
        let Some((application, client_secret)) = registration::create(new, by, app).await? else {
            let errors = FieldErrors::one("client_id", "An application with this client_id exists.");
            return Err(AdminError::Taken(errors));
        };
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
/// becomes confidential is answered its new secret, and so is one that becomes one of OAuth 1.0a: of the old one there is a
/// hash alone.
pub async fn change(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        let patch = json_object(call.request)?;
        for _ in 0..TRIES {
            let current = find(call).await?;
            let (changed, client_secret) = patched(&current, patch.clone(), app)?;
            check_owner(&changed.registration, app).await?;
            let event = by.did(Action::ApplicationChanged, current.id);
            if registration::store(&current, &changed, &event, app).await? {
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
            let (changed, secret) = registration::with_new_secret(&current, app)?;
            let event = by.did(Action::SecretRotated, current.id);
            if registration::store(&current, &changed, &event, app).await? {
                return Ok(respond::json(StatusCode::OK, &with_secret(&changed, Some(&secret))));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

/// `DELETE /admin/api/applications/{client_id}`
pub async fn delete(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        for _ in 0..TRIES {
            let current = find(call).await?;
            if registration::delete(&current, by, call.app).await? {
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
    let registration = registration::read_change(current, merge_patch(object, patch), app)?;
    Ok(registration::changed(current, registration, app)?)
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
