//! The head of a request: what is answered by its text alone is answered as if it had been taken apart.

use postern::call::head::{Head, put_headers};
use proptest::prelude::*;

use crate::parsers::text;

/// Some text, without the line feed that no part of a request can hold.
fn part() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace('\n', ""))
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just("GET".to_owned()), 1 => Just("POST".to_owned()), 1 => Just("HEAD".to_owned()), 1 => part()]
}

/// A URL as the runtime would write it, or nearly.
fn url() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![Just("http://"), Just("https://")];
    let host = prop_oneof![
        4 => prop::sample::select(vec!["localhost:8787", "auth.example.com", "[::1]:8787", "a.example:", ""])
            .prop_map(str::to_owned),
        1 => part(),
    ];
    let path = prop_oneof![
        4 => prop::sample::select(vec!["/validate/", "/validate", "/o/token/", "/", "/validate/?fresh=1", "/validate/#x", ""])
            .prop_map(str::to_owned),
        1 => part(),
    ];
    (scheme, host, path).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"))
}

/// The lines of headers, each there or not, in the order in which they are read.
fn headers() -> impl Strategy<Value = String> {
    let value =
        || prop_oneof![2 => Just("Bearer pst_at_AQ".to_owned()), 2 => part(), 1 => Just(String::new())];
    (prop::option::weighted(0.9, value()), prop::collection::vec(value(), 0..2)).prop_map(
        |(authorization, others)| {
            let authorization = authorization.map(|value| format!("authorization:{value}\n"));
            let others = others.into_iter().map(|value| format!("x-forwarded-method:{value}\n"));
            authorization.into_iter().chain(others).collect()
        },
    )
}

fn written() -> impl Strategy<Value = String> {
    let well =
        (method(), url(), headers()).prop_map(|(method, url, headers)| format!("{method} {url}\n{headers}"));
    prop_oneof![8 => well, 1 => text()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_stands_alone_is_all_there_is(written in written()) {
        let head = Head::new(written.clone());
        let Some((path, beginning, authorization)) = head.authorization_alone() else {
            return Ok(());
        };
        prop_assert_eq!(format!("{beginning}{authorization}\n"), written.as_str());
        prop_assert_eq!(head.all_after(beginning), Some(authorization));
        prop_assert!(beginning.starts_with("GET "), "{}", written);
        let request = match head.request() {
            Ok(request) => request,
            // Only of validation anything is answered before all has been taken apart.
            Err(reason) => {
                let is_answered =
                    ["/validate", "/validate/"].contains(&path) && beginning.starts_with("GET http");
                prop_assert!(!is_answered, "{}: {}", reason, written);
                return Ok(());
            }
        };
        prop_assert_eq!(request.method().as_str(), "GET");
        prop_assert_eq!((request.uri().path(), request.uri().query()), (path, None));
        prop_assert_eq!(request.headers().len(), 1);
        let value = request.headers().get("authorization").unwrap().as_bytes();
        let is_no_text = value == b"\xff" && authorization.contains(|it: char| it.is_ascii_control());
        prop_assert!(value == authorization.as_bytes() || is_no_text, "{:?} of {}", value, written);
    }

    #[test]
    fn a_beginning_that_is_known_takes_in_no_other_request(known in written(), written in written(), tail in part()) {
        let known_head = Head::new(known.clone());
        let Some((path, beginning, _)) = known_head.authorization_alone() else {
            return Ok(());
        };
        for other in [written, format!("{beginning}{tail}\n"), format!("{beginning}{tail}\nx-original-url:/o/\n"), format!("{known}{tail}")] {
            let head = Head::new(other);
            if let Some(rest) = head.all_after(beginning) {
                prop_assert_eq!(head.authorization_alone(), Some((path, beginning, rest)));
            }
        }
        prop_assert_eq!(known_head.all_after(""), None);
    }

    #[test]
    fn any_head_is_taken_apart_or_refused(written in written(), others in text()) {
        let Ok(mut request) = Head::new(written.clone()).request() else {
            return Ok(());
        };
        let url = written.split_once('\n').unwrap().0.split_once(' ').unwrap().1;
        prop_assert!(url.contains(request.uri().path()) || request.uri().path() == "/", "{}", written);
        prop_assert!(!url.contains('#'), "{}", written);
        let before = request.headers().clone();
        if put_headers(&others, &mut request).is_ok() {
            prop_assert!(before.keys().all(|name| request.headers().contains_key(name)));
            prop_assert_eq!(request.headers().len(), request.headers().keys_len());
        }
    }
}
