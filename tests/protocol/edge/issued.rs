//! What was issued: by logins, client credentials and refreshes.

use super::act::{Act, CONFIDENTIAL, name};
use super::known::{Family, Link, Token};
use super::seen::{Case, Property};
use super::world::{Done, Round, World};
use crate::support::Tokens;

impl World<'_> {
    pub fn note_presented(&mut self, round: &Round) {
        for done in &round.acts {
            if let Act::Refresh { family, link } = done.act {
                let link = &mut self.families[family].links[link];
                if link.presented == 0 {
                    link.presented_at = round.start;
                }
                link.presented += 1;
            }
        }
        for done in &round.acts {
            let Act::Refresh { family, link } = done.act else { continue };
            if self.families[family].may_be_reuse(link, round.end, self.rules) {
                self.families[family].may_have_ended = true;
                self.families[family].is_over = false;
                if done.has_failed() {
                    self.doubt(done.act);
                }
            }
        }
    }

    pub fn note_issued(&mut self, round: &Round) {
        for done in &round.acts {
            match done.act {
                Act::LogIn { application, user } => self.note_login(application, Some(user), done, round),
                Act::ClientCredentials => self.note_login(CONFIDENTIAL, None, done, round),
                Act::Refresh { family, link } => self.note_refresh(family, link, done, round),
                Act::OldSecret { .. } => {
                    let is_refused = done.status() == 401 || done.has_failed();
                    self.seen.check(Property::AsTold, is_refused, || done.text());
                    self.seen.note(Case::OldSecret);
                }
                Act::SignUp { number } => self.note_sign_up(number, done, round),
                Act::Authorize { application, user } => self.note_authorized(application, user, done, round),
                Act::Exchange { code, is_thief: false } => self.note_exchanged(code, done, round),
                Act::Exchange { code, is_thief: true } => self.note_stolen(code, done, round),
                Act::Xauth { user } => self.note_xauth(user, done, round),
                Act::Sign { signed } => self.note_signed(signed, done, round),
                _ => {}
            }
        }
    }

    pub fn note_login(&mut self, application: usize, user: Option<usize>, done: &Done, round: &Round) {
        match done.status() {
            200 => {
                self.check_not_disabled(application, done, round);
                self.note_family(application, user, done, round);
            }
            400 => {
                // A log-out in the middle of a login.
                let is_end =
                    |act: Act| matches!(act, Act::EndUser { user: ended, .. } if Some(ended) == user);
                let was_changed = round.acts.iter().any(|done| is_end(done.act))
                    || self.doubts.iter().any(|(act, _)| is_end(*act));
                self.seen.check(Property::AsTold, was_changed, || done.text());
            }
            _ => self.check_refused_client(application, done, round),
        }
    }

    /// The tokens of a new family.
    pub fn note_family(
        &mut self,
        application: usize,
        user: Option<usize>,
        done: &Done,
        round: &Round,
    ) -> Tokens {
        let tokens = done.response.as_ref().expect("an answer").tokens();
        let family = Family {
            application,
            user,
            links: Vec::new(),
            ended_at: None,
            may_have_ended: false,
            is_over: false,
        };
        self.families.push(family);
        self.note_pair(self.families.len() - 1, tokens.clone(), round.start, round);
        tokens
    }

    pub fn check_not_disabled(&self, application: usize, done: &Done, round: &Round) {
        let is_disabled = self.is_disabled(application, round);
        self.seen.check(Property::AsTold, !is_disabled, || {
            format!("the application is disabled: {}", done.text())
        });
    }

    /// Who may not, or a failure.
    pub fn check_refused_client(&self, application: usize, done: &Done, round: &Round) {
        match done.status() {
            401 => {
                let may_refuse = self.may_refuse_client(application, round);
                self.seen.check(Property::AsTold, may_refuse, || done.text());
                if self.is_disabled(application, round) {
                    self.seen.note(Case::DisabledApplication);
                }
            }
            503 => self.seen.check(Property::NoLoss, round.may_fail, || done.text()),
            _ => panic!("{}", done.text()),
        }
    }

    fn note_refresh(&mut self, number: usize, link: usize, done: &Done, round: &Round) {
        let family = &self.families[number];
        let Family { application, .. } = *family;
        let is_reuse = family.is_reuse(link, round.links[number], round.start, self.rules);
        match done.status() {
            200 => {
                let refresh_token = family.links[link].refresh.clone().expect("a refresh token");
                let has_ended = round.ended_at[number].is_some();
                self.seen.check(Property::Bound, !has_ended, || format!("it had ended: {}", done.text()));
                self.seen.check(Property::Once, !is_reuse, || format!("reuse: {}", done.text()));
                // What was exchanged in time is answered again in the grace.
                let is_first = family.links[link].presented == 1;
                let is_expired = is_first && round.start >= family.links[link].expires.1;
                self.seen.check(Property::Bound, !is_expired, || format!("it had expired: {}", done.text()));
                self.check_not_disabled(application, done, round);
                let tokens = done.response.as_ref().expect("an answer").tokens();
                self.note_honoured(number, link, refresh_token, tokens, done, round);
            }
            400 => {
                let is_expired = round.end >= family.links[link].expires.0;
                let is_live = family.is_live() && !is_expired;
                self.seen.check(Property::NoLoss, !is_live, || done.text());
                if let Some(presented) = &round.presented {
                    self.seen.check(Property::NoLoss, !presented.is_present || is_expired, || {
                        format!("the database has it: {}", done.text())
                    });
                    self.seen.note(Case::LostOutsideTheGrace);
                }
                let mut ends = round.acts.iter().filter(|done| done.act.is_end());
                let is_ended_by_others = ends.any(|done| self.covers(done.act, number));
                let last = &self.families[number].links[self.families[number].last()];
                if is_reuse && round.was_live[number] && !is_ended_by_others && round.end < last.expires.0 {
                    self.seen.note(Case::Reuse);
                    self.note_end(number, done, round);
                }
            }
            _ => self.check_refused_client(application, done, round),
        }
    }

    /// Whatever is good once leads to the same, whoever presents it where and how often.
    fn note_honoured(
        &mut self,
        family: usize,
        link: usize,
        credential: String,
        tokens: Tokens,
        done: &Done,
        round: &Round,
    ) {
        if let Some(before) = self.honoured.get(&credential) {
            let is_same =
                before.access_token == tokens.access_token && before.refresh_token == tokens.refresh_token;
            self.seen.check(Property::Once, is_same, || done.text());
            self.seen.note(Case::IdenticalPair);
            return;
        }
        self.honoured.insert(credential, tokens.clone());
        let Link { presented, presented_at, .. } = self.families[family].links[link];
        if presented > 1 && presented_at < round.start {
            self.seen.note(Case::PairAfterLostAnswer);
        }
        self.note_pair(family, tokens, presented_at, round);
    }

    /// `made_at`: when it was made, at the earliest.
    fn note_pair(&mut self, number: usize, tokens: Tokens, made_at: i64, round: &Round) {
        let rules = self.rules;
        let family = &mut self.families[number];
        self.tokens.push(Token {
            text: tokens.access_token,
            family: number,
            link: family.links.len(),
            expires: (round.start + tokens.expires_in, round.end + tokens.expires_in),
            is_dead: false,
        });
        family.links.push(Link {
            access: self.tokens.len() - 1,
            refresh: tokens.refresh_token,
            expires: (made_at + rules.refresh_lifetime, round.end + rules.refresh_lifetime),
            answered_at: round.end,
            presented: 0,
            presented_at: 0,
        });
    }

    fn note_sign_up(&mut self, number: usize, done: &Done, round: &Round) {
        match done.status() {
            201 => self.note_user(number),
            400 => {
                let at_once = round.acts.iter().filter(|done| done.act == Act::SignUp { number }).count() > 1;
                let may_be_there =
                    at_once || self.tried_names.contains(&number) || self.users.contains(&name(number));
                self.seen.check(Property::AllOrNothing, may_be_there, || done.text());
                if self.tried_names.contains(&number) {
                    self.note_user(number);
                }
            }
            503 => {
                self.seen.check(Property::NoLoss, round.may_fail, || done.text());
                self.tried_names.insert(number);
                self.doubt(done.act);
            }
            _ => panic!("{}", done.text()),
        }
    }

    fn note_user(&mut self, number: usize) {
        if !self.users.contains(&name(number)) {
            self.seen.note(Case::SignedUp);
            self.users.push(name(number));
        }
    }
}
