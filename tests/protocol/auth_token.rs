//! `/auth/token/` and `/auth/authorize/`: what `/o/` has, where clients of drf-social-oauth2 look for it.

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    CALLBACK, Landing, PASSWORD, TestResponse, TestServer, VERIFIER, bytes_request, form_request, request,
};

const PATH: &str = "/auth/token/";

fn post_json(server: &TestServer, path: &str, body: &str) -> TestResponse {
    server.send(request(Method::POST, path, &[("content-type", "application/json; charset=utf-8")], body))
}

fn log_in(client_id: &str) -> Value {
    json!({"grant_type": "password", "client_id": client_id, "username": "alice", "password": PASSWORD})
}

/// With one member more, or another value for it.
fn with(body: &Value, name: &str, value: Value) -> String {
    let mut body = body.clone();
    body[name] = value;
    body.to_string()
}

#[test]
fn every_grant_is_there_by_json_and_by_a_form() {
    let server = TestServer::new();
    server.user("alice");
    let grants = ["authorization_code", "client_credentials", "password", "refresh_token"];
    let app = server.application().grants(&grants).redirect_uri(CALLBACK).create();
    let browser = server.browser();
    browser.log_in("alice");
    let ask = |by_json: bool, fields: &[(&str, &str)]| {
        let own =
            [("client_id", app.client_id.as_str()), ("client_secret", app.client_secret.as_deref().unwrap())];
        let fields = [&own, fields].concat();
        let object: serde_json::Map<_, _> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        match by_json {
            true => post_json(&server, PATH, &Value::Object(object).to_string()),
            false => server.post_form(PATH, &fields),
        }
    };
    for by_json in [true, false] {
        let tokens =
            ask(by_json, &[("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)])
                .tokens();
        server.assert_good(&tokens.access_token);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        server.assert_good(&ask(by_json, &refresh).tokens().access_token);
        let own = ask(by_json, &[("grant_type", "client_credentials"), ("scope", "read")]).tokens();
        assert_eq!(own.scope, "read");
        let code = browser.code(&app.authorization());
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        server.assert_good(&ask(by_json, &exchange).tokens().access_token);
    }
}

#[test]
fn a_client_may_authenticate_by_basic_beside_json() {
    let server = TestServer::new();
    let app = server.confidential_application();
    let pair = format!("{}:{}", app.client_id, app.client_secret.clone().unwrap());
    let basic = format!("Basic {}", postern::crypto::encoding::standard_base64(pair.as_bytes()));
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    let body = r#"{"grant_type": "client_credentials"}"#;
    server.send(request(Method::POST, "/auth/token", &headers, body)).tokens();
    // Two methods at once.
    let body = json!({"grant_type": "client_credentials", "client_secret": app.client_secret}).to_string();
    server.send(request(Method::POST, PATH, &headers, &body)).assert_error(400, "invalid_request");
}

#[test]
fn json_has_strings_alone_and_the_error_names_what_is_none() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let good = log_in(&app.client_id);
    let before = server.db.dump();
    for name in ["grant_type", "client_id", "username", "password", "scope", "unheard_of"] {
        for bad in
            [json!(1), json!(1.5), json!(true), json!(false), json!(null), json!(["read"]), json!({"a": "b"})]
        {
            let response = post_json(&server, PATH, &with(&good, name, bad));
            response.assert_error(400, "invalid_request");
            let said = response.json()["error_description"].as_str().unwrap().to_owned();
            assert_eq!(said, format!("{name} must be a string"));
        }
    }
    // A name that could not stand in a description is not repeated.
    let response = post_json(&server, PATH, &with(&good, "\"é\\", json!(1)));
    assert_eq!(
        response.assert_error(400, "invalid_request").json()["error_description"],
        "a parameter must be a string"
    );
    assert_eq!(server.db.dump(), before);
    // Empty counts as absent, as in a form.
    post_json(&server, PATH, &with(&good, "scope", json!(""))).tokens();
    post_json(&server, PATH, &with(&good, "grant_type", json!(""))).assert_error(400, "invalid_request");
    // What a form would decode stays what it is.
    let response = post_json(&server, PATH, &with(&good, "password", json!(PASSWORD.replace(' ', "+"))));
    response.assert_error(400, "invalid_grant");
}

#[test]
fn what_could_be_read_in_two_ways_is_an_invalid_request() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let good = log_in(&app.client_id).to_string();
    let form = [
        ("grant_type", "password"),
        ("client_id", app.client_id.as_str()),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let before = server.db.dump();
    let twice = good.replacen('{', "{\"scope\": \"read\", \"scope\": \"read\", ", 1);
    let many: String = (0..97).map(|n| format!("\"p{n}\": \"x\", ")).collect();
    let many = good.replacen('{', &format!("{{{many}"), 1);
    let listed = format!("[{good}]");
    for bad in [&twice, &many, &listed, "", "{", "null", "\"x\"", "{\"a\": \"\\u0000\"}"] {
        post_json(&server, PATH, bad).assert_error(400, "invalid_request");
    }
    let repeated = [&form[..], &[("scope", "read"), ("scope", "read")]].concat();
    server.post_form(PATH, &repeated).assert_error(400, "invalid_request");
    // A query in the URL, whatever the body.
    for query in ["?grant_type=password", "?x", "?client_id=a"] {
        post_json(&server, &format!("{PATH}{query}"), &good).assert_error(400, "invalid_request");
        server.post_form(&format!("{PATH}{query}"), &form).assert_error(400, "invalid_request");
    }
    // JSON that says it is a form, the other way round, and neither.
    for (media_type, body) in [
        ("application/x-www-form-urlencoded", good.as_bytes()),
        ("application/json", b"grant_type=password"),
        ("text/plain", good.as_bytes()),
        ("application/jsonx", good.as_bytes()),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", good.as_bytes()),
    ] {
        let headers = [("content-type", media_type)];
        let response = server.send(bytes_request(Method::POST, PATH, &headers, body));
        response.assert_error(400, "invalid_request");
    }
    let untyped = bytes_request(Method::POST, PATH, &[], good.as_bytes());
    server.send(untyped).assert_error(400, "invalid_request");
    assert_eq!(server.db.dump(), before);
    post_json(&server, PATH, &good).tokens();
    post_json(&server, &format!("{PATH}?"), &good).tokens();
}

#[test]
fn errors_are_those_of_the_token_endpoint() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let good = log_in(&app.client_id);
    post_json(&server, PATH, &with(&good, "password", json!("wrong"))).assert_error(400, "invalid_grant");
    post_json(&server, PATH, &with(&good, "scope", json!("nonsense"))).assert_error(400, "invalid_scope");
    post_json(&server, PATH, &with(&good, "grant_type", json!("x")))
        .assert_error(400, "unsupported_grant_type");
    let refused = post_json(&server, PATH, &with(&good, "client_id", json!("nobody")));
    refused.assert_error(401, "invalid_client");
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"api\""));
    server.get(PATH).assert_error(405, "invalid_request");
    server.db.is_down.set(true);
    post_json(&server, PATH, &good.to_string()).assert_error(503, "temporarily_unavailable");
}

#[test]
fn under_o_json_is_no_form() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    post_json(&server, "/o/token/", &log_in(&app.client_id).to_string()).assert_error(400, "invalid_request");
}

#[test]
fn the_authorization_endpoint_is_there_too() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let path = app.authorization().path().replacen("/o/", "/auth/", 1);
    assert!(path.starts_with("/auth/authorize/?"), "{path}");
    // Whoever is not logged in comes back to the request.
    let login = browser.get(&path);
    assert!(login.assert_status(303).header("location").unwrap().contains("/accounts/login/?next="));
    browser.log_in("alice");
    let asked = browser.get(&path);
    asked.assert_status(200);
    let landing = Landing::of(&browser.submit_once(&asked, &[("decision", "allow")]));
    server.assert_good(&app.exchange(landing.get("code")).tokens().access_token);
    let again = Landing::of(&browser.get(&path));
    app.exchange(again.get("code")).tokens();
    // An application may come by POST.
    let form = [("response_type", "code"), ("client_id", app.client_id.as_str())];
    server.send(form_request("/auth/authorize", &[], &form)).assert_status(303);
    server.get("/auth/authorize/?client_id=nobody").assert_status(400);
    assert_eq!(
        server.send(request(Method::PUT, "/auth/authorize", &[], "")).header("allow"),
        Some("GET, POST, HEAD")
    );
}
