//! How fast a revocation bites where KV lags behind: several places with several isolates each, random schedules, random
//! delays, losses and failures. A failing seed is named: `EDGE_SEED=… cargo test --test protocol edge` runs it alone.

mod found;

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use http::Method;
use postern::endpoints::Request;
use serde_json::{Value, json};

use crate::support::edge::{Dice, EdgeKv, LATEST, SHOWN_AFTER, send_together};
use crate::support::{PASSWORD, TestClient, TestResponse, TestServer, Tokens, admin_request, request};

#[test]
fn a_revoked_token_is_refused_within_the_stated_bound() {
    run(0..670);
}

#[test]
fn a_revoked_token_is_refused_within_the_stated_bound_in_other_schedules() {
    run(670..1_340);
}

#[test]
fn a_revoked_token_is_refused_within_the_stated_bound_in_yet_other_schedules() {
    run(1_340..2_010);
}

/// What the schedules have come across.
#[derive(Debug, Default)]
struct Seen {
    is_whole: Cell<bool>,
    good: Cell<u32>,
    refused: Cell<u32>,
    good_after_the_end: Cell<u32>,
}

/// What the schedules of one test share but for this: signing up takes longer than a schedule.
const AS_NEW: &str = "DELETE FROM families; DELETE FROM grants; DELETE FROM purges;
    UPDATE users SET token_epoch = 0; UPDATE applications SET token_epoch = 0, is_active = 1;";

fn run(seeds: Range<u64>) {
    let only: Option<u64> =
        std::env::var("EDGE_SEED").ok().map(|seed| seed.parse().expect("EDGE_SEED is a number"));
    let seen = Seen { is_whole: Cell::new(only.is_none()), ..Seen::default() };
    let origin = TestServer::new();
    USERS.iter().for_each(|user| origin.user(user));
    let applications = [origin.public_application(), origin.public_application()];
    for seed in seeds.filter(|seed| only.is_none_or(|only| *seed == only)) {
        origin.db.execute(AS_NEW);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| schedule(seed, &origin, &applications, &seen))) {
            eprintln!("EDGE_SEED={seed}");
            resume_unwind(panic);
        }
    }
    // The schedules would show nothing if no token were ever good, refused, or good for a while after its end.
    let counts = [&seen.good, &seen.refused, &seen.good_after_the_end].map(Cell::get);
    assert!(!seen.is_whole.get() || counts.iter().all(|&count| count > 100), "{seen:?}");
}

const PLACES: usize = 3;
const ISOLATES: usize = 5;
const STEPS: usize = 12;

fn schedule<'a>(seed: u64, origin: &'a TestServer, applications: &'a [TestClient<'a>; 2], seen: &'a Seen) {
    let dice = Dice::new(seed);
    let (lifetime, cache) = (*dice.choose(&["120", "600", "36000"]), *dice.choose(&[0, 10, 45]));
    let grace = *dice.choose(&[0, 60]);
    let origin = origin.another_isolate_with(&[
        ("ACCESS_TOKEN_EXPIRE_SECONDS", lifetime),
        ("VALIDATION_CACHE_SECONDS", &cache.to_string()),
        ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", &grace.to_string()),
    ]);
    // So whatever it says comes from the database.
    origin.kv.is_down.set(true);
    let faults = *dice.choose(&[0, 10, 40]);
    let mut world = World {
        origin: &origin,
        applications,
        kv: EdgeKv::new(seed, PLACES, faults, &origin),
        isolates: Vec::new(),
        families: Vec::new(),
        tokens: Vec::new(),
        cache,
        grace,
        loses_writes: faults > 0,
        dice,
        seen,
    };
    for number in 0..ISOLATES {
        let isolate = world.new_isolate(number % PLACES);
        world.isolates.push(isolate);
    }
    world.log_in();
    for _ in 0..STEPS {
        world.step();
    }
    world.end_at_the_bound();
}

const USERS: [&str; 2] = ["alice", "bob"];

struct World<'a> {
    origin: &'a TestServer,
    applications: &'a [TestClient<'a>; 2],
    kv: Rc<EdgeKv>,
    isolates: Vec<Isolate>,
    families: Vec<Family>,
    tokens: Vec<Token>,
    cache: i64,
    grace: i64,
    loses_writes: bool,
    dice: Dice,
    seen: &'a Seen,
}

struct Isolate {
    server: TestServer,
    place: usize,
    /// By index: the tokens that it has refused.
    refused: HashSet<usize>,
    /// By index: the tokens that it has ended.
    ended: HashSet<usize>,
}

struct Family {
    application: usize,
    user: usize,
    refresh_tokens: Vec<String>,
}

struct Token {
    text: String,
    family: usize,
    expires_at: i64,
    /// When its end was first answered 2xx.
    ended_at: Option<i64>,
    /// When a refresh replaced it.
    replaced_at: Option<i64>,
    /// The database has refused it, and will never accept it again.
    is_dead: bool,
}

/// What is asked of an isolate.
#[derive(Clone, Copy, Debug)]
enum Act {
    Validate { token: usize, fresh: bool },
    LogIn { application: usize, user: usize },
    Refresh { family: usize, with: usize },
    Revoke { token: usize },
    LogOutEverywhere { user: usize },
    Enable { application: usize, is_active: bool },
}

impl World<'_> {
    fn new_isolate(&self, place: usize) -> Isolate {
        let server = self.origin.another_isolate_over(self.kv.at(place));
        Isolate { server, place, refused: HashSet::new(), ended: HashSet::new() }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..5 => self.advance(self.dice.seconds(SHOWN_AFTER)),
            5 => self.advance(self.dice.seconds(400)),
            6 => {
                let at = self.any_isolate();
                self.isolates[at] = self.new_isolate(self.isolates[at].place);
            }
            7 => self.log_in(),
            8 => self.log_out_twice(),
            9..11 => {
                let acts: Vec<(usize, Act)> =
                    (0..=1 + self.dice.below(2)).map(|_| (self.any_isolate(), self.any_act())).collect();
                self.perform(&acts);
            }
            _ => self.perform(&[(self.any_isolate(), self.any_act())]),
        }
    }

    fn advance(&self, seconds: i64) {
        self.origin.advance(seconds);
    }

    fn any_isolate(&self) -> usize {
        self.dice.below(ISOLATES as u32) as usize
    }

    fn any_act(&self) -> Act {
        let token = self.dice.below(self.tokens.len() as u32) as usize;
        let family = self.tokens[token].family;
        match self.dice.below(16) {
            0 => Act::LogIn { application: self.dice.below(2) as usize, user: self.dice.below(2) as usize },
            1 | 2 => {
                let latest = self.families[family].refresh_tokens.len() - 1;
                Act::Refresh { family, with: latest.saturating_sub(self.dice.below(5) as usize / 4) }
            }
            3 => Act::Revoke { token },
            4 => Act::LogOutEverywhere { user: self.dice.below(2) as usize },
            5 => Act::Enable { application: self.dice.below(2) as usize, is_active: self.dice.below(2) == 0 },
            6 => Act::Validate { token, fresh: true },
            _ => Act::Validate { token, fresh: false },
        }
    }

    /// A token just issued is good at once, everywhere.
    fn log_in(&mut self) {
        let (at, application) = (self.any_isolate(), self.dice.below(2) as usize);
        self.perform(&[(at, Act::Enable { application, is_active: true })]);
        let act = Act::LogIn { application, user: self.dice.below(2) as usize };
        let before = self.tokens.len();
        self.perform(&[(at, act)]);
        assert!(self.tokens.len() > before, "an active user of an active application can log in");
        let at = self.any_isolate();
        let response = self.isolates[at].server.validate(&self.tokens[before].text);
        response.assert_status(200);
    }

    /// Ends something, asks at the last moment at which a place may not show it, and again when nobody may accept it.
    fn end_at_the_bound(&mut self) {
        let token = self.dice.below(self.tokens.len() as u32) as usize;
        let user = self.families[self.tokens[token].family].user;
        let act = *self.dice.choose(&[Act::Revoke { token }, Act::LogOutEverywhere { user }]);
        self.perform(&[(self.any_isolate(), act)]);
        for seconds in [SHOWN_AFTER - 1, 1 + self.cache] {
            self.advance(seconds);
            for token in 0..self.tokens.len() {
                self.perform(&[(token % ISOLATES, Act::Validate { token, fresh: false })]);
            }
        }
    }

    /// Two log-outs of one user, and a login that may fall between them.
    fn log_out_twice(&mut self) {
        let (application, user) = (self.dice.below(2) as usize, self.dice.below(2) as usize);
        let acts = [
            Act::LogOutEverywhere { user },
            Act::LogIn { application, user },
            Act::LogOutEverywhere { user },
        ];
        self.perform(&acts.map(|act| (self.any_isolate(), act)));
    }

    /// All at once. What came into being is noted first, then what has ended, then what was said of tokens that were
    /// there before.
    fn perform(&mut self, acts: &[(usize, Act)]) {
        let requests: Vec<(&TestServer, Request)> =
            acts.iter().map(|(at, act)| (&self.isolates[*at].server, self.request(*act))).collect();
        let responses = send_together(&requests, &self.dice);
        let known = self.tokens.len();
        let before: Vec<Option<i64>> = self.tokens.iter().map(|token| token.ended_at).collect();
        let ended_here: Vec<HashSet<usize>> =
            self.isolates.iter().map(|isolate| isolate.ended.clone()).collect();
        for ((_, act), response) in acts.iter().zip(&responses) {
            self.note_issued(*act, response);
        }
        let have_failed = responses.iter().any(|response| response.status() == 503);
        for ((at, act), response) in acts.iter().zip(&responses) {
            self.note_ended(*at, *act, response, known, have_failed);
        }
        let mut refused = Vec::new();
        for ((at, act), response) in acts.iter().zip(&responses) {
            let Act::Validate { token, fresh } = *act else { continue };
            match response.status() {
                200 => self.check_may_be_good(token, *at, fresh, before[token], &ended_here[*at]),
                401 => refused.push((*at, token)),
                _ => panic!("{} {}", response.status(), response.text()),
            }
        }
        for (at, token) in refused {
            self.check_may_be_refused(token);
            self.isolates[at].refused.insert(token);
        }
    }

    fn check_may_be_good(
        &self,
        token: usize,
        at: usize,
        fresh: bool,
        ended_before: Option<i64>,
        ended_here: &HashSet<usize>,
    ) {
        let (now, isolate) = (self.origin.now(), &self.isolates[at]);
        let Token { expires_at, replaced_at, .. } = self.tokens[token];
        self.seen.good.set(self.seen.good.get() + 1);
        assert!(now < expires_at, "good after it expired");
        assert!(!ended_here.contains(&token), "good where it was revoked");
        // An isolate that remembers nothing may see an older KV than the database that refused the token.
        assert!(self.cache == 0 || !isolate.refused.contains(&token), "good where it was refused before");
        if let Some(ended_at) = ended_before {
            self.seen.good_after_the_end.set(self.seen.good_after_the_end.get() + 1);
            assert!(!fresh, "the database was asked and had not heard of the revocation");
            let bound = ended_at + SHOWN_AFTER + self.cache;
            assert!(now < bound, "good {} s after its end", now - ended_at);
        }
        if let Some(replaced_at) = replaced_at.filter(|_| !self.loses_writes) {
            let bound = replaced_at + self.grace.max(LATEST + SHOWN_AFTER) + self.cache;
            assert!(now < bound, "good {} s after it was replaced", now - replaced_at);
        }
    }

    /// Nothing is refused that the database holds to be good.
    fn check_may_be_refused(&mut self, token: usize) {
        self.seen.refused.set(self.seen.refused.get() + 1);
        assert!(!self.is_good_in_database(token), "refused, but it is good");
    }

    fn is_good_in_database(&mut self, token: usize) -> bool {
        let token = &mut self.tokens[token];
        token.is_dead =
            token.is_dead || self.origin.validate_with(&token.text, "fresh=1", &[]).status() == 401;
        !token.is_dead
    }

    fn note_issued(&mut self, act: Act, response: &TestResponse) {
        if response.status() != 200 {
            return;
        }
        match act {
            Act::LogIn { application, user } => {
                let refresh_tokens = Vec::new();
                self.families.push(Family { application, user, refresh_tokens });
                self.note_pair(self.families.len() - 1, response.tokens());
            }
            Act::Refresh { family, .. } => {
                let tokens = response.tokens();
                if self.tokens.iter().any(|token| token.text == tokens.access_token) {
                    return;
                }
                let now = self.origin.now();
                for token in self.tokens.iter_mut().filter(|token| token.family == family) {
                    token.replaced_at = token.replaced_at.or(Some(now));
                }
                self.note_pair(family, tokens);
            }
            _ => {}
        }
    }

    fn note_pair(&mut self, family: usize, tokens: Tokens) {
        self.families[family].refresh_tokens.push(tokens.refresh().to_owned());
        self.tokens.push(Token {
            text: tokens.access_token,
            family,
            expires_at: self.origin.now() + tokens.expires_in,
            ended_at: None,
            replaced_at: None,
            is_dead: false,
        });
    }

    /// `known`: how many tokens there were before. Of what was issued at the same moment the database knows whether it
    /// came before the end or after it; where there were several ends and some failed, nobody knows which of them it was.
    fn note_ended(&mut self, at: usize, act: Act, response: &TestResponse, known: usize, have_failed: bool) {
        let covers = |token: &Token| match act {
            Act::Revoke { token: revoked } => token.family == self.tokens[revoked].family,
            Act::LogOutEverywhere { user } => self.families[token.family].user == user,
            Act::Enable { application, is_active: false } => {
                self.families[token.family].application == application
            }
            _ => false,
        };
        match response.status() {
            200 | 204 => {}
            503 if self.loses_writes => return,
            // The application was changed at the same moment.
            503 if matches!(act, Act::LogIn { .. } | Act::Refresh { .. }) => return,
            // A login at a disabled application, a refresh with what has ended, was replaced, or is another's.
            409 => return,
            400 | 401 if !matches!(act, Act::Revoke { .. } | Act::LogOutEverywhere { .. }) => return,
            // The application of the token is disabled.
            401 if matches!(act, Act::Revoke { .. }) => return,
            status => panic!("{act:?}: {status} {}", response.text()),
        }
        let covered: Vec<usize> =
            (0..self.tokens.len()).filter(|&token| covers(&self.tokens[token])).collect();
        let now = self.origin.now();
        for token in covered {
            let is_new = token >= known;
            if is_new && (have_failed || self.is_good_in_database(token)) {
                continue;
            }
            let ended_at = &mut self.tokens[token].ended_at;
            *ended_at = ended_at.or(Some(now));
            if !is_new {
                self.isolates[at].ended.insert(token);
            }
        }
    }

    fn request(&self, act: Act) -> Request {
        match act {
            Act::Validate { token, fresh } => {
                let bearer = format!("Bearer {}", self.tokens[token].text);
                let path = if fresh { "/validate/?fresh=1" } else { "/validate/" };
                request(Method::GET, path, &[("authorization", &bearer)], "")
            }
            Act::LogIn { application, user } => {
                let form = [("grant_type", "password"), ("username", USERS[user]), ("password", PASSWORD)];
                self.applications[application].request("/o/token/", &form)
            }
            Act::Refresh { family, with } => {
                let Family { application, refresh_tokens, .. } = &self.families[family];
                self.applications[*application].refresh_request(&refresh_tokens[with])
            }
            Act::Revoke { token } => {
                let token = &self.tokens[token];
                let application = &self.applications[self.families[token.family].application];
                application.request("/o/revoke_token/", &[("token", &token.text)])
            }
            Act::LogOutEverywhere { user } => {
                admin_request("POST", &format!("users/{}/logout", USERS[user]), Value::Null)
            }
            Act::Enable { application, is_active } => {
                let path = format!("applications/{}", self.applications[application].client_id);
                admin_request("PATCH", &path, json!({"is_active": is_active}))
            }
        }
    }
}
