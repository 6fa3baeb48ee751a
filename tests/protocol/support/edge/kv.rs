//! KV as it is between places: a write shows elsewhere up to a minute later, what was read (also that nothing was there)
//! is kept in a place for up to a minute, a key takes one write a second, writes after the answer come late, in any order
//! or never, and calls fail.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use postern::app::{HotError, HotTokens};
use postern::model::time::Lifetime;

use super::{Edge, count};

/// Until then every place sees a write, whatever it has kept, in seconds.
pub const SHOWN_AFTER: i64 = 60;

/// A write after the answer happens this many seconds after it, at the latest.
pub const LATEST: i64 = 30;

/// KV keeps nothing shorter than this, in seconds.
const SHORTEST: i64 = 60;

pub struct EdgeKv {
    edge: Rc<Edge>,
    /// How many places there are.
    places: usize,
    /// A write shows at once where it was made, and what was kept there is forgotten. Mostly so, but not promised.
    prompt_at_home: bool,
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
    /// Whose it is.
    isolate: u64,
    place: usize,
    key: String,
    value: String,
    lifetime: Lifetime,
}

impl EdgeKv {
    pub fn new(edge: &Rc<Edge>, places: usize, prompt_at_home: bool) -> Rc<Self> {
        Rc::new(Self {
            edge: edge.clone(),
            places,
            prompt_at_home,
            writes: RefCell::default(),
            kept: RefCell::default(),
            late: RefCell::default(),
        })
    }

    /// KV as an isolate sees it from a place.
    pub fn handle(self: &Rc<Self>, isolate: u64, place: usize) -> Box<dyn HotTokens> {
        assert!(place < self.places);
        Box::new(Handle { kv: self.clone(), isolate, place })
    }

    /// What an isolate had still to write after its answers gets lost with it, or does not.
    pub fn bury(&self, isolate: u64) {
        let Edge { dice, happened, .. } = &*self.edge;
        self.late.borrow_mut().retain(|late| {
            let survives = late.isolate != isolate || dice.below(2) == 0;
            happened.lost_late_writes.set(happened.lost_late_writes.get() + u32::from(!survives));
            survives
        });
    }

    fn read(&self, key: &str, place: usize) -> Option<String> {
        let now = self.edge.now();
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
        let until = now + self.edge.dice.seconds(SHOWN_AFTER);
        kept.insert(at_key, Kept { value: value.clone(), until, seen });
        value
    }

    /// # Errors
    /// 429: the key was written within this second.
    fn write(
        &self,
        key: &str,
        value: &str,
        lifetime: Lifetime,
        at: i64,
        place: usize,
    ) -> Result<(), HotError> {
        let mut writes = self.writes.borrow_mut();
        let of_key = writes.entry(key.to_owned()).or_default();
        if of_key.last().is_some_and(|last| last.at >= at) {
            count(&self.edge.happened.kv_too_many);
            return Err(HotError("429 Too Many Requests".to_owned()));
        }
        let mut shows_at: Vec<i64> =
            (0..self.places).map(|_| at + self.edge.dice.seconds(SHOWN_AFTER)).collect();
        if self.prompt_at_home {
            shows_at[place] = at;
            self.kept.borrow_mut().remove(&(place, key.to_owned()));
        }
        let expires_at = at + lifetime.seconds().max(SHORTEST);
        of_key.push(Write { value: value.to_owned(), at, expires_at, shows_at });
        Ok(())
    }

    /// Lets the late writes happen that are due. Nobody learns of it.
    fn deliver(&self) {
        let now = self.edge.now();
        let (mut due, waiting): (Vec<Late>, Vec<Late>) =
            self.late.take().into_iter().partition(|late| late.due <= now);
        self.late.replace(waiting);
        due.sort_by_key(|late| late.due);
        for Late { due, place, key, value, lifetime, .. } in due {
            let _ = self.write(&key, &value, lifetime, due, place);
        }
    }

    async fn call(&self) -> Result<(), HotError> {
        self.edge.on_the_way().await;
        self.deliver();
        if self.fails() {
            count(&self.edge.happened.kv_errors);
            return Err(HotError("KV failed".to_owned()));
        }
        Ok(())
    }

    fn fails(&self) -> bool {
        self.edge.dice.percent(self.edge.faults.get().kv)
    }
}

struct Handle {
    kv: Rc<EdgeKv>,
    isolate: u64,
    place: usize,
}

#[async_trait(?Send)]
impl HotTokens for Handle {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        self.kv.call().await?;
        let values = keys.iter().map(|key| self.kv.read(key, self.place)).collect();
        self.kv.edge.on_the_way().await;
        Ok(values)
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        let kv = &self.kv;
        let called = kv.call().await;
        // What is said to have failed may have happened all the same.
        let mut stored = Ok(());
        if called.is_ok() || kv.edge.dice.below(2) == 0 {
            stored = kv.write(key, value, lifetime, kv.edge.now(), self.place);
            if called.is_err() && stored.is_ok() {
                count(&kv.edge.happened.kv_lost_answers);
            }
        }
        kv.edge.on_the_way().await;
        called.and(stored)
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        let Edge { dice, happened, .. } = &*self.kv.edge;
        if self.kv.fails() {
            count(&happened.lost_late_writes);
            return;
        }
        let due = self.kv.edge.now() + dice.seconds(LATEST);
        let (isolate, place, key, value) = (self.isolate, self.place, key.to_owned(), value.to_owned());
        self.kv.late.borrow_mut().push(Late { due, isolate, place, key, value, lifetime });
    }
}
