//! Finding out whether an access token is good: isolate → KV → D1. Each layer is bounded in size and time.

use std::iter;
use std::rc::Rc;

use super::record::{Judgement, Mark, Marks, TokenRecord, marks_of, record_key};
use super::token::AccessToken;
use crate::app::App;
use crate::memory::Accepted;
use crate::model::family::{Family, TokenDigest};
use crate::model::time::Timestamp;
use crate::store::database::StoreError;
use crate::store::families;

/// What was found of a token.
#[derive(Debug)]
pub enum Found {
    Good(Rc<TokenRecord>),
    /// Why, for the operator's log.
    Refused(&'static str),
}

/// Finds a token that bears our MAC. `fresh`: ask the database, not the caches.
///
/// # Errors
/// The database had to be asked and did not answer.
pub async fn find(token: &AccessToken, fresh: bool, now: Timestamp, app: &App) -> Result<Found, StoreError> {
    if !fresh {
        if let Some(found) = in_memory(token, now, app) {
            return Ok(found);
        }
        if let Some(found) = in_hot_tokens(token, now, app).await {
            return Ok(found);
        }
    }
    in_database(token, now, app).await
}

/// What this isolate knows of a token, if it does.
pub fn in_memory(token: &AccessToken, now: Timestamp, app: &App) -> Option<Found> {
    let memory = app.memory.borrow();
    let Some(accepted) = memory.accepted.get(token.mac()) else {
        return memory.refused.get(token.mac()).map(|reason| Found::Refused(reason));
    };
    if accepted.until <= now {
        return None;
    }
    let record = accepted.record.clone();
    if record.exp <= now {
        drop(memory);
        return Some(refuse(token, "the token has expired", now, app));
    }
    if accepted.unmarked_at == Some(memory.marked()) {
        return Some(Found::Good(record));
    }
    if memory.has_lost_ends_since(accepted.until - app.settings.validation_cache) {
        return None;
    }
    let marks = memory.own_marks(token);
    drop(memory);
    if marks == Marks::default() {
        note_unmarked(token, app);
        return Some(Found::Good(record));
    }
    match marks.judge(Some(TokenRecord::clone(&record)), app.settings.access_token_lifetime, now) {
        Judgement::Good(record) => Some(Found::Good(Rc::new(record))),
        Judgement::Refused(reason) => Some(refuse(token, reason, now, app)),
        Judgement::Unsure => None,
    }
}

/// None of the isolate's own marks is about the token: that need not be looked up again until there is another one.
fn note_unmarked(token: &AccessToken, app: &App) {
    let mut memory = app.memory.borrow_mut();
    let marked = memory.marked();
    if let Some(accepted) = memory.accepted.get_mut(token.mac()) {
        accepted.unmarked_at = Some(marked);
    }
}

/// One bulk read of the record and of all marks. KV failing is a miss, and so is a record that what was lost here could contradict.
async fn in_hot_tokens(token: &AccessToken, now: Timestamp, app: &App) -> Option<Found> {
    let marks = || iter::once(Mark::Replaced(token.digest())).chain(marks_of(token.holder()));
    let keys: Vec<String> =
        iter::once(record_key(token)).chain(marks().map(|mark| mark.to_string())).collect();
    let values = match app.hot.get_many(&keys).await {
        Ok(values) => values,
        Err(error) => {
            app.log.line(serde_json::json!({"level": "warning", "event": "kv_read_failed", "detail": error.to_string()}));
            return None;
        }
    };
    let (record, values) = values.split_first()?;
    let record = record.as_deref().and_then(|text| TokenRecord::from_stored(text, token, &app.settings.keys));
    let marks = Marks::read(marks().zip(values.iter().map(Option::as_deref)));
    let marks = marks.and(app.memory.borrow().own_marks(token));
    match marks.judge(record, app.settings.access_token_lifetime, now) {
        Judgement::Good(_) if app.memory.borrow().has_lost_lately(now) => None,
        Judgement::Good(record) => Some(accept(token, record, None, now, app)),
        Judgement::Refused(reason) => Some(refuse(token, reason, now, app)),
        Judgement::Unsure => None,
    }
}

/// The system of record. What is good is put back into KV.
async fn in_database(token: &AccessToken, now: Timestamp, app: &App) -> Result<Found, StoreError> {
    // What this isolate has ended by now, the database has ended.
    let marked = app.memory.borrow().marked();
    let family = families::find(&token.holder().family, &*app.db).await?;
    let record = match good_record(family.as_ref(), &token.digest(), now) {
        Ok(record) => record,
        Err(reason) => return Ok(refuse(token, reason, now, app)),
    };
    // A token with a longer life than today's setting could outlive the marks: it is asked for each time.
    if record.exp - record.iat <= app.settings.access_token_lifetime {
        put_later(token, &record, now, app);
    }
    Ok(accept(token, record, Some(marked), now, app))
}

/// The record of the access token with this digest, if the database holds it to be good.
///
/// # Errors
/// Why it is not, for the operator's log.
pub fn good_record(
    family: Option<&Family>,
    digest: &TokenDigest,
    now: Timestamp,
) -> Result<TokenRecord, &'static str> {
    let family = family.ok_or("the family is unknown")?;
    let issued = family.access_token(digest).ok_or("the token is unknown, or was replaced")?;
    let live = family.check_live()?;
    if issued.expires_at <= now {
        return Err("the token has expired");
    }
    Ok(TokenRecord::new(family, &live, issued))
}

/// Puts the record of a good token into KV, after the answer, until the token expires.
pub fn put_later(token: &AccessToken, record: &TokenRecord, now: Timestamp, app: &App) {
    let stored = record.to_stored(token, app.settings.keys.first());
    app.hot.put_later(&record_key(token), &stored, record.exp.remaining(now));
}

/// Unless this isolate has refused the token while it was being asked about: what was found is older then.
fn accept(
    token: &AccessToken,
    record: TokenRecord,
    unmarked_at: Option<u64>,
    now: Timestamp,
    app: &App,
) -> Found {
    let mut memory = app.memory.borrow_mut();
    if let Some(reason) = memory.refused.get(token.mac()) {
        return Found::Refused(reason);
    }
    let record = Rc::new(record);
    let remembered = app.settings.validation_cache;
    if remembered.seconds() > 0 {
        let accepted = Accepted { record: record.clone(), until: now + remembered, unmarked_at };
        memory.accepted.insert(*token.mac(), accepted);
    }
    Found::Good(record)
}

/// A token that was refused is never good again, so this is remembered without an end, and whatever the setting: KV may
/// still show it to be good.
fn refuse(token: &AccessToken, reason: &'static str, now: Timestamp, app: &App) -> Found {
    let mut memory = app.memory.borrow_mut();
    memory.accepted.remove(token.mac());
    memory.refused.insert(*token.mac(), reason, now);
    Found::Refused(reason)
}
