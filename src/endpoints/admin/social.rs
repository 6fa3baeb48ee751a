//! What identity providers have given us.

use http::StatusCode;
use serde_json::json;

use super::{AdminError, authorized};
use crate::call::{Call, Response};
use crate::endpoints::respond;
use crate::grants::provider_token;

/// `GET /admin/api/users/{username}/social/{backend}/token`: for calls to the provider in the user's name.
pub async fn token(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let tokens = provider_token::find(call.capture(0), call.capture(1), call.app).await?;
        let tokens = tokens.ok_or(AdminError::NotFound)?;
        let body = json!({
            "access_token": tokens.access_token.expose(),
            "token_type": "Bearer",
            "expires_at": tokens.expires_at,
            "scope": tokens.scope,
        });
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}
