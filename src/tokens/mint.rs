//! Minting: the first tokens of a family, and the pair that a refresh leads to.

use super::find;
use super::record::{Mark, TokenRecord};
use super::revoke::mark_lifetime;
use super::token::{AccessToken, AuthorizationCode, Holder, RefreshToken};
use crate::app::App;
use crate::crypto::keys::Keys;
use crate::crypto::random_bytes;
use crate::model::application::Application;
use crate::model::family::{Family, IssuedToken, Live, RotationNonce};
use crate::model::id::FamilyId;
use crate::model::scope::Scope;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::grant_type::GrantType;
use crate::store::database::StoreError;
use crate::store::families::{self, Login, NewFamily, NewRefresh, Purchase, Stored};

/// A successful token response (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenResponse {
    pub access_token: AccessToken,
    pub expires_in: Lifetime,
    pub refresh_token: Option<RefreshToken>,
    pub scope: Scope,
}

/// Who gets tokens for what.
#[derive(Debug)]
pub struct Issuance<'a> {
    pub application: &'a Application,
    /// None for client credentials.
    pub login: Option<IssuanceLogin<'a>>,
    pub scope: Scope,
    /// What the tokens are bought with, if it is an authorization code.
    pub code: Option<&'a AuthorizationCode>,
    /// Never for implicit grants (RFC 6749 §4.2.2).
    pub with_refresh: bool,
}

/// A user who has just proven who they are.
#[derive(Debug)]
pub struct IssuanceLogin<'a> {
    pub username: &'a str,
    pub login: Login<'a>,
}

/// Stores a new family and returns its first tokens, or what was stale. KV learns of it after the answer.
///
/// # Errors
/// The database did not answer: nothing was issued that anybody knows of.
pub async fn issue(
    issuance: Issuance<'_>,
    now: Timestamp,
    app: &App,
) -> Result<Result<TokenResponse, Stored>, StoreError> {
    let application = issuance.application;
    let keys = app.settings.keys.first();
    let family_id = issuance.code.map_or_else(|| FamilyId::random(&*app.random), |code| code.holder().family);
    let holder = Holder {
        family: family_id,
        application: application.id,
        user: issuance.login.as_ref().map(|user| (user.login.user_id, user.login.grant_id)),
    };
    let access_token = AccessToken::mint(holder, random_bytes(&*app.random), keys);
    let access = IssuedToken {
        digest: access_token.digest(),
        scope: issuance.scope.clone(),
        issued_at: now,
        expires_at: now + app.settings.access_token_lifetime,
    };
    let with_refresh = issuance.with_refresh && application.allows(GrantType::RefreshToken);
    let refresh_token = with_refresh.then(|| RefreshToken::mint(holder, random_bytes(&*app.random), keys));

    let code = issuance.code.map(AuthorizationCode::digest);
    let record = TokenRecord::of_new(
        &holder,
        application,
        issuance.login.as_ref().map(|user| (user.username, user.login.user_epoch)),
        &access,
    );
    let family = NewFamily {
        id: family_id,
        application,
        login: issuance.login.map(|user| user.login),
        scope: &issuance.scope,
        access: &access,
        refresh: refresh_token
            .as_ref()
            .map(|token| NewRefresh { digest: token.digest(), expires_at: refresh_expiry(now, app) }),
        bought_with: code.as_ref().map(Purchase::AuthorizationCode),
        oauth1_secret: None,
    };
    match families::insert(&family, now, &*app.db).await? {
        Stored::Yes => {
            find::put_later(&access_token, &record, now, app);
            let expires_in = app.settings.access_token_lifetime;
            Ok(Ok(TokenResponse { access_token, expires_in, refresh_token, scope: issuance.scope }))
        }
        stale => Ok(Err(stale)),
    }
}

/// When a refresh token made now expires.
pub fn refresh_expiry(now: Timestamp, app: &App) -> Option<Timestamp> {
    app.settings.refresh_token_lifetime.map(|lifetime| now + lifetime)
}

/// The pair that a refresh leads to.
pub struct Pair {
    pub access_token: AccessToken,
    pub refresh_token: RefreshToken,
}

/// Derives the pair from the presented token and the rotation's nonce: whoever presents the same token again within the
/// grace is answered the same pair, and nothing that is stored leads to it. `keys` are those that the nonce names.
pub fn derive_pair(presented: &str, holder: &Holder, nonce: &RotationNonce, keys: &Keys) -> Pair {
    let secret = |kind| keys.derive(presented, nonce.as_bytes(), kind);
    Pair {
        access_token: AccessToken::mint(*holder, secret("access"), keys),
        refresh_token: RefreshToken::mint(*holder, secret("refresh"), keys),
    }
}

/// Tells KV what a refresh has done, in one write after the answer: that the replaced access token ends with the grace,
/// if it would have lived longer; else the record of the new one. (Who asks first for a new token that KV does not know
/// puts its record there.)
pub fn announce_refresh(
    family: &Family,
    live: &Live<'_>,
    access_token: &AccessToken,
    now: Timestamp,
    app: &App,
) {
    let grace_ends = family.access.issued_at + app.settings.refresh_token_grace;
    match family.previous_access.as_ref().filter(|replaced| replaced.expires_at >= grace_ends) {
        Some(replaced) => {
            let (mark, until) = (Mark::Replaced(replaced.digest), replaced.expires_at.0);
            app.hot.put_later(&mark.to_string(), &until.to_string(), mark_lifetime(app));
            app.memory.borrow_mut().mark(mark, until, now);
        }
        None => {
            let record = TokenRecord::new(family, live, &family.access);
            find::put_later(access_token, &record, now, app);
        }
    }
}
