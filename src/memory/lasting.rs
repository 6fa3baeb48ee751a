//! A bounded map of what KV may contradict, that tells when it has lost something.

use std::hash::Hash;

use super::Bounded;
use crate::model::time::{Lifetime, Timestamp};

/// How long KV may show something else: the "60 seconds or more" after which it shows what was written elsewhere, and as much
/// again for writes that come late and requests that take long.
const CONTRADICTED: Lifetime = Lifetime(120);

/// As [`Bounded`], but an entry is not lost unnoticed while KV may still show what it denies.
pub struct Lasting<K, V> {
    entries: Bounded<K, V>,
    /// When the older half of them was complete.
    aged_at: Timestamp,
    /// When the last of what was dropped may have been noted.
    lost_at: Timestamp,
}

impl<K: Hash + Eq, V> Lasting<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: Bounded::new(capacity), aged_at: Timestamp(0), lost_at: Timestamp(0) }
    }

    pub fn insert(&mut self, key: K, value: V, now: Timestamp) {
        if self.entries.has_to_age_for(&key) {
            self.lost_at = self.aged_at;
            self.aged_at = self.aged_at.max(now);
        }
        self.entries.insert(key, value);
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True if an entry that KV may still contradict has been dropped, perhaps.
    pub fn has_lost_lately(&self, now: Timestamp) -> bool {
        self.lost_at + CONTRADICTED > now
    }

    /// True if an entry that is not older than this has been dropped, perhaps.
    pub fn has_lost_since(&self, since: Timestamp) -> bool {
        self.lost_at >= since
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
    fn what_is_dropped_too_early_is_known_to_be_lost_as_long_as_kv_may_contradict_it() {
        let mut lasting = Lasting::new(4);
        let begin = 1_000_000;
        for n in 0..4 {
            lasting.insert(n, (), Timestamp(begin));
        }
        assert!(!lasting.has_lost_lately(Timestamp(begin)) && lasting.get(&0).is_some());
        // Two halves are full: the older was complete when the younger began, at `begin`.
        lasting.insert(4, (), Timestamp(begin + 50));
        assert!(lasting.get(&0).is_none() && lasting.get(&2).is_some());
        assert!(
            lasting.has_lost_lately(Timestamp(begin + 50)) && lasting.has_lost_lately(Timestamp(begin + 119))
        );
        assert!(!lasting.has_lost_lately(Timestamp(begin + 120)));
        assert!(lasting.has_lost_since(Timestamp(begin)) && !lasting.has_lost_since(Timestamp(begin + 1)));
        // What was complete at `begin + 50` is old enough when it goes.
        lasting.insert(5, (), Timestamp(begin + 170));
        lasting.insert(6, (), Timestamp(begin + 170));
        assert!(lasting.get(&2).is_none() && !lasting.has_lost_lately(Timestamp(begin + 170)));
    }

    #[test]
    fn what_is_noted_again_drops_nothing() {
        let mut lasting = Lasting::new(2);
        for n in [0, 1, 1, 1, 1] {
            lasting.insert(n, (), Timestamp(1_000_000));
        }
        assert!(lasting.get(&0).is_some() && !lasting.has_lost_lately(Timestamp(1_000_000)));
    }

    #[test]
    fn a_clock_that_was_read_earlier_shortens_nothing() {
        let mut lasting = Lasting::new(2);
        lasting.insert(0, (), Timestamp(1_000));
        lasting.insert(1, (), Timestamp(1_070));
        // A request that began at 1,000, and for which the database took 70 seconds.
        lasting.insert(2, (), Timestamp(1_000));
        lasting.insert(3, (), Timestamp(1_071));
        assert!(lasting.get(&1).is_none() && lasting.has_lost_lately(Timestamp(1_129)));
    }
}
