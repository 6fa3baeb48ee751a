//! What a person sees whose application cannot be sent to (RFC 5849 §2.2): a desktop program, say.

use super::english;
use super::layout::{Html, Page};
use crate::call::Response;
use crate::model::application::Application;

/// The verifier, to be typed in there.
pub fn show_verifier(application: &Application, verifier: &str) -> Response {
    let body = Html::markup("<p>")
        .say(&english::verifier_text(application.shown_name()))
        .then("</p><p class=\"code\"><strong>")
        .say(verifier)
        .then("</strong></p>");
    Page::new(english::VERIFIER, body).respond()
}

pub fn show_refused(application: &Application) -> Response {
    let body = Html::markup("<p>").say(&english::not_agreed_text(application.shown_name())).then("</p>");
    Page::new(english::NOT_AGREED, body).respond()
}
