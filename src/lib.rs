//! Postern: an OAuth 2 authorization server at the edge.
//!
//! A request comes in at [`cloudflare`] (or, in tests, straight at [`router::handle`]), is routed to one of the
//! [`endpoints`] (for programs) or [`pages`] (for people), each given a [`call::Call`]. They ask [`grants`] for the
//! rules, [`tokens`] for minting, finding and ending tokens, [`social`] for what identity providers say, and [`store`] for
//! SQL. [`model`] is what exists,
//! [`protocol`] what the RFCs define, [`crypto`] what keeps secrets. A file uses its own room and rooms further down,
//! never up; [`app`], [`settings`] and [`memory`] are usable from [`endpoints`] down to [`store`].
//!
//! Two words that the standards use twice: a [`model::id::GrantId`] names a user's standing authorization of an
//! application; the room [`grants`] is about grant types, RFC 6749's other use of the word.

pub mod app;
pub mod call;
#[cfg(target_arch = "wasm32")]
pub mod cloudflare;
pub mod cron;
pub mod crypto;
pub mod endpoints;
pub mod grants;
pub mod memory;
pub mod model;
pub mod pages;
pub mod protocol;
pub mod router;
pub mod settings;
pub mod social;
pub mod store;
pub mod tokens;
