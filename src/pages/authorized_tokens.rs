//! `/o/authorized_tokens/`: what a person has authorized, and the way to end it.

use super::consent::words;
use super::english;
use super::error::{Instead, not_found};
use super::form::{form, submit_or_cancel};
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::list::{cursor, more, time};
use super::person::Person;
use crate::call::{Call, Response};
use crate::model::audit::Action;
use crate::model::id::GrantId;
use crate::store::grants::{self, ListedGrant};
use crate::tokens::revoke;

/// So many stand on one page.
const LIMIT: i64 = 200;

/// `GET /o/authorized_tokens/`
///
/// # Errors
/// Another page.
pub async fn list(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let found = grants::list(&person.user().id, &cursor(call)?, LIMIT, &*call.app.db).await?;
    let url = here(call);
    let mut body = match found.is_empty() {
        true => Html::markup("<p>").say(english::NOTHING_AUTHORIZED).then("</p>"),
        false => Html::markup("<ul class=\"list\">"),
    };
    for grant in &found {
        body = body
            .then("<li>")
            .with(&describe(grant, call))
            .then("<p>")
            .with(&link(&format!("{url}{}/delete/", grant.id), &english::end_grant(name(grant))))
            .then("</p></li>");
    }
    body = body.then(if found.is_empty() { "" } else { "</ul>" });
    let last = found.last().map(|grant| grant.application_id);
    body = body
        .with(&more(&url, found.len(), LIMIT, last))
        .then("<p>")
        .with(&link(&format!("{}/account/", call.issuer), english::ACCOUNT))
        .then("</p>");
    Ok(person.visitor.show(Page::new(english::AUTHORIZED, body).respond(), call))
}

/// `GET /o/authorized_tokens/{id}/delete/`: asks, since links must change nothing.
///
/// # Errors
/// Another page.
pub async fn get_delete(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let grant = find(&person, call).await?;
    if grant.is_ended {
        return Err(not_found().into());
    }
    let url = here(call);
    let content = person.visitor.csrf_field(call).with(&submit_or_cancel(english::END_GRANT, &url));
    let body = describe(&grant, call)
        .then("<p>")
        .say(english::END_GRANT_TEXT)
        .then("</p>")
        .with(&form(&format!("{url}{}/delete/", grant.id), &content));
    let page = Page::new(&english::end_grant_title(name(&grant)), body).forms_here(Vec::new());
    Ok(person.visitor.show(page.respond(), call))
}

/// `POST /o/authorized_tokens/{id}/delete/`: ends the grant, and all tokens that came of it.
///
/// # Errors
/// Another page.
pub async fn post_delete(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, _) = Person::acting(call).await?;
    // One that has ended is ended again: its mark may be what failed.
    let grant = find(&person, call).await?;
    let event = person.by(call).did(Action::GrantEnded, format!("grant {}", grant.id));
    revoke::end_grant(&grant.id, &event, call.app).await?;
    Ok(see_other(&here(call)))
}

/// The person's own, or the page that says that there is none.
async fn find(person: &Person, call: &Call<'_>) -> Result<ListedGrant, Instead> {
    let id = GrantId::parse(call.capture(0)).ok_or_else(not_found)?;
    let found = grants::find_of(&person.user().id, &id, &*call.app.db).await?;
    Ok(found.ok_or_else(not_found)?)
}

fn here(call: &Call<'_>) -> String {
    format!("{}/o/authorized_tokens/", call.issuer)
}

fn name(grant: &ListedGrant) -> &str {
    if grant.client_name.is_empty() { &grant.client_id } else { &grant.client_name }
}

fn describe(grant: &ListedGrant, call: &Call<'_>) -> Html {
    let mut html = Html::markup("<p><strong>").say(name(grant)).then("</strong></p><ul>");
    for token in grant.scope.iter() {
        html = html.then("<li>").say(words(token, call)).then("</li>");
    }
    if grant.scope.is_empty() {
        html = html.then("<li>").say(english::NOT_ASKED).then("</li>");
    }
    html.then("</ul><p class=\"note\">")
        .say(english::SINCE)
        .then(" ")
        .with(&time(grant.created_at))
        .then("</p>")
}
