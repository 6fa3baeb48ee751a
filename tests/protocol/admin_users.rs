//! The operator's API for users.

use serde_json::{Value, json};

use crate::support::{
    ADMIN_TOKEN, PASSWORD, TestResponse, TestServer, admin_request, percent_encode, request,
};

const NEW_PASSWORD: &str = "another horse battery";

#[test]
fn a_user_is_created_with_all_fields_and_can_log_in() {
    let server = TestServer::new();
    let fields = json!({
        "username": "alice", "email": "alice@example.com", "email_verified": true, "first_name": "Alice ✎",
        "last_name": "O'Neil", "is_active": true, "is_superuser": true,
    });
    let mut body = fields.clone();
    body["password"] = json!(PASSWORD);
    let response = server.admin("POST", "users", body);
    response.assert_status(201);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let user = response.json();
    let mut wanted = fields;
    wanted["id"] = user["id"].clone();
    wanted["created_at"] = json!(server.now());
    wanted["last_login_at"] = Value::Null;
    assert_eq!(user, wanted);
    assert_eq!(user["id"].as_str().unwrap().len(), 16);
    assert_eq!(server.admin("GET", "users/alice", Value::Null).assert_status(200).json(), user);
    server.public_application().log_in("alice");
}

#[test]
fn what_is_left_out_or_null_gets_its_default() {
    let server = TestServer::new();
    let nulls = json!({
        "username": "bob", "email": null, "email_verified": null, "first_name": null, "last_name": null, "is_active": null,
        "is_superuser": null,
    });
    for fields in [json!({"username": "alice"}), nulls] {
        let user = create(&server, fields);
        assert_eq!([&user["email"], &user["first_name"], &user["last_name"]], ["", "", ""]);
        assert_eq!(
            [&user["email_verified"], &user["is_active"], &user["is_superuser"]],
            [false, true, false]
        );
    }
}

#[test]
fn a_user_without_a_password_cannot_log_in_by_one() {
    let server = TestServer::new();
    create(&server, json!({"username": "alice"}));
    let app = server.public_application();
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    set_password(&server, "alice", PASSWORD).assert_status(204);
    app.log_in("alice");
}

#[test]
fn a_password_is_hashed_and_never_shown() {
    let server = TestServer::new();
    let password = "Zauberlehrling-1797";
    let created = server.admin("POST", "users", json!({"username": "alice", "password": password}));
    let set = set_password(&server, "alice", password);
    let shown = server.admin("GET", "users/alice", Value::Null);
    let listed = server.admin("GET", "users", Value::Null);
    let refused =
        server.admin("POST", "users", json!({"username": "bob", "password": password, "email": "x"}));
    for response in [created, set, shown, listed, refused] {
        assert!(!response.text().contains(password) && !response.text().contains("hash"));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM users WHERE password_hash GLOB '$argon2id$*'"), 1);
    assert!(!server.db.dump().contains(password));
    assert!(!format!("{:?}", server.log()).contains(password));
}

#[test]
fn each_field_at_fault_is_named() {
    let server = TestServer::new();
    create(&server, json!({"username": "alice"}));
    let before = server.db.dump();
    for (field, bad) in [
        ("username", json!(null)),
        ("username", json!("")),
        ("username", json!("a b")),
        ("username", json!("x".repeat(151))),
        ("username", json!(7)),
        ("email", json!("nobody")),
        ("email", json!(7)),
        ("email_verified", json!("yes")),
        ("first_name", json!("x".repeat(151))),
        ("last_name", json!([])),
        ("is_active", json!(1)),
        ("is_superuser", json!("true")),
        ("nonsense", json!(true)),
        ("token_epoch", json!(1)),
        ("password_hash", json!("x")),
        ("is_staff", json!(true)),
    ] {
        let mut fields = json!({"username": "bob", "password": PASSWORD});
        fields[field] = bad.clone();
        server.admin("POST", "users", fields).assert_fields(400, &[field]);
        server.admin("PATCH", "users/alice", json!({field: bad})).assert_fields(400, &[field]);
    }
    for bad in [json!(null), json!(""), json!("short"), json!("password"), json!("bob"), json!(12345678)] {
        server
            .admin("POST", "users", json!({"username": "bob", "password": bad}))
            .assert_fields(400, &["password"]);
    }
    for read_only in ["id", "created_at", "last_login_at"] {
        let fields = json!({"username": "bob", read_only: 1});
        server.admin("POST", "users", fields).assert_fields(400, &[read_only]);
    }
    let several = json!({"email": "x", "is_active": 1, "nonsense": 1});
    server
        .admin("POST", "users", several)
        .assert_fields(400, &["email", "is_active", "nonsense", "username"]);
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_field_with_an_odd_name_is_refused_in_an_error_of_the_standard_form() {
    let server = TestServer::new();
    for name in ["é", "a\"b", "a\\b", "a\nb", ""] {
        let response = server.admin("POST", "users", json!({"username": "alice", name: 1}));
        response.assert_error(400, "invalid_request"); // RFC 6749 §5.2: no such characters in error_description
        assert!(response.json()["fields"][name][0].is_string());
    }
}

#[test]
fn a_taken_name_is_409_in_every_spelling() {
    let server = TestServer::new();
    server.user("Alice");
    create(&server, json!({"username": "bob"}));
    let before = server.db.dump();
    for name in ["Alice", "alice", "ＡLICE"] {
        server.admin("POST", "users", json!({"username": name})).assert_fields(409, &["username"]);
        server.admin("PATCH", "users/bob", json!({"username": name})).assert_fields(409, &["username"]);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_list_goes_page_by_page_in_the_order_of_names() {
    let server = TestServer::new();
    for name in ["dora", "Alice", "Émile", "carol", "bob", "ALBERT", "Zoë"] {
        create(&server, json!({"username": name}));
    }
    let expected = ["ALBERT", "Alice", "bob", "carol", "dora", "Zoë", "Émile"];
    for limit in [1, 2, 3, 6, 7, 8, 200] {
        assert_eq!(all_pages(&server, &format!("limit={limit}")), expected, "{limit}");
    }
    let first = server.admin("GET", "users?limit=3", Value::Null).json();
    // What is deleted or made in between disturbs nobody.
    server.admin("DELETE", "users/bob", Value::Null).assert_status(204);
    create(&server, json!({"username": "aaron"}));
    let path = format!("users?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(names(&server.admin("GET", &path, Value::Null).json()), expected[3..6]);
}

#[test]
fn imported_users_with_one_key_are_all_listed() {
    let server = TestServer::new();
    import(&server, &["bob", "Bob", "BOB", "bOb"]);
    for limit in 1..=5 {
        let mut found = all_pages(&server, &format!("limit={limit}"));
        found.sort_unstable();
        assert_eq!(found, ["BOB", "Bob", "bOb", "bob"]);
    }
}

#[test]
fn a_page_has_50_users_unless_told_otherwise_and_at_most_200() {
    let server = TestServer::new();
    assert_eq!(server.admin("GET", "users", Value::Null).json(), json!({"users": [], "next_cursor": null}));
    import(&server, &(0..201).map(|n| format!("user{n:03}")).collect::<Vec<_>>());
    for (query, length) in [("", 50), ("?limit=1", 1), ("?limit=200", 200)] {
        let page = server.admin("GET", &format!("users{query}"), Value::Null).assert_status(200).json();
        assert_eq!(names(&page).len(), length);
        assert!(page["next_cursor"].is_string());
    }
    for limit in ["0", "201", "-1", "x", "99999999999999999999"] {
        server.admin("GET", &format!("users?limit={limit}"), Value::Null).assert_fields(400, &["limit"]);
    }
}

#[test]
fn a_bad_cursor_or_an_unknown_parameter_is_400() {
    let server = TestServer::new();
    for cursor in ["!", "a", "_w", "YQ"] {
        // The last one is "a": a cursor of the list of applications, with which this list would never end.
        server.admin("GET", &format!("users?cursor={cursor}"), Value::Null).assert_fields(400, &["cursor"]);
    }
    server.admin("GET", "users?page=2", Value::Null).assert_fields(400, &["page"]);
    server.admin("GET", "users?search=a&search=b", Value::Null).assert_error(400, "invalid_request");
    server.admin("GET", "users?search=%ff", Value::Null).assert_error(400, "invalid_request");
    server.admin("GET", "users?search=%00", Value::Null).assert_error(400, "invalid_request");
}

#[test]
fn a_search_finds_by_the_beginning_of_name_or_email() {
    let server = TestServer::new();
    for (name, email) in [
        ("Alice", "a.liddell@example.com"),
        ("alina", ""),
        ("bob", "ALICE.fan@example.com"),
        ("carol", "carol@alice.example"),
        ("malice", ""),
        ("a%_b", "x@example.com"),
        ("Ålesund", ""),
    ] {
        let username = name.replace('%', "+");
        create(&server, json!({"username": username, "email": email}));
    }
    for (search, expected) in [
        ("ali", &["Alice", "alina", "bob"][..]),
        ("ALI", &["Alice", "alina", "bob"]),
        ("ａlic", &["Alice", "bob"]),
        ("alice", &["Alice", "bob"]),
        ("alice.fan@example.com", &["bob"]),
        ("a.l", &["Alice"]),
        ("lice", &[]),
        ("a%", &[]),
        ("a_", &[]),
        ("a*", &[]),
        ("ål", &["Ålesund"]),
        ("", &["a+_b", "Alice", "alina", "bob", "carol", "malice", "Ålesund"]),
    ] {
        let search = format!("search={}", percent_encode(search));
        for limit in [1, 2, 50] {
            assert_eq!(all_pages(&server, &format!("limit={limit}&{search}")), expected, "{search}");
        }
    }
}

#[test]
fn a_search_has_at_most_48_bytes() {
    let server = TestServer::new();
    create(&server, json!({"username": "x".repeat(60)}));
    let search =
        |text: &str| server.admin("GET", &format!("users?search={}", percent_encode(text)), Value::Null);
    assert_eq!(names(&search(&"x".repeat(48)).assert_status(200).json()).len(), 1);
    search(&"é".repeat(24)).assert_status(200);
    search(&"x".repeat(49)).assert_fields(400, &["search"]);
    search(&"é".repeat(25)).assert_fields(400, &["search"]);
    // Eighteen characters when normalized: what is compared may be longer.
    search(&"\u{fdfa}".repeat(16)).assert_status(200);
}

#[test]
fn an_unknown_user_is_404_and_the_name_must_be_exact() {
    let server = TestServer::new();
    server.user("alice");
    let before = server.db.dump();
    for name in ["bob", "Alice", "alice%20", "%25"] {
        let path = format!("users/{name}");
        server.admin("GET", &path, Value::Null).assert_error(404, "not_found");
        server.admin("PATCH", &path, json!({})).assert_error(404, "not_found");
        server.admin("DELETE", &path, Value::Null).assert_error(404, "not_found");
        set_password(&server, name, NEW_PASSWORD).assert_error(404, "not_found");
        server.admin("POST", &format!("{path}/logout"), Value::Null).assert_error(404, "not_found");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_username_stands_percent_encoded_in_the_path() {
    let server = TestServer::new();
    for name in ["a@b.example", "a+b", "Жанна", "名前", "set-password", "logout", "validate", "...", "_"]
    {
        create(&server, json!({"username": name}));
        for path in [format!("users/{}", percent_encode(name)), format!("users/{name}/")] {
            let shown = server.admin("GET", &path, Value::Null).assert_status(200).json();
            assert_eq!(shown["username"], name);
        }
        let path = format!("users/{}", percent_encode(name));
        let patched = server.admin("PATCH", &path, json!({"first_name": name}));
        assert_eq!(patched.assert_status(200).json()["first_name"], name);
        server
            .admin("POST", &format!("{path}/set-password"), json!({"password": PASSWORD}))
            .assert_status(204);
        server.admin("POST", &format!("{path}/logout/"), Value::Null).assert_status(204);
        server.admin("DELETE", &path, Value::Null).assert_status(204);
    }
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 0);
}

#[test]
fn a_patch_changes_what_it_names_and_null_brings_the_default_back() {
    // RFC 7396
    let server = TestServer::new();
    let fields = json!({
        "username": "alice", "email": "alice@example.com", "email_verified": true, "first_name": "Alice",
        "last_name": "Liddell", "is_superuser": true,
    });
    let created = create(&server, fields);
    for (name, value, default) in [
        ("email_verified", json!(false), json!(false)),
        ("first_name", json!("Ann"), json!("")),
        ("last_name", json!("Lee"), json!("")),
        ("is_superuser", json!(false), json!(false)),
        ("is_active", json!(false), json!(true)),
    ] {
        for (patch, expected) in [(value.clone(), value), (Value::Null, default)] {
            let mut wanted = created.clone();
            wanted[name] = expected;
            let response = server.admin("PATCH", "users/alice", json!({name: patch}));
            assert_eq!(response.assert_status(200).json(), wanted);
            assert_eq!(server.admin("GET", "users/alice", Value::Null).json(), wanted);
        }
        let back = server.admin("PATCH", "users/alice", json!({name: created[name]}));
        assert_eq!(back.assert_status(200).json(), created);
    }
}

#[test]
fn a_patch_with_nothing_in_it_or_with_all_that_was_shown_changes_nothing() {
    let server = TestServer::new();
    server.user("alice");
    server.public_application().log_in("alice");
    let shown = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!(shown["last_login_at"], server.now());
    for patch in [json!({}), shown.clone()] {
        assert_eq!(server.admin("PATCH", "users/alice", patch).assert_status(200).json(), shown);
    }
}

#[test]
fn a_patch_cannot_change_what_is_read_only() {
    let server = TestServer::new();
    server.user("alice");
    let before = server.db.dump();
    for (name, value) in [
        ("id", json!("AAAAAAAAAAAAAAAA")),
        ("id", json!(null)),
        ("created_at", json!(1)),
        ("last_login_at", json!(1)),
        ("password", json!(NEW_PASSWORD)),
        ("password", json!(null)),
    ] {
        let response = server.admin("PATCH", "users/alice", json!({"first_name": "x", name: value}));
        response.assert_fields(400, &[name]);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_new_email_is_unverified_unless_the_patch_says_otherwise() {
    let server = TestServer::new();
    create(&server, json!({"username": "alice", "email": "a@example.com", "email_verified": true}));
    let patch = |patch| {
        server.admin("PATCH", "users/alice", patch).assert_status(200).json()["email_verified"].clone()
    };
    assert_eq!(patch(json!({"email": "a@example.com"})), true);
    assert_eq!(patch(json!({"email": "b@example.com"})), false);
    assert_eq!(patch(json!({"email": "c@example.com", "email_verified": true})), true);
    assert_eq!(patch(json!({"email": null})), false);
}

#[test]
fn a_renamed_user_logs_in_by_the_new_name_only_and_frees_the_old_one() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let renamed =
        server.admin("PATCH", "users/alice", json!({"username": "Alicia"})).assert_status(200).json();
    assert_eq!(renamed["username"], "Alicia");
    server.admin("GET", "users/alice", Value::Null).assert_error(404, "not_found");
    app.log_in("alicia");
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.user("alice");
    // The case alone may be changed, too.
    server.admin("PATCH", "users/Alicia", json!({"username": "ALICIA"})).assert_status(200);
}

#[test]
fn patches_at_the_same_time_lose_nothing() {
    let server = TestServer::new();
    server.user("alice");
    let patches =
        [json!({"first_name": "Alice"}), json!({"email": "a@example.com"}), json!({"is_superuser": true})];
    let requests = patches.iter().map(|p| admin_request("PATCH", "users/alice", p.clone())).collect();
    for response in server.send_all(requests) {
        response.assert_status(200);
    }
    let shown = server.admin("GET", "users/alice", Value::Null).json();
    assert_eq!([&shown["first_name"], &shown["email"]], ["Alice", "a@example.com"]);
    assert_eq!(shown["is_superuser"], true);
}

#[test]
fn of_many_patches_at_the_same_time_each_is_done_or_refused() {
    let server = TestServer::new();
    server.user("alice");
    let fields = [
        ("first_name", json!("Alice")),
        ("last_name", json!("Liddell")),
        ("email", json!("a@example.com")),
        ("is_superuser", json!(true)),
        ("is_active", json!(false)),
    ];
    server.assert_patches_at_once_lose_nothing("users/alice", &fields);
}

#[test]
fn imported_users_with_one_key_can_be_changed_and_deleted() {
    // Usernames are unique as written; only sign-up also refuses a taken key.
    let server = TestServer::new();
    import(&server, &["bob", "Bob"]);
    server.admin("PATCH", "users/bob", json!({"first_name": "Robert"})).assert_status(200);
    server.admin("PATCH", "users/bob", json!({"is_active": false})).assert_status(200);
    server.public_application().password("bob", PASSWORD).assert_error(400, "invalid_grant");
    server.admin("DELETE", "users/bob", Value::Null).assert_status(204);
    server.public_application().log_in("Bob");
}

#[test]
fn an_imported_user_with_what_we_would_not_accept_can_be_disabled() {
    let server = TestServer::new();
    import(&server, &["alice"]);
    server.db.execute("UPDATE users SET email = 'root@localhost', email_key = 'root@localhost'");
    let patched = server.admin("PATCH", "users/alice", json!({"is_active": false}));
    assert_eq!(patched.assert_status(200).json()["is_active"], false);
}

#[test]
fn a_disabled_user_is_out_and_their_tokens_end_for_good() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    server.admin("PATCH", "users/alice", json!({"is_active": false})).assert_status(200);
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    server.admin("PATCH", "users/alice", json!({"is_active": true})).assert_status(200);
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    app.log_in("alice");
}

#[test]
fn a_deleted_user_is_gone_with_their_tokens() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let deleted = server.admin("DELETE", "users/alice", Value::Null);
    assert_eq!((deleted.status(), deleted.text().as_str()), (204, ""));
    server.admin("DELETE", "users/alice", Value::Null).assert_error(404, "not_found");
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    // The name is free again, and the old tokens stay dead.
    server.user("alice");
    server.assert_dead(&tokens.access_token);
    app.log_in("alice");
}

#[test]
fn a_password_that_is_set_takes_the_place_of_the_old_one_and_ends_all_tokens() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let tokens = app.log_in("alice");
    let set = set_password(&server, "alice", NEW_PASSWORD);
    assert_eq!((set.status(), set.text().as_str()), (204, ""));
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    app.password("alice", PASSWORD).assert_error(400, "invalid_grant");
    app.password("alice", NEW_PASSWORD).tokens();
}

#[test]
fn a_password_is_set_by_the_rules_of_signing_up() {
    let server = TestServer::new();
    server.user("alice.smith");
    let app = server.public_application();
    let tokens = app.log_in("alice.smith");
    let before = server.db.dump();
    for bad in [
        json!({}),
        json!({"password": null}),
        json!({"password": ""}),
        json!({"password": 12345678}),
        json!({"password": "1234567"}),
        json!({"password": "ALICE.smith"}),
        json!({"password": "PassWord"}),
        json!({"password": "x".repeat(4097)}),
    ] {
        server.admin("POST", "users/alice.smith/set-password", bad).assert_fields(400, &["password"]);
    }
    let unknown = json!({"password": NEW_PASSWORD, "force": true});
    server.admin("POST", "users/alice.smith/set-password", unknown).assert_fields(400, &["force"]);
    server.admin("POST", "users/alice.smith/set-password", Value::Null).assert_error(400, "invalid_request");
    assert_eq!(server.db.dump(), before);
    server.validate(&tokens.access_token).assert_status(200);
}

#[test]
fn a_logout_is_everywhere_and_touches_nobody_else() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let (app, other_app) = (server.public_application(), server.confidential_application());
    let of_alice = [app.log_in("alice"), app.log_in("alice"), other_app.log_in("alice")];
    let of_bob = app.log_in("bob");
    let out = server.admin("POST", "users/alice/logout", Value::Null);
    assert_eq!((out.status(), out.text().as_str()), (204, ""));
    for tokens in &of_alice {
        server.assert_dead(&tokens.access_token);
    }
    app.refresh(of_alice[0].refresh()).assert_error(400, "invalid_grant");
    server.validate(&of_bob.access_token).assert_status(200);
    app.refresh(of_bob.refresh()).tokens();
    // Who was logged out may log in again.
    let again = app.log_in("alice");
    server.validate(&again.access_token).assert_status(200);
    server.admin("POST", "users/alice/logout", Value::Null).assert_status(204);
    server.assert_dead(&again.access_token);
}

#[test]
fn the_last_login_is_shown() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let last_login = || server.admin("GET", "users/alice", Value::Null).json()["last_login_at"].clone();
    assert_eq!(last_login(), Value::Null);
    server.advance(100);
    app.log_in("alice");
    let first = server.now();
    assert_eq!(last_login(), first);
    server.advance(100);
    app.password("alice", "a wrong password").assert_error(400, "invalid_grant");
    assert_eq!(last_login(), first);
}

#[test]
fn nobody_gets_in_without_the_admin_token() {
    let server = TestServer::new();
    server.user("alice");
    let before = server.db.dump();
    for (method, path, body) in [
        ("GET", "users", ""),
        ("GET", "users/alice", ""),
        ("GET", "users/unknown", ""),
        ("POST", "users", r#"{"username": "mallory", "is_superuser": true}"#),
        ("PATCH", "users/alice", r#"{"is_superuser": true}"#),
        ("POST", "users/alice/set-password", r#"{"password": "another horse battery"}"#),
        ("POST", "users/alice/logout", ""),
        ("DELETE", "users/alice", ""),
    ] {
        for authorization in [None, Some("Bearer wrong"), Some("Basic YWRtaW46YWRtaW4="), Some(ADMIN_TOKEN)] {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(authorization.map(|value| ("authorization", value)));
            let url = format!("/admin/api/{path}");
            let response = server.send(request(method.parse().unwrap(), &url, &headers, body));
            response.assert_error(401, "invalid_token");
            assert_eq!(response.header("www-authenticate"), Some(r#"Bearer realm="admin""#));
        }
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn other_methods_are_405_and_tell_which_are_allowed() {
    let server = TestServer::new();
    server.user("alice");
    for (path, allow) in [
        ("users", "GET, POST, HEAD"),
        ("users/alice", "GET, PATCH, DELETE, HEAD"),
        ("users/alice/set-password", "POST"),
        ("users/alice/logout", "POST"),
    ] {
        let put = server.admin("PUT", path, Value::Null);
        put.assert_error(405, "invalid_request");
        assert_eq!(put.header("allow"), Some(allow));
    }
}

#[test]
fn a_storage_that_does_not_answer_is_503_and_trying_again_helps() {
    let server = TestServer::new();
    server.user("alice");
    let tokens = server.public_application().log_in("alice");
    let calls = [
        ("GET", "users", Value::Null),
        ("PATCH", "users/alice", json!({"first_name": "x"})),
        ("POST", "users/alice/logout", Value::Null),
        ("DELETE", "users/alice", Value::Null),
    ];
    server.db.is_down.set(true);
    for (method, path, body) in calls {
        server.admin(method, path, body).assert_error(503, "temporarily_unavailable");
    }
    server.db.is_down.set(false);
    server.kv.is_down.set(true);
    server.admin("POST", "users/alice/logout", Value::Null).assert_error(503, "temporarily_unavailable");
    server.admin("DELETE", "users/alice", Value::Null).assert_error(503, "temporarily_unavailable");
    server.kv.is_down.set(false);
    server.admin("DELETE", "users/alice", Value::Null).assert_status(204);
    server.assert_dead(&tokens.access_token);
}

#[track_caller]
fn create(server: &TestServer, fields: Value) -> Value {
    server.admin("POST", "users", fields).assert_status(201).json()
}

fn set_password(server: &TestServer, username: &str, password: &str) -> TestResponse {
    server.admin("POST", &format!("users/{username}/set-password"), json!({"password": password}))
}

/// Imports users with [`PASSWORD`], whatever names are taken.
fn import(server: &TestServer, names: &[impl AsRef<str>]) {
    server.user("pattern");
    for name in names {
        let (name, key) = (name.as_ref(), name.as_ref().to_lowercase());
        server.db.execute(&format!(
            "INSERT INTO users SELECT '{name:A<16}', '{name}', '{key}', password_hash, email, email_key, email_verified,
             first_name, last_name, is_active, is_superuser, token_epoch, created_at, last_login_at
             FROM users WHERE username = 'pattern'"
        ));
    }
    server.db.execute("DELETE FROM users WHERE username = 'pattern'");
}

fn names(page: &Value) -> Vec<String> {
    let users = page["users"].as_array().unwrap();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

fn all_pages(server: &TestServer, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("users?{query}");
    loop {
        let page = server.admin("GET", &path, Value::Null).assert_status(200).json();
        found.extend(names(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("users?{query}&cursor={cursor}"),
            None => return found,
        }
    }
}
