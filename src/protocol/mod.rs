//! What the RFCs define: parameters, error codes, credentials, URIs. Pure functions, no I/O.

pub mod authorization;
pub mod authorization_request;
pub mod error;
pub mod grant_type;
pub mod json;
pub mod jwk;
pub mod jwt;
pub mod oauth1;
pub mod params;
pub mod pkce;
pub mod uri;
