//! Usernames, and the key by which two that look alike are the same.

use super::unicode::{caseless_key, nfkc};

/// In characters.
pub const LONGEST: usize = 150;

/// Letters by their category, and nothing to the eye (the fillers of Hangul).
const INVISIBLE: [char; 4] = ['\u{115F}', '\u{1160}', '\u{3164}', '\u{FFA0}'];

/// A name as its owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// 1 to 150 letters, digits and `@.+-_`, before and after compatibility normalization.
    ///
    /// # Errors
    /// Says which rule it breaks, to the person who chose it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.chars().count() > LONGEST {
            return Err("Use at most 150 characters.");
        }
        let is_visible = |c: char| c.is_alphanumeric() && !INVISIBLE.contains(&c);
        let is_plain = |text: &str| text.chars().all(|c| is_visible(c) || "@.+-_".contains(c));
        if text.is_empty() || !is_plain(text) || !is_plain(&nfkc(text)) {
            return Err("Use letters, digits and @ . + - _ only.");
        }
        if matches!(text, "." | "..") {
            return Err("Use more than dots: no URL could name you.");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// NFKC and case-folded (Unicode's compatibility caseless matching, D146): what is compared.
pub fn key(text: &str) -> String {
    caseless_key(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_has_one_key() {
        for same in ["ALICE", "alice", "Ａlice", "ａｌｉｃｅ"] {
            assert_eq!(key(same), "alice", "{same}");
        }
        assert_eq!(key("Straße"), key("STRASSE"));
        assert_eq!(key("é"), key("e\u{301}"));
        assert_ne!(key("alice"), key("alicé"));
    }

    #[test]
    fn the_rules() {
        for good in ["a", "ann@example.com", "Жанна", "x_1+2-3.4", &"é".repeat(150)] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "admin\u{1160}",
            "\u{3164}",
            " ",
            "a b",
            "a/b",
            "a\0",
            "a\n",
            "½",
            "⑴",
            "<b>",
            &"a".repeat(151),
        ] {
            assert!(Username::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_its_own_key() {
        for text in ["Straße", "ﬃ", "ǅ", "ΌΣΟΣ", "İstanbul"] {
            assert_eq!(key(&key(text)), key(text), "{text}");
        }
    }
}
