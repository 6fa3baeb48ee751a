//! Sealing anew what is sealed, so that an old key can go: client secrets and secrets of OAuth 1.0a. Of the tokens of identity
//! providers, and of what goes wrong in between, `provider_tokens` tells.

use postern::crypto::keys::KeyRing;
use postern::crypto::sealed::Purpose;
use serde_json::{Value, json};

use crate::oauth1_applications::{CHOSEN, LAST, consumer_secret, found, patch, signing, stored};
use crate::support::{Meddle, Meddling, TestServer, Tokens, admin_request};

/// The setting before that, which still accepts what the first key made.
const ROTATED: &str =
    "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8,1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Steps until there is none left: how many rows were sealed anew, and how many could not be read.
fn reencrypt(server: &TestServer) -> (u64, u64) {
    reencrypt_watched(server, || ())
}

/// As [`reencrypt`], with this done after each step.
fn reencrypt_watched(server: &TestServer, mut after_step: impl FnMut()) -> (u64, u64) {
    let (mut reencrypted, mut unreadable, mut cursor) = (0, 0, Value::Null);
    loop {
        let step = server.admin("POST", "reencrypt", json!({"cursor": cursor})).assert_status(200).json();
        assert!(step["reencrypted"].as_u64().unwrap() + step["unreadable"].as_u64().unwrap() <= 50);
        reencrypted += step["reencrypted"].as_u64().unwrap();
        unreadable += step["unreadable"].as_u64().unwrap();
        cursor = step["next_cursor"].clone();
        after_step();
        if cursor.is_null() {
            return (reencrypted, unreadable);
        }
    }
}

#[test]
fn after_a_rotation_and_reencryption_sealed_client_secrets_need_the_old_key_no_more() {
    let server = TestServer::new();
    let apps: Vec<_> = (0..60)
        .map(|n| match n % 4 {
            0 => signing(&server, Value::Null),
            1 => signing(&server, json!(CHOSEN)),
            2 => server.confidential_application(),
            _ => server.public_application(),
        })
        .collect();
    let revisions = server.db.text("SELECT group_concat(revision) FROM applications");
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    apps[0].at(&rotated).client_credentials().tokens();
    apps[1].at(&rotated).client_credentials().tokens();
    assert_eq!(reencrypt(&rotated), (30, 0));
    assert_eq!(reencrypt(&rotated), (0, 0));
    assert_eq!(server.db.text("SELECT group_concat(revision) FROM applications"), revisions);
    let count = |kind: &str| {
        server.db.number(&format!("SELECT count(*) FROM applications WHERE secret GLOB '{kind}'"))
    };
    assert_eq!((count("sealed$2.*"), count("sealed-chosen$2.*"), count("sha256$*")), (15, 15, 15));
    let last = server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    // Also where the application is remembered as it was.
    for isolate in [&rotated, &last] {
        for app in apps.iter().filter(|app| app.client_secret.is_some()) {
            app.at(isolate).client_credentials().tokens();
        }
    }
    assert_eq!(consumer_secret(&last, &apps[1]).as_deref(), Some(CHOSEN));
}

#[test]
fn a_secret_that_no_key_opens_is_counted_and_left_alone() {
    let server = TestServer::new();
    let app = signing(&server, Value::Null);
    server.db.execute("UPDATE applications SET secret = 'sealed$9.AAAA'");
    signing(&server, Value::Null);
    assert_eq!(reencrypt(&server.another_isolate_with(&[("MASTER_KEY", ROTATED)])), (1, 1));
    assert_eq!(stored(&server, &app), "sealed$9.AAAA");
}

#[test]
fn a_change_and_a_reencryption_at_once_lose_neither() {
    let server = TestServer::new();
    let rotated = || server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    // Between reading the application and changing it, its secret is sealed anew.
    let app = signing(&server, json!(CHOSEN));
    let step = admin_request("POST", "reencrypt", Value::Null);
    let mut isolate = Meddling::isolate(&server, 1, Meddle::After(vec![(rotated(), step)]));
    isolate.app.settings = rotated().app.settings;
    patch(&isolate, &app, json!({"client_name": "Notes"})).assert_status(200);
    assert!(stored(&server, &app).starts_with("sealed-chosen$2."));
    assert_eq!(found(&server, &app.client_id).registration.client_name, "Notes");
    // Between reading the secret and sealing it anew, it is rotated.
    let app = signing(&server, json!(CHOSEN));
    let path = format!("applications/{}/rotate-secret", app.client_id);
    let rotation = admin_request("POST", &path, Value::Null);
    let mut isolate = Meddling::isolate(&server, 4, Meddle::After(vec![(rotated(), rotation)]));
    isolate.app.settings = rotated().app.settings;
    assert_eq!(reencrypt(&isolate), (0, 0));
    assert!(stored(&server, &app).starts_with("sealed$2."));
}

#[test]
fn the_secrets_of_oauth1_tokens_are_reencrypted_too() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    for _ in 0..70 {
        app.log_in("alice");
    }
    let (old, keys) = (&server.app.settings.keys, KeyRing::parse(LAST).unwrap());
    let seal =
        |key: &str| old.seal(Purpose::Oauth1Token, key, format!("of {key}").as_bytes(), &*server.app.random);
    let list = |sql: &str| -> Vec<String> { server.db.text(sql).split(' ').map(str::to_owned).collect() };
    let ids = list("SELECT group_concat(id, ' ') FROM (SELECT id FROM families ORDER BY id LIMIT 60)");
    for id in &ids {
        server.db.execute(&format!("UPDATE families SET oauth1_secret = '{}' WHERE id = '{id}'", seal(id)));
        let insert = "INSERT INTO oauth1_tokens (digest, secret, application_id, scope, expires_at)";
        server.db.execute(&format!(
            "{insert} VALUES ('of-{id}', '{}', 'a', '', 9000000000)",
            seal(&format!("of-{id}"))
        ));
    }
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    assert_eq!(reencrypt(&rotated), (120, 0));
    assert_eq!(reencrypt(&rotated), (0, 0));
    for (table, key, secret) in [("families", "id", "oauth1_secret"), ("oauth1_tokens", "digest", "secret")] {
        let rows = format!(
            "SELECT group_concat({key} || ' ' || {secret}, ' ') FROM {table} WHERE {secret} IS NOT NULL"
        );
        let rows = list(&rows);
        assert_eq!(rows.len(), 120);
        for row in rows.chunks(2) {
            let opened = keys.open(Purpose::Oauth1Token, &row[0], &row[1]).unwrap();
            assert_eq!(opened.expose(), format!("of {}", row[0]).as_bytes());
        }
    }
}

#[test]
fn tokens_of_the_old_key_stay_good_throughout_and_lead_to_tokens_of_the_new_one() {
    let server = TestServer::new();
    server.user("alice");
    // Its own secret is among what is sealed anew.
    let app = server.application().grants(&["password", "refresh_token", "oauth1"]).create();
    let mut logins: Vec<_> = (0..4).map(|_| app.log_in("alice")).collect();
    for _ in 0..119 {
        signing(&server, Value::Null);
    }
    let rotated = server.another_isolate_with(&[("MASTER_KEY", ROTATED)]);
    let without_old = || server.another_isolate_with(&[("MASTER_KEY", LAST)]);
    let refreshed = |old: Tokens| {
        without_old().assert_dead(&old.access_token);
        let new = app.at(&rotated).refresh(old.refresh()).tokens();
        without_old().assert_good(&new.access_token);
        app.at(&without_old()).refresh(new.refresh()).tokens().access_token
    };
    let (mut steps, mut of_new_key) = (0, Vec::<String>::new());
    let counts = reencrypt_watched(&rotated, || {
        let of_old_key = logins.iter().map(|login| &login.access_token);
        of_old_key.chain(&of_new_key).for_each(|token| rotated.assert_good(token));
        steps += 1;
        if steps < 3 {
            of_new_key.push(refreshed(logins.remove(0)));
        }
    });
    assert_eq!((counts, steps), ((120, 0), 3));
    for login in logins {
        refreshed(login);
    }
}
