//! The resource owner password credentials grant (RFC 6749 §4.3): for applications registered for it only.

use super::client::AuthenticatedClient;
use super::login::{self, invalid_credentials};
use super::{GrantError, granted_scope};
use crate::app::App;
use crate::model::address::Address;
use crate::model::audit::{Action, Actor, By};
use crate::model::id::GrantId;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::store::families::{GrantWrite, Login, Stored};
use crate::tokens::mint::{self, Issuance, IssuanceLogin, TokenResponse};

/// How often a login is stored anew because the user or the grant changed in between.
const TRIES: usize = 3;

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
    let (mut candidate, password_hash) = (proven.candidate, proven.password_hash);
    let mut attempt = Some(proven.attempt);
    let epoch = candidate.user.token_epoch;

    let now = app.clock.now();
    for _ in 0..TRIES {
        let grant_id = candidate.grant_id.unwrap_or_else(|| GrantId::random(&*app.random));
        let login = Login {
            user_id: candidate.user.id,
            user_epoch: epoch,
            grant_id,
            grant: if candidate.grant_id.is_none() { GrantWrite::New } else { GrantWrite::Nothing },
            session: None,
            social: None,
            password_hash: password_hash.as_deref(),
            attempt: attempt.take(),
            event: By { actor: Actor::User(candidate.user.id), address }
                .did(Action::LoggedIn, format!("application {}", application.id)),
        };
        let login = IssuanceLogin { username: &candidate.user.profile.username, login };
        let issuance = Issuance {
            application,
            login: Some(login),
            scope: scope.clone(),
            code: None,
            with_refresh: true,
        };
        match mint::issue(issuance, now, app).await? {
            Ok(response) => return Ok(response),
            Err(Stored::StaleApplication) => return Err(GrantError::StaleApplication),
            Err(Stored::StaleUser | Stored::CodeUsed | Stored::Yes) => {}
        }
        // Another login made the first grant at the same time, or the user has been changed: then the password has to
        // be proven anew, and that is for the client to do.
        let again = login::look_up(username, Some(application), login::NOT_COUNTED, app).await?;
        candidate = again
            .0
            .filter(|again| again.user.token_epoch == epoch && again.user.profile.is_active)
            .ok_or_else(|| invalid_credentials("the user was changed during the login"))?;
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}
