//! The resource owner password credentials grant (RFC 6749 §4.3): for applications registered for it only.

use super::client::AuthenticatedClient;
use super::login;
use super::{GrantError, granted_scope};
use crate::app::App;
use crate::model::address::Address;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::tokens::mint::{self, Issuance, IssuanceLogin, TokenResponse};

/// Issues tokens for a username and password.
///
/// # Errors
/// - `invalid_request`: `username` or `password` is missing.
/// - `invalid_grant`: they are not those of an active user; which of them is at fault does not show, nor does it take
///   another time.
/// - `invalid_scope`: `scope` asks for more than the application may have.
/// - `unauthorized_client`: the application is not registered for the grant.
/// - 429: there were too many wrong passwords from the address.
pub async fn issue(
    params: &Params,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let application = client.application();
    application.check_grant_type(GrantType::Password)?;
    let username = params.required("username")?;
    let password = params.required("password")?;
    let scope = granted_scope(params, application, app)?;

    let proven = login::prove(username, password, Some(application), address, app).await?;
    login::lead_to(proven, application, app, async |username, login| {
        let login = Some(IssuanceLogin { username, login });
        let issuance = Issuance { application, login, scope: scope.clone(), code: None, with_refresh: true };
        mint::issue(issuance, app.clock.now(), app).await
    })
    .await
}
