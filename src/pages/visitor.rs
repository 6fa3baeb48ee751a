//! Whoever looks at a page: by two cookies, one for who is logged in, one that a form has to come back with.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, StatusCode};

use super::form::hidden;
use super::layout::Html;
use super::{english, error};
use crate::call::body::form;
use crate::call::{Call, Response, header};
use crate::crypto::encoding::{base64url, from_base64url};
use crate::crypto::random_bytes;
use crate::crypto::secret::same_bytes;
use crate::model::audit::{Action, Actor};
use crate::model::session::{Session, SessionToken};
use crate::model::user::User;
use crate::protocol::params::Params;
use crate::store::attempts::{Attempt, Counted};
use crate::store::database::StoreError;
use crate::store::sessions::{self, NewSession};
use crate::store::social_accounts::SocialLogin;

const SESSION: &str = "postern_session";
const BROWSER: &str = "postern_browser";

/// By what somebody has shown who they are; nothing at all if they have just been made.
#[derive(Default)]
pub struct Proof<'a> {
    /// A hash of the password with today's parameters, if the stored one has others.
    pub password_hash: Option<&'a str>,
    /// The try that turned out to be right.
    pub attempt: Option<Attempt<Counted>>,
    pub social: Option<&'a SocialLogin>,
}

/// A browser, by its cookies. Nothing here says that the session is still good.
pub struct Visitor {
    pub token: Option<SessionToken>,
    /// Random, and known to this browser alone: other sites can make it post our forms, but cannot know what goes in them.
    browser: String,
    is_new: bool,
}

impl Visitor {
    pub fn of(call: &Call<'_>) -> Self {
        let find = |name| find_own_cookie(name, call);
        let browser =
            find(BROWSER).filter(|text| from_base64url(text).is_some_and(|bytes| bytes.len() == 16));
        let is_new = browser.is_none();
        let browser = browser.unwrap_or_else(|| base64url(&random_bytes::<16>(&*call.app.random)));
        Self { token: find(SESSION).and_then(|text| SessionToken::parse(&text)), browser, is_new }
    }

    /// Who is logged in, if anybody.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn session(&self, call: &Call<'_>) -> Result<Option<Session>, StoreError> {
        let app = call.app;
        match &self.token {
            Some(token) => sessions::find(token, app.settings.sessions, app.clock.now(), &*app.db).await,
            None => Ok(None),
        }
    }

    /// What a form has to come back with: another text on each page, so that no compression gives it away.
    pub fn csrf_field(&self, call: &Call<'_>) -> Html {
        let nonce: [u8; 16] = random_bytes(&*call.app.random);
        let mac = call.app.settings.keys.first().form_mac(&nonce, &self.browser, &self.session_id());
        hidden(CSRF_TOKEN, &base64url(&[nonce.as_slice(), &mac].concat()))
    }

    /// Checks that a form is one that we showed to this browser, under this login, and that our own page sent it.
    ///
    /// # Errors
    /// The message for the person; the form is to be shown anew.
    pub fn check_form(&self, params: &Params, call: &Call<'_>) -> Result<(), &'static str> {
        let is_ours =
            matches!(header(call.request, "sec-fetch-site"), Ok(None | Some("same-origin" | "none")));
        let token = params.optional(CSRF_TOKEN).and_then(from_base64url).unwrap_or_default();
        let (nonce, mac) = token.split_at_checked(16).unwrap_or_default();
        let is_shown = call
            .app
            .settings
            .keys
            .all()
            .any(|keys| same_bytes(mac, &keys.form_mac(nonce, &self.browser, &self.session_id())));
        if is_ours && is_shown && !self.is_new { Ok(()) } else { Err(english::FORM_IS_OLD) }
    }

    /// The page, with the cookie that its forms come back with.
    pub fn show(&self, mut response: Response, call: &Call<'_>) -> Response {
        if self.is_new {
            put_cookie(&mut response, BROWSER, &self.browser, YEAR, call);
        }
        response
    }

    fn session_id(&self) -> String {
        self.token.as_ref().map(|token| token.id().to_string()).unwrap_or_default()
    }

    /// Begins a session in place of the one that this browser had, and notes its cookie in `response`. False if the user
    /// is not what was read.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn log_in(
        &self,
        user: &User,
        proof: Proof<'_>,
        call: &Call<'_>,
        response: &mut Response,
    ) -> Result<bool, StoreError> {
        let app = call.app;
        let token = SessionToken::random(&*app.random);
        let user_agent = header(call.request, "user-agent").ok().flatten().unwrap_or_default();
        let user_agent: String = user_agent.chars().take(200).collect();
        let new = NewSession {
            token: &token,
            user_id: user.id,
            user_epoch: user.token_epoch,
            user_agent: &user_agent,
            password_hash: proof.password_hash,
            attempt: proof.attempt,
            social: proof.social,
            replaces: self.token.as_ref(),
            event: call.by(Actor::User(user.id)).did(Action::LoggedIn, format!("session {}", token.id())),
        };
        let limits = app.settings.sessions;
        let is_begun = sessions::insert(new, limits, app.clock.now(), &*app.db).await?;
        if is_begun {
            put_cookie(response, SESSION, token.expose(), limits.absolute.seconds(), call);
        }
        Ok(is_begun)
    }
}

/// A cookie that we have put.
pub fn find_own_cookie(name: &str, call: &Call<'_>) -> Option<String> {
    find_cookie(&cookie_name(name, call), call)
}

/// Other hosts of our domain may put cookies with any bytes beside ours, which has to be found all the same. Of what stands
/// around it, only what browsers leave out is left out: else a name that is not ours could become ours (RFC 6265 §5.2).
pub fn find_cookie(name: &str, call: &Call<'_>) -> Option<String> {
    let headers = call.request.headers().get_all(COOKIE).iter();
    let mut pairs = headers.flat_map(|header| header.as_bytes().split(|&byte| byte == b';'));
    let value = pairs.find_map(|pair| {
        let start = pair.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
        pair.get(start..)?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    });
    value
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(|value| value.trim_end_matches(' ').to_owned())
}

/// Takes the session's cookie out of the browser.
pub fn forget_session(response: &mut Response, call: &Call<'_>) {
    put_cookie(response, SESSION, "", 0, call);
}

/// The form's parameters, if it is one that we showed to this browser.
///
/// # Errors
/// A page that says what is wrong with it.
pub fn checked_form(visitor: &Visitor, call: &Call<'_>) -> Result<Params, Box<Response>> {
    let refused = |error| Box::new(error::refused(StatusCode::BAD_REQUEST, &error));
    let params = form(call.request).map_err(refused)?;
    match visitor.check_form(&params, call) {
        Ok(()) => Ok(params),
        Err(message) => Err(Box::new(error::old_form(message))),
    }
}

const CSRF_TOKEN: &str = "csrf_token";

/// In seconds.
const YEAR: i64 = 31_536_000;

/// With `__Host-`, no other host and no plain connection can have put it there.
fn cookie_name(name: &str, call: &Call<'_>) -> String {
    if is_secure(call) { format!("__Host-{name}") } else { name.to_owned() }
}

fn is_secure(call: &Call<'_>) -> bool {
    call.issuer.starts_with("https://")
}

pub fn put_cookie(response: &mut Response, name: &str, value: &str, seconds: i64, call: &Call<'_>) {
    let secure = if is_secure(call) { "SameSite=Lax; Secure" } else { "SameSite=Lax" };
    put(response, name, value, seconds, secure, call);
}

/// A cookie that comes back with what other sites post to us, too. Browsers want it to be `Secure`, and take that of loopback.
pub fn put_cookie_for_posts(response: &mut Response, name: &str, value: &str, seconds: i64, call: &Call<'_>) {
    put(response, name, value, seconds, "SameSite=None; Secure", call);
}

fn put(response: &mut Response, name: &str, value: &str, seconds: i64, how: &str, call: &Call<'_>) {
    let name = cookie_name(name, call);
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; {how}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}
