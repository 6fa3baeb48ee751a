// A real OpenID provider on loopback, for the tests of social login: oidc-provider, which people log in to by an account's name alone.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import Provider from "oidc-provider";
import { unescape } from "./person.mjs";

/** Where the provider has what; `breakDown` and `count` know them by these names. */
const routes = {
  authorization: "/auth",
  token: "/token",
  jwks: "/jwks",
  userinfo: "/me",
  introspection: "/token/introspection",
  revocation: "/token/revocation",
};
const paths = { ...routes, discovery: "/.well-known/openid-configuration" };

/** Where a front-end that logs in by itself gets its codes. Nothing is there. */
const frontEnd = "http://127.0.0.1/front-end";

const everyone = {
  alice: { sub: "sub-of-alice", email: "alice@mail.example", email_verified: true, given_name: "Alice", family_name: "Liddell", preferred_username: "alice" },
  bob: { sub: "sub-of-bob", email: "bob@mail.example", email_verified: false, given_name: "Bob", family_name: "Dodgson", preferred_username: "bob" },
};

/** A registered client, in the words of RFC 7591. */
const client = (name) => ({
  client_id: name,
  client_secret: `the-secret-of-${name}-at-its-provider`,
  redirect_uris: [frontEnd],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "client_secret_basic",
});

const scopes = {
  openid: ["sub"],
  email: ["email", "email_verified"],
  profile: ["name", "given_name", "family_name", "preferred_username", "picture", "hd"],
};

/** A key pair for one algorithm, as JWKs: `{ alg, kid, privateJwk, publicJwk }`. */
export async function makeKey(alg) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `${alg}-${random()}`;
  const jwk = async (key) => ({ ...(await exportJWK(key)), alg, use: "sig", kid });
  return { alg, kid, privateJwk: await jwk(privateKey), publicJwk: await jwk(publicKey) };
}

/**
 * Starts the provider. `accounts` are added to alice, whose e-mail is verified, and bob, whose is not: name → claims, `sub` among them.
 * `clients` change what is registered: `{ ours: { … }, other: { … } }`, in the words of RFC 7591.
 *
 * - `issuer`, `endpoints` (by name, whole URLs), `client` and `other` (another application, whose tokens are not for us), with their
 *   `clientId` and `clientSecret` of ours: each may be changed at any time, as by `client.redirect_uris.push(…)`.
 * - `accounts`: may be added to, changed and deleted from at any time.
 * - `authorize(account, options)`: what a front-end does up to the code: `{ code, code_verifier, redirect_uri, nonce }`. The options are
 *   `clientId`, `scope`, `nonce`, `redirect_uri`.
 * - `logIn(account, options)`: that, and what the token endpoint says: `{ access_token, id_token, refresh_token, … }`; a refresh token for
 *   the scope `offline_access`.
 * - `visit(url, account)`: a person goes from a URL of the provider through its pages, logging in as `account` or cancelling if there is
 *   none, to where it sends them: `{ location, form }`, the form's fields only if it is posted.
 * - `keys`: by algorithm. `rotateKeys()`: new ones, and the old ones are gone.
 * - `signIdToken(claims, { header, key })`: an ID token for alice and our client, but for these claims, this header and this key (a JWK, or
 *   bytes). What is undefined is left out. With the `alg` `none` it is not signed.
 * - `expire(access_token)`: its hour is over.
 * - `requests`: what was asked so far, `{ method, path }`. `count(name)`: how often an endpoint was. `forget()`: begins anew.
 * - `breakDown(name, how)`: an endpoint answers with this status, or in another way: `hang`, `garbage`, `redirect`, `endless`, `reset`, or
 *   a function of the response. `recover(name)`: no more; without a name, none.
 * - `close()`: to be called at the end.
 */
export async function openIdProvider({ clients = {}, accounts = {} } = {}) {
  const rows = new Map();
  const requests = [];
  const broken = new Map();
  const people = structuredClone({ ...everyone, ...accounts });
  const ours = { ...client("postern-at-the-provider"), ...clients.ours };
  const other = { ...client("another-application"), ...clients.other };
  const cookieKeys = [random()];
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let keys, provider, byLibrary;
  await rotateKeys();

  function answer(request, response) {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    requests.push({ method: request.method, path: pathname });
    const how = broken.get(pathname);
    if (how !== undefined) misbehave(how, response);
    else if (!pathname.startsWith("/interaction/")) byLibrary(request, response);
    else interact(provider, people, request, response).catch((error) => response.writeHead(500).end(String(error)));
  }

  async function rotateKeys() {
    keys = { RS256: await makeKey("RS256"), ES256: await makeKey("ES256") };
    // The library takes its keys when it begins. What it has issued is in `rows`, and stays.
    provider = new Provider(issuer, configuration({ keys, rows, clients: [ours, other], people, cookieKeys }));
    byLibrary = provider.callback();
  }

  async function authorize(account, options = {}) {
    const { clientId = ours.client_id, scope = "openid email profile", nonce = random(), redirect_uri = frontEnd } = options;
    const code_verifier = random();
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri,
      scope,
      nonce,
      code_challenge: createHash("sha256").update(code_verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...(scope.split(" ").includes("offline_access") && { prompt: "consent" }), // OIDC Core §11
    });
    const { location } = await visit(`${issuer}${routes.authorization}?${query}`, account);
    const code = new URL(location).searchParams.get("code");
    if (!location.startsWith(`${redirect_uri}?`) || !code) throw new Error(`no code: ${location}`);
    return { code, code_verifier, redirect_uri, nonce };
  }

  async function logIn(account, options = {}) {
    const { nonce, ...proofs } = await authorize(account, options);
    const { client_id, client_secret, token_endpoint_auth_method } = options.clientId === other.client_id ? other : ours;
    const isPosted = token_endpoint_auth_method === "client_secret_post";
    const response = await fetch(`${issuer}${routes.token}`, {
      method: "POST",
      headers: isPosted ? {} : { Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
      body: new URLSearchParams({ grant_type: "authorization_code", ...proofs, ...(isPosted && { client_id, client_secret }) }),
    });
    if (!response.ok) throw new Error(`no login: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async function visit(url, account) {
    const cookies = new Map();
    const send = async (to, init) => {
      const headers = { Accept: "text/html", Cookie: [...cookies].map((pair) => pair.join("=")).join("; ") };
      const response = await fetch(to, { redirect: "manual", headers, ...init });
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
        cookies.set(name, value);
      }
      return response;
    };
    let response = await send(url);
    for (let left = 10; left > 0; left--) {
      const next = response.headers.get("location");
      const page = await response.text();
      if (next) {
        const location = new URL(next, issuer).href;
        if (!location.startsWith(`${issuer}/`)) return { location };
        response = await send(location);
      } else if (page.includes('name="account"')) {
        const [, action] = page.match(/<form method="post" action="([^"]+)"/);
        const body = new URLSearchParams(account ? { account } : { cancel: "" });
        response = await send(new URL(action, issuer), { method: "POST", body });
      } else {
        const { action, fields } = postedForm(page);
        if (!action) throw new Error(`${response.status} ${page}`);
        return { location: action, form: fields };
      }
    }
    throw new Error("redirects without an end");
  }

  async function signIdToken(claims = {}, { header = {}, key } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const { alg, kid, privateJwk } = header.alg === "ES256" ? keys.ES256 : keys.RS256;
    const all = JSON.parse(JSON.stringify({ iss: issuer, aud: ours.client_id, iat: now, exp: now + 600, ...people.alice, ...claims }));
    const protectedHeader = JSON.parse(JSON.stringify({ alg, kid, typ: "JWT", ...header }));
    if (protectedHeader.alg === "none") return `${encode(protectedHeader)}.${encode(all)}.`;
    const { alg: _, ...jwk } = key ?? privateJwk; // without its own algorithm, a key serves for any of its type
    return new SignJWT(all).setProtectedHeader(protectedHeader).sign(key instanceof Uint8Array ? key : jwk);
  }

  return {
    issuer,
    endpoints: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, `${issuer}${path}`])),
    client: ours,
    other,
    clientId: ours.client_id,
    clientSecret: ours.client_secret,
    accounts: people,
    requests,
    get keys() { return keys; }, // prettier-ignore
    rotateKeys,
    authorize,
    logIn,
    visit,
    signIdToken,
    expire: (access_token) => (rows.get(`AccessToken ${access_token}`).exp = 1),
    count: (name) => requests.filter(({ path }) => path === pathOf(name)).length,
    forget: () => requests.splice(0),
    breakDown: (name, how) => broken.set(pathOf(name), how),
    recover: (name) => (name === undefined ? broken.clear() : broken.delete(pathOf(name))),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function pathOf(name) {
  if (!Object.hasOwn(paths, name)) throw new Error(`The provider has no endpoint ${name}.`);
  return paths[name];
}

function configuration({ keys, rows, clients, people, cookieKeys }) {
  const hour = 3600;
  return {
    adapter: (model) => new Adapter(model, rows, clients),
    jwks: { keys: Object.values(keys).map(({ privateJwk }) => privateJwk) },
    routes,
    scopes: [...Object.keys(scopes), "offline_access"],
    claims: scopes,
    conformIdTokenClaims: false, // as Google and others do: the e-mail is in the ID token, too
    cookies: { keys: cookieKeys },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, sub) => {
      const claims = Object.values(people).find((person) => person.sub === sub);
      return claims && { accountId: sub, claims: () => claims };
    },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
    },
    ttl: { AccessToken: hour, Grant: hour, IdToken: hour, Interaction: hour, RefreshToken: hour, Session: hour },
    renderError: (context, { error, error_description }) => {
      context.type = "text";
      context.body = `${error}: ${error_description}`;
    },
    clientBasedCORS: () => true,
  };
}

/** What the library stores, in memory, and of whom it may read as a client. It looks itself whether a row has expired. */
class Adapter {
  constructor(model, rows, clients) {
    Object.assign(this, { model, rows, clients });
  }
  key(id) {
    return `${this.model} ${id}`;
  }
  async find(id) {
    return this.model === "Client" ? this.clients.find(({ client_id }) => client_id === id) : this.rows.get(this.key(id));
  }
  async findByUid(uid) {
    return [...this.rows].find(([key, row]) => key.startsWith(this.key("")) && row.uid === uid)?.[1];
  }
  async upsert(id, row) {
    this.rows.set(this.key(id), row);
  }
  async consume(id) {
    this.rows.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    this.rows.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [key, row] of this.rows) if (key.startsWith(this.key("")) && row.grantId === grantId) this.rows.delete(key);
  }
}

/** The provider's pages: one asks for the account's name; that the person agrees is taken for granted. */
async function interact(provider, people, request, response) {
  const { prompt, params, session, grantId, uid } = await provider.interactionDetails(request, response);
  if (prompt.name === "consent") {
    const known = grantId && (await provider.Grant.find(grantId));
    const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const form = new URLSearchParams(body);
  if (form.has("cancel")) return provider.interactionFinished(request, response, { error: "access_denied" });
  const person = people[form.get("account")];
  if (person) return provider.interactionFinished(request, response, { login: { accountId: person.sub } });
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
  response.end(`<!doctype html><html lang="en"><title>The provider</title><h1>Log in to the provider</h1>
<form method="post" action="/interaction/${uid}"><label>Account <input name="account"></label>
<button>Log in</button><button name="cancel">Cancel</button></form></html>`);
}

/** Answers as no provider should. */
function misbehave(how, response) {
  const ways = {
    hang: () => {},
    garbage: () => response.writeHead(200, { "Content-Type": "application/json" }).end('{"access_token": "x", <html>'),
    redirect: () => response.writeHead(302, { Location: "/elsewhere" }).end(),
    reset: () => response.socket.resetAndDestroy(),
    endless: () => {
      const write = () => {
        while (response.write(" ".repeat(10_000)));
      };
      response.writeHead(200, { "Content-Type": "application/json" }).on("drain", write);
      write();
    },
  };
  if (typeof how === "function") how(response);
  else if (typeof how === "number") response.writeHead(how, { "Content-Type": "application/json" }).end('{"error": "server_error"}');
  else ways[how]();
}

/** Where a page's form goes, and with what (OAuth 2.0 Form Post Response Mode). */
function postedForm(page) {
  const attribute = (tag, name) => unescape(tag.match(new RegExp(` ${name}="([^"]*)"`))?.[1] ?? "");
  const fields = [...page.matchAll(/<input [^>]*>/g)].map(([tag]) => [attribute(tag, "name"), attribute(tag, "value")]);
  return { action: attribute(page.match(/<form [^>]*>/)?.[0] ?? "", "action"), fields: Object.fromEntries(fields) };
}

const random = () => randomBytes(32).toString("base64url");
const encode = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
