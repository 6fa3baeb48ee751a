//! What forms are made of.

use super::layout::Html;

/// One labelled input.
pub struct Field<'a> {
    pub name: &'static str,
    pub label: &'static str,
    /// The input's type: `text`, `email`, `password`.
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
        let mut html = Html::markup("<p class=\"field\"><label for=\"")
            .then(self.name)
            .then("\">")
            .say(self.label)
            .then("</label><input id=\"")
            .then(self.name)
            .then("\" name=\"")
            .then(self.name)
            .then("\" type=\"")
            .then(self.kind)
            .then("\" autocomplete=\"")
            .then(self.autocomplete)
            .then("\" value=\"")
            .say(self.value)
            .then("\"");
        if self.kind != "password" {
            html = html.then(" autocapitalize=\"none\" spellcheck=\"false\"");
        }
        if self.is_required {
            html = html.then(" required");
        }
        let described = !self.errors.is_empty() || self.help.is_some();
        if described {
            html = html.then(" aria-describedby=\"").then(self.name).then("-note\"");
        }
        if !self.errors.is_empty() {
            html = html.then(" aria-invalid=\"true\"");
        }
        html = html.then(">");
        if described {
            html = html.then("<span class=\"note\" id=\"").then(self.name).then("-note\">");
            for error in self.errors {
                html = html.then("<strong>").say(error).then("</strong> ");
            }
            let help = self.help.filter(|_| self.errors.is_empty());
            html = html.say(help.unwrap_or_default()).then("</span>");
        }
        html.then("</p>")
    }
}

/// A value that the form brings along.
pub fn hidden(name: &'static str, value: &str) -> Html {
    Html::markup("<input type=\"hidden\" name=\"").then(name).then("\" value=\"").say(value).then("\">")
}

/// The button that sends the form.
pub fn submit(label: &str) -> Html {
    Html::markup("<p><button>").say(label).then("</button></p>")
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
