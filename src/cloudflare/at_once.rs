//! What is answered at once: validation of a Bearer token that this isolate knows, or that bears no MAC of ours, with nothing
//! demanded of it. No other request is as frequent, and finding the token costs less than what lies between JavaScript and
//! [`router::handle`]: so this goes past it, to the same answer.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::http::WrittenAnswer;
use crate::app::App;
use crate::call::head::Head;
use crate::endpoints::validate::{self, Known};
use crate::router;
use crate::tokens::record::TokenRecord;

thread_local! {
    static WRITTEN: RefCell<Written> = RefCell::default();
}

/// The answer, or none if the request has to go through [`router::handle`].
pub fn answer(head: &Head, app: &App) -> Option<Result<JsValue, JsValue>> {
    WRITTEN.with_borrow_mut(|written| {
        let authorization = written.authorization(head, app)?;
        let known = Known::find(authorization, app)?;
        Some(written.respond(&known, app))
    })
}

/// Answers that were given, as JavaScript has them.
#[derive(Default)]
struct Written {
    /// The head of a request that was answered here, up to the value of `Authorization`: whoever validates has one URL.
    beginning: String,
    foreign: Option<WrittenAnswer>,
    /// Each at a place that follows from the record's.
    good: Vec<Option<Good>>,
}

struct Good {
    record: Rc<TokenRecord>,
    answer: WrittenAnswer,
}

impl Good {
    fn change(mut self, record: &Rc<TokenRecord>) -> Result<Self, JsValue> {
        let changed = validate::told(&self.record)
            .zip(validate::told(record))
            .filter_map(|(before, now)| (before != now).then_some(now));
        self.answer.change(changed, &validate::body(record))?;
        self.record = record.clone();
        Ok(self)
    }
}

impl Written {
    const PLACES: usize = 64;

    /// What a request of validation has in `Authorization`, if it has nothing else to look at.
    fn authorization<'a>(&mut self, head: &'a Head, app: &App) -> Option<&'a str> {
        if let Some(authorization) = head.all_after(&self.beginning) {
            return Some(authorization);
        }
        let (path, beginning, authorization) = head.authorization_alone()?;
        router::is_validation(path, app).then(|| {
            beginning.clone_into(&mut self.beginning);
            authorization
        })
    }

    fn respond(&mut self, known: &Known, app: &App) -> Result<JsValue, JsValue> {
        match known {
            Known::Good(record) => self.good(record, known),
            Known::Foreign => self.foreign(known, app),
        }
    }

    fn foreign(&mut self, known: &Known, app: &App) -> Result<JsValue, JsValue> {
        if let Some(answer) = &self.foreign {
            router::count_unlogged(app);
            return answer.respond();
        }
        let mut response = known.answer();
        router::note_refusal("GET", "/validate", &mut response, app);
        self.foreign.insert(WrittenAnswer::new(&response)?).respond()
    }

    fn good(&mut self, record: &Rc<TokenRecord>, known: &Known) -> Result<JsValue, JsValue> {
        if self.good.is_empty() {
            self.good.resize_with(Self::PLACES, || None);
        }
        let place = Rc::as_ptr(record).addr() / size_of::<TokenRecord>() % Self::PLACES;
        let place = self.good.get_mut(place).ok_or(JsValue::UNDEFINED)?;
        // Taken out, so that what cannot be made wholly another one is nobody's any more.
        let good = match place.take() {
            Some(good) if Rc::ptr_eq(&good.record, record) => good,
            Some(good) if good.record.user.is_some() == record.user.is_some() => good.change(record)?,
            _ => Good { record: record.clone(), answer: WrittenAnswer::new(&known.answer())? },
        };
        place.insert(good).answer.respond()
    }
}
