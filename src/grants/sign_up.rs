//! Making a user.

use crate::app::App;
use crate::crypto::random_bytes;
use crate::model::audit::{Action, By};
use crate::model::fields::FieldErrors;
use crate::model::id::UserId;
use crate::model::user::{NewUser, User};
use crate::store::users;

/// Makes a user with a fresh id and a slow hash of the password; none if the name is taken.
///
/// # Errors
/// Why it could not be done now, for the operator's log.
pub async fn store(
    new_user: NewUser,
    by: impl FnOnce(UserId) -> By,
    action: Action,
    app: &App,
) -> Result<Option<User>, String> {
    let hash = |password: crate::crypto::secret::Secret| {
        app.settings.password_hasher.hash(password.expose(), random_bytes(&*app.random))
    };
    let user = User {
        id: UserId::random(&*app.random),
        profile: new_user.profile,
        password_hash: new_user.password.map(hash).transpose()?,
        token_epoch: 0,
        created_at: app.clock.now(),
        last_login_at: None,
    };
    let event = by(user.id).did(action, user.id);
    let is_stored = users::insert(&user, &event, &*app.db).await.map_err(|error| error.to_string())?;
    Ok(is_stored.then_some(user))
}

/// What is wrong with a name that somebody else has.
pub fn name_taken() -> FieldErrors {
    FieldErrors::one("username", "A user with that username already exists.")
}
