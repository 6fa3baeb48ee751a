//! What was said of access tokens.

use serde_json::Value;

use super::act::{Act, CONFIDENTIAL};
use super::seen::{Case, Property};
use super::world::{Done, Round, World};
use crate::support::edge::{LATEST, SHOWN_AFTER};

impl World<'_> {
    pub fn check_verdicts(&mut self, round: &Round) {
        let mut refused = Vec::new();
        for done in &round.acts {
            match (done.act, done.status()) {
                (Act::Validate { token, fresh }, 200) => {
                    self.check_shown(token, done);
                    self.check_may_be_good(token, fresh, done, round);
                    self.check_not_refused_here(token, done);
                }
                (Act::Introspect { token }, 200) if is_active(done) => {
                    self.check_may_be_good(token, true, done, round);
                }
                (Act::Validate { token, .. }, 401) => {
                    self.check_may_be_refused(token, done, round);
                    refused.push((done.at, token));
                }
                (Act::Introspect { token }, 200) => self.check_may_be_refused(token, done, round),
                (Act::Introspect { .. }, 401) => {
                    let may_refuse = self.may_refuse_client(CONFIDENTIAL, round);
                    self.seen.check(Property::AsTold, may_refuse, || done.text());
                }
                (Act::Validate { .. } | Act::Introspect { .. }, 503) => {
                    self.seen.check(Property::GoodAtOnce, round.may_fail, || done.text());
                }
                (Act::Validate { .. } | Act::Introspect { .. }, _) => panic!("{}", done.text()),
                _ => {}
            }
        }
        for (at, token) in refused {
            self.isolates[at].refused.insert(token);
        }
    }

    fn check_may_be_good(&self, token: usize, asks_database: bool, done: &Done, round: &Round) {
        self.seen.note(Case::Good);
        let (now, rules) = (round.start, self.rules);
        let token = &self.tokens[token];
        let broken = |reason: &str| format!("{reason}: {} at {now}", done.text());
        self.seen.check(Property::Bound, now < token.expires.1, || broken("good after it expired"));
        if let Some(ended_at) = round.ended_at[token.family] {
            self.seen
                .check(Property::Bound, !asks_database, || broken("the database has not heard of its end"));
            let ended_here = self.isolates[done.at].ended.contains(&token.family);
            self.seen.check(Property::Bound, !ended_here, || broken("good where it was ended"));
            let bound = ended_at + SHOWN_AFTER + rules.cache;
            self.seen.check(Property::Bound, now < bound, || broken(&format!("ended at {ended_at}")));
            self.seen.note(Case::GoodAfterTheEnd);
        }
        let next = self.families[token.family].links.get(token.link + 1);
        if let Some(next) = next.filter(|_| rules.are_writes_kept) {
            let bound = next.answered_at + rules.grace.max(LATEST + SHOWN_AFTER) + rules.cache;
            self.seen.check(Property::Bound, now < bound, || broken("replaced long ago"));
        }
    }

    /// Until an isolate is gone, and whatever came after.
    fn check_not_refused_here(&self, token: usize, done: &Done) {
        let was_refused = self.isolates[done.at].refused.contains(&token);
        self.seen.check(Property::RefusedForGood, !was_refused, || done.text());
    }

    fn check_may_be_refused(&mut self, token: usize, done: &Done, round: &Round) {
        self.seen.note(Case::Refused);
        if self.isolates[done.at].refused.contains(&token) {
            self.seen.note(Case::RefusedAgain);
        }
        let must_be_good = self.must_be_good(token, round.end);
        self.seen.check(Property::GoodAtOnce, !must_be_good, || done.text());
        let is_good = self.is_good_in_database(token);
        self.seen.check(Property::GoodAtOnce, !is_good, || format!("the database has it: {}", done.text()));
        let family = &self.families[self.tokens[token].family];
        if family.ended_at.is_some() && !self.isolates[done.at].ended.contains(&self.tokens[token].family) {
            self.seen.note(Case::EndedElsewhereAndRefused);
        }
        if family.is_live() && family.last() > self.tokens[token].link {
            self.seen.note(Case::ReplacedAndRefused);
        }
    }

    /// Nobody has tried to end it, and it is neither expired nor replaced.
    pub fn must_be_good(&self, token: usize, now: i64) -> bool {
        let token = &self.tokens[token];
        let family = &self.families[token.family];
        family.is_live() && now < token.expires.0 && !family.may_be_replaced(token.link, now, self.rules)
    }

    fn check_shown(&self, token: usize, done: &Done) {
        let family = &self.families[self.tokens[token].family];
        let shown = done.response.as_ref().map_or(Value::Null, |response| response.json());
        let username = family.user.map_or(Value::Null, |user| self.users[user].as_str().into());
        let is_its_own = shown["username"] == username
            && shown["client_id"] == self.applications[family.application].client.client_id;
        self.seen.check(Property::AsTold, is_its_own, || done.text());
    }
}

fn is_active(done: &Done) -> bool {
    done.response.as_ref().is_some_and(|response| response.json()["active"] == true)
}
