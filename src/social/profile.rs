//! What a provider says of a person, in our words.

use serde_json::{Map, Value};

use super::SocialError;
use super::ask::{at, bearer, for_object, for_value, get, is_true, text_at, with_proof};
use super::provider::{Endpoints, Provider, Verified};
use crate::app::App;
use crate::model::social::{Email, Identity};
use crate::model::user::is_email;

/// Asks who holds an access token.
///
/// # Errors
/// - `Refused`: the provider does not take the token, or does not say who it is.
/// - `Failed`: it does not answer, or makes no sense.
pub async fn of_access_token(
    token: &str,
    provider: &Provider,
    endpoints: &Endpoints,
    app: &App,
) -> Result<Identity, SocialError> {
    let url = endpoints.userinfo.as_ref();
    let url = url.ok_or_else(|| SocialError::garbage("metadata: there is no userinfo_endpoint"))?;
    let url = with_proof(url, token, provider);
    let profile = for_object(bearer(get(&url), token), "userinfo", app).await?;
    let mut identity = of_profile(&profile, provider)?;
    if let Some(url) = &endpoints.emails {
        identity.email = email_of_list(token, url, app).await?;
    }
    Ok(identity)
}

/// Reads a profile, or the claims of an ID token.
///
/// # Errors
/// - `Refused`: it does not say who it is.
pub fn of_profile(profile: &Map<String, Value>, provider: &Provider) -> Result<Identity, SocialError> {
    let fields = &provider.fields;
    // Where a NUL ended a text, one id would be another.
    let is_uid = |uid: &String| (1..=LONGEST_UID).contains(&uid.len()) && !uid.contains(char::is_control);
    let uid = text_at(profile, &fields.id).filter(is_uid);
    let uid = uid.ok_or_else(|| SocialError::refused("profile: there is no id"))?;
    let text = |path: &str| text_at(profile, path).map(|text| shortened(&text)).unwrap_or_default();
    let is_verified = match &fields.email_verified {
        Verified::Field(path) => is_true(at(profile, path)),
        Verified::Always => true,
        Verified::Never => false,
    };
    let address = text_at(profile, &fields.email).filter(|address| is_email(address));
    let (mut first_name, mut last_name) = (text(&fields.first_name), text(&fields.last_name));
    if first_name.is_empty() && last_name.is_empty() {
        let name = text(&fields.name);
        let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
        (first_name, last_name) = (first.to_owned(), last.trim().to_owned());
    }
    Ok(Identity {
        provider: provider.name.clone(),
        uid,
        username: text_at(profile, &fields.username),
        email: address.map(|address| Email { address, is_verified }),
        first_name,
        last_name,
        tokens: None,
    })
}

/// In bytes: as Python Social Auth's column.
const LONGEST_UID: usize = 255;

/// As long as a user's name may be, and without what no name holds.
fn shortened(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(150).collect()
}

/// GitHub tells the addresses apart: the first one that is primary.
async fn email_of_list(token: &str, url: &str, app: &App) -> Result<Option<Email>, SocialError> {
    let list = for_value(bearer(get(url), token), "emails", app).await?;
    let entries = list.as_array().ok_or_else(|| SocialError::garbage("emails: the answer is not a list"))?;
    let primary = entries.iter().filter_map(Value::as_object).find(|entry| is_true(entry.get("primary")));
    let email = primary.and_then(|entry| {
        let address = text_at(entry, "email").filter(|address| is_email(address))?;
        Some(Email { address, is_verified: is_true(entry.get("verified")) })
    });
    Ok(email)
}
