// What is sent to break the server, byte by byte, at every route: a clear refusal in the route's own shape, nothing stored, and
// the server goes on.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { startBare } from "./bare.mjs";
import { alice, schema, secrets } from "./support.mjs";

const form = "application/x-www-form-urlencoded";
const json = "application/json";
const operator = [`Authorization: Bearer ${secrets.ADMIN_TOKEN}`];
let postern, stored;

before(async () => {
  const providers = { op: { issuer: "http://127.0.0.1:9", client_id: "us", one_tap: true } }; // nobody is there
  // Without a limit, or wrong credentials are counted, and stored.
  const bindings = { ...secrets, ADDRESS_FAILURE_LIMIT: "0", SOCIAL_AUTH_PROVIDERS: JSON.stringify(providers) };
  postern = await startBare({ schema, bindings });
  const application = { client_id: "my-app", client_type: "public", grant_types: ["password"] };
  for (const [path, type, mayCome, body] of [
    ["/admin/api/applications", json, operator, JSON.stringify(application)],
    ["/sign_up/", form, [], new URLSearchParams(alice).toString()],
  ]) {
    const { status, text } = await send(path, { type, headers: mayCome, body });
    assert.equal(status, 201, text);
  }
  stored = await storedNow();
});
after(() => postern.stop());

/** The routes, each with the type of body that it takes, and with the headers that let a request in. */
const routes = [
  ["/o/token/", form],
  ["/o/revoke_token/", form],
  ["/o/introspect/", form],
  ["/auth/token/", json],
  ["/auth/token/", form],
  ["/auth/revoke-token/", json],
  ["/auth/revoke-token/", form],
  ["/auth/invalidate-sessions/", json],
  ["/auth/invalidate-refresh-tokens/", form],
  ["/auth/authorize/", form],
  ["/auth/convert-token/", json],
  ["/auth/convert-token/", form],
  ["/social/op/", json],
  ["/api/2.0/social/op/", form],
  ["/login/op/", form],
  ["/auth/login/op/", form],
  ["/complete/op/", form],
  ["/auth/complete/op/", form],
  ["/disconnect/op/", form],
  ["/auth/disconnect/op/AAAAAAAAAAAAAAAA/", form],
  ["/sign_up/", json],
  ["/sign_up/", form],
  ["/admin/api/applications", json, operator],
  ["/admin/api/applications/my-app", json, operator, "PATCH"],
  ["/admin/api/users", json, operator],
  ["/admin/api/users/alice", json, operator, "PATCH"],
  ["/admin/api/users/alice/set-password", json, operator],
  ["/oauth/request_token/", form],
  ["/oauth/access_token/", form],
  ["/oauth/authorize/", form],
  ["/validate/", form],
  ["/healthz", form],
  ["/.well-known/oauth-authorization-server", form],
  ["/nothing", form, [`Accept: ${json}`]],
  ["/o/authorize/", form],
  ["/accounts/login/", form],
  ["/accounts/signup/", form],
  ["/accounts/logout/", form],
  ["/accounts/password/", form],
  ["/accounts/password/reset/", form],
  ["/accounts/email/verify/", form],
  ["/account/", form],
  ["/account/sessions/", form],
  ["/o/applications/register/", form],
];

const isPage = (path) => /^\/((auth\/)?(login|complete|disconnect)|o\/authorize|auth\/authorize|o\/applications|accounts?)\//.test(path);
const isDrf = (path) => /^\/(sign_up|auth\/invalidate-|social|api\/2\.0\/social)/.test(path);

/** Sends bytes as they are: the status, the headers and the body of the answer; null if the connection is closed without one. */
async function overSocket(head, body = "") {
  const socket = connect({ host: postern.url.hostname, port: Number(postern.url.port) });
  const chunks = [];
  socket.on("data", (data) => chunks.push(data));
  socket.on("error", () => {}); // it may be closed before all is sent
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write(Buffer.from(head, "latin1"));
  socket.write(Buffer.from(body, "latin1"));
  await closed;
  if (chunks.length === 0) return null;
  const [, status, headers, text] = Buffer.concat(chunks).toString().match(/^HTTP\/1.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n(.*)$/s);
  return { status: Number(status), headers, text };
}

const send = (path, { method = "POST", headers = [], type, body = "" } = {}) => {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${postern.url.host}`, "Connection: close", `Content-Length: ${body.length}`];
  if (type) lines.push(`Content-Type: ${type}`);
  return overSocket([...lines, ...headers, "", ""].join("\r\n"), body);
};

/** Rows by table, and keys. */
async function storedNow() {
  const { results } = await postern.env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'").all();
  const counts = {};
  for (const { name } of results) counts[name] = await postern.env.DB.prepare(`SELECT count(*) AS n FROM ${name}`).first("n");
  const { keys } = await postern.env.TOKENS.list();
  return { ...counts, keys: keys.length };
}

/** A refusal of ours: 4xx, as its prefix has it, with an id. */
function assertRefused({ status, headers, text }, path, what) {
  const told = `${what} at ${path}: ${status} ${text.slice(0, 200)}`;
  // People are sent to log in, and an authorization request without anything in it to where it is answered: nowhere else.
  const location = /^location: (.*?)\r?$/im.exec(headers)?.[1];
  if (isPage(path) && status === 303) return assert.match(location, new RegExp(`^${postern.url.origin}/(accounts/login/|o/authorize/)`), told);
  assert.ok(status >= 400 && status < 500, told);
  assert.match(headers, /^x-request-id: ./im, told);
  if (isPage(path)) return assert.match(headers, /^content-type: text\/html; charset=utf-8\r?$/im, told);
  // Plain text; the consent page's form is of a page.
  if (path.startsWith("/oauth/")) return assert.match(headers, /^content-type: text\/(plain|html); charset=utf-8\r?$/im, told);
  assert.match(headers, /^content-type: application\/json\r?$/im, told);
  const answer = JSON.parse(text);
  if (path.startsWith("/validate")) assert.equal(answer.active, false);
  else if (isDrf(path)) assert.ok(!("error" in answer) && Object.keys(answer).length > 0, told);
  // It has two kinds of clients.
  else if (path.startsWith("/auth/revoke-token")) assert.equal(typeof (answer.error ?? answer.detail), "string", told);
  else assert.equal(typeof answer.error, "string", told);
}

const deep = (opening, closing) => opening.repeat(30_000) + closing.repeat(30_000);
const parameters = Array.from({ length: 10_000 }, (_, index) => index.toString(36)).join("=&");

const members = Object.fromEntries(parameters.split("=&").slice(0, 7000).map((name) => [name, 0]));
/** What would sign somebody up, but for what comes with it. */
const bob = { username: "bob", password: "open-sesame-2001" };

const bodies = {
  "10,000 parameters": { body: `${new URLSearchParams(bob)}&${parameters}`, type: form },
  "7,000 members": { body: JSON.stringify({ ...bob, client_type: "public", ...members }), type: json },
  "a parameter 1,000 times": { body: "username=a&".repeat(1000), type: form },
  "a member twice": { body: '{"username": "a", "username": "b", "client_type": "public", "client_type": "public", "password": "open-sesame-1", "password": "open-sesame-2"}', type: json },
  "lists in lists": { body: deep("[", "]"), type: json },
  "objects in objects": { body: deep('{"a":', "}").slice(0, 60_000), type: json },
  "a list without an end": { body: "[".repeat(60_000), type: json },
  "bytes that are no UTF-8": { body: "username=\xff\xfe&password=\xc3\x28" },
  "JSON that is no UTF-8": { body: '{"username": "\xff", "client_name": "\xff", "password": "\xff"}', type: json },
  "half a surrogate pair": { body: '{"username": "\\ud800", "client_name": "\\ud800", "password": "\\ud800"}', type: json },
  "broken percent-encoding": { body: "username=%&password=%zz&grant_type=%4", type: form },
  "encoded bytes that are no UTF-8": { body: "username=%ff&password=%c3%28&grant_type=%ff&token=%ff", type: form },
  "NUL bytes": { body: "username=\0&password=\0&grant_type=\0&token=\0", type: form },
  "NUL bytes in JSON": { body: '{"username": "a\\u0000", "client_name": "\\u0000", "client_type": "public", "password": "open-sesame-\\u0000"}', type: json },
  "nothing": { body: "" },
  "an image": { body: "\x89PNG\r\n\x1a\n", type: "image/png" },
  "many parts": { body: '--x\r\nContent-Disposition: form-data; name="username"\r\n\r\na\r\n--x--\r\n', type: "multipart/form-data; boundary=x" },
  "a number": { body: "5", type: json },
  "an answer of a provider that nobody has asked": { body: "code=a&state=b&iss=c", type: form },
  "a token of a provider, and no cookie with it": { body: "credential=a.b.c&g_csrf_token=a", type: form },
};

for (const [what, { body, type }] of Object.entries(bodies)) {
  test(`${what}, at every route`, async () => {
    for (const [path, usual, headers, method] of routes) {
      assertRefused(await send(path, { method, headers, type: type ?? usual, body }), path, what);
    }
    assert.deepEqual(await storedNow(), stored);
  });
}

/** A refusal of ours, or one of workerd's, which does not let everything through to a Worker. */
function assertRefusedBySomebody(answer, path, what) {
  if (/^x-request-id:/im.test(answer.headers) || answer.status === 303) assertRefused(answer, path, what);
  else assert.ok(answer.status >= 400 && answer.status < 500, `${what} at ${path}: ${answer.status} ${answer.text}`);
}

test("a body of 1 MiB is refused, or ends the connection: workerd closes it while more is coming", async () => {
  for (const [path, type, headers, method] of routes) {
    const answer = await send(path, { method, headers, type, body: "x".repeat(1024 * 1024) });
    if (answer) assertRefused(answer, path, "1 MiB");
  }
  assert.deepEqual(await storedNow(), stored);
});

// Else it is waited for without an end.
test("a body that says that it has 1 MiB is refused before any of it has come", { timeout: 60_000 }, async () => {
  for (const [path, type, headers = [], method = "POST"] of routes) {
    if (["/validate/", "/healthz", "/.well-known/oauth-authorization-server", "/nothing"].includes(path)) continue; // no body is read there
    const head = [`${method} ${path} HTTP/1.1`, `Host: ${postern.url.host}`, "Connection: close", "Content-Length: 1048576", `Content-Type: ${type}`];
    const answer = await overSocket([...head, ...headers, "", ""].join("\r\n"));
    assert.equal(answer.status, 413, path);
    assertRefused(answer, path, "1 MiB");
  }
  assert.deepEqual(await storedNow(), stored);
});

test("malformed paths are refused", async () => {
  for (const bad of ["\xff", "\xc3\x28", "%ff", "%c3%28", "%", "%4", "%zz", "%00", "\0", "%2e%2e%2f", "x".repeat(60_000), "http://[::1/", "/////"]) {
    for (const path of ["/", "/o/", "/o/token/", "/sign_up/", "/validate/", "/admin/api/users/", "/admin/api/applications/"]) {
      for (const method of ["GET", "POST", "DELETE"]) {
        const answer = await send(path + bad, { method, headers: [...operator, `Accept: ${json}`], type: form });
        // It is a path of no route, so it has no prefix's shape.
        assertRefusedBySomebody(answer, path.startsWith("/admin") ? path : "/", JSON.stringify(bad.slice(0, 20)));
      }
    }
  }
  assert.deepEqual(await storedNow(), stored);
});

test("a Host header cannot hide the query, nor pass for a path", async () => {
  const ask = (host, target, headers = []) => overSocket([`GET ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", "Authorization: Bearer x", ...headers, "", ""].join("\r\n"));
  for (const host of ["localhost?", "localhost?x=", "localhost/healthz?", "localhost/healthz", "localhost\\healthz?", "u@localhost", "localhost/validate/#", "localhost/#", "a:b:c", "a<b", "a^b", "[::1"]) {
    for (const target of ["/validate/", "/validate/?scope=admin", "/validate/?fresh=1"]) {
      const { status } = await ask(host, target);
      assert.equal(status, 400, `${host} ${target}`);
    }
  }
  for (const host of ["localhost", "LOCALHOST:8787", "api.example", "127.0.0.1", "[::1]:8787"]) {
    assert.equal((await ask(host, "/validate/")).status, 401, host);
    assert.equal((await ask(host, "/validate/", ["X-Forwarded-Method: GET"])).status, 401, host);
  }
});

test("malformed queries are refused", async () => {
  for (const bad of ["scope=\xff", "scope=%ff", "scope=%zz", "scope=%", "scope=%00", "scope=\0", "scope=a&scope=a", "limit=1&limit=1", parameters]) {
    for (const path of ["/validate/", "/o/token/", "/o/revoke_token/", "/o/introspect/", "/auth/token/", "/auth/revoke-token/", "/auth/invalidate-sessions/", "/auth/convert-token/", "/social/op/", "/login/op/", "/complete/op/", "/disconnect/op/", "/sign_up/", "/o/authorize/", "/accounts/login/"]) {
      assertRefusedBySomebody(await send(`${path}?${bad}`, { type: form }), path, bad.slice(0, 20));
    }
    for (const path of ["/admin/api/users", "/admin/api/applications"]) {
      const answer = await send(`${path}?${bad}`, { method: "GET", headers: operator });
      assertRefusedBySomebody(answer, path, bad.slice(0, 20));
    }
  }
  assert.deepEqual(await storedNow(), stored);
});

const headers = {
  "1,000 headers": Array.from({ length: 1000 }, (_, index) => `X-${index}: ${"x".repeat(50)}`),
  "10,000 headers": Array.from({ length: 10_000 }, (_, index) => `X-${index}: x`),
  "a header of 60 kB": [`X: ${"x".repeat(60_000)}`],
  "10,000 cookies": [`Cookie: ${"a=b; ".repeat(10_000)}`],
  "a line without a colon": ["no colon"],
  "a NUL": ["X: a\0b"],
  "a length that is none": ["Content-Length: x"],
  "two lengths": ["Content-Length: 7"],
  "a token of 60 kB": [`Authorization: Bearer ${"x".repeat(60_000)}`],
  "a token that is no text": ["Authorization: Bearer \xff"],
  "two tokens": ["Authorization: Bearer a", "Authorization: Bearer b"],
  "no credentials after all": ["Authorization:"],
  "broken Basic": ["Authorization: Basic %%%"],
  "Basic that is no UTF-8": [`Authorization: Basic ${btoa("\xff\xfe:\xff")}`],
  "Basic with NUL bytes": [`Authorization: Basic ${btoa("\0:\0")}`],
  "an origin that is no text": ["Origin: \xff"],
  "a type that is no text": ["Content-Type: \xff"],
};

for (const [what, lines] of Object.entries(headers)) {
  test(`among the headers ${what}, at every route`, async () => {
    for (const [path, type, mayCome = [], method] of routes) {
      const credentials = lines.some((line) => line.startsWith("Authorization")) ? [] : mayCome;
      const answer = await send(path, { method, type, headers: [...credentials, `Accept: ${json}`, ...lines] });
      assertRefusedBySomebody(answer, path, what);
    }
    assert.deepEqual(await storedNow(), stored);
  });
}

test("a header of 1 MiB is refused, or ends the connection", async () => {
  for (const [path, type] of routes) {
    const answer = await send(path, { type, headers: [`X: ${"x".repeat(1024 * 1024)}`] });
    if (answer) assertRefusedBySomebody(answer, path, "1 MiB");
  }
  assert.deepEqual(await storedNow(), stored);
});

test("methods that nobody knows are refused", async () => {
  for (const method of ["BREW", "post", "X".repeat(10_000), "\xff", "PO ST", "", "TRACE", "PROPFIND", "LOCK"]) {
    for (const [path, type, mayCome] of routes) {
      const answer = await send(path, { method, type, headers: [...(mayCome ?? []), `Accept: ${json}`] });
      if (answer.status === 501) assert.match(answer.text, /Unrecognized request method/); // says workerd (RFC 9110 §15.6.2)
      else assertRefusedBySomebody(answer, path, method.slice(0, 20));
    }
  }
  assert.deepEqual(await storedNow(), stored);
});

/** A log-in, by a form or in JSON. */
const logIn = { grant_type: "password", client_id: "my-app", ...alice };

/** Those who are answered well, with the headers by which they are let in. */
async function goodRequests() {
  const { text } = await send("/o/token/", { type: form, body: new URLSearchParams(logIn).toString() });
  const bearer = [`Authorization: Bearer ${JSON.parse(text).access_token}`];
  return [
    ["/validate/", { method: "GET", headers: bearer }, bearer],
    ["/validate/?fresh=1", { method: "GET", headers: bearer }, bearer],
    ["/o/token/", { type: form, body: new URLSearchParams(logIn).toString() }],
    ["/auth/token/", { type: json, body: JSON.stringify(logIn) }],
    ["/admin/api/users", { method: "GET", headers: operator }, operator],
    ["/accounts/login/", { method: "GET" }],
    ["/healthz", { method: "GET" }],
  ];
}

const harmless = {
  "1,000 headers": headers["1,000 headers"],
  "a header of 60 kB": headers["a header of 60 kB"],
  "10,000 cookies": headers["10,000 cookies"],
  "cookies of 32 KiB, thousands of them named like ours": [`Cookie: ${"__Host-postern_session=x; postern_session=x; ".repeat(750)}`],
  "a thousand times who asks": Array(1000).fill("User-Agent: x"),
};

for (const [what, lines] of Object.entries(harmless)) {
  test(`a flood of what is not needed is harmless, at every good request: ${what}`, async () => {
    for (const [path, { headers = [], ...init }] of await goodRequests()) {
      const usual = await send(path, { headers, ...init });
      const flooded = await send(path, { headers: [...lines, ...headers], ...init });
      assert.deepEqual([usual.status, flooded.status], [200, 200], `${path}: ${flooded.text}`);
      const shape = (text) => (path.startsWith("/accounts/") ? text.match(/<title>.*<\/title>/)[0] : Object.keys(JSON.parse(text)));
      assert.deepEqual(shape(flooded.text), shape(usual.text), path);
    }
  });
}

test("a flood of what is needed is refused, in the prefix's shape: the header with the token, again and again", async () => {
  const good = (await goodRequests()).filter(([, , credentials]) => credentials);
  const before = await storedNow();
  for (const [path, init, credentials] of good) {
    for (const times of [2, 500]) {
      const headers = Array(times).fill(credentials[0]);
      const answer = await send(path, { ...init, headers });
      assert.ok([400, 401].includes(answer.status), `${path}: ${answer.status}`);
      assertRefused(answer, path, `${times} tokens`);
    }
  }
  assert.deepEqual(await storedNow(), before);
});

test("a flood of what a proxy tells is refused where it is asked, and harmless elsewhere", async () => {
  const good = await goodRequests();
  const long = "x".repeat(10_000);
  for (const name of ["X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Original-URL"]) {
    for (const [path, { headers = [], ...init }] of good) {
      const again = await send(path, { headers: [...headers, ...Array(500).fill(`${name}: x`)], ...init });
      assert.equal(again.status, path.startsWith("/validate/") ? 400 : 200, `${name} at ${path}: ${again.text}`);
      if (again.status === 400) assertRefused(again, path, name);
      // Once, it is not looked at: a Bearer token needs none of these.
      const once = await send(path, { headers: [...headers, `${name}: ${long}`], ...init });
      assert.equal(once.status, 200, `${name} at ${path}: ${once.text}`);
    }
  }
});

test("after all that, it does what it is for", async () => {
  const { status, text } = await send("/o/token/", { type: form, body: new URLSearchParams(logIn).toString() });
  assert.equal(status, 200, text);
  const headers = [`Authorization: Bearer ${JSON.parse(text).access_token}`];
  assert.equal((await send("/validate/", { method: "GET", headers })).status, 200);
});
