//! Signing up, in the shapes of Django REST framework.

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestResponse, TestServer, bytes_request, request};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const TAKEN: &str = "A user with that username already exists.";

#[test]
fn json_makes_a_user_who_can_log_in() {
    let server = TestServer::new();
    let response = sign_up(&server, json!({"username": "django.pony", "password": PASSWORD}));
    response.assert_status(201);
    assert_eq!(response.text(), r#"{"username":"django.pony"}"#);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    server.public_application().log_in("django.pony");
}

#[test]
fn a_form_makes_a_user_who_can_log_in() {
    let server = TestServer::new();
    let response = server.post_form("/sign_up", &[("username", "alice"), ("password", PASSWORD)]);
    response.assert_status(201);
    assert_eq!(response.text(), r#"{"username":"alice"}"#);
    server.public_application().log_in("alice");
}

#[test]
fn a_media_type_may_have_parameters_and_any_case() {
    let server = TestServer::new();
    let headers = [("content-type", "Application/JSON; charset=utf-8")];
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    server.send(request(Method::POST, "/sign_up/", &headers, &body)).assert_status(201);
    let headers = [("content-type", "application/x-www-form-urlencoded;charset=UTF-8")];
    let body = "username=bob&password=correct+horse+battery";
    server.send(request(Method::POST, "/sign_up/", &headers, body)).assert_status(201);
}

#[test]
fn the_optional_fields_are_kept() {
    let server = TestServer::new();
    let profile = [("email", "ann@example.com"), ("first_name", "Ann"), ("last_name", "Lee")];
    let mut body = json!({"username": "ann", "password": PASSWORD});
    profile.iter().for_each(|(name, value)| body[*name] = json!(value));
    assert_eq!(sign_up(&server, body).text(), r#"{"username":"ann"}"#);
    let form = [&profile[..], &[("username", "bob"), ("password", PASSWORD)]].concat();
    server.post_form("/sign_up/", &form).assert_status(201);
    for username in ["ann", "bob"] {
        let user = server.admin("GET", &format!("users/{username}"), Value::Null).json();
        profile.iter().for_each(|(name, value)| assert_eq!(user[*name], *value));
        assert_eq!(user["email_verified"], false);
    }
}

#[test]
fn optional_fields_may_be_empty_or_null() {
    let server = TestServer::new();
    let body =
        json!({"username": "a", "password": PASSWORD, "email": null, "first_name": null, "last_name": ""});
    sign_up(&server, body).assert_status(201);
    let form =
        [("username", "b"), ("password", PASSWORD), ("email", ""), ("first_name", ""), ("last_name", "")];
    server.post_form("/sign_up/", &form).assert_status(201);
}

#[test]
fn a_field_at_fault_is_named_in_the_words_of_django() {
    let server = TestServer::new();
    for (value, message) in [
        (None, "This field is required."),
        (Some(json!("")), "This field may not be blank."),
        (Some(json!(null)), "This field may not be null."),
        (Some(json!(17)), "Not a valid string."),
        (Some(json!(["alice"])), "Not a valid string."),
        (Some(json!({"a": "b"})), "Not a valid string."),
        (Some(json!(true)), "Not a valid string."),
    ] {
        for field in ["username", "password"] {
            let mut body = json!({"username": "alice", "password": PASSWORD});
            match &value {
                Some(value) => body[field] = value.clone(),
                None => drop(body.as_object_mut().unwrap().remove(field)),
            }
            let response = sign_up(&server, body);
            response.assert_field_error(field);
            assert_eq!(response.json(), json!({field: [message]}), "{value:?}");
        }
    }
    assert_nobody(&server);
}

#[test]
fn all_fields_at_fault_are_named_at_once() {
    let server = TestServer::new();
    let body = json!({"username": "a b", "email": 1, "first_name": [], "last_name": {}});
    let response = sign_up(&server, body);
    for field in ["username", "password", "email", "first_name", "last_name"] {
        response.assert_field_error(field);
    }
    let empty = json!({"username": ["This field is required."], "password": ["This field is required."]});
    assert_eq!(sign_up(&server, json!({})).json(), empty);
    assert_eq!(server.post_form("/sign_up/", &[]).json(), empty);
    let blank = server.post_form("/sign_up/", &[("username", ""), ("password", "")]);
    let message = ["This field may not be blank."];
    assert_eq!(blank.json(), json!({"username": message, "password": message}));
    assert_nobody(&server);
}

#[test]
fn a_taken_name_is_refused_in_every_spelling() {
    let server = TestServer::new();
    for (name, spellings) in [
        ("Alice", &["Alice", "alice", "ALICE", "Ａｌｉｃｅ"][..]),
        ("straße", &["STRASSE", "Strasse", "STRAẞE"]),
        ("Émile", &["émile", "ÉMILE"]),
        ("ΌΣΟΣ", &["όσος", "όσοσ"]),
        ("file", &["ﬁle"]),
        ("x2", &["x²", "x②"]),
        ("Ångström", &["Ångström"]), // U+212B, the unit, is the letter U+00C5
    ] {
        server.user(name);
        for spelling in spellings {
            let response = sign_up(&server, json!({"username": spelling, "password": PASSWORD}));
            assert_eq!(
                (response.status(), response.json()),
                (400, json!({"username": [TAKEN]})),
                "{spelling}"
            );
        }
    }
}

#[test]
fn names_that_only_look_alike_are_different() {
    let server = TestServer::new();
    for name in ["alice", "alicé", "аlice", "alice.", "alice_", "a-lice", "al1ce"] {
        server.user(name);
    }
}

#[test]
fn of_twenty_at_once_one_gets_the_name() {
    let server = TestServer::new();
    let spellings = ["alice", "Alice", "ALICE", "ａlice"];
    let requests = (0..20)
        .map(|n| json!({"username": spellings[n % 4], "password": format!("{PASSWORD} {n}")}))
        .map(|body| request(Method::POST, "/sign_up/", &JSON, &body.to_string()))
        .collect();
    let responses = server.send_all(requests);
    assert_eq!(responses.iter().filter(|response| response.status() == 201).count(), 1);
    for response in responses.iter().filter(|response| response.status() != 201) {
        assert_eq!((response.status(), response.json()), (400, json!({"username": [TAKEN]})));
    }
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 1);
    let winner = responses.iter().position(|response| response.status() == 201).unwrap();
    server.public_application().password("alice", &format!("{PASSWORD} {winner}")).tokens();
}

#[test]
fn a_username_has_1_to_150_letters_digits_and_five_signs() {
    let server = TestServer::new();
    for good in ["a", "7", "@", "a@.+-_", "Ян", "名前", "ñandú", &"x".repeat(150), &"é".repeat(150)] {
        assert_eq!(sign_up(&server, json!({"username": good, "password": PASSWORD})).status(), 201, "{good}");
    }
    let before = server.db.dump();
    for bad in [
        " ",
        "a b",
        " alice",
        "alice ",
        "a/b",
        "a:b",
        "a,b",
        "a%b",
        "a\"b",
        "a'b",
        "<a>",
        "a\tb",
        "a\nb",
        "a\u{7f}",
        "a\u{a0}b",
        "a\u{200b}",
        "a\u{202e}b",
        "a\u{feff}",
        "👍",
        "a\u{301}",
        "½",
        "⑴",
        "a\u{fdfa}",
    ] {
        assert_refused(&server, "username", bad);
    }
    assert_refused(&server, "username", &"x".repeat(151));
    assert_refused(&server, "username", &"é".repeat(151));
    assert_refused(&server, "username", &"x".repeat(10_000));
    assert_eq!(server.db.dump(), before);
}

#[test]
fn any_letter_will_do_in_a_username() {
    let server = TestServer::new();
    for letter in ["ǰ", "ΐ", "ŉ", "ß", "ſ", "ª", "ﬃ", "Ǆ", "İ"] {
        assert_eq!(
            sign_up(&server, json!({"username": letter, "password": PASSWORD})).status(),
            201,
            "{letter}"
        );
    }
}

#[test]
fn a_username_that_no_path_can_hold_is_refused() {
    // URL parsers take such a segment for a step in the hierarchy, percent-encoded or not (WHATWG URL, "double-dot URL
    // path segment"): the operator could neither see nor disable such a user.
    let server = TestServer::new();
    assert_refused(&server, "username", ".");
    assert_refused(&server, "username", "..");
}

#[test]
fn a_password_has_8_characters_to_4096_bytes() {
    let server = TestServer::new();
    let bounds =
        ["horse pw", "ünïcödé!", &"x".repeat(4096), &"é".repeat(2048), "        ", "\t pass \n word"];
    for (n, good) in bounds.iter().enumerate() {
        let username = format!("user{n}");
        sign_up(&server, json!({"username": username, "password": good})).assert_status(201);
        server.public_application().password(&username, good).tokens();
    }
    let before = server.db.dump();
    for bad in ["horse p", "ünïcödé", "👍👍👍👍👍👍👍", &"x".repeat(4097), &"é".repeat(2049)]
    {
        assert_refused(&server, "password", bad);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_password_is_neither_the_username_nor_a_common_one() {
    let server = TestServer::new();
    for same in ["alice.smith", "ALICE.Smith", "ａlice.smith"] {
        let response = sign_up(&server, json!({"username": "Alice.Smith", "password": same}));
        response.assert_field_error("password");
    }
    for common in ["password", "PassWord", "12345678", "iloveyou", "qwertyuiop", "trustno1", "football"] {
        assert_refused(&server, "password", common);
    }
    assert_nobody(&server);
    sign_up(&server, json!({"username": "alice.smith", "password": "alice.smith1"})).assert_status(201);
}

#[test]
fn an_email_has_the_syntax_of_one() {
    let server = TestServer::new();
    // 64 characters before the @, 254 in all (RFC 5321 §4.5.3.1).
    let longest =
        format!("{}@{}.example", "a".repeat(64), ["b".repeat(60), "c".repeat(60), "d".repeat(59)].join("."));
    assert_eq!(longest.len(), 254);
    for (n, good) in
        ["a@example.com", "a.b+c@sub.example.co.uk", "ünï@example.com", "O'Neil@example.com", &longest]
            .iter()
            .enumerate()
    {
        let body = json!({"username": format!("user{n}"), "password": PASSWORD, "email": good});
        assert_eq!(sign_up(&server, body).status(), 201, "{good}");
        let user = server.admin("GET", &format!("users/user{n}"), Value::Null).json();
        assert_eq!(user["email"], *good);
    }
    let before = server.db.dump();
    for bad in [
        "a",
        "@",
        "a@",
        "@example.com",
        "a@b",
        "a b@example.com",
        "a@example..com",
        "a@.example.com",
        "a@example.com.",
        "a@exam ple.com",
        "a@@example.com",
        "a@b@example.com",
        r#""a b"@example.com"#,
        r#""a@b"@example.com"#,
        "a,b@example.com",
        "Ann <a@example.com>",
        "Ann <ann@example.com>",
        "a@[127.0.0.1]",
        " a@example.com",
        "a@example.com\n",
        "a@example.com\r\nBcc: b@example.com",
        "a,b@example.com",
    ] {
        assert_refused(&server, "email", bad);
    }
    assert_refused(&server, "email", &format!("{}@example.com", "a".repeat(65)));
    assert_refused(&server, "email", &longest.replace("@b", "@bb"));
    assert_eq!(server.db.dump(), before);
}

#[test]
fn two_users_may_have_one_email() {
    let server = TestServer::new();
    for username in ["alice", "bob"] {
        let body = json!({"username": username, "password": PASSWORD, "email": "family@example.com"});
        sign_up(&server, body).assert_status(201);
    }
}

#[test]
fn first_and_last_names_have_at_most_150_characters() {
    let server = TestServer::new();
    let body = json!({"username": "a", "password": PASSWORD, "first_name": "é".repeat(150), "last_name": "O'Neil <b>"});
    sign_up(&server, body).assert_status(201);
    assert_refused(&server, "first_name", &"é".repeat(151));
    assert_refused(&server, "last_name", &"x".repeat(151));
}

#[test]
fn privileged_fields_are_ignored() {
    let server = TestServer::new();
    let wanted = json!({
        "id": "AAAAAAAAAAAAAAAA", "email_verified": true, "is_active": false, "is_superuser": true, "is_staff": true,
        "created_at": 1, "last_login_at": 1, "token_epoch": 9, "password_hash": "x", "username_key": "x", "groups": ["admin"],
    });
    let mut body = json!({"username": "alice", "password": PASSWORD, "email": "alice@example.com"});
    body.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    sign_up(&server, body).assert_status(201);
    let form =
        [("username", "bob"), ("password", PASSWORD), ("is_superuser", "true"), ("is_active", "false")];
    server.post_form("/sign_up/", &[&form[..], &[("email_verified", "1")]].concat()).assert_status(201);
    for username in ["alice", "bob"] {
        let user = server.admin("GET", &format!("users/{username}"), Value::Null).json();
        assert_ne!(user["id"], wanted["id"]);
        assert_eq!(
            [&user["email_verified"], &user["is_active"], &user["is_superuser"], &user["last_login_at"]],
            [&json!(false), &json!(true), &json!(false), &Value::Null]
        );
        assert_eq!(user["created_at"], server.now());
    }
    assert_eq!(server.db.number("SELECT max(token_epoch) FROM users"), 0);
}

#[test]
fn a_password_is_stored_as_an_argon2id_hash_and_never_shown() {
    let server = TestServer::new();
    let password = "Zauberlehrling-1797";
    let body = json!({"username": "alice", "password": password}).to_string();
    for _ in 0..2 {
        let response = server.send(request(Method::POST, "/sign_up/", &JSON, &body));
        assert!(!response.text().contains(password));
    }
    let is_argon2id = "SELECT count(*) FROM users WHERE password_hash GLOB '$argon2id$v=19$m=8,t=1,p=1$*'";
    assert_eq!(server.db.number(is_argon2id), 1);
    assert!(!server.db.dump().contains(password));
    assert!(!format!("{:?}", server.log()).contains(password));
    // Nor where another field is at fault, or the password itself.
    for body in
        [json!({"password": password, "email": "x"}), json!({"username": password, "password": password})]
    {
        assert!(!sign_up(&server, body).text().contains(password));
    }
    assert!(!format!("{:?}", server.log()).contains(password));
}

#[test]
fn one_password_of_two_users_has_two_hashes() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    assert_eq!(server.db.number("SELECT count(DISTINCT password_hash) FROM users"), 2);
}

#[test]
fn other_media_types_are_415() {
    let server = TestServer::new();
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    for media_type in
        ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonp", ""]
    {
        let headers = [("content-type", media_type)];
        assert_detail(&server.send(request(Method::POST, "/sign_up/", &headers, &body)), 415);
    }
    assert_detail(&server.send(request(Method::POST, "/sign_up/", &[], &body)), 415);
    let both = [JSON, FORM].concat();
    assert_detail(&server.send(request(Method::POST, "/sign_up/", &both, &body)), 415);
    assert_nobody(&server);
}

#[test]
fn malformed_json_is_400() {
    let server = TestServer::new();
    let good = r#""username": "alice", "password": "correct horse battery""#;
    for body in [
        "".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("[{{{good}}}]"),
        "\"alice\"".to_owned(),
        format!("{{{good}"),
        format!("{{{good}}} x"),
        format!("{{{good},}}"),
        format!("{{{good}, \"x\": 1e999}}"),
        format!("{{{good}, \"x\": \"\\ud800\"}}"),
        format!("{{{good}, \"x\": \"\\u0000\"}}"),
        format!("{{{good}, \"\\u0000\": 1}}"),
        format!("{{{good}, \"x\": {}}}", "[".repeat(10_000)),
        format!("\u{feff}{{{good}}}"),
        good.to_owned(),
        "username=alice&password=correct+horse+battery".to_owned(),
    ] {
        assert_detail(&server.send(request(Method::POST, "/sign_up/", &JSON, &body)), 400);
    }
    assert_nobody(&server);
}

#[test]
fn a_field_that_stands_twice_is_400() {
    let server = TestServer::new();
    for body in [
        r#"{"username": "alice", "password": "correct horse battery", "username": "bob"}"#,
        r#"{"username": "alice", "password": "correct horse battery", "p\u0061ssword": "correct horse battery"}"#,
        r#"{"username": "alice", "password": "correct horse battery", "x": 1, "x": 1}"#,
    ] {
        assert_detail(&server.send(request(Method::POST, "/sign_up/", &JSON, body)), 400);
    }
    for body in [
        "username=alice&password=correct+horse+battery&username=bob",
        "username=alice&password=correct+horse+battery&username=alice",
        "username=alice&password=correct+horse+battery&%75sername=",
        "username=alice&password=correct+horse+battery&x=1&x=1",
    ] {
        assert_detail(&server.send(request(Method::POST, "/sign_up/", &FORM, body)), 400);
    }
    assert_nobody(&server);
}

#[test]
fn a_malformed_form_is_400() {
    let server = TestServer::new();
    for body in [
        &b"username=alice%00&password=correct+horse+battery"[..],
        b"username=alice\0&password=correct+horse+battery",
        b"username=alice&password=correct+horse+battery&%00=x",
        b"username=alice%ff&password=correct+horse+battery",
        b"username=alice\xff&password=correct+horse+battery",
        b"username=alice%ED%A0%80&password=correct+horse+battery",
        b"username=alice%C0%AF&password=correct+horse+battery",
        b"username=alice%&password=correct+horse+battery",
        b"username=alice%4&password=correct+horse+battery",
        b"username=alice%zz&password=correct+horse+battery",
    ] {
        assert_detail(&server.send(bytes_request(Method::POST, "/sign_up/", &FORM, body)), 400);
    }
    assert_nobody(&server);
}

#[test]
fn json_that_is_not_utf_8_is_400() {
    let server = TestServer::new();
    for bad in [&b"\xff"[..], b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\0"] {
        let body = [b"{\"username\": \"alice", bad, b"\", \"password\": \"correct horse battery\"}"].concat();
        assert_detail(&server.send(bytes_request(Method::POST, "/sign_up/", &JSON, &body)), 400);
    }
    assert_nobody(&server);
}

#[test]
fn a_body_may_have_64_kib_and_not_a_byte_more() {
    let server = TestServer::new();
    let padded = |length: usize| {
        let body = json!({"username": "alice", "password": PASSWORD}).to_string();
        let body = format!("{body}{}", " ".repeat(length - body.len()));
        request(Method::POST, "/sign_up/", &JSON, &body)
    };
    assert_detail(&server.send(padded(65_537)), 413);
    assert_nobody(&server);
    server.send(padded(65_536)).assert_status(201);
}

#[test]
fn other_methods_are_405_and_tell_which_are_allowed() {
    let server = TestServer::new();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "X-ODD"] {
        for path in ["/sign_up/", "/sign_up"] {
            let response = server.send(request(method.parse().unwrap(), path, &[], ""));
            response.assert_status(405);
            assert_eq!(response.header("allow"), Some("POST, OPTIONS"), "{method}");
            if method != "HEAD" {
                assert_detail(&response, 405);
            }
        }
    }
}

#[test]
fn a_database_that_does_not_answer_is_503() {
    let server = TestServer::new();
    server.db.is_down.set(true);
    let response = sign_up(&server, json!({"username": "alice", "password": PASSWORD}));
    assert_detail(&response, 503);
    assert!(response.header("retry-after").is_some());
}

#[test]
fn login_works_by_another_spelling_of_the_name() {
    let server = TestServer::new();
    let app = server.public_application();
    for (name, spellings) in [
        ("Alice", &["Alice", "alice", "ALICE", "Ａlice"][..]),
        ("Émile", &["émile", "E\u{301}mile", "e\u{301}MILE"]),
        ("straße", &["STRASSE"]),
    ] {
        server.user(name);
        for spelling in spellings {
            let tokens = app.log_in(spelling);
            assert_eq!(server.validate(&tokens.access_token).json()["username"], name, "{spelling}");
        }
    }
}

#[test]
fn of_imported_names_with_one_key_each_logs_in_by_its_exact_spelling_only() {
    let server = TestServer::new();
    let app = server.public_application();
    import(&server, &["bob", "Bob", "BOB"]);
    for name in ["bob", "Bob", "BOB"] {
        let tokens = app.log_in(name);
        assert_eq!(server.validate(&tokens.access_token).json()["username"], name);
    }
    app.password("bOB", PASSWORD).assert_error(400, "invalid_grant");
    app.password("Ｂob", PASSWORD).assert_error(400, "invalid_grant");
}

#[test]
fn an_imported_name_with_a_key_of_its_own_logs_in_by_any_spelling() {
    let server = TestServer::new();
    let app = server.public_application();
    import(&server, &["Carol"]);
    for spelling in ["Carol", "carol", "CAROL"] {
        let tokens = app.log_in(spelling);
        assert_eq!(server.validate(&tokens.access_token).json()["username"], "Carol");
    }
}

#[test]
fn a_name_that_imported_ones_resemble_is_taken() {
    let server = TestServer::new();
    import(&server, &["bob", "Bob"]);
    for name in ["bob", "Bob", "bOb"] {
        let response = sign_up(&server, json!({"username": name, "password": PASSWORD}));
        assert_eq!((response.status(), response.json()), (400, json!({"username": [TAKEN]})));
    }
}

fn sign_up(server: &TestServer, body: Value) -> TestResponse {
    server.send(json_request(body))
}

fn json_request(body: Value) -> Request {
    request(Method::POST, "/sign_up/", &JSON, &body.to_string())
}

/// Imports users with the one key `bob`, or whatever their names are in lower case, and [`PASSWORD`].
fn import(server: &TestServer, names: &[&str]) {
    server.user("pattern");
    for name in names {
        let id = format!("{name:A<16}");
        server.db.execute(&format!(
            "INSERT INTO users SELECT '{id}', '{name}', '{}', password_hash, email, email_key, email_verified, first_name,
             last_name, is_active, is_superuser, token_epoch, created_at, last_login_at FROM users WHERE username = 'pattern'",
            name.to_lowercase()
        ));
    }
}

/// Refused as a JSON field and as a form field, naming it and nothing else.
#[track_caller]
fn assert_refused(server: &TestServer, field: &str, value: &str) {
    let mut form = vec![("username", "somebody"), ("password", PASSWORD), ("email", "somebody@example.com")];
    form.retain(|(name, _)| *name != field);
    form.push((field, value));
    let object = form.iter().map(|(name, value)| (name.to_string(), json!(value)));
    for response in [sign_up(server, object.collect()), server.post_form("/sign_up/", &form)] {
        response.assert_field_error(field);
        assert_eq!(response.json().as_object().unwrap().len(), 1, "{value:?}: {}", response.text());
    }
}

/// An error of Django REST framework that no field is to blame for.
#[track_caller]
fn assert_detail(response: &TestResponse, status: u16) {
    response.assert_status(status);
    assert!(response.json()["detail"].is_string(), "{}", response.text());
    assert_eq!(response.json().as_object().unwrap().len(), 1);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert!(response.header("x-request-id").is_some());
}

#[track_caller]
fn assert_nobody(server: &TestServer) {
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 0);
}
