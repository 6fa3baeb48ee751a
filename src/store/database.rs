//! The database as this server uses it: statements with bound values, one at a time or several that stand or fall
//! together. D1 has no interactive transactions, so nothing here has.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use async_trait::async_trait;
use serde::Serialize;

use crate::model::time::Timestamp;
use crate::protocol::error::OAuthError;

/// D1, or SQLite in tests; made equal on purpose (`tests/protocol/storage.rs` runs against both).
#[async_trait(?Send)]
pub trait Database {
    /// Runs one statement.
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError>;

    /// Runs all statements in one round trip, or none of them. One outcome for each.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError>;
}

/// SQL with `?1`, `?2`, … and what they are bound to.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
}

impl Statement {
    pub fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// Binds the next value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// What can be bound: no blobs, and integers of at most 2^53 only, since D1 binds every number as a REAL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

/// The greatest whole number of which JavaScript knows that it is no other (ECMAScript §21.1.2.6).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What a statement returned, and how many rows it changed.
#[derive(Debug, Default)]
pub struct Outcome {
    pub rows: Vec<Row>,
    pub changed: u64,
}

/// One row. Its columns are looked for in their order: that is faster than making a map of a row that is read once.
#[derive(Debug)]
pub struct Row {
    pub columns: Rc<[String]>,
    pub values: Vec<serde_json::Value>,
}

/// The database did not answer, or not as the schema says.
#[derive(Debug)]
pub struct StoreError(pub String);

impl Outcome {
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }
}

impl Row {
    /// Of two columns with one name it is the last one, as in an object.
    fn get(&self, column: &str) -> Option<&serde_json::Value> {
        self.values.get(self.columns.iter().rposition(|known| known == column)?)
    }

    pub fn text(&self, column: &str) -> Result<&str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| wrong(column))
    }

    pub fn optional_text(&self, column: &str) -> Result<Option<&str>, StoreError> {
        match self.get(column) {
            Some(serde_json::Value::String(text)) => Ok(Some(text)),
            Some(serde_json::Value::Null) => Ok(None),
            _ => Err(wrong(column)),
        }
    }

    pub fn integer(&self, column: &str) -> Result<i64, StoreError> {
        self.optional_integer(column)?.ok_or_else(|| wrong(column))
    }

    pub fn optional_integer(&self, column: &str) -> Result<Option<i64>, StoreError> {
        match self.get(column) {
            Some(serde_json::Value::Number(number)) => {
                let is_exact = |number: &i64| number.unsigned_abs() <= MAX_SAFE_INTEGER;
                number.as_i64().filter(is_exact).map(Some).ok_or_else(|| wrong(column))
            }
            Some(serde_json::Value::Null) => Ok(None),
            _ => Err(wrong(column)),
        }
    }

    pub fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.integer(column)? != 0)
    }

    pub fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.integer(column).map(Timestamp)
    }

    pub fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer(column)?.map(Timestamp))
    }

    /// A text that `parse` makes a better type of.
    pub fn parsed<T>(&self, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(self.text(column)?).ok_or_else(|| wrong(column))
    }

    pub fn optional_parsed<T>(
        &self,
        column: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.optional_text(column)? {
            Some(text) => parse(text).map(Some).ok_or_else(|| wrong(column)),
            None => Ok(None),
        }
    }
}

fn wrong(column: &str) -> StoreError {
    StoreError(format!("column {column} does not hold what the schema says"))
}

/// Asks the database for something that every schema has.
pub async fn ping(db: &dyn Database) -> Result<(), StoreError> {
    db.run(Statement::new("SELECT 1 FROM applications WHERE id = ''")).await.map(drop)
}

/// The outcome number `index` of a batch.
pub fn outcome(outcomes: &[Outcome], index: usize) -> Result<&Outcome, StoreError> {
    outcomes.get(index).ok_or_else(|| StoreError("the batch has fewer outcomes than statements".to_owned()))
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database: {}", self.0)
    }
}

impl Error for StoreError {}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        OAuthError::temporarily_unavailable(error)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Integer(at.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Identifiers, digests and scopes are bound as they are written.
macro_rules! bound_as_text {
    ($($name:ty),* $(,)?) => {$(
        impl From<&$name> for Value {
            fn from(value: &$name) -> Self {
                Self::Text(value.to_string())
            }
        }
    )*};
}

bound_as_text!(
    crate::model::id::UserId,
    crate::model::id::ApplicationId,
    crate::model::id::GrantId,
    crate::model::id::FamilyId,
    crate::model::id::SessionId,
    crate::model::id::SocialAccountId,
    crate::model::family::TokenDigest,
    crate::model::family::RotationNonce,
    crate::model::scope::Scope,
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_that_javascript_may_have_rounded_is_none() {
        let row = |number: i64| Row { columns: ["number".to_owned()].into(), values: vec![json!(number)] };
        for number in [0, 1, -1, 9_007_199_254_740_991, -9_007_199_254_740_991] {
            assert_eq!(row(number).integer("number").unwrap(), number);
        }
        for number in [9_007_199_254_740_992, -9_007_199_254_740_992, i64::MAX, i64::MIN] {
            assert!(row(number).integer("number").is_err(), "{number}");
        }
    }
}
