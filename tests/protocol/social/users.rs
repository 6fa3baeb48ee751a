//! Who somebody is here whom a provider knows: the pipeline of docs/social.md, step by step.

use postern::model::id::SocialAccountId;
use postern::social::user;
use serde_json::{Value, json};

use super::people::{
    assert_whole, by_code, by_social, by_token, is_at_chat, is_at_corporate, log_in, person, server,
    server_with,
};
use super::providers::{PROVIDER_REFRESH_TOKEN, PROVIDER_TOKEN};
use super::{count, create_user, user, users};
use crate::support::{PASSWORD, TestResponse, TestServer};

const TAKEN: &str = "An account with this e-mail exists: log in and link it.";

#[track_caller]
fn assert_taken(response: &TestResponse) {
    response.assert_error(400, "access_denied");
    assert_eq!(response.json()["error_description"], TAKEN);
}

fn owner(server: &TestServer, uid: &str) -> String {
    let sql = "SELECT coalesce((SELECT u.username FROM social_accounts s JOIN users u ON u.id = s.user_id
        WHERE s.uid = '{}'), '')";
    server.db.text(&sql.replace("{}", uid))
}

#[test]
fn a_known_account_goes_before_the_address() {
    let (server, app) = server();
    log_in(&person("1", "ann@p.example"), &app, &server).assert_status(200);
    create_user(&server, "bob", "bob@p.example", true);
    // Their address at the provider is bob's by now.
    log_in(&person("1", "bob@p.example"), &app, &server).assert_status(200);
    assert_eq!(owner(&server, "1"), "ann");
    assert_eq!(user(&server, "ann")["email"], "ann@p.example");
    assert_eq!((users(&server).len(), count(&server, "social_accounts")), (2, 1));
    // Nor does anybody else get in because the address was theirs.
    log_in(&person("2", "ann@p.example"), &app, &server).assert_status(200);
    assert_eq!(owner(&server, "2"), "ann");
}

#[test]
fn a_verified_address_of_exactly_one_verified_user_links() {
    let (server, app) = server();
    create_user(&server, "alice", "alice@p.example", true);
    create_user(&server, "bob", "bob@p.example", true);
    let mut person = person("1", "alice@p.example");
    person["given_name"] = json!("Alice");
    log_in(&person, &app, &server).assert_status(200);
    assert_eq!((users(&server).len(), owner(&server, "1")), (2, "alice".to_owned()));
    let linked = "SELECT count(*) FROM audit_events WHERE action = 'social_account_linked'";
    assert_eq!(server.db.number(linked), 1);
    // From then on it is theirs, whatever the provider says of the address.
    log_in(&json!({"sub": "1", "email": "else@p.example", "email_verified": false}), &app, &server)
        .assert_status(200);
    assert_eq!((owner(&server, "1"), server.db.number(linked)), ("alice".to_owned(), 1));
    // The password is what it was.
    server.public_application().log_in("alice");
}

#[test]
fn an_address_that_is_verified_there_alone_asks_for_a_login() {
    let (server, app) = server();
    create_user(&server, "alice", "alice@p.example", false);
    let before = server.db.dump();
    assert_taken(&log_in(&person("1", "alice@p.example"), &app, &server));
    let social = server.send(by_social(&app, "corporate"));
    social.assert_status(400);
    assert_eq!(social.json(), json!({"errors": {"non_field_errors": TAKEN}}));
    assert_taken(&server.send(by_code(&app, "corporate")));
    assert_eq!(server.db.dump(), before);
}

#[test]
fn an_address_that_is_not_verified_there_is_a_new_users() {
    let (server, app) = server();
    create_user(&server, "alice", "alice@p.example", true);
    for (id, verified) in
        [("1", json!(false)), ("2", json!("false")), ("3", json!(null)), ("4", json!("yes"))]
    {
        let person = json!({"sub": id, "email": "alice@p.example", "email_verified": verified,
            "preferred_username": format!("new{id}")});
        log_in(&person, &app, &server).assert_status(200);
        let made = user(&server, &format!("new{id}"));
        assert_eq!((&made["email"], &made["email_verified"]), (&json!("alice@p.example"), &json!(false)));
    }
    assert_eq!(owner(&server, "1"), "new1");
}

#[test]
fn an_address_that_two_have_is_nobodys() {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let (server, app) = server();
        create_user(&server, "alice", "a@p.example", first);
        create_user(&server, "bob", "A@P.example", second);
        let before = server.db.dump();
        assert_taken(&log_in(&person("1", "a@p.example"), &app, &server));
        assert_eq!(server.db.dump(), before);
    }
}

#[test]
fn who_is_disabled_does_not_get_in_by_the_address_either() {
    let (server, app) = server();
    create_user(&server, "alice", "alice@p.example", true);
    server.admin("PATCH", "users/alice", json!({"is_active": false})).assert_status(200);
    let before = server.db.dump();
    let response = log_in(&person("1", "alice@p.example"), &app, &server);
    response.assert_error(400, "invalid_grant");
    assert_eq!(response.json()["error_description"], "User inactive or deleted.");
    assert_eq!(server.db.dump(), before);
}

#[test]
fn only_verified_addresses_of_the_operators_choice_get_in() {
    let allowed = json!({
        "allowed_domains": ["P.example", "work.example"],
        "allowed_emails": ["Boss@Other.example", "kim@other.example"],
    });
    let (server, app) = server_with(allowed, &[]);
    let mut n = 0;
    let mut try_with = |person: Value| {
        n += 1;
        let mut person = person;
        person["sub"] = json!(format!("person-{n}"));
        log_in(&person, &app, &server)
    };
    let before = server.db.dump();
    for (address, is_verified) in [
        ("ann@p.example", false),
        ("ann@sub.p.example", true),
        ("ann@p.example.evil.example", true),
        ("ann@evilp.example", true),
        ("p.example@evil.example", true),
        ("boss@other.example", false),
        ("ceo@other.example", true),
        // Kelvin signs, which are k in lower case.
        ("ann@wor\u{212a}.example", true),
        ("\u{212a}im@other.example", true),
        ("", true),
    ] {
        let response = try_with(json!({"email": address, "email_verified": is_verified}));
        response.assert_error(400, "access_denied");
        assert_eq!(response.json()["error_description"], "Your credentials aren't allowed", "{address}");
        let social = server.send(by_social(&app, "corporate"));
        assert_eq!(social.json(), json!({"errors": {"non_field_errors": "Authentication Failed"}}));
    }
    assert_eq!(server.db.dump(), before);
    for address in ["ann@p.example", "Bob@P.EXAMPLE", "BOSS@other.example"] {
        try_with(json!({"email": address, "email_verified": true})).assert_status(200);
    }
    // Whoever has been here, and is not allowed any more.
    let gone = json!({"sub": "person-11", "email": "ann@gone.example", "email_verified": true});
    assert_eq!(owner(&server, "person-11"), "ann");
    log_in(&gone, &app, &server).assert_error(400, "access_denied");
}

#[test]
fn a_new_user_has_a_name_that_is_free_and_allowed() {
    let (server, app) = server();
    create_user(&server, "Mona", "", false);
    let mut n = 0;
    let mut named = |username: Value| {
        n += 1;
        let person = json!({"sub": format!("p{n}"), "preferred_username": username});
        log_in(&person, &app, &server).assert_status(200);
        owner(&server, &format!("p{n}"))
    };
    let is_with_digits = |name: &str, stem: &str| {
        let digits = name.strip_prefix(stem).expect("the name that was wanted");
        digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    };
    // Taken is what looks like it.
    assert!(is_with_digits(&named(json!("mona")), "mona"));
    assert!(is_with_digits(&named(json!("ｍona")), "ｍona"));
    assert_eq!(named(json!("<script>alert(1)</script> O'Neill")), "scriptalert1scriptONeill");
    assert_eq!(named(json!("Жанна д’Арк")), "ЖаннадАрк");
    assert_eq!(named(json!("x".repeat(300))), "x".repeat(150));
    let long = named(json!("x".repeat(300)));
    assert!(is_with_digits(&long, &"x".repeat(134)) && long.len() == 150);
    assert_eq!(named(json!("/ \u{0} ☃")), "user");
    assert!(is_with_digits(&named(json!("..")), "user"));
    assert_eq!(named(json!(4711)), "4711");
    // Without one it is what stands before the @.
    let person = json!({"sub": "e", "email": "ann.lee+x@p.example", "email_verified": false});
    log_in(&person, &app, &server).assert_status(200);
    assert_eq!(owner(&server, "e"), "ann.lee+x");
}

#[test]
fn a_login_updates_names_and_nothing_else() {
    let (server, app) = server();
    let mut person = person("1", "ann@p.example");
    person["given_name"] = json!("Ann");
    person["family_name"] = json!("Lee");
    person["preferred_username"] = json!("ann");
    log_in(&person, &app, &server).assert_status(200);
    let before = user(&server, "ann");
    assert_eq!((&before["first_name"], &before["last_name"]), (&json!("Ann"), &json!("Lee")));
    let changed = json!({"sub": "1", "email": "other@p.example", "email_verified": false,
        "preferred_username": "root", "username": "root", "is_superuser": true, "is_active": false, "id": "7",
        "password": "x", "password_hash": "x", "given_name": "Anna", "family_name": "Li"});
    log_in(&changed, &app, &server).assert_status(200);
    let mut expected = before.clone();
    expected["first_name"] = json!("Anna");
    expected["last_name"] = json!("Li");
    assert_eq!(user(&server, "ann"), expected);
    // A provider that says nothing of a name does not take it away.
    for nothing in
        [json!({"sub": "1"}), json!({"sub": "1", "given_name": "", "family_name": null, "name": " "})]
    {
        log_in(&nothing, &app, &server).assert_status(200);
        assert_eq!(user(&server, "ann"), expected);
    }
    let whole = json!({"sub": "1", "name": "Ann-Marie van der Lee"});
    log_in(&whole, &app, &server).assert_status(200);
    let after = user(&server, "ann");
    assert_eq!((&after["first_name"], &after["last_name"]), (&json!("Ann-Marie"), &json!("van der Lee")));
    let long = json!({"sub": "1", "given_name": "x".repeat(500), "family_name": "a\u{0}b\nc"});
    log_in(&long, &app, &server).assert_status(200);
    let after = user(&server, "ann");
    assert_eq!((&after["first_name"], &after["last_name"]), (&json!("x".repeat(150)), &json!("abc")));
}

#[test]
fn with_a_user_their_accounts_go_and_the_next_login_makes_another() {
    let (server, app) = server();
    let response = log_in(&person("1", "ann@p.example"), &app, &server);
    let token = response.tokens().access_token;
    let id = user(&server, "ann")["id"].clone();
    server.admin("DELETE", "users/ann", Value::Null).assert_status(204);
    assert_eq!(count(&server, "social_accounts"), 0);
    server.assert_dead(&token);
    log_in(&person("1", "ann@p.example"), &app, &server).assert_status(200);
    assert_ne!(user(&server, "ann")["id"], id);
}

#[test]
fn a_user_by_a_provider_has_no_password() {
    let (server, app) = server();
    log_in(&person("1", "ann@p.example"), &app, &server).assert_status(200);
    for password in ["", "!", PASSWORD] {
        assert_ne!(server.public_application().password("ann", password).status(), 200);
    }
}

/// What is kept of the provider's tokens for an account, opened.
fn kept(server: &TestServer, uid: &str) -> Value {
    let column = |name: &str| {
        server.db.text(&format!("SELECT coalesce({name}, '') FROM social_accounts WHERE uid = '{uid}'"))
    };
    let account = SocialAccountId::parse(&column("id")).unwrap();
    let tokens = user::open(&column("tokens"), &account, &server.app);
    tokens.map(|tokens| tokens.to_json()).unwrap_or_default()
}

#[test]
fn a_providers_tokens_are_kept_sealed() {
    let (server, app) = server();
    is_at_corporate(&person("1", "ann@p.example"), &server);
    server.send(by_code(&app, "corporate")).assert_status(200);
    let by_code_kept = json!({"access_token": PROVIDER_TOKEN, "refresh_token": PROVIDER_REFRESH_TOKEN,
        "expires_at": server.now() + 3600, "scope": "openid email profile"});
    assert_eq!(kept(&server, "1"), by_code_kept);
    let dump = server.db.dump();
    assert!(dump.contains("ann@p.example"), "the dump shows what is there");
    for secret in
        [PROVIDER_TOKEN, PROVIDER_REFRESH_TOKEN, "openid email profile", "a-code", "of-the-provider"]
    {
        assert!(!dump.contains(secret), "{secret}");
    }
    assert!(!format!("{:?}", server.kv.entries()).contains("of-the-provider"));
    // What is sealed for one row opens for no other.
    let copy = "SELECT tokens FROM social_accounts";
    let other = SocialAccountId::random(&*server.app.random);
    assert!(user::open(&server.db.text(copy), &other, &server.app).is_none());
    // The next login brings no refresh token: the one that is there stays.
    server.advance(10);
    log_in(&person("1", "ann@p.example"), &app, &server).assert_status(200);
    let after = kept(&server, "1");
    assert_eq!(after["refresh_token"], PROVIDER_REFRESH_TOKEN);
    assert_eq!(after["expires_at"], server.now() + 3600);
    // An ID token brings nothing at all.
    let token = crate::support::Signer::rs256().id_token(
        json!({}),
        json!({"iss": "https://id.example/realm", "aud": "s6BhdRkqt3", "sub": "1", "iat": server.now(),
            "exp": server.now() + 9}),
    );
    server.send(super::convert_request(&app, "corporate", &[("id_token", &token)])).assert_status(200);
    assert_eq!(kept(&server, "1"), after);
}

#[test]
fn an_id_holds_nothing_that_nobody_sees() {
    let (server, app) = server();
    log_in(&person("7", "ann@p.example"), &app, &server).assert_status(200);
    for id in ["7\0", "\0", "7\n", "\u{85}7"] {
        log_in(&person(id, "bob@p.example"), &app, &server).assert_error(400, "access_denied");
    }
    assert_eq!(count(&server, "social_accounts"), 1);
}

#[test]
fn an_id_is_of_its_provider_alone() {
    let (server, app) = server();
    log_in(&json!({"sub": "7", "preferred_username": "ann"}), &app, &server).assert_status(200);
    is_at_chat("7", "bob@p.example", &server);
    server.send(by_token(&app, "chat")).assert_status(200);
    assert_eq!((users(&server).len(), count(&server, "social_accounts")), (2, 2));
    // Nor are ids that differ in case the same.
    log_in(&json!({"sub": "a"}), &app, &server).assert_status(200);
    log_in(&json!({"sub": "A"}), &app, &server).assert_status(200);
    assert_eq!(users(&server).len(), 4);
    assert_whole(&server);
}

#[test]
fn a_user_has_twenty_accounts_at_most() {
    let (server, app) = server();
    create_user(&server, "alice", "alice@p.example", true);
    for n in 0..19 {
        server.db.execute(&format!(
            "INSERT INTO social_accounts (id, user_id, provider, uid, created_at, last_used_at)
             SELECT '{n}', id, 'gone', '{n}', 0, 0 FROM users"
        ));
    }
    log_in(&person("twentieth", "alice@p.example"), &app, &server).assert_status(200);
    let before = server.db.dump();
    let response = log_in(&person("one more", "alice@p.example"), &app, &server);
    response.assert_error(400, "access_denied");
    assert_eq!(server.db.dump(), before);
    log_in(&person("twentieth", "alice@p.example"), &app, &server).assert_status(200);
    assert_eq!(count(&server, "social_accounts"), 20);
}

#[test]
fn addresses_differ_by_more_than_the_case_of_ascii() {
    for (here, there, is_same) in [
        ("Alice@P.Example", "aLICE@p.eXAMPLE", true),
        ("jürgen@p.example", "jürgen@p.example", true),
        // Another mailbox, or another domain, as it may be: they log in and link.
        ("x@strasse.example", "x@straße.example", false),
        ("mike@p.example", "mi\u{212A}e@p.example", false),
        ("mike@p.example", "ｍike@p.example", false),
        ("jürgen@p.example", "JÜRGEN@p.example", false),
    ] {
        let (server, app) = server();
        create_user(&server, "alice", here, true);
        let response = log_in(&person("1", there), &app, &server);
        if is_same {
            response.assert_status(200);
            assert_eq!(owner(&server, "1"), "alice", "{here} {there}");
        } else {
            assert_taken(&response);
            assert_eq!(count(&server, "social_accounts"), 0, "{here} {there}");
        }
    }
    // What is no address is none.
    let (server, app) = server();
    for (n, address) in
        ["", "x", "x@", "a b@p.example", "<x@p.example>", "x@p.example,y@p.example"].iter().enumerate()
    {
        log_in(&person(&format!("p{n}"), address), &app, &server).assert_status(200);
    }
    assert_eq!(server.db.number("SELECT count(*) FROM users WHERE email <> ''"), 0);
    assert_eq!(count(&server, "users"), 6);
}
