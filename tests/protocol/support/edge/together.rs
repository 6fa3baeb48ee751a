//! Requests that are under way at the same time.

use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

use futures_executor::block_on;
use futures_util::future::{join, join_all};
use postern::call::{Request, Response};

use super::{Edge, count};
use crate::support::sqlite::take_turns;
use crate::support::{TestResponse, TestServer, handle};

/// A request, and the isolate that gets it: its number and its server.
pub struct Sent<'a> {
    pub isolate: usize,
    pub server: &'a TestServer,
    pub request: Request,
}

/// Sends all at once; which is how far when depends on the dice. Seconds may pass meanwhile, and one of the isolates may
/// die between any two calls: who asked it gets no answer. Returns the answers, and which isolate is dead.
pub fn send_together(sent: &[Sent<'_>], edge: &Edge) -> (Vec<Option<TestResponse>>, Option<usize>) {
    let dice = &edge.dice;
    let dies = dice.percent(edge.faults.get().deaths).then(|| dice.choose(sent).isolate);
    let takes_time = dice.below(3) == 0;
    if let ([alone], None, false) = (sent, dies, takes_time) {
        let response = block_on(handle(&alone.request, &alone.server.app));
        return (vec![Some(TestResponse(response))], None);
    }
    edge.slowness.set(*dice.choose(&[2, 4, 10]));
    let dead = Cell::new(None);
    let answers = join_all(sent.iter().map(async |sent| {
        turns(dice.below(2 * edge.slowness.get())).await;
        unless_dead(sent.isolate, &dead, handle(&sent.request, &sent.server.app)).await
    }));
    let start = edge.now();
    let meanwhile = async {
        for _ in 0..if takes_time { 3 } else { 0 } {
            turns(dice.below(8 * edge.slowness.get())).await;
            edge.advance(*dice.choose(&[0, 1, 3]));
        }
        turns(dice.below(8 * edge.slowness.get())).await;
        dead.set(dies);
    };
    let (answers, ()) = block_on(join(answers, meanwhile));
    edge.slowness.set(0);
    if edge.now() > start {
        count(&edge.happened.time_under_way);
    }
    if answers.iter().any(Option::is_none) {
        count(&edge.happened.deaths);
    }
    (answers.into_iter().map(|answer| answer.map(TestResponse)).collect(), dies)
}

async fn turns(count: u32) {
    for _ in 0..count {
        take_turns().await;
    }
}

/// Drops what the isolate was doing when it dies.
async fn unless_dead(
    isolate: usize,
    dead: &Cell<Option<usize>>,
    answer: impl Future<Output = Response>,
) -> Option<Response> {
    let mut answer = pin!(answer);
    std::future::poll_fn(|context| match dead.get() {
        Some(died) if died == isolate => Poll::Ready(None),
        _ => answer.as_mut().poll(context).map(Some),
    })
    .await
}
