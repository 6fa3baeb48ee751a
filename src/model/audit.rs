//! What the operator can look up afterwards: who did what, when, and from where.

use std::fmt;

use super::address::Address;
use super::id::{ApplicationId, UserId};

/// Something that has been done.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub by: By,
    pub action: Action,
    /// The id of what it was done to; of nothing that could be used.
    pub target: String,
}

/// Who does something, and from where if Cloudflare says so.
#[derive(Clone, Copy, Debug)]
pub struct By {
    pub actor: Actor,
    pub address: Option<Address>,
}

#[derive(Clone, Copy, Debug)]
pub enum Actor {
    /// Who holds `ADMIN_TOKEN`.
    Operator,
    User(UserId),
    Application(ApplicationId),
    /// Somebody who has not proven who they are.
    Anybody,
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    SignedUp,
    LoggedIn,
    LoggedOut,
    SessionEnded,
    OtherSessionsEnded,
    Authorized,
    GrantEnded,
    TokensRevoked,
    RefreshTokensRevoked,
    RefreshTokenReused,
    AuthorizationCodeReused,
    AccountLocked,
    AddressBlocked,
    UserCreated,
    UserChanged,
    UserDeleted,
    UserLoggedOut,
    PasswordSet,
    PasswordReset,
    EmailVerified,
    ApplicationCreated,
    ApplicationChanged,
    ApplicationDeleted,
    SecretRotated,
    SocialAccountLinked,
    SocialAccountDisconnected,
}

impl By {
    /// `action`, done to what has this id.
    pub fn did(self, action: Action, target: impl fmt::Display) -> AuditEvent {
        AuditEvent { by: self, action, target: target.to_string() }
    }
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::LoggedIn => "logged_in",
            Self::LoggedOut => "logged_out",
            Self::SessionEnded => "session_ended",
            Self::OtherSessionsEnded => "other_sessions_ended",
            Self::Authorized => "authorized",
            Self::GrantEnded => "grant_ended",
            Self::TokensRevoked => "tokens_revoked",
            Self::RefreshTokensRevoked => "refresh_tokens_revoked",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::AuthorizationCodeReused => "authorization_code_reused",
            Self::AccountLocked => "account_locked",
            Self::AddressBlocked => "address_blocked",
            Self::UserCreated => "user_created",
            Self::UserChanged => "user_changed",
            Self::UserDeleted => "user_deleted",
            Self::UserLoggedOut => "user_logged_out",
            Self::PasswordSet => "password_set",
            Self::PasswordReset => "password_reset",
            Self::EmailVerified => "email_verified",
            Self::ApplicationCreated => "application_created",
            Self::ApplicationChanged => "application_changed",
            Self::ApplicationDeleted => "application_deleted",
            Self::SecretRotated => "secret_rotated",
            Self::SocialAccountLinked => "social_account_linked",
            Self::SocialAccountDisconnected => "social_account_disconnected",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Application(id) => write!(f, "application {id}"),
            Self::Anybody => f.write_str("anybody"),
        }
    }
}
