// The examples for nginx and Caddy, run as they stand by the real servers, but for addresses and ports. Between the proxy
// and Postern stands a witness of what is asked; behind the proxy an origin API that tells what reached it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect, createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { signingClient } from "./signing_client.mjs";
import { alice, basic, checkout, startMainJob } from "./support.mjs";

const folder = mkdtempSync(join(tmpdir(), "postern-proxies-"));
const children = [];
let postern, service, logIn, origin, witness, signer, credentials;

before(async () => {
  ({ postern, service, logIn } = await startMainJob());
  const signs = { client_id: "signs", client_type: "confidential", grant_types: ["oauth1"], xauth_allowed: true };
  signer = signingClient(postern.url.origin, await postern.createApplication(signs));
  credentials = await signer.xauth(alice);
  origin = await startOrigin();
  witness = await startWitness();
});
after(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  for (const { server } of [origin, witness]) {
    server.close();
    server.closeAllConnections();
  }
  await postern.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** An origin API. It answers with what reached it; at `/status/404` and the like with that status. */
async function startOrigin() {
  const seen = [];
  const server = createServer(async (incoming, answer) => {
    const body = await bodyOf(incoming);
    seen.push(incoming.url);
    const status = Number(incoming.url.match(/^\/status\/(\d+)/)?.[1] ?? 200);
    const headers = status === 200 ? {} : { "WWW-Authenticate": 'Basic realm="origin"', "Retry-After": "77" };
    answer.writeHead(status, { "Content-Type": "application/json", "X-Auth-Subject": "said by the origin", ...headers });
    answer.end(JSON.stringify({ method: incoming.method, url: incoming.url, headers: linesOf(incoming), body: body.toString("base64") }));
  });
  return { server, seen, port: await listen(server) };
}

/** Stands before Postern: notes each question and passes it on, or answers what `instead` is set to. */
async function startWitness() {
  const witness = { questions: [], instead: null };
  witness.server = createServer(async (incoming, answer) => {
    const { method, url } = incoming;
    witness.questions.push({ method, url, headers: linesOf(incoming), body: await bodyOf(incoming) });
    if (witness.instead) {
      answer.writeHead(...witness.instead);
      return answer.end();
    }
    const { hostname, port } = postern.url;
    request({ hostname, port, method, path: url, headers: incoming.rawHeaders }, (response) => {
      answer.writeHead(response.statusCode, response.rawHeaders);
      response.pipe(answer);
    }).end();
  });
  witness.port = await listen(witness.server);
  return witness;
}

async function listen(server, port = 0) {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

async function bodyOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The header lines of a message, each under its name in lower case: `{ name: [value, …] }`. */
function linesOf({ rawHeaders }) {
  const lines = {};
  for (let at = 0; at < rawHeaders.length; at += 2) (lines[rawHeaders[at].toLowerCase()] ??= []).push(rawHeaders[at + 1]);
  return lines;
}

/** The addresses that stand in an example, and those that the test has instead. */
function replaceOnce(text, replacements) {
  for (const [documented, ours] of replacements) {
    assert.equal(text.split(documented).length, 2, `${documented} stands once in the example`);
    text = text.replace(documented, ours);
  }
  return text;
}

async function startNginx(port) {
  const example = readFileSync(`${checkout}/examples/nginx/postern.conf`, "utf8");
  const site = replaceOnce(example, [
    ["listen 80;", `listen 127.0.0.1:${port};`],
    ["server 127.0.0.1:8787;", `server 127.0.0.1:${witness.port};`],
    ["server 127.0.0.1:8080;", `server 127.0.0.1:${origin.port};`],
  ]);
  writeFileSync(join(folder, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  const main = ["daemon off;", "master_process off;", `pid ${folder}/pid;`, "events {}", "http {", "access_log off;", ...temporary, `include ${folder}/site.conf;`, "}"];
  writeFileSync(join(folder, "nginx.conf"), main.join("\n"));
  await startProxy("nginx", ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")], port);
}

async function startCaddy(port) {
  writeFileSync(join(folder, "Caddyfile"), `{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\nimport ${checkout}/examples/caddy/Caddyfile\n`);
  await startProxy("caddy", ["run", "--adapter", "caddyfile", "--config", join(folder, "Caddyfile")], port, {
    API: `http://:${port}`,
    POSTERN: `127.0.0.1:${witness.port}`,
    ORIGIN: `127.0.0.1:${origin.port}`,
  });
}

/** Runs a server in the foreground, with its state in our folder, until it listens. */
async function startProxy(program, args, port, env = {}) {
  const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
  const child = spawn(program, args, { env: { PATH, HOME: folder, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let said = "";
  let failure;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  child.on("error", (error) => (failure = error));
  child.on("exit", (code) => (failure ??= new Error(`${program} ended with ${code}: ${said}`)));
  while (!(await isListening(port))) {
    if (failure) throw failure;
    await nextTurn();
  }
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

async function freePort() {
  const probe = createSocketServer();
  const port = await listen(probe);
  probe.close();
  return port;
}

const proxies = [
  { name: "nginx", start: startNginx, validate: "/validate/?proxy=nginx&read_write=1", malformed: 401 },
  { name: "Caddy", start: startCaddy, validate: "/validate/?read_write=1", malformed: 400 },
];

for (const { name, start, validate, malformed } of proxies) {
  describe(`${name}, as in its example`, () => {
    let port;

    before(async () => {
      port = await freePort();
      await start(port);
    });
    afterEach(() => {
      witness.questions.length = 0;
      origin.seen.length = 0;
      witness.instead = null;
    });

    /** A request to the proxy; a list of values is a header that comes several times. */
    const ask = async (path, { method = "GET", headers = {}, body } = {}) => {
      const sent = request({ host: "127.0.0.1", port, method, path, headers, agent: false });
      sent.end(body);
      const [response] = await once(sent, "response");
      const text = (await bodyOf(response)).toString();
      const isJson = response.headers["content-type"] === "application/json";
      return { status: response.statusCode, headers: linesOf(response), text, json: isJson && JSON.parse(text) };
    };
    const bearer = (token) => ({ Authorization: `Bearer ${token}` });
    const tokenOfService = async () => {
      const response = await postern.post("/o/token/", { grant_type: "client_credentials" }, basic(service));
      return (await response.json()).access_token;
    };
    const authHeaders = ({ json: { headers } }) => Object.fromEntries(Object.entries(headers).filter(([name]) => /^x.?auth/.test(name)));

    /** Refused by Postern: once, with this challenge, and the origin has not heard of it. */
    const assertRefused = (answer, status, challenge) => {
      assert.equal(answer.status, status);
      const lines = answer.headers["www-authenticate"];
      assert.equal(lines?.length, 1, JSON.stringify(answer.headers));
      assert.match(lines[0], challenge);
      assert.deepEqual(origin.seen, []);
    };

    test("a good token reaches the origin with who the caller is", async () => {
      const { access_token } = await logIn();
      const { sub, exp } = await (await postern.validate(access_token)).json();
      const answer = await ask("/items?page=2", { headers: { ...bearer(access_token), Host: "api.example.com:8443" } });
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.json.headers.host, ["api.example.com:8443"]);
      assert.deepEqual([answer.json.method, answer.json.url], ["GET", "/items?page=2"]);
      assert.deepEqual(authHeaders(answer), {
        "x-auth-subject": [sub],
        "x-auth-username": ["alice"],
        "x-auth-client-id": ["my-app"],
        "x-auth-scope": ["read write groups"],
        "x-auth-expires": [String(exp)],
      });
    });

    test("Postern is asked with GET, and told the original request", async () => {
      const { access_token } = await logIn();
      await ask("/items/%C3%A9,%20x?page=2", { method: "DELETE", headers: { ...bearer(access_token), Host: "api.example.com:8443" } });
      assert.equal(witness.questions.length, 1);
      const [{ method, url, headers }] = witness.questions;
      assert.deepEqual([method, url], ["GET", validate]);
      assert.deepEqual(headers.authorization, [`Bearer ${access_token}`]);
      assert.deepEqual(headers["x-forwarded-method"], ["DELETE"]);
      assert.deepEqual(headers["x-forwarded-proto"], ["http"]);
      assert.deepEqual(headers["x-forwarded-host"], ["api.example.com:8443"]);
      assert.deepEqual(headers["x-forwarded-uri"], ["/items/%C3%A9,%20x?page=2"]);
      assert.notEqual(headers.host[0], "api.example.com:8443");
    });

    test("no token is 401 with the plain challenge", async () => {
      assertRefused(await ask("/"), 401, /^Bearer realm="api"$/);
    });

    test("a made-up, a refresh and a revoked token are 401", async () => {
      const { access_token, refresh_token } = await logIn();
      await postern.post("/o/revoke_token/", { token: access_token, client_id: "my-app" });
      for (const token of ["made-up", refresh_token, access_token]) {
        assertRefused(await ask("/", { headers: bearer(token) }), 401, /^Bearer realm="api", error="invalid_token"/);
      }
    });

    test("a token that is short of scope is 403, with the scope that would do", async () => {
      const { access_token } = await logIn({ scope: "read" });
      assert.equal((await ask("/", { headers: bearer(access_token) })).status, 200);
      origin.seen.length = 0;
      const answer = await ask("/", { method: "POST", headers: bearer(access_token), body: "x" });
      assertRefused(answer, 403, /error="insufficient_scope".*scope="write"/);
    });

    test("a malformed header is refused with a challenge", async () => {
      const answer = await ask("/", { headers: { Authorization: "Bearer a b" } });
      assertRefused(answer, malformed, /error="invalid_request"/);
    });

    test("what the caller says of the request decides nothing, and gets nowhere", async () => {
      const { access_token } = await logIn({ scope: "read" });
      const spoofed = {
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "spoofed.example",
        "X-Forwarded-Uri": "/spoofed",
        "X-Original-URL": "https://spoofed.example/spoofed",
      };
      const twice = Object.fromEntries(Object.entries(spoofed).map(([name, value]) => [name, [value, value]]));
      for (const headers of [spoofed, twice]) {
        const answer = await ask("/", { method: "POST", headers: { ...bearer(access_token), ...headers }, body: "x" });
        assertRefused(answer, 403, /scope="write"/);
        assert.doesNotMatch(JSON.stringify(witness.questions.pop().headers), /spoofed|gopher|x-original-url/);

        const passed = await ask("/", { headers: { ...bearer(access_token), ...headers, "X-Forwarded-Method": "DELETE" } });
        assert.equal(passed.status, 200);
        assert.doesNotMatch(JSON.stringify([witness.questions.pop().headers, passed.json.headers]), /spoofed|gopher|DELETE|x-original-url/);
        origin.seen.length = 0;
      }
    });

    test("a signed request reaches the origin with who the caller is, once", async () => {
      const Host = "api.example.com:8443";
      const url = `http://${Host}/items/%C3%A9,%20x?page=2&q=a+b&empty=`;
      const inQuery = signer.signedUrl(credentials, "DELETE", url).slice(`http://${Host}`.length);
      const path = url.slice(`http://${Host}`.length);
      for (const [method, target, headers] of [
        ["GET", path, { Authorization: signer.header(credentials, "GET", url) }],
        ["POST", path, { Authorization: signer.header(credentials, "POST", url), "Content-Type": "application/json" }],
        ["DELETE", inQuery, {}],
      ]) {
        const send = () => ask(target, { method, headers: { Host, ...headers }, ...(method === "POST" && { body: "{}" }) });
        const answer = await send();
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual([answer.json.method, answer.json.url], [method, target]);
        const { "x-auth-username": username, "x-auth-client-id": client_id } = authHeaders(answer);
        assert.deepEqual([username, client_id], [["alice"], ["signs"]]);
        origin.seen.length = 0;
        assertRefused(await send(), 401, /^OAuth realm="api", error="invalid_token"/); // again
      }
    });

    test("a signed request that was changed on the way is refused, and a signed form always", async () => {
      const Host = "api.example.com";
      const url = `http://${Host}/pay?to=bob`;
      const Authorization = () => signer.header(credentials, "GET", url);
      const refused = /^OAuth realm="api", error="invalid_token"/;
      assertRefused(await ask("/pay?to=eve", { headers: { Host, Authorization: Authorization() } }), 401, refused);
      assertRefused(await ask("/pay?to=bob", { headers: { Host: "api.example.org", Authorization: Authorization() } }), 401, refused);
      assertRefused(await ask("/pay?to=bob", { method: "POST", headers: { Host, Authorization: Authorization() } }), 401, refused);
      assertRefused(await ask("/pay?to=bob", { headers: { Host, Authorization: "OAuth nonsense" } }), malformed, /^OAuth realm="api", error="invalid_request"/);
      const form = { amount: "1" }; // its signature covers it, and Postern does not see it
      const headers = { Host, Authorization: signer.header(credentials, "POST", url, form), "Content-Type": "application/x-www-form-urlencoded" };
      assertRefused(await ask("/pay?to=bob", { method: "POST", headers, body: "amount=1" }), 401, refused);
    });

    const spoofedUser = {
      "X-Auth-Subject": ["spoofed", "spoofed"],
      "x-auth-username": "spoofed",
      "X-Auth-Client-Id": "spoofed",
      "X-Auth-Scope": "spoofed",
      "X-Auth-Expires": "spoofed",
      X_Auth_Subject: "spoofed",
      "X-Auth_Subject": "spoofed",
      "X_Auth-Username": "spoofed",
    };

    test("a token without a user reaches the origin without one, whatever the caller says", async () => {
      const answer = await ask("/", { headers: { ...bearer(await tokenOfService()), ...spoofedUser } });
      assert.equal(answer.status, 200);
      assert.deepEqual(Object.keys(authHeaders(answer)).sort(), ["x-auth-client-id", "x-auth-expires", "x-auth-scope"]);
      assert.deepEqual(authHeaders(answer)["x-auth-client-id"], ["a-service"]);
      assert.doesNotMatch(answer.text, /spoofed/);
    });

    test("a token with a user overrules who the caller says to be", async () => {
      const { access_token } = await logIn();
      const answer = await ask("/", { headers: { ...bearer(access_token), ...spoofedUser } });
      assert.deepEqual(authHeaders(answer)["x-auth-username"], ["alice"]);
      assert.doesNotMatch(answer.text, /spoofed/);
    });

    test("OPTIONS is let through unasked, and brings no user", async () => {
      const preflight = { Origin: "https://app.example", "Access-Control-Request-Method": "POST" };
      for (const headers of [preflight, { ...preflight, ...spoofedUser, ...bearer(await tokenOfService()) }]) {
        const answer = await ask("/items", { method: "OPTIONS", headers });
        assert.deepEqual([answer.status, answer.json.method, answer.json.url], [200, "OPTIONS", "/items"]);
        assert.deepEqual(answer.json.headers["access-control-request-method"], ["POST"]);
        assert.deepEqual(authHeaders(answer), {});
        assert.doesNotMatch(answer.text, /spoofed/);
      }
      assert.deepEqual(witness.questions, []);
    });

    test("two Authorization headers are refused", async () => {
      const good = `Bearer ${(await logIn()).access_token}`;
      for (const Authorization of [[good, "Bearer made-up"], ["Bearer made-up", good]]) {
        assert.equal((await ask("/", { headers: { Authorization } })).status, 400);
      }
      assert.deepEqual(origin.seen, []);
    });

    test("a body reaches the origin unharmed, and Postern never", async () => {
      const { access_token } = await logIn();
      const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
      for (const framing of [{ "Content-Length": body.length }, { "Transfer-Encoding": "chunked" }]) {
        const answer = await ask("/upload", { method: "POST", headers: { ...bearer(access_token), "Content-Type": "image/png", ...framing }, body });
        assert.deepEqual([answer.status, answer.json.method, answer.json.headers["content-type"]], [200, "POST", ["image/png"]]);
        assert.ok(Buffer.from(answer.json.body, "base64").equals(body));
        const { headers, ...question } = witness.questions.pop();
        assert.deepEqual([question.method, question.body.length], ["GET", 0]);
        assert.equal(headers["transfer-encoding"], undefined);
      }
    });

    test("what the origin answers is not touched", async () => {
      const { access_token } = await logIn();
      for (const status of [400, 401, 403, 404, 500, 502, 503]) {
        const answer = await ask(`/status/${status}`, { headers: bearer(access_token) });
        assert.equal(answer.status, status);
        assert.deepEqual(answer.headers["www-authenticate"], ['Basic realm="origin"']);
        assert.deepEqual(answer.headers["retry-after"], ["77"]);
        assert.equal(answer.json.url, `/status/${status}`);
      }
    });

    test("Postern's 503 is handed on, with when to try again", async () => {
      const { access_token } = await logIn();
      witness.instead = [503, { "Retry-After": "7" }];
      for (const headers of [bearer(access_token), {}]) {
        const answer = await ask("/", { headers });
        assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, ["7"]]);
      }
      assert.deepEqual(origin.seen, []);
      witness.instead = null;
      assert.equal((await ask("/", { headers: bearer(access_token) })).status, 200);
    });

    test("while Postern is down, all is 503 but preflights", async () => {
      const { access_token } = await logIn();
      witness.server.close();
      witness.server.closeAllConnections();
      try {
        for (const headers of [bearer(access_token), {}, spoofedUser]) assert.equal((await ask("/", { headers })).status, 503);
        assert.deepEqual(origin.seen, []);
        assert.equal((await ask("/", { method: "OPTIONS" })).status, 200);
      } finally {
        await listen(witness.server, witness.port);
      }
      assert.equal((await ask("/", { headers: bearer(access_token) })).status, 200);
    });

    if (name === "nginx") {
      test("the place where Postern is asked is not for callers", async () => {
        assert.equal((await ask("/_validate", { headers: bearer((await logIn()).access_token) })).status, 404);
        assert.deepEqual(witness.questions, []);
      });
    }

    test("while the origin is down, that is not put on Postern", async () => {
      const { access_token } = await logIn();
      origin.server.close();
      origin.server.closeAllConnections();
      try {
        assert.equal((await ask("/", { headers: bearer(access_token) })).status, 502);
      } finally {
        await listen(origin.server, origin.port);
      }
    });
  });
}
