// Nothing answered is lost: workerd is killed at the moment an answer has been read, and started again over the same D1 and
// KV on disk.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { person } from "./person.mjs";
import { signingClient } from "./signing_client.mjs";
import { alice, basic, checkout, schema, secrets } from "./support.mjs";

const rounds = [1, 2, 3];
const folder = mkdtempSync(join(tmpdir(), "postern-crash-"));
const bindings = { ...secrets, REFRESH_TOKEN_GRACE_PERIOD_SECONDS: "3600", AUTHORIZATION_CODE_EXPIRE_SECONDS: "600" };
const callback = "https://app.example/cb";
const code_verifier = "v".repeat(43);
const code_challenge = createHash("sha256").update(code_verifier).digest("base64url");
let child, url, service, web, signing;

before(async () => {
  await start(schema);
  const register = (json) => read(201, send("admin/api/applications", JSON.stringify(json), { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, "Content-Type": "application/json" }));
  await register({ client_id: "my-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  service = await register({ client_id: "a-service", client_type: "confidential", grant_types: ["client_credentials"] });
  web = await register({ client_type: "confidential", redirect_uris: [callback], skip_authorization: true });
  signing = await register({ client_type: "confidential", grant_types: ["oauth1"] });
  await read(201, send("sign_up/", new URLSearchParams(alice)));
});
after(async () => {
  await kill();
  rmSync(folder, { recursive: true, force: true });
});

async function start(schema = []) {
  child = spawn(process.execPath, [`${checkout}/tests/e2e/persistent.mjs`, JSON.stringify({ folder, bindings, schema })], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // in a process group of its own
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => ((said += text), child.emit("said")));
  const ended = once(child, "exit");
  while (!/Ready on (\S+)/.test(said)) {
    await Promise.race([once(child, "said"), ended]);
    assert.ok(child.exitCode === null && child.signalCode === null, said);
  }
  [, url] = said.match(/Ready on (\S+)/);
  if (process.platform === "linux") assert.ok(namesInGroup().includes("workerd"), namesInGroup().join(" "));
}

/** Ends workerd and whoever started it, all at once: they are one process group. */
function kill() {
  process.kill(-child.pid, "SIGKILL");
  return isGone();
}

async function isGone() {
  for (;;) {
    try {
      process.kill(-child.pid, 0);
    } catch {
      return; // there is no such group
    }
    await nextTurn();
  }
}

/** What runs in the group (Linux tells). */
function namesInGroup() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const [, name, , , group] = readFileSync(`/proc/${pid}/stat`, "utf8").match(/\((.*)\) (\S) (\d+) (\d+)/);
      return Number(group) === child.pid ? [name] : [];
    } catch {
      return []; // it has ended
    }
  });
}

/**
 * Sends all requests at once, kills the server as soon as one of them has been answered, and starts it again. What the
 * answers say that were read, each beside what was sent: [[sent, answer], …].
 */
async function answeredBeforeTheKill(status, sent, ask) {
  let gone;
  const asked = sent.map(async (what) => {
    const answer = await read(status, ask(what));
    gone ??= kill();
    return [what, answer];
  });
  const outcomes = await Promise.allSettled(asked);
  const answered = outcomes.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  assert.ok(answered.length > 0, String(outcomes[0].reason));
  await gone;
  await start();
  return answered;
}

const send = (path, body, headers = {}) => fetch(`${url}/${path}`, { method: "POST", body, headers: { Connection: "close", ...headers } });
const token = (params, headers) => send("o/token/", new URLSearchParams(params), headers);
const logIn = (params) => token({ grant_type: "password", client_id: "my-app", ...alice, ...params });
const refresh = (refresh_token) => token({ grant_type: "refresh_token", client_id: "my-app", refresh_token });
const revoke = (token) => send("o/revoke_token/", new URLSearchParams({ client_id: "my-app", token }));
const validate = (token, query = "") => fetch(`${url}/validate/${query}`, { headers: { Authorization: `Bearer ${token}` } });

const exchange = (code) => token({ grant_type: "authorization_code", code, redirect_uri: callback, code_verifier }, basic(web));
const authorize = (cookies) => {
  const asked = { response_type: "code", client_id: web.client_id, redirect_uri: callback, code_challenge, code_challenge_method: "S256" };
  return fetch(`${url}/o/authorize/?${new URLSearchParams(asked)}`, { redirect: "manual", headers: { Connection: "close", Cookie: cookies } });
};

/** A browser in which alice has just logged in. */
async function openBrowser() {
  const browser = person({ url: new URL(url), fetch: (url, init) => fetch(url, { redirect: "manual", ...init }) });
  await browser.submit(await browser.open(`${url}/accounts/login/?next=/`), alice);
  return browser;
}

/** Its cookies. */
async function logInByPage() {
  return [...(await openBrowser()).cookies].map((pair) => pair.join("=")).join("; ");
}

/** A request token that alice has approved, with its verifier. */
async function approve(browser) {
  const client = signingClient(url, signing);
  const temporary = await client.requestToken();
  const { text } = await browser.submit(await browser.open(client.page(temporary)), { decision: "allow" });
  const [, verifier] = text.match(/<p class="code"><strong>(\d{10})</);
  return { temporary, verifier };
}

/** The third leg, its answer as JSON. */
async function exchangeSigned({ temporary, verifier }) {
  const endpoint = `${url}/oauth/access_token/`;
  const form = { oauth_verifier: verifier };
  const Authorization = signingClient(url, signing).header(temporary, "POST", endpoint, form);
  const response = await send("oauth/access_token/", undefined, { Authorization });
  return { status: response.status, text: async () => JSON.stringify(Object.fromEntries(new URLSearchParams(await response.text()))) };
}

/** What is said of a request that is signed with token credentials. */
function validateSigned({ oauth_token: token, oauth_token_secret: secret }) {
  const called = "https://api.example/photos";
  const Authorization = signingClient(url, signing).header({ token, secret }, "GET", called);
  return fetch(`${url}/validate/`, { headers: { Authorization, "X-Forwarded-Method": "GET", "X-Original-URL": called } });
}

/** As JSON, where an answer sends the browser. */
const located = async (response) => ({ status: (await response).status, text: async () => JSON.stringify((await response).headers.get("location")) });
const codeIn = (location) => new URL(location).searchParams.get("code");

/** The body of an answer that has this status. */
async function read(status, response) {
  const answer = await response;
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  return text && JSON.parse(text);
}

for (const round of rounds) {
  test(`who was told to be signed up can log in, round ${round}`, async () => {
    const users = ["a", "b", "c"].map((name) => ({ username: `${name}${round}`, password: `open-sesame-${name}${round}` }));
    const answered = await answeredBeforeTheKill(201, users, (user) => send("sign_up/", new URLSearchParams(user)));
    for (const [user, { username }] of answered) {
      assert.equal(username, user.username);
      const { access_token } = await read(200, logIn(user));
      assert.equal((await read(200, validate(access_token))).username, username);
    }
    for (const user of users) assert.ok([200, 400].includes((await logIn(user)).status)); // wholly there, or not at all
  });

  test(`tokens that were handed out are good, round ${round}`, async () => {
    const kinds = [() => logIn(), () => token({ grant_type: "client_credentials" }, basic(service)), () => logIn({ scope: "read" })];
    const answered = await answeredBeforeTheKill(200, kinds, (ask) => ask());
    for (const [, { access_token, refresh_token, scope }] of answered) {
      assert.equal((await read(200, validate(access_token))).scope, scope);
      assert.equal((await read(200, validate(access_token, "?fresh=1"))).scope, scope);
      if (refresh_token) await read(200, refresh(refresh_token));
    }
  });

  test(`a refreshed pair is good, and the old refresh token is answered the same, round ${round}`, async () => {
    const sessions = await Promise.all([logIn(), logIn()].map((response) => read(200, response)));
    const answered = await answeredBeforeTheKill(200, sessions, (session) => refresh(session.refresh_token));
    for (const [session, pair] of answered) {
      await read(200, validate(pair.access_token));
      const again = await read(200, refresh(session.refresh_token));
      assert.deepEqual([again.access_token, again.refresh_token], [pair.access_token, pair.refresh_token]);
      await read(200, refresh(pair.refresh_token));
      await read(400, refresh(session.refresh_token)); // its successor has been presented
    }
    for (const session of sessions) {
      if (!answered.some(([answered]) => answered === session)) await read(200, refresh(session.refresh_token));
    }
  });

  test(`a code that was handed out is good, once, round ${round}`, async () => {
    const cookies = await logInByPage();
    const sessions = await answeredBeforeTheKill(303, [cookies, cookies], (cookies) => located(authorize(cookies)));
    const codes = sessions.map(([, location]) => codeIn(location));
    const answered = await answeredBeforeTheKill(200, codes, exchange);
    for (const [code, { access_token, refresh_token }] of answered) {
      await read(200, validate(access_token));
      await read(400, exchange(code)); // and that ends what it bought
      await read(401, validate(access_token));
      await read(401, validate(access_token, "?fresh=1"));
      await read(400, token({ grant_type: "refresh_token", refresh_token }, basic(web)));
    }
  });

  test(`token credentials that were handed out sign, and are handed out once, round ${round}`, async () => {
    const browser = await openBrowser();
    const approved = [await approve(browser), await approve(browser)];
    const answered = await answeredBeforeTheKill(200, approved, exchangeSigned);
    for (const [temporary, credentials] of answered) {
      assert.equal((await read(200, validateSigned(credentials))).username, alice.username);
      assert.equal((await exchangeSigned(temporary)).status, 400);
    }
    for (const temporary of approved) assert.ok([200, 400].includes((await exchangeSigned(temporary)).status)); // wholly used up, or not at all
  });

  test(`what was revoked stays refused, round ${round}`, async () => {
    const sessions = await Promise.all([logIn(), logIn()].map((response) => read(200, response)));
    for (const { access_token } of sessions) await read(200, validate(access_token));
    const shown = round % 2 === 0 ? "refresh_token" : "access_token";
    const answered = await answeredBeforeTheKill(200, sessions, (session) => revoke(session[shown]));
    for (const [{ access_token, refresh_token }] of answered) {
      await read(401, validate(access_token));
      await read(401, validate(access_token, "?fresh=1"));
      await read(400, refresh(refresh_token));
    }
  });
}
