// The storage conformance suite on D1, through the driver in src/cloudflare/database.rs. tests/protocol/storage.rs runs the
// same cases on the native driver. What D1 does is right: the other one has to follow.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { run as runStatements } from "../../src/cloudflare/database.js";
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

// What D1 does on a bad day cannot be had from the real one.
const answering = (outcome) => {
  const statement = { bind: () => statement, run: async () => outcome() };
  return { prepare: () => statement, batch: async (statements) => statements.map(outcome) };
};
const read = JSON.stringify([["SELECT 1", []]]);
const reads = JSON.stringify([["SELECT 1", []], ["SELECT 1", []]]);

test("an outcome that tells of an error is one", async () => {
  for (const statements of [read, reads]) {
    const failing = answering(() => ({ success: false, error: "D1_ERROR: overloaded", results: [], meta: {} }));
    await assert.rejects(runStatements(failing, statements), { message: "D1_ERROR: overloaded" });
  }
});

test("an outcome without rows or without meta has none and changed none", async () => {
  assert.equal(await runStatements(answering(() => ({ success: true })), read), "[[[],[],0]]");
});

test("an answer that the driver cannot read is not quoted", async () => {
  for (const statements of [read, reads]) {
    const unreadable = answering(() => {
      throw new Error('D1_ERROR: Failed to parse body as JSON, got: [{"password_hash":"$argon2id$…');
    });
    await assert.rejects(runStatements(unreadable, statements), { message: "D1_ERROR: Failed to parse body as JSON" });
  }
});
