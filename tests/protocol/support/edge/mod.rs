//! The world at the edge, by a seed: one database, KV as it is seen from several places, the way to both of them, and all
//! that can go wrong on it. Nothing here sleeps: time passes where it is told to.

mod database;
mod dice;
mod kv;
mod together;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub use database::{APPLIED_AFTER, EdgeDatabase};
pub use dice::Dice;
pub use kv::{EdgeKv, LATEST, SHOWN_AFTER};
pub use together::{Sent, send_together};

use super::TestServer;

/// What all parts of the world share.
pub struct Edge {
    pub dice: Dice,
    clock: Rc<Cell<i64>>,
    pub faults: Cell<Faults>,
    pub happened: Happened,
    /// How many turns a call may take: none where a request is alone.
    slowness: Cell<u32>,
    turn: Cell<u32>,
    /// The turn at which what is being polled goes on.
    goes_on: Cell<u32>,
}

/// How often things go wrong, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of the calls of the database.
    pub database: u32,
    /// Of the calls of KV, and of the writes after the answer.
    pub kv: u32,
    /// Of the times that isolates are sent something.
    pub deaths: u32,
}

impl Faults {
    pub const NONE: Self = Self { database: 0, kv: 0, deaths: 0 };
}

/// What has gone wrong, and mattered.
#[derive(Debug, Default)]
pub struct Happened {
    /// The database did nothing, and said so.
    pub database_errors: Cell<u32>,
    /// The database changed something, and its answer was lost.
    pub lost_answers: Cell<u32>,
    /// The database changed something after its answer had been given up.
    pub applied_late: Cell<u32>,
    pub kv_errors: Cell<u32>,
    /// KV stored something, and said that it had not.
    pub kv_lost_answers: Cell<u32>,
    /// A second write for a key within a second.
    pub kv_too_many: Cell<u32>,
    pub lost_late_writes: Cell<u32>,
    /// An isolate died with a request under way.
    pub deaths: Cell<u32>,
    /// Requests were under way for longer than a second.
    pub time_under_way: Cell<u32>,
}

/// One more.
pub fn count(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

impl Edge {
    /// On the clock of `server`.
    pub fn new(seed: u64, faults: Faults, server: &TestServer) -> Rc<Self> {
        Rc::new(Self {
            dice: Dice::new(seed),
            clock: server.clock.clone(),
            faults: Cell::new(faults),
            happened: Happened::default(),
            slowness: Cell::new(0),
            turn: Cell::new(0),
            goes_on: Cell::new(u32::MAX),
        })
    }

    pub fn now(&self) -> i64 {
        self.clock.get()
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.get() + seconds);
    }

    /// A call takes its time, and some a long one, in which others may be faster.
    async fn on_the_way(&self) {
        let slowness = self.slowness.get();
        if slowness > 0 {
            let is_slow = self.dice.below(8) == 0;
            self.turns(self.dice.below(if is_slow { 60 } else { slowness })).await;
        }
    }

    /// Lets so many turns pass, in which everything else that is under way may come first.
    async fn turns(&self, count: u32) {
        let until = self.turn.get() + count;
        std::future::poll_fn(|_| {
            if self.turn.get() >= until {
                return Poll::Ready(());
            }
            self.goes_on.set(self.goes_on.get().min(until));
            Poll::Pending
        })
        .await;
    }

    /// What a future has come to, or the turn at which it goes on: until then it need not be asked.
    fn poll<T>(&self, future: Pin<&mut (dyn Future<Output = T> + '_)>) -> Result<T, u32> {
        self.goes_on.set(u32::MAX);
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending if self.goes_on.get() == u32::MAX => Err(self.turn.get() + 1),
            Poll::Pending => Err(self.goes_on.get()),
        }
    }
}
