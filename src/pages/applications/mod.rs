//! `/o/applications/`: a person's own applications. What is registered is read by the rules of the operator's API; what only
//! an operator may set, their owner cannot.

mod form;

use super::english;
use super::error::{self, Instead, not_found};
use super::form::submit_or_cancel;
use super::home::link;
use super::layout::{Html, Page, see_other};
use super::list::{cursor, more, time};
use super::person::Person;
use crate::call::{Call, Response};
use crate::crypto::secret::Secret;
use crate::grants::registration::{self, NewApplication, TRIES};
use crate::model::application::{Application, ClientType, Registration};
use crate::model::audit::Action;
use crate::model::fields::{FieldErrors, Fields};
use crate::model::user::User;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::{Params, encode_segment};
use crate::settings::Registrants;
use crate::store::applications;
use crate::store::database::StoreError;
use form::Draft;

/// So many stand on one page, and so many may one person register.
const LIMIT: i64 = 100;

/// `GET /o/applications/`
///
/// # Errors
/// Another page.
pub async fn list(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let found = applications::list_of(&person.user().id, &cursor(call)?, LIMIT, &*call.app.db).await?;
    let mut body = match found.is_empty() {
        true => Html::markup("<p>").say(english::NO_APPLICATIONS).then("</p>"),
        false => Html::markup("<ul class=\"list\">"),
    };
    for application in &found {
        let url = url_of(application, call);
        body = body.then("<li>").with(&link(&url, name(application))).then("</li>");
    }
    body = body.then(if found.is_empty() { "" } else { "</ul>" });
    let last = found.last().map(|application| application.id);
    body = body.with(&more(&here(call), found.len(), LIMIT, last)).then("<p class=\"links\">");
    if may_register(person.user(), call) {
        body = body.with(&link(&format!("{}register/", here(call)), english::REGISTER_APPLICATION));
    }
    body = body.with(&link(&format!("{}/account/", call.issuer), english::ACCOUNT)).then("</p>");
    Ok(person.visitor.show(Page::new(english::APPLICATIONS, body).respond(), call))
}

/// `GET /o/applications/register/`
///
/// # Errors
/// Another page.
pub async fn get_register(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    check_may_register(person.user(), call)?;
    let draft = Draft::new(choosable(person.user()));
    Ok(form::show(&draft, None, &FieldErrors::default(), &person, call))
}

/// `POST /o/applications/register/`: the secret is shown on the page that answers.
///
/// # Errors
/// Another page.
pub async fn post_register(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, params) = Person::acting(call).await?;
    let user = person.user();
    check_may_register(user, call)?;
    let draft = Draft::typed(&params, choosable(user), None);
    let fields = match draft.registration(&user.profile.username) {
        Ok(fields) => fields,
        Err(errors) => return Ok(form::refused(&draft, None, &errors, &person, call)),
    };
    let registration = match Registration::read(
        Fields::new(fields),
        &call.app.settings.scopes,
        &call.app.settings.redirect_schemes,
    ) {
        Ok(registration) => registration,
        Err(errors) => return Ok(form::refused(&draft, None, &errors, &person, call)),
    };
    let new = NewApplication { registration, client_id: None, client_secret: None, most: Some(LIMIT) };
    match registration::create(new, person.by(call), call.app).await? {
        Some((application, secret)) => Ok(shown_once(&application, secret.as_ref(), &person, call)),
        None => Err(error::forbidden(english::TOO_MANY_APPLICATIONS, "the owner has too many").into()),
    }
}

/// `GET /o/applications/{client_id}/`
///
/// # Errors
/// Another page.
pub async fn get(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let application = find(&person, call).await?;
    let url = url_of(&application, call);
    let mut body = match application.registration.is_active {
        true => Html::default(),
        false => super::form::alert(english::APPLICATION_DISABLED),
    };
    body = body.with(&describe(&application)).then("<p class=\"links\">");
    if application.registration.skip_authorization {
        body = body.say(english::APPLICATION_OF_OPERATOR).then("</p><p class=\"links\">");
    } else {
        body = body.with(&link(&format!("{url}update/"), english::CHANGE));
    }
    if !application.is_public() {
        body = body.with(&link(&format!("{url}rotate-secret/"), english::ROTATE_SECRET));
    }
    body = body
        .with(&link(&format!("{url}delete/"), english::DELETE))
        .with(&link(&here(call), english::APPLICATIONS))
        .then("</p>");
    Ok(person.visitor.show(Page::new(name(&application), body).respond(), call))
}

/// `GET /o/applications/{client_id}/update/`
///
/// # Errors
/// Another page.
pub async fn get_update(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let application = find_own_to_change(&person, call).await?;
    let draft = Draft::of(&application.registration, choosable(person.user()));
    Ok(form::show(&draft, Some(&application), &FieldErrors::default(), &person, call))
}

/// `POST /o/applications/{client_id}/update/`
///
/// # Errors
/// Another page.
pub async fn post_update(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, params) = Person::acting(call).await?;
    for _ in 0..TRIES {
        let current = find_own_to_change(&person, call).await?;
        let draft = Draft::typed(&params, choosable(person.user()), Some(&current.registration));
        let registration = draft
            .changes(&current.registration)
            .and_then(|fields| registration::read_change(&current, fields, call.app));
        let registration = match registration {
            Ok(registration) => registration,
            Err(errors) => return Ok(form::refused(&draft, Some(&current), &errors, &person, call)),
        };
        let (changed, secret) = registration::changed(&current, registration, call.app)?;
        let event = person.by(call).did(Action::ApplicationChanged, current.id);
        if registration::store(&current, &changed, &event, call.app).await? {
            return Ok(shown_once(&changed, secret.as_ref(), &person, call));
        }
    }
    Err(overtaken())
}

/// `GET /o/applications/{client_id}/delete/`: asks.
///
/// # Errors
/// Another page.
pub async fn get_delete(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let application = find(&person, call).await?;
    let question = Question {
        action: "delete/",
        title: &english::delete_title(name(&application)),
        text: english::DELETE_APPLICATION_TEXT,
        label: english::DELETE,
    };
    Ok(question.ask(&application, &person, call))
}

/// `POST /o/applications/{client_id}/delete/`
///
/// # Errors
/// Another page.
pub async fn post_delete(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, _) = Person::acting(call).await?;
    for _ in 0..TRIES {
        let current = find(&person, call).await?;
        if registration::delete(&current, person.by(call), call.app).await? {
            return Ok(see_other(&here(call)));
        }
    }
    Err(overtaken())
}

/// `GET /o/applications/{client_id}/rotate-secret/`: asks.
///
/// # Errors
/// Another page.
pub async fn get_rotate_secret(call: &Call<'_>) -> Result<Response, Instead> {
    let person = Person::reading(call).await?;
    let application = find_with_secret(&person, call).await?;
    let question = Question {
        action: "rotate-secret/",
        title: &english::rotate_title(name(&application)),
        text: english::ROTATE_SECRET_TEXT,
        label: english::ROTATE_SECRET,
    };
    Ok(question.ask(&application, &person, call))
}

/// `POST /o/applications/{client_id}/rotate-secret/`: from now on only the secret is good that the page shows.
///
/// # Errors
/// Another page.
pub async fn post_rotate_secret(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, _) = Person::acting(call).await?;
    for _ in 0..TRIES {
        let current = find_with_secret(&person, call).await?;
        let (changed, secret) = registration::with_new_secret(&current, call.app)?;
        let event = person.by(call).did(Action::SecretRotated, current.id);
        if registration::store(&current, &changed, &event, call.app).await? {
            return Ok(shown_once(&changed, Some(&secret), &person, call));
        }
    }
    Err(overtaken())
}

/// The person's own, or the page that says that there is none.
async fn find(person: &Person, call: &Call<'_>) -> Result<Application, Instead> {
    let found = applications::find_of(&person.user().id, call.capture(0), &*call.app.db).await?;
    Ok(found.ok_or_else(not_found)?)
}

/// One that nobody is asked about before it gets tokens is not its owner's to change: whoever could change where they go,
/// would get everybody's.
async fn find_own_to_change(person: &Person, call: &Call<'_>) -> Result<Application, Instead> {
    let application = find(person, call).await?;
    if application.registration.skip_authorization {
        let reason = "the application has skip_authorization";
        return Err(error::forbidden(english::APPLICATION_OF_OPERATOR, reason).into());
    }
    Ok(application)
}

async fn find_with_secret(person: &Person, call: &Call<'_>) -> Result<Application, Instead> {
    let application = find(person, call).await?;
    match application.is_public() {
        true => Err(error::forbidden(english::NO_SECRET, "a public application has no secret").into()),
        false => Ok(application),
    }
}

/// The grant types that a person may choose. A token of client credentials comes of no login and no consent: who may have
/// one is for the operator to say, and so it is with the grants that are there for older clients only.
fn choosable(user: &User) -> &'static [GrantType] {
    match user.profile.is_superuser {
        true => &[GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials],
        false => &[GrantType::AuthorizationCode, GrantType::RefreshToken],
    }
}

fn may_register(user: &User, call: &Call<'_>) -> bool {
    match call.app.settings.registrants {
        Registrants::Anyone => true,
        Registrants::Superusers => user.profile.is_superuser,
        Registrants::Nobody => false,
    }
}

fn check_may_register(user: &User, call: &Call<'_>) -> Result<(), Instead> {
    match may_register(user, call) {
        true => Ok(()),
        false => Err(error::forbidden(english::MAY_NOT_REGISTER, "APPLICATION_REGISTRATION says so").into()),
    }
}

fn overtaken() -> Instead {
    StoreError("the application was changed by others again and again".to_owned()).into()
}

fn here(call: &Call<'_>) -> String {
    format!("{}/o/applications/", call.issuer)
}

fn url_of(application: &Application, call: &Call<'_>) -> String {
    format!("{}{}/", here(call), encode_segment(&application.client_id))
}

fn name(application: &Application) -> &str {
    match application.registration.client_name.as_str() {
        "" => &application.client_id,
        name => name,
    }
}

fn describe(application: &Application) -> Html {
    let registration = &application.registration;
    let client_type = match registration.client_type {
        ClientType::Public => english::TYPE_PUBLIC,
        ClientType::Confidential => english::TYPE_CONFIDENTIAL,
    };
    let grant_types: Vec<&str> =
        registration.grant_types.iter().map(|grant_type| english::grant_type(grant_type.as_str())).collect();
    let mut html = Html::markup("<dl>");
    for (term, text) in [
        (english::CLIENT_ID, application.client_id.clone()),
        (english::APPLICATION_TYPE, client_type.to_owned()),
        (english::GRANT_TYPES, grant_types.join("\n")),
        (english::REDIRECT_URIS, registration.redirect_uris.join("\n")),
        (english::POST_LOGOUT_REDIRECT_URIS, registration.post_logout_redirect_uris.join("\n")),
        (english::ALLOWED_ORIGINS, registration.allowed_origins.join("\n")),
        (english::SCOPE, registration.scope.to_string()),
    ] {
        if !text.is_empty() {
            html = html.then("<dt>").say(term).then("</dt><dd>").say(&text).then("</dd>");
        }
    }
    html.then("</dl><p class=\"note\">")
        .say(english::REGISTERED)
        .then(" ")
        .with(&time(application.created_at))
        .then("</p>")
}

/// What is asked before something is done that cannot be undone.
struct Question<'a> {
    /// Where the answer goes, below the application's own page.
    action: &'static str,
    title: &'a str,
    text: &'a str,
    label: &'a str,
}

impl Question<'_> {
    fn ask(&self, application: &Application, person: &Person, call: &Call<'_>) -> Response {
        let url = url_of(application, call);
        let content = person.visitor.csrf_field(call).with(&submit_or_cancel(self.label, &url));
        let body = Html::markup("<p>")
            .say(self.text)
            .then("</p>")
            .with(&super::form::form(&format!("{url}{}", self.action), &content));
        person.visitor.show(Page::new(self.title, body).forms_here(Vec::new()).respond(), call)
    }
}

/// The one page that shows a secret. It answers the POST itself: where a redirect leads could be asked for again.
fn shown_once(
    application: &Application,
    secret: Option<&Secret>,
    person: &Person,
    call: &Call<'_>,
) -> Response {
    let url = url_of(application, call);
    let Some(secret) = secret else {
        return see_other(&url);
    };
    let body = super::form::status(english::SECRET_ONCE)
        .then("<dl><dt>")
        .say(english::CLIENT_ID)
        .then("</dt><dd><code>")
        .say(&application.client_id)
        .then("</code></dd><dt>")
        .say(english::CLIENT_SECRET)
        .then("</dt><dd><code>")
        .say(secret.expose())
        .then("</code></dd></dl><p>")
        .with(&link(&url, name(application)))
        .then("</p>");
    person.visitor.show(Page::new(name(application), body).respond(), call)
}

/// The form's parameters as lines.
fn lines(params: &Params, name: &str) -> Vec<String> {
    let text = params.optional(name).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
