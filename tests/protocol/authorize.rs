//! The authorization endpoint (RFC 6749 §3.1), seen from a browser.

use http::Method;
use serde_json::json;

use crate::support::{
    AuthorizationRequest, Browser, CALLBACK, Landing, Meddle, Meddling, PASSWORD, TestResponse, TestServer,
    form_request, request,
};

/// A page that says what is wrong, and leads nowhere.
#[track_caller]
fn assert_refused(page: &TestResponse) {
    page.assert_status(400);
    assert_eq!(page.header("location"), None);
    assert!(page.text().starts_with("<!doctype html>"));
    assert!(page.header("x-request-id").is_some());
    assert!(!page.text().contains("<a ") && !page.text().contains("<form"), "{}", page.text());
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'none'"));
}

#[test]
fn a_person_logs_in_allows_and_comes_back_with_a_code() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();

    let login = browser.open(&app.authorization().path());
    login.assert_status(200);
    assert!(login.text().contains("<h1>Log in</h1>"));
    let consent = browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]);
    consent.assert_status(200);
    for said in ["<strong>alice</strong>", "app.example", "Read your data", "Change your data"] {
        assert!(consent.text().contains(said), "{said}: {}", consent.text());
    }
    assert!(!consent.text().contains("See your groups"));

    let landing = Landing::of(&browser.submit_once(&consent, &[("decision", "allow")]));
    assert_eq!(landing.uri, CALLBACK);
    assert_eq!((landing.get("state"), landing.get("iss")), ("the state", "http://localhost:8787"));
    let tokens = app.exchange(landing.get("code")).tokens();
    assert_eq!(tokens.scope, "read write");
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn every_fault_of_a_verified_request_goes_back_by_303_with_state_and_iss() {
    // RFC 6749 §4.1.2.1; OIDC Core §3.1.2.6; RFC 9207 §2; RFC 9700 §4.12
    let server = TestServer::new();
    let app = server.code_application();
    let request = app.authorization();
    let long = "a ".repeat(2100);
    let faults: &[(AuthorizationRequest, &str)] = &[
        (request.clone().without("response_type"), "invalid_request"),
        (request.clone().with("response_type", ""), "invalid_request"),
        (request.clone().and("response_type", "code"), "invalid_request"),
        (request.clone().with("response_type", "id_token"), "unsupported_response_type"),
        (request.clone().with("response_type", "code token"), "unsupported_response_type"),
        (request.clone().with("response_type", "CODE"), "unsupported_response_type"),
        (request.clone().and("scope", "read"), "invalid_request"),
        (request.clone().with("scope", "nonsense"), "invalid_scope"),
        (request.clone().with("scope", "read nonsense"), "invalid_scope"),
        (request.clone().with("scope", "introspection"), "invalid_scope"),
        (request.clone().with("scope", " "), "invalid_scope"),
        (request.clone().with("scope", "re\"ad"), "invalid_scope"),
        (request.clone().with("scope", "r\u{e9}ad"), "invalid_scope"),
        (request.clone().with("scope", &long), "invalid_scope"),
        (request.clone().with("response_mode", "jwt"), "invalid_request"),
        (request.clone().with("response_mode", "query").and("response_mode", "query"), "invalid_request"),
        (request.clone().with("prompt", "nonsense"), "invalid_request"),
        (request.clone().with("prompt", "none login"), "invalid_request"),
        (request.clone().with("prompt", "consent none"), "invalid_request"),
        (request.clone().with("prompt", "create none"), "invalid_request"),
        (request.clone().with("prompt", "select_account none"), "invalid_request"),
        (request.clone().with("prompt", "login").and("prompt", "login"), "invalid_request"),
        (request.clone().with("prompt", "none"), "login_required"),
        (request.clone().with("max_age", "-1"), "invalid_request"),
        (request.clone().with("max_age", "1.5"), "invalid_request"),
        (request.clone().with("max_age", "+1"), "invalid_request"),
        (request.clone().with("max_age", "soon"), "invalid_request"),
        (request.clone().with("max_age", "9999999999999999999999"), "invalid_request"),
        (request.clone().with("max_age", "1").and("max_age", "1"), "invalid_request"),
        (request.clone().with("request", "e30.e30."), "request_not_supported"),
        (request.clone().with("request_uri", "https://app.example/request"), "request_uri_not_supported"),
        (request.clone().and("nonce", "a\0b"), "invalid_request"),
        (request.clone().and("x", "1").and("x", "2"), "invalid_request"),
        (request.clone().and("", "1").and("", "2"), "invalid_request"),
    ];
    for (request, error) in faults {
        let response = server.browser().get(&request.path());
        let landing = Landing::of(&response);
        landing.assert_error(error);
        assert_eq!((landing.uri.as_str(), landing.is_fragment), (CALLBACK, false));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        let description = landing.get("error_description");
        // RFC 6749 §4.1.2.1
        assert!(description.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\'));
        assert_eq!(server.db.number("SELECT count(*) FROM authorization_codes"), 0);
    }
    for garbage in ["&x=%", "&x=%zz", "&x=%ff", "&%00=x", "&%c3=x"] {
        let landing = Landing::of(&server.browser().get(&format!("{}{garbage}", request.path())));
        landing.assert_error("invalid_request");
    }
    let many: String = (0..100).map(|n| format!("&p{n}=1")).collect();
    Landing::of(&server.browser().get(&format!("{}{many}", request.path()))).assert_error("invalid_request");
}

#[test]
fn an_application_that_is_not_registered_for_a_response_type_is_unauthorized() {
    let server = TestServer::new();
    let app = server.code_application();
    let token = AuthorizationRequest::for_token(&app.client_id);
    let landing = Landing::of(&server.browser().get(&token.path()));
    landing.assert_error("unauthorized_client");
    assert!(landing.is_fragment);
    let other = server.application().public().grants(&["password"]).redirect_uri(CALLBACK).create();
    for response_type in ["code", "token", "none"] {
        let request = other.authorization().with("response_type", response_type);
        Landing::of(&server.browser().get(&request.path())).assert_error("unauthorized_client");
    }
}

#[test]
fn a_request_that_has_nowhere_to_go_back_to_is_a_page() {
    // RFC 6749 §4.1.2.1, §4.2.2.1
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let other = server.application().public().redirect_uri("https://other.example/cb").create();
    let several = ["https://app.example/cb", "https://app.example/other"];
    let several = server.application().public().redirect_uris(&several).create();
    let none = server.application().public().create();
    let disabled = server.code_application();
    server
        .admin("PATCH", &format!("applications/{}", disabled.client_id), json!({"is_active": false}))
        .assert_status(200);
    let request = app.authorization();
    let tampered = format!("{}x", &app.client_id[..app.client_id.len() - 1]);
    let requests = [
        request.clone().without("client_id"),
        request.clone().with("client_id", ""),
        request.clone().and("client_id", &app.client_id),
        request.clone().and("client_id", ""),
        request.clone().with("client_id", "nobody"),
        request.clone().with("client_id", "a\0b"),
        request.clone().with("client_id", &tampered),
        request.clone().with("client_id", &other.client_id),
        disabled.authorization(),
        request.clone().with("redirect_uri", "https://evil.example/cb"),
        request.clone().with("redirect_uri", "https://other.example/cb"),
        request.clone().with("redirect_uri", "https://app.example/cb\0"),
        request.clone().and("redirect_uri", CALLBACK),
        request.clone().and("redirect_uri", "https://evil.example/cb"),
        request.clone().and("redirect_uri", ""),
        several.authorization().without("redirect_uri"),
        several.authorization().with("redirect_uri", ""),
        none.authorization().without("redirect_uri"),
        none.authorization(),
        // A fault more does not make it a redirect.
        request.clone().with("redirect_uri", "https://evil.example/cb").with("response_type", "nonsense"),
        request.clone().without("redirect_uri").and("x", "1").and("x", "2"),
    ];
    let logged_in = server.browser();
    logged_in.log_in("alice");
    for request in requests {
        for browser in [&server.browser(), &logged_in] {
            let page = browser.get(&request.path());
            assert_refused(&page);
            assert!(!page.text().contains("evil.example"));
        }
    }
    for garbage in ["", "?", "?%", "?client_id=%ff", "?&&&=&=", "?client_id", "?=&="] {
        assert_refused(&logged_in.get(&format!("/o/authorize/{garbage}")));
    }
    for encoding in ["%", "%f", "%zz", "%ff", "%00"] {
        let path = request.clone().without("redirect_uri").path();
        assert_refused(&logged_in.get(&format!("{path}&redirect_uri={CALLBACK}{encoding}")));
        assert_refused(&logged_in.get(&format!("{path}&redirect_uri{encoding}={CALLBACK}")));
    }
}

#[test]
fn the_log_alone_tells_which_part_of_a_redirect_uri_is_wrong() {
    let server = TestServer::new();
    let app = server.code_application();
    let pages = [
        ("https://evil.example/cb", "its host or port differs"),
        ("https://app.example/x", "its path differs"),
    ]
    .map(|(asked, why)| {
        let page = server.browser().get(&app.authorization().with("redirect_uri", asked).path());
        let said = "redirect_uri is not one that the application has registered";
        assert_eq!(server.reason(&page), format!("{said}: {why}"));
        page.text().replace(page.header("x-request-id").unwrap(), "")
    });
    assert_eq!(pages[0], pages[1]);
}

#[test]
fn a_redirect_uri_may_be_left_out_if_one_is_registered() {
    // RFC 6749 §3.1.2.3, §4.1.3
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    for left_out in
        [app.authorization().without("redirect_uri"), app.authorization().with("redirect_uri", "")]
    {
        let exchange = |redirect_uri: Option<&str>| {
            let landing = browser.authorize(&left_out);
            assert_eq!(landing.uri, CALLBACK);
            let verifier = ("code_verifier", crate::support::VERIFIER);
            let mut form =
                vec![("grant_type", "authorization_code"), ("code", landing.get("code")), verifier];
            form.extend(redirect_uri.map(|uri| ("redirect_uri", uri)));
            app.token(&form)
        };
        exchange(None).tokens();
        exchange(Some("")).tokens();
        exchange(Some(CALLBACK)).tokens();
        exchange(Some("https://app.example/other")).assert_error(400, "invalid_grant");
    }
}

#[test]
fn a_redirect_uri_keeps_its_own_query() {
    // RFC 6749 §3.1.2
    let server = TestServer::new();
    server.user("alice");
    let uri = "https://app.example/cb?tenant=a%20b&x";
    let app =
        server.application().public().grants(&["authorization_code", "implicit"]).redirect_uri(uri).create();
    let browser = server.browser();
    browser.log_in("alice");
    let request = app.authorization().with("redirect_uri", uri);
    let page = browser.open(&request.path());
    let response = browser.submit_once(&page, &[("decision", "allow")]);
    let location = response.header("location").unwrap();
    assert!(location.starts_with("https://app.example/cb?tenant=a%20b&x&code="), "{location}");
    let code = Landing::of(&response).get("code").to_owned();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", uri)];
    app.token(&[&form[..], &[("code_verifier", crate::support::VERIFIER)]].concat()).tokens();

    let request = AuthorizationRequest::for_token(&app.client_id).with("redirect_uri", uri);
    let response = browser.get(&request.path());
    let location = response.header("location").unwrap();
    assert!(location.starts_with("https://app.example/cb?tenant=a%20b&x#access_token="), "{location}");
}

#[test]
fn state_comes_back_as_it_was_or_not_at_all() {
    let server = TestServer::new();
    let app = server.code_application();
    let state_of = |request: AuthorizationRequest| {
        let landing = Landing::of(&server.browser().get(&request.with("prompt", "none").path()));
        assert_eq!(landing.get("error"), "login_required");
        assert!(landing.params.contains("iss"));
        landing.params.contains("state").then(|| landing.get("state").to_owned())
    };
    let long = "x".repeat(3000);
    for state in ["x", "&=?#+%", "\"'<>\\", "a b\r\nc\td", "\u{e9}\u{202e}\u{1d538}", &long] {
        assert_eq!(state_of(app.authorization().with("state", state)).as_deref(), Some(state));
    }
    assert_eq!(state_of(app.authorization().without("state")), None);
    assert_eq!(state_of(app.authorization().with("state", "")), None);
    // Which of two would be the right one?
    let twice = app.authorization().and("state", "another");
    let landing = Landing::of(&server.browser().get(&twice.path()));
    assert_eq!((landing.get("error"), landing.params.contains("state")), ("invalid_request", false));
}

#[test]
fn response_type_none_says_that_the_person_agrees_and_nothing_more() {
    // OAuth 2.0 Multiple Response Type Encoding Practices §4
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let request = app.authorization().with("response_type", "none");
    let landing = browser.authorize(&request);
    assert_eq!((landing.get("state"), landing.get("iss")), ("the state", "http://localhost:8787"));
    assert!(!landing.is_fragment);
    assert_eq!(landing.params.clone().into_pairs().len(), 2);
    assert_eq!(server.db.number("SELECT count(*) FROM authorization_codes"), 0);
    assert_eq!(server.db.number("SELECT count(*) FROM families"), 0);
    // What they agreed to is known from then on.
    Landing::of(&browser.get(&app.authorization().path())).get("code");
    let page = browser.open(&request.with("prompt", "consent").path());
    Landing::of(&browser.submit_once(&page, &[("decision", "deny")])).assert_error("access_denied");
}

#[test]
fn prompt_none_never_shows_a_page() {
    // OIDC Core §3.1.2.1
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let silent = app.authorization().with("prompt", "none");
    let answer = || Landing::of(&browser.get(&silent.path()));
    answer().assert_error("login_required");
    browser.log_in("alice");
    answer().assert_error("consent_required");
    browser.code(&app.authorization());
    app.exchange(answer().get("code")).tokens();
    server.advance(11);
    let recent = silent.clone().with("max_age", "10");
    Landing::of(&browser.get(&recent.path())).assert_error("login_required");
    Landing::of(&browser.get(&silent.clone().with("scope", "read groups").path()))
        .assert_error("consent_required");
}

#[test]
fn prompt_login_and_select_account_ask_once_who_is_there() {
    let server = TestServer::new();
    server.user("alice");
    server.user("bob");
    let app = server.code_application();
    for prompt in ["login", "select_account", "login select_account"] {
        let browser = server.browser();
        browser.log_in("alice");
        browser.code(&app.authorization());
        let before = browser.cookie("postern_session").unwrap();
        let login = browser.open(&app.authorization().with("prompt", prompt).path());
        assert!(login.text().contains("<h1>Log in</h1>"));
        let consent = browser.submit(&login, &[("username", "bob"), ("password", PASSWORD)]);
        if consent.status() == 200 {
            assert!(consent.text().contains("<strong>bob</strong>"));
            Landing::of(&browser.submit_once(&consent, &[("decision", "allow")])).get("code");
        } else {
            Landing::of(&consent).get("code");
        }
        assert_ne!(browser.cookie("postern_session").unwrap(), before);
    }
    // Both words are heard.
    let browser = server.browser();
    browser.log_in("alice");
    let login = browser.open(&app.authorization().with("prompt", "login consent").path());
    let consent = browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]);
    assert!(consent.text().contains("Read your data"));
}

#[test]
fn prompt_consent_asks_although_it_is_known() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    browser.code(&app.authorization());
    Landing::of(&browser.get(&app.authorization().path())).get("code");
    let page = browser.get(&app.authorization().with("prompt", "consent").path());
    page.assert_status(200);
    assert!(page.text().contains("Read your data"));
    Landing::of(&browser.submit_once(&page, &[("decision", "allow")])).get("code");
}

#[test]
fn prompt_create_begins_with_the_sign_up_page() {
    let server = TestServer::new();
    let app = server.code_application();
    let browser = server.browser();
    let page = browser.open(&app.authorization().with("prompt", "create").path());
    assert!(page.text().contains("<h1>Sign up</h1>"), "{}", page.text());
    let consent = browser.submit(&page, &[("username", "carol"), ("password", "the password of carol")]);
    assert!(consent.text().contains("<strong>carol</strong>"), "{}", consent.text());
    let landing = Landing::of(&browser.submit_once(&consent, &[("decision", "allow")]));
    app.exchange(landing.get("code")).tokens();
}

#[test]
fn max_age_is_how_long_ago_the_login_may_have_been() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    browser.code(&app.authorization());
    let is_asked = |max_age: &str| {
        let response = browser.get(&app.authorization().with("max_age", max_age).path());
        let location = response.header("location").unwrap().to_owned();
        assert_eq!(response.status(), 303);
        !location.starts_with(CALLBACK)
    };
    assert!(!is_asked("0"));
    server.advance(1);
    assert!(is_asked("0"));
    assert!(!is_asked("1"));
    server.advance(99);
    assert!(is_asked("99"));
    assert!(!is_asked("100"));
    assert!(!is_asked("000000000000100"));
    // Who has logged in for it is not asked once more, however old the request is by then.
    let login = browser.open(&app.authorization().with("max_age", "0").path());
    server.advance(30);
    let response = browser.submit_once(&login, &[("username", "alice"), ("password", PASSWORD)]);
    server.advance(30);
    let location = response.header("location").unwrap().to_owned();
    let path = location.strip_prefix("http://localhost:8787").unwrap();
    Landing::of(&browser.get(path)).get("code");
}

#[test]
fn login_hint_stands_in_the_login_form_and_nowhere_else() {
    let server = TestServer::new();
    let app = server.code_application();
    let hint = "\"><script>alert(1)</script>&amp;'";
    let page = server.browser().open(&app.authorization().with("login_hint", hint).path());
    page.assert_status(200);
    assert!(page.text().contains("<h1>Log in</h1>") && !page.text().contains("<script>"));
    let (_, fields) = crate::support::form_of(&page.text());
    assert!(fields.contains(&("username".to_owned(), hint.to_owned())), "{fields:?}");
}

#[test]
fn head_answers_as_get_does_without_a_body() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let head = |path: &str| server.send(request(Method::HEAD, path, &[("cookie", &browser.cookies())], ""));
    for path in [
        app.authorization().path(),
        app.authorization().with("prompt", "none").path(),
        app.authorization().without("client_id").path(),
        "/accounts/login/".to_owned(),
        "/accounts/signup/".to_owned(),
        "/accounts/logout/".to_owned(),
    ] {
        let (head, get) = (head(&path), browser.get(&path));
        assert_eq!((head.status(), head.text().as_str()), (get.status(), ""), "{path}");
        for name in ["location", "content-type", "content-security-policy", "x-frame-options"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[test]
fn other_methods_are_405() {
    let server = TestServer::new();
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        let response = server.send(request(method, "/o/authorize/", &[], ""));
        response.assert_status(405);
        assert_eq!(response.header("allow"), Some("GET, POST, HEAD"));
    }
}

#[test]
fn a_request_by_post_goes_on_by_get() {
    // RFC 6749 §3.1, OIDC Core §3.1.2.1: from another site, SameSite=Lax keeps the cookies back.
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let cross_site = [("sec-fetch-site", "cross-site"), ("origin", "https://app.example")];
    let post = |request: &AuthorizationRequest| {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], &cross_site[..]].concat();
        server.send(crate::support::request(Method::POST, "/o/authorize/", &headers, &request.query()))
    };
    let follow = |request: &AuthorizationRequest| {
        let response = post(request);
        response.assert_status(303);
        let location = response.header("location").unwrap().to_owned();
        browser.get(location.strip_prefix("http://localhost:8787").expect("a page of ours"))
    };
    let page = follow(&app.authorization().with("state", "a&b=\u{e9}+ c"));
    page.assert_status(200);
    let landing = Landing::of(&browser.submit_once(&page, &[("decision", "allow")]));
    assert_eq!(landing.get("state"), "a&b=\u{e9}+ c");
    app.exchange(landing.get("code")).tokens();
    Landing::of(&follow(&app.authorization().with("request", "e30.e30.")))
        .assert_error("request_not_supported");
    assert_refused(&follow(&app.authorization().with("redirect_uri", "https://evil.example/")));
    // What could be read in two ways is not even passed on.
    assert_refused(&post(&app.authorization().and("state", "b")));
    let form = [("content-type", "text/plain")];
    let other = request(Method::POST, "/o/authorize/", &form, &app.authorization().query());
    assert_refused(&server.send(other));
    assert_refused(&server.send(form_request(&app.authorization().path(), &[], &[("x", "y")])));
    let long = "x".repeat(70_000);
    server.send(form_request("/o/authorize/", &[], &[("x", &long)])).assert_status(413);
}

#[test]
fn an_issuer_on_https_with_a_path_has_all_links_below_it_and_cookies_of_this_host_alone() {
    let server = TestServer::with(&[("ISSUER", "https://id.example/auth")]);
    server.user("alice");
    let app = server.code_application();
    let browser = Browser::at("https://id.example/auth", &server);
    let response = browser.get(&app.authorization().path());
    let location = response.header("location").unwrap();
    assert!(
        location.starts_with("https://id.example/auth/accounts/login/?next=%2Fo%2Fauthorize%2F"),
        "{location}"
    );
    let login = browser.open(&app.authorization().path());
    for set in login.0.headers().get_all("set-cookie") {
        assert_host_cookie(set.to_str().unwrap());
    }
    for link in login.text().split(['"']).filter(|text| text.starts_with("http") || text.starts_with('/')) {
        assert!(link.starts_with("https://id.example/auth/") || link.starts_with("/o/authorize/?"), "{link}");
    }
    let response = browser.submit_once(&login, &[("username", "alice"), ("password", PASSWORD)]);
    let session = response.header("set-cookie").unwrap();
    assert!(session.starts_with("__Host-postern_session="), "{session}");
    assert_host_cookie(session);
    let location = response.header("location").unwrap();
    let consent = browser.open(location.strip_prefix("https://id.example/auth").expect("a page of ours"));
    let landing = Landing::of(&browser.submit_once(&consent, &[("decision", "allow")]));
    assert_eq!((landing.uri.as_str(), landing.get("iss")), (CALLBACK, "https://id.example/auth"));
    app.exchange(landing.get("code")).tokens();

    // A proxy may take the path away on the way here; cookies without the prefix are nobody's.
    let without_path = Browser::at("https://id.example", &server);
    for (name, value) in
        [("postern_session", "__Host-postern_session"), ("postern_browser", "__Host-postern_browser")]
    {
        without_path.set_cookie(name, &browser.cookie(value).unwrap());
    }
    let silent = app.authorization().with("prompt", "none");
    let landing = Landing::of(&without_path.get(&silent.path()));
    assert_eq!((landing.get("error"), landing.get("iss")), ("login_required", "https://id.example/auth"));
    assert!(Landing::of(&browser.get(&silent.path())).params.contains("code"));
}

fn assert_host_cookie(cookie: &str) {
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for attribute in ["; Path=/;", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[test]
fn while_the_database_does_not_answer_nothing_is_issued() {
    // RFC 6749 §4.1.2.1: server faults go back, too, once it is known where to.
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    browser.code(&app.authorization());
    let before = server.db.number("SELECT count(*) FROM authorization_codes");
    let get = || browser.get_request(&app.authorization().path());
    let page = Meddling::isolate(&server, 0, Meddle::Refuse).send(get());
    page.assert_status(503);
    assert_eq!(page.header("location"), None);
    assert!(page.header("retry-after").is_some());
    let landing = Landing::of(&Meddling::isolate(&server, 1, Meddle::Refuse).send(get()));
    landing.assert_error("temporarily_unavailable");
    assert_eq!(server.db.number("SELECT count(*) FROM authorization_codes"), before);
    Landing::of(&Meddling::isolate(&server, 1, Meddle::LoseAnswer).send(get()))
        .assert_error("temporarily_unavailable");
    Landing::of(&Meddling::isolate(&server, 2, Meddle::Refuse).send(get())).get("code");
}

#[test]
fn a_repeated_parameter_goes_back_as_an_error_unless_it_is_what_leads_back() {
    let server = TestServer::new();
    let app = server.code_application();
    let browser = server.browser();
    let request = app.authorization();
    browser.authorize(&request.clone().and("scope", "read")).assert_error("invalid_request");
    for (name, value) in [("client_id", app.client_id.as_str()), ("redirect_uri", CALLBACK)] {
        browser.open(&request.clone().and(name, value).path()).assert_status(400);
    }
}

#[test]
fn a_login_begins_a_session_in_place_of_the_one_before() {
    let server = TestServer::new();
    server.user("alice");
    let browser = server.browser();
    let first = browser.log_in("alice").cookie("postern_session").unwrap();
    let second = browser.log_in("alice").cookie("postern_session").unwrap();
    assert_ne!(first, second);
    let app = server.code_application();
    let consent = |session: &str| {
        browser.set_cookie("postern_session", session);
        browser.open(&app.authorization().path()).text().contains("Read your data")
    };
    assert!(!consent(&first));
    assert!(consent(&second));
}

#[test]
fn what_was_agreed_to_is_remembered_even_where_nothing_is_issued() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    browser.log_in("alice");
    let nothing = app.authorization().with("response_type", "none");
    browser.get(&nothing.path()).assert_status(200);
    let landing = browser.authorize(&nothing);
    assert_eq!(landing.params.optional("code"), None);
    assert_eq!(landing.get("state"), "the state");
    for response_type in ["none", "code"] {
        browser.get(&app.authorization().with("response_type", response_type).path()).assert_status(303);
    }
}

#[test]
fn redirect_uris_have_the_schemes_that_the_operator_allows() {
    let server = TestServer::new();
    let app = server.code_application();
    let strict = server.another_isolate_with(&[("ALLOWED_REDIRECT_URI_SCHEMES", "com.example.app")]);
    server.browser().open(&app.authorization().path()).assert_status(200);
    strict.browser().open(&app.authorization().path()).assert_status(400);
    let path = format!("applications/{}", app.client_id);
    // What is registered may stay, and nothing of the kind be added elsewhere.
    strict.admin("PATCH", &path, serde_json::json!({"client_name": "Notes"})).assert_status(200);
    let new = serde_json::json!({"client_type": "public", "redirect_uris": [CALLBACK]});
    strict.admin("POST", "applications", new).assert_fields(400, &["redirect_uris"]);
}

#[test]
fn an_error_that_is_sent_to_the_application_has_an_id_and_a_line_in_the_log() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let refused = browser.get(&app.authorization().with("response_type", "id_token").path());
    let line = server.log().pop().expect("a line");
    assert_eq!(line["request_id"].as_str(), refused.header("x-request-id"));
    assert_eq!((&line["error"], &line["status"]), (&"unsupported_response_type".into(), &303.into()));
    // It says what is wrong.
    for (name, value) in
        [("response_type", "id_token"), ("scope", "nonsense"), ("code_challenge", "x"), ("prompt", "x")]
    {
        let refused = browser.get(&app.authorization().with(name, value).path());
        let said = Landing::of(&refused).get("error_description").to_owned();
        assert!(said.contains(name), "{said}");
        assert_eq!(server.reason(&refused), said);
    }
    let unknown = browser.get(&app.authorization().with("client_id", "x").path());
    assert_eq!(server.reason(&unknown), "client_id is unknown");
    // What nobody did wrong is only counted.
    let lines = server.log().len();
    let none = browser.get(&app.authorization().with("prompt", "none").path());
    assert!(none.header("x-request-id").unwrap().starts_with("unlogged-"));
    assert_eq!(server.log().len(), lines);
    assert_eq!(browser.log_in("alice").get(&app.authorization().path()).header("x-request-id"), None);
}
