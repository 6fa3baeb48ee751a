//! How tokens are earned: one file for each grant type (the RFC's other use of the word; a user's standing
//! authorization of an application is a `Grant` too).

pub mod authorization_code;
pub mod client;
pub mod client_credentials;
pub mod convert_token;
pub mod disconnect;
pub mod guessing;
pub mod identity;
pub mod implicit;
pub mod login;
pub mod mail_links;
pub mod oauth1;
pub mod password;
pub mod provider_token;
pub mod refresh_token;
pub mod registration;
pub mod sign_up;
pub mod social_bearer;

use crate::app::App;
use crate::model::application::Application;
use crate::model::scope::Scope;
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::store::database::StoreError;

/// What a request of this application gets of the scope that it asks for, or does not.
///
/// # Errors
/// - `invalid_scope`: `scope` asks for more than the application may have.
fn granted_scope(params: &Params, application: &Application, app: &App) -> Result<Scope, OAuthError> {
    application.grantable_scope(params.optional("scope"), &app.settings.scopes, &app.settings.default_scopes)
}

/// Why no token was issued.
#[derive(Debug)]
pub enum GrantError {
    OAuth(OAuthError),
    /// The application has changed since this isolate read it: authenticate it anew.
    StaleApplication,
}

impl From<OAuthError> for GrantError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        Self::OAuth(error.into())
    }
}
