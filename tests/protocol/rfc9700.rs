//! The attacks of RFC 9700 (Best Current Practice for OAuth 2.0 Security), each by its name.

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    AuthorizationRequest, Browser, CALLBACK, Landing, PASSWORD, TestClient, TestResponse, TestServer,
    VERIFIER, form_of, form_request, request,
};

fn logged_in<'a>(server: &'a TestServer, username: &str) -> Browser<'a> {
    server.user(username);
    let browser = server.browser();
    browser.log_in(username);
    browser
}

fn exchange(app: &TestClient, code: &str, redirect_uri: &str, verifier: Option<&str>) -> TestResponse {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    app.token(&form)
}

/// Another pair than that of the test applications, made as RFC 7636 §4.2 says.
fn other_pkce() -> (String, String) {
    use postern::crypto::encoding::base64url;
    let verifier = "b".repeat(43);
    let challenge = base64url(&postern::crypto::sha256(verifier.as_bytes()));
    (verifier, challenge)
}

#[test]
fn redirect_uri_manipulation_leads_nowhere() {
    // RFC 9700 §4.1
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    // So that nothing but the address is asked.
    browser.code(&app.authorization());
    for uri in [
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example/CB",
        "https://app.example/cb/",
        "https://app.example/cb//",
        "https://app.example//cb",
        "https://app.example/./cb",
        "https://app.example/x/../cb",
        "https://app.example/cb/../evil",
        "https://app.example/cb/..%2fevil",
        "https://app.example/cb%2f..",
        "https://app.example/c%62",
        "https://app.example/cb%00",
        "https://app.example/cb%20",
        "https://app.example/cb ",
        " https://app.example/cb",
        "https://app.example/cb\t",
        "https://app.example/cb\r\nLocation: https://evil.example",
        "https://app.example/cb?",
        "https://app.example/cb?x=y",
        "https://app.example/cb;x",
        "https://app.example/cb#",
        "https://app.example/cb#@evil.example/",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "https://app.example:/cb",
        "https://app.example./cb",
        "https://app.example%2eevil.example/cb",
        "https://app.example.evil.example/cb",
        "https://evilapp.example/cb",
        "https://x.app.example/cb",
        "https://user@app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example:x@evil.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://evil.example\\.app.example/cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https:\\\\app.example\\cb",
        "http://app.example/cb",
        "//app.example/cb",
        "/cb",
        "app.example/cb",
        "https://\u{430}pp.example/cb",
        "https://app.example/cb\u{200b}",
        "https://app.example/\u{ff43}b",
        "javascript:alert(1)//https://app.example/cb",
        "data:text/html,https://app.example/cb",
        "https://*.example/cb",
        "null",
    ] {
        let request = app.authorization().with("redirect_uri", uri);
        for request in
            [request.clone(), request.clone().with("prompt", "none"), request.with("scope", "nonsense")]
        {
            let page = browser.get(&request.path());
            page.assert_status(400);
            assert_eq!(page.header("location"), None, "{uri}");
        }
    }
    let split = app.authorization().with("state", "x\r\nX-Split: y");
    assert_eq!(browser.get(&split.path()).header("x-split"), None);
}

#[test]
fn a_redirect_uri_of_another_application_is_not_one() {
    // RFC 9700 §4.1: nor is what merely begins like one that is registered.
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server
        .application()
        .public()
        .redirect_uris(&["https://app.example/", "https://app.example/cb"])
        .create();
    server.application().public().redirect_uri("https://other.example/cb").create();
    for uri in [
        "https://other.example/cb",
        "https://app.example",
        "https://app.example/c",
        "https://app.example/cbx",
    ] {
        browser.get(&app.authorization().with("redirect_uri", uri).path()).assert_status(400);
    }
    browser.get(&app.authorization().with("redirect_uri", "https://app.example/").path()).assert_status(200);
}

#[test]
fn credential_leakage_via_referrer_headers() {
    // RFC 9700 §4.2.4: no page on the way, and no redirect, tells its address to the next.
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let redirect = browser.get(&app.authorization().path());
    let login = browser.open(&app.authorization().path());
    let consent = browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]);
    let back = browser.submit_once(&consent, &[("decision", "allow")]);
    let by_form = browser.get(&app.authorization().with("response_mode", "form_post").path());
    let refused = browser.get("/o/authorize/?client_id=x");
    for response in [&redirect, &login, &consent, &back, &by_form, &refused] {
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    // And nothing on a page is fetched from elsewhere.
    for page in [&login, &consent, &by_form, &refused] {
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        for embeds in ["<img", "<link", "<iframe", " src=", "@import", "url("] {
            assert!(!page.text().contains(embeds), "{embeds}");
        }
    }
}

#[test]
fn credential_leakage_via_browser_history() {
    // RFC 9700 §4.3: a token is neither put into a query nor taken from one, and a code is good once and for a minute.
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.application().public().grants(&["implicit"]).redirect_uri(CALLBACK).create();
    let request = AuthorizationRequest::for_token(&app.client_id);
    Landing::of(&browser.get(&request.clone().with("response_mode", "query").path()))
        .assert_error("invalid_request");
    let landing = browser.authorize(&request);
    assert!(landing.is_fragment);
    let token = landing.get("access_token");
    server.get(&format!("/validate/?access_token={token}")).assert_status(400);
}

#[test]
fn mix_up() {
    // RFC 9700 §4.4.2.1, RFC 9207 §2.4: every response says whose it is, errors too, and metadata says that it does.
    let server = TestServer::with(&[("ISSUER", "https://id.example")]);
    server.user("alice");
    let app = server
        .application()
        .public()
        .grants(&["authorization_code", "implicit"])
        .redirect_uri(CALLBACK)
        .create();
    let browser = Browser::at("https://id.example", &server);
    browser.log_in("alice");
    let page = browser.open(&app.authorization().path());
    let metadata = server.get("https://id.example/.well-known/oauth-authorization-server").json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let issuer = metadata["issuer"].as_str().unwrap();
    for (request, answer) in [
        (app.authorization(), "code"),
        (AuthorizationRequest::for_token(&app.client_id), "access_token"),
        (app.authorization().with("response_mode", "fragment"), "code"),
        (app.authorization().with("response_type", "none"), "state"),
        (app.authorization().with("scope", "nonsense"), "error"),
        (app.authorization().with("prompt", "none").with("max_age", "x"), "error"),
    ] {
        browser.submit_once(&page, &[("decision", "allow")]);
        let landing = Landing::of(&browser.get(&request.path()));
        landing.get(answer);
        assert_eq!(landing.get("iss"), issuer);
    }
    let denied = Landing::of(&browser.submit_once(&page, &[("decision", "deny")]));
    assert_eq!(denied.get("iss"), issuer);
    // No header decides who we are.
    let host =
        [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    let path = format!("https://evil.example{}", app.authorization().with("prompt", "none").path());
    assert_eq!(Landing::of(&server.send(request(Method::GET, &path, &host, ""))).get("iss"), issuer);
}

#[test]
fn authorization_code_injection() {
    // RFC 9700 §4.5: an attacker has got a code of Alice, and puts it into a session of their own at the same application.
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let (verifier, challenge) = other_pkce();
    let stolen = browser.code(&app.authorization());
    let of_attacker = logged_in(&server, "mallory");
    let own = of_attacker.code(&app.authorization().with("code_challenge", &challenge));
    exchange(&app, &stolen, CALLBACK, Some(&verifier)).assert_error(400, "invalid_grant");
    exchange(&app, &own, CALLBACK, Some(VERIFIER)).assert_error(400, "invalid_grant");
    // The session that asked for it is not disturbed.
    app.exchange(&stolen).tokens();
    exchange(&app, &own, CALLBACK, Some(&verifier)).tokens();
}

#[test]
fn a_code_of_another_application() {
    // RFC 9700 §4.5
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let (app, evil) = (server.code_application(), server.code_application());
    let confidential = server.application().redirect_uri(CALLBACK).create();
    let code = browser.code(&app.authorization());
    evil.exchange(&code).assert_error(400, "invalid_grant");
    confidential.exchange(&code).assert_error(400, "invalid_grant");
    let tokens = app.exchange(&code).tokens();
    // Nor does presenting a used one end anything of its owner.
    evil.exchange(&code).assert_error(400, "invalid_grant");
    confidential.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_good(&tokens.access_token);
    app.refresh(tokens.refresh()).tokens();
}

#[test]
fn code_replay_by_a_thief_burns_nothing_and_by_the_right_holder_ends_all() {
    // RFC 9700 §4.2.4, RFC 6749 §4.1.2
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.application().redirect_uri(CALLBACK).create();
    let other = server.code_application();
    let thieves = |code: &str| {
        other.exchange(code).assert_error(400, "invalid_grant");
        app.with_secret(Some("not the secret of the application"))
            .exchange(code)
            .assert_error(401, "invalid_client");
        exchange(&app, code, CALLBACK, None).assert_error(400, "invalid_grant");
        exchange(&app, code, CALLBACK, Some(&"x".repeat(43))).assert_error(400, "invalid_grant");
        exchange(&app, code, "https://evil.example/", Some(VERIFIER)).assert_error(400, "invalid_grant");
        exchange(&app, code, "", Some(VERIFIER)).assert_error(400, "invalid_grant");
        app.exchange(&format!("{code}A")).assert_error(400, "invalid_grant");
    };
    let code = browser.code(&app.authorization());
    thieves(&code);
    let tokens = app.exchange(&code).tokens();
    thieves(&code);
    server.assert_good(&tokens.access_token);
    let refreshed = app.refresh(tokens.refresh()).tokens();
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
    server.assert_dead(&refreshed.access_token);
    app.refresh(refreshed.refresh()).assert_error(400, "invalid_grant");
    app.exchange(&code).assert_error(400, "invalid_grant");
}

#[test]
fn pkce_downgrade() {
    // RFC 9700 §4.8
    let server = TestServer::with(&[("PKCE_REQUIRED", "false")]);
    let browser = logged_in(&server, "alice");
    let confidential = server.application().redirect_uri(CALLBACK).create();
    let stripped = confidential.authorization().without("code_challenge").without("code_challenge_method");
    // Somebody has taken the challenge out of the request: the client still sends its verifier.
    let code = browser.code(&stripped);
    exchange(&confidential, &code, CALLBACK, Some(VERIFIER)).assert_error(400, "invalid_grant");
    // Somebody leaves the verifier out.
    let code = browser.code(&confidential.authorization());
    exchange(&confidential, &code, CALLBACK, None).assert_error(400, "invalid_grant");
    // Somebody makes it `plain`, by the method or without it: the challenge that they saw would be the verifier.
    for request in [
        confidential.authorization().with("code_challenge_method", "plain"),
        confidential.authorization().without("code_challenge_method"),
    ] {
        Landing::of(&browser.get(&request.path())).assert_error("invalid_request");
    }
    let public = server.code_application();
    let stripped = public.authorization().without("code_challenge").without("code_challenge_method");
    Landing::of(&browser.get(&stripped.path())).assert_error("invalid_request");
    let metadata = server.get("/.well-known/oauth-authorization-server").json();
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
}

#[test]
fn csrf_on_login_consent_and_logout() {
    // RFC 9700 §4.7
    let server = TestServer::new();
    let alice = logged_in(&server, "alice");
    let mallory = logged_in(&server, "mallory");
    let app = server.code_application();
    let login = [("username", "mallory"), ("password", PASSWORD), ("next", "/")];
    let query = app.authorization().query();
    let consent = [("authorization_request", query.as_str()), ("decision", "allow"), ("scope read", "on")];
    let sign_up = [("username", "dave"), ("password", "the password of dave")];
    let forms = [
        ("/accounts/login/", &login[..], mallory.get("/accounts/login/")),
        ("/accounts/signup/", &sign_up, mallory.get("/accounts/signup/")),
        ("/accounts/logout/", &[], mallory.get("/accounts/logout/")),
        ("/o/authorize/", &consent, mallory.get(&app.authorization().path())),
    ];
    let session = alice.cookie("postern_session").unwrap();
    for (path, form, of_mallory) in &forms {
        let token = |page: &TestResponse| {
            let (_, fields) = form_of(&page.text());
            fields.into_iter().find(|(name, _)| name == "csrf_token").expect("a token").1
        };
        let stolen = token(of_mallory);
        let own = token(&alice.get("/accounts/logout/"));
        let mut spoilt = own.clone().into_bytes();
        let at = spoilt.len() / 2;
        spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
        let spoilt = String::from_utf8(spoilt).unwrap();
        for forged in ["-", "", "x", "AAAAAAAAAAAAAAAAAAAAAA", &stolen, &spoilt, &own[..own.len() - 2]] {
            let mut form = form.to_vec();
            form.extend(Some(("csrf_token", forged)).filter(|_| forged != "-"));
            let page = alice.post(path, &form);
            page.assert_status(403);
            assert_eq!(
                page.0.headers().get("set-cookie").map(|c| c.to_str().unwrap().contains("session")),
                None
            );
        }
        // The right one, sent from another site: by a browser that says so.
        for site in ["cross-site", "same-site"] {
            let form = [*form, &[("csrf_token", own.as_str())]].concat();
            let headers = [("cookie", alice.cookies()), ("sec-fetch-site", site.to_owned())];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            server.send(form_request(path, &headers, &form)).assert_status(403);
        }
    }
    assert_eq!(alice.cookie("postern_session").unwrap(), session);
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
    assert_eq!(server.db.number("SELECT count(*) FROM users"), 2);
    // She is still there, and can do it herself.
    alice.code(&app.authorization());
    let page = alice.get("/accounts/logout/");
    alice.submit_once(&page, &[]).assert_status(303);
    assert_eq!(alice.cookie("postern_session"), None);
}

#[test]
fn login_csrf() {
    // RFC 9700 §4.7: nobody is logged in to an account of somebody else's by a form that they were not shown.
    let server = TestServer::new();
    server.user("mallory");
    let (victim, attacker) = (server.browser(), server.browser());
    let page = attacker.get("/accounts/login/");
    let (_, fields) = form_of(&page.text());
    let token = &fields.iter().find(|(name, _)| name == "csrf_token").unwrap().1;
    let form = [("username", "mallory"), ("password", PASSWORD), ("csrf_token", token)];
    victim.post("/accounts/login/", &form).assert_status(403);
    victim.get("/accounts/login/");
    victim.post("/accounts/login/", &form).assert_status(403);
    assert_eq!(victim.cookie("postern_session"), None);
    attacker.post("/accounts/login/", &form).assert_status(303);
    // The form of before the login is none afterwards.
    attacker.post("/accounts/login/", &form).assert_status(403);
}

#[test]
fn session_fixation() {
    // RFC 9700 §4.7 with OWASP's session management: who knows the session of before the login knows nothing after it.
    let server = TestServer::new();
    server.user("alice");
    let of_attacker = logged_in(&server, "mallory");
    let fixed = of_attacker.cookie("postern_session").unwrap();
    let made_up = "A".repeat(fixed.len());
    for planted in [fixed.as_str(), &made_up, "x"] {
        let victim = server.browser();
        victim.set_cookie("postern_session", planted);
        victim.log_in("alice");
        let session = victim.cookie("postern_session").unwrap();
        assert_ne!(session, planted);
        // Not even the part that is no secret.
        assert_ne!(session.get(..16), planted.get(..16));
    }
    let app = server.code_application();
    for planted in [fixed, made_up] {
        of_attacker.set_cookie("postern_session", &planted);
        let silent = app.authorization().with("prompt", "none");
        Landing::of(&of_attacker.get(&silent.path())).assert_error("login_required");
    }
    // Signing up begins a new one, too.
    let browser = logged_in(&server, "carol");
    let before = browser.cookie("postern_session").unwrap();
    let page = browser.get("/accounts/signup/");
    browser
        .submit_once(&page, &[("username", "dave"), ("password", "the password of dave")])
        .assert_status(303);
    assert_ne!(browser.cookie("postern_session").unwrap(), before);
    let silent = app.authorization().with("prompt", "none");
    let old = server.browser();
    old.set_cookie("postern_session", &before);
    Landing::of(&old.get(&silent.path())).assert_error("login_required");
}

#[test]
fn cookie_tossing() {
    // Another host of the same domain puts a browser cookie there, with a form of its own that fits it.
    let server = TestServer::with(&[("ISSUER", "https://id.example")]);
    server.user("mallory");
    server.user("alice");
    let attacker = Browser::at("https://id.example", &server);
    let page = attacker.get("/accounts/login/");
    let known = attacker.cookie("__Host-postern_browser").unwrap();
    let (_, fields) = form_of(&page.text());
    let token = &fields.iter().find(|(name, _)| name == "csrf_token").unwrap().1;
    let form = [("username", "mallory"), ("password", PASSWORD), ("csrf_token", token.as_str())];
    let own = "AAAAAAAAAAAAAAAAAAAAAA";
    // Only a cookie that says exactly so is from this host alone: no browser lets another one put it.
    for name in [
        "postern_browser",
        "__host-postern_browser",
        "__HOST-postern_browser",
        "__Secure-postern_browser",
        "__Host-postern_browser ",
        "\u{2000}__Host-postern_browser",
        "\u{a0}__Host-postern_browser",
        "\u{85}__Host-postern_browser",
        "\"__Host-postern_browser",
        "$Version=1; postern_browser",
        "x=y, __Host-postern_browser",
    ] {
        for cookies in [
            format!("{name}={known}"),
            format!("{name}={known}; __Host-postern_browser={own}"),
            format!("__Host-postern_browser={own}; {name}={known}"),
        ] {
            // A space before `=` is cut off by browsers, which then see the prefix.
            if name.ends_with(' ') && !cookies.contains(own) {
                continue;
            }
            let headers = [("cookie", cookies.as_str())];
            let response = server.send(form_request("https://id.example/accounts/login/", &headers, &form));
            assert_eq!(response.status(), 403, "{cookies:?}");
        }
    }
    attacker.post("/accounts/login/", &form).assert_status(303);
}

#[test]
fn cookies_of_others_do_not_lock_anybody_out() {
    // A host of the same domain may put anything beside ours.
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let ours = browser.cookies();
    let silent = app.authorization().with("prompt", "none").path();
    for other in ["theme=\u{e9}", "x", "=", "=x", "a=\"b;c\"", "\u{2000}", "x=\u{202e}", "postern_sessions=x"]
    {
        for cookies in [format!("{other}; {ours}"), format!("{ours}; {other}"), format!("{ours};{other};")] {
            let response = server.send(request(Method::GET, &silent, &[("cookie", &cookies)], ""));
            Landing::of(&response).assert_error("consent_required");
        }
    }
    // Some proxies take a header apart (RFC 9113 §8.2.3).
    let (session, other) = ours.rsplit_once("; ").unwrap();
    let parts = [("cookie", session), ("cookie", other)];
    Landing::of(&server.send(request(Method::GET, &silent, &parts, ""))).assert_error("consent_required");
}

#[test]
fn open_redirection_by_next() {
    // RFC 9700 §4.11
    let server = TestServer::new();
    server.user("alice");
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "\\/evil.example",
        "/\t/evil.example/",
        "\t//evil.example/",
        " //evil.example/",
        "/\n/evil.example/",
        "/\r\nLocation: https://evil.example/",
        "https:evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example/",
        ".evil.example/",
        ":80/",
        "?x=//evil.example/",
        "#//evil.example/",
        "/\u{2044}/evil.example/",
        "/%0d%0a/evil.example",
        "/..//evil.example/",
        "/%2f/evil.example/",
        "/%5cevil.example/",
        "/.//evil.example/",
        "/x/..//evil.example",
        "/;@evil.example/",
        "/@evil.example/",
        "\u{0}",
        "",
    ] {
        for path in ["/accounts/login/", "/accounts/signup/"] {
            let browser = server.browser();
            let username = format!("u{}", server.db.number("SELECT count(*) FROM users"));
            let typed = match path {
                "/accounts/login/" => [("username", "alice"), ("password", PASSWORD), ("next", next)],
                _ => [("username", username.as_str()), ("password", PASSWORD), ("next", next)],
            };
            let page = browser.get(&format!("{path}?next={}", crate::support::percent_encode(next)));
            page.assert_status(200);
            assert!(!page.text().contains("href=\"//") && !page.text().contains("href=\"https://evil"));
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.contains("form-action 'self';"), "{policy}");
            for response in
                [browser.copy().submit_once(&page, &typed[..2]), browser.submit_once(&page, &typed)]
            {
                // The second sign-up of a name is refused.
                if let Some(location) = response.header("location") {
                    assert!(location.starts_with("http://localhost:8787/"), "{next:?}: {location}");
                    let uri: http::Uri = location.parse().unwrap();
                    assert_eq!(uri.authority().unwrap(), "localhost:8787");
                    assert_eq!(response.status(), 303);
                } else {
                    assert!([400, 403].contains(&response.status()), "{}", response.status());
                }
            }
        }
    }
}

#[test]
fn below_an_issuer_with_a_path_next_leads_to_no_neighbour() {
    let issuer = "https://id.example/auth";
    let server = TestServer::with(&[("ISSUER", issuer)]);
    server.admin("POST", "users", json!({"username": "alice", "password": PASSWORD})).assert_status(201);
    for (next, path) in [
        ("/../~mallory/", "/account/"),
        ("/account/%2E%2e/.%2E/~mallory/", "/account/"),
        ("/./%2e./~mallory/?x", "/account/"),
        ("/..", "/account/"),
        ("/o/applications/a..b/?x=/../", "/o/applications/a..b/?x=/../"),
    ] {
        let browser = Browser::at(issuer, &server);
        let page = browser.get(&format!("/accounts/login/?next={}", crate::support::percent_encode(next)));
        let answer = browser.submit_once(&page, &[("username", "alice"), ("password", PASSWORD)]);
        assert_eq!(answer.header("location"), Some(format!("{issuer}{path}").as_str()), "{next}");
    }
}

#[test]
fn open_redirection_by_the_authorization_endpoint() {
    // RFC 9700 §4.11.2: errors of an unverified request stay here, also by POST, also on the way over the login page.
    let server = TestServer::new();
    let app = server.code_application();
    let evil = "https://evil.example/cb";
    let request = app.authorization().with("redirect_uri", evil);
    for faulty in [
        request.clone(),
        request.clone().with("response_type", "nonsense"),
        request.clone().with("prompt", "none"),
        request.clone().with("client_id", "nobody"),
        request.clone().without("client_id"),
        request.clone().with("response_mode", "form_post").with("prompt", "none"),
        request.clone().with("redirect_uri", CALLBACK).and("redirect_uri", evil),
    ] {
        let page = server.browser().get(&faulty.path());
        page.assert_status(400);
        assert!(page.header("location").is_none() && !page.text().contains("evil.example"));
        let next = crate::support::percent_encode(&faulty.path());
        let login = server.browser().get(&format!("/accounts/login/?next={next}"));
        let policy = login.header("content-security-policy").unwrap();
        assert!(!policy.contains("evil.example"), "{policy}");
    }
    let login = server.browser().open(&app.authorization().path());
    let policy = login.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https:;"), "{policy}");
}

#[test]
fn redirects_after_a_post_are_303() {
    // RFC 9700 §4.12: a 307 would send the password on.
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let browser = server.browser();
    let login = browser.open(&app.authorization().path());
    let response = browser.submit_once(&login, &[("username", "alice"), ("password", PASSWORD)]);
    assert_eq!((response.status(), response.text().as_str()), (303, ""));
    let consent = browser.open(&app.authorization().path());
    for decision in ["allow", "deny"] {
        assert_eq!(browser.submit_once(&consent, &[("decision", decision)]).status(), 303);
    }
    assert_eq!(browser.post("/o/authorize/", &[("client_id", "x")]).status(), 303);
    let page = browser.get("/accounts/logout/");
    assert_eq!(browser.submit_once(&page, &[]).status(), 303);
    let page = browser.get("/accounts/signup/");
    let typed = [("username", "carol"), ("password", "the password of carol")];
    assert_eq!(browser.submit_once(&page, &typed).status(), 303);
}

#[test]
fn clickjacking() {
    // RFC 9700 §4.16
    let server = TestServer::new();
    let browser = logged_in(&server, "alice");
    let app = server.code_application();
    let consent = browser.get(&app.authorization().path());
    let wrong = server.browser();
    let page = wrong.get("/accounts/login/");
    let wrong = wrong.submit_once(&page, &[("username", "alice"), ("password", "x")]);
    wrong.assert_status(400);
    for page in [
        consent,
        wrong,
        browser.get("/accounts/login/"),
        browser.get("/accounts/signup/"),
        browser.get("/accounts/logout/"),
        browser.get("/"),
        browser.get("/o/authorize/"),
        browser.get("/nothing"),
        browser.post("/accounts/logout/", &[]),
        browser.get(&app.authorization().with("response_mode", "form_post").with("max_age", "x").path()),
    ] {
        assert!(page.text().starts_with("<!doctype html>"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn a_stolen_authorization_response_is_worth_nothing_to_another_browser() {
    // RFC 9700 §4.5.3: what an attacker reads off the address of the redirect lacks the verifier; the consent page that
    // they are shown does not work in the browser of anybody else.
    let server = TestServer::new();
    let alice = logged_in(&server, "alice");
    let mallory = logged_in(&server, "mallory");
    let app = server.code_application();
    let page = mallory.get(&app.authorization().path());
    let (_, form) = form_of(&page.text());
    let mut form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form.push(("decision", "allow"));
    alice.post("/o/authorize/", &form).assert_status(403);
    assert_eq!(server.db.number("SELECT count(*) FROM grants"), 0);
    mallory.post("/o/authorize/", &form).assert_status(303);
    server.admin("POST", "users/mallory/logout", Value::Null).assert_status(204);
    let response = mallory.post("/o/authorize/", &form);
    assert!(response.header("location").unwrap().starts_with("http://localhost:8787/accounts/login/"));
}
