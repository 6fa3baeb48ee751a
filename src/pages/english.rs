//! All that pages say, in English.

use crate::settings::SettingError;

pub const ACCOUNT: &str = "Your account";
pub const ALLOW: &str = "Allow";
pub const BACK_TO_APPLICATION: &str = "Back to the application";
pub const CANCEL: &str = "Cancel";
pub const CHECK_FIELDS: &str = "Something is not right yet: please look at the fields below.";
pub const CONSENT_ASKS: &str = "asks to act for you. You are logged in as";
pub const CONSENT_SCOPES: &str = "It would be able to:";
pub const CONSENT_TARGET: &str = "Whatever you decide, you will be sent on to";
pub const CONTINUE: &str = "Continue";
pub const EMAIL: &str = "E-mail (optional)";
pub const FORM_IS_OLD: &str =
    "This page had been open for too long, or came from elsewhere. Please try again.";
pub const HOME_PROGRAMS: &str = "Programs find its endpoints at";
pub const HOME_TEXT: &str = "This is an OAuth 2 authorization server: it signs people up, and issues tokens to applications that they allow.";
pub const HAVE_ACCOUNT: &str = "You have an account?";
pub const LOG_IN: &str = "Log in";
pub const LOG_OUT: &str = "Log out";
pub const LOG_OUT_TEXT: &str =
    "Log out of this server in this browser? Applications that you are logged in to stay so.";
pub const NEW_HERE: &str = "New here?";
pub const NOT_FOUND: &str = "Not found";
pub const NOT_FOUND_TEXT: &str = "There is no page at this address.";
pub const NOT_POSSIBLE: &str = "This did not work";
pub const NOT_POSSIBLE_TEXT: &str = "The request cannot be answered. If a link or an application brought you here, its developers will want to know:";
pub const NOT_SET_UP: &str = "Not set up";
pub const NOT_SET_UP_HELP: &str = "If it is yours, set it and deploy again.";
pub const PASSWORD: &str = "Password";
pub const PASSWORD_RULES: &str = "At least 8 characters, and none of the most common ones.";
pub const SIGN_UP: &str = "Sign up";
pub const TRY_LATER: &str = "Try again in a moment";
pub const TRY_LATER_TEXT: &str =
    "The server cannot answer just now. Nothing was lost: please try again in a moment.";
pub const USERNAME: &str = "Username";
pub const USERNAME_RULES: &str = "Letters, digits and @ . + - _";
pub const WRONG_LOGIN: &str = "Username or password is wrong.";

/// Which application asks.
pub fn consent_title(name: &str) -> String {
    format!("Allow {name}?")
}

/// What a scope means that has a meaning of its own.
pub fn built_in_scope(token: &str) -> &str {
    match token {
        "introspection" => "Ask whether tokens are good",
        "openid" => "Know who you are",
        "profile" => "See your name",
        "email" => "See your e-mail address",
        "address" => "See your postal address",
        "phone" => "See your phone number",
        "offline_access" => "Act for you while you are away",
        other => other,
    }
}

/// A setting cannot be used.
pub fn not_set_up(error: &SettingError) -> String {
    format!("This server is not set up: {error}.")
}

/// There were too many tries.
pub fn too_many(seconds: i64) -> String {
    match seconds {
        ..=90 => format!("There were too many tries. Please wait {seconds} seconds."),
        _ => format!("There were too many tries. Please wait {} minutes.", seconds.saturating_add(59) / 60),
    }
}
