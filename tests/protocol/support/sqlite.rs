//! SQLite in memory, made equal to D1: numbers are bound as REAL, and D1's limits hold. Every statement's plan is looked
//! at when it is first seen: none may scan a table that grows.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use postern::store::database::{Database, Outcome, Row, Statement, StoreError, Value};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

pub struct Sqlite {
    connection: RefCell<Connection>,
    /// The names of its columns, by where a statement stands, which is faster to look up than what it says.
    planned: RefCell<HashMap<*const str, Rc<[String]>>>,
    pub is_down: Cell<bool>,
    /// While true, batches are carried out, and their answers lost on the way back.
    pub loses_answers: Cell<bool>,
    /// How many round trips there were.
    pub round_trips: Cell<u64>,
    /// How many rows they changed.
    pub rows_written: Cell<u64>,
}

impl Sqlite {
    pub fn new() -> Self {
        let connection = Connection::open_in_memory().expect("SQLite opens");
        // Small pages: what a transaction may have to take back is copied by the page.
        connection.execute_batch("PRAGMA page_size = 2048").expect("small pages");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("foreign keys");
        connection.execute_batch(include_str!("../../../schema.sql")).expect("schema.sql is good");
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        ] {
            connection.set_limit(limit, value).expect("a limit");
        }
        connection.set_prepared_statement_cache_capacity(128);
        // Else what is bound would have each statement planned anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("stable plans");
        Self {
            connection: RefCell::new(connection),
            planned: RefCell::default(),
            is_down: Cell::new(false),
            loses_answers: Cell::new(false),
            round_trips: Cell::new(0),
            rows_written: Cell::new(0),
        }
    }

    /// A number that some SQL of the test's own gives: mostly a count of rows.
    pub fn number(&self, sql: &str) -> i64 {
        self.connection.borrow().query_row(sql, [], |row| row.get(0)).expect("one number")
    }

    /// As [`Sqlite::number`], for a text.
    pub fn text(&self, sql: &str) -> String {
        self.connection.borrow().query_row(sql, [], |row| row.get(0)).expect("one text")
    }

    /// Runs some SQL of the test's own.
    pub fn execute(&self, sql: &str) {
        self.connection.borrow().execute_batch(sql).expect("good SQL");
    }

    /// Makes `count` rows of the only one of a table; their ids are not such as we make.
    pub fn multiply(&self, table: &str, count: usize) {
        self.execute(&format!("BEGIN; CREATE TEMP TABLE copy AS SELECT * FROM {table}"));
        for n in 1..count {
            self.execute(&format!("UPDATE copy SET id = 'copy-{n}'; INSERT INTO {table} SELECT * FROM copy"));
        }
        self.execute("COMMIT; DROP TABLE copy");
    }

    /// Everything that is stored, as text.
    pub fn dump(&self) -> String {
        let connection = self.connection.borrow();
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("tables");
        let names: Vec<String> =
            tables.query_map([], |row| row.get(0)).expect("names").map(Result::unwrap).collect();
        let mut dump = String::new();
        for name in names {
            let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).expect("a table");
            let columns = statement.column_count();
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                for column in 0..columns {
                    let value = match row.get_ref(column).expect("a value") {
                        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        other => format!("{other:?}"),
                    };
                    dump.push_str(&value);
                    dump.push('|');
                }
                dump.push('\n');
            }
        }
        dump
    }

    /// Runs one statement.
    pub fn run(&self, statement: &Statement) -> Result<Outcome, StoreError> {
        let columns = self.columns(statement);
        run(&self.connection.borrow(), statement, &columns)
    }

    /// Runs all statements or none: in a savepoint, since the whole may be one that is taken back.
    pub fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, StoreError> {
        if let [statement] = statements {
            return self.run(statement).map(|outcome| vec![outcome]);
        }
        // A plan is looked at by a statement, too: not between two of which the one asks what the other has changed.
        let columns: Vec<Rc<[String]>> = statements.iter().map(|statement| self.columns(statement)).collect();
        self.control("SAVEPOINT batch");
        let connection = self.connection.borrow();
        let run_next = |(statement, columns)| run(&connection, statement, columns);
        let outcomes: Result<Vec<_>, _> = statements.iter().zip(&columns).map(run_next).collect();
        drop(connection);
        if outcomes.is_err() {
            self.control("ROLLBACK TO batch");
        }
        self.control("RELEASE batch");
        outcomes
    }

    /// Lets `play` do what it likes, and takes all of it back.
    pub fn take_back(&self, play: impl FnOnce()) {
        self.control("SAVEPOINT played");
        play();
        self.control("ROLLBACK TO played");
        self.control("RELEASE played");
    }

    fn control(&self, sql: &str) {
        let connection = self.connection.borrow();
        connection.prepare_cached(sql).and_then(|mut sql| sql.execute([])).expect("a savepoint");
    }

    fn enter(&self) -> Result<(), StoreError> {
        self.round_trips.set(self.round_trips.get() + 1);
        if self.is_down.get() { Err(StoreError("the database is down".to_owned())) } else { Ok(()) }
    }

    fn note_written(&self, outcomes: &[Outcome]) {
        let written: u64 = outcomes.iter().map(|outcome| outcome.changed).sum();
        self.rows_written.set(self.rows_written.get() + written);
    }

    /// The names of a statement's columns. Its plan is looked at if it is new.
    fn columns(&self, statement: &Statement) -> Rc<[String]> {
        if let Some(columns) = self.planned.borrow().get(&(statement.sql as *const str)) {
            return columns.clone();
        }
        // What SQLite does not understand fails when it is run, too.
        let names = |prepared: rusqlite::Statement<'_>| {
            prepared.column_names().map(str::to_owned).collect::<Rc<[String]>>()
        };
        let columns = self.connection.borrow().prepare(statement.sql).map(names);
        if columns.is_ok() {
            self.assert_plan(statement.sql);
        }
        let columns = columns.unwrap_or_default();
        self.planned.borrow_mut().insert(statement.sql, columns.clone());
        columns
    }

    /// This SQL scans no table that grows.
    pub fn assert_plan(&self, sql: &str) {
        assert_eq!(self.scans(sql), [""; 0], "in {sql}");
    }

    /// The steps of a plan that go through all of a table that grows.
    pub fn scans(&self, sql: &str) -> Vec<String> {
        let connection = self.connection.borrow();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("good SQL");
        let values = vec![rusqlite::types::Value::Null; plan.parameter_count()];
        let steps =
            plan.query_map(params_from_iter(values), |row| row.get::<_, String>("detail")).expect("a plan");
        let is_table = |name: &str| {
            let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
            connection.prepare(sql).and_then(|mut found| found.exists([name])).expect("the schema")
        };
        let scans = |step: &String| {
            let Some(scanned) = step.strip_prefix("SCAN ") else { return false };
            let name = scanned.split(' ').next().unwrap_or_default();
            // The one virtual table is `json_each`: a list that was bound.
            let is_list = step.contains("VIRTUAL TABLE") || step.ends_with("VALUES CLAUSE");
            let is_made_by_it = scanned == "CONSTANT ROW" || scanned.starts_with("(subquery-");
            // It is emptied as it is worked through.
            let is_purges = name == "p" && sql.contains("FROM purges p ");
            let is_of_the_conformance_suite = name.starts_with("c_") && is_table(name);
            !(is_list || is_made_by_it || is_purges || is_of_the_conformance_suite)
        };
        steps.map(|step| step.expect("a step")).filter(scans).collect()
    }
}

/// Lets every other request that is under way come first.
pub async fn take_turns() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if has_waited {
            return std::task::Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

pub struct Shared(pub Rc<Sqlite>);

#[async_trait(?Send)]
impl Database for Shared {
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        take_turns().await;
        self.0.enter()?;
        let outcome = self.0.run(&statement)?;
        self.0.note_written(std::slice::from_ref(&outcome));
        Ok(outcome)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        take_turns().await;
        self.0.enter()?;
        let outcomes = self.0.batch(&statements)?;
        self.0.note_written(&outcomes);
        if self.0.loses_answers.get() {
            return Err(StoreError("the answer was lost".to_owned()));
        }
        Ok(outcomes)
    }
}

fn run(
    connection: &Connection,
    statement: &Statement,
    columns: &Rc<[String]>,
) -> Result<Outcome, StoreError> {
    let mut prepared = connection.prepare_cached(statement.sql).map_err(failed)?;
    let before = connection.total_changes();
    let mut outcome = Outcome::default();
    let mut rows = prepared.query(params_from_iter(statement.values.iter().map(Bound))).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let mut values = Vec::with_capacity(columns.len());
        for index in 0..columns.len() {
            values.push(match row.get_ref(index).map_err(failed)? {
                ValueRef::Null => serde_json::Value::Null,
                ValueRef::Integer(number) => as_from_javascript(number as f64),
                ValueRef::Real(number) => as_from_javascript(number),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                ValueRef::Blob(bytes) => bytes.to_vec().into(),
            });
        }
        outcome.rows.push(Row { columns: columns.clone(), values });
    }
    drop(rows);
    outcome.changed = connection.total_changes() - before;
    Ok(outcome)
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Real(*number as f64),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// JavaScript knows one kind of number: a whole REAL comes back from D1 as an integer does, and what is beyond its safe
/// integers as no integer at all.
fn as_from_javascript(number: f64) -> serde_json::Value {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER {
        (number as i64).into()
    } else {
        number.into()
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
