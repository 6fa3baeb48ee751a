//! What exists: applications, users, scopes, families of tokens. Data and its rules, no I/O.

pub mod application;
pub mod family;
pub mod fields;
pub mod id;
pub mod password;
pub mod scope;
pub mod time;
pub mod user;
pub mod username;
