//! The implicit grant (RFC 6749 §4.2): for applications registered for it only. No refresh token.

use crate::app::App;
use crate::model::address::Address;
use crate::model::audit::{Action, Actor, By};
use crate::model::time::Timestamp;
use crate::store::database::StoreError;
use crate::store::families::{GrantWrite, Login};
use crate::store::grants::Approval;
use crate::tokens::mint::{self, Issuance, IssuanceLogin, TokenResponse};

/// Issues an access token for the authorization response. None if the application, the person or the grant is not what
/// was read.
///
/// # Errors
/// The database did not answer.
pub async fn issue(
    approval: Approval<'_>,
    address: Option<Address>,
    now: Timestamp,
    app: &App,
) -> Result<Option<TokenResponse>, StoreError> {
    let (user, application) = (&approval.session.user, approval.application);
    let login = Login {
        user_id: user.id,
        user_epoch: user.token_epoch,
        grant_id: approval.grant_id,
        session: Some(approval.session.id),
        social: None,
        grant: approval.consent.map_or(GrantWrite::Nothing, GrantWrite::Consented),
        password_hash: None,
        attempt: None,
        event: By { actor: Actor::User(user.id), address }
            .did(Action::LoggedIn, format!("application {}", application.id)),
    };
    let issuance = Issuance {
        application,
        login: Some(IssuanceLogin { username: &user.profile.username, login }),
        scope: approval.scope.clone(),
        code: None,
        with_refresh: false,
    };
    Ok(mint::issue(issuance, now, app).await?.ok())
}
