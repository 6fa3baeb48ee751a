//! What was ended, and what the operator changed.

use super::act::{Act, CONFIDENTIAL};
use super::seen::Property;
use super::world::{Done, Round, World};

impl World<'_> {
    /// From when an end is sent, what it covers may have ended; what failed may be carried out later, too.
    pub fn note_sent_ends(&mut self, round: &Round) {
        self.note_sent_ends_of_sessions(round);
        self.note_sent_ends_of_credentials(round);
        for done in round.acts.iter().filter(|done| done.act.is_end()) {
            for family in 0..self.families.len() {
                if self.covers(done.act, family) && self.families[family].ended_at.is_none() {
                    self.families[family].may_have_ended = true;
                    self.families[family].is_over = false;
                }
            }
            if done.has_failed() {
                self.doubt(done.act);
            }
        }
    }

    pub fn note_ended(&mut self, round: &Round) {
        let known = round.was_live.len();
        for done in round.acts.iter().filter(|done| done.act.is_end()) {
            match (done.act, done.status()) {
                (_, 200 | 204) => {
                    for family in 0..known {
                        if self.covers(done.act, family) {
                            self.note_end(family, done, round);
                        }
                    }
                }
                (Act::Revoke { family, .. }, 401) => {
                    let may_refuse = self.may_refuse_client(self.families[family].application, round);
                    self.seen.check(Property::AsTold, may_refuse, || done.text());
                }
                (Act::Enable { .. }, 409) | (_, 503) => {
                    self.seen.check(Property::AllOrNothing, round.may_fail, || done.text());
                }
                _ => panic!("{}", done.text()),
            }
        }
        self.note_logged_out(round);
        self.note_ended_credentials(round);
        for family in known..self.families.len() {
            self.note_overtaken(family, round);
            self.note_replayed_at_once(family, round);
        }
    }

    pub fn note_end(&mut self, family: usize, done: &Done, round: &Round) {
        let ended_at = &mut self.families[family].ended_at;
        *ended_at = ended_at.or(Some(round.end));
        self.isolates[done.at].ended.insert(family);
    }

    /// Of what was issued while an end of it was under way the database knows which came first. Where several ends were, of
    /// which one failed, nobody knows which of them it was.
    fn note_overtaken(&mut self, family: usize, round: &Round) {
        let ends: Vec<&Done> =
            round.acts.iter().filter(|done| done.act.is_end() && self.covers(done.act, family)).collect();
        let is_doubted = self.doubts.iter().any(|(act, _)| self.covers(*act, family));
        if ends.is_empty() && !is_doubted {
            return;
        }
        let is_good = self.is_good_in_database(self.families[family].links[0].access);
        self.families[family].may_have_ended = is_doubted || !is_good;
        self.families[family].is_over = !is_good;
        if !is_good && !is_doubted && ends.iter().all(|done| done.is_done()) {
            self.families[family].ended_at = Some(round.end);
        }
    }

    pub fn note_changed(&mut self, round: &Round) {
        for number in 0..self.applications.len() {
            let changes: Vec<&Done> =
                round.acts.iter().filter(|done| done.act.changes_application(number)).collect();
            for done in &changes {
                match done.status() {
                    200 | 204 => {}
                    409 | 503 => {
                        self.seen.check(Property::AllOrNothing, round.may_fail, || done.text());
                        if !done.act.is_end() && done.has_failed() {
                            self.doubt(done.act);
                        }
                    }
                    _ => panic!("{}", done.text()),
                }
            }
            let application = &mut self.applications[number];
            match changes.as_slice() {
                [] => {}
                [Done { act: Act::Enable { is_active, .. }, response: Some(response), .. }]
                    if response.status() == 200 =>
                {
                    application.is_active = Some(*is_active);
                    // It is of a later revision now than what failed before.
                    self.doubts.retain(|(act, _)| !act.changes_application(number) || act.is_end());
                }
                [Done { act: Act::RotateSecret, response: Some(response), .. }]
                    if response.status() == 200 =>
                {
                    let secret = response.json()["client_secret"].as_str().expect("a secret").to_owned();
                    let old = application.client.client_secret.replace(secret);
                    application.old_secrets.extend(old);
                    application.knows_secret = true;
                }
                changes => {
                    let rotates = changes.iter().any(|done| done.act == Act::RotateSecret);
                    application.knows_secret &= !(rotates && number == CONFIDENTIAL);
                    if changes.iter().any(|done| done.act != Act::RotateSecret) {
                        application.is_active = None;
                    }
                }
            }
        }
    }
}
