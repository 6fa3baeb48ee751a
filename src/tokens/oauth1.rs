//! Credentials of OAuth 1.0a (RFC 5849 §1.1): a token, which everybody may see, and its secret.

use super::token::{Holder, Oauth1AccessToken, Oauth1RequestToken};
use crate::app::App;
use crate::crypto::encoding::base64url;
use crate::crypto::keys::KeyRing;
use crate::crypto::random_bytes;
use crate::crypto::sealed::Purpose;
use crate::crypto::secret::Secret;
use crate::model::application::Application;
use crate::model::family::{Family, IssuedToken, TokenDigest};
use crate::model::id::FamilyId;
use crate::model::oauth1::{Callback, RequestToken};
use crate::model::scope::Scope;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::params::{Params, encode};
use crate::store::database::StoreError;
use crate::store::families::{self, Login, NewFamily, NewRefresh, Purchase, Stored};
use crate::store::oauth1_tokens::{self, NewRequestToken};

/// How long somebody has for approving, and the application for exchanging.
pub const REQUEST_TOKEN_LIFETIME: Lifetime = Lifetime(600);

/// Temporary credentials (RFC 5849 §2.1).
#[derive(Debug)]
pub struct TemporaryCredentials {
    pub token: Oauth1RequestToken,
    pub secret: Secret,
}

/// Token credentials (RFC 5849 §2.3).
#[derive(Debug)]
pub struct TokenCredentials {
    pub token: Oauth1AccessToken,
    pub secret: Secret,
}

/// Stores a request token. None if the application is not what was read.
///
/// # Errors
/// The database did not answer.
pub async fn issue_request_token(
    application: &Application,
    callback: &Callback,
    scope: &Scope,
    now: Timestamp,
    app: &App,
) -> Result<Option<TemporaryCredentials>, StoreError> {
    let holder = Holder { family: FamilyId::random(&*app.random), application: application.id, user: None };
    let keys = app.settings.keys.first();
    let token = Oauth1RequestToken::mint(holder, random_bytes(&*app.random), keys);
    let secret = random_secret(app);
    let new = NewRequestToken {
        digest: &token.digest(),
        secret: &seal(&token.digest(), &secret, app),
        application,
        callback,
        scope,
        expires_at: now + REQUEST_TOKEN_LIFETIME,
    };
    let is_stored = oauth1_tokens::insert(&new, now, &*app.db).await?;
    Ok(is_stored.then_some(TemporaryCredentials { token, secret }))
}

/// Who gets token credentials for what.
#[derive(Debug)]
pub struct Issuance<'a> {
    pub application: &'a Application,
    pub login: Login<'a>,
    pub scope: &'a Scope,
    /// What they are bought with; none: with a password.
    pub request_token: Option<&'a Oauth1RequestToken>,
}

/// Stores a new family, or returns what was stale. KV never learns of it: the database is asked for every signed request
/// anyway, because of its nonce.
///
/// # Errors
/// The database did not answer: nothing was issued that anybody knows of.
pub async fn issue(
    issuance: Issuance<'_>,
    now: Timestamp,
    app: &App,
) -> Result<Result<TokenCredentials, Stored>, StoreError> {
    let bought_with = issuance.request_token;
    let family = bought_with.map_or_else(|| FamilyId::random(&*app.random), |token| token.holder().family);
    let holder = Holder {
        family,
        application: issuance.application.id,
        user: Some((issuance.login.user_id, issuance.login.grant_id)),
    };
    let secret = random_secret(app);
    let token = Oauth1AccessToken::mint_for(holder, &secret, app.settings.keys.first());
    let access = IssuedToken {
        digest: token.digest(),
        scope: issuance.scope.clone(),
        issued_at: now,
        expires_at: now + app.settings.oauth1_access_token_lifetime,
    };
    let request_token = bought_with.map(Oauth1RequestToken::digest);
    let new = NewFamily {
        id: family,
        application: issuance.application,
        login: Some(issuance.login),
        scope: issuance.scope,
        access: &access,
        // By which they can be exchanged for tokens of OAuth 2, as a refresh token is.
        refresh: Some(NewRefresh {
            digest: TokenDigest::of(as_subject_token(&token, &secret).expose()),
            expires_at: Some(access.expires_at),
        }),
        bought_with: request_token.as_ref().map(Purchase::RequestToken),
        oauth1_secret: Some(&seal(&family, &secret, app)),
    };
    match families::insert(&new, now, &*app.db).await? {
        Stored::Yes => {
            app.memory.borrow_mut().oauth1_secrets.insert(family, secret.clone());
            Ok(Ok(TokenCredentials { token, secret }))
        }
        stale => Ok(Err(stale)),
    }
}

/// The secret of a request token. None if the key that sealed it is gone.
pub fn secret_of_request_token(
    token: &Oauth1RequestToken,
    found: &RequestToken,
    app: &App,
) -> Option<Secret> {
    open(&token.digest(), &found.secret, app)
}

/// The secret of an access token. None if there is no such token of OAuth 1.0a, or the key that sealed its secret is gone.
///
/// # Errors
/// The database had to be asked and did not answer.
pub async fn secret_of_access_token(
    token: &Oauth1AccessToken,
    app: &App,
) -> Result<Option<Secret>, StoreError> {
    let family = token.holder().family;
    if let Some(secret) = app.memory.borrow().oauth1_secrets.get(&family) {
        return Ok(Some(secret.clone()));
    }
    let found = families::find(&family, &*app.db).await?;
    let secret = found.and_then(|found: Family| open(&family, &found.oauth1_secret?, app));
    if let Some(secret) = &secret {
        app.memory.borrow_mut().oauth1_secrets.insert(family, secret.clone());
    }
    Ok(secret)
}

/// Token credentials as one text: the answer of `/oauth/access_token/`, as it is.
pub fn as_subject_token(token: &Oauth1AccessToken, secret: &Secret) -> Secret {
    Secret::new(encode(&[("oauth_token", token.expose()), ("oauth_token_secret", secret.expose())]))
}

/// Reads that text. A made-up pair is none.
pub fn from_subject_token(text: &str, keys: &KeyRing) -> Option<(Oauth1AccessToken, Secret)> {
    let pair = Params::parse(text.as_bytes()).ok()?;
    let token = Oauth1AccessToken::parse(pair.optional("oauth_token")?, keys)?;
    let secret = Secret::new(pair.optional("oauth_token_secret")?);
    let canonical = token.is_for(&secret).then(|| as_subject_token(&token, &secret))?;
    Some((token, canonical))
}

/// 256 random bits.
fn random_secret(app: &App) -> Secret {
    Secret::new(base64url(&random_bytes::<32>(&*app.random)))
}

fn seal(row: &impl ToString, secret: &Secret, app: &App) -> String {
    let keys = &app.settings.keys;
    keys.seal(Purpose::Oauth1Token, &row.to_string(), secret.expose().as_bytes(), &*app.random)
}

fn open(row: &impl ToString, sealed: &str, app: &App) -> Option<Secret> {
    app.settings.keys.open(Purpose::Oauth1Token, &row.to_string(), sealed)?.into_text()
}
