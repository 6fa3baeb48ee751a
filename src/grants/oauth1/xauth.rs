//! xAuth: token credentials for a username and password, for applications that may.

use super::request_token::granted_scope;
use super::signature::{self, SigningToken};
use super::{Oauth1Error, Refusal, stale};
use crate::app::App;
use crate::grants::GrantError;
use crate::grants::login;
use crate::model::address::Address;
use crate::model::username;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::oauth1::SignedRequest;
use crate::store::users;
use crate::tokens::oauth1::{self, Issuance, TokenCredentials};

/// Issues token credentials for `x_auth_username`, which may be an e-mail address, and `x_auth_password`. `url` is what the
/// client called.
///
/// # Errors
/// Why it is refused: of a wrong password as of one of nobody, after the same work.
pub async fn issue(
    request: &SignedRequest,
    url: &str,
    address: Option<Address>,
    app: &App,
) -> Result<TokenCredentials, Oauth1Error> {
    let username = request.parameter("x_auth_username")?;
    let password = request.parameter("x_auth_password")?;
    if request.parameter("x_auth_mode")? != Some("client_auth") || request.token().is_some() {
        return Err(Refusal::Xauth.because("x_auth_mode is not client_auth, or there is a token already"));
    }
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Refusal::Xauth.because("x_auth_username or x_auth_password is missing"));
    };
    let verified = signature::verify(request, url, async |_| Ok(SigningToken::None), app).await?;
    let application = &*verified.application;
    if !application.registration.xauth_allowed {
        return Err(Refusal::XauthNotAllowed.because("xauth_allowed is not registered"));
    }
    let scope = granted_scope(request, application, app)?;
    // Tries count for the account, by whichever of its names.
    let by_email = match username.contains('@') && username.chars().count() <= username::LONGEST {
        true => users::find_name_by_email(username, &*app.db).await?,
        false => None,
    };
    let username = by_email.as_deref().unwrap_or(username);
    let proven = login::prove(username, password, Some(application), address, app).await.map_err(refused)?;
    login::lead_to(proven, application, app, async |_, login| {
        let issuance = Issuance { application, login, scope: &scope, request_token: None };
        oauth1::issue(issuance, app.clock.now(), app).await
    })
    .await
    .map_err(refused)
}

fn refused(error: GrantError) -> Oauth1Error {
    match error {
        GrantError::StaleApplication => stale(),
        GrantError::OAuth(error) if error.code() == ErrorCode::InvalidGrant => credentials(&error),
        GrantError::OAuth(error) => Oauth1Error::Unavailable(error),
    }
}

fn credentials(error: &OAuthError) -> Oauth1Error {
    Refusal::Credentials.because(error.detail())
}
