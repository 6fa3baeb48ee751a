//! Clearing away expired tokens.

use http::StatusCode;

use super::authorized;
use crate::call::{Call, Response};
use crate::endpoints::respond;
use crate::store::expired;

/// `POST /admin/api/cleartokens`: one bounded step; `more` says whether another one is due.
pub async fn clear(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let app = call.app;
        let cleared = expired::clear(app.settings.access_token_lifetime, app.clock.now(), &*app.db).await?;
        Ok(respond::json(StatusCode::OK, &cleared.to_json()))
    })
    .await
}
