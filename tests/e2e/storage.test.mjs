// The storage conformance suite on D1, through the driver in src/cloudflare/database.rs. tests/protocol/storage.rs runs the
// same cases on the native driver. What D1 does is right: the other one has to follow.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { checkout, startPostern } from "./support.mjs";

const cases = JSON.parse(readFileSync(`${checkout}/tests/storage/conformance.json`, "utf8"));
let postern;

before(async () => {
  postern = await startPostern({ testHooks: true });
});
after(() => postern.stop());

/** The outcomes of some statements, or what went wrong. A single one is run alone, several as a batch. */
const run = async (statements) => {
  const { resolved } = await postern.rpc("runStatements", JSON.stringify(statements), statements.length === 1);
  return JSON.parse(resolved);
};

for (const { name, setup = [], batch, expect, then } of cases) {
  test(name, async () => {
    for (const sql of setup) assert.ok((await run([{ sql }])).outcomes, sql);

    const { outcomes, error } = await run(batch);
    if (expect.error) {
      assert.ok(error, `no error, but ${JSON.stringify(outcomes)}`);
    } else {
      assert.equal(error, undefined);
      assert.deepEqual(outcomes.map(({ rows }) => rows), expect.rows);
      assert.deepEqual(outcomes.map(({ changed }) => changed), expect.changed);
    }

    if (then) assert.deepEqual((await run([then])).outcomes[0].rows, then.rows);
  });
}
