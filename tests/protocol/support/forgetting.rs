//! So much for an isolate to remember that nothing of before is left.

use std::ops::Range;

use postern::model::id::FamilyId;
use postern::tokens::record::Mark;

use super::TestServer;

const MANY: u32 = 10_001;

/// It has refused other tokens.
pub fn forget_refusals(isolate: &TestServer) {
    let keys = isolate.app.settings.keys.first();
    for n in 0..MANY {
        let mac = keys.mac("", &n.to_be_bytes());
        isolate.app.memory.borrow_mut().refused.insert(mac, "a test", isolate.app.clock.now());
    }
}

/// It has ended other families.
pub fn forget_ends(isolate: &TestServer) {
    end_others(isolate, 0..MANY);
}

/// It ends families that nobody else has, by their numbers.
pub fn end_others(isolate: &TestServer, numbers: Range<u32>) {
    for n in numbers {
        let family = FamilyId::from_bytes(&u128::from(n).to_be_bytes()).unwrap();
        isolate.app.memory.borrow_mut().mark(Mark::Family(family), 1, isolate.app.clock.now());
    }
}
