//! What a request may reach: settings, clock, randomness, database, hot tokens, identity providers, signatures, log, and
//! what the isolate remembers.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::crypto::Random;
use crate::crypto::secret::Secret;
use crate::crypto::signature::{PublicKey, SignatureAlgorithm};
use crate::memory::Memory;
use crate::model::time::{Lifetime, Timestamp};
use crate::settings::Settings;
use crate::store::database::Database;

/// One for each isolate, made at its first request.
pub struct App {
    pub settings: Settings,
    pub clock: Box<dyn Clock>,
    pub random: Box<dyn Random>,
    pub db: Box<dyn Database>,
    pub hot: Box<dyn HotTokens>,
    /// None where the binding `LIMITER` is missing.
    pub limiter: Option<Box<dyn Limiter>>,
    /// None where the settings name nobody who carries e-mail.
    pub mailer: Option<Box<dyn Mailer>>,
    pub outbound: Box<dyn Outbound>,
    pub signatures: Box<dyn Signatures>,
    pub log: Box<dyn Log>,
    /// No borrow of it may live across an await.
    pub memory: RefCell<Memory>,
}

pub trait Clock {
    fn now(&self) -> Timestamp;
}

/// A key-value store near the caller that may lag behind: KV. Its failing counts as a miss.
#[async_trait(?Send)]
pub trait HotTokens {
    /// Reads all keys in one call, in their order.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>, HotError>;

    /// Returns when the value is stored. It goes after `lifetime`, which is made KV's minimum of 60 s if it is shorter.
    async fn put(&self, key: &str, value: &str, lifetime: Lifetime) -> Result<(), HotError>;

    /// As [`HotTokens::put`], but after the answer, and nobody learns whether it worked.
    fn put_later(&self, key: &str, value: &str, lifetime: Lifetime);
}

/// KV did not do what it was asked to.
#[derive(Debug)]
pub struct HotError(pub String);

impl fmt::Display for HotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hot tokens: {}", self.0)
    }
}

impl Error for HotError {}

/// Stops bursts near the caller, by its own measure: a rate limiting binding of Workers.
#[async_trait(?Send)]
pub trait Limiter {
    /// True if one more call under this key is within bounds, or the limiter does not answer.
    async fn allows(&self, key: &str) -> bool;
}

/// Carries e-mail to people.
pub trait Mailer {
    /// After the answer: how long it takes tells nobody whom it goes to, and only the log tells whether it worked.
    fn send_later(&self, mail: Mail);
}

/// An e-mail of plain text. It may hold a link that is as good as a password: not to be logged.
#[derive(Clone)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Sends requests to identity providers. No redirect is followed: what a request carries is for its host alone.
#[async_trait(?Send)]
pub trait Outbound {
    /// Waits at most [`OUTBOUND_SECONDS`], and reads at most [`LONGEST_OUTBOUND_ANSWER`] bytes.
    ///
    /// # Errors
    /// There was no whole answer.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;
}

/// How long an identity provider may take for a whole answer, in seconds.
pub const OUTBOUND_SECONDS: u32 = 5;

/// How long the answer of an identity provider may be, in bytes.
pub const LONGEST_OUTBOUND_ANSWER: usize = 256 * 1024;

/// It may hold tokens and secrets: not to be logged.
#[derive(Clone)]
pub struct OutboundRequest {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

/// It may hold tokens: not to be logged.
pub struct OutboundResponse {
    pub status: u16,
    pub body: Vec<u8>,
}

/// An identity provider did not answer, and why; without what was sent.
#[derive(Debug)]
pub struct OutboundError(pub String);

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outbound: {}", self.0)
    }
}

impl Error for OutboundError {}

/// Signatures by public keys (RFC 7518 §3): the runtime makes and verifies them many times faster than wasm can.
#[async_trait(?Send)]
pub trait Signatures {
    /// True if `signature` is that of `message`. False too where the key does not fit the algorithm, or the signature is
    /// malformed.
    async fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool;

    /// Signs by a private key: PKCS#8 in PEM (RFC 7468 §10). The signature is as a JWS has it: of ES256, r and s in 64
    /// bytes (RFC 7518 §3.4).
    ///
    /// # Errors
    /// The key is not one of the algorithm's.
    async fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        key: &Secret,
        message: &[u8],
    ) -> Result<Vec<u8>, SignatureError>;
}

/// Nothing was signed, and why; without the key.
#[derive(Debug)]
pub struct SignatureError(pub String);

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature: {}", self.0)
    }
}

impl Error for SignatureError {}

/// The operator's log: one JSON object a line. No secret, token, password or code may get here.
pub trait Log {
    fn line(&self, line: Value);
}
