//! The way to the database, with something in between at a call of the test's choice.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use postern::call::Request;
use postern::router;
use postern::store::database::{Database, Outcome, Statement, StoreError};

use super::TestServer;
use super::sqlite::{Shared, Sqlite};

/// What comes in between.
pub enum Meddle {
    /// The call is not carried out.
    Refuse,
    /// It is carried out, and its answer gets lost.
    LoseAnswer,
    /// These are answered elsewhere before it.
    After(Vec<(TestServer, Request)>),
    /// Some SQL of the test's own runs before it.
    AfterSql(&'static str),
}

pub struct Meddling {
    db: Rc<Sqlite>,
    what: Meddle,
    /// How many calls are still to come before the one that is meddled with.
    left: Cell<usize>,
}

impl Meddling {
    /// An isolate with this in between once: at the call with this number, from 0.
    pub fn isolate(server: &TestServer, call: usize, what: Meddle) -> TestServer {
        let mut isolate = server.another_isolate();
        isolate.app.db = Box::new(Self { db: server.db.clone(), what, left: Cell::new(call) });
        isolate
    }

    async fn call(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        let is_now = self.left.get() == 0;
        self.left.set(self.left.get().wrapping_sub(1));
        let lost = || StoreError("the database did not answer".to_owned());
        match &self.what {
            _ if !is_now => {}
            Meddle::Refuse => return Err(lost()),
            Meddle::LoseAnswer => {
                Shared(self.db.clone()).batch(statements).await?;
                return Err(lost());
            }
            Meddle::After(requests) => {
                for (server, request) in requests {
                    let status = router::handle(request, &server.app).await.status();
                    assert!(!status.is_server_error(), "{status}");
                }
            }
            Meddle::AfterSql(sql) => self.db.execute(sql),
        }
        Shared(self.db.clone()).batch(statements).await
    }
}

#[async_trait(?Send)]
impl Database for Meddling {
    async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        Ok(self.call(vec![statement]).await?.remove(0))
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        self.call(statements).await
    }
}
