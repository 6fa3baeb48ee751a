//! D1.

use async_trait::async_trait;
use serde_json::Map;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result};

use crate::store::database::{Database, Outcome, Row, Statement, StoreError, Value};

pub struct D1(pub D1Database);

#[async_trait(?Send)]
impl Database for D1 {
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        let result = self.prepare(&statement)?.run().await.map_err(failed)?;
        read(&result)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        let prepared =
            statements.iter().map(|statement| self.prepare(statement)).collect::<Result<Vec<_>, _>>()?;
        self.0.batch(prepared).await.map_err(failed)?.iter().map(read).collect()
    }
}

impl D1 {
    fn prepare(&self, statement: &Statement) -> Result<D1PreparedStatement, StoreError> {
        let values: Vec<JsValue> = statement.values.iter().map(to_js).collect();
        let prepared = self.0.prepare(statement.sql);
        if values.is_empty() { Ok(prepared) } else { prepared.bind(&values).map_err(failed) }
    }
}

/// D1 binds every number as a REAL; ours are whole and at most 2^53, so nothing is lost.
fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        #[expect(clippy::cast_precision_loss, reason = "whole numbers of at most 2^53 are exact")]
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
    }
}

fn read(result: &D1Result) -> Result<Outcome, StoreError> {
    if let Some(error) = result.error() {
        return Err(StoreError(error));
    }
    let rows: Vec<Map<String, serde_json::Value>> = result.results().map_err(failed)?;
    let changed = result.meta().map_err(failed)?.and_then(|meta| meta.changes).unwrap_or(0);
    Ok(Outcome { rows: rows.into_iter().map(Row).collect(), changed: changed as u64 })
}

fn failed(error: worker::Error) -> StoreError {
    StoreError(error.to_string())
}
