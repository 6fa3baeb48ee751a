// Validation as origin APIs use it: by HTTP and by RPC over a service binding, and what else the Worker can be asked.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { basic, checkout, startMainJob, startPostern } from "./support.mjs";

let postern, app, service, logIn;

before(async () => {
  const lister = { name: "module-lister", main: `${checkout}/tests/e2e/module-lister.mjs` };
  ({ postern, app, service, logIn } = await startMainJob({ more: [lister] }));
});
after(() => postern.stop());

const revoke = async (token) => {
  assert.equal((await postern.post("/o/revoke_token/", { token, client_id: app.client_id })).status, 200);
};
const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const askOriginApi = (path, headers) => postern.worker("origin-api").fetch(path, { headers });

/** What tells isolates apart: the id of all refusals that are not logged. */
const isolate = async () => (await postern.fetch("/validate/")).headers.get("X-Request-Id");

for (const path of ["/by-http", "/by-rpc"]) {
  test(`an origin API accepts a good token ${path}`, async () => {
    const { access_token } = await logIn();
    const response = await askOriginApi(path, bearer(access_token));
    assert.equal(response.status, 200);
    const { sub } = await (await postern.validate(access_token)).json();
    assert.deepEqual(await response.json(), { hello: "alice", subject: sub });
  });

  test(`an origin API refuses who brings nothing ${path}`, async () => {
    const response = await askOriginApi(path, {});
    assert.equal(response.status, 401);
    assert.equal(response.headers.get("WWW-Authenticate"), 'Bearer realm="api"');
  });

  test(`an origin API refuses a made-up token ${path}`, async () => {
    const response = await askOriginApi(path, bearer("pst_at_made-up"));
    assert.equal(response.status, 401);
    assert.match(response.headers.get("WWW-Authenticate"), /error="invalid_token"/);
  });

  test(`an origin API refuses a token that is short of scope ${path}`, async () => {
    const { access_token } = await logIn({ scope: "write" });
    const response = await askOriginApi(path, bearer(access_token));
    assert.equal(response.status, 403);
    assert.match(response.headers.get("WWW-Authenticate"), /error="insufficient_scope".*scope="read"/);
  });

  test(`an origin API refuses a token as soon as it is revoked ${path}`, async () => {
    const { access_token } = await logIn();
    assert.equal((await askOriginApi(path, bearer(access_token))).status, 200);
    await revoke(access_token);
    const response = await askOriginApi(path, bearer(access_token));
    assert.equal(response.status, 401);
    assert.match(response.headers.get("WWW-Authenticate"), /error="invalid_token"/);
  });

  test(`an origin API drops X-Auth headers that the caller brings ${path}`, async () => {
    const { client_id, client_secret } = service;
    const { access_token } = await (await postern.post("/o/token/", { grant_type: "client_credentials", client_id, client_secret })).json();
    const forged = { "X-Auth-Username": "alice", "X-Auth-Subject": "forged" };
    const response = await askOriginApi(path, { ...bearer(access_token), ...forged });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { hello: client_id, subject: null });
    assert.equal((await askOriginApi(path, forged)).status, 401);
  });
}

test("whatever was answered before, each token's answer is its own, the short way and the long way", async () => {
  const registered = Array.from({ length: 20 }, () => postern.createApplication({ client_type: "confidential", grant_types: ["client_credentials"] }));
  const clients = (await Promise.all(registered)).map(basic);
  const issue = async (scope, client) => (await (await postern.post("/o/token/", { grant_type: "client_credentials", scope }, client)).json()).access_token;
  await postern.signUp({ username: "é@1.example", password: "open-sesame-1002" });
  const people = [await logIn(), await logIn({ scope: "read" }), await logIn({ username: "é@1.example", password: "open-sesame-1002" })];
  const scopes = ["read", "write", "groups", "read write", "read groups", "write groups", "read write groups"];
  const programs = await Promise.all(Array.from({ length: 140 }, (_, index) => issue(scopes[index % scopes.length], clients[index % clients.length])));
  const tokens = [...people.map(({ access_token }) => access_token), "pst_at_made-up", "x", ...programs];
  const told = async (token, query) => {
    const response = await postern.validate(token, query);
    return { status: response.status, headers: [...response.headers], body: await response.text() };
  };
  const long = new Map();
  for (const token of tokens) long.set(token, await told(token, "?fresh=0"));
  assert.ok(new Set([...long.values()].map(({ body }) => body)).size >= people.length + scopes.length + 1);
  for (let turn = 0; turn < 2 * tokens.length; turn++) {
    const token = tokens[(turn * 37 + (turn >> 3)) % tokens.length];
    for (let again = 0; again < 2; again++) assert.deepEqual(await told(token), long.get(token), `turn ${turn}`);
  }
});

test("a good token is answered with what is known of it, as JSON and as headers", async () => {
  await postern.signUp({ username: "zoë@100.example", password: "open-sesame-1001" });
  const { access_token } = await logIn({ username: "zoë@100.example", scope: "read" });
  const response = await postern.validate(access_token);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  const body = await response.json();
  const { id } = await (await postern.admin("GET", `users/${encodeURIComponent("zoë@100.example")}`)).json();
  const { exp, iat, ...rest } = body;
  assert.deepEqual(rest, { active: true, scope: "read", client_id: "my-app", token_type: "Bearer", username: "zoë@100.example", sub: id });
  assert.equal(exp - iat, 36000);
  const shown = Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("x-auth-")));
  assert.deepEqual(shown, {
    "x-auth-subject": id,
    "x-auth-username": "zo%C3%AB@100.example",
    "x-auth-client-id": "my-app",
    "x-auth-scope": "read",
    "x-auth-expires": String(exp),
  });
});

test("RPC answers what HTTP answers: status, headers and body", async () => {
  const good = await logIn();
  const narrow = await logIn({ scope: "read" });
  const revoked = await logIn();
  await revoke(revoked.access_token);
  const altered = `${good.access_token.slice(0, 40)}${good.access_token[40] === "A" ? "B" : "A"}${good.access_token.slice(41)}`;
  const token = `Bearer ${good.access_token}`;

  // [authorization, RPC options, query, forwarded method, status]
  const questions = [
    [token, undefined, "", null, 200],
    [token, null, "", null, 200],
    [token, {}, "", null, 200],
    [`bearer ${good.access_token}`, {}, "", null, 200],
    [`Token ${good.access_token}`, {}, "", null, 200],
    [token, { scope: "read write" }, "?scope=read+write", null, 200],
    [token, { any_scope: "admin read" }, "?any_scope=admin+read", null, 200],
    [token, { fresh: true }, "?fresh=1", null, 200],
    [token, { fresh: false, read_write: false }, "?fresh=0&read_write=0", null, 200],
    [token, { read_write: true, method: "POST" }, "?read_write=1", "POST", 200],
    [`Bearer ${narrow.access_token}`, { scope: "read write" }, "?scope=read+write", null, 403],
    [`Bearer ${narrow.access_token}`, { any_scope: "write groups" }, "?any_scope=write+groups", null, 403],
    [`Bearer ${narrow.access_token}`, { read_write: true, method: "HEAD" }, "?read_write=1", "HEAD", 200],
    [`Bearer ${narrow.access_token}`, { read_write: true, method: "DELETE" }, "?read_write=1", "DELETE", 403],
    [`Bearer ${revoked.access_token}`, {}, "", null, 401],
    [`Bearer ${altered}`, {}, "", null, 401],
    [`Bearer ${good.refresh_token}`, {}, "", null, 401],
    ["Bearer made-up", {}, "", null, 401],
    [null, {}, "", null, 401],
    [null, { scope: "read" }, "?scope=read", null, 401],
    ["Basic YWxpY2U6eA==", {}, "", null, 401],
    ["Digest x", {}, "", null, 401],
    ["Bearer", {}, "", null, 400],
    ["Bearer a b", {}, "", null, 400],
    ["Bearer ä", {}, "", null, 400],
    ["Bearer \x01", {}, "", null, 400],
    [` \t${token} `, {}, "", null, 200],
    [`Bearer ${"x".repeat(10_000)}`, {}, "", null, 401],
    [token, { read_write: true }, "?read_write=1", null, 400],
    [token, { read_write: true, method: "" }, "?read_write=1", "", 400],
    [token, { read_write: true, method: "GE T" }, "?read_write=1", "GE T", 400],
    [token, { audience: "https://api.example" }, "?audience=https://api.example", null, 400],
    [token, { audience: "" }, "?audience=", null, 400],
    [token, { scope: "" }, "?scope=", null, 400],
    [token, { scope: 'read"' }, "?scope=read%22", null, 400],
    [null, { scope: "" }, "?scope=", null, 400],
  ];
  for (const [authorization, options, query, method, status] of questions) {
    const headers = { ...(authorization !== null && { Authorization: authorization }), ...(method !== null && { "X-Forwarded-Method": method }) };
    const byHttp = await postern.caller("/fetch", [`/validate/${query}`, { headers }]);
    const { resolved: byRpc } = await postern.rpc("validate", authorization, options);
    const asked = JSON.stringify([authorization, options]);
    assert.equal(byRpc.status, status, asked);
    assert.equal(byRpc.body.active, status === 200, asked);
    for (const answer of [byHttp, byRpc]) {
      assert.equal(answer.headers["x-request-id"] !== undefined, status !== 200, asked);
      delete answer.headers["x-request-id"]; // of each refusal its own
    }
    assert.deepEqual(byRpc, byHttp, asked);
  }
});

test("RPC answers what HTTP answers when the database fails", async () => {
  const { access_token } = await logIn();
  const authorization = `Bearer ${access_token}`;
  const ask = async () => [
    await postern.caller("/fetch", ["/validate/?fresh=1", { headers: { Authorization: authorization } }]),
    (await postern.rpc("validate", authorization, { fresh: true })).resolved,
  ];
  await postern.env.DB.prepare("ALTER TABLE families RENAME TO gone_families").run();
  try {
    const [byHttp, byRpc] = await ask();
    assert.deepEqual([byHttp.status, byHttp.body.active, byHttp.body.error], [503, false, "temporarily_unavailable"]);
    const ids = [byHttp, byRpc].map(({ headers }) => headers["x-request-id"]);
    for (const id of ids) assert.ok(postern.logs().some(({ message }) => message.includes(id)), id);
    assert.deepEqual({ ...byRpc, headers: { ...byRpc.headers, "x-request-id": ids[0] } }, byHttp);
  } finally {
    await postern.env.DB.prepare("ALTER TABLE gone_families RENAME TO families").run();
  }
  assert.deepEqual((await ask()).map(({ status }) => status), [200, 200]);
});

test("RPC takes undefined for no header and for no options", async () => {
  for (const [property, args] of [["validate", []], ["validate", [null]], ["validate", [null, null]]]) {
    assert.equal((await postern.rpc(property, ...args)).resolved.status, 401);
  }
});

test("RPC answers 400 to any wrong type, and the isolate lives on", async () => {
  const before = await isolate();
  const outcomes = await postern.caller("/wrong-arguments?method=validate");
  assert.ok(outcomes.length > 100);
  for (const [what, outcome] of outcomes) {
    assert.equal(outcome.resolved?.status, 400, `${what}: ${JSON.stringify(outcome)}`);
    assert.deepEqual([outcome.resolved.body.active, outcome.resolved.body.error], [false, "invalid_request"], what);
  }
  assert.equal(await isolate(), before);
});

/** Numbers from 0 to 1 that are the same for the same seed. */
function numbers(seed) {
  let state = seed;
  return () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0), state / 2 ** 32);
}

test("whatever a Worker asks by RPC has a verdict, and is never good with an option that is none", async () => {
  const { access_token } = await logIn();
  const before = await isolate();
  const random = numbers(1);
  const one = (list) => list[Math.floor(random() * list.length)];
  const texts = [`Bearer ${access_token}`, `Bearer  ${access_token}`, "Bearer x", "OAuth oauth_token=\"x\"", "", "read", "read write", "fly", "GET", "POST", "é", "\ud800", "\0", "a=1&a=2", "https://api.example/?a=%zz", '"', "x".repeat(70_000)];
  const any = (depth = 0) => one([() => one(texts), () => one(texts), () => one(texts), () => random() < 0.5, () => null, () => random() * 9, () => (depth < 3 ? [any(depth + 1)] : []), () => (depth < 3 ? { [one(texts)]: any(depth + 1) } : {})])();
  const types = { scope: "string", any_scope: "string", read_write: "boolean", fresh: "boolean", audience: "string", method: "string", url: "string", body: "string" };
  const names = [...Object.keys(types), "scopes", "Scope", "", "__proto__", "constructor"];
  const options = () => (random() < 0.1 ? any() : Object.fromEntries(Array.from({ length: Math.floor(random() * 4) }, () => [one(names), any()])));
  const questions = Array.from({ length: 1_000 }, () => [random() < 0.5 ? texts[0] : any(), options()]);
  const outcomes = await postern.caller("/calls", questions.map((question) => ["validate", ...question]));
  for (const [index, { resolved, rejected }] of outcomes.entries()) {
    const [authorization, asked] = questions[index];
    const told = `${JSON.stringify(questions[index]).slice(0, 500)}: ${JSON.stringify(resolved ?? rejected)}`;
    assert.ok([200, 400, 401, 403].includes(resolved?.status), told);
    assert.equal(resolved.body.active, resolved.status === 200, told);
    const isText = authorization === null || typeof authorization === "string";
    const isObject = asked === null || (typeof asked === "object" && !Array.isArray(asked));
    const areOptions = isObject && Object.entries(asked ?? {}).every(([name, value]) => Object.hasOwn(types, name) && typeof value === types[name]);
    if (!isText || !areOptions) assert.equal(resolved.status, 400, told);
  }
  assert.deepEqual(new Set(outcomes.map(({ resolved }) => resolved.status)), new Set([200, 400, 401, 403]));
  assert.equal(await isolate(), before);
});

test("the cron event, called by RPC with anything, does nothing but its work, and the isolate lives on", async () => {
  const before = await isolate();
  assert.deepEqual(await postern.rpc("scheduled"), { resolved: "undefined" });
  for (const [what, outcome] of await postern.caller("/wrong-arguments?method=scheduled")) {
    assert.deepEqual(outcome, { resolved: "undefined" }, what);
  }
  assert.equal(await isolate(), before);
});

test("the Worker exports fetch, scheduled and validate, and nothing else", async () => {
  const { exports, methods } = await (await postern.worker("module-lister").fetch("/")).json();
  assert.deepEqual(exports, ["default"]);
  assert.deepEqual(methods.sort(), ["constructor", "fetch", "scheduled", "validate"]);
});

test("RPC reaches nothing else, by whatever name", async () => {
  const names = ["start", "env", "ctx", "args", "ctor", "instance", "instanceId", "queue", "email", "alarm", "runStatements", "sendOutbound", "verifySignature", "signMessage", "agePublished", "panicNow", "askForever", "__wbg_reset_state"];
  for (const name of names) {
    assert.match((await postern.caller(`/read?property=${name}`)).rejected ?? "", /does not implement|reserved/, name);
    assert.match((await postern.rpc(name)).rejected ?? "", /does not implement|reserved/, name);
  }
});

test("the release holds none of the methods for tests", () => {
  const contains = (folder, name, text) => readFileSync(`${checkout}/${folder}/${name}`).includes(text);
  for (const method of ["runStatements", "sendOutbound", "verifySignature", "signMessage", "agePublished", "panicNow", "askForever"]) {
    assert.deepEqual([contains("build", "index.js", method), contains("build", "index_bg.wasm", method)], [false, false]);
    assert.deepEqual([contains("build/test_hooks", "index.js", method), contains("build/test_hooks", "index_bg.wasm", method)], [true, true]);
  }
  for (const text of ["postern-test-hooks", "/panic-now", "/panic-after-storage"]) {
    assert.deepEqual(["build", "build/test_hooks"].map((folder) => contains(folder, "index_bg.wasm", text)), [false, true], text);
  }
});

test("a token of client credentials has no subject", async () => {
  const { access_token } = await (await postern.post("/o/token/", { grant_type: "client_credentials" }, basic(service))).json();
  const response = await postern.validate(access_token);
  assert.equal(response.status, 200);
  assert.deepEqual([response.headers.get("X-Auth-Subject"), response.headers.get("X-Auth-Client-Id")], [null, "a-service"]);
});

test("a proxy that knows only 401 and 403 gets 401 for what is malformed", async () => {
  const ask = async (query) => (await postern.fetch(`/validate/${query}`, { headers: { Authorization: "Bearer a b" } })).status;
  assert.deepEqual([await ask(""), await ask("?proxy=nginx")], [400, 401]);
});

test("any method validates, and its body is not read", async () => {
  const { access_token } = await logIn();
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
    const body = method === "POST" ? "x".repeat(200_000) : undefined;
    assert.equal((await postern.fetch("/validate", { method, headers: bearer(access_token), body })).status, 200, method);
  }
});

test("of a body no more is read than is allowed, whatever length a caller with a binding tells", async () => {
  for (const length of [undefined, "5", "65536", "0", "-1", "1e4", "0x10", "5, 5"]) {
    const { resolved, taken } = await postern.caller("/long", ["/sign_up/", { ...(length && { "Content-Length": length }) }]);
    assert.equal(resolved, 413, length);
    assert.ok(taken <= 100_000, `${length}: ${taken} bytes`);
  }
});

test("a body that is shorter than a caller with a binding tells is none", async () => {
  const text = "username=short&password=open-sesame-1001"; // 40 bytes
  const send = async (length) => (await postern.caller("/text", ["/sign_up/", { "Content-Length": length }, text])).resolved;
  for (const length of ["41", "80", "65536"]) assert.equal(await send(length), 400, length);
  assert.equal(await send("65537"), 413);
  assert.equal(await send("40"), 201);
});

test("answers in turn and at once have each their own headers", async () => {
  const kinds = [];
  for (const scope of ["read", "write", "read groups"]) kinds.push({ scope, token: (await logIn({ scope })).access_token });
  const { access_token } = await (await postern.post("/o/token/", { grant_type: "client_credentials", scope: "groups" }, basic(service))).json();
  const revoked = (await logIn()).access_token;
  await revoke(revoked);
  kinds.push({ scope: "groups", token: access_token }, { scope: null, token: revoked }, { scope: null, token: "pst_at_made-up" });

  const ask = async ({ scope, token }) => {
    const response = await postern.validate(token);
    const { headers } = response;
    assert.equal(response.status, scope ? 200 : 401);
    const body = await response.json();
    assert.equal(body.scope ?? null, scope);
    assert.equal(headers.get("X-Auth-Scope"), scope);
    assert.equal(headers.get("X-Auth-Subject"), body.sub ?? null);
    assert.equal(headers.get("X-Auth-Client-Id"), body.client_id ?? null);
    return headers.get("X-Request-Id");
  };
  for (let turn = 0; turn < 3; turn++) for (const kind of kinds) await ask(kind);
  const ids = (await Promise.all(Array.from({ length: 60 }, (_, index) => ask(kinds[index % kinds.length])))).filter(Boolean);
  // Those of the revoked token have a line each; those of the made-up one share theirs.
  const unlogged = ids.filter((id) => id.startsWith("unlogged-"));
  assert.deepEqual([ids.length, unlogged.length, new Set(unlogged).size, new Set(ids).size], [20, 10, 1, 11]);
});

test("what a header holds cannot be taken for another header", async () => {
  const { access_token } = await logIn();
  for (const host of ["api.example:8443", "a:b", "authorization:Bearer x", "GET http://x/"]) {
    const headers = { ...bearer(access_token), "X-Forwarded-Host": host };
    assert.equal((await postern.fetch("/validate/", { headers })).status, 200, host);
  }
  const twice = { ...bearer(access_token), "X-Forwarded-Host": "a.example, b.example" };
  assert.equal((await postern.fetch("/validate/", { headers: twice })).status, 400);
});

test("with SOCIAL_BEARER a provider's token is good by HTTP and by RPC, and guessing at it is slowed", async () => {
  // It introspects `good`, and knows whose it is.
  const provider = createServer(async (request, response) => {
    const form = new URLSearchParams((await request.setEncoding("utf8").toArray()).join(""));
    const active = { active: form.get("token") === "good", client_id: "c" };
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(request.url === "/me" ? { id: 7, username: "mona" } : active));
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  const at = `http://127.0.0.1:${provider.address().port}`;
  const acme = {
    kind: "oauth2",
    client_id: "c",
    client_secret: "ACME_SECRET",
    authorization_endpoint: `${at}/authorize`,
    token_endpoint: `${at}/token`,
    introspection_endpoint: `${at}/introspect`,
    userinfo_endpoint: `${at}/me`,
    proofs: ["access_token"],
  };
  const vars = { SOCIAL_AUTH_PROVIDERS: JSON.stringify({ acme }), ACME_SECRET: "s", SOCIAL_DEFAULT_APPLICATION: "front", SOCIAL_BEARER: "true", ADDRESS_FAILURE_LIMIT: "1/900" };
  const social = await startPostern({ vars });
  try {
    await social.createApplication({ client_id: "front", client_type: "public", grant_types: ["convert_token"] });
    const ask = (token, more) => social.fetch("/validate/", { headers: { Authorization: `Bearer acme ${token}`, ...more } });
    const byHttp = await ask("good");
    assert.deepEqual([byHttp.status, byHttp.headers.get("X-Auth-Username")], [200, "mona"]);
    const { resolved } = await social.rpc("validate", "Bearer acme good", { scope: "read" });
    assert.deepEqual([resolved.status, resolved.body, resolved.headers["x-auth-client-id"]], [200, await byHttp.json(), "front"]);
    const { resolved: bad } = await social.rpc("validate", "Bearer acme bad");
    assert.deepEqual([bad.status, bad.body.active, bad.body.error], [401, false, "invalid_token"]);
    assert.match(bad.headers["www-authenticate"], /^Bearer backend="acme", realm="api", error="invalid_token"/);

    const from = (address) => ({ "CF-Connecting-IP": address });
    const statuses = [];
    for (const [token, address] of [["bad-1", "192.0.2.1"], ["bad-2", "192.0.2.1"], ["bad-3", "192.0.2.2"]]) {
      statuses.push((await ask(token, from(address))).status);
    }
    assert.deepEqual(statuses, [401, 503, 401]);
  } finally {
    await social.stop();
    provider.close();
  }
});

test("the released hashing is built with wasm's SIMD instructions", () => {
  // Argon2's multiplications: two lanes at once, each with the lower halves alone.
  const disassembled = execFileSync(`${checkout}/node_modules/.bin/wasm-dis`, [`${checkout}/build/index_bg.wasm`], { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.ok(disassembled.split("i64x2.add").length > 50);
});
