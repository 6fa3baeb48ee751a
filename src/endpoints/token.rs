//! The token endpoint (RFC 6749 §3.2).

use http::StatusCode;
use serde_json::{Map, Value};

use super::{client_auth, respond, social};
use crate::app::App;
use crate::call::body::{form, form_or_json};
use crate::call::{Call, Response};
use crate::grants::{authorization_code, client_credentials, guessing, oauth1, password, refresh_token};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;

/// `POST /o/token/`
pub async fn post(call: &Call<'_>) -> Response {
    answer(form(call.request), call).await
}

/// `POST /auth/token/`: the same, and JSON will do, too.
pub async fn post_json_too(call: &Call<'_>) -> Response {
    answer(form_or_json(call.request), call).await
}

async fn answer(params: Result<Params, OAuthError>, call: &Call<'_>) -> Response {
    match issue(params, call).await {
        Ok(tokens) => respond::json(StatusCode::OK, &tokens),
        Err(error) => respond::error(&error),
    }
}

async fn issue(
    params: Result<Params, OAuthError>,
    call: &Call<'_>,
) -> Result<Map<String, Value>, OAuthError> {
    let params = params?;
    let asked = params.required("grant_type")?;
    let grant_type = GrantType::parse(asked).ok_or_else(unsupported)?;
    let address = call.address();
    if grant_type == GrantType::Password {
        guessing::check_address(address, call.app)?;
    }
    let is_oauth1 = params.optional("subject_token_type") == Some(oauth1::token_exchange::TOKEN_TYPE);
    match grant_type {
        GrantType::TokenExchange if is_oauth1 => social::check_token_exchange(&params)?,
        GrantType::TokenExchange => return convert(grant_type, &params, call).await,
        GrantType::ConvertToken if has_providers(call.app) => {
            return convert(grant_type, &params, call).await;
        }
        _ => {}
    }
    let tokens = client_auth::with_client(call, &params, async |client| match grant_type {
        GrantType::Password => password::issue(&params, &client, address, call.app).await,
        GrantType::ClientCredentials => client_credentials::issue(&params, &client, call.app).await,
        GrantType::RefreshToken => refresh_token::exchange(&params, &client, address, call.app).await,
        GrantType::AuthorizationCode => {
            authorization_code::exchange(&params, &client, address, call.app).await
        }
        GrantType::TokenExchange => {
            oauth1::token_exchange::exchange(&params, &client, address, call.app).await
        }
        GrantType::Implicit | GrantType::DeviceCode | GrantType::ConvertToken | GrantType::OAuth1 => {
            Err(unsupported().into())
        }
    });
    let mut body = respond::token_body(&tokens.await?);
    if grant_type == GrantType::TokenExchange {
        note_issued_token_type(&mut body);
    }
    Ok(body)
}

/// RFC 8693 §2.2.1.
fn note_issued_token_type(body: &mut Map<String, Value>) {
    body.insert("issued_token_type".to_owned(), social::ACCESS_TOKEN.into());
}

/// An identity provider's proof for our tokens.
async fn convert(
    grant_type: GrantType,
    params: &Params,
    call: &Call<'_>,
) -> Result<Map<String, Value>, OAuthError> {
    let asked = match grant_type {
        GrantType::TokenExchange => social::read_token_exchange(params, call)?,
        _ => social::read_convert_token(params, call)?,
    };
    let converted = social::issue(&asked, params, call).await?;
    let converted = converted.map_err(|error| social::oauth_error(&error, grant_type))?;
    let mut body = respond::token_body(&converted.tokens);
    if grant_type == GrantType::TokenExchange {
        note_issued_token_type(&mut body);
    }
    Ok(body)
}

/// What [`issue`] can do, for the metadata.
pub fn supported(app: &App) -> impl Iterator<Item = GrantType> {
    let ours = [
        GrantType::AuthorizationCode,
        GrantType::Password,
        GrantType::ClientCredentials,
        GrantType::RefreshToken,
        GrantType::TokenExchange,
    ];
    ours.into_iter().chain(has_providers(app).then_some(GrantType::ConvertToken))
}

fn has_providers(app: &App) -> bool {
    !app.settings.providers.is_empty()
}

fn unsupported() -> OAuthError {
    OAuthError::new(ErrorCode::UnsupportedGrantType, "grant_type is not one that this endpoint supports")
}
