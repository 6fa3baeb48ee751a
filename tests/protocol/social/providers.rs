//! What identity providers really answer, as their documentation has it, and what goes wrong there.

use postern::crypto::encoding::{base64url, standard_base64};
use serde_json::{Map, Value, json};

use crate::support::{Providers, Signer, TestServer, vectors};

/// The proof that a front-end brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    AccessToken,
    IdToken,
    Code,
}

pub const PROOFS: [Proof; 3] = [Proof::AccessToken, Proof::IdToken, Proof::Code];

/// What the proof is, or what the provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Good,
    OtherApplication,
    Expired,
    Unverified,
    Disabled,
    WithoutId,
    Status(u16),
    TimesOut,
    Garbage,
}

pub const CASES: [Case; 12] = [
    Case::Good,
    Case::OtherApplication,
    Case::Expired,
    Case::Unverified,
    Case::Disabled,
    Case::WithoutId,
    Case::Status(302),
    Case::Status(400),
    Case::Status(401),
    Case::Status(500),
    Case::TimesOut,
    Case::Garbage,
];

pub const PROVIDER_TOKEN: &str = "a-token-of-the-provider";
pub const PROVIDER_REFRESH_TOKEN: &str = "a-refresh-token-of-the-provider";
pub const PROVIDER_CODE: &str = "a-code-of-the-provider";
pub const VERIFIER: &str = "a-verifier-of-the-front-end-that-is-long-enough";
pub const REDIRECT_URI: &str = "https://app.example/callback";
/// That of [`apple_key`] is another one.
pub const SECRET: &str = "our secret at the provider";
pub const EMAIL: &str = "mona@p.example";

/// A provider: how it is set up, and what it answers when all is well.
pub struct Script {
    pub name: &'static str,
    /// Its entry of `SOCIAL_AUTH_PROVIDERS`.
    pub entry: Value,
    pub client_id: &'static str,
    pub proofs: &'static [Proof],
    /// Its id of the person.
    pub uid: &'static str,
    /// A new person's name here.
    pub username: &'static str,
    /// The address that it tells, and whether it says that it is verified.
    pub email: Option<bool>,
    pub metadata: Option<(&'static str, Value)>,
    pub keys: Option<&'static str>,
    /// Of its ID tokens, without times.
    pub claims: Value,
    pub check: Option<Answer>,
    pub token: Option<Answer>,
    pub profile: Option<Answer>,
    pub emails: Option<Answer>,
    /// Where the answers say these: JSON pointers, in whichever of them it is.
    pub client_at: &'static str,
    pub id_at: &'static [&'static str],
    pub verified_at: &'static str,
}

/// An answer, and what comes in its place if the proof is not good.
pub struct Answer {
    pub to: &'static str,
    pub good: Value,
    pub refusal: (u16, Value),
}

fn answer(to: &'static str, good: Value, refusal: (u16, Value)) -> Option<Answer> {
    Some(Answer { to, good, refusal })
}

/// Apple's key, as Apple hands it out.
pub fn apple_key() -> String {
    let pkcs8 = vectors()["keys"]["RFC 7515 A.3"]["pkcs8"].as_str().unwrap().to_owned();
    format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n")
}

/// The token endpoint's answer to a code.
fn tokens() -> Value {
    json!({"access_token": PROVIDER_TOKEN, "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": PROVIDER_REFRESH_TOKEN, "scope": "openid email profile"})
}

/// RFC 6749 §5.2.
fn invalid_grant() -> (u16, Value) {
    (400, json!({"error": "invalid_grant", "error_description": "Bad Request"}))
}

fn entry(client_id: &str, more: Value) -> Value {
    let mut entry = Map::new();
    entry.insert("client_id".to_owned(), client_id.into());
    entry.insert("client_secret".to_owned(), "PROVIDER_SECRET".into());
    entry.extend(more.as_object().expect("an object").clone());
    Value::Object(entry)
}

fn claims(issuer: &str, client_id: &str, more: Value) -> Value {
    let mut claims = json!({"iss": issuer, "aud": client_id});
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    claims
}

const ALL: &[Proof] = &PROOFS;

pub fn scripts() -> Vec<Script> {
    vec![
        google("google-oauth2"),
        google("google-openidconnect"),
        facebook(),
        facebook_limited_login(),
        github(),
        apple(),
        microsoft(),
        twitter(),
        linkedin(),
        gitlab(),
        discord(),
        oidc(),
        oauth2(),
    ]
}

pub fn script(name: &str) -> Script {
    scripts().into_iter().find(|script| script.name == name).expect("a provider of that name")
}

fn google(name: &'static str) -> Script {
    let client_id = "1234987819200-mona.apps.googleusercontent.com";
    let person = json!({"sub": "110169484474386276334", "name": "Mona Octocat", "given_name": "Mona",
        "family_name": "Octocat", "picture": "https://p.example/photo.jpg", "email": EMAIL, "email_verified": true});
    let mut of_token = person.clone();
    of_token["azp"] = json!(client_id);
    of_token["hd"] = json!("p.example");
    Script {
        name,
        entry: entry(client_id, json!({})),
        client_id,
        proofs: ALL,
        uid: "110169484474386276334",
        username: "mona",
        email: Some(true),
        metadata: None,
        keys: Some("GET https://www.googleapis.com/oauth2/v3/certs"),
        claims: claims("https://accounts.google.com", client_id, of_token),
        // All values are texts.
        check: answer(
            "GET https://oauth2.googleapis.com/tokeninfo",
            json!({"azp": client_id, "aud": client_id, "sub": "110169484474386276334", "scope": "openid email",
                "exp": "1800003599", "expires_in": "3599", "email": EMAIL, "email_verified": "true",
                "access_type": "online"}),
            (400, json!({"error": "invalid_token", "error_description": "Invalid Value"})),
        ),
        token: answer("POST https://oauth2.googleapis.com/token", tokens(), invalid_grant()),
        profile: answer(
            "GET https://openidconnect.googleapis.com/v1/userinfo",
            person,
            (401, json!({"error": "invalid_request", "error_description": "Invalid Credentials"})),
        ),
        emails: None,
        client_at: "/aud",
        id_at: &["/sub"],
        verified_at: "/email_verified",
    }
}

fn facebook() -> Script {
    let expired = json!({"data": {"app_id": "138483919580948", "type": "USER", "application": "Cafe",
        "error": {"code": 190, "message": "Error validating access token", "subcode": 463},
        "expires_at": 1_799_999_000, "is_valid": false, "scopes": [], "user_id": "10215241773831025"}});
    let refused = json!({"error": {"message": "Error validating access token", "type": "OAuthException",
        "code": 190, "error_subcode": 463, "fbtrace_id": "H2il2t5bn4e"}});
    Script {
        name: "facebook",
        entry: entry("138483919580948", json!({})),
        client_id: "138483919580948",
        proofs: &[Proof::AccessToken, Proof::Code],
        uid: "10215241773831025",
        username: "mona",
        // It does not say.
        email: Some(false),
        metadata: None,
        keys: None,
        claims: Value::Null,
        check: answer(
            "GET https://graph.facebook.com/v24.0/debug_token",
            json!({"data": {"app_id": "138483919580948", "type": "USER", "application": "Cafe",
                "data_access_expires_at": 1_807_776_000, "expires_at": 1_805_184_000, "is_valid": true,
                "scopes": ["email", "public_profile"], "user_id": "10215241773831025"}}),
            (200, expired),
        ),
        token: answer(
            "POST https://graph.facebook.com/v24.0/oauth/access_token",
            json!({"access_token": PROVIDER_TOKEN, "token_type": "bearer", "expires_in": 5_183_944}),
            (
                400,
                json!({"error": {"message": "This authorization code has expired.", "type": "OAuthException",
                "code": 100, "error_subcode": 36007, "fbtrace_id": "A"}}),
            ),
        ),
        profile: answer(
            "GET https://graph.facebook.com/v24.0/me",
            json!({"id": "10215241773831025", "name": "Mona Octocat", "email": EMAIL, "first_name": "Mona",
                "last_name": "Octocat"}),
            (400, refused),
        ),
        emails: None,
        client_at: "/data/app_id",
        id_at: &["/id"],
        verified_at: "",
    }
}

fn facebook_limited_login() -> Script {
    let person = json!({"sub": "10215241773831025", "jti": "JLrY.a1b2", "nonce": "a-nonce", "name": "Mona Octocat",
        "given_name": "Mona", "family_name": "Octocat", "email": EMAIL, "picture": "https://p.example/p.jpg"});
    Script {
        name: "facebook-limited-login",
        entry: entry("138483919580948", json!({})),
        client_id: "138483919580948",
        proofs: &[Proof::IdToken],
        uid: "10215241773831025",
        username: "mona",
        email: Some(false),
        metadata: None,
        keys: Some("GET https://limited.facebook.com/.well-known/oauth/openid/jwks/"),
        claims: claims("https://www.facebook.com", "138483919580948", person),
        check: None,
        token: None,
        profile: None,
        emails: None,
        client_at: "/aud",
        id_at: &["/sub"],
        verified_at: "",
    }
}

fn github() -> Script {
    let bad = json!({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401"});
    Script {
        name: "github",
        entry: entry("Iv1.8a61f9b3a7aba766", json!({})),
        client_id: "Iv1.8a61f9b3a7aba766",
        proofs: &[Proof::AccessToken, Proof::Code],
        uid: "583231",
        username: "octocat",
        email: Some(true),
        metadata: None,
        keys: None,
        claims: Value::Null,
        // It knows the tokens of the application whose credentials it gets; of others it says 404.
        check: answer(
            "POST https://api.github.com/applications/Iv1.8a61f9b3a7aba766/token",
            json!({"id": 1, "url": "https://api.github.com/authorizations/1", "scopes": ["read:user", "user:email"],
                "token": PROVIDER_TOKEN, "token_last_eight": "provider", "hashed_token": "25f9", "app": {
                "url": "http://my-github-app.com", "name": "Cafe", "client_id": "Iv1.8a61f9b3a7aba766"},
                "note": null, "expires_at": null, "user": {"login": "octocat", "id": 583_231, "type": "User"}}),
            (
                404,
                json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}),
            ),
        ),
        // 200, whatever the code is.
        token: answer(
            "POST https://github.com/login/oauth/access_token",
            json!({"access_token": PROVIDER_TOKEN, "token_type": "bearer", "scope": "read:user,user:email"}),
            (
                200,
                json!({"error": "bad_verification_code",
                "error_description": "The code passed is incorrect or expired."}),
            ),
        ),
        profile: answer(
            "GET https://api.github.com/user",
            json!({"login": "octocat", "id": 583_231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "type": "User",
                "name": "Mona Octocat", "company": null, "email": null, "site_admin": false}),
            (401, bad.clone()),
        ),
        emails: answer(
            "GET https://api.github.com/user/emails",
            json!([
                {"email": "mona@users.noreply.github.com", "verified": true, "primary": false, "visibility": null},
                {"email": EMAIL, "verified": true, "primary": true, "visibility": "private"},
            ]),
            (401, bad),
        ),
        client_at: "/app/client_id",
        id_at: &["/id", "/user/id"],
        verified_at: "/1/verified",
    }
}

fn apple() -> Script {
    let more = json!({"sub": "001234.0a1b2c3d.0910", "email": EMAIL, "email_verified": "true",
        "is_private_email": "false", "auth_time": 1_799_999_990, "nonce_supported": true});
    Script {
        name: "apple-id",
        entry: entry(
            "com.example.cafe",
            json!({"team_id": "TEAM123456", "key_id": "KEY1234567", "client_secret": "APPLE_KEY"}),
        ),
        client_id: "com.example.cafe",
        proofs: &[Proof::IdToken, Proof::Code],
        uid: "001234.0a1b2c3d.0910",
        username: "mona",
        email: Some(true),
        metadata: None,
        keys: Some("GET https://appleid.apple.com/auth/keys"),
        claims: claims("https://appleid.apple.com", "com.example.cafe", more),
        check: None,
        token: answer(
            "POST https://appleid.apple.com/auth/token",
            json!({"access_token": PROVIDER_TOKEN, "token_type": "Bearer", "expires_in": 3600,
                "refresh_token": PROVIDER_REFRESH_TOKEN}),
            (400, json!({"error": "invalid_grant"})),
        ),
        profile: None,
        emails: None,
        client_at: "/aud",
        id_at: &["/sub"],
        verified_at: "/email_verified",
    }
}

pub const TENANT: &str = "9122040d-6c67-4c5b-b112-36a304b66dad";

fn microsoft() -> Script {
    let client_id = "6731de76-14a6-49ae-97bc-6eba6914391e";
    let more = json!({"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "00000000-0000-0000-66f3-3332eca7ea81",
        "tid": TENANT, "ver": "2.0", "name": "Mona Octocat", "preferred_username": EMAIL, "email": EMAIL,
        "xms_edov": true});
    let more = claims(&format!("https://login.microsoftonline.com/{TENANT}/v2.0"), client_id, more);
    Script {
        name: "microsoft",
        entry: entry(client_id, json!({})),
        client_id,
        proofs: &[Proof::IdToken, Proof::Code],
        uid: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        username: EMAIL,
        email: Some(true),
        metadata: None,
        keys: Some("GET https://login.microsoftonline.com/common/discovery/v2.0/keys"),
        claims: more,
        check: None,
        token: answer(
            "POST https://login.microsoftonline.com/common/oauth2/v2.0/token",
            tokens(),
            (
                400,
                json!({"error": "invalid_grant", "error_description": "AADSTS70008: expired", "error_codes": [70008]}),
            ),
        ),
        profile: None,
        emails: None,
        client_at: "/aud",
        id_at: &["/sub"],
        verified_at: "/xms_edov",
    }
}

fn twitter() -> Script {
    Script {
        name: "twitter",
        entry: entry("rG9n6402A3dbUJKzXTNX4oWHJ", json!({})),
        client_id: "rG9n6402A3dbUJKzXTNX4oWHJ",
        proofs: &[Proof::Code],
        uid: "2244994945",
        username: "TwitterDev",
        email: Some(true),
        metadata: None,
        keys: None,
        claims: Value::Null,
        check: None,
        token: answer(
            "POST https://api.x.com/2/oauth2/token",
            json!({"token_type": "bearer", "expires_in": 7200, "access_token": PROVIDER_TOKEN,
                "scope": "users.email users.read tweet.read"}),
            (
                400,
                json!({"error": "invalid_request",
                "error_description": "Value passed for the authorization code was invalid."}),
            ),
        ),
        // Who has confirmed no address has no `confirmed_email`.
        profile: answer(
            "GET https://api.x.com/2/users/me",
            json!({"data": {"id": "2244994945", "name": "Mona Octocat", "username": "TwitterDev",
                "confirmed_email": EMAIL}}),
            (
                401,
                json!({"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}),
            ),
        ),
        emails: None,
        client_at: "",
        id_at: &["/data/id"],
        verified_at: "/data/confirmed_email",
    }
}

fn linkedin() -> Script {
    let person = json!({"sub": "782bbtaQ", "name": "Mona Octocat", "given_name": "Mona", "family_name": "Octocat",
        "picture": "https://p.example/p.jpg", "locale": "en-US", "email": EMAIL, "email_verified": true});
    Script {
        name: "linkedin",
        entry: entry("77linkedin", json!({})),
        client_id: "77linkedin",
        proofs: ALL,
        uid: "782bbtaQ",
        username: "mona",
        email: Some(true),
        metadata: None,
        keys: Some("GET https://www.linkedin.com/oauth/openid/jwks"),
        claims: claims("https://www.linkedin.com/oauth", "77linkedin", person.clone()),
        // Of other applications' tokens it says the same as of those that have expired.
        check: answer(
            "POST https://www.linkedin.com/oauth/v2/introspectToken",
            json!({"active": true, "client_id": "77linkedin", "authorized_at": 1_799_990_000,
                "created_at": 1_799_990_000, "status": "active", "expires_at": 1_805_000_000,
                "scope": "email,openid,profile", "auth_type": "3L"}),
            (
                200,
                json!({"active": false, "status": "expired", "client_id": "77linkedin",
                "created_at": 1_799_000_000, "expires_at": 1_799_990_000}),
            ),
        ),
        token: answer(
            "POST https://www.linkedin.com/oauth/v2/accessToken",
            tokens(),
            (400, json!({"error": "invalid_request", "error_description": "authorization code expired"})),
        ),
        profile: answer(
            "GET https://api.linkedin.com/v2/userinfo",
            person,
            (
                401,
                json!({"status": 401, "serviceErrorCode": 65600, "code": "INVALID_ACCESS_TOKEN",
                "message": "Invalid access token"}),
            ),
        ),
        emails: None,
        client_at: "/client_id",
        id_at: &["/sub"],
        verified_at: "/email_verified",
    }
}

fn gitlab() -> Script {
    let person = json!({"sub": "42", "sub_legacy": "74c5", "name": "Mona Octocat", "nickname": "mona",
        "preferred_username": "mona", "email": EMAIL, "email_verified": true, "profile": "https://gitlab.com/mona",
        "groups": []});
    Script {
        name: "gitlab",
        entry: entry("8af5ab92", json!({})),
        client_id: "8af5ab92",
        proofs: ALL,
        uid: "42",
        username: "mona",
        email: Some(true),
        metadata: None,
        keys: Some("GET https://gitlab.com/oauth/discovery/keys"),
        claims: claims("https://gitlab.com", "8af5ab92", person.clone()),
        check: answer(
            "GET https://gitlab.com/oauth/token/info",
            json!({"resource_owner_id": 42, "scope": ["openid", "email", "profile"], "expires_in": 7183,
                "application": {"uid": "8af5ab92"}, "created_at": 1_799_999_983, "scopes": ["openid"],
                "expires_in_seconds": 7183}),
            (
                401,
                json!({"error": "invalid_token", "error_description": "The access token expired",
                "state": "unauthorized"}),
            ),
        ),
        token: answer("POST https://gitlab.com/oauth/token", tokens(), invalid_grant()),
        profile: answer(
            "GET https://gitlab.com/oauth/userinfo",
            person,
            (401, json!({"error": "invalid_token", "error_description": "Token was revoked."})),
        ),
        emails: None,
        client_at: "/application/uid",
        id_at: &["/sub"],
        verified_at: "/email_verified",
    }
}

fn discord() -> Script {
    let unauthorized = json!({"message": "401: Unauthorized", "code": 0});
    Script {
        name: "discord",
        entry: entry("159799960412356608", json!({})),
        client_id: "159799960412356608",
        proofs: &[Proof::AccessToken, Proof::Code],
        uid: "268473310986240001",
        username: "mona",
        email: Some(true),
        metadata: None,
        keys: None,
        claims: Value::Null,
        check: answer(
            "GET https://discord.com/api/oauth2/@me",
            json!({"application": {"id": "159799960412356608", "name": "Cafe", "icon": null, "description": "",
                "bot_public": true, "bot_require_code_grant": false, "verify_key": "c8cd"},
                "scopes": ["identify", "email"], "expires": "2027-01-22T08:00:00.000000+00:00",
                "user": {"id": "268473310986240001", "username": "mona", "avatar": null, "discriminator": "0",
                "global_name": "Mona Octocat", "public_flags": 0}}),
            (401, unauthorized.clone()),
        ),
        token: answer(
            "POST https://discord.com/api/oauth2/token",
            json!({"token_type": "Bearer", "access_token": PROVIDER_TOKEN, "expires_in": 604_800,
                "refresh_token": PROVIDER_REFRESH_TOKEN, "scope": "identify email"}),
            (400, json!({"error": "invalid_grant", "error_description": "Invalid \"code\" in request."})),
        ),
        profile: answer(
            "GET https://discord.com/api/users/@me",
            json!({"id": "268473310986240001", "username": "mona", "discriminator": "0", "avatar": null,
                "global_name": "Mona Octocat", "verified": true, "email": EMAIL, "flags": 0, "premium_type": 0}),
            (401, unauthorized),
        ),
        emails: None,
        client_at: "/application/id",
        id_at: &["/id"],
        verified_at: "/verified",
    }
}

fn oidc() -> Script {
    let person = json!({"sub": "248289761001", "name": "Mona Octocat", "given_name": "Mona",
        "family_name": "Octocat", "preferred_username": "m.octocat", "email": EMAIL, "email_verified": true});
    let metadata = json!({
        "issuer": "https://id.example/realm",
        "authorization_endpoint": "https://id.example/realm/authorize",
        "token_endpoint": "https://id.example/realm/token",
        "userinfo_endpoint": "https://id.example/realm/userinfo",
        "introspection_endpoint": "https://id.example/realm/introspect",
        "jwks_uri": "https://id.example/realm/keys",
        "response_types_supported": ["code"],
    });
    Script {
        name: "corporate",
        entry: entry("s6BhdRkqt3", json!({"issuer": "https://id.example/realm"})),
        client_id: "s6BhdRkqt3",
        proofs: ALL,
        uid: "248289761001",
        username: "m.octocat",
        email: Some(true),
        metadata: Some(("GET https://id.example/realm/.well-known/openid-configuration", metadata)),
        keys: Some("GET https://id.example/realm/keys"),
        claims: claims("https://id.example/realm", "s6BhdRkqt3", person.clone()),
        check: answer(
            "POST https://id.example/realm/introspect",
            json!({"active": true, "client_id": "s6BhdRkqt3", "sub": "248289761001", "scope": "openid email",
                "exp": 1_800_003_600, "iat": 1_800_000_000, "token_type": "Bearer"}),
            (200, json!({"active": false})), // RFC 7662 §2.2
        ),
        token: answer("POST https://id.example/realm/token", tokens(), invalid_grant()),
        profile: answer(
            "GET https://id.example/realm/userinfo",
            person,
            (401, json!({"error": "invalid_token"})),
        ),
        emails: None,
        client_at: "/client_id",
        id_at: &["/sub"],
        verified_at: "/email_verified",
    }
}

fn oauth2() -> Script {
    let own = json!({
        "kind": "oauth2",
        "authorization_endpoint": "https://chat.example/oauth/authorize",
        "token_endpoint": "https://chat.example/oauth/token",
        "userinfo_endpoint": "https://chat.example/api/me",
        "introspection_endpoint": "https://chat.example/oauth/introspect",
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "profile",
        "fields": {"id": "account.uuid", "username": "account.handle", "email": "contact.mail",
            "email_verified": "contact.is_confirmed", "name": "", "first_name": "account.given",
            "last_name": "account.family"},
    });
    Script {
        name: "chat",
        entry: entry("chat-client", own),
        client_id: "chat-client",
        proofs: &[Proof::AccessToken, Proof::Code],
        uid: "6c67-4c5b",
        username: "mona_o",
        email: Some(true),
        metadata: None,
        keys: None,
        claims: Value::Null,
        check: answer(
            "POST https://chat.example/oauth/introspect",
            json!({"active": true, "client_id": "chat-client", "exp": 1_800_003_600}),
            (200, json!({"active": false})),
        ),
        token: answer("POST https://chat.example/oauth/token", tokens(), invalid_grant()),
        profile: answer(
            "GET https://chat.example/api/me",
            json!({"account": {"uuid": "6c67-4c5b", "handle": "mona_o", "given": "Mona", "family": "Octocat"},
                "contact": {"mail": EMAIL, "is_confirmed": 1}}),
            (401, json!({"error": "invalid_token"})),
        ),
        emails: None,
        client_at: "/client_id",
        id_at: &["/account/uuid"],
        verified_at: "/contact/is_confirmed",
    }
}

impl Script {
    /// A server that knows this provider alone.
    pub fn server(&self) -> TestServer {
        self.server_with(&[])
    }

    pub fn server_with(&self, more: &[(&str, &str)]) -> TestServer {
        let entries = json!({self.name: self.entry}).to_string();
        let key = apple_key();
        let own =
            [("SOCIAL_AUTH_PROVIDERS", entries.as_str()), ("PROVIDER_SECRET", SECRET), ("APPLE_KEY", &key)];
        TestServer::with(&[&own, more].concat())
    }

    /// The provider answers as it does in this case.
    pub fn play(&self, case: Case, providers: &Providers) {
        if let Some((to, metadata)) = &self.metadata {
            providers.answer(to, 200, metadata);
        }
        if let Some(to) = self.keys {
            providers.answer(to, 200, &json!({"keys": [Signer::rs256().jwk(), Signer::es256().jwk()]}));
        }
        if let Some(check) = &self.check {
            let (status, body) = match case {
                Case::Expired => check.refusal.clone(),
                Case::OtherApplication => {
                    (200, with(&check.good, &[self.client_at], &json!("another-client")))
                }
                _ => (200, self.changed(&check.good, case)),
            };
            providers.answer(check.to, status, &body);
        }
        if let Some(token) = &self.token {
            let mut body = token.good.clone();
            if !self.claims.is_null() {
                body["id_token"] = json!(self.id_token(case, self.now()));
            }
            let is_refused =
                case == Case::Expired || (case == Case::OtherApplication && self.claims.is_null());
            let (status, body) = if is_refused { token.refusal.clone() } else { (200, body) };
            providers.answer(token.to, status, &body);
        }
        for answer in [&self.profile, &self.emails].into_iter().flatten() {
            let (status, body) = match case {
                Case::Expired => answer.refusal.clone(),
                _ => (200, self.changed(&answer.good, case)),
            };
            providers.answer(answer.to, status, &body);
        }
    }

    /// When the tests begin.
    fn now(&self) -> i64 {
        1_800_000_000
    }

    /// An ID token of this case.
    pub fn id_token(&self, case: Case, now: i64) -> String {
        let mut claims = self.changed(&self.claims, case);
        claims["iat"] = json!(now - 5);
        claims["exp"] = json!(if case == Case::Expired { now - 1 } else { now + 3600 });
        if case == Case::OtherApplication {
            claims["aud"] = json!("another-client");
        }
        Signer::rs256().id_token(json!({}), claims)
    }

    fn changed(&self, good: &Value, case: Case) -> Value {
        match case {
            Case::WithoutId => without(good, self.id_at),
            // An address that is not confirmed is not told at all, where there is no flag.
            Case::Unverified if self.verified_at.ends_with("email") => without(good, &[self.verified_at]),
            Case::Unverified => with(good, &[self.verified_at], &json!(false)),
            _ => good.clone(),
        }
    }

    /// As a client of ours sends this proof to `/auth/convert-token/` (`name` is `token`) or `/social/…/`.
    pub fn form(&self, proof: Proof, name: &'static str, case: Case) -> Vec<(&'static str, String)> {
        match proof {
            Proof::AccessToken => vec![(name, PROVIDER_TOKEN.to_owned())],
            Proof::IdToken => vec![("id_token", self.id_token(case, self.now()))],
            Proof::Code => vec![
                ("code", PROVIDER_CODE.to_owned()),
                ("redirect_uri", REDIRECT_URI.to_owned()),
                ("code_verifier", VERIFIER.to_owned()),
            ],
        }
    }

    /// Our client by HTTP Basic, as the provider gets it.
    pub fn basic(&self) -> String {
        let credentials = format!("{}:{}", self.client_id, SECRET.replace(' ', "%20"));
        format!("Basic {}", standard_base64(credentials.as_bytes()))
    }
}

fn with(value: &Value, pointers: &[&str], new: &Value) -> Value {
    let mut value = value.clone();
    for pointer in pointers.iter().filter(|pointer| !pointer.is_empty()) {
        if let Some(place) = value.pointer_mut(pointer) {
            *place = new.clone();
        }
    }
    value
}

fn without(value: &Value, pointers: &[&str]) -> Value {
    let mut value = value.clone();
    for pointer in pointers {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        if let Some(Value::Object(members)) = value.pointer_mut(parent) {
            members.remove(name);
        }
    }
    value
}

/// What a key set is at a provider that signs by these.
pub fn key_set(signers: &[&Signer]) -> Value {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()})
}

/// A part of a token.
pub fn part(value: &Value) -> String {
    base64url(value.to_string().as_bytes())
}
