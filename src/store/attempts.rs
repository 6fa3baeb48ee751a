//! `attempts`: how often something was tried of late.

use super::database::{Database, Outcome, Row, Statement, StoreError, outcome};
use crate::model::application::Application;
use crate::model::limit::Limit;
use crate::model::time::Timestamp;

/// What is counted, and how far.
#[derive(Clone, Debug)]
pub struct Counter {
    /// A keyed digest: the database does not tell what was typed.
    pub subject: String,
    pub limit: Limit,
}

/// A try that has been counted.
#[derive(Clone, Debug)]
pub struct Counted {
    counter: Counter,
    /// With this try.
    pub count: i64,
    /// When the count begins anew.
    pub expires_at: Timestamp,
    /// How many tries at the account a success forgives.
    forgives: i64,
}

/// A try at a secret: counted for whose secret it is, and for where it comes from. `T` is a [`Counter`], then a
/// [`Counted`]; none if there is no limit.
#[derive(Clone, Debug)]
pub struct Attempt<T> {
    pub account: Option<T>,
    pub address: Option<T>,
}

/// When a try counts.
#[derive(Clone, Copy)]
pub(super) enum OnlyFor<'a> {
    /// If the application is in this revision; for the account, if the address is not over its limit: the password has not
    /// been looked at yet, and what comes from such an address never will be.
    Login(Option<&'a Application>),
    Anything,
}

impl Counted {
    fn read(counter: Counter, row: &Row) -> Result<Self, StoreError> {
        let count = row.integer("count")?;
        Ok(Self { counter, count, expires_at: row.time("expires_at")?, forgives: count })
    }

    pub fn subject(&self) -> &str {
        &self.counter.subject
    }

    pub fn is_over(&self) -> bool {
        self.count > self.counter.limit.count
    }

    /// This is the first try beyond the limit.
    pub fn is_first_over(&self) -> bool {
        self.count == self.counter.limit.count + 1
    }
}

impl Attempt<Counter> {
    /// Counts the try: of any number of tries at once each is told another number.
    pub async fn count(self, now: Timestamp, db: &dyn Database) -> Result<Attempt<Counted>, StoreError> {
        let statements = self.statements(OnlyFor::Anything, now);
        match statements.is_empty() {
            true => Ok(Attempt { account: None, address: None }),
            false => self.counted(&db.batch(statements).await?),
        }
    }

    /// Part of a batch.
    pub(super) fn statements(&self, only_for: OnlyFor<'_>, now: Timestamp) -> Vec<Statement> {
        let (address_below, only_for) = match only_for {
            OnlyFor::Login(application) => (self.address.as_ref(), application),
            OnlyFor::Anything => (None, None),
        };
        let address = self.address.iter().map(|counter| count(counter, only_for, None, now));
        let account = self.account.iter().map(|counter| count(counter, only_for, address_below, now));
        let mut statements: Vec<Statement> = address.chain(account).collect();
        if !statements.is_empty() {
            statements.push(delete_expired(now, 4));
        }
        statements
    }

    /// What came of the statements. What was not counted is none.
    pub(super) fn counted(self, outcomes: &[Outcome]) -> Result<Attempt<Counted>, StoreError> {
        let mut outcomes = outcomes.iter();
        let mut read = |counter: Option<Counter>| {
            let Some(counter) = counter else {
                return Ok(None);
            };
            let Some(row) = outcomes.next().and_then(Outcome::first) else {
                return Ok(None);
            };
            Counted::read(counter, row).map(Some)
        };
        let address = read(self.address)?;
        Ok(Attempt { account: read(self.account)?, address })
    }
}

impl Attempt<Counted> {
    /// The secret was right: the account's tries up to this one are forgiven, and the address has not failed this time.
    pub async fn settle(&self, db: &dyn Database) -> Result<(), StoreError> {
        let statements = self.settling();
        if !statements.is_empty() {
            db.batch(statements).await?;
        }
        Ok(())
    }

    /// Others are counted with the account: a success of one forgives no failures of theirs.
    pub(super) fn forgive_itself_alone(&mut self) {
        if let Some(counted) = &mut self.account {
            counted.forgives = 1;
        }
    }

    /// As [`Attempt::settle`], as part of a batch.
    pub(super) fn settling(&self) -> Vec<Statement> {
        let account = self.account.iter().map(|counted| take_back(counted, counted.forgives));
        account.chain(self.address.iter().map(|counted| take_back(counted, 1))).collect()
    }
}

/// True if a try that found no place below the limit has one now that others have been settled, in the same window. A wrong
/// one takes it: so a success opens no more places than there are. `had_place`: nothing comes of it but the call.
pub async fn finds_place(
    counted: &Counted,
    had_place: bool,
    is_wrong: bool,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let places = if had_place { 0 } else { counted.counter.limit.count };
    let take = Statement::new(
        "UPDATE attempts SET count = count + ?4 WHERE subject = ?1 AND expires_at = ?2 AND count < ?3",
    )
    .bind(&counted.counter.subject)
    .bind(counted.expires_at)
    .bind(places)
    .bind(is_wrong);
    Ok(db.run(take).await?.changed > 0)
}

/// Counts one try more for one thing alone.
pub async fn count_one(counter: Counter, now: Timestamp, db: &dyn Database) -> Result<Counted, StoreError> {
    let outcomes = db.batch(vec![count(&counter, None, None, now), delete_expired(now, 4)]).await?;
    let row = outcome(&outcomes, 0)?.first();
    let row = row.ok_or_else(|| StoreError("a try was not counted".to_owned()))?;
    Counted::read(counter, row)
}

/// Beyond the limit nothing is looked at, so nothing more is counted: but the first time shows.
fn count(
    counter: &Counter,
    only_for: Option<&Application>,
    address_below: Option<&Counter>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO attempts (subject, count, expires_at) SELECT ?1, 1, ?2
         WHERE (?4 IS NULL OR EXISTS (SELECT 1 FROM applications WHERE id = ?4 AND revision = ?5))
         AND NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?7 AND count > ?8)
         ON CONFLICT (subject) DO UPDATE SET
         count = CASE WHEN expires_at <= ?3 THEN 1 ELSE min(count + 1, ?6) END,
         expires_at = CASE WHEN expires_at <= ?3 THEN excluded.expires_at ELSE expires_at END
         RETURNING count, expires_at",
    )
    .bind(&counter.subject)
    .bind(now + counter.limit.window)
    .bind(now)
    .bind(only_for.map(|application| application.id.to_string()))
    .bind(only_for.map(|application| application.revision.clone()))
    .bind(counter.limit.count + 2)
    .bind(address_below.map(|address| address.subject.clone()))
    .bind(address_below.map(|address| address.limit.count))
}

/// Tries that came in between stay counted; so do those of another window.
fn take_back(counted: &Counted, tries: i64) -> Statement {
    Statement::new("UPDATE attempts SET count = max(count - ?2, 0) WHERE subject = ?1 AND expires_at = ?3")
        .bind(&counted.counter.subject)
        .bind(tries)
        .bind(counted.expires_at)
}

/// Part of a batch: forgives all tries, if the statement right before it changed anything.
pub(super) fn forget(counter: &Counter) -> Statement {
    Statement::new("DELETE FROM attempts WHERE subject = ?1 AND changes() > 0").bind(&counter.subject)
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM attempts WHERE subject IN (SELECT subject FROM attempts WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}
