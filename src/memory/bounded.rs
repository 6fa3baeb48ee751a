//! A map that does not grow beyond its bound.

use std::collections::HashMap;
use std::hash::Hash;

/// A map that holds at most `capacity` entries: when the younger half is full, the older half is dropped.
pub struct Bounded<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: capacity / 2 }
    }

    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    pub fn insert(&mut self, key: K, value: V) {
        if self.has_to_age_for(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// True if the older half has to be dropped for this key, and the younger to become that.
    pub(super) fn has_to_age_for(&self, key: &K) -> bool {
        self.young.len() >= self.half && !self.young.contains_key(key)
    }

    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    #[cfg(feature = "test_hooks")]
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.young.values_mut().chain(self.old.values_mut())
    }

    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_map_keeps_the_youngest_half_at_least() {
        let mut map = Bounded::new(10);
        for n in 0..1000 {
            map.insert(n, n);
            assert!(map.len() <= 10);
            for recent in (n - 4).max(0)..=n {
                assert_eq!(map.get(&recent), Some(&recent));
            }
        }
        map.insert(999, 7);
        assert_eq!(map.get(&999), Some(&7));
        map.remove(&999);
        assert_eq!(map.get(&999), None);
    }
}
