//! The simulated edge: many isolates in several places over one database and a KV that lags behind, with everything going
//! wrong that can, by a seed. `docs/simulation.md` says what is simulated, what must hold, and what is not simulated.
//!
//! A failing seed is named: `EDGE_SEED=… cargo test --test protocol edge` plays it alone. `EDGE_SEEDS=200000` plays more.

mod act;
mod codes;
mod ended;
mod found;
mod issued;
mod known;
mod schedule;
mod seen;
mod signed;
mod verdicts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use seen::Seen;

use crate::support::{CALLBACK, TestServer};

/// How many schedules are played if nobody says otherwise.
const SEEDS: u64 = 15_000;

/// They are shared out among so many tests, which run at the same time.
const SHARES: u64 = 4;

#[test]
fn the_promises_hold_at_the_edge() {
    play_share(0);
}

#[test]
fn the_promises_hold_at_the_edge_in_other_schedules() {
    play_share(1);
}

#[test]
fn the_promises_hold_at_the_edge_in_more_schedules() {
    play_share(2);
}

#[test]
fn the_promises_hold_at_the_edge_in_yet_other_schedules() {
    play_share(3);
}

fn play_share(share: u64) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("EDGE_… is a number"));
    let only = number("EDGE_SEED");
    let seeds = 0..number("EDGE_SEEDS").unwrap_or(SEEDS);
    let mine = |seed: &u64| seed % SHARES == share;
    let seen = Seen::new(only.is_some());
    let origin = TestServer::new();
    schedule::USERS.iter().for_each(|user| origin.user(user));
    let public = origin.application().public().grants(&["password", "refresh_token", "authorization_code"]);
    let confidential = ["client_credentials", "password", "refresh_token", "authorization_code", "oauth1"];
    let confidential = origin.application().grants(&confidential).set("xauth_allowed", true.into());
    let applications = [public, confidential]
        .map(|builder| builder.redirect_uri(CALLBACK).set("skip_authorization", true.into()).create());
    let start = origin.now();
    let play = |seed| {
        origin.advance(start - origin.now());
        let played = || origin.db.take_back(|| schedule::play(seed, &origin, &applications, &seen));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(played)) {
            eprintln!("EDGE_SEED={seed}");
            resume_unwind(panic);
        }
    };
    match only {
        Some(seed) => Some(seed).filter(mine).into_iter().for_each(play),
        None => {
            seeds.clone().filter(mine).for_each(play);
            // Of the rarest there is one in fifty schedules; half of that must be seen.
            seen.assert_all_at_least(seeds.end / SHARES / 100);
        }
    }
}
