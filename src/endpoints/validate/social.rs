//! An identity provider's token in the place of one of ours: `Bearer <backend> <token>`.

use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::{BEARER, Needed, with_challenge};
use crate::app::App;
use crate::call::{Call, Request, Response, header};
use crate::crypto::secret::Secret;
use crate::endpoints::respond;
use crate::endpoints::social::LONGEST_PROOF;
use crate::grants::social_bearer;
use crate::protocol::authorization;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::social::provider::Provider;

/// The answer to a header with a provider's token (as in drf-social-oauth2's authentication class), if it is one.
pub async fn answer(
    authorization: Option<&str>,
    needed: &Needed,
    fresh: bool,
    call: Option<&Call<'_>>,
    app: &App,
) -> Option<Response> {
    let header = authorization?;
    let (provider, token) = match read(header, app)? {
        Ok(found) => found,
        Err(error) => return Some(respond::unlogged_bearer_error(&error)),
    };
    let address = call.and_then(Call::address);
    Some(match social_bearer::find(&token, provider, fresh, address, app).await {
        Ok(record) => needed.answer(&record, BEARER),
        Err(error) => refused(&error, provider),
    })
}

/// True if a request brings a provider's token.
pub fn is_social(request: &Request) -> bool {
    let header = header(request, AUTHORIZATION.as_str()).ok().flatten();
    header.and_then(authorization::parse_social_bearer).is_some_and(|parts| parts.token.is_some())
}

/// The provider and its token, in the texts of drf-social-oauth2 where something is wrong; none if the header is not of that
/// kind.
fn read<'a>(header: &str, app: &'a App) -> Option<Result<(&'a Provider, Secret), OAuthError>> {
    let providers = &app.settings.providers;
    let malformed = |what| Some(Err(OAuthError::invalid_request(format!("Invalid token header. {what}"))));
    let parts = authorization::parse_social_bearer(header)?;
    match (providers.find(parts.backend), parts.token) {
        (_, None) if parts.backend.is_empty() => malformed("No backend provided."),
        (Some(_), None) => malformed("No credentials provided."),
        // One of our own.
        (None, None) => None,
        (_, Some(token)) if token.contains([' ', '\t']) => {
            malformed("Token string should not contain spaces.")
        }
        (_, Some(token)) if token.len() > LONGEST_PROOF => malformed("The token is too long."),
        (Some(provider), Some(token)) => Some(Ok((provider, Secret::new(token)))),
        (None, Some(_)) => Some(Err(OAuthError::new(ErrorCode::InvalidToken, "Invalid backend."))),
    }
}

/// drf-social-oauth2's challenge is `Bearer backend realm="api"`: here it is of the form of RFC 9110 §11.6.1.
fn refused(error: &OAuthError, provider: &Provider) -> Response {
    let mut response = respond::bearer_error(error, None);
    if error.code() == ErrorCode::TooManyAttempts {
        // Nothing is known of the token; and who asks here knows 503, not 429.
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().remove(WWW_AUTHENTICATE);
    }
    with_challenge(response, &format!(r#"Bearer backend="{}", "#, provider.name))
}
