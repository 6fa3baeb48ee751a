// The main job as requests-oauthlib drives it: tests/python/main_job.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { listen } from "./origin.mjs";
import { runPython } from "./python.mjs";
import { alice, checkout, startPostern } from "./support.mjs";

const program = `${checkout}/tests/python/main_job.py`;
let postern, origin;

before(async () => {
  postern = await startPostern();
  origin = await listen(postern.worker("origin-api"));
});
after(() => Promise.all([origin?.close(), postern?.stop()]));

test("requests-oauthlib does the main job", async () => {
  const app = await postern.createApplication({ client_id: "my-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  const service = await postern.createApplication({ client_type: "confidential", grant_types: ["client_credentials", "refresh_token"], scope: "read write groups introspection" });
  await postern.signUp();
  const told = { POSTERN: postern.url.origin, ORIGIN_API: origin.url, ALICE: JSON.stringify(alice), APP: JSON.stringify(app), SERVICE: JSON.stringify(service) };

  const { code, output } = await runPython([program], { env: { ...process.env, ...told } });
  assert.equal(code, 0, output);
  const written = readFileSync(program, "utf8").match(/def test_/g).length;
  assert.match(output, new RegExp(`^Ran ${written} tests in .*\\n+OK$`, "m"), output);
});
