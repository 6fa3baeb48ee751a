// The main job: sign up, register an application, get tokens, refresh, introspect and revoke them, log out everywhere.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { alice, basic, startMainJob } from "./support.mjs";

let postern, app, service, logIn;

before(async () => {
  ({ postern, app, service, logIn } = await startMainJob());
});
after(() => postern.stop());

const refresh = (token, params) =>
  postern.post("/o/token/", { grant_type: "refresh_token", client_id: app.client_id, refresh_token: token, ...params });
const introspect = async (token) => {
  const response = await postern.post("/o/introspect/", { token }, basic(service));
  assert.equal(response.status, 200);
  return response.json();
};
const digestOf = (token) => createHash("sha256").update(token).digest("base64url");

/** What KV holds under a key, once it is there: it is told of a token after the answer. */
const inKv = async (name, { TOKENS } = postern.env, signal) => {
  for (;;) {
    signal?.throwIfAborted();
    const { keys } = await TOKENS.list({ prefix: name });
    if (keys.length > 0) return { ...keys[0], value: await TOKENS.get(name) };
  }
};

const assertNotStored = (response) => {
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  assert.equal(response.headers.get("Pragma"), "no-cache");
};

const assertError = async (response, status, error) => {
  assert.equal(response.status, status);
  assert.equal((await response.json()).error, error);
  assertNotStored(response);
  assert.match(response.headers.get("X-Request-Id"), /./);
};

test("a user signs up with JSON", async () => {
  const response = await postern.fetch("/sign_up/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "json.user", password: "open-sesame-1001", email: "json@example.com", first_name: "Jay" }),
  });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("Content-Type"), "application/json");
  assert.deepEqual(await response.json(), { username: "json.user" });

  const user = await (await postern.admin("GET", "users/json.user")).json();
  assert.deepEqual([user.email, user.email_verified, user.first_name, user.is_active], ["json@example.com", false, "Jay", true]);
});

test("a user signs up with a form", async () => {
  const response = await postern.post("/sign_up", { username: "form.user", password: "open-sesame-1001" });
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), { username: "form.user" });
});

test("a taken name is refused in the shape of Django REST framework, whatever its case", async () => {
  for (const username of ["alice", "ALICE", "ａｌｉｃｅ"]) {
    const response = await postern.post("/sign_up/", { ...alice, username });
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), { username: ["A user with that username already exists."] });
  }
});

test("the operator registers an application, and sees its secret this once", async () => {
  const response = await postern.admin("POST", "applications", { client_type: "confidential", client_name: "Reports", grant_types: ["client_credentials"] });
  assert.equal(response.status, 201);
  const created = await response.json();
  assert.match(created.client_secret, /^pst_cs_[\w-]{43}$/);

  const { client_secret, ...shown } = created;
  assert.deepEqual(await (await postern.admin("GET", `applications/${created.client_id}`)).json(), shown);

  const rotated = await (await postern.admin("POST", `applications/${created.client_id}/rotate-secret`)).json();
  assert.notEqual(rotated.client_secret, client_secret);
  const grant = { grant_type: "client_credentials" };
  await assertError(await postern.post("/o/token/", grant, basic(created)), 401, "invalid_client");
  assert.equal((await postern.post("/o/token/", grant, basic(rotated))).status, 200);

  assert.equal((await postern.admin("DELETE", `applications/${created.client_id}`)).status, 204);
  await assertError(await postern.post("/o/token/", grant, basic(rotated)), 401, "invalid_client");
});

test("the operator's API is closed without the operator's token", async () => {
  for (const headers of [{}, { Authorization: "Bearer the-operator-token-of-the-tests-onlY" }]) {
    const response = await postern.fetch("/admin/api/users", { headers });
    assert.equal(response.headers.get("WWW-Authenticate"), 'Bearer realm="admin"');
    await assertError(response, 401, "invalid_token");
  }
});

test("the password grant issues an access and a refresh token", async () => {
  const response = await postern.post("/o/token/", { grant_type: "password", client_id: app.client_id, ...alice });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Content-Type"), "application/json");
  assertNotStored(response);
  const { access_token, refresh_token, ...rest } = await response.json();
  assert.match(access_token, /^pst_at_[\w-]+$/);
  assert.match(refresh_token, /^pst_rt_[\w-]+$/);
  assert.deepEqual(rest, { token_type: "Bearer", expires_in: 36000, scope: "read write groups" });
});

test("a wrong password and an unknown user get the same answer", async () => {
  const answers = [];
  for (const params of [{ password: "open-sesame-1002" }, { username: "nobody" }]) {
    const response = await postern.post("/o/token/", { grant_type: "password", client_id: app.client_id, ...alice, ...params });
    assert.equal(response.status, 400);
    answers.push(await response.json());
  }
  assert.equal(answers[0].error, "invalid_grant");
  assert.deepEqual(answers[0], answers[1]);
});

test("client credentials issue an access token alone", async () => {
  const { client_id, client_secret } = service;
  for (const [params, headers] of [[{}, basic(service)], [{ client_id, client_secret }, {}]]) {
    const response = await postern.post("/o/token/", { grant_type: "client_credentials", scope: "read", ...params }, headers);
    assert.equal(response.status, 200);
    assertNotStored(response);
    const { access_token, ...rest } = await response.json();
    assert.deepEqual(rest, { token_type: "Bearer", expires_in: 36000, scope: "read" });
    const verdict = await (await postern.validate(access_token)).json();
    assert.deepEqual([verdict.active, verdict.client_id, verdict.sub], [true, "a-service", undefined]);
  }
});

test("a client with a wrong secret is refused with a challenge", async () => {
  const response = await postern.post("/o/token/", { grant_type: "client_credentials" }, basic({ ...service, client_secret: `${service.client_secret}x` }));
  assert.equal(response.headers.get("WWW-Authenticate"), 'Basic realm="api"');
  await assertError(response, 401, "invalid_client");
});

test("a refresh replaces both tokens and may narrow the scope, never widen it", async () => {
  const first = await logIn({ scope: "read write" });
  await assertError(await refresh(first.refresh_token, { scope: "read groups" }), 400, "invalid_scope");

  const response = await refresh(first.refresh_token, { scope: "read" });
  assert.equal(response.status, 200);
  const second = await response.json();
  assert.equal(second.scope, "read");
  assert.equal(second.expires_in, 36000);
  assert.equal(new Set([first.access_token, first.refresh_token, second.access_token, second.refresh_token]).size, 4);
  assert.equal((await postern.validate(second.access_token)).status, 200);
});

test("twenty simultaneous refreshes are answered the identical pair", async () => {
  const first = await logIn();
  const responses = await Promise.all(Array.from({ length: 20 }, () => refresh(first.refresh_token)));
  assert.deepEqual(responses.map((response) => response.status), Array(20).fill(200));
  const pairs = await Promise.all(responses.map((response) => response.json()));
  assert.equal(new Set(pairs.map((pair) => `${pair.access_token} ${pair.refresh_token}`)).size, 1);
  assert.equal((await postern.validate(pairs[0].access_token)).status, 200);
  assert.equal((await refresh(pairs[0].refresh_token)).status, 200);
});

test("reuse of a refresh token after its successor was presented ends the family", async () => {
  const first = await logIn();
  const second = await (await refresh(first.refresh_token)).json();
  const third = await (await refresh(second.refresh_token)).json();
  await assertError(await refresh(first.refresh_token), 400, "invalid_grant");
  await assertError(await refresh(third.refresh_token), 400, "invalid_grant");
  assert.equal((await postern.validate(third.access_token)).status, 401);
});

test("introspection tells a resource server what a token is good for", async () => {
  const tokens = await logIn({ scope: "read" });
  const { exp, iat, sub, ...rest } = await introspect(tokens.access_token);
  assert.deepEqual(rest, { active: true, scope: "read", client_id: "my-app", token_type: "Bearer", username: "alice" });
  assert.equal(exp - iat, 36000);
  assert.equal(sub, (await (await postern.admin("GET", "users/alice")).json()).id);

  assert.deepEqual(await introspect("pst_at_made-up"), { active: false });
  await assertError(await postern.post("/o/introspect/", { token: tokens.access_token, client_id: app.client_id }), 401, "invalid_client");
});

test("revoking either token ends both, at once where they were revoked", async () => {
  for (const kind of ["access_token", "refresh_token"]) {
    const tokens = await logIn();
    assert.equal((await postern.validate(tokens.access_token)).status, 200);
    const response = await postern.post("/o/revoke_token/", { token: tokens[kind], client_id: app.client_id });
    assert.equal(response.status, 200);
    assert.equal((await postern.validate(tokens.access_token)).status, 401);
    assert.equal((await postern.validate(tokens.access_token, "?fresh=1")).status, 401);
    assert.deepEqual(await introspect(tokens.access_token), { active: false });
    await assertError(await refresh(tokens.refresh_token), 400, "invalid_grant");
  }
});

test("an unknown token is revoked in vain, and another application's token not at all", async () => {
  const tokens = await logIn();
  assert.equal((await postern.post("/o/revoke_token/", { token: "unknown", client_id: app.client_id })).status, 200);
  const response = await postern.post("/o/revoke_token/", { token: tokens.access_token }, basic(service));
  await assertError(response, 400, "invalid_grant");
  assert.equal((await postern.validate(tokens.access_token)).status, 200);
});

test("logging a user out everywhere ends all their tokens, and nobody else's", async () => {
  const bob = { username: "bob", password: "open-sesame-1001" };
  await postern.signUp(bob);
  const [one, two, other] = [await logIn(bob), await logIn(bob), await logIn()];
  assert.equal((await postern.admin("POST", "users/bob/logout")).status, 204);
  for (const tokens of [one, two]) {
    assert.equal((await postern.validate(tokens.access_token)).status, 401);
    assert.deepEqual(await introspect(tokens.access_token), { active: false });
    await assertError(await refresh(tokens.refresh_token), 400, "invalid_grant");
  }
  assert.equal((await postern.validate(other.access_token)).status, 200);
  assert.equal((await postern.validate((await logIn(bob)).access_token)).status, 200);
});

test("disabling a user and setting their password end their tokens, too", async () => {
  await postern.signUp({ username: "carol", password: "open-sesame-1001" });
  const carol = { username: "carol", password: "open-sesame-1001" };
  const first = await logIn(carol);
  assert.equal((await postern.admin("POST", "users/carol/set-password", { password: "open-sesame-1002" })).status, 204);
  assert.equal((await postern.validate(first.access_token)).status, 401);

  const second = await logIn({ ...carol, password: "open-sesame-1002" });
  assert.equal((await postern.admin("PATCH", "users/carol", { is_active: false })).status, 200);
  assert.equal((await postern.validate(second.access_token)).status, 401);
  await assertError(await refresh(second.refresh_token), 400, "invalid_grant");
});

test("KV holds the record of a token under its digest, for as long as the token lives", async () => {
  const earliest = Math.floor(Date.now() / 1000) + 36000;
  const { access_token } = await logIn({ scope: "read" });
  const { value, expiration } = await inKv(`t:${digestOf(access_token)}`);
  const latest = Math.floor(Date.now() / 1000) + 36000;
  assert.ok(earliest <= expiration && expiration <= latest, `${earliest} <= ${expiration} <= ${latest}`);

  const record = recordIn(value);
  assert.deepEqual([record.scope, record.client_id, record.username], ["read", "my-app", "alice"]);
  assert.equal(record.exp - record.iat, 36000);
});

test("KV holds the record of a token that lives shorter than KV keeps anything", { timeout: 20_000 }, async ({ signal }) => {
  const brief = await startMainJob({ vars: { ACCESS_TOKEN_EXPIRE_SECONDS: "30" } });
  try {
    const { access_token, expires_in } = await brief.logIn();
    assert.equal(expires_in, 30);
    const record = recordIn((await inKv(`t:${digestOf(access_token)}`, brief.postern.env, signal)).value);
    assert.equal(record.exp - record.iat, 30);
  } finally {
    await brief.postern.stop();
  }
});

test("a token is answered before KV has taken its record", { timeout: 60_000 }, async () => {
  const stuck = await startMainJob({ testHooks: true, main: "tests/e2e/stuck-kv.mjs" });
  try {
    const response = await stuck.postern.post("/o/token/", { grant_type: "client_credentials" }, basic(stuck.service));
    assert.equal(response.status, 200);
    const { access_token } = await response.json();
    assert.deepEqual(await (await stuck.postern.fetch("/puts")).json(), [`t:${digestOf(access_token)}`]);
    assert.equal((await stuck.postern.validate(access_token, "?fresh=1")).status, 200);
  } finally {
    await stuck.postern.stop();
  }
});

/** Behind the key id and the MAC. */
const recordIn = (value) => JSON.parse(value.slice(value.indexOf("{")));

test("a mark in KV lives as long as the longest access token, and at least a day", async () => {
  const { access_token } = await logIn();
  const { family } = recordIn((await inKv(`t:${digestOf(access_token)}`)).value);
  const earliest = Math.floor(Date.now() / 1000) + 86400;
  await postern.post("/o/revoke_token/", { token: access_token, client_id: app.client_id });
  const { expiration } = await inKv(`f:${family}`); // put before the answer goes out
  assert.ok(earliest <= expiration && expiration <= Math.floor(Date.now() / 1000) + 86400);
});

test("what D1 finds good is put back into KV", async () => {
  const { access_token } = await logIn();
  const name = `t:${digestOf(access_token)}`;
  const { value } = await inKv(name);
  await postern.env.TOKENS.delete(name);
  assert.equal((await postern.validate(access_token)).status, 200);
  assert.equal((await inKv(name)).value, value);
});

test("neither D1 nor KV holds a token, a secret or a password", async () => {
  const first = await logIn();
  const second = await (await refresh(first.refresh_token)).json();
  await inKv(`t:${digestOf(first.access_token)}`);

  const { results: tables } = await postern.env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'").all();
  assert.ok(tables.some(({ name }) => name === "families"));
  let held = "";
  for (const { name } of tables) held += JSON.stringify((await postern.env.DB.prepare(`SELECT * FROM ${name}`).all()).results);
  const { keys } = await postern.env.TOKENS.list();
  for (const { name } of keys) held += `${name} ${await postern.env.TOKENS.get(name)}`;

  assert.ok(held.includes(digestOf(second.access_token)) && held.includes(digestOf(second.refresh_token)));
  for (const secret of [first.access_token, first.refresh_token, second.access_token, second.refresh_token, service.client_secret]) {
    // Also not the part that is random.
    assert.ok(!held.includes(secret) && !held.includes(secret.slice(-32)));
  }
  assert.ok(!held.includes(alice.password) && !held.includes("pst_"));
});

test("the cron event deletes expired rows, and leaves what lives", async () => {
  const { DB } = postern.env;
  const { access_token } = await logIn();
  await DB.prepare(
    `INSERT INTO families (id, application_id, application_epoch, scope, access_digest, access_scope, access_issued_at,
       access_expires_at, created_at, expires_at)
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
     SELECT 'expired-' || i, 'x', 0, 'read', 'x', 'read', 1, 2, 1, 2 FROM n`,
  ).run();
  await postern.scheduled();
  assert.equal(await DB.prepare("SELECT count(*) AS n FROM families WHERE id LIKE 'expired-%'").first("n"), 0);
  assert.equal((await postern.validate(access_token, "?fresh=1")).status, 200);
});

test("the operator clears expired rows by hand, step by step", async () => {
  const response = await postern.admin("POST", "cleartokens");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { deleted: { families: 0, grants: 0, attempts: 0, audit_events: 0, sessions: 0, authorization_codes: 0, mail_links: 0, oauth1_tokens: 0, oauth1_nonces: 0 }, more: false });
});

test("no log line holds a token, a secret or a password", async () => {
  const tokens = await logIn();
  await refresh(`${tokens.refresh_token.slice(0, -1)}${tokens.refresh_token.endsWith("A") ? "B" : "A"}`);
  await postern.post("/o/token/", { grant_type: "password", client_id: app.client_id, ...alice, password: "a-wrong-password" });
  const logged = JSON.stringify(postern.logs());
  assert.ok(logged.includes("refused"));
  for (const secret of ["pst_", alice.password, "a-wrong-password", "open-sesame"]) assert.ok(!logged.includes(secret), secret);
});
