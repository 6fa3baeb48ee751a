//! The authorization code grant (RFC 6749 §4.1): from a person's consent to a code, and from the code to tokens.

use super::GrantError;
use super::client::AuthenticatedClient;
use crate::app::App;
use crate::crypto::random_bytes;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, By};
use crate::model::authorization_code::{IssuedCode, invalid};
use crate::model::id::{FamilyId, SessionId};
use crate::model::redirect::VerifiedRedirect;
use crate::model::time::Timestamp;
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::protocol::pkce::CodeChallenge;
use crate::store::authorization_codes::{self, NewCode};
use crate::store::database::StoreError;
use crate::store::families::{GrantWrite, Login, Stored};
use crate::store::grants::Approval;
use crate::tokens::mint::{self, Issuance, IssuanceLogin, TokenResponse};
use crate::tokens::revoke;
use crate::tokens::token::{AuthorizationCode, Holder};

/// Makes a code. None if the application, the person or the grant is not what was read.
///
/// # Errors
/// The database did not answer.
pub async fn issue(
    approval: &Approval<'_>,
    redirect: &VerifiedRedirect,
    code_challenge: Option<&CodeChallenge>,
    now: Timestamp,
    app: &App,
) -> Result<Option<AuthorizationCode>, StoreError> {
    let user = &approval.session.user;
    let holder = Holder {
        family: FamilyId::random(&*app.random),
        application: approval.application.id,
        user: Some((user.id, approval.grant_id)),
    };
    let code = AuthorizationCode::mint(holder, random_bytes(&*app.random), app.settings.keys.first());
    let session: SessionId = approval.session.id;
    let new = NewCode {
        digest: &code.digest(),
        application: approval.application,
        session,
        user_id: user.id,
        user_epoch: user.token_epoch,
        grant_id: approval.grant_id,
        consent: approval.consent.as_ref(),
        redirect_uri: redirect.uri(),
        redirect_uri_asked: redirect.is_asked(),
        scope: approval.scope,
        code_challenge,
        expires_at: now + app.settings.authorization_code_lifetime,
    };
    let is_stored = authorization_codes::insert(&new, now, &*app.db).await?;
    Ok(is_stored.then_some(code))
}

/// Exchanges an authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6).
///
/// # Errors
/// - `invalid_request`: `code` is missing.
/// - `invalid_grant`: it is unknown, expired, used, another application's, or does not fit `redirect_uri` or
///   `code_verifier`. A second use by the right holder ends what the first one issued.
/// - `unauthorized_client`: the application is not registered for the grant.
pub async fn exchange(
    params: &Params,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let now = app.clock.now();
    let application = client.application();
    application.check_grant_type(GrantType::AuthorizationCode)?;
    let code = AuthorizationCode::parse(params.required("code")?, &app.settings.keys)
        .ok_or_else(|| invalid("it is not a code of this server"))?;
    let issued = authorization_codes::find(&code.digest(), &*app.db).await?;
    let issued = issued.ok_or_else(|| invalid("it is unknown, or expired long ago"))?;
    let (redirect_uri, code_verifier) = (params.optional("redirect_uri"), params.optional("code_verifier"));
    // Checked first, used after: whoever merely saw a code can neither burn it nor end anything with it.
    issued.check_holder(application, redirect_uri, code_verifier)?;
    if issued.is_consumed {
        return Err(end_what_it_bought(&code, application, address, app).await);
    }
    if issued.expires_at <= now {
        return Err(invalid("it has expired").into());
    }
    redeem(&code, &issued, application, address, app).await
}

async fn redeem(
    code: &AuthorizationCode,
    issued: &IssuedCode,
    application: &Application,
    address: Option<Address>,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let now = app.clock.now();
    // Never more than the application may still have.
    let scope = issued.scope.filter(|token| application.may_have(token, &app.settings.scopes));
    let (Some((user_id, grant_id)), Some(username)) = (code.holder().user, &issued.username) else {
        return Err(invalid("the user has been deleted").into());
    };
    if scope.is_empty() {
        return Err(invalid("the application may have nothing of the scope any more").into());
    }
    let login = Login {
        user_id,
        user_epoch: issued.user_epoch,
        grant_id,
        grant: GrantWrite::Nothing,
        session: None,
        social: None,
        password_hash: None,
        attempt: None,
        event: By { actor: Actor::User(user_id), address }
            .did(Action::LoggedIn, format!("application {}", application.id)),
    };
    let login = Some(IssuanceLogin { username, login });
    let issuance = Issuance { application, login, scope, code: Some(code), with_refresh: true };
    match mint::issue(issuance, now, app).await? {
        Ok(response) => Ok(response),
        Err(Stored::StaleApplication) => Err(GrantError::StaleApplication),
        Err(Stored::UsedUp) => Err(end_what_it_bought(code, application, address, app).await),
        Err(Stored::StaleUser | Stored::Yes) => {
            Err(invalid("the user was logged out everywhere, or has ended the authorization").into())
        }
    }
}

/// A thief who was faster must not keep the tokens (RFC 6749 §4.1.2, RFC 9700 §4.2.4).
async fn end_what_it_bought(
    code: &AuthorizationCode,
    application: &Application,
    address: Option<Address>,
    app: &App,
) -> GrantError {
    let family = code.holder().family;
    let event = By { actor: Actor::Application(application.id), address }
        .did(Action::AuthorizationCodeReused, format!("family {family}"));
    match revoke::end_family(&family, &event, app.clock.now(), app).await {
        Ok(()) => invalid("it was used before: its family has been ended").into(),
        Err(failed) => OAuthError::from(failed).into(),
    }
}
