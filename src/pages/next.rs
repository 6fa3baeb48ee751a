//! Where a person wants to go once they are logged in: a path of this server, never another one.

use crate::call::Call;
use crate::grants::client;
use crate::model::redirect::VerifiedRedirect;
use crate::protocol::params::{Params, encode};
use crate::protocol::uri::policy_sources;
use crate::store::database::StoreError;

/// A path below the issuer, with its query.
pub struct Next(String);

impl Next {
    /// Anything but a path of ours is the account page.
    pub fn read(asked: Option<&str>) -> Self {
        let is_ours = |text: &str| {
            let is_path = text.starts_with('/') && !text.starts_with("//");
            let mut segments = text.split('?').next().unwrap_or_default().split('/');
            is_path
                && !segments.any(is_dots)
                && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && !b"\\#\"<>".contains(&byte))
        };
        Self(asked.filter(|text| is_ours(text)).unwrap_or("/account/").to_owned())
    }

    /// An authorization request, to be gone on with.
    pub fn authorize(query: &str) -> Self {
        Self(format!("{AUTHORIZE}{query}"))
    }

    pub fn path(&self) -> &str {
        &self.0
    }

    /// In full: the issuer stands in front, so nothing in the path can name another host.
    pub fn url(&self, call: &Call<'_>) -> String {
        format!("{}{}", call.issuer, self.0)
    }

    /// Another page of ours, to go on from there.
    pub fn with_path(&self, url: &str) -> String {
        format!("{url}?{}", encode(&[("next", &self.0)]))
    }

    /// Where a login leads in the end, if it goes on with an authorization request: what a policy has to name.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn form_targets(&self, call: &Call<'_>) -> Result<Vec<String>, StoreError> {
        let Some(query) = self.0.strip_prefix(AUTHORIZE) else {
            return Ok(Vec::new());
        };
        let (params, _) = Params::parse_leniently(query.as_bytes());
        let Some(client_id) = params.optional("client_id") else {
            return Ok(Vec::new());
        };
        let Some((application, _)) = client::find(client_id, call.app).await? else {
            return Ok(Vec::new());
        };
        let (asked, schemes) = (params.optional("redirect_uri"), &call.app.settings.redirect_schemes);
        let redirect = VerifiedRedirect::verify(asked, &application, schemes, &call.issuer);
        Ok(redirect.ok().and_then(|redirect| policy_sources(redirect.uri())).into_iter().collect())
    }
}

/// Browsers take such a segment for a way up (WHATWG URL §4.4), and so out of an issuer's path.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

const AUTHORIZE: &str = "/o/authorize/?";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server() {
        for good in ["/", "/account/", "/o/authorize/?a=b%20c&d=https%3A%2F%2Fapp.example"] {
            assert_eq!(Next::read(Some(good)).path(), good);
        }
        for bad in [
            "",
            "account/",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "/a b",
            "/a\r\nX: y",
            "javascript:alert(1)",
            "/é",
        ] {
            assert_eq!(Next::read(Some(bad)).path(), "/account/", "{bad}");
        }
        assert_eq!(Next::read(None).path(), "/account/");
    }
}
