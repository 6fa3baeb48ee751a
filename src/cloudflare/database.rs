//! D1. Statements and outcomes cross to JavaScript and back as one text each: value by value they would take longer than
//! the rest of this room.

use std::rc::Rc;

use async_trait::async_trait;
use js_sys::Promise;
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;

use super::text_of;
use crate::settings::SettingError;
use crate::store::database::{Database, Outcome, Row, Statement, StoreError};

#[wasm_bindgen(module = "/src/cloudflare/database.js")]
extern "C" {
    fn run(database: &JsValue, statements: &str) -> Promise;
}

pub struct D1(JsValue);

impl D1 {
    /// # Errors
    /// It is missing, or something else: a binding of another Worker has every method, and would be told all that is bound.
    pub fn open(env: &JsValue) -> Result<Self, SettingError> {
        let database = env.unchecked_ref::<Env>().d1("DB");
        let reason = "the binding is missing, or no D1 database".to_owned();
        database.map(|database| Self(database.into())).map_err(|_| SettingError { name: "DB", reason })
    }
}

#[async_trait(?Send)]
impl Database for D1 {
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        let outcomes = self.batch(vec![statement]).await?;
        outcomes.into_iter().next().ok_or_else(malformed)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        let statements: Vec<_> =
            statements.iter().map(|statement| (statement.sql, &statement.values)).collect();
        let statements = serde_json::to_string(&statements).map_err(|_| malformed())?;
        let outcomes = text_of(run(&self.0, &statements)).await.map_err(StoreError)?;
        let outcomes: Vec<Answer> = serde_json::from_str(&outcomes).map_err(|_| malformed())?;
        Ok(outcomes.into_iter().map(outcome).collect())
    }
}

/// The names of the columns, the rows, and how many were changed.
type Answer = (Vec<String>, Vec<Vec<Value>>, u64);

fn outcome((columns, rows, changed): Answer) -> Outcome {
    let columns: Rc<[String]> = columns.into();
    let rows = rows.into_iter().map(|values| Row { columns: columns.clone(), values }).collect();
    Outcome { rows, changed }
}

/// Without what the database holds.
fn malformed() -> StoreError {
    StoreError("the outcomes are not what they should be".to_owned())
}
