//! What bad input gets, on every route: a 4xx in the shape of its prefix, nothing stored, never a 5xx, never a panic.

use http::Method;
use postern::call::Request;
use postern::router::reads_body;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, PASSWORD, TestResponse, TestServer, admin_bytes_request, bytes_request, encode_form,
    percent_encode, request, routes,
};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What errors look like below a prefix.
#[derive(Clone, Copy)]
enum Shape {
    OAuth,
    Drf,
    OAuth1,
    Page,
}

/// Every route that reads a body before all else: its method and path, and what it reads.
const BODIES: [(&str, &str, &str, Shape); 43] = [
    ("POST", "/o/token/", FORM, Shape::OAuth),
    ("POST", "/o/revoke_token/", FORM, Shape::OAuth),
    ("POST", "/o/introspect/", FORM, Shape::OAuth),
    ("POST", "/auth/token/", FORM, Shape::OAuth),
    ("POST", "/auth/token/", JSON, Shape::OAuth),
    ("POST", "/sign_up/", FORM, Shape::Drf),
    ("POST", "/sign_up/", JSON, Shape::Drf),
    ("POST", "/admin/api/applications", JSON, Shape::OAuth),
    ("PATCH", "/admin/api/applications/notes", JSON, Shape::OAuth),
    ("POST", "/admin/api/users", JSON, Shape::OAuth),
    ("PATCH", "/admin/api/users/alice", JSON, Shape::OAuth),
    ("POST", "/admin/api/users/alice/set-password", JSON, Shape::OAuth),
    ("POST", "/sign_up", JSON, Shape::Drf),
    ("POST", "/o/authorize/", FORM, Shape::Page),
    ("POST", "/accounts/login/", FORM, Shape::Page),
    ("POST", "/accounts/signup/", FORM, Shape::Page),
    ("POST", "/accounts/logout/", FORM, Shape::Page),
    ("POST", "/accounts/password/", FORM, Shape::Page),
    ("POST", "/account/", FORM, Shape::Page),
    ("POST", "/account/sessions/", FORM, Shape::Page),
    ("POST", "/o/authorized_tokens/AAAAAAAAAAAAAAAA/delete/", FORM, Shape::Page),
    ("POST", "/o/applications/register/", FORM, Shape::Page),
    ("POST", "/o/applications/notes/update/", FORM, Shape::Page),
    ("POST", "/o/applications/notes/rotate-secret/", FORM, Shape::Page),
    ("POST", "/o/applications/notes/delete/", FORM, Shape::Page),
    ("POST", "/auth/convert-token/", FORM, Shape::OAuth),
    ("POST", "/auth/convert-token/", JSON, Shape::OAuth),
    ("POST", "/auth/authorize/", FORM, Shape::Page),
    ("POST", "/social/google-oauth2/", FORM, Shape::Drf),
    ("POST", "/social/google-oauth2/", JSON, Shape::Drf),
    ("POST", "/api/2.0/social/google-oauth2/", JSON, Shape::Drf),
    ("POST", "/accounts/password/reset/", FORM, Shape::Page),
    ("POST", "/accounts/password/reset/AAAAAAAAAAAAAAAA/", FORM, Shape::Page),
    ("POST", "/accounts/email/verify/", FORM, Shape::Page),
    ("POST", "/accounts/email/verify/AAAAAAAAAAAAAAAA/", FORM, Shape::Page),
    ("POST", "/login/google-oauth2/", FORM, Shape::Page),
    ("POST", "/auth/login/google-oauth2/", FORM, Shape::Page),
    ("POST", "/complete/google-oauth2/", FORM, Shape::Page),
    ("POST", "/auth/complete/google-oauth2/", FORM, Shape::Page),
    ("POST", "/disconnect/google-oauth2/", FORM, Shape::Page),
    ("POST", "/auth/disconnect/google-oauth2/", FORM, Shape::Page),
    ("POST", "/disconnect/google-oauth2/AAAAAAAAAAAAAAAA/", FORM, Shape::Page),
    ("POST", "/auth/disconnect/google-oauth2/AAAAAAAAAAAAAAAA/", FORM, Shape::Page),
];

/// Where a body can be sent, and something else is looked at first, or no body is needed.
const OTHER_BODIES: [&str; 11] = [
    "/admin/api/applications/notes/rotate-secret",
    "/admin/api/cleartokens",
    "/admin/api/reencrypt",
    "/admin/api/users/alice/logout",
    "/auth/disconnect-backend/",
    "/auth/invalidate-refresh-tokens/",
    "/auth/invalidate-sessions/",
    "/auth/revoke-token/",
    "/oauth/access_token/",
    "/oauth/authorize/",
    "/oauth/request_token/",
];

/// Every route but `/validate/`, which takes any method: its path, and the methods it knows.
const ROUTES: [(&str, &[&str], Shape); 62] = [
    ("/healthz", &["GET", "HEAD"], Shape::OAuth),
    ("/auth/convert-token/", &["POST", "OPTIONS"], Shape::OAuth),
    ("/social/google-oauth2/", &["POST", "OPTIONS"], Shape::Drf),
    ("/api/2.0/social/google-oauth2/", &["POST", "OPTIONS"], Shape::Drf),
    ("/auth/disconnect-backend/", &["POST", "OPTIONS"], Shape::Drf),
    ("/oauth/request_token/", &["GET", "HEAD", "POST"], Shape::OAuth1),
    ("/oauth/authorize/", &["GET", "HEAD", "POST"], Shape::OAuth1),
    ("/oauth/access_token/", &["GET", "HEAD", "POST"], Shape::OAuth1),
    ("/.well-known/oauth-authorization-server/path", &["GET", "HEAD"], Shape::OAuth),
    ("/admin/api/users/alice/social/google-oauth2/token", &["GET", "HEAD"], Shape::OAuth),
    ("/admin/api/audit-events", &["GET", "HEAD"], Shape::OAuth),
    ("/admin/api/reencrypt", &["POST"], Shape::OAuth),
    ("/accounts/password/reset/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/password/reset/AAAAAAAAAAAAAAAA/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/password/sent/", &["GET", "HEAD"], Shape::Page),
    ("/accounts/email/verify/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/email/verify/AAAAAAAAAAAAAAAA/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/email/sent/", &["GET", "HEAD"], Shape::Page),
    ("/accounts/email/verified/", &["GET", "HEAD"], Shape::Page),
    ("/login/google-oauth2/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/auth/login/google-oauth2/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/complete/google-oauth2/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/auth/complete/google-oauth2/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/disconnect/google-oauth2/", &["POST"], Shape::Page),
    ("/auth/disconnect/google-oauth2/", &["POST"], Shape::Page),
    ("/disconnect/google-oauth2/AAAAAAAAAAAAAAAA/", &["POST"], Shape::Page),
    ("/auth/disconnect/google-oauth2/AAAAAAAAAAAAAAAA/", &["POST"], Shape::Page),
    ("/o/token/", &["POST", "OPTIONS"], Shape::OAuth),
    ("/o/revoke_token/", &["POST", "OPTIONS"], Shape::OAuth),
    ("/o/introspect/", &["POST"], Shape::OAuth),
    ("/sign_up/", &["POST", "OPTIONS"], Shape::Drf),
    ("/auth/token/", &["POST", "OPTIONS"], Shape::OAuth),
    ("/auth/revoke-token/", &["POST", "OPTIONS"], Shape::Drf),
    ("/auth/invalidate-sessions/", &["POST", "OPTIONS"], Shape::Drf),
    ("/auth/invalidate-refresh-tokens/", &["POST", "OPTIONS"], Shape::Drf),
    ("/auth/authorize/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/.well-known/oauth-authorization-server", &["GET", "HEAD"], Shape::OAuth),
    ("/o/.well-known/oauth-authorization-server/", &["GET", "HEAD"], Shape::OAuth),
    ("/admin/api/applications", &["GET", "POST", "HEAD"], Shape::OAuth),
    ("/admin/api/applications/notes", &["GET", "PATCH", "DELETE", "HEAD"], Shape::OAuth),
    ("/admin/api/applications/notes/rotate-secret", &["POST"], Shape::OAuth),
    ("/admin/api/users", &["GET", "POST", "HEAD"], Shape::OAuth),
    ("/admin/api/users/alice", &["GET", "PATCH", "DELETE", "HEAD"], Shape::OAuth),
    ("/admin/api/users/alice/set-password", &["POST"], Shape::OAuth),
    ("/admin/api/users/alice/logout", &["POST"], Shape::OAuth),
    ("/admin/api/cleartokens", &["POST"], Shape::OAuth),
    ("/", &["GET", "HEAD"], Shape::Page),
    ("/o/authorize/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/login/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/signup/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/logout/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/accounts/password/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/account/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/account/sessions/", &["POST"], Shape::Page),
    ("/o/authorized_tokens/", &["GET", "HEAD"], Shape::Page),
    ("/o/authorized_tokens/AAAAAAAAAAAAAAAA/delete/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/o/applications/", &["GET", "HEAD"], Shape::Page),
    ("/o/applications/register/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/o/applications/notes/", &["GET", "HEAD"], Shape::Page),
    ("/o/applications/notes/update/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/o/applications/notes/delete/", &["GET", "HEAD", "POST"], Shape::Page),
    ("/o/applications/notes/rotate-secret/", &["GET", "HEAD", "POST"], Shape::Page),
];

/// The route of a path: the first that fits.
fn route_of(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    routes().into_iter().find(|route| match route.strip_suffix("/{*}") {
        Some(start) => path.starts_with(start),
        None => {
            let mut expected = route.trim_end_matches('/').split('/');
            let fits =
                |segment: &&str| expected.next().is_some_and(|known| known == "{}" || known == *segment);
            segments.iter().all(fits) && expected.next().is_none()
        }
    })
}

#[test]
fn no_route_is_left_out() {
    let tried: Vec<_> = ROUTES.iter().map(|(path, _, _)| route_of(path)).collect();
    let left_out: Vec<_> = routes().into_iter().filter(|route| !tried.contains(&Some(*route))).collect();
    assert_eq!((left_out, tried.contains(&None)), (vec!["/validate"], false));
    let is_body = |method: &str, path: &str| {
        BODIES.iter().any(|(known, other, ..)| *known == method && route_of(other) == route_of(path))
    };
    let other = |(path, methods, _): &(&'static str, &[&str], Shape)| {
        let other = |method: &&str| ["POST", "PATCH"].contains(method) && !is_body(method, path);
        methods.iter().any(other).then_some(*path)
    };
    let mut others: Vec<_> = ROUTES.iter().filter_map(other).collect();
    others.sort_unstable();
    assert_eq!(others, OTHER_BODIES);
}

#[test]
fn a_wrong_method_is_405_and_tells_which_are_allowed() {
    let server = furnished();
    let before = stored(&server);
    for (path, allowed, shape) in ROUTES {
        for method in
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "x"]
        {
            if allowed.contains(&method) {
                continue;
            }
            for path in [path, path.trim_end_matches('/')].into_iter().filter(|path| !path.is_empty()) {
                let response = server.send(authorized(method, path, JSON, b"{}"));
                let told: Vec<&str> = response.header("allow").expect("Allow").split(", ").collect();
                assert_eq!(told.len(), allowed.len(), "{told:?}");
                assert!(allowed.iter().all(|method| told.contains(method)), "{told:?}");
                match method {
                    "HEAD" => assert_eq!((response.status(), response.text().as_str()), (405, "")),
                    _ => assert_shape(&response, 405, shape),
                }
            }
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn an_unknown_path_is_404_as_json_or_as_a_page() {
    let server = furnished();
    for path in [
        "/o/",
        "/o/tokens/",
        "/o//token/",
        "/o/token//",
        "//o/token/",
        "/O/token/",
        "/o/token/x",
        "/sign_up/x",
        "/admin/api/",
        "/admin/api/applications/notes/x",
        "/admin/api/users//",
        "/auth/",
        "/auth/tokens",
        "/validate/x",
        "/%6f/token/",
    ] {
        for method in [Method::GET, Method::POST] {
            let page = server.send(request(method.clone(), path, &[("accept", "text/html")], ""));
            page.assert_status(404);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
            let json = server.send(request(method, path, &[("accept", JSON)], ""));
            json.assert_error(404, "not_found");
        }
    }
}

#[test]
fn a_path_that_is_not_percent_encoded_utf_8_is_4xx_in_the_shape_of_its_prefix() {
    let server = furnished();
    let before = stored(&server);
    for bad in ["%ff", "%", "%4", "%zz", "%00", "a%00b", "%C0%AF", "%ED%A0%80", "%u0041", "%%"] {
        for (path, _, shape) in ROUTES {
            let route = route_of(path).expect("a route");
            if route.contains('{') {
                let path = route.replace("{}", bad).replace("{*}", bad);
                for method in ["GET", "POST", "PATCH", "DELETE"] {
                    assert_shape(&server.send(authorized(method, &path, JSON, b"{}")), 400, shape);
                }
            }
        }
        for path in
            [format!("/{bad}"), format!("/o/{bad}"), format!("/o/token{bad}"), format!("/sign_up/{bad}")]
        {
            server.send(authorized("POST", &path, FORM, b"")).assert_status(404);
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn a_body_that_is_not_what_it_says_is_400() {
    let server = furnished();
    let before = stored(&server);
    let deep = |open: &str, close: &str| {
        format!(r#"{{"username": "a", "x": {}{}}}"#, open.repeat(5000), close.repeat(5000))
    };
    let json = [
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"{\"a\": \"\\u0000\"}".to_vec(),
        b"{\"a\": \"\0\"}".to_vec(),
        b"{\"a\": \"\xff\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"{\"a\": 1, \"a\": 1}".to_vec(),
        b"{\"a\": 1e9999}".to_vec(),
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        vec![b'['; 65_536],
        vec![0; 100],
        vec![0xff; 100],
    ];
    let good = encode_form(&[
        ("grant_type", "password"),
        ("username", "bob"),
        ("password", PASSWORD),
        ("token", "x"),
    ]);
    let many = (0..101).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let forms = ["&a=%00", "&a=\0", "&%00=a", "&a=%ff", "&a=%", "&a=%4", "&a=%zz", "&a=1&a=1", "&a=&%61="]
        .map(|bad| format!("{good}{bad}").into_bytes());
    let forms =
        [&forms[..], &[many.into_bytes(), [good.as_bytes(), b"&a=\xff"].concat(), vec![0; 100]]].concat();
    for (method, path, media_type, shape) in BODIES {
        for body in if media_type == FORM { &forms[..] } else { &json[..] } {
            assert_shape(&server.send(authorized(method, path, media_type, body)), 400, shape);
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn a_form_has_at_most_100_parameters() {
    let server = furnished();
    let many = |count: usize| (0..count).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let sign_up = |count: usize| format!("username=bob&password=correct+horse+battery&{}", many(count - 2));
    let over = server.send(authorized("POST", "/sign_up/", FORM, sign_up(101).as_bytes()));
    assert_eq!(over.assert_status(400).json().as_object().unwrap().keys().collect::<Vec<_>>(), ["detail"]);
    server.send(authorized("POST", "/sign_up/", FORM, sign_up(100).as_bytes())).assert_status(201);
    let log_in = "grant_type=password&client_id=notes&username=alice&password=correct+horse+battery";
    let log_in = |count: usize| format!("{log_in}&{}", many(count - 4));
    let over = server.send(authorized("POST", "/o/token/", FORM, log_in(101).as_bytes()));
    over.assert_error(400, "invalid_request");
    server.send(authorized("POST", "/o/token/", FORM, log_in(100).as_bytes())).tokens();
    let query = format!("/admin/api/users?{}", many(101));
    server.send(authorized("GET", &query, JSON, b"")).assert_error(400, "invalid_request");
    let query = format!("/validate/?{}", many(101));
    server.send(authorized("GET", &query, JSON, b"")).assert_bearer_error(400, "invalid_request");
}

#[test]
fn a_body_over_64_kib_is_413_whatever_is_in_it() {
    let server = furnished();
    let before = stored(&server);
    for (path, methods, shape) in ROUTES {
        for method in methods.iter().filter(|method| ["POST", "PATCH"].contains(method)) {
            for byte in [b' ', b'a', b'&', b'[', 0, 0xff] {
                let body = vec![byte; 65_537];
                assert_shape(&server.send(authorized(method, path, JSON, &body)), 413, shape);
                let anonymous =
                    bytes_request(method.parse().unwrap(), path, &[("content-type", FORM)], &body);
                assert_shape(&server.send(anonymous), 413, shape);
            }
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn a_body_of_another_media_type_is_refused() {
    let server = furnished();
    let before = stored(&server);
    let bodies = [
        &b"{\"username\": \"bob\", \"password\": \"correct horse battery\", \"client_type\": \"public\"}"[..],
        b"username=bob&password=correct+horse+battery&grant_type=password&token=x",
    ];
    for (method, path, media_type, shape) in BODIES {
        let other = if media_type == FORM { JSON } else { FORM };
        for wrong in [
            "text/plain",
            "",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded-x",
            other,
        ] {
            let takes_both = matches!(shape, Shape::Drf) || path.starts_with("/auth/");
            if takes_both && [FORM, JSON].contains(&wrong) {
                continue;
            }
            let status = if path.starts_with("/sign_up") { 415 } else { 400 };
            for body in bodies {
                assert_shape(&server.send(authorized(method, path, wrong, body)), status, shape);
            }
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn very_long_or_odd_headers_are_harmless() {
    let server = furnished();
    let before = stored(&server);
    let long = "x".repeat(100_000);
    let values = [
        long.clone(),
        format!("Bearer {long}"),
        format!("Basic {long}"),
        format!("Bearer pst_at_{long}"),
        format!("https://{long}.example"),
        ",".repeat(10_000),
        "é\u{1f44d}".to_owned(),
        "\t \t".to_owned(),
        String::new(),
        "Bearer".to_owned(),
        "Basic Og==".to_owned(),
        "Basic AAAA".to_owned(),
    ];
    for name in [
        "accept",
        "authorization",
        "content-type",
        "content-length",
        "cookie",
        "origin",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-method",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-original-url",
        "x-nonsense",
    ] {
        for value in &values {
            for (path, _, _) in ROUTES.into_iter().chain([("/validate/", &[][..], Shape::OAuth)]) {
                for method in ["GET", "POST", "PATCH", "OPTIONS"] {
                    let sent = request(method.parse().unwrap(), path, &[(name, value)], "");
                    assert!(server.send(sent).status() < 500, "{method} {path} with {name}");
                }
            }
        }
    }
    assert_eq!(stored(&server), before);
}

#[test]
fn a_very_long_value_is_refused_or_unknown() {
    let server = furnished();
    let before = stored(&server);
    let long = "x".repeat(60_000);
    for form in [
        &[("grant_type", &*long)][..],
        &[("grant_type", "password"), ("client_id", &long)],
        &[("grant_type", "password"), ("client_id", "notes"), ("username", &long), ("password", PASSWORD)],
        &[("grant_type", "password"), ("client_id", "notes"), ("username", "alice"), ("password", &long)],
        &[
            ("grant_type", "password"),
            ("client_id", "notes"),
            ("username", "alice"),
            ("password", PASSWORD),
            ("scope", &long),
        ],
        &[("grant_type", "refresh_token"), ("client_id", "notes"), ("refresh_token", &long)],
    ] {
        let response = server.post_form("/o/token/", form);
        assert!([400, 401].contains(&response.status()), "{}", response.text());
    }
    for path in [format!("/admin/api/users/{long}"), format!("/admin/api/applications/{long}")] {
        server.send(authorized("GET", &path, JSON, b"")).assert_error(404, "not_found");
    }
    server.validate(&long).assert_bearer_error(401, "invalid_token");
    assert_eq!(stored(&server), before);
}

#[test]
fn the_body_of_every_route_that_needs_one_is_read() {
    // The Worker asks `reads_body` before it takes a body from the network.
    let server = TestServer::new();
    let read = |method: &str, path: &str| reads_body(&method.parse().unwrap(), path, &server.app);
    for (method, path, _, _) in BODIES {
        assert!(read(method, path), "{method} {path}");
    }
    for path in
        ["/admin/api/users/validate", "/admin/api/users/validate/", "/admin/api/applications/validate"]
    {
        assert!(read("PATCH", path), "{path}");
    }
    for (method, path) in
        [("GET", "/o/token/"), ("POST", "/validate"), ("POST", "/validate/"), ("PUT", "/validate/")]
    {
        assert!(!read(method, path), "{method} {path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_request_makes_a_5xx_or_a_panic(drafts in proptest::collection::vec(draft(), 1..12)) {
        let server = furnished();
        let browser = server.browser();
        browser.log_in("alice");
        let account = browser.get("/account/").text();
        let csrf_token = account.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        for draft in drafts {
            let Some(request) = draft.request(&browser.cookies(), csrf_token) else { continue };
            let response = server.send(request);
            let status = response.status();
            prop_assert!(status < 500, "{}: {}", status, response.text());
            prop_assert!(status < 400 || response.header("x-request-id").is_some());
            prop_assert!(!response.text().contains("argon2"));
        }
    }
}

/// A real request, and what is done to it.
#[derive(Clone, Debug)]
struct Draft {
    real: (&'static str, &'static str, Value),
    method: Option<String>,
    path_end: String,
    query: Option<String>,
    is_operator: bool,
    /// The other of the two forms than the right one.
    is_swapped: bool,
    edits: Vec<(usize, &'static str, Option<Value>)>,
    spoilt: Option<(usize, u8)>,
    headers: Vec<(&'static str, String)>,
}

impl Draft {
    /// None if no client could send it.
    fn request(&self, cookies: &str, csrf_token: &str) -> Option<Request> {
        let (method, path, body) = &self.real;
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let is_json = (path.starts_with("/admin") || path.starts_with("/sign_up")) != self.is_swapped;
        let mut builder = http::Request::builder()
            .method(self.method.as_deref().unwrap_or(method))
            .uri(format!("http://localhost:8787{path}{}{query}", self.path_end))
            .header("content-type", if is_json { JSON } else { FORM });
        if self.is_operator && path.starts_with("/admin") {
            builder = builder.header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        }
        let mut body = body.clone();
        if is_page(path) {
            builder = builder.header("cookie", cookies);
            body["csrf_token"] = csrf_token.into();
        }
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        builder.body(self.body(&body, is_json)).ok()
    }

    fn body(&self, real: &Value, is_json: bool) -> Vec<u8> {
        let mut pairs: Vec<(String, Value)> = real.as_object().unwrap().clone().into_iter().collect();
        for (at, name, value) in &self.edits {
            match (value, pairs.len()) {
                (Some(value), length) if at % 3 == 0 || length == 0 => {
                    pairs.push((name.to_string(), value.clone()))
                }
                (Some(value), length) => pairs[at % length].1 = value.clone(),
                (None, 0) => {}
                (None, length) => drop(pairs.remove(at % length)),
            }
        }
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let mut body = match is_json {
            true => Value::Object(pairs.into_iter().collect()).to_string().into_bytes(),
            false => {
                let pairs: Vec<(String, String)> =
                    pairs.iter().map(|(name, v)| (name.clone(), text(v))).collect();
                let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                encode_form(&pairs).into_bytes()
            }
        };
        if let Some((at, byte)) = self.spoilt.filter(|_| !body.is_empty()) {
            let length = body.len();
            body[at % length] = byte;
        }
        body
    }
}

/// Of those that are for who is logged in.
fn is_page(path: &str) -> bool {
    ["/account", "/o/app", "/o/auth"].iter().any(|start| path.starts_with(start))
}

fn draft() -> impl Strategy<Value = Draft> {
    let piece = || {
        prop_oneof![
            10 => select(PIECES).prop_map(str::to_owned),
            1 => "[ -~é\u{1F44D}]{0,12}",
            1 => any::<i64>().prop_map(|number| number.to_string()),
        ]
    };
    let value = prop_oneof![
        6 => piece().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        2 => proptest::collection::vec(piece(), 0..3).prop_map(Value::from),
        1 => Just(json!({"a": {"b": [null, {}]}})),
    ];
    let edit = (any::<usize>(), select(NAMES), proptest::option::weighted(0.8, value));
    let pair =
        (select(NAMES), piece()).prop_map(|(name, value)| format!("{name}={}", percent_encode(&value)));
    let query = proptest::collection::vec(prop_oneof![6 => pair, 1 => piece()], 0..3);
    let header =
        (select(HEADERS), prop_oneof![4 => select(HEADER_VALUES).prop_map(str::to_owned), 1 => piece()]);
    let method = prop_oneof!["GET|POST|PATCH|DELETE|OPTIONS|HEAD|PUT", "[A-Za-z-]{1,9}"];
    let path_end = prop_oneof![8 => Just(String::new()), 1 => Just("/".to_owned()), 1 => "[/!-~é]{1,6}"];
    let real = (select(real()), proptest::option::weighted(0.1, method), path_end);
    let around = (proptest::option::weighted(0.2, query), proptest::collection::vec(header, 0..2));
    let spoilt = proptest::option::weighted(0.05, (any::<usize>(), any::<u8>()));
    let flags = (proptest::bool::weighted(0.95), proptest::bool::weighted(0.05));
    let edits = proptest::collection::vec(edit, 0..3);
    (real, around, flags, edits, spoilt).prop_map(
        |((real, method, path_end), (query, headers), (is_operator, is_swapped), edits, spoilt)| Draft {
            real,
            method,
            path_end,
            query: query.map(|pairs| pairs.join("&")),
            is_operator,
            is_swapped,
            edits,
            spoilt,
            headers,
        },
    )
}

/// One good request for each thing that this server does, with the furniture of [`furnished`].
fn real() -> Vec<(&'static str, &'static str, Value)> {
    let secret = "the secret of secretive";
    let notes = |grant_type, name: &str, value: &str| json!({"grant_type": grant_type, "client_id": "notes", "username": "alice", "password": PASSWORD, name: value});
    let secretive = json!({"client_id": "secretive", "client_secret": secret, "token": PIECES[0]});
    let application = json!({
        "client_type": "public", "client_name": "x", "grant_types": ["password"], "scope": "read", "owner": "alice",
        "redirect_uris": ["https://a.example/cb"], "allowed_origins": ["https://a.example"], "client_id": "a/b",
    });
    let user = json!({"username": "bob", "password": PASSWORD, "email": "b@example.com", "first_name": "B"});
    let own = json!({
        "client_name": "x", "client_type": "public", "grant_type authorization_code": "on", "scope": "read",
        "redirect_uris": "https://a.example/cb", "allowed_origins": "https://a.example",
        "post_logout_redirect_uris": "https://a.example/",
    });
    let credentials =
        json!({"grant_type": "client_credentials", "client_id": "secretive", "client_secret": secret});
    let none = json!({});
    vec![
        ("POST", "/o/token", notes("password", "scope", "read")),
        ("POST", "/o/token", notes("refresh_token", "refresh_token", PIECES[1])),
        ("POST", "/o/token", credentials),
        ("POST", "/o/introspect", secretive.clone()),
        ("POST", "/o/revoke_token", secretive),
        ("POST", "/sign_up", user.clone()),
        ("OPTIONS", "/sign_up", none.clone()),
        ("GET", "/validate", none.clone()),
        ("GET", "/", none.clone()),
        ("GET", "/.well-known/oauth-authorization-server", none.clone()),
        ("GET", "/admin/api/applications", none.clone()),
        ("POST", "/admin/api/applications", application.clone()),
        ("GET", "/admin/api/applications/a%2Fb", none.clone()),
        ("PATCH", "/admin/api/applications/notes", json!({"client_name": "x", "is_active": true})),
        (
            "PATCH",
            "/admin/api/applications/secretive",
            json!({"client_type": "confidential", "scope": "write"}),
        ),
        ("POST", "/admin/api/applications/secretive/rotate-secret", none.clone()),
        ("DELETE", "/admin/api/applications/notes", none.clone()),
        ("GET", "/admin/api/users", none.clone()),
        ("POST", "/admin/api/users", user),
        (
            "PATCH",
            "/admin/api/users/alice",
            json!({"username": "alice", "email": "a@example.com", "is_active": true}),
        ),
        ("POST", "/admin/api/users/alice/set-password", json!({"password": PASSWORD})),
        ("POST", "/admin/api/users/alice/logout", none.clone()),
        ("DELETE", "/admin/api/users/alice", none.clone()),
        ("POST", "/admin/api/cleartokens", none.clone()),
        ("GET", "/account", none.clone()),
        ("POST", "/account", json!({"email": "a@example.com", "first_name": "A", "last_name": "B"})),
        ("POST", "/account/sessions", json!({"end": "others"})),
        ("POST", "/account/sessions", json!({"end": PIECES[3]})),
        (
            "POST",
            "/accounts/password",
            json!({"current_password": PASSWORD, "password": "another horse battery"}),
        ),
        ("GET", "/o/authorized_tokens", none.clone()),
        ("GET", "/o/authorized_tokens/AAAAAAAAAAAAAAAA/delete", none.clone()),
        ("POST", "/o/authorized_tokens/AAAAAAAAAAAAAAAA/delete", none.clone()),
        ("GET", "/o/applications", none.clone()),
        ("POST", "/o/applications/register", own.clone()),
        ("GET", "/o/applications/notes", none.clone()),
        ("POST", "/o/applications/notes/update", own),
        ("POST", "/o/applications/secretive/rotate-secret", none.clone()),
        ("POST", "/o/applications/notes/delete", none),
    ]
}

const NAMES: &[&str] = &[
    "grant_type",
    "username",
    "password",
    "client_id",
    "client_secret",
    "refresh_token",
    "token",
    "token_type_hint",
    "scope",
    "any_scope",
    "read_write",
    "fresh",
    "audience",
    "proxy",
    "cursor",
    "limit",
    "search",
    "email",
    "email_verified",
    "first_name",
    "is_active",
    "is_superuser",
    "last_name",
    "current_password",
    "csrf_token",
    "end",
    "grant_type authorization_code",
    "grant_type client_credentials",
    "post_logout_redirect_uris",
    "client_name",
    "client_type",
    "grant_types",
    "redirect_uris",
    "allowed_origins",
    "token_endpoint_auth_method",
    "jwks",
    "oauth1_signature_methods",
    "token_format",
    "owner",
    "id",
    "created_at",
    "client_assertion",
    "nonsense",
];

const PIECES: &[&str] = &[
    "pst_at_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pst_rt_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pst_at_AQ",
    "password",
    "client_credentials",
    "refresh_token",
    "authorization_code",
    "implicit",
    "alice",
    "ALICE",
    "bob",
    "é",
    "İ",
    "ﷺ",
    PASSWORD,
    "another horse battery",
    "notes",
    "secretive",
    "the secret of secretive",
    "public",
    "confidential",
    "none",
    "client_secret_post",
    "opaque",
    "others",
    "everywhere",
    "on",
    "AAAAAAAAAAAAAAAA",
    "https://a.example/cb\r\nhttps://b.example/cb\r\n",
    "javascript:alert(1)",
    "jwt",
    "read",
    "read write",
    "write  read",
    "introspection",
    "openid",
    "fly",
    "1",
    "0",
    "-1",
    "200",
    "nginx",
    "YQ",
    "YWxpY2UAYWFh",
    "https://a.example",
    "https://a.example/cb",
    "http://localhost:1",
    "com.example:/",
    "a@example.com",
    "a@b",
    "",
    " ",
    "%",
    "'",
    "\"",
    "\\",
    "\0",
    "\u{10FFFF}",
    "a\u{301}",
    "*",
    "null",
];

const HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "accept",
    "origin",
    "cookie",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-original-url",
    "cf-connecting-ip",
];

const HEADER_VALUES: &[&str] = &[
    "Bearer",
    "Bearer x",
    "Bearer pst_at_AQ",
    "Token x",
    "Basic",
    "Basic bm90ZXM6",
    "Basic bm90ZXM6eA==",
    "Basic /w==",
    "Basic c2VjcmV0aXZlOnRoZStzZWNyZXQrb2Yrc2VjcmV0aXZl",
    "Digest x",
    "application/json",
    FORM,
    JSON,
    "text/plain",
    "https://a.example",
    "https://notes.example",
    "null",
    "GET",
    "POST",
    "G T",
    "a, b",
    "https",
    "https://a.example/?x#y",
    "::1",
    "é",
    "",
];

/// With a user, a public and a confidential application of hers, and a login.
fn furnished() -> TestServer {
    let server = TestServer::with(&[
        ("APPLICATION_REGISTRATION", "anyone"),
        (
            "SOCIAL_AUTH_PROVIDERS",
            r#"{"google-oauth2": {"client_id": "c", "client_secret": "GOOGLE_SECRET"}}"#,
        ),
        ("GOOGLE_SECRET", "s"),
        ("MAIL_CARRIER", "log"),
        ("MAIL_FROM", "id@id.example"),
    ]);
    server.user("alice");
    let builder = || server.application().origins(&["https://notes.example"]).set("owner", "alice".into());
    let public =
        builder().public().set("client_id", "notes".into()).grants(&["password", "refresh_token"]).create();
    builder()
        .set("client_id", "secretive".into())
        .set("client_secret", "the secret of secretive".into())
        .grants(&["password", "refresh_token", "client_credentials"])
        .scope("read write introspection")
        .create();
    public.log_in("alice");
    server
}

/// Everything at rest.
fn stored(server: &TestServer) -> String {
    format!("{}{:?}", server.db.dump(), server.kv.entries())
}

/// With the ADMIN_TOKEN where that is what is asked for.
fn authorized(method: &str, path: &str, media_type: &str, body: &[u8]) -> Request {
    match path.strip_prefix("/admin/api/") {
        Some(rest) if media_type == JSON => admin_bytes_request(method, rest, body),
        Some(_) => {
            let bearer = format!("Bearer {ADMIN_TOKEN}");
            let headers = [("authorization", &*bearer), ("content-type", media_type)];
            bytes_request(method.parse().unwrap(), path, &headers, body)
        }
        None => bytes_request(method.parse().unwrap(), path, &[("content-type", media_type)], body),
    }
}

#[track_caller]
fn assert_shape(response: &TestResponse, status: u16, shape: Shape) {
    match shape {
        Shape::OAuth => {
            response.assert_error(status, "invalid_request");
        }
        Shape::Drf => {
            response.assert_status(status);
            let body = response.json();
            let is_list = |value: &Value| value[0].is_string();
            assert!(body["detail"].is_string() || body.as_object().unwrap().values().all(is_list), "{body}");
            assert_eq!(response.header("content-type"), Some(JSON));
            assert!(response.header("x-request-id").is_some());
        }
        Shape::Page => {
            response.assert_status(status);
            assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
            assert!(response.header("x-request-id").is_some());
        }
        Shape::OAuth1 => {
            response.assert_status(status);
            assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
            assert!(response.header("www-authenticate").is_some_and(|header| header.starts_with("OAuth ")));
            assert!(response.header("x-request-id").is_some());
        }
    }
}
