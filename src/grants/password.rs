//! The resource owner password credentials grant (RFC 6749 §4.3): for applications registered for it only.

use super::client::AuthenticatedClient;
use super::guessing::{self, Account, Counting};
use super::{GrantError, granted_scope};
use crate::app::App;
use crate::crypto::password_hash::PasswordMatch;
use crate::crypto::random_bytes;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, By};
use crate::model::id::GrantId;
use crate::model::{password, username};
use crate::protocol::error::OAuthError;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::store::attempts::{Attempt, Counted, Counter};
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

    if password.len() > password::LONGEST {
        return Err(invalid_credentials("the password is too long to be one").into());
    }
    let (candidate, counting) = find(username, application, address, app).await?;
    let authenticated = authenticate(candidate, password, app);
    if counting.is_refused(authenticated.is_ok(), app).await? && authenticated.is_ok() {
        let reason = "there were too many wrong passwords: the account is locked for now";
        return Err(invalid_credentials(reason).into());
    }
    let (mut candidate, is_outdated) = authenticated?;
    let password_hash = if is_outdated { rehash(password, app) } else { None };
    let mut attempt = Some(counting.attempt);
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
            attempt: attempt.take(),
            event: By { actor: Actor::User(candidate.user.id), address }
                .did(Action::LoggedIn, format!("application {}", application.id)),
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
        let again = look_up(username, application, NOT_COUNTED, app).await?;
        candidate = again
            .0
            .filter(|again| again.user.token_epoch == epoch && again.user.profile.is_active)
            .ok_or_else(|| invalid_credentials("the user was changed during the login"))?;
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}

/// Who is meant by the name, if it can be one: what is longer is not even looked for. The try is counted.
async fn find(
    username: &str,
    application: &Application,
    address: Option<Address>,
    app: &App,
) -> Result<(Option<LoginCandidate>, Counting), GrantError> {
    if username.chars().count() > username::LONGEST {
        return Ok((None, guessing::count(None, address, app).await?));
    }
    let attempt = guessing::attempt(Some(Account::User(username)), address, app);
    let (candidate, counted) = look_up(username, application, attempt, app).await?;
    let user = candidate.as_ref().map(|candidate| format!("user {}", candidate.user.id));
    let counting = guessing::judge(counted, user, address, app).await?;
    Ok((candidate, counting))
}

async fn look_up(
    username: &str,
    application: &Application,
    attempt: Attempt<Counter>,
    app: &App,
) -> Result<(Option<LoginCandidate>, Attempt<Counted>), GrantError> {
    let now = app.clock.now();
    match users::find_for_login(username, application, attempt, now, &*app.db).await? {
        (Candidate::Found(candidate), counted) => Ok((Some(*candidate), counted)),
        (Candidate::Nobody, counted) => Ok((None, counted)),
        (Candidate::StaleApplication, _) => Err(GrantError::StaleApplication),
    }
}

const NOT_COUNTED: Attempt<Counter> = Attempt { account: None, address: None };

/// Exactly one slow hash, whoever is or is not there. Returns the user, and whether the stored hash has other parameters
/// than today's.
fn authenticate(
    candidate: Option<LoginCandidate>,
    typed: &str,
    app: &App,
) -> Result<(LoginCandidate, bool), OAuthError> {
    let hash = candidate.as_ref().and_then(|candidate| candidate.user.password_hash.as_deref());
    let matched = app.settings.password_hasher.verify(typed, hash);
    let Some(candidate) = candidate else {
        return Err(invalid_credentials("there is no such user"));
    };
    if matched == PasswordMatch::No {
        return Err(invalid_credentials("the password is wrong"));
    }
    if !candidate.user.profile.is_active {
        return Err(invalid_credentials("the user is disabled"));
    }
    Ok((candidate, matched == PasswordMatch::YesOutdated))
}

fn rehash(password: &str, app: &App) -> Option<String> {
    app.settings.password_hasher.hash(password, random_bytes(&*app.random)).ok()
}

fn invalid_credentials(reason: &'static str) -> OAuthError {
    OAuthError::invalid_grant("username or password is wrong").because(reason)
}
