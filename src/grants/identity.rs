//! Who a person is, by what an identity provider says.

use super::guessing;
use crate::app::App;
use crate::model::address::Address;
use crate::model::social::Identity;
use crate::protocol::error::OAuthError;
use crate::social::SocialError;
use crate::social::proof::{self, Presented};
use crate::social::provider::Provider;

/// Asks the provider. What it does not confirm counts among the failures of the address: nobody makes us ask without end.
///
/// # Errors
/// Within: as [`proof::verify`]. Else:
/// - 429: there were too many failures from the address.
pub async fn verify(
    presented: &Presented<'_>,
    provider: &Provider,
    address: Option<Address>,
    app: &App,
) -> Result<Result<Identity, SocialError>, OAuthError> {
    guessing::check_address(address, app)?;
    let verified = proof::verify(presented, provider, app).await;
    if let Err(SocialError::Refused(_)) = verified {
        guessing::count(None, address, app).await?;
    }
    Ok(verified)
}
