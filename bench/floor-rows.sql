-- What the floor's statements find: the ids stand in worker/src/floor.rs. Eight families, one for each connection.
INSERT INTO users (id, username, username_key, password_hash, email, email_key, email_verified, first_name, last_name,
  is_active, is_superuser, token_epoch, created_at)
VALUES ('floor-user------', 'floor', 'floor',
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '', '', 0, '', '', 1, 0, 0, 1700000000);

INSERT INTO applications (id, client_id, client_name, client_type, grant_types, redirect_uris, post_logout_redirect_uris,
  scope, token_endpoint_auth_method, oauth1_signature_methods, skip_authorization, xauth_allowed, allow_plain_pkce, is_active,
  token_epoch, revision, created_at)
VALUES ('floorapplication', 'floor', '', 'public', 'password refresh_token', '', '', '', 'none', 'HMAC-SHA1', 0, 0, 0, 1, 0,
  'floor-revision--', 1700000000);

INSERT INTO grants (id, user_id, application_id, scope, created_at)
VALUES ('floor-grant-----', 'floor-user------', 'floorapplication', '', 1700000000);

INSERT INTO families (id, application_id, application_epoch, user_id, user_epoch, grant_id, scope, refresh_digest,
  refresh_expires_at, access_digest, access_scope, access_issued_at, access_expires_at, created_at, expires_at)
WITH RECURSIVE number (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM number WHERE value < 7)
SELECT 'floor-family---------' || value, 'floorapplication', 0, 'floor-user------', 0, 'floor-grant-----',
  'read write groups', substr(hex(zeroblob(22)), 1, 43), 4000000000,
  'd' || value, 'read write groups', 1700000000, 4000000000, 1700000000, 4000000000
FROM number;
