//! The operator's API for applications.

use http::Method;
use serde_json::{Value, json};

use crate::oauth1_applications::rsa_keys;
use crate::support::{
    ADMIN_TOKEN, PASSWORD, TestResponse, TestServer, admin_bytes_request, admin_request, percent_encode,
    request,
};

const SECRET: &str = "a secret of the operator's own choice";

#[test]
fn an_application_is_created_with_all_of_its_fields() {
    let server = TestServer::new();
    server.user("alice");
    let fields = json!({
        "client_name": "Notes, the \"app\" ✎",
        "client_type": "confidential",
        "grant_types": ["authorization_code", "refresh_token", "password", "client_credentials", "implicit",
            "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
            "convert_token", "oauth1"],
        "redirect_uris": ["https://notes.example/cb?x=1", "http://127.0.0.1/cb", "com.example.notes:/cb"],
        "post_logout_redirect_uris": ["https://notes.example/bye"],
        "allowed_origins": ["http://localhost:3000", "https://notes.example"],
        "scope": "read write introspection",
        "token_endpoint_auth_method": "client_secret_post",
        "oauth1_signature_methods": ["PLAINTEXT", "RSA-SHA256"],
        "jwks": rsa_keys(),
        "skip_authorization": true,
        "token_format": "opaque",
        "xauth_allowed": true,
        "allow_plain_pkce": true,
        "owner": "alice",
        "is_active": true,
        "client_id": "notes",
        "client_secret": SECRET,
    });
    let response = server.admin("POST", "applications", fields.clone());
    response.assert_status(201);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(without(response.json(), &["created_at"]), fields);
    assert_eq!(response.json()["created_at"], server.now());

    let shown = server.admin("GET", "applications/notes", Value::Null);
    shown.assert_status(200);
    assert_eq!(without(shown.json(), &["created_at"]), without(fields, &["client_secret"]));
}

#[test]
fn what_is_left_out_or_null_gets_its_default() {
    let server = TestServer::new();
    let nulls = json!({
        "client_type": "confidential", "client_name": null, "grant_types": null, "redirect_uris": null, "scope": null,
        "token_endpoint_auth_method": null, "skip_authorization": null, "token_format": null, "owner": null,
        "oauth1_signature_methods": null, "jwks": null, "client_id": null, "client_secret": null,
    });
    for fields in [json!({"client_type": "confidential"}), nulls] {
        let created = create(&server, fields);
        assert_eq!(
            without(created, &["client_id", "client_secret", "created_at"]),
            json!({
                "client_name": "", "client_type": "confidential", "grant_types": ["authorization_code", "refresh_token"],
                "redirect_uris": [], "post_logout_redirect_uris": [], "allowed_origins": [], "scope": "",
                "token_endpoint_auth_method": "client_secret_basic",
                "oauth1_signature_methods": ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"], "jwks": null,
                "skip_authorization": false, "token_format": "opaque", "xauth_allowed": false, "allow_plain_pkce": false, "owner": null, "is_active": true,
            })
        );
    }
    let public = create(&server, json!({"client_type": "public"}));
    assert_eq!(public["token_endpoint_auth_method"], "none");
    assert!(public.get("client_secret").is_none());
}

#[test]
fn generated_ids_and_secrets_are_long_and_all_different() {
    let server = TestServer::new();
    let made: Vec<Value> = (0..20).map(|_| create(&server, json!({"client_type": "confidential"}))).collect();
    for name in ["client_id", "client_secret"] {
        let mut texts: Vec<&str> = made.iter().map(|made| made[name].as_str().unwrap()).collect();
        assert!(texts.iter().all(|text| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_graphic())));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 20);
    }
    assert!(made[0]["client_secret"].as_str().unwrap().starts_with("pst_cs_"));
}

#[test]
fn a_secret_is_shown_once_and_only_its_hash_is_stored() {
    let server = TestServer::new();
    let generated = create(&server, json!({"client_type": "confidential", "client_id": "generated"}));
    let fields = json!({"client_type": "confidential", "client_id": "chosen", "client_secret": SECRET});
    let chosen = create(&server, fields);
    assert_eq!(chosen["client_secret"], SECRET);
    for secret in [generated["client_secret"].as_str().unwrap(), SECRET] {
        assert!(!server.db.dump().contains(secret));
        assert!(!format!("{:?}", server.log()).contains(secret));
    }
    // A slow hash for what a person chose; 256 random bits need none.
    let hashes =
        "SELECT count(*) FROM applications WHERE (client_id = 'generated' AND secret GLOB 'sha256$*')
        OR (client_id = 'chosen' AND secret GLOB '$argon2id$*')";
    assert_eq!(server.db.number(hashes), 2);
    for path in ["applications", "applications/generated", "applications/chosen"] {
        let shown = server.admin("GET", path, Value::Null).text();
        assert!(
            !shown.contains("secret\"") && !shown.contains("hash") && !shown.contains("revision"),
            "{shown}"
        );
    }
    let patched = server.admin("PATCH", "applications/chosen", json!({"client_name": "x"}));
    assert!(patched.json().get("client_secret").is_none());
}

#[test]
fn chosen_and_generated_secrets_authenticate() {
    let server = TestServer::new();
    let builder = || server.application().grants(&["client_credentials"]);
    builder().create().client_credentials().tokens();
    let chosen = builder().set("client_id", json!("chosen")).set("client_secret", json!(SECRET)).create();
    chosen.client_credentials().tokens();
    let wrong = chosen.with_secret(Some(&format!("{SECRET}!")));
    wrong.client_credentials().assert_error(401, "invalid_client");
}

#[test]
fn a_chosen_client_id_is_1_to_255_printable_ascii_characters() {
    let server = TestServer::new();
    for good in ["a", " ", "~", "a/b c%2F?#\"\\", &"x".repeat(255)] {
        let created = create(&server, json!({"client_type": "public", "client_id": good}));
        assert_eq!(created["client_id"], good);
    }
    for bad in ["", "é", "a\tb", "a\u{7f}", &"x".repeat(256)] {
        assert_create_refused(&server, "client_id", json!(bad));
    }
    assert_create_refused(&server, "client_id", json!(7));
}

#[test]
fn a_client_id_that_no_path_can_hold_is_refused() {
    // URL parsers take such a segment for a step in the hierarchy, percent-encoded or not (WHATWG URL, "double-dot URL
    // path segment"): nobody could read, change or delete such an application.
    let server = TestServer::new();
    assert_create_refused(&server, "client_id", json!("."));
    assert_create_refused(&server, "client_id", json!(".."));
}

#[test]
fn a_chosen_secret_is_16_to_255_printable_ascii_characters() {
    let server = TestServer::new();
    for good in ["x".repeat(16), "x".repeat(255), " ~\"\\ é".replace('é', "padded to sixteen")] {
        let created = create(&server, json!({"client_type": "confidential", "client_secret": good}));
        assert_eq!(created["client_secret"], good);
    }
    for bad in ["".to_owned(), "x".repeat(15), "x".repeat(256), "é".repeat(16), "\n".repeat(16)] {
        assert_create_refused(&server, "client_secret", json!(bad));
    }
    let public = json!({"client_type": "public", "client_secret": SECRET});
    server.admin("POST", "applications", public).assert_fields(400, &["client_secret"]);
}

#[test]
fn a_taken_client_id_is_409_and_changes_nothing() {
    let server = TestServer::new();
    create(
        &server,
        json!({"client_type": "confidential", "client_id": "notes", "allowed_origins": ["https://a.example"]}),
    );
    let before = server.db.dump();
    let again =
        json!({"client_type": "public", "client_id": "notes", "allowed_origins": ["https://b.example"]});
    server.admin("POST", "applications", again).assert_fields(409, &["client_id"]);
    assert_eq!(server.db.dump(), before);
    create(&server, json!({"client_type": "public", "client_id": "Notes"}));
}

#[test]
fn of_ten_at_once_one_gets_the_client_id() {
    let server = TestServer::new();
    let body = json!({"client_type": "public", "client_id": "notes"});
    let requests = (0..10).map(|_| admin_request("POST", "applications", body.clone())).collect();
    let mut statuses: Vec<u16> = server.send_all(requests).iter().map(TestResponse::status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[409; 9]].concat());
}

#[test]
fn each_field_at_fault_is_named() {
    let server = TestServer::new();
    let before = server.db.dump();
    let long = "x".repeat(256);
    for (field, bad) in [
        ("client_type", json!("secret")),
        ("client_type", json!("Public")),
        ("client_type", json!(null)),
        ("client_name", json!(7)),
        ("client_name", json!(long)),
        ("grant_types", json!("password")),
        ("grant_types", json!(["passwort"])),
        ("grant_types", json!([7])),
        ("grant_types", json!(vec!["password"; 101])),
        ("redirect_uris", json!("https://a.example")),
        ("redirect_uris", json!(["http://a.example/"])),
        ("redirect_uris", json!(["https://a.example/#x"])),
        ("redirect_uris", json!(["/cb"])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("redirect_uris", json!(["https://a.example/", "https://u@a.example/"])),
        ("redirect_uris", json!([""])),
        ("redirect_uris", json!([format!("https://a.example/{}", "x".repeat(2000))])),
        ("post_logout_redirect_uris", json!(["http://a.example/"])),
        ("allowed_origins", json!(["*"])),
        ("allowed_origins", json!(["null"])),
        ("allowed_origins", json!(["https://a.example/"])),
        ("allowed_origins", json!(["http://a.example"])),
        ("scope", json!("read fly")),
        ("scope", json!("read \"")),
        ("scope", json!(["read"])),
        ("token_endpoint_auth_method", json!("none")),
        ("token_endpoint_auth_method", json!(7)),
        ("skip_authorization", json!("true")),
        ("skip_authorization", json!(1)),
        ("xauth_allowed", json!([])),
        ("allow_plain_pkce", json!("no")),
        ("is_active", json!(0)),
        ("owner", json!("nobody")),
        ("owner", json!({})),
        ("nonsense", json!(1)),
        ("created_at", json!(1)),
        ("secret", json!("x")),
    ] {
        assert_create_refused(&server, field, bad);
    }
    server.admin("POST", "applications", json!({})).assert_fields(400, &["client_type"]);
    let several = json!({"client_type": "x", "scope": 1, "is_active": 1, "nonsense": 1});
    let names = ["client_type", "is_active", "nonsense", "scope"];
    server.admin("POST", "applications", several).assert_fields(400, &names);
    assert_eq!(server.db.dump(), before);
}

#[test]
fn what_is_not_supported_yet_is_refused_by_name() {
    let server = TestServer::new();
    for (field, value) in [
        ("token_format", json!("jwt")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("jwks_uri", json!("https://a.example/jwks")),
    ] {
        assert_create_refused(&server, field, value.clone());
        let client_id = create(&server, json!({"client_type": "confidential"}))["client_id"].clone();
        let path = format!("applications/{}", client_id.as_str().unwrap());
        server.admin("PATCH", &path, json!({field: value})).assert_fields(400, &[field]);
    }
}

#[test]
fn a_field_with_an_odd_name_is_refused_in_an_error_of_the_standard_form() {
    let server = TestServer::new();
    for name in ["é", "a\"b", "a\\b", "a\nb", ""] {
        let response = server.admin("POST", "applications", json!({"client_type": "public", name: 1}));
        response.assert_error(400, "invalid_request"); // RFC 6749 §5.2: no such characters in error_description
        assert!(response.json()["fields"][name][0].is_string());
    }
    server.admin("GET", "applications?%C3%A9%22=1", Value::Null).assert_error(400, "invalid_request");
}

#[test]
fn a_public_application_cannot_use_client_credentials() {
    // RFC 6749 §4.4
    let server = TestServer::new();
    let fields = json!({"client_type": "public", "grant_types": ["client_credentials"]});
    server.admin("POST", "applications", fields).assert_fields(400, &["grant_types"]);
    let app = server.confidential_application();
    let path = format!("applications/{}", app.client_id);
    server.admin("PATCH", &path, json!({"client_type": "public"})).assert_fields(400, &["grant_types"]);
    app.client_credentials().tokens();
}

#[test]
fn repetitions_in_lists_are_dropped_and_their_order_is_kept() {
    let server = TestServer::new();
    let created = create(
        &server,
        json!({
            "client_type": "public", "grant_types": ["refresh_token", "password", "refresh_token"], "scope": "write  read write",
            "redirect_uris": ["https://b.example/", "https://a.example/", "https://b.example/"],
            "allowed_origins": ["https://b.example", "https://b.example"],
        }),
    );
    assert_eq!(created["grant_types"], json!(["refresh_token", "password"]));
    assert_eq!(created["redirect_uris"], json!(["https://b.example/", "https://a.example/"]));
    assert_eq!(created["allowed_origins"], json!(["https://b.example"]));
    assert_eq!(created["scope"], "write read");
}

#[test]
fn a_list_goes_page_by_page_in_the_order_of_client_ids() {
    let server = TestServer::new();
    for n in (0..7).rev() {
        create(&server, json!({"client_type": "public", "client_id": format!("app {n}/%")}));
    }
    let expected: Vec<String> = (0..7).map(|n| format!("app {n}/%")).collect();
    for limit in [1, 2, 3, 6, 7, 8, 200] {
        assert_eq!(all_pages(&server, limit), expected, "{limit}");
    }
    let first = server.admin("GET", "applications?limit=3", Value::Null).json();
    assert_eq!(first["applications"].as_array().unwrap().len(), 3);
    let second = next(&first, 3);
    // What is deleted or made in between disturbs nobody.
    server
        .admin("DELETE", &format!("applications/{}", percent_encode("app 2/%")), Value::Null)
        .assert_status(204);
    create(&server, json!({"client_type": "public", "client_id": "app 0"}));
    assert_eq!(client_ids(&server.admin("GET", &second, Value::Null).json()), expected[3..6]);
}

#[test]
fn an_empty_list_has_no_next_cursor() {
    let server = TestServer::new();
    let empty = json!({"applications": [], "next_cursor": null});
    for path in ["applications", "applications/", "applications?limit=1", "applications?cursor=&limit="] {
        assert_eq!(server.admin("GET", path, Value::Null).assert_status(200).json(), empty);
    }
}

#[test]
fn a_page_has_50_applications_unless_told_otherwise_and_at_most_200() {
    let server = TestServer::new();
    for n in 0..201 {
        create(&server, json!({"client_type": "public", "client_id": format!("{n:03}")}));
    }
    for (query, length) in [("", 50), ("?limit=1", 1), ("?limit=200", 200)] {
        let page = server.admin("GET", &format!("applications{query}"), Value::Null).json();
        assert_eq!(client_ids(&page).len(), length);
        assert!(page["next_cursor"].is_string());
    }
    for limit in ["0", "201", "-1", "1.5", "1e2", "many", "99999999999999999999", "%2B5%20"] {
        let response = server.admin("GET", &format!("applications?limit={limit}"), Value::Null);
        response.assert_fields(400, &["limit"]);
    }
}

#[test]
fn a_bad_cursor_or_an_unknown_parameter_is_400() {
    let server = TestServer::new();
    for cursor in ["!", "a", "YQ%3D%3D", "_w"] {
        let response = server.admin("GET", &format!("applications?cursor={cursor}"), Value::Null);
        response.assert_fields(400, &["cursor"]);
    }
    server.admin("GET", "applications?page=2", Value::Null).assert_fields(400, &["page"]);
    server.admin("GET", "applications?search=a", Value::Null).assert_fields(400, &["search"]);
    for query in ["limit=1&limit=1", "limit=%", "cursor=%00", "cursor=%ff"] {
        server
            .admin("GET", &format!("applications?{query}"), Value::Null)
            .assert_error(400, "invalid_request");
    }
}

#[test]
fn a_client_id_stands_percent_encoded_in_the_path() {
    let server = TestServer::new();
    for client_id in
        ["a/b", "a b", "50%", "%2F", "a?b", "a#b", "a+b", "rotate-secret", "a;b=c", "'\"<>\\^`{|}", "..."]
    {
        create(&server, json!({"client_type": "confidential", "client_id": client_id}));
        let path = format!("applications/{}", percent_encode(client_id));
        assert_eq!(server.admin("GET", &path, Value::Null).assert_status(200).json()["client_id"], client_id);
        let named = server.admin("PATCH", &format!("{path}/"), json!({"client_name": client_id}));
        assert_eq!(named.assert_status(200).json()["client_name"], client_id);
        server.admin("POST", &format!("{path}/rotate-secret"), Value::Null).assert_status(200);
        server.admin("DELETE", &path, Value::Null).assert_status(204);
        server.admin("GET", &path, Value::Null).assert_error(404, "not_found");
    }
    assert_eq!(server.db.number("SELECT count(*) FROM applications"), 0);
}

#[test]
fn an_unknown_application_is_404() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    let before = server.db.dump();
    for client_id in ["Notes", "notes%20", "note", "%25"] {
        let path = format!("applications/{client_id}");
        server.admin("GET", &path, Value::Null).assert_error(404, "not_found");
        server.admin("PATCH", &path, json!({})).assert_error(404, "not_found");
        server.admin("DELETE", &path, Value::Null).assert_error(404, "not_found");
        server.admin("POST", &format!("{path}/rotate-secret"), Value::Null).assert_error(404, "not_found");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_patch_changes_what_it_names_and_null_brings_the_default_back() {
    // RFC 7396
    let server = TestServer::new();
    server.user("alice");
    let created = create(
        &server,
        json!({
            "client_type": "confidential", "client_id": "notes", "client_name": "Notes", "grant_types": ["password"],
            "redirect_uris": ["https://a.example/"], "allowed_origins": ["https://a.example"], "scope": "read",
            "token_endpoint_auth_method": "client_secret_post", "skip_authorization": true, "owner": "alice",
        }),
    );
    let created = without(created, &["client_secret"]);
    for (name, value, default) in [
        ("client_name", json!("Other"), json!("")),
        ("grant_types", json!(["client_credentials"]), json!(["authorization_code", "refresh_token"])),
        ("redirect_uris", json!(["https://b.example/"]), json!([])),
        ("post_logout_redirect_uris", json!(["https://b.example/"]), json!([])),
        ("allowed_origins", json!(["https://b.example", "https://c.example"]), json!([])),
        ("scope", json!("write"), json!("")),
        ("token_endpoint_auth_method", json!("client_secret_basic"), json!("client_secret_basic")),
        (
            "oauth1_signature_methods",
            json!(["PLAINTEXT"]),
            json!(["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"]),
        ),
        ("jwks", rsa_keys(), json!(null)),
        ("skip_authorization", json!(false), json!(false)),
        ("xauth_allowed", json!(true), json!(false)),
        ("allow_plain_pkce", json!(true), json!(false)),
        ("owner", json!(null), json!(null)),
        ("is_active", json!(false), json!(true)),
    ] {
        for (patch, expected) in [(value.clone(), value), (Value::Null, default)] {
            let response = server.admin("PATCH", "applications/notes", json!({name: patch}));
            let mut wanted = created.clone();
            wanted[name] = expected;
            assert_eq!(response.assert_status(200).json(), wanted);
            assert_eq!(server.admin("GET", "applications/notes", Value::Null).json(), wanted);
        }
        let back = server.admin("PATCH", "applications/notes", json!({name: created[name]}));
        assert_eq!(back.assert_status(200).json(), created);
    }
}

#[test]
fn a_patch_with_nothing_in_it_or_with_all_that_was_shown_changes_nothing() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "confidential", "client_id": "notes", "scope": "read"}));
    let shown = server.admin("GET", "applications/notes", Value::Null).json();
    for patch in [json!({}), shown.clone()] {
        assert_eq!(server.admin("PATCH", "applications/notes", patch).assert_status(200).json(), shown);
    }
}

#[test]
fn a_patch_with_the_client_type_that_it_has_leaves_the_authentication_method() {
    let server = TestServer::new();
    let fields = json!({"client_type": "confidential", "client_id": "notes", "token_endpoint_auth_method": "client_secret_post"});
    create(&server, fields);
    let patch = json!({"client_type": "confidential", "client_name": "Notes"});
    let patched = server.admin("PATCH", "applications/notes", patch).assert_status(200).json();
    assert_eq!(patched["token_endpoint_auth_method"], "client_secret_post");
}

#[test]
fn a_patch_may_come_as_merge_patch_json() {
    // RFC 7396 §4
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/merge-patch+json")];
    let patch =
        request(Method::PATCH, "/admin/api/applications/notes", &headers, r#"{"client_name": "Notes"}"#);
    assert_eq!(server.send(patch).assert_status(200).json()["client_name"], "Notes");
}

#[test]
fn a_patch_cannot_change_what_is_read_only_or_unknown() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "confidential", "client_id": "notes"}));
    let before = server.db.dump();
    for (name, value) in [
        ("client_id", json!("other")),
        ("client_id", json!(null)),
        ("client_secret", json!(SECRET)),
        ("created_at", json!(1)),
        ("nonsense", json!(1)),
        ("nonsense", json!({"deep": null})),
        ("client_type", json!(null)),
        ("client_name", json!({"deep": "x"})),
        ("scope", json!("fly")),
        ("owner", json!("nobody")),
        ("redirect_uris", json!(["http://a.example"])),
    ] {
        let response = server.admin("PATCH", "applications/notes", json!({"client_name": "x", name: value}));
        response.assert_fields(400, &[name]);
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn an_application_can_be_disabled_after_a_scope_of_its_own_was_retired() {
    let server = TestServer::with(&[("SCOPES", r#"{"read": "Read", "write": "Write"}"#)]);
    create(&server, json!({"client_type": "public", "client_id": "notes", "scope": "read write"}));
    let later = server.another_isolate_with(&[("SCOPES", r#"{"read": "Read"}"#)]);
    let patched = later.admin("PATCH", "applications/notes", json!({"is_active": false}));
    assert_eq!(patched.assert_status(200).json()["is_active"], false);
}

#[test]
fn patches_at_the_same_time_lose_nothing() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "confidential", "client_id": "notes"}));
    let patches =
        [json!({"client_name": "Notes"}), json!({"scope": "read"}), json!({"skip_authorization": true})];
    let requests = patches.iter().map(|p| admin_request("PATCH", "applications/notes", p.clone())).collect();
    for response in server.send_all(requests) {
        response.assert_status(200);
    }
    let shown = server.admin("GET", "applications/notes", Value::Null).json();
    assert_eq!([&shown["client_name"], &shown["scope"]], ["Notes", "read"]);
    assert_eq!(shown["skip_authorization"], true);
}

#[test]
fn of_many_patches_at_the_same_time_each_is_done_or_refused() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    let fields = [
        ("client_name", json!("Notes")),
        ("scope", json!("read")),
        ("skip_authorization", json!(true)),
        ("xauth_allowed", json!(true)),
        ("allow_plain_pkce", json!(true)),
        ("redirect_uris", json!(["https://a.example/"])),
        ("post_logout_redirect_uris", json!(["https://a.example/"])),
        ("allowed_origins", json!(["https://a.example"])),
        ("grant_types", json!(["password"])),
    ];
    server.assert_patches_at_once_lose_nothing("applications/notes", &fields);
}

#[test]
fn a_new_list_of_origins_takes_the_place_of_the_old_one() {
    let server = TestServer::new();
    let fields =
        json!({"client_type": "public", "client_id": "notes", "allowed_origins": ["https://a.example"]});
    create(&server, fields);
    server
        .admin("PATCH", "applications/notes", json!({"allowed_origins": ["https://b.example"]}))
        .assert_status(200);
    let preflight = |origin| server.send(request(Method::OPTIONS, "/o/token/", &[("origin", origin)], ""));
    assert_eq!(preflight("https://a.example").header("access-control-allow-origin"), None);
    assert_eq!(
        preflight("https://b.example").header("access-control-allow-origin"),
        Some("https://b.example")
    );
}

#[test]
fn a_public_application_that_becomes_confidential_gets_a_secret_and_needs_it() {
    let server = TestServer::new();
    server.user("alice");
    let public = server.public_application();
    public.log_in("alice");
    let path = format!("applications/{}", public.client_id);
    let patched =
        server.admin("PATCH", &path, json!({"client_type": "confidential"})).assert_status(200).json();
    assert_eq!(patched["token_endpoint_auth_method"], "client_secret_basic");
    let client_secret = patched["client_secret"].as_str().unwrap();
    public.password("alice", PASSWORD).assert_error(401, "invalid_client");
    let confidential = public.with_secret(Some(client_secret));
    confidential.log_in("alice");
    let again =
        server.admin("PATCH", &path, json!({"client_type": "confidential"})).assert_status(200).json();
    assert!(again.get("client_secret").is_none());
    confidential.log_in("alice");
}

#[test]
fn a_confidential_application_that_becomes_public_loses_its_secret() {
    let server = TestServer::new();
    server.user("alice");
    let confidential = server.application().grants(&["password"]).create();
    let path = format!("applications/{}", confidential.client_id);
    let patched = server.admin("PATCH", &path, json!({"client_type": "public"})).assert_status(200).json();
    assert_eq!(patched["token_endpoint_auth_method"], "none");
    assert!(patched.get("client_secret").is_none());
    assert_eq!(server.db.number("SELECT count(*) FROM applications WHERE secret IS NOT NULL"), 0);
    confidential.password("alice", PASSWORD).assert_error(401, "invalid_client");
    confidential.with_secret(None).log_in("alice");
    let back = server.admin("PATCH", &path, json!({"client_type": "confidential"})).assert_status(200).json();
    assert!(back["client_secret"].is_string());
}

#[test]
fn a_rotated_secret_takes_the_place_of_the_old_one_at_once() {
    let server = TestServer::new();
    for chosen in [json!(null), json!(SECRET)] {
        let old = server.application().grants(&["client_credentials"]).set("client_secret", chosen).create();
        old.client_credentials().tokens();
        let path = format!("applications/{}/rotate-secret", old.client_id);
        let rotated = server.admin("POST", &path, Value::Null).assert_status(200).json();
        assert_eq!(rotated["client_id"], old.client_id);
        let client_secret = rotated["client_secret"].as_str().unwrap();
        old.client_credentials().assert_error(401, "invalid_client");
        old.with_secret(Some(client_secret)).client_credentials().tokens();
        assert!(!server.db.dump().contains(client_secret));
    }
}

#[test]
fn a_public_application_has_no_secret_to_rotate() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    let response = server.admin("POST", "applications/notes/rotate-secret", Value::Null);
    response.assert_fields(400, &["client_type"]);
}

#[test]
fn rotations_at_the_same_time_leave_one_good_secret() {
    let server = TestServer::new();
    let app = server.application().grants(&["client_credentials"]).create();
    let path = format!("applications/{}/rotate-secret", app.client_id);
    let responses = server.send_all((0..3).map(|_| admin_request("POST", &path, Value::Null)).collect());
    let works = |response: &&TestResponse| {
        let rotated = response.assert_status(200).json();
        app.with_secret(rotated["client_secret"].as_str()).client_credentials().status() == 200
    };
    assert_eq!(responses.iter().filter(works).count(), 1);
}

#[test]
fn a_disabled_application_gets_nothing_and_its_tokens_end_for_good() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.public_application();
    let path = format!("applications/{}", app.client_id);
    let tokens = app.log_in("alice");
    server.admin("PATCH", &path, json!({"is_active": false})).assert_status(200);
    server.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
    app.password("alice", PASSWORD).assert_error(401, "invalid_client");
    server.admin("PATCH", &path, json!({"is_active": true})).assert_status(200);
    server.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
    app.log_in("alice");
}

#[test]
fn a_deleted_application_is_gone_with_its_tokens_and_origins() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.application().public().grants(&["password"]).origins(&["https://a.example"]).create();
    let tokens = app.log_in("alice");
    let path = format!("applications/{}", app.client_id);
    let deleted = server.admin("DELETE", &path, Value::Null);
    deleted.assert_status(204);
    assert_eq!(deleted.text(), "");
    server.admin("DELETE", &path, Value::Null).assert_error(404, "not_found");
    server.validate(&tokens.access_token).assert_bearer_error(401, "invalid_token");
    app.password("alice", PASSWORD).assert_error(401, "invalid_client");
    assert_eq!(server.db.number("SELECT count(*) FROM application_origins"), 0);
    // The name is free again, and the old tokens stay dead.
    create(
        &server,
        json!({"client_type": "public", "client_id": app.client_id, "grant_types": ["password"]}),
    );
    server.validate_with(&tokens.access_token, "fresh=1", &[]).assert_bearer_error(401, "invalid_token");
    app.log_in("alice");
}

#[test]
fn the_owner_is_a_user_by_their_exact_name_and_follows_a_renaming() {
    let server = TestServer::new();
    server.user("Alice");
    create(&server, json!({"client_type": "public", "client_id": "notes", "owner": "Alice"}));
    assert_create_refused(&server, "owner", json!("alice"));
    server.admin("PATCH", "users/Alice", json!({"username": "Alicia"})).assert_status(200);
    assert_eq!(server.admin("GET", "applications/notes", Value::Null).json()["owner"], "Alicia");
    server.admin("DELETE", "users/Alicia", Value::Null).assert_status(204);
    assert_eq!(server.admin("GET", "applications/notes", Value::Null).json()["owner"], Value::Null);
    let unowned = create(&server, json!({"client_type": "public", "owner": ""}));
    assert_eq!(unowned["owner"], Value::Null);
}

#[test]
fn nobody_gets_in_without_the_admin_token() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "confidential", "client_id": "notes"}));
    let before = server.db.dump();
    let shorter = format!("Bearer {}", &ADMIN_TOKEN[1..]);
    let longer = format!("Bearer {ADMIN_TOKEN}x");
    let right = format!("Bearer {ADMIN_TOKEN}");
    let (other_scheme, basic) = (format!("Token {ADMIN_TOKEN}"), "Basic YWRtaW46YWRtaW4=");
    for headers in [
        &[][..],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", &shorter)],
        &[("authorization", &longer)],
        &[("authorization", ADMIN_TOKEN)],
        &[("authorization", &other_scheme)],
        &[("authorization", basic)],
        &[("authorization", &right), ("authorization", &right)],
        &[("authorization", &right), ("authorization", "Bearer wrong")],
        &[("cookie", &right), ("x-authorization", &right)],
    ] {
        for (method, path, body) in [
            ("GET", "applications", ""),
            ("GET", "applications/notes", ""),
            ("GET", "applications/unknown", ""),
            ("POST", "applications", r#"{"client_type": "public"}"#),
            ("POST", "applications", "{"),
            ("PATCH", "applications/notes", r#"{"client_name": "x"}"#),
            ("POST", "applications/notes/rotate-secret", ""),
            ("DELETE", "applications/notes", ""),
            ("POST", "cleartokens", ""),
        ] {
            let headers = [&[("content-type", "application/json")], headers].concat();
            let url = format!("/admin/api/{path}");
            let response = server.send(request(method.parse().unwrap(), &url, &headers, body));
            response.assert_error(401, "invalid_token");
            assert_eq!(response.header("www-authenticate"), Some(r#"Bearer realm="admin""#));
        }
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn the_scheme_bearer_is_read_in_any_case() {
    let server = TestServer::new();
    let headers = [("authorization", &*format!("bEARER {ADMIN_TOKEN}"))];
    server.send(request(Method::GET, "/admin/api/applications", &headers, "")).assert_status(200);
}

#[test]
fn the_token_of_a_superuser_is_not_the_admin_token() {
    let server = TestServer::new();
    server.user("alice");
    server.admin("PATCH", "users/alice", json!({"is_superuser": true})).assert_status(200);
    let tokens = server.public_application().log_in("alice");
    let headers = [("authorization", &*format!("Bearer {}", tokens.access_token))];
    server
        .send(request(Method::GET, "/admin/api/applications", &headers, ""))
        .assert_error(401, "invalid_token");
}

#[test]
fn a_body_that_is_not_one_json_object_is_400() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    let before = server.db.dump();
    let deep = format!(r#"{{"jwks": {}{}}}"#, "[".repeat(200), "]".repeat(200));
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"\"public\"",
        b"{",
        b"{\"client_type\": \"public\"} x",
        b"{\"client_type\": \"public\", \"client_type\": \"public\"}",
        b"{\"client_type\": \"public\", \"client_name\": \"\\u0000\"}",
        b"{\"client_type\": \"public\", \"client_name\": \"\0\"}",
        b"{\"client_type\": \"public\", \"client_name\": \"\xff\"}",
        b"{\"client_type\": \"public\", \"client_name\": \"\\ud800\"}",
        b"client_type=public",
        deep.as_bytes(),
    ] {
        for (method, path) in [("POST", "applications"), ("PATCH", "applications/notes")] {
            server.send(admin_bytes_request(method, path, body)).assert_error(400, "invalid_request");
        }
    }
    for media_type in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("authorization", &*bearer), ("content-type", media_type)];
        let body = r#"{"client_type": "public"}"#;
        let response = server.send(request(Method::POST, "/admin/api/applications", &headers, body));
        response.assert_error(400, "invalid_request");
    }
    assert_eq!(server.db.dump(), before);
}

#[test]
fn a_body_of_more_than_64_kib_is_413() {
    let server = TestServer::new();
    let padded = |length: usize| {
        let body = r#"{"client_type": "public"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let over = server.send(admin_bytes_request("POST", "applications", padded(65_537).as_bytes()));
    over.assert_error(413, "invalid_request");
    assert_eq!(server.db.number("SELECT count(*) FROM applications"), 0);
    server.send(admin_bytes_request("POST", "applications", padded(65_536).as_bytes())).assert_status(201);
}

#[test]
fn head_answers_as_get_without_a_body_and_other_methods_are_405() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "public", "client_id": "notes"}));
    for (path, allow) in [
        ("applications", "GET, POST, HEAD"),
        ("applications/notes", "GET, PATCH, DELETE, HEAD"),
        ("applications/notes/rotate-secret", "POST"),
    ] {
        let put = server.admin("PUT", path, Value::Null);
        put.assert_error(405, "invalid_request");
        assert_eq!(put.header("allow"), Some(allow));
    }
    let head = server.admin("HEAD", "applications/notes", Value::Null);
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    assert_eq!(server.admin("HEAD", "applications/unknown", Value::Null).status(), 404);
}

#[test]
fn a_database_that_does_not_answer_is_503() {
    let server = TestServer::new();
    create(&server, json!({"client_type": "confidential", "client_id": "notes"}));
    server.db.is_down.set(true);
    for (method, path, body) in [
        ("GET", "applications", Value::Null),
        ("GET", "applications/notes", Value::Null),
        ("POST", "applications", json!({"client_type": "public"})),
        ("PATCH", "applications/notes", json!({})),
        ("POST", "applications/notes/rotate-secret", Value::Null),
        ("DELETE", "applications/notes", Value::Null),
    ] {
        server.admin(method, path, body).assert_error(503, "temporarily_unavailable");
    }
}

#[track_caller]
fn create(server: &TestServer, fields: Value) -> Value {
    server.admin("POST", "applications", fields).assert_status(201).json()
}

/// All but these members.
fn without(mut object: Value, names: &[&str]) -> Value {
    for name in names {
        object.as_object_mut().unwrap().remove(*name).unwrap_or_else(|| panic!("no {name}"));
    }
    object
}

fn client_ids(page: &Value) -> Vec<String> {
    let applications = page["applications"].as_array().unwrap();
    applications.iter().map(|application| application["client_id"].as_str().unwrap().to_owned()).collect()
}

/// The path of the page after this one.
fn next(page: &Value, limit: usize) -> String {
    format!("applications?limit={limit}&cursor={}", page["next_cursor"].as_str().unwrap())
}

fn all_pages(server: &TestServer, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("applications?limit={limit}");
    loop {
        let page = server.admin("GET", &path, Value::Null).assert_status(200).json();
        assert!(client_ids(&page).len() <= limit);
        found.extend(client_ids(&page));
        if page["next_cursor"].is_null() {
            return found;
        }
        path = next(&page, limit);
    }
}

/// Refused for a confidential application, naming the field and nothing else.
#[track_caller]
fn assert_create_refused(server: &TestServer, field: &str, value: Value) {
    let mut fields = json!({"client_type": "confidential"});
    fields[field] = value;
    server.admin("POST", "applications", fields).assert_fields(400, &[field]);
}
