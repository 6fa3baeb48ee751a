//! Authorization codes: what they were issued for, what they bought, and what a replay ends.

use super::act::Act;
use super::known::Code;
use super::schedule::CODE_LIFETIME;
use super::seen::{Case, Property};
use super::world::{Done, Round, World};
use crate::support::{CALLBACK, Landing};

impl World<'_> {
    /// Logs the user in by the page, where nothing goes wrong, if they are not.
    pub fn open_session(&mut self, user: usize) {
        if !self.sessions.contains_key(&user) {
            let browser = self.origin.browser();
            browser.log_in(&self.users[user]);
            self.sessions.insert(user, browser.cookies());
        }
    }

    /// A log-out everywhere ends sessions and codes, too; one that failed may do so later.
    pub fn note_sent_ends_of_sessions(&mut self, round: &Round) {
        let doubted = self.doubts.iter().map(|(act, _)| *act);
        for act in round.acts.iter().map(|done| done.act).chain(doubted) {
            let Act::EndUser { user, .. } = act else { continue };
            self.sessions.remove(&user);
            for code in self.codes.iter_mut().filter(|code| code.user == user) {
                code.may_have_ended = true;
            }
        }
    }

    /// Until it is answered, whoever asks at the same time may be sooner.
    fn note_ended_codes(&mut self, user: usize) {
        for code in self.codes.iter_mut().filter(|code| code.user == user) {
            code.has_ended = true;
        }
    }

    pub fn note_presented_codes(&mut self, round: &Round) {
        for done in &round.acts {
            if let Act::Exchange { code, is_thief: false } = done.act {
                self.codes[code].presented += 1;
            }
        }
        for done in &round.acts {
            let Act::Exchange { code, is_thief: false } = done.act else { continue };
            if let Some(family) = self.codes[code].family {
                self.families[family].may_have_ended = true;
                self.families[family].is_over = false;
                if done.has_failed() {
                    self.doubt(done.act);
                }
            }
        }
    }

    /// Somebody has tried to log the user out of everywhere, or may still do so.
    fn may_be_logged_out(&self, user: usize, round: &Round) -> bool {
        let is_end = |act: Act| matches!(act, Act::EndUser { user: ended, .. } if ended == user);
        round.acts.iter().any(|done| is_end(done.act)) || self.doubts.iter().any(|(act, _)| is_end(*act))
    }

    pub fn note_authorized(&mut self, application: usize, user: usize, done: &Done, round: &Round) {
        match done.status() {
            303 => {}
            // A page: to an application that is disabled nothing goes back.
            400 => {
                let may_refuse = self.may_refuse_client(application, round);
                return self.seen.check(Property::AsTold, may_refuse, || done.text());
            }
            503 => return self.seen.check(Property::NoLoss, round.may_fail, || done.text()),
            _ => panic!("{}", done.text()),
        }
        let landing = Landing::of(done.response.as_ref().expect("an answer"));
        if landing.uri != CALLBACK {
            let may_be_over = self.may_be_logged_out(user, round);
            self.seen.check(Property::NoLoss, may_be_over, || format!("{landing:?}: {}", done.text()));
            self.sessions.remove(&user);
            return;
        }
        let Some(text) = landing.params.optional("code") else {
            assert_eq!(landing.get("error"), "temporarily_unavailable");
            return self.seen.check(Property::NoLoss, round.may_fail, || format!("{landing:?}"));
        };
        self.check_not_disabled(application, done, round);
        self.seen.note(Case::Authorized);
        self.codes.push(Code {
            text: text.to_owned(),
            application,
            user,
            expires: (round.start + CODE_LIFETIME, round.end + CODE_LIFETIME),
            presented: 0,
            family: None,
            has_ended: false,
            may_have_ended: self.may_be_logged_out(user, round),
        });
    }

    pub fn note_exchanged(&mut self, number: usize, done: &Done, round: &Round) {
        let Code { application, user, expires, presented, family, has_ended, may_have_ended, .. } =
            self.codes[number];
        let at_once = round.acts.iter().filter(|other| other.act == done.act).count();
        match done.status() {
            200 => {
                self.seen.check(Property::Once, family.is_none(), || format!("again: {}", done.text()));
                self.seen.check(Property::Bound, !has_ended, || format!("it had ended: {}", done.text()));
                let is_expired = round.start >= expires.1;
                self.seen.check(Property::Bound, !is_expired, || format!("it had expired: {}", done.text()));
                self.check_not_disabled(application, done, round);
                let family = self.families.len();
                let tokens = self.note_family(application, Some(user), done, round);
                let is_new = self.honoured.insert(self.codes[number].text.clone(), tokens).is_none();
                self.seen.check(Property::Once, is_new, || done.text());
                self.codes[number].family = Some(family);
                self.seen.note(Case::Exchanged);
                if presented as usize > at_once {
                    self.seen.note(Case::ExchangeAfterFailure);
                }
            }
            400 => {
                let is_expired = round.end >= expires.0;
                let is_first = presented == 1 && !is_expired && !may_have_ended;
                self.seen.check(Property::NoLoss, !is_first, || done.text());
                if is_expired && presented == 1 {
                    self.seen.note(Case::ExpiredCode);
                }
                let bought = family.filter(|family| round.was_live.get(*family) == Some(&true));
                if let Some(family) = bought {
                    // It is remembered until the first access token would have expired.
                    let first = &self.tokens[self.families[family].links[0].access];
                    if round.end < first.expires.0 {
                        self.seen.note(Case::Replay);
                        self.note_end(family, done, round);
                    }
                }
            }
            _ => self.check_refused_client(application, done, round),
        }
    }

    /// Of simultaneous exchanges one is answered, and whoever else is refused has ended what it bought.
    pub fn note_replayed_at_once(&mut self, family: usize, round: &Round) {
        let Some(number) = self.codes.iter().position(|code| code.family == Some(family)) else { return };
        let exchange = Act::Exchange { code: number, is_thief: false };
        let others: Vec<&Done> =
            round.acts.iter().filter(|done| done.act == exchange && done.status() != 200).collect();
        if others.is_empty() {
            return;
        }
        let Code { user, expires, .. } = self.codes[number];
        let ended = others.iter().find(|done| done.status() == 400);
        let may_be_other = self.may_be_logged_out(user, round) || round.end >= expires.0;
        let is_good = self.is_good_in_database(self.families[family].links[0].access);
        if let Some(done) = ended.filter(|_| !may_be_other) {
            self.seen.check(Property::Once, !is_good, || format!("its tokens are good: {}", done.text()));
            self.seen.note(Case::ReplayAtOnce);
            for done in others.iter().filter(|done| done.status() == 400) {
                self.note_end(family, done, round);
            }
            return;
        }
        self.families[family].may_have_ended = true;
        self.families[family].is_over = !is_good;
        for done in others.iter().filter(|done| done.has_failed()) {
            self.doubt(done.act);
        }
    }

    /// Who has only seen a code gets nothing, uses nothing up and ends nothing: what comes after would show it.
    pub fn note_stolen(&self, number: usize, done: &Done, round: &Round) {
        self.seen.note(Case::StolenCode);
        match done.status() {
            400 => {}
            200 => self.seen.check(Property::Once, false, || format!("a thief: {}", done.text())),
            _ => self.check_refused_client(self.codes[number].application, done, round),
        }
    }

    pub fn note_logged_out(&mut self, round: &Round) {
        for done in round.acts.iter().filter(|done| done.is_done()) {
            if let Act::EndUser { user, .. } = done.act {
                self.note_ended_codes(user);
            }
        }
    }
}
