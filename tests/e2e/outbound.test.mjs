// Requests to identity providers: the outbound port in workerd, against servers on loopback. Without wrangler, whose own proxy
// would follow redirects, and answer 500 where there is no answer.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createLocalJWKSet, jwtVerify } from "jose";
import { startBare } from "./bare.mjs";
import { openIdProvider } from "./openid_provider.mjs";
import { schema, secrets } from "./support.mjs";

const limit = { timeout: 20_000 };
const longest = 256 * 1024; // src/app.rs
/** What an error and the log must not hold: in the requests below it stands in the query, in a header and in the body. */
const secret = "s3cr3t";

let postern, provider, origin, answer, asked;
let log = "";

before(async () => {
  provider = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body });
    answer(response, request);
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  origin = `http://127.0.0.1:${provider.address().port}`;
  postern = await startBare({ bindings: secrets, schema, testHooks: true, hear: (line) => (log += `${line}\n`) });
});
beforeEach(() => {
  asked = [];
  answer = (response) => response.end("fine");
});
after(async () => {
  provider.closeAllConnections();
  provider.close();
  await postern.stop();
});

/** Sends a request: `{ status, body }`, or `{ error }`. */
async function send(url, more) {
  const request = { method: "POST", url, headers: [["Authorization", `Bearer ${secret}`]], body: `code=${secret}`, ...more };
  const { resolved, rejected } = await postern.rpc("sendOutbound", JSON.stringify(request));
  assert.equal(rejected, undefined);
  return JSON.parse(resolved);
}

const ask = (more) => send(`${origin}/path?code=${secret}`, more);

/** There was an error that tells this, neither it nor the log tells a secret, and the next request is answered. */
async function assertFailed({ status, error }, told) {
  assert.equal(status, undefined);
  assert.match(error, told);
  assert.ok(!error.includes(secret), error);
  answer = (response) => response.end("fine");
  assert.deepEqual(await ask(), { status: 200, body: "fine" });
  assert.ok(!log.includes(secret), log);
}

const lost = /^outbound: Network connection lost\.$/;
const tooLong = /^outbound: the answer is longer than 262144 bytes$/;

test("method, URL, headers and body arrive as they were sent, and the answer comes back", limit, async () => {
  answer = (response) => response.writeHead(400, { "Content-Type": "application/json" }).end('{"error":"é"}');
  const headers = [["Content-Type", "application/x-www-form-urlencoded"], ["Accept", "application/json"], ["Authorization", "Basic YTpi"]];
  assert.deepEqual(await send(`${origin}/token?a=b%20c&d`, { headers, body: "code=%C3%A9&x=y" }), { status: 400, body: '{"error":"é"}' });
  assert.equal(asked.length, 1);
  const [{ method, url, headers: arrived, body }] = asked;
  assert.deepEqual([method, url, body], ["POST", "/token?a=b%20c&d", "code=%C3%A9&x=y"]);
  for (const [name, value] of headers) assert.equal(arrived[name.toLowerCase()], value);
});

test("a request without a body is sent without one", limit, async () => {
  assert.deepEqual(await ask({ method: "GET", body: undefined }), { status: 200, body: "fine" });
  assert.deepEqual([asked[0].method, asked[0].body, asked[0].headers["content-type"]], ["GET", "", undefined]);
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`a redirect by ${status} is not followed`, limit, async () => {
    answer = (response) => response.writeHead(status, { Location: "/elsewhere" }).end("elsewhere");
    assert.deepEqual(await ask(), { status, body: "elsewhere" });
    assert.equal(asked.length, 1);
  });
}

test("an answer without a body is one", limit, async () => {
  for (const status of [204, 304]) {
    answer = (response) => response.writeHead(status).end();
    assert.deepEqual(await ask(), { status, body: "" });
  }
});

test("an answer of 256 KiB is read, and of one byte more it is an error", limit, async () => {
  const body = "0123456789abcdef".repeat(longest / 16);
  answer = (response) => response.end(body);
  assert.deepEqual(await ask(), { status: 200, body });
  answer = (response) => response.end(`${body}g`);
  await assertFailed(await ask(), tooLong);
});

test("so it is for a compressed answer, whose length is the one unpacked", limit, async () => {
  const compressed = (body) => (response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(body));
  answer = compressed("x".repeat(longest));
  assert.equal((await ask()).body?.length, longest);
  answer = compressed("x".repeat(longest + 1));
  await assertFailed(await ask(), tooLong);
});

test("an answer that never ends is an error, and its connection is closed", limit, async () => {
  let closed;
  answer = (response) => {
    closed = once(response, "close");
    const write = () => {
      while (response.write("x".repeat(10_000)));
    };
    response.on("drain", write);
    write();
  };
  const failed = await ask();
  await closed;
  await assertFailed(failed, tooLong);
});

const broken = {
  "a connection that is reset": [(response, { socket }) => socket.resetAndDestroy(), lost],
  "one that is closed without an answer": [(response, { socket }) => socket.end(), lost],
  "one that is reset amid the body": [begin({ "Content-Length": 100 }, (socket) => socket.resetAndDestroy()), lost],
  "one that is closed before the length is reached": [begin({ "Content-Length": 100 }, (socket) => socket.end()), lost],
  "one that is closed before the last chunk": [begin({}, (socket) => socket.end()), lost],
  "no HTTP": [(response, { socket }) => socket.end("nonsense\r\n\r\n"), lost],
  "a body that is not compressed as it says": [(response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end("nonsense"), /decompression failed/],
};

/** Sends a head and three bytes, and does something to the connection when they are on their way. */
function begin(headers, then) {
  return (response, { socket }) => response.writeHead(200, headers).write("abc", () => then(socket));
}

for (const [what, [answering, told]] of Object.entries(broken)) {
  test(`${what}: an error, and the next request is answered`, limit, async () => {
    answer = answering;
    await assertFailed(await ask(), told);
  });
}

test("a port where nobody listens: an error, and the next request is answered", limit, async () => {
  const closed = createTcpServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  await assertFailed(await send(`http://127.0.0.1:${port}/path?code=${secret}`), lost);
});

test("a server that does not speak TLS, asked by https: an error, and the next request is answered", limit, async ({ signal }) => {
  const failed = await send(`${origin.replace("http:", "https:")}/path?code=${secret}`);
  while (!log.includes("TLS") && !signal.aborted) await nextTurn(); // workerd says in its log why it failed
  await assertFailed(failed, /^outbound: ./);
});

test("what cannot be sent is an error that does not repeat it", limit, async () => {
  const urls = ["", `${secret}`, `/path?code=${secret}`, `ftp://127.0.0.1/?code=${secret}`, `data:,${secret}`, `http://[${secret}/`, `http://127.0.0.1:99999/?code=${secret}`];
  for (const url of urls) await assertFailed(await send(url), /^outbound: the URL is not one of http or https$/);
  for (const value of [`${secret}é`, `${secret}\u007f`]) {
    await assertFailed(await ask({ headers: [["Authorization", value]] }), /^outbound: a header is not of printable ASCII$/);
  }
  for (const value of [`${secret}\r\nX: y`, `${secret}\0`]) {
    await assertFailed(await ask({ headers: [["Authorization", value]] }), /^outbound: Invalid header value\.$/);
  }
  await assertFailed(await ask({ method: "GET" }), /^outbound: ./);
  assert.ok(asked.every(({ headers }) => headers.authorization === `Bearer ${secret}` && headers.x === undefined));
});

test("a provider that stalls, wherever, is waited for 5 seconds, and not for ever", limit, async () => {
  const stalls = {
    "/no-answer": () => {},
    "/head": (response) => response.writeHead(200).flushHeaders(),
    "/part": (response) => response.writeHead(200, { "Content-Length": 100 }).write("abc"),
    "/drop-by-drop": (response) => {
      const drops = setInterval(() => response.write("x"), 100);
      response.on("close", () => clearInterval(drops));
    },
  };
  const closed = [];
  answer = (response, { url }) => {
    closed.push(once(response, "close"));
    stalls[new URL(url, origin).pathname](response);
  };
  const begun = performance.now();
  const failed = await Promise.all(Object.keys(stalls).map((path) => send(`${origin}${path}?code=${secret}`)));
  assert.ok(performance.now() - begun > 4_900); // a timer may be early by some milliseconds
  await Promise.all(closed);
  assert.equal(closed.length, 4);
  for (const each of failed) await assertFailed(each, /^outbound: The operation was aborted due to timeout$/);
});

describe("a real OpenID provider", () => {
  let openId;

  before(async () => {
    openId = await openIdProvider();
  });
  after(() => openId.close());

  const basic = () => ["Authorization", `Basic ${btoa(`${openId.clientId}:${openId.clientSecret}`)}`];
  const form = (params) => ({ headers: [basic(), ["Content-Type", "application/x-www-form-urlencoded"]], body: String(new URLSearchParams(params)) });
  const read = (url) => send(url, { method: "GET", headers: [["Accept", "application/json"]], body: undefined });
  const json = ({ status, body, error }) => {
    assert.equal(status, 200, body ?? error);
    return JSON.parse(body);
  };

  test("tells where it has what, exchanges a code, and says whose the token is", limit, async () => {
    const found = json(await read(openId.endpoints.discovery));
    assert.equal(found.issuer, openId.issuer);
    const { nonce, ...proofs } = await openId.authorize("alice");
    const { access_token, id_token } = json(await send(found.token_endpoint, form({ grant_type: "authorization_code", ...proofs })));
    const keys = createLocalJWKSet(json(await read(found.jwks_uri)));
    const { payload } = await jwtVerify(id_token, keys, { issuer: openId.issuer, audience: openId.clientId });
    assert.deepEqual([payload.sub, payload.nonce], [openId.accounts.alice.sub, nonce]);
    const bearer = { method: "GET", headers: [["Authorization", `Bearer ${access_token}`]], body: undefined };
    assert.deepEqual(json(await send(found.userinfo_endpoint, bearer)), openId.accounts.alice);
    assert.equal(json(await send(found.introspection_endpoint, form({ token: access_token }))).client_id, openId.clientId);
    assert.equal((await send(found.revocation_endpoint, form({ token: access_token }))).status, 200);
    assert.equal((await send(found.userinfo_endpoint, bearer)).status, 401);
  });

  test("tells apart its clients, its keys and what has expired", limit, async () => {
    const { access_token, id_token } = await openId.logIn("bob", { clientId: openId.other.client_id });
    const introspect = async () => json(await send(openId.endpoints.introspection, form({ token: access_token })));
    assert.equal((await introspect()).client_id, openId.other.client_id);
    const verify = async (token) => {
      const { payload } = await jwtVerify(await token, createLocalJWKSet(json(await read(openId.endpoints.jwks))), { issuer: openId.issuer });
      return payload.aud;
    };
    assert.deepEqual([await verify(id_token), await verify(openId.signIdToken())], [openId.other.client_id, openId.clientId]);
    assert.equal(await verify(openId.signIdToken({}, { header: { alg: "ES256" } })), openId.clientId);
    await openId.rotateKeys();
    await assert.rejects(verify(id_token), { code: "ERR_JWKS_NO_MATCHING_KEY" });
    assert.equal(await verify(openId.signIdToken()), openId.clientId);
    assert.equal((await introspect()).active, true);
    openId.expire(access_token);
    assert.deepEqual(await introspect(), { active: false });
  });

  for (const [how, told] of Object.entries({ 503: 503, garbage: 200, redirect: 302, reset: lost, endless: tooLong })) {
    test(`may break down: ${how}`, limit, async () => {
      openId.forget();
      openId.breakDown("jwks", Number(how) || how);
      const { status, error } = await read(openId.endpoints.jwks);
      if (typeof told === "number") assert.equal(status, told);
      else assert.match(error ?? "", told);
      openId.recover("jwks");
      assert.equal(json(await read(openId.endpoints.jwks)).keys.length, 2);
      assert.deepEqual([openId.count("jwks"), openId.requests.length], [2, 2]);
    });
  }
});
