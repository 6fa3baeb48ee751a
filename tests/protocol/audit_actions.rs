//! Whatever is noted is noted with who did it, to what, when, and from where: each action, in each way to do it.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::applications_pages::{path, register};
use crate::architecture::sources;
use crate::auth_housekeeping::{REFRESH, REVOKE, SESSIONS, end};
use crate::convert_token::disconnect;
use crate::guessing::{WRONG, sign_up, with_chosen_secret};
use crate::mail_pages::ask;
use crate::oauth1::mover;
use crate::social::{TOKEN_EXCHANGE, convert, post_json};
use crate::social_accounts::{self, link};
use crate::social_login::{ISSUER, JWKS, MAIL, browser, log_in, server_with, user};
use crate::support::oauth1::{SigningClient, verifier_of};
use crate::support::{
    AuthorizationRequest, Browser, CALLBACK, PASSWORD, Signer, TestClient, TestServer, Tokens,
};

const HERE: &str = "2001:db8::7";
const NEW_PASSWORD: &str = "another horse battery";
const EMAIL: &str = "alice@corp.example";

/// A server that can do everything, and alice, whose e-mail address is verified.
struct Scene {
    server: TestServer,
    alice: String,
    /// The last event before it begins.
    before: Cell<i64>,
}

/// Who did it, and to what.
type Noted = (String, String);

impl Scene {
    fn new() -> Self {
        let own = [
            ("APPLICATION_REGISTRATION", "anyone"),
            ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", "0"),
            ("LOGIN_FAILURE_LIMIT", "1/900"),
            ("ADDRESS_FAILURE_LIMIT", "2/900"),
            ("SIGN_UP_LIMIT", "1/900"),
        ];
        let server = server_with(&[&own, MAIL].concat());
        user(&server, "alice", EMAIL, true);
        let alice = server.db.text("SELECT id FROM users");
        Self { server, alice, before: Cell::new(0) }
    }

    /// From here on, it comes from [`HERE`], and later.
    fn begin(&self) {
        self.server.advance(7);
        self.server.address.set(Some(HERE));
        self.before.set(self.server.db.number("SELECT max(id) FROM audit_events"));
    }

    /// The only, or last, id in a table.
    fn id(&self, table: &str) -> String {
        self.server.db.text(&format!("SELECT id FROM {table} ORDER BY created_at DESC"))
    }

    fn by_alice(&self, target: impl Into<String>) -> Noted {
        (format!("user {}", self.alice), target.into())
    }

    fn by_alice_to(&self, kind: &str, table: &str) -> Noted {
        self.by_alice(format!("{kind} {}", self.id(table)))
    }

    /// As for a new user, who did it themselves.
    fn by_themselves(&self) -> Noted {
        let id = self.id("users");
        assert_ne!(id, self.alice);
        (format!("user {id}"), id)
    }

    fn by_application(&self) -> Noted {
        (format!("application {}", self.id("applications")), format!("family {}", self.id("families")))
    }

    fn by_operator(&self, table: &str) -> Noted {
        ("operator".to_owned(), self.id(table))
    }

    fn admin(&self, method: &str, path: &str, body: Value) {
        let status = self.server.admin(method, path, body).status();
        assert!((200..300).contains(&status), "{status}");
    }

    /// Alice in a browser.
    fn browser(&self) -> Browser<'_> {
        let browser = browser(&self.server);
        browser.log_in("alice");
        browser
    }

    /// An application for everything of OAuth 2 that needs no provider.
    fn app(&self) -> TestClient<'_> {
        let grants = ["authorization_code", "implicit", "password", "refresh_token"];
        self.server.application().public().grants(&grants).redirect_uri(CALLBACK).create()
    }

    fn logged_in(&self) -> (TestClient<'_>, Tokens) {
        let app = self.app();
        let tokens = app.log_in("alice");
        (app, tokens)
    }

    /// An application for proofs of providers.
    fn converter(&self) -> TestClient<'_> {
        let grants = ["convert_token", TOKEN_EXCHANGE, "password"];
        self.server.application().public().grants(&grants).create()
    }

    /// An application of alice's, by its client_id.
    fn of_alice(&self) -> String {
        let body = json!({"client_type": "confidential", "client_name": "Notes", "owner": "alice",
            "redirect_uris": [CALLBACK], "scope": "read"});
        let created = self.server.admin("POST", "applications", body).assert_status(201).json();
        created["client_id"].as_str().unwrap().to_owned()
    }

    /// Presses the button of a page about that application.
    fn press(&self, action: &str, values: &[(&str, &str)]) -> Noted {
        let (path, browser) = (path(&self.of_alice(), action), self.browser());
        let page = browser.get(&path);
        self.begin();
        browser.submit_to(&path, &page, values);
        self.by_alice(self.id("applications"))
    }

    /// What Corp says of somebody with this address.
    fn id_token(&self, email: &str) -> String {
        let claims = json!({
            "iss": "https://corp.example", "aud": "corp-client", "iat": self.server.now(),
            "exp": self.server.now() + 600, "sub": "corp-1", "email": email, "email_verified": true,
        });
        self.server.providers.answer(JWKS, 200, &json!({"keys": [Signer::rs256().jwk()]}));
        Signer::rs256().id_token(json!({}), claims)
    }

    /// Somebody comes with that.
    fn convert(&self, email: &str) {
        let app = self.converter();
        let token = self.id_token(email);
        self.begin();
        convert(&self.server, &app.client_id, "corp", &[("id_token", &token)]).tokens();
    }

    /// Alice with an account at Corp, and the id of that.
    fn linked(&self) -> (Browser<'_>, String) {
        let alice = self.browser();
        link(&alice, &self.server, json!({})).assert_status(303);
        (alice, self.id("social_accounts"))
    }

    /// The path of the link in the only e-mail that has arrived.
    fn mailed(&self) -> String {
        let mails = self.server.mailbox.take();
        assert_eq!(mails.len(), 1);
        let link = mails[0].text.lines().find_map(|line| line.strip_prefix(ISSUER));
        link.expect("a link").to_owned()
    }

    /// By the link that who has forgotten their password is sent.
    fn reset_password(&self) {
        ask(&browser(&self.server), EMAIL).assert_status(303);
        let (browser, path) = (browser(&self.server), self.mailed());
        let page = browser.get(&path);
        self.begin();
        browser.submit_once(&page, &[("password", NEW_PASSWORD)]).assert_status(303);
    }

    /// A client of OAuth 1.0a, and the page on which alice is asked for it.
    fn asked(&self) -> (SigningClient<'_>, Browser<'_>, String) {
        let client = SigningClient::of(&mover(&self.server).create(), &self.server);
        let unsigned = client.unsigned("POST", &format!("{ISSUER}/oauth/request_token/"));
        let temporary = self.server.send(unsigned.oauth("oauth_callback", "oob").sign()).credentials();
        let path = format!("/oauth/authorize/?oauth_token={}", temporary.token);
        (client.with_token(&temporary), self.browser(), path)
    }
}

/// An action, and one way to do it.
type Way = (&'static str, fn(&Scene) -> Noted);

const WAYS: &[Way] = &[
    ("signed_up", |s| {
        s.begin();
        s.server.user("bob");
        s.by_themselves()
    }),
    ("signed_up", |s| {
        let browser = browser(&s.server);
        let page = browser.get("/accounts/signup/");
        s.begin();
        browser.submit_once(&page, &[("username", "bob"), ("password", PASSWORD)]).assert_status(303);
        s.by_themselves()
    }),
    ("signed_up", |s| {
        let browser = browser(&s.server);
        s.begin();
        log_in(&browser, &s.server, json!({"email": "bob@corp.example"})).assert_status(303);
        s.by_themselves()
    }),
    ("signed_up", |s| {
        s.convert("bob@corp.example");
        s.by_themselves()
    }),
    ("logged_in", |s| {
        let app = s.app();
        s.begin();
        app.log_in("alice");
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        let app = s.app();
        let code = s.browser().code(&app.authorization());
        s.begin();
        app.exchange(&code).tokens();
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        let (app, browser) = (s.app(), s.browser());
        s.begin();
        browser.authorize(&AuthorizationRequest::for_token(&app.client_id)).get("access_token");
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        s.convert(EMAIL);
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        let (app, token) = (s.converter(), s.id_token(EMAIL));
        s.begin();
        let body = json!({"id_token": token, "client_id": app.client_id});
        post_json(&s.server, "/social/corp/", &body).assert_status(200);
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        let client = SigningClient::of(&mover(&s.server).create(), &s.server);
        s.begin();
        let unsigned = client.unsigned("POST", &format!("{ISSUER}/oauth/access_token/"));
        let unsigned = unsigned.form("x_auth_mode", "client_auth").form("x_auth_username", "alice");
        s.server.send(unsigned.form("x_auth_password", PASSWORD).sign()).credentials();
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        let (client, browser, path) = s.asked();
        let verifier = verifier_of(&browser.submit(&browser.get(&path), &[("decision", "allow")]));
        s.begin();
        let unsigned = client.unsigned("POST", &format!("{ISSUER}/oauth/access_token/"));
        s.server.send(unsigned.oauth("oauth_verifier", &verifier).sign()).credentials();
        s.by_alice_to("application", "applications")
    }),
    ("logged_in", |s| {
        s.begin();
        s.browser();
        s.by_alice_to("session", "sessions")
    }),
    ("logged_in", |s| {
        let browser = browser(&s.server);
        s.begin();
        log_in(&browser, &s.server, json!({})).assert_status(303);
        s.by_alice_to("session", "sessions")
    }),
    ("logged_out", |s| {
        let browser = s.browser();
        let (page, session) = (browser.get("/accounts/logout/"), s.id("sessions"));
        s.begin();
        browser.submit_once(&page, &[]).assert_status(303);
        s.by_alice(format!("session {session}"))
    }),
    ("session_ended", |s| {
        let (here, session) = (s.browser(), s.id("sessions"));
        s.begin();
        here.submit_to("/account/sessions/", &here.get("/account/"), &[("end", &session)]);
        s.by_alice(format!("session {session}"))
    }),
    ("other_sessions_ended", |s| {
        let (here, _there) = (s.browser(), s.browser());
        s.begin();
        here.submit_to("/account/sessions/", &here.get("/account/"), &[("end", "others")]);
        s.by_alice(&s.alice)
    }),
    ("authorized", |s| {
        let (app, browser) = (s.app(), s.browser());
        s.begin();
        browser.code(&app.authorization());
        s.by_alice_to("application", "applications")
    }),
    ("authorized", |s| {
        let (_, browser, path) = s.asked();
        let page = browser.get(&path);
        s.begin();
        browser.submit(&page, &[("decision", "allow")]);
        s.by_alice_to("application", "applications")
    }),
    ("grant_ended", |s| {
        s.logged_in();
        let (browser, path) = (s.browser(), format!("/o/authorized_tokens/{}/delete/", s.id("grants")));
        let page = browser.get(&path);
        s.begin();
        browser.submit_to(&path, &page, &[]);
        s.by_alice_to("grant", "grants")
    }),
    ("tokens_revoked", |s| {
        let (app, tokens) = s.logged_in();
        s.begin();
        app.revoke(&tokens.access_token).assert_status(200);
        s.by_application()
    }),
    ("tokens_revoked", |s| {
        let (app, tokens) = s.logged_in();
        s.begin();
        end(&app, &s.server, REVOKE, &tokens.access_token).assert_status(204);
        s.by_alice_to("family", "families")
    }),
    ("tokens_revoked", |s| {
        let (app, tokens) = s.logged_in();
        s.begin();
        end(&app, &s.server, SESSIONS, &tokens.access_token).assert_status(204);
        s.by_alice_to("grant", "grants")
    }),
    ("refresh_tokens_revoked", |s| {
        let (app, tokens) = s.logged_in();
        s.begin();
        end(&app, &s.server, REFRESH, &tokens.access_token).assert_status(204);
        s.by_alice_to("grant", "grants")
    }),
    ("refresh_token_reused", |s| {
        let (app, tokens) = s.logged_in();
        app.refresh(tokens.refresh()).tokens();
        s.begin();
        app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
        s.by_application()
    }),
    ("authorization_code_reused", |s| {
        let app = s.app();
        let code = s.browser().code(&app.authorization());
        app.exchange(&code).tokens();
        s.begin();
        app.exchange(&code).assert_error(400, "invalid_grant");
        s.by_application()
    }),
    ("account_locked", |s| {
        let app = s.app();
        s.begin();
        for _ in 0..2 {
            app.password("alice", WRONG).assert_error(400, "invalid_grant");
        }
        ("anybody".to_owned(), format!("user {}", s.alice))
    }),
    ("account_locked", |s| {
        let app = with_chosen_secret(&s.server).with_secret(Some(WRONG));
        s.begin();
        for _ in 0..2 {
            app.client_credentials().assert_error(401, "invalid_client");
        }
        ("anybody".to_owned(), format!("application {}", s.id("applications")))
    }),
    ("account_locked", |s| {
        let browser = browser(&s.server);
        let page = browser.get("/accounts/login/");
        s.begin();
        for _ in 0..2 {
            browser.submit_once(&page, &[("username", "alice"), ("password", WRONG)]);
        }
        ("anybody".to_owned(), format!("user {}", s.alice))
    }),
    ("address_blocked", |s| {
        let app = s.app();
        s.begin();
        for name in ["a", "b", "c"] {
            app.password(name, WRONG);
        }
        ("anybody".to_owned(), "2001:db8::".to_owned())
    }),
    ("address_blocked", |s| {
        s.begin();
        for (name, status) in [("bob", 201), ("carol", 429)] {
            s.server.send(sign_up(name)).assert_status(status);
        }
        ("anybody".to_owned(), "2001:db8::".to_owned())
    }),
    ("user_created", |s| {
        s.begin();
        s.admin("POST", "users", json!({"username": "bob"}));
        s.by_operator("users")
    }),
    ("user_changed", |s| {
        s.begin();
        s.admin("PATCH", "users/alice", json!({"first_name": "Alice"}));
        s.by_operator("users")
    }),
    ("user_changed", |s| {
        s.begin();
        s.admin("DELETE", "users/alice", Value::Null);
        ("operator".to_owned(), s.alice.clone())
    }),
    ("user_changed", |s| {
        let browser = s.browser();
        s.begin();
        browser.submit_to("/account/", &browser.get("/account/"), &[("first_name", "Alice")]);
        s.by_alice(&s.alice)
    }),
    ("user_deleted", |s| {
        s.begin();
        s.admin("DELETE", "users/alice", Value::Null);
        ("operator".to_owned(), s.alice.clone())
    }),
    ("user_logged_out", |s| {
        s.begin();
        s.admin("POST", "users/alice/logout", Value::Null);
        s.by_operator("users")
    }),
    ("user_logged_out", |s| {
        let browser = s.browser();
        s.begin();
        browser.submit_to("/account/sessions/", &browser.get("/account/"), &[("end", "everywhere")]);
        s.by_alice(&s.alice)
    }),
    ("password_set", |s| {
        s.begin();
        s.admin("POST", "users/alice/set-password", json!({"password": NEW_PASSWORD}));
        s.by_operator("users")
    }),
    ("password_set", |s| {
        let browser = s.browser();
        let page = browser.get("/accounts/password/");
        s.begin();
        let form = [("current_password", PASSWORD), ("password", NEW_PASSWORD)];
        browser.submit_once(&page, &form).assert_status(303);
        s.by_alice(&s.alice)
    }),
    ("password_reset", |s| {
        s.reset_password();
        s.by_alice(&s.alice)
    }),
    ("email_verified", |s| {
        s.admin("PATCH", "users/alice", json!({"email_verified": false}));
        let browser = s.browser();
        browser.submit_once(&browser.get("/accounts/email/verify/"), &[]);
        let page = browser.get(&s.mailed());
        s.begin();
        browser.submit_once(&page, &[]).assert_status(303);
        s.by_alice(&s.alice)
    }),
    ("application_created", |s| {
        s.begin();
        s.app();
        s.by_operator("applications")
    }),
    ("application_created", |s| {
        let browser = s.browser();
        s.begin();
        register(&browser, &[("client_name", "Notes")]).assert_status(303);
        s.by_alice(s.id("applications"))
    }),
    ("application_changed", |s| {
        let path = format!("applications/{}", s.of_alice());
        s.begin();
        s.admin("PATCH", &path, json!({"client_name": "Words"}));
        s.by_operator("applications")
    }),
    ("application_changed", |s| s.press("update/", &[("client_name", "Words")])),
    ("application_changed", |s| {
        let path = format!("applications/{}", s.of_alice());
        let id = s.id("applications");
        s.begin();
        s.admin("DELETE", &path, Value::Null);
        ("operator".to_owned(), id)
    }),
    ("application_deleted", |s| {
        let path = format!("applications/{}", s.of_alice());
        let id = s.id("applications");
        s.begin();
        s.admin("DELETE", &path, Value::Null);
        ("operator".to_owned(), id)
    }),
    ("secret_rotated", |s| {
        let path = format!("applications/{}/rotate-secret", s.of_alice());
        s.begin();
        s.admin("POST", &path, Value::Null);
        s.by_operator("applications")
    }),
    ("secret_rotated", |s| s.press("rotate-secret/", &[])),
    ("social_account_linked", |s| {
        let browser = s.browser();
        s.begin();
        link(&browser, &s.server, json!({"email": "else@corp.example"})).assert_status(303);
        s.by_alice_to("social account", "social_accounts")
    }),
    ("social_account_linked", |s| {
        let browser = browser(&s.server);
        s.begin();
        log_in(&browser, &s.server, json!({})).assert_status(303);
        s.by_alice_to("social account", "social_accounts")
    }),
    ("social_account_linked", |s| {
        s.convert(EMAIL);
        s.by_alice_to("social account", "social_accounts")
    }),
    ("social_account_disconnected", |s| {
        let (browser, account) = s.linked();
        s.begin();
        social_accounts::disconnect(&browser, "corp").assert_status(303);
        s.by_alice(format!("social account {account}"))
    }),
    ("social_account_disconnected", |s| {
        s.linked();
        let token = s.converter().log_in("alice").access_token;
        s.begin();
        disconnect(&s.server, &token, &[("backend", "corp")]).assert_status(204);
        s.by_alice("provider corp")
    }),
    ("social_account_disconnected", |s| {
        s.linked();
        s.admin("PATCH", "users/alice", json!({"email_verified": false}));
        s.reset_password();
        s.by_alice("all providers")
    }),
];

#[test]
fn each_is_noted_with_who_did_it_to_what_when_and_from_where() {
    for (n, (action, act)) in WAYS.iter().enumerate() {
        let scene = Scene::new();
        let (actor, target) = act(&scene);
        let (before, now) = (scene.before.get(), scene.server.now());
        assert!(before > 0, "{n}: {action} has no beginning");
        scene.server.address.set(None);
        let listed = scene.server.admin("GET", "audit-events", Value::Null).json();
        let mut events = listed["audit_events"].as_array().unwrap().clone();
        events.retain(|event| event["id"].as_i64() > Some(before));
        // What came along with it did so in the same moment, and from the same place.
        for event in &events {
            assert_eq!(
                (&event["created_at"], &event["address"]),
                (&json!(now), &json!(HERE)),
                "{n}: {event}"
            );
        }
        events.retain(|event| event["action"] == *action);
        let noted: Vec<_> = events.iter().map(|event| (&event["actor"], &event["target"])).collect();
        assert_eq!(noted, [(&json!(actor), &json!(target))], "{n}: {action}");
    }
}

#[test]
fn there_is_a_way_for_each_place_that_notes_an_action() {
    let sources = sources();
    let names: Vec<(&str, &str)> = include_str!("../../src/model/audit.rs")
        .split("Self::")
        .filter_map(|arm| {
            arm.split_once(" => \"").map(|(name, rest)| (name, rest.split('"').next().unwrap()))
        })
        .collect();
    assert!(names.len() > 20);
    for (variant, name) in names {
        let noting = format!("Action::{variant},");
        let places: usize = sources.iter().map(|(_, _, source)| source.matches(&noting).count()).sum();
        let ways = WAYS.iter().filter(|(action, _)| *action == name).count();
        assert!(places > 0 && ways >= places, "{name}: {places} places, {ways} ways");
    }
}
