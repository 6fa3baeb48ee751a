//! A provider's token that is brought to `/validate/` in the place of one of ours, as drf-social-oauth2 takes it:
//! `Authorization: Bearer <backend> <token>`. No token of ours comes of it.

use std::rc::Rc;

use super::{client, guessing, identity};
use crate::app::App;
use crate::crypto::secret::Secret;
use crate::memory::SocialVerdict;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::scope::Scope;
use crate::model::social::Identity;
use crate::model::time::{Lifetime, Timestamp};
use crate::model::user::User;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::social::SocialError;
use crate::social::proof::{self, Presented};
use crate::social::provider::{Proof, Provider};
use crate::social::user::{self, Matched};
use crate::store::database::StoreError;
use crate::store::social_accounts::{self, Arrival};
use crate::tokens::record::{RecordUser, TokenRecord};

/// How long a refusal is believed without asking the provider again.
const REFUSED: Lifetime = Lifetime(60);

/// How often a person is looked for anew because something changed in between.
const TRIES: usize = 3;

/// Why a provider's token is no good here.
enum Failure {
    /// For the operator's log.
    Refused(String),
    /// Nothing is known of it.
    NoVerdict(OAuthError),
}

/// What a provider's token is good for: as if the default application had been given one of ours for it. `fresh`: ask
/// the provider and the database, not the isolate's memory; a refusal is remembered nevertheless.
///
/// # Errors
/// - `invalid_token`: the provider does not confirm it, or whom it means may not log in.
/// - `temporarily_unavailable`: the provider or the database does not answer; 429: there were too many tries.
pub async fn find(
    token: &Secret,
    provider: &Provider,
    fresh: bool,
    address: Option<Address>,
    app: &App,
) -> Result<Rc<TokenRecord>, OAuthError> {
    let now = app.clock.now();
    let digest = app.settings.keys.first().memory_digest(&provider.name, token.expose());
    if let Some(verdict) = remembered(&digest, fresh, now, app) {
        return verdict.map_err(refused);
    }
    let verdict = match ask(token, provider, address, app).await {
        Ok(record) => {
            let record = Rc::new(record);
            let until = record.exp.min(now + app.settings.validation_cache);
            SocialVerdict::Good { record, until }
        }
        Err(Failure::Refused(reason)) => SocialVerdict::Refused { reason, until: now + REFUSED },
        Err(Failure::NoVerdict(error)) => return Err(error),
    };
    app.memory.borrow_mut().social_verdicts.insert(digest, verdict.clone());
    match verdict {
        SocialVerdict::Good { record, .. } => Ok(record),
        SocialVerdict::Refused { reason, .. } => Err(refused(reason)),
    }
}

fn refused(reason: String) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, "the provider's token is not good, or not for this server")
        .because(reason)
}

fn remembered(
    digest: &[u8; 32],
    fresh: bool,
    now: Timestamp,
    app: &App,
) -> Option<Result<Rc<TokenRecord>, String>> {
    let memory = app.memory.borrow();
    match memory.social_verdicts.get(digest)? {
        SocialVerdict::Refused { reason, until } if *until > now => Some(Err(reason.clone())),
        SocialVerdict::Good { record, until }
            if *until > now
                && !fresh
                && !memory.may_have_ended(record, *until - app.settings.validation_cache) =>
        {
            Some(Ok(record.clone()))
        }
        _ => None,
    }
}

async fn ask(
    token: &Secret,
    provider: &Provider,
    address: Option<Address>,
    app: &App,
) -> Result<TokenRecord, Failure> {
    check_bursts(address, app).await?;
    let takes_access_tokens = provider.takes(Proof::AccessToken) || !provider.takes(Proof::IdToken);
    let presented = match takes_access_tokens {
        true => Presented::AccessToken(token.clone()),
        false => Presented::IdToken { token: token.clone(), nonce: None },
    };
    let mut identity = None;
    for _ in 0..TRIES {
        let (application, scope) = default_application(app).await?;
        let identity = match &mut identity {
            Some(identity) => identity,
            none => none.insert(identity::verify(&presented, provider, address, app).await??),
        };
        if let Some(user) = find_or_make(identity, &application, address, app).await? {
            let proven_until = proof::expires_at(&presented, identity);
            return record(&user, &application, &scope, proven_until, app);
        }
    }
    Err(StoreError("a person was overtaken by others again and again".to_owned()).into())
}

/// Who can make us ask a provider without end could use up what it lets us ask.
async fn check_bursts(address: Option<Address>, app: &App) -> Result<(), Failure> {
    guessing::check_address(address, app)?;
    let Some(limiter) = &app.limiter else {
        return Ok(());
    };
    // Over RPC nobody says where a request comes from.
    let whose = address.map(Address::network).unwrap_or_default();
    match limiter.allows(&format!("social_bearer:{whose}")).await {
        true => Ok(()),
        false => Err(OAuthError::too_many_attempts(LIMITER_SECONDS).into()),
    }
}

/// The longest period that the binding can have.
const LIMITER_SECONDS: i64 = 60;

/// For whom providers' tokens are taken, and with which scope.
async fn default_application(app: &App) -> Result<(Rc<Application>, Scope), Failure> {
    let client_id = app.settings.social_default_application.as_deref().unwrap_or_default();
    let usable = |application: &Application| {
        if !application.registration.is_active {
            return Err("it is disabled".to_owned());
        }
        let checked = application.check_grant_type(GrantType::ConvertToken);
        let (known, default) = (&app.settings.scopes, &app.settings.default_scopes);
        let scope = checked.and_then(|()| application.grantable_scope(None, known, default));
        scope.map_err(|error| error.description().to_owned())
    };
    let refused = |reason: String| Failure::Refused(format!("SOCIAL_DEFAULT_APPLICATION: {reason}"));
    let unknown = || refused("there is no such application".to_owned());
    let (application, is_remembered) = client::find(client_id, app).await?.ok_or_else(unknown)?;
    match usable(&application) {
        Ok(scope) => return Ok((application, scope)),
        Err(reason) if !is_remembered => return Err(refused(reason)),
        Err(_) => app.memory.borrow_mut().forget_application(client_id),
    }
    let (application, _) = client::find(client_id, app).await?.ok_or_else(unknown)?;
    let scope = usable(&application).map_err(refused)?;
    Ok((application, scope))
}

/// Whom the provider means; none if the application, or who they are, has changed in between. Nothing is written for who is
/// known.
async fn find_or_make(
    identity: &Identity,
    application: &Application,
    address: Option<Address>,
    app: &App,
) -> Result<Option<User>, Failure> {
    let login = match user::find(identity, Some(application), address, app).await? {
        Matched::Yes(matched) => matched.login,
        Matched::StaleApplication => {
            app.memory.borrow_mut().forget_application(&application.client_id);
            return Ok(None);
        }
    };
    let is_there = match login.arrival {
        Arrival::Known { .. } => true,
        _ => social_accounts::arrive(&login, application, app.clock.now(), &*app.db).await?,
    };
    Ok(is_there.then_some(login.user))
}

/// As if the token were one of ours, made now.
fn record(
    user: &User,
    application: &Application,
    scope: &Scope,
    proven_until: Option<Timestamp>,
    app: &App,
) -> Result<TokenRecord, Failure> {
    let now = app.clock.now();
    let longest = now + app.settings.access_token_lifetime;
    let exp = proven_until.map_or(longest, |until| until.min(longest));
    if exp <= now {
        return Err(Failure::Refused("the token has expired meanwhile".to_owned()));
    }
    Ok(TokenRecord {
        exp,
        iat: now,
        scope: scope.to_string(),
        client_id: application.client_id.clone(),
        application: application.id.to_string(),
        application_epoch: application.token_epoch,
        family: String::new(),
        user: Some(RecordUser {
            id: user.id.to_string(),
            username: user.profile.username.clone(),
            user_epoch: user.token_epoch,
            grant: String::new(),
        }),
    })
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::NoVerdict(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NoVerdict(error.into())
    }
}

impl From<SocialError> for Failure {
    fn from(error: SocialError) -> Self {
        match error {
            SocialError::Store(error) => error.into(),
            SocialError::Failed { .. } => Self::NoVerdict(OAuthError::provider_unavailable(error.reason())),
            _ => Self::Refused(error.reason()),
        }
    }
}
