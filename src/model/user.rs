//! A person who can log in.

use email_address::{EmailAddress, Options};
use serde_json::{Map, Value};

use super::fields::{FieldErrors, Fields};
use super::id::UserId;
use super::password;
use super::time::Timestamp;
use super::username::Username;
use crate::crypto::secret::Secret;

/// A row of `users`.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub profile: Profile,
    /// An Argon2id PHC string; none if the user cannot log in by password.
    pub password_hash: Option<String>,
    /// Tokens of another epoch are refused: adding one ends them all.
    pub token_epoch: i64,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Profile {
    pub username: String,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub is_active: bool,
    pub is_superuser: bool,
}

/// A user to be made.
pub struct NewUser {
    pub profile: Profile,
    pub password: Option<Secret>,
}

impl User {
    /// As the operator's API shows it. No password material.
    pub fn to_json(&self) -> Value {
        let mut object = Map::from_iter([("id".to_owned(), self.id.to_string().into())]);
        object.extend(self.profile.to_json());
        object.insert("created_at".to_owned(), self.created_at.0.into());
        object.insert("last_login_at".to_owned(), self.last_login_at.map(|at| at.0).into());
        Value::Object(object)
    }
}

impl NewUser {
    /// Reads what a person signs up with. Fields that are not theirs to set are ignored.
    ///
    /// # Errors
    /// By field, what is wrong.
    pub fn from_sign_up(mut fields: Fields) -> Result<Self, FieldErrors> {
        for name in ["email_verified", "is_active", "is_superuser"] {
            fields.take(name);
        }
        let profile = Profile::read(&mut fields);
        let password = required_password(&mut fields, &profile.username);
        fields.finish_leniently()?;
        Ok(Self { profile, password })
    }

    /// Reads what an operator makes a user of; without a password, the user cannot log in by one.
    ///
    /// # Errors
    /// By field, what is wrong.
    pub fn from_operator(mut fields: Fields) -> Result<Self, FieldErrors> {
        let profile = Profile::read(&mut fields);
        let password = match fields.contains("password") {
            true => required_password(&mut fields, &profile.username),
            false => None,
        };
        fields.finish()?;
        Ok(Self { profile, password })
    }
}

impl Profile {
    /// Reads a whole profile; what is missing gets its default. What is wrong is noted among the fields' errors.
    pub fn read(fields: &mut Fields) -> Self {
        let username = fields.required_text("username").unwrap_or_default();
        if !username.is_empty() {
            fields.check("username", Username::parse(&username));
        }
        Self {
            username,
            email: read_email(fields),
            email_verified: fields.flag("email_verified").unwrap_or(false),
            first_name: fields.short_text("first_name", 150).unwrap_or_default(),
            last_name: fields.short_text("last_name", 150).unwrap_or_default(),
            is_active: fields.flag("is_active").unwrap_or(true),
            is_superuser: fields.flag("is_superuser").unwrap_or(false),
        }
    }

    /// As [`Profile::read`] reads it.
    pub fn to_json(&self) -> Map<String, Value> {
        [
            ("username", Value::from(self.username.as_str())),
            ("email", Value::from(self.email.as_str())),
            ("email_verified", Value::from(self.email_verified)),
            ("first_name", Value::from(self.first_name.as_str())),
            ("last_name", Value::from(self.last_name.as_str())),
            ("is_active", Value::from(self.is_active)),
            ("is_superuser", Value::from(self.is_superuser)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// Reads the field `password`, as a new password of `username`.
pub fn required_password(fields: &mut Fields, username: &str) -> Option<Secret> {
    let text = fields.required_text("password")?;
    fields.check("password", password::check_new(&text, username))?;
    Some(Secret::new(text))
}

fn read_email(fields: &mut Fields) -> String {
    let email = fields.text("email").unwrap_or_default();
    if !email.is_empty() && !is_email(&email) {
        fields.error("email", "Enter a valid e-mail address.");
    }
    email
}

/// True for one e-mail address, with nothing around it.
pub fn is_email(text: &str) -> bool {
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    // A quoted local part may hold anything: commas, spaces, another address.
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\",;<>()".contains(c));
    is_plain && text.len() <= 254 && EmailAddress::parse_with_options(text, options).is_ok()
}
