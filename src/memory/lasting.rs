//! A bounded map of what KV may contradict, that tells when it lacks something.

use std::hash::Hash;

use super::Bounded;
use crate::model::time::{Lifetime, Timestamp};

/// How long KV may show something else: twice the "60 seconds or more" after which it shows what was written elsewhere.
const CONTRADICTED: Lifetime = Lifetime(120);

/// As [`Bounded`], but an entry is not lost unnoticed while KV may still show what it denies.
pub struct Lasting<K, V> {
    entries: Bounded<K, V>,
    /// When the older half of them was complete.
    aged_at: Timestamp,
    lacking_until: Timestamp,
}

impl<K: Hash + Eq, V> Lasting<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: Bounded::new(capacity), aged_at: Timestamp(0), lacking_until: Timestamp(0) }
    }

    pub fn insert(&mut self, key: K, value: V, now: Timestamp) {
        if self.entries.has_to_age_for(&key) {
            self.lacking_until = self.aged_at + CONTRADICTED;
            self.aged_at = now;
        }
        self.entries.insert(key, value);
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True if there may have been an entry that KV still contradicts, and is none now: then only the database knows.
    pub fn is_lacking(&self, now: Timestamp) -> bool {
        self.lacking_until > now
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_too_early_is_known_to_be_lacking_for_as_long_as_kv_may_contradict_it() {
        let mut lasting = Lasting::new(4);
        let begin = 1_000_000;
        for n in 0..4 {
            lasting.insert(n, (), Timestamp(begin));
        }
        assert!(!lasting.is_lacking(Timestamp(begin)) && lasting.get(&0).is_some());
        // Two halves are full: the older was complete when the younger began, at `begin`.
        lasting.insert(4, (), Timestamp(begin + 50));
        assert!(lasting.get(&0).is_none() && lasting.get(&2).is_some());
        assert!(lasting.is_lacking(Timestamp(begin + 50)) && lasting.is_lacking(Timestamp(begin + 119)));
        assert!(!lasting.is_lacking(Timestamp(begin + 120)));
        // What was complete at `begin + 50` is old enough when it goes.
        lasting.insert(5, (), Timestamp(begin + 170));
        lasting.insert(6, (), Timestamp(begin + 170));
        assert!(lasting.get(&2).is_none() && !lasting.is_lacking(Timestamp(begin + 170)));
    }

    #[test]
    fn what_is_noted_again_drops_nothing() {
        let mut lasting = Lasting::new(2);
        for n in [0, 1, 1, 1, 1] {
            lasting.insert(n, (), Timestamp(1_000_000));
        }
        assert!(lasting.get(&0).is_some() && !lasting.is_lacking(Timestamp(1_000_000)));
    }
}
