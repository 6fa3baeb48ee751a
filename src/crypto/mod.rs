//! Hashes, MACs, password hashing and secret types: the only room that imports crates for them.

pub mod encoding;
pub mod keys;
pub mod password_hash;
pub mod sealed;
pub mod secret;
pub mod signature;

use hmac::digest::Output;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The HMAC-SHA-1 of `message`: for signed requests (RFC 5849 §3.4.2) and nothing else. Collisions of SHA-1 do not break it.
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    hmac::<Hmac<Sha1>>(key, message).into()
}

/// The HMAC-SHA-256 of `message`.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    hmac::<HmacSha256>(key, message).into()
}

/// The HMAC-SHA-512 of `message`.
pub fn hmac_sha512(key: &[u8], message: &[u8]) -> [u8; 64] {
    hmac::<Hmac<Sha512>>(key, message).into()
}

fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Output<M> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Output::<M>::default();
    };
    mac.update(message);
    mac.finalize().into_bytes()
}

/// Fills buffers with bytes that nobody can guess: `crypto.getRandomValues` on Workers, a seeded stream in tests.
pub trait Random {
    fn fill(&self, bytes: &mut [u8]);
}

/// Random bytes in stock: asking the runtime for a few costs as much as for many. None is handed out twice, and what was
/// handed out is not kept.
pub struct RandomStock {
    bytes: [u8; 512],
    left: usize,
}

impl RandomStock {
    pub const fn empty() -> Self {
        Self { bytes: [0; 512], left: 0 }
    }

    /// Fills `wanted`, and before that the stock by `refill` if it does not suffice.
    ///
    /// # Errors
    /// What `refill` says: then nothing of the stock is used.
    pub fn fill<E>(
        &mut self,
        wanted: &mut [u8],
        refill: impl Fn(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if wanted.len() > self.bytes.len() {
            return refill(wanted);
        }
        if wanted.len() > self.left {
            self.left = 0;
            refill(&mut self.bytes)?;
            self.left = self.bytes.len();
        }
        let used = self.bytes.iter_mut().take(self.left).rev();
        for (to, from) in wanted.iter_mut().zip(used) {
            *to = std::mem::take(from);
        }
        self.left -= wanted.len();
        Ok(())
    }
}

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::encoding::hex;
    use super::*;

    #[test]
    fn the_hmacs_of_rfc_2202_and_rfc_4231() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let question = b"what do ya want for nothing?";
        assert_eq!(hex(&hmac_sha1(&[0x0b; 20], b"Hi There")), "b617318655057264e28bc0b6fb378c8ef146be00");
        assert_eq!(hex(&hmac_sha1(b"Jefe", question)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(hex(&hmac_sha1(&[0xaa; 80], long)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", question)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], long)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert_eq!(
            hex(&hmac_sha512(b"Jefe", question)),
            concat!(
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554",
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            )
        );
        assert_eq!(
            hex(&hmac_sha512(&[0xaa; 131], long)),
            concat!(
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352",
                "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
            )
        );
    }

    #[test]
    fn the_stock_hands_out_each_byte_once() {
        let next = Cell::new(0_u32);
        let refill = |bytes: &mut [u8]| {
            // No byte is 0: that stands for one that was taken out.
            bytes.iter_mut().for_each(|byte| {
                next.set(next.get() + 1);
                *byte = (next.get() % 255 + 1) as u8;
            });
            Ok::<(), ()>(())
        };
        let mut stock = RandomStock::empty();
        for length in [16, 32, 0, 512, 1, 300, 300, 600, 12] {
            let mut wanted = vec![0; length];
            let before = (next.get(), stock.left);
            stock.fill(&mut wanted, refill).unwrap();
            assert!(wanted.iter().all(|&byte| byte != 0), "{length}");
            let drawn = (next.get() - before.0) as usize;
            assert_eq!(
                drawn,
                if length > 512 {
                    length
                } else if length > before.1 {
                    512
                } else {
                    0
                }
            );
            assert!(stock.bytes[stock.left..].iter().all(|&byte| byte == 0));
        }
        let mut wanted = [0; 512];
        assert_eq!(stock.fill(&mut wanted, |_| Err("none")), Err("none"));
        assert_eq!((stock.left, wanted), (0, [0; 512]));
    }
}
