//! Request parameters (RFC 6749 Appendix B): strictly decoded, each at most once.

use std::fmt;

use serde_json::{Map, Value};

use super::error::OAuthError;

/// No request of any standard comes near this many.
pub const MOST_PARAMETERS: usize = 100;

/// The parameters of one body or query. Empty values count as absent (RFC 6749 §3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Why a form, or an object in its place, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MalformedForm {
    /// A `%` that two hexadecimal digits do not follow.
    PercentEncoding,
    NotUtf8,
    Nul,
    TooMany,
    /// A parameter stands twice (RFC 6749 §3.2). Its name, if it is a plain one.
    Repeated(Option<String>),
    /// In JSON, a value that is no string. Its name, if it is a plain one.
    NotText(Option<String>),
}

impl Params {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// Any form that two readers could understand differently.
    pub fn parse(form: &[u8]) -> Result<Self, MalformedForm> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in split(form) {
            if params.len() == MOST_PARAMETERS {
                return Err(MalformedForm::TooMany);
            }
            let (name, value) = (decode(name)?, decode(value)?);
            if params.iter().any(|(known, _)| *known == name) {
                return Err(MalformedForm::Repeated(Some(name).filter(|name| is_plain(name))));
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// Takes the members of a JSON object, all strings, for parameters.
    ///
    /// # Errors
    /// Another kind of value.
    pub fn from_object(object: Map<String, Value>) -> Result<Self, MalformedForm> {
        let mut params = Vec::with_capacity(object.len());
        for (name, value) in object {
            let Value::String(value) = value else {
                return Err(MalformedForm::NotText(Some(name).filter(|name| is_plain(name))));
            };
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// As [`Params::parse`], with what is good of a malformed form: a repeated parameter counts as absent, and so does one
    /// that cannot be decoded.
    pub fn parse_leniently(form: &[u8]) -> (Self, Option<MalformedForm>) {
        let whole = match Self::parse(form) {
            Ok(params) => return (params, None),
            Err(error) => error,
        };
        let mut good: Vec<(String, Option<String>)> = Vec::new();
        for (name, value) in split(form).take(MOST_PARAMETERS) {
            let Ok(name) = decode(name) else {
                continue;
            };
            let value = decode(value).ok();
            match good.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = None,
                None => good.push((name, value)),
            }
        }
        let good = good.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        (Self(good), Some(whole))
    }

    /// The value of `name`, if it is there and not empty.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// - `invalid_request`: it is missing or empty.
    pub fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.optional(name).ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
    }

    /// True if `name` is there, be it empty.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Puts `value` in the place of what is missing or empty.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.optional(name).is_none() {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, as they came.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Writes `application/x-www-form-urlencoded`.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut encoded = String::new();
    for (name, value) in pairs {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        encode_component(name.as_ref(), &mut encoded);
        encoded.push('=');
        encode_component(value.as_ref(), &mut encoded);
    }
    encoded
}

/// Writes one segment of a path, as [`decode_segment`] reads it.
pub fn encode_segment(text: &str) -> String {
    let mut encoded = String::new();
    encode_component(text, &mut encoded);
    encoded
}

/// Whoever decodes it as a form or as a URI reads the same: a space is `%20`.
fn encode_component(text: &str, encoded: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                for digit in [byte >> 4, byte & 15] {
                    encoded
                        .extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
}

/// The names and values of a form, in its order and encoded.
pub fn split(form: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |&byte| byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    })
}

/// Decodes one name or value of a form: `+` is a space, `%XX` a byte, and the whole is UTF-8.
///
/// # Errors
/// As [`Params::parse`].
pub fn decode(encoded: &[u8]) -> Result<String, MalformedForm> {
    percent_decode(encoded, b' ')
}

/// Decodes one segment of a path: `%XX` is a byte, and the whole is UTF-8 (RFC 3986 §2.1).
///
/// # Errors
/// As [`Params::parse`].
pub fn decode_segment(encoded: &str) -> Result<String, MalformedForm> {
    percent_decode(encoded.as_bytes(), b'+')
}

fn percent_decode(encoded: &[u8], plus: u8) -> Result<String, MalformedForm> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(MalformedForm::PercentEncoding),
            },
            other => other,
        });
    }
    if bytes.contains(&0) {
        return Err(MalformedForm::Nul);
    }
    String::from_utf8(bytes).map_err(|_| MalformedForm::NotUtf8)
}

impl fmt::Display for MalformedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PercentEncoding => f.write_str("a parameter is not percent-encoded correctly"),
            Self::NotUtf8 => f.write_str("a parameter is not UTF-8"),
            Self::Nul => f.write_str("a parameter holds a NUL"),
            Self::TooMany => f.write_str("too many parameters"),
            Self::Repeated(Some(name)) => write!(f, "{name} is repeated"),
            Self::Repeated(None) => f.write_str("a parameter is repeated"),
            Self::NotText(Some(name)) => write!(f, "{name} must be a string"),
            Self::NotText(None) => f.write_str("a parameter must be a string"),
        }
    }
}

impl From<MalformedForm> for OAuthError {
    fn from(error: MalformedForm) -> Self {
        OAuthError::invalid_request(error.to_string())
    }
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn is_plain(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(form: &str) -> Result<Params, MalformedForm> {
        Params::parse(form.as_bytes())
    }

    #[test]
    fn rfc_6749_appendix_b() {
        let params = parse("a=+%25%26%2B%C2%A3%E2%82%AC").unwrap();
        assert_eq!(params.optional("a"), Some(" %&+£€"));
    }

    #[test]
    fn empty_is_absent_but_still_counts_as_repeated() {
        let params = parse("a=&b&c=1&&").unwrap();
        assert_eq!(
            (params.optional("a"), params.optional("b"), params.optional("c")),
            (None, None, Some("1"))
        );
        assert!(params.contains("a") && params.contains("b") && !params.contains("d"));
        assert_eq!(parse("scope=&scope=a"), Err(MalformedForm::Repeated(Some("scope".into()))));
        assert_eq!(parse("%22=&%22=a"), Err(MalformedForm::Repeated(None)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert_eq!(parse("a=%"), Err(MalformedForm::PercentEncoding));
        assert_eq!(parse("a=%4"), Err(MalformedForm::PercentEncoding));
        assert_eq!(parse("a=%+1"), Err(MalformedForm::PercentEncoding));
        assert_eq!(parse("a=%zz"), Err(MalformedForm::PercentEncoding));
        assert_eq!(parse("a=%ff"), Err(MalformedForm::NotUtf8));
        assert_eq!(parse("a=%00"), Err(MalformedForm::Nul));
        let many: String = (0..=MOST_PARAMETERS).map(|n| format!("p{n}=&")).collect();
        assert_eq!(parse(&many), Err(MalformedForm::TooMany));
    }

    #[test]
    fn an_object_has_strings_alone() {
        let read = |value: Value| match value {
            Value::Object(object) => Params::from_object(object),
            other => panic!("{other}"),
        };
        let params = read(json!({"a": " %41+", "b": ""})).unwrap();
        assert_eq!((params.optional("a"), params.optional("b")), (Some(" %41+"), None));
        assert!(params.contains("b"));
        for bad in [json!(1), json!(1.5), json!(true), json!(null), json!(["x"]), json!({"x": "y"})] {
            assert_eq!(read(json!({"scope": bad})), Err(MalformedForm::NotText(Some("scope".into()))));
            assert_eq!(read(json!({"\"": bad})), Err(MalformedForm::NotText(None)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(form in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Params::parse(&form);
        }

        #[test]
        fn it_reads_what_was_written(values in proptest::collection::vec("[^\0]{1,20}", 0..20)) {
            let encode = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
            let form: String = values.iter().enumerate().map(|(n, v)| format!("p{n}={}&", encode(v))).collect();
            let params = parse(&form).unwrap();
            for (n, value) in values.iter().enumerate() {
                prop_assert_eq!(params.optional(&format!("p{n}")), Some(value.as_str()));
            }
        }
    }
}
