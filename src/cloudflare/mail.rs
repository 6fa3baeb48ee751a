//! The carriers of e-mail.

use js_sys::Promise;
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use super::{WorkerLog, binding, finish_later, message};
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
        Carrier::SendEmail => Way::Binding(binding(env, BINDING, "send")?.ok_or_else(missing)?),
        Carrier::Log => Way::Log,
    };
    Ok(Some(Box::new(Sender { from: from.clone(), way })))
}

fn missing() -> SettingError {
    let reason = "MAIL_CARRIER is send_email, and there is no such binding of this name".to_owned();
    SettingError { name: BINDING, reason }
}

impl Mailer for Sender {
    fn send_later(&self, mail: Mail) {
        let text = || json!({"from": self.from, "to": mail.to, "subject": mail.subject, "text": mail.text});
        let sent = match &self.way {
            Way::Webhook { url, token } => post(url, token, &text().to_string()),
            Way::Binding(binding) => send(binding, &text().to_string()),
            Way::Log => return WorkerLog.line(json!({"level": "info", "event": "mail", "mail": text()})),
        };
        finish_later(async move {
            if let Err(error) = JsFuture::from(sent).await {
                // Neither to whom, nor what.
                let detail = message(&error);
                WorkerLog.line(json!({"level": "error", "event": "mail_failed", "detail": detail}));
            }
        });
    }
}
