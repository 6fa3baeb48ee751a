//! Slow hashes of passwords and of chosen client secrets: Argon2id in PHC strings.

use std::cell::Cell;

use argon2::password_hash::phc::{ParamsString, PasswordHash};
use argon2::password_hash::{CustomizedPasswordHasher, Error, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// The length of a salt, in bytes.
pub const SALT_LENGTH: usize = 16;

/// Hashes with the parameters that the settings ask for; verifies with those that a hash names.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    params: Params,
    decoy: String,
    made: Cell<u64>,
}

/// What came of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordMatch {
    Yes,
    /// It matches, and the hash was made with other parameters than today's: hash it again.
    YesOutdated,
    No,
}

impl PasswordHasher {
    /// Argon2id with `memory_kib` KiB, `iterations` passes and one lane.
    ///
    /// # Errors
    /// Says which parameter is out of Argon2's range.
    pub fn new(memory_kib: u32, iterations: u32) -> Result<Self, String> {
        let params = Params::new(memory_kib, iterations, 1, Some(32)).map_err(|error| error.to_string())?;
        // A hash that no password has: comparing with it costs what comparing with a real one costs.
        let decoy =
            format!("$argon2id$v=19$m={memory_kib},t={iterations},p=1${}${}", "A".repeat(22), "A".repeat(43));
        Ok(Self { params, decoy, made: Cell::new(0) })
    }

    /// How many slow hashes were made: nothing else that a request does costs as much.
    pub fn count(&self) -> u64 {
        self.made.get()
    }

    /// The PHC string of `password`.
    ///
    /// # Errors
    /// None that a caller can cause: Argon2 itself refuses only what is longer than 4 GiB.
    pub fn hash(&self, password: &str, salt: [u8; SALT_LENGTH]) -> Result<String, String> {
        self.made.set(self.made.get() + 1);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let hash: PasswordHash = argon2
            .hash_password_customized(password.as_bytes(), &salt, Some("argon2id"), None, self.params.clone())
            .map_err(|error| error.to_string())?;
        Ok(hash.to_string())
    }

    /// Compares `password` with the PHC string `hash`; with none, does the same work and says no.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> PasswordMatch {
        let compare = |hash: &str| {
            let parsed = PasswordHash::new(hash).ok()?;
            self.made.set(self.made.get() + 1);
            match Argon2::default().verify_password(password.as_bytes(), &parsed) {
                Ok(()) if self.is_current(&parsed) => Some(PasswordMatch::Yes),
                Ok(()) => Some(PasswordMatch::YesOutdated),
                Err(Error::PasswordInvalid) => Some(PasswordMatch::No),
                Err(_) => None,
            }
        };
        // None: there is no hash, or none that a password could have. It must not show by answering at once.
        hash.and_then(compare).unwrap_or_else(|| {
            compare(&self.decoy);
            PasswordMatch::No
        })
    }

    fn is_current(&self, hash: &PasswordHash) -> bool {
        ParamsString::try_from(&self.params).is_ok_and(|params| params == hash.params)
            && hash.algorithm.as_str() == "argon2id"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_only() {
        let hasher = PasswordHasher::new(64, 1).unwrap();
        let hash = hasher.hash("correct horse", [7; SALT_LENGTH]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(hasher.verify("correct horse", Some(&hash)), PasswordMatch::Yes);
        assert_eq!(hasher.verify("correct horsf", Some(&hash)), PasswordMatch::No);
        assert_eq!(hasher.verify("correct horse", None), PasswordMatch::No);
        assert_eq!(hasher.verify("correct horse", Some("!")), PasswordMatch::No);
    }

    #[test]
    fn other_parameters_are_outdated() {
        let hash = PasswordHasher::new(64, 1).unwrap().hash("pw", [7; SALT_LENGTH]).unwrap();
        let today = PasswordHasher::new(128, 1).unwrap();
        assert_eq!(today.verify("pw", Some(&hash)), PasswordMatch::YesOutdated);
    }

    #[test]
    fn the_decoy_is_a_hash_of_the_same_cost() {
        let hasher = PasswordHasher::new(64, 2).unwrap();
        let decoy = PasswordHash::new(&hasher.decoy).unwrap();
        assert!(hasher.is_current(&decoy));
        assert_eq!(decoy.hash.unwrap().as_bytes().len(), 32);
    }
}
