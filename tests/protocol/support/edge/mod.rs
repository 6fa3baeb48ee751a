//! KV as it is between places: a write shows at once where it was made and elsewhere up to a minute later, what was read
//! (also that nothing was there) is kept in a place for up to a minute, writes after the answer come late, in any order
//! or never, and calls fail. All by a seed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use futures_executor::block_on;
use futures_util::future::join_all;
use postern::app::{HotError, HotTokens};
use postern::endpoints::Request;
use postern::model::time::Lifetime;
use postern::router;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::sqlite::take_turns;
use super::{TestResponse, TestServer};

/// Until then every place sees a write, whatever it has kept, in seconds.
pub const SHOWN_AFTER: i64 = 60;

/// A write after the answer happens this many seconds after it, at the latest.
pub const LATEST: i64 = 30;

pub struct EdgeKv {
    clock: Rc<Cell<i64>>,
    dice: Dice,
    /// How many places there are.
    places: usize,
    /// In percent: how many calls fail, and how many late writes get lost.
    faults: u32,
    /// By key, in their order: the last one rules.
    writes: RefCell<HashMap<String, Vec<Write>>>,
    kept: RefCell<HashMap<(usize, String), Kept>>,
    late: RefCell<Vec<Late>>,
}

struct Write {
    value: String,
    at: i64,
    expires_at: i64,
    /// By place: when it shows there.
    shows_at: Vec<i64>,
}

/// What a place has read.
struct Kept {
    value: Option<String>,
    until: i64,
    /// How many writes there had been when the one that it shows was made.
    seen: usize,
}

struct Late {
    due: i64,
    place: usize,
    key: String,
    value: String,
    lifetime: Lifetime,
}

impl EdgeKv {
    /// On the clock of `server`.
    pub fn new(seed: u64, places: usize, faults: u32, server: &TestServer) -> Rc<Self> {
        Rc::new(Self {
            clock: server.clock.clone(),
            dice: Dice::new(seed),
            places,
            faults,
            writes: RefCell::default(),
            kept: RefCell::default(),
            late: RefCell::default(),
        })
    }

    /// KV as it is seen from one place.
    pub fn at(self: &Rc<Self>, place: usize) -> Box<dyn HotTokens> {
        assert!(place < self.places);
        Box::new(Place { kv: self.clone(), place })
    }

    fn read(&self, key: &str, place: usize) -> Option<String> {
        let now = self.clock.get();
        let writes = self.writes.borrow();
        let writes = writes.get(key).map_or(&[][..], Vec::as_slice);
        let must_show = writes.iter().rposition(|write| write.at + SHOWN_AFTER <= now).map_or(0, |at| at + 1);
        let mut kept = self.kept.borrow_mut();
        let at_key = (place, key.to_owned());
        if let Some(kept) = kept.get(&at_key).filter(|kept| kept.until > now && kept.seen >= must_show) {
            return kept.value.clone();
        }
        let seen = writes.iter().rposition(|write| write.shows_at[place] <= now).map_or(0, |at| at + 1);
        let shown = seen.checked_sub(1).map(|at| &writes[at]).filter(|write| write.expires_at > now);
        let value = shown.map(|write| write.value.clone());
        let until = now + self.dice.seconds(SHOWN_AFTER);
        kept.insert(at_key, Kept { value: value.clone(), until, seen });
        value
    }

    fn write(&self, key: &str, value: &str, lifetime: Lifetime, at: i64, place: usize) {
        let elsewhere = |_| at + self.dice.seconds(SHOWN_AFTER);
        let mut shows_at: Vec<i64> = (0..self.places).map(elsewhere).collect();
        shows_at[place] = at;
        let expires_at = at + lifetime.seconds().max(60);
        self.kept.borrow_mut().remove(&(place, key.to_owned()));
        let write = Write { value: value.to_owned(), at, expires_at, shows_at };
        self.writes.borrow_mut().entry(key.to_owned()).or_default().push(write);
    }

    /// Lets the late writes happen that are due.
    fn deliver(&self) {
        let (mut due, waiting): (Vec<Late>, Vec<Late>) =
            self.late.take().into_iter().partition(|late| late.due <= self.clock.get());
        self.late.replace(waiting);
        due.sort_by_key(|late| late.due);
        for Late { due, place, key, value, lifetime } in due {
            self.write(&key, &value, lifetime, due, place);
        }
    }

    async fn call(&self) -> Result<(), HotError> {
        for _ in 0..self.dice.below(8) {
            take_turns().await;
        }
        self.deliver();
        if self.fails() { Err(HotError("KV failed".to_owned())) } else { Ok(()) }
    }

    fn fails(&self) -> bool {
        self.dice.below(100) < self.faults
    }
}

struct Place {
    kv: Rc<EdgeKv>,
    place: usize,
}

#[async_trait(?Send)]
impl HotTokens for Place {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        self.kv.call().await?;
        Ok(keys.iter().map(|key| self.kv.read(key, self.place)).collect())
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        let called = self.kv.call().await;
        // What is said to have failed may have happened all the same.
        if called.is_ok() || self.kv.dice.below(2) == 0 {
            self.kv.write(key, value, lifetime, self.kv.clock.get(), self.place);
        }
        called
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        if self.kv.fails() {
            return;
        }
        let due = self.kv.clock.get() + self.kv.dice.seconds(LATEST);
        let (key, value) = (key.to_owned(), value.to_owned());
        self.kv.late.borrow_mut().push(Late { due, place: self.place, key, value, lifetime });
    }
}

/// Numbers by a seed.
pub struct Dice(RefCell<ChaCha20Rng>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(RefCell::new(ChaCha20Rng::seed_from_u64(seed)))
    }

    /// From 0 to `sides` - 1.
    pub fn below(&self, sides: u32) -> u32 {
        self.0.borrow_mut().next_u32() % sides
    }

    /// From 0 to `most`, and often one of the two.
    pub fn seconds(&self, most: i64) -> i64 {
        match self.below(6) {
            0 => 0,
            1 | 2 => most,
            _ => i64::from(self.0.borrow_mut().next_u32()) % (most + 1),
        }
    }

    pub fn choose<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.0.borrow_mut().next_u32() as usize % from.len()]
    }
}

/// All at once, each at an isolate of its own or the same; which is how far when depends on the dice.
pub fn send_together(requests: &[(&TestServer, Request)], dice: &Dice) -> Vec<TestResponse> {
    let all = requests.iter().map(async |(server, request)| {
        for _ in 0..dice.below(6) {
            take_turns().await;
        }
        TestResponse(router::handle(request, &server.app).await)
    });
    block_on(join_all(all))
}
