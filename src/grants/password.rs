//! The resource owner password credentials grant (RFC 6749 §4.3): for applications registered for it only.

use super::client::AuthenticatedClient;
use super::{GrantError, granted_scope};
use crate::app::App;
use crate::crypto::password_hash::PasswordMatch;
use crate::crypto::random_bytes;
use crate::model::application::Application;
use crate::model::id::GrantId;
use crate::model::{password, username};
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::store::database::StoreError;
use crate::store::families::{Login, Stored};
use crate::store::users::{self, Candidate, LoginCandidate};
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
pub async fn issue(
    params: &Params,
    client: &AuthenticatedClient,
    app: &App,
) -> Result<TokenResponse, GrantError> {
    let application = client.application();
    application.check_grant_type(GrantType::Password)?;
    let username = params.required("username")?;
    let password = params.required("password")?;
    let scope = granted_scope(params, application, app)?;

    let candidate = find(username, application, app).await?;
    let (mut candidate, password_hash) = authenticate(candidate, password, app)?;
    let epoch = candidate.user.token_epoch;

    let now = app.clock.now();
    for _ in 0..TRIES {
        let grant_id = candidate.grant_id.unwrap_or_else(|| GrantId::random(&*app.random));
        let login = Login {
            user_id: candidate.user.id,
            user_epoch: epoch,
            grant_id,
            grant_is_new: candidate.grant_id.is_none(),
            password_hash: password_hash.as_deref(),
        };
        let login = IssuanceLogin { username: &candidate.user.profile.username, login };
        let issuance = Issuance { application, login: Some(login), scope: scope.clone() };
        match mint::issue(issuance, now, app).await? {
            Ok(response) => return Ok(response),
            Err(Stored::StaleApplication) => return Err(GrantError::StaleApplication),
            Err(Stored::StaleUser | Stored::Yes) => {}
        }
        // Another login made the first grant at the same time, or the user has been changed: then the password has to
        // be proven anew, and that is for the client to do.
        let again = find(username, application, app).await?;
        candidate = again
            .filter(|again| again.user.token_epoch == epoch && again.user.profile.is_active)
            .ok_or_else(|| invalid_credentials("the user was changed during the login"))?;
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}

/// Who is meant by the name, if it can be one: what is longer is not even looked for.
async fn find(
    username: &str,
    application: &Application,
    app: &App,
) -> Result<Option<LoginCandidate>, GrantError> {
    if username.chars().count() > username::LONGEST {
        return Ok(None);
    }
    match users::find_for_login(username, application, &*app.db).await? {
        Candidate::Found(candidate) => Ok(Some(*candidate)),
        Candidate::Nobody => Ok(None),
        Candidate::StaleApplication => Err(GrantError::StaleApplication),
    }
}

/// Exactly one slow hash, whoever is or is not there. Returns the user, and a hash with today's parameters if the stored
/// one has others.
fn authenticate(
    candidate: Option<LoginCandidate>,
    typed: &str,
    app: &App,
) -> Result<(LoginCandidate, Option<String>), OAuthError> {
    if typed.len() > password::LONGEST {
        return Err(invalid_credentials("the password is too long to be one"));
    }
    let hasher = &app.settings.password_hasher;
    let hash = candidate.as_ref().and_then(|candidate| candidate.user.password_hash.as_deref());
    let matched = hasher.verify(typed, hash);
    let Some(candidate) = candidate else {
        return Err(invalid_credentials("there is no such user"));
    };
    if matched == PasswordMatch::No {
        return Err(invalid_credentials("the password is wrong"));
    }
    if !candidate.user.profile.is_active {
        return Err(invalid_credentials("the user is disabled"));
    }
    let password_hash = match matched {
        PasswordMatch::YesOutdated => hasher.hash(typed, random_bytes(&*app.random)).ok(),
        PasswordMatch::Yes | PasswordMatch::No => None,
    };
    Ok((candidate, password_hash))
}

fn invalid_credentials(reason: &'static str) -> OAuthError {
    OAuthError::invalid_grant("username or password is wrong").because(reason)
}
