//! What is issued: access and refresh tokens; minting, finding (isolate → KV → D1) and ending them.

pub mod find;
pub mod mint;
pub mod oauth1;
pub mod record;
pub mod revoke;
pub mod token;
