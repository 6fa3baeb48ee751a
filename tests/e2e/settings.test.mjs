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
    ["/validate/", {}],
    ["/o/token/", { method: "POST", body: new URLSearchParams({ grant_type: "password" }) }],
    ["/admin/api/users", { headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}` } }],
  ]) {
    const response = await postern.fetch(path, init);
    assert.deepEqual([response.status, response.headers.get("Content-Type")], [503, "text/html; charset=utf-8"], path);
    const page = await response.text();
    assert.match(page, /\bACCESS_TOKEN_EXPIRE_SECONDS\b/);
    assert.doesNotMatch(page, /10 hours/);
  }
});

test("the log names the setting", async () => {
  await postern.fetch("/");
  assert.ok(postern.logs().some(({ message }) => /"bad_setting".*ACCESS_TOKEN_EXPIRE_SECONDS/.test(message)));
});

test("RPC resolves to status 503", async () => {
  const { resolved } = await postern.rpc("validate", "Bearer x");
  assert.equal(resolved.status, 503);
  assert.equal(resolved.body.error, "temporarily_unavailable");
  assert.ok(!resolved.body.active);
});

test("an origin API answers 503 and lets nobody through", async () => {
  for (const path of ["/by-http", "/by-rpc"]) {
    const response = await postern.worker("origin-api").fetch(path, { headers: { Authorization: "Bearer x" } });
    assert.equal(response.status, 503);
  }
});

test("the cron event ends well", async () => {
  assert.equal((await postern.scheduled()).outcome, "ok");
});
