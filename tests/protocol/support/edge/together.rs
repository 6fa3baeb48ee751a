//! Requests that are under way at the same time.

use std::pin::{Pin, pin};

use futures_executor::block_on;
use postern::call::{Request, Response};

use super::{Edge, count};
use crate::support::{TestResponse, TestServer, handle};

/// A request, and the isolate that gets it: its number and its server.
pub struct Sent<'a> {
    pub isolate: usize,
    pub server: &'a TestServer,
    pub request: Request,
}

/// Sends all at once; which is how far when depends on the dice. Seconds may pass meanwhile, and one of the isolates may
/// die between any two calls: who asked it gets no answer. Returns the answers, and which isolate is dead.
pub fn send_together<'a>(sent: &'a [Sent<'_>], edge: &'a Edge) -> (Vec<Option<TestResponse>>, Option<usize>) {
    let dice = &edge.dice;
    let dies = dice.percent(edge.faults.get().deaths).then(|| dice.choose(sent).isolate);
    let takes_time = dice.below(3) == 0;
    if let ([alone], None, false) = (sent, dies, takes_time) {
        let response = block_on(handle(&alone.request, &alone.server.app));
        return (vec![Some(TestResponse(response))], None);
    }
    edge.slowness.set(*dice.choose(&[2, 4, 10]));
    let mut answers: Vec<Option<TestResponse>> = sent.iter().map(|_| None).collect();
    let under_way = |(number, sent): (usize, &'a Sent<'_>)| UnderWay {
        number,
        isolate: sent.isolate,
        due: edge.turn.get(),
        answer: Box::pin(async {
            edge.turns(dice.below(2 * edge.slowness.get())).await;
            handle(&sent.request, &sent.server.app).await
        }),
    };
    let mut under_way: Vec<UnderWay<'_>> = sent.iter().enumerate().map(under_way).collect();
    let start = edge.now();
    let mut meanwhile = pin!(async {
        for _ in 0..if takes_time { 3 } else { 0 } {
            edge.turns(dice.below(8 * edge.slowness.get())).await;
            edge.advance(*dice.choose(&[0, 1, 3]));
        }
        edge.turns(dice.below(8 * edge.slowness.get())).await;
    });
    let mut meanwhile_due = Some(edge.turn.get());
    while let Some(turn) = under_way.iter().map(|request| request.due).chain(meanwhile_due).min() {
        edge.turn.set(turn);
        under_way.retain_mut(|request| {
            if request.due == turn {
                match edge.poll(request.answer.as_mut()) {
                    Ok(response) => answers[request.number] = Some(TestResponse(response)),
                    Err(due) => request.due = due,
                }
            }
            answers[request.number].is_none()
        });
        if meanwhile_due == Some(turn) {
            meanwhile_due = edge.poll(meanwhile.as_mut()).err();
            if meanwhile_due.is_none() {
                // What the isolate was doing ends where it is.
                under_way.retain(|request| Some(request.isolate) != dies);
            }
        }
    }
    edge.slowness.set(0);
    if edge.now() > start {
        count(&edge.happened.time_under_way);
    }
    if answers.iter().any(Option::is_none) {
        count(&edge.happened.deaths);
    }
    (answers, dies)
}

struct UnderWay<'a> {
    number: usize,
    isolate: usize,
    /// The turn at which it goes on.
    due: u32,
    answer: Pin<Box<dyn Future<Output = Response> + 'a>>,
}
