//! What is kept of a client secret.

use crate::crypto::encoding::base64url;
use crate::crypto::secret::{Secret, same_bytes};
use crate::crypto::sha256;

/// A client secret as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredSecret {
    /// Of a generated secret of 256 random bits: base64url of its SHA-256.
    Sha256(String),
    /// Of a chosen secret: an Argon2id PHC string.
    Slow(String),
    /// A generated secret itself, where the protocol needs it in clear (RFC 5849 §3.4.2): sealed for the application's row.
    Sealed(String),
    /// The same of a chosen secret: that one can be guessed, whatever it looks like.
    SealedChosen(String),
}

impl StoredSecret {
    pub fn of_generated(secret: &Secret) -> Self {
        Self::Sha256(base64url(&sha256(secret.expose().as_bytes())))
    }

    /// True if this is the hash of a generated secret, and of this one.
    pub fn is_hash_of(&self, secret: &Secret) -> bool {
        match self {
            Self::Sha256(hash) => {
                same_bytes(hash.as_bytes(), base64url(&sha256(secret.expose().as_bytes())).as_bytes())
            }
            Self::Slow(_) | Self::Sealed(_) | Self::SealedChosen(_) => false,
        }
    }

    /// True if a person chose it: then it can be guessed.
    pub fn is_chosen(&self) -> bool {
        matches!(self, Self::Slow(_) | Self::SealedChosen(_))
    }

    /// What was sealed of it.
    pub fn sealed(&self) -> Option<&str> {
        match self {
            Self::Sealed(sealed) | Self::SealedChosen(sealed) => Some(sealed),
            Self::Sha256(_) | Self::Slow(_) => None,
        }
    }

    /// The same secret, sealed anew. A hash stays as it is.
    pub fn resealed(&self, sealed: String) -> Self {
        match self {
            Self::Sealed(_) => Self::Sealed(sealed),
            Self::SealedChosen(_) => Self::SealedChosen(sealed),
            Self::Sha256(_) | Self::Slow(_) => self.clone(),
        }
    }

    pub fn from_stored(text: &str) -> Self {
        match text.split_once('$') {
            Some(("sha256", hash)) => Self::Sha256(hash.to_owned()),
            Some(("sealed", sealed)) => Self::Sealed(sealed.to_owned()),
            Some(("sealed-chosen", sealed)) => Self::SealedChosen(sealed.to_owned()),
            // A PHC string begins with a `$`.
            _ => Self::Slow(text.to_owned()),
        }
    }

    pub fn to_stored(&self) -> String {
        match self {
            Self::Sha256(hash) => format!("sha256${hash}"),
            Self::Slow(phc) => phc.clone(),
            Self::Sealed(sealed) => format!("sealed${sealed}"),
            Self::SealedChosen(sealed) => format!("sealed-chosen${sealed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_reads_what_it_writes() {
        for (stored, is_chosen, sealed) in [
            (StoredSecret::of_generated(&Secret::new("a")), false, None),
            (StoredSecret::Slow("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".to_owned()), true, None),
            (StoredSecret::Sealed("1.AQID".to_owned()), false, Some("1.AQID")),
            (StoredSecret::SealedChosen("1.AQID".to_owned()), true, Some("1.AQID")),
        ] {
            assert_eq!(StoredSecret::from_stored(&stored.to_stored()), stored);
            assert_eq!((stored.is_chosen(), stored.sealed()), (is_chosen, sealed), "{stored:?}");
            let anew = stored.resealed("2.BAUG".to_owned());
            assert_eq!(
                (anew.is_chosen(), anew.sealed()),
                (is_chosen, sealed.map(|_| "2.BAUG")),
                "{stored:?}"
            );
        }
    }

    #[test]
    fn a_hash_is_of_one_generated_secret() {
        let secret = Secret::new("pst_cs_a");
        assert!(StoredSecret::of_generated(&secret).is_hash_of(&secret));
        assert!(!StoredSecret::of_generated(&secret).is_hash_of(&Secret::new("pst_cs_b")));
        assert!(!StoredSecret::Sealed("pst_cs_a".to_owned()).is_hash_of(&secret));
        assert!(!StoredSecret::Slow("pst_cs_a".to_owned()).is_hash_of(&secret));
    }
}
