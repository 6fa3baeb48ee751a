// `npm start` and the operator's commands beside it, in a fresh checkout that is built: what README.md says of them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { checkout } from "./support.mjs";

const limit = { timeout: 60_000 };
const notCopied = [".git", ".wrangler", "node_modules", "target"];
const folder = realpathSync(mkdtempSync(join(tmpdir(), "postern-start-")));
const devVars = join(folder, ".dev.vars");
const groups = new Set(); // the process groups that were started
let port, server;

before(async () => {
  for (const name of readdirSync(checkout)) {
    if (!notCopied.includes(name) && !name.startsWith(".dev.vars")) cpSync(join(checkout, name), join(folder, name), { recursive: true });
  }
  for (const name of ["node_modules", "target"]) symlinkSync(join(checkout, name), join(folder, name));
  port = await freePort();
});
after(() => {
  for (const pid of [...groups, ...processesHere()]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it has ended
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program in the folder, as a shell would: in a process group of its own. `said` is all that it prints. */
function start(program, args, more = {}) {
  const ours = /^(npm_|NODE_|INIT_CWD$|ADMIN_TOKEN$|MASTER_KEY$)/; // of the tests, if npm runs them
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
  const registry = { WRANGLER_REGISTRY_PATH: join(folder, ".wrangler/registry") }; // else other tests' Workers are seen
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...env, ...registry, PORT: String(port), NO_UPDATE_NOTIFIER: "1", WRANGLER_SEND_METRICS: "false", ...more },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  groups.add(-child.pid);
  const started = { child, said: "", stdout: "", ended: once(child, "close").then(([code]) => (groups.delete(-child.pid), code)) };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      started.said += text;
      if (name === "stdout") started.stdout += text;
      child.emit("said");
    });
  }
  return started;
}

/** Runs a program to its end: its exit code, and what it prints. */
async function run(program, ...args) {
  const started = start(program, args);
  const code = await started.ended;
  return { code, said: started.said, stdout: started.stdout };
}

const manage = (...args) => run("npm", "run", "--silent", "manage", "--", ...args, "--json");

async function startServer() {
  server = start("npm", ["start"]);
  let hasEnded = false;
  server.ended.then(() => (hasEnded = true));
  while (!server.said.includes("Ctrl-C ends it.")) {
    assert.ok(!hasEnded, server.said);
    await Promise.race([once(server.child, "said"), server.ended]);
  }
}

/** As the terminal does it: the signal goes to the whole process group in the foreground. */
async function endServer(signal) {
  process.kill(-server.child.pid, signal);
  await server.ended;
  await assertNothingIsLeft();
  assert.equal(await isFree(port), true);
}

async function assertNothingIsLeft() {
  const deadline = Date.now() + 30_000; // what was killed may be about to end
  while (processesHere().length > 0 && Date.now() < deadline) await nextTurn();
  assert.deepEqual(namesHere(), []);
}

/** What runs in the folder, if the system says so (Linux does). */
function processesHere() {
  let pids = [];
  try {
    pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    // another system
  }
  return pids.map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false; // it has ended
    }
  });
}

const namesHere = () => processesHere().map((pid) => basename(readlinkSync(`/proc/${pid}/exe`)));

async function isFree(number) {
  const probe = createServer().listen(number, "127.0.0.1");
  try {
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return free;
}

const secretsIn = (text) => Object.fromEntries(text.split("\n").filter((line) => /^\w+=/.test(line)).map((line) => line.split(/=(.*)/s)));
const lengthOf = (base64url) => Buffer.from(base64url, "base64url").length;

let firstVars, token, opened;

test("npm start needs nothing to be typed before, and makes the secrets", limit, async () => {
  await startServer();
  assert.match(server.said, /build\/ is up to date/);
  assert.ok(server.said.includes(`Postern is ready on http://localhost:${port}.`));
  assert.equal((await fetch(`http://localhost:${port}/healthz`)).status, 200);
  if (process.platform === "linux") assert.ok(namesHere().includes("workerd"));

  firstVars = readFileSync(devVars, "utf8");
  assert.equal(statSync(devVars).mode & 0o777, 0o600);
  const { ADMIN_TOKEN, MASTER_KEY } = secretsIn(firstVars);
  assert.equal(lengthOf(ADMIN_TOKEN), 32);
  assert.match(MASTER_KEY, /^1:[\w-]{43}$/);
  assert.equal(lengthOf(MASTER_KEY.slice(2)), 32);
  for (const secret of [ADMIN_TOKEN, MASTER_KEY.slice(2)]) assert.ok(!server.said.includes(secret));
});

test("the lines that it prints do the main job when they are pasted", limit, async () => {
  const lines = server.said.slice(server.said.indexOf("The main job")).split("\n").filter((line) => line.startsWith("  "));
  const { code, stdout, said } = await run("bash", "-c", lines.join("\n"));
  assert.equal(code, 0, said);
  const [app, user, tokens, ...validation] = stdout.trim().split("\n");
  assert.deepEqual([JSON.parse(app).client_id, JSON.parse(app).grant_types], ["my-app", ["password", "refresh_token"]]);
  assert.deepEqual(JSON.parse(user), { username: "alice" });
  token = JSON.parse(tokens).access_token;
  assert.match(token, /^pst_at_/);
  assert.match(validation[0], /^HTTP\/1\.1 200\b/);
  assert.deepEqual([JSON.parse(validation.at(-1)).active, JSON.parse(validation.at(-1)).username], [true, "alice"]);
});

test("a command acts on the server that runs", limit, async () => {
  const { code, stdout, said } = await manage("showuser", "alice");
  assert.equal(code, 0, said);
  assert.equal(JSON.parse(stdout).username, "alice");

  // Without Rust it could not start one for itself.
  const alone = start(process.execPath, ["scripts/manage.mjs", "showuser", "alice"], { PATH: "" });
  assert.equal(await alone.ended, 0, alone.said);
});

test("e-mail is shown in the terminal: a link to be opened", limit, async () => {
  const form = { username: "bob", password: "open-sesame-1001", email: "bob@mail.example" };
  const signedUp = await fetch(`http://localhost:${port}/sign_up/`, { method: "POST", body: new URLSearchParams(form) });
  assert.equal(signedUp.status, 201);
  const link = () => server.said.match(new RegExp(`http://localhost:${port}/accounts/email/verify/[\\w-]{43}/`))?.[0];
  while (!link()) await once(server.child, "said");
  opened = link();
  const page = await fetch(opened);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /bob@mail\.example/);
});

test("a port that is in use is told, with the way out", limit, async () => {
  const { code, said } = await run("npm", "start");
  assert.equal(code, 1);
  assert.ok(said.includes(`Port ${port} is in use.`) && said.includes(`PORT=${port + 1} npm start`), said);
});

test("Ctrl-C ends all of it", limit, () => endServer("SIGINT"));

test("the next start has the same secrets and the same users", limit, async () => {
  await startServer();
  assert.equal(readFileSync(devVars, "utf8"), firstVars);
  const verdict = await fetch(`http://localhost:${port}/validate/`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await verdict.json()).username, "alice");
  assert.ok(readdirSync(join(folder, ".wrangler/state/v3")).includes("d1"));
});

test("SIGTERM ends all of it, too", limit, () => endServer("SIGTERM"));

test("what the server keeps in files does not hold the URLs that it was asked for", () => {
  const state = join(folder, ".wrangler");
  const files = readdirSync(state, { recursive: true }).map((name) => join(state, name)).filter((path) => statSync(path).isFile());
  const holding = (text) => files.filter((path) => readFileSync(path).includes(text));
  assert.notDeepEqual(holding("bob@mail.example"), []);
  assert.deepEqual(holding(new URL(opened).pathname), []);
});

test("rotatekeys puts a new key in front: what the old one made stays good", limit, async () => {
  const before = secretsIn(readFileSync(devVars, "utf8"));
  const { code, stdout, said } = await manage("rotatekeys");
  assert.equal(code, 0, said);
  assert.deepEqual(JSON.parse(stdout), { makes_tokens: 2, accepted: [2, 1] });
  const { MASTER_KEY, ...others } = secretsIn(readFileSync(devVars, "utf8"));
  assert.match(MASTER_KEY, /^2:[\w-]{43},/);
  assert.deepEqual({ MASTER_KEY: MASTER_KEY.split(",")[1], ...others }, before);
  assert.equal(statSync(devVars).mode & 0o777, 0o600);

  await startServer();
  const logIn = () =>
    fetch(`http://localhost:${port}/o/token/`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "password", client_id: "my-app", username: "alice", password: "open-sesame-1001" }),
    }).then((response) => response.json());
  const { access_token: fresh } = await logIn();
  const keyOf = (token) => Buffer.from(token.slice("pst_at_".length), "base64url")[0];
  assert.deepEqual([keyOf(token), keyOf(fresh)], [1, 2]);
  for (const good of [token, fresh]) {
    const verdict = await fetch(`http://localhost:${port}/validate/?fresh=1`, { headers: { Authorization: `Bearer ${good}` } });
    assert.equal(verdict.status, 200);
  }
  // While the server runs, it would go on with the keys that it knows.
  const refused = await manage("rotatekeys", "--reencrypt");
  assert.equal(refused.code, 2);
  assert.match(refused.said, /stop it first/);
  await endServer("SIGINT");
});

test("rotatekeys --reencrypt rotates, and starts a server with the new key for the rest", limit, async () => {
  const { code, stdout, said } = await manage("rotatekeys", "--reencrypt");
  assert.equal(code, 0, said);
  assert.deepEqual(JSON.parse(stdout), { makes_tokens: 3, accepted: [3, 2, 1], reencrypted: 0, unreadable: 0 });
  firstVars = readFileSync(devVars, "utf8");
  assert.match(secretsIn(firstVars).MASTER_KEY, /^3:/);
});

test("for a server elsewhere rotatekeys shows what to put, and changes nothing", limit, async () => {
  const key = (id) => `${id}:${"A".repeat(43)}`;
  const rotate = async (MASTER_KEY) => {
    const rotating = start(process.execPath, ["scripts/manage.mjs", "rotatekeys", "--json"], { MASTER_KEY });
    return [await rotating.ended, rotating];
  };
  const [code, { stdout }] = await rotate(`${key(255)},${key(7)},${"B".repeat(43)}`);
  assert.equal(code, 0);
  const { accept, use } = JSON.parse(stdout);
  const fresh = use.split(",")[0];
  assert.match(fresh, /^1:[\w-]{43}$/);
  assert.equal(use, `${fresh},${key(255)},${key(7)},${"B".repeat(43)}`);
  assert.equal(accept, `${key(255)},${key(7)},${"B".repeat(43)},${fresh}`);
  const twice = [`${key(1)},${key(1)}`, `${key(3)},${key(1)},1:${"B".repeat(43)}`, `${key(1)},0${key(1)}`, `${"B".repeat(43)},${key(0)}`];
  for (const wrong of ["", "1:short", ...twice, `256:${"A".repeat(43)}`, Array.from({ length: 256 }, (_, id) => key(id)).join(",")]) {
    const [code, { said }] = await rotate(wrong);
    assert.equal(code, 2);
    assert.ok(said.includes("MASTER_KEY is not a list of keys"), said);
    if (wrong) assert.ok(!said.includes(wrong));
  }
  assert.equal(readFileSync(devVars, "utf8"), firstVars);
});

test("a command starts a server for itself if none runs, and adds to .dev.vars what is missing there alone", limit, async () => {
  const { MASTER_KEY } = secretsIn(firstVars);
  const kept = `# mine\nMASTER_KEY=${MASTER_KEY}\nSCOPES={"read": "Read"}`; // without a line end
  writeFileSync(devVars, kept);
  chmodSync(devVars, 0o644);
  const { code, stdout, said } = await manage("showuser", "alice");
  assert.equal(code, 0, said);
  assert.equal(JSON.parse(stdout).username, "alice");
  await assertNothingIsLeft();

  const text = readFileSync(devVars, "utf8");
  assert.ok(text.startsWith(`${kept}\nADMIN_TOKEN=`), text);
  assert.equal(text.split("\n").length, 5);
  assert.equal(lengthOf(secretsIn(text).ADMIN_TOKEN), 32);
  assert.notEqual(secretsIn(text).ADMIN_TOKEN, secretsIn(firstVars).ADMIN_TOKEN);
  assert.equal(statSync(devVars).mode & 0o777, 0o600);
});

test("a server that was started for a command ends if the command cannot be carried out", limit, async () => {
  const { code, said } = await manage("showuser", "");
  assert.equal(code, 2, said);
  await assertNothingIsLeft();
});

test("a token that no header can hold is told before anything is done, and not quoted", limit, async () => {
  const before = readFileSync(devVars, "utf8");
  const unsendable = `${before.replace(/^ADMIN_TOKEN=.*/m, "ADMIN_TOKEN=an-operator's-sécret")}`;
  writeFileSync(devVars, unsendable);
  for (const args of [["listusers"], ["rotatekeys", "--reencrypt"]]) {
    const { code, said } = await manage(...args);
    assert.equal(code, 2, said);
    assert.match(said, /ADMIN_TOKEN/);
    assert.doesNotMatch(said, /sécret/);
    assert.equal(readFileSync(devVars, "utf8"), unsendable);
  }
  writeFileSync(devVars, before);
});

test("a port that is none is told", limit, async () => {
  const before = port;
  for (const wrong of ["0", "65536", "http", "1e3", "0x1f90", " 80", "80 ", "+80", "8787.0", "１２３４"]) {
    port = wrong;
    for (const script of [["scripts/start.mjs"], ["scripts/manage.mjs", "listusers"]]) {
      const { code, said } = await run(process.execPath, ...script);
      assert.equal(code, 1);
      assert.ok(said.includes(`PORT is no port number: ${wrong}\n`), said);
    }
  }
  port = before;
});
