//! The page that asks a person whether an application may act for them.

use super::english;
use super::form::{choices, form, hidden};
use super::layout::{Html, Page};
use super::visitor::Visitor;
use crate::call::{Call, Response};
use crate::model::application::Application;
use crate::model::scope::Scope;
use crate::protocol::params::Params;
use crate::protocol::uri::{policy_sources, shown_target};

/// The field that brings the application's request along: by a name that no parameter of such a request has.
pub const REQUEST: &str = "authorization_request";

/// Stands before a scope in the name of its field.
const SCOPE: &str = "scope ";

/// What is asked.
pub struct Question<'a> {
    pub application: &'a Application,
    pub username: &'a str,
    pub scope: &'a Scope,
    /// Where the person goes then; none: nowhere.
    pub redirect_uri: Option<&'a str>,
    /// Where the answer goes.
    pub path: &'static str,
    /// What the answer brings along: the query of the application's request, or its request token.
    pub request: &'a str,
}

/// What the person answered.
#[derive(Debug)]
pub enum Decision {
    /// Those of the scopes that they left ticked.
    Allow(Scope),
    Deny,
}

impl Decision {
    pub fn read(params: &Params) -> Self {
        match params.optional("decision") {
            Some("allow") => {
                let pairs = params.clone().into_pairs();
                Self::Allow(pairs.iter().filter_map(|(name, _)| name.strip_prefix(SCOPE)).collect())
            }
            _ => Self::Deny,
        }
    }
}

pub fn show(question: &Question<'_>, visitor: &Visitor, call: &Call<'_>) -> Response {
    let name = question.application.shown_name();
    let content = visitor
        .csrf_field(call)
        .with(&hidden(REQUEST, question.request))
        .with(&scopes(question.scope, call))
        .then("<p class=\"buttons\"><button name=\"decision\" value=\"allow\">")
        .say(english::ALLOW)
        .then("</button> <button class=\"quiet\" name=\"decision\" value=\"deny\">")
        .say(english::CANCEL)
        .then("</button></p>");
    let body = Html::markup("<p><strong>")
        .say(name)
        .then("</strong> ")
        .say(english::CONSENT_ASKS)
        .then(" <strong>")
        .say(question.username)
        .then("</strong>.</p>")
        .with(&form(&format!("{}{}", call.issuer, question.path), &content));
    let body = match question.redirect_uri {
        Some(uri) => body
            .then("<p class=\"note\">")
            .say(english::CONSENT_TARGET)
            .then(" <strong>")
            .say(&shown_target(uri))
            .then("</strong>.</p>"),
        None => body.then("<p class=\"note\">").say(english::CONSENT_VERIFIER).then("</p>"),
    };
    let targets = question.redirect_uri.and_then(policy_sources).into_iter().collect();
    let page = Page::new(&english::consent_title(name), body).forms_here(targets);
    visitor.show(page.respond(), call)
}

fn scopes(scope: &Scope, call: &Call<'_>) -> Html {
    let choice = |token| (format!("{SCOPE}{token}"), words(token, call), true);
    let scopes: Vec<(String, &str, bool)> = scope.iter().map(choice).collect();
    choices("scope", english::CONSENT_SCOPES, &scopes, &[])
}

/// What the setting `SCOPES` says of a scope, or what we say of a built-in one.
pub fn words<'a>(token: &'a str, call: &'a Call<'_>) -> &'a str {
    let settings = &call.app.settings;
    let described = settings.scopes.iter().zip(&settings.scope_words).find(|(known, _)| *known == token);
    described.map_or_else(|| english::built_in_scope(token), |(_, words)| words)
}
