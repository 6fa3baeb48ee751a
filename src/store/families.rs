//! `families`: the tokens, by their digests.

use super::attempts::{Attempt, Counted};
use super::database::{Database, Outcome, Row, Statement, StoreError, outcome};
use super::grants::Consent;
use super::social_accounts::SocialLogin;
use super::{audit_events, authorization_codes, expired, grants, oauth1_tokens, users};
use crate::model::application::Application;
use crate::model::audit::AuditEvent;
use crate::model::family::{
    ApplicationNow, Family, FamilyApplication, FamilyUser, IssuedToken, RefreshState, Rotation,
    RotationNonce, TokenDigest, UserNow,
};
use crate::model::id::{ApplicationId, FamilyId, GrantId, SessionId, UserId};
use crate::model::scope::Scope;
use crate::model::time::{Lifetime, Timestamp};

/// A family about to be stored.
#[derive(Debug)]
pub struct NewFamily<'a> {
    pub id: FamilyId,
    pub application: &'a Application,
    pub login: Option<Login<'a>>,
    pub scope: &'a Scope,
    pub access: &'a IssuedToken,
    pub refresh: Option<NewRefresh>,
    /// What buys it: used up, or nothing is stored.
    pub bought_with: Option<Purchase<'a>>,
    /// The access token is one of OAuth 1.0a: its secret, sealed.
    pub oauth1_secret: Option<&'a str>,
}

/// What a family is bought with, by its digest.
#[derive(Clone, Copy, Debug)]
pub enum Purchase<'a> {
    AuthorizationCode(&'a TokenDigest),
    RequestToken(&'a TokenDigest),
}

/// The digest of a refresh token, and when it expires; none: never.
#[derive(Debug)]
pub struct NewRefresh {
    pub digest: TokenDigest,
    pub expires_at: Option<Timestamp>,
}

/// The user whose family it is.
#[derive(Debug)]
pub struct Login<'a> {
    pub user_id: UserId,
    pub user_epoch: i64,
    pub grant_id: GrantId,
    pub grant: GrantWrite<'a>,
    /// The session in whose name it is done, if it is: it must not have ended.
    pub session: Option<SessionId>,
    /// The account at an identity provider by which they log in, if they do: it must be theirs.
    pub social: Option<&'a SocialLogin>,
    /// A hash of the password with today's parameters, if the stored one has others.
    pub password_hash: Option<&'a str>,
    /// The try that turned out to be right.
    pub attempt: Option<Attempt<Counted>>,
    pub event: AuditEvent,
}

/// What becomes of the user's grant.
#[derive(Debug)]
pub enum GrantWrite<'a> {
    /// It is there.
    Nothing,
    /// The first tokens of the application; nothing was consented to on a page.
    New,
    Consented(Consent<'a>),
}

/// What came of storing a family.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored {
    Yes,
    /// The application is not in the revision that the isolate remembers: ask again who it is.
    StaleApplication,
    /// The user or the grant is not what was read: read again.
    StaleUser,
    /// What was to buy it has been used before.
    UsedUp,
}

/// Stores a family if the application, the user and the grant are still what was read; clears away a few expired rows.
pub async fn insert(family: &NewFamily<'_>, now: Timestamp, db: &dyn Database) -> Result<Stored, StoreError> {
    let mut batch = Vec::new();
    if let Some(login) = &family.login {
        let none = Scope::default();
        let (scope, event) = match &login.grant {
            GrantWrite::Nothing => (None, None),
            GrantWrite::New => (Some(&none), None),
            GrantWrite::Consented(consent) => (Some(consent.scope), Some(consent.event)),
        };
        let (user, epoch) = (&login.user_id, login.user_epoch);
        batch.extend(
            login.social.into_iter().flat_map(|social| social.statements(Some(family.application), now)),
        );
        batch.extend(
            scope.map(|scope| grants::write(&login.grant_id, user, epoch, family.application, scope, now)),
        );
        batch.extend(event.map(|event| audit_events::note(event, now)));
        batch.extend(family.bought_with.map(|purchase| match purchase {
            Purchase::AuthorizationCode(code) => {
                let keep = family.access.expires_at;
                authorization_codes::consume(code, family.application, &login.grant_id, keep, now)
            }
            Purchase::RequestToken(token) => {
                oauth1_tokens::consume(token, family.application, &login.grant_id, now)
            }
        }));
    }
    let insert_at = batch.len();
    batch.push(insert_statement(family, now));
    if let Some(login) = &family.login {
        batch.push(audit_events::note(&login.event, now));
        batch.push(audit_events::delete_expired(now, 4));
        batch.push(users::note_login(&login.user_id, login.password_hash, &family.id, now));
        batch.extend(login.attempt.iter().flat_map(Attempt::settling));
    }
    batch.push(expired::delete_a_few(now));
    let consumed_at = batch.len();
    batch.extend(family.bought_with.map(|purchase| match purchase {
        Purchase::AuthorizationCode(code) => authorization_codes::is_consumed(code),
        Purchase::RequestToken(token) => oauth1_tokens::is_consumed(token),
    }));
    batch.push(revision_of(&family.application.id));
    let outcomes = db.batch(batch).await?;
    if outcome(&outcomes, insert_at)?.changed > 0 {
        return Ok(Stored::Yes);
    }
    if family.bought_with.is_some() && outcome(&outcomes, consumed_at)?.first().is_some() {
        return Ok(Stored::UsedUp);
    }
    match is_current(family.application, outcomes.last())? {
        true => Ok(Stored::StaleUser),
        false => Ok(Stored::StaleApplication),
    }
}

fn insert_statement(family: &NewFamily<'_>, now: Timestamp) -> Statement {
    let login = family.login.as_ref();
    let refresh = family.refresh.as_ref();
    Statement::new(
        "INSERT INTO families (id, application_id, application_epoch, user_id, user_epoch, grant_id, scope,
         refresh_digest, refresh_expires_at, access_digest, access_scope, access_issued_at, access_expires_at,
         created_at, expires_at, oauth1_secret)
         SELECT ?1, a.id, a.token_epoch, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?19
         FROM applications a
         WHERE a.id = ?2 AND a.revision = ?3 AND a.is_active = 1 AND (?4 IS NULL OR EXISTS (
           SELECT 1 FROM users u JOIN grants g ON g.user_id = u.id
           WHERE u.id = ?4 AND u.token_epoch = ?5 AND u.is_active = 1
           AND g.id = ?6 AND g.application_id = a.id AND g.ended_at IS NULL))
         AND (?16 = 0 OR changes() > 0)
         AND (?17 IS NULL OR EXISTS (SELECT 1 FROM sessions WHERE id = ?17))
         AND (?18 IS NULL OR EXISTS (SELECT 1 FROM social_accounts WHERE id = ?18 AND user_id = ?4))",
    )
    .bind(&family.id)
    .bind(&family.application.id)
    .bind(&family.application.revision)
    .bind(login.map(|login| login.user_id.to_string()))
    .bind(login.map(|login| login.user_epoch))
    .bind(login.map(|login| login.grant_id.to_string()))
    .bind(family.scope)
    .bind(refresh.map(|refresh| refresh.digest.to_string()))
    .bind(refresh.and_then(|refresh| refresh.expires_at))
    .bind(&family.access.digest)
    .bind(&family.access.scope)
    .bind(family.access.issued_at)
    .bind(family.access.expires_at)
    .bind(now)
    .bind(match refresh {
        None => Some(family.access.expires_at),
        Some(refresh) => refresh.expires_at.map(|at| at.max(family.access.expires_at)),
    })
    .bind(family.bought_with.is_some())
    .bind(login.and_then(|login| login.session).map(|session| session.to_string()))
    .bind(login.and_then(|login| login.social).map(|social| social.account.to_string()))
    .bind(family.oauth1_secret.map(str::to_owned))
}

/// Finds a family, as it is in the database now, with the state of all that it hangs on.
pub async fn find(family: &FamilyId, db: &dyn Database) -> Result<Option<Family>, StoreError> {
    let found = db.run(find_statement(family)).await?;
    found.first().map(read).transpose()
}

/// As [`find`], on behalf of an application: the second is whether it is still in the revision that is remembered.
pub async fn find_for(
    family: &FamilyId,
    caller: &Application,
    db: &dyn Database,
) -> Result<(Option<Family>, bool), StoreError> {
    let outcomes = db.batch(vec![find_statement(family), revision_of(&caller.id)]).await?;
    let found = outcome(&outcomes, 0)?.first().map(read).transpose()?;
    Ok((found, is_current(caller, outcomes.last())?))
}

/// A refresh that replaces the present pair by a new one.
#[derive(Debug)]
pub struct Replacement<'a> {
    pub family: FamilyId,
    pub application: &'a Application,
    pub presented: &'a TokenDigest,
    /// The successor of the presented token; the presented one itself where tokens are not rotated.
    pub refresh: NewRefresh,
    pub nonce: RotationNonce,
    pub access: NewAccess<'a>,
    /// How long the replaced access token stays good, at the most; and, where refresh tokens are not rotated, how long
    /// a repeated refresh gets the same answer.
    pub grace: Lifetime,
    pub rotates: bool,
}

/// The access token that a refresh makes.
#[derive(Debug)]
pub struct NewAccess<'a> {
    pub digest: TokenDigest,
    /// Of what the family was granted, these.
    pub scope: &'a Scope,
    pub expires_at: Timestamp,
}

/// What came of a refresh.
#[derive(Debug)]
pub struct Refreshed {
    /// The presented token was the present one, and the new pair is stored.
    pub replaced: bool,
    /// The family as it is after that.
    pub family: Option<Family>,
    /// The application is still in the revision that the isolate remembers.
    pub application_is_current: bool,
}

/// Replaces the present pair if the presented token belongs to it, and reads the family, in one round trip. Of any
/// number of simultaneous tries one replaces (RFC 9700 §4.14.2).
pub async fn refresh(
    replacement: &Replacement<'_>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Refreshed, StoreError> {
    let outcomes = db
        .batch(vec![
            replace_statement(replacement, now),
            find_statement(&replacement.family),
            revision_of(&replacement.application.id),
        ])
        .await?;
    Ok(Refreshed {
        replaced: outcome(&outcomes, 0)?.changed > 0,
        family: outcome(&outcomes, 1)?.first().map(read).transpose()?,
        application_is_current: is_current(replacement.application, outcomes.last())?,
    })
}

fn replace_statement(replacement: &Replacement<'_>, now: Timestamp) -> Statement {
    Statement::new(
        r#"UPDATE families SET
           previous_refresh_digest = refresh_digest, refresh_digest = ?5, refresh_expires_at = ?6,
           rotation_nonce = ?7, rotated_at = ?8,
           previous_access_digest = access_digest, previous_access_scope = access_scope,
           previous_access_issued_at = access_issued_at,
           previous_access_expires_at = min(access_expires_at, ?8 + ?12),
           access_scope = (SELECT coalesce(group_concat(granted.value, ' '), '')
             FROM json_each('["' || replace(scope, ' ', '","') || '"]') granted
             WHERE granted.value IN (SELECT value FROM json_each(?10))),
           access_digest = ?9, access_issued_at = ?8, access_expires_at = ?11,
           oauth1_secret = CASE WHEN previous_refresh_digest IS NULL THEN oauth1_secret END,
           expires_at = CASE WHEN ?6 IS NULL THEN NULL ELSE max(?6, ?11) END
         WHERE id = ?1 AND refresh_digest = ?2 AND application_id = ?3 AND ended_at IS NULL
         AND (refresh_expires_at IS NULL OR refresh_expires_at > ?8)
         AND (?13 = 1 OR rotated_at IS NULL OR rotated_at + ?12 <= ?8 OR previous_refresh_digest <> refresh_digest)
         AND EXISTS (SELECT 1 FROM applications a WHERE a.id = ?3 AND a.revision = ?4 AND a.is_active = 1
           AND a.token_epoch = families.application_epoch)
         AND EXISTS (SELECT 1 FROM users u WHERE u.id = families.user_id AND u.is_active = 1
           AND u.token_epoch = families.user_epoch)
         AND EXISTS (SELECT 1 FROM grants g WHERE g.id = families.grant_id AND g.ended_at IS NULL)"#,
    )
    .bind(&replacement.family)
    .bind(replacement.presented)
    .bind(&replacement.application.id)
    .bind(&replacement.application.revision)
    .bind(&replacement.refresh.digest)
    .bind(replacement.refresh.expires_at)
    .bind(&replacement.nonce)
    .bind(now)
    .bind(&replacement.access.digest)
    .bind(serde_json::Value::from_iter(replacement.access.scope.iter()).to_string())
    .bind(replacement.access.expires_at)
    .bind(replacement.grace.seconds())
    .bind(replacement.rotates)
}

/// What came of ending a family on behalf of an application.
#[derive(Debug)]
pub struct Ended {
    /// The family has ended, now or before, or is gone.
    pub is_over: bool,
    /// The caller is still in the revision that the isolate remembers; if not, nothing was changed.
    pub caller_is_current: bool,
}

/// Ends a family of the calling application (RFC 7009 §2.1). The row stays `keep` longer, so that a repetition finds it.
pub async fn end_for(
    family: &FamilyId,
    caller: &Application,
    event: &AuditEvent,
    keep: Lifetime,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Ended, StoreError> {
    let update = Statement::new(
        "UPDATE families SET ended_at = ?2, expires_at = ?3 WHERE id = ?1 AND ended_at IS NULL
         AND application_id = ?4 AND EXISTS (SELECT 1 FROM applications WHERE id = ?4 AND revision = ?5)",
    )
    .bind(family)
    .bind(now)
    .bind(now + keep)
    .bind(&caller.id)
    .bind(&caller.revision);
    let live = Statement::new("SELECT 1 FROM families WHERE id = ?1 AND ended_at IS NULL").bind(family);
    let outcomes =
        db.batch(vec![update, audit_events::note(event, now), live, revision_of(&caller.id)]).await?;
    Ok(Ended {
        is_over: outcome(&outcomes, 2)?.first().is_none(),
        caller_is_current: is_current(caller, outcomes.last())?,
    })
}

/// Ends a family. The row stays `keep` longer, so that a repetition finds it.
pub async fn end(
    family: &FamilyId,
    event: &AuditEvent,
    keep: Lifetime,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(), StoreError> {
    let end = Statement::new(
        "UPDATE families SET ended_at = ?2, expires_at = ?3 WHERE id = ?1 AND ended_at IS NULL",
    )
    .bind(family)
    .bind(now)
    .bind(now + keep);
    db.batch(vec![end, audit_events::note(event, now)]).await.map(drop)
}

/// Ends the refresh tokens of all families of a grant, and what is known of those before them: no repetition is answered
/// either. Access tokens go on.
pub async fn end_refresh_tokens(
    grant: &GrantId,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(), StoreError> {
    let end = Statement::new(
        "UPDATE families SET refresh_digest = NULL, refresh_expires_at = NULL, previous_refresh_digest = NULL,
         rotation_nonce = NULL, rotated_at = NULL,
         expires_at = max(access_expires_at, coalesce(previous_access_expires_at, 0))
         WHERE grant_id = ?1 AND ended_at IS NULL AND refresh_digest IS NOT NULL",
    )
    .bind(grant);
    db.batch(vec![end, audit_events::note(event, now)]).await.map(drop)
}

pub(super) fn find_statement(family: &FamilyId) -> Statement {
    Statement::new(
        "SELECT f.*, a.client_id, a.is_active AS application_is_active, a.token_epoch AS application_epoch_now,
         u.username, u.is_active AS user_is_active, u.token_epoch AS user_epoch_now,
         CASE WHEN g.id IS NULL OR g.ended_at IS NOT NULL THEN 1 ELSE 0 END AS grant_ended
         FROM families f LEFT JOIN applications a ON a.id = f.application_id
         LEFT JOIN users u ON u.id = f.user_id LEFT JOIN grants g ON g.id = f.grant_id WHERE f.id = ?1",
    )
    .bind(family)
}

pub(super) fn revision_of(application: &ApplicationId) -> Statement {
    Statement::new("SELECT revision FROM applications WHERE id = ?1").bind(application)
}

pub(super) fn is_current(application: &Application, revision: Option<&Outcome>) -> Result<bool, StoreError> {
    match revision.and_then(Outcome::first) {
        Some(row) => Ok(row.text("revision")? == application.revision),
        None => Ok(false),
    }
}

pub(super) fn read(row: &Row) -> Result<Family, StoreError> {
    Ok(Family {
        id: row.parsed("id", FamilyId::parse)?,
        application: read_application(row)?,
        user: read_user(row)?,
        scope: Scope::from_stored(row.text("scope")?),
        access: IssuedToken {
            digest: row.parsed("access_digest", TokenDigest::parse)?,
            scope: Scope::from_stored(row.text("access_scope")?),
            issued_at: row.time("access_issued_at")?,
            expires_at: row.time("access_expires_at")?,
        },
        previous_access: read_previous_access(row)?,
        refresh: read_refresh(row)?,
        ended_at: row.optional_time("ended_at")?,
        oauth1_secret: row.optional_text("oauth1_secret")?.map(str::to_owned),
    })
}

fn read_application(row: &Row) -> Result<FamilyApplication, StoreError> {
    let now = match row.optional_text("client_id")? {
        None => None,
        Some(client_id) => Some(ApplicationNow {
            client_id: client_id.to_owned(),
            is_active: row.flag("application_is_active")?,
            token_epoch: row.integer("application_epoch_now")?,
        }),
    };
    Ok(FamilyApplication {
        id: row.parsed("application_id", ApplicationId::parse)?,
        epoch: row.integer("application_epoch")?,
        now,
    })
}

fn read_user(row: &Row) -> Result<Option<FamilyUser>, StoreError> {
    let Some(id) = row.optional_parsed("user_id", UserId::parse)? else {
        return Ok(None);
    };
    let now = match row.optional_text("username")? {
        None => None,
        Some(username) => Some(UserNow {
            username: username.to_owned(),
            is_active: row.flag("user_is_active")?,
            token_epoch: row.integer("user_epoch_now")?,
        }),
    };
    Ok(Some(FamilyUser {
        id,
        epoch: row.integer("user_epoch")?,
        grant_id: row.parsed("grant_id", GrantId::parse)?,
        grant_ended: row.flag("grant_ended")?,
        now,
    }))
}

fn read_previous_access(row: &Row) -> Result<Option<IssuedToken>, StoreError> {
    let Some(digest) = row.optional_parsed("previous_access_digest", TokenDigest::parse)? else {
        return Ok(None);
    };
    Ok(Some(IssuedToken {
        digest,
        scope: Scope::from_stored(row.text("previous_access_scope")?),
        issued_at: row.time("previous_access_issued_at")?,
        expires_at: row.time("previous_access_expires_at")?,
    }))
}

fn read_refresh(row: &Row) -> Result<Option<RefreshState>, StoreError> {
    let Some(digest) = row.optional_parsed("refresh_digest", TokenDigest::parse)? else {
        return Ok(None);
    };
    let rotation = match row.optional_parsed("previous_refresh_digest", TokenDigest::parse)? {
        None => None,
        Some(previous_digest) => Some(Rotation {
            previous_digest,
            nonce: row.parsed("rotation_nonce", RotationNonce::parse)?,
            at: row.time("rotated_at")?,
        }),
    };
    Ok(Some(RefreshState { digest, expires_at: row.optional_time("refresh_expires_at")?, rotation }))
}
