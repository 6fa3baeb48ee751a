// Logging in by an identity provider: the built Worker in workerd, without wrangler's proxy, and a real OpenID provider.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { exportSPKI, importJWK } from "jose";
import * as client from "openid-client";
import { startBare } from "./bare.mjs";
import { makeKey, openIdProvider } from "./openid_provider.mjs";
import { person } from "./person.mjs";
import { alice, schema, secrets } from "./support.mjs";

const limit = { timeout: 60_000 };
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token";
const idTokenType = "urn:ietf:params:oauth:token-type:id_token";
const spa = "https://spa.example";
const callback = "https://app.example/cb";

let provider;

before(async () => {
  provider = await openIdProvider();
});
after(() => provider.close());
afterEach(() => provider.recover());

/**
 * A Worker that remembers nothing, over a D1 and a KV that hold one application, with the provider as `op`: with these more members and
 * settings.
 */
async function start({ members, settings, testHooks } = {}) {
  let log = "";
  const providers = {
    op: {
      issuer: provider.issuer,
      client_id: provider.clientId,
      client_secret: "OP_SECRET",
      label: "The provider",
      scope: "openid email profile offline_access",
      authorization_parameters: { prompt: "consent" },
      ...members,
    },
  };
  const bindings = {
    ...secrets,
    OP_SECRET: provider.clientSecret,
    SOCIAL_AUTH_PROVIDERS: JSON.stringify(providers),
    SOCIAL_DEFAULT_APPLICATION: "my-app",
    ADDRESS_FAILURE_LIMIT: "0", // else refusals are counted, and stored
    ...settings,
  };
  const { url, env, rpc, stop } = await startBare({ bindings, schema, hear: (line) => (log += `${line}\n`), testHooks });
  provider.client.redirect_uris.push(`${url.origin}/complete/op/`, `${url.origin}/auth/complete/op/`);
  const ask = (path, init) => fetch(new URL(path, url), { redirect: "manual", ...init });
  const post = (path, params, headers = {}) => ask(path, { method: "POST", headers, body: new URLSearchParams(params) });
  const admin = (method, path, json) =>
    ask(`/admin/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, "Content-Type": "application/json" },
      body: json && JSON.stringify(json),
    });
  const application = {
    client_id: "my-app",
    client_type: "public",
    grant_types: ["authorization_code", "convert_token", exchangeGrant, "refresh_token"],
    redirect_uris: [callback],
    allowed_origins: [spa],
  };
  assert.equal((await admin("POST", "applications", application)).status, 201);
  const convert = async (params, headers) => {
    const response = await post("/auth/convert-token/", { grant_type: "convert_token", backend: "op", client_id: "my-app", ...params }, headers);
    return { status: response.status, headers: response.headers, ...(await response.json()) };
  };
  const exchange = async (subject_token, subject_token_type) => {
    const response = await post("/o/token/", { grant_type: exchangeGrant, backend: "op", client_id: "my-app", subject_token, subject_token_type });
    return { status: response.status, headers: response.headers, ...(await response.json()) };
  };
  return {
    url,
    env,
    rpc,
    fetch: ask,
    post,
    admin,
    convert,
    exchange,
    stop,
    log: () => log,
    signUp: async () => assert.equal((await post("/sign_up/", alice)).status, 201),
    validate: (token) => ask("/validate/?fresh=1", { headers: { Authorization: `Bearer ${token}` } }),
    users: async () => (await (await admin("GET", "users")).json()).users.map(({ username }) => username).sort(),
    stored: () => rows(env),
  };
}

/** How many rows and keys there are. */
async function rows({ DB, TOKENS }) {
  const { results } = await DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'").all();
  const counts = {};
  for (const { name } of results) counts[name] = await DB.prepare(`SELECT count(*) AS n FROM ${name}`).first("n");
  return { ...counts, keys: (await TOKENS.list()).keys.length };
}

describe("a proof that a front-end brings", () => {
  let postern;
  before(async () => (postern = await start()));
  after(() => postern.stop());

  const assertIsAlice = async (answer) => {
    assert.deepEqual([answer.status, answer.token_type], [200, "Bearer"], JSON.stringify(answer));
    const validated = await postern.validate(answer.access_token);
    assert.deepEqual([validated.status, (await validated.json()).username], [200, "alice"]);
    return answer;
  };

  test("an access token, an ID token and a code of one person are one user's", async () => {
    const { access_token, id_token } = await provider.logIn("alice");
    const first = await assertIsAlice(await postern.convert({ token: access_token }));
    assert.deepEqual(first.user, { email: "alice@mail.example", first_name: "Alice", last_name: "Liddell" });
    await assertIsAlice(await postern.convert({ id_token }));
    await assertIsAlice(await postern.convert(await provider.authorize("alice")));
    assert.deepEqual(await postern.users(), ["alice"]);
    const refreshed = await postern.post("/o/token/", { grant_type: "refresh_token", client_id: "my-app", refresh_token: first.refresh_token });
    assert.equal(refreshed.status, 200);
  });

  test("the nonce that a front-end brings must be the ID token's", async () => {
    const { nonce, ...proof } = await provider.authorize("alice");
    assert.equal((await postern.convert({ ...proof, nonce: "another" })).error, "access_denied");
    const id_token = await provider.signIdToken({ nonce });
    await assertIsAlice(await postern.convert({ id_token, nonce }));
    assert.equal((await postern.convert({ id_token, nonce: "another" })).error, "access_denied");
  });

  test("a code is good once, with its verifier and its redirect_uri", async () => {
    for (const wrong of [{ code_verifier: "x".repeat(43) }, { redirect_uri: "https://evil.example/" }, { code: "made-up" }, { code_verifier: undefined }]) {
      const { nonce: _, ...proof } = { ...(await provider.authorize("alice")), ...wrong };
      const { status, error } = await postern.convert(JSON.parse(JSON.stringify(proof)));
      assert.deepEqual([status, error], [400, "access_denied"], JSON.stringify(wrong));
    }
    const proof = await provider.authorize("alice");
    await assertIsAlice(await postern.convert(proof));
    assert.equal((await postern.convert(proof)).error, "access_denied");
  });

  test("the known user's second login fetches neither keys nor metadata", async () => {
    const { id_token, access_token } = await provider.logIn("alice");
    await assertIsAlice(await postern.convert({ id_token }));
    provider.forget();
    await assertIsAlice(await postern.convert({ id_token }));
    assert.deepEqual(provider.requests, []);
    await assertIsAlice(await postern.convert({ token: access_token }));
    assert.deepEqual(provider.requests.map(({ path }) => path).sort(), ["/me", "/token/introspection"]);
  });

  test("another client's token is for somebody else", async () => {
    const before = await postern.stored();
    const { access_token, id_token, ...more } = await provider.logIn("bob", { clientId: provider.other.client_id });
    assert.ok(more.token_type);
    for (const proof of [{ token: access_token }, { id_token }, { token: "made-up" }]) {
      const { status, error, error_description } = await postern.convert(proof);
      assert.deepEqual([status, error, error_description], [400, "access_denied", "Your credentials aren't allowed"]);
    }
    const expired = await provider.logIn("bob");
    provider.expire(expired.access_token);
    assert.equal((await postern.convert({ token: expired.access_token })).error, "access_denied");
    assert.deepEqual(await postern.stored(), before);
  });

  test("hostile ID tokens are refused", async () => {
    await postern.convert({ id_token: await provider.signIdToken() });
    const now = Math.floor(Date.now() / 1000);
    const { RS256, ES256 } = provider.keys;
    const spki = new TextEncoder().encode(await exportSPKI(await importJWK(RS256.publicJwk, "RS256")));
    const stranger = await makeKey("RS256");
    const ours = provider.clientId;
    const hostile = {
      "alg none": [{}, { header: { alg: "none" } }],
      "alg None": [{}, { header: { alg: "none", kid: undefined } }],
      "a kid that nobody has": [{}, { header: { kid: "nobody's" } }],
      "a kid of the other type": [{}, { header: { alg: "ES256", kid: RS256.kid } }],
      "the other kid of the other type": [{}, { header: { kid: ES256.kid } }],
      "another's key under the right kid": [{}, { key: stranger.privateJwk }],
      "a key that it brings along": [{}, { header: { jwk: stranger.publicJwk, kid: undefined }, key: stranger.privateJwk }],
      "HS256 with the public key": [{}, { header: { alg: "HS256" }, key: spki }],
      "HS256 with the client's secret": [{}, { header: { alg: "HS256", kid: undefined }, key: new TextEncoder().encode(provider.clientSecret) }],
      "an algorithm that the key is not for": [{}, { header: { alg: "PS256" } }],
      "another's audience": [{ aud: provider.other.client_id }],
      "ours and another's audience": [{ aud: [ours, provider.other.client_id] }],
      "no audience": [{ aud: undefined }],
      "an empty audience": [{ aud: [] }],
      "another's azp": [{ azp: provider.other.client_id }],
      "an issuer that is another": [{ iss: "https://evil.example" }],
      "an issuer with a slash": [{ iss: `${provider.issuer}/` }],
      "no issuer": [{ iss: undefined }],
      "from the future": [{ iat: now + 3600, exp: now + 7200 }],
      "not yet good": [{ nbf: now + 3600 }],
      "expired": [{ iat: now - 600, exp: now - 1 }],
      "without an end": [{ exp: undefined }],
      "with an end that is text": [{ exp: String(now + 600) }],
      "without a beginning": [{ iat: undefined }],
      "about nobody": [{ sub: undefined }],
      "about an empty name": [{ sub: "" }],
      "an access token": [{}, { header: { typ: "at+jwt" } }],
      "a logout token": [{ events: { "http://schemas.openid.net/event/backchannel-logout": {} } }],
    };
    const before = await postern.stored();
    for (const [what, [claims, options]] of Object.entries(hostile)) {
      const id_token = await provider.signIdToken(claims, options);
      const answer = await postern.convert({ id_token });
      assert.deepEqual([answer.status, answer.error], [400, "access_denied"], what);
      const exchanged = await postern.exchange(id_token, idTokenType);
      assert.deepEqual([exchanged.status, exchanged.error], [400, "invalid_request"], what);
    }
    const good = await provider.signIdToken();
    const [header, payload, signature] = good.split(".");
    const changed = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, "base64url")), sub: "sub-of-bob" })).toString("base64url");
    const bent = signature.replace(/.(?=.{9}$)/, (character) => (character === "A" ? "B" : "A"));
    for (const id_token of [`${header}.${changed}.${signature}`, `${header}.${payload}.${bent}`, `${header}.${payload}.`, `${header}.${payload}`, "..", "a.b.c", good.repeat(20)]) {
      const { status, error } = await postern.convert({ id_token });
      assert.ok(status === 400 && ["access_denied", "invalid_request"].includes(error), id_token.slice(-40));
    }
    assert.deepEqual(await postern.stored(), before);
    await assertIsAlice(await postern.convert({ id_token: good }));
    for (const alg of ["RS256", "ES256"]) {
      await assertIsAlice(await postern.convert({ id_token: await provider.signIdToken({ aud: [ours], azp: ours }, { header: { alg } }) }));
    }
  });

  test("token exchange, by a client library that we did not write (RFC 8693)", async () => {
    const config = await client.discovery(postern.url, "my-app", undefined, client.None(), { algorithm: "oauth2", execute: [client.allowInsecureRequests] });
    const { access_token, id_token } = await provider.logIn("alice");
    for (const [subject_token, subject_token_type, more] of [
      [access_token, accessTokenType, { backend: "op" }],
      [id_token, idTokenType, { backend: "op" }],
      [id_token, idTokenType, {}], // it names its issuer
    ]) {
      const tokens = await client.genericGrantRequest(config, exchangeGrant, { subject_token, subject_token_type, ...more });
      await assertIsAlice({ ...tokens, status: 200, token_type: "Bearer" });
      assert.equal(tokens.issued_token_type, accessTokenType); // RFC 8693 §2.2.1
    }
    const refused = client.genericGrantRequest(config, exchangeGrant, { subject_token: "made-up", subject_token_type: idTokenType, backend: "op" });
    await assert.rejects(refused, { error: "invalid_request", status: 400 });
  });

  test("a browser may call it from an origin of the application alone", async () => {
    const { id_token } = await provider.logIn("alice");
    for (const path of ["/auth/convert-token/", "/social/op/", "/api/2.0/social/op/", "/o/token/"]) {
      for (const [origin, allowed] of [
        [spa, spa],
        ["https://evil.example", null],
      ]) {
        const preflight = await postern.fetch(path, {
          method: "OPTIONS",
          headers: { Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" },
        });
        assert.equal(preflight.headers.get("Access-Control-Allow-Origin"), allowed, path);
        for (const token of [id_token, "made-up"]) {
          const params = { grant_type: path === "/o/token/" ? exchangeGrant : "convert_token", backend: "op", client_id: "my-app", id_token: token, subject_token: token, subject_token_type: idTokenType };
          const response = await postern.post(path, params, { Origin: origin });
          assert.equal(response.status, token === id_token ? 200 : 400, path);
          assert.equal(response.headers.get("Access-Control-Allow-Origin"), allowed, path);
          assert.equal(response.headers.get("Access-Control-Allow-Credentials"), null);
          await response.text();
        }
      }
    }
  });

  test("the log tells why, and holds nothing of a token", async () => {
    const { access_token, id_token } = await provider.logIn("bob", { clientId: provider.other.client_id });
    for (const proof of [{ token: access_token }, { id_token }]) {
      const { headers } = await postern.convert(proof);
      const line = postern.log().split("\n").find((line) => line.includes(headers.get("X-Request-Id")));
      assert.match(line, /issued to another application|aud is not ours alone/);
    }
    for (const secret of [access_token, id_token.split(".")[1], provider.clientSecret]) assert.ok(!postern.log().includes(secret));
  });
});

describe("a provider that fails", () => {
  const ways = {
    500: "HTTP500: Internal Server Error",
    503: "HTTP503: Service Unavailable",
    429: "HTTP429: Too Many Requests",
    redirect: "HTTP302: Found",
    garbage: "HTTP502: Bad Gateway",
    hang: "HTTP504: Gateway Timeout",
    endless: "HTTP504: Gateway Timeout",
    reset: "HTTP504: Gateway Timeout",
  };
  const last = Object.keys(ways).at(-1);
  const proofs = {
    introspection: async () => ({ token: (await provider.logIn("alice")).access_token }),
    userinfo: async () => ({ token: (await provider.logIn("alice")).access_token }),
    token: () => provider.authorize("alice"),
    jwks: async () => ({ id_token: await provider.signIdToken() }),
    discovery: async () => ({ id_token: await provider.signIdToken() }),
  };

  for (const [endpoint, makeProof] of Object.entries(proofs)) {
    test(`at ${endpoint}: the right error, nothing half-written, and the next try works`, limit, async () => {
      const isRemembered = ["jwks", "discovery"].includes(endpoint);
      let postern;
      for (const [how, told] of Object.entries(ways)) {
        postern ??= await start();
        try {
          const before = await postern.stored();
          const proof = await makeProof();
          const token = proof.token ?? proof.id_token;
          provider.breakDown(endpoint, Number(how) || how);
          const [answer, exchanged] = await Promise.all([postern.convert(proof), token && postern.exchange(token, proof.token ? accessTokenType : idTokenType)]);
          assert.deepEqual([answer.status, answer.error, answer.error_description], [400, "invalid_request", `Backend responded with ${told}.`], how);
          if (token) {
            assert.deepEqual([exchanged.status, exchanged.error], [503, "temporarily_unavailable"], how);
            assert.ok(Number(exchanged.headers.get("Retry-After")) > 0);
          }
          assert.deepEqual(await postern.stored(), before, how);
          provider.recover();
          assert.equal((await postern.convert(await makeProof())).status, 200, how);
          assert.deepEqual(await postern.users(), ["alice"]);
        } finally {
          provider.recover();
          if (isRemembered || how === last) await postern.stop();
          if (isRemembered) postern = undefined;
        }
      }
    });
  }

  test("keys that have changed are found", async () => {
    const postern = await start();
    try {
      assert.equal((await postern.convert({ id_token: await provider.signIdToken() })).status, 200);
      const old = await provider.signIdToken();
      await provider.rotateKeys();
      const id_token = await provider.signIdToken();
      // Whoever makes tokens up makes us ask once a minute at most: so what is new is found by a Worker that has not just asked.
      provider.forget();
      const answers = await Promise.all([postern.convert({ id_token }), postern.convert({ id_token })]);
      assert.ok(provider.count("jwks") <= 1);
      for (const { status, error } of answers) assert.ok(status === 200 || error === "access_denied");
      const other = await start();
      try {
        assert.equal((await other.convert({ id_token })).status, 200);
        assert.equal((await other.convert({ id_token: old })).error, "access_denied");
      } finally {
        await other.stop();
      }
    } finally {
      await postern.stop();
    }
  });
});

describe("what the provider has published an hour ago", () => {
  const ways = {
    "a request": async (postern, id_token) => (await postern.convert({ id_token })).status === 200,
    "an RPC call": async (postern, id_token) => (await postern.rpc("validate", `Bearer op ${id_token}`, { fresh: true })).resolved.status === 200,
  };

  /** Looks until it is so, or the test takes too long. */
  const until = async (isSo, { signal }) => {
    while (!(await isSo()) && !signal.aborted) await nextTurn();
  };

  for (const [what, isGood] of Object.entries(ways)) {
    test(`serves ${what}, and is fetched anew after the answer`, limit, async (t) => {
      const postern = await start({ members: { proofs: ["id_token"] }, settings: { SOCIAL_BEARER: "true" }, testHooks: true });
      try {
        const old = await provider.signIdToken();
        const metadata = await (await fetch(provider.endpoints.discovery)).text();
        provider.forget();
        assert.ok(await isGood(postern, old));
        assert.ok(await isGood(postern, old));
        assert.deepEqual([provider.count("discovery"), provider.count("jwks")], [1, 1]);

        await provider.rotateKeys();
        await postern.rpc("agePublished", 3_700);
        let held;
        // It does not answer until we have been answered.
        provider.breakDown("discovery", (response) => (held = response));
        assert.ok(await isGood(postern, old));
        await until(() => held, t);
        assert.deepEqual([provider.count("discovery"), provider.count("jwks")], [2, 1]);
        provider.recover();
        held.writeHead(200, { "Content-Type": "application/json" }).end(metadata);
        await until(() => provider.count("jwks") === 2, t);
        // A key that is gone there is gone here once it is renewed.
        await until(async () => !(await isGood(postern, old)), t);
        assert.ok(await isGood(postern, await provider.signIdToken()));
        assert.deepEqual([provider.count("discovery"), provider.count("jwks")], [2, 2]);
        assert.ok(!postern.log().includes("renewal_failed"), postern.log());
      } finally {
        await postern.stop();
      }
    });
  }
});

describe("a person who is sent there", () => {
  let postern;
  before(async () => {
    postern = await start();
    await postern.signUp();
    provider.accounts.carol = { sub: "sub-of-carol", email: "carol@mail.example", email_verified: true, given_name: "Carol", preferred_username: "carol" };
    provider.accounts.dora = { sub: "sub-of-dora", preferred_username: "dora" };
  });
  after(() => postern.stop());

  /** Goes there and back: the page to which it leads. */
  const goThrough = async (someone, page, account) => {
    const { location } = await someone.open(page);
    assert.ok(location.startsWith(`${provider.issuer}/`), location);
    return someone.open((await provider.visit(location, account)).location);
  };

  test("logs in from an authorization request, and comes back to it", async () => {
    const someone = person(postern);
    const state = "/".repeat(500);
    const query = new URLSearchParams({
      response_type: "code",
      client_id: "my-app",
      redirect_uri: callback,
      state,
      scope: "read write",
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
      code_challenge_method: "S256",
    });
    const login = await someone.open(`/o/authorize/?${query}`);
    const [, button] = login.text.match(/href="([^"]*\/login\/op\/[^"]*)">Continue with The provider</);
    const consent = await goThrough(someone, button.replaceAll("&amp;", "&"), "carol");
    assert.match(consent.text, /<strong>carol<\/strong>/);
    const { location } = await someone.submit(consent, { decision: "allow" });
    const { searchParams } = new URL(location);
    assert.equal(searchParams.get("state"), state);
    const response = await postern.post("/o/token/", {
      grant_type: "authorization_code",
      client_id: "my-app",
      code: searchParams.get("code"),
      redirect_uri: callback,
      code_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    });
    const { access_token } = await response.json();
    assert.equal((await (await postern.validate(access_token)).json()).username, "carol");
  });

  test("cancels there, and is told so", async () => {
    const someone = person(postern);
    const page = await goThrough(someone, "/auth/login/op/", undefined);
    assert.equal(page.status, 400);
    assert.match(page.text, /The provider has not confirmed who you are/);
    assert.equal([...someone.cookies.keys()].some((name) => name.includes("session")), false);
  });

  test("comes back to a provider that is down, and tries again", limit, async () => {
    const someone = person(postern);
    const { location } = await someone.open("/login/op/");
    const { location: back } = await provider.visit(location, "carol");
    for (const how of [500, "hang", "garbage", "redirect", "endless", "reset"]) {
      const before = await postern.stored();
      provider.breakDown("token", how);
      const page = await someone.open(back);
      assert.equal(page.status, 503, how);
      assert.ok(Number(page.headers.get("Retry-After")) > 0);
      assert.match(page.text, /The provider does not answer/);
      assert.deepEqual(await postern.stored(), before);
    }
    provider.recover();
    assert.match((await someone.open(back)).text, /<strong>carol<\/strong>/);
    assert.equal((await someone.open(back)).status, 400); // once
  });

  test("links another account, and unlinks it: the provider is asked to forget", async () => {
    const someone = person(postern);
    await someone.submit(await someone.open("/accounts/login/"), alice);
    const connect = async () => {
      const { location } = await someone.submit(await someone.open("/account/"), {}, "/login/op/");
      return someone.open((await provider.visit(location, "dora")).location);
    };
    const connected = await connect();
    assert.match(connected.text, /Your account is connected/);
    assert.match(connected.text, /<strong>alice<\/strong>/);
    const elsewhere = person(postern);
    assert.match((await goThrough(elsewhere, "/login/op/", "dora")).text, /<strong>alice<\/strong>/);
    const count = provider.count("revocation");
    const [, path] = connected.text.match(/action="[^"]*(\/disconnect\/op\/[^"]+)"/);
    assert.match((await someone.submit(connected, {}, path)).text, /no longer connected/);
    assert.equal(provider.count("revocation"), count + 1);
    assert.match((await goThrough(elsewhere, "/login/op/", "dora")).text, /<strong>dora<\/strong>/);
    // What is somebody's is not anybody else's.
    const refused = await connect();
    assert.equal(refused.status, 409);
    // The last way in stays.
    const page = await elsewhere.open("/account/");
    const [, last] = page.text.match(/action="[^"]*(\/disconnect\/op\/[^"]+)"/);
    const kept = await elsewhere.submit(page, {}, last);
    assert.equal(kept.status, 403);
    assert.equal(provider.count("revocation"), count + 1);
  });

  test("the provider's tokens are not at rest in clear", async () => {
    const { results } = await postern.env.DB.prepare("SELECT tokens FROM social_accounts").all();
    assert.ok(results.length >= 2);
    for (const { tokens } of results) assert.match(tokens, /^1\.[\w-]{100,}$/);
  });
});

for (const [what, entry, named] of [
  ["no JSON", "{", "must be a JSON object"],
  ["an unknown kind", '{"x": {"kind": "y", "client_id": "c"}}', "x: kind is not the name"],
  ["no client_id", '{"github": {}}', "github: client_id"],
  ["an issuer that is none", '{"x": {"client_id": "c", "issuer": "http://plain.example"}}', "x: issuer"],
  ["a secret that is not there", '{"github": {"client_id": "c", "client_secret": "NOT_THERE"}}', "github: client_secret"],
  ["a member that is unknown", '{"github": {"client_id": "hidden-value", "color": "red"}}', "github: color"],
]) {
  test(`SOCIAL_AUTH_PROVIDERS with ${what}: 503, named, and its values are not shown`, async () => {
    let log = "";
    const postern = await startBare({ bindings: { ...secrets, SOCIAL_AUTH_PROVIDERS: entry }, schema: [], hear: (line) => (log += `${line}\n`) });
    try {
      for (const path of ["/", "/login/github/", "/auth/convert-token/"]) {
        const response = await fetch(new URL(path, postern.url));
        const page = await response.text();
        assert.deepEqual([response.status, response.headers.get("Content-Type")], [503, "text/html; charset=utf-8"]);
        assert.ok(page.includes("SOCIAL_AUTH_PROVIDERS") && page.includes(named), page.slice(-400));
        assert.ok(log.includes(named) && !`${log}${page}`.includes("hidden-value") && !`${log}${page}`.includes("NOT_THERE"));
      }
    } finally {
      await postern.stop();
    }
  });
}
