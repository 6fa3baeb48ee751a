//! What forms are made of.

use super::english;
use super::home::link;
use super::layout::Html;

/// One labelled input.
pub struct Field<'a> {
    pub name: &'static str,
    pub label: &'static str,
    /// The input's type: `text`, `email`, `password`; or `textarea`, which has several lines.
    pub kind: &'static str,
    pub autocomplete: &'static str,
    /// Never that of a password.
    pub value: &'a str,
    pub help: Option<&'static str>,
    pub is_required: bool,
    pub errors: &'a [String],
}

impl Field<'_> {
    pub fn show(&self) -> Html {
        let is_area = self.kind == "textarea";
        let mut html = Html::markup("<p class=\"field\"><label for=\"")
            .then(self.name)
            .then("\">")
            .say(self.label)
            .then(if is_area { "</label><textarea rows=\"3\" id=\"" } else { "</label><input id=\"" })
            .then(self.name)
            .then("\" name=\"")
            .then(self.name)
            .then("\" autocomplete=\"")
            .then(self.autocomplete)
            .then("\"");
        if !is_area {
            html = html.then(" type=\"").then(self.kind).then("\" value=\"").say(self.value).then("\"");
        }
        if self.kind != "password" {
            html = html.then(" autocapitalize=\"none\" spellcheck=\"false\"");
        }
        if self.is_required {
            html = html.then(" required");
        }
        html = html.with(&described(self.name, self.errors, self.help)).then(">");
        if is_area {
            html = html.say(self.value).then("</textarea>");
        }
        html.with(&note(self.name, self.errors, self.help)).then("</p>")
    }
}

/// The attributes that lead from a field to its note.
fn described(name: &'static str, errors: &[String], help: Option<&str>) -> Html {
    let mut html = Html::default();
    if !errors.is_empty() || help.is_some() {
        html = html.then(" aria-describedby=\"").then(name).then("-note\"");
    }
    if !errors.is_empty() {
        html = html.then(" aria-invalid=\"true\"");
    }
    html
}

/// What is wrong with a field, or else what helps.
fn note(name: &'static str, errors: &[String], help: Option<&str>) -> Html {
    if errors.is_empty() && help.is_none() {
        return Html::default();
    }
    let mut html = Html::markup("<span class=\"note\" id=\"").then(name).then("-note\">");
    for error in errors {
        html = html.then("<strong>").say(error).then("</strong> ");
    }
    let help = help.filter(|_| errors.is_empty());
    html.say(help.unwrap_or_default()).then("</span>")
}

/// Several things that can be ticked: their names, labels, and which are.
pub fn choices(
    name: &'static str,
    legend: &str,
    choices: &[(String, &str, bool)],
    errors: &[String],
) -> Html {
    let mut html = Html::markup("<fieldset");
    if !errors.is_empty() {
        html = html.then(" aria-describedby=\"").then(name).then("-note\"");
    }
    html = html.then("><legend>").say(legend).then("</legend>");
    for (name, label, is_ticked) in choices {
        html = html
            .then("<p class=\"choice\"><label><input type=\"checkbox\" value=\"on\" name=\"")
            .say(name)
            .then(if *is_ticked { "\" checked> " } else { "\"> " })
            .say(label)
            .then("</label></p>");
    }
    html.with(&note(name, errors, None)).then("</fieldset>")
}

/// One of several things: their values and labels, and which it is.
pub fn select(
    name: &'static str,
    label: &str,
    options: &[(&str, &str)],
    chosen: &str,
    errors: &[String],
) -> Html {
    let mut html = Html::markup("<p class=\"field\"><label for=\"")
        .then(name)
        .then("\">")
        .say(label)
        .then("</label><select id=\"")
        .then(name)
        .then("\" name=\"")
        .then(name)
        .then("\"")
        .with(&described(name, errors, None))
        .then(">");
    for (value, label) in options {
        html = html
            .then("<option value=\"")
            .say(value)
            .then(if *value == chosen { "\" selected>" } else { "\">" })
            .say(label)
            .then("</option>");
    }
    html.then("</select>").with(&note(name, errors, None)).then("</p>")
}

/// A value that the form brings along.
pub fn hidden(name: &'static str, value: &str) -> Html {
    Html::markup("<input type=\"hidden\" name=\"").then(name).then("\" value=\"").say(value).then("\">")
}

/// The button that sends the form.
pub fn submit(label: &str) -> Html {
    Html::markup("<p><button>").say(label).then("</button></p>")
}

/// The button that sends the form, and the way out.
pub fn submit_or_cancel(label: &str, url: &str) -> Html {
    Html::markup("<p class=\"links\"><button>")
        .say(label)
        .then("</button> ")
        .with(&link(url, english::CANCEL))
        .then("</p>")
}

/// What has been done.
pub fn status(message: &str) -> Html {
    Html::markup("<p class=\"done\" role=\"status\">").say(message).then("</p>")
}

/// What is wrong with the whole.
pub fn alert(message: &str) -> Html {
    Html::markup("<p class=\"alert\" role=\"alert\">").say(message).then("</p>")
}

/// A paragraph.
pub fn text(text: &str) -> Html {
    Html::markup("<p>").say(text).then("</p>")
}

/// A form that is posted to `action`.
pub fn form(action: &str, content: &Html) -> Html {
    Html::markup("<form method=\"post\" action=\"").say(action).then("\">").with(content).then("</form>")
}
