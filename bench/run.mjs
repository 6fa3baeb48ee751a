// `npm run bench`: builds, starts workerd with Postern and what it is compared with, loads them in turn from a second
// process, and prints the table. `-- --quick` has fewer and shorter rounds, `-- --case text` only cases with that in the name.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runScript } from "../scripts/run.mjs";
import { connections, prepareCases, wire } from "./cases.mjs";
import { measureColdStarts } from "./cold-start.mjs";
import { countCalls } from "./counts.mjs";
import { whatTheFloorLacks } from "./floor-is-current.mjs";
import { measureGrowth } from "./growth.mjs";
import { openProvider } from "./provider.mjs";
import { printGrowth, printStart, printTable } from "./table.mjs";
import { startWorkers } from "./workers.mjs";

const { values: given } = parseArgs({
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" }, case: { type: "string", default: "" } },
});
const rounds = Number(given.rounds ?? (given.quick ? 3 : 7));
const milliseconds = given.quick ? 400 : 1000;
// What disturbs the machine for a moment disturbs all who are compared.
const slicesOfARound = 4;
const distinctTokens = given.quick ? 1_000 : 10_000;
const sessions = { few: 1_000, many: given.quick ? 20_000 : 1_000_000 };
const nonces = { few: 1_000, many: given.quick ? 20_000 : 100_000 };

for (const build of [[], ["bench_noop"], ["bench_floor"]]) runScript("build.mjs", build);

const loader = fork(fileURLToPath(new URL("load.mjs", import.meta.url)));
const provider = await openProvider();
const workers = await startWorkers(provider);
try {
  await main();
  if (given.case === "") {
    console.log(`\nGrowth: ${sessions.many.toLocaleString("en")} sessions and ${nonces.many.toLocaleString("en")} nonces are stored …`);
    printGrowth(await measureGrowth({ sessions, nonces, rounds, milliseconds, workers, load }));
  }
} finally {
  loader.disconnect();
  await workers.stop();
  provider.stop();
}
printStart(await measureColdStarts(rounds, ["build/bench_noop", "build"]));

async function main() {
  console.log(`\nPreparing: ${distinctTokens.toLocaleString("en")} tokens are issued …`);
  const every = await prepareCases({ port: workers.port, load, distinctTokens, provider });
  const cases = every.filter(({ name }) => name.includes(given.case));
  const javaScript = { name: "no-op JavaScript", alone: true, requests: cases[0].requests };
  for (const contest of cases) contest.counted = await countCalls(contest, { port: workers.port, load });
  const measured = new Map();
  for (const contest of [javaScript, ...cases]) {
    const contestants = contestantsOf(contest);
    measured.set(contest, new Map(contestants.map(({ worker }) => [worker, []])));
    for (const contestant of contest.seen ? contestants : []) {
      await load({ ...contestant, connections, expect: contestant.expect });
    }
  }
  for (let round = 0; round < rounds; round++) {
    process.stdout.write(`Round ${round + 1} of ${rounds}\r`);
    for (const [contest, results] of measured) {
      const contestants = contestantsOf(contest);
      const slices = new Map(contestants.map(({ worker }) => [worker, []]));
      // Another one begins each time, so that none always follows the same neighbour.
      for (let turn = 0; turn < slicesOfARound * contestants.length; turn++) {
        const first = round + Math.floor(turn / contestants.length);
        const { worker, ...contestant } = contestantsOf(contest)[(first + turn) % contestants.length];
        const result = await load({
          ...contestant,
          connections: contest.connections ?? connections,
          warmUp: contest.slow ? 100 : 50,
          milliseconds: lengthOf(contest) / slicesOfARound,
          perConnection: contest.perConnection,
          pid: workers.pid,
        });
        if (contestant.follow) contest.wired.set(worker, result.requests);
        slices.get(worker).push(result);
      }
      for (const [worker, measuredSlices] of slices) results.get(worker).push(together(measuredSlices));
    }
  }
  // By each isolate once; of the first requests at once, each asks.
  if (provider.count("/jwks") > connections + 1) throw new Error("the provider was asked for its keys again and again");
  printTable(measured, [...whatTheFloorLacks(), ...(await whatTheFloorLeftUndone())]);
}

/**
 * How long a round is, in milliseconds. Where nothing is stored, single seconds differ by the runtime's collections of garbage:
 * each takes some tenth of a second, every few thousand requests.
 */
function lengthOf({ slow, counted }) {
  const storesNothing = counted?.rowsWritten === 0 && counted.kvWrites === 0;
  return slow || storesNothing ? 2 * milliseconds : milliseconds;
}

/** What slices of the same length come to. */
function together(slices) {
  const mean = (of) => slices.reduce((sum, slice) => sum + of(slice), 0) / slices.length;
  const perSecond = mean((slice) => slice.perSecond);
  return {
    perSecond,
    p50: mean(({ p50 }) => p50),
    p99: mean(({ p99 }) => p99),
    cpuMicroseconds: mean((slice) => slice.perSecond * slice.cpuMicroseconds) / perSecond,
  };
}

/** Who is measured in a case: the no-op, the floor if it has a route for it, and Postern; all get the same requests. */
function contestantsOf(contest) {
  contest.wired ??= new Map();
  const contestant = (worker, name, path, more) => {
    if (!contest.wired.has(name)) contest.wired.set(name, contest.requests.map((request, index) => wire(request, path(index))));
    return { worker: name, port: workers.port(worker), requests: contest.wired.get(name), signing: contest.signing, expect: 200, ...more };
  };
  if (contest.alone) return [contestant(contest.name, contest.name, () => "/")];
  return [
    contestant("no-op Rust", "no-op Rust", () => "/"),
    ...(contest.floor ? [contestant("floor", "floor", contest.floor)] : []),
    contestant(contest.worker, "postern", () => contest.path, { expect: contest.expect ?? 200, follow: contest.follow, exchange: contest.exchange && wire(contest.exchange, "/o/token/") }),
  ];
}

/** Whether the floor's statements did something: a statement that finds nothing is a cheap one. */
async function whatTheFloorLeftUndone() {
  const { DB } = await workers.env("floor");
  const count = (rows) => DB.prepare(`SELECT count(*) AS count FROM ${rows}`).first("count");
  const undone = [];
  if (given.case === "" && (await count("families WHERE id LIKE 'floor-family%' AND rotated_at IS NOT NULL")) !== connections) undone.push("it did not refresh");
  if (given.case === "" && (await count("families WHERE user_id IS NULL")) === 0) undone.push("it did not issue");
  if (given.case === "" && (await count("oauth1_nonces")) === 0) undone.push("it did not store nonces");
  return undone;
}

/** One load by the second process: see load.mjs. */
async function load(order) {
  loader.send(order);
  const [outcome] = await once(loader, "message");
  if (outcome.error) throw new Error(outcome.error);
  return outcome;
}
