//! A provider's proof for our tokens: drf-social-oauth2's `convert_token`, and token exchange (RFC 8693).

use std::cell::OnceCell;

use super::client::AuthenticatedClient;
use super::{GrantError, granted_scope, identity};
use crate::app::App;
use crate::model::address::Address;
use crate::model::audit::{Action, Actor, By};
use crate::model::id::GrantId;
use crate::model::social::Identity;
use crate::model::user::User;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::social::SocialError;
use crate::social::proof::Presented;
use crate::social::provider::Provider;
use crate::social::user::{self, Match, Matched};
use crate::store::database::StoreError;
use crate::store::families::{GrantWrite, Login, Stored};
use crate::store::social_accounts::Arrival;
use crate::tokens::mint::{self, Issuance, IssuanceLogin, TokenResponse};

/// How often a login is stored anew because something changed in between.
const TRIES: usize = 3;

/// A proof that somebody brings for tokens.
pub struct Asked<'a> {
    pub grant_type: GrantType,
    pub provider: &'a Provider,
    pub presented: Presented<'a>,
    /// Who it is, once the provider has said so: a code can be exchanged only once, however often the application is
    /// authenticated anew.
    pub identity: OnceCell<Identity>,
}

/// What came of it.
pub struct Converted {
    pub tokens: TokenResponse,
    pub user: User,
    /// They have not been here before.
    pub is_new: bool,
}

/// Issues tokens to whom a provider knows, and makes a user of them if they are new.
///
/// # Errors
/// Within: why the provider's word does not suffice. Else:
/// - `unauthorized_client`: the application is not registered for the grant.
/// - `invalid_scope`: `scope` asks for more than the application may have.
/// - 429: there were too many failures from the address.
pub async fn issue(
    asked: &Asked<'_>,
    params: &Params,
    client: &AuthenticatedClient,
    address: Option<Address>,
    app: &App,
) -> Result<Result<Converted, SocialError>, GrantError> {
    let application = client.application();
    application.check_grant_type(asked.grant_type)?;
    let scope = granted_scope(params, application, app)?;
    let identity = match asked.identity.get() {
        Some(identity) => identity,
        None => match identity::verify(&asked.presented, asked.provider, address, app).await? {
            Ok(identity) => asked.identity.get_or_init(|| identity),
            Err(error) => return Ok(Err(error)),
        },
    };
    for _ in 0..TRIES {
        let matched = match user::find(identity, Some(application), address, app).await {
            Ok(Matched::Yes(matched)) => *matched,
            Ok(Matched::StaleApplication) => return Err(GrantError::StaleApplication),
            Err(error) => return Ok(Err(error)),
        };
        let Match { login: social, grant_id: known_grant } = matched;
        let user = &social.user;
        let login = Login {
            user_id: user.id,
            user_epoch: user.token_epoch,
            grant_id: known_grant.unwrap_or_else(|| GrantId::random(&*app.random)),
            grant: if known_grant.is_none() { GrantWrite::New } else { GrantWrite::Nothing },
            session: None,
            social: Some(&social),
            password_hash: None,
            attempt: None,
            event: By { actor: Actor::User(user.id), address }
                .did(Action::LoggedIn, format!("application {}", application.id)),
        };
        let login = Some(IssuanceLogin { username: &user.profile.username, login });
        let issuance = Issuance { application, login, scope: scope.clone(), code: None, with_refresh: true };
        match mint::issue(issuance, app.clock.now(), app).await? {
            Ok(tokens) => {
                let is_new = matches!(social.arrival, Arrival::New { .. });
                return Ok(Ok(Converted { tokens, user: social.user, is_new }));
            }
            Err(Stored::StaleApplication) => return Err(GrantError::StaleApplication),
            // Somebody else made the user, the link or the grant at the same time.
            Err(Stored::StaleUser | Stored::UsedUp | Stored::Yes) => {}
        }
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}
