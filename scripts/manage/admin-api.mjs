// Reaching the operator's API: of a server elsewhere, of the one that runs here, or of one started for the call.
import { createServer } from "node:net";
import { applySchema, ensureSecrets, localPort, localSecret, serve } from "../local.mjs";
import { runScript } from "../run.mjs";

/** The API refused, or did not answer. `answer` is its JSON: `error`, `error_description`, `fields`. */
export class ApiError extends Error {
  constructor(message, answer = { error_description: message }) {
    super(message);
    this.answer = answer;
  }
}

/** What was typed, or the environment, does not do. */
export class UsageError extends Error {}

/** `{ call, close }`: `call(method, path, body)` resolves to the API's JSON, null if there is none. */
export async function remoteApi(url) {
  if (!URL.canParse(url)) usage("What --remote names is not a URL.");
  const base = new URL(url);
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(base.hostname);
  if (base.protocol !== "https:" && !(base.protocol === "http:" && isLoopback)) usage("--remote takes an https URL.");
  if (base.username || base.password || /[?#]/.test(base.href)) usage("--remote takes a URL without user, password, query and fragment.");
  const token = process.env.ADMIN_TOKEN ?? usage("--remote takes the operator's token from the environment: ADMIN_TOKEN is not set.");
  return { call: caller(base.href, sendable(token)), close: async () => {} };
}

/** The same for the server of this checkout, which is started on a free port if it is not running. */
export async function localApi() {
  const token = localToken();
  const running = localUrl();
  if (await isOurs(running, token)) return { call: caller(running, token), close: async () => {} };

  const output = ["ignore", "ignore", "inherit"]; // stdout is for the answer alone
  runScript("setup.mjs", [], { stdio: output });
  runScript("build.mjs", [], { stdio: output });
  applySchema();
  const server = await serve(await freePort(), { quiet: true });
  return { call: caller(server.url, token), close: server.stop };
}

/** Whether the server of this checkout is running. */
export async function runsHere() {
  return isOurs(localUrl(), localToken());
}

function localToken() {
  ensureSecrets();
  return sendable(localSecret("ADMIN_TOKEN"));
}

/** The token, if a header can hold it: of any other, `fetch` would make an error that quotes it. */
function sendable(token) {
  if (!/^[!-~]+$/.test(token)) usage("ADMIN_TOKEN is to be of visible ASCII characters alone.");
  return token;
}

function localUrl() {
  return `http://localhost:${localPort()}`;
}

function caller(base, token) {
  return async (method, path, body) => {
    const response = await fetch(`${base.replace(/\/$/, "")}/admin/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      redirect: "error", // the token is for this server and no other
    }).catch((error) => {
      throw new ApiError(`The server cannot be reached: ${error.cause?.message ?? error.message}`);
    });
    const text = await response.text();
    const answer = text === "" ? null : parseJson(text);
    if (response.ok && answer !== undefined) return answer;
    throw new ApiError(answer?.error_description ?? answer?.error ?? `The server answered ${response.status}.`, answer ?? undefined);
  };
}

/** The JSON, or undefined if it is none: then a proxy has answered, or something that is not Postern. */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a Postern with our secrets answers there. What would not ask for a token is not shown ours. */
async function isOurs(url, token) {
  try {
    const stranger = await fetch(`${url}/admin/api/applications?limit=1`, { redirect: "error" });
    if (stranger.status !== 401) return false;
    await caller(url, token)("GET", "applications?limit=1");
    return true;
  } catch {
    return false; // nothing runs there, or a Postern of another checkout
  }
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function usage(message) {
  throw new UsageError(message);
}
