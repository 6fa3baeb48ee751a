//! The token endpoint (RFC 6749 §3.2).

use http::StatusCode;
use serde_json::{Value, json};

use super::{client_auth, respond};
use crate::call::body::form;
use crate::call::{Call, Response};
use crate::grants::{authorization_code, client_credentials, guessing, password, refresh_token};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::tokens::mint::TokenResponse;

/// `POST /o/token/`
pub async fn post(call: &Call<'_>) -> Response {
    match issue(call).await {
        Ok(tokens) => respond::json(StatusCode::OK, &to_json(&tokens)),
        Err(error) => respond::error(&error),
    }
}

async fn issue(call: &Call<'_>) -> Result<TokenResponse, OAuthError> {
    let params = form(call.request)?;
    let asked = params.required("grant_type")?;
    let grant_type = GrantType::parse(asked).ok_or_else(unsupported)?;
    let address = call.address();
    if grant_type == GrantType::Password {
        guessing::check_address(address, call.app)?;
    }
    client_auth::with_client(call, &params, async |client| match grant_type {
        GrantType::Password => password::issue(&params, &client, address, call.app).await,
        GrantType::ClientCredentials => client_credentials::issue(&params, &client, call.app).await,
        GrantType::RefreshToken => refresh_token::exchange(&params, &client, address, call.app).await,
        GrantType::AuthorizationCode => {
            authorization_code::exchange(&params, &client, address, call.app).await
        }
        GrantType::Implicit
        | GrantType::DeviceCode
        | GrantType::TokenExchange
        | GrantType::ConvertToken
        | GrantType::OAuth1 => Err(unsupported().into()),
    })
    .await
}

/// What [`issue`] can do, for the metadata.
pub const SUPPORTED: [GrantType; 4] = [
    GrantType::AuthorizationCode,
    GrantType::Password,
    GrantType::ClientCredentials,
    GrantType::RefreshToken,
];

fn unsupported() -> OAuthError {
    OAuthError::new(ErrorCode::UnsupportedGrantType, "grant_type is not one that this endpoint supports")
}

/// RFC 6749 §5.1.
fn to_json(tokens: &TokenResponse) -> Value {
    let mut body = json!({
        "access_token": tokens.access_token.expose(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in.seconds(),
    });
    if let Value::Object(body) = &mut body {
        if let Some(refresh_token) = &tokens.refresh_token {
            body.insert("refresh_token".to_owned(), refresh_token.expose().into());
        }
        body.insert("scope".to_owned(), tokens.scope.to_string().into());
    }
    body
}
