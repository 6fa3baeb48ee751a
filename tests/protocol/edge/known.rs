//! What the clients and the operator know, by what they were answered.

use postern::call::Request;

use crate::support::TestClient;
use crate::support::oauth1::Credentials;

pub struct Application<'a> {
    /// With the secret that it believes in.
    pub client: TestClient<'a>,
    /// None: a change failed, so either may be.
    pub is_active: Option<bool>,
    /// False after a rotation whose answer was lost.
    pub knows_secret: bool,
    /// What was rotated away, and answered so.
    pub old_secrets: Vec<String>,
}

/// A login, or a token of client credentials, and what came of it.
pub struct Family {
    pub application: usize,
    /// None for client credentials.
    pub user: Option<usize>,
    /// Each is what the refresh token of the one before led to.
    pub links: Vec<Link>,
    /// When an end of it was first answered 2xx.
    pub ended_at: Option<i64>,
    /// An end of it was sent and failed, or a refresh token of it was presented that may count as reuse.
    pub may_have_ended: bool,
    /// It may have ended, and the database says that it has.
    pub is_over: bool,
}

/// A pair.
pub struct Link {
    /// The number of the access token.
    pub access: usize,
    /// None for client credentials.
    pub refresh: Option<String>,
    /// The refresh token is good before the first, and not from the second on.
    pub expires: (i64, i64),
    pub answered_at: i64,
    /// How often the refresh token was presented, and when first.
    pub presented: u32,
    pub presented_at: i64,
}

pub struct Token {
    pub text: String,
    pub family: usize,
    /// The place in its family's chain.
    pub link: usize,
    /// It is good before the first, and not from the second on.
    pub expires: (i64, i64),
    /// The database has refused it, and will never accept it again.
    pub is_dead: bool,
}

/// An authorization code that was answered.
pub struct Code {
    pub text: String,
    pub application: usize,
    pub user: usize,
    /// It is good before the first, and not from the second on.
    pub expires: (i64, i64),
    /// How often its client has presented it.
    pub presented: u32,
    /// What it has bought.
    pub family: Option<usize>,
    /// A log-out everywhere was answered 2xx since.
    pub has_ended: bool,
    /// One was sent.
    pub may_have_ended: bool,
}

/// An access token of OAuth 1.0a that was answered.
pub struct Credential {
    pub token: Credentials,
    pub user: usize,
    /// An end of it was answered 2xx.
    pub has_ended: bool,
    /// One was sent.
    pub may_have_ended: bool,
}

/// A signed request, which may be delivered more than once.
pub struct Signed {
    pub request: Request,
    /// None: in the application's own name.
    pub credential: Option<usize>,
    /// The application's secret, as its client believed.
    pub secret: String,
    pub timestamp: i64,
    /// It was answered 200.
    pub honoured: bool,
    /// It failed, or was not answered.
    pub may_be_used: bool,
}

/// The settings of a schedule, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub lifetime: i64,
    pub refresh_lifetime: i64,
    pub grace: i64,
    pub cache: i64,
    pub are_writes_kept: bool,
}

impl Family {
    pub fn is_live(&self) -> bool {
        self.ended_at.is_none() && !self.may_have_ended
    }

    pub fn last(&self) -> usize {
        self.links.len() - 1
    }

    /// The refresh token of a link may count as reuse at `now`: it was presented before, and the grace may be over, or its
    /// successor was presented.
    pub fn may_be_reuse(&self, link: usize, now: i64, rules: Rules) -> bool {
        let Link { presented, presented_at, .. } = self.links[link];
        let is_late = presented > 1 && now >= presented_at + rules.grace;
        is_late || self.links.get(link + 1).is_some_and(|next| next.presented > 0)
    }

    /// It is reuse at `now`, if of the links so many were known: its successor was answered before the grace, or has been
    /// exchanged itself.
    pub fn is_reuse(&self, link: usize, known: usize, now: i64, rules: Rules) -> bool {
        let is_late = |next: &Link| now >= next.answered_at + rules.grace;
        link + 2 < known || link + 1 < known && self.links.get(link + 1).is_some_and(is_late)
    }

    /// The access token of a link may be gone at `now`, because a refresh replaced it.
    pub fn may_be_replaced(&self, link: usize, now: i64, rules: Rules) -> bool {
        let Link { presented, presented_at, .. } = self.links[link];
        let is_late = presented > 0 && now >= presented_at + rules.grace;
        is_late || self.links.get(link + 1).is_some_and(|next| next.presented > 0)
    }
}
