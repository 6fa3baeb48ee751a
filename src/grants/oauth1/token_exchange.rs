//! Token credentials of OAuth 1.0a for tokens of OAuth 2, once (RFC 8693): so a client moves on without asking anybody again.

use crate::app::App;
use crate::grants::GrantError;
use crate::grants::client::AuthenticatedClient;
use crate::grants::refresh_token::{Presented, Rotated, rotate};
use crate::model::address::Address;
use crate::model::family::TokenDigest;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::tokens::mint::TokenResponse;
use crate::tokens::oauth1::from_subject_token;

/// What the `subject_token` is: the answer of `/oauth/access_token/`, as it is.
pub const TOKEN_TYPE: &str = "urn:postern:token-type:oauth1";

/// Exchanges token credentials, as a refresh token is: a lost response is no logout, and presenting them again when their
/// successor was used ends what came of them. They are good for signing until the grace is over.
///
/// # Errors
/// - `invalid_request`: they are not good, or not this application's (RFC 8693 §2.2.2).
/// - `invalid_scope`: `scope` asks for more than was granted.
/// - `unauthorized_client`: the application is not registered for token exchange.
pub async fn exchange(
    params: &Params,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let application = client.application();
    application.check_grant_type(GrantType::TokenExchange)?;
    let (token, text) = from_subject_token(params.required("subject_token")?, &app.settings.keys)
        .ok_or_else(|| refused("it is not the answer of /oauth/access_token/"))?;
    let presented = Presented {
        text: text.expose(),
        holder: token.holder(),
        digest: TokenDigest::of(text.expose()),
        scope: params.optional("scope"),
        rotates: true,
    };
    let rotated = rotate(&presented, client, address, app).await.map_err(|error| match error {
        GrantError::OAuth(error) if error.code() == ErrorCode::InvalidGrant => refused(error.detail()).into(),
        other => other,
    });
    let Rotated { pair, family, .. } = rotated?;
    Ok(TokenResponse {
        access_token: pair.access_token,
        expires_in: family.access.expires_at.remaining(app.clock.now()),
        refresh_token: application.allows(GrantType::RefreshToken).then_some(pair.refresh_token),
        scope: family.access.scope,
    })
}

fn refused(reason: impl Into<String>) -> OAuthError {
    OAuthError::invalid_request("subject_token is not good, or not this application's").because(reason.into())
}
