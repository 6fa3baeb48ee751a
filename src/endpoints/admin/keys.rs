//! What rotating `MASTER_KEY` leaves to be done.

use http::StatusCode;
use serde_json::json;

use super::authorized;
use crate::call::body::json_object;
use crate::call::{Call, Response};
use crate::endpoints::respond;
use crate::model::fields::Fields;
use crate::model::id::SocialAccountId;
use crate::social::reencrypt;

/// `POST /admin/api/reencrypt`: one bounded step; `next_cursor` says whether and where another one is due.
pub async fn reencrypt(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let mut after = None;
        if !call.request.body().is_empty() {
            let mut fields = Fields::new(json_object(call.request)?);
            if let Some(cursor) = fields.text("cursor") {
                let parsed = SocialAccountId::parse(&cursor).ok_or("This is not a cursor of this list.");
                after = fields.check("cursor", parsed);
            }
            fields.finish()?;
        }
        let step = reencrypt::step(after, call.app).await?;
        let body = json!({
            "reencrypted": step.reencrypted,
            "unreadable": step.unreadable,
            "next_cursor": step.last.map(|id| id.to_string()),
        });
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}
