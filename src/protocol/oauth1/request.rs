//! Reading a signed request (RFC 5849 §3.1, §3.2, §3.5).

use std::fmt;

use super::SignatureMethod;
use super::authorization_header::{after_scheme, parameters};
use super::base_string::base_string;
use crate::protocol::params::{MOST_PARAMETERS, MalformedForm, decode, split};

/// Of an identifier or a nonce, in characters.
const LONGEST: usize = 255;

/// The last integer that a database of ours can compare (2^53). RFC 5849 §3.3 sets no bound.
const LAST_TIMESTAMP: i64 = 1 << 53;

/// RFC 5849 §3.1. PLAINTEXT needs the first three alone.
const REQUIRED: [&str; 5] =
    ["oauth_consumer_key", "oauth_signature_method", "oauth_signature", "oauth_timestamp", "oauth_nonce"];

/// A request as its client sent it.
pub struct Received<'a> {
    pub method: &'a str,
    /// Absolute, with its query, as the client used it.
    pub url: &'a str,
    pub authorization: Option<&'a str>,
    /// The body, if it is a form (RFC 5849 §3.4.1.3.1).
    pub form: Option<&'a [u8]>,
}

/// A request that says who signed it, and how. Whether that is true is to be found out.
pub struct SignedRequest {
    consumer_key: String,
    token: Option<String>,
    signature_method: SignatureMethod,
    signature: String,
    once: Option<(i64, String)>,
    parameters: Vec<(String, String)>,
    base_string: String,
}

/// Why a request that wants to be a signed one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The names of what is missing or empty, in the order of RFC 5849 §3.1 without the token: `oauth_consumer_key`,
    /// `oauth_signature_method`, `oauth_signature`, `oauth_timestamp`, `oauth_nonce`.
    Missing(Vec<&'static str>),
    /// What is wrong, for the log.
    Invalid(&'static str),
    /// RFC 5849 §3.2: 400.
    UnsupportedMethod,
}

impl SignedRequest {
    /// Reads a request that has an `Authorization` header of the scheme OAuth, or `oauth_signature` in its query or form.
    /// None: it has neither, and is no signed request.
    ///
    /// # Errors
    /// A request that two readers could understand differently, or that lacks what RFC 5849 §3.1 requires.
    pub fn read(received: &Received<'_>) -> Result<Option<Self>, Malformed> {
        let header = received.authorization.and_then(after_scheme);
        let query = query(received.url);
        let form = received.form.unwrap_or_default();
        if header.is_none() && !has_signature(query) && !has_signature(form) {
            return Ok(None);
        }
        let header = header.map_or(Ok(Vec::new()), parameters)?;
        let parameters = collect([header, pairs(query)?, pairs(form)?])?;
        check_required(&parameters)?;
        let value = |name| find(&parameters, name).map(|value| value.unwrap_or_default());

        let signature_method =
            SignatureMethod::parse(value("oauth_signature_method")?).ok_or(Malformed::UnsupportedMethod)?;
        if find(&parameters, "oauth_version")?.is_some_and(|version| version != "1.0") {
            return Err(Malformed::Invalid("oauth_version is not 1.0"));
        }
        let token = identifier(value("oauth_token")?)?;
        let signed: Vec<(String, String)> =
            parameters.iter().filter(|(name, _)| name != "oauth_signature").cloned().collect();
        Ok(Some(Self {
            consumer_key: identifier(value("oauth_consumer_key")?)?,
            token: Some(token).filter(|token| !token.is_empty()),
            signature_method,
            signature: value("oauth_signature")?.to_owned(),
            once: once(value("oauth_timestamp")?, value("oauth_nonce")?)?,
            base_string: base_string(received.method, received.url, &signed)?,
            parameters,
        }))
    }

    pub fn consumer_key(&self) -> &str {
        &self.consumer_key
    }

    /// An empty one counts as none (RFC 5849 §3.1 lets it be left out).
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn signature_method(&self) -> SignatureMethod {
        self.signature_method
    }

    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The timestamp, in seconds since 1970, and the nonce, decoded: one spelling for each. None with PLAINTEXT only, where
    /// RFC 5849 §3.1 lets either be left out.
    pub fn once(&self) -> Option<(i64, &str)> {
        self.once.as_ref().map(|(timestamp, nonce)| (*timestamp, nonce.as_str()))
    }

    /// The decoded value of any other parameter, be it empty.
    ///
    /// # Errors
    /// It stands twice.
    pub fn parameter(&self, name: &str) -> Result<Option<&str>, Malformed> {
        find(&self.parameters, name)
    }

    /// RFC 5849 §3.4.1.
    pub fn base_string(&self) -> &str {
        &self.base_string
    }
}

/// A base string can hold a password (xAuth), and the signature of PLAINTEXT is one.
impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedRequest(redacted)")
    }
}

impl From<MalformedForm> for Malformed {
    fn from(_: MalformedForm) -> Self {
        Self::Invalid("a parameter is not UTF-8 in percent-encoding, or holds a NUL")
    }
}

fn query(url: &str) -> &[u8] {
    let before_fragment = url.split('#').next().unwrap_or_default();
    before_fragment.split_once('?').map_or(&[], |(_, query)| query.as_bytes())
}

/// What is malformed is not looked at: only a signed request has to be read whole.
fn has_signature(form: &[u8]) -> bool {
    split(form).any(|(name, _)| decode(name).is_ok_and(|name| name == "oauth_signature"))
}

fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, MalformedForm> {
    split(form).map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}

/// All parameters (RFC 5849 §3.4.1.3.1). Those of the protocol stand in one place (RFC 5849 §3.5), each once (RFC 5849 §3.1).
fn collect(places: [Vec<(String, String)>; 3]) -> Result<Vec<(String, String)>, Malformed> {
    let is_of_protocol = |(name, _): &&(String, String)| name.starts_with("oauth_");
    if places.iter().filter(|place| place.iter().any(|pair| is_of_protocol(&pair))).count() > 1 {
        return Err(Malformed::Invalid("OAuth parameters stand in more than one place"));
    }
    let parameters = places.concat();
    if parameters.len() > MOST_PARAMETERS {
        return Err(Malformed::Invalid("there are too many parameters"));
    }
    for (name, _) in parameters.iter().filter(is_of_protocol) {
        find(&parameters, name)?;
    }
    Ok(parameters)
}

fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Malformed> {
    let mut values = parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Malformed::Invalid("a parameter is repeated")),
        (value, None) => Ok(value),
    }
}

fn check_required(parameters: &[(String, String)]) -> Result<(), Malformed> {
    let is_there = |name: &str| parameters.iter().any(|(known, value)| known == name && !value.is_empty());
    let is_plaintext = find(parameters, "oauth_signature_method")? == Some("PLAINTEXT");
    let count = if is_plaintext { 3 } else { REQUIRED.len() };
    let missing: Vec<&'static str> =
        REQUIRED.into_iter().take(count).filter(|name| !is_there(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Malformed::Missing(missing)) }
}

fn identifier(text: &str) -> Result<String, Malformed> {
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(Malformed::Invalid(
            "an identifier or the nonce is too long, or holds a control character",
        ));
    }
    Ok(text.to_owned())
}

/// RFC 5849 §3.3.
fn once(timestamp: &str, nonce: &str) -> Result<Option<(i64, String)>, Malformed> {
    let nonce = identifier(nonce)?;
    if timestamp.is_empty() {
        return Ok(None);
    }
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        timestamp.parse().ok().filter(|seconds| is_number && (1..=LAST_TIMESTAMP).contains(seconds));
    let seconds = seconds.ok_or(Malformed::Invalid("oauth_timestamp is not a positive integer"))?;
    Ok(Some((seconds, nonce)).filter(|(_, nonce)| !nonce.is_empty()))
}
