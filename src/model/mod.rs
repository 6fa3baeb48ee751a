//! What exists: applications, users, scopes, families of tokens. Data and its rules, no I/O.

pub mod address;
pub mod application;
pub mod audit;
pub mod authorization_code;
pub mod family;
pub mod fields;
pub mod id;
pub mod limit;
pub mod mail_link;
pub mod oauth1;
pub mod password;
pub mod redirect;
pub mod scope;
pub mod session;
pub mod social;
pub mod stored_secret;
pub mod time;
pub mod unicode;
pub mod user;
pub mod username;
