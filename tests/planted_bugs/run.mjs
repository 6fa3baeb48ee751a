// Plants bugs that real code could have, one after the other, and demands that the simulated edge finds each of them:
// `npm run test:planted`, or with a part of a name only those: `npm run test:planted -- epoch`.
// It takes minutes: every bug is compiled. The list, with what each bug breaks, is in docs/simulation.md.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkout, fail, outputOf } from "../../scripts/run.mjs";

const folder = import.meta.dirname;
// Not the checkout itself, nor its build: cargo would take the one for the other. At the same place each time, so that
// dependencies are compiled once.
const place = join(checkout, "target", "planted_bugs");
const copy = join(place, "checkout");
const target = join(place, "target");

const wanted = process.argv[2] ?? "";
const patches = readdirSync(folder).filter((name) => name.endsWith(".patch") && name.includes(wanted)).sort();
if (patches.length === 0) fail(`No bug has ${wanted} in its name.`);

copyCheckout();
const sound = playSchedules();
if (sound.status !== 0) fail(`Without a bug the simulated edge must find nothing:\n${sound.output}`);

const missed = patches.filter((patch) => !isFound(patch));
if (missed.length > 0) fail(`The simulated edge did not find: ${missed.join(", ")}`);
console.log(`The simulated edge found all ${patches.length} planted bugs.`);

function copyCheckout() {
  rmSync(copy, { recursive: true, force: true });
  const files = outputOf("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
  if (files === null) fail("git must be there: it knows which files belong to the checkout, and applies the patches.");
  for (const file of new Set(files.split("\0").filter((name) => name && existsSync(join(checkout, name))))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(checkout, file), join(copy, file));
  }
}

/** Plants a bug, plays until the first schedule that shows it, and takes the bug out again. */
function isFound(patch) {
  git("apply", patch);
  const { status, output } = playSchedules();
  git("apply", patch, "--reverse");
  const broken = /BROKEN: (.*?): /.exec(output);
  const seed = /EDGE_SEED=(\d+)/.exec(output);
  if (status === 0 || !broken || !seed) {
    console.log(`${patch}: not found\n${status === 0 ? "" : output}`);
    return false;
  }
  console.log(`${patch}: ${broken[1]} (seed ${seed[1]})`);
  return true;
}

function git(command, patch, ...options) {
  // Without the ceiling git would look for the files in the checkout around the copy, and skip them.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(copy) };
  const { status } = spawnSync("git", [command, ...options, join(folder, patch)], { cwd: copy, env, stdio: "inherit" });
  if (status !== 0) fail(`${patch} does not apply: make it anew for today's src.`);
}

function playSchedules() {
  const env = { ...process.env, CARGO_TARGET_DIR: target, RUST_BACKTRACE: "0" };
  const args = ["test", "--quiet", "--test", "protocol", "edge::"];
  const { status, stdout, stderr } = spawnSync("cargo", args, { cwd: copy, env, encoding: "utf8" });
  return { status, output: `${stdout}${stderr}` };
}
