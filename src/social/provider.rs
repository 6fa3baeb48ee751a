//! Identity providers, as the operator says that they are.

use crate::crypto::secret::Secret;
use crate::model::time::Lifetime;

/// The providers of `SOCIAL_AUTH_PROVIDERS`, in its order.
#[derive(Clone, Debug, Default)]
pub struct Providers(pub(super) Vec<Provider>);

/// One of them. Where a member of the setting is not explained here, docs/social.md does.
#[derive(Clone, Debug)]
pub struct Provider {
    /// By which our paths and parameters call it: `backend`.
    pub name: String,
    /// As people know it.
    pub label: String,
    pub client_id: String,
    pub secret: ClientSecret,
    /// For whom its tokens may be: `client_id`, and the operator's other clients there (those of their mobile apps, say).
    pub audiences: Vec<String>,
    /// Who may say that they made an ID token; the first is asked for its metadata.
    pub issuers: Vec<String>,
    pub endpoints: Endpoints,
    /// What is not among the endpoints is in its metadata (OIDC Discovery §4).
    pub discovery: bool,
    pub redirect_uri: Option<String>,
    pub scope: String,
    /// Who may log in, by verified addresses; nothing at all: everybody.
    pub allowed_domains: Vec<String>,
    pub allowed_emails: Vec<String>,
    /// What it is asked for, and a front-end may bring.
    pub proofs: Vec<Proof>,
    /// How to find out whom an access token was issued to.
    pub token_check: Option<TokenCheck>,
    /// Facebook's proof that a call comes from who knows the secret.
    pub appsecret_proof: bool,
    /// It knows PKCE (RFC 7636).
    pub pkce: bool,
    /// Its ID tokens hold the nonce of the request (OIDC Core §3.1.2.1).
    pub nonce: bool,
    /// It posts its authorization responses (Form Post Response Mode).
    pub form_post: bool,
    /// It posts ID tokens that Google One Tap got.
    pub one_tap: bool,
    pub authorization_parameters: Vec<(String, String)>,
    pub basic_authentication: bool,
    pub revocation: Revocation,
    pub id_token_max_age: Option<Lifetime>,
    pub fields: ProfileFields,
}

/// What shows that a person is who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    AccessToken,
    IdToken,
    Code,
}

/// How we prove to a provider who we are.
#[derive(Clone, Debug)]
pub enum ClientSecret {
    /// PKCE has to do.
    None,
    Text(Secret),
    /// A JWT that we sign by this key (Apple).
    Signed {
        team_id: String,
        key_id: String,
        private_key: Secret,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    pub authorization: Option<String>,
    pub token: Option<String>,
    pub userinfo: Option<String>,
    pub emails: Option<String>,
    pub tokeninfo: Option<String>,
    pub introspection: Option<String>,
    pub revocation: Option<String>,
    pub jwks_uri: Option<String>,
}

/// How a provider is asked about an access token, and where its answer says what.
#[derive(Clone, Debug)]
pub struct TokenCheck {
    pub by: CheckBy,
    /// Who holds the token: each of these that is there must be us, and one is.
    pub client: Vec<String>,
    /// Must be true.
    pub active: Option<String>,
    /// Must be the person whose profile it is.
    pub subject: Option<String>,
    pub expires_at: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckBy {
    /// The token in the query (Google).
    Query,
    /// The token as a Bearer token (GitLab, Discord).
    Bearer,
    /// Our client's id and secret as a token, the token in the query (Facebook).
    AppToken,
    /// Our client by HTTP Basic, the token in a JSON body (GitHub).
    Basic,
    /// RFC 7662, as our client.
    Introspection,
}

/// How a provider forgets what it has issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// RFC 7009.
    Post,
    /// A DELETE with the token as a Bearer token (Facebook).
    Delete,
    /// A DELETE by our client, the token in a JSON body (GitHub).
    BasicDelete,
}

/// Where a profile holds what: names with dots between them, from the outside in. Empty: nowhere.
#[derive(Clone, Debug)]
pub struct ProfileFields {
    pub id: String,
    pub username: String,
    pub email: String,
    pub email_verified: Verified,
    pub name: String,
    pub first_name: String,
    pub last_name: String,
}

/// Whether a provider has verified an e-mail address.
#[derive(Clone, Debug)]
pub enum Verified {
    /// It says so here.
    Field(String),
    /// Each that it tells.
    Always,
    Never,
}

impl Providers {
    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.name == name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }
}

impl Provider {
    /// True if a token for these is for us: one of them is ours, and none is anybody else's.
    pub fn are_ours(&self, audiences: &[&str]) -> bool {
        let is_ours = |audience: &&str| self.audiences.iter().any(|ours| ours == audience);
        !audiences.is_empty() && audiences.iter().all(is_ours)
    }

    pub fn takes(&self, proof: Proof) -> bool {
        self.proofs.contains(&proof)
    }

    /// True if people can be sent there to log in.
    pub fn has_login_page(&self) -> bool {
        self.takes(Proof::Code)
    }
}
