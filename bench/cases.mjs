// The cases of the bench: what is asked of Postern, what the floor does for it, and what the budget is.
import { createHash, randomBytes } from "node:crypto";
import { person } from "../tests/e2e/person.mjs";
import { setUpSigning, signedCases } from "./oauth1.mjs";
import { secrets, validationCacheSeconds } from "./workers.mjs";

export const connections = 8;

const user = { username: "alice", password: "open-sesame-1001" };
const form = "application/x-www-form-urlencoded";

/** Where the requests of the loader say that they go. */
const host = "127.0.0.1";

/** Where Cloudflare would say that they come from. */
const address = "192.0.2.1";

/** A request as it goes over the wire. `path` is what differs between Postern, the floor and the no-op. */
export function wire({ method = "GET", headers = {}, body = "" }, path) {
  const lines = Object.entries({ Host: host, Accept: "*/*", "CF-Connecting-IP": address, ...headers, ...(body && { "Content-Length": body.length }) });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}

const post = (params, headers = {}) => ({
  method: "POST",
  headers: { "Content-Type": form, ...headers },
  body: new URLSearchParams(params).toString(),
});
export const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const basic = ({ client_id, client_secret }) => ({ Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` });

/** As long as a token, and with the id of a key that there is: its MAC has to be computed to refuse it. */
const madeUp = () => {
  const [keyId] = secrets.MASTER_KEY.split(":");
  return bearer(`pst_at_${Buffer.concat([Buffer.from([Number(keyId)]), randomBytes(96)]).toString("base64url")}`);
};

/** Registers applications and a user and logs in, all by the API of the Postern on that port. */
export async function setUp(port) {
  const base = `http://127.0.0.1:${port}`;
  const call = async (path, init) => {
    const response = await fetch(base + path, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const register = (application) =>
    call("/admin/api/applications", {
      method: "POST",
      headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, "Content-Type": "application/json" },
      body: JSON.stringify(application),
    });
  const app = await register({ client_id: "bench-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  const service = await register({ client_id: "bench-service", client_type: "confidential", grant_types: ["client_credentials"] });
  await call("/sign_up/", post(user));

  const logIn = post({ grant_type: "password", client_id: app.client_id, ...user });
  const clientCredentials = post({ grant_type: "client_credentials" }, basic(service));
  const { access_token: token } = await call("/o/token/", logIn);
  await register({ client_id: "bench-social", client_type: "public", grant_types: ["convert_token", "refresh_token"] });
  const chains = [];
  for (let chain = 0; chain < connections; chain++) chains.push((await call("/o/token/", logIn)).refresh_token);
  const refreshes = chains.map((refresh_token) => post({ grant_type: "refresh_token", client_id: app.client_id, refresh_token }));
  const signing = await setUpSigning(base, register, user);
  return { app, service, logIn, clientCredentials, token, refreshes, signing, ...(await agree(base, register)) };
}

const callback = "https://app.example/cb";
const verifier = "v".repeat(43);

/** Has the user log in in a browser and agree to an application's request, which is then answered at once. */
async function agree(base, register) {
  const { client_id } = await register({ client_id: "bench-spa", client_type: "public", redirect_uris: [callback] });
  const code_challenge = createHash("sha256").update(verifier).digest("base64url");
  const asked = { response_type: "code", client_id, redirect_uri: callback, scope: "read", state: "s", code_challenge, code_challenge_method: "S256" };
  const authorization = `/o/authorize/?${new URLSearchParams(asked)}`;
  const browser = person({ url: new URL(base), fetch: (url, init) => fetch(url, { redirect: "manual", ...init }) });
  await browser.authorize(base + authorization, user);
  const cookies = { headers: { Cookie: [...browser.cookies].map((pair) => pair.join("=")).join("; ") } };
  const exchange = post({ grant_type: "authorization_code", client_id, redirect_uri: callback, code_verifier: verifier, code: "CODE".padEnd(137, "-") }); // as long as a code
  return { authorization, cookies, exchange };
}

/** Has that isolate refresh a login and then end it: from then on it has marks of its own to look at. */
async function markHere(port, { client_id }, logIn) {
  const send = async (path, init) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const { refresh_token } = await (await send("/o/token/", logIn)).json();
  const refreshed = await (await send("/o/token/", post({ grant_type: "refresh_token", client_id, refresh_token }))).json();
  await send("/o/revoke_token/", post({ client_id, token: refreshed.refresh_token }));
}

/**
 * Sets Postern up, has it issue the distinct tokens, and returns the cases:
 *
 * - `worker`: which Postern. `path`: its route. `expect`: the status of its answers.
 * - `requests`: sent in turn, or with `perConnection` one by each connection. `follow`: each refresh token is used once.
 * - `floor(index)`: the route of the floor for the request with that index.
 * - `budget`: if there is one, the share of what the other Worker does in a second. `calls`: the most that a request may ask of D1 and KV.
 * - `cpuBudget`: if there is one, how many µs of CPU a request may take.
 * - `signing`: each request is signed anew, as signing.mjs says.
 * - `exchange`: the request that exchanges the code of each answer.
 * - `note`: what belongs beside the row.
 * - `seen`: send all requests once before the first round. `connections`, `slow`: fewer connections, longer rounds.
 */
export async function prepareCases({ port, load, distinctTokens, provider }) {
  const { app, service, logIn, clientCredentials, token, refreshes, signing, authorization, cookies, exchange } = await setUp(port("postern"));
  await markHere(port("postern-marking"), app, logIn);
  const { collected: tokens } = await load({
    port: port("postern"),
    connections,
    requests: Array(distinctTokens).fill(wire(clientCredentials, "/o/token/")),
    expect: 200,
    collect: "access_token",
  });

  const convert = (proof) => post({ grant_type: "convert_token", backend: "bench", client_id: "bench-social", ...proof });

  return [
    {
      name: "validate, token hot in the isolate",
      worker: "postern",
      path: "/validate/",
      requests: [bearer(token)],
      budget: { of: "no-op Rust", ratio: 0.9 },
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
      note: `bought with: a revoked token is good elsewhere until KV shows it (60 s or more), plus ${validationCacheSeconds} s`,
    },
    {
      name: "validate, hot, isolate that has refreshed and revoked",
      worker: "postern-marking",
      path: "/validate/",
      requests: [bearer(token)],
      budget: { of: "no-op Rust", ratio: 0.9 },
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
    },
    {
      name: `validate, ${tokens.length.toLocaleString("en")} distinct tokens seen before`,
      worker: "postern-long-memory",
      path: "/validate/",
      requests: tokens.map(bearer),
      floor: () => "/map",
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
      seen: true,
    },
    {
      name: "validate, token in KV only",
      worker: "postern-no-memory",
      path: "/validate/",
      requests: [bearer(token)],
      floor: () => "/kv",
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 0, kvReads: 1, kvWrites: 0 },
    },
    {
      name: "validate, made-up token",
      worker: "postern",
      path: "/validate/",
      requests: Array.from({ length: 1000 }, madeUp),
      expect: 401,
      budget: { of: "no-op Rust", ratio: 0.95 },
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
    },
    {
      name: "introspect",
      worker: "postern",
      path: "/o/introspect/",
      requests: [post({ token }, basic(service))],
      floor: () => "/introspect/floor-family---------0",
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 1, kvReads: 0, kvWrites: 0 },
    },
    {
      name: "issue, client_credentials",
      worker: "postern",
      path: "/o/token/",
      requests: [clientCredentials],
      floor: () => "/issue",
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 1, kvReads: 0, kvWrites: 1 },
    },
    {
      name: "issue, password",
      worker: "postern",
      path: "/o/token/",
      requests: [logIn],
      floor: () => "/password",
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 2, kvReads: 0, kvWrites: 1 },
      connections: 2,
      slow: true,
    },
    {
      name: "refresh",
      worker: "postern-marking",
      path: "/o/token/",
      requests: refreshes,
      floor: (index) => `/refresh/floor-family---------${index}`,
      budget: { of: "floor", ratio: 0.85 },
      calls: { d1: 1, kvReads: 0, kvWrites: 1 },
      perConnection: true,
      follow: true,
    },
    {
      name: "login page",
      worker: "postern",
      path: "/accounts/login/",
      requests: [{}],
      budget: { of: "no-op Rust", ratio: 0.7 },
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
    },
    {
      name: "authorize, logged in and consent remembered",
      worker: "postern",
      path: authorization,
      requests: [cookies],
      expect: 303,
      calls: { d1: 2, kvReads: 0, kvWrites: 0 },
    },
    {
      name: "authorize, and exchange the code",
      worker: "postern",
      path: authorization,
      requests: [cookies],
      expect: 303,
      exchange,
      calls: { d1: 4, kvReads: 0, kvWrites: 1 },
      note: "two requests: of the calls, those of the row above are the first's",
    },
    {
      name: "convert-token, ID token of a known user",
      worker: "postern-social",
      path: "/auth/convert-token/",
      requests: [convert({ id_token: provider.idToken })],
      calls: { d1: 3, kvReads: 0, kvWrites: 1 },
      note: "no call of the provider",
    },
    {
      name: "convert-token, ID token that is verified, and no more",
      worker: "postern-social",
      path: "/auth/convert-token/",
      requests: [convert({ backend: "closed", id_token: provider.idToken })],
      expect: 400,
      cpuBudget: 2_000,
      calls: { d1: 0, kvReads: 0, kvWrites: 0 },
      note: "whom the provider knows may not log in: without storage, but with a line in the log",
    },
    {
      name: "convert-token, access token of a known user",
      worker: "postern-social",
      path: "/auth/convert-token/",
      requests: [convert({ token: provider.accessToken })],
      calls: { d1: 3, kvReads: 0, kvWrites: 1 },
      note: "with two calls of the provider, which is on the same machine",
    },
    ...signedCases(signing, user, `http://${host}`),
  ];
}
