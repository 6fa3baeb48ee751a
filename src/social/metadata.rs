//! What providers publish: their metadata (OIDC Discovery §4) and their keys (RFC 7517 §5). Both are remembered; what is
//! old is used until what is new has been fetched, after the answer.

use std::rc::Rc;

use serde_json::json;

use super::provider::{Endpoints, Provider};
use super::{SocialError, ask};
use crate::app::App;
use crate::memory::Content;
use crate::protocol::jwk::JwkSet;
use crate::protocol::uri::check_url;

/// Where a provider is asked for what: as the operator says, else as its metadata says.
///
/// # Errors
/// The metadata is needed, and cannot be fetched or used.
pub async fn endpoints(provider: &Provider, app: &App) -> Result<Endpoints, SocialError> {
    let own = provider.endpoints.clone();
    let Some(issuer) = provider.issuers.first().filter(|_| provider.discovery) else {
        return Ok(own);
    };
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let known = app.memory.borrow_mut().published.find(&url, app.clock.now());
    let content = match known {
        Some(content) => content,
        None => fetch_metadata(&url, issuer, app).await?,
    };
    let Content::Metadata { endpoints: published, .. } = content else {
        return Err(SocialError::garbage("metadata: the address is that of its keys"));
    };
    let published = (*published).clone();
    Ok(Endpoints {
        authorization: own.authorization.or(published.authorization),
        token: own.token.or(published.token),
        userinfo: own.userinfo.or(published.userinfo),
        emails: own.emails,
        tokeninfo: own.tokeninfo,
        introspection: own.introspection.or(published.introspection),
        revocation: own.revocation.or(published.revocation),
        jwks_uri: own.jwks_uri.or(published.jwks_uri),
    })
}

/// The keys at an address.
///
/// # Errors
/// They are not remembered, and cannot be fetched or read.
pub async fn keys(url: &str, app: &App) -> Result<Rc<JwkSet>, SocialError> {
    let known = app.memory.borrow_mut().published.find(url, app.clock.now());
    match known {
        Some(Content::Keys(keys)) => Ok(keys),
        _ => fetch_keys(url, app).await,
    }
}

/// The keys as they are now, since those that are remembered lack one; None if they were looked for a moment ago.
///
/// # Errors
/// They cannot be fetched or read.
pub async fn newer_keys(url: &str, app: &App) -> Result<Option<Rc<JwkSet>>, SocialError> {
    let may_ask = app.memory.borrow_mut().published.begin_again(url, app.clock.now());
    match may_ask {
        true => fetch_keys(url, app).await.map(Some),
        false => Ok(None),
    }
}

/// Fetches anew what was old when it was used. Runs after the answer; what fails is tried again later.
pub async fn renew(app: &App) {
    let to_renew = app.memory.borrow_mut().published.take_to_renew(app.clock.now());
    for (url, content) in to_renew {
        let renewed = match content {
            Content::Keys(_) => fetch_keys(&url, app).await.map(drop),
            Content::Metadata { issuer, .. } => fetch_metadata(&url, &issuer, app).await.map(drop),
        };
        if let Err(error) = renewed {
            app.log.line(
                json!({"level": "error", "event": "renewal_failed", "url": url, "detail": error.reason()}),
            );
        }
    }
}

async fn fetch_keys(url: &str, app: &App) -> Result<Rc<JwkSet>, SocialError> {
    check_may_ask(url, app)?;
    let keys = read_keys(url, app).await.inspect_err(|_| note_in_vain(url, app))?;
    remember(url, Content::Keys(keys.clone()), app);
    Ok(keys)
}

async fn read_keys(url: &str, app: &App) -> Result<Rc<JwkSet>, SocialError> {
    let response = app.outbound.send(ask::get(url)).await?;
    let keys = Some(&response.body).filter(|_| response.status == 200).and_then(|body| JwkSet::parse(body));
    keys.map(Rc::new).ok_or_else(|| unusable("its keys", response.status))
}

async fn fetch_metadata(url: &str, issuer: &str, app: &App) -> Result<Content, SocialError> {
    check_may_ask(url, app)?;
    let content = read_metadata(url, issuer, app).await.inspect_err(|_| note_in_vain(url, app))?;
    remember(url, content.clone(), app);
    Ok(content)
}

async fn read_metadata(url: &str, issuer: &str, app: &App) -> Result<Content, SocialError> {
    let metadata = match ask::for_object(ask::get(url), "metadata", app).await {
        Err(SocialError::Refused(reason)) => return Err(SocialError::garbage(reason)),
        asked => asked?,
    };
    // OIDC Discovery §4.3: else one issuer could speak for another.
    if ask::text_at(&metadata, "issuer").as_deref() != Some(issuer) {
        return Err(SocialError::garbage("metadata: it is that of another issuer"));
    }
    // `http` is our own machine's, a loopback address: only the operator may mean it.
    let is_good = |address: &String| {
        check_url(address).is_ok() && (address.starts_with("https:") || issuer.starts_with("http:"))
    };
    let endpoint = |name| ask::text_at(&metadata, name).filter(is_good);
    let endpoints = Endpoints {
        authorization: endpoint("authorization_endpoint"),
        token: endpoint("token_endpoint"),
        userinfo: endpoint("userinfo_endpoint"),
        emails: None,
        tokeninfo: None,
        introspection: endpoint("introspection_endpoint"),
        revocation: endpoint("revocation_endpoint"),
        jwks_uri: endpoint("jwks_uri"),
    };
    Ok(Content::Metadata { issuer: issuer.into(), endpoints: Rc::new(endpoints) })
}

fn check_may_ask(url: &str, app: &App) -> Result<(), SocialError> {
    match app.memory.borrow().published.may_ask(url, app.clock.now()) {
        true => Ok(()),
        false => {
            Err(SocialError::Failed { status: 503, reason: "it was asked in vain too often".to_owned() })
        }
    }
}

fn note_in_vain(url: &str, app: &App) {
    app.memory.borrow_mut().published.note_in_vain(url, app.clock.now());
}

fn remember(url: &str, content: Content, app: &App) {
    app.memory.borrow_mut().published.remember(url, content, app.clock.now());
}

fn unusable(what: &str, status: u16) -> SocialError {
    match status {
        200 => SocialError::garbage(format!("{what} cannot be read")),
        status => SocialError::Failed { status, reason: what.to_owned() },
    }
}
