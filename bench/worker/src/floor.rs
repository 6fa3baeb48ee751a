//! One route for each case of the bench: the calls that Postern makes, and nothing around them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use js_sys::{Date, Math};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use worker::{D1Database, D1PreparedStatement, Env, Error, KvStore, Result};

use crate::statements as sql;

// The rows that bench/floor-rows.sql makes.
const APPLICATION: &str = "floorapplication";
const REVISION: &str = "floor-revision--";
const USER: &str = "floor-user------";
const USERNAME: &str = "floor";
const GRANT: &str = "floor-grant-----";

/// Argon2id with the default parameters of `PASSWORD_HASH_…`; no password has this hash.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Where the password comes from.
const ADDRESS: &str = "192.0.2.1";

/// What tries are counted for: as long as keyed digests.
const ACCOUNT_SUBJECT: &str = "sssssssssssssssssssssssssssssssssssssssssss";
const ADDRESS_SUBJECT: &str = "addressaddressaddressaddressaddressaddressa";

/// When the count of tries begins anew: never.
const TRIES_UNTIL: f64 = 4_000_000_000.0;

const RECORD: &str = include_str!("record.txt");

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: JsValue;

    #[wasm_bindgen(js_name = waitUntil)]
    fn wait_until(promise: &js_sys::Promise);
}

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

/// Like Postern, the floor makes its bindings once for each isolate.
struct Isolate {
    db: D1Database,
    kv: KvStore,
    seen: RefCell<HashMap<String, Rc<String>>>,
    /// The present digest of each family that is refreshed.
    refresh_digests: RefCell<HashMap<String, String>>,
}

pub async fn act(request: &web_sys::Request) -> Result<()> {
    let isolate = isolate()?;
    let url = request.url();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let (route, rest) = path.split_once('/').unwrap_or((path, ""));
    match route {
        "map" => isolate.map(request),
        "kv" => isolate.read_kv().await,
        "introspect" => isolate.introspect(rest).await,
        "issue" => isolate.issue(None).await,
        "password" => isolate.password().await,
        "refresh" => isolate.refresh(rest).await,
        "signed" => isolate.signed(rest).await,
        _ => Err(Error::RustError(format!("the floor has no route {route}"))),
    }
}

fn isolate() -> Result<Rc<Isolate>> {
    if let Some(isolate) = ISOLATE.with_borrow(Option::clone) {
        return Ok(isolate);
    }
    let (db, kv) = ENV.with(|env| {
        let env: &Env = env.unchecked_ref();
        Ok::<_, Error>((env.d1("DB")?, env.kv("TOKENS")?))
    })?;
    let isolate = Rc::new(Isolate { db, kv, seen: RefCell::default(), refresh_digests: RefCell::default() });
    ISOLATE.set(Some(isolate.clone()));
    Ok(isolate)
}

impl Isolate {
    /// Finds the token in a map, after it was seen once.
    fn map(&self, request: &web_sys::Request) -> Result<()> {
        let token = request.headers().get("authorization")?.unwrap_or_default();
        let mut seen = self.seen.borrow_mut();
        let _record = seen.entry(token).or_insert_with(|| Rc::new(RECORD.to_owned())).clone();
        Ok(())
    }

    /// One bulk read of six keys, of which one is there.
    async fn read_kv(&self) -> Result<()> {
        let digest = "d".repeat(43);
        let keys = [
            format!("t:{digest}"),
            format!("r:{digest}"),
            format!("f:{}", "f".repeat(22)),
            format!("a:{APPLICATION}"),
            format!("g:{GRANT}"),
            format!("u:{USER}"),
        ];
        let found = self.kv.get_bulk(&keys).text().await.map_err(failed)?;
        match found.values().flatten().count() {
            1 => Ok(()),
            count => Err(Error::RustError(format!("{count} keys found"))),
        }
    }

    /// One batch of two reads.
    async fn introspect(&self, family: &str) -> Result<()> {
        self.batch(vec![self.prepare(sql::FIND_FAMILY, &[text(family)])?, self.revision()?]).await
    }

    /// One batch that stores a family, and one KV write after the answer. `user`: whose, and their grant.
    async fn issue(&self, user: Option<(&str, &str)>) -> Result<()> {
        let now = now();
        let (family, access, refresh) = (random(22), random(43), random(43));
        let for_user = |value: JsValue| if user.is_some() { value } else { JsValue::NULL };
        let mut batch = vec![self.prepare(
            sql::INSERT_FAMILY,
            &[
                text(&family),
                text(APPLICATION),
                text(REVISION),
                user.map_or(JsValue::NULL, |(user, _)| text(user)),
                for_user(number(0.0)),
                user.map_or(JsValue::NULL, |(_, grant)| text(grant)),
                text("read write groups"),
                for_user(text(&refresh)),
                for_user(number(now + 2_592_000.0)),
                text(&access),
                text("read write groups"),
                number(now),
                number(now + 36_000.0),
                number(now),
                number(now + if user.is_some() { 2_592_000.0 } else { 36_000.0 }),
                number(0.0),
                JsValue::NULL,
                JsValue::NULL,
                JsValue::NULL,
            ],
        )?];
        if let Some((user, _)) = user {
            let event = [number(now), text(user), text("logged_in"), text(APPLICATION), text(ADDRESS)];
            batch.push(self.prepare(sql::NOTE_EVENT, &event)?);
            batch.push(self.prepare(sql::DELETE_EXPIRED_EVENTS, &[number(0.0), number(4.0)])?);
            let values = [text(user), number(now), JsValue::NULL, text(&family)];
            batch.push(self.prepare(sql::NOTE_LOGIN, &values)?);
            for subject in [ACCOUNT_SUBJECT, ADDRESS_SUBJECT] {
                let values = [text(subject), number(1.0), number(TRIES_UNTIL)];
                batch.push(self.prepare(sql::SETTLE_TRY, &values)?);
            }
        }
        batch.push(self.prepare(sql::DELETE_EXPIRED_FAMILIES, &[number(now), number(4.0)])?);
        batch.push(self.revision()?);
        self.batch(batch).await?;
        self.put_later(format!("t:{access}"));
        Ok(())
    }

    /// One batch that reads and counts, one Argon2id, one batch that stores, one KV write after the answer.
    async fn password(&self) -> Result<()> {
        let now = now();
        let find = [text(USERNAME), text(USERNAME), text(APPLICATION)];
        let count = |subject, limit, address_below, its_limit| {
            let values = [
                text(subject),
                number(TRIES_UNTIL),
                number(now),
                text(APPLICATION),
                text(REVISION),
                number(limit),
                address_below,
                its_limit,
            ];
            self.prepare(sql::COUNT_TRY, &values)
        };
        self.batch(vec![
            self.prepare(sql::FIND_FOR_LOGIN, &find)?,
            count(ADDRESS_SUBJECT, 102.0, JsValue::NULL, JsValue::NULL)?,
            count(ACCOUNT_SUBJECT, 12.0, text(ADDRESS_SUBJECT), number(100.0))?,
            self.prepare(sql::DELETE_EXPIRED_TRIES, &[number(now), number(4.0)])?,
        ])
        .await?;
        let hash = PasswordHash::new(PASSWORD_HASH).map_err(failed)?;
        if Argon2::default().verify_password(b"open-sesame-1001", &hash).is_ok() {
            return Err(Error::RustError("an impossible hash".to_owned()));
        }
        self.issue(Some((USER, GRANT))).await
    }

    /// One batch that rewrites a family and reads it, and one KV write after the answer.
    async fn refresh(&self, family: &str) -> Result<()> {
        let now = now();
        let present = self.refresh_digests.borrow().get(family).cloned().unwrap_or_else(|| "0".repeat(43));
        let (access, refresh, nonce) = (random(43), random(43), random(44));
        let replace = self.prepare(
            sql::REPLACE_TOKENS,
            &[
                text(family),
                text(&present),
                text(APPLICATION),
                text(REVISION),
                text(&refresh),
                number(now + 2_592_000.0),
                text(&nonce),
                number(now),
                text(&access),
                text(r#"["read","write","groups"]"#),
                number(now + 36_000.0),
                number(60.0),
                number(1.0),
            ],
        )?;
        let find = self.prepare(sql::FIND_FAMILY, &[text(family)])?;
        self.batch(vec![replace, find, self.revision()?]).await?;
        self.refresh_digests.borrow_mut().insert(family.to_owned(), refresh);
        self.put_later(format!("r:{access}"));
        Ok(())
    }

    /// One batch that stores a nonce and reads a family.
    async fn signed(&self, family: &str) -> Result<()> {
        let now = now();
        let nonce = [text(&random(43)), number(now + 361.0), text(APPLICATION), text(REVISION)];
        self.batch(vec![
            self.revision()?,
            self.prepare(sql::INSERT_NONCE, &nonce)?,
            self.prepare(sql::DELETE_EXPIRED_NONCES, &[number(now), number(4.0)])?,
            self.prepare(sql::FIND_FAMILY, &[text(family)])?,
        ])
        .await
    }

    fn revision(&self) -> Result<D1PreparedStatement> {
        self.prepare(sql::REVISION, &[text(APPLICATION)])
    }

    fn prepare(&self, sql: &str, values: &[JsValue]) -> Result<D1PreparedStatement> {
        self.db.prepare(sql).bind(values)
    }

    /// Each statement is looked at for its error alone.
    async fn batch(&self, statements: Vec<D1PreparedStatement>) -> Result<()> {
        for result in self.db.batch(statements).await? {
            if let Some(error) = result.error() {
                return Err(Error::RustError(error));
            }
        }
        Ok(())
    }

    fn put_later(&self, key: String) {
        let kv = self.kv.clone();
        wait_until(&future_to_promise(async move {
            if let Ok(put) = kv.put(&key, RECORD) {
                let _ = put.expiration_ttl(36_000).execute().await;
            }
            Ok(JsValue::UNDEFINED)
        }));
    }
}

fn now() -> f64 {
    (Date::now() / 1000.0).floor()
}

/// Letters and digits that nobody has to be unable to guess.
fn random(length: usize) -> String {
    let digit = || char::from_digit((Math::random() * 36.0) as u32, 36).unwrap_or('0');
    std::iter::repeat_with(digit).take(length).collect()
}

fn text(value: &str) -> JsValue {
    JsValue::from_str(value)
}

fn number(value: f64) -> JsValue {
    JsValue::from_f64(value)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::RustError(error.to_string())
}
