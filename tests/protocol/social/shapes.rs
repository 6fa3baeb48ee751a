//! How requests may look, and what comes back where they are wrong: `/auth/`, `/social/`, `/o/token/`.

use http::Method;
use serde_json::{Value, json};

use super::people::{by_token, is_at_corporate, person, server, server_with};
use super::providers::PROVIDER_TOKEN;
use super::{ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE, post_json};
use crate::support::{TestServer, encode_form, form_request, request};

const CONVERT: &str = "/auth/convert-token/";

/// Ann is at the provider.
fn scene() -> (TestServer, String) {
    let (server, app) = server();
    is_at_corporate(&person("1", "ann@p.example"), &server);
    (server, app)
}

#[test]
fn bodies_are_forms_or_json_with_or_without_the_slash() {
    let (server, app) = scene();
    let body = json!({"grant_type": "convert_token", "backend": "corporate", "token": PROVIDER_TOKEN, "client_id": app});
    for path in [CONVERT, "/auth/convert-token"] {
        post_json(&server, path, &body).tokens();
        let form: Vec<(&str, &str)> = body
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        server.post_form(path, &form).tokens();
    }
    let body = json!({"access_token": PROVIDER_TOKEN, "client_id": app});
    for path in
        ["/social/corporate/", "/social/corporate", "/api/2.0/social/corporate/", "/api/2.0/social/corporate"]
    {
        let response = post_json(&server, path, &body);
        let tokens = response.tokens();
        assert_eq!(response.json()["token"], tokens.access_token);
        server.post_form(path, &[("access_token", PROVIDER_TOKEN), ("client_id", &app)]).tokens();
    }
    // Under /o/ they are forms.
    let body = json!({"grant_type": "convert_token", "backend": "corporate", "token": "x", "client_id": app});
    post_json(&server, "/o/token/", &body).assert_error(400, "invalid_request");
}

#[test]
fn what_is_wrong_with_a_request_to_convert_token_is_said_as_it_always_was() {
    let (server, app) = scene();
    let before = server.db.dump();
    let base = [
        ("grant_type", "convert_token"),
        ("backend", "corporate"),
        ("token", "x"),
        ("client_id", app.as_str()),
    ];
    let without =
        |name: &str| -> Vec<(&str, &str)> { base.iter().filter(|(n, _)| *n != name).copied().collect() };
    let says = |form: &[(&str, &str)], description: &str| {
        let response = server.post_form(CONVERT, form);
        response.assert_error(400, "invalid_request");
        assert_eq!(response.json()["error_description"], description);
    };
    says(&without("backend"), "Missing backend parameter.");
    says(&without("token"), "Missing token parameter.");
    says(&[&without("backend")[..], &[("backend", "nobody")]].concat(), "Invalid backend parameter.");
    says(&[&without("backend")[..], &[("backend", "Corporate")]].concat(), "Invalid backend parameter.");
    server.post_form(CONVERT, &without("grant_type")).assert_error(400, "invalid_request");
    let other = [&without("grant_type")[..], &[("grant_type", "password")]].concat();
    server.post_form(CONVERT, &other).assert_error(400, "unsupported_grant_type");
    server.post_form(CONVERT, &without("client_id")).assert_error(401, "invalid_client");
    let stranger = [&without("client_id")[..], &[("client_id", "nobody")]].concat();
    server.post_form(CONVERT, &stranger).assert_error(401, "invalid_client");
    for more in [("token", "y"), ("id_token", "y"), ("code", "y"), ("backend", "corporate")] {
        server.post_form(CONVERT, &[&base[..], &[more]].concat()).assert_error(400, "invalid_request");
    }
    let wide = [&base[..], &[("scope", "read nonsense")]].concat();
    server.post_form(CONVERT, &wide).assert_error(400, "invalid_scope");
    let long = "x".repeat(16 * 1024 + 1);
    let long = [&without("token")[..], &[("token", &long)]].concat();
    server.post_form(CONVERT, &long).assert_error(400, "invalid_request");
    let path = format!("{CONVERT}?{}", encode_form(&base));
    server.post_form(&path, &[]).assert_error(400, "invalid_request");
    for (body, content_type) in [
        ("{", "application/json"),
        ("[]", "application/json"),
        (r#"{"token": 7}"#, "application/json"),
        ("x", "text/plain"),
    ] {
        let headers = [("content-type", content_type)];
        server.send(request(Method::POST, CONVERT, &headers, body)).assert_error(400, "invalid_request");
    }
    server.get(CONVERT).assert_status(405);
    assert_eq!(server.db.dump(), before);
    assert!(server.providers.take_urls().is_empty(), "nobody was asked");
    let narrow = [&without("token")[..], &[("token", PROVIDER_TOKEN), ("scope", "read")]].concat();
    assert_eq!(server.post_form(CONVERT, &narrow).tokens().scope, "read");
}

#[test]
fn what_is_wrong_with_a_request_to_social_is_said_in_the_tutorials_shape() {
    let (server, app) = scene();
    let before = server.db.dump();
    let unknown = post_json(&server, "/social/nobody/", &json!({"access_token": "x", "client_id": app}));
    unknown.assert_status(404);
    assert_eq!(unknown.json(), json!({"detail": "Not found."}));
    let missing = post_json(&server, "/social/corporate/", &json!({"client_id": app}));
    missing.assert_field_error("access_token");
    assert_eq!(missing.json(), json!({"access_token": ["This field is required."]}));
    let both = json!({"access_token": "x", "code": "y", "client_id": app});
    let both = post_json(&server, "/social/corporate/", &both);
    both.assert_status(400);
    assert!(both.json()["errors"]["non_field_errors"].is_string());
    let nobody = post_json(&server, "/social/corporate/", &json!({"access_token": "x"}));
    nobody.assert_status(401);
    assert!(nobody.json()["errors"]["non_field_errors"].is_string());
    assert!(nobody.header("www-authenticate").is_some());
    let malformed = server.send(request(
        Method::POST,
        "/social/corporate/",
        &[("content-type", "application/json")],
        "{",
    ));
    malformed.assert_status(400);
    assert!(malformed.json()["detail"].is_string());
    server.get("/social/corporate/").assert_status(405);
    assert_eq!(server.db.dump(), before);
    assert!(server.providers.take_urls().is_empty(), "nobody was asked");
}

#[test]
fn what_is_wrong_with_a_token_exchange_is_said() {
    // RFC 8693 §2.1, §2.2.2
    let (server, app) = scene();
    let base = [
        ("grant_type", TOKEN_EXCHANGE),
        ("backend", "corporate"),
        ("subject_token", PROVIDER_TOKEN),
        ("subject_token_type", ACCESS_TOKEN),
        ("client_id", app.as_str()),
    ];
    let without =
        |name: &str| -> Vec<(&str, &str)> { base.iter().filter(|(n, _)| *n != name).copied().collect() };
    let before = server.db.dump();
    for name in ["backend", "subject_token", "subject_token_type"] {
        server.post_form("/o/token/", &without(name)).assert_error(400, "invalid_request");
    }
    server.post_form("/o/token/", &without("client_id")).assert_error(401, "invalid_client");
    for (more, code) in [
        (("actor_token", "x"), "invalid_request"),
        (("actor_token_type", ID_TOKEN), "invalid_request"),
        (("requested_token_type", ID_TOKEN), "invalid_request"),
        (("audience", "https://api.example"), "invalid_target"),
        (("resource", "https://api.example"), "invalid_target"),
        (("scope", "nonsense"), "invalid_scope"),
    ] {
        server.post_form("/o/token/", &[&base[..], &[more]].concat()).assert_error(400, code);
    }
    for (name, value) in [
        ("backend", "nobody"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token_type", "access_token"),
    ] {
        let form = [&without(name)[..], &[(name, value)]].concat();
        server.post_form("/o/token/", &form).assert_error(400, "invalid_request");
    }
    assert_eq!(server.db.dump(), before);
    assert!(server.providers.take_urls().is_empty(), "nobody was asked");
    let response =
        server.post_form("/o/token/", &[&base[..], &[("requested_token_type", ACCESS_TOKEN)]].concat());
    response.tokens();
    assert_eq!(response.json()["issued_token_type"], ACCESS_TOKEN);
}

#[test]
fn a_confidential_client_proves_who_it_is_before_anybody_is_asked() {
    let (server, _) = scene();
    let app = server.application().grants(&["convert_token", TOKEN_EXCHANGE, "refresh_token"]).create();
    let convert = [("grant_type", "convert_token"), ("backend", "corporate"), ("token", PROVIDER_TOKEN)];
    let exchange = [
        ("grant_type", TOKEN_EXCHANGE),
        ("backend", "corporate"),
        ("subject_token", PROVIDER_TOKEN),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    for client in [app.with_secret(None), app.with_secret(Some("wrong"))] {
        client.post(CONVERT, &convert).assert_error(401, "invalid_client");
        client.token(&convert).assert_error(401, "invalid_client");
        client.token(&exchange).assert_error(401, "invalid_client");
        client.post("/social/corporate/", &[("access_token", PROVIDER_TOKEN)]).assert_status(401);
    }
    assert!(server.providers.take_urls().is_empty());
    app.post(CONVERT, &convert).tokens();
    app.token(&convert).tokens();
    app.token(&exchange).tokens();
    app.post("/social/corporate/", &[("access_token", PROVIDER_TOKEN)]).tokens();
    // By Basic, too.
    let credentials = format!("{}:{}", app.client_id, app.client_secret.as_ref().unwrap());
    let basic = format!("Basic {}", postern::crypto::encoding::standard_base64(credentials.as_bytes()));
    server.send(form_request(CONVERT, &[("authorization", &basic)], &convert)).tokens();
}

#[test]
fn an_application_needs_the_grant() {
    let (server, _) = scene();
    let app = server.application().public().grants(&["password", "refresh_token"]).create();
    let convert = [("grant_type", "convert_token"), ("backend", "corporate"), ("token", PROVIDER_TOKEN)];
    app.post(CONVERT, &convert).assert_error(400, "unauthorized_client");
    app.token(&convert).assert_error(400, "unauthorized_client");
    let social = app.post("/social/corporate/", &[("access_token", PROVIDER_TOKEN)]);
    social.assert_status(400);
    assert!(social.json()["errors"]["non_field_errors"].is_string());
    let exchange = [
        ("grant_type", TOKEN_EXCHANGE),
        ("backend", "corporate"),
        ("subject_token", PROVIDER_TOKEN),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let converting = server.application().public().grants(&["convert_token"]).create();
    converting.token(&exchange).assert_error(400, "unauthorized_client");
    assert!(server.providers.take_urls().is_empty());
    // Without refresh_token among its grants it gets none.
    assert_eq!(converting.post(CONVERT, &convert).tokens().refresh_token, None);
}

#[test]
fn social_is_for_the_default_application_where_none_is_named() {
    let (server, _) = server_with(json!({}), &[("SOCIAL_DEFAULT_APPLICATION", "the-default")]);
    is_at_corporate(&person("1", "ann@p.example"), &server);
    let grants = ["convert_token", "refresh_token"];
    server.application().public().grants(&grants).set("client_id", json!("the-default")).create();
    let other = server.application().public().grants(&grants).create();
    let of = |token: &str| server.validate(token).json()["client_id"].clone();
    let body = json!({"access_token": PROVIDER_TOKEN});
    assert_eq!(of(&post_json(&server, "/social/corporate/", &body).tokens().access_token), "the-default");
    let body = json!({"access_token": PROVIDER_TOKEN, "client_id": other.client_id});
    let own = post_json(&server, "/social/corporate/", &body).tokens();
    assert_eq!(of(&own.access_token), other.client_id.as_str());
    // Elsewhere it is for nobody.
    let form = [("grant_type", "convert_token"), ("backend", "corporate"), ("token", PROVIDER_TOKEN)];
    server.post_form(CONVERT, &form).assert_error(401, "invalid_client");
    server.post_form("/o/token/", &form).assert_error(401, "invalid_client");
}

#[test]
fn without_providers_there_are_no_such_grants() {
    let server = TestServer::new();
    let app = super::application(&server);
    let convert = [("grant_type", "convert_token"), ("backend", "corporate"), ("token", "x")];
    app.token(&convert).assert_error(400, "unsupported_grant_type");
    let exchange =
        [("grant_type", TOKEN_EXCHANGE), ("subject_token", "x"), ("subject_token_type", ACCESS_TOKEN)];
    app.token(&exchange).assert_error(400, "invalid_request");
    app.token(&[&exchange[..], &[("backend", "corporate")]].concat()).assert_error(400, "invalid_request");
    app.post(CONVERT, &convert).assert_error(400, "invalid_request");
    let social =
        post_json(&server, "/social/github/", &json!({"access_token": "x", "client_id": app.client_id}));
    social.assert_status(404);
    // Credentials of OAuth 1.0a are exchanged all the same.
    let grants = |server: &TestServer| {
        let metadata = server.get("/.well-known/oauth-authorization-server").json();
        [TOKEN_EXCHANGE, "convert_token"]
            .map(|name| metadata["grant_types_supported"].as_array().unwrap().contains(&json!(name)))
    };
    assert_eq!((grants(&server), grants(&scene().0)), ([true, false], [true, true]));
}

#[test]
fn browsers_may_call_from_the_origins_of_applications() {
    let (server, _) = scene();
    let origin = "https://app.example";
    let app = server.application().public().grants(&["convert_token"]).origins(&[origin]).create();
    for path in [CONVERT, "/social/corporate/", "/api/2.0/social/corporate/"] {
        let preflight = |origin: &str| {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            server.send(request(Method::OPTIONS, path, &headers, ""))
        };
        assert_eq!(preflight(origin).header("access-control-allow-origin"), Some(origin), "{path}");
        let stranger = preflight("https://evil.example");
        assert_eq!(stranger.header("access-control-allow-origin"), None, "{path}");
    }
    for (token, status) in [(PROVIDER_TOKEN, 200), ("", 400)] {
        let form = [
            ("grant_type", "convert_token"),
            ("backend", "corporate"),
            ("token", token),
            ("access_token", ""),
            ("client_id", app.client_id.as_str()),
        ];
        let response = server.send(form_request(CONVERT, &[("origin", origin)], &form));
        response.assert_status(status);
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(response.header("vary"), Some("Origin"));
        assert_eq!(response.header("access-control-allow-credentials"), None);
    }
    let social: Value = json!({"access_token": PROVIDER_TOKEN, "client_id": app.client_id});
    let headers = [("content-type", "application/json"), ("origin", origin)];
    let response = server.send(request(Method::POST, "/social/corporate/", &headers, &social.to_string()));
    assert_eq!(response.header("access-control-allow-origin"), Some(origin));
    let foreign = server.send(by_token("nobody", "corporate"));
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}
