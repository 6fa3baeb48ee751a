//! Signing up, in the shapes of Django REST framework.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::respond;
use crate::call::body::{MediaType, media_type};
use crate::call::{Call, Response};
use crate::grants::{guessing, sign_up};
use crate::model::audit::{Action, Actor};
use crate::model::fields::Fields;
use crate::model::user::NewUser;
use crate::pages::mail;
use crate::protocol::error::OAuthError;
use crate::protocol::json;
use crate::protocol::params::Params;

/// `POST /sign_up/`: JSON or a form.
pub async fn post(call: &Call<'_>) -> Response {
    let object = match media_type(call.request) {
        MediaType::Json => {
            json::parse_body(call.request.body()).map_err(|reason| format!("JSON parse error: {reason}."))
        }
        MediaType::Form => {
            let params = Params::parse(call.request.body());
            params.map(to_object).map_err(|error| format!("Form parse error: {error}."))
        }
        MediaType::Other => {
            let detail =
                "Unsupported media type: send application/json or application/x-www-form-urlencoded.";
            return respond::drf_detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
        }
    };
    let object = match object {
        Ok(object) => object,
        Err(detail) => return respond::drf_detail(StatusCode::BAD_REQUEST, &detail),
    };
    let new_user = match NewUser::from_sign_up(Fields::new(object)) {
        Ok(new_user) => new_user,
        Err(errors) => return respond::drf_fields(&errors),
    };
    // Counted before the slow hash, and before it shows whether a name is taken.
    if let Err(error) = guessing::count_sign_up(call.address(), call.app).await {
        return respond::drf_error(&error);
    }
    let by = |id| call.by(Actor::User(id));
    match sign_up::store(new_user, by, Action::SignedUp, call.app).await {
        Ok(Some(user)) => {
            mail::welcome(&user, &call.issuer, call.app).await;
            respond::json(StatusCode::CREATED, &json!({"username": user.profile.username}))
        }
        Ok(None) => respond::drf_fields(&sign_up::name_taken()),
        Err(error) => respond::drf_error(&OAuthError::temporarily_unavailable(error)),
    }
}

/// In a form, an empty field that may be left out counts as left out, as everywhere; one that may not is blank.
fn to_object(params: Params) -> Map<String, Value> {
    params.into_pairs().into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}
