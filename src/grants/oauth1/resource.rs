//! A signed request for something that an origin protects (RFC 5849 §3).

use super::signature::{self, SigningToken};
use super::{Oauth1Error, Refusal};
use crate::app::App;
use crate::model::application::Application;
use crate::model::time::Timestamp;
use crate::protocol::grant_type::GrantType;
use crate::protocol::oauth1::SignedRequest;
use crate::tokens::find::good_record;
use crate::tokens::oauth1::secret_of_access_token;
use crate::tokens::record::TokenRecord;
use crate::tokens::token::Oauth1AccessToken;

/// In whose name the request is, as the database has it: with a token, its user's; without one, the application's own, if it is
/// registered for `client_credentials`, too. `url` is what the client called.
///
/// # Errors
/// Why it is refused.
pub async fn find(request: &SignedRequest, url: &str, app: &App) -> Result<TokenRecord, Oauth1Error> {
    let token = request.token().map(|text| Oauth1AccessToken::parse(text, &app.settings.keys));
    let find_token = async |application: &Application| match &token {
        None => Ok(SigningToken::None),
        Some(None) => Ok(unknown("it is not a token of this server")),
        Some(Some(token)) if token.holder().application != application.id => {
            Ok(SigningToken::Others(refused("it is another application's")))
        }
        Some(Some(token)) => Ok(match secret_of_access_token(token, app).await? {
            Some(secret) => SigningToken::Known { secret, family: Some(token.holder().family) },
            None => unknown("it is unknown, or its secret cannot be read"),
        }),
    };
    let verified = signature::verify(request, url, find_token, app).await?;
    match token.flatten() {
        Some(token) => {
            good_record(verified.family.as_ref(), &token.digest(), app.clock.now()).map_err(refused)
        }
        None => two_legged(request, &verified.application, app),
    }
}

fn unknown(reason: &'static str) -> SigningToken {
    SigningToken::Unknown(refused(reason))
}

fn refused(reason: &'static str) -> Oauth1Error {
    Refusal::AccessToken.because(reason)
}

/// As client credentials have it (RFC 6749 §4.4), for this one request.
fn two_legged(
    request: &SignedRequest,
    application: &Application,
    app: &App,
) -> Result<TokenRecord, Oauth1Error> {
    if !application.allows(GrantType::ClientCredentials) {
        return Err(Refusal::AccessToken.because("there is no token, and the application may not act alone"));
    }
    let settings = &app.settings;
    let scope = application.grantable_scope(None, &settings.scopes, &settings.default_scopes);
    let scope = scope.map_err(|error| Refusal::AccessToken.because(error.description().to_owned()))?;
    let now = app.clock.now();
    Ok(TokenRecord {
        exp: request.once().map_or(now, |(timestamp, _)| Timestamp(timestamp + signature::WINDOW)),
        iat: now,
        scope: scope.to_string(),
        client_id: application.client_id.clone(),
        application: application.id.to_string(),
        application_epoch: application.token_epoch,
        family: String::new(),
        user: None,
    })
}
