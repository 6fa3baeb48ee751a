//! The isolates, and all that is known of what they have answered.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::act::{Act, CONFIDENTIAL};
use super::known::{Application, Code, Credential, Family, Rules, Signed, Token};
use super::seen::{Case, Seen};
use crate::support::edge::{APPLIED_AFTER, Edge, EdgeDatabase, EdgeKv, Sent, send_together};
use crate::support::{TestResponse, TestServer, Tokens};

pub struct World<'a> {
    /// Asks the database, and nothing goes wrong there.
    pub origin: &'a TestServer,
    pub edge: Rc<Edge>,
    pub database: Rc<EdgeDatabase>,
    pub kv: Rc<EdgeKv>,
    pub rules: Rules,
    pub seen: &'a Seen,
    pub isolates: Vec<Isolate>,
    pub applications: [Application<'a>; 2],
    /// By name.
    pub users: Vec<String>,
    pub families: Vec<Family>,
    pub codes: Vec<Code>,
    pub credentials: Vec<Credential>,
    pub signed: Vec<Signed>,
    /// By user: the cookie of a browser in which they are logged in, as far as anybody knows.
    pub sessions: HashMap<usize, String>,
    pub tokens: Vec<Token>,
    /// What each credential that is good once has led to.
    pub honoured: HashMap<String, Tokens>,
    /// What failed and may still be carried out, and until when.
    pub doubts: Vec<(Act, i64)>,
    /// What failed and has not been repeated.
    pub unsettled: Vec<Act>,
    /// What was sent last.
    pub recent: Vec<Act>,
    /// Who signed up without an answer.
    pub tried_names: HashSet<usize>,
    pub names: usize,
}

pub struct Isolate {
    pub server: TestServer,
    pub number: u64,
    pub place: usize,
    /// The tokens that it has refused.
    pub refused: HashSet<usize>,
    /// The families that it has ended.
    pub ended: HashSet<usize>,
}

/// Some acts at the same time, and what was answered.
pub struct Round {
    pub start: i64,
    pub end: i64,
    pub acts: Vec<Done>,
    /// Something in it may fail without a fault: another act was under way, or KV would not take a second write.
    pub may_fail: bool,
    /// By family, before it.
    pub was_live: Vec<bool>,
    pub ended_at: Vec<Option<i64>>,
    pub links: Vec<usize>,
    /// How many there were before it.
    pub credentials: usize,
    pub presented: Option<PresentedAlone>,
    /// The isolate that died in it.
    pub dead: Option<usize>,
}

pub struct Done {
    pub at: usize,
    pub act: Act,
    pub response: Option<TestResponse>,
}

/// Of a refresh that was alone: whether its token was the present one.
pub struct PresentedAlone {
    pub is_present: bool,
}

impl Round {
    fn text(&self) -> String {
        let acts: Vec<String> = self.acts.iter().map(Done::text).collect();
        let dead = self.dead.map(|at| format!("\n  isolate {at} dies")).unwrap_or_default();
        format!("{} to {}\n  {}{dead}", self.start, self.end, acts.join("\n  "))
    }
}

impl Done {
    /// 503 for no answer: who asked knows as much.
    pub fn status(&self) -> u16 {
        self.response.as_ref().map_or(503, TestResponse::status)
    }

    pub fn is_done(&self) -> bool {
        matches!(self.status(), 200 | 201 | 204)
    }

    pub fn has_failed(&self) -> bool {
        self.status() == 503
    }

    pub fn text(&self) -> String {
        let text = self.response.as_ref().map_or("no answer".to_owned(), TestResponse::text);
        format!("{:?} at isolate {}: {} {text}", self.act, self.at, self.status())
    }
}

impl World<'_> {
    /// All at once. What came of it is told to everybody, in an order that takes nothing for known too early.
    pub fn perform(&mut self, acts: &[(usize, Act)]) -> Round {
        let round = self.send(acts);
        self.seen.tell(|| round.text());
        self.note_presented(&round);
        self.note_presented_codes(&round);
        self.note_sent_ends(&round);
        self.check_verdicts(&round);
        self.note_issued(&round);
        self.note_ended(&round);
        self.note_changed(&round);
        self.close_doubts();
        if let Some(at) = round.dead {
            self.replace(at);
        }
        round
    }

    fn send(&mut self, acts: &[(usize, Act)]) -> Round {
        let start = self.edge.now();
        let is_quiet = self.database.deliver();
        for (_, act) in acts {
            if let Act::Authorize { user, .. } = act {
                self.open_session(*user);
            }
        }
        let presented = match acts {
            [(_, Act::Refresh { family, link })] if is_quiet && self.is_doubtful(*family, *link) => {
                Some(PresentedAlone { is_present: self.is_present(*family, *link) })
            }
            _ => None,
        };
        let too_many = self.edge.happened.kv_too_many.get();
        let sent: Vec<Sent> = acts
            .iter()
            .map(|(at, act)| Sent {
                isolate: *at,
                server: &self.isolates[*at].server,
                request: self.request(*act),
            })
            .collect();
        let (responses, dead) = send_together(&sent, &self.edge);
        self.recent.extend(acts.iter().map(|(_, act)| *act));
        let done = |(&(at, act), response)| Done { at, act, response };
        Round {
            start,
            end: self.edge.now(),
            acts: acts.iter().zip(responses).map(done).collect(),
            may_fail: acts.len() > 1
                || !self.rules.are_writes_kept
                || self.edge.happened.kv_too_many.get() > too_many,
            was_live: self.families.iter().map(Family::is_live).collect(),
            ended_at: self.families.iter().map(|family| family.ended_at).collect(),
            links: self.families.iter().map(|family| family.links.len()).collect(),
            credentials: self.credentials.len(),
            presented,
            dead,
        }
    }

    /// A new isolate in the place of one that is gone, where nothing goes wrong when it had finished.
    pub fn replace(&mut self, at: usize) {
        self.seen.note(Case::NewIsolate);
        let Isolate { number, place, .. } = self.isolates[at];
        if !self.rules.are_writes_kept {
            self.kv.bury(number);
        }
        self.isolates[at] = self.new_isolate(number + 100, place);
    }

    pub fn new_isolate(&self, number: u64, place: usize) -> Isolate {
        let mut server = self.origin.another_isolate_over(self.kv.handle(number, place));
        server.app.db = self.database.handle();
        Isolate { server, number, place, refused: HashSet::new(), ended: HashSet::new() }
    }

    pub fn covers(&self, act: Act, family: usize) -> bool {
        let Family { application, user, .. } = self.families[family];
        match act {
            Act::Revoke { family: revoked, .. } => revoked == family,
            Act::Refresh { family: refreshed, .. } => refreshed == family,
            Act::Exchange { code, is_thief: false } => self.codes[code].family == Some(family),
            Act::EndUser { user: ended, .. } => user == Some(ended),
            Act::Enable { application: disabled, is_active: false } => application == disabled,
            _ => false,
        }
    }

    fn is_covered_by_doubt(&self, family: usize) -> bool {
        self.doubts.iter().any(|(act, _)| self.covers(*act, family))
    }

    pub fn doubt(&mut self, act: Act) {
        self.doubts.push((act, self.edge.now() + APPLIED_AFTER));
        if act.is_repeated() {
            self.unsettled.push(act);
        }
    }

    /// What may count as reuse only because an answer was lost: the database knows.
    fn is_doubtful(&self, family: usize, link: usize) -> bool {
        let family = &self.families[family];
        link == family.last()
            && family.links[link].presented > 0
            && family.is_live()
            && self.doubts.is_empty()
    }

    fn is_present(&self, family: usize, link: usize) -> bool {
        let refresh = self.families[family].links[link].refresh.as_deref().unwrap_or_default();
        let digest = postern::model::family::TokenDigest::of(refresh);
        let sql = format!("SELECT count(*) FROM families WHERE refresh_digest = '{digest}'");
        self.origin.db.number(&sql) > 0
    }

    /// What was doubted and can happen no more: the database says what it is.
    pub fn close_doubts(&mut self) {
        let now = self.edge.now();
        self.database.deliver();
        self.doubts.retain(|(_, until)| *until >= now);
        for family in 0..self.families.len() {
            let Family { ended_at, may_have_ended, is_over, .. } = self.families[family];
            if !may_have_ended || is_over || ended_at.is_some() || self.is_covered_by_doubt(family) {
                continue;
            }
            let last = self.families[family].last();
            let token = self.families[family].links[last].access;
            if self.families[family].may_be_replaced(last, now, self.rules)
                || self.tokens[token].expires.0 <= now
            {
                continue;
            }
            let is_good = self.is_good_in_database(token);
            self.seen.note(if is_good { Case::FailedAndUndone } else { Case::FailedAndDone });
            self.families[family].may_have_ended = !is_good;
            self.families[family].is_over = !is_good;
        }
        for number in 0..self.applications.len() {
            let is_doubted = self.doubts.iter().any(|(act, _)| act.changes_application(number));
            if self.applications[number].is_active.is_none() && !is_doubted {
                let path = format!("applications/{}", self.applications[number].client.client_id);
                let shown = self.origin.admin("GET", &path, serde_json::Value::Null).json();
                self.applications[number].is_active = shown["is_active"].as_bool();
            }
        }
    }

    pub fn is_good_in_database(&mut self, token: usize) -> bool {
        let token = &mut self.tokens[token];
        token.is_dead =
            token.is_dead || self.origin.validate_with(&token.text, "fresh=1", &[]).status() == 401;
        !token.is_dead
    }

    /// An application, or its secret, may not be what its client believes.
    pub fn may_refuse_client(&self, application: usize, round: &Round) -> bool {
        let Application { is_active, knows_secret, .. } = self.applications[application];
        is_active != Some(true)
            || !knows_secret && application == CONFIDENTIAL
            || round.acts.iter().any(|done| done.act.changes_application(application))
    }

    /// It was answered that an application is disabled, and nobody has tried to change that.
    pub fn is_disabled(&self, application: usize, round: &Round) -> bool {
        self.applications[application].is_active == Some(false)
            && !round.acts.iter().any(|done| done.act.changes_application(application))
    }
}
