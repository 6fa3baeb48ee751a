//! The carriers of e-mail.

use js_sys::{Promise, Reflect};
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::{WorkerLog, wait_until};
use crate::app::{Log, Mail, Mailer};
use crate::settings::{Carrier, MailSettings, SettingError};

#[wasm_bindgen(module = "/src/cloudflare/mail.js")]
extern "C" {
    fn post(url: &str, token: &str, mail: &str) -> Promise;

    fn send(binding: &JsValue, mail: &str) -> Promise;
}

/// The name of Cloudflare's binding.
const BINDING: &str = "EMAIL";

struct Sender {
    from: String,
    way: Way,
}

enum Way {
    Webhook { url: String, token: String },
    Binding(JsValue),
    Log,
}

/// The carrier that the settings name, if they do.
pub fn open(settings: Option<&MailSettings>, env: &JsValue) -> Result<Option<Box<dyn Mailer>>, SettingError> {
    let Some(MailSettings { from, carrier }) = settings else {
        return Ok(None);
    };
    let way = match carrier {
        Carrier::Webhook { url, token } => {
            Way::Webhook { url: url.clone(), token: token.expose().to_owned() }
        }
        Carrier::SendEmail => Way::Binding(binding(env)?),
        Carrier::Log => Way::Log,
    };
    Ok(Some(Box::new(Sender { from: from.clone(), way })))
}

fn binding(env: &JsValue) -> Result<JsValue, SettingError> {
    let binding = Reflect::get(env, &JsValue::from_str(BINDING)).unwrap_or_default();
    let send = Reflect::get(&binding, &JsValue::from_str("send"));
    match send.is_ok_and(|send| send.is_function()) {
        true => Ok(binding),
        false => {
            let reason = "MAIL_CARRIER is send_email, and there is no such binding of this name".to_owned();
            Err(SettingError { name: BINDING, reason })
        }
    }
}

impl Mailer for Sender {
    fn send_later(&self, mail: Mail) {
        let text = || json!({"from": self.from, "to": mail.to, "subject": mail.subject, "text": mail.text});
        let sent = match &self.way {
            Way::Webhook { url, token } => post(url, token, &text().to_string()),
            Way::Binding(binding) => send(binding, &text().to_string()),
            Way::Log => return WorkerLog.line(json!({"level": "info", "event": "mail", "mail": text()})),
        };
        wait_until(&future_to_promise(async move {
            if let Err(error) = JsFuture::from(sent).await {
                // Neither to whom, nor what.
                let detail = Reflect::get(&error, &JsValue::from_str("message")).unwrap_or_default();
                let detail = detail.as_string().unwrap_or_default();
                WorkerLog.line(json!({"level": "error", "event": "mail_failed", "detail": detail}));
            }
            Ok(JsValue::UNDEFINED)
        }));
    }
}
