//! JSON Web Tokens in compact form (RFC 7519, RFC 7515 §3.1), read but not verified: that is `app::Signatures`'.

use std::fmt;

use serde_json::{Map, Value};

use super::json::parse_object;
use crate::crypto::encoding::from_base64url;
use crate::crypto::signature::SignatureAlgorithm;

/// How long a token may be, in bytes.
pub const LONGEST_JWT: usize = 16 * 1024;

/// The greatest time that is read: what is added to it does not overflow, and a float holds it exactly.
const LATEST: f64 = 9_007_199_254_740_991.0;

/// What a token says. Nothing of it is to be believed before its signature is verified.
pub struct Jwt {
    pub algorithm: SignatureAlgorithm,
    pub kid: Option<String>,
    /// What kind of token it is, if it says so (RFC 8725 §3.11).
    pub typ: Option<String>,
    pub claims: Map<String, Value>,
    /// What the signature is of.
    pub signing_input: String,
    pub signature: Vec<u8>,
}

impl Jwt {
    /// Reads a token that is signed by an algorithm of ours.
    ///
    /// # Errors
    /// Says what is wrong, and quotes nothing.
    pub fn parse(token: &str) -> Result<Self, &'static str> {
        if token.len() > LONGEST_JWT {
            return Err("it is longer than 16 KiB");
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(NOT_THREE_PARTS)?;
        let (header, payload) = signing_input.split_once('.').ok_or(NOT_THREE_PARTS)?;
        if payload.contains('.') {
            return Err(NOT_THREE_PARTS);
        }
        let header = object(header)?;
        if header.contains_key("crit") {
            return Err("it has critical extensions"); // RFC 7515 §4.1.11: we understand none
        }
        let algorithm = text(&header, "alg")?.and_then(SignatureAlgorithm::parse);
        Ok(Self {
            algorithm: algorithm.ok_or("its algorithm is not accepted")?,
            kid: text(&header, "kid")?.map(str::to_owned),
            typ: text(&header, "typ")?.map(str::to_ascii_lowercase),
            claims: object(payload)?,
            signing_input: signing_input.to_owned(),
            signature: from_base64url(signature).ok_or(NOT_BASE64URL)?,
        })
    }

    /// A claim that is a text, if it is there.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, &'static str> {
        text(&self.claims, name)
    }

    /// A claim that is a time, in whole seconds since 1970, if it is there. A fraction (RFC 7519 §2) is cut off.
    ///
    /// # Errors
    /// It is something else, or farther from 1970 than anything happens.
    pub fn time(&self, name: &str) -> Result<Option<i64>, &'static str> {
        let Some(claim) = self.claims.get(name) else {
            return Ok(None);
        };
        let seconds = claim.as_f64().map(f64::floor).filter(|seconds| seconds.abs() <= LATEST);
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and not too great")]
        seconds.map(|seconds| Some(seconds as i64)).ok_or("a time is not a number of seconds")
    }

    /// Whom the token is for (RFC 7519 §4.1.3): none if it does not say so.
    ///
    /// # Errors
    /// `aud` is neither a text nor a list of texts.
    pub fn audiences(&self) -> Result<Vec<&str>, &'static str> {
        let audiences = match self.claims.get("aud") {
            None => return Ok(Vec::new()),
            Some(Value::Array(audiences)) => audiences.iter().map(Value::as_str).collect(),
            Some(audience) => audience.as_str().map(|audience| vec![audience]),
        };
        audiences.ok_or("aud is neither a text nor a list of texts")
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt(redacted)")
    }
}

const NOT_THREE_PARTS: &str = "it does not have three parts";
const NOT_BASE64URL: &str = "a part is not base64url without padding";

fn object(part: &str) -> Result<Map<String, Value>, &'static str> {
    let bytes = from_base64url(part).ok_or(NOT_BASE64URL)?;
    parse_object(&bytes).map_err(|_| "a part is not a JSON object whose names are all different")
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, &'static str> {
    match object.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or("what should be a text is none"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::encoding::base64url;

    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    /// RFC 7515 App. A.2.1.
    const RS256: &str = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t",
        "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j",
        "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ",
        "Ge77Rw"
    );
    /// RFC 7515 App. A.3.1.
    const ES256: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", base64url(header.as_bytes()), base64url(claims.as_bytes()))
    }

    fn with_claims(claims: &Value) -> Jwt {
        Jwt::parse(&token(r#"{"alg":"ES256"}"#, &claims.to_string())).unwrap()
    }

    fn refusal(header: &str, claims: &str) -> &'static str {
        Jwt::parse(&token(header, claims)).unwrap_err()
    }

    #[test]
    fn the_examples_of_rfc_7515_are_read() {
        // RFC 7515 App. A.2, A.3
        for (header, signature, algorithm, length) in [
            ("eyJhbGciOiJSUzI1NiJ9", RS256, SignatureAlgorithm::Rs256, 256),
            ("eyJhbGciOiJFUzI1NiJ9", ES256, SignatureAlgorithm::Es256, 64),
        ] {
            let jwt = Jwt::parse(&format!("{header}.{CLAIMS}.{signature}")).unwrap();
            assert_eq!((jwt.algorithm, jwt.kid.as_deref(), jwt.signature.len()), (algorithm, None, length));
            assert_eq!(jwt.signing_input, format!("{header}.{CLAIMS}"));
            assert_eq!(jwt.text("iss"), Ok(Some("joe")));
            assert_eq!(jwt.time("exp"), Ok(Some(1_300_819_380)));
            assert_eq!(jwt.claims.get("http://example.com/is_root"), Some(&json!(true)));
            assert_eq!(format!("{jwt:?}"), "Jwt(redacted)");
        }
    }

    #[test]
    fn macs_no_signature_and_no_claims_are_refused() {
        let hs256 = format!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        assert_eq!(Jwt::parse(&hs256).unwrap_err(), "its algorithm is not accepted"); // RFC 7515 App. A.1
        let none = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
        assert_eq!(Jwt::parse(&none).unwrap_err(), "its algorithm is not accepted"); // RFC 7515 App. A.5
        // RFC 8037 App. A.4 signs a sentence: a JWS, but not a JWT.
        let eddsa = concat!(
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        assert_eq!(
            Jwt::parse(eddsa).unwrap_err(),
            "a part is not a JSON object whose names are all different"
        );
        let claims = eddsa.replace("RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", CLAIMS);
        assert_eq!(Jwt::parse(&claims).unwrap().algorithm, SignatureAlgorithm::EdDsa);
    }

    #[test]
    fn the_form_is_exact() {
        // RFC 7515 §3.1
        let good = token(r#"{"alg":"ES256","kid":"k1"}"#, "{}");
        assert_eq!(Jwt::parse(&good).unwrap().kid.as_deref(), Some("k1"));
        let (input, signature) = good.rsplit_once('.').unwrap();
        for bad in ["", ".", input, &format!("{good}."), &format!("{good}.e30"), &format!(".{good}")] {
            assert_eq!(Jwt::parse(bad).unwrap_err(), NOT_THREE_PARTS, "{bad}");
        }
        for bad in [
            format!("{input}.{signature}="),
            format!("{input}.{signature}\n"),
            format!(" {good}"),
            format!("{input}.+/"),
            format!("{input}.AB"),
            good.replace(".e30.", ".e3 0."),
        ] {
            assert_eq!(Jwt::parse(&bad).unwrap_err(), NOT_BASE64URL, "{bad}");
        }
        let long = |length: usize| format!("{input}.{}", "A".repeat(length - input.len() - 1));
        assert!(Jwt::parse(&long(LONGEST_JWT)).is_ok());
        assert_eq!(Jwt::parse(&long(LONGEST_JWT + 4)).unwrap_err(), "it is longer than 16 KiB");
    }

    #[test]
    fn a_header_is_understood_or_refused() {
        let twice = "a part is not a JSON object whose names are all different";
        assert_eq!(refusal(r#"{"alg":"ES256","alg":"RS256"}"#, "{}"), twice); // RFC 7515 §4
        assert_eq!(refusal(r#"{"alg":"ES256"}"#, r#"{"sub":"1","sub":"2"}"#), twice);
        assert_eq!(refusal(r#"["ES256"]"#, "{}"), twice);
        assert_eq!(refusal(r#"{"alg":"ES256"}"#, "[]"), twice);
        let crit = r#"{"alg":"ES256","crit":["b64"],"b64":false}"#;
        assert_eq!(refusal(crit, "{}"), "it has critical extensions"); // RFC 7515 §4.1.11
        assert_eq!(refusal(r#"{"alg":"ES256","crit":[]}"#, "{}"), "it has critical extensions");
        assert_eq!(refusal("{}", "{}"), "its algorithm is not accepted");
        assert_eq!(refusal(r#"{"alg":"none"}"#, "{}"), "its algorithm is not accepted");
        assert_eq!(refusal(r#"{"alg":["ES256"]}"#, "{}"), "what should be a text is none");
        assert_eq!(refusal(r#"{"alg":"ES256","kid":7}"#, "{}"), "what should be a text is none");
    }

    #[test]
    fn a_claim_has_its_type() {
        let jwt = with_claims(&json!({"sub": "7", "azp": 7, "nonce": null}));
        assert_eq!(jwt.text("sub"), Ok(Some("7")));
        assert_eq!(jwt.text("email"), Ok(None));
        assert!(jwt.text("azp").is_err());
        assert!(jwt.text("nonce").is_err());
    }

    #[test]
    fn a_time_is_a_number_and_may_have_a_fraction() {
        // RFC 7519 §2
        let times =
            json!({"a": 1_300_819_380, "b": 1_300_819_380.9, "c": -0.5, "d": 9_007_199_254_740_991_u64});
        let jwt = with_claims(&times);
        let expected = [("a", 1_300_819_380), ("b", 1_300_819_380), ("c", -1), ("d", 9_007_199_254_740_991)];
        for (name, seconds) in expected {
            assert_eq!(jwt.time(name), Ok(Some(seconds)), "{name}");
        }
        assert_eq!(jwt.time("e"), Ok(None));
        let bad = json!({"a": "1300819380", "b": null, "c": [1], "d": 1e300, "e": u64::MAX, "f": i64::MIN, "g": true});
        let jwt = with_claims(&bad);
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            assert!(jwt.time(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_audience_is_a_text_or_a_list_of_texts() {
        // RFC 7519 §4.1.3
        for (aud, audiences) in
            [(json!("a"), vec!["a"]), (json!(["a", "b"]), vec!["a", "b"]), (json!([]), vec![])]
        {
            assert_eq!(with_claims(&json!({"aud": aud})).audiences(), Ok(audiences));
        }
        assert_eq!(with_claims(&json!({})).audiences(), Ok(vec![]));
        for bad in [json!(null), json!(1), json!(["a", 1]), json!({"a": "b"}), json!([["a"]])] {
            assert!(with_claims(&json!({"aud": bad})).audiences().is_err(), "{bad}");
        }
    }
}
