//! Client authentication (RFC 6749 §2.3): HTTP Basic, secret in the body, or the bare `client_id` of a public client.

use http::header::AUTHORIZATION;

use crate::app::App;
use crate::call::{Call, header};
use crate::crypto::secret::Secret;
use crate::grants::GrantError;
use crate::grants::client::{self, AuthenticatedClient, SecretAttempt, unproven};
use crate::protocol::authorization::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::store::database::StoreError;

/// Authenticates the client and lets `act` go on. What this isolate remembers of the application decides nothing alone:
/// if the client cannot prove itself by it, or the database says that it is stale, both are done once more with what is
/// true now. So nobody profits from a remembered secret, and nobody is refused because of one.
///
/// # Errors
/// - `invalid_request`: two methods at once, or a malformed one.
/// - `invalid_client`: unknown, unproven or disabled.
/// - 429: there were too many wrong secrets from the address.
/// - What `act` returns.
pub async fn with_client<T>(
    call: &Call<'_>,
    params: &Params,
    act: impl AsyncFn(AuthenticatedClient) -> Result<T, GrantError>,
) -> Result<T, OAuthError> {
    let (client_id, secret) = presented(call, params)?;
    let mut attempt = SecretAttempt::from(call.address());
    let mut refused: Option<(String, OAuthError)> = None;
    for _ in 0..TRIES {
        let Some((application, is_remembered)) = client::find(&client_id, call.app).await? else {
            return Err(counted(unproven("unknown client_id"), &secret, &mut attempt, call.app).await);
        };
        if let Some((revision, error)) = refused.take()
            && revision == application.revision
        {
            return Err(counted(error, &secret, &mut attempt, call.app).await);
        }
        *call.requester.borrow_mut() = Some(application.clone());
        let revision = application.revision.clone();
        match AuthenticatedClient::prove(application, secret.as_ref(), &mut attempt, call.app).await {
            Err(error) if is_remembered && error.code() == ErrorCode::InvalidClient => {
                refused = Some((revision, error));
            }
            Err(error) => return Err(counted(error, &secret, &mut attempt, call.app).await),
            Ok(client) => match act(client).await {
                Ok(done) => return Ok(done),
                Err(GrantError::OAuth(error)) if is_remembered && rests_on_registration(&error) => {
                    refused = Some((revision, error));
                }
                Err(GrantError::OAuth(error)) => return Err(error),
                Err(GrantError::StaleApplication) => {}
            },
        }
        call.app.memory.borrow_mut().forget_application(&client_id);
    }
    Err(StoreError("the application changed again and again".to_owned()).into())
}

/// The error, once the try that led to it has been counted: a wrong secret of 256 random bits is counted only now, and for
/// the address alone.
async fn counted(
    error: OAuthError,
    secret: &Option<Secret>,
    attempt: &mut SecretAttempt,
    app: &App,
) -> OAuthError {
    if error.code() != ErrorCode::InvalidClient || secret.is_none() {
        return error;
    }
    attempt.count(None, app).await.err().unwrap_or(error)
}

/// True if another registration of the application could have led to another answer.
fn rests_on_registration(error: &OAuthError) -> bool {
    matches!(error.code(), ErrorCode::UnauthorizedClient | ErrorCode::InvalidScope)
}

/// How often the client is authenticated anew because the application was changed in between.
const TRIES: usize = 3;

/// Who the client says that it is, and its secret.
fn presented(call: &Call<'_>, params: &Params) -> Result<(String, Option<Secret>), OAuthError> {
    let in_body = params.optional("client_id");
    let secret_in_body = params.optional("client_secret").map(Secret::new);
    let header = header(call.request, AUTHORIZATION.as_str())?;
    let credentials = header.map(authorization::parse).transpose()?;
    if params.contains("client_assertion") || params.contains("client_assertion_type") {
        return Err(match (&credentials, &secret_in_body) {
            (None, None) => OAuthError::invalid_client("client_assertion is not supported"),
            _ => OAuthError::invalid_request("client_assertion stands beside another way to authenticate"),
        });
    }
    match credentials {
        None => {
            let client_id = in_body.ok_or_else(|| unproven("no client authentication"))?;
            Ok((client_id.to_owned(), secret_in_body))
        }
        Some(Credentials::Basic { .. }) if secret_in_body.is_some() => Err(OAuthError::invalid_request(
            "client_secret stands in the body beside the Authorization header",
        )),
        Some(Credentials::Basic { client_id, .. }) if in_body.is_some_and(|other| other != client_id) => {
            Err(OAuthError::invalid_request("client_id is not that of the Authorization header"))
        }
        Some(Credentials::Basic { client_id, client_secret }) => {
            let secret = Some(client_secret).filter(|secret| !secret.expose().is_empty());
            Ok((client_id, secret))
        }
        Some(Credentials::Bearer(_) | Credentials::OtherScheme) => {
            Err(unproven("the Authorization header has a scheme that does not authenticate clients"))
        }
    }
}
