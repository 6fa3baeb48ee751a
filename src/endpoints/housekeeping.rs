//! What drf-social-oauth2 has under `/auth/` beside getting tokens: whoever has an access token ends things with it.

use http::StatusCode;
use http::header::{AUTHORIZATION, ORIGIN};

use super::{respond, revoke_token as by_client};
use crate::call::body::form_or_json;
use crate::call::{Call, Response, header};
use crate::grants::{client, disconnect};
use crate::model::audit::{Action, Actor, AuditEvent};
use crate::model::fields::FieldErrors;
use crate::model::id::{GrantId, SocialAccountId, UserId};
use crate::protocol::authorization::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::store::families;
use crate::store::social_accounts::Disconnected;
use crate::tokens::find;
use crate::tokens::revoke::{self, RevocationFailed};
use crate::tokens::token::{AccessToken, Holder};

/// `POST /auth/revoke-token/`: ends a login, that of the access token in the header, or that of `token`. The package's older
/// versions have client credentials instead of the header.
pub async fn revoke_token(call: &Call<'_>) -> Response {
    if is_by_client(call) {
        return by_client::answer(form_or_json(call.request), StatusCode::NO_CONTENT, call).await;
    }
    answer(revoke_login(call).await)
}

/// `POST /auth/invalidate-sessions/`: ends all logins of the user at the application.
pub async fn invalidate_sessions(call: &Call<'_>) -> Response {
    answer(end_sessions(call).await)
}

/// `POST /auth/invalidate-refresh-tokens/`: as [`invalidate_sessions`], but access tokens go on until they expire.
pub async fn invalidate_refresh_tokens(call: &Call<'_>) -> Response {
    answer(end_refresh_tokens(call).await)
}

/// `POST /auth/disconnect-backend/`: the account at a provider, or all there, no longer let the user in. For applications that log
/// people in by providers: others have no business with how their users log in.
pub async fn disconnect_backend(call: &Call<'_>) -> Response {
    answer(disconnect(call).await)
}

async fn disconnect(call: &Call<'_>) -> Result<(), Refusal> {
    let (bearer, client_id, params) = Bearer::of_anybody(call).await?;
    let backend = params.optional("backend").ok_or(Refusal::Missing("backend"))?;
    let account = match params.optional("association_id") {
        Some(text) => Some(SocialAccountId::parse(text).ok_or(Refusal::NotThere)?),
        None => None,
    };
    let application = client::find(&client_id, call.app).await?;
    if !application.is_some_and(|(application, _)| application.allows(GrantType::ConvertToken)) {
        return Err(Refusal::NotAllowed);
    }
    let by = call.by(Actor::User(bearer.user));
    match disconnect::disconnect(&bearer.user, backend, account, by, call.app).await? {
        Disconnected::Yes(_) => Ok(()),
        Disconnected::NotThere => Err(Refusal::NotThere),
        Disconnected::LastWayIn => Err(Refusal::LastWayIn),
    }
}

async fn revoke_login(call: &Call<'_>) -> Result<(), Refusal> {
    let (bearer, params) = Bearer::of(call).await?;
    let holder = match params.optional("token") {
        None => bearer.holder,
        // What nobody knows needs no end (RFC 7009 §2.2).
        Some(token) => match by_client::holder(token, &call.app.settings.keys) {
            None => return Ok(()),
            Some(holder) => holder,
        },
    };
    if holder.application != bearer.holder.application
        || holder.user.map(|(user, _)| user) != Some(bearer.user)
    {
        return Err(OAuthError::invalid_request("token is of another application or user").into());
    }
    let event = bearer.did(Action::TokensRevoked, format!("family {}", holder.family), call);
    Ok(revoke::end_family(&holder.family, &event, call.app.clock.now(), call.app).await?)
}

async fn end_sessions(call: &Call<'_>) -> Result<(), Refusal> {
    let (bearer, _) = Bearer::of(call).await?;
    let event = bearer.did(Action::TokensRevoked, format!("grant {}", bearer.grant), call);
    Ok(revoke::renew_grant(&bearer.grant, &event, call.app).await?)
}

async fn end_refresh_tokens(call: &Call<'_>) -> Result<(), Refusal> {
    let (bearer, _) = Bearer::of(call).await?;
    let event = bearer.did(Action::RefreshTokensRevoked, format!("grant {}", bearer.grant), call);
    let app = call.app;
    // The database is asked about every refresh token: no mark is needed.
    Ok(families::end_refresh_tokens(&bearer.grant, &event, app.clock.now(), &*app.db).await?)
}

/// True without a Bearer header, if there is something else by which a client could show who it is.
fn is_by_client(call: &Call<'_>) -> bool {
    match header(call.request, AUTHORIZATION.as_str()) {
        Ok(Some(header)) => {
            !header.split(' ').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
        }
        Ok(None) => form_or_json(call.request)
            .is_ok_and(|params| ["token", "client_secret"].iter().any(|name| params.contains(name))),
        Err(_) => false,
    }
}

/// A good access token of a user, whose application is the one that the body names.
struct Bearer {
    holder: Holder,
    user: UserId,
    grant: GrantId,
}

impl Bearer {
    async fn of(call: &Call<'_>) -> Result<(Self, Params), Refusal> {
        let (bearer, of_token, params) = Self::of_anybody(call).await?;
        let client_id = params.optional("client_id").ok_or(Refusal::Missing("client_id"))?;
        match client_id == of_token {
            true => Ok((bearer, params)),
            false => Err(Refusal::NotItsApplication),
        }
    }

    /// Of whichever application: its `client_id` is the second. Asks the database: a token that has ended elsewhere ends nothing
    /// any more.
    async fn of_anybody(call: &Call<'_>) -> Result<(Self, String, Params), Refusal> {
        let app = call.app;
        let token = presented(call)?;
        let family = families::find(&token.holder().family, &*app.db).await?;
        let record = match find::good_record(family.as_ref(), &token.digest(), app.clock.now()) {
            Ok(record) => record,
            Err(reason) => {
                // Perhaps by this very request, answered 503 when KV did not take the mark.
                if let Some(family) = &family {
                    revoke::mark_again(family, app).await?;
                }
                return Err(Refusal::DeadToken(reason));
            }
        };
        note_requester(&record.client_id, call).await?;
        let params = form_or_json(call.request)?;
        match token.holder().user {
            Some((user, grant)) => {
                Ok((Self { holder: *token.holder(), user, grant }, record.client_id, params))
            }
            None if params.optional("client_id").is_none() => Err(Refusal::Missing("client_id")),
            None => Err(Refusal::NotItsApplication),
        }
    }

    fn did(&self, action: Action, target: String, call: &Call<'_>) -> AuditEvent {
        call.by(Actor::User(self.user)).did(action, target)
    }
}

/// The token of the header, if it bears our MAC.
fn presented(call: &Call<'_>) -> Result<AccessToken, Refusal> {
    match header(call.request, AUTHORIZATION.as_str()).map(|header| header.map(authorization::parse)) {
        Ok(None | Some(Ok(Credentials::OtherScheme | Credentials::Basic { .. }))) => Err(Refusal::NoToken),
        Ok(Some(Ok(Credentials::Bearer(token)))) => {
            AccessToken::parse(token.expose(), &call.app.settings.keys).ok_or(Refusal::NotOurToken)
        }
        Ok(Some(Err(_))) | Err(_) => Err(Refusal::NotOurToken),
    }
}

/// The token's application decides which origin may read the answer: it is looked up if there is one.
async fn note_requester(client_id: &str, call: &Call<'_>) -> Result<(), StoreError> {
    if call.request.headers().contains_key(ORIGIN) {
        let found = client::find(client_id, call.app).await?;
        *call.requester.borrow_mut() = found.map(|(application, _)| application);
    }
    Ok(())
}

/// Why nothing was ended.
enum Refusal {
    NoToken,
    /// Told by form or MAC alone.
    NotOurToken,
    DeadToken(&'static str),
    Missing(&'static str),
    /// There is no such account at a provider, or it is somebody else's.
    NotThere,
    LastWayIn,
    NotAllowed,
    /// `client_id` is unknown, or another application's than the token's, or the token is of no user.
    NotItsApplication,
    /// The body cannot be read, or storage does not answer.
    Other(OAuthError),
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::Other(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<RevocationFailed> for Refusal {
    fn from(failed: RevocationFailed) -> Self {
        Self::Other(failed.into())
    }
}

fn answer(done: Result<(), Refusal>) -> Response {
    let invalid =
        || OAuthError::new(ErrorCode::InvalidToken, "the access token is invalid, expired or revoked");
    match done {
        Ok(()) => respond::empty(StatusCode::NO_CONTENT),
        Err(Refusal::NoToken) => respond::drf_bearer_challenge(),
        Err(Refusal::NotOurToken) => respond::drf_bearer_error(&invalid(), false),
        Err(Refusal::DeadToken(reason)) => respond::drf_bearer_error(&invalid().because(reason), true),
        Err(Refusal::Missing(name)) => {
            respond::drf_fields(&FieldErrors::one(name, "This field is required."))
        }
        Err(Refusal::NotThere) => {
            respond::drf_detail(StatusCode::BAD_REQUEST, "There is no such association.")
        }
        Err(Refusal::LastWayIn) => {
            respond::drf_detail(StatusCode::BAD_REQUEST, "It is the last way for the user to log in.")
        }
        Err(Refusal::NotAllowed) => {
            respond::drf_detail(StatusCode::FORBIDDEN, "You do not have permission to perform this action.")
        }
        Err(Refusal::NotItsApplication) => respond::drf_detail(StatusCode::BAD_REQUEST, NOT_FOUND),
        Err(Refusal::Other(error)) if error.code() == ErrorCode::InvalidRequest => {
            respond::drf_detail(StatusCode::BAD_REQUEST, error.description())
        }
        Err(Refusal::Other(error)) => respond::drf_error(&error),
    }
}

const NOT_FOUND: &str = "The application linked to the provided client_id could not be found.";
