//! The `Authorization` header of the scheme OAuth (RFC 5849 §3.5.1).

use super::request::Malformed;
use crate::protocol::params::decode_segment;

const MALFORMED: Malformed = Malformed::Invalid("the Authorization header is not a list of parameters");
const BLANKS: [char; 2] = [' ', '\t'];

/// What follows the scheme, if that is OAuth. Its case does not matter.
pub(super) fn after_scheme(header: &str) -> Option<&str> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("OAuth").then_some(rest)
}

/// Reads `k="v", k2="v2"` without the realm. A `+` is a plus.
///
/// # Errors
/// What is no such list, and values that are not percent-encoded.
pub(super) fn parameters(mut rest: &str) -> Result<Vec<(String, String)>, Malformed> {
    let mut parameters = Vec::new();
    loop {
        // Elements of a list may be empty (RFC 9110 §5.6.1.2).
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(parameters);
        }
        let (name, after) = rest.split_once('=').ok_or(MALFORMED)?;
        let (name, (value, after)) = (name.trim_end_matches(BLANKS), quoted_string(after).ok_or(MALFORMED)?);
        rest = after.trim_start_matches(BLANKS);
        if !(rest.is_empty() || rest.starts_with(',')) || name.is_empty() || !is_encoded(name) {
            return Err(MALFORMED);
        }
        // It is a plain quoted string (RFC 5849 §3.5.1), and no parameter of the request (RFC 5849 §3.4.1.3.1).
        if name.eq_ignore_ascii_case("realm") {
            continue;
        }
        if !is_encoded(value) {
            return Err(MALFORMED);
        }
        parameters.push((decode_segment(name)?, decode_segment(value)?));
    }
}

/// What stands between the first two quotes, and what follows (RFC 9110 §5.6.4).
fn quoted_string(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(BLANKS).strip_prefix('"')?;
    let mut is_escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Some clients leave `/`, `=` and their like as they are. What ends a string or may stand for something else, none does.
fn is_encoded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<Vec<(String, String)>, Malformed> {
        parameters(after_scheme(header).unwrap())
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_example_of_rfc_5849() {
        // RFC 5849 §3.5.1
        let header = r#"OAuth realm="Example",
            oauth_consumer_key="0685bd9184jfhq22",
            oauth_token="ad180jjd733klru7",
            oauth_signature_method="HMAC-SHA1",
            oauth_signature="wOJIO9A2W5mFwDgiDvZbTSMK%2FPY%3D",
            oauth_timestamp="137131200",
            oauth_nonce="4572616e48616d6d65724c61686176",
            oauth_version="1.0""#;
        let read = read(&header.replace('\n', "\t")).unwrap();
        let expected = owned(&[
            ("oauth_consumer_key", "0685bd9184jfhq22"),
            ("oauth_token", "ad180jjd733klru7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_signature", "wOJIO9A2W5mFwDgiDvZbTSMK/PY="),
            ("oauth_timestamp", "137131200"),
            ("oauth_nonce", "4572616e48616d6d65724c61686176"),
            ("oauth_version", "1.0"),
        ]);
        assert_eq!(read, expected);
    }

    #[test]
    fn names_and_values_are_percent_encoded_and_a_plus_is_a_plus() {
        let encoded = r#"oauth a="%61+%2B%20%C3%a9", %62%3D = "" ,c="x=/:@'""#;
        assert_eq!(read(encoded), Ok(owned(&[("a", "a++ é"), ("b=", ""), ("c", "x=/:@'")])));
        for list in [
            r#"OAUTH a="1",b="2""#,
            r#"OAuth  a="1" , b="2" "#,
            r#"OAuth ,a="1",,	b="2","#,
            r#"OAuth REALM="a \" b, c=\"d\", \\",a="1",b="2""#,
            r#"OAuth a="1",realm="é",b="2""#,
        ] {
            assert_eq!(read(list), Ok(owned(&[("a", "1"), ("b", "2")])), "{list}");
        }
        for none in ["OAuth", "OAuth ", "OAuth ,", r#"OAuth realm="a",realm="a""#] {
            assert_eq!(read(none), Ok(vec![]), "{none}");
        }
    }

    #[test]
    fn only_the_scheme_oauth_counts() {
        for other in ["", " ", "OAuth2 x", "Bearer OAuth", "OAuth\tx", " OAuth x", "OAuth,"] {
            assert_eq!(after_scheme(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "x",
            "x=",
            "x=1",
            r#"x"1""#,
            r#"x="1"#,
            r#"x=1""#,
            r#"="1""#,
            r#"x="1"y="2""#,
            r#"x="1" y="2""#,
            r#"x="1";y="2""#,
            r#"x="1""2""#,
            r#"x="a\"b""#,
            r#"x="a\b""#,
            r#"x="a b""#,
            r#"x="a,b""#,
            r#"x="é""#,
            r#"é="1""#,
            r#"a b="1""#,
            r#""x"="1""#,
            r#"realm="a"#,
            r#"realm="a\""#,
            r#"realm=a,x="1""#,
            r#"x="%""#,
            r#"x="%4""#,
            r#"x="%zz""#,
            r#"x="%ff""#,
            r#"x="%00""#,
            r#"%="1""#,
        ] {
            assert!(parameters(bad).is_err(), "{bad}");
            assert!(parameters(&format!(r#"a="1",{bad}"#)).is_err(), "{bad}");
        }
    }
}
