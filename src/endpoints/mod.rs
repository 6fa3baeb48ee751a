//! For programs: one file for each endpoint, HTTP request in, HTTP response out.

pub mod admin;
pub mod authorize;
pub mod client_auth;
pub mod cors;
pub mod discovery;
pub mod healthz;
pub mod housekeeping;
pub mod introspect;
pub mod oauth1;
pub mod respond;
pub mod revoke_token;
pub mod sign_up;
pub mod social;
pub mod token;
pub mod validate;
