//! `/disconnect/{backend}/[{association_id}/]`: ends that an account at a provider lets somebody in here.

use crate::call::{Call, Response};
use crate::grants::disconnect;
use crate::model::id::SocialAccountId;
use crate::pages::english;
use crate::pages::error::{self, Instead};
use crate::pages::layout::see_other;
use crate::pages::person::{Person, after};
use crate::store::social_accounts::Disconnected;

/// `POST /disconnect/{backend}/` (all accounts there), `POST /disconnect/{backend}/{association_id}/` (one).
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, _) = Person::acting(call).await?;
    let account = match call.capture(1) {
        "" => None,
        text => Some(SocialAccountId::parse(text).ok_or_else(error::not_found)?),
    };
    let by = person.by(call);
    match disconnect::disconnect(&person.user().id, call.capture(0), account, by, call.app).await? {
        Disconnected::Yes(_) => Ok(see_other(&after("disconnected", call))),
        Disconnected::NotThere => Err(error::not_found().into()),
        Disconnected::LastWayIn => {
            Err(error::forbidden(english::LAST_WAY_IN, "it is the last way to log in").into())
        }
    }
}
