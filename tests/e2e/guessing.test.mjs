// Guessing is slowed where the real D1 counts, and bursts are stopped by a real rate limiting binding.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { alice, startMainJob, startPostern } from "./support.mjs";

const from = (address) => ({ "CF-Connecting-IP": address });

describe("failures", () => {
  let postern, app;

  before(async () => {
    ({ postern, app } = await startMainJob());
  });
  after(() => postern.stop());

  const logIn = (password, headers, username = alice.username) =>
    postern.post("/o/token/", { grant_type: "password", client_id: app.client_id, username, password }, headers);
  const statusOf = async (response) => (await response).status;

  test("lock an account, but not its owner at an address without any", async () => {
    const attack = Array.from({ length: 30 }, (_, n) => logIn(n === 20 ? alice.password : `guess ${n}`, from("198.51.100.7")));
    const statuses = await Promise.all(attack.map(statusOf));
    assert.deepEqual(new Set(statuses), new Set([400]));
    assert.equal(await statusOf(logIn(alice.password, from("198.51.100.7"))), 400);
    assert.equal(await statusOf(logIn(alice.password, from("192.0.2.1"))), 200);
  });

  test("close an IPv6 network: 100 of 130 tries at once are looked at", async () => {
    const attack = Array.from({ length: 130 }, (_, n) => logIn("a guess", from(`2001:db8::${n}`), `user-${n}`));
    const statuses = await Promise.all(attack.map(statusOf));
    assert.equal(statuses.filter((status) => status === 400).length, 100);
    assert.equal(statuses.filter((status) => status === 429).length, 30);
    const refused = await logIn(alice.password, from("2001:db8::ffff"));
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("Retry-After")) > 0);
  });

  test("are events that the operator can look up", async () => {
    const { audit_events } = await (await postern.admin("GET", "audit-events")).json();
    const actions = audit_events.map(({ action, address }) => `${action} ${address}`);
    assert.ok(actions.includes("account_locked 198.51.100.7"), actions);
    assert.ok(actions.some((action) => action.startsWith("address_blocked 2001:db8::")), actions);
    assert.ok(actions.includes("logged_in 192.0.2.1"), actions);
  });
});

describe("the binding LIMITER", () => {
  const limiter = (simple) => ({ ratelimits: [{ name: "LIMITER", namespace_id: "1001", simple }] });

  test("stops bursts of one address, and of no other", async () => {
    const postern = await startPostern({ testHooks: true, bindings: limiter({ limit: 3, period: 60 }) });
    try {
      const ask = async (address) => postern.post("/o/introspect/", { token: "x" }, from(address));
      const answers = [];
      // The binding's minutes are those of the clock: another may begin in between, so seven are too many for sure.
      while (answers.length < 7 && answers.at(-1)?.status !== 429) answers.push(await ask(`2001:db8::${answers.length}`));
      const refused = answers.pop();
      assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [429, "60"]);
      assert.ok(answers.length >= 3 && answers.every(({ status }) => status === 401), answers.map(({ status }) => status));
      assert.equal((await ask("192.0.2.1")).status, 401);
      assert.equal((await postern.fetch("/validate/", { headers: from("2001:db8::1") })).status, 401);
    } finally {
      await postern.stop();
    }
  });

  test("is named by a 503 page if it is something else", async () => {
    const postern = await startPostern({ testHooks: true, vars: { LIMITER: "100/60" } });
    try {
      const response = await postern.fetch("/");
      assert.equal(response.status, 503);
      assert.match(await response.text(), /\bLIMITER\b/);
    } finally {
      await postern.stop();
    }
  });
});
