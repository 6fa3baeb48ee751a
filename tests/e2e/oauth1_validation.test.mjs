// Signed requests at validation, by HTTP and by RPC over a service binding, with real D1 and KV.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { signingClient } from "./signing_client.mjs";
import { alice, startPostern } from "./support.mjs";

const photos = "https://api.example/photos?page=2&size=%C3%B8";
let postern, client, credentials, narrow, other;

before(async () => {
  postern = await startPostern();
  await postern.signUp();
  const register = async (more) => {
    const registration = { client_type: "confidential", grant_types: ["oauth1"], xauth_allowed: true, ...more };
    const application = await postern.createApplication(registration);
    return { ...application, ...signingClient(postern.url.origin, application) };
  };
  client = await register();
  credentials = await client.xauth(alice);
  other = await register({ scope: "read" });
  narrow = await other.xauth(alice);
});
after(() => postern.stop());

/** A request as an origin tells of it, in the words of HTTP and of RPC. */
const byHttp = async ({ authorization, method, url, body, query = "" }) => {
  const headers = {
    ...(authorization && { Authorization: authorization }),
    ...(method && { "X-Forwarded-Method": method }),
    ...(url && { "X-Original-URL": url }),
    ...(body !== undefined && { "Content-Type": "application/x-www-form-urlencoded" }),
  };
  return postern.caller("/fetch", [`/validate/${query}`, { method: body === undefined ? "GET" : "POST", headers, body }]);
};
const byRpc = async ({ authorization, method, url, body, options }) => {
  const told = { ...(method && { method }), ...(url && { url }), ...(body !== undefined && { body }), ...options };
  return (await postern.rpc("validate", authorization ?? null, told)).resolved;
};

/** A request that the client signs, a new one each time. What stands in `changes` is changed after that. */
const signed = ({ method = "GET", url = photos, form, as = client, by = credentials } = {}, changes) => () => ({
  authorization: as.header(by, method, url, form),
  method,
  url,
  ...(form && { body: new URLSearchParams(form).toString() }),
  ...changes,
});
const paid = { method: "POST", url: "https://api.example/pay", form: { amount: "1", to: "ø ~+" } };
const oauthOf = (authorization) => new URLSearchParams([...authorization.matchAll(/(oauth_\w+)="([^"]*)"/g)].map(([, name, value]) => [name, decodeURIComponent(value)])).toString();

test("RPC answers a signed request as HTTP does: status, headers and body", async () => {
  const inItsForm = () => {
    const { authorization, body, ...request } = signed(paid)();
    return { ...request, body: `${body}&${oauthOf(authorization)}` };
  };
  const inItsQuery = () => ({ method: "GET", url: client.signedUrl(credentials, "GET", photos) });
  const twice = () => {
    const request = signed()();
    return { ...request, authorization: `${request.authorization}, oauth_nonce="another"` };
  };
  const inTwoPlaces = () => ({ ...signed()(), url: client.signedUrl(credentials, "GET", photos) });
  const demand = { scope: "read", read_write: true, fresh: true };
  const query = "?scope=read&read_write=1&fresh=1";
  for (const [what, make, status] of [
    ["in its header", signed(), 200],
    ["in its query", inItsQuery, 200],
    ["with a form", signed(paid), 200],
    ["in its form", inItsForm, 200],
    ["as an application that is registered for less", signed({ as: other, by: narrow }), 200],
    ["with what is asked for", signed({}, { options: demand, query }), 200],
    ["that reads, where writing is asked for", signed({ ...paid, as: other, by: narrow }, { options: { read_write: true }, query: "?read_write=1" }), 403],
    ["that is short of scope", signed({ as: other, by: narrow }, { options: { scope: "groups" }, query: "?scope=groups" }), 403],
    ["of another method", signed({}, { method: "DELETE" }), 401],
    ["of another URL", signed({}, { url: photos.replace("2", "3") }), 401],
    ["without its form", signed(paid, { body: undefined }), 401],
    ["with another form", signed(paid, { body: "amount=2&to=x" }), 401],
    ["with another's token", signed({ by: narrow }), 401],
    ["without a token", signed({ by: {} }), 401],
    ["with a made-up token", signed({ by: { token: "pst_1a_made-up", secret: "s" } }), 401],
    ["of nobody", signed({ as: signingClient("http://x", { client_id: "nobody", client_secret: "s" }) }), 401],
    ["of no method", signed({}, { method: undefined }), 400],
    ["of no URL", signed({}, { url: undefined }), 400],
    ["of a URL that is none", signed({}, { url: "nonsense" }), 400],
    ["with two nonces", twice, 400],
    ["in two places", inTwoPlaces, 400],
    ["that is not one", () => ({ authorization: "OAuth nonsense", method: "GET", url: photos }), 400],
    ["but no signature at all", () => ({ method: "POST", url: photos, body: "a=b" }), 401],
    ["but a body that is too long for that", signed(paid, { body: "x".repeat(65_536) }), 401],
  ]) {
    const answers = [await byHttp(make()), await byRpc(make())]; // each signs its own: a nonce is good once
    for (const { headers } of answers) {
      assert.equal(headers["x-request-id"] !== undefined, status !== 200, what);
      delete headers["x-request-id"];
    }
    assert.deepEqual([answers[1].status, answers[1].body.active], [status, status === 200], what);
    assert.deepEqual(answers[1], answers[0], what);
  }
});

test("a signed request is told what is known of its token, as a Bearer token is", async () => {
  const { status, headers, body } = await byHttp(signed()());
  const { id } = await (await postern.admin("GET", "users/alice")).json();
  const { exp, iat, ...rest } = body;
  assert.equal(exp - iat, 31_536_000);
  assert.deepEqual([status, rest], [200, { active: true, scope: "read write groups", client_id: client.client_id, token_type: "OAuth", username: "alice", sub: id }]);
  assert.deepEqual([headers["x-auth-subject"], headers["x-auth-username"], headers["cache-control"]], [id, "alice", "no-store"]);
});

test("a nonce is good once, whichever way is asked, and of any number of tries at once", async () => {
  for (const [first, second] of [[byHttp, byRpc], [byRpc, byHttp]]) {
    const request = signed()();
    assert.equal((await first(request)).status, 200);
    const { status, headers } = await second(request);
    assert.deepEqual([status, headers["www-authenticate"].startsWith('OAuth realm="api", error="invalid_token"')], [401, true]);
  }
  const { authorization, method, url } = signed()();
  const calls = Array.from({ length: 50 }, () => ["validate", authorization, { method, url }]);
  const statuses = (await postern.caller("/calls", calls)).map(({ resolved }) => resolved.status).sort();
  assert.deepEqual(statuses, [200, ...Array(49).fill(401)]);
});

test("what ends the login ends the token at once", async () => {
  const carol = { username: "carol", password: "open-sesame-2001" };
  await postern.signUp(carol);
  const by = await client.xauth(carol);
  for (const ask of [byHttp, byRpc]) assert.equal((await ask(signed({ by })())).status, 200);
  assert.equal((await postern.admin("POST", "users/carol/logout")).status, 204);
  for (const ask of [byHttp, byRpc]) assert.equal((await ask(signed({ by })())).status, 401);
});

test("a form that is too long to be signed is refused at once, and the server goes on", async () => {
  const long = `a=${"x".repeat(1 << 20)}`;
  const request = signed(paid, { body: long });
  const answer = await byHttp(request());
  assert.deepEqual([answer.status, answer.body.error], [413, "invalid_request"]);
  const { status, body } = await byRpc(request());
  assert.deepEqual([status, body.active, body.error], [400, false, "invalid_request"]);
  assert.equal((await byRpc({ ...request(), authorization: undefined })).status, 400); // the signature might have stood in it
  const { authorization } = signed()();
  assert.deepEqual(await postern.caller("/endless", ["/validate/", { Authorization: authorization }]), { resolved: 413 });
  assert.deepEqual(await postern.caller("/endless", ["/validate/", {}]), { resolved: 413 });
  assert.equal((await byHttp(signed()())).status, 200);
});

test("of a request with a Bearer token the body is not read", async () => {
  const front = { client_id: "front", client_type: "public", grant_types: ["password"] };
  await postern.createApplication(front);
  const { access_token } = await (await postern.post("/o/token/", { grant_type: "password", client_id: "front", ...alice })).json();
  const authorization = `Bearer ${access_token}`;
  const request = { authorization, method: "POST", url: photos, body: "x".repeat(1 << 20) };
  for (const ask of [byHttp, byRpc]) assert.equal((await ask(request)).status, 200);
});

test("the log tells why, and no secret", async () => {
  const { authorization, ...request } = signed({}, { method: "DELETE" })();
  const { headers } = await byHttp({ authorization, ...request });
  const logs = postern.logs().map(({ message }) => message);
  assert.ok(logs.some((line) => line.includes(headers["x-request-id"]) && line.includes("the signature is not that of the request")));
  for (const secret of [client.client_secret, credentials.secret, credentials.token, alice.password, authorization.match(/oauth_signature="([^"]+)/)[1]]) {
    assert.deepEqual(logs.filter((line) => line.includes(secret)), []);
  }
});
