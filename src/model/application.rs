//! A registered application (RFC 6749 §2, RFC 7591 §2).

use serde_json::{Map, Value};

use super::fields::{FieldErrors, Fields};
use super::id::ApplicationId;
use super::scope::{BUILT_IN, Scope};
use super::stored_secret::StoredSecret;
use super::time::Timestamp;
use crate::crypto::keys::KeyRing;
use crate::crypto::sealed::Purpose;
use crate::crypto::secret::Secret;
use crate::crypto::signature::PublicKey;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::grant_type::GrantType;
use crate::protocol::jwk::JwkSet;
use crate::protocol::oauth1::SignatureMethod;
use crate::protocol::uri::{self, RedirectSchemes};

/// A row of `applications`, with its origins.
#[derive(Clone, Debug)]
pub struct Application {
    pub id: ApplicationId,
    pub client_id: String,
    /// None for public clients.
    pub secret: Option<StoredSecret>,
    pub registration: Registration,
    /// Tokens of another epoch are refused: adding one ends them all.
    pub token_epoch: i64,
    /// A random text, another one after each change: what an isolate remembers of another revision is not believed.
    pub revision: String,
    pub created_at: Timestamp,
}

/// What an operator may set, by RFC 7591's names where they exist.
#[derive(Clone, Debug)]
pub struct Registration {
    pub client_name: String,
    pub client_type: ClientType,
    pub grant_types: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub allowed_origins: Vec<String>,
    /// What it may ask for; empty: all but the built-in scopes.
    pub scope: Scope,
    pub token_endpoint_auth_method: AuthMethod,
    /// How it may sign requests (RFC 5849 §3.4). Never empty.
    pub oauth1_signature_methods: Vec<SignatureMethod>,
    /// Its public keys (RFC 7591 §2): a JWK Set as it was given.
    pub jwks: Option<Map<String, Value>>,
    pub skip_authorization: bool,
    pub xauth_allowed: bool,
    pub allow_plain_pkce: bool,
    /// The username of the owner.
    pub owner: Option<String>,
    pub is_active: bool,
}

/// RFC 6749 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Public,
    Confidential,
}

/// How a client says that it authenticates (RFC 7591 §2). Confidential clients may use either way of sending a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    None,
    ClientSecretBasic,
    ClientSecretPost,
}

impl Application {
    /// Checks that it is registered for `grant_type`.
    ///
    /// # Errors
    /// - `unauthorized_client`: it is not (RFC 6749 §5.2).
    pub fn check_grant_type(&self, grant_type: GrantType) -> Result<(), OAuthError> {
        if self.allows(grant_type) {
            return Ok(());
        }
        let description = format!("the application is not registered for {}", grant_type.as_str());
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, description))
    }

    pub fn allows(&self, grant_type: GrantType) -> bool {
        self.registration.grant_types.contains(&grant_type)
    }

    /// True if it may sign requests in this way (RFC 5849 §3.4).
    pub fn allows_signature_method(&self, method: SignatureMethod) -> bool {
        self.registration.oauth1_signature_methods.contains(&method)
    }

    /// The keys that its RSA signatures may be by (RFC 5849 §3.4.3).
    pub fn rsa_keys(&self) -> Vec<PublicKey> {
        self.registration.jwks.as_ref().map(|jwks| JwkSet::read(jwks).rsa_keys()).unwrap_or_default()
    }

    /// Its secret in clear, if it is kept so that it can be read. None too if its key is gone.
    pub fn consumer_secret(&self, keys: &KeyRing) -> Option<Secret> {
        let sealed = self.secret.as_ref()?.sealed()?;
        keys.open(Purpose::ClientSecret, &self.id.to_string(), sealed)?.into_text()
    }

    /// True if its secret is sealed, and no key opens it: nobody can present it until it has been rotated.
    pub fn has_lost_secret(&self, keys: &KeyRing) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.sealed().is_some())
            && self.consumer_secret(keys).is_none()
    }

    /// What people know it by.
    pub fn shown_name(&self) -> &str {
        match self.registration.client_name.as_str() {
            "" => &self.client_id,
            name => name,
        }
    }

    pub fn is_public(&self) -> bool {
        self.registration.client_type == ClientType::Public
    }

    pub fn allows_origin(&self, origin: &str) -> bool {
        self.registration.allowed_origins.iter().any(|allowed| allowed == origin)
    }

    /// True if the application may have this scope now. `known` are all scopes that exist but the built-in ones.
    pub fn may_have(&self, token: &str, known: &Scope) -> bool {
        let registered = &self.registration.scope;
        match BUILT_IN.contains(&token) {
            true => registered.contains(token),
            false => known.contains(token) && (registered.is_empty() || registered.contains(token)),
        }
    }

    /// What a request for `asked` gets, or one that does not ask (RFC 6749 §3.3). `known` are all scopes that exist;
    /// `default` is granted where nothing is asked for, as far as the application may have it.
    ///
    /// # Errors
    /// - `invalid_scope`: it asks for more than the application may have, or for something unknown.
    pub fn grantable_scope(
        &self,
        asked: Option<&str>,
        known: &Scope,
        default: &Scope,
    ) -> Result<Scope, OAuthError> {
        let may_have = |token: &str| self.may_have(token, known);
        let Some(asked) = asked else {
            let granted = default.filter(may_have);
            return match granted.is_empty() {
                true => Err(OAuthError::invalid_scope(
                    "scope is missing, and the application has no default scope",
                )),
                false => Ok(granted),
            };
        };
        let asked = Scope::parse(asked)?;
        if asked.is_empty() || !asked.iter().all(may_have) {
            return Err(OAuthError::invalid_scope("scope asks for more than the application may have"));
        }
        Ok(asked)
    }

    /// As the operator's API shows it. No secret material.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::from_iter([("client_id".to_owned(), self.client_id.as_str().into())]);
        object.extend(self.registration.to_json());
        object.insert("created_at".to_owned(), self.created_at.0.into());
        object
    }
}

impl Registration {
    /// Reads a whole registration; what is missing gets its default. `known` are the scopes of the settings, `schemes`
    /// those that its redirect URIs may have.
    ///
    /// # Errors
    /// By field, what is wrong.
    pub fn read(mut fields: Fields, known: &Scope, schemes: &RedirectSchemes) -> Result<Self, FieldErrors> {
        let client_type = read_client_type(&mut fields);
        let check_redirect_uri = |uri: &str| uri::check_redirect_uri(uri, schemes);
        let oauth1_signature_methods = read_signature_methods(&mut fields);
        let jwks = read_jwks(&mut fields, oauth1_signature_methods.iter().any(|method| method.is_rsa()));
        let registration = Self {
            client_name: read_client_name(&mut fields),
            client_type,
            grant_types: read_grant_types(&mut fields),
            redirect_uris: read_uris(&mut fields, "redirect_uris", &check_redirect_uri),
            post_logout_redirect_uris: read_uris(
                &mut fields,
                "post_logout_redirect_uris",
                &check_redirect_uri,
            ),
            allowed_origins: read_uris(&mut fields, "allowed_origins", &uri::check_origin),
            scope: read_scope(&mut fields, known),
            token_endpoint_auth_method: read_auth_method(&mut fields, client_type),
            oauth1_signature_methods,
            jwks,
            skip_authorization: fields.flag("skip_authorization").unwrap_or(false),
            xauth_allowed: fields.flag("xauth_allowed").unwrap_or(false),
            allow_plain_pkce: fields.flag("allow_plain_pkce").unwrap_or(false),
            owner: fields.text("owner").filter(|owner| !owner.is_empty()),
            is_active: fields.flag("is_active").unwrap_or(true),
        };
        for grant_type in registration.grant_types.iter().filter(|grant_type| grant_type.needs_secret()) {
            if registration.client_type == ClientType::Public {
                let name = grant_type.as_str();
                fields.error("grant_types", format!("A public application cannot use {name}."));
            }
        }
        read_what_is_still_to_come(&mut fields);
        fields.finish()?;
        Ok(registration)
    }

    /// As [`Registration::read`] reads it.
    pub fn to_json(&self) -> Map<String, Value> {
        let texts = |texts: &[String]| Value::from(texts.to_vec());
        let grant_types: Vec<Value> =
            self.grant_types.iter().map(|grant_type| grant_type.as_str().into()).collect();
        let signature_methods: Vec<Value> =
            self.oauth1_signature_methods.iter().map(|method| method.as_str().into()).collect();
        [
            ("client_name", Value::from(self.client_name.as_str())),
            ("client_type", self.client_type.as_str().into()),
            ("grant_types", grant_types.into()),
            ("redirect_uris", texts(&self.redirect_uris)),
            ("post_logout_redirect_uris", texts(&self.post_logout_redirect_uris)),
            ("allowed_origins", texts(&self.allowed_origins)),
            ("scope", self.scope.to_string().into()),
            ("token_endpoint_auth_method", self.token_endpoint_auth_method.as_str().into()),
            ("oauth1_signature_methods", signature_methods.into()),
            ("jwks", self.jwks.clone().into()),
            ("skip_authorization", self.skip_authorization.into()),
            ("token_format", TOKEN_FORMAT.into()),
            ("xauth_allowed", self.xauth_allowed.into()),
            ("allow_plain_pkce", self.allow_plain_pkce.into()),
            ("owner", self.owner.clone().into()),
            ("is_active", self.is_active.into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

impl ClientType {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Public, Self::Confidential].into_iter().find(|client_type| client_type.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Confidential => "confidential",
        }
    }
}

impl AuthMethod {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost].into_iter().find(|m| m.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// Checks a chosen `client_id`: printable ASCII (RFC 6749 Appendix A.1), 1 to 255 characters.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_client_id(text: &str) -> Result<(), &'static str> {
    let is_printable = (1..=255).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    // No URL path could name an application of one or two dots.
    if is_printable && !matches!(text, "." | "..") {
        return Ok(());
    }
    Err("Use 1 to 255 printable ASCII characters.")
}

/// Checks a chosen client secret: printable ASCII (RFC 6749 Appendix A.2), 16 to 255 characters.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_client_secret(text: &str) -> Result<(), &'static str> {
    if (16..=255).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(());
    }
    Err("Use 16 to 255 printable ASCII characters.")
}

/// The only format that access tokens have yet.
const TOKEN_FORMAT: &str = "opaque";

/// People decide by it: it must not change how the rest of a page reads, nor be one that nobody sees.
fn read_client_name(fields: &mut Fields) -> String {
    let name = fields.short_text("client_name", 255).unwrap_or_default();
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
    };
    // Joiners and marks of direction belong to the spelling of some names.
    let is_wrong = |c: char| is_hidden(c) && !matches!(c, '\u{200C}'..='\u{200F}');
    if name.chars().any(is_wrong)
        || (!name.is_empty() && name.chars().all(|c| c.is_whitespace() || is_hidden(c)))
    {
        fields.error("client_name", "Use visible characters on one line.");
    }
    name
}

fn read_client_type(fields: &mut Fields) -> ClientType {
    let Some(text) = fields.required_text("client_type") else {
        return ClientType::Confidential;
    };
    let parsed = ClientType::parse(&text).ok_or("Must be public or confidential.");
    fields.check("client_type", parsed).unwrap_or(ClientType::Confidential)
}

fn read_grant_types(fields: &mut Fields) -> Vec<GrantType> {
    let Some(texts) = fields.texts("grant_types") else {
        return vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    };
    let mut grant_types = Vec::new();
    for text in texts {
        match GrantType::parse(&text) {
            Some(grant_type) if grant_types.contains(&grant_type) => {}
            Some(grant_type) => grant_types.push(grant_type),
            None => {
                let names = GrantType::ALL.map(GrantType::as_str).join(", ");
                fields.error("grant_types", format!("Each must be one of {names}."));
                break;
            }
        }
    }
    grant_types
}

fn read_uris(
    fields: &mut Fields,
    name: &str,
    check: &dyn Fn(&str) -> Result<(), &'static str>,
) -> Vec<String> {
    let mut uris: Vec<String> = Vec::new();
    for uri in fields.texts(name).unwrap_or_default() {
        if let Err(reason) = check(&uri) {
            fields.error(name, format!("{uri} {reason}."));
        } else if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    uris
}

fn read_scope(fields: &mut Fields, known: &Scope) -> Scope {
    let Some(text) = fields.text("scope") else {
        return Scope::default();
    };
    let parsed = Scope::parse(&text).map_err(|_| "It has a character that no scope can have.");
    let scope = fields.check("scope", parsed).unwrap_or_default();
    for token in scope.iter().filter(|token| !known.contains(token) && !BUILT_IN.contains(token)) {
        fields.error("scope", format!("{token} is not among the setting SCOPES."));
    }
    scope
}

fn read_auth_method(fields: &mut Fields, client_type: ClientType) -> AuthMethod {
    let default = match client_type {
        ClientType::Public => AuthMethod::None,
        ClientType::Confidential => AuthMethod::ClientSecretBasic,
    };
    let Some(text) = fields.text("token_endpoint_auth_method") else {
        return default;
    };
    match AuthMethod::parse(&text) {
        Some(method) if (method == AuthMethod::None) == (client_type == ClientType::Public) => method,
        Some(_) => {
            fields.error(
                "token_endpoint_auth_method",
                "Must be none for public applications, and only for them.",
            );
            default
        }
        None => {
            fields.error(
                "token_endpoint_auth_method",
                "Must be none, client_secret_basic or client_secret_post: nothing else is supported yet.",
            );
            default
        }
    }
}

fn read_signature_methods(fields: &mut Fields) -> Vec<SignatureMethod> {
    let Some(texts) = fields.texts("oauth1_signature_methods") else {
        return SignatureMethod::DEFAULT.to_vec();
    };
    let mut methods = Vec::new();
    let mut is_known = true;
    for text in texts {
        match SignatureMethod::parse(&text) {
            Some(method) if methods.contains(&method) => {}
            Some(method) => methods.push(method),
            None => is_known = false,
        }
    }
    if methods.is_empty() || !is_known {
        let names = SignatureMethod::ALL.map(SignatureMethod::as_str).join(", ");
        fields.error("oauth1_signature_methods", format!("Must be one or several of {names}."));
    }
    methods
}

fn read_jwks(fields: &mut Fields, is_required: bool) -> Option<Map<String, Value>> {
    let checked = match fields.take("jwks").unwrap_or_default() {
        Value::Null if is_required => Err("It is required for RSA signatures."),
        Value::Null => return None,
        Value::Object(set) => JwkSet::check_registered(&set).map(|()| set),
        _ => Err("Must be a JWK Set: an object."),
    };
    fields.check("jwks", checked)
}

/// Fields that exist, and whose other values nothing would honour yet: refused rather than kept in vain.
fn read_what_is_still_to_come(fields: &mut Fields) {
    if fields.text("token_format").is_some_and(|format| format != TOKEN_FORMAT) {
        fields.error("token_format", "Must be opaque: nothing else is supported yet.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(scope: &str) -> Application {
        let fields = serde_json::json!({"client_type": "confidential", "scope": scope});
        let known = Scope::from_stored("read write introspection");
        Application {
            id: ApplicationId::from_bytes(&[0; 12]).unwrap(),
            client_id: "a".into(),
            secret: None,
            registration: Registration::read(
                Fields::new(fields.as_object().unwrap().clone()),
                &known,
                &RedirectSchemes::default(),
            )
            .unwrap(),
            token_epoch: 0,
            revision: String::new(),
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn built_in_scopes_are_granted_to_applications_that_list_them_only() {
        let known = Scope::from_stored("read write");
        let ask = |application: &Application, asked| {
            application
                .grantable_scope(asked, &known, &known)
                .map(|scope| scope.to_string())
                .map_err(|e| e.code())
        };
        let plain = application("");
        assert_eq!(ask(&plain, None).unwrap(), "read write");
        assert_eq!(ask(&plain, Some("write")).unwrap(), "write");
        assert_eq!(ask(&plain, Some("introspection")), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(&plain, Some("nonsense")), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(&plain, Some(" ")), Err(ErrorCode::InvalidScope));

        let listed = application("read introspection");
        assert_eq!(ask(&listed, None).unwrap(), "read");
        assert_eq!(ask(&listed, Some("introspection")).unwrap(), "introspection");
        assert_eq!(ask(&listed, Some("read write")), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(&application("introspection"), None), Err(ErrorCode::InvalidScope));
    }

    #[test]
    fn a_registration_reads_what_it_writes() {
        let registration = application("read write").registration;
        let again = Registration::read(
            Fields::new(registration.to_json()),
            &Scope::from_stored("read write"),
            &RedirectSchemes::default(),
        )
        .unwrap();
        assert_eq!(again.to_json(), registration.to_json());
    }
}
