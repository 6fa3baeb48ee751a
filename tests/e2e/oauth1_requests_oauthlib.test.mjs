// OAuth 1.0a as requests-oauthlib drives it: tests/python/oauth1.py. Its signed requests go to the example of an origin API.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { listen } from "./origin.mjs";
import { runPython } from "./python.mjs";
import { alice, checkout, startPostern } from "./support.mjs";

const program = `${checkout}/tests/python/oauth1.py`;
const callback = "http://127.0.0.1:4000/cb";
let postern, origin;

before(async () => {
  postern = await startPostern();
  origin = await listen(postern.worker("origin-api"));
});
after(() => Promise.all([origin?.close(), postern?.stop()]));

test("requests-oauthlib does OAuth 1.0a", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const registration = { client_type: "confidential", redirect_uris: [callback] };
  const app = await postern.createApplication({
    ...registration,
    grant_types: ["oauth1", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
    oauth1_signature_methods: ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "PLAINTEXT"],
    jwks: { keys: [publicKey.export({ format: "jwk" })] },
    xauth_allowed: true,
  });
  const other = await postern.createApplication({ ...registration, grant_types: ["oauth1"] });
  await postern.signUp();
  const told = {
    POSTERN: postern.url.origin,
    ORIGIN_API: origin.url,
    CALLBACK: callback,
    ALICE: JSON.stringify(alice),
    APP: JSON.stringify(app),
    OTHER: JSON.stringify(other),
    RSA_KEY: privateKey.export({ type: "pkcs8", format: "pem" }),
  };

  const { code, output } = await runPython([program], { env: { ...process.env, ...told } });
  assert.equal(code, 0, output);
  const written = readFileSync(program, "utf8").match(/def test_/g).length;
  assert.match(output, new RegExp(`^Ran ${written} tests in .*\\n+OK$`, "m"), output);
  for (const secret of [app.client_secret, other.client_secret, alice.password, "pst_1"]) {
    assert.ok(!postern.logs().some(({ message }) => message.includes(secret)));
  }
});
