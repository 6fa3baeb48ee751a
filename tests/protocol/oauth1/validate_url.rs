//! What was signed is what the proxy tells of the original request (RFC 5849 §3.4.1).

use http::{HeaderName, HeaderValue};
use postern::call::Request;

use crate::oauth1::{API, client};
use crate::support::oauth1::{Place, SigningClient};
use crate::support::{TestResponse, TestServer};

/// With these headers instead of those that are there; none: without it.
fn told(mut request: Request, headers: &[(&'static str, Option<&str>)]) -> Request {
    for (name, value) in headers {
        request.headers_mut().remove(*name);
        if let Some(value) = value {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
    }
    request
}

/// Asks about a GET of `url` that is told by these headers.
fn ask(client: &SigningClient<'_>, url: &str, headers: &[(&'static str, Option<&str>)]) -> TestResponse {
    client.server.send(told(client.unsigned("GET", url).forwarded(""), headers))
}

const UNTOLD: [(&str, Option<&str>); 3] =
    [("x-forwarded-proto", None), ("x-forwarded-host", None), ("x-forwarded-uri", None)];

#[test]
fn a_whole_url_rules_over_its_parts() {
    let server = TestServer::new();
    let client = client(&server);
    let wrong = [
        ("x-forwarded-host", Some("other.example")),
        ("x-forwarded-uri", Some("/other")),
        ("x-forwarded-proto", Some("http")),
    ];
    let whole = ("x-original-url", Some(API));
    ask(&client, API, &[&wrong[..], &[whole]].concat()).assert_status(200);
    ask(&client, API, &[&UNTOLD[..], &[whole]].concat()).assert_status(200);
    let other = ("x-original-url", Some("https://api.example/other"));
    ask(&client, API, &[other]).assert_signed_error(401, "invalid_token");
    for header in wrong {
        ask(&client, API, &[header]).assert_signed_error(401, "invalid_token");
    }
    // The method it does not hold.
    ask(&client, API, &[whole, ("x-forwarded-method", Some("POST"))])
        .assert_signed_error(401, "invalid_token");
    ask(&client, API, &[whole, ("x-forwarded-method", None)]).assert_signed_error(400, "invalid_request");
}

#[test]
fn without_a_scheme_it_is_https() {
    let server = TestServer::new();
    let client = client(&server);
    ask(&client, API, &[("x-forwarded-proto", None)]).assert_status(200);
    ask(&client, "http://api.example/photos", &[]).assert_status(200);
    ask(&client, "http://api.example/photos", &[("x-forwarded-proto", None)])
        .assert_signed_error(401, "invalid_token");
}

#[test]
fn what_is_missing_makes_a_signed_request_malformed() {
    let server = TestServer::new();
    let client = client(&server);
    for place in [Place::Header, Place::Query, Place::Form] {
        for missing in ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"] {
            let request = client.unsigned("POST", API).at(place).forwarded("");
            let answer = server.send(told(request, &[(missing, None)]));
            match (place, missing) {
                // That it is signed is not told either.
                (Place::Query, "x-forwarded-uri") => {
                    answer.assert_status(401);
                    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="api""#));
                }
                _ => {
                    answer.assert_signed_error(400, "invalid_request");
                }
            }
        }
        let whole = client.unsigned("POST", API).at(place).forwarded("");
        server.send(whole).assert_status(200);
    }
}

#[test]
fn what_comes_twice_is_malformed() {
    let server = TestServer::new();
    let client = client(&server);
    for (name, twice) in [
        ("x-forwarded-method", "GET, GET"),
        ("x-forwarded-method", "GET,GET"),
        ("x-forwarded-proto", "https, https"),
        ("x-forwarded-host", "api.example, api.example"),
        ("x-forwarded-host", "api.example,evil.example"),
        ("x-forwarded-uri", "/photos, /photos"),
        ("x-original-url", "https://api.example/photos, https://api.example/photos"),
    ] {
        ask(&client, API, &[(name, Some(twice))]).assert_signed_error(400, "invalid_request");
    }
    for (name, value) in [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example"),
        ("x-forwarded-uri", "/photos"),
        ("x-original-url", API),
    ] {
        let mut request = told(client.unsigned("GET", API).forwarded(""), &[(name, Some(value))]);
        request.headers_mut().append(name, value.parse().unwrap());
        server.send(request).assert_signed_error(400, "invalid_request");
    }
    // In a path a comma is a comma.
    ask(&client, "https://api.example/photos/1,2", &[]).assert_status(200);
}

#[test]
fn what_is_malformed_is_refused_as_such() {
    let server = TestServer::new();
    let client = client(&server);
    for (name, value) in [
        ("x-forwarded-method", ""),
        ("x-forwarded-method", "G ET"),
        ("x-forwarded-proto", ""),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-proto", "https://api.example"),
        ("x-forwarded-host", ""),
        ("x-forwarded-host", "alice@api.example"),
        ("x-forwarded-host", "api.example:port"),
        ("x-forwarded-host", "api example"),
        ("x-forwarded-uri", ""),
        ("x-forwarded-uri", "photos"),
        ("x-forwarded-uri", "*"),
        ("x-forwarded-uri", "/pho tos"),
        ("x-original-url", ""),
        ("x-original-url", "/photos"),
        ("x-original-url", "api.example/photos"),
        ("x-original-url", "ftp://api.example/photos"),
        ("x-original-url", "https:///photos"),
    ] {
        ask(&client, API, &[(name, Some(value))]).assert_signed_error(400, "invalid_request");
    }
    let mut request = client.unsigned("GET", API).forwarded("");
    let uri = HeaderValue::from_bytes("/phötos".as_bytes()).unwrap();
    request.headers_mut().insert(HeaderName::from_static("x-forwarded-uri"), uri);
    server.send(request).assert_signed_error(400, "invalid_request");
}

#[test]
fn no_part_of_a_url_stands_for_another() {
    // A host that the caller chooses must not move what was signed into the query, nor the other way round.
    let server = TestServer::new();
    let client = client(&server);
    for (host, uri, proto) in [
        ("api.example/photos?", "", "https"),
        ("api.example/photos?", "/", "https"),
        ("api.example/photos#", "/delete", "https"),
        ("api.exam", "ple/photos", "https"),
        ("", "api.example/photos", "https"),
        ("", "/photos", "https://api.example"),
    ] {
        let told = [
            ("x-forwarded-host", Some(host)),
            ("x-forwarded-uri", Some(uri)),
            ("x-forwarded-proto", Some(proto)),
        ];
        ask(&client, API, &told).assert_signed_error(400, "invalid_request");
    }
}

#[test]
fn nginx_is_told_401_where_others_are_told_400() {
    let server = TestServer::new();
    let client = client(&server);
    let request = || told(client.unsigned("GET", API).forwarded("proxy=nginx"), &UNTOLD);
    let answer = server.send(request());
    answer.assert_signed_error(401, "invalid_request");
    server.send(client.unsigned("GET", API).forwarded("proxy=nginx")).assert_status(200);
    let tampered = client.unsigned("GET", API).forwarded_with("AAAA", "proxy=nginx");
    server.send(tampered).assert_signed_error(401, "invalid_token");
}

#[test]
fn default_ports_and_the_case_of_scheme_and_host_do_not_matter() {
    // RFC 5849 §3.4.1.2
    let server = TestServer::new();
    let client = client(&server);
    for (signed, host, proto) in [
        (API, "API.Example", "https"),
        (API, "api.example:443", "https"),
        (API, "api.example:", "https"),
        (API, "api.example", "HTTPS"),
        ("http://api.example/photos", "api.example:80", "http"),
        ("https://api.example:80/photos", "api.example:80", "https"),
        ("http://api.example:443/photos", "api.example:443", "http"),
        ("https://api.example:8443/photos", "API.example:8443", "https"),
        ("http://[::1]:8080/photos", "[::1]:8080", "http"),
    ] {
        let told = [
            ("x-forwarded-host", Some(host)),
            ("x-forwarded-proto", Some(proto)),
            ("x-forwarded-uri", Some("/photos")),
        ];
        ask(&client, signed, &told).assert_status(200);
    }
    for host in ["api.example:80", "api.example:8443", "api.example.", "example", "xn--api.example"] {
        ask(&client, API, &[("x-forwarded-host", Some(host))]).assert_signed_error(401, "invalid_token");
    }
    // The case of a path does, and a slash at its end.
    for uri in ["/Photos", "/photos/", "//photos", "/%70hotos"] {
        ask(&client, API, &[("x-forwarded-uri", Some(uri))]).assert_signed_error(401, "invalid_token");
    }
    // A method is signed in upper case (RFC 5849 §3.4.1.1).
    ask(&client, API, &[("x-forwarded-method", Some("get"))]).assert_status(200);
}

#[test]
fn query_parameters_are_signed_repeated_and_empty_ones_too() {
    // RFC 5849 §3.4.1.3
    let server = TestServer::new();
    let client = client(&server);
    let pairs = [("b", "2"), ("a", ""), ("a", "1"), ("a", "1"), ("ä&=", "+ ~%"), ("", "x"), ("日", "🙂")];
    let signed = |uri: &str| {
        let unsigned = client.unsigned("GET", API);
        let unsigned = pairs.iter().fold(unsigned, |unsigned, (name, value)| unsigned.query(name, value));
        let request = unsigned.forwarded("");
        server.send(told(request, &[("x-forwarded-uri", Some(uri))]))
    };
    let whole = "b=2&a=&a=1&a=1&%C3%A4%26%3D=%2B%20~%25&=x&%E6%97%A5=%F0%9F%99%82";
    for query in [
        whole,
        // In another order, without the sign of an empty value, and encoded otherwise.
        "=x&a=1&a&b=2&a=1&%e6%97%a5=%F0%9F%99%82&%C3%A4%26%3D=%2B+%7E%25",
        "&&b=2&a=&a=1&a=1&&%C3%A4%26%3D=%2B%20~%25&=x&%E6%97%A5=%F0%9F%99%82&",
    ] {
        signed(&format!("/photos?{query}")).assert_status(200);
    }
    for (from, to) in [
        ("b=2", "b=3"),
        ("b=2", "B=2"),
        ("b=2&", ""),
        ("a=&", ""),
        ("a=1&a=1", "a=1"),
        ("=x&", ""),
        ("%2B%20", "%20%20"),
        ("%C3%A4", "%61"),
        ("b=2", "b=2&admin=1"),
    ] {
        let tampered = whole.replacen(from, to, 1);
        assert_ne!(tampered, whole);
        signed(&format!("/photos?{tampered}")).assert_signed_error(401, "invalid_token");
    }
    for malformed in ["%C3", "%00", "a=%FF"] {
        signed(&format!("/photos?{whole}&{malformed}")).assert_signed_error(400, "invalid_request");
    }
}

#[test]
fn a_form_is_signed_whatever_its_content_type_says_besides() {
    // RFC 5849 §3.4.1.3.1
    let server = TestServer::new();
    let client = client(&server);
    let request =
        || client.unsigned("POST", API).query("c3", "").form("c2", "ü").form("a3", "2 q").forwarded("");
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-URLEncoded;charset=utf-8",
    ] {
        let told = told(request(), &[("content-type", Some(content_type))]);
        server.send(told).assert_status(200);
    }
    // Who does not say that it is a form sends none, and it was signed as one.
    for content_type in [Some("application/json"), Some("text/plain"), Some("multipart/form-data"), None] {
        let told = told(request(), &[("content-type", content_type)]);
        server.send(told).assert_signed_error(401, "invalid_token");
    }
    let tamper = |body: &str| {
        let mut request = request();
        *request.body_mut() = body.as_bytes().to_vec();
        server.send(request)
    };
    tamper("a3=2+q&c2=%c3%bc").assert_status(200);
    for body in ["a3=2+q", "a3=2+q&c2=%C3%BC&c2=", "a3=2+p&c2=%C3%BC", ""] {
        tamper(body).assert_signed_error(401, "invalid_token");
    }
    tamper("a3=2+q&c2=%FF").assert_signed_error(400, "invalid_request");
}

#[test]
fn a_body_that_is_no_form_is_not_signed_and_an_empty_form_is_nothing() {
    // RFC 5849 §3.4.1.3.1
    let server = TestServer::new();
    let client = client(&server);
    for (content_type, body) in [
        (Some("application/json"), r#"{"oauth_signature": "x", "a": 1}"#),
        (Some("text/plain"), "a=1&b=2"),
        (Some("application/x-www-form-urlencoded"), ""),
        (Some("application/x-www-form-urlencoded"), "&&"),
        (None, "a=1"),
    ] {
        let mut request = client.unsigned("POST", API).forwarded("");
        *request.body_mut() = body.as_bytes().to_vec();
        server.send(told(request, &[("content-type", content_type)])).assert_status(200);
    }
}

#[test]
fn a_form_may_have_sixty_four_kibibytes() {
    let server = TestServer::new();
    let client = client(&server);
    let request =
        |length: usize| client.unsigned("POST", API).form("a", &"x".repeat(length - 2)).forwarded("");
    server.send(request(64 * 1024)).assert_status(200);
    let answer = server.send(request(64 * 1024 + 1));
    assert_eq!(answer.assert_error(413, "invalid_request").json()["active"], false);
}
