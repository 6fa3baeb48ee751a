//! What identity providers publish: their keys and their metadata.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Bounded;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::jwk::JwkSet;
use crate::social::provider::Endpoints;

/// How long a document is used without a look whether there is another.
const FRESH: Lifetime = Lifetime(3_600);

/// How long it is used while another one is fetched, or cannot be.
const STALE: Lifetime = Lifetime(86_400);

/// How often a document is fetched because it lacks a key, at the most: who makes tokens up must not make us ask.
const AGAIN: Lifetime = Lifetime(60);

/// How often, in that time, a document that is not there is asked for in vain: who makes tokens up, or opens the way to a
/// provider again and again, must not make us ask. More than once, since a provider that is back is to be used at once.
const MOST_IN_VAIN: u32 = 10;

/// Documents, by where they were fetched from.
pub struct Published {
    documents: Bounded<String, Document>,
    in_vain: Bounded<String, InVain>,
    to_renew: BTreeSet<String>,
}

#[derive(Clone)]
pub struct Document {
    pub content: Content,
    fetched_at: Timestamp,
    tried_at: Timestamp,
}

/// How often a document was asked for in vain.
struct InVain {
    since: Timestamp,
    times: u32,
}

#[derive(Clone)]
pub enum Content {
    Keys(Rc<JwkSet>),
    /// Of an issuer (OIDC Discovery §3).
    Metadata {
        issuer: Rc<str>,
        endpoints: Rc<Endpoints>,
    },
}

impl Default for Published {
    fn default() -> Self {
        Self { documents: Bounded::new(100), in_vain: Bounded::new(100), to_renew: BTreeSet::new() }
    }
}

impl Published {
    /// A document that can be used; if it is not fresh, it is to be renewed.
    pub fn find(&mut self, url: &str, now: Timestamp) -> Option<Content> {
        let document = self.documents.get(url).filter(|document| document.fetched_at + STALE > now)?;
        if document.fetched_at + FRESH <= now && document.tried_at + AGAIN <= now {
            self.to_renew.insert(url.to_owned());
        }
        Some(document.content.clone())
    }

    /// True if it may be fetched because it lacks something: notes that it is.
    pub fn begin_again(&mut self, url: &str, now: Timestamp) -> bool {
        match self.documents.get_mut(url) {
            Some(document) if document.tried_at + AGAIN > now => false,
            Some(document) => {
                document.tried_at = now;
                true
            }
            None => true,
        }
    }

    /// False if it was asked for in vain too often a moment ago.
    pub fn may_ask(&self, url: &str, now: Timestamp) -> bool {
        let in_vain = self.in_vain.get(url).filter(|in_vain| in_vain.since + AGAIN > now);
        in_vain.is_none_or(|in_vain| in_vain.times < MOST_IN_VAIN)
    }

    /// It could not be fetched, or not be used.
    pub fn note_in_vain(&mut self, url: &str, now: Timestamp) {
        match self.in_vain.get_mut(url) {
            Some(in_vain) if in_vain.since + AGAIN > now => in_vain.times = in_vain.times.saturating_add(1),
            _ => self.in_vain.insert(url.to_owned(), InVain { since: now, times: 1 }),
        }
    }

    pub fn remember(&mut self, url: &str, content: Content, now: Timestamp) {
        self.in_vain.remove(url);
        self.documents.insert(url.to_owned(), Document { content, fetched_at: now, tried_at: now });
    }

    pub fn is_to_renew(&self) -> bool {
        !self.to_renew.is_empty()
    }

    /// What is to be fetched anew, and what it is; notes that it is.
    pub fn take_to_renew(&mut self, now: Timestamp) -> Vec<(String, Content)> {
        let urls = std::mem::take(&mut self.to_renew);
        let begin = |url: String| {
            let document = self.documents.get_mut(&url)?;
            document.tried_at = now;
            Some((url, document.content.clone()))
        };
        urls.into_iter().filter_map(begin).collect()
    }

    /// What is remembered gets older, for the tests in workerd.
    #[cfg(feature = "test_hooks")]
    pub fn age(&mut self, by: Lifetime) {
        for document in self.documents.values_mut() {
            document.fetched_at = Timestamp(document.fetched_at.0.saturating_sub(by.0));
            document.tried_at = Timestamp(document.tried_at.0.saturating_sub(by.0));
        }
    }
}
