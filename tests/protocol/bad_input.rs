//! What bad input gets, on every route: a 4xx in the shape of its prefix, nothing stored, never a 5xx, never a panic.

use http::Method;
use postern::call::Request;
use postern::router::reads_body;
use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, CALLBACK, PASSWORD, TestResponse, TestServer, admin_bytes_request, bytes_request,
    encode_form, read_headers, request, routes,
};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";

/// What errors look like below a prefix.
#[derive(Clone, Copy)]
pub enum Shape {
    OAuth,
    Drf,
    OAuth1,
    /// Of validation: a challenge, and nobody is let in.
    Resource,
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
pub const ROUTES: [(&str, &[&str], Shape); 62] = [
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
pub fn route_of(path: &str) -> Option<&'static str> {
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
fn a_json_object_has_at_most_100_members() {
    let server = furnished();
    let many = |good: &Value, count: usize| {
        let mut members = good.as_object().unwrap().clone();
        members.extend((members.len()..count).map(|n| (format!("p{n}"), "x".into())));
        Value::Object(members).to_string()
    };
    let log_in =
        json!({"grant_type": "password", "client_id": "notes", "username": "alice", "password": PASSWORD});
    let user = json!({"username": "bob", "password": PASSWORD});
    for (path, good, status, shape) in
        [("/auth/token/", &log_in, 200, Shape::OAuth), ("/sign_up/", &user, 201, Shape::Drf)]
    {
        let before = stored(&server);
        for count in [101, 5_000] {
            let over = server.send(authorized("POST", path, JSON, many(good, count).as_bytes()));
            assert_shape(&over, 400, shape);
            assert!(over.text().contains("too many members"), "{}", over.text());
        }
        assert_eq!(stored(&server), before);
        server.send(authorized("POST", path, JSON, many(good, 100).as_bytes())).assert_status(status);
    }
    let before = stored(&server);
    for (method, path, _, shape) in BODIES.into_iter().filter(|(_, _, media_type, _)| *media_type == JSON) {
        let over = server.send(authorized(method, path, JSON, many(&json!({}), 101).as_bytes()));
        assert_shape(&over, 400, shape);
        assert!(over.text().contains("too many members"), "{path}: {}", over.text());
        let within = server.send(authorized(method, path, JSON, many(&json!({}), 100).as_bytes()));
        assert!(!within.text().contains("too many members"), "{path}: {}", within.text());
    }
    assert_eq!(stored(&server), before);
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
fn a_very_long_or_odd_header_is_harmless_or_refused_in_the_shape_of_the_prefix() {
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
    let others = ["content-length", "x-forwarded-for", "x-nonsense"];
    for name in read_headers().into_iter().chain(others) {
        for value in &values {
            for (path, _, shape) in ROUTES.into_iter().chain([("/validate/", &[][..], Shape::Resource)]) {
                for method in ["GET", "POST", "PATCH", "OPTIONS"] {
                    let sent = request(method.parse().unwrap(), path, &[(name, value)], "");
                    let response = server.send(sent);
                    // It has two kinds of clients.
                    let is_of_client = path == "/auth/revoke-token/" && response.text().contains("\"error\"");
                    let shape = if is_of_client { Shape::OAuth } else { shape };
                    // People are sent to log in.
                    if response.status() >= 400 {
                        assert_in_shape(&response, shape);
                    }
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

/// With a user, a public and a confidential application of hers and one that signs its requests, and a login.
pub fn furnished() -> TestServer {
    let server = TestServer::with(&[
        ("APPLICATION_REGISTRATION", "anyone"),
        (
            "SOCIAL_AUTH_PROVIDERS",
            r#"{"google-oauth2": {"client_id": "c", "client_secret": "SECRET"},
                "github": {"client_id": "c", "client_secret": "SECRET"}}"#,
        ),
        ("SECRET", "s"),
        ("MAIL_CARRIER", "log"),
        ("MAIL_FROM", "id@id.example"),
    ]);
    server.user("alice");
    server.admin("PATCH", "users/alice", json!({"email": "alice@a.example"})).assert_status(200);
    let builder = || server.application().origins(&["https://notes.example"]).set("owner", "alice".into());
    let token_exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let public = builder()
        .public()
        .set("client_id", "notes".into())
        .grants(&["password", "refresh_token", "authorization_code", "convert_token", token_exchange])
        .redirect_uri(CALLBACK)
        .create();
    builder()
        .set("client_id", "secretive".into())
        .set("client_secret", "the secret of secretive".into())
        .grants(&["password", "refresh_token", "client_credentials"])
        .scope("read write introspection")
        .create();
    builder()
        .set("client_id", "old".into())
        .set("client_secret", "the secret of old".into())
        .grants(&["oauth1"])
        .set("oauth1_signature_methods", json!(["PLAINTEXT"]))
        .set("xauth_allowed", true.into())
        .redirect_uri(CALLBACK)
        .create();
    public.log_in("alice");
    server
}

/// Everything at rest.
pub fn stored(server: &TestServer) -> String {
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

/// A refusal of what is malformed.
#[track_caller]
fn assert_shape(response: &TestResponse, status: u16, shape: Shape) {
    response.assert_status(status);
    assert_in_shape(response, shape);
    match shape {
        Shape::OAuth => assert_eq!(response.json()["error"], "invalid_request"),
        Shape::OAuth1 => {
            assert!(response.header("content-type").is_some_and(|told| told.starts_with("text/plain")))
        }
        Shape::Drf | Shape::Resource | Shape::Page => {}
    }
}

/// A refusal as its prefix has it, whatever the reason.
#[track_caller]
pub fn assert_in_shape(response: &TestResponse, shape: Shape) {
    let told = format!("{} {}", response.status(), response.text());
    assert!((400..500).contains(&response.status()), "{told}");
    assert!(response.header("x-request-id").is_some(), "{told}");
    let media_type = response.header("content-type").unwrap_or_default();
    match shape {
        Shape::OAuth => {
            let code = response.json()["error"].as_str().expect("an error").to_owned();
            response.assert_error(response.status(), &code);
        }
        Shape::Drf => {
            assert_eq!(media_type, JSON);
            let body = response.json();
            let is_said = |value: &Value| value.is_string() || value[0].is_string();
            let members = body.as_object().expect("an object");
            assert!(!members.is_empty() && members.values().all(is_said), "{told}");
            assert!(!members.contains_key("error"), "{told}");
        }
        Shape::Resource => {
            assert_eq!((media_type, &response.json()["active"]), (JSON, &json!(false)), "{told}");
            assert!(response.header("www-authenticate").is_some(), "{told}");
        }
        Shape::Page => assert_eq!(media_type, "text/html; charset=utf-8", "{told}"),
        // A page for people, plain text for programs.
        Shape::OAuth1 => {
            let says_how =
                response.header("www-authenticate").is_some_and(|header| header.starts_with("OAuth "));
            let is_page = media_type == "text/html; charset=utf-8";
            assert!(is_page || media_type == "text/plain; charset=utf-8" && says_how, "{told}");
        }
    }
}
