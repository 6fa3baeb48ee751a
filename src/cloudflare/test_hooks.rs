//! RPC methods and paths for the tests in workerd, in builds with the feature `test_hooks` only: never in a release.

use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::app;
use crate::app::{OutboundError, OutboundRequest, OutboundResponse};
use crate::crypto::encoding::{base64url, from_base64url};
use crate::crypto::secret::Secret;
use crate::crypto::signature::{PublicKey, SignatureAlgorithm};
use crate::model::time::Lifetime;
use crate::protocol::jwk::JwkSet;
use crate::protocol::oauth1::SignatureMethod;
use crate::store::database::{self, Row, Statement, StoreError};

/// Runs `[{"sql": …, "values": […]}, …]` as one batch through the D1 driver, or, if there is only one and `single`
/// is true, by itself. Resolves to the JSON of `{"outcomes": [{"rows": […], "changed": n}, …]}` or `{"error": …}`.
#[wasm_bindgen(js_name = runStatements)]
pub async fn run_statements(statements: JsValue, single: JsValue) -> JsValue {
    let answer = match run(&statements.as_string().unwrap_or_default(), single.is_truthy()).await {
        Ok(outcomes) => json!({"outcomes": outcomes}),
        Err(error) => json!({"error": error.to_string()}),
    };
    JsValue::from_str(&answer.to_string())
}

/// Verifies `{"jwk": …, "found_by": …, "algorithm": …, "message": …, "signature": …}`: the key is taken from its set for
/// one algorithm, and used for another. Resolves to true or false, or to null if there is no such key.
#[wasm_bindgen(js_name = verifySignature)]
pub async fn verify_signature(case: JsValue) -> JsValue {
    let case = case.as_string().and_then(|case| serde_json::from_str(&case).ok()).unwrap_or_default();
    match verify(&case).await {
        Some(verified) => JsValue::from_bool(verified),
        None => JsValue::NULL,
    }
}

/// Signs `{"key": …, "algorithm": …, "message": …}`. Resolves to the signature in base64url, or to null and says why in
/// the log.
#[wasm_bindgen(js_name = signMessage)]
pub async fn sign_message(case: JsValue) -> JsValue {
    let case = case.as_string().and_then(|case| serde_json::from_str(&case).ok()).unwrap_or_default();
    sign(&case).await.map_or(JsValue::NULL, |signature| JsValue::from_str(&base64url(&signature)))
}

/// Sends `{"method": …, "url": …, "headers": [[name, value], …], "body": …}` through the outbound port; `body` may be
/// missing. Resolves to the JSON of `{"status": …, "body": …}`, the body as text, or of `{"error": …}`.
#[wasm_bindgen(js_name = sendOutbound)]
pub async fn send_outbound(request: JsValue) -> JsValue {
    let answer = match send(&request.as_string().unwrap_or_default()).await {
        Ok(answer) => json!({"status": answer.status, "body": String::from_utf8_lossy(&answer.body)}),
        Err(error) => json!({"error": error.to_string()}),
    };
    JsValue::from_str(&answer.to_string())
}

/// What this isolate remembers of what providers publish gets older by so many seconds.
#[wasm_bindgen(js_name = agePublished)]
pub async fn age_published(seconds: JsValue) {
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are wanted")]
    let by = Lifetime(seconds.as_f64().unwrap_or_default() as i64);
    if let Ok(app) = app() {
        app.memory.borrow_mut().published.age(by);
    }
}

/// Panics, at once or when D1 has answered; never resolves.
#[wasm_bindgen(js_name = panicNow)]
pub async fn panic_now(after_storage: JsValue) {
    if after_storage.is_truthy() {
        ask_storage().await;
    }
    panicking();
}

/// Panics within the fetch event, if the path asks for it.
pub async fn panic_if_asked(request: &web_sys::Request) {
    let url = request.url();
    if asks(&url, "/panic-now") {
        panicking();
    }
    if asks(&url, "/panic-after-storage") {
        ask_storage().await;
        panicking();
    }
}

/// Not inlined: the paths stay in the wasm as text, where the test that looks for them in the release finds them.
#[inline(never)]
fn asks(url: &str, path: &str) -> bool {
    url.ends_with(path)
}

/// Asks D1 again and again: in flight for as long as the isolate's instance of the wasm lives.
#[wasm_bindgen(js_name = askForever)]
pub async fn ask_forever() {
    loop {
        ask_storage().await;
    }
}

#[expect(clippy::panic, reason = "a panic is what the tests want to see")]
fn panicking() {
    panic!("postern-test-hooks: a panic on demand");
}

async fn ask_storage() {
    if let Ok(app) = app() {
        let _ = database::ping(&*app.db).await;
    }
}

async fn verify(case: &Value) -> Option<bool> {
    let signature = from_base64url(text(case, "signature")?)?;
    let key = public_key(case)?;
    let message = text(case, "message")?.as_bytes();
    Some(app().ok()?.signatures.verify(algorithm(case, "algorithm")?, &key, message, &signature).await)
}

async fn sign(case: &Value) -> Option<Vec<u8>> {
    let key = Secret::new(text(case, "key")?);
    let app = app().ok()?;
    let signed = app.signatures.sign(algorithm(case, "algorithm")?, &key, text(case, "message")?.as_bytes());
    signed.await.inspect_err(|error| app.log.line(json!({"event": "not_signed", "detail": error.0}))).ok()
}

fn public_key(case: &Value) -> Option<PublicKey> {
    let set = JwkSet::parse(json!({"keys": [case.get("jwk")?]}).to_string().as_bytes())?;
    Some(set.find(None, algorithm(case, "found_by")?)?.key.clone())
}

fn algorithm(case: &Value, name: &str) -> Option<SignatureAlgorithm> {
    let name = text(case, name)?;
    SignatureAlgorithm::parse(name).or_else(|| SignatureMethod::parse(name)?.algorithm())
}

fn text<'a>(case: &'a Value, name: &str) -> Option<&'a str> {
    case.get(name)?.as_str()
}

async fn run(statements: &str, single: bool) -> Result<Vec<Value>, StoreError> {
    let app = app().map_err(|error| StoreError(error.to_string()))?;
    let statements: Vec<Value> =
        serde_json::from_str(statements).map_err(|error| StoreError(error.to_string()))?;
    let statements = statements.iter().map(read).collect::<Option<Vec<Statement>>>();
    let mut statements = statements.ok_or_else(|| StoreError("not statements".to_owned()))?;
    let outcomes = match (single, statements.pop()) {
        (true, Some(statement)) => vec![app.db.run(statement).await?],
        (_, last) => {
            statements.extend(last);
            app.db.batch(statements).await?
        }
    };
    Ok(outcomes
        .into_iter()
        .map(|outcome| {
            let rows: Vec<Value> = outcome.rows.into_iter().map(object).collect();
            json!({"rows": rows, "changed": outcome.changed})
        })
        .collect())
}

fn object(row: Row) -> Value {
    row.columns.iter().cloned().zip(row.values).collect()
}

async fn send(request: &str) -> Result<OutboundResponse, OutboundError> {
    let app = app().map_err(|error| OutboundError(error.to_string()))?;
    let request: Value = serde_json::from_str(request).map_err(|error| OutboundError(error.to_string()))?;
    let request = read_request(&request).ok_or_else(|| OutboundError("not a request".to_owned()))?;
    app.outbound.send(request).await
}

fn read_request(request: &Value) -> Option<OutboundRequest> {
    let headers = request.get("headers")?.as_array()?.iter();
    let header = |header: &Value| Some((leak(header.get(0)?)?, header.get(1)?.as_str()?.to_owned()));
    Some(OutboundRequest {
        method: leak(request.get("method")?)?,
        url: request.get("url")?.as_str()?.to_owned(),
        headers: headers.map(header).collect::<Option<_>>()?,
        body: request.get("body").and_then(Value::as_str).map(str::to_owned),
    })
}

/// A text that in the server stands in the source.
fn leak(text: &Value) -> Option<&'static str> {
    Some(Box::leak(text.as_str()?.to_owned().into_boxed_str()))
}

fn read(statement: &Value) -> Option<Statement> {
    let mut read = Statement::new(leak(statement.get("sql")?)?);
    for value in statement.get("values").and_then(Value::as_array).into_iter().flatten() {
        read.values.push(match value {
            Value::Null => database::Value::Null,
            Value::Number(number) => database::Value::Integer(number.as_i64()?),
            Value::String(text) => database::Value::Text(text.clone()),
            _ => return None,
        });
    }
    Some(read)
}
