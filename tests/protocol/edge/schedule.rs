//! One seed: the settings, the faults, what is done in which order, and what is left of it when the faults have stopped.

use std::collections::{HashMap, HashSet};

use super::act::{Act, CONFIDENTIAL, PUBLIC};
use super::known::{Application, Rules};
use super::seen::{Case, Property, Seen};
use super::signed::WINDOW;
use super::world::World;
use crate::support::edge::{APPLIED_AFTER, Edge, EdgeDatabase, EdgeKv, Faults, SHOWN_AFTER};
use crate::support::{TestClient, TestServer};

pub const USERS: [&str; 2] = ["alice", "bob"];
const PLACES: usize = 3;
const ISOLATES: usize = 5;
const STEPS: usize = 6;
/// How long a code is good, in seconds.
pub const CODE_LIFETIME: i64 = 60;

/// What goes wrong in a schedule: nothing, one kind often or rarely, or all of them.
const FAULTS: [Faults; 8] = [
    Faults::NONE,
    Faults::NONE,
    Faults { kv: 10, ..Faults::NONE },
    Faults { kv: 40, ..Faults::NONE },
    Faults { database: 8, ..Faults::NONE },
    Faults { database: 25, ..Faults::NONE },
    Faults { deaths: 25, ..Faults::NONE },
    Faults { database: 8, kv: 15, deaths: 10 },
];

pub fn play(seed: u64, origin: &TestServer, clients: &[TestClient; 2], seen: &Seen) {
    origin.reseed(seed << 16);
    let faults = FAULTS[(seed / 4 % 8) as usize];
    let edge = Edge::new(seed, faults, origin);
    let dice = &edge.dice;
    let rules = Rules {
        lifetime: *dice.choose(&[120, 600, 36_000]),
        refresh_lifetime: *dice.choose(&[300, 2_592_000, 2_592_000]),
        grace: *dice.choose(&[0, 60, 60]),
        cache: *dice.choose(&[0, 10, 45]),
        are_writes_kept: faults == Faults::NONE,
    };
    let origin = origin.another_isolate_with(&[
        ("ACCESS_TOKEN_EXPIRE_SECONDS", &rules.lifetime.to_string()),
        ("REFRESH_TOKEN_EXPIRE_SECONDS", &rules.refresh_lifetime.to_string()),
        ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", &rules.grace.to_string()),
        ("VALIDATION_CACHE_SECONDS", &rules.cache.to_string()),
        // Everybody comes from one address, and a secret that was lost with an answer is no guess.
        ("SIGN_UP_LIMIT", "0"),
        ("LOGIN_FAILURE_LIMIT", "0"),
        ("ADDRESS_FAILURE_LIMIT", "0"),
    ]);
    // So whatever it says comes from the database.
    origin.kv.is_down.set(true);
    let kv = EdgeKv::new(&edge, PLACES, dice.below(2) == 0);
    let mut world = World {
        origin: &origin,
        database: EdgeDatabase::new(&edge, &origin.db),
        kv,
        rules,
        seen,
        isolates: Vec::new(),
        applications: clients.each_ref().map(|client| Application {
            client: client.clone(),
            is_active: Some(true),
            knows_secret: true,
            old_secrets: Vec::new(),
        }),
        users: USERS.map(str::to_owned).into(),
        families: Vec::new(),
        codes: Vec::new(),
        credentials: Vec::new(),
        signed: Vec::new(),
        sessions: HashMap::new(),
        tokens: Vec::new(),
        honoured: HashMap::new(),
        doubts: Vec::new(),
        unsettled: Vec::new(),
        recent: Vec::new(),
        tried_names: HashSet::new(),
        names: 0,
        edge: edge.clone(),
    };
    for at in 0..ISOLATES {
        let isolate = world.new_isolate(at as u64, at % PLACES);
        world.isolates.push(isolate);
    }
    while world.families.is_empty() {
        world.log_in();
    }
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    seen.add(&edge.happened);
}

impl World<'_> {
    fn step(&mut self) {
        let dice = &self.edge.clone().dice;
        match dice.below(32) {
            0..5 => self.edge.advance(dice.seconds(SHOWN_AFTER)),
            5 => self.edge.advance(dice.seconds(400)),
            6 => self.replace(self.any_isolate()),
            7 | 8 => self.log_in(),
            9 => self.log_out_twice(),
            10 => self.do_twice_at_once(),
            11 => self.do_again_later(),
            12 | 13 => {
                let acts: Vec<_> =
                    (0..2 + dice.below(2)).map(|_| (self.any_isolate(), self.any_act())).collect();
                self.perform(&acts);
            }
            14 | 15 => self.storm(),
            16 => self.repeat_what_failed(),
            17 => self.present_an_old_one(),
            18 => self.log_out_twice(),
            19 | 20 => self.authorize(),
            21 | 22 => self.call_an_api(),
            _ => {
                let act = self.any_act();
                let round = self.perform(&[(self.any_isolate(), act)]);
                if round.acts.iter().any(|done| done.has_failed()) && dice.below(2) == 0 {
                    self.edge.advance(*dice.choose(&[0, 5, 20, 59, 61, 90]));
                    self.perform(&[(self.any_isolate(), act)]);
                }
                self.look(act);
            }
        }
    }

    pub fn any_isolate(&self) -> usize {
        self.edge.dice.index(ISOLATES)
    }

    /// One that is not too old, mostly.
    fn any_token(&self) -> usize {
        let dice = &self.edge.dice;
        let all = self.tokens.len();
        let from = if dice.below(3) > 0 { all.saturating_sub(3) } else { 0 };
        from + dice.index(all - from)
    }

    fn any_act(&self) -> Act {
        let dice = &self.edge.dice;
        let token = self.any_token();
        let family = self.tokens[token].family;
        let refreshes = self.families[family].links[0].refresh.is_some();
        let last = self.families[family].last();
        match dice.below(37) {
            0..3 => Act::LogIn { application: dice.index(2), user: dice.index(self.users.len()) },
            3 => Act::ClientCredentials,
            4..13 if refreshes => Act::Refresh { family, link: last },
            13 | 14 if refreshes => Act::Refresh { family, link: dice.index(last + 1) },
            15..17 => {
                let link = self.tokens[token].link;
                Act::Revoke { family, link, by_refresh_token: refreshes && dice.below(2) == 0 }
            }
            17 | 18 => Act::EndUser { user: dice.index(self.users.len()), sets_password: dice.below(3) == 0 },
            19 | 20 => Act::Enable { application: dice.index(2), is_active: dice.below(3) > 0 },
            21 => Act::RotateSecret,
            22 | 23 => match self.applications[CONFIDENTIAL].old_secrets.len() {
                0 => Act::RotateSecret,
                secrets => Act::OldSecret { secret: dice.index(secrets) },
            },
            24 => Act::SignUp { number: dice.index(self.names + 1) },
            25 => Act::Clear,
            26 | 27 => Act::Introspect { token },
            28..30 if !self.codes.is_empty() => {
                let from = self.codes.len().saturating_sub(3);
                let code = from + dice.index(self.codes.len() - from);
                Act::Exchange { code, is_thief: dice.below(4) == 0 }
            }
            30..33 => Act::Validate { token, fresh: true },
            _ => Act::Validate { token, fresh: false },
        }
    }

    /// Asks somewhere about what an act was about.
    fn look(&mut self, act: Act) {
        let token = match act {
            Act::ClientCredentials | Act::LogIn { .. } => self.tokens.len() - 1,
            Act::Refresh { family, .. } => self.families[family].links[self.families[family].last()].access,
            Act::Revoke { family, link, .. } => self.families[family].links[link].access,
            Act::Exchange { code, .. } => match self.codes[code].family {
                Some(family) => self.families[family].links[self.families[family].last()].access,
                None => return,
            },
            Act::EndUser { .. } | Act::Enable { .. } => self.any_token(),
            _ => return,
        };
        self.edge.advance(self.edge.dice.seconds(SHOWN_AFTER));
        self.perform(&[(self.any_isolate(), Act::Validate { token, fresh: false })]);
    }

    /// What comes of it is good at once, everywhere.
    fn log_in(&mut self) {
        let application = *self.edge.dice.choose(&[PUBLIC, PUBLIC, CONFIDENTIAL]);
        if self.applications[application].is_active != Some(true) {
            self.perform(&[(self.any_isolate(), Act::Enable { application, is_active: true })]);
        }
        if !self.applications[application].knows_secret {
            self.perform(&[(self.any_isolate(), Act::RotateSecret)]);
        }
        let user = self.edge.dice.index(self.users.len());
        let before = self.tokens.len();
        self.perform(&[(self.any_isolate(), Act::LogIn { application, user })]);
        if self.tokens.len() > before {
            self.perform(&[(self.any_isolate(), Act::Validate { token: before, fresh: false })]);
        }
    }

    /// A code is asked for, and exchanged; or used twice, elsewhere, at once, or by whoever has seen it.
    fn authorize(&mut self) {
        let dice = &self.edge.clone().dice;
        let (application, user) = (dice.index(2), dice.index(self.users.len()));
        let code = self.codes.len();
        self.perform(&[(self.any_isolate(), Act::Authorize { application, user })]);
        if self.codes.len() == code {
            return;
        }
        if dice.below(4) == 0 {
            self.edge.advance(dice.seconds(CODE_LIFETIME));
        }
        let exchange = Act::Exchange { code, is_thief: false };
        let steal = Act::Exchange { code, is_thief: true };
        let end = Act::EndUser { user, sets_password: false };
        let acts: &[Act] = match dice.below(7) {
            0 | 1 => &[exchange],
            2 => &[exchange, exchange],
            3 => &[exchange, exchange, exchange],
            4 => &[exchange, steal],
            5 => &[steal, exchange, exchange],
            _ => &[exchange, end],
        };
        let acts: Vec<_> = acts.iter().map(|act| (self.any_isolate(), *act)).collect();
        let round = self.perform(&acts);
        let has_failed = round.acts.iter().any(|done| done.act == exchange && done.has_failed());
        if has_failed || dice.below(2) == 0 {
            self.edge.advance(*dice.choose(&[0, 1, 20, 61]));
            self.perform(&[(self.any_isolate(), if dice.below(4) == 0 { steal } else { exchange })]);
        }
        self.look(exchange);
    }

    /// A client signs requests. What it has signed comes again, at once or later, elsewhere; and something it rests on ends.
    fn call_an_api(&mut self) {
        let dice = &self.edge.clone().dice;
        if !self.applications[CONFIDENTIAL].knows_secret {
            self.perform(&[(self.any_isolate(), Act::RotateSecret)]);
        }
        let user = dice.index(self.users.len());
        self.perform(&[(self.any_isolate(), Act::Xauth { user })]);
        let credential = self.credentials.len().checked_sub(1).filter(|_| dice.below(4) > 0);
        let user = credential.map_or(user, |number| self.credentials[number].user);
        let first = self.sign(credential, *dice.choose(&[0, 0, WINDOW, -WINDOW + 20]));
        let end = match dice.below(4) {
            0 => Act::RotateSecret,
            1 => Act::Enable { application: CONFIDENTIAL, is_active: false },
            _ => Act::EndUser { user, sets_password: dice.below(3) == 0 },
        };
        let acts: &[Act] = match dice.below(6) {
            0 | 1 => &[first],
            2 => &[first, first],
            3 => &[first, first, first],
            _ => &[first, end],
        };
        let acts: Vec<_> = acts.iter().map(|act| (self.any_isolate(), *act)).collect();
        self.perform(&acts);
        // Before an end and after it, at isolates that know both.
        let second = self.sign(credential, 0);
        if dice.below(2) == 0 {
            self.perform(&[(self.any_isolate(), end)]);
        }
        self.perform(&[(self.any_isolate(), second)]);
        self.edge.advance(*dice.choose(&[0, 1, 20, WINDOW - 1, WINDOW + 2, 2 * WINDOW - 20]));
        if dice.below(3) == 0 {
            self.perform(&[(self.any_isolate(), Act::Clear)]);
        }
        let third = self.sign(credential, 0);
        self.perform(&[(self.any_isolate(), third)]);
        self.perform(&[(self.any_isolate(), *dice.choose(&[first, second]))]);
    }

    /// Two log-outs of one user, and logins that may fall between them.
    fn log_out_twice(&mut self) {
        let (application, user) = (self.edge.dice.index(2), self.edge.dice.index(self.users.len()));
        let end = Act::EndUser { user, sets_password: false };
        let log_in = Act::LogIn { application, user };
        self.perform(&[end, log_in, log_in, end].map(|act| (self.any_isolate(), act)));
    }

    /// The network delivers a request twice, to one isolate or two.
    fn do_twice_at_once(&mut self) {
        self.seen.note(Case::Duplicate);
        let act = self.any_act();
        self.perform(&[(self.any_isolate(), act), (self.any_isolate(), act)]);
    }

    fn do_again_later(&mut self) {
        if let Some(sent) = self.recent.len().checked_sub(1) {
            self.seen.note(Case::Duplicate);
            let act = self.recent[sent.saturating_sub(self.edge.dice.index(6))];
            self.perform(&[(self.any_isolate(), act)]);
        }
    }

    /// One token is asked about from all sides at one isolate, which has asked before, perhaps, while it ends elsewhere.
    fn storm(&mut self) {
        let dice = &self.edge.clone().dice;
        let (token, home) = (self.any_token(), self.any_isolate());
        let family = self.tokens[token].family;
        let link = self.families[family].last();
        let revoke = Act::Revoke { family, link, by_refresh_token: false };
        if dice.below(3) == 0 {
            self.perform(&[(self.any_isolate(), revoke)]);
        }
        let refreshes = self.families[family].links[0].refresh.is_some();
        let acts: Vec<(usize, Act)> = (0..3 + dice.below(2))
            .map(|_| match dice.below(8) {
                0 => (self.any_isolate(), revoke),
                1 if refreshes => (self.any_isolate(), Act::Refresh { family, link }),
                2..5 => (home, Act::Validate { token, fresh: true }),
                _ => (home, Act::Validate { token, fresh: false }),
            })
            .collect();
        self.perform(&acts);
        self.perform(&[(home, Act::Validate { token, fresh: false })]);
    }

    /// A thief has an old refresh token, or a client did not store the new one.
    fn present_an_old_one(&mut self) {
        let dice = &self.edge.clone().dice;
        let has_old = |family: &usize| self.families[*family].last() > 0 && self.families[*family].is_live();
        let families: Vec<usize> = (0..self.families.len()).filter(has_old).collect();
        if !families.is_empty() {
            let family = *dice.choose(&families);
            let act = Act::Refresh { family, link: dice.index(self.families[family].last()) };
            self.perform(&[(self.any_isolate(), act)]);
            self.look(act);
        }
    }

    fn repeat_what_failed(&mut self) {
        if !self.unsettled.is_empty() {
            let act = self.unsettled.swap_remove(self.edge.dice.index(self.unsettled.len()));
            self.perform(&[(self.any_isolate(), act)]);
        }
    }

    /// Nothing goes wrong any more. Sessions go on; what failed is repeated; what was ended stays so.
    fn settle(&mut self) {
        self.edge.faults.set(Faults::NONE);
        self.edge.advance(APPLIED_AFTER + 1);
        self.close_doubts();
        for application in [PUBLIC, CONFIDENTIAL] {
            if !self.applications[application].knows_secret {
                self.do_surely(Act::RotateSecret);
            }
            if self.applications[application].is_active != Some(true) {
                self.do_surely(Act::Enable { application, is_active: true });
            }
        }
        if let Some(code) = self.codes.len().checked_sub(1) {
            self.do_surely(Act::Exchange { code, is_thief: self.edge.dice.below(2) == 0 });
        }
        for family in 0..self.families.len() {
            self.go_on(family);
        }
        for act in std::mem::take(&mut self.unsettled) {
            self.seen.note(Case::Repeated);
            self.do_surely(act);
        }
        self.end_at_the_bound();
    }

    /// One that must be answered.
    fn do_surely(&mut self, act: Act) -> bool {
        self.edge.advance(1);
        let round = self.perform(&[(self.any_isolate(), act)]);
        let done = &round.acts[0];
        self.seen.check(Property::AllOrNothing, !done.has_failed(), || done.text());
        done.is_done()
    }

    /// The session goes on, or it is over as a whole.
    fn go_on(&mut self, family: usize) {
        // Each of the two requests may take nine seconds, and comes a second after what was before.
        let now = self.edge.now() + 20;
        let link = self.families[family].last();
        let token = self.families[family].links[link].access;
        let is_told = !self.families[family].may_be_replaced(link, now, self.rules)
            && now < self.tokens[token].expires.0
            && now < self.families[family].links[link].expires.0;
        let is_good = self.do_surely(Act::Validate { token, fresh: true });
        if self.families[family].links[link].refresh.is_none() {
            return;
        }
        let is_refreshed = self.do_surely(Act::Refresh { family, link });
        if is_told {
            self.seen.check(Property::AllOrNothing, is_good == is_refreshed, || {
                format!("good: {is_good}, refreshed: {is_refreshed}")
            });
        }
        if is_refreshed {
            let token = self.tokens.len() - 1;
            self.do_surely(Act::Validate { token, fresh: false });
        }
    }

    /// Ends something, asks at the last moment at which a place may not show it, and again when nobody may accept it.
    fn end_at_the_bound(&mut self) {
        let token = self.any_token();
        let (family, link) = (self.tokens[token].family, self.tokens[token].link);
        let end = match self.families[family].user {
            Some(user) if self.edge.dice.below(2) == 0 => Act::EndUser { user, sets_password: false },
            _ => Act::Revoke { family, link, by_refresh_token: false },
        };
        self.do_surely(end);
        for seconds in [SHOWN_AFTER - 1, 1 + self.rules.cache] {
            self.edge.advance(seconds);
            for token in 0..self.tokens.len() {
                self.perform(&[(self.any_isolate(), Act::Validate { token, fresh: false })]);
            }
        }
    }
}
