//! The authorization response as a form (OAuth 2.0 Form Post Response Mode).

use super::english;
use super::form::{form, hidden, submit};
use super::layout::{Forms, Html, Page};
use crate::call::Response;
use crate::protocol::uri::policy_sources;

/// Posts `fields` to the application, by itself or, without scripts, at a click.
pub fn show(action: &str, fields: &[(&'static str, String)]) -> Response {
    let content = fields.iter().fold(Html::default(), |html, (name, value)| html.with(&hidden(name, value)));
    let body = form(action, &content.with(&submit(english::CONTINUE)));
    let forms = policy_sources(action).map_or(Forms::None, Forms::There);
    Page {
        forms,
        script: Some("document.forms[0].submit()"),
        ..Page::new(english::BACK_TO_APPLICATION, body)
    }
    .respond()
}
