// The server on this machine: its secrets, its database, and `wrangler dev` as a child that ends with us.
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkout, fail } from "./run.mjs";

const secretsFile = join(checkout, ".dev.vars");
const schemaFile = join(checkout, "schema.sql");
const databaseFolder = join(checkout, ".wrangler/state/v3/d1");
const schemaRecord = join(checkout, ".wrangler/schema.sha256"); // the schema.sql that was applied last

const wranglerScript = join(checkout, "node_modules/wrangler/bin/wrangler.js");
const wranglerEnv = {
  ...process.env,
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false", // no look-ups on the network
  X_LOCAL_OBSERVABILITY: "false", // keeps no traces: they hold URLs, and with them codes and links
};

/** The port that the local server has. */
export function localPort() {
  const text = process.env.PORT || "8787";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : fail(`PORT is no port number: ${text}`);
}

/** Adds to .dev.vars the secrets that it lacks, fresh and random; what is there stays. */
export function ensureSecrets() {
  const missing = {
    ADMIN_TOKEN: () => randomBytes(32).toString("base64url"),
    MASTER_KEY: () => `1:${randomBytes(32).toString("base64url")}`,
  };
  const text = existsSync(secretsFile) ? readFileSync(secretsFile, "utf8") : "# The local server's secrets. Not for git.\n";
  const lines = Object.entries(missing).filter(([name]) => !secretIn(text, name)).map(([name, make]) => `${name}=${make()}\n`);
  if (lines.length > 0) writeFileSync(secretsFile, text.replace(/(?<!\n)$/, "\n") + lines.join(""), { mode: 0o600 });
  chmodSync(secretsFile, 0o600);
}

/** A secret of the local server, or undefined. */
export function localSecret(name) {
  return existsSync(secretsFile) ? secretIn(readFileSync(secretsFile, "utf8"), name) : undefined;
}

/**
 * How the local server sends e-mail unless that is set: to the terminal. Not if ISSUER is set, as for the world: then links would
 * lead there, and nothing is sent.
 */
function mailCarrier() {
  const text = [secretsFile, join(checkout, "wrangler.toml")].map((file) => (existsSync(file) ? readFileSync(file, "utf8") : "")).join("\n");
  if (lineOf("MAIL_CARRIER").test(text)) return [];
  return ["--var", `MAIL_CARRIER:${lineOf("ISSUER").test(text) ? "none" : "log"}`];
}

/** Puts another value in the place of a secret of the local server; the rest of the file stays. */
export function changeLocalSecret(name, value) {
  const text = readFileSync(secretsFile, "utf8");
  const fresh = `${secretsFile}.new`; // written whole, then put in the place of the old one
  writeFileSync(fresh, text.replace(lineOf(name), () => `${name}=${value}`), { mode: 0o600 });
  renameSync(fresh, secretsFile);
}

function secretIn(text, name) {
  return text.match(lineOf(name))?.[2];
}

function lineOf(name) {
  return new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=[ \\t]*(["']?)(.+?)\\1[ \\t]*$`, "m");
}

/** Applies schema.sql to the local database, unless that has been done. */
export function applySchema() {
  const schema = createHash("sha256").update(readFileSync(schemaFile)).digest("hex");
  const applied = existsSync(schemaRecord) && existsSync(databaseFolder) && readFileSync(schemaRecord, "utf8");
  if (applied === schema) return;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [wranglerScript, "d1", "execute", "DB", "--local", "--yes", "--file", schemaFile],
    { cwd: checkout, env: wranglerEnv, encoding: "utf8" },
  );
  if (status !== 0) fail(`schema.sql cannot be applied to the local database.\n${stdout}${stderr}`);
  mkdirSync(join(checkout, ".wrangler"), { recursive: true });
  writeFileSync(schemaRecord, schema);
}

/**
 * Starts the built Worker and waits until it answers. `stop` ends it whole; `died` resolves if it ends by itself.
 * A quiet one is for us alone: it does not show its output, nor offers itself to other Workers' service bindings.
 */
export async function serve(port, { quiet = false } = {}) {
  const child = spawn(process.execPath, [wranglerScript, "dev", "--port", String(port), "--inspector-port", "0", ...mailCarrier()], {
    cwd: checkout,
    env: quiet ? { ...wranglerEnv, WRANGLER_REGISTRY_PATH: join(checkout, ".wrangler/registry") } : wranglerEnv,
    stdio: ["ignore", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"],
    detached: true, // a process group of its own: Ctrl-C comes to us alone, and we end the group in order
  });
  let said = "";
  child.stdout?.on("data", (data) => (said += data));
  child.stderr?.on("data", (data) => (said += data));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  let stopping = false;
  const died = new Promise((resolve) => ended.then(() => stopping || resolve(true)));

  const stop = async () => {
    stopping = true;
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(5000, null, { ref: false })]);
    try {
      process.kill(-child.pid, "SIGKILL"); // whatever of the group is still there
    } catch {
      // nothing is
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => stop().then(() => process.exit(130)));
  }

  const url = `http://localhost:${port}`;
  const ready = async () => {
    while (!(await answers(url))) await sleep(50);
  };
  if (await Promise.race([ready(), died])) fail(`The local server did not start.\n${said}`);
  return { url, stop, died };
}

/** Whether a server answers there at all; a failing one does too, and says itself what is wrong. */
async function answers(url) {
  return fetch(url, { signal: AbortSignal.timeout(10_000) }).then(() => true, () => false);
}

/** Whether something listens on a port of this machine. */
export async function isTaken(port) {
  return (await Promise.all([listens("127.0.0.1", port), listens("::1", port)])).includes(true);
}

async function listens(host, port) {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
