//! The signature base string (RFC 5849 §3.4.1): what both sides sign.

use fluent_uri::Uri;

use super::percent_encode;
use super::request::Malformed;

/// RFC 5849 §3.4.1.1. `parameters` are decoded, and without `oauth_signature`.
pub(super) fn base_string(
    method: &str,
    url: &str,
    parameters: &[(String, String)],
) -> Result<String, Malformed> {
    Ok(format!(
        "{}&{}&{}",
        percent_encode(&method.to_ascii_uppercase()),
        percent_encode(&base_string_uri(url)?),
        percent_encode(&normalize(parameters))
    ))
}

/// RFC 5849 §3.4.1.2: without query and fragment, and with no more changed than the RFC says.
fn base_string_uri(url: &str) -> Result<String, Malformed> {
    let resource = url.split(['?', '#']).next().unwrap_or_default();
    let is_printed = |c: char| !c.is_control() && !c.is_whitespace();
    if !resource.chars().all(is_printed) {
        return Err(Malformed::Invalid("the URL holds what has to be encoded"));
    }
    let (scheme, rest) = resource.split_once("://").ok_or(Malformed::Invalid("the URL is not absolute"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(Malformed::Invalid("the URL is neither http nor https")),
    };
    let (host, port) = host_and_port(&format!("{scheme}://{authority}"))
        .ok_or(Malformed::Invalid("the URL does not name a host, or names more"))?;
    Ok(match port.filter(|&port| port != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}/{path}"),
        None => format!("{scheme}://{host}/{path}"),
    })
}

/// Of a URI without a path. The host is in lower case.
fn host_and_port(origin: &str) -> Option<(String, Option<u16>)> {
    let uri = Uri::parse(origin).ok()?;
    let authority = uri.authority()?;
    let names_host_alone = authority.userinfo().is_none() && !authority.host().is_empty();
    let port = authority.port_to_u16().ok()?;
    names_host_alone.then(|| (authority.host().to_ascii_lowercase(), port))
}

/// RFC 5849 §3.4.1.3.2: encoded, and sorted after that, by the name and then by the value.
fn normalize(parameters: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| (percent_encode(name), percent_encode(value))).collect();
    encoded.sort_unstable();
    let pairs: Vec<String> = encoded.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_uris_of_rfc_5849() {
        // RFC 5849 §3.4.1.2
        let uri = |url| base_string_uri(url).unwrap();
        assert_eq!(uri("http://EXAMPLE.COM:80/r%20v/X?id=123"), "http://example.com/r%20v/X");
        assert_eq!(uri("https://www.example.net:8080/?q=1"), "https://www.example.net:8080/");
    }

    #[test]
    fn scheme_and_host_are_lowered_the_default_port_left_out_and_the_path_kept() {
        for (url, expected) in [
            ("HTTP://Example.com", "http://example.com/"),
            ("http://example.com?a", "http://example.com/"),
            ("http://example.com#a?b", "http://example.com/"),
            ("https://example.com:443/", "https://example.com/"),
            ("https://example.com:80/", "https://example.com:80/"),
            ("http://example.com:443/", "http://example.com:443/"),
            ("http://example.com:/a", "http://example.com/a"),
            ("http://example.com:0080/a", "http://example.com/a"),
            ("http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a"),
            ("http://e%C3%A9.example/", "http://e%c3%a9.example/"),
            ("http://a.example//A/../b/./%7e%7E~;x=1/", "http://a.example//A/../b/./%7e%7E~;x=1/"),
            ("http://a.example/é[|]/://@:b/", "http://a.example/é[|]/://@:b/"),
        ] {
            assert_eq!(base_string_uri(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_no_client_asks_for_is_refused() {
        for url in [
            "",
            "/",
            "example.com/",
            "//example.com/",
            "ftp://example.com/",
            "http:/example.com/",
            "http:example.com",
            "http://",
            "http:///a",
            "http://:80/",
            "http://a@example.com/",
            "http://a:b@example.com/",
            "http://@example.com/",
            "http://example.com:a/",
            "http://example.com:-1/",
            "http://example.com:65536/",
            "http://a:80:80/",
            "http://[::1/",
            "http://a b/",
            "http://é.example/",
            "http://a%zz/",
            "http://a\\b/",
            "http://a.example/b c",
            "http://a.example/b\n",
            "http://a.example/\0",
            " http://a.example/",
        ] {
            assert!(base_string_uri(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_normalized_parameters_of_rfc_5849() {
        // RFC 5849 §3.4.1.3.2
        let decoded = owned(&[
            ("b5", "=%3D"),
            ("a3", "a"),
            ("c@", ""),
            ("a2", "r b"),
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
            ("c2", ""),
            ("a3", "2 q"),
        ]);
        let expected = concat!(
            "a2=r%20b&a3=2%20q&a3=a&b5=%3D%253D&c%40=&c2=&oauth_consumer_key=9djdj82h48djs9d2&oauth_nonce=7d8f3e4a",
            "&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131201&oauth_token=kkk9d7dh3k39sjv7"
        );
        assert_eq!(normalize(&decoded), expected);
    }

    #[test]
    fn names_are_sorted_before_values_and_encoded_before_that() {
        // `a-` is before `a=` as a string, but `a` is before `a-` as a name; `é` is `%C3`, and that is before `A`.
        let decoded = owned(&[
            ("a-", "1"),
            ("a", "z"),
            ("a", "é"),
            ("a", "~"),
            ("a", "Z"),
            ("A", ""),
            ("é", ""),
            ("", ""),
        ]);
        assert_eq!(normalize(&decoded), "=&%C3%A9=&A=&a=%C3%A9&a=Z&a=z&a=~&a-=1");
        assert_eq!(normalize(&[]), "");
    }

    #[test]
    fn a_method_is_in_upper_case_and_encoded() {
        // RFC 5849 §3.4.1.1
        let of = |method| base_string(method, "http://a.example/%20", &owned(&[("a", "&")])).unwrap();
        assert_eq!(of("get"), "GET&http%3A%2F%2Fa.example%2F%2520&a%3D%2526");
        assert_eq!(of("M-SEARCH"), of("M-Search"));
        assert_eq!(of("a&b"), "A%26B&http%3A%2F%2Fa.example%2F%2520&a%3D%2526");
    }
}
