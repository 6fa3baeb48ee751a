//! A person's browser: it keeps cookies, follows the redirects of this server, and fills in forms.

use std::cell::RefCell;
use std::collections::BTreeMap;

use http::Method;
use postern::call::Request;
use postern::protocol::params::Params;

use super::{CALLBACK, PASSWORD, TestResponse, TestServer, encode_form, form_request, request};

/// RFC 7636 Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An application's request at `/o/authorize/`.
#[derive(Clone)]
pub struct AuthorizationRequest(Vec<(String, String)>);

impl AuthorizationRequest {
    pub fn for_code(client_id: &str) -> Self {
        Self(Vec::new())
            .with("response_type", "code")
            .with("client_id", client_id)
            .with("redirect_uri", CALLBACK)
            .with("state", "the state")
            .with("scope", "read write")
            .with("code_challenge", CHALLENGE)
            .with("code_challenge_method", "S256")
    }

    /// For an access token in the response (RFC 6749 §4.2.1).
    pub fn for_token(client_id: &str) -> Self {
        Self::for_code(client_id)
            .with("response_type", "token")
            .without("code_challenge")
            .without("code_challenge_method")
    }

    /// With this value instead.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// With this value beside the one that is there.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> String {
        format!("/o/authorize/?{}", self.query())
    }

    /// As a query, or as a form.
    pub fn query(&self) -> String {
        let pairs: Vec<(&str, &str)> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        encode_form(&pairs)
    }
}

/// Where an authorization response sends the browser.
#[derive(Debug)]
pub struct Landing {
    pub uri: String,
    /// The parameters stand in the fragment.
    pub is_fragment: bool,
    pub params: Params,
}

impl Landing {
    /// Reads a redirect to an application.
    #[track_caller]
    pub fn of(response: &TestResponse) -> Self {
        response.assert_status(303);
        let location = response.header("location").expect("a location");
        let (uri, params) =
            location.split_once(['?', '#']).unwrap_or_else(|| panic!("no parameters: {location}"));
        Self {
            uri: uri.to_owned(),
            is_fragment: location.contains('#'),
            params: Params::parse(params.as_bytes()).expect("a form"),
        }
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.params.optional(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// An error response with everything that belongs there (RFC 6749 §4.1.2.1, RFC 9207 §2).
    #[track_caller]
    pub fn assert_error(&self, code: &str) {
        assert_eq!(self.get("error"), code, "{self:?}");
        assert!(!self.get("error_description").is_empty());
        assert_eq!(self.get("state"), "the state");
        assert_eq!(self.get("iss"), "http://localhost:8787");
        for absent in ["code", "access_token"] {
            assert_eq!(self.params.optional(absent), None);
        }
    }
}

pub struct Browser<'a> {
    server: &'a TestServer,
    /// The paths of the methods stand below it.
    issuer: String,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a TestServer) -> Self {
        Self::at("http://localhost:8787", server)
    }

    /// A browser that knows the server by another address.
    pub fn at(issuer: &str, server: &'a TestServer) -> Self {
        Self { server, issuer: issuer.to_owned(), cookies: RefCell::default() }
    }

    /// A browser of somebody who has got hold of the cookies of this one.
    pub fn copy(&self) -> Self {
        let Self { server, issuer, cookies } = self;
        Self { server, issuer: issuer.clone(), cookies: cookies.clone() }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// All cookies, as they go into a request.
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn get_request(&self, path: &str) -> Request {
        request(Method::GET, &self.url(path), &[("cookie", &self.cookies())], "")
    }

    pub fn post_request(&self, path: &str, form: &[(&str, &str)]) -> Request {
        form_request(&self.url(path), &[("cookie", &self.cookies())], form)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// One request; no redirect is followed.
    pub fn get(&self, path: &str) -> TestResponse {
        self.receive(self.server.send(self.get_request(path)))
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        self.receive(self.server.send(self.post_request(path, form)))
    }

    /// Keeps the cookies of an answer.
    pub fn receive(&self, response: TestResponse) -> TestResponse {
        for cookie in response.0.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            match attributes.contains("Max-Age=0") {
                true => self.cookies.borrow_mut().remove(name),
                false => self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned()),
            };
        }
        response
    }

    /// Opens a page, whatever pages of this server it leads to.
    pub fn open(&self, path: &str) -> TestResponse {
        self.follow(self.get(path))
    }

    fn follow(&self, mut response: TestResponse) -> TestResponse {
        for _ in 0..10 {
            let location = response.header("location").unwrap_or_default();
            let Some(path) = location.strip_prefix(&self.issuer).filter(|path| path.starts_with('/')) else {
                return response;
            };
            response = self.get(path);
        }
        panic!("redirects without an end")
    }

    /// Sends the form of `page` with these values in its fields, and follows to where it leads.
    pub fn submit(&self, page: &TestResponse, values: &[(&str, &str)]) -> TestResponse {
        self.follow(self.submit_once(page, values))
    }

    /// As [`Browser::submit`]; no redirect is followed. A field that the page has ticked or filled in and that is not among
    /// `values` is sent as it is; one with the value `-` is left out.
    pub fn submit_once(&self, page: &TestResponse, values: &[(&str, &str)]) -> TestResponse {
        let text = page.text();
        self.send_form(text.rsplit("<form ").next().expect("a form"), values)
    }

    /// As [`Browser::submit_once`], for the form of `page` that goes to `path`.
    pub fn submit_to(&self, path: &str, page: &TestResponse, values: &[(&str, &str)]) -> TestResponse {
        self.receive(self.server.send(self.form_request(path, page, values)))
    }

    /// What [`Browser::submit_to`] sends.
    pub fn form_request(&self, path: &str, page: &TestResponse, values: &[(&str, &str)]) -> Request {
        let action = format!("action=\"{}{path}\"", self.issuer);
        let text = page.text();
        let form = text.split("<form ").find(|form| form.contains(&action));
        let (action, form) = filled_in(form.unwrap_or_else(|| panic!("no form to {path}: {text}")), values);
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post_request(self.path_of(&action), &form)
    }

    fn send_form(&self, form: &str, values: &[(&str, &str)]) -> TestResponse {
        let (action, form) = filled_in(form, values);
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(self.path_of(&action), &form)
    }

    fn path_of<'b>(&self, action: &'b str) -> &'b str {
        action.strip_prefix(&self.issuer).expect("an action of ours")
    }

    /// Logs a user of [`TestServer::user`] in.
    pub fn log_in(&self, username: &str) -> &Self {
        let page = self.get("/accounts/login/");
        self.submit_once(&page, &[("username", username), ("password", PASSWORD)]).assert_status(303);
        self
    }

    /// Brings an application's request, and allows what it asks for if that is asked.
    #[track_caller]
    pub fn authorize(&self, request: &AuthorizationRequest) -> Landing {
        let page = self.open(&request.path());
        match page.status() {
            200 => Landing::of(&self.submit_once(&page, &[("decision", "allow")])),
            _ => Landing::of(&page),
        }
    }

    /// As [`Browser::authorize`]: the code.
    #[track_caller]
    pub fn code(&self, request: &AuthorizationRequest) -> String {
        self.authorize(request).get("code").to_owned()
    }
}

/// The action of the last form of a page, and its fields as they are.
pub fn form_of(page: &str) -> (String, Vec<(String, String)>) {
    filled_in(page.rsplit("<form ").next().expect("a form"), &[])
}

/// Where a form goes to, and its fields as they are, but for `values`.
fn filled_in(form: &str, values: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
    let form = form.split("</form>").next().unwrap_or(form);
    let action = attribute(form, "action").expect("an action");
    let inputs = form.split("<input ").skip(1).filter_map(|input| {
        let input = input.split('>').next()?;
        let is_off = attribute(input, "type").as_deref() == Some("checkbox") && !input.contains(" checked");
        Some((attribute(input, "name")?, attribute(input, "value")?)).filter(|_| !is_off)
    });
    let areas = form.split("<textarea ").skip(1).filter_map(|area| {
        let (tag, rest) = area.split_once('>')?;
        Some((attribute(tag, "name")?, unescaped(rest.split("</textarea>").next()?)))
    });
    let selects = form.split("<select ").skip(1).filter_map(|select| {
        let chosen = select.split("<option ").find(|option| option.contains(" selected"))?;
        Some((attribute(select, "name")?, attribute(chosen, "value")?))
    });
    let mut fields: Vec<(String, String)> = inputs.chain(areas).chain(selects).collect();
    for (name, value) in values {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name.to_string(), value.to_string()));
        }
    }
    (action, fields)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(unescaped(value))
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
