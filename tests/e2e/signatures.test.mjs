// The signature vectors on WebCrypto, through src/cloudflare/signatures.rs. tests/protocol/signatures.rs runs the same cases
// on the native driver: if the two differ, a test of ID tokens proves nothing.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { checkout, startPostern } from "./support.mjs";

const vectors = JSON.parse(readFileSync(`${checkout}/tests/signatures/vectors.json`, "utf8"));
let postern;

before(async () => {
  postern = await startPostern({ testHooks: true });
});
after(() => postern.stop());

const rpc = async (method, argument) => (await postern.rpc(method, JSON.stringify(argument))).resolved;
const pem = (pkcs8) => `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;

for (const { name, valid, key, ...signed } of vectors.verify) {
  test(`${name}: ${valid ? "verifies" : "is refused"}`, async () => {
    const { jwk, algorithm: found_by } = vectors.keys[key];
    assert.equal(await rpc("verifySignature", { jwk, found_by, ...signed }), valid);
  });
}

for (const { key, algorithm, message, signature } of vectors.sign) {
  test(`what is signed by ${algorithm} verifies`, async () => {
    const { jwk, pkcs8 } = vectors.keys[key];
    const made = await rpc("signMessage", { key: pem(pkcs8), algorithm, message });
    const publicKey = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    assert.ok(verify("sha256", Buffer.from(message), publicKey, Buffer.from(made, "base64url")));
    if (signature) assert.equal(made, signature);
  });
}

test("nothing is signed with SHA-1", async () => {
  const key = pem(vectors.keys["RFC 7515 A.2"].pkcs8);
  assert.ok(await rpc("signMessage", { key, algorithm: "RS256", message: "" }));
  assert.equal(await rpc("signMessage", { key, algorithm: "RSA-SHA1", message: "" }), null);
});

test("a key of another type, or none, signs nothing", async () => {
  const ec = vectors.keys["RFC 7515 A.3"].pkcs8;
  for (const [algorithm, key] of [["RS256", pem(ec)], ["ES384", pem(ec)], ["EdDSA", pem(ec)], ["ES256", pem("AAAA")], ["ES256", ec], ["ES256", ""]]) {
    assert.equal(await rpc("signMessage", { key, algorithm, message: "" }), null, `${algorithm} ${key}`);
  }
});
