// The table: medians of the rounds, with quartiles where a budget hangs on them.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const wasmBudget = 450; // KiB
const startBudget = 20; // ms more than the no-op Rust Worker
const growthBudget = 1.3; // times slower
const memoryBudget = 70; // MiB

/** Prints what was measured: for each case, for each Worker, the results of the rounds. */
export function printTable(measured, floorLacks) {
  const rows = [["case", "Worker", "req/s", "p50 ms", "p99 ms", "CPU µs", "÷ no-op Rust", "÷ floor", "budget", "met", ""]];
  for (const [contest, results] of measured) {
    for (const [worker, rounds] of results) {
      const isPostern = worker === "postern";
      rows.push([
        isPostern || contest.alone ? contest.name : "",
        worker,
        whole(median(rounds.map(({ perSecond }) => perSecond))),
        fixed(median(rounds.map(({ p50 }) => p50))),
        fixed(median(rounds.map(({ p99 }) => p99))),
        whole(median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds))),
        ...(contest.alone ? ["", ""] : [ratioTo("no-op Rust", worker, results), isPostern ? ratioTo("floor", worker, results) : ""]),
        ...(isPostern ? verdict(contest, results) : ["", ""]),
        isPostern ? (contest.note ?? "") : "",
      ]);
    }
  }
  console.log(`\n${aligned(rows)}\n`);
  console.log("Ratios are of requests per second in the same round: median (lower quartile to upper quartile). A budget is met if");
  console.log("the upper quartile reaches it. Only ratios compare between machines.\n");
  console.log(`${aligned([callsHead, ...[...measured.keys()].filter(({ counted }) => counted).map(callsOf)])}\n`);
  const wasm = gzipSync(readFileSync("build/index_bg.wasm"), { level: 9 }).length / 1024;
  console.log(`wasm, gzip: ${wasm.toFixed(1)} KiB; budget ≤ ${wasmBudget} KiB: ${wasm <= wasmBudget ? "met" : "NOT met"}`);
  for (const lack of floorLacks) console.log(`WARNING: the floor is not what it should be: ${lack}`);
}

function ratios(to, worker, results) {
  const others = results.get(to);
  return results.get(worker).map(({ perSecond }, round) => perSecond / others[round].perSecond);
}

function ratioTo(to, worker, results) {
  if (!results.has(to) || to === worker) return "";
  return spread(ratios(to, worker, results), fixed);
}

/** The median, with the quartiles. */
function spread(values, show) {
  return `${show(median(values))} (${show(quantile(values, 0.25))} to ${show(quantile(values, 0.75))})`;
}

function verdict({ budget, cpuBudget }, results) {
  if (cpuBudget) {
    const taken = median(results.get("postern").map(({ cpuMicroseconds }) => cpuMicroseconds));
    return [`≤ ${whole(cpuBudget)} µs CPU`, taken <= cpuBudget ? "met" : "NOT met"];
  }
  if (!budget) return ["", ""];
  const reached = quantile(ratios(budget.of, "postern", results), 0.75);
  return [`≥ ${fixed(budget.ratio)} × ${budget.of}`, reached >= budget.ratio ? "met" : "NOT met"];
}

/** Prints how long the first answer of a bare workerd takes, and its memory: of the no-op Rust Worker, then of Postern. */
export function printStart(starts) {
  const [noop, postern] = [...starts.values()];
  const milliseconds = (rounds) => rounds.map((start) => start.milliseconds);
  const added = postern.map((start, round) => start.milliseconds - noop[round].milliseconds);
  const isFast = quantile(added, 0.25) <= startBudget;
  console.log(`First answer of a bare workerd: ${whole(median(milliseconds(postern)))} ms, no-op Rust ${whole(median(milliseconds(noop)))} ms; ` +
    `${spread(added, whole)} ms more; budget ≤ ${startBudget}: ${isFast ? "met" : "NOT met"}`);
  const memory = median(postern.map(({ mebibytes }) => mebibytes));
  console.log(`Memory after it: ${whole(memory)} MiB, no-op Rust ${whole(median(noop.map(({ mebibytes }) => mebibytes)))} MiB; ` +
    `budget ≤ ${memoryBudget} MiB: ${memory <= memoryBudget ? "met" : "NOT met"}`);
}

/** Prints how much slower many stored rows make a request. */
export function printGrowth(cases) {
  for (const [name, { what, few, many, contestants }] of cases) {
    const [ofFew, ofMany] = [contestants.get("postern-few").results, contestants.get("postern-many").results];
    const slower = ofFew.map((perSecond, round) => perSecond / ofMany[round]);
    const isMet = quantile(slower, 0.25) <= growthBudget;
    console.log(`${name}: ${whole(few)} ${what} ${whole(median(ofFew))} req/s, ${whole(many)} ${what} ${whole(median(ofMany))} req/s; ` +
      `${spread(slower, fixed)} times slower; budget ≤ ${growthBudget}: ${isMet ? "met" : "NOT met"}`);
  }
}

const callsHead = ["calls of a request", "D1 round trips", "D1 rows read", "D1 rows written", "KV reads", "KV writes", "budget", "met"];

function callsOf({ name, counted, calls }) {
  const { d1, rowsRead, rowsWritten, kvReads, kvWrites } = counted;
  const isMet = Object.entries(calls).every(([of, most]) => counted[of] <= most);
  const budget = `≤ ${calls.d1} D1, ${calls.kvReads} KV reads, ${calls.kvWrites} KV writes`;
  return [name, ...[d1, rowsRead, rowsWritten, kvReads, kvWrites].map(String), budget, isMet ? "met" : "NOT met"];
}

function median(values) {
  return quantile(values, 0.5);
}

/** With linear interpolation between neighbours. */
function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  return below + (above - below) * (position - Math.floor(position));
}

function fixed(number) {
  return number.toFixed(2);
}

function whole(number) {
  return Number.isNaN(number) ? "" : Math.round(number).toLocaleString("en");
}

/** As a Markdown table whose columns stand in line. */
function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(rows[0]), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n");
}
