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

/// Documents, by where they were fetched from.
pub struct Published {
    documents: Bounded<String, Document>,
    to_renew: BTreeSet<String>,
}

#[derive(Clone)]
pub struct Document {
    pub content: Content,
    fetched_at: Timestamp,
    tried_at: Timestamp,
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
        Self { documents: Bounded::new(100), to_renew: BTreeSet::new() }
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

    pub fn remember(&mut self, url: &str, content: Content, now: Timestamp) {
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
}
