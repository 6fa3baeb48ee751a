//! Guessing is slowed: tries are counted in the database before a secret that a person chose is looked at, so that of any
//! number of tries at once no more than the limit find out anything. Nobody is made to wait.

use serde_json::json;

use crate::app::App;
use crate::memory::OverLimit;
use crate::model::address::Address;
use crate::model::audit::{Action, Actor, AuditEvent, By};
use crate::model::id::{ApplicationId, UserId};
use crate::model::limit::Limit;
use crate::model::mail_link::Purpose;
use crate::model::time::{Lifetime, Timestamp};
use crate::model::username;
use crate::protocol::error::OAuthError;
use crate::store::attempts::{self, Attempt, Counted, Counter};
use crate::store::audit_events;
use crate::store::database::StoreError;

/// Whose secret is tried.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// By the name that was typed, in whichever of its forms.
    User(&'a str),
    Application(ApplicationId),
}

/// What a try is counted for. What has no limit is not counted.
pub fn attempt(account: Option<Account<'_>>, address: Option<Address>, app: &App) -> Attempt<Counter> {
    let settings = &app.settings;
    let account = account.map(|account| match account {
        Account::User(typed) => ("user", username::key(typed)),
        Account::Application(id) => ("application", id.to_string()),
    });
    let counter = |kind, what: &str, limit: Option<Limit>| Some(counter(kind, what, limit?, app));
    Attempt {
        account: account.and_then(|(kind, what)| counter(kind, &what, settings.login_failure_limit)),
        address: address
            .and_then(|address| counter("address", &address.network(), settings.address_failure_limit)),
    }
}

/// What came of counting a try, before the secret is looked at.
#[derive(Clone, Debug)]
pub struct Counting {
    pub attempt: Attempt<Counted>,
    /// There were too many tries at the account, those that are under way included.
    is_locked: bool,
}

impl Counting {
    /// To be asked once the secret has been looked at, whatever came of that: true if the try is to be refused as one with
    /// a wrong secret is. A refusal takes the same calls in each case. Of many right tries at once, those that had to wait
    /// for others are let in, now that those are settled.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn is_refused(&self, is_right: bool, app: &App) -> Result<bool, StoreError> {
        match &self.attempt.account {
            Some(account) if self.is_locked || !is_right => {
                let finds_place =
                    attempts::finds_place(account, !self.is_locked, !is_right, &*app.db).await?;
                Ok(!is_right || !finds_place)
            }
            _ => Ok(!is_right),
        }
    }
}

/// Refuses an address with too many failures. From one without any, an account's owner gets in, whatever others try.
/// `account`: whose secret it is, if there is such an account, for the operator.
///
/// # Errors
/// - 429 with the seconds to wait: there were too many failures from the address.
pub async fn judge(
    attempt: Attempt<Counted>,
    account: Option<String>,
    address: Option<Address>,
    app: &App,
) -> Result<Counting, OAuthError> {
    let by = By { actor: Actor::Anybody, address };
    if let Some(counted) = &attempt.account {
        remember(counted, counted.expires_at, app);
        note(counted, &by.did(Action::AccountLocked, account.as_deref().unwrap_or("nobody")), app).await;
    }
    if let (Some(counted), Some(address)) = (&attempt.address, address) {
        judge_address(counted, address, app).await?;
    }
    let address_is_clean = attempt.address.as_ref().is_some_and(|address| address.count == 1);
    let is_locked = attempt.account.as_ref().is_some_and(Counted::is_over) && !address_is_clean;
    Ok(Counting { attempt, is_locked })
}

async fn judge_address(counted: &Counted, address: Address, app: &App) -> Result<(), OAuthError> {
    let now = app.clock.now();
    // It may be over its limit by what is under way only, and that may turn out to be right.
    remember(counted, counted.expires_at.min(now + BELIEVED), app);
    let by = By { actor: Actor::Anybody, address: Some(address) };
    note(counted, &by.did(Action::AddressBlocked, address.network()), app).await;
    if counted.is_over() { Err(too_many(counted.expires_at, now)) } else { Ok(()) }
}

/// Counts a try at a secret, by itself. One at an account may have been looked at: it is counted whatever is known of the
/// address.
///
/// # Errors
/// - As [`judge`]; and the database did not answer.
pub async fn count(
    account: Option<Account<'_>>,
    address: Option<Address>,
    app: &App,
) -> Result<Counting, OAuthError> {
    if account.is_none() {
        check_address(address, app)?;
    }
    let now = app.clock.now();
    let counted = attempt(account, address, app).count(now, &*app.db).await?;
    let account = account.and_then(|account| match account {
        Account::Application(id) => Some(format!("application {id}")),
        Account::User(_) => None,
    });
    judge(counted, account, address, app).await
}

/// Counts a sign-up.
///
/// # Errors
/// - 429 with the seconds to wait: there were too many from the address.
/// - The database did not answer.
pub async fn count_sign_up(address: Option<Address>, app: &App) -> Result<(), OAuthError> {
    let (Some(address), Some(limit)) = (address, app.settings.sign_up_limit) else {
        return Ok(());
    };
    let now = app.clock.now();
    let counter = counter("sign_up", &address.network(), limit, app);
    check(&counter, now, app)?;
    judge_address(&attempts::count_one(counter, now, &*app.db).await?, address, app).await
}

/// What asking for an e-mail is counted for: the mailbox that it would go to, and where the asking comes from, there
/// among the failures.
pub fn asking(purpose: Purpose, email: &str, address: Option<Address>, app: &App) -> Attempt<Counter> {
    let mailbox = |limit| counter(purpose.as_str(), &username::key(email), limit, app);
    Attempt { account: app.settings.mail_limit.map(mailbox), ..attempt(None, address, app) }
}

/// What a user's asking for an e-mail to an address of theirs is counted for: the mailbox, and the user, who could name one
/// address after the other.
pub fn asking_by(user: &UserId, purpose: Purpose, email: &str, app: &App) -> Attempt<Counter> {
    let asker = |limit| counter("asker", &user.to_string(), limit, app);
    Attempt { address: app.settings.mail_limit.map(asker), ..asking(purpose, email, None, app) }
}

/// Refuses an address with too many failures; of a mailbox with too many e-mails nobody learns.
///
/// # Errors
/// - 429 with the seconds to wait: there were too many failures from the address.
pub async fn judge_asking(
    counted: &Attempt<Counted>,
    address: Option<Address>,
    app: &App,
) -> Result<(), OAuthError> {
    match (&counted.address, address) {
        (Some(counted), Some(address)) => judge_address(counted, address, app).await,
        _ => Ok(()),
    }
}

/// Refuses an address of which this isolate has seen too many failures: before any work, and without any I/O.
///
/// # Errors
/// - 429 with the seconds to wait.
pub fn check_address(address: Option<Address>, app: &App) -> Result<(), OAuthError> {
    match attempt(None, address, app).address {
        Some(counter) => check(&counter, app.clock.now(), app),
        None => Ok(()),
    }
}

/// True if this isolate has seen too many tries at the application's secret, or doubts.
pub fn is_locked_here(application: ApplicationId, app: &App) -> bool {
    let account = attempt(Some(Account::Application(application)), None, app).account;
    account.is_some_and(|counter| check(&counter, app.clock.now(), app).is_err())
}

/// A wrong secret came to this isolate. Until it has been counted, tries at the same time find out no more here than
/// elsewhere.
pub fn doubt(application: ApplicationId, app: &App) {
    if let Some(counter) = attempt(Some(Account::Application(application)), None, app).account {
        let until = app.clock.now() + BELIEVED;
        let doubt = OverLimit { believed_until: until, expires_at: until };
        app.memory.borrow_mut().over_limit.insert(counter.subject, doubt);
    }
}

fn check(counter: &Counter, now: Timestamp, app: &App) -> Result<(), OAuthError> {
    match app.memory.borrow().over_limit.get(&counter.subject) {
        Some(over) if over.believed_until > now => Err(too_many(over.expires_at, now)),
        _ => Ok(()),
    }
}

/// The first try beyond a limit is an event.
async fn note(counted: &Counted, event: &AuditEvent, app: &App) {
    if !counted.is_first_over() {
        return;
    }
    app.log.line(json!({"level": "warning", "event": event.action.as_str(), "target": event.target}));
    if let Err(error) = audit_events::insert(event, app.clock.now(), &*app.db).await {
        app.log.line(json!({"level": "error", "event": "audit_failed", "detail": error.to_string()}));
    }
}

/// This isolate remembers for a while what is over its limit.
fn remember(counted: &Counted, believed_until: Timestamp, app: &App) {
    let over_limit = &mut app.memory.borrow_mut().over_limit;
    if counted.is_over() {
        let over = OverLimit { believed_until, expires_at: counted.expires_at };
        over_limit.insert(counted.subject().to_owned(), over);
    } else {
        over_limit.remove(counted.subject());
    }
}

/// How long an address is refused without asking the database, and doubt lasts at the most.
const BELIEVED: Lifetime = Lifetime(10);

fn too_many(until: Timestamp, now: Timestamp) -> OAuthError {
    OAuthError::too_many_attempts(until.remaining(now).seconds())
}

fn counter(kind: &str, what: &str, limit: Limit, app: &App) -> Counter {
    Counter { subject: app.settings.keys.first().attempt_subject(kind, what), limit }
}
