//! Floods of headers. This server reads a few headers by name: any number of others is harmless. One of its own that comes more
//! than once or is too long is refused in the prefix's shape, or counts for what it is anyway. How much all headers of a request
//! may take together is limited before a Worker sees them.

use http::{HeaderName, HeaderValue, Method};
use postern::call::Request;
use serde_json::json;

use crate::bad_input::{Shape, assert_in_shape, furnished, stored};
use crate::support::{
    Browser, PASSWORD, TestResponse, TestServer, admin_request, form_request, read_headers, request,
};

const HTTPS: &str = "https://id.example";

/// What is answered well, by every way through this server: with a token, a client's credentials, the operator's, a
/// session, a signature, and with nothing.
struct Good {
    server: TestServer,
    token: String,
    cookies: String,
}

thread_local! {
    static GOOD: Good = Good::new();
}

impl Good {
    fn new() -> Self {
        let server = furnished().another_isolate_with(&[("ISSUER", HTTPS), ("MAIL_CARRIER", "send_email")]);
        let browser = Browser::at(HTTPS, &server);
        browser.log_in("alice");
        let cookies = browser.cookies();
        assert!(cookies.contains("__Host-postern_session="), "{cookies}");
        let token = log_in(&server).tokens().access_token;
        Self { server, token, cookies }
    }

    /// With the status of the answer, and what a refusal looks like.
    fn requests(&self) -> Vec<(Request, u16, Shape)> {
        let bearer = format!("Bearer {}", self.token);
        let authorization = ("authorization", bearer.as_str());
        let json = [("content-type", "application/json")];
        let bob = json!({"username": "bob", "password": PASSWORD}).to_string();
        let carol = json!({"username": "carol", "password": PASSWORD});
        let notes = ("client_id", "notes");
        let (id, secret) = (("client_id", "secretive"), ("client_secret", "the secret of secretive"));
        let cookie = ("cookie", self.cookies.as_str());
        let signed = [
            ("oauth_consumer_key", "old"),
            ("oauth_signature_method", "PLAINTEXT"),
            ("oauth_signature", "the%20secret%20of%20old&"),
            ("oauth_callback", "oob"),
        ];
        let get = |path: &str, headers: &[(&str, &str)]| request(Method::GET, path, headers, "");
        vec![
            (get("/validate/", &[authorization]), 200, Shape::Resource),
            (get("/validate/?fresh=1&scope=read", &[authorization]), 200, Shape::Resource),
            (log_in_request(), 200, Shape::OAuth),
            (form_request("/o/introspect/", &[], &[id, secret, ("token", &self.token)]), 200, Shape::OAuth),
            (request(Method::POST, "/sign_up/", &json, &bob), 201, Shape::Drf),
            (form_request("/auth/invalidate-refresh-tokens/", &[authorization], &[notes]), 204, Shape::Drf),
            (form_request("/oauth/request_token/", &[], &signed), 200, Shape::OAuth1),
            (admin_request("POST", "users", carol), 201, Shape::OAuth),
            (get("/healthz", &[]), 200, Shape::OAuth),
            (get("/", &[]), 200, Shape::Page),
            (get("/account/", &[cookie]), 200, Shape::Page),
            (get("/o/applications/notes/", &[cookie]), 200, Shape::Page),
        ]
    }
}

fn log_in_request() -> Request {
    let form =
        [("grant_type", "password"), ("client_id", "notes"), ("username", "alice"), ("password", PASSWORD)];
    form_request("/o/token/", &[], &form)
}

fn log_in(server: &TestServer) -> TestResponse {
    server.send(log_in_request())
}

fn append(request: &mut Request, name: &str, value: &str) {
    request.headers_mut().append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
}

/// Each of the good requests, with what `flood` does to it. `check` gets the path, the usual status, the answer, what a refusal
/// looks like, and whether what is stored is as before.
fn with_each(flood: impl Fn(&mut Request), check: impl Fn(&str, u16, TestResponse, Shape, bool)) {
    GOOD.with(|good| {
        for (mut request, usual, shape) in good.requests() {
            flood(&mut request);
            let before = stored(&good.server);
            good.server.take_back(|isolate| {
                let response = isolate.send(request.clone());
                check(request.uri().path(), usual, response, shape, stored(&good.server) == before);
            });
        }
    });
}

/// As without the flood.
fn as_usual(flood: impl Fn(&mut Request)) {
    with_each(flood, |path, usual, response, _, _| {
        assert_eq!(response.status(), usual, "{path}: {}", response.text());
    });
}

#[test]
fn headers_that_nobody_reads_are_harmless_in_any_number_and_of_any_length() {
    as_usual(|request| (0..1_000).for_each(|n| append(request, &format!("x-junk-{n}"), "x")));
    as_usual(|request| (0..10_000).for_each(|_| append(request, "x-junk", "x")));
    as_usual(|request| append(request, "x-junk", &"x".repeat(1024 * 1024)));
    as_usual(|request| append(request, "x-auth-subject", &"x".repeat(100_000)));
}

#[test]
fn cookies_of_others_are_harmless_in_any_number() {
    let many = "a=b; ".repeat(10_000);
    as_usual(|request| append(request, "cookie", &many));
    // In front of our own, too, and with names that are nearly ours.
    let near = "__Host-postern_sessio=x; __Secure-__Host-postern_session=x; postern_session=x; ".repeat(400);
    assert!(near.len() > 30_000);
    as_usual(|request| {
        let own = request.headers_mut().remove("cookie");
        append(request, "cookie", &near);
        if let Some(own) = own {
            append(request, "cookie", own.to_str().unwrap());
        }
    });
}

#[test]
fn of_many_session_cookies_the_first_counts() {
    let many = "__Host-postern_session=x; ".repeat(1_300);
    assert!(many.len() > 32 * 1024);
    as_usual(|request| append(request, "cookie", &many));
    let in_front = |request: &mut Request| {
        let own = request.headers_mut().remove("cookie");
        let own = own.map(|own| own.to_str().unwrap().to_owned()).unwrap_or_default();
        append(request, "cookie", &format!("{many}{own}"));
    };
    with_each(in_front, |path, usual, response, _, is_unchanged| {
        if !["/account/", "/o/applications/notes/"].contains(&path) {
            assert_eq!(response.status(), usual, "{path}");
            return;
        }
        response.assert_status(303);
        let location = response.header("location").unwrap();
        assert!(location.starts_with("https://id.example/accounts/login/"), "{location}");
        assert!(is_unchanged);
    });
}

#[test]
fn headers_that_are_read_are_refused_or_harmless_in_any_number_and_of_any_length() {
    let long = "x".repeat(100_000);
    for name in read_headers() {
        let again = |request: &mut Request| {
            let own = request.headers().get(name).map(|own| own.to_str().unwrap().to_owned());
            (0..1_000).for_each(|_| append(request, name, own.as_deref().unwrap_or("x")));
        };
        let instead = |request: &mut Request| {
            request.headers_mut().remove(name);
            append(request, name, &long);
        };
        let check = |path: &str, usual: u16, response: TestResponse, shape: Shape, is_unchanged: bool| {
            let (status, told) = (response.status(), format!("{name} at {path}: {}", response.text()));
            if status == usual {
                return;
            }
            // What nobody needs is no reason to refuse.
            assert!(
                !["accept", "cf-connecting-ip", "origin", "user-agent"].contains(&name),
                "{status} {told}"
            );
            assert!(is_unchanged, "{told}");
            // Without their session, people are sent to log in.
            if status != 303 || name != "cookie" {
                assert!((400..500).contains(&status), "{status} {told}");
                assert_in_shape(&response, shape);
            }
        };
        with_each(again, check);
        with_each(instead, check);
    }
}

#[test]
fn two_tokens_are_no_token() {
    let twice = |request: &mut Request| {
        if let Some(own) = request.headers().get("authorization").cloned() {
            request.headers_mut().append("authorization", own);
        }
    };
    with_each(twice, |path, usual, response, shape, is_unchanged| {
        let has_token =
            path.starts_with("/validate") || path.starts_with("/admin") || path.starts_with("/auth");
        match has_token {
            true => {
                assert!([400, 401].contains(&response.status()), "{path}: {}", response.text());
                assert_in_shape(&response, shape);
                assert!(is_unchanged, "{path}");
            }
            false => assert_eq!(response.status(), usual, "{path}"),
        }
    });
}
