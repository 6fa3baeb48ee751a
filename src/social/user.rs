//! Matching a person whom a provider knows to a user: known, by e-mail, or new (docs/social.md).

use super::SocialError;
use crate::app::App;
use crate::crypto::encoding::hex;
use crate::crypto::random_bytes;
use crate::crypto::sealed::Purpose;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Action, Actor, AuditEvent, By};
use crate::model::id::{GrantId, SocialAccountId, UserId};
use crate::model::session::Session;
use crate::model::social::{Email, Identity, ProviderTokens};
use crate::model::user::{Profile, User};
use crate::model::username::{self, Username};
use crate::store::social_accounts::{self, Arrival, Found, Link, NewLink, SocialLogin, Wanted};
use crate::store::users::LoginCandidate;

/// Who logs in, and what has to be written for it.
#[derive(Debug)]
pub struct Match {
    pub login: SocialLogin,
    /// The user's standing grant of the application, if there is one.
    pub grant_id: Option<GrantId>,
}

/// What came of looking for them.
#[derive(Debug)]
pub enum Matched {
    Yes(Box<Match>),
    /// The application is not in the revision that the isolate remembers.
    StaleApplication,
}

/// Finds the user whom a provider means, or makes a new one; nothing is stored yet.
///
/// # Errors
/// - `EmailTaken`: somebody has the e-mail address who may be another person.
/// - `Disabled`: the user is.
/// - `Store`: the database did not answer.
pub async fn find(
    identity: &Identity,
    application: Option<&Application>,
    address: Option<Address>,
    app: &App,
) -> Result<Matched, SocialError> {
    let verified = identity.email.as_ref().filter(|email| email.is_verified);
    let username = username(identity);
    let wanted = Wanted {
        provider: &identity.provider,
        uid: &identity.uid,
        email: verified.map(|email| email.address.as_str()),
        username: &username,
        application,
    };
    let found = social_accounts::find(&wanted, &*app.db).await?;
    if !found.application_is_current {
        return Ok(Matched::StaleApplication);
    }
    let matched = match_found(identity, found, verified, username, address, app)?;
    match matched.login.user.profile.is_active {
        true => Ok(Matched::Yes(Box::new(matched))),
        false => Err(SocialError::Disabled),
    }
}

fn match_found(
    identity: &Identity,
    found: Found,
    verified: Option<&Email>,
    username: String,
    address: Option<Address>,
    app: &App,
) -> Result<Match, SocialError> {
    if let Some((account, kept, candidate)) = found.known {
        return Ok(known(identity, account, kept, candidate, app));
    }
    let link = Link { provider: identity.provider.clone(), uid: identity.uid.clone() };
    let account = SocialAccountId::random(&*app.random);
    let tokens = keep(identity.tokens.as_ref(), None, &account, app);
    let mut candidates = found.by_email.into_iter();
    match (candidates.next(), candidates.next(), verified) {
        (None, ..) => {
            let user = new_user(identity, username, found.username_is_taken, app);
            let event = By { actor: Actor::User(user.id), address }.did(Action::SignedUp, user.id);
            let arrival = Arrival::New { link, event };
            Ok(Match { login: SocialLogin { account, user, arrival, tokens }, grant_id: None })
        }
        (Some(LoginCandidate { user, grant_id }), None, Some(email))
            if is_same_mailbox(&user.profile.email, &email.address)
                && user.profile.email_verified
                && !found.by_email_is_full =>
        {
            let event = By { actor: Actor::User(user.id), address }
                .did(Action::SocialAccountLinked, format!("social account {account}"));
            let arrival = Arrival::ByEmail { link, email: email.address.clone(), event };
            Ok(Match { login: SocialLogin { account, user, arrival, tokens }, grant_id })
        }
        _ => Err(SocialError::EmailTaken),
    }
}

/// Addresses are found by a key that takes `ß` for `ss` and the Kelvin sign for `k`: two mailboxes, or two domains, may have
/// one key. Whether they do is not for us to guess.
fn is_same_mailbox(here: &str, there: &str) -> bool {
    here.eq_ignore_ascii_case(there)
}

/// Links an account at a provider to who is logged in here.
///
/// # Errors
/// - `InUse`: it is somebody else's, or they have too many.
/// - `Store`: the database did not answer.
pub async fn link(
    identity: &Identity,
    account: SocialAccountId,
    session: &Session,
    event: &AuditEvent,
    app: &App,
) -> Result<(), SocialError> {
    let tokens = keep(identity.tokens.as_ref(), None, &account, app);
    let link = Link { provider: identity.provider.clone(), uid: identity.uid.clone() };
    let new = NewLink { account, link, session, tokens, event };
    match social_accounts::link(&new, app.clock.now(), &*app.db).await? {
        true => Ok(()),
        false => Err(SocialError::InUse),
    }
}

fn known(
    identity: &Identity,
    account: SocialAccountId,
    kept: Option<String>,
    candidate: LoginCandidate,
    app: &App,
) -> Match {
    let LoginCandidate { user, grant_id } = candidate;
    let kept = kept.and_then(|kept| open(&kept, &account, app));
    let tokens = keep(identity.tokens.as_ref(), kept, &account, app);
    // A provider that says nothing of a name does not take it away.
    let is_named = !identity.first_name.is_empty() || !identity.last_name.is_empty();
    let names = match is_named {
        true => (&identity.first_name, &identity.last_name),
        false => (&user.profile.first_name, &user.profile.last_name),
    };
    let arrival = Arrival::Known { first_name: names.0.clone(), last_name: names.1.clone() };
    Match { login: SocialLogin { account, user, arrival, tokens }, grant_id }
}

fn new_user(identity: &Identity, username: String, is_taken: bool, app: &App) -> User {
    let email = identity.email.clone();
    let username = if is_taken { another(&username, app) } else { username };
    User {
        id: UserId::random(&*app.random),
        profile: Profile {
            username,
            email_verified: email.as_ref().is_some_and(|email| email.is_verified),
            email: email.map(|email| email.address).unwrap_or_default(),
            first_name: identity.first_name.clone(),
            last_name: identity.last_name.clone(),
            is_active: true,
            is_superuser: false,
        },
        password_hash: None,
        token_epoch: 0,
        created_at: app.clock.now(),
        last_login_at: None,
    }
}

/// The name at the provider, or the part of the e-mail address that is before the `@`; without what no name may hold.
fn username(identity: &Identity) -> String {
    let email = identity.email.as_ref().and_then(|email| email.address.split('@').next());
    let wanted = identity.username.as_deref().filter(|name| !name.is_empty()).or(email).unwrap_or_default();
    let allowed: String = wanted
        .chars()
        .filter(|c| Username::parse(&format!("a{c}")).is_ok())
        .take(username::LONGEST)
        .collect();
    match Username::parse(&allowed) {
        Ok(_) => allowed,
        Err(_) => "user".to_owned(),
    }
}

/// The name with 16 random hexadecimal digits behind it, as Python Social Auth makes them.
fn another(username: &str, app: &App) -> String {
    let suffix = hex(&random_bytes::<8>(&*app.random));
    let kept: String = username.chars().take(username::LONGEST - suffix.len()).collect();
    kept + &suffix
}

/// The tokens as they are kept for this row: a refresh token stays until there is another one.
fn keep(
    tokens: Option<&ProviderTokens>,
    kept: Option<ProviderTokens>,
    account: &SocialAccountId,
    app: &App,
) -> Option<String> {
    let mut tokens = tokens?.clone();
    if tokens.refresh_token.is_none() {
        tokens.refresh_token = kept.and_then(|kept| kept.refresh_token);
    }
    Some(seal(&tokens, account, app))
}

/// The tokens, sealed for this row.
pub fn seal(tokens: &ProviderTokens, account: &SocialAccountId, app: &App) -> String {
    let text = tokens.to_json().to_string();
    app.settings.keys.seal(Purpose::ProviderToken, &account.to_string(), text.as_bytes(), &*app.random)
}

/// The tokens that are kept; None if no key of today opens them.
pub fn open(sealed: &str, account: &SocialAccountId, app: &App) -> Option<ProviderTokens> {
    let text = app.settings.keys.open(Purpose::ProviderToken, &account.to_string(), sealed)?;
    ProviderTokens::from_json(text.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(username: Option<&str>, email: Option<&str>) -> String {
        let email = email.map(|address| Email { address: address.to_owned(), is_verified: true });
        super::username(&Identity {
            provider: String::new(),
            uid: String::new(),
            username: username.map(str::to_owned),
            email,
            first_name: String::new(),
            last_name: String::new(),
            tokens: None,
        })
    }

    #[test]
    fn a_new_user_has_the_name_that_the_provider_knows() {
        assert_eq!(name(Some("octocat"), Some("mona@p.example")), "octocat");
        assert_eq!(name(None, Some("mona.lisa+x@p.example")), "mona.lisa+x");
        assert_eq!(name(Some(""), None), "user");
        assert_eq!(name(Some("<a b>/c\u{3164}"), None), "abc");
        assert_eq!(name(Some(".."), None), "user");
        assert_eq!(name(Some(&"é".repeat(200)), None), "é".repeat(150));
    }
}
