//! `/disconnect/{backend}/[{association_id}/]`: ends that an account at a provider lets somebody in here.

use http::StatusCode;

use crate::call::{Call, Response};
use crate::grants::disconnect;
use crate::model::id::SocialAccountId;
use crate::pages::english;
use crate::pages::error::{self, Instead};
use crate::pages::form::text;
use crate::pages::home::link;
use crate::pages::layout::{Page, see_other};
use crate::pages::person::{Person, after};
use crate::protocol::error::OAuthError;
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
        Disconnected::LastWayIn => Ok(last_way_in(call)),
    }
}

/// What they can do first.
fn last_way_in(call: &Call<'_>) -> Response {
    let issuer = &call.issuer;
    let body = text(english::LAST_WAY_IN)
        .then("<p class=\"links\">")
        .with(&link(&format!("{issuer}/account/"), english::ACCOUNT))
        .with(&link(&format!("{issuer}/accounts/password/"), english::CHANGE_PASSWORD))
        .then("</p>");
    let page = Page::new(english::NOT_POSSIBLE, body).status(StatusCode::FORBIDDEN);
    let reason = OAuthError::access_denied("nothing is unlinked").because("it is the last way to log in");
    error::with_reason(page, &reason)
}
