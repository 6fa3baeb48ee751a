//! People as identity providers know them.

use serde_json::{Value, json};

use super::id::{SocialAccountId, UserId};
use super::time::Timestamp;
use crate::crypto::secret::Secret;

/// What a provider says of a person who has just shown who they are.
#[derive(Debug)]
pub struct Identity {
    pub provider: String,
    /// Never given to anybody else there: `sub`, or an id. Never an e-mail address.
    pub uid: String,
    pub username: Option<String>,
    pub email: Option<Email>,
    pub first_name: String,
    pub last_name: String,
    pub tokens: Option<ProviderTokens>,
}

/// An e-mail address, and whether the provider has verified that it is theirs.
#[derive(Clone, Debug)]
pub struct Email {
    pub address: String,
    pub is_verified: bool,
}

/// A row of `social_accounts`, without the tokens.
#[derive(Clone, Debug)]
pub struct SocialAccount {
    pub id: SocialAccountId,
    pub user_id: UserId,
    pub provider: String,
    pub uid: String,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

/// A provider's tokens, for calls in a user's name. At rest they are sealed.
#[derive(Clone, Debug)]
pub struct ProviderTokens {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    /// None: unknown, or never.
    pub expires_at: Option<Timestamp>,
    pub scope: Option<String>,
}

impl ProviderTokens {
    /// What is sealed.
    pub fn to_json(&self) -> Value {
        json!({
            "access_token": self.access_token.expose(),
            "refresh_token": self.refresh_token.as_ref().map(Secret::expose),
            "expires_at": self.expires_at.map(|at| at.0),
            "scope": self.scope,
        })
    }

    /// What [`ProviderTokens::to_json`] has made.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            access_token: Secret::new(text("access_token")?),
            refresh_token: text("refresh_token").map(Secret::new),
            expires_at: value.get("expires_at").and_then(Value::as_i64).map(Timestamp),
            scope: text("scope"),
        })
    }
}
