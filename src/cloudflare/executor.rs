//! Runs what was asked for until it is answered.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_task::Runnable;
use js_sys::Promise;
use wasm_bindgen::JsValue;

use super::wait_until;

/// One type for all that is waited for: each other would be as many kilobytes of glue.
pub type Answering = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// What does not wait for anything is answered at once: a promise, and the turn of the event loop that it takes, would cost
/// as much as finding a token in memory.
pub fn now_or_later(mut answering: Answering) -> JsValue {
    match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => settled(answer),
        Poll::Pending => {
            let answer = promise(answering).into();
            // Else workerd ends what is under way where who asked hangs up: a token would be revoked in D1 and good in KV, and what
            // is never woken again would stay in memory.
            wait_until(&answer);
            answer
        }
    }
}

/// An answer for JavaScript: itself, or a promise that rejects.
pub fn settled(answer: Result<JsValue, JsValue>) -> JsValue {
    answer.unwrap_or_else(|error| Promise::reject(&error).into())
}

/// What waits for a promise goes on where that settles. The executor of js-sys puts this off to a microtask of its own, which
/// takes workerd as long as the rest of the waiting. Nothing but a promise wakes it, so it is polled where it is woken.
fn promise(answering: Answering) -> Promise {
    let mut answering = Some(answering);
    Promise::new(&mut |resolve, reject| {
        let Some(answering) = answering.take() else { return };
        let work = async move {
            let (settle, value) = match answering.await {
                Ok(answer) => (resolve, answer),
                Err(error) => (reject, error),
            };
            drop(settle.call1(&JsValue::UNDEFINED, &value));
        };
        let (work, task) = async_task::spawn_local(work, |work: Runnable| {
            work.run();
        });
        task.detach();
        work.run();
    })
}
