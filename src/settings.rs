//! Settings: read once in an isolate, typed, with units. A bad value is an error that names the setting; nothing is
//! silently defaulted.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::crypto::keys::KeyRing;
use crate::crypto::password_hash::PasswordHasher;
use crate::crypto::secret::Secret;
use crate::model::limit::Limit;
use crate::model::scope::{BUILT_IN, Scope};
use crate::model::session::SessionLimits;
use crate::model::time::Lifetime;
use crate::model::user::is_email;
use crate::protocol::authorization::is_token68;
use crate::protocol::uri::{Issuer, RedirectSchemes, check_url};
use crate::social::provider::Providers;

#[derive(Clone, Debug)]
pub struct Settings {
    /// None: the request's origin, on loopback only.
    pub issuer: Option<Issuer>,
    /// Where developers read about this server (RFC 8414 §2).
    pub service_documentation: Option<String>,
    pub scopes: Scope,
    /// What the consent page says of them, in their order.
    pub scope_words: Vec<String>,
    pub default_scopes: Scope,
    pub access_token_lifetime: Lifetime,
    /// Counted from the last refresh; none: never expires.
    pub refresh_token_lifetime: Option<Lifetime>,
    pub refresh_token_grace: Lifetime,
    pub rotate_refresh_token: bool,
    pub refresh_token_reuse_protection: bool,
    pub authorization_code_lifetime: Lifetime,
    /// For confidential applications; public ones always need PKCE.
    pub pkce_required: bool,
    pub redirect_schemes: RedirectSchemes,
    /// Ask each time, not only for more than was agreed to.
    pub always_ask: bool,
    pub sessions: SessionLimits,
    pub registrants: Registrants,
    pub password_hasher: PasswordHasher,
    /// How long an isolate remembers that a token was good; 0: not at all.
    pub validation_cache: Lifetime,
    /// Sign-ups from one address; none: as many as there are.
    pub sign_up_limit: Option<Limit>,
    /// Wrong secrets of one account.
    pub login_failure_limit: Option<Limit>,
    /// Wrong secrets from one address.
    pub address_failure_limit: Option<Limit>,
    /// E-mails of one kind to one mailbox.
    pub mail_limit: Option<Limit>,
    /// None: no e-mail is sent.
    pub mail: Option<MailSettings>,
    /// Of OAuth 1.0a.
    pub oauth1_access_token_lifetime: Lifetime,
    pub providers: Providers,
    /// By its `client_id`, the application of who does not say which.
    pub social_default_application: Option<String>,
    /// `/validate/` takes providers' tokens.
    pub social_bearer: bool,
    pub admin_token: Secret,
    pub keys: KeyRing,
}

/// How e-mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    pub from: String,
    pub carrier: Carrier,
}

/// Who takes an e-mail on its way.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// An HTTP endpoint of the operator's.
    Webhook { url: String, token: Secret },
    /// Cloudflare's binding `EMAIL`.
    SendEmail,
    /// The log, on loopback only: the links in it are as good as passwords.
    Log,
}

/// Who may register applications on the pages. The operator always may, by their API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registrants {
    Anyone,
    Superusers,
    Nobody,
}

/// A setting has a value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    pub name: &'static str,
    /// Never quotes the value: it may be a secret.
    pub reason: String,
}

const DEFAULT_APPLICATION: &str = "SOCIAL_DEFAULT_APPLICATION";

const DEFAULT_SCOPES: &str =
    r#"{"read": "Read your data", "write": "Change your data", "groups": "See your groups"}"#;

/// With the built-in ones, as many as the form of the consent page can have.
const MOST_SCOPES: usize = 90;

/// Ten years: what no lifetime needs to exceed.
const LONGEST_SECONDS: i64 = 315_360_000;

impl Settings {
    /// Reads all settings. `variable` knows plain variables and secrets by name.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn read(variable: &dyn Fn(&str) -> Variable) -> Result<Self, SettingError> {
        let read = Reader { variable };
        let (scopes, scope_words) = read.scopes()?;
        let issuer = read.issuer()?;
        let refresh_token_lifetime =
            read.seconds("REFRESH_TOKEN_EXPIRE_SECONDS", 2_592_000, 0, LONGEST_SECONDS)?;
        Ok(Self {
            mail: read.mail(issuer.as_ref())?,
            issuer,
            service_documentation: read.service_documentation()?,
            default_scopes: read.default_scopes(&scopes)?,
            scopes,
            scope_words,
            access_token_lifetime: read.seconds("ACCESS_TOKEN_EXPIRE_SECONDS", 36_000, 1, LONGEST_SECONDS)?,
            refresh_token_lifetime: Some(refresh_token_lifetime).filter(|lifetime| lifetime.seconds() > 0),
            refresh_token_grace: read.seconds("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", 60, 0, 86_400)?,
            rotate_refresh_token: read.number("ROTATE_REFRESH_TOKEN", true, false, true)?,
            refresh_token_reuse_protection: read.number(
                "REFRESH_TOKEN_REUSE_PROTECTION",
                true,
                false,
                true,
            )?,
            // RFC 6749 §4.1.2: ten minutes at the most.
            authorization_code_lifetime: read.seconds("AUTHORIZATION_CODE_EXPIRE_SECONDS", 60, 1, 600)?,
            pkce_required: read.number("PKCE_REQUIRED", true, false, true)?,
            redirect_schemes: read.redirect_schemes()?,
            always_ask: read.approval_prompt()?,
            sessions: SessionLimits {
                idle: read.seconds("SESSION_IDLE_SECONDS", 1_209_600, 60, LONGEST_SECONDS)?,
                absolute: read.seconds("SESSION_LIFETIME_SECONDS", 2_592_000, 60, LONGEST_SECONDS)?,
            },
            registrants: read.registrants()?,
            password_hasher: read.password_hasher()?,
            validation_cache: read.seconds("VALIDATION_CACHE_SECONDS", 10, 0, 3_600)?,
            sign_up_limit: read.limit("SIGN_UP_LIMIT", "20/3600")?,
            login_failure_limit: read.limit("LOGIN_FAILURE_LIMIT", "10/900")?,
            address_failure_limit: read.limit("ADDRESS_FAILURE_LIMIT", "100/900")?,
            mail_limit: read.limit("MAIL_LIMIT", "5/3600")?,
            oauth1_access_token_lifetime: read.seconds(
                "OAUTH1_ACCESS_TOKEN_EXPIRE_SECONDS",
                31_536_000,
                1,
                LONGEST_SECONDS,
            )?,
            providers: read.providers()?,
            social_default_application: read.text(DEFAULT_APPLICATION)?.filter(|text| !text.is_empty()),
            social_bearer: read.social_bearer()?,
            admin_token: read.admin_token()?,
            keys: read.keys()?,
        })
    }
}

struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Variable,
}

/// What stands under a setting's name.
#[derive(Clone, Debug)]
pub enum Variable {
    Missing,
    Text(String),
    /// A number, say: a value without quotes in the configuration.
    NotText,
}

impl From<Option<String>> for Variable {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }
}

impl Reader<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, SettingError> {
        match (self.variable)(name) {
            Variable::Missing => Ok(None),
            Variable::Text(text) => Ok(Some(text)),
            Variable::NotText => Err(SettingError { name, reason: "must be a string, in quotes".to_owned() }),
        }
    }

    /// A span, in seconds, within bounds.
    fn seconds(
        &self,
        name: &'static str,
        default: i64,
        least: i64,
        most: i64,
    ) -> Result<Lifetime, SettingError> {
        self.number(name, default, least, most).map(Lifetime)
    }

    /// A number, or a truth value, within bounds.
    fn number<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        name: &'static str,
        default: T,
        least: T,
        most: T,
    ) -> Result<T, SettingError> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        match text.trim().parse() {
            Ok(value) if (&least..=&most).contains(&&value) => Ok(value),
            _ => Err(SettingError { name, reason: format!("must be from {least} to {most}") }),
        }
    }

    fn issuer(&self) -> Result<Option<Issuer>, SettingError> {
        let name = "ISSUER";
        let parse = |text: String| {
            Issuer::parse(&text).map_err(|reason| SettingError { name, reason: reason.to_owned() })
        };
        self.text(name)?.map(parse).transpose()
    }

    fn service_documentation(&self) -> Result<Option<String>, SettingError> {
        let name = "SERVICE_DOCUMENTATION";
        let text = self.text(name)?;
        match text.as_deref().map(check_url) {
            Some(Err(reason)) => Err(SettingError { name, reason: reason.to_owned() }),
            _ => Ok(text),
        }
    }

    fn redirect_schemes(&self) -> Result<RedirectSchemes, SettingError> {
        let name = "ALLOWED_REDIRECT_URI_SCHEMES";
        let Some(text) = self.text(name)? else {
            return Ok(RedirectSchemes::default());
        };
        RedirectSchemes::parse(&text).ok_or_else(|| {
            let reason = "must be https, http and private-use schemes such as com.example.app, with spaces between them";
            SettingError { name, reason: reason.to_owned() }
        })
    }

    /// Whether consent is asked for each time.
    fn approval_prompt(&self) -> Result<bool, SettingError> {
        let name = "REQUEST_APPROVAL_PROMPT";
        match self.text(name)?.as_deref() {
            None | Some("auto") => Ok(false),
            Some("force") => Ok(true),
            Some(_) => Err(SettingError { name, reason: "must be auto or force".to_owned() }),
        }
    }

    fn registrants(&self) -> Result<Registrants, SettingError> {
        let name = "APPLICATION_REGISTRATION";
        match self.text(name)?.as_deref() {
            Some("anyone") => Ok(Registrants::Anyone),
            None | Some("superusers") => Ok(Registrants::Superusers),
            Some("nobody") => Ok(Registrants::Nobody),
            Some(_) => Err(SettingError { name, reason: "must be superusers, anyone or nobody".to_owned() }),
        }
    }

    /// The scopes, and what the consent page says of each.
    fn scopes(&self) -> Result<(Scope, Vec<String>), SettingError> {
        let name = "SCOPES";
        let error = |reason: &str| SettingError { name, reason: reason.to_owned() };
        let text = self.text(name)?.unwrap_or_else(|| DEFAULT_SCOPES.to_owned());
        let Ok(Value::Object(described)) = serde_json::from_str(&text) else {
            return Err(error("must be a JSON object: scope name to description"));
        };
        if described.is_empty() || described.values().any(|description| !description.is_string()) {
            return Err(error("must give at least one scope a description"));
        }
        if described.len() > MOST_SCOPES {
            return Err(error("must have at most 90 scopes: one page asks for all of them"));
        }
        for token in described.keys() {
            let is_one = Scope::parse(token).is_ok_and(|scope| scope.iter().eq([token.as_str()]));
            if !is_one || BUILT_IN.contains(&token.as_str()) {
                return Err(error(
                    "has a name that cannot be a scope of its own (RFC 6749 section 3.3), or is built in",
                ));
            }
        }
        let words = described.values().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok((described.keys().map(String::as_str).collect(), words))
    }

    fn default_scopes(&self, scopes: &Scope) -> Result<Scope, SettingError> {
        let Some(text) = self.text("DEFAULT_SCOPES")? else {
            return Ok(scopes.clone());
        };
        match Scope::parse(&text) {
            Ok(default) if scopes.contains_all(&default) => Ok(default),
            _ => Err(SettingError {
                name: "DEFAULT_SCOPES",
                reason: "must be names from SCOPES with spaces between them".to_owned(),
            }),
        }
    }

    fn password_hasher(&self) -> Result<PasswordHasher, SettingError> {
        // Up to 64 MiB: an isolate has 128 for everything.
        let memory = self.number("PASSWORD_HASH_MEMORY_KIB", 19_456, 8, 65_536)?;
        let iterations = self.number("PASSWORD_HASH_ITERATIONS", 2, 1, 20)?;
        PasswordHasher::new(memory, iterations)
            .map_err(|reason| SettingError { name: "PASSWORD_HASH_MEMORY_KIB", reason })
    }

    /// `count/seconds`, or `0`: no limit.
    fn limit(&self, name: &'static str, default: &str) -> Result<Option<Limit>, SettingError> {
        let text = self.text(name)?.unwrap_or_else(|| default.to_owned());
        match (text.trim(), Limit::parse(text.trim())) {
            ("0", _) => Ok(None),
            (_, Some(limit)) => Ok(Some(limit)),
            _ => {
                let reason = "must be count/seconds, each from 1 to 1000000, or 0 for no limit".to_owned();
                Err(SettingError { name, reason })
            }
        }
    }

    /// By the carrier that is named; else by the webhook, if there is one.
    fn mail(&self, issuer: Option<&Issuer>) -> Result<Option<MailSettings>, SettingError> {
        let error = |name, reason: &str| SettingError { name, reason: reason.to_owned() };
        let webhook = self.text("MAIL_WEBHOOK_URL")?;
        if let Some(url) = &webhook {
            check_url(url).map_err(|reason| error("MAIL_WEBHOOK_URL", reason))?;
        }
        let token = self.text("MAIL_WEBHOOK_TOKEN")?;
        if token.as_ref().is_some_and(|token| !is_token68(token)) {
            return Err(error("MAIL_WEBHOOK_TOKEN", "must be letters, digits or any of - . _ ~ + /"));
        }
        let from = self.text("MAIL_FROM")?;
        if from.as_ref().is_some_and(|from| !is_email(from)) {
            return Err(error("MAIL_FROM", "must be an e-mail address"));
        }
        let named = self.text("MAIL_CARRIER")?;
        let carrier = match (named.as_deref(), webhook) {
            (None, None) | (Some("none"), _) => return Ok(None),
            (None | Some("webhook"), Some(url)) => {
                let token = token.ok_or_else(|| error("MAIL_WEBHOOK_TOKEN", "is missing"))?;
                Carrier::Webhook { url, token: Secret::new(token) }
            }
            (Some("webhook"), None) => return Err(error("MAIL_WEBHOOK_URL", "is missing")),
            (Some("send_email"), _) => Carrier::SendEmail,
            (Some("log"), _) if issuer.is_none_or(Issuer::is_loopback) => {
                let from = from.unwrap_or_else(|| "postern@localhost".to_owned());
                return Ok(Some(MailSettings { from, carrier: Carrier::Log }));
            }
            (Some("log"), _) => {
                let reason = "log is for loopback only, and ISSUER is not: its lines would let others in";
                return Err(error("MAIL_CARRIER", reason));
            }
            (Some(_), _) => return Err(error("MAIL_CARRIER", "must be webhook, send_email, log or none")),
        };
        let from = from.ok_or_else(|| error("MAIL_FROM", "is missing"))?;
        Ok(Some(MailSettings { from, carrier }))
    }

    fn providers(&self) -> Result<Providers, SettingError> {
        let name = "SOCIAL_AUTH_PROVIDERS";
        let text = self.text(name)?.unwrap_or_else(|| "{}".to_owned());
        let secret = |name: &str| match (self.variable)(name) {
            Variable::Text(text) => Some(text),
            Variable::Missing | Variable::NotText => None,
        };
        Providers::parse(&text, &secret).map_err(|reason| SettingError { name, reason })
    }

    /// Whose tokens those of providers are must be known.
    fn social_bearer(&self) -> Result<bool, SettingError> {
        let name = "SOCIAL_BEARER";
        let is_on = self.number(name, false, false, true)?;
        match is_on && self.text(DEFAULT_APPLICATION)?.is_none() {
            true => Err(SettingError { name: DEFAULT_APPLICATION, reason: format!("{name} needs it") }),
            false => Ok(is_on),
        }
    }

    fn admin_token(&self) -> Result<Secret, SettingError> {
        match self.text("ADMIN_TOKEN")? {
            Some(text) if text.len() >= 32 && is_token68(&text) => Ok(Secret::new(text)),
            Some(_) => Err(SettingError {
                name: "ADMIN_TOKEN",
                reason: "must be at least 32 letters, digits or any of - . _ ~ + /".to_owned(),
            }),
            None => Err(SettingError { name: "ADMIN_TOKEN", reason: "is missing".to_owned() }),
        }
    }

    fn keys(&self) -> Result<KeyRing, SettingError> {
        let name = "MASTER_KEY";
        match self.text(name)? {
            Some(text) => KeyRing::parse(&text).map_err(|reason| SettingError { name, reason }),
            None => Err(SettingError { name, reason: "is missing".to_owned() }),
        }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the setting {} cannot be used: {}", self.name, self.reason)
    }
}

impl std::error::Error for SettingError {}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(name: &str, value: Option<&str>) -> Result<Settings, SettingError> {
        read_variable(name, value.map(str::to_owned).into())
    }

    fn read_variable(name: &str, value: Variable) -> Result<Settings, SettingError> {
        Settings::read(&|asked| match asked {
            _ if asked == name => value.clone(),
            "ADMIN_TOKEN" => Variable::Text("x".repeat(32)),
            "MASTER_KEY" => Variable::Text(KEY.to_owned()),
            _ => Variable::Missing,
        })
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let settings = read("", None).unwrap();
        assert_eq!(settings.scopes.to_string(), "read write groups");
        assert_eq!(settings.default_scopes, settings.scopes);
        assert_eq!(settings.access_token_lifetime, Lifetime(36_000));
        assert_eq!(settings.refresh_token_lifetime, Some(Lifetime(2_592_000)));
        assert_eq!(settings.refresh_token_grace, Lifetime(60));
        assert!(settings.rotate_refresh_token && settings.refresh_token_reuse_protection);
        assert_eq!(settings.validation_cache, Lifetime(10));
        assert!(settings.issuer.is_none());
        assert_eq!(settings.authorization_code_lifetime, Lifetime(60));
        assert!(settings.pkce_required && !settings.always_ask);
        assert_eq!(settings.sessions.idle, Lifetime(1_209_600));
        assert_eq!(settings.sessions.absolute, Lifetime(2_592_000));
        assert_eq!(settings.registrants, Registrants::Superusers);
        let limit = |count, seconds| Some(Limit { count, window: Lifetime(seconds) });
        assert_eq!(settings.sign_up_limit, limit(20, 3_600));
        assert_eq!(settings.login_failure_limit, limit(10, 900));
        assert_eq!(settings.address_failure_limit, limit(100, 900));
        assert_eq!(settings.mail_limit, limit(5, 3_600));
        assert!(settings.mail.is_none());
        let hash = settings.password_hasher.hash("x", [0; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(read("SIGN_UP_LIMIT", Some("0")).unwrap().sign_up_limit, None);
        assert_eq!(read("SIGN_UP_LIMIT", Some("3/5")).unwrap().sign_up_limit, limit(3, 5));
        assert_eq!(read("REFRESH_TOKEN_EXPIRE_SECONDS", Some("0")).unwrap().refresh_token_lifetime, None);
    }

    fn mail(given: &[(&str, &str)]) -> Result<Option<MailSettings>, &'static str> {
        let variable = |asked: &str| {
            let found = given.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.to_string());
            found.or_else(|| match asked {
                "ADMIN_TOKEN" => Some("x".repeat(32)),
                "MASTER_KEY" => Some(KEY.to_owned()),
                _ => None,
            })
        };
        Settings::read(&|name| variable(name).into())
            .map(|settings| settings.mail)
            .map_err(|error| error.name)
    }

    #[test]
    fn a_carrier_has_what_it_needs() {
        let url = ("MAIL_WEBHOOK_URL", "https://mail.example/send");
        let token = ("MAIL_WEBHOOK_TOKEN", "abc");
        let from = ("MAIL_FROM", "id@id.example");
        let carrier = |name| ("MAIL_CARRIER", name);
        for given in [&[url, token, from][..], &[url, token, from, carrier("webhook")]] {
            let mail = mail(given).unwrap().unwrap();
            assert_eq!(mail.from, "id@id.example");
            assert!(matches!(mail.carrier, Carrier::Webhook { url, token }
                if url == "https://mail.example/send" && token.expose() == "abc"));
        }
        for (given, missing) in [
            (&[url, from][..], "MAIL_WEBHOOK_TOKEN"),
            (&[url, token], "MAIL_FROM"),
            (&[token, from, carrier("webhook")], "MAIL_WEBHOOK_URL"),
            (&[carrier("send_email")], "MAIL_FROM"),
        ] {
            assert_eq!(mail(given).unwrap_err(), missing, "{given:?}");
        }
        let by_binding = mail(&[url, token, from, carrier("send_email")]).unwrap().unwrap();
        assert!(matches!(by_binding.carrier, Carrier::SendEmail));
        for given in [&[token, from][..], &[url, token, from, carrier("none")]] {
            assert!(mail(given).unwrap().is_none(), "{given:?}");
        }
    }

    #[test]
    fn links_are_logged_on_loopback_only() {
        let log = ("MAIL_CARRIER", "log");
        for given in
            [&[log][..], &[log, ("ISSUER", "http://localhost:8787")], &[log, ("ISSUER", "https://[::1]/id")]]
        {
            assert!(matches!(mail(given).unwrap().unwrap().carrier, Carrier::Log), "{given:?}");
        }
        for issuer in ["https://id.example", "https://localhost.example", "https://127.0.0.1.example:8787"] {
            assert_eq!(mail(&[log, ("ISSUER", issuer)]).unwrap_err(), "MAIL_CARRIER", "{issuer}");
        }
    }

    #[test]
    fn a_value_without_quotes_is_named() {
        for name in [
            "ISSUER",
            "SCOPES",
            "DEFAULT_SCOPES",
            "VALIDATION_CACHE_SECONDS",
            "MAIL_FROM",
            "ADMIN_TOKEN",
            "MASTER_KEY",
        ] {
            assert_eq!(read_variable(name, Variable::NotText).unwrap_err().name, name);
        }
    }

    #[test]
    fn a_bad_value_is_named_and_never_quoted() {
        for (name, value) in [
            ("ISSUER", Some("id.example")),
            ("ISSUER", Some("")),
            ("SCOPES", Some("read")),
            ("SCOPES", Some("{}")),
            ("SCOPES", Some(r#"{"a b": "x"}"#)),
            ("SCOPES", Some(r#"{"openid": "x"}"#)),
            ("SCOPES", Some(r#"{"read": 1}"#)),
            ("DEFAULT_SCOPES", Some("read admin")),
            ("ACCESS_TOKEN_EXPIRE_SECONDS", Some("0")),
            ("ACCESS_TOKEN_EXPIRE_SECONDS", Some("")),
            ("ACCESS_TOKEN_EXPIRE_SECONDS", Some("10h")),
            ("REFRESH_TOKEN_EXPIRE_SECONDS", Some("-1")),
            ("REFRESH_TOKEN_GRACE_PERIOD_SECONDS", Some("1e3")),
            ("ROTATE_REFRESH_TOKEN", Some("yes")),
            ("REFRESH_TOKEN_REUSE_PROTECTION", Some("1")),
            ("AUTHORIZATION_CODE_EXPIRE_SECONDS", Some("0")),
            ("AUTHORIZATION_CODE_EXPIRE_SECONDS", Some("601")),
            ("SERVICE_DOCUMENTATION", Some("docs.example.com")),
            ("SERVICE_DOCUMENTATION", Some("javascript:alert(1)")),
            ("PKCE_REQUIRED", Some("no")),
            ("ALLOWED_REDIRECT_URI_SCHEMES", Some("")),
            ("ALLOWED_REDIRECT_URI_SCHEMES", Some("https javascript")),
            ("REQUEST_APPROVAL_PROMPT", Some("never")),
            ("APPLICATION_REGISTRATION", Some("everybody")),
            ("APPLICATION_REGISTRATION", Some("")),
            ("SESSION_IDLE_SECONDS", Some("0")),
            ("SESSION_LIFETIME_SECONDS", Some("1 day")),
            ("PASSWORD_HASH_MEMORY_KIB", Some("1000000")),
            ("PASSWORD_HASH_ITERATIONS", Some("0")),
            ("VALIDATION_CACHE_SECONDS", Some("x")),
            ("SIGN_UP_LIMIT", Some("20")),
            ("SIGN_UP_LIMIT", Some("")),
            ("LOGIN_FAILURE_LIMIT", Some("0/900")),
            ("LOGIN_FAILURE_LIMIT", Some("10/0")),
            ("LOGIN_FAILURE_LIMIT", Some("10/900/1")),
            ("ADDRESS_FAILURE_LIMIT", Some("-1/900")),
            ("ADDRESS_FAILURE_LIMIT", Some("+1/900")),
            ("ADDRESS_FAILURE_LIMIT", Some("100/9000000")),
            ("MAIL_LIMIT", Some("5")),
            ("MAIL_CARRIER", Some("")),
            ("MAIL_CARRIER", Some("smtp")),
            ("MAIL_FROM", Some("Postern <postern@id.example>")),
            ("MAIL_WEBHOOK_URL", Some("http://mail.example/secret")),
            ("MAIL_WEBHOOK_TOKEN", Some("a secret with blanks")),
            ("ADMIN_TOKEN", Some("short-secret")),
            ("ADMIN_TOKEN", Some("a secret that no header can carry: é")),
            ("ADMIN_TOKEN", None),
            ("MASTER_KEY", Some("bad-secret")),
            ("MASTER_KEY", None),
        ] {
            let error = read(name, value).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
