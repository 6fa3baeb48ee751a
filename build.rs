//! Writes the tables of `src/model/unicode.rs`: what the crates `unicode-normalization` and `caseless` know of each
//! character, in a fifth of their size. The tests compare with the crates.

use std::error::Error;
use std::path::Path;
use std::{env, fs, iter};

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var_os("OUT_DIR").ok_or("OUT_DIR is missing")?;
    let write = |name: &str, of: fn(char) -> Vec<char>| fs::write(Path::new(&folder).join(name), table(of));
    write("decompositions", decomposition)?;
    write("folds", fold)?;
    write("classes", class)?;
    write("pairs", pair)?;
    Ok(())
}

/// The compatibility decomposition, in full. Hangul follows a rule instead.
fn decomposition(c: char) -> Vec<char> {
    let mut decomposed = Vec::new();
    if !('\u{AC00}'..='\u{D7A3}').contains(&c) {
        decompose_compatible(c, |part| decomposed.push(part));
    }
    decomposed
}

fn fold(c: char) -> Vec<char> {
    iter::once(c).default_case_fold().collect()
}

/// The combining class, as the character with that number.
fn class(c: char) -> Vec<char> {
    match canonical_combining_class(c) {
        0 => Vec::new(),
        class => vec![char::from(class)],
    }
}

/// What two characters the character is composed of, if they compose to it.
fn pair(c: char) -> Vec<char> {
    let mut parts: Vec<char> = iter::once(c).nfd().collect();
    let Some(second) = parts.pop().filter(|_| !('\u{AC00}'..='\u{D7A3}').contains(&c)) else {
        return Vec::new();
    };
    match parts.into_iter().nfc().collect::<Vec<_>>().as_slice() {
        &[first] if compose(first, second) == Some(c) => vec![first, second],
        _ => Vec::new(),
    }
}

/// For each character that is more than itself: its distance from the one before, how many characters it is, and their
/// distances, each from the one before.
fn table(of: fn(char) -> Vec<char>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut last_key, mut last_value) = (0, 0);
    for key in '\0'..=char::MAX {
        let values = of(key);
        if values.is_empty() || values == [key] {
            continue;
        }
        push(&mut bytes, u32::from(key) - last_key);
        last_key = u32::from(key);
        push(&mut bytes, values.len() as u32);
        for value in values.into_iter().map(u32::from) {
            let ahead = value.wrapping_sub(last_value) as i32;
            push(&mut bytes, (ahead << 1 ^ ahead >> 31) as u32);
            last_value = value;
        }
    }
    bytes
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
