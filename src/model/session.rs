//! A browser in which a person is logged in.

use std::fmt;

use super::family::TokenDigest;
use super::id::SessionId;
use super::time::{Lifetime, Timestamp};
use super::user::User;
use crate::crypto::encoding::{array_from_base64url, base64url};
use crate::crypto::{Random, random_bytes};

/// A row of `sessions`, with its user as they are now.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub user: User,
    /// When the person proved who they are.
    pub created_at: Timestamp,
}

/// A session, as the person sees it who has it.
#[derive(Clone, Debug)]
pub struct ListedSession {
    pub id: SessionId,
    /// What the browser said that it is.
    pub user_agent: String,
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without being used.
    pub idle: Lifetime,
    /// In any case.
    pub absolute: Lifetime,
}

/// A session as its browser knows it: base64url of its id (12 bytes) and a secret (32). Never stored, never logged.
pub struct SessionToken {
    text: String,
    id: SessionId,
}

const LENGTH: usize = SessionId::LENGTH + 32;

impl SessionToken {
    pub fn random(random: &dyn Random) -> Self {
        let id = SessionId::random(random);
        let secret: [u8; 32] = random_bytes(random);
        Self { text: base64url(&[id.as_bytes(), &secret].concat()), id }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = array_from_base64url(text)?;
        let id = SessionId::from_bytes(bytes.get(..SessionId::LENGTH)?)?;
        Some(Self { text: text.to_owned(), id })
    }

    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The clear value, for the cookie.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What the database knows it by.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.text)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}
