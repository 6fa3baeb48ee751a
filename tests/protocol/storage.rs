//! The storage conformance suite (`tests/storage/conformance.json`) on the native driver. The same file runs on D1: what
//! holds there has to hold here, or a test proves nothing about production.

use futures_executor::block_on;
use postern::store::database::{Database, Outcome, Row, Statement, StoreError, Value};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::support::{TestServer, sqlite};

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    setup: Vec<String>,
    /// One statement is run alone, several as a batch.
    batch: Vec<Line>,
    expect: Expectation,
    /// A look at what is stored afterwards.
    then: Option<Afterwards>,
}

#[derive(Deserialize)]
struct Line {
    sql: String,
    #[serde(default)]
    values: Vec<Json>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Expectation {
    Good { rows: Vec<Vec<Json>>, changed: Vec<u64> },
    Bad { error: bool },
}

#[derive(Deserialize)]
struct Afterwards {
    #[serde(flatten)]
    line: Line,
    rows: Vec<Json>,
}

#[test]
fn the_native_driver_does_what_d1_does() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../storage/conformance.json")).unwrap();
    assert!(cases.len() >= 30);
    let server = TestServer::new();
    let db = sqlite::Shared(server.db.clone());
    for case in &cases {
        for sql in &case.setup {
            run(&db, &[Line { sql: sql.clone(), values: Vec::new() }])
                .unwrap_or_else(|error| panic!("{}: {sql}: {error}", case.name));
        }
        assert_eq!(outcome(run(&db, &case.batch)), case.expect, "{}", case.name);
        if let Some(then) = &case.then {
            let found = run(&db, std::slice::from_ref(&then.line)).unwrap();
            assert_eq!(rows(&found[0]), then.rows, "{}, afterwards", case.name);
        }
    }
}

#[test]
fn no_statement_of_the_server_scans_a_table_that_grows() {
    let server = TestServer::new();
    let mut statements = 0;
    for file in std::fs::read_dir("src/store").unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for sql in texts(&source).filter(|text| is_sql(text)) {
            server.db.assert_plan(sql);
            statements += 1;
        }
    }
    assert!(statements >= 50, "{statements}");
}

#[test]
fn a_scan_of_a_table_that_grows_is_seen_whatever_it_is_called_there() {
    let server = TestServer::new();
    for name in ["attempts", "p", "pa", "c_", "c_1"] {
        let sql = format!("SELECT {name}.subject FROM attempts {name} WHERE +{name}.expires_at < 1");
        assert_eq!(server.db.scans(&sql).len(), 1, "{sql}");
    }
    assert_eq!(server.db.scans("SELECT p.owner_id FROM purges p WHERE p.is_deleted"), [""; 0]);
}

#[test]
fn every_table_is_strict() {
    let lax = "SELECT count(*) FROM pragma_table_list
               WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT strict";
    assert_eq!(TestServer::new().db.number(lax), 0);
}

/// The texts that stand in a source: all that is between two quotation marks, comments left out.
fn texts(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let mut rest = code;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['"', '/'])?;
            if rest[at..].starts_with("//") {
                rest = rest[at..].split_once('\n')?.1;
            } else if rest[at..].starts_with('/') {
                rest = &rest[at + 1..];
            } else {
                let end = if rest[..at].ends_with("r#") { "\"#" } else { "\"" };
                let (text, after) = rest[at + 1..].split_once(end)?;
                rest = after;
                return Some(text);
            }
        }
    })
}

fn is_sql(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| text.starts_with(verb))
}

fn run(db: &dyn Database, lines: &[Line]) -> Result<Vec<Outcome>, StoreError> {
    match lines {
        [line] => block_on(db.run(statement(line))).map(|outcome| vec![outcome]),
        lines => block_on(db.batch(lines.iter().map(statement).collect())),
    }
}

fn statement(line: &Line) -> Statement {
    let bind = |statement: Statement, value: &Json| match value {
        Json::Null => statement.bind(Value::Null),
        Json::String(text) => statement.bind(text),
        other => statement.bind(other.as_i64().expect("a text, an integer or null")),
    };
    // The server's own SQL is known when it is compiled: only a suite that is data has to leak its own.
    line.values.iter().fold(Statement::new(line.sql.clone().leak()), bind)
}

fn outcome(result: Result<Vec<Outcome>, StoreError>) -> Expectation {
    match result {
        Ok(outcomes) => Expectation::Good {
            rows: outcomes.iter().map(rows).collect(),
            changed: outcomes.iter().map(|outcome| outcome.changed).collect(),
        },
        Err(_) => Expectation::Bad { error: true },
    }
}

fn rows(outcome: &Outcome) -> Vec<Json> {
    let object = |row: &Row| row.columns.iter().cloned().zip(row.values.iter().cloned()).collect();
    outcome.rows.iter().map(object).collect()
}
