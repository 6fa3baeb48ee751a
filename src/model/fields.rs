//! The named fields of a request body, read one by one; what is wrong is collected by name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// What is wrong with each field, in sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    pub fn one(name: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(name, message);
        errors
    }

    pub fn add(&mut self, name: &str, message: impl Into<String>) {
        self.0.entry(name.to_owned()).or_default().push(message.into());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with one field.
    pub fn of(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names, as an `error_description` and a log line may hold them (RFC 6749 §5.2).
    pub fn names(&self) -> String {
        let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        let names = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        names.chars().map(|c| if is_plain(c) { c } else { '?' }).collect()
    }

    /// Those that concern one of these fields, if there are any.
    ///
    /// # Errors
    /// They.
    pub fn among(mut self, names: &[String]) -> Result<(), Self> {
        self.0.retain(|name, _| names.contains(name));
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// The fields of one body. Reading a field takes it out, so that [`Fields::finish`] can name those that nobody knows.
pub struct Fields {
    object: Map<String, Value>,
    errors: FieldErrors,
}

impl Fields {
    pub fn new(object: Map<String, Value>) -> Self {
        Self { object, errors: FieldErrors::default() }
    }

    /// A text that must be there and not be blank.
    pub fn required_text(&mut self, name: &str) -> Option<String> {
        let message = match self.object.remove(name) {
            Some(Value::String(text)) if text.is_empty() => "This field may not be blank.",
            Some(Value::String(text)) => return Some(text),
            Some(Value::Null) => "This field may not be null.",
            Some(_) => "Not a valid string.",
            None => "This field is required.",
        };
        self.errors.add(name, message);
        None
    }

    /// A text, if it is there. `null` counts as absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            _ => {
                self.errors.add(name, "Not a valid string.");
                None
            }
        }
    }

    /// A text of at most `longest` characters, if it is there.
    pub fn short_text(&mut self, name: &str, longest: usize) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > longest {
            self.errors.add(name, format!("Use at most {longest} characters."));
        }
        Some(text)
    }

    /// A truth value, if it is there.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.object.remove(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Null => None,
            _ => {
                self.errors.add(name, "Must be true or false.");
                None
            }
        }
    }

    /// A list of at most 100 texts, if it is there.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.object.remove(name)?;
        if value.is_null() {
            return None;
        }
        let texts = value.as_array().filter(|values| values.len() <= 100).and_then(|values| {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        if texts.is_none() {
            self.errors.add(name, "Must be a list of at most 100 strings.");
        }
        texts
    }

    /// True if the field is there, whatever it holds.
    pub fn contains(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Takes a field out unread.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        self.errors.add(name, message);
    }

    /// Takes `parsed`, or notes what is wrong with the field.
    pub fn check<T>(&mut self, name: &str, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|message| self.errors.add(name, message)).ok()
    }

    /// The end of reading: nothing unknown may be left.
    ///
    /// # Errors
    /// All that was found wrong on the way.
    pub fn finish(mut self) -> Result<(), FieldErrors> {
        for name in self.object.keys() {
            self.errors.add(name, "There is no such field.");
        }
        self.finish_leniently()
    }

    /// The end of reading where unknown fields do not matter.
    ///
    /// # Errors
    /// All that was found wrong on the way.
    pub fn finish_leniently(self) -> Result<(), FieldErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}
