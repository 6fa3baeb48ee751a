//! Temporary credentials (RFC 5849 §2.1): where three legs begin.

use super::signature::{self, SigningToken};
use super::{Oauth1Error, Refusal, stale};
use crate::app::App;
use crate::model::application::Application;
use crate::model::oauth1::Callback;
use crate::model::redirect::VerifiedRedirect;
use crate::model::scope::Scope;
use crate::protocol::oauth1::SignedRequest;
use crate::tokens::oauth1::{TemporaryCredentials, issue_request_token};

/// Issues a request token for whom an application sends to the authorization endpoint with it. `url` is what the client called.
///
/// # Errors
/// Why it is refused: nothing but the nonce has been stored then.
pub async fn issue(
    request: &SignedRequest,
    url: &str,
    issuer: &str,
    app: &App,
) -> Result<TemporaryCredentials, Oauth1Error> {
    if request.parameter("x_auth_mode")?.is_some() {
        return Err(Refusal::XauthOnRequestToken.because("x_auth_mode"));
    }
    let callback = request.parameter("oauth_callback")?;
    let callback = callback.ok_or_else(|| Refusal::Missing(vec!["oauth_callback"]).because("no callback"))?;
    let callback = Callback::parse(callback);
    if request.token().is_some() {
        return Err(Refusal::Malformed.because("oauth_token stands where there is none yet"));
    }
    let verified = signature::verify(request, url, async |_| Ok(SigningToken::None), app).await?;
    let application = &*verified.application;
    check_callback(&callback, application, issuer, app)?;
    let scope = granted_scope(request, application, app)?;
    let issued = issue_request_token(application, &callback, &scope, app.clock.now(), app).await?;
    issued.ok_or_else(stale)
}

/// Where an authorization response may go, RFC 5849 does not say: to what is registered (RFC 9700 §2.1).
pub fn check_callback(
    callback: &Callback,
    application: &Application,
    issuer: &str,
    app: &App,
) -> Result<(), Oauth1Error> {
    let Some(uri) = callback.uri() else {
        return Ok(());
    };
    VerifiedRedirect::verify(Some(uri), application, &app.settings.redirect_schemes, issuer)
        .map(drop)
        .map_err(|error| Refusal::Callback.because(error.detail()))
}

/// What a request gets of the scope that it asks for by `scope`, as OAuth 2 has it.
pub fn granted_scope(
    request: &SignedRequest,
    application: &Application,
    app: &App,
) -> Result<Scope, Oauth1Error> {
    let (known, default) = (&app.settings.scopes, &app.settings.default_scopes);
    let asked = request.parameter("scope")?.filter(|text| !text.is_empty());
    application
        .grantable_scope(asked, known, default)
        .map_err(|error| Refusal::Scope.because(error.description().to_owned()))
}
