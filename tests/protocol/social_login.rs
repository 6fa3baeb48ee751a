//! Logging in at an identity provider, seen from a browser: the way there, and back.

use http::Method;
use postern::crypto::encoding::{base64url, from_base64url, standard_base64};
use postern::crypto::sha256;
use postern::protocol::params::Params;
use serde_json::{Value, json};

use crate::support::{
    Browser, Landing, Meddle, Meddling, PASSWORD, Signer, TestResponse, TestServer, encode_form,
    form_request, percent_encode, request, vectors,
};

pub const ISSUER: &str = "https://auth.example";

const TOKEN: &str = "POST https://corp.example/token";
pub const JWKS: &str = "GET https://corp.example/jwks";
const COOKIE: &str = "__Host-postern_login_corp";
const APPLE_COOKIE: &str = "__Host-postern_login_apple-id";
const SESSION: &str = "__Host-postern_session";

/// Providers that people are sent to, of each kind.
fn providers() -> Value {
    let client = |name: &str| json!({"client_id": format!("{name}-client"), "client_secret": "SECRET"});
    let mut providers = json!({
        "corp": {
            "label": "Corp & Sons",
            "client_id": "corp-client",
            "client_secret": "SECRET",
            "issuer": "https://corp.example",
            "discovery": false,
            "authorization_endpoint": "https://corp.example/authorize?tenant=1",
            "token_endpoint": "https://corp.example/token",
            "userinfo_endpoint": "https://corp.example/userinfo",
            "revocation_endpoint": "https://corp.example/revoke",
            "jwks_uri": "https://corp.example/jwks",
        },
        "plain": {
            "kind": "oauth2",
            "client_id": "plain-client",
            "authorization_endpoint": "https://plain.example/authorize",
            "token_endpoint": "https://plain.example/token",
            "userinfo_endpoint": "https://plain.example/me",
            "redirect_uri": "https://auth.example/auth/complete/plain/?fixed=1",
            "authorization_parameters": {"prompt": "select_account", "hd": "corp.example"},
        },
        "found": {"client_id": "found-client", "issuer": "https://found.example"},
        "closed": {
            "kind": "github", "client_id": "closed-client", "client_secret": "SECRET", "allowed_domains": ["corp.example"],
        },
        "apple-id": {
            "client_id": "apple-id-client", "client_secret": "APPLE_KEY", "team_id": "TEAM", "key_id": "KEY",
        },
        "facebook-limited-login": {"client_id": "limited-client"},
    });
    for name in
        ["google-oauth2", "github", "facebook", "microsoft", "twitter", "linkedin", "gitlab", "discord"]
    {
        providers[name] = client(name);
    }
    providers
}

pub fn server() -> TestServer {
    server_with(&[])
}

/// As [`server`], with more settings.
pub fn server_with(settings: &[(&str, &str)]) -> TestServer {
    let providers = providers().to_string();
    let pkcs8 = vectors()["keys"]["RFC 7515 A.3"]["pkcs8"].as_str().unwrap().to_owned();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n");
    let mut all = vec![
        ("ISSUER", ISSUER),
        ("SOCIAL_AUTH_PROVIDERS", providers.as_str()),
        ("SECRET", "the-secret-at-the-provider"),
        ("APPLE_KEY", key.as_str()),
    ];
    for (name, value) in settings {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    TestServer::with(&all)
}

pub fn browser(server: &TestServer) -> Browser<'_> {
    Browser::at(ISSUER, server)
}

/// Where a browser has been sent, to log in there.
#[derive(Debug)]
pub struct Sent {
    pub endpoint: String,
    pub params: Params,
}

impl Sent {
    #[track_caller]
    pub fn to(response: &TestResponse) -> Self {
        let Landing { uri, params, .. } = Landing::of(response);
        Self { endpoint: uri, params }
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.params.optional(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// The path to which the provider sends the browser back.
    pub fn path(&self) -> &str {
        self.get("redirect_uri").strip_prefix(ISSUER).unwrap()
    }

    /// That, with what the provider says.
    pub fn answer(&self, fields: &[(&str, &str)]) -> String {
        let separator = if self.path().contains('?') { '&' } else { '?' };
        let fields = [&[("state", self.get("state"))], fields].concat();
        format!("{}{separator}{}", self.path(), encode_form(&fields))
    }
}

#[track_caller]
pub fn start(browser: &Browser<'_>, path: &str) -> Sent {
    Sent::to(&browser.get(path))
}

/// From now on, Corp says of a code of this login that it is of alice, but for these claims.
pub fn corp_knows(server: &TestServer, sent: &Sent, claims: Value) {
    let mut all = json!({
        "iss": "https://corp.example", "aud": "corp-client", "iat": server.now(), "exp": server.now() + 600,
        "nonce": sent.get("nonce"), "sub": "corp-1", "email": "alice@corp.example", "email_verified": true,
        "preferred_username": "alice", "given_name": "Alice", "family_name": "Liddell",
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let answer = json!({
        "access_token": "corp-access-token", "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": "corp-refresh-token", "id_token": Signer::rs256().id_token(json!({}), all),
    });
    server.providers.answer(TOKEN, 200, &answer);
    server.providers.answer(JWKS, 200, &json!({"keys": [Signer::rs256().jwk()]}));
}

/// E-mail is sent.
pub const MAIL: &[(&str, &str)] = &[("MAIL_CARRIER", "send_email"), ("MAIL_FROM", "id@auth.example")];

/// A whole login at Corp, from this path of ours.
#[track_caller]
pub fn log_in_from(path: &str, browser: &Browser<'_>, server: &TestServer, claims: Value) -> TestResponse {
    let sent = start(browser, path);
    corp_knows(server, &sent, claims);
    browser.get(&sent.answer(&[("code", "corp-code")]))
}

#[track_caller]
pub fn log_in(browser: &Browser<'_>, server: &TestServer, claims: Value) -> TestResponse {
    log_in_from("/login/corp/", browser, server, claims)
}

#[track_caller]
pub fn assert_sent_to(response: &TestResponse, path: &str) {
    let location = response.assert_status(303).header("location").unwrap();
    assert_eq!(location, format!("{ISSUER}{path}"));
}

/// A page that says this, and that nobody is logged in.
#[track_caller]
pub fn assert_refused(response: &TestResponse, status: u16, text: &str) {
    response.assert_status(status);
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("x-request-id").is_some());
    assert!(response.text().contains(text), "{}", response.text());
    assert!(!set_cookies(response).iter().any(|cookie| cookie.contains("session")));
}

const BEGIN_AGAIN: &str = "was not begun in this browser, or too long ago";

pub fn set_cookies(response: &TestResponse) -> Vec<String> {
    let all = response.0.headers().get_all("set-cookie");
    all.iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
}

/// The name of who is logged in.
pub fn who(browser: &Browser<'_>) -> Option<String> {
    let page = browser.get("/account/");
    let text = page.text();
    let name = text.split("<strong>").nth(1)?.split("</strong>").next()?;
    Some(name.to_owned()).filter(|_| page.status() == 200)
}

pub fn users(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM users")
}

pub fn accounts(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM social_accounts")
}

/// A user with a password and this address.
pub fn user(server: &TestServer, username: &str, email: &str, is_verified: bool) {
    server.user(username);
    let change = json!({"email": email, "email_verified": is_verified});
    server.admin("PATCH", &format!("users/{username}"), change).assert_status(200);
}

/// What another site makes a browser post: only cookies that are for that come along.
pub fn post_from_elsewhere(
    browser: &Browser<'_>,
    server: &TestServer,
    path: &str,
    cookies: &[&str],
    form: &[(&str, &str)],
) -> TestResponse {
    let pair = |name: &&str| browser.cookie(name).map(|value| format!("{name}={value}"));
    let cookies = cookies.iter().filter_map(pair).collect::<Vec<_>>().join("; ");
    let headers = [("cookie", cookies.as_str()), ("sec-fetch-site", "cross-site")];
    browser.receive(server.send(form_request(&format!("{ISSUER}{path}"), &headers, form)))
}

#[test]
fn each_provider_is_asked_in_its_way() {
    // RFC 6749 §4.1.1, RFC 7636 §4.3, OIDC Core §3.1.2.1
    const GOOGLE: &str = "openid email profile";
    let expected: [(&str, &str, &str, &[&str]); 11] = [
        ("corp", "https://corp.example/authorize", GOOGLE, &["nonce", "pkce", "tenant=1"]),
        (
            "plain",
            "https://plain.example/authorize",
            "",
            &["pkce", "prompt=select_account", "hd=corp.example"],
        ),
        ("google-oauth2", "https://accounts.google.com/o/oauth2/v2/auth", GOOGLE, &["nonce", "pkce"]),
        ("github", "https://github.com/login/oauth/authorize", "read:user user:email", &["pkce"]),
        ("facebook", "https://www.facebook.com/v24.0/dialog/oauth", "email public_profile", &[]),
        (
            "apple-id",
            "https://appleid.apple.com/auth/authorize",
            "name email",
            &["nonce", "response_mode=form_post"],
        ),
        (
            "microsoft",
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            GOOGLE,
            &["nonce", "pkce"],
        ),
        ("twitter", "https://x.com/i/oauth2/authorize", "users.read tweet.read users.email", &["pkce"]),
        ("linkedin", "https://www.linkedin.com/oauth/v2/authorization", GOOGLE, &[]),
        ("gitlab", "https://gitlab.com/oauth/authorize", GOOGLE, &["nonce", "pkce"]),
        ("discord", "https://discord.com/oauth2/authorize", "identify email", &["pkce"]),
    ];
    let server = server();
    for (name, endpoint, scope, more) in expected {
        for (path, complete) in [("/login", "/complete"), ("/auth/login", "/auth/complete")] {
            let sent = start(&browser(&server), &format!("{path}/{name}/"));
            let random = |name: &str| {
                let text = sent.get(name);
                assert_eq!(from_base64url(text).map(|bytes| bytes.len()), Some(32), "{name}");
                text.to_owned()
            };
            let redirect_uri = match name {
                "plain" => format!("{ISSUER}/auth/complete/plain/?fixed=1"),
                _ => format!("{ISSUER}{complete}/{name}/"),
            };
            let mut pairs = vec![
                ("response_type", "code".to_owned()),
                ("client_id", format!("{name}-client")),
                ("redirect_uri", redirect_uri),
                ("state", random("state")),
            ];
            if !scope.is_empty() {
                pairs.push(("scope", scope.to_owned()));
            }
            for extra in more {
                match extra.split_once('=') {
                    Some(pair) => pairs.push((pair.0, pair.1.to_owned())),
                    None if *extra == "nonce" => pairs.push(("nonce", random("nonce"))),
                    None => pairs.extend([
                        ("code_challenge", random("code_challenge")),
                        ("code_challenge_method", "S256".to_owned()),
                    ]),
                }
            }
            pairs.sort();
            let mut asked = sent.params.clone().into_pairs();
            asked.sort();
            let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!((sent.endpoint.as_str(), asked), (endpoint, pairs), "{name}");
        }
    }
    assert!(server.providers.take_urls().is_empty());
}

#[test]
fn no_two_logins_are_alike() {
    let server = server();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let browser = browser(&server);
        let sent = start(&browser, "/login/corp/");
        let values = ["state", "nonce", "code_challenge"].map(|name| sent.get(name).to_owned());
        seen.extend(values.into_iter().chain(browser.cookie(COOKIE)));
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn where_people_log_in_is_found_in_the_metadata() {
    // OIDC Discovery §4
    let server = server();
    let metadata = "GET https://found.example/.well-known/openid-configuration";
    let publish = |issuer: &str| {
        let endpoint = "https://login.found.example/authorize";
        let body = json!({"issuer": issuer, "authorization_endpoint": endpoint, "token_endpoint": endpoint});
        server.providers.answer(metadata, 200, &body);
    };
    let unavailable = || {
        let response = browser(&server).get("/login/found/");
        assert_refused(&response, 503, "found does not answer");
        assert!(response.header("retry-after").is_some());
        assert!(set_cookies(&response).is_empty());
    };
    unavailable();
    publish("https://other.example");
    unavailable();
    publish("https://found.example");
    assert_eq!(start(&browser(&server), "/login/found/").endpoint, "https://login.found.example/authorize");
    server.providers.take_urls();
    start(&browser(&server), "/login/found/");
    server.work_after();
    assert!(server.providers.take_urls().is_empty());
    // What is old is good until there is something new, which is fetched once the answer has gone out.
    server.advance(3600);
    start(&browser(&server), "/login/found/");
    assert!(server.providers.take_urls().is_empty());
    server.work_after();
    assert_eq!(server.providers.take_urls(), [metadata]);
}

#[test]
fn the_cookie_of_a_login_is_sealed_for_the_server_alone_and_for_ten_minutes() {
    let server = server();
    let browser = browser(&server);
    let response = browser.get("/login/corp/?next=/o/authorized_tokens/");
    let [cookie] = &set_cookies(&response)[..] else { panic!("{:?}", set_cookies(&response)) };
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
    let (name, sealed) = pair.split_once('=').unwrap();
    assert_eq!(name, COOKIE);
    let sent = Sent::to(&response);
    let bytes = from_base64url(sealed.split_once('.').unwrap().1).unwrap();
    let readable = format!("{cookie} {}", String::from_utf8_lossy(&bytes));
    for secret in [sent.get("state"), sent.get("nonce"), "authorized_tokens", "code_verifier"] {
        assert!(!readable.contains(secret), "{secret}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    corp_knows(&server, &sent, json!({}));
    let done = browser.get(&sent.answer(&[("code", "c")]));
    assert!(
        set_cookies(&done).contains(&format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"))
    );
    assert_eq!((browser.cookie(COOKIE), who(&browser).as_deref()), (None, Some("alice")));
}

#[test]
fn a_cookie_for_answers_by_post_comes_from_other_sites_too() {
    let server = server();
    let cookies = set_cookies(&browser(&server).get("/login/apple-id/"));
    assert!(cookies[0].starts_with(&format!("{APPLE_COOKIE}=")), "{cookies:?}");
    assert!(cookies[0].ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=None; Secure"), "{cookies:?}");
    let plain = TestServer::with(&[(
        "SOCIAL_AUTH_PROVIDERS",
        r#"{"apple-id": {"client_id": "a", "response_mode": "form_post"}}"#,
    )]);
    // On loopback, browsers take `Secure` from plain http, but no prefix.
    let cookies = set_cookies(&plain.browser().get("/login/apple-id/"));
    assert!(cookies[0].starts_with("postern_login_apple-id="), "{cookies:?}");
    assert!(cookies[0].ends_with("; SameSite=None; Secure"), "{cookies:?}");
}

#[test]
fn a_new_person_is_signed_up_and_logged_in() {
    let server = server_with(MAIL);
    let browser = browser(&server);
    let sent = start(&browser, "/auth/login/corp/?next=/o/authorized_tokens/");
    corp_knows(&server, &sent, json!({"email_verified": false}));
    let response = browser.get(&sent.answer(&[("code", "corp code+1"), ("iss", "https://corp.example")]));
    assert_sent_to(&response, "/o/authorized_tokens/");
    assert_eq!(who(&browser).as_deref(), Some("alice"));
    let alice = server.admin("GET", "users/alice", Value::Null).json();
    let shown = ["email", "email_verified", "first_name", "last_name", "is_superuser"]
        .map(|name| alice[name].clone());
    assert_eq!(json!(shown), json!(["alice@corp.example", false, "Alice", "Liddell", false]));
    // They are asked to show that the address is theirs, as who signs up here is.
    assert_eq!(server.mailbox.take().len(), 1);

    let asked = server.providers.take_asked();
    let urls: Vec<_> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.url)).collect();
    assert_eq!(urls, [TOKEN, JWKS]);
    let form = Params::parse(asked[0].body.as_deref().unwrap().as_bytes()).unwrap();
    let verifier = form.optional("code_verifier").unwrap();
    assert_eq!(base64url(&sha256(verifier.as_bytes())), sent.get("code_challenge")); // RFC 7636 §4.6
    let value = |name: &str| form.optional(name).unwrap().to_owned();
    assert_eq!(
        ["grant_type", "code", "redirect_uri"].map(value),
        ["authorization_code", "corp code+1", &format!("{ISSUER}/auth/complete/corp/")]
    );
    let basic = standard_base64(b"corp-client:the-secret-at-the-provider");
    assert!(asked[0].headers.contains(&("authorization", format!("Basic {basic}"))));
    let events: Vec<String> = events(&server);
    assert_eq!(events, ["signed_up", "logged_in"]);
}

/// The actions that were noted, the earliest first.
pub fn events(server: &TestServer) -> Vec<String> {
    let listed = server.admin("GET", "audit-events", Value::Null).json();
    let events = listed["audit_events"].as_array().unwrap().clone();
    events.iter().rev().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_comes_again_is_the_same_whatever_they_are_called_by_now() {
    let server = server();
    log_in(&browser(&server), &server, json!({}));
    server.providers.take_urls();
    server.advance(3600);
    let browser = browser(&server);
    let claims = json!({"email": "else@corp.example", "preferred_username": "else", "given_name": "Else"});
    assert_sent_to(&log_in(&browser, &server, claims), "/account/");
    assert_eq!((who(&browser).as_deref(), users(&server)), (Some("alice"), 1));
    let alice = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!((&alice["email"], &alice["first_name"]), (&json!("alice@corp.example"), &json!("Else")));
    assert_eq!(server.providers.take_urls(), [TOKEN]); // its keys are remembered
}

#[test]
fn an_address_that_is_verified_on_both_sides_is_the_same_person() {
    let server = server();
    user(&server, "older", "Alice@Corp.example", true);
    let browser = browser(&server);
    assert_sent_to(&log_in(&browser, &server, json!({})), "/account/");
    assert_eq!((who(&browser).as_deref(), users(&server)), (Some("older"), 1));
    assert!(events(&server).contains(&"social_account_linked".to_owned()));
}

#[test]
fn an_address_that_is_in_doubt_is_nobodys() {
    // Unverified here: whoever typed it here need not be them. Twice here: which one?
    let unverified: &[(&str, bool)] = &[("older", false)];
    for owners in [unverified, &[("older", true), ("other", true)], &[("older", true), ("other", false)]] {
        let server = server();
        for (name, is_verified) in owners {
            user(&server, name, "alice@corp.example", *is_verified);
        }
        let browser = browser(&server);
        let response = log_in(&browser, &server, json!({}));
        assert_refused(&response, 409, "An account here has your e-mail address already.");
        assert!(response.text().contains("connect Corp &amp; Sons to it"), "{}", response.text());
        assert_eq!((who(&browser), accounts(&server)), (None, 0));
    }
    // Unverified there: it says nothing, so they are somebody new.
    let server = server();
    user(&server, "older", "alice@corp.example", true);
    let browser = browser(&server);
    assert_sent_to(&log_in(&browser, &server, json!({"email_verified": false})), "/account/");
    assert_eq!((who(&browser).as_deref(), users(&server)), (Some("alice"), 2));
}

#[test]
fn an_answer_counts_once_here_and_now_alone() {
    // RFC 9700 §4.7
    let server = server();
    let browser = browser(&server);
    let sent = start(&browser, "/login/corp/");
    corp_knows(&server, &sent, json!({}));
    let good = sent.answer(&[("code", "c")]);
    let refused = |path: &str, by: &Browser<'_>| {
        assert_refused(&by.get(path), 400, BEGIN_AGAIN);
        assert_eq!((users(&server), server.providers.take_urls()), (0, vec![]), "{path}");
    };
    refused("/complete/corp/", &browser);
    refused("/complete/corp/?code=c", &browser);
    refused("/complete/corp/?code=c&state=", &browser);
    refused(&format!("{good}&state={}", sent.get("state")), &browser);
    refused(&good.replace(sent.get("state"), sent.get("nonce")), &browser);
    refused(&good.replace("/corp/", "/google-oauth2/"), &browser);
    refused(&good, &Browser::at(ISSUER, &server));
    let other = Browser::at(ISSUER, &server);
    start(&other, "/login/corp/");
    refused(&good, &other);
    for (from, to) in [(COOKIE, "__Host-postern_login_google-oauth2"), (COOKIE, "postern_login_corp")] {
        let moved = Browser::at(ISSUER, &server);
        moved.set_cookie(to, &browser.cookie(from).unwrap());
        refused(&good, &moved);
        refused(&good.replace("/corp/", "/google-oauth2/"), &moved);
    }
    let sealed = browser.cookie(COOKIE).unwrap();
    let tampered = browser.copy();
    let last = if sealed.ends_with('A') { "Q" } else { "A" };
    tampered.set_cookie(COOKIE, &format!("{}{last}", &sealed[..sealed.len() - 1]));
    refused(&good, &tampered);
    // None of that has cost the person anything.
    server.advance(599);
    let late = browser.copy();
    corp_knows(&server, &sent, json!({}));
    assert_sent_to(&browser.get(&good), "/account/");
    server.providers.take_urls();
    let refused_late = browser.get(&good);
    assert_refused(&refused_late, 400, BEGIN_AGAIN);
    server.advance(1);
    assert_refused(&late.get(&good), 400, BEGIN_AGAIN);
    assert!(server.providers.take_urls().is_empty());
}

#[test]
fn a_code_of_our_own_pages_is_nothing_that_a_front_end_may_bring() {
    // RFC 9700 §4.5: a thief of the code has neither the cookie nor, where the provider knows no PKCE, needs a verifier.
    let server = server();
    let front = json!({"client_id": "front", "client_type": "public", "grant_types": ["convert_token"]});
    server.admin("POST", "applications", front).assert_status(201);
    let convert = |path: &str, backend: &str, redirect_uri: &str| {
        let form = [
            ("grant_type", "convert_token"),
            ("backend", backend),
            ("code", "stolen"),
            ("redirect_uri", redirect_uri),
            ("client_id", "front"),
        ];
        server.send(form_request(&format!("{ISSUER}{path}"), &[], &form))
    };
    for (backend, path) in
        [("corp", "/login/corp/"), ("corp", "/auth/login/corp/"), ("plain", "/login/plain/")]
    {
        let sent = start(&browser(&server), path);
        if backend == "corp" {
            corp_knows(&server, &sent, json!({}));
        }
        let redirect_uri = sent.get("redirect_uri");
        convert("/auth/convert-token/", backend, redirect_uri).assert_error(400, "invalid_request");
        convert("/o/token/", backend, redirect_uri).assert_error(400, "invalid_request");
        convert(&format!("/social/{backend}/"), backend, redirect_uri).assert_status(400);
    }
    assert!(server.providers.take_urls().is_empty());
    assert_eq!(users(&server), 0);
    // A front-end may be on the same host.
    convert("/auth/convert-token/", "corp", &format!("{ISSUER}/callback/")).assert_status(200);
}

#[test]
fn a_provider_that_lets_nobody_in_is_believed() {
    let server = server();
    let too_long = "a".repeat(65);
    let errors: [&[(&str, &str)]; 6] = [
        &[("error", "access_denied")],
        &[("error", "access_denied"), ("error_description", "it says <b>why</b>")],
        &[("error", "A secret.")],
        &[("error", &too_long)],
        &[],
        &[("code", "")],
    ];
    for fields in errors {
        let browser = browser(&server);
        let sent = start(&browser, "/login/corp/?next=/o/authorized_tokens/");
        let response = browser.get(&sent.answer(fields));
        assert_refused(&response, 400, "Corp &amp; Sons has not confirmed who you are.");
        assert!(!response.text().contains("why") && browser.cookie(COOKIE).is_none());
        // The way on is not lost.
        let log_in = format!("href=\"{ISSUER}/accounts/login/?next=%2Fo%2Fauthorized_tokens%2F\"");
        assert!(response.text().contains(&log_in), "{}", response.text());
    }
    assert_eq!((users(&server), server.providers.take_urls()), (0, vec![]));
    let log = json!(server.log()).to_string();
    assert!(
        log.contains("the provider's answer: access_denied")
            && !log.contains("A secret")
            && !log.contains("aaaa")
    );
}

#[test]
fn an_answer_of_another_issuer_is_not_used() {
    // RFC 9207 §2.4
    let server = server();
    for issuer in ["https://evil.example", "https://corp.example/", "corp.example"] {
        let browser = browser(&server);
        let sent = start(&browser, "/login/corp/");
        corp_knows(&server, &sent, json!({}));
        let response = browser.get(&sent.answer(&[("code", "c"), ("iss", issuer)]));
        assert_refused(&response, 400, "has not confirmed who you are");
    }
    assert_eq!((users(&server), server.providers.take_urls()), (0, vec![]));
}

#[test]
fn what_a_code_buys_must_be_of_this_login() {
    let server = server();
    let wrong = [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another-client"}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": server.now()}),
        json!({"sub": ""}),
    ];
    for claims in wrong {
        let browser = browser(&server);
        let response = log_in(&browser, &server, claims.clone());
        assert_refused(&response, 400, "has not confirmed who you are");
        assert_eq!((users(&server), browser.cookie(SESSION)), (0, None), "{claims}");
    }
    let browser = browser(&server);
    let sent = start(&browser, "/login/corp/");
    for answer in [json!({"access_token": "x"}), json!({"error": "invalid_grant"})] {
        let status = if answer["error"].is_null() { 200 } else { 400 };
        server.providers.answer(TOKEN, status, &answer);
        let copy = browser.copy();
        assert_refused(&copy.get(&sent.answer(&[("code", "c")])), 400, "has not confirmed who you are");
    }
    // GitHub answers 200 to a code that is not good.
    server.providers.answer(
        "POST https://github.com/login/oauth/access_token",
        200,
        &json!({"error": "bad_verification_code"}),
    );
    let sent = start(&browser, "/login/github/");
    assert_refused(&browser.get(&sent.answer(&[("code", "c")])), 400, "GitHub has not confirmed");
    assert_eq!(users(&server), 0);
}

#[test]
fn a_provider_that_is_down_costs_nothing_but_another_try() {
    let server = server();
    for broken in ["keys", "status", "time", "garbage"] {
        let browser = browser(&server);
        let sent = start(&browser, "/login/corp/");
        corp_knows(&server, &sent, json!({}));
        match broken {
            "status" => server.providers.answer(TOKEN, 500, &json!({})),
            "time" => server.providers.time_out(TOKEN),
            "garbage" => server.providers.answer_bytes(TOKEN, 200, b"<html>"),
            _ => server.providers.time_out(JWKS),
        }
        let response = browser.get(&sent.answer(&[("code", "c")]));
        assert_refused(&response, 503, "Corp &amp; Sons does not answer.");
        assert!(response.header("retry-after").is_some(), "{broken}");
        assert_eq!((users(&server), accounts(&server), browser.cookie(SESSION)), (0, 0, None));
        // It has not used up what the browser keeps.
        corp_knows(&server, &sent, json!({}));
        assert_sent_to(&browser.get(&sent.answer(&[("code", "c")])), "/account/");
        assert_eq!(browser.cookie(COOKIE), None);
        server.db.execute("DELETE FROM users");
    }
    let browser = browser(&server);
    assert_sent_to(&log_in(&browser, &server, json!({})), "/account/");
}

#[test]
fn a_database_that_is_down_costs_nothing_but_another_try() {
    let server = server();
    for call in 0..2 {
        let browser = browser(&server);
        let sent = start(&browser, "/login/corp/");
        let isolate = Meddling::isolate(&server, call, Meddle::Refuse);
        corp_knows(&isolate, &sent, json!({}));
        let request = browser.get_request(&sent.answer(&[("code", "c")]));
        assert_refused(&isolate.send(request), 503, "The server cannot answer just now.");
        assert_eq!((users(&server), accounts(&server)), (0, 0), "{call}");
    }
}

#[test]
fn the_operator_says_who_may_come() {
    let server = server();
    let come = |email: &str, is_verified: bool| {
        let browser = Browser::at(ISSUER, &server);
        let sent = start(&browser, "/login/closed/");
        let answer = |what: &str, body: Value| server.providers.answer(what, 200, &body);
        answer("POST https://github.com/login/oauth/access_token", json!({"access_token": "t"}));
        answer("GET https://api.github.com/user", json!({"id": 1, "login": "mona"}));
        let emails = json!([{"email": email, "primary": true, "verified": is_verified}]);
        answer("GET https://api.github.com/user/emails", emails);
        browser.get(&sent.answer(&[("code", "c")]))
    };
    for (email, is_verified) in
        [("mona@evil.example", true), ("mona@corp.example", false), ("corp.example@evil.example", true)]
    {
        assert_refused(&come(email, is_verified), 403, "does not let this account in");
    }
    assert_eq!(users(&server), 0);
    assert_sent_to(&come("mona@CORP.example", true), "/account/");
}

#[test]
fn who_is_disabled_stays_out() {
    let server = server();
    log_in(&browser(&server), &server, json!({}));
    server.admin("PATCH", "users/alice", json!({"is_active": false})).assert_status(200);
    let browser = browser(&server);
    assert_refused(&log_in(&browser, &server, json!({})), 403, "Your account here is disabled.");
    assert_eq!(
        (browser.cookie(SESSION), server.db.number("SELECT count(*) FROM sessions WHERE user_epoch = 0")),
        (None, 1)
    );
}

#[test]
fn one_goes_on_to_our_own_pages_alone() {
    let server = server();
    let next = |next: &str| {
        let browser = browser(&server);
        let path = format!("/login/corp/?next={}", percent_encode(next));
        log_in_from(&path, &browser, &server, json!({})).header("location").unwrap().to_owned()
    };
    for good in ["/", "/o/applications/?a=b&c=%2F%22", "/account/"] {
        assert_eq!(next(good), format!("{ISSUER}{good}"));
    }
    for bad in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/a/../../b",
        "/%2e%2e/b",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/é",
        "",
    ] {
        assert_eq!(next(bad), format!("{ISSUER}/account/"), "{bad:?}");
    }
}

#[test]
fn a_pending_authorization_request_is_gone_on_with() {
    let server = server();
    let app = server.code_application();
    let browser = browser(&server);
    let page = browser.open(&app.authorization().path());
    let link = page.text().split("href=\"").find(|href| href.contains("/login/corp/")).unwrap().to_owned();
    let path = link.split('"').next().unwrap().strip_prefix(ISSUER).unwrap().replace("&amp;", "&");
    let response = log_in_from(&path, &browser, &server, json!({}));
    let path = response.header("location").unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    assert!(path.starts_with("/o/authorize/?"), "{path}");
    let consent = browser.get(&path);
    consent.assert_status(200);
    let landing = Landing::of(&browser.submit_once(&consent, &[("decision", "allow")]));
    assert_eq!(landing.get("state"), "the state");
    server.assert_good(&app.exchange(landing.get("code")).tokens().access_token);
}

/// As a browser does that has no room for longer ones (RFC 6265 §6.1).
const LONGEST_COOKIE: usize = 4096;

#[test]
fn a_long_authorization_request_is_not_lost_on_the_way() {
    let server = server();
    let redirect_uri = format!("https://app.example/{}", "c".repeat(280));
    let app = server.application().public().redirect_uri(&redirect_uri).create();
    // What is percent-encoded is three times as long.
    for state in ["s".repeat(500), "/".repeat(500)] {
        let request = app
            .authorization()
            .with("redirect_uri", &redirect_uri)
            .with("state", &state)
            .with("nonce", &"n".repeat(43))
            .with("scope", "read write groups");
        let browser = browser(&server);
        let path = format!("/login/corp/?next={}", percent_encode(&request.path()));
        let response = log_in_from(&path, &browser, &server, json!({}));
        assert_sent_to(&response, &request.path());
    }
}

#[test]
fn what_no_cookie_can_hold_is_forgotten() {
    let server = server();
    for length in (1_000..=6_000).step_by(250) {
        let browser = browser(&server);
        let next = format!("/o/authorize/?{}", "a".repeat(length));
        let path = format!("/login/corp/?next={next}");
        let response = browser.get(&path);
        assert!(set_cookies(&response)[0].len() <= LONGEST_COOKIE);
        let sent = Sent::to(&response);
        corp_knows(&server, &sent, json!({}));
        let done = browser.get(&sent.answer(&[("code", "c")]));
        let fits = length <= 2_250;
        if fits || length >= 3_000 {
            assert_sent_to(&done, if fits { &next } else { "/account/" });
        }
    }
}

#[test]
fn a_login_takes_the_place_of_the_session_that_there_was() {
    let server = server();
    server.user("bob");
    let browser = browser(&server);
    browser.log_in("bob");
    let before = browser.cookie(SESSION).unwrap();
    assert_sent_to(&log_in(&browser, &server, json!({})), "/account/");
    assert_eq!(who(&browser).as_deref(), Some("alice"));
    let old = browser.copy();
    old.set_cookie(SESSION, &before);
    assert_eq!((who(&old), server.db.number("SELECT count(*) FROM sessions")), (None, 1));
}

/// Apple's answers for a person.
pub fn apple_knows(server: &TestServer, sent: &Sent) {
    let claims = json!({
        "iss": "https://appleid.apple.com", "aud": "apple-id-client", "iat": server.now(), "exp": server.now() + 600,
        "nonce": sent.get("nonce"), "sub": "apple-1", "email": "a@privaterelay.example", "email_verified": "true",
    });
    let answer = json!({"access_token": "t", "id_token": Signer::rs256().id_token(json!({}), claims)});
    server.providers.answer("POST https://appleid.apple.com/auth/token", 200, &answer);
    server.providers.answer(
        "GET https://appleid.apple.com/auth/keys",
        200,
        &json!({"keys": [Signer::rs256().jwk()]}),
    );
}

#[test]
fn apple_posts_its_answer_and_the_name() {
    // OAuth 2.0 Form Post Response Mode
    let server = server();
    let come = |user: &str| {
        let browser = browser(&server);
        let sent = start(&browser, "/login/apple-id/");
        apple_knows(&server, &sent);
        let form = [("state", sent.get("state")), ("code", "apple-code"), ("user", user)];
        let response = post_from_elsewhere(&browser, &server, "/complete/apple-id/", &[APPLE_COOKIE], &form);
        assert_sent_to(&response, "/account/");
        assert_eq!((who(&browser).is_some(), browser.cookie(APPLE_COOKIE)), (true, None));
        let users = server.admin("GET", "users", Value::Null).json();
        [&users["users"][0]["first_name"], &users["users"][0]["last_name"]]
            .map(|name| name.as_str().unwrap().to_owned())
    };
    let name = r#"{"name": {"firstName": "Jo <b>\u0007", "lastName": "Doe"}, "email": "evil@corp.example"}"#;
    assert_eq!(come(name), ["Jo <b>", "Doe"]);
    assert_eq!(server.db.text("SELECT email FROM users"), "a@privaterelay.example");
    // It is told only once, and nonsense takes nothing away.
    for nonsense in ["", "{", "[]", r#"{"name": 1}"#, r#"{"name": {"firstName": 1}}"#] {
        assert_eq!(come(nonsense), ["Jo <b>", "Doe"]);
    }
    let asked = server.providers.take_asked();
    let form = Params::parse(asked[0].body.as_deref().unwrap().as_bytes()).unwrap();
    assert_eq!(form.optional("client_secret").unwrap().split('.').count(), 3);
    assert_eq!(form.optional("code_verifier"), None);

    let browser = browser(&server);
    let sent = start(&browser, "/login/apple-id/");
    let form = [("state", sent.get("state")), ("code", "apple-code")];
    let without = post_from_elsewhere(&browser, &server, "/complete/apple-id/", &[], &form);
    assert_refused(&without, 400, BEGIN_AGAIN);
}

#[test]
fn google_one_tap_posts_an_id_token() {
    let server = server();
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": "google-oauth2-client", "iat": server.now(),
        "exp": server.now() + 600, "sub": "g-1", "email": "alice@gmail.example", "email_verified": true,
    });
    let mut foreign = claims.clone();
    foreign["aud"] = json!("another-client");
    let keys = json!({"keys": [Signer::rs256().jwk()]});
    server.providers.answer("GET https://www.googleapis.com/oauth2/v3/certs", 200, &keys);
    let token = |claims: &Value| Signer::rs256().id_token(json!({}), claims.clone());
    let post = |backend: &str, token: &str, posted: &str, kept: &str| {
        let headers = [("cookie", format!("g_csrf_token={kept}"))];
        let headers = [("cookie", headers[0].1.as_str())];
        let form = [("credential", token), ("g_csrf_token", posted)];
        let path = format!("{ISSUER}/complete/{backend}/?next=/o/authorized_tokens/");
        server.send(form_request(&path, &headers, &form))
    };
    let good = token(&claims);
    for (posted, kept) in [("", ""), ("a", ""), ("", "a"), ("a", "b"), ("a", "aa")] {
        assert_refused(&post("google-oauth2", &good, posted, kept), 400, BEGIN_AGAIN);
    }
    assert_refused(&post("corp", &good, "a", "a"), 400, BEGIN_AGAIN); // it has none
    assert!(server.providers.take_urls().is_empty());
    let refused = post("google-oauth2", &token(&foreign), "a", "a");
    assert_refused(&refused, 400, "Google has not confirmed who you are.");
    assert_refused(
        &post("google-oauth2", "nonsense", "a", "a"),
        400,
        "Google has not confirmed who you are.",
    );
    assert_eq!(users(&server), 0);
    let browser = browser(&server);
    let response = browser.receive(post("google-oauth2", &good, "a", "a"));
    assert_sent_to(&response, "/o/authorized_tokens/");
    assert_eq!(who(&browser).as_deref(), Some("alice"));
}

#[test]
fn an_address_that_brings_too_much_that_is_not_confirmed_is_told_to_wait() {
    let server = server_with(&[("ADDRESS_FAILURE_LIMIT", "2/600")]);
    let from = |mut request: postern::call::Request, address: &'static str| {
        request.headers_mut().insert("cf-connecting-ip", address.parse().unwrap());
        server.send(request)
    };
    let browser = browser(&server);
    let sent = start(&browser, "/login/corp/");
    let answer = |code: &str| browser.get_request(&sent.answer(&[("code", code)]));
    // What the person says themselves is no failure.
    let request = || browser.get_request(&sent.answer(&[("error", "access_denied")]));
    for _ in 0..3 {
        assert_refused(&from(request(), "192.0.2.1"), 400, "Corp &amp; Sons has not confirmed who you are.");
    }
    server.providers.answer(TOKEN, 400, &json!({"error": "invalid_grant"}));
    let statuses = ["a", "b", "c", "d"].map(|code| from(answer(code), "192.0.2.1").status());
    assert_eq!(statuses, [400, 400, 429, 429]);
    assert_eq!(server.providers.take_urls().len(), 3);
    let one_tap = || {
        let headers = [("cookie", "g_csrf_token=a")];
        let form = [("credential", "nonsense"), ("g_csrf_token", "a")];
        form_request(&format!("{ISSUER}/complete/google-oauth2/"), &headers, &form)
    };
    assert_eq!(from(one_tap(), "192.0.2.1").status(), 429);
    assert_eq!([(); 3].map(|()| from(one_tap(), "192.0.2.2").status()), [400, 400, 429]);
    // It has not used up what the browser keeps.
    let refused = from(answer("e"), "192.0.2.1");
    assert!(set_cookies(&refused).is_empty() && refused.header("retry-after") == Some("600"));
    // Others get in.
    corp_knows(&server, &sent, json!({}));
    from(answer("f"), "192.0.2.3").assert_status(303);
}

#[test]
fn two_tabs_do_not_hurt_each_other() {
    let server = server();
    let browser = browser(&server);
    let (first, second) = (start(&browser, "/login/corp/"), start(&browser, "/login/corp/"));
    let github = start(&browser, "/login/github/");
    // The later one counts, and the earlier one does not end it. Another provider's is by itself.
    assert_refused(&browser.get(&first.answer(&[("code", "c")])), 400, BEGIN_AGAIN);
    corp_knows(&server, &second, json!({}));
    assert_sent_to(&browser.get(&second.answer(&[("code", "c")])), "/account/");
    let denied = browser.get(&github.answer(&[("error", "access_denied")]));
    assert_refused(&denied, 400, "GitHub has not confirmed");
    assert_eq!(who(&browser).as_deref(), Some("alice"));
}

#[test]
fn only_providers_that_people_are_sent_to_have_a_button() {
    let server = server();
    for (page, other) in [("login", "signup"), ("signup", "login")] {
        let text = browser(&server).get(&format!("/accounts/{page}/?next=/o/authorized_tokens/")).text();
        assert_eq!(text.matches("Continue with ").count(), 13, "{text}");
        let href = format!(
            "href=\"{ISSUER}/login/corp/?next=%2Fo%2Fauthorized_tokens%2F\">Continue with Corp &amp; Sons<"
        );
        assert!(text.contains(&href), "{text}");
        assert!(!text.contains("facebook-limited-login"));
        assert!(text.contains(&format!("/accounts/{other}/?next=%2Fo%2Fauthorized_tokens%2F")));
    }
    let without = TestServer::new();
    for page in ["login", "signup"] {
        let text = without.get(&format!("/accounts/{page}/")).text();
        assert!(!text.contains("Continue with") && !text.contains("class=\"button\""), "{text}");
    }
}

#[test]
fn a_provider_without_a_login_page_has_none_of_ours() {
    let server = server();
    for path in [
        "/login/facebook-limited-login/",
        "/login/nobody/",
        "/auth/login/nobody/",
        "/complete/nobody/?code=c",
    ] {
        browser(&server).get(path).assert_status(404);
    }
    assert!(server.providers.take_urls().is_empty());
}

#[test]
fn other_methods_are_refused() {
    let server = server();
    for (path, allow) in [
        ("/login/corp/", "GET, POST, HEAD"),
        ("/complete/corp/", "GET, POST, HEAD"),
        ("/disconnect/corp/", "POST"),
        ("/disconnect/corp/x/", "POST"),
    ] {
        for prefix in ["", "/auth"] {
            for method in [Method::PUT, Method::DELETE, Method::PATCH] {
                let response = server.send(request(method, &format!("{ISSUER}{prefix}{path}"), &[], ""));
                response.assert_status(405);
                assert_eq!(response.header("allow"), Some(allow), "{prefix}{path}");
            }
        }
    }
    let response = browser(&server).get("/disconnect/corp/");
    assert_eq!((response.status(), response.header("allow")), (405, Some("POST")));
}

#[test]
fn an_issuer_may_have_a_path() {
    for path in ["/sso", "/auth", "/auth/login"] {
        let issuer = format!("https://auth.example{path}");
        let server = server_with(&[("ISSUER", &issuer)]);
        let browser = Browser::at(&issuer, &server);
        for (login, complete) in [("/login", "/complete"), ("/auth/login", "/auth/complete")] {
            let sent = start(&browser, &format!("{login}/corp/"));
            assert_eq!(sent.get("redirect_uri"), format!("{issuer}{complete}/corp/"));
            corp_knows(&server, &sent, json!({}));
            let back = format!("{complete}/corp/?code=c&state={}", sent.get("state"));
            let response = browser.get(&back);
            assert_eq!(response.assert_status(303).header("location"), Some(&*format!("{issuer}/account/")));
        }
        let link = format!("href=\"{issuer}/login/corp/?next=%2Faccount%2F\"");
        assert!(browser.get("/accounts/login/").text().contains(&link) || who(&browser).is_some());
    }
}

#[test]
fn what_is_secret_is_neither_logged_nor_stored() {
    let server = server();
    let browser = browser(&server);
    let sent = start(&browser, "/login/corp/");
    corp_knows(&server, &sent, json!({}));
    let good = sent.answer(&[("code", "corp-code")]);
    let other = Browser::at(ISSUER, &server);
    other.get(&good);
    server.providers.answer(
        TOKEN,
        400,
        &json!({"error": "invalid_grant", "error_description": "corp-code is bad"}),
    );
    browser.copy().get(&good);
    server.providers.time_out(TOKEN);
    browser.copy().get(&good);
    corp_knows(&server, &sent, json!({}));
    let cookie = browser.cookie(COOKIE).unwrap();
    assert_sent_to(&browser.get(&good), "/account/");
    let asked = server.providers.take_asked();
    let form = Params::parse(asked[0].body.as_deref().unwrap().as_bytes()).unwrap();
    let verifier = form.optional("code_verifier").unwrap();
    let (log, dump) = (json!(server.log()).to_string(), server.db.dump());
    assert!(!server.log().is_empty());
    for secret in [
        "corp-code",
        "corp-access-token",
        "corp-refresh-token",
        "the-secret-at-the-provider",
        verifier,
        sent.get("state"),
        sent.get("nonce"),
        &cookie,
        &browser.cookie(SESSION).unwrap(),
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(!dump.contains(secret), "{secret} in the database");
    }
}

#[test]
fn two_browsers_of_a_new_person_make_one_user() {
    let server = server();
    let browsers = [browser(&server), browser(&server)];
    let sent = browsers.each_ref().map(|browser| start(browser, "/login/plain/"));
    server.providers.answer("POST https://plain.example/token", 200, &json!({"access_token": "t"}));
    server.providers.answer("GET https://plain.example/me", 200, &json!({"id": 7, "username": "alice"}));
    let requests = browsers.iter().zip(&sent).map(|(browser, sent)| {
        browser.get_request(&format!("/complete/plain/?code=c&state={}", sent.get("state")))
    });
    for (browser, response) in browsers.iter().zip(server.send_all(requests.collect())) {
        assert_sent_to(&browser.receive(response), "/account/");
        assert_eq!(who(browser).as_deref(), Some("alice"));
    }
    assert_eq!((users(&server), accounts(&server)), (1, 1));
}

#[test]
fn a_taken_name_gets_an_end_of_its_own() {
    let server = server();
    server.user("Alice");
    let browser = browser(&server);
    log_in(&browser, &server, json!({}));
    let name = who(&browser).unwrap();
    let end = name.strip_prefix("alice").unwrap();
    assert!(end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    let page = browser.get("/accounts/login/");
    let tried = browser.submit_once(&page, &[("username", &name), ("password", PASSWORD)]);
    tried.assert_status(400); // they have no password
}
