//! Base64url without padding (RFC 4648 §5), and percent-encoding for header values.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding. Every byte string has exactly one accepted spelling.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// As [`from_base64url`], for a text that stands for `N` bytes.
pub fn array_from_base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

/// Decodes padded standard base64, as HTTP Basic uses it (RFC 7617 §2).
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Padded standard base64, as Content-Security-Policy writes hashes.
pub fn standard_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `text` as a header can carry it: UTF-8, percent-encoded where it is not printable ASCII, and at `%` itself.
pub fn header_text(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'%';
    if text.as_bytes().iter().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if is_plain(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_string_has_one_spelling() {
        assert_eq!(from_base64url("AA"), Some(vec![0]));
        assert_eq!(from_base64url("AB"), None); // trailing bits
        assert_eq!(from_base64url("AA=="), None);
        assert_eq!(from_base64url("A+"), None);
    }

    #[test]
    fn an_array_has_its_length_and_one_spelling() {
        assert_eq!(array_from_base64url("AAE"), Some([0, 1]));
        for other in ["", "AA", "AAEC", "AAECAwQFBgc", "AAF", "AAE=", "A+E", "AAE\0"] {
            assert_eq!(array_from_base64url::<2>(other), None, "{other}");
        }
    }

    #[test]
    fn header_text_is_printable_ascii() {
        assert_eq!(header_text("ann@example.com"), "ann@example.com");
        assert_eq!(header_text("100% é\n"), "100%25 %C3%A9%0A");
    }
}
