//! `/complete/{backend}/`: back from a provider.

use http::{Method, StatusCode};
use serde_json::Value;

use super::login::{Way, cookie, provider, refused};
use crate::call::{Call, Response};
use crate::crypto::secret::{Secret, same_bytes};
use crate::grants::identity;
use crate::model::audit::{Action, Actor};
use crate::model::id::{SessionId, SocialAccountId};
use crate::model::social::Identity;
use crate::pages::error::{self, Instead};
use crate::pages::form::text;
use crate::pages::home::link;
use crate::pages::layout::{Html, Page, see_other};
use crate::pages::next::Next;
use crate::pages::person::after;
use crate::pages::visitor::{Proof, Visitor, find_cookie, find_own_cookie, put_cookie};
use crate::pages::{english, mail};
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::social::SocialError;
use crate::social::authorization_request::Pending;
use crate::social::code::Code;
use crate::social::proof::Presented;
use crate::social::provider::Provider;
use crate::social::user::{self, Matched};
use crate::store::database::StoreError;
use crate::store::sessions;
use crate::store::social_accounts::Arrival;

/// How often a login is stored anew because something changed in between.
const TRIES: usize = 3;

/// `GET /complete/{backend}/`
///
/// # Errors
/// Another page.
pub async fn get(call: &Call<'_>) -> Result<Response, Instead> {
    let (params, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    complete(&params, call).await
}

/// `POST /complete/{backend}/`: an authorization response by form post, or what Google One Tap posts.
///
/// # Errors
/// Another page.
pub async fn post(call: &Call<'_>) -> Result<Response, Instead> {
    let (params, _) = Params::parse_leniently(call.request.body());
    match params.optional("credential") {
        Some(token) if provider(call)?.one_tap => one_tap(token, &params, call).await,
        _ => complete(&params, call).await,
    }
}

/// An authorization response (RFC 6749 §4.1.2). Nothing of it counts unless this browser has been sent there by us.
async fn complete(params: &Params, call: &Call<'_>) -> Result<Response, Instead> {
    let (provider, app) = (provider(call)?, call.app);
    let sealed = find_own_cookie(&cookie(provider), call).unwrap_or_default();
    let state = params.optional("state").unwrap_or_default();
    let pending = Pending::open(&sealed, state, provider, app).ok_or_else(|| begin_again(call))?;
    let answered = go_on(&pending, params, provider, call).await;
    let mut response = answered.unwrap_or_else(|instead| *instead.0);
    // Who is asked to try again in a moment can: the provider may not have seen the code yet.
    if ![StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status()) {
        put_cookie(&mut response, &cookie(provider), "", 0, call);
    }
    Ok(response)
}

async fn go_on(
    pending: &Pending,
    params: &Params,
    provider: &Provider,
    call: &Call<'_>,
) -> Result<Response, Instead> {
    let next = Next::read(Some(&pending.next));
    let way = if pending.link.is_some() { Way::Account } else { Way::LogIn(&next) };
    let code = match read_code(params, provider) {
        Ok(code) => code,
        Err(error) => return Ok(refused(&error, provider, &way, call)),
    };
    let presented = Presented::Code(Code {
        code,
        redirect_uri: Some(&pending.redirect_uri),
        code_verifier: Some(&pending.code_verifier).filter(|_| provider.pkce).map(String::as_str),
        nonce: Some(&pending.nonce),
    });
    let identity = match identity::verify(&presented, provider, call.address(), call.app).await? {
        Ok(identity) => with_posted_name(identity, params),
        Err(error) => return Ok(refused(&error, provider, &way, call)),
    };
    match pending.link {
        Some(session) => link_account(identity, session, provider, call).await,
        None => log_in(&identity, provider, &next, call).await,
    }
}

/// The code, if the provider has sent one.
fn read_code<'a>(params: &'a Params, provider: &Provider) -> Result<&'a str, SocialError> {
    // RFC 9207 §2.4: an answer of another issuer was meant for somebody else.
    let is_other = |issuer: &str| !provider.issuers.iter().any(|known| known == issuer);
    if !provider.issuers.is_empty() && params.optional("iss").is_some_and(is_other) {
        return Err(SocialError::refused("iss of the answer is not the provider's"));
    }
    params.optional("code").ok_or_else(|| {
        let error = params.optional("error").filter(|error| is_code(error)).unwrap_or("no code");
        SocialError::refused(format!("the provider's answer: {error}"))
    })
}

/// Logs a person in whom the provider knows, and makes a user of them if they are new.
async fn log_in(
    identity: &Identity,
    provider: &Provider,
    next: &Next,
    call: &Call<'_>,
) -> Result<Response, Instead> {
    let visitor = Visitor::of(call);
    for _ in 0..TRIES {
        let matched = match user::find(identity, None, call.address(), call.app).await {
            Ok(Matched::Yes(matched)) => matched,
            Ok(Matched::StaleApplication) => continue,
            Err(error) => return Ok(refused(&error, provider, &Way::LogIn(next), call)),
        };
        let social = &matched.login;
        let proof = Proof { social: Some(social), ..Proof::default() };
        let mut response = see_other(&next.url(call));
        if visitor.log_in(&social.user, proof, call, &mut response).await? {
            if matches!(social.arrival, Arrival::New { .. }) {
                mail::welcome(&social.user, &call.issuer, call.app).await;
            }
            return Ok(response);
        }
        // Somebody else made the user or the link at the same time.
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}

/// Links the account at the provider to who is logged in, and was when this began.
async fn link_account(
    identity: Identity,
    session: SessionId,
    provider: &Provider,
    call: &Call<'_>,
) -> Result<Response, Instead> {
    let visitor = Visitor::of(call);
    let found = match visitor.token {
        // Browsers keep the session's cookie back from what the provider posts. Whose it was stands in the sealed one.
        None if call.request.method() == Method::POST => {
            sessions::find_by_id(&session, call.app.clock.now(), &*call.app.db).await?
        }
        _ => visitor.session(call).await?,
    };
    let Some(session) = found.filter(|found| found.id == session) else {
        return Err(begin_again(call));
    };
    let account = SocialAccountId::random(&*call.app.random);
    let event = call
        .by(Actor::User(session.user.id))
        .did(Action::SocialAccountLinked, format!("social account {account}"));
    match user::link(&identity, account, &session, &event, call.app).await {
        Ok(()) => Ok(see_other(&after("connected", call))),
        Err(error) => Ok(refused(&error, provider, &Way::Account, call)),
    }
}

/// What Google One Tap posts: an ID token, and a text that its script has put into a cookie, too, so that no other site
/// can post it.
async fn one_tap(token: &str, params: &Params, call: &Call<'_>) -> Result<Response, Instead> {
    let provider = provider(call)?;
    let posted = params.optional(ONE_TAP_CSRF).unwrap_or_default();
    let kept = find_cookie(ONE_TAP_CSRF, call).unwrap_or_default();
    if posted.is_empty() || !same_bytes(posted.as_bytes(), kept.as_bytes()) {
        return Err(begin_again(call));
    }
    let (query, _) = Params::parse_leniently(call.request.uri().query().unwrap_or("").as_bytes());
    let next = Next::read(query.optional("next"));
    let presented = Presented::IdToken { token: Secret::new(token), nonce: None };
    match identity::verify(&presented, provider, call.address(), call.app).await? {
        Ok(identity) => log_in(&identity, provider, &next, call).await,
        Err(error) => Ok(refused(&error, provider, &Way::LogIn(&next), call)),
    }
}

const ONE_TAP_CSRF: &str = "g_csrf_token";

/// Apple tells a person's name only when they come for the first time, and only by way of the browser: it is good for
/// nothing but to be shown.
fn with_posted_name(mut identity: Identity, params: &Params) -> Identity {
    let posted = params.optional("user").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let name = |part: &str| -> Option<String> {
        let text = posted.as_ref()?.get("name")?.get(part)?.as_str()?;
        Some(text.chars().filter(|c| !c.is_control()).take(150).collect())
    };
    if identity.first_name.is_empty() && identity.last_name.is_empty() {
        identity.first_name = name("firstName").unwrap_or_default();
        identity.last_name = name("lastName").unwrap_or_default();
    }
    identity
}

/// As RFC 6749 §4.1.2.1 has them: anything else does not go into the log.
fn is_code(error: &str) -> bool {
    error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// This browser was not sent to the provider by us, or too long ago.
fn begin_again(call: &Call<'_>) -> Instead {
    let log_in = format!("{}/accounts/login/", call.issuer);
    let body: Html =
        text(english::BEGIN_AGAIN).then("<p>").with(&link(&log_in, english::LOG_IN)).then("</p>");
    let page = Page::new(english::NOT_LOGGED_IN, body).status(StatusCode::BAD_REQUEST);
    let reason = OAuthError::invalid_request("state is not that of a login under way in this browser");
    error::with_reason(page, &reason).into()
}
