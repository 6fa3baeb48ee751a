//! Numbers by a seed.

use std::cell::RefCell;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub struct Dice(RefCell<ChaCha8Rng>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// From 0 to `sides` - 1.
    pub fn below(&self, sides: u32) -> u32 {
        self.0.borrow_mut().next_u32() % sides
    }

    /// True so many times of a hundred.
    pub fn percent(&self, percent: u32) -> bool {
        percent > 0 && self.below(100) < percent
    }

    /// From 0 to `most`, and often one of the two.
    pub fn seconds(&self, most: i64) -> i64 {
        match self.below(6) {
            0 => 0,
            1 | 2 => most,
            _ => i64::from(self.0.borrow_mut().next_u32()) % (most + 1),
        }
    }

    /// An index of something that has so many.
    pub fn index(&self, length: usize) -> usize {
        self.0.borrow_mut().next_u32() as usize % length
    }

    pub fn choose<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }
}
