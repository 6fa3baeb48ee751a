//! A provider's proof for our tokens, in the shapes of drf-social-oauth2, of the DRF social tutorial, and of RFC 8693.

use std::cell::OnceCell;

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value, json};

use super::{client_auth, respond};
use crate::call::body::form_or_json;
use crate::call::{Call, Response};
use crate::crypto::secret::Secret;
use crate::grants::convert_token::{self, Asked, Converted};
use crate::model::fields::FieldErrors;
use crate::pages::mail;
use crate::pages::social::login::is_own_redirect_uri;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;
use crate::social::SocialError;
use crate::social::code::Code;
use crate::social::proof::{Presented, provider_of_id_token};
use crate::social::provider::{Proof, Provider};

/// How long a proof may be, in bytes: ID tokens of some providers are longer than drf-social-oauth2's 5,000.
pub const LONGEST_PROOF: usize = 16 * 1024;

/// `POST /auth/convert-token/`
pub async fn convert_token(call: &Call<'_>) -> Response {
    match convert(call).await {
        Ok(Ok(converted)) => respond::json(StatusCode::OK, &with_user(&converted)),
        Ok(Err(error)) => respond::error(&drf_error(&error)),
        Err(error) => respond::error(&error),
    }
}

async fn convert(call: &Call<'_>) -> Result<Result<Converted, SocialError>, OAuthError> {
    let params = form_or_json(call.request)?;
    if params.required("grant_type")? != GrantType::ConvertToken.as_str() {
        return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, "grant_type must be convert_token"));
    }
    let asked = read_convert_token(&params, call)?;
    issue(&asked, &params, call).await
}

/// The parameters of `convert_token`, at this endpoint and at the token endpoint.
///
/// # Errors
/// - `invalid_request`: one is missing, or there is no such provider.
pub fn read_convert_token<'a>(params: &'a Params, call: &'a Call<'_>) -> Result<Asked<'a>, OAuthError> {
    let name = params.optional("backend");
    let name = name.ok_or_else(|| OAuthError::invalid_request("Missing backend parameter."))?;
    let provider = call.app.settings.providers.find(name);
    let provider = provider.ok_or_else(|| OAuthError::invalid_request("Invalid backend parameter."))?;
    let presented = read_proof("token", params, provider, call)?;
    let presented = presented.ok_or_else(|| OAuthError::invalid_request("Missing token parameter."))?;
    Ok(asked(GrantType::ConvertToken, provider, presented))
}

/// The parameters of a token exchange (RFC 8693 §2.1). The provider is named as in `convert_token`; an ID token names it
/// by its issuer, too.
///
/// # Errors
/// - `invalid_request`: one is missing, there is no such provider, or another kind of token is wanted.
/// - `invalid_target`: the tokens are to be for somebody else.
pub fn read_token_exchange<'a>(params: &'a Params, call: &'a Call<'_>) -> Result<Asked<'a>, OAuthError> {
    let token = params.required("subject_token")?;
    let token_type = params.required("subject_token_type")?;
    check_token_exchange(params)?;
    check_form(token, "subject_token")?;
    let presented = match token_type {
        ACCESS_TOKEN => Presented::AccessToken(Secret::new(token)),
        ID_TOKEN => Presented::IdToken { token: Secret::new(token), nonce: params.optional("nonce") },
        _ => return Err(OAuthError::invalid_request("subject_token_type is not one that is supported")),
    };
    let providers = &call.app.settings.providers;
    let provider = match (params.optional("backend"), token_type) {
        (Some(name), _) => providers.find(name),
        (None, ID_TOKEN) => provider_of_id_token(token, providers),
        (None, _) => return Err(OAuthError::invalid_request("backend is missing")),
    };
    let provider = provider.ok_or_else(|| OAuthError::invalid_request("backend is not a provider here"))?;
    Ok(asked(GrantType::TokenExchange, provider, presented))
}

/// Refuses what no token exchange here can do (RFC 8693 §2.1).
///
/// # Errors
/// - `invalid_request`: somebody else is to act, or another kind of token is wanted.
/// - `invalid_target`: the tokens are to be for somebody else.
pub fn check_token_exchange(params: &Params) -> Result<(), OAuthError> {
    for name in ["resource", "audience"] {
        if params.contains(name) {
            let reason = format!("{name} is not supported: tokens are for the application itself");
            return Err(OAuthError::new(ErrorCode::InvalidTarget, reason));
        }
    }
    if params.contains("actor_token") || params.contains("actor_token_type") {
        return Err(OAuthError::invalid_request("actor_token is not supported"));
    }
    if params.optional("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(OAuthError::invalid_request("requested_token_type must be that of an access token"));
    }
    Ok(())
}

/// RFC 8693 §3.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

fn asked<'a>(grant_type: GrantType, provider: &'a Provider, presented: Presented<'a>) -> Asked<'a> {
    Asked { grant_type, provider, presented, identity: OnceCell::new() }
}

/// What of `name`, `id_token` and `code` is there: one of them, or none. Under `name` stands an access token; or an ID token,
/// where the provider has nothing else.
fn read_proof<'a>(
    name: &'static str,
    params: &'a Params,
    provider: &Provider,
    call: &Call<'_>,
) -> Result<Option<Presented<'a>>, OAuthError> {
    let nonce = params.optional("nonce");
    let (redirect_uri, code_verifier) = (params.optional("redirect_uri"), params.optional("code_verifier"));
    let proofs = (params.optional(name), params.optional("id_token"), params.optional("code"));
    for (name, proof) in [(name, proofs.0), ("id_token", proofs.1), ("code", proofs.2)] {
        check_form(proof.unwrap_or_default(), name)?;
    }
    match proofs {
        (None, None, None) => Ok(None),
        (Some(token), None, None)
            if provider.takes(Proof::AccessToken) || !provider.takes(Proof::IdToken) =>
        {
            Ok(Some(Presented::AccessToken(Secret::new(token))))
        }
        (Some(token), None, None) | (None, Some(token), None) => {
            Ok(Some(Presented::IdToken { token: Secret::new(token), nonce }))
        }
        // Else who has somebody's code could use it without the browser's state and nonce (RFC 9700 §4.5).
        (None, None, Some(_)) if redirect_uri.is_some_and(|uri| is_own_redirect_uri(uri, provider, call)) => {
            Err(OAuthError::invalid_request("redirect_uri is that of this server's own pages"))
        }
        (None, None, Some(code)) => {
            Ok(Some(Presented::Code(Code { code, redirect_uri, code_verifier, nonce })))
        }
        _ => Err(OAuthError::invalid_request(format!("{name}, id_token and code: only one of them"))),
    }
}

/// As no provider makes one, and no header can carry it.
fn check_form(proof: &str, name: &str) -> Result<(), OAuthError> {
    match proof.len() <= LONGEST_PROOF && proof.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(OAuthError::invalid_request(format!("{name} is too long, or not plain ASCII"))),
    }
}

/// Authenticates the client and converts. Who is new, with an address that the provider has not verified, is sent the link to do it.
///
/// # Errors
/// As [`client_auth::with_client`] and [`convert_token::issue`].
pub async fn issue(
    asked: &Asked<'_>,
    params: &Params,
    call: &Call<'_>,
) -> Result<Result<Converted, SocialError>, OAuthError> {
    let converted = client_auth::with_client(call, params, async |client| {
        convert_token::issue(asked, params, &client, call.address(), call.app).await
    });
    let converted = converted.await?;
    if let Ok(Converted { user, is_new: true, .. }) = &converted
        && !user.profile.email_verified
    {
        mail::welcome(user, &call.issuer, call.app).await;
    }
    Ok(converted)
}

/// `POST /social/{backend}/`
pub async fn exchange(call: &Call<'_>) -> Response {
    let Some(provider) = call.app.settings.providers.find(call.capture(0)) else {
        return respond::drf_detail(StatusCode::NOT_FOUND, "Not found.");
    };
    let mut params = match form_or_json(call.request) {
        Ok(params) => params,
        Err(error) => return respond::drf_detail(StatusCode::BAD_REQUEST, error.description()),
    };
    // Who authenticates by a header has said who they are.
    let default = call.app.settings.social_default_application.as_deref();
    if let Some(client_id) = default.filter(|_| !call.request.headers().contains_key(AUTHORIZATION)) {
        params.set_default("client_id", client_id);
    }
    let presented = match read_proof("access_token", &params, provider, call) {
        Ok(Some(presented)) => presented,
        Ok(None) => {
            return respond::drf_fields(&FieldErrors::one("access_token", "This field is required."));
        }
        Err(error) => return tutorial_error(&error, None),
    };
    match issue(&asked(GrantType::ConvertToken, provider, presented), &params, call).await {
        Ok(Ok(converted)) => {
            let mut body = Map::new();
            body.insert("token".to_owned(), converted.tokens.access_token.expose().into());
            body.extend(respond::token_body(&converted.tokens));
            respond::json(StatusCode::OK, &body)
        }
        Ok(Err(error)) => tutorial_error(&drf_error(&error), Some(&error)),
        Err(error) => tutorial_error(&error, None),
    }
}

/// In the tutorial's shape: what a provider said of a token stands apart from everything else.
fn tutorial_error(error: &OAuthError, social: Option<&SocialError>) -> Response {
    let errors = match social {
        Some(SocialError::Refused(_) | SocialError::Failed { .. }) => {
            json!({"token": "Invalid token", "detail": error.description()})
        }
        Some(SocialError::Disabled) => json!({"non_field_errors": "This user account is inactive"}),
        Some(SocialError::NotAllowed) => json!({"non_field_errors": "Authentication Failed"}),
        _ => json!({"non_field_errors": error.description()}),
    };
    let mut response = respond::error(error);
    *response.body_mut() = json!({"errors": errors}).to_string().into_bytes();
    response
}

/// What drf-social-oauth2 says.
fn drf_error(error: &SocialError) -> OAuthError {
    let said = match error {
        SocialError::Refused(_) | SocialError::NotAllowed => {
            OAuthError::access_denied("Your credentials aren't allowed")
        }
        SocialError::EmailTaken | SocialError::InUse => OAuthError::access_denied(EMAIL_TAKEN),
        SocialError::Disabled => OAuthError::invalid_grant("User inactive or deleted."),
        SocialError::Failed { status, .. } => {
            let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
            let reason = reason.unwrap_or("Unknown");
            OAuthError::invalid_request(format!("Backend responded with HTTP{status}: {reason}."))
        }
        SocialError::Store(_) => OAuthError::temporarily_unavailable(error.reason()),
    };
    said.because(error.reason())
}

/// What the token endpoint says: a provider that is down is worth another try, and RFC 8693 §2.2.2 has a code of its own
/// for a token that is not good.
pub fn oauth_error(error: &SocialError, grant_type: GrantType) -> OAuthError {
    match error {
        SocialError::Failed { .. } => OAuthError::provider_unavailable(error.reason()),
        SocialError::Refused(reason) if grant_type == GrantType::TokenExchange => {
            OAuthError::invalid_request("subject_token is not good, or not for this server")
                .because(reason.clone())
        }
        _ => drf_error(error),
    }
}

const EMAIL_TAKEN: &str = "An account with this e-mail exists: log in and link it.";

/// With the user, as newer releases of drf-social-oauth2 have it.
fn with_user(converted: &Converted) -> Value {
    let profile = &converted.user.profile;
    let mut body = respond::token_body(&converted.tokens);
    let user = json!({
        "email": profile.email,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
    });
    body.insert("user".to_owned(), user);
    Value::Object(body)
}
