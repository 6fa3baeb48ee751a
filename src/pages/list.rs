//! Lists that go on on another page, and what stands in them.

use super::english;
use super::error::{Instead, bad_field};
use super::home::link;
use super::layout::Html;
use crate::call::Call;
use crate::model::id::ApplicationId;
use crate::model::time::Timestamp;
use crate::protocol::params::Params;

/// After which application the page begins; empty: at the beginning.
///
/// # Errors
/// A page: the address has something else there.
pub fn cursor(call: &Call<'_>) -> Result<String, Instead> {
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    match query.optional("cursor") {
        None => Ok(String::new()),
        Some(cursor) if ApplicationId::parse(cursor).is_some() => Ok(cursor.to_owned()),
        Some(_) => Err(bad_field("cursor").into()),
    }
}

/// The link to the next page, if this one is full.
pub fn more(url: &str, rows: usize, limit: i64, last: Option<ApplicationId>) -> Html {
    let is_full = i64::try_from(rows).is_ok_and(|rows| rows >= limit);
    match last.filter(|_| is_full) {
        Some(last) => {
            Html::markup("<p>").with(&link(&format!("{url}?cursor={last}"), english::MORE)).then("</p>")
        }
        None => Html::default(),
    }
}

/// A moment, in UTC: people read minutes.
pub fn time(at: Timestamp) -> Html {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or_default();
    let minute = time.get(..5).unwrap_or(time);
    let html = Html::markup("<time datetime=\"").say(&text).then("\">").say(date).then(" ");
    html.say(minute).then(" UTC</time>")
}
