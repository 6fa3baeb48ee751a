// The built Worker in workerd, with a fresh D1 and KV of its own, and the Workers that call it over a service binding.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTestHarness, unstable_splitSqlQuery as splitSql } from "wrangler";

process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false"; // workerd's simulation of `request.cf` would look it up on the network

export const checkout = fileURLToPath(new URL("../..", import.meta.url));

/** The statements of schema.sql. */
export const schema = splitSql(readFileSync(`${checkout}/schema.sql`, "utf8"));
const compatibility_date = "2026-10-01";

/** Secrets that are for tests only. */
export const secrets = {
  ADMIN_TOKEN: "the-operator-token-of-the-tests-only",
  MASTER_KEY: "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
};

/** The form that signs `alice` up, and logs her in. */
export const alice = { username: "alice", password: "open-sesame-1001" };

const released = ({ MASTER_KEY = secrets.MASTER_KEY, ...vars }) => ({ configPath: "wrangler.toml", secrets: { ...secrets, MASTER_KEY }, vars });

const hooked = "build/test_hooks/index.js";

/** The build with the RPC methods of src/cloudflare/test_hooks.rs. */
const withTestHooks = (vars, main, bindings) => ({
  config: {
    name: "postern",
    main: `${checkout}/${main}`,
    compatibility_date,
    vars: { ...secrets, ...vars },
    d1_databases: [{ binding: "DB", database_name: "postern", database_id: "DB" }],
    kv_namespaces: [{ binding: "TOKENS", id: "TOKENS" }],
    ...bindings,
  },
});

const callers = [
  {
    config: {
      name: "rpc-caller",
      main: `${checkout}/tests/e2e/rpc-caller.mjs`,
      compatibility_date,
      services: [{ binding: "AUTH", service: "postern" }],
    },
  },
  { configPath: "examples/origin-api/wrangler.toml" },
];

/**
 * Starts Postern. `vars` are settings, `testHooks` takes the other build and with it `bindings` beyond the usual, or a module
 * around it as `main`; `more` are further Workers beside it. Its database has no tables if `hasTables` is false.
 *
 * - `url`: where it listens, for clients that make their own requests.
 * - `fetch(path, init)`: a request, redirects not followed. A whole URL in place of the path has another host.
 * - `post(path, params, headers)`: one with a form.
 * - `admin(method, path, json)`: one to the operator's API, with the token.
 * - `createApplication(json)`: registers an application and returns it.
 * - `signUp(params)`: signs a user up; `alice` if none are given.
 * - `validate(token, query)`: what `/validate/` says of an access token.
 * - `rpc(method, ...args)`: an RPC method, called by another Worker with arguments that JSON can hold; `{ resolved }` or
 *   `{ rejected }`. `caller(path)`: what else rpc-caller.mjs does.
 * - `worker(name)`: another Worker, by name.
 * - `scheduled()`: the cron event.
 * - `env`: the bindings, to look at `DB` and `TOKENS` from outside.
 * - `logs()`: what the Workers logged so far.
 * - `stop()`: to be called at the end, else the test file never ends.
 */
export async function startPostern({ vars = {}, testHooks = false, main = hooked, bindings = {}, more = [], hasTables = true } = {}) {
  const harness = createTestHarness({
    root: checkout,
    workers: [testHooks ? withTestHooks(vars, main, bindings) : released(vars), ...callers, ...more.map((config) => ({ config: { compatibility_date, ...config } }))],
  });
  const { url } = await harness.listen();
  const worker = (name) => harness.getWorker(name);
  const postern = worker("postern");
  const env = await postern.getEnv();
  if (hasTables) await env.DB.batch(schema.map((statement) => env.DB.prepare(statement)));

  const fetch = (path, init) => postern.fetch(path, { redirect: "manual", ...init });
  const post = (path, params, headers = {}) => fetch(path, { method: "POST", headers, body: new URLSearchParams(params) });
  const admin = (method, path, json) =>
    fetch(`/admin/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, ...(json && { "Content-Type": "application/json" }) },
      body: json && JSON.stringify(json),
    });
  const caller = async (path, json) => {
    const response = await worker("rpc-caller").fetch(path, { method: "POST", body: JSON.stringify(json ?? null) });
    return response.json();
  };
  return {
    url,
    fetch,
    post,
    admin,
    createApplication: async (json) => expectStatus(201, await admin("POST", "applications", json)),
    signUp: async (params = alice) => expectStatus(201, await post("/sign_up/", params)),
    validate: (token, query = "") => fetch(`/validate/${query}`, { headers: { Authorization: `Bearer ${token}` } }),
    caller,
    rpc: (method, ...args) => caller(`/call?method=${method}`, args),
    worker,
    scheduled: () => postern.scheduled({ cron: "17 * * * *" }),
    env,
    logs: () => harness.getLogs(),
    stop: () => harness.close(),
  };
}

/** The JSON of an answer that is as it must be for the test to begin. */
async function expectStatus(status, response) {
  const text = await response.text();
  if (response.status !== status) throw new Error(`${response.status} instead of ${status}: ${text}`);
  return JSON.parse(text);
}

/** The header that authenticates an application (RFC 6749 §2.3.1). */
export function basic({ client_id, client_secret }) {
  return { Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` };
}

/** Starts Postern as the main job wants it: alice is signed up, a public `app` takes passwords, a `service` its own credentials. */
export async function startMainJob(options) {
  const postern = await startPostern(options);
  const app = await postern.createApplication({ client_id: "my-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  const service = await postern.createApplication({ client_id: "a-service", client_type: "confidential", grant_types: ["client_credentials"] });
  await postern.signUp();
  const logIn = async (params) => {
    const response = await postern.post("/o/token/", { grant_type: "password", client_id: app.client_id, ...alice, ...params });
    if (response.status !== 200) throw new Error(`no login: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return { postern, app, service, logIn };
}
