//! `SOCIAL_AUTH_PROVIDERS`: what the operator says of identity providers, over what is known of them.

use serde_json::{Map, Value};

use super::provider::{
    CheckBy, ClientSecret, Endpoints, ProfileFields, Proof, Provider, Providers, Revocation, TokenCheck,
    Verified,
};
use crate::crypto::secret::Secret;
use crate::model::fields::{FieldErrors, Fields};
use crate::model::time::Lifetime;
use crate::protocol::json::parse_object;
use crate::protocol::uri::check_url;

impl Providers {
    /// Reads `SOCIAL_AUTH_PROVIDERS`: a JSON object, provider by name. `secret` knows the Worker's secrets by name.
    ///
    /// # Errors
    /// Names the entry that is wrong, and what of it; quotes no value.
    pub fn parse(text: &str, secret: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Ok(entries) = parse_object(text.as_bytes()) else {
            return Err("must be a JSON object: provider name to provider, none twice".to_owned());
        };
        if entries.is_empty() {
            return Ok(Self::default());
        }
        let Ok(Value::Object(known)) = serde_json::from_str(KNOWN) else {
            return Err("the table of known providers is not JSON".to_owned());
        };
        let read = |(name, entry): (String, Value)| {
            Provider::read(&name, entry, &known, secret).map_err(|reason| format!("{name}: {reason}"))
        };
        entries.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// What is known of providers, in the words of the setting.
const KNOWN: &str = include_str!("known.json");

/// Members whose own members are laid over each other, not replaced.
const LAID_OVER: &str = "fields";

/// As the name of a cookie and a path can hold it, and as long as Python Social Auth's column.
fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Provider {
    fn read(
        name: &str,
        entry: Value,
        known: &Map<String, Value>,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        if !is_name(name) {
            return Err("a name is 1 to 32 letters, digits, - and _".to_owned());
        }
        let Value::Object(mut entry) = entry else {
            return Err("must be a JSON object".to_owned());
        };
        let kind = match entry.remove("kind") {
            None if known.contains_key(name) => name.to_owned(),
            None => "oidc".to_owned(),
            Some(Value::String(kind)) if known.contains_key(&kind) => kind,
            Some(_) => return Err("kind is not the name of a known provider, oidc or oauth2".to_owned()),
        };
        let mut members = Map::new();
        lay_over(&mut members, known_members(&kind, known));
        if !entry.contains_key("label") && kind != name && matches!(kind.as_str(), "oidc" | "oauth2") {
            members.insert("label".to_owned(), name.into());
        }
        lay_over(&mut members, entry);
        let mut fields = Fields::new(members);
        let provider = Self::from_fields(name, &mut fields, secret);
        // Where one stops the reading, those after it have not been read, and are not unknown.
        let checked = if provider.is_some() { fields.finish() } else { fields.finish_leniently() };
        checked.map_err(|errors| say(&errors))?;
        provider.ok_or_else(|| "cannot be used".to_owned())
    }

    fn from_fields(name: &str, fields: &mut Fields, secret: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let client_id = fields.required_text("client_id");
        let secret = read_secret(fields, secret);
        let mut audiences: Vec<String> = client_id.iter().cloned().collect();
        audiences.extend(fields.texts("audiences").unwrap_or_default());
        let issuer = fields.text("issuer");
        check_address(fields, "issuer", issuer.as_deref());
        let mut issuers: Vec<String> = issuer.into_iter().collect();
        // The known ones are those of the known issuer: whoever names another one means that alone.
        issuers.extend(fields.texts("other_issuers").unwrap_or_default());
        let discovery = fields.flag("discovery").unwrap_or(false);
        let client_id = client_id.unwrap_or_default();
        let endpoints = Endpoints::read(fields, &client_id);
        let proofs = read_proofs(fields);
        let is_oidc = proofs.contains(&Proof::IdToken);
        check_endpoints(fields, &endpoints, &proofs, discovery);
        if is_oidc && issuers.is_empty() {
            fields.error("issuer", "is missing");
        }
        let (label, scope) = (fields.required_text("label"), fields.text("scope"));
        let redirect_uri = fields.text("redirect_uri");
        check_address(fields, "redirect_uri", redirect_uri.as_deref());
        Some(Self {
            name: name.to_owned(),
            label: label?,
            client_id,
            secret: secret?,
            audiences,
            issuers,
            token_check: read_token_check(fields, &endpoints),
            endpoints,
            discovery,
            redirect_uri,
            scope: scope.unwrap_or_default(),
            allowed_domains: fields.texts("allowed_domains").unwrap_or_default(),
            allowed_emails: fields.texts("allowed_emails").unwrap_or_default(),
            proofs,
            appsecret_proof: fields.flag("appsecret_proof").unwrap_or(false),
            pkce: fields.flag("pkce").unwrap_or(true),
            nonce: fields.flag("nonce").unwrap_or(is_oidc),
            form_post: read_choice(fields, "response_mode", &[("query", false), ("form_post", true)])
                .unwrap_or(false),
            one_tap: fields.flag("one_tap").unwrap_or(false),
            authorization_parameters: read_parameters(fields),
            basic_authentication: read_choice(fields, "token_endpoint_auth_method", AUTH_METHODS)
                .unwrap_or(true),
            revocation: read_choice(fields, "revocation", REVOCATIONS).unwrap_or(Revocation::Post),
            id_token_max_age: read_seconds(fields, "id_token_max_age"),
            fields: ProfileFields::read(fields)?,
        })
    }
}

const AUTH_METHODS: &[(&str, bool)] = &[("client_secret_basic", true), ("client_secret_post", false)];

const REVOCATIONS: &[(&str, Revocation)] =
    &[("post", Revocation::Post), ("delete", Revocation::Delete), ("basic_delete", Revocation::BasicDelete)];

const CHECKS: &[(&str, CheckBy)] = &[
    ("query", CheckBy::Query),
    ("bearer", CheckBy::Bearer),
    ("app_token", CheckBy::AppToken),
    ("basic", CheckBy::Basic),
    ("introspection", CheckBy::Introspection),
];

/// What is known of a kind, over what is known of the kind that it is of.
fn known_members(kind: &str, known: &Map<String, Value>) -> Map<String, Value> {
    let mut own = known.get(kind).and_then(Value::as_object).cloned().unwrap_or_default();
    let Some(Value::String(base)) = own.remove("kind") else {
        return own;
    };
    let mut members = known_members(&base, known);
    lay_over(&mut members, own);
    members
}

/// Puts members over those that are there. Another issuer is not known by what the known one is.
fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    if above.contains_key("issuer") {
        below.remove("other_issuers");
    }
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) if name == LAID_OVER => below.extend(above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

/// `member: what is wrong with it; …`
fn say(errors: &FieldErrors) -> String {
    let say = |name: &str| format!("{name}: {}", errors.of(name).join(" "));
    errors.names().split(", ").map(say).collect::<Vec<_>>().join("; ")
}

fn check_address(fields: &mut Fields, name: &str, address: Option<&str>) {
    // Microsoft's issuers have a place for the tenant.
    let checked = address.map(|address| check_url(&address.replace("{tenantid}", "t")));
    if let Some(Err(reason)) = checked {
        fields.error(name, reason);
    }
}

/// What the proofs need must be there, or be found in the metadata.
fn check_endpoints(fields: &mut Fields, endpoints: &Endpoints, proofs: &[Proof], discovery: bool) {
    let takes = |proof| proofs.contains(&proof);
    let needed = [
        ("jwks_uri", &endpoints.jwks_uri, takes(Proof::IdToken) && !discovery),
        ("authorization_endpoint", &endpoints.authorization, takes(Proof::Code) && !discovery),
        ("token_endpoint", &endpoints.token, takes(Proof::Code) && !discovery),
        ("userinfo_endpoint", &endpoints.userinfo, !takes(Proof::IdToken)),
    ];
    for (name, endpoint, is_needed) in needed {
        if is_needed && endpoint.is_none() {
            fields.error(name, "is missing");
        }
    }
}

impl Endpoints {
    fn read(fields: &mut Fields, client_id: &str) -> Self {
        let mut read = |name: &str| {
            let address = fields.text(name)?.replace("{client_id}", client_id);
            check_address(fields, name, Some(&address));
            Some(address)
        };
        Self {
            authorization: read("authorization_endpoint"),
            token: read("token_endpoint"),
            userinfo: read("userinfo_endpoint"),
            emails: read("emails_endpoint"),
            tokeninfo: read("tokeninfo_endpoint"),
            introspection: read("introspection_endpoint"),
            revocation: read("revocation_endpoint"),
            jwks_uri: read("jwks_uri"),
        }
    }
}

/// The secret whose name `client_secret` is; with `team_id` and `key_id`, it is a private key to sign with.
fn read_secret(fields: &mut Fields, secret: &dyn Fn(&str) -> Option<String>) -> Option<ClientSecret> {
    let (team_id, key_id) = (fields.text("team_id"), fields.text("key_id"));
    let Some(name) = fields.text("client_secret") else {
        return Some(ClientSecret::None);
    };
    let Some(text) = secret(&name).filter(|text| !text.is_empty()) else {
        fields.error("client_secret", "is not the name of a secret of this Worker");
        return None;
    };
    let is_key = text.contains("-----BEGIN PRIVATE KEY-----");
    match (team_id, key_id) {
        (None, None) if is_key => {
            fields.error(
                "team_id",
                "and key_id must be there: the secret is a private key, which nobody is sent",
            );
            None
        }
        (None, None) => Some(ClientSecret::Text(Secret::new(text))),
        (Some(team_id), Some(key_id)) if is_key => {
            Some(ClientSecret::Signed { team_id, key_id, private_key: Secret::new(text) })
        }
        (Some(_), Some(_)) => {
            fields.error("client_secret", "the secret is not a private key in PEM (PKCS #8)");
            None
        }
        _ => {
            fields.error("team_id", "and key_id: both or neither");
            None
        }
    }
}

fn read_proofs(fields: &mut Fields) -> Vec<Proof> {
    let known = [("access_token", Proof::AccessToken), ("id_token", Proof::IdToken), ("code", Proof::Code)];
    let mut proofs = Vec::new();
    for text in fields.texts("proofs").unwrap_or_default() {
        match known.iter().find(|(name, _)| *name == text) {
            Some((_, proof)) => proofs.push(*proof),
            None => fields.error("proofs", "must be of access_token, id_token and code"),
        }
    }
    if proofs.is_empty() {
        fields.error("proofs", "must name one at least");
    }
    proofs
}

fn read_choice<T: Copy>(fields: &mut Fields, name: &str, choices: &[(&str, T)]) -> Option<T> {
    let text = fields.text(name)?;
    let found = choices.iter().find(|(known, _)| *known == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let names = choices.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        fields.error(name, format!("must be one of {names}"));
    }
    found
}

fn read_seconds(fields: &mut Fields, name: &str) -> Option<Lifetime> {
    let value = fields.take(name).filter(|value| !value.is_null())?;
    let seconds = value.as_i64().filter(|seconds| (1..=86_400).contains(seconds));
    if seconds.is_none() {
        fields.error(name, "must be a number of seconds from 1 to 86400");
    }
    seconds.map(Lifetime)
}

/// More parameters for the authorization request.
fn read_parameters(fields: &mut Fields) -> Vec<(String, String)> {
    let name = "authorization_parameters";
    let value = fields.take(name).unwrap_or(Value::Null);
    let Value::Object(members) = value else {
        if !value.is_null() {
            fields.error(name, "must be a JSON object");
        }
        return Vec::new();
    };
    let mut parameters = Vec::new();
    for (parameter, value) in members {
        match value {
            Value::String(text) if !OURS.contains(&parameter.as_str()) => parameters.push((parameter, text)),
            _ => fields.error(name, "must be texts, and none that the request has anyway"),
        }
    }
    parameters
}

/// What is said in every authorization request.
const OURS: [&str; 9] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// None where there is nowhere to ask: then no access token can be accepted that a front-end brings.
fn read_token_check(fields: &mut Fields, endpoints: &Endpoints) -> Option<TokenCheck> {
    let value = fields.take("token_check").filter(|value| !value.is_null())?;
    let Value::Object(members) = value else {
        fields.error("token_check", "must be a JSON object");
        return None;
    };
    let mut members = Fields::new(members);
    let by = read_choice(&mut members, "by", CHECKS);
    let check = TokenCheck {
        by: by.unwrap_or(CheckBy::Introspection),
        client: members.texts("client").unwrap_or_default(),
        active: members.text("active"),
        subject: members.text("subject"),
        expires_at: members.text("expires_at"),
    };
    if by.is_none() || check.client.is_empty() {
        members.error("by", "and client must be there");
    }
    if let Err(errors) = members.finish() {
        fields.error("token_check", say(&errors));
        return None;
    }
    // Introspection can be found in the metadata, too.
    (check.by == CheckBy::Introspection || endpoints.tokeninfo.is_some()).then_some(check)
}

impl ProfileFields {
    fn read(fields: &mut Fields) -> Option<Self> {
        let Some(Value::Object(members)) = fields.take("fields") else {
            fields.error("fields", "must be a JSON object");
            return None;
        };
        let mut members = Fields::new(members);
        let email_verified = match members.take("email_verified") {
            Some(Value::String(path)) => Verified::Field(path),
            Some(Value::Bool(true)) => Verified::Always,
            None | Some(Value::Bool(false) | Value::Null) => Verified::Never,
            Some(_) => {
                members.error("email_verified", "must be a text, true or false");
                Verified::Never
            }
        };
        let id = members.required_text("id").unwrap_or_default();
        let mut read = |name| members.text(name).unwrap_or_default();
        let read = Self {
            id,
            username: read("username"),
            email: read("email"),
            email_verified,
            name: read("name"),
            first_name: read("first_name"),
            last_name: read("last_name"),
        };
        match members.finish() {
            Ok(()) => Some(read),
            Err(errors) => {
                fields.error("fields", say(&errors));
                None
            }
        }
    }
}
