//! The client credentials grant (RFC 6749 §4.4).

use super::client::AuthenticatedClient;
use super::{GrantError, granted_scope};
use crate::app::App;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::tokens::mint::{self, Issuance, TokenResponse};

/// Issues an access token to an application for itself: no user, no refresh token.
///
/// # Errors
/// - `unauthorized_client`: the application is public, or not registered for the grant.
/// - `invalid_scope`: `scope` asks for more than the application may have.
pub async fn issue(
    params: &Params,
    client: &AuthenticatedClient,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let application = client.application();
    application.check_grant_type(GrantType::ClientCredentials)?;
    if application.is_public() {
        let error = OAuthError::new(ErrorCode::UnauthorizedClient, "the application is public");
        return Err(error.into());
    }
    let scope = granted_scope(params, application, app)?;
    let issuance = Issuance { application, login: None, scope, code: None, with_refresh: false };
    // Without a user, only the application can be stale.
    mint::issue(issuance, app.clock.now(), app).await?.map_err(|_| GrantError::StaleApplication)
}
