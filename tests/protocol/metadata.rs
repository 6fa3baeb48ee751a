//! What the server says of itself: metadata (RFC 8414), `/`, and what is said where nothing is.

use http::Method;
use postern::app::App;
use postern::router;
use postern::settings::SettingError;
use serde_json::{Value, json};

use crate::support::{TestResponse, TestServer, request};

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

fn get(server: &TestServer, url: &str, accept: &str) -> TestResponse {
    server.send(request(Method::GET, url, &[("accept", accept)], ""))
}

fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/o/authorize/"),
        "token_endpoint": format!("{issuer}/o/token/"),
        "revocation_endpoint": format!("{issuer}/o/revoke_token/"),
        "introspection_endpoint": format!("{issuer}/o/introspect/"),
        "scopes_supported": ["read", "write", "groups"],
        "response_types_supported": ["code", "token", "none"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": [
            "authorization_code", "password", "client_credentials", "refresh_token",
            "urn:ietf:params:oauth:grant-type:token-exchange", "implicit",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "create"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    })
}

#[track_caller]
fn assert_page(response: &TestResponse) {
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let policy = response.header("content-security-policy").expect("a policy");
    for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|known| known == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert!(!response.text().contains("<script"));
}

#[track_caller]
fn assert_names_issuer(server: &TestServer, response: &TestResponse) {
    response.assert_status(503);
    assert_page(response);
    assert!(response.text().contains("ISSUER"));
    let line = server.log().pop().expect("a log line");
    assert_eq!((&line["level"], &line["error"]), (&json!("error"), &json!("bad_setting")));
    assert!(line["detail"].as_str().unwrap().contains("ISSUER"));
    assert_eq!(line["request_id"].as_str(), response.header("x-request-id"));
}

#[test]
fn while_a_setting_cannot_be_used_each_refusal_has_an_id_and_a_line_in_the_log() {
    let server = TestServer::new();
    let error = SettingError { name: "SCOPES", reason: "must be a JSON object".to_owned() };
    for (url, route) in [
        ("https://id.example/o/token/", ""),
        ("https://id.example/validate?scope=read", "/validate"),
        ("https://id.example/auth/validate/", "/validate"),
    ] {
        let App { random, log, .. } = &server.app;
        let response = TestResponse(router::unusable("POST", url, &error, &**random, &**log));
        response.assert_status(503);
        assert!(response.header("x-request-id").is_some());
        let line = server.log().pop().expect("a log line");
        assert_eq!(line["request_id"].as_str(), response.header("x-request-id"));
        assert_eq!((&line["method"], &line["path"]), (&json!("POST"), &json!(route)));
        assert_eq!((&line["level"], &line["error"]), (&json!("error"), &json!("bad_setting")));
        assert!(line["detail"].as_str().unwrap().contains("SCOPES"));
    }
}

#[test]
fn the_document_stands_under_all_its_paths() {
    let server = TestServer::new();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/",
        "/o/.well-known/oauth-authorization-server",
        "/o/.well-known/oauth-authorization-server/",
    ] {
        let response = server.get(path);
        response.assert_status(200);
        assert_eq!(response.header("content-type"), Some("application/json")); // RFC 8414 §3.2
        assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(response.json(), document("http://localhost:8787"));
    }
}

#[test]
fn on_loopback_the_request_s_origin_is_the_issuer() {
    let server = TestServer::new();
    for origin in ["http://localhost", "http://127.0.0.1:9000", "http://[::1]:8787"] {
        let response = server.get(&format!("{origin}{WELL_KNOWN}"));
        assert_eq!(response.assert_status(200).json(), document(origin));
    }
}

#[test]
fn the_setting_issuer_rules_whatever_the_host() {
    let server = TestServer::with(&[("ISSUER", "https://id.example")]);
    for origin in ["http://localhost:8787", "https://id.example", "https://evil.example"] {
        let response = server.get(&format!("{origin}{WELL_KNOWN}"));
        assert_eq!(response.assert_status(200).json(), document("https://id.example"));
    }
}

#[test]
fn an_issuer_may_have_a_path() {
    // RFC 8414 §3.1
    let server = TestServer::with(&[("ISSUER", "https://id.example/a/b")]);
    for path in [
        "/.well-known/oauth-authorization-server/a/b",
        "/.well-known/oauth-authorization-server/a/b/",
        "/a/b/.well-known/oauth-authorization-server",
        "/a/b/o/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(server.get(path).assert_status(200).json(), document("https://id.example/a/b"), "{path}");
    }
    for path in ["/.well-known/oauth-authorization-server/a", "/.well-known/oauth-authorization-server/a/c"] {
        get(&server, path, "application/json").assert_status(404);
    }
}

#[test]
fn the_endpoints_answer_where_the_document_says() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/a/b")]);
    let document = server.get(WELL_KNOWN).json();
    for name in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        let response = server.post_form(document[name].as_str().unwrap(), &[]);
        response.assert_error(400, "invalid_request");
    }
    // Some proxies take the path away.
    server.post_form("/o/token/", &[]).assert_error(400, "invalid_request");
}

#[test]
fn an_issuer_without_a_path_is_not_found_behind_one() {
    let server = TestServer::new();
    for path in ["/.well-known/oauth-authorization-server/x", "/o/.well-known/oauth-authorization-server/x"] {
        get(&server, path, "application/json").assert_status(404);
    }
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let server = TestServer::new();
    for path in [WELL_KNOWN, "/"] {
        let response = server.send(request(Method::HEAD, path, &[], ""));
        assert_eq!((response.status(), response.text().as_str()), (200, ""));
        assert_eq!(response.header("content-type"), server.get(path).header("content-type"));
    }
}

#[test]
fn the_document_names_the_scopes_of_the_settings() {
    let server = TestServer::with(&[("SCOPES", r#"{"b": "B", "a": "A"}"#)]);
    assert_eq!(server.get(WELL_KNOWN).json()["scopes_supported"], json!(["b", "a"]));
}

#[test]
fn openid_configuration_is_still_to_come() {
    let server = TestServer::new();
    for path in ["/.well-known/openid-configuration", "/o/.well-known/openid-configuration"] {
        get(&server, path, "application/json").assert_error(404, "not_found");
    }
}

#[test]
fn without_an_issuer_no_other_host_than_loopback_is_answered() {
    let server = TestServer::new();
    for host in ["https://id.example", "http://10.0.0.1", "http://localhost.evil.example", "http://127.0.0.2"]
    {
        for path in ["/", WELL_KNOWN, "/admin/api/users"] {
            assert_names_issuer(&server, &server.get(&format!("{host}{path}")));
        }
        for path in ["/o/token/", "/o/revoke_token/", "/o/introspect/", "/sign_up/"] {
            assert_names_issuer(&server, &server.post_form(&format!("{host}{path}"), &[]));
        }
    }
}

#[test]
fn nothing_is_stored_where_the_issuer_is_missing() {
    let server = TestServer::new();
    let before = server.db.dump();
    let form = [("username", "alice"), ("password", "correct horse battery")];
    server.post_form("https://id.example/sign_up/", &form).assert_status(503);
    assert_eq!((server.db.dump(), server.db.round_trips.get()), (before, 0));
}

#[test]
fn what_is_not_there_is_json_for_programs() {
    let server = TestServer::new();
    for path in ["/nothing", "/o/", "/o/tokens", "/o/token/x", "/o//token", "/healthz/x", "/O/token/"] {
        for accept in ["application/json", "application/json, text/plain, */*"] {
            get(&server, path, accept).assert_error(404, "not_found");
        }
    }
}

#[test]
fn what_is_not_there_is_a_page_for_people() {
    let server = TestServer::new();
    for accept in ["", "text/html,application/xhtml+xml,*/*;q=0.8"] {
        let response = get(&server, "/nothing", accept);
        response.assert_status(404);
        assert_page(&response);
        assert!(response.header("x-request-id").is_some());
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    // RFC 9110 §15.5.6
    let server = TestServer::new();
    for (method, path, allow) in [
        ("GET", "/o/token/", "POST, OPTIONS"),
        ("HEAD", "/o/token/", "POST, OPTIONS"),
        ("PUT", "/o/token", "POST, OPTIONS"),
        ("GET", "/o/revoke_token/", "POST, OPTIONS"),
        ("GET", "/o/introspect/", "POST"),
        ("OPTIONS", "/o/introspect/", "POST"),
        ("GET", "/sign_up/", "POST, OPTIONS"),
        ("POST", WELL_KNOWN, "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("PUT", "/admin/api/users", "GET, POST, HEAD"),
        ("PUT", "/admin/api/users/alice", "GET, PATCH, DELETE, HEAD"),
        ("GET", "/admin/api/users/alice/logout", "POST"),
        ("GET", "/admin/api/cleartokens", "POST"),
        ("PURGE", "/o/token/", "POST, OPTIONS"),
    ] {
        let response = server.send(request(method.parse().unwrap(), path, &[], ""));
        response.assert_status(405);
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
        assert!(response.header("x-request-id").is_some());
    }
}

#[test]
fn errors_have_the_shape_of_their_prefix() {
    let server = TestServer::new();
    server.get("/o/token/").assert_error(405, "invalid_request");
    assert!(server.get("/sign_up/").json()["detail"].is_string());
    let long = "x".repeat(65_537);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let too_long = |path| server.send(request(Method::POST, path, &headers, &long));
    too_long("/o/token/").assert_error(413, "invalid_request");
    too_long("/o/revoke_token/").assert_error(413, "invalid_request");
    too_long("/o/introspect/").assert_error(413, "invalid_request");
    assert!(too_long("/sign_up/").assert_status(413).json()["detail"].is_string());
}

#[test]
fn the_first_page_says_what_this_is() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/auth")]);
    for path in ["/", "/auth", "/auth/"] {
        let response = server.get(path);
        response.assert_status(200);
        assert_page(&response);
        assert!(response.text().contains("OAuth 2 authorization server"));
        assert!(response.text().contains("https://id.example/auth/o/.well-known/oauth-authorization-server"));
    }
}

#[test]
fn the_stylesheet_of_a_page_is_what_its_policy_allows() {
    use postern::crypto::{encoding::standard_base64, sha256};
    let server = TestServer::new();
    let page = server.get("/");
    let text = page.text();
    let style = text.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let expected = format!("style-src 'sha256-{}'", standard_base64(&sha256(style.as_bytes())));
    assert!(page.header("content-security-policy").unwrap().contains(&expected));
}

#[test]
fn an_issuer_s_path_may_be_the_beginning_of_a_route() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/o")]);
    for path in ["/o/token/", "/o/o/token/"] {
        let url = format!("https://id.example{path}");
        server.post_form(&url, &[]).assert_error(400, "invalid_request");
    }
}

#[test]
fn an_issuer_at_the_path_of_a_route_puts_no_page_there() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/validate")]);
    for path in ["/validate", "/validate/", "/validate/?scope=read", "/validate/validate/"] {
        let nonsense = [("authorization", "Bearer nonsense")];
        let url = format!("https://id.example{path}");
        server.send(request(Method::GET, &url, &nonsense, "")).assert_bearer_error(401, "invalid_token");
    }
    let server = TestServer::with(&[("ISSUER", "https://id.example/id")]);
    for path in ["/", "/id", "/id/"] {
        server.get(&format!("https://id.example{path}")).assert_status(200);
    }
}

#[test]
fn the_operators_documentation_is_linked_and_named() {
    let server = TestServer::with(&[("SERVICE_DOCUMENTATION", "https://docs.example.com/?a&b")]);
    assert!(
        server.get("/").text().contains("<a href=\"https://docs.example.com/?a&amp;b\">Documentation</a>")
    );
    let metadata = server.get(WELL_KNOWN).json();
    assert_eq!(metadata["service_documentation"], "https://docs.example.com/?a&b");
    assert!(!TestServer::new().get("/").text().contains("Documentation"));
}
