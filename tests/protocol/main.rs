//! The whole server, natively, through `router::handle`: real SQL on SQLite from `schema.sql`, a fake clock, seeded
//! randomness. A test is a sentence of the specification; it speaks HTTP, and stands alone.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says where"
)]

mod abuse;
mod account;
mod admin_applications;
mod admin_users;
mod applications_pages;
mod architecture;
mod audit;
mod audit_actions;
mod auth_housekeeping;
mod auth_token;
mod authorization_code;
mod authorize;
mod authorized_tokens;
mod bad_input;
mod client_auth;
mod client_credentials;
mod code_races;
mod consent;
mod convert_token;
mod cors;
mod cost;
mod edge;
mod expired;
mod guessing;
mod guessing_at_once;
mod header_floods;
mod healthz;
mod implicit;
mod introspect;
mod logout_everywhere;
mod mail_links;
mod mail_pages;
mod master_key;
mod metadata;
mod mutated_requests;
mod native_apps;
mod oauth1;
mod oauth1_applications;
mod parsers;
mod password_grant;
mod pkce;
mod provider_tokens;
mod reencrypt;
mod refresh_ends;
mod refresh_failures;
mod refresh_grace;
mod refresh_settings;
mod refresh_token;
mod request_head;
mod response_mode;
mod revoke_token;
mod rfc9700;
mod secrets_at_rest;
mod sessions;
mod sign_up;
mod signatures;
mod social;
mod social_accounts;
mod social_bearer;
mod social_login;
mod storage;
mod support;
mod token_endpoint;
mod validate;

/// For SQLite, too: a fifth of what the simulated edge did was glibc's malloc and free.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
