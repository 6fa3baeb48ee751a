//! What an isolate remembers from one request to the next: bounded, and data only.

mod bounded;
mod lasting;
mod published;

use std::rc::Rc;

use crate::crypto::keys::TokenMac;
use crate::crypto::secret::Secret;
use crate::model::application::Application;
use crate::model::id::{ApplicationId, FamilyId, UserId};
use crate::model::time::{Lifetime, Timestamp};
use crate::tokens::record::{Mark, Marks, RecordUser, TokenRecord, marks_of};
use crate::tokens::token::AccessToken;

pub use bounded::Bounded;
pub use lasting::Lasting;
pub use published::{Content, Published};

/// How long an application, or the answer to a preflight, is believed without asking the database.
const BELIEVED: Lifetime = Lifetime(10);

pub struct Memory {
    /// Tokens that were found to be good.
    pub accepted: Bounded<TokenMac, Accepted>,
    /// Tokens that bear our MAC and were refused, and are never good again: why, for the operator's log.
    pub refused: Lasting<TokenMac, &'static str>,
    /// What was found of providers' tokens, by their keyed digests.
    pub social_verdicts: Bounded<[u8; 32], SocialVerdict>,
    /// What this isolate itself has ended: KV may not show it yet.
    marks: Lasting<Mark, i64>,
    /// What KV has been told of them.
    puts: Bounded<Mark, Put>,
    /// What refreshes here have replaced: apart, so that refreshing cannot crowd out what was ended.
    replaced: Bounded<Mark, i64>,
    /// How many marks this isolate has made.
    marked: u64,
    /// What has been tried too often, by its keyed digest.
    pub over_limit: Bounded<String, OverLimit>,
    /// What did not answer when it was last asked, and until when that is believed.
    pub health: Option<(Vec<&'static str>, Timestamp)>,
    /// Refusals that were not worth a line in the log.
    pub unlogged: Option<Unlogged>,
    /// What identity providers publish.
    pub published: Published,
    applications: Bounded<String, Believed<Rc<Application>>>,
    origins: Bounded<String, Believed<bool>>,
    /// Secrets of applications that sign their requests, each with the sealed text that it was opened from.
    consumer_secrets: Bounded<ApplicationId, (String, Secret)>,
    /// Secrets of access tokens of OAuth 1.0a, by the family of the token.
    pub oauth1_secrets: Bounded<FamilyId, Secret>,
    /// Keyed digests of chosen client secrets that were seen to be right, by application.
    proven_secrets: Bounded<ApplicationId, [u8; 32]>,
}

/// Something has been tried too often.
#[derive(Clone, Copy)]
pub struct OverLimit {
    /// Then the database is asked again.
    pub believed_until: Timestamp,
    /// Then the count begins anew.
    pub expires_at: Timestamp,
}

/// What all refusals that have no line in the log have in common.
pub struct Unlogged {
    /// The id that they are answered with.
    pub id: String,
    /// How many there were.
    pub count: u64,
}

/// How far KV is with a mark.
#[derive(Clone, Copy)]
enum Put {
    Stored(i64),
    /// So many puts are under way. If there were ever two at once, nobody knows which of them KV holds in the end.
    UnderWay {
        puts: u32,
        were_several: bool,
    },
}

/// A token that was found to be good.
pub struct Accepted {
    pub record: Rc<TokenRecord>,
    pub until: Timestamp,
    /// [`Memory::marked`] when none of the isolate's own marks was about it.
    pub unmarked_at: Option<u64>,
}

/// What was found of a provider's token.
#[derive(Clone)]
pub enum SocialVerdict {
    Good {
        record: Rc<TokenRecord>,
        until: Timestamp,
    },
    /// Why, for the operator's log.
    Refused {
        reason: String,
        until: Timestamp,
    },
}

struct Believed<T> {
    value: T,
    until: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            accepted: Bounded::new(10_000),
            refused: Lasting::new(10_000),
            social_verdicts: Bounded::new(10_000),
            marks: Lasting::new(10_000),
            puts: Bounded::new(10_000),
            replaced: Bounded::new(10_000),
            marked: 0,
            over_limit: Bounded::new(10_000),
            health: None,
            unlogged: None,
            published: Published::default(),
            applications: Bounded::new(1_000),
            origins: Bounded::new(1_000),
            consumer_secrets: Bounded::new(1_000),
            oauth1_secrets: Bounded::new(10_000),
            proven_secrets: Bounded::new(1_000),
        }
    }
}

impl Memory {
    /// Notes what this isolate has ended or replaced.
    pub fn mark(&mut self, mark: Mark, value: i64, now: Timestamp) {
        self.marked += 1;
        if let Mark::Replaced(_) = mark {
            self.replaced.insert(mark, value);
        } else {
            // Of two log-outs the earlier may be heard of later: epochs only grow.
            let latest = self.marks.get(&mark).map_or(value, |known| value.max(*known));
            self.marks.insert(mark, latest, now);
        }
    }

    /// True if it may have lost what it refused or ended while KV may still contradict that: then only the database knows.
    pub fn has_lost_lately(&self, now: Timestamp) -> bool {
        self.refused.has_lost_lately(now) || self.marks.has_lost_lately(now)
    }

    /// True if it may have lost what it has ended since then.
    pub fn has_lost_ends_since(&self, since: Timestamp) -> bool {
        self.marks.has_lost_since(since)
    }

    /// True if KV has been seen to store this, and nobody here has put anything else since.
    pub fn is_stored(&self, mark: &Mark, value: i64) -> bool {
        matches!(self.puts.get(mark), Some(Put::Stored(stored)) if *stored == value)
    }

    /// A put of a mark is under way.
    pub fn begin_put(&mut self, mark: Mark) {
        let before = match self.puts.get(&mark) {
            Some(Put::UnderWay { puts, .. }) => *puts,
            _ => 0,
        };
        self.puts.insert(mark, Put::UnderWay { puts: before + 1, were_several: before > 0 });
    }

    /// It has been answered; none: not stored, as far as anybody knows.
    pub fn end_put(&mut self, mark: Mark, stored: Option<i64>) {
        let put = match (self.puts.get(&mark), stored) {
            (Some(Put::UnderWay { puts: 1, were_several: false }), Some(value)) => Put::Stored(value),
            (Some(Put::UnderWay { puts, .. }), _) => {
                Put::UnderWay { puts: puts.saturating_sub(1), were_several: true }
            }
            _ => return,
        };
        self.puts.insert(mark, put);
    }

    /// How often this isolate has marked anything: as long as it stays the same, so do its marks.
    pub fn marked(&self) -> u64 {
        self.marked
    }

    /// The marks that this isolate has made of what a token hangs on.
    pub fn own_marks(&self, token: &AccessToken) -> Marks {
        let mut own = Marks::default();
        if !self.marks.is_empty() {
            for mark in marks_of(token.holder()) {
                if let Some(&value) = self.marks.get(&mark) {
                    own.add(&mark, value);
                }
            }
        }
        if !self.replaced.is_empty() {
            let mark = Mark::Replaced(token.digest());
            if let Some(&value) = self.replaced.get(&mark) {
                own.add(&mark, value);
            }
        }
        own
    }

    /// True if this isolate has ended all tokens of the record's user or application since the record was made, or may have
    /// since it was found to be good, and lost it.
    pub fn may_have_ended(&self, record: &TokenRecord, found_at: Timestamp) -> bool {
        let has_marked = |mark: Option<Mark>, epoch: i64| {
            mark.and_then(|mark| self.marks.get(&mark)).is_some_and(|marked| *marked > epoch)
        };
        let of_user =
            |user: &RecordUser| has_marked(UserId::parse(&user.id).map(Mark::User), user.user_epoch);
        let application = ApplicationId::parse(&record.application).map(Mark::Application);
        self.has_lost_ends_since(found_at)
            || record.user.as_ref().is_some_and(of_user)
            || has_marked(application, record.application_epoch)
    }

    pub fn application(&self, client_id: &str, now: Timestamp) -> Option<Rc<Application>> {
        self.applications.get(client_id).filter(|known| known.until > now).map(|known| known.value.clone())
    }

    pub fn remember_application(&mut self, application: Rc<Application>, now: Timestamp) {
        let client_id = application.client_id.clone();
        self.applications.insert(client_id, Believed { value: application, until: now + BELIEVED });
    }

    pub fn forget_application(&mut self, client_id: &str) {
        self.applications.remove(client_id);
    }

    pub fn origin(&self, origin: &str, now: Timestamp) -> Option<bool> {
        self.origins.get(origin).filter(|known| known.until > now).map(|known| known.value)
    }

    pub fn remember_origin(&mut self, origin: &str, is_allowed: bool, now: Timestamp) {
        self.origins.insert(origin.to_owned(), Believed { value: is_allowed, until: now + BELIEVED });
    }

    /// An application that is believed lists this origin: so for as long.
    pub fn remember_origin_of(&mut self, application: &Application, origin: &str) {
        if let Some(until) = self.applications.get(&application.client_id).map(|known| known.until) {
            self.origins.insert(origin.to_owned(), Believed { value: true, until });
        }
    }

    /// What `sealed` was opened to. Another text, be it of another application, was not.
    pub fn consumer_secret(&self, application: &ApplicationId, sealed: &str) -> Option<Secret> {
        let (known, secret) = self.consumer_secrets.get(application)?;
        (known == sealed).then(|| secret.clone())
    }

    pub fn remember_consumer_secret(&mut self, application: ApplicationId, sealed: &str, secret: &Secret) {
        self.consumer_secrets.insert(application, (sealed.to_owned(), secret.clone()));
    }

    pub fn proven_secret(&self, application: &ApplicationId) -> Option<[u8; 32]> {
        self.proven_secrets.get(application).copied()
    }

    pub fn remember_proven_secret(&mut self, application: ApplicationId, digest: [u8; 32]) {
        self.proven_secrets.insert(application, digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::KeyRing;
    use crate::model::family::TokenDigest;
    use crate::model::id::FamilyId;

    #[test]
    fn a_mark_is_stored_if_nothing_else_was_put_at_the_same_time() {
        let mut memory = Memory::default();
        let mark = Mark::Family(FamilyId::from_bytes(&[0; 16]).unwrap());
        assert!(!memory.is_stored(&mark, 1));
        memory.begin_put(mark);
        assert!(!memory.is_stored(&mark, 1));
        memory.end_put(mark, Some(1));
        assert!(memory.is_stored(&mark, 1) && !memory.is_stored(&mark, 2));
        // Two at once, and a third before both have been answered.
        memory.begin_put(mark);
        memory.begin_put(mark);
        memory.end_put(mark, Some(2));
        memory.begin_put(mark);
        for value in [3, 4] {
            memory.end_put(mark, Some(value));
            assert!(![1, 2, 3, 4].iter().any(|value| memory.is_stored(&mark, *value)));
        }
        memory.begin_put(mark);
        memory.end_put(mark, None);
        assert!(!memory.is_stored(&mark, 5));
        memory.begin_put(mark);
        memory.end_put(mark, Some(5));
        assert!(memory.is_stored(&mark, 5));
    }

    fn accepted() -> Accepted {
        let text = r#"{"exp": 0, "iat": 0, "scope": "", "client_id": "", "application": "", "application_epoch": 0, "family": ""}"#;
        let record = serde_json::from_str(text).unwrap();
        Accepted { record: Rc::new(record), until: Timestamp(0), unmarked_at: None }
    }

    #[test]
    fn an_isolate_remembers_at_most_ten_thousand_of_each() {
        let mut memory = Memory::default();
        let keys = KeyRing::parse(&"A".repeat(43)).unwrap();
        for n in 0..30_000_u32 {
            let text = n.to_string();
            let family = Mark::Family(FamilyId::from_bytes(&u128::from(n).to_be_bytes()).unwrap());
            let mac = keys.first().mac("", text.as_bytes());
            memory.accepted.insert(mac, accepted());
            memory.refused.insert(mac, "a test", Timestamp(0));
            let refused = SocialVerdict::Refused { reason: String::new(), until: Timestamp(0) };
            memory.social_verdicts.insert(keys.first().memory_digest("", &text), refused);
            memory.mark(family, 1, Timestamp(0));
            memory.mark(Mark::Replaced(TokenDigest::of(&text)), 1, Timestamp(0));
            memory.begin_put(family);
            memory.end_put(family, Some(1));
            let over_limit = OverLimit { believed_until: Timestamp(0), expires_at: Timestamp(0) };
            memory.over_limit.insert(text.clone(), over_limit);
            memory.remember_origin(&text, true, Timestamp(0));
            let application = ApplicationId::from_bytes(&[&[0; 8], &n.to_be_bytes()[..]].concat()).unwrap();
            memory.remember_consumer_secret(application, "sealed", &Secret::new("a secret"));
        }
        assert!(memory.consumer_secrets.len() <= 1_000);
        let kept = [
            memory.accepted.len(),
            memory.refused.len(),
            memory.social_verdicts.len(),
            memory.marks.len(),
            memory.puts.len(),
            memory.replaced.len(),
            memory.over_limit.len(),
            memory.origins.len(),
        ];
        assert!(kept.iter().all(|&kept| kept <= 10_000), "{kept:?}");
    }
}
