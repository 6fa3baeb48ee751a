//! `applications` and `application_origins`.

use serde_json::Value;

use super::database::{Database, Row, Statement, StoreError, outcome};
use super::purges::{self, Owner};
use super::{audit_events, expired};
use crate::model::application::{Application, AuthMethod, ClientType, Registration};
use crate::model::audit::AuditEvent;
use crate::model::id::{ApplicationId, UserId};
use crate::model::scope::Scope;
use crate::model::stored_secret::StoredSecret;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::grant_type::GrantType;
use crate::protocol::json::parse_object;
use crate::protocol::oauth1::SignatureMethod;

/// Finds by `client_id`, the disabled ones too.
pub async fn find_by_client_id(
    client_id: &str,
    db: &dyn Database,
) -> Result<Option<Application>, StoreError> {
    db.run(find_statement(client_id)).await?.first().map(read).transpose()
}

pub(super) fn find_statement(client_id: &str) -> Statement {
    Statement::new(
        "SELECT a.*, u.username AS owner, (SELECT group_concat(origin, ' ') FROM application_origins
         WHERE application_id = a.id) AS allowed_origins
         FROM applications a LEFT JOIN users u ON u.id = a.owner_id WHERE a.client_id = ?1",
    )
    .bind(client_id)
}

/// Finds an application of this owner and nobody else.
pub async fn find_of(
    owner: &UserId,
    client_id: &str,
    db: &dyn Database,
) -> Result<Option<Application>, StoreError> {
    let statement = Statement::new(
        "SELECT a.*, u.username AS owner, (SELECT group_concat(origin, ' ') FROM application_origins
         WHERE application_id = a.id) AS allowed_origins
         FROM applications a JOIN users u ON u.id = a.owner_id WHERE a.client_id = ?2 AND a.owner_id = ?1",
    )
    .bind(owner)
    .bind(client_id);
    db.run(statement).await?.first().map(read).transpose()
}

/// A page of an owner's applications in the order of their ids, after this one.
pub async fn list_of(
    owner: &UserId,
    after: &str,
    limit: i64,
    db: &dyn Database,
) -> Result<Vec<Application>, StoreError> {
    let statement = Statement::new(
        "SELECT a.*, u.username AS owner, (SELECT group_concat(origin, ' ') FROM application_origins
         WHERE application_id = a.id) AS allowed_origins
         FROM applications a JOIN users u ON u.id = a.owner_id
         WHERE a.owner_id = ?1 AND a.id > ?2 ORDER BY a.id LIMIT ?3",
    )
    .bind(owner)
    .bind(after)
    .bind(limit);
    db.run(statement).await?.rows.iter().map(read).collect()
}

/// A page of applications in the order of their `client_id`, after this one.
pub async fn list(after: &str, limit: i64, db: &dyn Database) -> Result<Vec<Application>, StoreError> {
    let found = db
        .run(
            Statement::new(
                "SELECT a.*, u.username AS owner, (SELECT group_concat(origin, ' ') FROM application_origins
                 WHERE application_id = a.id) AS allowed_origins
                 FROM applications a LEFT JOIN users u ON u.id = a.owner_id
                 WHERE a.client_id > ?1 ORDER BY a.client_id LIMIT ?2",
            )
            .bind(after)
            .bind(limit),
        )
        .await?;
    found.rows.iter().map(read).collect()
}

/// True if any active application lists `origin`.
pub async fn any_allows_origin(origin: &str, db: &dyn Database) -> Result<bool, StoreError> {
    let found = db
        .run(
            Statement::new(
                "SELECT 1 FROM application_origins o JOIN applications a ON a.id = o.application_id
                 WHERE o.origin = ?1 AND a.is_active = 1 LIMIT 1",
            )
            .bind(origin),
        )
        .await?;
    Ok(!found.rows.is_empty())
}

/// Stores a new application, unless its `client_id` is taken, or its owner has `most` already or is gone. True if it was
/// stored.
pub async fn insert(
    application: &Application,
    most: Option<i64>,
    event: &AuditEvent,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let registration = &application.registration;
    let insert = Statement::new(
        "INSERT INTO applications (id, client_id, secret, client_name, client_type, grant_types, redirect_uris,
         post_logout_redirect_uris, scope, token_endpoint_auth_method, oauth1_signature_methods, jwks,
         skip_authorization, xauth_allowed, allow_plain_pkce, owner_id, is_active, token_epoch, revision, created_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
         (SELECT id FROM users WHERE username = ?16), ?17, ?18, ?19, ?20
         WHERE (?16 IS NULL OR EXISTS (SELECT 1 FROM users WHERE username = ?16))
         AND (?21 IS NULL OR (SELECT count(*) FROM applications
           WHERE owner_id = (SELECT id FROM users WHERE username = ?16)) < ?21)
         ON CONFLICT (client_id) DO NOTHING",
    )
    .bind(&application.id)
    .bind(&application.client_id)
    .bind(application.secret.as_ref().map(StoredSecret::to_stored));
    let insert = bind_registration(insert, registration)
        .bind(application.token_epoch)
        .bind(&application.revision)
        .bind(application.created_at)
        .bind(most);
    let note = audit_events::note(event, application.created_at);
    let outcomes = db.batch(vec![insert, note, insert_origins(application, &application.revision)]).await?;
    Ok(outcome(&outcomes, 0)?.changed > 0)
}

/// What came of changing an application.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// The token epoch that it has now.
    Yes { token_epoch: i64 },
    /// Somebody else changed it in between: read again.
    Conflict,
}

/// Changes an application from the revision that was read to `changed`, all or nothing. `ends_tokens`: all its tokens
/// end, by one more epoch.
pub async fn update(
    read: &Application,
    changed: &Application,
    ends_tokens: bool,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Changed, StoreError> {
    let update = Statement::new(
        "UPDATE applications SET client_id = ?2, secret = CASE WHEN ?22 THEN secret ELSE ?3 END, client_name = ?4,
         client_type = ?5, grant_types = ?6, redirect_uris = ?7, post_logout_redirect_uris = ?8, scope = ?9,
         token_endpoint_auth_method = ?10, oauth1_signature_methods = ?11, jwks = ?12, skip_authorization = ?13,
         xauth_allowed = ?14, allow_plain_pkce = ?15,
         owner_id = CASE WHEN ?21 THEN owner_id ELSE (SELECT id FROM users WHERE username = ?16) END, is_active = ?17,
         token_epoch = token_epoch + ?18, revision = ?19
         WHERE id = ?1 AND revision = ?20 RETURNING token_epoch",
    )
    .bind(&changed.id)
    .bind(&changed.client_id)
    .bind(changed.secret.as_ref().map(StoredSecret::to_stored));
    let update = bind_registration(update, &changed.registration)
        .bind(ends_tokens)
        .bind(&changed.revision)
        .bind(&read.revision)
        // Who owns it stays so, by whatever name by now.
        .bind(changed.registration.owner == read.registration.owner)
        // It may have been sealed anew in between: that is no other revision.
        .bind(changed.secret == read.secret);
    let forget_origins = Statement::new(
        "DELETE FROM application_origins WHERE application_id = ?1
         AND EXISTS (SELECT 1 FROM applications WHERE id = ?1 AND revision = ?2)",
    )
    .bind(&changed.id)
    .bind(&changed.revision);
    let insert_origins = insert_origins(changed, &changed.revision);
    let outcomes = db
        .batch(vec![
            update,
            audit_events::note(event, now),
            forget_origins,
            insert_origins,
            purges::note_epoch(Owner::Application(changed.id)),
        ])
        .await?;
    match outcome(&outcomes, 0)?.first() {
        Some(row) => Ok(Changed::Yes { token_epoch: row.integer("token_epoch")? }),
        None => Ok(Changed::Conflict),
    }
}

/// Deletes an application in the revision that was read; what hangs on it is cleared away in bounded steps, of which this is
/// one. `keep`: as for [`expired::clear`]. False if somebody has changed it in between.
pub async fn delete(
    application: &Application,
    event: &AuditEvent,
    keep: Lifetime,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let delete = Statement::new("DELETE FROM applications WHERE id = ?1 AND revision = ?2")
        .bind(&application.id)
        .bind(&application.revision);
    let note_deleted = purges::note_deleted(Owner::Application(application.id));
    let is_gone = Statement::new("SELECT 1 FROM applications WHERE id = ?1").bind(&application.id);
    let mut batch = vec![delete, audit_events::note(event, now), note_deleted, is_gone];
    batch.extend(expired::delete_left_behind(keep, now));
    let outcomes = db.batch(batch).await?;
    Ok(outcome(&outcomes, 3)?.rows.is_empty())
}

/// The token epoch that an application has now; [`purges::DELETED_EPOCH`] if it is gone.
pub async fn token_epoch(application: &ApplicationId, db: &dyn Database) -> Result<i64, StoreError> {
    let found = db
        .run(Statement::new("SELECT token_epoch FROM applications WHERE id = ?1").bind(application))
        .await?;
    found.first().map_or(Ok(purges::DELETED_EPOCH), |row| row.integer("token_epoch"))
}

fn bind_registration(statement: Statement, registration: &Registration) -> Statement {
    let grant_types: Vec<&str> =
        registration.grant_types.iter().map(|grant_type| grant_type.as_str()).collect();
    let signature_methods: Vec<&str> =
        registration.oauth1_signature_methods.iter().map(|method| method.as_str()).collect();
    let jwks = registration.jwks.clone().map(|jwks| Value::Object(jwks).to_string());
    statement
        .bind(&registration.client_name)
        .bind(registration.client_type.as_str())
        .bind(grant_types.join(" "))
        .bind(registration.redirect_uris.join(" "))
        .bind(registration.post_logout_redirect_uris.join(" "))
        .bind(&registration.scope)
        .bind(registration.token_endpoint_auth_method.as_str())
        .bind(signature_methods.join(" "))
        .bind(jwks)
        .bind(registration.skip_authorization)
        .bind(registration.xauth_allowed)
        .bind(registration.allow_plain_pkce)
        .bind(registration.owner.clone())
        .bind(registration.is_active)
}

/// Only if the application was stored in this very revision.
fn insert_origins(application: &Application, revision: &str) -> Statement {
    let origins = Value::from(application.registration.allowed_origins.clone());
    Statement::new(
        "INSERT INTO application_origins (application_id, origin)
         SELECT a.id, o.value FROM applications a, json_each(?3) o WHERE a.id = ?1 AND a.revision = ?2",
    )
    .bind(&application.id)
    .bind(revision)
    .bind(origins.to_string())
}

pub(super) fn read(row: &Row) -> Result<Application, StoreError> {
    Ok(Application {
        id: row.parsed("id", ApplicationId::parse)?,
        client_id: row.text("client_id")?.to_owned(),
        secret: row.optional_text("secret")?.map(StoredSecret::from_stored),
        registration: Registration {
            client_name: row.text("client_name")?.to_owned(),
            client_type: row.parsed("client_type", ClientType::parse)?,
            grant_types: words(row.text("grant_types")?).filter_map(GrantType::parse).collect(),
            redirect_uris: words(row.text("redirect_uris")?).map(str::to_owned).collect(),
            post_logout_redirect_uris: words(row.text("post_logout_redirect_uris")?)
                .map(str::to_owned)
                .collect(),
            allowed_origins: words(row.optional_text("allowed_origins")?.unwrap_or(""))
                .map(str::to_owned)
                .collect(),
            scope: Scope::from_stored(row.text("scope")?),
            token_endpoint_auth_method: row.parsed("token_endpoint_auth_method", AuthMethod::parse)?,
            oauth1_signature_methods: words(row.text("oauth1_signature_methods")?)
                .filter_map(SignatureMethod::parse)
                .collect(),
            jwks: row.optional_text("jwks")?.and_then(|jwks| parse_object(jwks.as_bytes()).ok()),
            skip_authorization: row.flag("skip_authorization")?,
            xauth_allowed: row.flag("xauth_allowed")?,
            allow_plain_pkce: row.flag("allow_plain_pkce")?,
            owner: row.optional_text("owner")?.map(str::to_owned),
            is_active: row.flag("is_active")?,
        },
        token_epoch: row.integer("token_epoch")?,
        revision: row.text("revision")?.to_owned(),
        created_at: row.time("created_at")?,
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}
