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
