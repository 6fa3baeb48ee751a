//! A request on its way, its answer, and what is noted for the log.

pub mod body;
pub mod head;

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderValue;
use http::header::HeaderName;

use crate::app::App;
use crate::model::address::Address;
use crate::model::application::Application;
use crate::model::audit::{Actor, By};
use crate::protocol::error::OAuthError;

pub type Request = http::Request<Vec<u8>>;
pub type Response = http::Response<Vec<u8>>;

/// One request on its way through an endpoint or a page.
pub struct Call<'a> {
    pub request: &'a Request,
    pub app: &'a App,
    /// Who this server says that it is; empty at `/validate/` and `/healthz`, which do not read the host.
    pub issuer: String,
    /// What stands in the path where the route has a `{}`, decoded.
    pub captures: Vec<String>,
    /// The application that the request comes from, as soon as it is known: its origins decide about CORS.
    pub requester: RefCell<Option<Rc<Application>>>,
}

impl<'a> Call<'a> {
    /// Where the request comes from, if Cloudflare says so: it overwrites what a client writes there.
    pub fn address(&self) -> Option<Address> {
        header(self.request, "cf-connecting-ip").ok().flatten().and_then(Address::parse)
    }

    /// The path below the issuer's; some proxies have taken that away.
    pub fn path(&self) -> &str {
        let path = self.request.uri().path();
        let issuer = self.app.settings.issuer.as_ref().map_or("", |issuer| issuer.path());
        path.strip_prefix(issuer).unwrap_or(path)
    }

    pub fn by(&self, actor: Actor) -> By {
        By { actor, address: self.address() }
    }

    pub fn capture(&self, index: usize) -> &str {
        self.captures.get(index).map_or("", String::as_str)
    }
}

/// A header that stands at most once.
///
/// # Errors
/// - `invalid_request`: it stands twice, or is not text.
pub fn header<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, OAuthError> {
    let refused = || OAuthError::invalid_request(format!("the header {name} came twice or is not text"));
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused()),
        (Some(_), Some(_)) => Err(refused()),
    }
}

/// Why a request was refused, for the operator's log.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub error: &'static str,
    pub detail: String,
    /// False where a line would cost more than the refusal: then it is only counted.
    pub is_logged: bool,
}

/// Puts a header. What cannot be one is left out.
pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Notes for the log why a request is refused.
pub fn because(response: &mut Response, error: &'static str, detail: String, is_logged: bool) {
    response.extensions_mut().insert(Refusal { error, detail, is_logged });
}
