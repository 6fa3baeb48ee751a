//! Signed requests of OAuth 1.0a: what a nonce was good for, and what has ended.

use super::act::{Act, CONFIDENTIAL};
use super::known::{Credential, Signed};
use super::seen::{Case, Property};
use super::world::{Done, Round, World};
use crate::support::oauth1::{Credentials, SigningClient};

/// How far a timestamp may be from now, in seconds.
pub const WINDOW: i64 = 300;

impl World<'_> {
    /// The application as one that signs.
    pub fn signing_client(&self) -> SigningClient<'_> {
        SigningClient::of(&self.applications[CONFIDENTIAL].client, self.origin)
    }

    /// A request signed by a clock that is so far ahead, with an access token, or in the application's own name.
    pub fn sign(&mut self, credential: Option<usize>, ahead: i64) -> Act {
        let client = self.signing_client();
        let client = match credential {
            Some(number) => client.with_token(&self.credentials[number].token),
            None => client,
        };
        let timestamp = self.edge.now() + ahead;
        let unsigned = client.unsigned("GET", "https://api.example/photos");
        let request = unsigned.oauth("oauth_timestamp", &timestamp.to_string()).forwarded("");
        let secret = client.consumer_secret.clone();
        self.signed.push(Signed {
            request,
            credential,
            secret,
            timestamp,
            honoured: false,
            may_be_used: false,
        });
        Act::Sign { signed: self.signed.len() - 1 }
    }

    /// From when an end is sent, what it covers may have ended.
    pub fn note_sent_ends_of_credentials(&mut self, round: &Round) {
        let sent = round.acts.iter().map(|done| done.act);
        let acts: Vec<Act> = sent.chain(self.doubts.iter().map(|(act, _)| *act)).collect();
        for credential in &mut self.credentials {
            credential.may_have_ended |= acts.iter().any(|act| ends(*act, credential.user));
        }
    }

    /// What was known before it was sent has ended once it is answered.
    pub fn note_ended_credentials(&mut self, round: &Round) {
        for done in round.acts.iter().filter(|done| done.is_done()) {
            for credential in &mut self.credentials[..round.credentials] {
                credential.has_ended |= ends(done.act, credential.user);
            }
        }
    }

    pub fn note_xauth(&mut self, user: usize, done: &Done, round: &Round) {
        let acts = round.acts.iter().map(|done| done.act).chain(self.doubts.iter().map(|(act, _)| *act));
        let was_changed = acts.into_iter().any(|act| ends(act, user));
        let response = done.response.as_ref();
        match done.status() {
            200 => {
                self.check_not_disabled(CONFIDENTIAL, done, round);
                let token: Credentials = response.expect("an answer").credentials();
                let (has_ended, may_have_ended) = (false, was_changed);
                self.credentials.push(Credential { token, user, has_ended, may_have_ended });
            }
            400 if response.is_some_and(|response| response.text().starts_with("xAuth username")) => {
                self.seen.check(Property::AsTold, was_changed, || done.text());
            }
            400 | 401 => {
                let may_refuse = self.may_refuse_client(CONFIDENTIAL, round);
                self.seen.check(Property::AsTold, may_refuse, || done.text());
            }
            503 => self.seen.check(Property::NoLoss, round.may_fail, || done.text()),
            _ => panic!("{}", done.text()),
        }
    }

    pub fn note_signed(&mut self, number: usize, done: &Done, round: &Round) {
        let at_once = round.acts.iter().filter(|other| other.act == done.act).count();
        let Signed { credential, timestamp, honoured, may_be_used, ref secret, .. } = self.signed[number];
        let credential = credential.map(|number| &self.credentials[number]);
        let application = &self.applications[CONFIDENTIAL];
        let is_replaced = application.old_secrets.contains(secret);
        let has_ended = credential.is_some_and(|credential| credential.has_ended);
        match done.status() {
            200 => {
                self.seen.check(Property::Nonce, !honoured, || done.text());
                self.seen.check(Property::SignedEnd, !has_ended, || done.text());
                let is_stale = round.start > timestamp + WINDOW;
                self.seen.check(Property::Nonce, !is_stale, || format!("stale: {}", done.text()));
                self.seen
                    .check(Property::SignedEnd, !is_replaced, || format!("an old secret: {}", done.text()));
                self.check_not_disabled(CONFIDENTIAL, done, round);
                let shown = done.response.as_ref().expect("an answer").json();
                let username = credential.map(|credential| self.users[credential.user].as_str());
                self.seen.check(Property::AsTold, shown["username"].as_str() == username, || done.text());
                self.seen.note(Case::Signed);
                self.signed[number].honoured = true;
            }
            401 => {
                let is_current = application.client.client_secret.as_ref() == Some(secret);
                let may_refuse = self.may_refuse_client(CONFIDENTIAL, round) || !is_current;
                let is_stale = round.end > timestamp + WINDOW;
                let may_have_ended = credential.is_some_and(|credential| credential.may_have_ended);
                let is_used = honoured || may_be_used || at_once > 1;
                let may_be = may_refuse || is_stale || may_have_ended || is_used;
                self.seen.check(Property::GoodAtOnce, may_be, || done.text());
                for (case, is_seen) in [
                    (Case::SignedAgain, honoured && !is_stale && !has_ended),
                    (Case::SignedStale, honoured && is_stale),
                    (Case::SignedAfterTheEnd, has_ended && !is_stale && !is_used),
                    (Case::SignedByAnOldSecret, is_replaced && !is_stale && !is_used),
                ] {
                    if is_seen {
                        self.seen.note(case);
                    }
                }
            }
            503 => self.seen.check(Property::GoodAtOnce, round.may_fail, || done.text()),
            _ => panic!("{}", done.text()),
        }
        self.signed[number].may_be_used |= done.has_failed();
    }
}

/// It ends what this user's access tokens of OAuth 1.0a are good for.
fn ends(act: Act, user: usize) -> bool {
    match act {
        Act::EndUser { user: ended, .. } => ended == user,
        Act::Enable { application, is_active } => application == CONFIDENTIAL && !is_active,
        _ => false,
    }
}
