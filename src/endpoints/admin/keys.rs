//! What rotating `MASTER_KEY` leaves to be done.

use http::StatusCode;
use serde_json::json;

use super::authorized;
use super::reencrypt::{self, Cursor};
use crate::call::body::json_object;
use crate::call::{Call, Response};
use crate::endpoints::respond;
use crate::model::fields::Fields;

/// `POST /admin/api/reencrypt`: one bounded step; `next_cursor` says whether and where another one is due.
pub async fn reencrypt(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let mut start = None;
        if !call.request.body().is_empty() {
            let mut fields = Fields::new(json_object(call.request)?);
            if let Some(cursor) = fields.text("cursor") {
                let parsed = Cursor::parse(&cursor).ok_or("This is not a cursor of this list.");
                start = fields.check("cursor", parsed);
            }
            fields.finish()?;
        }
        let step = reencrypt::step(start.unwrap_or_else(Cursor::start), call.app).await?;
        let body = json!({
            "reencrypted": step.reencrypted,
            "unreadable": step.unreadable,
            "next_cursor": step.next.map(|cursor| cursor.to_text()),
        });
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}
