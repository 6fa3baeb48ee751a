//! Whether the server and what it stands on are well.

use http::StatusCode;
use serde_json::json;

use super::respond;
use crate::app::App;
use crate::call::{self, Call, Response};
use crate::model::time::Lifetime;
use crate::store::database;

/// How long an answer is kept: a probe each second by many must not be load.
const KEPT: Lifetime = Lifetime(2);

/// `GET /healthz`: 200 if D1 and KV answered just now; else 503 that names what did not.
pub async fn get(call: &Call<'_>) -> Response {
    let failed = failed(call.app).await;
    if failed.is_empty() {
        return respond::json(StatusCode::OK, &json!({"status": "ok"}));
    }
    let mut response =
        respond::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "unavailable", "failed": failed}));
    call::set(&mut response, http::header::RETRY_AFTER, "2");
    call::because(&mut response, "unhealthy", failed.join(", "), true);
    response
}

async fn failed(app: &App) -> Vec<&'static str> {
    let now = app.clock.now();
    let kept = app.memory.borrow().health.clone();
    if let Some((failed, _)) = kept.filter(|(_, until)| *until > now) {
        return failed;
    }
    let mut failed = Vec::new();
    if database::ping(&*app.db).await.is_err() {
        failed.push("d1");
    }
    if app.hot.get_many(&["healthz".to_owned()]).await.is_err() {
        failed.push("kv");
    }
    app.memory.borrow_mut().health = Some((failed.clone(), now + KEPT));
    failed
}
