//! Pages that say that something is wrong.

use http::StatusCode;
use http::header::RETRY_AFTER;

use super::english;
use super::layout::{Html, Page};
use crate::call::{Response, because, set};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::settings::SettingError;
use crate::store::database::StoreError;
use crate::tokens::revoke::RevocationFailed;

/// Nothing is here.
pub fn not_found() -> Response {
    Page::new(english::NOT_FOUND, paragraph(english::NOT_FOUND_TEXT)).status(StatusCode::NOT_FOUND).respond()
}

/// A setting cannot be used, so nothing can be answered. Names it, and never its value.
pub fn misconfigured(error: &SettingError) -> Response {
    let body = paragraph(&english::not_set_up(error)).with(&paragraph(english::NOT_SET_UP_HELP));
    Page::new(english::NOT_SET_UP, body).status(StatusCode::SERVICE_UNAVAILABLE).respond()
}

/// The request makes no sense, or not to us. Its description is shown.
pub fn refused(status: StatusCode, error: &OAuthError) -> Response {
    let body = paragraph(english::NOT_POSSIBLE_TEXT).with(&paragraph(error.description()));
    with_reason(Page::new(english::NOT_POSSIBLE, body).status(status), error)
}

/// Storage does not answer, or there were too many tries.
pub fn unavailable(error: &OAuthError) -> Response {
    let (status, text) = match (error.code(), error.retry_after_seconds()) {
        (ErrorCode::TooManyAttempts, Some(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, english::too_many(seconds))
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, english::TRY_LATER_TEXT.to_owned()),
    };
    with_reason(Page::new(english::TRY_LATER, paragraph(&text)).status(status), error)
}

/// A form that this browser was not shown, or not under this login.
pub fn old_form(message: &str) -> Response {
    forbidden(message, "the form does not bear a token of this browser")
}

/// Who is logged in may not do this. `reason` is for the log.
pub fn forbidden(message: &str, reason: &str) -> Response {
    let page = Page::new(english::NOT_POSSIBLE, paragraph(message)).status(StatusCode::FORBIDDEN);
    let mut response = page.respond();
    because(&mut response, "access_denied", reason.to_owned(), true);
    response
}

/// A field of the form, or of the page's address, has a value that no page of ours gives it.
pub fn bad_field(name: &str) -> Response {
    let error = OAuthError::invalid_request(format!("{name} is missing, or not what one of our pages sends"));
    refused(StatusCode::BAD_REQUEST, &error)
}

/// A page that is shown instead of the one that was asked for.
#[derive(Debug)]
pub struct Instead(pub Box<Response>);

impl From<Response> for Instead {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<OAuthError> for Instead {
    fn from(error: OAuthError) -> Self {
        unavailable(&error).into()
    }
}

impl From<StoreError> for Instead {
    fn from(error: StoreError) -> Self {
        OAuthError::from(error).into()
    }
}

impl From<RevocationFailed> for Instead {
    fn from(failed: RevocationFailed) -> Self {
        OAuthError::from(failed).into()
    }
}

/// Whichever page it is to be.
pub async fn either(page: impl Future<Output = Result<Response, Instead>>) -> Response {
    page.await.unwrap_or_else(|instead| *instead.0)
}

/// The page, and for the log why it is shown.
pub fn with_reason(page: Page, error: &OAuthError) -> Response {
    let mut response = page.respond();
    if let Some(seconds) = error.retry_after_seconds() {
        set(&mut response, RETRY_AFTER, &seconds.to_string());
    }
    let is_logged = error.code() != ErrorCode::TooManyAttempts;
    because(&mut response, error.code().as_str(), error.detail(), is_logged);
    response
}

fn paragraph(text: &str) -> Html {
    Html::markup("<p>").say(text).then("</p>")
}
