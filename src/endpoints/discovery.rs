//! Authorization server metadata (RFC 8414): only what works.

use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, PRAGMA};
use serde_json::{Value, json};

use super::{respond, token};
use crate::call::{self, Call, Response};
use crate::protocol::authorization_request::{ResponseMode, ResponseType};
use crate::protocol::grant_type::GrantType;
use crate::protocol::pkce::ChallengeMethod;

const AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// `GET /.well-known/oauth-authorization-server`, and with the issuer's path behind it (RFC 8414 §3.1).
pub async fn get(call: &Call<'_>) -> Response {
    let issuer = &call.issuer;
    let path = call.app.settings.issuer.as_ref().map_or("", |issuer| issuer.path());
    let asked = call.captures.join("/");
    if !asked.is_empty() && asked != path.trim_start_matches('/') {
        return respond::oauth_with_status(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no issuer with this path",
        );
    }
    let grant_types = token::supported(call.app).chain([GrantType::Implicit]).map(GrantType::as_str);
    let mut body = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/o/authorize/"),
        "token_endpoint": format!("{issuer}/o/token/"),
        "revocation_endpoint": format!("{issuer}/o/revoke_token/"),
        "introspection_endpoint": format!("{issuer}/o/introspect/"),
        "scopes_supported": call.app.settings.scopes.iter().collect::<Vec<_>>(),
        "response_types_supported": ResponseType::ALL.map(ResponseType::as_str),
        "response_modes_supported": ResponseMode::ALL.map(ResponseMode::as_str),
        "grant_types_supported": grant_types.collect::<Vec<_>>(),
        "code_challenge_methods_supported": [ChallengeMethod::S256.as_str()],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "create"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    });
    if let (Value::Object(body), Some(url)) = (&mut body, &call.app.settings.service_documentation) {
        body.insert("service_documentation".to_owned(), url.as_str().into());
    }
    let mut response = respond::json(StatusCode::OK, &body);
    response.headers_mut().remove(PRAGMA);
    call::set(&mut response, CACHE_CONTROL, "public, max-age=300");
    call::set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response
}
