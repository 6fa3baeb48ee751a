//! All that pages say, in English.

use crate::settings::SettingError;

pub const ACCOUNT: &str = "Your account";
pub const ALLOW: &str = "Allow";
pub const ASK_AGAIN: &str = "Ask for another link";
pub const BACK_TO_APPLICATION: &str = "Back to the application";
pub const CANCEL: &str = "Cancel";
pub const CHECK_FIELDS: &str = "Something is not right yet: please look at the fields below.";
pub const CONSENT_ASKS: &str = "asks to act for you. You are logged in as";
pub const CONSENT_SCOPES: &str = "It would be able to:";
pub const CONSENT_TARGET: &str = "Whatever you decide, you will be sent on to";
pub const CONTINUE: &str = "Continue";
pub const EMAIL: &str = "E-mail (optional)";
pub const EMAIL_ADDRESS: &str = "E-mail address";
pub const EMAIL_IS_VERIFIED: &str = "Your e-mail address is confirmed.";
pub const FORGOTTEN: &str = "Forgotten your password?";
pub const FORM_IS_OLD: &str =
    "This page had been open for too long, or came from elsewhere. Please try again.";
pub const HOME_PROGRAMS: &str = "Programs find its endpoints at";
pub const HOME_TEXT: &str = "This is an OAuth 2 authorization server: it signs people up, and issues tokens to applications that they allow.";
pub const HAVE_ACCOUNT: &str = "You have an account?";
pub const LINK_IS_OLD: &str = "This link cannot be used, or not any more: it may have been used already, another one may have been sent after it, or it was open for too long.";
pub const LOG_IN: &str = "Log in";
pub const LOG_OUT: &str = "Log out";
pub const LOG_OUT_TEXT: &str =
    "Log out of this server in this browser? Applications that you are logged in to stay so.";
pub const NEW_HERE: &str = "New here?";
pub const NEW_PASSWORD: &str = "New password";
pub const NO_EMAIL: &str = "Your account has no e-mail address.";
pub const NO_MAIL: &str = "This server sends no e-mail. Please ask whoever runs it: they can help.";
pub const NOT_FOUND: &str = "Not found";
pub const NOT_FOUND_TEXT: &str = "There is no page at this address.";
pub const NOT_POSSIBLE: &str = "This did not work";
pub const NOT_POSSIBLE_TEXT: &str = "The request cannot be answered. If a link or an application brought you here, its developers will want to know:";
pub const NOT_SET_UP: &str = "Not set up";
pub const NOT_SET_UP_HELP: &str = "If it is yours, set it and deploy again.";
pub const PASSWORD: &str = "Password";
pub const PASSWORD_RULES: &str = "At least 8 characters, and none of the most common ones.";
pub const RESET_HELP: &str = "The address that your account has. A link will be sent to it.";
pub const RESET_PASSWORD: &str = "Set a new password";
pub const RESET_SENT: &str = "If an account has this e-mail address, a link is on its way to it, and good for an hour. If it does not arrive: the account may have another address, or there were too many links already.";
pub const SEND_LINK: &str = "Send a link";
pub const SET_PASSWORD: &str = "Set the password and log out everywhere";
pub const SIGN_UP: &str = "Sign up";
pub const TRY_LATER: &str = "Try again in a moment";
pub const TRY_LATER_TEXT: &str =
    "The server cannot answer just now. Nothing was lost: please try again in a moment.";
pub const USERNAME: &str = "Username";
pub const USERNAME_RULES: &str = "Letters, digits and @ . + - _";
pub const VERIFY: &str = "This is my address";
pub const VERIFY_EMAIL: &str = "Confirm your e-mail address";
pub const VERIFY_SENT: &str = "A link is on its way to your e-mail address, and good for three days. If it does not arrive, there may have been too many already: try again in an hour.";
pub const WRONG_LOGIN: &str = "Username or password is wrong.";

/// Which application asks.
pub fn consent_title(name: &str) -> String {
    format!("Allow {name}?")
}

/// Whose password is to be set.
pub fn reset_for(username: &str) -> String {
    format!(
        "This is for the account {username}. You will be logged out everywhere, and so will be whoever else knew the password."
    )
}

/// What a link would be sent to.
pub fn verify_offer(email: &str) -> String {
    format!("Nobody has confirmed yet that {email} is yours. A link can be sent there.")
}

/// Which account says that it has this address.
pub fn verify_for(username: &str, email: &str) -> String {
    format!("The account {username} has the e-mail address {email}. Is it yours?")
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
