//! What came back, and what it must be.

use postern::call::Response;
use serde_json::Value;

pub struct TestResponse(pub Response);

impl TestResponse {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).map(|value| value.to_str().expect("an ASCII header"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.body().clone()).expect("a body in UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status(), status, "{}", self.text());
        self
    }

    /// An error as RFC 6749 §5.2 wants it.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) -> &Self {
        self.assert_status(status);
        assert_eq!(self.json()["error"], code, "{}", self.text());
        let description = self.json()["error_description"].as_str().expect("a description").to_owned();
        assert!(
            description.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\'),
            "{description}"
        );
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("pragma"), Some("no-cache"));
        assert!(self.header("x-request-id").is_some());
        if status == 401 {
            assert!(self.header("www-authenticate").is_some());
        }
        if status == 503 {
            assert!(self.header("retry-after").is_some());
        }
        self
    }

    /// An error as RFC 6750 §3 wants it.
    #[track_caller]
    pub fn assert_bearer_error(&self, status: u16, code: &str) -> &Self {
        self.assert_error(status, code);
        assert_eq!(self.json()["active"], false);
        let challenge = self.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with(&format!(r#"Bearer realm="api", error="{code}""#)), "{challenge}");
        self
    }

    /// An error by field, as Django REST framework shows it.
    #[track_caller]
    pub fn assert_field_error(&self, field: &str) -> &Self {
        self.assert_status(400);
        assert!(self.json()[field][0].is_string(), "{}", self.text());
        self
    }

    /// An error of the operator's API that names these fields, in the order of their names.
    #[track_caller]
    pub fn assert_fields(&self, status: u16, names: &[&str]) -> &Self {
        self.assert_error(status, "invalid_request");
        let body = self.json();
        let fields = body["fields"].as_object().unwrap_or_else(|| panic!("no fields: {body}"));
        assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), names, "{body}");
        assert!(fields.values().all(|messages| messages[0].is_string()), "{body}");
        self
    }
}
