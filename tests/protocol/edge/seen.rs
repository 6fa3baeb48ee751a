//! What the schedules have come across: they would show nothing if nothing ever went wrong or came to be checked.

use std::cell::Cell;
use std::fmt;

use crate::support::edge::Happened;

/// What must hold, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// A refresh token leads to one pair, ever; it is honoured again within the grace only, and before its successor is. A
    /// code leads to tokens once, and to none that stay good if it is presented again.
    Once,
    /// What was ended is refused by the database, by who ended it and at refreshes at once, elsewhere within the bound.
    Bound,
    /// An isolate that has refused a token never accepts it again.
    RefusedForGood,
    /// A token that was answered is good at once, everywhere: 200 or 503.
    GoodAtOnce,
    /// Who holds the last answer can refresh; so can, within the grace, whose answer was lost.
    NoLoss,
    /// What was answered 2xx is so, and only who may is answered so.
    AsTold,
    /// What failed has happened or has not, as a whole; repeating it settles it.
    AllOrNothing,
    /// A signed request is honoured once, and within its time.
    Nonce,
    /// What a signed request rests on is refused everywhere as soon as its end was answered.
    SignedEnd,
}

pub const PROPERTIES: [Property; 9] = [
    Property::Once,
    Property::Bound,
    Property::RefusedForGood,
    Property::GoodAtOnce,
    Property::NoLoss,
    Property::AsTold,
    Property::AllOrNothing,
    Property::Nonce,
    Property::SignedEnd,
];

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "a refresh token leads to one pair, and a code to one, ever",
            Self::Bound => "what was ended is refused within the bound",
            Self::RefusedForGood => "an isolate that refused a token never accepts it again",
            Self::GoodAtOnce => "a token that was answered is good at once, everywhere",
            Self::NoLoss => "no live session is lost",
            Self::AsTold => "what was answered is what the database holds",
            Self::AllOrNothing => "what failed is all or nothing, and a repetition settles it",
            Self::Nonce => "no nonce is honoured twice",
            Self::SignedEnd => "what has ended signs nothing more, at once, everywhere",
        })
    }
}

#[derive(Default)]
pub struct Seen {
    /// One seed is replayed: tell what happens.
    tells: bool,
    checks: [Cell<u64>; PROPERTIES.len()],
    cases: [Cell<u64>; CASES.len()],
    faults: [Cell<u64>; FAULTS.len()],
}

/// What a schedule can come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Good,
    Refused,
    GoodAfterTheEnd,
    EndedElsewhereAndRefused,
    RefusedAgain,
    IdenticalPair,
    PairAfterLostAnswer,
    Reuse,
    LostOutsideTheGrace,
    FailedAndUndone,
    FailedAndDone,
    Repeated,
    ReplacedAndRefused,
    OldSecret,
    DisabledApplication,
    SignedUp,
    Duplicate,
    NewIsolate,
    Authorized,
    Exchanged,
    Replay,
    ReplayAtOnce,
    StolenCode,
    ExchangeAfterFailure,
    ExpiredCode,
    Signed,
    SignedAgain,
    SignedStale,
    SignedAfterTheEnd,
    SignedByAnOldSecret,
}

const CASES: [Case; 30] = [
    Case::Good,
    Case::Refused,
    Case::GoodAfterTheEnd,
    Case::EndedElsewhereAndRefused,
    Case::RefusedAgain,
    Case::IdenticalPair,
    Case::PairAfterLostAnswer,
    Case::Reuse,
    Case::LostOutsideTheGrace,
    Case::FailedAndUndone,
    Case::FailedAndDone,
    Case::Repeated,
    Case::ReplacedAndRefused,
    Case::OldSecret,
    Case::DisabledApplication,
    Case::SignedUp,
    Case::Duplicate,
    Case::NewIsolate,
    Case::Authorized,
    Case::Exchanged,
    Case::Replay,
    Case::ReplayAtOnce,
    Case::StolenCode,
    Case::ExchangeAfterFailure,
    Case::ExpiredCode,
    Case::Signed,
    Case::SignedAgain,
    Case::SignedStale,
    Case::SignedAfterTheEnd,
    Case::SignedByAnOldSecret,
];

type Fault = (&'static str, fn(&Happened) -> u32);

const FAULTS: [Fault; 9] = [
    ("the database refused a call", |happened| happened.database_errors.get()),
    ("the database's answer was lost", |happened| happened.lost_answers.get()),
    ("the database carried out what was given up", |happened| happened.applied_late.get()),
    ("KV refused a call", |happened| happened.kv_errors.get()),
    ("KV's answer was lost", |happened| happened.kv_lost_answers.get()),
    ("a key was written twice in a second", |happened| happened.kv_too_many.get()),
    ("a write after the answer was lost", |happened| happened.lost_late_writes.get()),
    ("an isolate died at work", |happened| happened.deaths.get()),
    ("a request took seconds", |happened| happened.time_under_way.get()),
];

impl Seen {
    pub fn new(tells: bool) -> Self {
        Self { tells, ..Self::default() }
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{}", what());
        }
    }

    /// A check of a property; what it says of a violation is shown with the seed.
    pub fn check(&self, property: Property, holds: bool, otherwise: impl FnOnce() -> String) {
        let checks = &self.checks[property as usize];
        checks.set(checks.get() + 1);
        assert!(holds, "BROKEN: {property}: {}", otherwise());
    }

    pub fn note(&self, case: Case) {
        let count = &self.cases[case as usize];
        count.set(count.get() + 1);
    }

    pub fn add(&self, happened: &Happened) {
        for ((_, read), count) in FAULTS.iter().zip(&self.faults) {
            count.set(count.get() + u64::from(read(happened)));
        }
    }

    /// How often each property was checked, and each case and fault met.
    pub fn counts(&self) -> Vec<u64> {
        self.checks.iter().chain(&self.cases).chain(&self.faults).map(Cell::get).collect()
    }
}

/// Everything was seen so many times.
pub fn assert_all_at_least(times: u64, counts: &[u64]) {
    let properties = PROPERTIES.iter().map(ToString::to_string);
    let cases = CASES.iter().map(|case| format!("{case:?}"));
    let faults = FAULTS.iter().map(|(name, _)| (*name).to_owned());
    let names: Vec<String> = properties.chain(cases).chain(faults).collect();
    assert_eq!(names.len(), counts.len());
    for (name, count) in names.iter().zip(counts) {
        println!("{count:>9}  {name}");
    }
    let rare: Vec<_> = names.iter().zip(counts).filter(|(_, count)| **count < times).collect();
    assert!(rare.is_empty(), "fewer than {times}: {rare:?}");
}
