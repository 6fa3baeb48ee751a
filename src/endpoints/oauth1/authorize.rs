//! Where a person approves a request token (RFC 5849 §2.2), or does not.

use http::header::ACCEPT;

use super::{respond_error, said};
use crate::call::{Call, Response, header};
use crate::crypto::encoding::base64url;
use crate::crypto::random_bytes;
use crate::grants::oauth1::request_token::check_callback;
use crate::grants::oauth1::{Oauth1Error, Refusal};
use crate::model::application::Application;
use crate::model::audit::{Action, Actor};
use crate::model::family::TokenDigest;
use crate::model::id::GrantId;
use crate::model::oauth1::{Callback, RequestToken, RequestTokenState};
use crate::model::scope::Scope;
use crate::model::session::Session;
use crate::pages::consent::{self, Decision, REQUEST};
use crate::pages::layout::see_other;
use crate::pages::next::Next;
use crate::pages::person::to_login;
use crate::pages::visitor::{Visitor, checked_form};
use crate::pages::{error, oauth1};
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::{Params, encode};
use crate::protocol::uri::with_query;
use crate::store::database::StoreError;
use crate::store::grants::{Approval, Consent};
use crate::store::oauth1_tokens;
use crate::store::sessions::{self, Asked};
use crate::tokens::token::Oauth1RequestToken;

/// How often a request is looked at anew because something it rests on was changed in between.
const TRIES: usize = 3;

/// `GET /oauth/authorize/`
pub async fn get(call: &Call<'_>) -> Response {
    let query = Params::parse(call.request.uri().query().unwrap_or("").as_bytes());
    let token = match &query {
        Ok(query) => query.optional("oauth_token").ok_or_else(|| Refusal::NoRequestToken.because("none")),
        Err(error) => Err(Refusal::Malformed.because(error.to_string())),
    };
    let visitor = Visitor::of(call);
    match token {
        Ok(token) => answer(token, &visitor, None, call).await,
        Err(error) => refused(&error, call),
    }
}

/// `POST /oauth/authorize/`: what the person decided on the consent page.
pub async fn post(call: &Call<'_>) -> Response {
    let visitor = Visitor::of(call);
    match checked_form(&visitor, call) {
        Ok(params) => match params.optional(REQUEST) {
            Some(token) => answer(token, &visitor, Some(&Decision::read(&params)), call).await,
            None => refused(&Refusal::NoRequestToken.because("none"), call),
        },
        Err(refusal) => *refusal,
    }
}

async fn answer(token: &str, visitor: &Visitor, decision: Option<&Decision>, call: &Call<'_>) -> Response {
    for _ in 0..TRIES {
        match look_up(token, visitor, call).await {
            Ok(Looked::Request(request)) => match request.decide(visitor, decision, call).await {
                Ok(Some(response)) => return response,
                Ok(None) => {}
                Err(error) => return error::unavailable(&error.into()),
            },
            Ok(Looked::Nobody) => {
                let path = format!("/oauth/authorize/?{}", encode(&[("oauth_token", token)]));
                return to_login(&Next::read(Some(&path)), call);
            }
            Err(error) => return refused(&error, call),
        }
    }
    error::unavailable(&StoreError("the request was overtaken by others again and again".to_owned()).into())
}

/// A page for people, plain text for programs.
fn refused(error: &Oauth1Error, call: &Call<'_>) -> Response {
    let accept = header(call.request, ACCEPT.as_str()).ok().flatten().unwrap_or_default();
    match error {
        Oauth1Error::Refused { refusal, reason } if accept.contains("text/html") => {
            let (status, text) = said(refusal);
            error::refused(status, &OAuthError::invalid_request(text).because(reason.clone().into_owned()))
        }
        Oauth1Error::Unavailable(error) if accept.contains("text/html") => error::unavailable(error),
        error => respond_error(error),
    }
}

/// What there is to be decided about.
enum Looked {
    Request(Box<Request>),
    /// Nobody is logged in.
    Nobody,
}

/// A request token that somebody who is logged in may approve.
struct Request {
    token: Oauth1RequestToken,
    found: RequestToken,
    application: Application,
    session: Session,
    grant: Option<(GrantId, Scope)>,
}

async fn look_up(text: &str, visitor: &Visitor, call: &Call<'_>) -> Result<Looked, Oauth1Error> {
    let (app, now) = (call.app, call.app.clock.now());
    let unknown = |reason: &'static str| Refusal::RequestToken.because(reason);
    let token = Oauth1RequestToken::parse(text, &app.settings.keys);
    let token = token.ok_or_else(|| unknown("it is not one of this server"))?;
    let found = oauth1_tokens::find(&token.digest(), &*app.db).await?;
    let found = found.filter(|found| found.expires_at > now);
    let found = found.ok_or_else(|| unknown("it is unknown, or has expired"))?;
    if !matches!(found.state, RequestTokenState::Pending) {
        return Err(unknown("it has been approved before"));
    }
    let limits = app.settings.sessions;
    let Asked { application, session, grant } =
        sessions::find_for(visitor.token.as_ref(), &found.client_id, limits, now, &*app.db).await?;
    let application = application.filter(|application| application.id == found.application_id);
    let application = application.filter(|it| it.registration.is_active && it.allows(GrantType::OAuth1));
    let application = application
        .ok_or_else(|| Refusal::Consumer.because("it is disabled, or not registered for oauth1"))?;
    check_callback(&found.callback, &application, &call.issuer, app)?;
    let Some(session) = session else {
        return Ok(Looked::Nobody);
    };
    Ok(Looked::Request(Box::new(Request { token, found, application, session, grant })))
}

impl Request {
    /// None: something it rests on was changed in between.
    async fn decide(
        &self,
        visitor: &Visitor,
        decision: Option<&Decision>,
        call: &Call<'_>,
    ) -> Result<Option<Response>, StoreError> {
        match decision {
            None => Ok(Some(self.ask(visitor, call))),
            Some(Decision::Deny) => self.refuse(call).await,
            Some(Decision::Allow(chosen)) => {
                let granted = self.found.scope.filter(|token| chosen.contains(token));
                match granted.is_empty() {
                    true => self.refuse(call).await,
                    false => self.approve(&granted, call).await,
                }
            }
        }
    }

    /// Always: who has agreed before did not send this browser here.
    fn ask(&self, visitor: &Visitor, call: &Call<'_>) -> Response {
        let question = consent::Question {
            application: &self.application,
            username: &self.session.user.profile.username,
            scope: &self.found.scope,
            redirect_uri: self.found.callback.uri(),
            path: "/oauth/authorize/",
            request: self.token.expose(),
        };
        consent::show(&question, visitor, call)
    }

    async fn approve(&self, granted: &Scope, call: &Call<'_>) -> Result<Option<Response>, StoreError> {
        let app = call.app;
        let (grant_id, agreed) = match &self.grant {
            Some((id, scope)) => (*id, Some(scope)),
            None => (GrantId::random(&*app.random), None),
        };
        let by = call.by(Actor::User(self.session.user.id));
        let event = by.did(Action::Authorized, format!("application {}", self.application.id));
        let consented = self.found.scope.agreed(granted, agreed);
        let verifier = new_verifier(&self.found.callback, call);
        let consent = Consent { scope: &consented, event: &event };
        let approval = Approval {
            application: &self.application,
            session: &self.session,
            grant_id,
            consent: Some(consent).filter(|consent| agreed != Some(consent.scope)),
            scope: granted,
        };
        let now = app.clock.now();
        if !oauth1_tokens::approve(
            &self.token.digest(),
            &approval,
            &TokenDigest::of(&verifier),
            now,
            &*app.db,
        )
        .await?
        {
            return Ok(None);
        }
        Ok(Some(match &self.found.callback {
            Callback::Uri(uri) => {
                let fields = [("oauth_token", self.token.expose()), ("oauth_verifier", &verifier)];
                see_other(&with_query(uri, &fields))
            }
            Callback::OutOfBand => oauth1::show_verifier(&self.application, &verifier),
        }))
    }

    async fn refuse(&self, call: &Call<'_>) -> Result<Option<Response>, StoreError> {
        if !oauth1_tokens::refuse(&self.token.digest(), &*call.app.db).await? {
            return Ok(None);
        }
        Ok(Some(match &self.found.callback {
            Callback::Uri(uri) => {
                let fields = [("oauth_token", self.token.expose()), ("error", "Access not granted by user.")];
                see_other(&with_query(uri, &fields))
            }
            Callback::OutOfBand => oauth1::show_refused(&self.application),
        }))
    }
}

/// Random, and short enough to be typed where a person has to.
fn new_verifier(callback: &Callback, call: &Call<'_>) -> String {
    let bytes: [u8; 16] = random_bytes(&*call.app.random);
    match callback {
        Callback::Uri(_) => base64url(&bytes),
        Callback::OutOfBand => format!("{:010}", u128::from_be_bytes(bytes) % 10_000_000_000),
    }
}
