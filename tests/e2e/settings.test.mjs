// A setting that cannot be used: a page and a log line name it, and nothing is silently defaulted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { secrets, startPostern } from "./support.mjs";

let postern;

before(async () => {
  postern = await startPostern({ vars: { ACCESS_TOKEN_EXPIRE_SECONDS: "10 hours" } });
});
after(() => postern.stop());

test("every route answers 503 with a page that names the setting, and not its value", async () => {
  for (const [path, init] of [
    ["/", {}],
    ["/nothing", {}],
    ["/o/token/", { method: "POST", body: new URLSearchParams({ grant_type: "password" }) }],
    ["/admin/api/users", { headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}` } }],
  ]) {
    const response = await postern.fetch(path, init);
    assert.deepEqual([response.status, response.headers.get("Content-Type")], [503, "text/html; charset=utf-8"], path);
    const page = await response.text();
    assert.match(page, /\bACCESS_TOKEN_EXPIRE_SECONDS\b/);
    assert.doesNotMatch(page, /10 hours/);
    assertLogged(response.headers.get("X-Request-Id"));
  }
});

/** The operator's log tells under the id of a refusal which setting it is. */
function assertLogged(id) {
  assert.match(id, /^[\w-]{16}$/);
  const lines = postern.logs().flatMap(({ message }) => message.match(/\{.*\}/) ?? []).map((line) => JSON.parse(line));
  const { level, error, detail } = lines.find((line) => line.request_id === id);
  assert.deepEqual([level, error], ["error", "bad_setting"]);
  assert.match(detail, /\bACCESS_TOKEN_EXPIRE_SECONDS\b/);
}

test("validation answers 503 in its own shape, the same by HTTP and RPC", async () => {
  const response = await postern.fetch("/validate/", { headers: { Authorization: "Bearer x" } });
  assert.equal(response.status, 503);
  assert.ok(response.headers.get("Retry-After"));
  const body = await response.json();
  assert.deepEqual([body.error, body.active], ["temporarily_unavailable", false]);
  const { resolved } = await postern.rpc("validate", "Bearer x");
  assert.deepEqual([resolved.status, resolved.body], [503, body]);
  assert.equal(resolved.headers["retry-after"], response.headers.get("Retry-After"));
  for (const id of [response.headers.get("X-Request-Id"), resolved.headers["x-request-id"]]) assertLogged(id);
});

test("an origin API answers 503 and lets nobody through", async () => {
  for (const path of ["/by-http", "/by-rpc"]) {
    const response = await postern.worker("origin-api").fetch(path, { headers: { Authorization: "Bearer x" } });
    assert.equal(response.status, 503);
  }
});

test("the cron event ends well, and the log tells why nothing was cleared", async () => {
  assert.equal((await postern.scheduled()).outcome, "ok");
  assert.ok(postern.logs().some(({ message }) => /"clearing_failed".*ACCESS_TOKEN_EXPIRE_SECONDS/.test(message)));
});

const database = { binding: "DB", database_name: "postern", database_id: "DB" };
const namespace = { binding: "TOKENS", id: "TOKENS" };
for (const [what, name, bindings] of [
  ["a missing database", "DB", { d1_databases: [] }],
  ["another Worker, which has every method, in place of the database", "DB", { d1_databases: [], services: [{ binding: "DB", service: "rpc-caller" }] }],
  ["a namespace in place of the database", "DB", { d1_databases: [], kv_namespaces: [namespace, { ...namespace, binding: "DB" }] }],
  ["a missing namespace", "TOKENS", { kv_namespaces: [] }],
  ["a database in place of the namespace", "TOKENS", { kv_namespaces: [], d1_databases: [database, { ...database, binding: "TOKENS" }] }],
]) {
  test(`${what} is named, too`, { timeout: 60_000 }, async () => {
    const other = await startPostern({ testHooks: true, hasTables: false, bindings });
    try {
      const response = await other.fetch("/accounts/login/");
      assert.equal(response.status, 503);
      assert.match(await response.text(), new RegExp(`\\b${name}\\b`));
    } finally {
      await other.stop();
    }
  });
}
