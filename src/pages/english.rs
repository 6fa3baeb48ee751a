//! All that pages and e-mails say, in English.

use crate::settings::SettingError;

pub const ACCOUNT: &str = "Your account";
pub const ALLOW: &str = "Allow";
pub const ALLOWED_ORIGINS: &str = "Origins that may call this server from a browser";
pub const APPLICATIONS: &str = "Your applications";
pub const APPLICATION_DISABLED: &str = "The operator of this server has disabled this application.";
pub const APPLICATION_NAME: &str = "Name";
pub const APPLICATION_OF_OPERATOR: &str =
    "The operator of this server lets this application in without asking people. Only they can change it.";
pub const APPLICATION_TYPE: &str = "Type";
pub const ASK_AGAIN: &str = "Ask for another link";
pub const AUTHORIZED: &str = "Applications that you have authorized";
pub const BACK_TO_APPLICATION: &str = "Back to the application";
pub const BEGIN_AGAIN: &str =
    "This login was not begun in this browser, or too long ago. Please log in again.";
pub const CANCEL: &str = "Cancel";
pub const CHANGE: &str = "Change";
pub const CHANGE_PASSWORD: &str = "Change password";
pub const CHECK_FIELDS: &str = "Something is not right yet: please look at the fields below.";
pub const CLIENT_ID: &str = "Client ID";
pub const CLIENT_SECRET: &str = "Client secret";
pub const CONSENT_ASKS: &str = "asks to act for you. You are logged in as";
pub const CONSENT_SCOPES: &str = "It would be able to:";
pub const CONSENT_TARGET: &str = "Whatever you decide, you will be sent on to";
pub const CONSENT_VERIFIER: &str = "If you allow it, you will get a number to type in there.";
pub const VERIFIER: &str = "Almost done";
pub const NOT_AGREED: &str = "You did not agree";
pub const CONTINUE: &str = "Continue";
pub const CURRENT_PASSWORD: &str = "Current password";
pub const DELETE: &str = "Delete";
pub const DELETE_APPLICATION_TEXT: &str = "All who use it will be logged out of it. This cannot be undone.";
pub const DISCONNECT: &str = "Disconnect";
pub const DOCUMENTATION: &str = "Documentation";
pub const EMAIL: &str = "E-mail (optional)";
pub const EMAIL_ADDRESS: &str = "E-mail address";
pub const EMAIL_IS_VERIFIED: &str = "Your e-mail address is confirmed.";
pub const EMAIL_NOT_VERIFIED: &str = "This address is not confirmed yet.";
pub const EMAIL_VERIFIED: &str = "This address is confirmed.";
pub const END: &str = "Log out";
pub const END_GRANT: &str = "End it";
pub const END_GRANT_TEXT: &str = "It will be logged out, and has to ask you again.";
pub const END_OTHERS: &str = "Log out of all others";
pub const EVERYWHERE_TEXT: &str =
    "Logging out everywhere ends all these, and logs you out of all applications, too.";
pub const FIRST_NAME: &str = "First name";
pub const FORGOTTEN: &str = "Forgotten your password?";
pub const FORM_IS_OLD: &str =
    "This page had been open for too long, or came from elsewhere. Please try again.";
pub const GRANT_TYPES: &str = "How it gets tokens";
pub const HAVE_ACCOUNT: &str = "You have an account?";
pub const HOME_PROGRAMS: &str = "Programs find its endpoints at";
pub const HOME_TEXT: &str = "This is an OAuth 2 authorization server: it signs people up, and issues tokens to applications that they allow.";
pub const INTROSPECTION_NOT_YOURS: &str = "Only the operator of this server can give introspection.";
pub const LAST_NAME: &str = "Last name";
pub const LAST_SEEN: &str = "last used";
pub const LAST_WAY_IN: &str =
    "You could not log in any more. Set a password, or connect another account, first.";
pub const LINK_IS_OLD: &str = "This link cannot be used, or not any more: it may have been used already, another one may have been sent after it, or it was open for too long.";
pub const LOGGED_IN_AS: &str = "You are logged in as";
pub const LOG_IN: &str = "Log in";
pub const LOG_OUT: &str = "Log out";
pub const LOG_OUT_EVERYWHERE: &str = "Log out everywhere";
pub const LOG_OUT_TEXT: &str =
    "Log out of this server in this browser? Applications that you are logged in to stay so.";
pub const MAY_NOT_REGISTER: &str = "You may not register applications here. The operator of this server can.";
pub const MORE: &str = "More";
pub const NEW_HERE: &str = "New here?";
pub const NEW_PASSWORD: &str = "New password";
pub const NOTHING_AUTHORIZED: &str = "You have authorized no application.";
pub const NOT_ASKED: &str =
    "You were not asked what it may do: you gave it your password, or the operator of this server trusts it.";
pub const NOT_FOUND: &str = "Not found";
pub const NOT_FOUND_TEXT: &str = "There is no page at this address.";
pub const NOT_LOGGED_IN: &str = "You are not logged in";
pub const NOT_POSSIBLE: &str = "This did not work";
pub const NOT_POSSIBLE_TEXT: &str = "The request cannot be answered. If a link or an application brought you here, its developers will want to know:";
pub const NOT_SET_UP: &str = "Not set up";
pub const NOT_SET_UP_HELP: &str = "If it is yours, set it and deploy again.";
pub const NO_APPLICATIONS: &str = "You have no applications.";
pub const NO_EMAIL: &str = "Your account has no e-mail address.";
pub const NO_MAIL: &str = "This server sends no e-mail. Please ask whoever runs it: they can help.";
pub const NO_PASSWORD: &str = "Your account has no password. A link to set one can be sent to its e-mail address, once that is confirmed.";
pub const NO_PASSWORD_FOR_EMAIL: &str =
    "Your account has no password. Set one, before you change your e-mail address.";
pub const NO_SECRET: &str = "A public application has no secret.";
pub const ONE_A_LINE: &str = "One a line.";
pub const PASSWORD: &str = "Password";
pub const PASSWORD_CHANGED_ONLY: &str = "Your password has been changed. Applications may not have been logged out: please press “Log out everywhere” on your account page.";
pub const PASSWORD_FOR_EMAIL: &str = "For another e-mail address only.";
pub const PASSWORD_RULES: &str = "At least 8 characters, and none of the most common ones.";
pub const PASSWORD_TEXT: &str = "You will be logged out everywhere but here.";
pub const POST_LOGOUT_REDIRECT_URIS: &str = "Where people may be sent after logging out";
pub const PROFILE: &str = "Profile";
pub const REDIRECT_URIS: &str = "Redirect URIs";
pub const REDIRECT_URIS_HELP: &str =
    "One a line: https addresses, http on loopback, or an app’s own scheme such as com.example.app:/callback";
pub const REGISTERED: &str = "registered";
pub const REGISTER_APPLICATION: &str = "Register an application";
pub const REQUIRED: &str = "This field is required.";
pub const RESET_HELP: &str = "The address that your account has. A link will be sent to it.";
pub const RESET_PASSWORD: &str = "Set a new password";
pub const RESET_SENT: &str = "If an account has this e-mail address, a link is on its way to it, and good for an hour. If it does not arrive: the account may have another address, or there were too many links already.";
pub const ROTATE_SECRET: &str = "Make a new secret";
pub const ROTATE_SECRET_TEXT: &str = "The old secret stops working at once.";
pub const SAVE: &str = "Save";
pub const SCOPE: &str = "Scopes, with spaces between them";
pub const SCOPE_HELP: &str = "Left empty: all that there are.";
pub const SECRET_ONCE: &str =
    "This is the only time that the secret is shown. Keep it where nobody else can read it.";
pub const SEND_LINK: &str = "Send a link";
pub const SESSIONS: &str = "Where you are logged in";
pub const SET_PASSWORD: &str = "Set the password and log out everywhere";
pub const SIGN_UP: &str = "Sign up";
pub const SINCE: &str = "since";
pub const SOCIAL_ACCOUNTS: &str = "Connected accounts";
pub const SOCIAL_DISABLED: &str = "Your account here is disabled.";
pub const SOCIAL_NOT_ALLOWED: &str = "The operator of this server does not let this account in.";
pub const THIS_BROWSER: &str = "this browser";
pub const TOO_MANY_APPLICATIONS: &str = "You have as many applications as one person may have.";
pub const TRY_LATER: &str = "Try again in a moment";
pub const TRY_LATER_TEXT: &str =
    "The server cannot answer just now. Nothing was lost: please try again in a moment.";
pub const TYPE_CONFIDENTIAL: &str = "Confidential: runs on a server that keeps a secret";
pub const TYPE_PUBLIC: &str = "Public: runs in a browser or on a device";
pub const UNKNOWN_BROWSER: &str = "A browser that did not say which";
pub const USERNAME: &str = "Username";
pub const USERNAME_RULES: &str = "Letters, digits and @ . + - _";
pub const VERIFY: &str = "This is my address";
pub const VERIFY_EMAIL: &str = "Confirm your e-mail address";
pub const VERIFY_SENT: &str = "A link is on its way to your e-mail address, and good for three days. If it does not arrive, there may have been too many already: try again in an hour.";
pub const WRONG_LOGIN: &str = "Username or password is wrong.";
pub const WRONG_PASSWORD: &str = "This is not your current password.";

/// What has just been done, by the name that the address of the account page has for it.
pub fn done(name: &str) -> Option<&'static str> {
    match name {
        "profile" => Some("Your profile has been saved."),
        "password" => Some("Your password has been changed. You are logged out everywhere but here."),
        "session" => Some("You are logged out there."),
        "connected" => Some("Your account is connected: you can log in by it from now on."),
        "disconnected" => Some("The account is no longer connected."),
        "sessions" => Some("You are logged out of all other browsers."),
        _ => None,
    }
}

/// Logs in, or signs up, by a provider.
pub fn continue_with(provider: &str) -> String {
    format!("Continue with {provider}")
}

/// Links an account at a provider.
pub fn connect(provider: &str) -> String {
    format!("Connect {provider}")
}

/// Unlinks one.
pub fn disconnect(provider: &str) -> String {
    format!("Disconnect {provider}")
}

/// The provider, or we, do not let them in.
pub fn social_refused(provider: &str) -> String {
    format!("{provider} has not confirmed who you are.")
}

/// Somebody has the same e-mail address, and it may not be them.
pub fn social_email_taken(provider: &str) -> String {
    format!(
        "An account here has your e-mail address already. Log in to it another way; then you can connect {provider} to it on the page of your account."
    )
}

/// The account at the provider is another user's.
pub fn social_in_use(provider: &str) -> String {
    format!("This {provider} account is connected to another account here, or you have too many.")
}

/// The provider does not answer.
pub fn social_failed(provider: &str) -> String {
    format!("{provider} does not answer. Please try again in a moment.")
}

/// Ends a session in that browser.
pub fn end_session(browser: &str) -> String {
    format!("Log out of {browser}")
}

/// The way to end what an application may do.
pub fn end_grant(name: &str) -> String {
    format!("End what {name} may do")
}

/// Asks whether to.
pub fn end_grant_title(name: &str) -> String {
    format!("End what {name} may do?")
}

/// Asks whether to delete an application.
pub fn delete_title(name: &str) -> String {
    format!("Delete {name}?")
}

/// Asks whether to make a new secret for an application.
pub fn rotate_title(name: &str) -> String {
    format!("Make a new secret for {name}?")
}

/// What a grant type is, for who registers an application.
pub fn grant_type(name: &str) -> &str {
    match name {
        "authorization_code" => "Authorization code: people log in and are sent back",
        "refresh_token" => "Refresh token: stay logged in",
        "client_credentials" => "Client credentials: for itself, without a person",
        other => other,
    }
}

/// Which application asks.
pub fn verifier_text(application: &str) -> String {
    format!("Go back to {application}, and type in this number:")
}

pub fn not_agreed_text(application: &str) -> String {
    format!("{application} may do nothing for you. You can close this page.")
}

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

pub const RESET_SUBJECT: &str = "Set a new password";
pub const VERIFY_SUBJECT: &str = "Confirm your e-mail address";

/// The e-mail with the link to a new password.
pub fn reset_text(username: Option<&str>, issuer: &str, url: &str) -> String {
    let account = username.map_or_else(
        || "an account with this e-mail address".to_owned(),
        |username| format!("your account {username}"),
    );
    format!(
        "Somebody asked to set a new password for {account} at {issuer}\n\n\
         To do that, open this link within an hour:\n\n\
         {url}\n\n\
         If it was not you, do nothing: your password stays as it is.\n"
    )
}

/// The e-mail with the link that confirms an address.
pub fn verify_text(issuer: &str, url: &str) -> String {
    format!(
        "Somebody gave this e-mail address for an account at {issuer}\n\n\
         If it was you, open this link within three days to confirm that the address is yours:\n\n\
         {url}\n\n\
         If it was not you, do nothing.\n"
    )
}
