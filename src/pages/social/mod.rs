//! Logging in by an identity provider: the buttons for it, and the part of the account page.

pub mod complete;
pub mod disconnect;
pub mod login;

use super::english;
use super::error::Instead;
use super::form;
use super::layout::Html;
use super::list::time;
use super::next::Next;
use super::person::Person;
use crate::call::Call;
use crate::model::social::SocialAccount;
use crate::protocol::uri::policy_sources;
use crate::social::provider::Provider;
use crate::store::social_accounts;

/// The ways to log in that are not ours.
pub fn buttons(next: &Next, call: &Call<'_>) -> Html {
    let mut html = Html::default();
    for provider in call.app.settings.providers.iter().filter(|provider| provider.has_login_page()) {
        let url = next.with_path(&format!("{}/login/{}/", call.issuer, provider.name));
        html = html
            .then("<p><a class=\"button\" href=\"")
            .say(&url)
            .then("\">")
            .say(&english::continue_with(&provider.label))
            .then("</a></p>");
    }
    html
}

/// The part of the account page; nothing where there are neither providers nor accounts there.
///
/// # Errors
/// The database did not answer.
pub async fn section(person: &Person, call: &Call<'_>) -> Result<Html, Instead> {
    let app = call.app;
    let linked = social_accounts::list(&person.user().id, &*app.db).await?;
    let providers = &app.settings.providers;
    let can_link = |provider: &&Provider| provider.has_login_page();
    if linked.is_empty() && !providers.iter().any(|provider| can_link(&provider)) {
        return Ok(Html::default());
    }
    let mut html = Html::markup("<h2>").say(english::SOCIAL_ACCOUNTS).then("</h2>");
    if !linked.is_empty() {
        html = html.then("<ul class=\"list\">");
        for account in &linked {
            html = html.with(&item(account, person, call));
        }
        html = html.then("</ul>");
    }
    let is_linked = |provider: &Provider| linked.iter().any(|account| account.provider == provider.name);
    for provider in providers.iter().filter(can_link).filter(|provider| !is_linked(provider)) {
        let url = format!("{}/login/{}/", call.issuer, provider.name);
        let label = english::connect(&provider.label);
        html = html.with(&button(&url, &label, &label, person, call));
    }
    Ok(html)
}

/// Where the forms of the account page may lead, by way of us.
pub fn form_targets(call: &Call<'_>) -> Vec<String> {
    let providers = call.app.settings.providers.iter().filter(|provider| provider.has_login_page());
    let mut targets: Vec<String> = providers
        .filter_map(|provider| provider.endpoints.authorization.as_ref().or(provider.issuers.first()))
        .filter_map(|url| policy_sources(url))
        .collect();
    targets.sort();
    targets.dedup();
    targets
}

fn item(account: &SocialAccount, person: &Person, call: &Call<'_>) -> Html {
    let provider = call.app.settings.providers.find(&account.provider);
    let label = provider.map_or(account.provider.as_str(), |provider| &provider.label);
    let url = format!("{}/disconnect/{}/{}/", call.issuer, account.provider, account.id);
    Html::markup("<li><p><strong>")
        .say(label)
        .then("</strong></p><p class=\"note\">")
        .say(english::SINCE)
        .then(" ")
        .with(&time(account.created_at))
        .then(" · ")
        .say(english::LAST_SEEN)
        .then(" ")
        .with(&time(account.last_used_at))
        .then("</p>")
        .with(&button(&url, english::DISCONNECT, &english::disconnect(label), person, call))
        .then("</li>")
}

/// `described`: what it does, for who does not see what it stands beside.
fn button(url: &str, label: &str, described: &str, person: &Person, call: &Call<'_>) -> Html {
    let button = Html::markup("<p><button class=\"quiet\" aria-label=\"")
        .say(described)
        .then("\">")
        .say(label)
        .then("</button></p>");
    form::form(url, &person.visitor.csrf_field(call).with(&button))
}
