// The bugs of tests/planted_bugs, which `npm run test:planted` plants: a bug that does not apply any more shows nothing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkout } from "./support.mjs";

const patches = readdirSync(join(checkout, "tests/planted_bugs")).filter((name) => name.endsWith(".patch"));

test("each planted bug fits the code as it is", () => {
  for (const patch of patches) {
    const { status, stderr } = spawnSync("git", ["apply", "--check", `tests/planted_bugs/${patch}`], { cwd: checkout, encoding: "utf8" });
    assert.equal(status, 0, stderr);
  }
});

test("the docs list each planted bug, and no others", () => {
  const listed = readFileSync(join(checkout, "docs/simulation.md"), "utf8").matchAll(/^\| (\d\d [^|]*?) \|/gm);
  const names = patches.map((name) => name.replace(".patch", "").replaceAll("-", " "));
  assert.deepEqual([...listed].map(([, name]) => name.toLowerCase().replaceAll("-", " ")).sort(), names.sort());
});
