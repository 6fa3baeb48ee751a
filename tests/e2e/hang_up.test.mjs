// Who hangs up before the answer: what they asked for is done all the same, and nothing of it stays in memory.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { startBare } from "./bare.mjs";
import { alice, schema, secrets } from "./support.mjs";

const gate = createServer();
let postern;

before(async () => {
  await once(gate.listen(0, "127.0.0.1"), "listening");
  const hashing = { PASSWORD_HASH_MEMORY_KIB: "8", PASSWORD_HASH_ITERATIONS: "1" }; // what it takes could hide what stays
  const bindings = { ...secrets, ...hashing, VALIDATION_CACHE_SECONDS: "0" };
  postern = await startBare({ bindings, schema, wrappers: ["tests/e2e/slow-d1.mjs", "tests/e2e/watch-instances.mjs"] });
  await register({ client_id: "my-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  await register({ client_id: "a-service", client_secret: "the-secret-of-a-service", client_type: "confidential", grant_types: ["client_credentials"] });
  assert.equal((await post("/sign_up/", alice)).status, 201);
});
after(async () => {
  await postern?.stop();
  gate.closeAllConnections();
  gate.close();
});

const post = (path, params, headers = {}) => fetch(new URL(path, postern.url), { method: "POST", headers, body: new URLSearchParams(params) });
const validate = (token) => fetch(new URL("/validate/", postern.url), { headers: { Authorization: `Bearer ${token}` } });

async function register(application) {
  const headers = { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, "Content-Type": "application/json" };
  const response = await fetch(new URL("/admin/api/applications", postern.url), { method: "POST", headers, body: JSON.stringify(application) });
  assert.equal(response.status, 201);
}

async function logIn() {
  const response = await post("/o/token/", { grant_type: "password", client_id: "my-app", ...alice });
  assert.equal(response.status, 200);
  return response.json();
}

/** Sends a form, and hangs up when D1 has done what it was asked for first, before it says so. */
async function hangUp(path, params) {
  await fetch(new URL(`/gate?url=http://127.0.0.1:${gate.address().port}/`, postern.url));
  const body = new URLSearchParams(params).toString();
  const socket = connect(Number(postern.url.port), "127.0.0.1");
  const asked = once(gate, "request");
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const [, held] = await asked;
  socket.resetAndDestroy();
  // By the time that others have been answered, workerd has noticed.
  for (let others = 0; others < 3; others++) assert.equal((await validate("x")).status, 401);
  await fetch(new URL("/gate", postern.url));
  held.end();
}

test("a revocation ends the token everywhere", async () => {
  for (let round = 0; round < 3; round++) {
    const { access_token } = await logIn();
    assert.equal((await validate(access_token)).status, 200); // KV knows it
    await hangUp("/o/revoke_token/", { client_id: "my-app", token: access_token });
    let status, tries = 0;
    do status = (await validate(access_token)).status;
    while (status === 200 && ++tries < 200);
    assert.equal(status, 401);
  }
});

test("a refresh can be repeated", async () => {
  const { refresh_token } = await logIn();
  const asked = { grant_type: "refresh_token", client_id: "my-app", refresh_token };
  await hangUp("/o/token/", asked);
  const response = await post("/o/token/", asked);
  assert.equal(response.status, 200);
  assert.equal((await validate((await response.json()).access_token)).status, 200);
});

test("memory does not grow", async () => {
  const long = { grant_type: "client_credentials", client_id: "a-service", client_secret: "a guess", x: "x".repeat(60_000) };
  const bytes = async () => Math.max(...(await (await fetch(new URL("/memory", postern.url))).json()));
  for (let count = 0; count < 20; count++) await hangUp("/o/token/", long);
  const before = await bytes();
  assert.ok(before > 0);
  for (let count = 0; count < 100; count++) await hangUp("/o/token/", long);
  assert.ok((await bytes()) - before < 1_000_000, `${before} became ${await bytes()}`); // 100 forms are 6 MB
});
