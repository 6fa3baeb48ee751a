//! Pages that say that something is wrong.

use http::StatusCode;

use super::layout::{Html, page};
use crate::settings::SettingError;

/// Nothing is here.
pub fn not_found() -> http::Response<Vec<u8>> {
    page(StatusCode::NOT_FOUND, "Not found", &Html::markup("<p>There is no page at this address.</p>"))
}

/// A setting cannot be used, so nothing can be answered. Names it, and never its value.
pub fn misconfigured(error: &SettingError) -> http::Response<Vec<u8>> {
    let body = Html::markup("<p>This server is not set up: ")
        .with(&Html::text(&error.to_string()))
        .then(".</p><p>If it is yours, set it and deploy again.</p>");
    page(StatusCode::SERVICE_UNAVAILABLE, "Not set up", &body)
}
