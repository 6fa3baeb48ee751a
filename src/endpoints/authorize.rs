//! The authorization endpoint (RFC 6749 §3.1): a browser comes with an application's request, and goes back with a code, a
//! token or an error. Until the redirect URI has been verified, an error is a page; from then on it is a redirect.

use http::StatusCode;

use crate::call::body::form;
use crate::call::{Call, Response, because};
use crate::grants::authorization_code;
use crate::grants::implicit;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor};
use crate::model::id::GrantId;
use crate::model::redirect::{AuthorizationResponse, VerifiedRedirect};
use crate::model::scope::Scope;
use crate::model::session::Session;
use crate::pages::consent::{self, Decision};
use crate::pages::error;
use crate::pages::form_post;
use crate::pages::layout::see_other;
use crate::pages::next::Next;
use crate::pages::visitor::{Visitor, checked_form};
use crate::protocol::authorization_request::{Prompt, ResponseMode, ResponseType, read_max_age};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::{MalformedForm, Params, encode};
use crate::protocol::pkce::CodeChallenge;
use crate::settings::Settings;
use crate::store::database::StoreError;
use crate::store::grants::{self, Approval, Consent};
use crate::store::sessions::{self, Asked};

/// How often a request is looked at anew because something it rests on was changed in between.
const TRIES: usize = 3;

/// `GET /o/authorize/`
pub async fn get(call: &Call<'_>) -> Response {
    authorize(call.request.uri().query().unwrap_or(""), &Visitor::of(call), None, call).await
}

/// `POST /o/authorize/`: what the person decided on the consent page, or an application's request (OIDC Core §3.1.2.1).
pub async fn post(call: &Call<'_>) -> Response {
    let params = match form(call.request) {
        Ok(params) => params,
        Err(error) => return error::refused(StatusCode::BAD_REQUEST, &error),
    };
    let Some(request) = params.optional(consent::REQUEST) else {
        // Only a GET brings the cookies along, wherever it comes from.
        return see_other(&Next::authorize(&encode(&params.into_pairs())).url(call));
    };
    let visitor = Visitor::of(call);
    match checked_form(&visitor, call) {
        Ok(params) => authorize(request, &visitor, Some(&Decision::read(&params)), call).await,
        Err(refusal) => *refusal,
    }
}

/// What comes of a request.
enum Answer {
    /// An authorization response with these parameters.
    Respond(Vec<(&'static str, String)>),
    /// The person has something to do first.
    Page(Response),
    /// Something it rests on was changed in between.
    Stale,
}

async fn authorize(query: &str, visitor: &Visitor, decision: Option<&Decision>, call: &Call<'_>) -> Response {
    for _ in 0..TRIES {
        let (params, fault) = Params::parse_leniently(query.as_bytes());
        let asked = match look_up(&params, visitor, call).await {
            Ok(asked) => asked,
            Err(error) => return error::unavailable(&error.into()),
        };
        let (application, redirect) = match verify(&params, fault.as_ref(), &asked, call) {
            Ok(verified) => verified,
            Err(error) => return error::refused(StatusCode::BAD_REQUEST, &error),
        };
        let request = Request { query, params: &params, application, redirect: &redirect, asked: &asked };
        let answer = match fault {
            Some(fault) => Err(fault.into()),
            None => request.answer(visitor, decision, call).await,
        };
        return match answer {
            Ok(Answer::Respond(fields)) => send(redirect.respond(fields)),
            Ok(Answer::Page(page)) => page,
            Ok(Answer::Stale) => continue,
            Err(error) => {
                let mut response = send(redirect.respond_error(&error));
                because(&mut response, error.code().as_str(), error.detail(), is_fault(error.code()));
                response
            }
        };
    }
    error::unavailable(&StoreError("the request was overtaken by others again and again".to_owned()).into())
}

fn send(response: AuthorizationResponse) -> Response {
    match response {
        AuthorizationResponse::Location(url) => see_other(&url),
        AuthorizationResponse::Form { action, fields } => form_post::show(&action, &fields),
    }
}

/// What a person decides, and what `prompt=none` is there to find out, is nobody's fault.
fn is_fault(code: ErrorCode) -> bool {
    !matches!(code, ErrorCode::AccessDenied | ErrorCode::LoginRequired | ErrorCode::ConsentRequired)
}

async fn look_up(params: &Params, visitor: &Visitor, call: &Call<'_>) -> Result<Asked, StoreError> {
    let app = call.app;
    let client_id = params.optional("client_id").unwrap_or_default();
    let limits = app.settings.sessions;
    sessions::find_for(visitor.token.as_ref(), client_id, limits, app.clock.now(), &*app.db).await
}

/// Who asks, and where the answer may go (RFC 6749 §3.1.2.4): on an error, nowhere.
fn verify<'a>(
    params: &Params,
    fault: Option<&MalformedForm>,
    asked: &'a Asked,
    call: &Call<'_>,
) -> Result<(&'a Application, VerifiedRedirect), OAuthError> {
    params.required("client_id")?;
    let application = asked.application.as_ref().filter(|application| application.registration.is_active);
    let application = application.ok_or_else(|| OAuthError::invalid_client("client_id is unknown"))?;
    let redirect_uri = params.optional("redirect_uri");
    // In a malformed request it may be what is malformed: nothing takes its place.
    if let (Some(fault), None) = (fault, redirect_uri) {
        return Err(OAuthError::invalid_request(fault.to_string()));
    }
    let schemes = &call.app.settings.redirect_schemes;
    let redirect = VerifiedRedirect::verify(redirect_uri, application, schemes, &call.issuer)?;
    let response_type = ResponseType::read(params).unwrap_or(ResponseType::Code);
    let mode =
        ResponseMode::read(params, response_type).unwrap_or_else(|_| ResponseMode::default_of(response_type));
    Ok((application, redirect.with_mode(mode).with_state(params.optional("state"))))
}

/// A request whose answer has somewhere to go.
struct Request<'a> {
    query: &'a str,
    params: &'a Params,
    application: &'a Application,
    redirect: &'a VerifiedRedirect,
    asked: &'a Asked,
}

/// The parameters that say what the answer is to be.
struct Wish {
    response_type: ResponseType,
    scope: Scope,
    code_challenge: Option<CodeChallenge>,
    prompt: Prompt,
    /// In seconds.
    max_age: Option<i64>,
}

impl Request<'_> {
    async fn answer(
        &self,
        visitor: &Visitor,
        decision: Option<&Decision>,
        call: &Call<'_>,
    ) -> Result<Answer, OAuthError> {
        let wish = self.wish(&call.app.settings)?;
        let Some(session) = self.session(&wish, call) else {
            return self.to_login(&wish, call);
        };
        let granted = match self.granted(&wish, decision, call)? {
            Some(granted) => granted,
            None if wish.prompt.none => {
                return Err(OAuthError::new(ErrorCode::ConsentRequired, "the person has to be asked"));
            }
            None => return Ok(Answer::Page(self.ask(&wish, session, visitor, call))),
        };
        self.issue(&wish, session, &granted, call).await
    }

    fn wish(&self, settings: &Settings) -> Result<Wish, OAuthError> {
        let (params, application) = (self.params, self.application);
        for name in ["request", "request_uri"] {
            if params.contains(name) {
                let code = if name == "request" {
                    ErrorCode::RequestNotSupported
                } else {
                    ErrorCode::RequestUriNotSupported
                };
                return Err(OAuthError::new(code, format!("{name} is not supported")));
            }
        }
        let response_type = ResponseType::read(params)?;
        ResponseMode::read(params, response_type)?;
        match response_type.grant_type() {
            Some(grant_type) => application.check_grant_type(grant_type)?,
            None if application.allows(GrantType::Implicit) => {}
            None => application.check_grant_type(GrantType::AuthorizationCode)?,
        }
        let registration = &application.registration;
        let code_challenge = CodeChallenge::read(
            params.optional("code_challenge"),
            params.optional("code_challenge_method"),
            registration.allow_plain_pkce,
        )?;
        let needs_pkce = settings.pkce_required || application.is_public();
        if response_type == ResponseType::Code && needs_pkce && code_challenge.is_none() {
            return Err(OAuthError::invalid_request("code_challenge is missing (RFC 7636)"));
        }
        let scope = params.optional("scope");
        Ok(Wish {
            response_type,
            scope: application.grantable_scope(scope, &settings.scopes, &settings.default_scopes)?,
            code_challenge,
            prompt: Prompt::read(params)?,
            max_age: read_max_age(params)?,
        })
    }

    /// Who is logged in, and recently enough.
    fn session(&self, wish: &Wish, call: &Call<'_>) -> Option<&Session> {
        let now = call.app.clock.now();
        let is_recent = |session: &&Session| {
            wish.max_age.is_none_or(|seconds| (now - session.created_at).seconds() <= seconds)
        };
        self.asked.session.as_ref().filter(is_recent).filter(|_| !wish.prompt.login && !wish.prompt.create)
    }

    /// The way to the login or sign-up page, and from there back here, where it is not asked for once more.
    fn to_login(&self, wish: &Wish, call: &Call<'_>) -> Result<Answer, OAuthError> {
        if wish.prompt.none {
            return Err(OAuthError::new(ErrorCode::LoginRequired, "the person has to log in"));
        }
        let mut pairs = self.params.clone().into_pairs();
        pairs.retain(|(name, _)| name != "max_age" && name != "prompt");
        if wish.prompt.consent {
            pairs.push(("prompt".to_owned(), "consent".to_owned()));
        }
        let page = if wish.prompt.create { "signup" } else { "login" };
        let next = Next::authorize(&encode(&pairs));
        let mut query = vec![("next", next.path())];
        query.extend(self.params.optional("login_hint").map(|hint| ("login_hint", hint)));
        let url = format!("{}/accounts/{page}/?{}", call.issuer, encode(&query));
        Ok(Answer::Page(see_other(&url)))
    }

    /// What the application gets; none if the person has to be asked.
    fn granted(
        &self,
        wish: &Wish,
        decision: Option<&Decision>,
        call: &Call<'_>,
    ) -> Result<Option<Scope>, OAuthError> {
        let denied = || OAuthError::new(ErrorCode::AccessDenied, "the person did not agree");
        match decision {
            Some(Decision::Allow(chosen)) => {
                let chosen = wish.scope.filter(|token| chosen.contains(token));
                return if chosen.is_empty() { Err(denied()) } else { Ok(Some(chosen)) };
            }
            Some(Decision::Deny) => return Err(denied()),
            None => {}
        }
        // No request can talk away what the operator wants.
        let asks_always = match self.params.optional("approval_prompt") {
            None | Some("auto") => call.app.settings.always_ask,
            Some("force") => true,
            Some(_) => return Err(OAuthError::invalid_request("approval_prompt must be auto or force")),
        };
        // RFC 8252 §8.6: another program on the device may have taken the address of the application.
        let may_be_another = self.application.is_public() && self.redirect.is_on_device();
        let has_agreed = self.asked.grant.as_ref().is_some_and(|(_, scope)| scope.contains_all(&wish.scope));
        let is_known = has_agreed || self.application.registration.skip_authorization;
        let is_settled = is_known && !asks_always && !may_be_another && !wish.prompt.consent;
        Ok(is_settled.then(|| wish.scope.clone()))
    }

    fn ask(&self, wish: &Wish, session: &Session, visitor: &Visitor, call: &Call<'_>) -> Response {
        let question = consent::Question {
            application: self.application,
            username: &session.user.profile.username,
            scope: &wish.scope,
            redirect_uri: Some(self.redirect.uri()),
            path: "/o/authorize/",
            request: self.query,
        };
        consent::show(&question, visitor, call)
    }

    async fn issue(
        &self,
        wish: &Wish,
        session: &Session,
        granted: &Scope,
        call: &Call<'_>,
    ) -> Result<Answer, OAuthError> {
        let (app, now) = (call.app, call.app.clock.now());
        let (grant_id, agreed) = match &self.asked.grant {
            Some((id, scope)) => (*id, Some(scope)),
            None => (GrantId::random(&*app.random), None),
        };
        let by = call.by(Actor::User(session.user.id));
        let event = by.did(Action::Authorized, format!("application {}", self.application.id));
        // What the operator lets an application have without asking was not consented to.
        let consented = match self.application.registration.skip_authorization {
            true => agreed.cloned().unwrap_or_default(),
            false => wish.scope.agreed(granted, agreed),
        };
        let consent = Consent { scope: &consented, event: &event };
        let approval = Approval {
            application: self.application,
            session,
            grant_id,
            consent: Some(consent).filter(|consent| agreed != Some(consent.scope)),
            scope: granted,
        };
        let fields = match wish.response_type {
            ResponseType::None => {
                let is_stored = match &approval.consent {
                    Some(consent) => {
                        let user = &session.user;
                        grants::agree(&grant_id, user, self.application, consent, now, &*app.db).await?
                    }
                    None => true,
                };
                is_stored.then(Vec::new)
            }
            ResponseType::Code => {
                let challenge = wish.code_challenge.as_ref();
                let code = authorization_code::issue(&approval, self.redirect, challenge, now, app).await?;
                code.map(|code| vec![("code", code.expose().to_owned())])
            }
            ResponseType::Token => {
                let tokens = implicit::issue(approval, call.address(), now, app).await?;
                tokens.map(|tokens| {
                    vec![
                        ("access_token", tokens.access_token.expose().to_owned()),
                        ("token_type", "Bearer".to_owned()),
                        ("expires_in", tokens.expires_in.seconds().to_string()),
                        ("scope", tokens.scope.to_string()),
                    ]
                })
            }
        };
        Ok(fields.map_or(Answer::Stale, Answer::Respond))
    }
}
