//! How often something may be tried.

use super::time::Lifetime;

/// At most `count` tries in `window`, which begins with the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: i64,
    pub window: Lifetime,
}

impl Limit {
    /// Reads `count/seconds`, each from 1 to a million.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && (1..=1_000_000).contains(number))
        };
        let (count, seconds) = text.split_once('/')?;
        Some(Self { count: number(count)?, window: Lifetime(number(seconds)?) })
    }
}
