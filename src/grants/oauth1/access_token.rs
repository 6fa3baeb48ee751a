//! Token credentials (RFC 5849 §2.3): a request token that somebody has approved is exchanged for them, once.

use super::signature::{self, SigningToken, Verified};
use super::{Oauth1Error, Refusal, stale};
use crate::app::App;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, By};
use crate::model::family::TokenDigest;
use crate::model::oauth1::{RequestToken, RequestTokenState};
use crate::protocol::oauth1::SignedRequest;
use crate::store::families::{GrantWrite, Login, Stored};
use crate::store::oauth1_tokens;
use crate::tokens::oauth1::{self, Issuance, TokenCredentials, secret_of_request_token};
use crate::tokens::token::Oauth1RequestToken;

/// Exchanges a request token. `url` is what the client called.
///
/// # Errors
/// Why it is refused. The request token is still there then, unless it was used, or has expired.
pub async fn exchange(
    request: &SignedRequest,
    url: &str,
    address: Option<Address>,
    app: &App,
) -> Result<TokenCredentials, Oauth1Error> {
    let (text, verifier) = match (request.token(), request.parameter("oauth_verifier")?) {
        (Some(text), Some(verifier)) => (text, verifier),
        (text, verifier) => {
            let names =
                [text.is_none().then_some("oauth_token"), verifier.is_none().then_some("oauth_verifier")];
            let missing = Refusal::Missing(names.into_iter().flatten().collect());
            return Err(missing.because("parameters are missing"));
        }
    };
    let token = Oauth1RequestToken::parse(text, &app.settings.keys);
    let found = match &token {
        Some(token) => oauth1_tokens::find(&token.digest(), &*app.db).await?,
        None => None,
    };
    let (token, found) = (token.as_ref(), found.as_ref());
    let find_token = async |application: &Application| Ok(signing_token(token, found, application, app));
    let Verified { application, .. } = signature::verify(request, url, find_token, app).await?;
    let (Some(token), Some(found)) = (token, found) else {
        return Err(unknown("there is none"));
    };
    redeem(token, found, verifier, &application, address, app).await
}

fn signing_token(
    token: Option<&Oauth1RequestToken>,
    found: Option<&RequestToken>,
    application: &Application,
    app: &App,
) -> SigningToken {
    let (Some(token), Some(found)) = (token, found) else {
        return SigningToken::Unknown(unknown("it is not one of this server, was used, or has expired"));
    };
    if found.application_id != application.id {
        return SigningToken::Others(unknown("it is another application's"));
    }
    match secret_of_request_token(token, found, app) {
        Some(secret) => SigningToken::Known { secret, family: None },
        None => SigningToken::Unknown(unknown("its secret cannot be read")),
    }
}

async fn redeem(
    token: &Oauth1RequestToken,
    found: &RequestToken,
    verifier: &str,
    application: &Application,
    address: Option<Address>,
    app: &App,
) -> Result<TokenCredentials, Oauth1Error> {
    let now = app.clock.now();
    if found.expires_at <= now {
        return Err(unknown("it has expired"));
    }
    let RequestTokenState::Approved { user_id, user_epoch, grant_id, verifier: expected } = &found.state
    else {
        return Err(Refusal::NotApproved.because("nobody has approved the request token"));
    };
    if TokenDigest::of(verifier) != *expected {
        return Err(Refusal::Verifier.because("oauth_verifier is not that of the request token"));
    }
    // Never more than the application may still have.
    let scope = found.scope.filter(|token| application.may_have(token, &app.settings.scopes));
    if scope.is_empty() {
        return Err(Refusal::Scope.because("the application may have nothing of the scope any more"));
    }
    let login = Login {
        user_id: *user_id,
        user_epoch: *user_epoch,
        grant_id: *grant_id,
        grant: GrantWrite::Nothing,
        session: None,
        social: None,
        password_hash: None,
        attempt: None,
        event: By { actor: Actor::User(*user_id), address }
            .did(Action::LoggedIn, format!("application {}", application.id)),
    };
    let issuance = Issuance { application, login, scope: &scope, request_token: Some(token) };
    match oauth1::issue(issuance, now, app).await? {
        Ok(credentials) => Ok(credentials),
        Err(Stored::StaleApplication) => Err(stale()),
        Err(Stored::UsedUp) => Err(unknown("it was used before")),
        Err(Stored::StaleUser | Stored::Yes) => {
            Err(unknown("the user was logged out everywhere, or has ended the authorization"))
        }
    }
}

fn unknown(reason: &'static str) -> Oauth1Error {
    Refusal::RequestToken.because(reason)
}
