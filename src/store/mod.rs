//! SQL, nothing else: one file for each table, and one for what is sealed in several.

pub mod applications;
pub mod attempts;
pub mod audit_events;
pub mod authorization_codes;
pub mod database;
pub mod expired;
pub mod families;
pub mod grants;
pub mod mail_links;
pub mod oauth1_nonces;
pub mod oauth1_tokens;
pub mod provider_tokens;
pub mod purges;
pub mod sealed;
pub mod sessions;
pub mod social_accounts;
pub mod users;
