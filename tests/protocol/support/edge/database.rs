//! The way to the database: a call may be refused, its answer may be lost, and it may be carried out after everybody has
//! given it up.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use postern::store::database::{Database, Outcome, Statement, StoreError};

use super::{Edge, count};
use crate::support::sqlite::Sqlite;

/// What was given up is carried out within so many seconds, or not at all.
pub const APPLIED_AFTER: i64 = 10;

pub struct EdgeDatabase {
    edge: Rc<Edge>,
    db: Rc<Sqlite>,
    given_up: RefCell<Vec<(i64, Vec<Statement>)>>,
}

impl EdgeDatabase {
    pub fn new(edge: &Rc<Edge>, db: &Rc<Sqlite>) -> Rc<Self> {
        Rc::new(Self { edge: edge.clone(), db: db.clone(), given_up: RefCell::default() })
    }

    pub fn handle(self: &Rc<Self>) -> Box<dyn Database> {
        Box::new(Handle(self.clone()))
    }

    /// Carries out what was given up and is due. True if nothing more is to come.
    pub fn deliver(&self) -> bool {
        let now = self.edge.now();
        let (due, waiting) = self.given_up.take().into_iter().partition(|(due, _)| *due <= now);
        self.given_up.replace(waiting);
        let due: Vec<(i64, Vec<Statement>)> = due;
        for (_, statements) in due {
            if changes(&self.db.batch(&statements)) {
                count(&self.edge.happened.applied_late);
            }
        }
        self.given_up.borrow().is_empty()
    }

    async fn call<T>(
        &self,
        statements: &[Statement],
        carry_out: impl FnOnce(&Sqlite) -> (Result<T, StoreError>, bool),
    ) -> Result<T, StoreError> {
        let Edge { dice, happened, faults, .. } = &*self.edge;
        self.edge.on_the_way().await;
        self.deliver();
        if !dice.percent(faults.get().database) {
            let (answer, _) = carry_out(&self.db);
            self.edge.on_the_way().await;
            return answer;
        }
        match dice.below(4) {
            0 => count(&happened.database_errors),
            1 | 2 => {
                let (_, has_changed) = carry_out(&self.db);
                happened.lost_answers.set(happened.lost_answers.get() + u32::from(has_changed));
            }
            _ => {
                let due = self.edge.now() + dice.seconds(APPLIED_AFTER);
                self.given_up.borrow_mut().push((due, statements.to_vec()));
            }
        }
        self.edge.on_the_way().await;
        Err(StoreError("the database did not answer".to_owned()))
    }
}

fn changes(outcomes: &Result<Vec<Outcome>, StoreError>) -> bool {
    outcomes.as_ref().is_ok_and(|outcomes| outcomes.iter().any(|outcome| outcome.changed > 0))
}

struct Handle(Rc<EdgeDatabase>);

#[async_trait(?Send)]
impl Database for Handle {
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        let carry_out = |db: &Sqlite| {
            let answer = db.run(&statement);
            let has_changed = answer.as_ref().is_ok_and(|outcome| outcome.changed > 0);
            (answer, has_changed)
        };
        self.0.call(std::slice::from_ref(&statement), carry_out).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        let carry_out = |db: &Sqlite| {
            let answer = db.batch(&statements);
            let has_changed = changes(&answer);
            (answer, has_changed)
        };
        self.0.call(&statements, carry_out).await
    }
}
