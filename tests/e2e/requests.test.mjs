// What HTTP itself can go wrong with: bodies, methods, paths, hosts, and requests across origins.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { alice, checkout, secrets, startPostern } from "./support.mjs";

const LONGEST = 64 * 1024;
const form = "application/x-www-form-urlencoded";
let postern;

before(async () => {
  postern = await startPostern();
  await postern.createApplication({
    client_id: "my-app",
    client_type: "public",
    grant_types: ["password", "refresh_token"],
    allowed_origins: ["https://app.example"],
  });
  await postern.signUp();
});
after(() => postern.stop());

const logIn = { grant_type: "password", client_id: "my-app", ...alice };

/** A log-in of so many bytes. */
const formOf = (length) => `${new URLSearchParams(logIn)}&padding=`.padEnd(length, "x");

/** The same without a Content-Length. */
const streamed = (text) => ({
  duplex: "half",
  body: new ReadableStream({
    start(controller) {
      for (let at = 0; at < text.length; at += 10_000) controller.enqueue(new TextEncoder().encode(text.slice(at, at + 10_000)));
      controller.close();
    },
  }),
});

const send = (path, contentType, init) => postern.fetch(path, { method: "POST", headers: { "Content-Type": contentType }, ...init });

const countOf = (table) => postern.env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first("n");

const assertError = async (response, status, error) => {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("Content-Type"), "application/json");
  assert.equal((await response.json()).error, error);
  assert.ok(response.headers.get("X-Request-Id"));
};

for (const [how, make] of [["with a Content-Length", (text) => ({ body: text })], ["in chunks", streamed]]) {
  test(`a body of 64 KiB is read ${how}`, async () => {
    assert.equal((await send("/o/token/", form, make(formOf(LONGEST)))).status, 200);
  });

  test(`a body of one byte more is refused ${how}`, async () => {
    await assertError(await send("/o/token/", form, make(formOf(LONGEST + 1))), 413, "invalid_request");
  });

  test(`signing up with too long a body is refused in its own shape ${how}`, async () => {
    const response = await send("/sign_up/", "application/json", make(JSON.stringify({ ...alice, first_name: "x".repeat(LONGEST) })));
    assert.equal(response.status, 413);
    assert.deepEqual(await response.json(), { detail: "the body is longer than 65536 bytes" });
  });
}

/** The routes that read a body, each with what its errors look like: the paths as src/router.rs has them, the methods as the server says. */
async function routesWithBodies() {
  const [, tables] = readFileSync(`${checkout}/src/router.rs`, "utf8").match(/const ROUTES(.*)\/\/\/ Answers one request/s);
  const routes = [...tables.matchAll(/\b(?:route\(\s*"([^"]+)",\s*Shape::(\w+)|page\(\s*"([^"]+)")/g)];
  assert.equal(routes.length, tables.match(/\b(route|page)\(/g).length);
  const found = [];
  for (const [, ofProgram, shape, ofPage] of routes) {
    const path = (ofProgram ?? ofPage).replaceAll(/\{\*?\}/g, "x");
    if (path === "/validate") continue; // it reads none but signed forms
    const { status, headers } = await postern.fetch(path, { method: "PROPFIND" });
    assert.equal(status, 405, path);
    const methods = headers.get("Allow").split(", ").filter((method) => !["GET", "HEAD", "DELETE", "OPTIONS"].includes(method));
    found.push(...methods.map((method) => ({ method, path, shape: shape ?? "Page" })));
  }
  return found;
}

const tooLong = "the body is longer than 65536 bytes";

/** That a body is too long, in the shape of a route. */
async function assertTooLong(response, { method, path, shape }, how) {
  const told = `${method} ${path} ${how}`;
  assert.equal(response.status, 413, told);
  assert.ok(response.headers.get("X-Request-Id"), told);
  const [type, text] = [response.headers.get("Content-Type"), await response.text()];
  if (shape === "OAuth") assert.deepEqual([type, JSON.parse(text)], ["application/json", { error: "invalid_request", error_description: tooLong }], told);
  else if (shape === "Drf") assert.deepEqual([type, JSON.parse(text)], ["application/json", { detail: tooLong }], told);
  else if (shape === "Page") assert.ok(type === "text/html; charset=utf-8" && text.includes(tooLong), `${told}: ${type} ${text}`);
  else assert.deepEqual([shape, type, text], ["OAuth1", "text/plain; charset=utf-8", tooLong], told);
}

test("a body of one byte more than 64 KiB is refused at every route that reads one, in its own shape", async () => {
  const routes = await routesWithBodies();
  assert.ok(routes.length > 40 && routes.some(({ method }) => method === "PATCH"), `${routes.length}`);
  for (const route of routes) {
    for (const [how, make] of [["with a Content-Length", (text) => ({ body: text })], ["in chunks", streamed]]) {
      const init = { method: route.method, headers: { "Content-Type": form }, ...make("x".repeat(LONGEST + 1)) };
      await assertTooLong(await postern.fetch(route.path, init), route, how);
    }
  }
});

test("a body of 1 MiB is refused over a service binding", async () => {
  for (const [path, answer] of [["/o/token/", { error: "invalid_request", error_description: tooLong }], ["/sign_up/", { detail: tooLong }]]) {
    const { status, body } = await postern.caller("/fetch", [path, { method: "POST", headers: { "Content-Type": form }, body: "x".repeat(1024 * 1024) }]);
    assert.deepEqual([status, body], [413, answer]);
  }
});

test("a body without an end is refused as soon as it is too long", async () => {
  assert.deepEqual(await postern.caller("/endless", ["/sign_up/", {}]), { resolved: 413 });
});

test("a body that breaks off stores nothing, and the server goes on", async () => {
  const users = await countOf("users");
  const head = `POST /sign_up/ HTTP/1.1\r\nHost: ${postern.url.host}\r\nContent-Type: ${form}\r\n`;
  const body = "username=never&password=open-sesame-1001"; // of 40 bytes
  for (const brokenOff of [
    `Content-Length: 41\r\n\r\n${body}`,
    `Transfer-Encoding: chunked\r\n\r\n29\r\n${body}`,
    `Transfer-Encoding: chunked\r\n\r\n28\r\n${body}\r\n`,
    `Transfer-Encoding: chunked\r\n\r\n28\r\n${body}\r\nno length\r\n`,
  ]) {
    assert.doesNotMatch(await overSocket(head + brokenOff), /^HTTP\/1.1 2/);
    assert.equal(await countOf("users"), users, brokenOff);
  }
  assert.match(await overSocket(`${head}Connection: close\r\nContent-Length: 40\r\n\r\n${body}`), /^HTTP\/1.1 201/);
});

test("what is not UTF-8, or badly encoded, is refused and stores nothing", async () => {
  const [users, families] = [await countOf("users"), await countOf("families")];
  const bytes = (text) => Buffer.from(text, "latin1");
  for (const bad of ["%ff", "%C3%28", "\xff", "%", "%4", "%zz", "%00", "\0"]) {
    await assertError(await send("/o/token/", form, { body: bytes(`${new URLSearchParams(logIn)}&scope=${bad}`) }), 400, "invalid_request");
    await assertError(await send("/o/revoke_token/", form, { body: bytes(`client_id=my-app&token=${bad}`) }), 400, "invalid_request");
    await assertError(await send("/o/introspect/", form, { body: bytes(`client_id=my-app&token=${bad}`) }), 400, "invalid_request");
    const response = await send("/sign_up/", form, { body: bytes(`username=never&password=open-sesame-1001&first_name=${bad}`) });
    assert.equal(response.status, 400, bad);
  }
  for (const bad of ["\xff", "\\ud800", "\0", "\\u0000"]) {
    const response = await send("/sign_up/", "application/json", { body: bytes(`{"username": "never${bad}", "password": "open-sesame-1001"}`) });
    assert.equal(response.status, 400, bad);
    const headers = { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, "Content-Type": "application/json" };
    const body = bytes(`{"client_name": "${bad}", "client_type": "public"}`);
    await assertError(await postern.fetch("/admin/api/applications", { method: "POST", headers, body }), 400, "invalid_request");
  }
  assert.deepEqual([await countOf("users"), await countOf("families")], [users, families]);
});

test("a body of another type, or none, is refused", async () => {
  await assertError(await send("/o/token/", "application/json", { body: JSON.stringify(logIn) }), 400, "invalid_request");
  await assertError(await send("/o/token/", "text/plain", { body: formOf(200) }), 400, "invalid_request");
  await assertError(await send("/o/token/", form, {}), 400, "invalid_request");
  assert.equal((await send("/sign_up/", "text/plain", { body: "x" })).status, 415);
  assert.equal((await send("/sign_up/", "application/json", { body: "[]" })).status, 400);
});

test("a header that is no text is refused, with an id like any refusal", async () => {
  const answer = await postern.caller("/fetch", ["/o/token/", { method: "POST", headers: { Authorization: "Basic \x01" } }]);
  assert.deepEqual([answer.status, answer.body.error], [400, "invalid_request"]);
  assert.ok(answer.headers["x-request-id"]);
});

test("parameters in the URL are refused", async () => {
  await assertError(await send(`/o/token/?${new URLSearchParams(logIn)}`, form, { body: "" }), 400, "invalid_request");
});

test("a wrong method is refused with those that are right", async () => {
  for (const [path, method, allowed] of [
    ["/o/token/", "GET", "POST, OPTIONS"],
    ["/o/token/", "PUT", "POST, OPTIONS"],
    ["/o/revoke_token/", "HEAD", "POST, OPTIONS"],
    ["/o/introspect/", "GET", "POST"],
    ["/o/introspect/", "OPTIONS", "POST"],
    ["/sign_up/", "DELETE", "POST, OPTIONS"],
    ["/.well-known/oauth-authorization-server", "POST", "GET, HEAD"],
    ["/admin/api/applications", "DELETE", "GET, POST, HEAD"],
    ["/admin/api/applications/my-app", "PUT", "GET, PATCH, DELETE, HEAD"],
    ["/", "PROPFIND", "GET, HEAD"],
  ]) {
    const response = await postern.fetch(path, { method });
    assert.deepEqual([response.status, response.headers.get("Allow")], [405, allowed], `${method} ${path}`);
  }
});

test("HEAD works where GET does, and answers without a body", async () => {
  for (const path of ["/", "/.well-known/oauth-authorization-server", "/nothing"]) {
    const [get, head] = [await postern.fetch(path), await postern.fetch(path, { method: "HEAD" })];
    assert.equal(head.status, get.status);
    assert.equal(head.headers.get("Content-Type"), get.headers.get("Content-Type"));
    assert.equal(await head.text(), "");
  }
});

test("every path answers with and without its trailing slash", async () => {
  for (const path of ["/o/token", "/o/token/"]) {
    assert.equal((await postern.post(path, logIn)).status, 200);
  }
  for (const path of ["/o/.well-known/oauth-authorization-server", "/o/.well-known/oauth-authorization-server/"]) {
    assert.equal((await postern.fetch(path)).status, 200);
  }
});

test("an unknown path is a page, or JSON for who accepts it", async () => {
  for (const path of ["/nothing", "/o/par/", "/.well-known/openid-configuration", "/o//token/", "/admin/api/users/a/b", "/%ff", "/build/index.js"]) {
    const page = await postern.fetch(path, { headers: { Accept: "text/html" } });
    assert.deepEqual([page.status, page.headers.get("Content-Type")], [404, "text/html; charset=utf-8"], path);
    assert.match(page.headers.get("Content-Security-Policy"), /default-src 'none'.*frame-ancestors 'none'/);
    await assertError(await postern.fetch(path, { headers: { Accept: "application/json" } }), 404, "not_found");
  }
});

test("a preflight is answered for an origin that an application lists, and for no other", async () => {
  const preflight = (path, origin) =>
    postern.fetch(path, { method: "OPTIONS", headers: { Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" } });
  for (const path of ["/o/token/", "/o/revoke_token/", "/sign_up/"]) {
    const good = await preflight(path, "https://app.example");
    assert.equal(good.status, 204);
    assert.equal(good.headers.get("Access-Control-Allow-Origin"), "https://app.example");
    assert.equal(good.headers.get("Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert.match(good.headers.get("Access-Control-Allow-Headers"), /\bauthorization\b.*\bcontent-type\b/);
    for (const origin of ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]) {
      const bad = await preflight(path, origin);
      assert.equal(bad.headers.get("Access-Control-Allow-Origin"), null, origin);
    }
    for (const response of [good, await preflight(path, "https://evil.example")]) {
      assert.match(response.headers.get("Vary"), /\bOrigin\b/i);
      assert.equal(response.headers.get("Access-Control-Allow-Credentials"), null);
    }
  }
});

test("the answer itself carries the origin if the request's own application lists it, errors too", async () => {
  await postern.createApplication({ client_id: "elsewhere", client_type: "public", grant_types: ["password"], allowed_origins: ["https://elsewhere.example"] });
  const originFor = async (params, origin) => {
    const response = await postern.post("/o/token/", { ...logIn, ...params }, { Origin: origin });
    assert.match(response.headers.get("Vary"), /\bOrigin\b/i);
    return [response.status, response.headers.get("Access-Control-Allow-Origin")];
  };
  assert.deepEqual(await originFor({}, "https://app.example"), [200, "https://app.example"]);
  assert.deepEqual(await originFor({ password: "wrong" }, "https://app.example"), [400, "https://app.example"]);
  assert.deepEqual(await originFor({}, "https://elsewhere.example"), [200, null]);
  assert.deepEqual(await originFor({ client_id: "elsewhere" }, "https://app.example"), [200, null]);
  assert.deepEqual(await originFor({ client_id: "unknown" }, "https://app.example"), [401, "https://app.example"]);
});

test("without ISSUER, any other host than loopback gets a 503 page that names the setting", async () => {
  for (const [path, init] of [
    ["/", {}],
    ["/o/token/", { method: "POST", body: new URLSearchParams(logIn) }],
    ["/.well-known/oauth-authorization-server", {}],
    ["/admin/api/users", { headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}` } }],
  ]) {
    const response = await postern.fetch(`https://auth.example.com${path}`, init);
    assert.equal(response.status, 503, path);
    assert.equal(response.headers.get("Content-Type"), "text/html; charset=utf-8");
    assert.match(await response.text(), /\bISSUER\b/);
  }
  assert.ok(postern.logs().some(({ message }) => /"bad_setting".*ISSUER/.test(message)));
});

test("without ISSUER, validation works for any host", async () => {
  const { access_token } = await (await postern.post("/o/token/", logIn)).json();
  const headers = { Authorization: `Bearer ${access_token}` };
  assert.equal((await postern.fetch("https://auth.example.com/validate/", { headers })).status, 200);
  assert.equal((await postern.fetch("https://auth.example.com/validate/")).status, 401);
  assert.equal((await postern.rpc("validate", headers.Authorization)).resolved.status, 200);
});

/** What the server says to these bytes, after which we fall silent. */
function overSocket(text) {
  return new Promise((resolve) => {
    const socket = connect({ host: postern.url.hostname, port: Number(postern.url.port) });
    let answer = "";
    socket.on("data", (data) => (answer += data));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
    socket.end(text);
  });
}
