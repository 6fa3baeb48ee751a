//! Client authentication (RFC 6749 §2.3): HTTP Basic, secret in the body, or the bare `client_id` of a public client.

use std::rc::Rc;

use http::header::AUTHORIZATION;

use super::{Call, header};
use crate::crypto::secret::Secret;
use crate::grants::GrantError;
use crate::grants::client::{AuthenticatedClient, unproven};
use crate::model::application::Application;
use crate::protocol::authorization::{self, Credentials};
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::store::applications;
use crate::store::database::StoreError;

/// Authenticates the client and lets `act` go on. If the database says that what this isolate remembers of the
/// application is stale, both are done once more with what is true now; so nobody profits from a remembered secret.
///
/// # Errors
/// - `invalid_request`: two methods at once, or a malformed one.
/// - `invalid_client`: unknown, unproven or disabled.
/// - What `act` returns.
pub async fn with_client<T>(
    call: &Call<'_>,
    params: &Params,
    act: impl AsyncFn(AuthenticatedClient) -> Result<T, GrantError>,
) -> Result<T, OAuthError> {
    let (client_id, secret) = presented(call, params)?;
    for _ in 0..2 {
        let application =
            application(&client_id, call).await?.ok_or_else(|| unproven("unknown client_id"))?;
        *call.requester.borrow_mut() = Some(application.clone());
        let client = AuthenticatedClient::prove(application, secret.as_ref(), call.app)?;
        match act(client).await {
            Ok(done) => return Ok(done),
            Err(GrantError::OAuth(error)) => return Err(error),
            Err(GrantError::StaleApplication) => {
                call.app.memory.borrow_mut().forget_application(&client_id);
            }
        }
    }
    Err(StoreError("the application changed again and again".to_owned()).into())
}

/// Who the client says that it is, and its secret.
fn presented(call: &Call<'_>, params: &Params) -> Result<(String, Option<Secret>), OAuthError> {
    let in_body = params.optional("client_id");
    let secret_in_body = params.optional("client_secret").map(Secret::new);
    if params.contains("client_assertion") || params.contains("client_assertion_type") {
        return Err(OAuthError::invalid_client("client_assertion is not supported"));
    }
    let header = header(call.request, AUTHORIZATION.as_str())?;
    let credentials = header.map(authorization::parse).transpose()?;
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

/// From the isolate's memory, or the database.
async fn application(client_id: &str, call: &Call<'_>) -> Result<Option<Rc<Application>>, StoreError> {
    let app = call.app;
    let remembered = app.memory.borrow().application(client_id, app.clock.now());
    if remembered.is_some() {
        return Ok(remembered);
    }
    let found = applications::find_by_client_id(client_id, &*app.db).await?.map(Rc::new);
    if let Some(application) = &found {
        app.memory.borrow_mut().remember_application(application.clone(), app.clock.now());
    }
    Ok(found)
}
