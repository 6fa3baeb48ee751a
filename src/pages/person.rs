//! Who is logged in, on pages that are for them alone.

use super::error::Instead;
use super::layout::see_other;
use super::next::Next;
use super::visitor::{Visitor, checked_form};
use crate::call::{Call, Response};
use crate::model::audit::{Actor, By};
use crate::model::session::Session;
use crate::model::user::User;
use crate::protocol::params::Params;

pub struct Person {
    pub visitor: Visitor,
    pub session: Session,
}

impl Person {
    /// Who asks for a page.
    ///
    /// # Errors
    /// Nobody is logged in: the way to the login, and from there back here. Or the database did not answer.
    pub async fn reading(call: &Call<'_>) -> Result<Self, Instead> {
        Self::of(Visitor::of(call), &Next::read(Some(call.path())), call).await
    }

    /// Who sends a form, and what is in it.
    ///
    /// # Errors
    /// - As [`Person::reading`]; from the login it goes on to the account page.
    /// - It is not a form that we showed to this browser.
    pub async fn acting(call: &Call<'_>) -> Result<(Self, Params), Instead> {
        let visitor = Visitor::of(call);
        let params = checked_form(&visitor, call).map_err(Instead)?;
        Ok((Self::of(visitor, &Next::read(None), call).await?, params))
    }

    async fn of(visitor: Visitor, next: &Next, call: &Call<'_>) -> Result<Self, Instead> {
        match visitor.session(call).await? {
            Some(session) => Ok(Self { visitor, session }),
            None => Err(to_login(next, call).into()),
        }
    }

    pub fn user(&self) -> &User {
        &self.session.user
    }

    pub fn by(&self, call: &Call<'_>) -> By {
        call.by(Actor::User(self.session.user.id))
    }
}

/// The way to the login, and from there to `next`.
pub fn to_login(next: &Next, call: &Call<'_>) -> Response {
    see_other(&next.with_path(&format!("{}/accounts/login/", call.issuer)))
}

/// The account page, with a word about what has been done.
pub fn after(done: &str, call: &Call<'_>) -> String {
    format!("{}/account/?done={done}", call.issuer)
}
