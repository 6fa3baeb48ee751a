//! Identity providers: the table of them, asking them about a proof, and matching a person to a user.

mod access_token;
mod ask;
pub mod authorization_request;
mod client_secret;
pub mod code;
mod error;
mod id_token;
pub mod metadata;
mod profile;
pub mod proof;
pub mod provider;
pub mod revoke;
mod setting;
pub mod user;

pub use error::SocialError;
