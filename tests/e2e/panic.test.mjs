// A panic ends the requests in flight in its isolate, and no later one. The build with test hooks panics on demand.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { checkout, startMainJob } from "./support.mjs";

const PANICS = 1000;

/**
 * What workerd may grow by in 900 panics, each with a request after it. Wrangler's workerd, with its inspector and its logs, grows by
 * some 60 kB with an ordinary request, too; an instance that stayed would be 1 MB, each time.
 */
const GROWTH = 256 * 1024 * 1024;

let postern, app, logIn, workerd;

before(async () => {
  process.env.MINIFLARE_WORKERD_V8_FLAGS = "--expose-gc";
  const watcher = { name: "watch-caller", main: `${checkout}/tests/e2e/watch-caller.mjs`, services: [{ binding: "WATCH", service: "postern", entrypoint: "Watch" }] };
  const others = workerds();
  ({ postern, app, logIn } = await startMainJob({ testHooks: true, main: "tests/e2e/watched.mjs", more: [watcher] }));
  workerd = workerds().filter((pid) => !others.includes(pid));
});
after(() => postern.stop());

/** Several RPC methods at once, in this order: what came of each. */
const calls = (...methods) => postern.caller("/calls", methods);
const instances = async () => (await postern.worker("watch-caller").fetch("/")).json();
/** The bytes of each instance that is not collected. */
const liveInstances = async () => (await instances()).map(({ bytes }) => bytes).filter((bytes) => bytes > 0);
const refresh = (refresh_token) => postern.post("/o/token/", { grant_type: "refresh_token", client_id: app.client_id, refresh_token });

const assertEnded = (outcomes) => {
  for (const outcome of outcomes) assert.match(outcome.rejected ?? "", /would never generate a response/, JSON.stringify(outcome));
};

/** The processes of workerd that are ours (Linux tells). */
function workerds() {
  if (process.platform !== "linux") return [];
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd"));
}

/** The memory of workerd in bytes. */
function residentBytes() {
  const kilobytes = workerd.map((pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]));
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}

const answered = {
  "a request": async (token) => (await postern.validate(token)).status,
  "a request that asks the database": async (token) => (await postern.validate(token, "?fresh=1")).status,
  "an RPC call": async (token) => (await postern.rpc("validate", `Bearer ${token}`)).resolved.status,
  "the cron event": async () => ((await postern.scheduled()).outcome === "ok" ? 200 : 500),
};

for (const [what, ask] of Object.entries(answered)) {
  for (const [when, afterStorage] of [["at once", false], ["after an answer of D1", true]]) {
    test(`after a panic ${when}, ${what} is answered`, async () => {
      const { access_token } = await logIn();
      assertEnded(await calls(["panicNow", afterStorage]));
      assert.equal(await ask(access_token), 200);
    });
  }
}

test("a panic within a request ends it, and those in flight; later ones are answered", async () => {
  const session = await logIn();
  for (const path of ["/panic-now", "/panic-after-storage", "/panic-now", "/panic-after-storage"]) {
    const [panicked, inFlight] = await Promise.all([
      postern.fetch(path).then(({ status }) => status, () => "ended"),
      calls(["askForever"], ["panicNow", true]),
    ]);
    assert.ok([500, "ended"].includes(panicked), `${path}: ${panicked}`);
    assertEnded(inFlight);
    for (const ask of Object.values(answered)) assert.equal(await ask(session.access_token), 200, path);
    assert.equal((await postern.fetch(path).then(({ status }) => status, () => 500)), 500);
    assert.equal((await postern.validate(session.access_token)).status, 200, path);
  }
  assert.equal((await refresh(session.refresh_token)).status, 200);
});

test("what was in flight at a panic ends with an error, and what comes after it is answered", async () => {
  const { access_token } = await logIn();
  assertEnded(await calls(["askForever"], ["askForever"], ["panicNow", false]));
  assertEnded(await calls(["askForever"], ["panicNow", true], ["askForever"]));
  assert.equal((await postern.validate(access_token)).status, 200);
});

test("what was in flight at a panic does not reach into the instance that comes after", async () => {
  await postern.fetch("/healthz");
  const before = (await instances()).length;
  assertEnded(await calls(["askForever"], ["askForever"], ["panicNow", false]));
  const made = (await instances()).slice(before);
  assert.equal(made.length, 1); // since the answers of D1 came
  assert.equal(made[0].calls, 0);
});

test("refreshes among panics are answered or end, and no session is lost", async () => {
  const sessions = [];
  while (sessions.length < 10) sessions.push(await logIn());
  const panics = Array.from({ length: 5 }, () => calls(["panicNow", true]));
  const answers = await Promise.all(sessions.map(({ refresh_token }) => refresh(refresh_token)));
  for (const outcomes of await Promise.all(panics)) assertEnded(outcomes);
  for (const [index, answer] of answers.entries()) {
    const text = await answer.text();
    assert.ok([200, 500].includes(answer.status), text);
    const again = await (await refresh(sessions[index].refresh_token)).json();
    if (answer.status === 200) assert.equal(again.refresh_token, JSON.parse(text).refresh_token);
    assert.equal((await postern.validate(again.access_token)).status, 200);
  }
});

test("after each of 1,000 panics the next request is answered; memory does not grow, and nothing is lost", async () => {
  const session = await logIn();
  let afterTheFirst;
  for (let count = 1; count <= PANICS; count += 1) {
    assertEnded(await calls(["panicNow", count % 2 === 0]));
    assert.equal((await postern.validate(session.access_token)).status, 200, `after panic ${count}`);
    if (count === PANICS / 10) afterTheFirst = { live: await liveInstances(), resident: residentBytes() };
  }
  const live = await liveInstances();
  for (const instances of [afterTheFirst.live, live]) assert.ok(instances.length <= 5, `${instances.length} instances are still there`);
  assert.equal(Math.max(...live), Math.max(...afterTheFirst.live));
  assert.ok((await instances()).length > PANICS); // there has been one for each
  const growth = residentBytes() - afterTheFirst.resident;
  assert.ok(growth < GROWTH, `${growth} bytes`);

  assert.equal((await postern.validate(session.access_token, "?fresh=1")).status, 200);
  assert.equal((await refresh(session.refresh_token)).status, 200);
});
