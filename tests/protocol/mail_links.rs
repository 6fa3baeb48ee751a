//! One-time links by e-mail, below their pages: who gets one, and that using it is one statement.

use futures_executor::block_on;
use futures_util::future::join_all;
use http::Method;
use postern::crypto::secret::Secret;
use postern::grants::mail_links;
use postern::model::address::Address;
use postern::model::id::UserId;
use postern::model::mail_link::{LinkHolder, LinkSecret, MailLink, Purpose};
use postern::protocol::error::OAuthError;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, request};

const EMAIL: &str = "ann@mail.example";
const NEW_PASSWORD: &str = "another horse battery";

/// Signs up, with an e-mail address.
fn sign_up(server: &TestServer, username: &str, email: &str) {
    let body = json!({"username": username, "password": PASSWORD, "email": email}).to_string();
    let headers = [("content-type", "application/json")];
    server.send(request(Method::POST, "/sign_up/", &headers, &body)).assert_status(201);
}

fn ask_from(server: &TestServer, email: &str, address: &str) -> Result<Vec<MailLink>, OAuthError> {
    block_on(mail_links::ask_to_reset(email, Address::parse(address), &server.app))
}

fn ask(server: &TestServer, email: &str) -> Vec<MailLink> {
    ask_from(server, email, "").unwrap()
}

fn ask_one(server: &TestServer) -> MailLink {
    let mut links = ask(server, EMAIL);
    assert_eq!(links.len(), 1);
    links.remove(0)
}

fn usernames(links: &[MailLink]) -> Vec<&str> {
    links.iter().map(|link| link.username.as_str()).collect()
}

fn find(server: &TestServer, link: &MailLink, purpose: Purpose) -> Option<LinkHolder> {
    block_on(mail_links::find(&link.secret, purpose, &server.app)).unwrap()
}

fn find_reset(server: &TestServer, link: &MailLink) -> Option<LinkHolder> {
    find(server, link, Purpose::ResetPassword)
}

fn reset(server: &TestServer, link: &LinkSecret, holder: &LinkHolder, password: &str) -> bool {
    let password = Secret::new(password);
    block_on(mail_links::reset_password(link, holder, &password, None, &server.app)).unwrap()
}

/// Asks for a link to verify the address that a user has.
fn ask_to_verify(server: &TestServer, username: &str) -> Option<MailLink> {
    let user = server.admin("GET", &format!("users/{username}"), Value::Null).json();
    let id = UserId::parse(user["id"].as_str().unwrap()).unwrap();
    block_on(mail_links::ask_to_verify(&id, user["email"].as_str().unwrap(), &server.app)).unwrap()
}

fn verify(server: &TestServer, link: &MailLink, holder: &LinkHolder) -> bool {
    block_on(mail_links::verify_email(&link.secret, holder, None, &server.app)).unwrap()
}

fn is_verified(server: &TestServer, username: &str) -> bool {
    server.admin("GET", &format!("users/{username}"), Value::Null).json()["email_verified"] == true
}

fn change(server: &TestServer, username: &str, patch: Value) {
    server.admin("PATCH", &format!("users/{username}"), patch).assert_status(200);
}

fn actions(server: &TestServer) -> Vec<String> {
    let events = server.admin("GET", "audit-events", Value::Null).json();
    let events = events["audit_events"].as_array().unwrap().clone();
    events.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_link_sets_a_new_password_and_ends_all_tokens() {
    let server = TestServer::new();
    let app = server.public_application();
    sign_up(&server, "ann", EMAIL);
    let tokens = app.log_in("ann");
    let link = ask_one(&server);
    let holder = find_reset(&server, &link).unwrap();
    assert_eq!((holder.username.as_str(), holder.email.as_str()), ("ann", EMAIL));
    server.assert_good(&tokens.access_token);
    assert!(reset(&server, &link.secret, &holder, NEW_PASSWORD));
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    app.password("ann", PASSWORD).assert_error(400, "invalid_grant");
    app.password("ann", NEW_PASSWORD).tokens();
    assert!(is_verified(&server, "ann"), "who got the link reads the mailbox");
    assert_eq!(actions(&server).iter().filter(|action| *action == "password_reset").count(), 1);
}

#[test]
fn a_link_is_used_once() {
    let server = TestServer::new();
    let app = server.public_application();
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    let holder = find_reset(&server, &link).unwrap();
    assert!(reset(&server, &link.secret, &holder, NEW_PASSWORD));
    assert!(find_reset(&server, &link).is_none());
    assert!(!reset(&server, &link.secret, &holder, "a third horse battery"));
    app.password("ann", NEW_PASSWORD).tokens();
    assert_eq!(server.db.number("SELECT count(*) FROM mail_links"), 0);
}

#[test]
fn of_many_uses_at_once_one_wins() {
    let server = TestServer::new();
    let app = server.public_application();
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    let holder = find_reset(&server, &link).unwrap();
    let passwords: Vec<Secret> = (0..50).map(|n| Secret::new(format!("horse battery {n}"))).collect();
    let tries = passwords
        .iter()
        .map(|password| mail_links::reset_password(&link.secret, &holder, password, None, &server.app));
    let won: Vec<bool> = block_on(join_all(tries)).into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|&&won| won).count(), 1);
    assert_eq!(server.db.number("SELECT token_epoch FROM users"), 1);
    for (password, won) in passwords.iter().zip(won) {
        assert_eq!(app.password("ann", password.expose()).status() == 200, won);
    }
    assert_eq!(actions(&server).iter().filter(|action| *action == "password_reset").count(), 1);
}

#[test]
fn a_link_lives_for_an_hour() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    server.advance(3_599);
    let holder = find_reset(&server, &link).unwrap();
    server.advance(1);
    assert!(find_reset(&server, &link).is_none());
    assert!(!reset(&server, &link.secret, &holder, NEW_PASSWORD));
    server.public_application().log_in("ann");
}

#[test]
fn a_later_link_replaces_the_one_before() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let first = ask_one(&server);
    let holder = find_reset(&server, &first).unwrap();
    let second = ask_one(&server);
    assert!(find_reset(&server, &first).is_none());
    assert!(!reset(&server, &first.secret, &holder, NEW_PASSWORD));
    assert!(reset(&server, &second.secret, &holder, NEW_PASSWORD));
}

#[test]
fn what_changes_the_account_ends_its_links() {
    for change_user in [
        |server: &TestServer| change(server, "ann", json!({"email": "ann@other.example"})),
        |server: &TestServer| change(server, "ann", json!({"is_active": false})),
        |server: &TestServer| {
            change(server, "ann", json!({"is_active": false}));
            change(server, "ann", json!({"is_active": true}));
        },
        |server: &TestServer| {
            server.admin("POST", "users/ann/logout", Value::Null).assert_status(204);
        },
        |server: &TestServer| {
            let body = json!({"password": "set by the operator"});
            server.admin("POST", "users/ann/set-password", body).assert_status(204);
        },
        |server: &TestServer| {
            server.admin("DELETE", "users/ann", Value::Null).assert_status(204);
        },
    ] {
        let server = TestServer::new();
        sign_up(&server, "ann", EMAIL);
        let link = ask_one(&server);
        let holder = find_reset(&server, &link).unwrap();
        change_user(&server);
        let before = server.db.text("SELECT coalesce(group_concat(password_hash), '') FROM users");
        assert!(find_reset(&server, &link).is_none());
        assert!(!reset(&server, &link.secret, &holder, NEW_PASSWORD));
        assert_eq!(before, server.db.text("SELECT coalesce(group_concat(password_hash), '') FROM users"));
        assert!(!actions(&server).contains(&"password_reset".to_owned()));
    }
}

#[test]
fn a_link_is_for_its_holder_and_its_purpose() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    server.advance(1);
    sign_up(&server, "bob", EMAIL);
    let links = ask(&server, EMAIL);
    let [link, of_bob] = &links[..] else { panic!("two links") };
    let (holder, bob) = (find_reset(&server, link).unwrap(), find_reset(&server, of_bob).unwrap());
    assert_eq!((holder.username.as_str(), bob.username.as_str()), ("ann", "bob"));
    let to_verify = ask_to_verify(&server, "ann").unwrap();
    assert!(find(&server, link, Purpose::VerifyEmail).is_none());
    assert!(find_reset(&server, &to_verify).is_none());
    assert!(!reset(&server, &to_verify.secret, &holder, NEW_PASSWORD));
    assert!(!verify(&server, link, &holder));
    let again = ask(&server, EMAIL);
    assert!(!reset(&server, &again[0].secret, &bob, NEW_PASSWORD));
    let to_verify = ask_to_verify(&server, "ann").unwrap();
    assert!(!verify(&server, &to_verify, &bob));
    server.public_application().log_in("bob");
    assert!(!is_verified(&server, "bob"));
}

#[test]
fn what_is_no_link_is_not_looked_for() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    let text = link.secret.expose();
    for path in ["/accounts/password/reset", "/accounts/email/verify"] {
        let before = server.db.round_trips.get();
        for made_up in ["x", &text[1..], &format!("{text}A"), &link.secret.digest().to_string()[1..]] {
            server.get(&format!("{path}/{made_up}/")).assert_status(404);
        }
        assert_eq!(server.db.round_trips.get(), before);
        for other in ["A".repeat(43), link.secret.digest().to_string()] {
            server.get(&format!("{path}/{other}/")).assert_status(404);
        }
    }
    assert!(!server.db.dump().contains(&text));
}

#[test]
fn an_address_that_nobody_has_takes_the_same_calls() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    for email in [EMAIL, "nobody@mail.example", "no address at all", ""] {
        let before = server.db.round_trips.get();
        let links = ask_from(&server, email, "192.0.2.1").unwrap();
        assert_eq!((links.len(), server.db.round_trips.get() - before), (usize::from(email == EMAIL), 1));
    }
}

#[test]
fn the_link_goes_to_the_address_that_the_account_has() {
    let server = TestServer::new();
    sign_up(&server, "ann", "Ann.Straße@mail.example");
    let links = ask(&server, "ANN.STRASSE@MAIL.EXAMPLE");
    assert_eq!(links[0].email, "Ann.Straße@mail.example");
}

#[test]
fn each_account_of_a_mailbox_gets_a_link_of_its_own_up_to_three_verified_and_older_ones_first() {
    let server = TestServer::new();
    for username in ["one", "two", "three", "four"] {
        sign_up(&server, username, EMAIL);
        server.advance(1);
    }
    let links = ask(&server, EMAIL);
    assert_eq!(usernames(&links), ["one", "two", "three"]);
    change(&server, "four", json!({"email_verified": true}));
    let links = ask(&server, EMAIL);
    assert_eq!(usernames(&links), ["four", "one", "two"]);
    for link in &links {
        let holder = find_reset(&server, link).unwrap();
        assert_eq!(holder.username, link.username);
        assert!(reset(&server, &link.secret, &holder, NEW_PASSWORD));
        server.public_application().password(&link.username, NEW_PASSWORD).tokens();
    }
}

#[test]
fn some_accounts_are_not_reset_by_e_mail() {
    let server = TestServer::new();
    let create = |user: Value| server.admin("POST", "users", user).assert_status(201).status();
    create(json!({"username": "no-password", "email": "a@mail.example", "email_verified": true}));
    create(
        json!({"username": "disabled", "email": "b@mail.example", "password": PASSWORD, "is_active": false}),
    );
    create(
        json!({"username": "root", "email": "c@mail.example", "password": PASSWORD, "is_superuser": true}),
    );
    create(json!({"username": "none", "password": PASSWORD}));
    for email in ["a@mail.example", "b@mail.example", "c@mail.example", ""] {
        assert!(ask(&server, email).is_empty(), "{email}");
    }
    change(&server, "root", json!({"email_verified": true}));
    assert_eq!(usernames(&ask(&server, "c@mail.example")), ["root"]);
}

#[test]
fn an_imported_address_that_is_not_one_is_sent_nothing() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    server.db.execute("UPDATE users SET email = 'a@mail.example, b@mail.example', email_key = 'x'");
    assert!(ask(&server, "x").is_empty());
    assert!(ask_to_verify(&server, "ann").is_none());
}

#[test]
fn a_mailbox_gets_a_limited_number_of_e_mails() {
    let server = TestServer::with(&[("MAIL_LIMIT", "2/600")]);
    sign_up(&server, "ann", EMAIL);
    for expected in [1, 1, 0, 0] {
        assert_eq!(ask(&server, "Ann@Mail.Example").len(), expected);
    }
    let last = ask_to_verify(&server, "ann").expect("another kind is counted by itself");
    assert!(find(&server, &last, Purpose::VerifyEmail).is_some());
    server.advance(600);
    ask_one(&server);
}

#[test]
fn what_is_asked_beyond_the_limit_leaves_the_last_link_alone() {
    let server = TestServer::with(&[("MAIL_LIMIT", "1/3600")]);
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    assert!(ask(&server, EMAIL).is_empty());
    assert!(find_reset(&server, &link).is_some());
}

#[test]
fn asking_is_counted_among_the_failures_of_an_address() {
    let server = TestServer::with(&[("ADDRESS_FAILURE_LIMIT", "2/600"), ("MAIL_LIMIT", "3/600")]);
    sign_up(&server, "ann", EMAIL);
    for email in ["nobody@mail.example", EMAIL] {
        ask_from(&server, email, "192.0.2.1").unwrap();
    }
    let refused = |server: &TestServer| ask_from(server, EMAIL, "192.0.2.1").is_err();
    assert!(refused(&server));
    let before = server.db.round_trips.get();
    assert!(refused(&server));
    assert_eq!(server.db.round_trips.get(), before, "the isolate remembers");
    // What is refused elsewhere takes no e-mail away from the mailbox.
    for _ in 0..5 {
        assert!(refused(&server.another_isolate()));
    }
    assert_eq!(ask_from(&server, EMAIL, "192.0.2.2").unwrap().len(), 1);
    server.advance(600);
    assert_eq!(ask_from(&server, EMAIL, "192.0.2.1").unwrap().len(), 1);
}

#[test]
fn a_reset_forgets_the_wrong_passwords_of_the_account_and_no_others() {
    let server = TestServer::with(&[("LOGIN_FAILURE_LIMIT", "2/900")]);
    let app = server.public_application();
    sign_up(&server, "ann", EMAIL);
    sign_up(&server, "bob", "bob@mail.example");
    for username in ["ann", "bob"] {
        for _ in 0..3 {
            app.password(username, "wrong").assert_error(400, "invalid_grant");
        }
        app.password(username, PASSWORD).assert_error(400, "invalid_grant");
    }
    let link = ask_one(&server);
    let holder = find_reset(&server, &link).unwrap();
    assert!(reset(&server, &link.secret, &holder, NEW_PASSWORD));
    app.password("ann", NEW_PASSWORD).tokens();
    app.password("bob", PASSWORD).assert_error(400, "invalid_grant");
    for _ in 0..3 {
        app.password("ann", "wrong").assert_error(400, "invalid_grant");
    }
    assert!(!reset(&server, &link.secret, &holder, NEW_PASSWORD), "a used link forgets nothing");
    app.password("ann", NEW_PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn if_kv_fails_the_password_is_set_and_nobody_is_told_that_all_tokens_have_ended() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_one(&server);
    let holder = find_reset(&server, &link).unwrap();
    server.kv.is_down.set(true);
    let password = Secret::new(NEW_PASSWORD);
    let outcome = mail_links::reset_password(&link.secret, &holder, &password, None, &server.app);
    assert!(block_on(outcome).is_err());
    server.kv.is_down.set(false);
    server.public_application().password("ann", NEW_PASSWORD).tokens();
}

#[test]
fn a_link_verifies_the_address_that_it_was_sent_to_once() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_to_verify(&server, "ann").unwrap();
    let holder = find(&server, &link, Purpose::VerifyEmail).unwrap();
    assert!(!is_verified(&server, "ann"));
    let tries = (0..20).map(|_| mail_links::verify_email(&link.secret, &holder, None, &server.app));
    let won = block_on(join_all(tries)).into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!((won, is_verified(&server, "ann")), (1, true));
    assert!(find(&server, &link, Purpose::VerifyEmail).is_none());
    assert_eq!(actions(&server).iter().filter(|action| *action == "email_verified").count(), 1);
    assert!(ask_to_verify(&server, "ann").is_none(), "it is verified");
}

#[test]
fn who_signs_up_with_an_address_is_sent_the_link_to_verify_it() {
    let server = TestServer::with(&[("MAIL_CARRIER", "log")]);
    server.user("bob");
    assert!(server.mailbox.take().is_empty(), "bob has no address");
    sign_up(&server, "ann", EMAIL);
    let mails = server.mailbox.take();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, EMAIL));
    assert!(!mails[0].text.contains("ann "), "{}", mails[0].text);
    let link = mails[0].text.split("http://localhost:8787/accounts/email/verify/").nth(1).unwrap();
    let secret = link.split('/').next().unwrap();
    let page = server.get(&format!("/accounts/email/verify/{secret}/")).assert_status(200).text();
    assert!(page.contains("The account ann has the e-mail address ann@mail.example."), "{page}");
    for place in [server.db.dump(), Value::from(server.log()).to_string()] {
        assert!(!place.contains(secret));
    }
}

#[test]
fn signing_up_works_without_e_mail() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    assert!(server.mailbox.take().is_empty());
    assert_eq!(server.db.number("SELECT count(*) FROM mail_links"), 0);
}

#[test]
fn nobody_can_have_a_mailbox_flooded_by_signing_up() {
    let server = TestServer::with(&[("MAIL_CARRIER", "log")]);
    for n in 0..8 {
        sign_up(&server, &format!("user-{n}"), EMAIL);
    }
    assert_eq!(server.mailbox.take().len(), 5);
}

#[test]
fn another_address_is_not_verified_by_the_link_to_the_one_before() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_to_verify(&server, "ann").unwrap();
    let holder = find(&server, &link, Purpose::VerifyEmail).unwrap();
    change(&server, "ann", json!({"email": "ann@other.example"}));
    assert!(find(&server, &link, Purpose::VerifyEmail).is_none());
    assert!(!verify(&server, &link, &holder));
    assert!(!is_verified(&server, "ann"));
}

#[test]
fn a_link_to_verify_lives_for_three_days_and_outlives_a_logout() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    let link = ask_to_verify(&server, "ann").unwrap();
    server.admin("POST", "users/ann/logout", Value::Null).assert_status(204);
    server.advance(3 * 86_400 - 1);
    let holder = find(&server, &link, Purpose::VerifyEmail).unwrap();
    server.advance(1);
    assert!(find(&server, &link, Purpose::VerifyEmail).is_none());
    assert!(!verify(&server, &link, &holder));
}

#[test]
fn who_has_no_address_or_is_disabled_has_nothing_to_verify() {
    let server = TestServer::new();
    server.user("bob");
    sign_up(&server, "ann", EMAIL);
    change(&server, "ann", json!({"is_active": false}));
    assert!(ask_to_verify(&server, "bob").is_none());
    assert!(ask_to_verify(&server, "ann").is_none());
}

#[test]
fn expired_links_are_cleared_away() {
    let server = TestServer::new();
    for n in 0..6 {
        sign_up(&server, &format!("user-{n}"), &format!("user-{n}@mail.example"));
        ask(&server, &format!("user-{n}@mail.example"));
    }
    server.advance(3_600);
    ask(&server, "nobody@mail.example");
    assert_eq!(server.db.number("SELECT count(*) FROM mail_links"), 2, "each asking clears four");
    let cleared = server.admin("POST", "cleartokens", Value::Null).json();
    assert_eq!(cleared["deleted"]["mail_links"], 2);
}

#[test]
fn without_the_database_nothing_is_sent() {
    let server = TestServer::new();
    sign_up(&server, "ann", EMAIL);
    server.db.is_down.set(true);
    assert!(ask_from(&server, EMAIL, "").is_err());
}
