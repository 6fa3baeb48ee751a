//! Identity providers, by script.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use postern::app::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
use serde_json::Value;

/// What providers answer, by method and URL without its query; and what they were asked.
#[derive(Clone, Default)]
pub struct Providers(Rc<RefCell<Script>>);

#[derive(Default)]
struct Script {
    answers: Vec<(String, Answer)>,
    asked: Vec<OutboundRequest>,
}

#[derive(Clone)]
enum Answer {
    Status(u16, Vec<u8>),
    Nothing,
}

impl Providers {
    /// From now on, `GET https://…` is answered with this status and body.
    pub fn answer(&self, what: &str, status: u16, body: &Value) {
        self.answer_bytes(what, status, body.to_string().as_bytes());
    }

    pub fn answer_bytes(&self, what: &str, status: u16, body: &[u8]) {
        self.put(what, Answer::Status(status, body.to_vec()));
    }

    /// From now on, it is not answered in time.
    pub fn time_out(&self, what: &str) {
        self.put(what, Answer::Nothing);
    }

    fn put(&self, what: &str, answer: Answer) {
        let answers = &mut self.0.borrow_mut().answers;
        answers.retain(|(known, _)| known != what);
        answers.push((what.to_owned(), answer));
    }

    /// What was asked since this was last called.
    pub fn take_asked(&self) -> Vec<OutboundRequest> {
        std::mem::take(&mut self.0.borrow_mut().asked)
    }

    /// The same, as methods and URLs without their queries.
    pub fn take_urls(&self) -> Vec<String> {
        self.take_asked().iter().map(name).collect()
    }
}

fn name(request: &OutboundRequest) -> String {
    let url = request.url.split('?').next().unwrap_or_default();
    format!("{} {url}", request.method)
}

#[async_trait(?Send)]
impl Outbound for Providers {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let asked = name(&request);
        let script = &mut *self.0.borrow_mut();
        script.asked.push(request);
        match script.answers.iter().find(|(known, _)| *known == asked) {
            Some((_, Answer::Status(status, body))) => {
                Ok(OutboundResponse { status: *status, body: body.clone() })
            }
            Some((_, Answer::Nothing)) => Err(OutboundError("timed out".to_owned())),
            None => Err(OutboundError(format!("nobody is at {asked}"))),
        }
    }
}
