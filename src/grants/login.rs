//! A person's proof by password of who they are.

use super::GrantError;
use super::guessing::{self, Account, Counting};
use crate::app::App;
use crate::crypto::password_hash::PasswordMatch;
use crate::crypto::random_bytes;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, By};
use crate::model::id::GrantId;
use crate::model::user::User;
use crate::model::{password, username};
use crate::protocol::error::OAuthError;
use crate::store::attempts::{Attempt, Counted, Counter};
use crate::store::database::StoreError;
use crate::store::families::{GrantWrite, Login, Stored};
use crate::store::users::{self, Candidate, LoginCandidate};

/// How often a login is stored anew because the user or the grant changed in between.
const TRIES: usize = 3;

/// Who has just proven by their password who they are.
#[derive(Debug)]
pub struct ProvenUser<'a> {
    /// The name by which they did.
    pub username: &'a str,
    pub address: Option<Address>,
    pub candidate: LoginCandidate,
    /// A hash of the password with today's parameters, if the stored one has others.
    pub password_hash: Option<String>,
    /// The try that turned out to be right: to be settled with what it leads to.
    pub attempt: Attempt<Counted>,
}

/// Takes a username and password for a proof, or does not. `application`: where the login is to lead, or our own pages.
///
/// # Errors
/// - `invalid_grant`: they are not those of an active user; which of them is at fault does not show, nor does it take
///   another time.
/// - 429: there were too many wrong passwords from the address.
pub async fn prove<'a>(
    username: &'a str,
    password: &str,
    application: Option<&Application>,
    address: Option<Address>,
    app: &App,
) -> Result<ProvenUser<'a>, GrantError> {
    let (candidate, is_outdated, attempt) = check(username, password, application, address, app).await?;
    let password_hash = if is_outdated { rehash(password, app) } else { None };
    Ok(ProvenUser { username, address, candidate, password_hash, attempt })
}

/// Stores what a login at an application leads to, by `issue`, which is told the user's name and what the login is; anew if
/// the user or the grant changed in between.
///
/// # Errors
/// - `invalid_grant`: the user was changed: the password has to be proven anew.
/// - [`GrantError::StaleApplication`]: so has the client.
pub async fn lead_to<T>(
    proven: ProvenUser<'_>,
    application: &Application,
    app: &App,
    issue: impl AsyncFn(&str, Login<'_>) -> Result<Result<T, Stored>, StoreError>,
) -> Result<T, GrantError> {
    let ProvenUser { username, address, mut candidate, password_hash, attempt } = proven;
    let mut attempt = Some(attempt);
    let epoch = candidate.user.token_epoch;
    for _ in 0..TRIES {
        let user = &candidate.user;
        let login = Login {
            user_id: user.id,
            user_epoch: epoch,
            grant_id: candidate.grant_id.unwrap_or_else(|| GrantId::random(&*app.random)),
            grant: if candidate.grant_id.is_none() { GrantWrite::New } else { GrantWrite::Nothing },
            session: None,
            social: None,
            password_hash: password_hash.as_deref(),
            attempt: attempt.take(),
            event: By { actor: Actor::User(user.id), address }
                .did(Action::LoggedIn, format!("application {}", application.id)),
        };
        match issue(&user.profile.username, login).await? {
            Ok(issued) => return Ok(issued),
            Err(Stored::StaleApplication) => return Err(GrantError::StaleApplication),
            Err(Stored::StaleUser | Stored::UsedUp | Stored::Yes) => {}
        }
        // Another login made the first grant at the same time, or the user has been changed.
        let again = look_up(username, Some(application), NOT_COUNTED, app).await?;
        candidate = again
            .0
            .filter(|again| again.user.token_epoch == epoch && again.user.profile.is_active)
            .ok_or_else(|| invalid_credentials("the user was changed during the login"))?;
    }
    Err(StoreError("a login was overtaken by others again and again".to_owned()).into())
}

/// As [`prove`], for who is logged in and is to have another password anyway: nothing is hashed anew. Returns the user as
/// they are now, and the try, to be settled.
///
/// # Errors
/// - As [`prove`].
pub async fn prove_again(
    user: &User,
    password: &str,
    address: Option<Address>,
    app: &App,
) -> Result<(User, Attempt<Counted>), GrantError> {
    let (candidate, _, attempt) = check(&user.profile.username, password, None, address, app).await?;
    if candidate.user.id != user.id {
        return Err(invalid_credentials("the name is somebody else's by now").into());
    }
    Ok((candidate.user, attempt))
}

/// Who it is, and whether the stored hash has other parameters than today's.
async fn check(
    username: &str,
    password: &str,
    application: Option<&Application>,
    address: Option<Address>,
    app: &App,
) -> Result<(LoginCandidate, bool, Attempt<Counted>), GrantError> {
    if password.len() > password::LONGEST {
        return Err(invalid_credentials("the password is too long to be one").into());
    }
    let (candidate, counting) = find(username, application, address, app).await?;
    let authenticated = authenticate(candidate, password, app);
    if counting.is_refused(authenticated.is_ok(), app).await? && authenticated.is_ok() {
        let reason = "there were too many wrong passwords: the account is locked for now";
        return Err(invalid_credentials(reason).into());
    }
    let (candidate, is_outdated) = authenticated?;
    Ok((candidate, is_outdated, counting.attempt))
}

/// Who is meant by the name, if it can be one: what is longer is not even looked for. The try is counted.
async fn find(
    username: &str,
    application: Option<&Application>,
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

/// As it is now.
async fn look_up(
    username: &str,
    application: Option<&Application>,
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

pub fn invalid_credentials(reason: &'static str) -> OAuthError {
    OAuthError::invalid_grant("username or password is wrong").because(reason)
}
