// docs/openapi.yaml against the server: that it is OpenAPI 3.1, that it has every route and no other, and that what it says is true.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openIdProvider } from "./openid_provider.mjs";
import { person, unescape } from "./person.mjs";
import { runPython } from "./python.mjs";
import { alice, basic, checkout, secrets, startPostern } from "./support.mjs";

const file = `${checkout}/docs/openapi.yaml`;
const config = `${checkout}/tests/python/schemathesis.toml`;
const scratch = mkdtempSync(join(tmpdir(), "postern-openapi-"));
const app = {
  client_id: "my-app",
  client_secret: "the-secret-of-my-app",
  client_type: "confidential",
  grant_types: ["authorization_code", "password", "client_credentials", "refresh_token", "convert_token"],
  redirect_uris: ["https://app.example/cb"],
  scope: "read write introspection",
};
/** Signs in a way that can be repeated: with PLAINTEXT nothing need be one of a kind (RFC 5849 §3.1). */
const signing = {
  client_id: "old-client",
  client_secret: "the-secret-of-old-client",
  client_type: "confidential",
  grant_types: ["oauth1", "client_credentials"],
  oauth1_signature_methods: ["PLAINTEXT"],
  redirect_uris: ["https://app.example/cb", "https://app.example/gone"],
  xauth_allowed: true,
};
const sign = (parameters, secret = "") => {
  const all = { oauth_consumer_key: signing.client_id, oauth_signature_method: "PLAINTEXT", oauth_signature: `${signing.client_secret}&${secret}`, ...parameters };
  return `OAuth ${Object.entries(all).map(([name, value]) => `${name}="${encodeURIComponent(value)}"`).join(", ")}`;
};
const hashing = { PASSWORD_HASH_MEMORY_KIB: "8", PASSWORD_HASH_ITERATIONS: "1" };
const noLimits = { SIGN_UP_LIMIT: "0", LOGIN_FAILURE_LIMIT: "0", ADDRESS_FAILURE_LIMIT: "0" };
let postern, provider, api, social;

before(async () => {
  provider = await openIdProvider();
  const { issuer, clientId, clientSecret } = provider;
  const entry = { issuer, client_id: clientId, client_secret: "PROVIDER_SECRET" };
  social = { SOCIAL_AUTH_PROVIDERS: JSON.stringify({ provider: entry }), PROVIDER_SECRET: clientSecret };
  postern = await startPostern({ vars: { ...hashing, ...noLimits, ...social } });
  const { code, output } = await runPython(["-c", "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)", file]);
  assert.equal(code, 0, output);
  api = JSON.parse(output);
});
after(async () => {
  await postern?.stop();
  await provider?.close();
  rmSync(scratch, { recursive: true });
});

/** The methods of each path in the document. */
const documented = () =>
  Object.entries(api.paths).map(([path, item]) => ({
    path,
    methods: ["get", "put", "post", "delete", "options", "head", "patch", "trace"].filter((method) => method in item).map((method) => method.toUpperCase()),
  }));

/** The paths of the document's form that a route of src/router.rs stands for. */
function pathsOf(route) {
  const path = route === "/" ? route : route.replace(/\/$/, "");
  return path.endsWith("/{*}") ? [path.slice(0, -"/{*}".length), path.replace("{*}", "{}")] : [path];
}

test("it is OpenAPI 3.1", async () => {
  const { code, output } = await runPython(["-m", "openapi_spec_validator", "--schema", "3.1", file]);
  assert.equal(code, 0, output);
});

test("it has the paths of the router, and no others", () => {
  const [, table] = readFileSync(`${checkout}/src/router.rs`, "utf8").match(/const ROUTES: &\[Route\] = &\[\n(.*?)\n\];/s);
  const routes = [...table.matchAll(/\broute\(\s*"([^"]+)"/g)].map(([, path]) => path);
  assert.equal(routes.length, table.match(/\broute\(/g).length);
  const inDocument = documented().map(({ path }) => path.replace(/\{\w+\}/g, "{}").replace(/(?<=.)\/$/, ""));
  assert.deepEqual(inDocument.sort(), routes.flatMap(pathsOf).sort());
});

test("it has the methods that each path allows, and no others", async () => {
  for (const { path, methods } of documented()) {
    const response = await postern.fetch(path.replace(/\{\w+\}/g, "x"), { method: "PROPFIND" });
    if (path === "/validate/") {
      assert.equal(response.status, 401); // it takes any method
      continue;
    }
    assert.equal(response.status, 405, path);
    const allowed = response.headers.get("Allow").split(", ").filter((method) => method !== "HEAD"); // wherever GET is
    assert.deepEqual(methods.sort(), allowed.sort(), path);
  }
});

test("schemathesis finds nothing that it does not say, and sees what it says", async (t) => {
  await postern.createApplication(app);
  await postern.signUp();
  // Two who lose their tokens.
  const [carol, dave] = ["carol", "dave"].map((username) => ({ username, password: "open-sesame-2001" }));
  for (const person of [carol, dave]) assert.equal((await postern.post("/sign_up/", person)).status, 201);
  const tokensOf = async (grant) => {
    const response = await postern.post("/o/token/", grant, basic(app));
    return response.json();
  };
  const logIn = (scope, person = alice) => tokensOf({ grant_type: "password", ...person, scope });
  const [introspecting, reading] = [await logIn(app.scope), await logIn("read")];
  // One who comes from a provider, and one whose application has no business there.
  const { id_token } = await provider.logIn("bob");
  const convert = () => postern.post("/auth/convert-token/", { grant_type: "convert_token", backend: "provider", id_token }, basic(app));
  assert.equal((await convert()).status, 200);
  await postern.admin("POST", "users/bob/set-password", { password: "open-sesame-3001" }); // another way in
  const plain = { client_id: "plain", client_type: "public", grant_types: ["password"] };
  await postern.createApplication(plain);
  const ofPlain = await postern.post("/o/token/", { grant_type: "password", client_id: plain.client_id, ...alice });
  const good = {
    ID_TOKEN: id_token,
    TOKEN_TO_DISCONNECT: (await (await convert()).json()).access_token,
    TOKEN_OF_PLAIN: (await ofPlain.json()).access_token,
    ADMIN_TOKEN: secrets.ADMIN_TOKEN,
    ACCESS_TOKEN: introspecting.access_token,
    REFRESH_TOKEN_TO_USE_UP: (await logIn("read")).refresh_token, // of a login of its own: the access token ends with the grace
    REFRESH_TOKEN: reading.refresh_token,
    SHORT_OF_SCOPE: reading.access_token,
    TOKEN_OF_NOBODY: (await tokensOf({ grant_type: "client_credentials" })).access_token,
    TOKEN_TO_REVOKE: (await logIn("read", carol)).access_token,
    TOKEN_TO_INVALIDATE: (await logIn("read", dave)).access_token,
    CLIENT_ID: app.client_id,
    CLIENT_SECRET: app.client_secret,
  };
  Object.assign(good, await whatSigns());
  const bad = { ...good, SIGNED: sign({ oauth_callback: "oob" }).replace("secret", "guess"), ADMIN_TOKEN: "not-it", ACCESS_TOKEN: "not-it", TOKEN_OF_NOBODY: "not-it", CLIENT_SECRET: "not-it" };
  const seen = new Set();
  const run = async (url, credentials, args) => {
    const env = { ...process.env, ...credentials, ANSWERED: join(scratch, "answered.json") };
    const { code, output } = await runPython(["-m", "schemathesis.cli", "--config-file", config, "run", file, "--url", url.origin, "--no-color", ...args], { env });
    assert.equal(code, 0, output);
    for (const answer of JSON.parse(readFileSync(env.ANSWERED, "utf8"))) seen.add(answer);
  };
  const refused = ["--phases", "examples", "--warnings", "off", "--exclude-checks", "positive_data_acceptance"];
  const failing = ["--phases", "examples", "--warnings", "off", "--exclude-checks", "positive_data_acceptance,not_a_server_error"];

  // Applications and users do not outlive the operator's run.
  await t.test("what everybody may ask", () => run(postern.url, good, ["--exclude-tag", "Operator"]));
  await t.test("with credentials that are wrong", () => run(postern.url, bad, refused));
  await t.test("what the operator may ask", () => run(postern.url, good, ["--include-tag", "Operator"]));

  await t.test("while the database fails", async () => {
    for (const table of ["families", "applications", "users"]) await postern.env.DB.prepare(`ALTER TABLE ${table} RENAME TO gone_${table}`).run();
    await run(postern.url, good, failing);
  });

  await t.test("while a setting cannot be used", async () => {
    const unusable = await startPostern({ vars: { ACCESS_TOKEN_EXPIRE_SECONDS: "10 hours" } });
    try {
      await run(unusable.url, good, failing);
    } finally {
      await unusable.stop();
    }
  });

  await t.test("from an address that has tried too often", async () => {
    const limits = { SIGN_UP_LIMIT: "1/86400", ADDRESS_FAILURE_LIMIT: "1/86400" };
    const strict = await startPostern({ vars: { ...hashing, ...limits, ...social } });
    const from = { "CF-Connecting-IP": "192.0.2.1" };
    try {
      await strict.createApplication(app);
      assert.equal((await strict.post("/sign_up/", alice, from)).status, 201);
      const guess = () => strict.post("/o/token/", { grant_type: "client_credentials" }, { ...basic({ ...app, client_secret: "a guess" }), ...from });
      assert.deepEqual([(await guess()).status, (await guess()).status], [401, 429]);
      await run(strict.url, good, [...refused, "--header", `CF-Connecting-IP: ${from["CF-Connecting-IP"]}`]);
    } finally {
      await strict.stop();
    }
  });

  await t.test("what it says was seen, but for what needs a race, or a request that schemathesis does not make", () => {
    const unseen = answersOf(documented()).filter((answer) => !seen.has(answer) && !/ (409|413)$/.test(answer));
    assert.deepEqual(unseen.sort(), [
      "DELETE /admin/api/applications/{client_id} 400", // a path that is not percent-encoded UTF-8, as the others without a body
      "DELETE /admin/api/users/{username} 400",
      "GET /.well-known/oauth-authorization-server/{issuer_path} 200", // the issuer of these tests has no path
      "GET /admin/api/applications/{client_id} 400",
      "GET /admin/api/users/{username} 400",
      "GET /admin/api/users/{username}/social/{backend}/token 200", // a provider's tokens that are kept
      "GET /admin/api/users/{username}/social/{backend}/token 400",
      "GET /o/.well-known/oauth-authorization-server/{issuer_path} 200",
      "POST /admin/api/users/{username}/logout 400",
      "POST /auth/disconnect-backend/ 429", // by the binding LIMITER alone
      "POST /auth/invalidate-refresh-tokens/ 429",
      "POST /auth/invalidate-sessions/ 429",
    ]);
  });
});

/** What an old client sends, and a person to whom it sends its request tokens: each of these is for one use. */
async function whatSigns() {
  await postern.createApplication(signing);
  const browser = person(postern);
  const requestToken = async (oauth_callback) => {
    const response = await postern.fetch("/oauth/request_token/", { headers: { Authorization: sign({ oauth_callback }) } });
    assert.equal(response.status, 200);
    const { oauth_token, oauth_token_secret } = Object.fromEntries(new URLSearchParams(await response.text()));
    return { oauth_token, oauth_token_secret, url: `/oauth/authorize/?oauth_token=${oauth_token}` };
  };
  const approved = await requestToken(signing.redirect_uris[0]);
  const oauth_verifier = new URL(await browser.authorize(approved.url, alice)).searchParams.get("oauth_verifier");
  const asked = await requestToken("oob");
  const Cookie = () => [...browser.cookies].map((pair) => pair.join("=")).join("; ");
  /** What this person would send from the consent page at a URL, with the cookies of then. */
  const decision = async (url) => {
    const { text } = await browser.open(url);
    const fields = [...text.matchAll(/<input [^>]*?name="([^"]*)"[^>]*?value="([^"]*)"/g)].map(([, name, value]) => [unescape(name), unescape(value)]);
    return [{ ...Object.fromEntries(fields), decision: "allow" }, Cookie()];
  };
  const decisions = [];
  for (const callback of ["oob", ...signing.redirect_uris]) decisions.push(await decision((await requestToken(callback)).url));
  await postern.admin("PATCH", `applications/${signing.client_id}`, { redirect_uris: signing.redirect_uris.slice(0, 1) }); // so one callback is not registered any more
  const posted = { response_type: "code", client_id: app.client_id, response_mode: "form_post", scope: "read", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };
  const authorization = [await decision(`/o/authorize/?${new URLSearchParams(posted)}`)];
  const twoLegs = { Authorization: sign({}), "X-Forwarded-Method": "GET", "X-Original-URL": "https://api.example.com/notes" };
  const byNobody = { Authorization: sign({ oauth_consumer_key: "nobody", oauth_callback: "oob" }) };
  const headers = {
    requestToken: [byNobody],
    requestTokenByPost: [byNobody],
    authorizeRequestToken: [{ Cookie: Cookie() }, {}],
    oauth1AccessToken: [{ Authorization: sign({ oauth_token: approved.oauth_token, oauth_verifier }, approved.oauth_token_secret) }],
    validate: [twoLegs],
    validateByPost: [twoLegs],
  };
  return { SIGNED: sign({ oauth_callback: "oob" }), REQUEST_TOKEN: asked.oauth_token, HEADERS: JSON.stringify(headers), DECISIONS: JSON.stringify({ decideRequestToken: decisions, authorizeByForm: authorization, authorizeByFormForSocialClients: authorization }) };
}

/** Each `METHOD /path status` that these operations may answer. */
function answersOf(operations) {
  return operations.flatMap(({ path, methods }) =>
    methods.flatMap((method) => Object.keys(api.paths[path][method.toLowerCase()].responses).map((status) => `${method} ${path} ${status}`)),
  );
}
