//! `/admin/api/audit-events`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Page, authorized};
use crate::call::{Call, Response};
use crate::endpoints::respond;
use crate::model::fields::FieldErrors;
use crate::store::audit_events;

/// `GET /admin/api/audit-events`, the latest first.
pub async fn list(call: &Call<'_>) -> Response {
    authorized(call, async |_| {
        let page = Page::read(call)?;
        if page.search.is_some() {
            return Err(FieldErrors::one("search", "There is no such parameter.").into());
        }
        let before = match page.after.as_deref().map(str::parse) {
            None => LATEST,
            Some(Ok(id)) if id <= LATEST => id,
            Some(_) => return Err(FieldErrors::one("cursor", "This is not a cursor of this list.").into()),
        };
        let events = audit_events::list(before, page.limit, &*call.app.db).await?;
        let last = events.last().and_then(|event| event.get("id")).map(Value::to_string);
        let body = json!({"audit_events": events, "next_cursor": page.next(events.len(), last)});
        Ok(respond::json(StatusCode::OK, &body))
    })
    .await
}

/// Beyond any id: what a number in JavaScript can hold.
const LATEST: i64 = 1 << 53;
