//! A family: one login, and all the tokens that come of it. One row, rewritten by each refresh.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::id::{ApplicationId, FamilyId, GrantId, UserId};
use super::scope::Scope;
use super::time::Timestamp;
use crate::crypto::encoding::{base64url, from_base64url};
use crate::crypto::secret::same_bytes;
use crate::crypto::sha256;

/// What the database and KV know a token by: the SHA-256 of its text.
#[derive(Clone, Copy, Debug)]
pub struct TokenDigest([u8; 32]);

/// A row of `families`, with the state of what it hangs on.
#[derive(Clone, Debug)]
pub struct Family {
    pub id: FamilyId,
    pub application: FamilyApplication,
    /// None for client credentials.
    pub user: Option<FamilyUser>,
    /// What the resource owner granted; refreshes may narrow it for a token, never widen it.
    pub scope: Scope,
    pub access: IssuedToken,
    /// The access token before, good until the end of the grace.
    pub previous_access: Option<IssuedToken>,
    pub refresh: Option<RefreshState>,
    pub ended_at: Option<Timestamp>,
    /// The access token is one of OAuth 1.0a: its secret, sealed.
    pub oauth1_secret: Option<String>,
}

/// The application of a family, as it was then and as it is now.
#[derive(Clone, Debug)]
pub struct FamilyApplication {
    pub id: ApplicationId,
    pub epoch: i64,
    /// None if it has been deleted.
    pub now: Option<ApplicationNow>,
}

#[derive(Clone, Debug)]
pub struct ApplicationNow {
    pub client_id: String,
    pub is_active: bool,
    pub token_epoch: i64,
}

/// The user of a family, as they were then and as they are now.
#[derive(Clone, Debug)]
pub struct FamilyUser {
    pub id: UserId,
    pub epoch: i64,
    pub grant_id: GrantId,
    /// The grant has been ended, or is gone.
    pub grant_ended: bool,
    /// None if the user has been deleted.
    pub now: Option<UserNow>,
}

#[derive(Clone, Debug)]
pub struct UserNow {
    pub username: String,
    pub is_active: bool,
    pub token_epoch: i64,
}

/// What is kept of an access token.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    pub digest: TokenDigest,
    pub scope: Scope,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What is kept of the refresh tokens.
#[derive(Clone, Debug)]
pub struct RefreshState {
    pub digest: TokenDigest,
    /// When the present one expires; none: never.
    pub expires_at: Option<Timestamp>,
    pub rotation: Option<Rotation>,
}

/// The last rotation. Together with the token that was presented, its nonce leads to the pair that was answered.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The token that was presented. Where tokens are not rotated, still the present one.
    pub previous_digest: TokenDigest,
    pub nonce: RotationNonce,
    pub at: Timestamp,
}

/// The id of the key that derived the pair, and sixteen random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationNonce([u8; 17]);

impl Family {
    /// Checks all that could have ended it, but for the expiry of single tokens.
    ///
    /// # Errors
    /// Why none of its tokens is good any more, for the operator's log.
    pub fn check_live(&self) -> Result<Live<'_>, &'static str> {
        if self.ended_at.is_some() {
            return Err("the family has ended");
        }
        let application = self.application.now.as_ref().ok_or("the application has been deleted")?;
        if !application.is_active || application.token_epoch != self.application.epoch {
            return Err("the application is disabled, or has been since");
        }
        let Some(user) = &self.user else {
            return Ok(Live { application, user: None });
        };
        let user_now = user.now.as_ref().ok_or("the user has been deleted")?;
        if !user_now.is_active {
            return Err("the user is disabled");
        }
        if user_now.token_epoch != user.epoch {
            return Err("the user has been logged out everywhere");
        }
        if user.grant_ended {
            return Err("the grant has ended");
        }
        Ok(Live { application, user: Some((user, user_now)) })
    }

    /// The access token with this digest, if it is the present one or the one before.
    pub fn access_token(&self, digest: &TokenDigest) -> Option<&IssuedToken> {
        std::iter::once(&self.access).chain(&self.previous_access).find(|issued| issued.digest == *digest)
    }
}

/// What a live family hangs on.
pub struct Live<'a> {
    pub application: &'a ApplicationNow,
    pub user: Option<(&'a FamilyUser, &'a UserNow)>,
}

impl RefreshState {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl TokenDigest {
    pub fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    pub fn parse(text: &str) -> Option<Self> {
        from_base64url(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        same_bytes(&self.0, &other.0)
    }
}

impl Eq for TokenDigest {}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl RotationNonce {
    pub fn new(key_id: u8, random: [u8; 16]) -> Self {
        let mut bytes = [key_id; 17];
        for (to, from) in bytes.iter_mut().skip(1).zip(random) {
            *to = from;
        }
        Self(bytes)
    }

    pub fn parse(text: &str) -> Option<Self> {
        from_base64url(text)?.try_into().ok().map(Self)
    }

    pub fn key_id(&self) -> u8 {
        let [key_id, ..] = self.0;
        key_id
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RotationNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}
