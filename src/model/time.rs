//! Points in time and spans of it, in whole seconds.

use std::fmt;
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

/// In UTC, as ISO 8601 and RFC 3339 write it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        // Years begin with March, so that a leap day is the last of its year; eras are the 400 years after which the
        // calendar repeats itself.
        let days = days.saturating_add(719_468);
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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

impl Sub<Lifetime> for Timestamp {
    type Output = Timestamp;

    fn sub(self, lifetime: Lifetime) -> Timestamp {
        Timestamp(self.0.saturating_sub(lifetime.0))
    }
}

impl Sub for Timestamp {
    type Output = Lifetime;

    fn sub(self, earlier: Timestamp) -> Lifetime {
        Lifetime(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_as_text() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
        }
        // No time is out of reach.
        assert!(
            Timestamp(i64::MAX).to_string().ends_with('Z') && Timestamp(i64::MIN).to_string().ends_with('Z')
        );
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let lengths = |year: i64| {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut day = 0;
        for year in 1970..2410 {
            for (month, length) in (1..).zip(lengths(year)) {
                for of_month in 1..=length {
                    let text = Timestamp(day * 86_400).to_string();
                    assert_eq!(text, format!("{year}-{month:02}-{of_month:02}T00:00:00Z"));
                    day += 1;
                }
            }
        }
    }
}
