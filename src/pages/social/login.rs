//! `/login/{backend}/`: the way to a provider.

use http::StatusCode;

use crate::call::{Call, Response};
use crate::model::id::SessionId;
use crate::pages::english;
use crate::pages::error::{self, Instead};
use crate::pages::form::text;
use crate::pages::home::link;
use crate::pages::layout::{Html, Page, see_other};
use crate::pages::next::Next;
use crate::pages::person::Person;
use crate::pages::visitor::{put_cookie, put_cookie_for_posts};
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::social::SocialError;
use crate::social::authorization_request::{PATIENCE, Pending};
use crate::social::provider::Provider;

/// Of the 4,096 bytes that a browser keeps of a cookie, those beside its name and its attributes (RFC 6265 §6.1).
const LONGEST_SEALED: usize = 3_900;

/// `GET /login/{backend}/`: to log in.
///
/// # Errors
/// Another page.
pub async fn get(call: &Call<'_>) -> Result<Response, Instead> {
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    begin(&Next::read(query.optional("next")), None, call).await
}

/// `POST /login/{backend}/`: to link the account there to who is logged in here. By a form of ours only: who could make a
/// browser do this could link an account of theirs.
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (person, _) = Person::acting(call).await?;
    begin(&Next::read(None), Some(person.session.id), call).await
}

async fn begin(next: &Next, session: Option<SessionId>, call: &Call<'_>) -> Result<Response, Instead> {
    let provider = provider(call)?;
    if !provider.has_login_page() {
        return Err(error::not_found().into());
    }
    let redirect_uri = redirect_uri(provider, call);
    let mut pending = Pending::begin(redirect_uri, next.path(), session, call.app);
    let mut sealed = pending.seal(provider, call.app);
    if sealed.len() > LONGEST_SEALED {
        // Who is logged in, but has to find the way on, is better off than who cannot log in.
        pending.next = Next::read(None).path().to_owned();
        sealed = pending.seal(provider, call.app);
    }
    let way = if session.is_some() { Way::Account } else { Way::LogIn(next) };
    let location = pending.location(provider, call.app).await;
    let mut response = see_other(&location.map_err(|error| refused(&error, provider, &way, call))?);
    let put = if provider.form_post { put_cookie_for_posts } else { put_cookie };
    put(&mut response, &cookie(provider), &sealed, PATIENCE.seconds(), call);
    Ok(response)
}

/// The provider that the path names.
///
/// # Errors
/// A page: there is none.
pub fn provider<'a>(call: &'a Call<'_>) -> Result<&'a Provider, Instead> {
    let found = call.app.settings.providers.find(call.capture(0));
    found.ok_or_else(|| error::not_found().into())
}

/// The cookie of a login that is under way.
pub fn cookie(provider: &Provider) -> String {
    format!("postern_login_{}", provider.name)
}

/// Where the provider sends the browser back to: the path that it knows is below `/auth/` where drf-social-oauth2 was.
fn redirect_uri(provider: &Provider, call: &Call<'_>) -> String {
    let is_below_auth = call.path().starts_with("/auth/login/");
    let [path, below_auth] = PATHS;
    let path = if is_below_auth { below_auth } else { path };
    let usual = || format!("{}{path}/{}/", call.issuer, provider.name);
    provider.redirect_uri.clone().unwrap_or_else(usual)
}

/// True if the provider sends the browsers of people back there who log in on our pages. A code that comes there is bound to
/// the browser, and nothing that a front-end may bring.
pub fn is_own_redirect_uri(redirect_uri: &str, provider: &Provider, call: &Call<'_>) -> bool {
    let is_usual = |path: &str| redirect_uri == format!("{}{path}/{}/", call.issuer, provider.name);
    provider.redirect_uri.as_deref() == Some(redirect_uri) || PATHS.into_iter().any(is_usual)
}

/// Where providers send browsers back to.
const PATHS: [&str; 2] = ["/complete", "/auth/complete"];

/// Where it goes on from a page that says that nothing came of it.
pub enum Way<'a> {
    /// They wanted to log in, and then to go there.
    LogIn(&'a Next),
    /// They wanted to link an account to theirs.
    Account,
}

impl Way<'_> {
    fn link(&self, call: &Call<'_>) -> Html {
        let (url, label) = match self {
            Self::LogIn(next) => {
                (next.with_path(&format!("{}/accounts/login/", call.issuer)), english::LOG_IN)
            }
            Self::Account => (format!("{}/account/", call.issuer), english::ACCOUNT),
        };
        Html::markup("<p>").with(&link(&url, label)).then("</p>")
    }
}

/// Why nobody is logged in, or nothing linked, in words for them.
pub fn refused(error: &SocialError, provider: &Provider, way: &Way<'_>, call: &Call<'_>) -> Response {
    let (status, message) = match error {
        SocialError::Refused(_) => (StatusCode::BAD_REQUEST, english::social_refused(&provider.label)),
        SocialError::NotAllowed => (StatusCode::FORBIDDEN, english::SOCIAL_NOT_ALLOWED.to_owned()),
        SocialError::EmailTaken => (StatusCode::CONFLICT, english::social_email_taken(&provider.label)),
        SocialError::InUse => (StatusCode::CONFLICT, english::social_in_use(&provider.label)),
        SocialError::Disabled => (StatusCode::FORBIDDEN, english::SOCIAL_DISABLED.to_owned()),
        SocialError::Failed { .. } => {
            let error = OAuthError::provider_unavailable(error.reason());
            let body = text(&english::social_failed(&provider.label)).with(&way.link(call));
            let page = Page::new(english::TRY_LATER, body);
            return error::with_reason(page.status(StatusCode::SERVICE_UNAVAILABLE), &error);
        }
        SocialError::Store(_) => {
            return error::unavailable(&OAuthError::temporarily_unavailable(error.reason()));
        }
    };
    let reason = OAuthError::access_denied("nobody is logged in").because(error.reason());
    let title = match way {
        Way::LogIn(_) => english::NOT_LOGGED_IN,
        Way::Account => english::NOT_POSSIBLE,
    };
    error::with_reason(Page::new(title, text(&message).with(&way.link(call))).status(status), &reason)
}
