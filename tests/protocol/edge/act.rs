//! What is asked of an isolate.

use http::Method;
use postern::call::Request;
use serde_json::{Value, json};

use super::known::Code;
use super::world::World;
use crate::support::{CALLBACK, PASSWORD, VERIFIER, admin_request, form_request, request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Validate {
        token: usize,
        fresh: bool,
    },
    Introspect {
        token: usize,
    },
    LogIn {
        application: usize,
        user: usize,
    },
    ClientCredentials,
    /// With the refresh token of a link of the family's chain.
    Refresh {
        family: usize,
        link: usize,
    },
    /// By the access token of a link, or the refresh token.
    Revoke {
        family: usize,
        link: usize,
        by_refresh_token: bool,
    },
    /// Logs out everywhere; by setting a password (the same one), or as such.
    EndUser {
        user: usize,
        sets_password: bool,
    },
    Enable {
        application: usize,
        is_active: bool,
    },
    RotateSecret,
    /// Client credentials with a secret that has been rotated away.
    OldSecret {
        secret: usize,
    },
    SignUp {
        number: usize,
    },
    Clear,
    /// By a browser in which the user is logged in.
    Authorize {
        application: usize,
        user: usize,
    },
    /// By the client that asked for the code, or by a thief who has only seen it.
    Exchange {
        code: usize,
        is_thief: bool,
    },
    /// By xAuth, for an access token of OAuth 1.0a.
    Xauth {
        user: usize,
    },
    /// What a client has signed, which may come again.
    Sign {
        signed: usize,
    },
}

/// The application that is public, and the one that is confidential.
pub const PUBLIC: usize = 0;
pub const CONFIDENTIAL: usize = 1;

const THIEFS_VERIFIER: &str = "a-thief-can-only-guess-what-the-verifier-was";

impl Act {
    /// It ends tokens, if it is carried out.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Revoke { .. } | Self::EndUser { .. } | Self::Enable { is_active: false, .. })
    }

    /// Whoever gets no answer, or an error, does it again.
    pub fn is_repeated(self) -> bool {
        self.is_end() || matches!(self, Self::Enable { .. } | Self::SignUp { .. })
    }

    /// It changes the registration of this application.
    pub fn changes_application(self, number: usize) -> bool {
        match self {
            Self::Enable { application, .. } => application == number,
            Self::RotateSecret => number == CONFIDENTIAL,
            _ => false,
        }
    }
}

impl World<'_> {
    pub fn request(&self, act: Act) -> Request {
        match act {
            Act::Validate { token, fresh } => {
                let bearer = format!("Bearer {}", self.tokens[token].text);
                let path = if fresh { "/validate/?fresh=1" } else { "/validate/" };
                request(Method::GET, path, &[("authorization", &bearer)], "")
            }
            Act::Introspect { token } => {
                let client = &self.applications[CONFIDENTIAL].client;
                client.request("/o/introspect/", &[("token", &self.tokens[token].text)])
            }
            Act::LogIn { application, user } => {
                let form =
                    [("grant_type", "password"), ("username", &self.users[user]), ("password", PASSWORD)];
                self.applications[application].client.request("/o/token/", &form)
            }
            Act::ClientCredentials => self.applications[CONFIDENTIAL]
                .client
                .request("/o/token/", &[("grant_type", "client_credentials")]),
            Act::Refresh { family, link } => {
                let application = &self.applications[self.families[family].application];
                application.client.refresh_request(self.refresh_token(family, link))
            }
            Act::Revoke { family, link, by_refresh_token } => {
                let application = &self.applications[self.families[family].application];
                let token = match by_refresh_token {
                    true => self.refresh_token(family, link),
                    false => &self.tokens[self.families[family].links[link].access].text,
                };
                application.client.request("/o/revoke_token/", &[("token", token)])
            }
            Act::EndUser { user, sets_password: false } => {
                admin_request("POST", &format!("users/{}/logout", self.users[user]), Value::Null)
            }
            Act::EndUser { user, sets_password: true } => {
                let path = format!("users/{}/set-password", self.users[user]);
                admin_request("POST", &path, json!({"password": PASSWORD}))
            }
            Act::Enable { application, is_active } => {
                let path = format!("applications/{}", self.applications[application].client.client_id);
                admin_request("PATCH", &path, json!({"is_active": is_active}))
            }
            Act::RotateSecret => {
                let client_id = &self.applications[CONFIDENTIAL].client.client_id;
                admin_request("POST", &format!("applications/{client_id}/rotate-secret"), Value::Null)
            }
            Act::OldSecret { secret } => {
                let application = &self.applications[CONFIDENTIAL];
                let client = application.client.with_secret(Some(&application.old_secrets[secret]));
                client.request("/o/token/", &[("grant_type", "client_credentials")])
            }
            Act::SignUp { number } => {
                form_request("/sign_up/", &[], &[("username", &name(number)), ("password", PASSWORD)])
            }
            Act::Clear => admin_request("POST", "cleartokens", Value::Null),
            Act::Authorize { application, user } => {
                let path = self.applications[application].client.authorization().path();
                request(Method::GET, &path, &[("cookie", &self.sessions[&user])], "")
            }
            Act::Exchange { code, is_thief } => {
                let Code { application, text, .. } = &self.codes[code];
                let client = &self.applications[*application].client;
                let verifier = if is_thief { THIEFS_VERIFIER } else { VERIFIER };
                let form = [("grant_type", "authorization_code"), ("code", text), ("redirect_uri", CALLBACK)];
                client.request("/o/token/", &[&form[..], &[("code_verifier", verifier)]].concat())
            }
            Act::Xauth { user } => self.signing_client().xauth_request(&self.users[user], PASSWORD),
            Act::Sign { signed } => self.signed[signed].request.clone(),
        }
    }

    fn refresh_token(&self, family: usize, link: usize) -> &str {
        self.families[family].links[link].refresh.as_deref().expect("a family that is refreshed")
    }
}

/// Of who signs up during a schedule.
pub fn name(number: usize) -> String {
    format!("user-{number}")
}
