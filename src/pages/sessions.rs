//! Where a person is logged in: a part of `/account/`; and `/account/sessions/`, which ends what they want ended.

use super::english;
use super::error::{Instead, bad_field};
use super::form::form;
use super::layout::{Html, see_other};
use super::list::time;
use super::next::Next;
use super::person::{Person, after, to_login};
use super::visitor::forget_session;
use crate::call::{Call, Response};
use crate::model::audit::Action;
use crate::model::id::SessionId;
use crate::model::session::ListedSession;
use crate::store::sessions;
use crate::tokens::revoke;

/// What the field `end` may hold beside the id of a session.
const OTHERS: &str = "others";
const EVERYWHERE: &str = "everywhere";

/// `POST /account/sessions/`: ends one session, all but this one, or everything: all sessions and all tokens.
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, params) = Person::acting(call).await?;
    let (app, now, by, user) = (call.app, call.app.clock.now(), person.by(call), person.user().id);
    match params.optional("end") {
        Some(OTHERS) => {
            let event = by.did(Action::OtherSessionsEnded, user);
            sessions::delete_others(&person.session.id, &user, &event, now, &*app.db).await?;
            Ok(see_other(&after("sessions", call)))
        }
        Some(EVERYWHERE) => {
            let event = by.did(Action::UserLoggedOut, user);
            revoke::end_user_tokens(&user, None, &event, app).await?;
            let mut response = to_login(&Next::read(None), call);
            forget_session(&mut response, call);
            Ok(response)
        }
        Some(id) => {
            let id = SessionId::parse(id).ok_or_else(|| bad_field("end"))?;
            let event = by.did(Action::SessionEnded, format!("session {id}"));
            sessions::delete(&id, &user, &event, now, &*app.db).await?;
            Ok(see_other(&after("session", call)))
        }
        None => Err(bad_field("end").into()),
    }
}

/// The part of the account page.
///
/// # Errors
/// The database did not answer.
pub async fn section(person: &Person, call: &Call<'_>) -> Result<Html, Instead> {
    let app = call.app;
    let listed = sessions::list(person.user(), app.clock.now(), &*app.db).await?;
    let mut content = person.visitor.csrf_field(call).then("<ul class=\"list\">");
    for session in &listed {
        content = content.with(&item(session, session.id == person.session.id));
    }
    content = content.then("</ul>");
    if listed.len() > 1 {
        content = content.then("<p>").with(&button(OTHERS, english::END_OTHERS, None)).then("</p>");
    }
    content = content
        .then("<p class=\"note\">")
        .say(english::EVERYWHERE_TEXT)
        .then("</p><p>")
        .with(&button(EVERYWHERE, english::LOG_OUT_EVERYWHERE, None))
        .then("</p>");
    Ok(Html::markup("<h2>")
        .say(english::SESSIONS)
        .then("</h2>")
        .with(&form(&format!("{}/account/sessions/", call.issuer), &content)))
}

fn item(session: &ListedSession, is_this: bool) -> Html {
    let name = browser_name(&session.user_agent);
    let mut html = Html::markup("<li><p><strong>").say(&name).then("</strong>");
    if is_this {
        html = html.then(" (").say(english::THIS_BROWSER).then(")");
    }
    html = html.then("</p><p class=\"note\">");
    if let Some(address) = &session.address {
        html = html.say(address).then(" · ");
    }
    html = html
        .say(english::SINCE)
        .then(" ")
        .with(&time(session.created_at))
        .then(" · ")
        .say(english::LAST_SEEN)
        .then(" ")
        .with(&time(session.last_seen_at))
        .then("</p>");
    if !is_this {
        let label = english::end_session(&name);
        html =
            html.then("<p>").with(&button(&session.id.to_string(), english::END, Some(&label))).then("</p>");
    }
    html.then("</li>")
}

/// `described`: what it does, for who does not see what it stands beside.
fn button(value: &str, label: &str, described: Option<&str>) -> Html {
    let mut html = Html::markup("<button class=\"quiet\" name=\"end\" value=\"").say(value).then("\"");
    if let Some(described) = described {
        html = html.then(" aria-label=\"").say(described).then("\"");
    }
    html.then(">").say(label).then("</button>")
}

/// What a person would call it: the program, and what it runs on. What is not known is shown as it is.
fn browser_name(user_agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program}, {system}"),
        (Some(program), None) => program.to_owned(),
        _ if user_agent.trim().is_empty() => english::UNKNOWN_BROWSER.to_owned(),
        _ => user_agent.to_owned(),
    }
}

/// By the order in which they have to be looked for: many say that they are Chrome or Safari, too.
const PROGRAMS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_by_the_names_that_people_know() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/140.0.0.0 Safari/537.36"),
                "Chrome, Windows",
            ),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0"),
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", "A browser that did not say which"),
            (" ", "A browser that did not say which"),
        ] {
            assert_eq!(browser_name(user_agent), name);
        }
    }
}
