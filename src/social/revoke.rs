//! Asking a provider to forget what it has issued.

use serde_json::json;

use super::provider::{ClientSecret, Provider, Revocation};
use super::{SocialError, ask, metadata};
use crate::app::{App, OutboundRequest};
use crate::model::social::ProviderTokens;

/// Asks the provider, if it can be asked. What goes wrong is noted in the log alone.
pub async fn revoke(tokens: &ProviderTokens, provider: &Provider, app: &App) {
    let failed = match request(tokens, provider, app).await {
        Ok(None) => None,
        Ok(Some(request)) => match app.outbound.send(request).await {
            Ok(response) if response.status < 400 => None,
            Ok(response) => Some(format!("the provider answered {}", response.status)),
            Err(error) => Some(error.to_string()),
        },
        Err(error) => Some(error.reason()),
    };
    if let Some(detail) = failed {
        let line = json!({
            "level": "error", "event": "provider_revocation_failed", "provider": provider.name, "detail": detail,
        });
        app.log.line(line);
    }
}

/// A refresh token takes the access tokens along (RFC 7009 §2.1).
async fn request(
    tokens: &ProviderTokens,
    provider: &Provider,
    app: &App,
) -> Result<Option<OutboundRequest>, SocialError> {
    let endpoints = metadata::endpoints(provider, app).await?;
    let Some(url) = &endpoints.revocation else {
        return Ok(None);
    };
    let access_token = tokens.access_token.expose();
    let request = match (provider.revocation, &provider.secret) {
        (Revocation::Post, _) => {
            let (token, hint) = match &tokens.refresh_token {
                Some(token) => (token.expose(), "refresh_token"),
                None => (access_token, "access_token"),
            };
            let form = [("token", token), ("token_type_hint", hint)];
            ask::post_as_client(url, &form, provider, app).await?
        }
        (Revocation::BasicDelete, ClientSecret::Text(secret)) => {
            let request = ask::with_json("DELETE", url, &json!({"access_token": access_token}));
            ask::basic(request, &provider.client_id, secret.expose())
        }
        (Revocation::BasicDelete, _) => return Ok(None),
        (Revocation::Delete, _) => {
            ask::bearer(ask::delete(&ask::with_proof(url, access_token, provider)), access_token)
        }
    };
    Ok(Some(request))
}
