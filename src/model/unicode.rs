//! Compatibility normalization (Unicode Standard Annex #15) and full case folding (Unicode §3.13). The tables are those of
//! crates that would be a seventh of the whole server; `build.rs` packs them.

use std::iter;
use std::sync::LazyLock;

/// Compatibility decomposition, then canonical composition.
pub fn nfkc(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_owned(),
        false => compose(decompose(text.chars())),
    }
}

/// What two texts have in common that differ in case or in compatible characters only (Unicode's D146, composed).
pub fn caseless_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = fold(decompose(text.chars()));
    compose(decompose(fold(decompose(folded.into_iter())).into_iter()))
}

/// Every character in full, and marks in canonical order.
fn decompose(text: impl Iterator<Item = char>) -> Vec<char> {
    let mut decomposed = Vec::new();
    for c in text {
        match hangul_parts(c) {
            Some((pair, last)) => decomposed.extend(pair.into_iter().chain(last)),
            None => TABLES.decompositions.push(c, &mut decomposed),
        }
    }
    for marks in decomposed.chunk_by_mut(|&one, &next| class(one) != 0 && class(next) != 0) {
        marks.sort_by_key(|&mark| class(mark));
    }
    decomposed
}

fn fold(text: Vec<char>) -> Vec<char> {
    let mut folded = Vec::new();
    for c in text {
        TABLES.folds.push(c, &mut folded);
    }
    folded
}

/// Canonical composition of decomposed text: a mark joins the last starter unless one of its class stands in between.
fn compose(decomposed: Vec<char>) -> String {
    let mut composed: Vec<char> = Vec::new();
    let mut starter_at = None;
    for c in decomposed {
        let last = starter_at.and_then(|at| composed.get_mut(at..)).and_then(|tail| tail.split_first_mut());
        if let Some((starter, between)) = last {
            let is_blocked = between.last().is_some_and(|&mark| class(mark) == 0 || class(mark) >= class(c));
            if let Some(joined) = composition(*starter, c).filter(|_| !is_blocked) {
                *starter = joined;
                continue;
            }
        }
        if class(c) == 0 {
            starter_at = Some(composed.len());
        }
        composed.push(c);
    }
    composed.into_iter().collect()
}

fn composition(first: char, second: char) -> Option<char> {
    let known = TABLES.compositions.binary_search_by_key(&(first, second), |&(pair, _)| pair);
    let composed = known.ok().and_then(|at| TABLES.compositions.get(at)).map(|&(_, composed)| composed);
    composed.or_else(|| hangul_composition(first, second))
}

/// The combining class: 0 for a starter.
fn class(c: char) -> u32 {
    TABLES.classes.find(c).and_then(|class| class.first()).map_or(0, |&class| u32::from(class))
}

// Hangul is composed by arithmetic (Unicode §3.12).
const SYLLABLE: u32 = 0xAC00;
const LEADING: u32 = 0x1100;
const VOWEL: u32 = 0x1161;
const TRAILING: u32 = 0x11A7;
const LEADINGS: u32 = 19;
const VOWELS: u32 = 21;
const TRAILINGS: u32 = 28;

fn hangul_parts(c: char) -> Option<([char; 2], Option<char>)> {
    let index = u32::from(c).checked_sub(SYLLABLE).filter(|index| *index < LEADINGS * VOWELS * TRAILINGS)?;
    let leading = char::from_u32(LEADING + index / TRAILINGS / VOWELS)?;
    let vowel = char::from_u32(VOWEL + index / TRAILINGS % VOWELS)?;
    let trailing = Some(index % TRAILINGS).filter(|trailing| *trailing > 0);
    Some(([leading, vowel], trailing.and_then(|trailing| char::from_u32(TRAILING + trailing))))
}

fn hangul_composition(first: char, second: char) -> Option<char> {
    let offset = |c: char, base: u32, count: u32| u32::from(c).checked_sub(base).filter(|n| *n < count);
    if let Some(leading) = offset(first, LEADING, LEADINGS) {
        let vowel = offset(second, VOWEL, VOWELS)?;
        return char::from_u32(SYLLABLE + (leading * VOWELS + vowel) * TRAILINGS);
    }
    offset(first, SYLLABLE, LEADINGS * VOWELS * TRAILINGS).filter(|syllable| syllable % TRAILINGS == 0)?;
    let trailing = offset(second, TRAILING, TRAILINGS).filter(|trailing| *trailing > 0)?;
    char::from_u32(u32::from(first) + trailing)
}

struct Tables {
    decompositions: Table,
    folds: Table,
    classes: Table,
    compositions: Vec<((char, char), char)>,
}

/// Unpacked when somebody's name first needs them.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let pairs = Table::read(include_bytes!(concat!(env!("OUT_DIR"), "/pairs")));
    let mut compositions: Vec<_> = pairs
        .keys()
        .filter_map(|composed| match pairs.find(composed)? {
            &[first, second] => Some(((first, second), composed)),
            _ => None,
        })
        .collect();
    compositions.sort_unstable();
    Tables {
        decompositions: Table::read(include_bytes!(concat!(env!("OUT_DIR"), "/decompositions"))),
        folds: Table::read(include_bytes!(concat!(env!("OUT_DIR"), "/folds"))),
        classes: Table::read(include_bytes!(concat!(env!("OUT_DIR"), "/classes"))),
        compositions,
    }
});

/// What some characters stand for.
struct Table {
    /// Each with the end of its part of `values`, in order.
    keys: Vec<(char, usize)>,
    values: Vec<char>,
}

impl Table {
    /// Reads what `build.rs` wrote.
    fn read(packed: &[u8]) -> Self {
        let mut table = Self { keys: Vec::new(), values: Vec::new() };
        let mut bytes = packed.iter();
        let (mut key, mut value) = (0_u32, 0_u32);
        while let Some(distance) = number(&mut bytes) {
            key = key.wrapping_add(distance);
            for _ in 0..number(&mut bytes).unwrap_or_default() {
                let ahead = number(&mut bytes).unwrap_or_default();
                value = value.wrapping_add(ahead >> 1 ^ (ahead & 1).wrapping_neg());
                table.values.extend(char::from_u32(value));
            }
            table.keys.extend(char::from_u32(key).map(|key| (key, table.values.len())));
        }
        table
    }

    fn keys(&self) -> impl Iterator<Item = char> {
        self.keys.iter().map(|&(key, _)| key)
    }

    fn find(&self, c: char) -> Option<&[char]> {
        let at = self.keys.binary_search_by_key(&c, |&(key, _)| key).ok()?;
        let start = at.checked_sub(1).and_then(|before| self.keys.get(before)).map_or(0, |&(_, end)| end);
        self.values.get(start..self.keys.get(at)?.1)
    }

    /// Adds what `c` stands for, or else itself.
    fn push(&self, c: char, to: &mut Vec<char>) {
        match self.find(c) {
            Some(values) => to.extend_from_slice(values),
            None => to.push(c),
        }
    }
}

fn number(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u32> {
    let mut number = 0;
    for shift in iter::successors(Some(0), |shift| Some(shift + 7)) {
        let byte = u32::from(*bytes.next()?);
        number |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ::caseless::Caseless;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn expected_key(text: &str) -> String {
        text.nfkd().default_case_fold().nfkd().default_case_fold().nfkc().collect()
    }

    #[track_caller]
    fn compare(text: &str) {
        assert_eq!(nfkc(text), text.nfkc().collect::<String>(), "{text:?}");
        assert_eq!(caseless_key(text), expected_key(text), "{text:?}");
    }

    /// Where Unicode has characters; the tables know of none elsewhere.
    fn characters() -> impl Iterator<Item = char> {
        ('\0'..='\u{323ff}').chain('\u{e0000}'..='\u{e0fff}')
    }

    #[test]
    fn every_character_is_as_in_the_crates_by_itself_decomposed_and_among_marks() {
        let tables = [&TABLES.decompositions, &TABLES.folds, &TABLES.classes];
        let keys = tables.into_iter().flat_map(Table::keys);
        assert!(keys.collect::<HashSet<_>>().is_subset(&characters().collect()));
        for c in characters() {
            // U+0345 is a mark that folds to a letter; U+0301, U+0323 and U+0327 are marks of three classes.
            let decomposed: String = [c].into_iter().nfd().collect();
            compare(&format!(
                "{c}a\u{345}{c}\u{301}\u{323}{decomposed}\u{327}\u{1100}{c}\u{1161}{c}\u{11a8}"
            ));
        }
    }

    /// Letters with many forms, marks of every class, and parts of Hangul.
    fn odd_text() -> impl Strategy<Value = String> {
        let odd = prop_oneof![
            proptest::char::range('a', 'z'),
            proptest::char::range('\u{c0}', '\u{24f}'),
            proptest::char::range('\u{300}', '\u{36f}'),
            proptest::char::range('\u{370}', '\u{3ff}'),
            proptest::char::range('\u{591}', '\u{670}'),
            proptest::char::range('\u{900}', '\u{dff}'),
            proptest::char::range('\u{1100}', '\u{11ff}'),
            proptest::char::range('\u{1e00}', '\u{1fff}'),
            proptest::char::range('\u{ac00}', '\u{d7a3}'),
            any::<char>(),
        ];
        proptest::collection::vec(odd, 0..12).prop_map(String::from_iter)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_text_is_as_in_the_crates(text in odd_text()) {
            prop_assert_eq!(nfkc(&text), text.nfkc().collect::<String>());
            prop_assert_eq!(caseless_key(&text), expected_key(&text));
        }
    }
}
