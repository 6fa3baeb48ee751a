//! Public keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): as identity providers publish them, and as clients register them.

use serde_json::{Map, Value};

use super::json::parse_object;
use crate::crypto::encoding::from_base64url;
use crate::crypto::signature::{PublicKey, SignatureAlgorithm};

/// How many keys of a set are kept.
const MOST_KEYS: usize = 100;

/// How many a client may register, and in how many bytes of JSON.
const MOST_REGISTERED: usize = 10;
const LONGEST_REGISTERED: usize = 16 * 1024;

/// The members of private and symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2, RFC 9964).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    pub kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    pub algorithm: Option<SignatureAlgorithm>,
    /// Whose tokens it verifies, if it says so: Microsoft's keys of many tenants do. May hold `{tenantid}`.
    pub issuer: Option<String>,
    pub key: PublicKey,
}

/// The keys of an identity provider, or of a client (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

impl JwkSet {
    /// Reads a set. Keys that verify nothing here are left out (RFC 7517 §5), and so are those after the first 100.
    /// None if it is no set at all.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let set = parse_object(body).ok()?;
        set.get("keys")?.as_array()?;
        Some(Self::read(&set))
    }

    /// As [`JwkSet::parse`], of what has been read already; without a list there are no keys.
    pub fn read(set: &Map<String, Value>) -> Self {
        let keys = set.get("keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Self { keys: keys.iter().filter_map(Jwk::read).take(MOST_KEYS).collect() }
    }

    /// Checks the set that a client registers (RFC 7591 §2). Keys of other types may stand in it, as long as they are public.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn check_registered(set: &Map<String, Value>) -> Result<(), &'static str> {
        let keys =
            set.get("keys").and_then(Value::as_array).ok_or("Must be a JWK Set: it has no list of keys.")?;
        let length = Value::Object(set.clone()).to_string().len();
        if keys.len() > MOST_REGISTERED || length > LONGEST_REGISTERED {
            return Err("Use at most 10 keys, and 16 KiB.");
        }
        if holds_private(set) {
            return Err("It holds a private or symmetric key: register public keys alone.");
        }
        let is_bad = |jwk: &Map<String, Value>| {
            jwk.get("kty").is_some_and(|kty| kty == "RSA") && read_key(jwk).is_none()
        };
        if keys.iter().filter_map(Value::as_object).any(is_bad) {
            return Err("An RSA key must have 2048 to 8192 bits, and the exponent 3 or 65537.");
        }
        match Self::read(set).rsa_keys().is_empty() {
            true => Err("It has no RSA key that verifies signatures."),
            false => Ok(()),
        }
    }

    /// The keys for signatures by RSASSA-PKCS1-v1_5, whatever the hash.
    pub fn rsa_keys(&self) -> Vec<PublicKey> {
        let fitting = self.keys.iter().filter(|jwk| jwk.fits(SignatureAlgorithm::Rs256));
        fitting.map(|jwk| jwk.key.clone()).collect()
    }

    /// The key that a token with this header is to be verified by: the one of that `kid`; without one the only one that
    /// fits. Never one of another type, or for another algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: SignatureAlgorithm) -> Option<&Jwk> {
        let mut fitting = self.keys.iter().filter(|jwk| jwk.fits(algorithm));
        match kid {
            Some(kid) => fitting.find(|jwk| jwk.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

impl Jwk {
    fn read(value: &Value) -> Option<Self> {
        let jwk = value.as_object()?;
        let is_for_signatures = text(jwk, "use")?.is_none_or(|usage| usage == "sig"); // RFC 7517 §4.2
        let can_verify = jwk.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|one| one == "verify"))
        }); // RFC 7517 §4.3
        let algorithm = match text(jwk, "alg")? {
            Some(name) => Some(SignatureAlgorithm::parse(name)?),
            None => None,
        };
        let read = Self {
            kid: text(jwk, "kid")?.map(str::to_owned),
            algorithm,
            issuer: text(jwk, "issuer")?.map(str::to_owned),
            key: read_key(jwk)?,
        };
        let fits = algorithm.is_none_or(|algorithm| read.key.fits(algorithm));
        (is_for_signatures && can_verify && fits).then_some(read)
    }

    fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        self.key.fits(algorithm) && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

/// Wherever it stands: what is given is stored whole.
fn holds_private(object: &Map<String, Value>) -> bool {
    object.iter().any(|(name, value)| PRIVATE.contains(&name.as_str()) || value_holds_private(value))
}

fn value_holds_private(value: &Value) -> bool {
    match value {
        Value::Object(object) => holds_private(object),
        Value::Array(values) => values.iter().any(value_holds_private),
        _ => false,
    }
}

fn read_key(jwk: &Map<String, Value>) -> Option<PublicKey> {
    let bytes = |name| from_base64url(text(jwk, name)??);
    match (text(jwk, "kty")??, text(jwk, "crv")?) {
        ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?),
        ("EC", Some("P-256")) => PublicKey::p256(&bytes("x")?, &bytes("y")?),
        ("EC", Some("P-384")) => PublicKey::p384(&bytes("x")?, &bytes("y")?),
        ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?),
        _ => None,
    }
}

/// The text of a member, if it is there; None if it is there and no text.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<Option<&'a str>> {
    match jwk.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use SignatureAlgorithm::{EdDsa, Es256, Es384, Ps256, Rs256};

    /// RFC 7517 App. A.1, without the first key's `use`, which is `enc`.
    fn rfc7517() -> Value {
        json!({"keys": [p256(), rsa()]})
    }

    fn p256() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
        })
    }

    fn rsa() -> Value {
        json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": concat!(
                "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi",
                "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9",
                "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1",
                "jF44-csFCur-kEgU8awapJzKnqDKgw"
            )
        })
    }

    /// RFC 8037 App. A.2.
    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn set(keys: &Value) -> JwkSet {
        JwkSet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn a_key_is_found_by_its_kid() {
        let keys = JwkSet::parse(rfc7517().to_string().as_bytes()).unwrap();
        assert_eq!(keys.find(Some("1"), Es256).unwrap().kid.as_deref(), Some("1"));
        let rsa = keys.find(Some("2011-04-29"), Rs256).unwrap();
        assert_eq!((rsa.algorithm, rsa.issuer.as_deref()), (Some(Rs256), None));
        assert!(matches!(&rsa.key, PublicKey::Rsa { n, e } if n.len() == 256 && *e == [1, 0, 1]));
        for other in ["", "2", "2011-04-2", "2011-04-29 "] {
            assert_eq!(keys.find(Some(other), Es256), None);
            assert_eq!(keys.find(Some(other), Rs256), None);
        }
    }

    #[test]
    fn a_key_is_never_found_for_another_algorithm() {
        let keys = set(&json!([p256(), rsa(), ed25519()]));
        for kid in [Some("1"), None] {
            assert!(keys.find(kid, Es256).is_some());
            assert_eq!(keys.find(kid, Es384), None);
        }
        assert_eq!(keys.find(Some("1"), Rs256), None);
        assert_eq!(keys.find(Some("2011-04-29"), Es256), None);
        assert_eq!(keys.find(Some("2011-04-29"), Ps256), None); // its alg is RS256
        assert_eq!(keys.find(None, Ps256), None);
    }

    #[test]
    fn without_a_kid_only_one_key_may_fit() {
        let other = with(rsa(), "kid", json!("other"));
        assert!(set(&json!([rsa(), p256()])).find(None, Rs256).is_some());
        assert_eq!(set(&json!([rsa(), other])).find(None, Rs256), None);
        assert_eq!(set(&json!([p256()])).find(None, Rs256), None);
        assert!(set(&json!([ed25519()])).find(None, EdDsa).is_some());
        assert_eq!(set(&json!([ed25519()])).find(Some("1"), EdDsa), None);
    }

    #[test]
    fn a_key_that_verifies_nothing_is_left_out() {
        // RFC 7517 §5
        let mut short = rsa();
        short["n"] = json!("_".repeat(170) + "8"); // 1024 bits
        for (what, bad) in [
            ("for encryption", with(p256(), "use", json!("enc"))),
            ("use is no text", with(p256(), "use", json!(["sig"]))),
            ("to sign only", with(p256(), "key_ops", json!(["sign"]))),
            ("key_ops is no list", with(p256(), "key_ops", json!("verify"))),
            ("unknown kty", with(p256(), "kty", json!("AKP"))),
            ("kty of another", with(p256(), "kty", json!("OKP"))),
            ("unknown curve", with(p256(), "crv", json!("secp256k1"))),
            ("another curve", with(p256(), "crv", json!("P-384"))),
            ("unknown alg", with(p256(), "alg", json!("ES512"))),
            ("alg of another type", with(p256(), "alg", json!("RS256"))),
            ("a MAC", with(rsa(), "alg", json!("HS256"))),
            ("kid is no text", with(p256(), "kid", json!(1))),
            ("no y", with(p256(), "y", Value::Null)),
            ("padded", with(p256(), "x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4="))),
            ("short", short),
            (
                "symmetric",
                json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T", "kid": "1"}),
            ),
            ("no object", json!("key")),
        ] {
            let keys = set(&json!([bad, ed25519()]));
            assert_eq!(keys.keys.len(), 1, "{what}");
            assert!(keys.find(None, EdDsa).is_some(), "{what}");
        }
        let good = with(with(p256(), "use", json!("sig")), "key_ops", json!(["sign", "verify"]));
        assert!(set(&json!([good])).find(Some("1"), Es256).is_some());
    }

    #[test]
    fn microsoft_says_whose_tokens_a_key_verifies() {
        let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let keys = set(&json!([with(rsa(), "issuer", json!(issuer))]));
        assert_eq!(keys.find(None, Rs256).unwrap().issuer.as_deref(), Some(issuer));
    }

    #[test]
    fn a_set_is_an_object_with_a_list_and_at_most_100_keys_are_kept() {
        for bad in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#]
        {
            assert_eq!(JwkSet::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(JwkSet::parse(br#"{"keys":[]}"#), Some(JwkSet::default()));
        let key = |kid: usize| with(ed25519(), "kid", json!(kid.to_string()));
        let many = set(&(0..120).map(key).collect());
        assert!(many.find(Some("99"), EdDsa).is_some());
        assert_eq!(many.find(Some("100"), EdDsa), None);
    }
}
