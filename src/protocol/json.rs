//! JSON objects from outside: a name that stands twice is refused, as a repeated parameter is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::params::MOST_PARAMETERS;

/// Reads the object that is the body of a request: it has no more members than a form has parameters.
///
/// # Errors
/// As [`parse_object`].
pub fn parse_body(body: &[u8]) -> Result<Map<String, Value>, String> {
    match parse_object(body)? {
        object if object.len() > MOST_PARAMETERS => Err("too many members".to_owned()),
        object => Ok(object),
    }
}

/// Reads one JSON object.
///
/// # Errors
/// Says what is wrong, in words that hold nothing of the input but the position.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<UniqueNames>(body) {
        Ok(object) if holds_nul(&object.0) => Err("it holds a NUL".to_owned()),
        Ok(object) => Ok(object.0),
        Err(error) if error.is_data() => Err("it is not an object whose names are all different".to_owned()),
        Err(error) => Err(format!("line {} column {}", error.line(), error.column())),
    }
}

/// Neither names nor values may hold a NUL: what is stored must read the same everywhere.
fn holds_nul(object: &Map<String, Value>) -> bool {
    object.iter().any(|(name, value)| name.contains('\0') || value_holds_nul(value))
}

fn value_holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(value_holds_nul),
        Value::Object(object) => holds_nul(object),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct UniqueNames(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueNamesVisitor)
    }
}

struct UniqueNamesVisitor;

impl<'de> Visitor<'de> for UniqueNamesVisitor {
    type Value = UniqueNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueNames, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(UniqueNames(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_objects_with_unique_names_and_no_nul() {
        assert_eq!(parse_object(br#"{"a": "b"}"#).unwrap().len(), 1);
        for bad in [
            &b""[..],
            b"[]",
            b"\"a\"",
            b"{",
            br#"{"a":1,"a":2}"#,
            br#"{"a":"\u0000"}"#,
            br#"{"a":["\u0000"]}"#,
            b"\xff",
        ] {
            assert!(parse_object(bad).is_err(), "{bad:?}");
        }
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert!(parse_object(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_body_has_no_more_members_than_a_form_has_parameters() {
        let many =
            |count: usize| (0..count).map(|n| (format!("p{n}"), Value::from(n))).collect::<Map<_, _>>();
        let read = |count: usize| parse_body(Value::Object(many(count)).to_string().as_bytes());
        assert_eq!(read(MOST_PARAMETERS), Ok(many(MOST_PARAMETERS)));
        assert_eq!(read(MOST_PARAMETERS + 1), Err("too many members".to_owned()));
        let below = Map::from_iter([("a".to_owned(), Value::Object(many(MOST_PARAMETERS + 1)))]);
        assert_eq!(parse_body(Value::Object(below.clone()).to_string().as_bytes()), Ok(below));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_object(&body);
        }
    }
}
