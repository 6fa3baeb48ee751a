//! Who has signed a request, and that it comes for the first time (RFC 5849 §3.2).

use std::rc::Rc;

use super::{Oauth1Error, Refusal};
use crate::app::App;
use crate::crypto::encoding::from_base64;
use crate::crypto::secret::{Secret, same_bytes};
use crate::crypto::signature::PublicKey;
use crate::grants::client;
use crate::model::application::Application;
use crate::model::family::{Family, TokenDigest};
use crate::model::id::FamilyId;
use crate::model::time::{Lifetime, Timestamp};
use crate::protocol::grant_type::GrantType;
use crate::protocol::oauth1::{SignatureMethod, SignedRequest, hmac_signature, signing_key};
use crate::protocol::uri::is_private_url;
use crate::store::oauth1_nonces::{self, Nonce};

/// How far a timestamp may be from now (RFC 5849 §3.3), in seconds.
pub const WINDOW: i64 = 300;

/// How much longer a nonce is kept: the clocks of two places may differ, in seconds.
const SKEW: Lifetime = Lifetime(60);

/// How often the application is read anew because it was changed in between.
const TRIES: usize = 3;

/// The token that a request is signed with, besides the application's secret.
pub enum SigningToken {
    None,
    Known {
        secret: Secret,
        /// To be read in the round trip of the nonce.
        family: Option<FamilyId>,
    },
    /// There is no such token, or its secret cannot be read.
    Unknown(Oauth1Error),
    /// It is another application's: of this one, if a new one has taken its `client_id`.
    Others(Oauth1Error),
}

impl SigningToken {
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Others(_))
    }
}

/// A request that was signed by whom it says, and comes for the first time.
#[derive(Debug)]
pub struct Verified {
    pub application: Rc<Application>,
    /// As it is now, if it was to be read.
    pub family: Option<Family>,
}

/// Verifies the signature, and uses the nonce up. `url` is what the client called; `find_token` looks up what the request says
/// of an application's tokens. An unknown application or token takes the same work, and is refused afterwards. As with client
/// authentication, what this isolate remembers of the application decides nothing alone.
///
/// # Errors
/// Why it is refused. Nothing has been stored then.
pub async fn verify(
    request: &SignedRequest,
    url: &str,
    find_token: impl AsyncFn(&Application) -> Result<SigningToken, Oauth1Error>,
    app: &App,
) -> Result<Verified, Oauth1Error> {
    check_timestamp(request, app.clock.now())?;
    if request.signature_method() == SignatureMethod::Plaintext && !is_private_url(url) {
        return Err(Refusal::Signature.because("PLAINTEXT over a connection that others can read"));
    }
    let mut refused: Option<(String, Oauth1Error)> = None;
    for _ in 0..TRIES {
        let Some((application, is_remembered)) = client::find(request.consumer_key(), app).await? else {
            is_signed(request, None, &SigningToken::None, app).await;
            return Err(Refusal::Consumer.because("oauth_consumer_key is unknown"));
        };
        if let Some((revision, error)) = refused.take()
            && revision == application.revision
        {
            return Err(error);
        }
        let token = find_token(&application).await?;
        let is_others = matches!(token, SigningToken::Others(_));
        let revision = application.revision.clone();
        match verify_for(request, application, token, app).await {
            Ok(Some(verified)) => return Ok(verified),
            Ok(None) => {}
            Err(error) if is_remembered && (is_others || error.rests_on_registration()) => {
                refused = Some((revision, error));
            }
            Err(error) => return Err(error),
        }
        app.memory.borrow_mut().forget_application(request.consumer_key());
    }
    Err(super::stale())
}

/// None: the application is not in the revision that was remembered.
async fn verify_for(
    request: &SignedRequest,
    application: Rc<Application>,
    token: SigningToken,
    app: &App,
) -> Result<Option<Verified>, Oauth1Error> {
    let is_signed = is_signed(request, Some(&application), &token, app).await;
    check_application(&application, request.signature_method())?;
    let family = match token {
        SigningToken::Unknown(error) | SigningToken::Others(error) => return Err(error),
        SigningToken::Known { family, .. } => family,
        SigningToken::None => None,
    };
    if !is_signed {
        return Err(Refusal::Signature.because("the signature is not that of the request"));
    }
    let nonce = nonce(request, &application);
    let now = app.clock.now();
    let used = oauth1_nonces::insert(nonce.as_ref(), &application, family.as_ref(), now, &*app.db).await?;
    match (used.application_is_current, used.is_new) {
        (false, _) => Ok(None),
        (true, false) => Err(Refusal::Nonce.because("the nonce has been used before")),
        (true, true) => Ok(Some(Verified { application, family: used.family })),
    }
}

fn check_timestamp(request: &SignedRequest, now: Timestamp) -> Result<(), Oauth1Error> {
    match request.once() {
        Some((timestamp, _)) if (timestamp - now.0).abs() > WINDOW => {
            let behind = now.0 - timestamp;
            Err(Refusal::Nonce.because(format!("oauth_timestamp is {behind} seconds behind our clock")))
        }
        _ => Ok(()),
    }
}

fn check_application(application: &Application, method: SignatureMethod) -> Result<(), Oauth1Error> {
    if !application.registration.is_active {
        return Err(Refusal::Consumer.because("the application is disabled"));
    }
    if !application.allows(GrantType::OAuth1) {
        return Err(Refusal::Consumer.because("the application is not registered for oauth1"));
    }
    if !application.allows_signature_method(method) {
        return Err(Refusal::Signature.because("the application may not use this signature method"));
    }
    Ok(())
}

/// True if the request was signed with the secrets, or by the key, of these two. Where one of them is not known, something else
/// takes its place, and the answer is false.
async fn is_signed(
    request: &SignedRequest,
    application: Option<&Application>,
    token: &SigningToken,
    app: &App,
) -> bool {
    let method = request.signature_method();
    if let Some(algorithm) = method.algorithm() {
        let signature = from_base64(request.signature()).unwrap_or_default();
        let message = request.base_string().as_bytes();
        let known = application.map(Application::rsa_keys).unwrap_or_default();
        let nobodys = PublicKey::rsa(&NOBODYS_MODULUS, &[1, 0, 1]);
        let mut is_signed = false;
        for key in known.iter().chain(nobodys.iter().filter(|_| known.is_empty())) {
            is_signed |= app.signatures.verify(algorithm, key, message, &signature).await;
        }
        return is_signed && !known.is_empty() && !token.is_unknown();
    }
    let nobodys = || Secret::new("nobody has this secret, which is as long as one");
    let consumer_secret = application.and_then(|known| client::consumer_secret(known, app));
    let token_secret = match token {
        SigningToken::None => None,
        SigningToken::Known { secret, .. } => Some(secret.clone()),
        SigningToken::Unknown(_) | SigningToken::Others(_) => Some(nobodys()),
    };
    let is_known = consumer_secret.is_some() && !token.is_unknown();
    let key = signing_key(&consumer_secret.unwrap_or_else(nobodys), token_secret.as_ref());
    let is_same = match hmac_signature(method, &key, request.base_string()) {
        Some(signature) => same_bytes(signature.as_bytes(), request.signature().as_bytes()),
        None => key == Secret::new(request.signature()),
    };
    is_known && is_same
}

/// What makes a request one of a kind (RFC 5849 §3.3). With PLAINTEXT it may have nothing: who could repeat it has the secrets.
fn nonce(request: &SignedRequest, application: &Application) -> Option<Nonce> {
    let (timestamp, nonce) = request.once()?;
    let token = request.token().unwrap_or_default();
    Some(Nonce {
        digest: TokenDigest::of(&format!("{} {token} {timestamp} {nonce}", application.id)),
        expires_at: Timestamp(timestamp) + Lifetime(WINDOW + 1) + SKEW,
    })
}

/// As long as a key's, and odd. Its factors are known (those of the Fermat numbers), so anybody could sign by it: what it
/// verifies is refused all the same.
const NOBODYS_MODULUS: [u8; 256] = [0xff; 256];
