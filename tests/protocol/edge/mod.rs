//! The simulated edge: many isolates in several places over one database and a KV that lags behind, with everything going
//! wrong that can, by a seed. `docs/simulation.md` says what is simulated, what must hold, and what is not simulated.
//!
//! A failing seed is named: `EDGE_SEED=… cargo test --test protocol edge` plays it alone. `EDGE_SEEDS=200000` plays more.

mod act;
mod codes;
mod ended;
mod forgotten;
mod found;
mod issued;
mod known;
mod schedule;
mod seen;
mod signed;
mod verdicts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{iter, thread};

use seen::{Seen, assert_all_at_least};

use crate::support::{CALLBACK, TestServer};

/// How many schedules are played if nobody says otherwise.
const SEEDS: u64 = 50_000;

#[test]
fn the_promises_hold_at_the_edge() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("EDGE_… is a number"));
    if let Some(seed) = number("EDGE_SEED") {
        return play(iter::once(seed), &Seen::new(true));
    }
    let seeds = number("EDGE_SEEDS").unwrap_or(SEEDS);
    let counts = play_on_all_cores(seeds);
    // Of the rarest there is one in 140 schedules.
    assert_all_at_least(seeds / 200, &counts);
}

/// What was seen in all of them. Each core takes the next one that nobody has.
fn play_on_all_cores(seeds: u64) -> Vec<u64> {
    let next = AtomicU64::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let now = || {
        #[expect(clippy::disallowed_methods, reason = "what is told of the speed decides nothing")]
        Instant::now()
    };
    let begin = now();
    let counts = thread::scope(|scope| {
        let player = || {
            let seen = Seen::new(false);
            let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds);
            let played = catch_unwind(AssertUnwindSafe(|| play(iter::from_fn(take), &seen)));
            if let Err(panic) = played {
                next.store(seeds, Ordering::Relaxed);
                resume_unwind(panic);
            }
            seen.counts()
        };
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(player)).collect();
        let all =
            players.into_iter().map(|player| player.join().unwrap_or_else(|panic| resume_unwind(panic)));
        all.reduce(|one, other| iter::zip(one, other).map(|(one, other)| one + other).collect())
    });
    let seconds = (now() - begin).as_secs_f64();
    println!("{seeds} schedules by {cores} cores: {:.0} a second", seeds as f64 / seconds);
    counts.unwrap_or_default()
}

/// Plays schedules, one after the other, on an origin of its own.
fn play(seeds: impl Iterator<Item = u64>, seen: &Seen) {
    let origin = TestServer::new();
    schedule::USERS.iter().for_each(|user| origin.user(user));
    let public = origin.application().public().grants(&["password", "refresh_token", "authorization_code"]);
    let confidential = ["client_credentials", "password", "refresh_token", "authorization_code", "oauth1"];
    let confidential = origin.application().grants(&confidential).set("xauth_allowed", true.into());
    let applications = [public, confidential]
        .map(|builder| builder.redirect_uri(CALLBACK).set("skip_authorization", true.into()).create());
    let start = origin.now();
    for seed in seeds {
        origin.advance(start - origin.now());
        let played = || origin.db.take_back(|| schedule::play(seed, &origin, &applications, seen));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(played)) {
            // By one write, since another thread may be telling of its panic.
            let line = format!("EDGE_SEED={seed}\n");
            eprint!("{line}");
            resume_unwind(panic);
        }
    }
}
