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

impl Received<'_> {
    /// True if it has an `Authorization` header of the scheme OAuth, or `oauth_signature` in its query or form.
    pub fn is_signed(&self) -> bool {
        self.authorization.and_then(after_scheme).is_some()
            || has_signature(query(self.url))
            || has_signature(self.form.unwrap_or_default())
    }
}

impl SignedRequest {
    /// Reads a request. None: it is no signed one.
    ///
    /// # Errors
    /// A request that two readers could understand differently, or that lacks what RFC 5849 §3.1 requires.
    pub fn read(received: &Received<'_>) -> Result<Option<Self>, Malformed> {
        if !received.is_signed() {
            return Ok(None);
        }
        let header = received.authorization.and_then(after_scheme).map_or(Ok(Vec::new()), parameters)?;
        let form = received.form.unwrap_or_default();
        let parameters = collect([header, pairs(query(received.url))?, pairs(form)?])?;
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

/// One more than there may be shows that there are too many.
fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, MalformedForm> {
    split(form).take(MOST_PARAMETERS + 1).map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::secret::Secret;
    use crate::protocol::oauth1::{hmac_signature, percent_encode, signing_key};

    /// RFC 5849 §3.5.1, as it stands in a form or a query.
    const FORM: &str = "oauth_consumer_key=0685bd9184jfhq22&oauth_token=ad180jjd733klru7&oauth_signature_method=HMAC-SHA1\
        &oauth_signature=wOJIO9A2W5mFwDgiDvZbTSMK%2FPY%3D&oauth_timestamp=137131200\
        &oauth_nonce=4572616e48616d6d65724c61686176&oauth_version=1.0";

    fn read(
        method: &str,
        url: &str,
        authorization: Option<&str>,
        form: Option<&str>,
    ) -> Result<Option<SignedRequest>, Malformed> {
        SignedRequest::read(&Received { method, url, authorization, form: form.map(str::as_bytes) })
    }

    fn form(form: &str) -> Result<SignedRequest, Malformed> {
        read("POST", "http://example.com/request", None, Some(form)).map(Option::unwrap)
    }

    fn check_signature(request: &SignedRequest, consumer_secret: &str, token_secret: Option<&str>) {
        let key = signing_key(&Secret::new(consumer_secret), token_secret.map(Secret::new).as_ref());
        let signature = hmac_signature(request.signature_method(), &key, request.base_string());
        assert_eq!(signature.as_deref(), Some(request.signature()));
    }

    #[test]
    fn the_requests_of_the_printing_service() {
        // RFC 5849 §1.2
        let initiate = r#"OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_signature_method="HMAC-SHA1",
            oauth_timestamp="137131200", oauth_nonce="wIjqoS", oauth_callback="http%3A%2F%2Fprinter.example.com%2Fready",
            oauth_signature="74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D""#
            .replace('\n', "");
        let request =
            read("POST", "https://photos.example.net/initiate", Some(&initiate), None).unwrap().unwrap();
        assert_eq!((request.consumer_key(), request.token()), ("dpf43f3p2l4k3l03", None));
        assert_eq!(request.once(), Some((137131200, "wIjqoS")));
        assert_eq!(request.parameter("oauth_callback"), Ok(Some("http://printer.example.com/ready")));
        assert_eq!((request.parameter("realm"), request.parameter("scope")), (Ok(None), Ok(None)));
        check_signature(&request, "kd94hf93k423kf44", None);

        let token =
            r#"OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="hh5s93j4hdidpola",
            oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="walatlh",
            oauth_verifier="hfdp7dh39dks9884", oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D""#
                .replace('\n', "");
        let request = read("POST", "https://photos.example.net/token", Some(&token), None).unwrap().unwrap();
        assert_eq!(request.token(), Some("hh5s93j4hdidpola"));
        assert_eq!(request.parameter("oauth_verifier"), Ok(Some("hfdp7dh39dks9884")));
        check_signature(&request, "kd94hf93k423kf44", Some("hdhd0244k9j7ao03"));

        let photos =
            r#"OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk",
            oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH",
            oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D""#
                .replace('\n', "");
        let url = "http://photos.example.net/photos?file=vacation.jpg&size=original";
        let request = read("GET", url, Some(&photos), None).unwrap().unwrap();
        assert_eq!(request.parameter("file"), Ok(Some("vacation.jpg")));
        check_signature(&request, "kd94hf93k423kf44", Some("pfkkdhi9sl3r4s00"));
    }

    #[test]
    fn the_base_string_of_rfc_5849() {
        // RFC 5849 §3.4.1.1, §3.4.1.3.1
        let header =
            r#"OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7",
            oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a",
            oauth_signature="djosJKDKJSD8743243%2Fjdk33klY%3D""#
                .replace('\n', "");
        let url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b";
        let request = read("post", url, Some(&header), Some("c2&a3=2+q")).unwrap().unwrap();
        let expected = concat!(
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D",
            "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1",
            "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
        assert_eq!(request.base_string(), expected);
        assert_eq!(request.signature(), "djosJKDKJSD8743243/jdk33klY=");
        let decoded = [("b5", "=%3D"), ("c@", ""), ("a2", "r b"), ("c2", "")];
        assert!(decoded.iter().all(|(name, value)| request.parameter(name) == Ok(Some(value))));
        assert!(request.parameter("a3").is_err());
        assert_eq!(format!("{request:?}"), "SignedRequest(redacted)");
    }

    /// What stands in a form, as a header has it.
    fn header(pairs: &str) -> String {
        let list: Vec<String> =
            pairs.split('&').map(|pair| format!("{}\"", pair.replacen('=', "=\"", 1))).collect();
        format!("OAuth {}", list.join(", "))
    }

    #[test]
    fn the_three_places_say_the_same() {
        // RFC 5849 §3.5
        let url = "http://example.com/request";
        let by_header = read("POST", url, Some(&header(FORM)), None).unwrap().unwrap();
        let by_query = read("POST", &format!("{url}?{FORM}"), None, None).unwrap().unwrap();
        for request in [by_header, by_query, form(FORM).unwrap()] {
            assert_eq!(request.consumer_key(), "0685bd9184jfhq22");
            assert_eq!(request.token(), Some("ad180jjd733klru7"));
            assert_eq!(request.signature_method(), SignatureMethod::HmacSha1);
            assert_eq!(request.signature(), "wOJIO9A2W5mFwDgiDvZbTSMK/PY=");
            assert_eq!(request.once(), Some((137131200, "4572616e48616d6d65724c61686176")));
            assert_eq!(request.base_string(), form(FORM).unwrap().base_string());
        }
    }

    #[test]
    fn what_is_not_signed_is_none_of_ours() {
        let url = "http://example.com/?oauth_token=x&oauth_consumer_key=y";
        for authorization in [None, Some("Bearer x"), Some("OAuth2 x"), Some("Basic T0F1dGg=")] {
            for form in [None, Some(""), Some("a=1"), Some("oauth_nonce=1&%"), Some("oauth_signature%=1")] {
                assert!(read("POST", url, authorization, form).unwrap().is_none());
            }
            for url in ["", "?", "http://example.com/#?oauth_signature=x", "http://example.com/?%zz&%00=1"] {
                assert!(read("GET", url, authorization, None).unwrap().is_none(), "{url}");
            }
            assert!(read("GET", "http://a.example/?%6fauth_signature", authorization, None).is_err());
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let by = |header: &str| read("GET", "http://a.example/", Some(header), None).map(Option::unwrap);
        assert_eq!(by("OAuth").unwrap_err(), Malformed::Missing(REQUIRED.to_vec()));
        for name in REQUIRED {
            let is_it = |pair: &&str| pair.starts_with(&format!("{name}="));
            let without: Vec<&str> = FORM.split('&').filter(|pair| !is_it(pair)).collect();
            let without = without.join("&");
            for lacking in [without.clone(), format!("{without}&{name}=")] {
                assert_eq!(by(&header(&lacking)).unwrap_err(), Malformed::Missing(vec![name]));
            }
        }
        let two = "oauth_signature=x&oauth_consumer_key=&oauth_timestamp=1&oauth_nonce=1";
        let missing = vec!["oauth_consumer_key", "oauth_signature_method"];
        assert_eq!(form(two).unwrap_err(), Malformed::Missing(missing));
    }

    #[test]
    fn plaintext_needs_neither_time_nor_nonce() {
        // RFC 5849 §2.1, §3.4.4
        let header = r#"OAuth realm="Example", oauth_consumer_key="jd83jd92dhsh93js", oauth_signature_method="PLAINTEXT",
            oauth_callback="http%3A%2F%2Fclient.example.net%2Fcb%3Fx%3D1", oauth_signature="ja893SD9%26""#
            .replace('\n', "");
        let request =
            read("POST", "https://server.example.com/request_temp_credentials", Some(&header), None)
                .unwrap()
                .unwrap();
        assert_eq!((request.signature_method(), request.once()), (SignatureMethod::Plaintext, None));
        assert_eq!(request.signature(), signing_key(&Secret::new("ja893SD9"), None).expose());

        let plain = "oauth_consumer_key=a&oauth_signature_method=PLAINTEXT&oauth_signature=b%26";
        let once = |more| {
            form(&format!("{plain}{more}")).map(|r| r.once().map(|(at, nonce)| (at, nonce.to_owned())))
        };
        assert_eq!(once("&oauth_timestamp=5&oauth_nonce=n"), Ok(Some((5, "n".to_owned()))));
        for lacking in ["", "&oauth_timestamp=5", "&oauth_nonce=n", "&oauth_timestamp=&oauth_nonce="] {
            assert_eq!(once(lacking), Ok(None), "{lacking}");
        }
        assert!(once("&oauth_timestamp=x").is_err() && once("&oauth_nonce=%0A").is_err());
        assert_eq!(
            form("oauth_signature_method=PLAINTEXT&oauth_signature=").unwrap_err(),
            Malformed::Missing(vec!["oauth_consumer_key", "oauth_signature"])
        );
    }

    #[test]
    fn each_parameter_of_the_protocol_stands_once_and_all_in_one_place() {
        let header = "OAuth oauth_token=\"ad180jjd733klru7\"";
        let without_token = FORM.replace("oauth_token=ad180jjd733klru7&", "");
        assert_eq!(form(&without_token).unwrap().token(), None);
        let empty = form(&format!("{without_token}&oauth_token=")).unwrap();
        assert_eq!(empty.token(), None);
        assert!(empty.base_string().contains("%26oauth_token%3D%26"));
        let url = "http://example.com/";
        assert!(read("POST", url, Some(header), Some(&without_token)).is_err());
        assert!(read("POST", &format!("{url}?oauth_x"), None, Some(FORM)).is_err());
        assert!(read("POST", &format!("{url}?%6fauth_x=1"), None, Some(FORM)).is_err());
        assert!(read("POST", &format!("{url}?xoauth_=1"), Some("OAuth realm=\"a\""), Some(FORM)).is_ok());
        for pair in FORM.split('&').chain(["oauth_x=1&oauth_x=1", "oauth_token=", "%6fauth_token=b"]) {
            assert!(form(&format!("{FORM}&{pair}")).is_err(), "{pair}");
        }
        // Others may, and a realm that is not of the header is one of them.
        let repeated = form(&format!("{FORM}&a=2&a=1&realm=r&xoauth_a=1&xoauth_a=1")).unwrap();
        assert!(repeated.base_string().contains("&a%3D1%26a%3D2%26oauth_consumer_key"));
        assert!(repeated.base_string().ends_with("%26realm%3Dr%26xoauth_a%3D1%26xoauth_a%3D1"));
        assert_eq!(repeated.parameter("realm"), Ok(Some("r")));
    }

    #[test]
    fn only_the_known_methods_and_version_1_0_are_read() {
        for other in ["HMAC-MD5", "hmac-sha1", "RSA-SHA512", "none", "PLAINTEXT+"] {
            let changed = FORM.replace("HMAC-SHA1", other);
            assert_eq!(form(&changed).unwrap_err(), Malformed::UnsupportedMethod, "{other}");
        }
        for version in ["", "1", "1.0a", "2.0", "1.00"] {
            assert!(form(&FORM.replace("version=1.0", &format!("version={version}"))).is_err(), "{version}");
        }
        assert!(form(&FORM.replace("&oauth_version=1.0", "")).is_ok());
    }

    #[test]
    fn a_timestamp_is_a_positive_integer() {
        // RFC 5849 §3.3
        let at = |text: &str| form(&FORM.replace("137131200", text)).map(|r| r.once().unwrap().0);
        assert_eq!((at("1"), at("0009"), at("9007199254740992")), (Ok(1), Ok(9), Ok(1 << 53)));
        let huge = "9".repeat(100);
        for bad in ["0", "-1", "%2B1", "+1", "1+", "1.0", "1e3", "0x1", "%D9%A1", "9007199254740993", &huge] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_nonce_and_an_identifier_have_one_spelling_and_a_bound() {
        let nonce = |text: &str| {
            let changed = FORM.replace("4572616e48616d6d65724c61686176", text);
            form(&changed).map(|request| request.once().unwrap().1.to_owned())
        };
        assert_eq!(nonce("%61bc"), nonce("abc"));
        assert_eq!((nonce("%2B%2F+%C3%A9"), nonce("A")), (Ok("+/ é".to_owned()), Ok("A".to_owned())));
        for bad in ["%0A", "a%7F", "%C2%85", "%00", "%ff"] {
            assert!(nonce(bad).is_err(), "{bad}");
        }
        for field in ["4572616e48616d6d65724c61686176", "0685bd9184jfhq22", "ad180jjd733klru7"] {
            for (text, is_good) in
                [("é".repeat(255), true), ("a".repeat(256), false), ("a%09".to_owned(), false)]
            {
                assert_eq!(form(&FORM.replace(field, &text)).is_ok(), is_good, "{field} {text}");
            }
        }
    }

    #[test]
    fn there_are_at_most_100_parameters() {
        let others = |count: usize| (0..count).map(|n| format!("&p={n}")).collect::<String>();
        assert!(form(&format!("{FORM}{}", others(93))).is_ok());
        assert!(form(&format!("{FORM}{}", others(94))).is_err());
        let (half, url) = (others(47), format!("http://a.example/?{}", others(47)));
        assert!(read("POST", &url, None, Some(&format!("{FORM}{half}"))).is_err());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for more in ["&a=%", "&%zz=a", "&a=%ff", "&a=%00"] {
            assert!(form(&format!("{FORM}{more}")).is_err(), "{more}");
            assert!(read("GET", &format!("http://a.example/?{more}"), None, Some(FORM)).is_err(), "{more}");
        }
        assert!(read("GET", "ftp://a.example/", None, Some(FORM)).is_err());
        assert!(read("GET", "http://a.example/ ?b", None, Some(FORM)).is_err());
    }

    fn encode_all(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            url in "\\PC{0,60}", path in "[ -~é]{0,40}", header in "\\PC{0,200}", form in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let url = if path.len() % 2 == 0 { url } else { format!("http://a.example{path}") };
            for header in [header.clone(), format!("OAuth {header}"), format!("OAuth {}=\"{header}\"", REQUIRED[0])] {
                let received = Received { method: &path, url: &url, authorization: Some(&header), form: Some(&form) };
                let _ = SignedRequest::read(&received);
            }
            let signed = [b"oauth_signature&", form.as_slice()].concat();
            let received = Received { method: &path, url: &url, authorization: None, form: Some(&signed) };
            prop_assert!(!matches!(SignedRequest::read(&received), Ok(None)));
        }

        #[test]
        fn it_reads_what_was_written(
            key in "[^\\pC]{1,30}", nonce in "[^\\pC]{1,30}", signature in "[^\0]{1,30}", timestamp in 1..=LAST_TIMESTAMP,
            values in prop::collection::vec("[^\0]{0,20}", 0..20), place in 0..3,
        ) {
            let timestamp_text = timestamp.to_string();
            let own = [&key, "HMAC-SHA256", &signature, &timestamp_text, &nonce];
            let own: Vec<(&str, String)> = REQUIRED.into_iter().zip(own.map(encode_all)).collect();
            let others: Vec<String> =
                values.iter().enumerate().map(|(n, value)| format!("p{n}={}", encode_all(value))).collect();
            let mut pairs: [Vec<String>; 2] = [others, vec![]];
            let mut header = None;
            match place {
                2 => {
                    let list: Vec<String> = own.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                    header = Some(format!("OAuth {}", list.join(", ")));
                }
                place => pairs[place as usize].extend(own.iter().map(|(name, value)| format!("{name}={value}"))),
            }
            let url = format!("https://a.example/?{}", pairs[0].join("&"));
            let request = read("PUT", &url, header.as_deref(), Some(&pairs[1].join("&"))).unwrap().unwrap();
            prop_assert_eq!(request.consumer_key(), key.as_str());
            prop_assert_eq!(request.signature(), signature.as_str());
            prop_assert_eq!(request.once(), Some((timestamp, nonce.as_str())));
            for (n, value) in values.iter().enumerate() {
                prop_assert_eq!(request.parameter(&format!("p{n}")), Ok(Some(value.as_str())));
                prop_assert!(request.base_string().contains(&percent_encode(&percent_encode(value))));
            }
        }
    }
}
