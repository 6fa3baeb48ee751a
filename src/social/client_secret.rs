//! How we prove to a provider who we are.

use serde_json::json;

use super::SocialError;
use super::provider::{ClientSecret, Provider};
use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::secret::Secret;
use crate::crypto::signature::SignatureAlgorithm;

/// How long a signed secret is good, in seconds: for one request.
const LIFETIME: i64 = 300;

/// Our secret at the provider; a fresh JWT where it wants one that is signed. None: we have none.
///
/// # Errors
/// The JWT cannot be signed.
pub async fn text(provider: &Provider, app: &App) -> Result<Option<Secret>, SocialError> {
    match &provider.secret {
        ClientSecret::None => Ok(None),
        ClientSecret::Text(secret) => Ok(Some(secret.clone())),
        ClientSecret::Signed { team_id, key_id, private_key } => {
            let now = app.clock.now().0;
            let header = json!({"alg": "ES256", "kid": key_id, "typ": "JWT"});
            let audience = provider.issuers.first();
            let claims = json!({
                "iss": team_id,
                "iat": now,
                "exp": now + LIFETIME,
                "aud": audience,
                "sub": provider.client_id,
            });
            let encode = |value: &serde_json::Value| base64url(value.to_string().as_bytes());
            let message = format!("{}.{}", encode(&header), encode(&claims));
            let signed =
                app.signatures.sign(SignatureAlgorithm::Es256, private_key, message.as_bytes()).await;
            let signature = signed.map_err(|error| SocialError::garbage(error.to_string()))?;
            Ok(Some(Secret::new(format!("{message}.{}", base64url(&signature)))))
        }
    }
}
