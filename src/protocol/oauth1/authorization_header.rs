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
