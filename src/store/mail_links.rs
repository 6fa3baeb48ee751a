//! `mail_links`.

use super::attempts::{Attempt, Counted, Counter, OnlyFor};
use super::database::{Database, Outcome, Statement, StoreError, outcome};
use super::purges::{self, Owner};
use super::{attempts, audit_events};
use crate::model::audit::AuditEvent;
use crate::model::id::UserId;
use crate::model::mail_link::{LinkDigest, LinkHolder, LinkSecret, MailLink, Purpose};
use crate::model::time::Timestamp;
use crate::model::username;

/// How many accounts of one mailbox are sent a link to reset their password.
pub const MOST: usize = 3;

/// Makes a link to reset the password of each account that has this e-mail address, at most as many as there are secrets:
/// verified ones first, then the oldest, so that nobody who signs up later with somebody's address crowds them out. With an
/// address that is not verified, none for a superuser. Without a password, only for who has a verified address, and logs in at
/// an identity provider. Counts the asking in the same round trip, and makes none beyond the limits.
pub async fn insert_for_email(
    email: &str,
    secrets: Vec<LinkSecret>,
    attempt: Attempt<Counter>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(Vec<MailLink>, Attempt<Counted>), StoreError> {
    let insert = Statement::new(
        "INSERT INTO mail_links (user_id, purpose, digest, email, token_epoch, expires_at)
         SELECT user_id, ?1, s.value, email, token_epoch, ?2 FROM (
           SELECT id AS user_id, email, token_epoch,
           row_number() OVER (ORDER BY email_verified DESC, created_at, id) AS place FROM users WHERE email_key = ?3 AND email_key <> '' AND is_active = 1 AND (email_verified = 1 OR is_superuser = 0)
           AND (password_hash IS NOT NULL
             OR (email_verified = 1 AND EXISTS (SELECT 1 FROM social_accounts s WHERE s.user_id = users.id))))
         JOIN json_each(?4) s ON s.key + 1 = place
         WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?5 AND count > ?6)
         AND NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?7 AND count > ?8)
         ON CONFLICT (user_id, purpose) DO UPDATE SET digest = excluded.digest, email = excluded.email,
         token_epoch = excluded.token_epoch, expires_at = excluded.expires_at
         RETURNING digest, email, (SELECT username FROM users WHERE id = user_id) AS username,
         (SELECT email_verified FROM users WHERE id = user_id) AS email_verified",
    );
    let digests: Vec<String> = secrets.iter().map(|secret| secret.digest().to_string()).collect();
    let insert = bind(insert, Purpose::ResetPassword, now)
        .bind(username::key(email))
        .bind(serde_json::Value::from(digests).to_string());
    let insert = bind_limits(insert, &attempt);
    run(insert, secrets, attempt, now, db).await
}

/// Makes a link to verify the e-mail address that a user has, unless it is verified; counts as [`insert_for_email`] does.
pub async fn insert_for_user(
    user: &UserId,
    secret: LinkSecret,
    attempt: Attempt<Counter>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(Option<MailLink>, Attempt<Counted>), StoreError> {
    let insert = Statement::new(
        "INSERT INTO mail_links (user_id, purpose, digest, email, token_epoch, expires_at)
         SELECT id, ?1, ?4, email, token_epoch, ?2 FROM users
         WHERE id = ?3 AND email <> '' AND email_verified = 0 AND is_active = 1
         AND NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?5 AND count > ?6)
         AND NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?7 AND count > ?8)
         ON CONFLICT (user_id, purpose) DO UPDATE SET digest = excluded.digest, email = excluded.email,
         token_epoch = excluded.token_epoch, expires_at = excluded.expires_at
         RETURNING digest, email, (SELECT username FROM users WHERE id = user_id) AS username,
         (SELECT email_verified FROM users WHERE id = user_id) AS email_verified",
    );
    let insert = bind(insert, Purpose::VerifyEmail, now).bind(user).bind(secret.digest().to_string());
    let insert = bind_limits(insert, &attempt);
    let (mut links, counted) = run(insert, vec![secret], attempt, now, db).await?;
    Ok((links.pop(), counted))
}

fn bind(insert: Statement, purpose: Purpose, now: Timestamp) -> Statement {
    insert.bind(purpose.as_str()).bind(now + purpose.lifetime())
}

fn bind_limits(insert: Statement, attempt: &Attempt<Counter>) -> Statement {
    [&attempt.account, &attempt.address].into_iter().fold(insert, |insert, counter| {
        let counter = counter.as_ref();
        insert
            .bind(counter.map(|counter| counter.subject.clone()))
            .bind(counter.map(|counter| counter.limit.count))
    })
}

async fn run(
    insert: Statement,
    secrets: Vec<LinkSecret>,
    attempt: Attempt<Counter>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<(Vec<MailLink>, Attempt<Counted>), StoreError> {
    let mut batch = attempt.statements(OnlyFor::Login(None), now);
    let counts = batch.len();
    batch.push(insert);
    batch.push(delete_expired(now, 4));
    let outcomes = db.batch(batch).await?;
    let counted = attempt.counted(outcomes.get(..counts).unwrap_or(&[]))?;
    Ok((read(outcome(&outcomes, counts)?, secrets)?, counted))
}

/// Which of the secrets have become links.
fn read(inserted: &Outcome, secrets: Vec<LinkSecret>) -> Result<Vec<MailLink>, StoreError> {
    let mut links = Vec::new();
    for secret in secrets {
        let digest = secret.digest().to_string();
        for row in &inserted.rows {
            if row.text("digest")? == digest {
                let (username, email) = (row.text("username")?.to_owned(), row.text("email")?.to_owned());
                let is_verified = row.flag("email_verified")?;
                links.push(MailLink { secret, username, email, is_verified });
                break;
            }
        }
    }
    Ok(links)
}

/// Whose the link is, if it can be used now: their e-mail address is still that which it was sent to; to reset a
/// password, nothing has ended their tokens since.
pub async fn find(
    digest: &LinkDigest,
    purpose: Purpose,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<LinkHolder>, StoreError> {
    let find = Statement::new(
        "SELECT u.id, u.username, u.email FROM mail_links l JOIN users u ON u.id = l.user_id
         WHERE l.digest = ?1 AND l.purpose = ?2 AND l.expires_at > ?3 AND u.email = l.email AND u.is_active = 1
         AND CASE l.purpose WHEN 'reset_password' THEN u.token_epoch = l.token_epoch ELSE u.email_verified = 0 END",
    );
    let found = db.run(find.bind(digest.to_string()).bind(purpose.as_str()).bind(now)).await?;
    let read = |row: &super::database::Row| {
        Ok(LinkHolder {
            user_id: row.parsed("id", UserId::parse)?,
            username: row.text("username")?.to_owned(),
            email: row.text("email")?.to_owned(),
        })
    };
    found.first().map(read).transpose()
}

/// A new password, and what goes with it.
pub struct NewPassword<'a> {
    pub password_hash: &'a str,
    /// That accounts at identity providers are unlinked, if they are.
    pub unlinked: AuditEvent,
    /// What wrong passwords of the account are counted for.
    pub failures: Option<Counter>,
    pub event: AuditEvent,
}

/// Uses up a link: sets the new password, ends all tokens by one more epoch, verifies the address, and forgets the wrong
/// passwords of the account; or does nothing. Returns the new epoch to exactly one caller, however many try.
///
/// If nobody had verified the address, whoever made the account may be somebody else, who waits for its owner: the accounts
/// at identity providers that they have linked no longer let them in.
pub async fn reset_password(
    digest: &LinkDigest,
    holder: &LinkHolder,
    new: NewPassword<'_>,
    now: Timestamp,
    db: &dyn Database,
) -> Result<Option<i64>, StoreError> {
    let unlink = Statement::new(
        "DELETE FROM social_accounts WHERE user_id = ?1 AND EXISTS (
           SELECT 1 FROM users u JOIN mail_links l ON l.user_id = u.id
           WHERE u.id = ?1 AND u.is_active = 1 AND u.email_verified = 0
           AND l.digest = ?2 AND l.purpose = 'reset_password'
           AND l.expires_at > ?3 AND l.email = u.email AND l.token_epoch = u.token_epoch)",
    )
    .bind(&holder.user_id)
    .bind(digest.to_string())
    .bind(now);
    let update = Statement::new(
        "UPDATE users SET password_hash = ?4, token_epoch = token_epoch + 1, email_verified = 1
         WHERE id = ?1 AND is_active = 1 AND EXISTS (
           SELECT 1 FROM mail_links l WHERE l.digest = ?2 AND l.user_id = users.id AND l.purpose = 'reset_password'
           AND l.expires_at > ?3 AND l.email = users.email AND l.token_epoch = users.token_epoch)
         RETURNING token_epoch",
    )
    .bind(&holder.user_id)
    .bind(digest.to_string())
    .bind(now)
    .bind(new.password_hash);
    let mut batch = vec![unlink, audit_events::note(&new.unlinked, now)];
    let update_at = batch.len();
    batch.extend([update, audit_events::note(&new.event, now)]);
    batch.extend(new.failures.map(|failures| attempts::forget(&failures)));
    batch.extend([purges::note_epoch(Owner::User(holder.user_id)), delete(digest)]);
    let outcomes = db.batch(batch).await?;
    outcome(&outcomes, update_at)?.first().map(|row| row.integer("token_epoch")).transpose()
}

/// Uses up a link: the user's address is verified from now on. True for exactly one caller, however many try.
pub async fn verify_email(
    digest: &LinkDigest,
    holder: &LinkHolder,
    event: &AuditEvent,
    now: Timestamp,
    db: &dyn Database,
) -> Result<bool, StoreError> {
    let update = Statement::new(
        "UPDATE users SET email_verified = 1
         WHERE id = ?1 AND is_active = 1 AND email_verified = 0 AND EXISTS (
           SELECT 1 FROM mail_links l WHERE l.digest = ?2 AND l.user_id = users.id AND l.purpose = 'verify_email'
           AND l.expires_at > ?3 AND l.email = users.email)",
    )
    .bind(&holder.user_id)
    .bind(digest.to_string())
    .bind(now);
    let outcomes = db.batch(vec![update, audit_events::note(event, now), delete(digest)]).await?;
    Ok(outcome(&outcomes, 0)?.changed > 0)
}

fn delete(digest: &LinkDigest) -> Statement {
    Statement::new("DELETE FROM mail_links WHERE digest = ?1").bind(digest.to_string())
}

pub(super) fn delete_expired(now: Timestamp, limit: i64) -> Statement {
    Statement::new(
        "DELETE FROM mail_links WHERE digest IN (SELECT digest FROM mail_links WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now)
    .bind(limit)
}
