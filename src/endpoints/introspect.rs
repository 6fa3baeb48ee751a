//! Token introspection (RFC 7662). It asks the database, so it knows of a revocation at once.

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde::Serialize;
use serde_json::{Value, json};

use super::{client_auth, respond};
use crate::app::App;
use crate::call::body::form;
use crate::call::{Call, Response, header};
use crate::crypto::secret::Secret;
use crate::grants::GrantError;
use crate::grants::client::{AuthenticatedClient, unproven};
use crate::model::family::Family;
use crate::model::id::ApplicationId;
use crate::model::scope::Scope;
use crate::model::time::Timestamp;
use crate::protocol::authorization::{self, Credentials};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::store::families;
use crate::tokens::find::{self, Found};
use crate::tokens::record::TokenRecord;
use crate::tokens::token::{AccessToken, RefreshToken};

const SCOPE: &str = "introspection";

/// RFC 6750 §6.1.1.
pub const BEARER: &str = "Bearer";

/// `POST /o/introspect/`
pub async fn post(call: &Call<'_>) -> Response {
    let bearer =
        match header(call.request, AUTHORIZATION.as_str()).map(|header| header.map(authorization::parse)) {
            Ok(Some(Ok(Credentials::Bearer(token)))) => Some(token),
            _ => None,
        };
    let answer = match &bearer {
        Some(token) => match check_bearer(token, call.app).await {
            Ok(()) => for_bearer(call).await,
            Err(error) => return respond::bearer_error(&error, Some(SCOPE)),
        },
        None => for_client(call).await,
    };
    match answer {
        Ok(described) => described.to_response(),
        Err(error) => respond::error(&error),
    }
}

/// What the database says of a token (RFC 7662 §2.2).
enum Described {
    Inactive,
    Access(TokenRecord),
    Refresh(Value),
}

impl Described {
    fn to_response(&self) -> Response {
        match self {
            Self::Inactive => respond::json(StatusCode::OK, &json!({"active": false})),
            Self::Access(record) => respond::json(StatusCode::OK, &Active::new(record, BEARER)),
            Self::Refresh(body) => respond::json(StatusCode::OK, body),
        }
    }
}

/// What is said of a good access token (RFC 7662 §2.2); `/validate/` answers the same.
#[derive(Serialize)]
pub struct Active<'a> {
    active: bool,
    scope: &'a str,
    client_id: &'a str,
    token_type: &'static str,
    exp: Timestamp,
    iat: Timestamp,
    // A token of client credentials has no subject: a `client_id` there could pass for a user (RFC 9700 §4.15).
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl<'a> Active<'a> {
    /// `token_type`: [`BEARER`], or what else was used (RFC 7662 §2.2).
    pub fn new(record: &'a TokenRecord, token_type: &'static str) -> Self {
        Self {
            active: true,
            scope: &record.scope,
            client_id: &record.client_id,
            token_type,
            exp: record.exp,
            iat: record.iat,
            username: record.user.as_ref().map(|user| user.username.as_str()),
            sub: record.user.as_ref().map(|user| user.id.as_str()),
        }
    }
}

/// The caller brings a Bearer token with the scope `introspection`. The database is asked about it, too.
async fn check_bearer(token: &Secret, app: &App) -> Result<(), OAuthError> {
    let invalid =
        || OAuthError::new(ErrorCode::InvalidToken, "the access token is invalid, expired or revoked");
    let token = AccessToken::parse(token.expose(), &app.settings.keys).ok_or_else(invalid)?;
    match find::find(&token, true, app.clock.now(), app).await? {
        Found::Refused(reason) => Err(invalid().because(reason)),
        Found::Good(record) if Scope::from_stored(&record.scope).contains(SCOPE) => Ok(()),
        Found::Good(_) => {
            Err(OAuthError::new(ErrorCode::InsufficientScope, "the access token lacks a scope"))
        }
    }
}

async fn for_bearer(call: &Call<'_>) -> Result<Described, OAuthError> {
    let params = form(call.request)?;
    if params.contains("client_secret") {
        return Err(OAuthError::invalid_request("client_secret stands in the body beside a Bearer token"));
    }
    let Some(token) = Asked::parse(&params, call.app)? else {
        return Ok(Described::Inactive);
    };
    let family = families::find(&token.holder().family, &*call.app.db).await?;
    Ok(token.describe(family.as_ref(), None, call.app.clock.now()))
}

/// The caller is a confidential client.
async fn for_client(call: &Call<'_>) -> Result<Described, OAuthError> {
    let params = form(call.request)?;
    let token = Asked::parse(&params, call.app)?;
    client_auth::with_client(call, &params, async |client| match &token {
        _ if client.application().is_public() => Err(unproven("a public client cannot introspect").into()),
        Some(token) => describe_to(&client, token, call.app).await,
        None => Ok(Described::Inactive),
    })
    .await
}

async fn describe_to(
    client: &AuthenticatedClient,
    token: &Asked,
    app: &App,
) -> Result<Described, GrantError> {
    let caller = client.application();
    let (family, caller_is_current) = families::find_for(&token.holder().family, caller, &*app.db).await?;
    if !caller_is_current {
        return Err(GrantError::StaleApplication);
    }
    Ok(token.describe(family.as_ref(), Some(caller.id), app.clock.now()))
}

/// The token that is asked about, if it bears our MAC.
enum Asked {
    Access(AccessToken),
    Refresh(RefreshToken),
}

impl Asked {
    fn parse(params: &Params, app: &App) -> Result<Option<Self>, OAuthError> {
        let (token, keys) = (params.required("token")?, &app.settings.keys);
        Ok(AccessToken::parse(token, keys)
            .map(Self::Access)
            .or_else(|| RefreshToken::parse(token, keys).map(Self::Refresh)))
    }

    fn holder(&self) -> &crate::tokens::token::Holder {
        match self {
            Self::Access(token) => token.holder(),
            Self::Refresh(token) => token.holder(),
        }
    }

    /// A refresh token is active for its own application only: an API that asks about whatever it was handed must not
    /// take one for an access token.
    fn describe(&self, family: Option<&Family>, caller: Option<ApplicationId>, now: Timestamp) -> Described {
        let described = match (self, family) {
            (Self::Access(token), _) => {
                find::good_record(family, &token.digest(), now).ok().map(Described::Access)
            }
            (Self::Refresh(token), Some(family)) if caller == Some(family.application.id) => {
                active_refresh_token(token, family, now).map(Described::Refresh)
            }
            (Self::Refresh(_), _) => None,
        };
        described.unwrap_or(Described::Inactive)
    }
}

fn active_refresh_token(token: &RefreshToken, family: &Family, now: Timestamp) -> Option<Value> {
    let live = family.check_live().ok()?;
    let refresh = family.refresh.as_ref().filter(|refresh| refresh.digest == token.digest())?;
    if refresh.is_expired(now) {
        return None;
    }
    let mut body = json!({
        "active": true,
        "scope": family.scope.to_string(),
        "client_id": live.application.client_id,
    });
    if let Value::Object(body) = &mut body {
        if let Some(at) = refresh.expires_at {
            body.insert("exp".to_owned(), at.0.into());
        }
        if let Some((user, now)) = live.user {
            body.insert("username".to_owned(), now.username.as_str().into());
            body.insert("sub".to_owned(), user.id.to_string().into());
        }
    }
    Some(body)
}
