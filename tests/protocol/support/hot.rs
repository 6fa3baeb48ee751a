//! KV as a test wants it: consistent at once, and able to fail or to delay writes. What is eventual is simulated
//! elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use postern::app::{HotError, HotTokens};
use postern::model::time::Lifetime;

pub struct FakeKv {
    entries: RefCell<BTreeMap<String, Entry>>,
    clock: Rc<Cell<i64>>,
    pub is_down: Cell<bool>,
    /// While true, what is put after the answer waits for [`FakeKv::deliver`].
    pub delays_late_writes: Cell<bool>,
    late: RefCell<Vec<(String, String, Lifetime)>>,
    /// How many bulk reads and writes there were.
    pub reads: Cell<u64>,
    pub writes: Cell<u64>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub value: String,
    pub expires_at: i64,
}

impl FakeKv {
    pub fn new(clock: Rc<Cell<i64>>) -> Self {
        Self {
            entries: RefCell::default(),
            clock,
            is_down: Cell::new(false),
            delays_late_writes: Cell::new(false),
            late: RefCell::default(),
            reads: Cell::new(0),
            writes: Cell::new(0),
        }
    }

    /// What is there now.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        let now = self.clock.get();
        self.entries
            .borrow()
            .iter()
            .filter(|(_, e)| e.expires_at > now)
            .map(|(k, e)| (k.clone(), e.clone()))
            .collect()
    }

    pub fn clear(&self) {
        self.entries.borrow_mut().clear();
    }

    /// Puts a value there past the server, as who can write to KV does.
    pub fn replace(&self, key: &str, value: &str) {
        self.store(key, value, Lifetime(86_400));
    }

    /// Shows what it showed then, as where later writes have not come yet.
    pub fn go_back_to(&self, then: &BTreeMap<String, Entry>) {
        self.clear();
        for (key, entry) in then {
            self.replace(key, &entry.value);
        }
    }

    /// Lets the delayed writes happen.
    pub fn deliver(&self) {
        for (key, value, lifetime) in self.late.take() {
            self.store(&key, &value, lifetime);
        }
    }

    fn store(&self, key: &str, value: &str, lifetime: Lifetime) {
        self.writes.set(self.writes.get() + 1);
        let expires_at = self.clock.get() + lifetime.seconds().max(60);
        self.entries.borrow_mut().insert(key.to_owned(), Entry { value: value.to_owned(), expires_at });
    }

    fn check(&self) -> Result<(), HotError> {
        if self.is_down.get() { Err(HotError("KV is down".to_owned())) } else { Ok(()) }
    }
}

pub struct Shared(pub Rc<FakeKv>);

#[async_trait(?Send)]
impl HotTokens for Shared {
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError> {
        super::sqlite::take_turns().await;
        self.0.check()?;
        self.0.reads.set(self.0.reads.get() + 1);
        let (entries, now) = (self.0.entries.borrow(), self.0.clock.get());
        let live = |key: &String| entries.get(key).filter(|entry| entry.expires_at > now);
        Ok(keys.iter().map(|key| live(key).map(|entry| entry.value.clone())).collect())
    }

    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError> {
        super::sqlite::take_turns().await;
        self.0.check()?;
        self.0.store(key, value, lifetime);
        Ok(())
    }

    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime) {
        if self.0.delays_late_writes.get() {
            self.0.late.borrow_mut().push((key.to_owned(), value.to_owned(), lifetime));
        } else if !self.0.is_down.get() {
            self.0.store(key, value, lifetime);
        }
    }
}
