//! `/admin/api/users`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{AdminError, Page, TRIES, authorized, merge_patch, refuse_changes};
use crate::app::App;
use crate::call::body::json_object;
use crate::call::{Call, Response};
use crate::crypto::random_bytes;
use crate::endpoints::respond;
use crate::grants::sign_up::{name_taken, store};
use crate::model::audit::{Action, AuditEvent, By};
use crate::model::fields::{FieldErrors, Fields};
use crate::model::user::{NewUser, Profile, User, required_password};
use crate::model::username;
use crate::store::database::StoreError;
use crate::store::users::{self, Changed};
use crate::tokens::revoke;

/// `POST /admin/api/users`
pub async fn create(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let new_user = NewUser::from_operator(Fields::new(json_object(call.request)?))?;
        match store(new_user, |_| by, Action::UserCreated, call.app).await.map_err(StoreError)? {
            Some(user) => Ok(respond::json(StatusCode::CREATED, &user.to_json())),
            None => Err(AdminError::Taken(name_taken())),
        }
    })
    .await
}

/// `GET /admin/api/users`, in the order of their names; `search` is the beginning of a name or e-mail.
pub async fn list(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let page = Page::read(call)?;
        // No key holds a NUL, so it can stand between key and id.
        let after = page.after.as_deref().map(|cursor| cursor.split_once('\0'));
        if after == Some(None) {
            return Err(FieldErrors::one("cursor", "This is not a cursor of this list.").into());
        }
        let after = after.flatten();
        let found = users::list(after, page.search.as_deref(), page.limit, &*call.app.db).await?;
        let last = found.last().map(|user| format!("{}\0{}", username::key(&user.profile.username), user.id));
        let shown: Vec<Value> = found.iter().map(User::to_json).collect();
        let body = json!({"users": shown, "next_cursor": page.next(found.len(), last)});
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}

/// `GET /admin/api/users/{username}`
pub async fn read(call: &Call<'_>) -> Response {
    authorized(call, async |_| Ok(respond::json(StatusCode::OK, &find(call).await?.to_json()))).await
}

/// `PATCH /admin/api/users/{username}` (RFC 7396). Disabling or renaming a user ends their tokens; a new e-mail is unverified unless
/// the patch says otherwise.
pub async fn change(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let patch = json_object(call.request)?;
        for _ in 0..TRIES {
            let current = find(call).await?;
            let profile = patched(&current, patch.clone())?;
            if store_change(&current, &profile, by, call.app).await?.is_some() {
                let changed = User { profile, ..current };
                return Ok(respond::json(StatusCode::OK, &changed.to_json()));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

/// `DELETE /admin/api/users/{username}`. Their tokens are ended first: should that fail, the user is still there to be
/// deleted again.
pub async fn delete(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        for _ in 0..TRIES {
            let current = find(call).await?;
            let disabled = Profile { is_active: false, ..current.profile.clone() };
            let Some(token_epoch) = store_change(&current, &disabled, by, call.app).await? else {
                continue;
            };
            let event = by.did(Action::UserDeleted, current.id);
            if users::delete(
                &current.id,
                token_epoch,
                &event,
                call.app.settings.access_token_lifetime,
                call.app.clock.now(),
                &*call.app.db,
            )
            .await?
            {
                return Ok(respond::empty(StatusCode::NO_CONTENT));
            }
        }
        Err(AdminError::Conflict)
    })
    .await
}

/// `POST /admin/api/users/{username}/set-password`: ends all tokens of the user, too.
pub async fn set_password(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let app = call.app;
        let user = find(call).await?;
        let mut fields = Fields::new(json_object(call.request)?);
        let password = required_password(&mut fields, &user.profile.username);
        fields.finish()?;
        let hash = password.map(|password| {
            app.settings
                .password_hasher
                .hash(password.expose(), random_bytes(&*app.random))
                .map_err(StoreError)
        });
        let hash = hash.transpose()?;
        end_tokens(&user, hash.as_deref(), by.did(Action::PasswordSet, user.id), app).await
    })
    .await
}

/// `POST /admin/api/users/{username}/logout`: everywhere.
pub async fn log_out(call: &Call<'_>) -> Response {
    authorized(call, async |by| {
        let user = find(call).await?;
        end_tokens(&user, None, by.did(Action::UserLoggedOut, user.id), call.app).await
    })
    .await
}

async fn end_tokens(
    user: &User,
    password_hash: Option<&str>,
    event: AuditEvent,
    app: &App,
) -> Result<Response, AdminError> {
    match revoke::end_user_tokens(&user.id, password_hash, &event, app).await? {
        true => Ok(respond::empty(StatusCode::NO_CONTENT)),
        false => Err(AdminError::NotFound),
    }
}

async fn find(call: &Call<'_>) -> Result<User, AdminError> {
    users::find_by_username(call.capture(0), &*call.app.db).await?.ok_or(AdminError::NotFound)
}

/// Stores a change unless somebody else was faster, and ends the tokens of who is disabled or renamed. Returns the
/// user's token epoch, if it was stored.
async fn store_change(
    current: &User,
    profile: &Profile,
    by: By,
    app: &App,
) -> Result<Option<i64>, AdminError> {
    // What KV holds of a token has the name in it: somebody else may take the old one tomorrow.
    let is_renamed = current.profile.username != profile.username;
    let ends_tokens = is_renamed || (current.profile.is_active && !profile.is_active);
    let event = by.did(Action::UserChanged, current.id);
    match users::update(current, profile, ends_tokens, &event, app.clock.now(), &*app.db).await? {
        Changed::Conflict => Ok(None),
        Changed::NameTaken => Err(AdminError::Taken(name_taken())),
        Changed::Yes { token_epoch } => {
            // Also where nothing ends now: the mark may be what failed when something did.
            if token_epoch > 0 {
                revoke::mark_user(&current.id, token_epoch, app).await?;
            }
            Ok(Some(token_epoch))
        }
    }
}

fn patched(current: &User, mut patch: Map<String, Value>) -> Result<Profile, AdminError> {
    refuse_changes(&mut patch, &current.to_json(), &["id", "created_at", "last_login_at", "password"])?;
    let says_verified = patch.contains_key("email_verified");
    let named: Vec<String> = patch.keys().cloned().collect();
    let mut fields = Fields::new(merge_patch(current.profile.to_json(), patch));
    let mut profile = Profile::read(&mut fields);
    // An imported user may have what we would not accept: the patch answers for what it names.
    fields.finish().or_else(|errors| errors.among(&named))?;
    if profile.email != current.profile.email && !says_verified {
        profile.email_verified = false;
    }
    Ok(profile)
}
