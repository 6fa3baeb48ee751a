-- The whole database. Ids and digests are base64url text, times integer seconds since 1970, flags 0 or 1.
-- Applying it again changes nothing.

-- A person who can log in. `username_key` is the name in NFKC, case-folded; imported tables may hold two names with
-- one key, so only sign-up, not this index, keeps it unique. `token_epoch` + 1 ends all tokens of the user.
CREATE TABLE IF NOT EXISTS users (
  id             TEXT PRIMARY KEY,
  username       TEXT NOT NULL UNIQUE,
  username_key   TEXT NOT NULL,
  password_hash  TEXT,
  email          TEXT NOT NULL,
  email_key      TEXT NOT NULL,
  email_verified INTEGER NOT NULL,
  first_name     TEXT NOT NULL,
  last_name      TEXT NOT NULL,
  is_active      INTEGER NOT NULL,
  is_superuser   INTEGER NOT NULL,
  token_epoch    INTEGER NOT NULL,
  created_at     INTEGER NOT NULL,
  last_login_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS users_by_username_key ON users (username_key, id);
CREATE INDEX IF NOT EXISTS users_by_email_key ON users (email_key) WHERE email_key <> '';

-- A registered client. Lists are separated by spaces. `secret` is `sha256$…` for generated secrets, a PHC string for chosen
-- ones; where OAuth 1.0a needs it in clear, `sealed$…` and `sealed-chosen$…`, sealed for this row. `jwks` is JSON. `revision`
-- is another after each change, `token_epoch` + 1 ends all its tokens.
CREATE TABLE IF NOT EXISTS applications (
  id                         TEXT PRIMARY KEY,
  client_id                  TEXT NOT NULL UNIQUE,
  secret                     TEXT,
  client_name                TEXT NOT NULL,
  client_type                TEXT NOT NULL,
  grant_types                TEXT NOT NULL,
  redirect_uris              TEXT NOT NULL,
  post_logout_redirect_uris  TEXT NOT NULL,
  scope                      TEXT NOT NULL,
  token_endpoint_auth_method TEXT NOT NULL,
  oauth1_signature_methods   TEXT NOT NULL,
  jwks                       TEXT,
  skip_authorization         INTEGER NOT NULL,
  xauth_allowed              INTEGER NOT NULL,
  allow_plain_pkce           INTEGER NOT NULL,
  owner_id                   TEXT REFERENCES users (id) ON DELETE SET NULL,
  is_active                  INTEGER NOT NULL,
  token_epoch                INTEGER NOT NULL,
  revision                   TEXT NOT NULL,
  created_at                 INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS applications_by_owner ON applications (owner_id) WHERE owner_id IS NOT NULL;

-- Where an application's front-ends run (CORS). A preflight asks by origin alone.
CREATE TABLE IF NOT EXISTS application_origins (
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  origin         TEXT NOT NULL,
  PRIMARY KEY (application_id, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS application_origins_by_origin ON application_origins (origin);

-- A user's standing authorization of an application; `scope` is what they consented to on a page. An ended grant never
-- comes back: a new one gets a new id. No foreign keys here and in `families`: a deletion must not take as long as
-- there are rows; `purges` says what is to be cleared away afterwards.
CREATE TABLE IF NOT EXISTS grants (
  id             TEXT PRIMARY KEY,
  user_id        TEXT NOT NULL,
  application_id TEXT NOT NULL,
  scope          TEXT NOT NULL,
  created_at     INTEGER NOT NULL,
  ended_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS live_grants ON grants (user_id, application_id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS live_grants_by_application ON grants (application_id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS ended_grants ON grants (ended_at) WHERE ended_at IS NOT NULL;

-- A login and all tokens that come of it, by their digests: the present pair and the one before. `expires_at` is when
-- the last of them expires (none: never), and the row may go. `oauth1_secret`: the access token is one of OAuth 1.0a, and this
-- is its secret, sealed for this row.
CREATE TABLE IF NOT EXISTS families (
  id                         TEXT PRIMARY KEY,
  application_id             TEXT NOT NULL,
  application_epoch          INTEGER NOT NULL,
  user_id                    TEXT,
  user_epoch                 INTEGER,
  grant_id                   TEXT,
  scope                      TEXT NOT NULL,
  refresh_digest             TEXT,
  refresh_expires_at         INTEGER,
  previous_refresh_digest    TEXT,
  rotation_nonce             TEXT,
  rotated_at                 INTEGER,
  access_digest              TEXT NOT NULL,
  access_scope               TEXT NOT NULL,
  access_issued_at           INTEGER NOT NULL,
  access_expires_at          INTEGER NOT NULL,
  previous_access_digest     TEXT,
  previous_access_scope      TEXT,
  previous_access_issued_at  INTEGER,
  previous_access_expires_at INTEGER,
  created_at                 INTEGER NOT NULL,
  expires_at                 INTEGER,
  ended_at                   INTEGER,
  oauth1_secret              TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS families_by_expiry ON families (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS families_by_grant ON families (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS families_of_oauth1 ON families (id) WHERE oauth1_secret IS NOT NULL;

-- How often something was tried of late: secrets, until the try turns out to be right, and sign-ups. `subject` is a keyed
-- digest of what is counted: an account, an application, an address.
CREATE TABLE IF NOT EXISTS attempts (
  subject    TEXT PRIMARY KEY,
  count      INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_by_expiry ON attempts (expires_at);

-- Links that were sent by e-mail, by the digests of their secrets: the latest one for each user and purpose. A link is
-- good for who still has the `email` that it was sent to; to reset a password, in this `token_epoch` only.
CREATE TABLE IF NOT EXISTS mail_links (
  user_id     TEXT NOT NULL,
  purpose     TEXT NOT NULL,
  digest      TEXT NOT NULL UNIQUE,
  email       TEXT NOT NULL,
  token_epoch INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (user_id, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mail_links_by_expiry ON mail_links (expires_at);

-- Who did what to what, when, and from where: for 90 days.
CREATE TABLE IF NOT EXISTS audit_events (
  id         INTEGER PRIMARY KEY,
  created_at INTEGER NOT NULL,
  actor      TEXT NOT NULL,
  action     TEXT NOT NULL,
  target     TEXT NOT NULL,
  address    TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS audit_events_by_time ON audit_events (created_at);

-- Users and applications whose tokens of earlier epochs are dead, until the dead rows have been cleared away.
-- `is_deleted`: their grants are to end, too.
CREATE TABLE IF NOT EXISTS purges (
  owner_id    TEXT PRIMARY KEY,
  token_epoch INTEGER NOT NULL,
  is_deleted  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deleted_owners ON purges (owner_id) WHERE is_deleted = 1;

-- Browsers in which a person is logged in. `digest` is that of the cookie; `user_epoch` as in `families`. `expires_at` is
-- when it ends if nobody comes back, `ends_at` when it ends in any case.
CREATE TABLE IF NOT EXISTS sessions (
  id           TEXT PRIMARY KEY,
  digest       TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  user_epoch   INTEGER NOT NULL,
  user_agent   TEXT NOT NULL,
  address      TEXT,
  created_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  ends_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);

-- Authorization codes, by their digests. The code names the family that it buys. A used one is kept until the first access
-- token that came of it has expired: who presents it again ends the family.
CREATE TABLE IF NOT EXISTS authorization_codes (
  digest                TEXT PRIMARY KEY,
  application_id        TEXT NOT NULL,
  user_id               TEXT NOT NULL,
  user_epoch            INTEGER NOT NULL,
  redirect_uri          TEXT NOT NULL,
  redirect_uri_asked    INTEGER NOT NULL,
  scope                 TEXT NOT NULL,
  code_challenge        TEXT,
  code_challenge_method TEXT,
  expires_at            INTEGER NOT NULL,
  consumed_at           INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS authorization_codes_by_expiry ON authorization_codes (expires_at);

-- Users' accounts at identity providers. `uid` is the provider's own id of the person, never an e-mail address. `tokens` are
-- the provider's, sealed for this row; `lease_until`: somebody is refreshing them, until then at the most.
CREATE TABLE IF NOT EXISTS social_accounts (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  provider     TEXT NOT NULL,
  uid          TEXT NOT NULL,
  tokens       TEXT,
  lease_until  INTEGER,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  UNIQUE (provider, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS social_accounts_by_user ON social_accounts (user_id, provider);

-- Request tokens of OAuth 1.0a (RFC 5849 §2.1), by their digests, until they are exchanged. `secret` is sealed for this row;
-- without a `callback` a page shows the verifier. `user_id`, `user_epoch`, `grant_id` and the verifier's digest are there once
-- somebody has approved.
CREATE TABLE IF NOT EXISTS oauth1_tokens (
  digest          TEXT PRIMARY KEY,
  secret          TEXT NOT NULL,
  application_id  TEXT NOT NULL,
  callback        TEXT,
  scope           TEXT NOT NULL,
  user_id         TEXT,
  user_epoch      INTEGER,
  grant_id        TEXT,
  verifier_digest TEXT,
  expires_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS oauth1_tokens_by_expiry ON oauth1_tokens (expires_at);

-- Signed requests that have been seen (RFC 5849 §3.3). `digest` is that of application, token, timestamp and nonce.
CREATE TABLE IF NOT EXISTS oauth1_nonces (
  digest     TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS oauth1_nonces_by_expiry ON oauth1_nonces (expires_at);
