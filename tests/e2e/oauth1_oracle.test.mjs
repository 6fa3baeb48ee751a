// Signed requests, read and verified by us and by oauthlib: tests/python/oauth1_requests.py makes them, and says where oauthlib
// leaves RFC 5849; tests/oauth1/verify.rs compares. OAUTH1_SEED makes others.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { runPython } from "./python.mjs";
import { checkout } from "./support.mjs";

const count = 10_000;

test(`${count} requests that oauthlib signs verify, and with one byte changed as it says`, async () => {
  const { code, output } = await runPython(["tests/python/oauth1_requests.py", `${count}`, process.env.OAUTH1_SEED ?? "5849"]);
  assert.equal(code, 0, output.slice(-2000));

  const verify = ["run", "--quiet", "--example", "oauth1_verify"];
  const { status, error, stdout, stderr } = spawnSync("cargo", verify, { cwd: checkout, input: output, encoding: "utf8", maxBuffer: 2 ** 28 });
  assert.equal(status, 0, `${error ?? ""}${stdout.slice(0, 5000)}${stderr}`);
  const { verified, refused, malformed, still_verified } = JSON.parse(stdout);
  assert.equal(verified, count);
  assert.equal(refused + malformed + still_verified, count);
  assert.ok(refused > count / 2 && malformed < count / 20, stdout);
});
