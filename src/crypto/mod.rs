//! Hashes, MACs, password hashing and secret types: the only room that imports crates for them.

pub mod encoding;
pub mod keys;
pub mod password_hash;
pub mod secret;

use hmac::Hmac;
use sha2::{Digest, Sha256};

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Fills buffers with bytes that nobody can guess: `crypto.getRandomValues` on Workers, a seeded stream in tests.
pub trait Random {
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}
