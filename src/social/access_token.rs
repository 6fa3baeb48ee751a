//! Access tokens that a front-end brings: good if the provider itself says that it issued them to us.

use serde_json::{Map, Value, json};

use super::ask::{
    at, basic, bearer, for_object, get, is_true, post_as_client, text_at, with_json, with_query,
};
use super::provider::{CheckBy, ClientSecret, Endpoints, Provider, TokenCheck};
use super::{SocialError, metadata, profile};
use crate::app::{App, OutboundRequest};
use crate::crypto::secret::Secret;
use crate::model::social::{Identity, ProviderTokens};
use crate::model::time::Timestamp;

/// Who holds an access token that was issued to us.
///
/// # Errors
/// - `Refused`: it is not good, another application's, or nobody can say whose it is.
/// - `Failed`: the provider does not answer, or makes no sense.
pub async fn verify(token: &Secret, provider: &Provider, app: &App) -> Result<Identity, SocialError> {
    let check = provider.token_check.as_ref();
    let check = check.ok_or_else(|| SocialError::refused("nobody can say whom the access token is for"))?;
    let endpoints = metadata::endpoints(provider, app).await?;
    let request = request(token, check, provider, &endpoints, app).await?;
    let answer = for_object(request, "token check", app).await?;
    let expires_at = check_answer(&answer, check, provider, app)?;
    let mut identity = profile::of_access_token(token.expose(), provider, &endpoints, app).await?;
    let subject = check.subject.as_ref().and_then(|path| text_at(&answer, path));
    if subject.is_some_and(|subject| subject != identity.uid) {
        return Err(SocialError::refused("token check: it is about somebody else than the profile"));
    }
    identity.tokens =
        Some(ProviderTokens { access_token: token.clone(), refresh_token: None, expires_at, scope: None });
    Ok(identity)
}

async fn request(
    token: &Secret,
    check: &TokenCheck,
    provider: &Provider,
    endpoints: &Endpoints,
    app: &App,
) -> Result<OutboundRequest, SocialError> {
    let missing = || SocialError::refused("nobody can be asked whom the access token is for");
    let token = token.expose();
    if check.by == CheckBy::Introspection {
        let url = endpoints.introspection.as_ref().ok_or_else(missing)?;
        let form = [("token", token), ("token_type_hint", "access_token")];
        return post_as_client(url, &form, provider, app).await;
    }
    let url = endpoints.tokeninfo.as_ref().ok_or_else(missing)?;
    let (client_id, secret) = match &provider.secret {
        ClientSecret::Text(secret) => (provider.client_id.as_str(), secret.expose()),
        ClientSecret::None | ClientSecret::Signed { .. } => (provider.client_id.as_str(), ""),
    };
    Ok(match check.by {
        CheckBy::Bearer => bearer(get(url), token),
        CheckBy::AppToken => {
            let app_token = format!("{client_id}|{secret}");
            get(&with_query(url, &[("input_token", token), ("access_token", &app_token)]))
        }
        CheckBy::Basic => basic(with_json("POST", url, &json!({"access_token": token})), client_id, secret),
        CheckBy::Query | CheckBy::Introspection => get(&with_query(url, &[("access_token", token)])),
    })
}

/// Until when the token is good, if that is known.
fn check_answer(
    answer: &Map<String, Value>,
    check: &TokenCheck,
    provider: &Provider,
    app: &App,
) -> Result<Option<Timestamp>, SocialError> {
    if check.active.as_ref().is_some_and(|path| !is_true(at(answer, path))) {
        return Err(SocialError::refused("token check: it is not active"));
    }
    let found = check.client.iter().filter_map(|path| at(answer, path));
    let clients: Option<Vec<String>> = found.map(client_text).collect();
    let clients = clients.unwrap_or_default();
    if !provider.are_ours(&clients.iter().map(String::as_str).collect::<Vec<_>>()) {
        return Err(SocialError::refused("token check: it was issued to another application"));
    }
    let Some(path) = check.expires_at.as_ref().filter(|path| at(answer, path).is_some()) else {
        return Ok(None);
    };
    match text_at(answer, path).unwrap_or_default().parse::<i64>() {
        // Facebook: never.
        Ok(0) => Ok(None),
        Ok(expires_at) if expires_at > app.clock.now().0 => Ok(Some(Timestamp(expires_at))),
        _ => Err(SocialError::refused("token check: it has expired")),
    }
}

fn client_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
