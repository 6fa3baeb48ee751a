//! Points in time and spans of it, in whole seconds.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A span of whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(pub i64);

impl Timestamp {
    /// What is left until then; nothing if it has passed.
    pub fn remaining(self, now: Timestamp) -> Lifetime {
        Lifetime(self.0.saturating_sub(now.0).max(0))
    }
}

impl Lifetime {
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl Add<Lifetime> for Timestamp {
    type Output = Timestamp;

    fn add(self, lifetime: Lifetime) -> Timestamp {
        Timestamp(self.0.saturating_add(lifetime.0))
    }
}

impl Sub for Timestamp {
    type Output = Lifetime;

    fn sub(self, earlier: Timestamp) -> Lifetime {
        Lifetime(self.0.saturating_sub(earlier.0))
    }
}
