//! The SQL that Postern runs for each case, word for word: the runner compares them with src/store/.

pub const INSERT_FAMILY: &str =
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
     AND (?18 IS NULL OR EXISTS (SELECT 1 FROM social_accounts WHERE id = ?18 AND user_id = ?4))";

pub const FIND_FAMILY: &str =
    "SELECT f.*, a.client_id, a.is_active AS application_is_active, a.token_epoch AS application_epoch_now,
     u.username, u.is_active AS user_is_active, u.token_epoch AS user_epoch_now,
     CASE WHEN g.id IS NULL OR g.ended_at IS NOT NULL THEN 1 ELSE 0 END AS grant_ended
     FROM families f LEFT JOIN applications a ON a.id = f.application_id
     LEFT JOIN users u ON u.id = f.user_id LEFT JOIN grants g ON g.id = f.grant_id WHERE f.id = ?1";

pub const REPLACE_TOKENS: &str = r#"UPDATE families SET
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
     AND EXISTS (SELECT 1 FROM grants g WHERE g.id = families.grant_id AND g.ended_at IS NULL)"#;

pub const REVISION: &str = "SELECT revision FROM applications WHERE id = ?1";

pub const NOTE_LOGIN: &str =
    "UPDATE users SET last_login_at = ?2, password_hash = coalesce(?3, password_hash)
     WHERE id = ?1 AND EXISTS (SELECT 1 FROM families WHERE id = ?4)";

pub const FIND_FOR_LOGIN: &str = "SELECT u.*, g.id AS grant_id, a.revision FROM (SELECT 1)
     LEFT JOIN applications a ON a.id = ?3
     LEFT JOIN users u ON u.username_key = ?2
     LEFT JOIN grants g ON g.user_id = u.id AND g.application_id = ?3 AND g.ended_at IS NULL
     ORDER BY u.username = ?1 DESC LIMIT 2";

pub const DELETE_EXPIRED_FAMILIES: &str =
    "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE expires_at <= ?1 LIMIT ?2)";

pub const COUNT_TRY: &str = "INSERT INTO attempts (subject, count, expires_at) SELECT ?1, 1, ?2
     WHERE (?4 IS NULL OR EXISTS (SELECT 1 FROM applications WHERE id = ?4 AND revision = ?5))
     AND NOT EXISTS (SELECT 1 FROM attempts WHERE subject = ?7 AND count > ?8)
     ON CONFLICT (subject) DO UPDATE SET
     count = CASE WHEN expires_at <= ?3 THEN 1 ELSE min(count + 1, ?6) END,
     expires_at = CASE WHEN expires_at <= ?3 THEN excluded.expires_at ELSE expires_at END
     RETURNING count, expires_at";

pub const SETTLE_TRY: &str =
    "UPDATE attempts SET count = max(count - ?2, 0) WHERE subject = ?1 AND expires_at = ?3";

pub const DELETE_EXPIRED_TRIES: &str =
    "DELETE FROM attempts WHERE subject IN (SELECT subject FROM attempts WHERE expires_at <= ?1 LIMIT ?2)";

pub const NOTE_EVENT: &str = "INSERT INTO audit_events (created_at, actor, action, target, address)
     SELECT ?1, ?2, ?3, ?4, ?5 WHERE changes() > 0";

pub const DELETE_EXPIRED_EVENTS: &str =
    "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE created_at <= ?1 LIMIT ?2)";

pub const INSERT_NONCE: &str = "INSERT INTO oauth1_nonces (digest, expires_at)
     SELECT ?1, ?2 FROM applications WHERE id = ?3 AND revision = ?4
     ON CONFLICT (digest) DO NOTHING";

pub const DELETE_EXPIRED_NONCES: &str = "DELETE FROM oauth1_nonces WHERE digest IN (
     SELECT digest FROM oauth1_nonces WHERE expires_at <= ?1 LIMIT ?2)";
