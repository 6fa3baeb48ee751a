//! Scopes (RFC 6749 §3.3).

use std::fmt;

use crate::protocol::error::OAuthError;

/// Scopes that a standard or Postern itself gives a meaning: never granted by default, only to applications that list them.
pub const BUILT_IN: [&str; 7] =
    ["introspection", "openid", "profile", "email", "address", "phone", "offline_access"];

/// In bytes: room for more scopes than any server has, and no work for whoever sends more.
const LONGEST: usize = 4096;

/// A list of scopes without repetitions, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Reads scope tokens with single or more spaces between them.
    ///
    /// # Errors
    /// - `invalid_scope`: a token has characters that RFC 6749 §3.3 does not allow, or there are too many.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        if text.len() > LONGEST {
            return Err(OAuthError::invalid_scope("scope is too long"));
        }
        let mut tokens: Vec<String> = Vec::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !token.bytes().all(|b| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~')) {
                return Err(OAuthError::invalid_scope("scope has a character that no scope can have"));
            }
            add(&mut tokens, token);
        }
        Ok(Self(tokens))
    }

    /// Reads what our own database holds.
    pub fn from_stored(text: &str) -> Self {
        Self(text.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|known| known == token)
    }

    pub fn contains_all(&self, wanted: &Scope) -> bool {
        wanted.iter().all(|token| self.contains(token))
    }

    pub fn contains_any(&self, wanted: &Scope) -> bool {
        wanted.iter().any(|token| self.contains(token))
    }

    /// What somebody agrees to by now who was asked for these and granted `granted`, and had agreed to `before`. What they
    /// untick is not agreed to any more; what they were not asked about stays.
    #[must_use]
    pub fn agreed(&self, granted: &Self, before: Option<&Self>) -> Self {
        let is_kept = |token: &&str| granted.contains(token) || !self.contains(token);
        before.into_iter().flat_map(Self::iter).filter(is_kept).chain(granted.iter()).collect()
    }

    /// Those tokens of ours for which `keep` holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<T: IntoIterator<Item = &'a str>>(tokens: T) -> Self {
        let mut all = Vec::new();
        tokens.into_iter().for_each(|token| add(&mut all, token));
        Self(all)
    }
}

fn add(tokens: &mut Vec<String>, token: &str) {
    if !tokens.iter().any(|known| known == token) {
        tokens.push(token.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_drops_repetitions_and_refuses_foreign_characters() {
        assert_eq!(Scope::parse(" read  write read ").unwrap().to_string(), "read write");
        assert!(Scope::parse("").unwrap().is_empty());
        assert_eq!(["read", "write", "read"].into_iter().collect::<Scope>().to_string(), "read write");
        for bad in ["a\"", "a\\", "a\tb", "é", "a\u{7f}"] {
            assert!(Scope::parse(bad).is_err(), "{bad:?}");
        }
    }
}
