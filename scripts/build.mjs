// Builds the Worker into build/: release wasm, its bindings, optimized and bundled. Does nothing if no input has changed.
// `node scripts/build.mjs test_hooks` builds what tests of storage, outbound requests and panics need into build/test_hooks/: a
// debug build with the RPC methods of src/cloudflare/test_hooks.rs. `bench_noop` and `bench_floor` are what the bench compares with,
// built as the release is, but that the no-op's entrypoint is as worker-build makes it. Every program that worker-build would download
// is handed to it.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { findTool, wasmBindgen, workerBuild } from "./cargo-tools.mjs";
import { checkout, fail, outputOf, run } from "./run.mjs";

const everyInput = [".cargo/config.toml", "scripts/build.mjs"];
const server = { crate: "", inputs: ["src", "build.rs", "Cargo.toml", "Cargo.lock", "schema.sql"] };
const benchWorker = {
  crate: "bench/worker",
  inputs: ["bench/worker/src", "bench/worker/Cargo.toml", "bench/worker/Cargo.lock"],
  env: { CARGO_TARGET_DIR: inCheckout("target/bench") },
};
const npmTools = ["binaryen", "esbuild"];
const variants = {
  release: { ...server, folder: "build", flags: ["--release"] },
  // Of the profile dev, since a second release build would write to the same file in target/.
  test_hooks: {
    ...server,
    folder: "build/test_hooks",
    flags: ["--dev", "--no-opt", "--features", "test_hooks"],
    env: { CARGO_PROFILE_DEV_DEBUG: "0" },
  },
  bench_noop: { ...benchWorker, folder: "build/bench_noop", flags: ["--release"], isAsMade: true },
  bench_floor: { ...benchWorker, folder: "build/bench_floor", flags: ["--release", "--features", "floor"] },
};

const { crate, inputs, folder, flags, env, isAsMade = false } = variants[process.argv[2] ?? "release"] ?? fail(`There is no build ${process.argv[2]}.`);
const wasm = inCheckout(`${folder}/index_bg.wasm`);
const module = inCheckout(`${folder}/index.js`);
const record = inCheckout(`${folder}/fingerprint.json`); // what the files beside it were built from

const fingerprint = fingerprintInputs();
const last = readRecord();
if (last.fingerprint === fingerprint && existsSync(wasm) && existsSync(module)) {
  console.log(`${folder}/ is up to date: ${last.size}`);
} else {
  rmSync(record, { force: true });
  run(toolPath(workerBuild), ["--out-dir", inCheckout(folder), ...flags], {
    cwd: inCheckout(crate),
    env: {
      ...process.env,
      ...env,
      WASM_BINDGEN_BIN: toolPath(wasmBindgen),
      WASM_OPT_BIN: inCheckout("node_modules/.bin/wasm-opt"),
      ESBUILD_BIN: inCheckout("node_modules/.bin/esbuild"),
    },
  });
  exportTheWorkerAlone();
  if (!isAsMade) handOverTheEventAlone();
  endClosuresWithTheirInstance();
  if (flags.includes("--release")) dropNames();
  const size = `the wasm is ${kilobytes(gzipSync(readFileSync(wasm), { level: 9 }).length)} gzipped`;
  writeFileSync(record, JSON.stringify({ fingerprint, size }));
  console.log(`${folder}/ is ready: ${size} (${kilobytes(statSync(wasm).size)} unpacked)`);
}

/**
 * Every exported class is an entrypoint that can be bound: those of the crate `worker` go. Of ours the class itself is
 * exported, not the proxy that worker-build puts around it, which makes objects with state anew after a panic: ours has
 * no state, and a proxy for each request costs as much as finding a token in memory. The bench's no-op stays as it is made.
 */
function exportTheWorkerAlone() {
  const text = readFileSync(module, "utf8");
  const [, entrypoint] = text.match(/[\s;]([\w$]+)=class extends [\w$]+\{\};(?=\1\.prototype\.)/) ?? [];
  const exportsAtTheEnd = /export\s*\{[^{}]*?([\w$]+) as default[^{}]*\};?\s*$/;
  const [, exported] = text.match(exportsAtTheEnd) ?? [];
  const isOurs = text.includes(`${entrypoint}.prototype.fetch=`) && text.includes(`${exported}=new Proxy(${entrypoint},`);
  if (!isOurs) fail(`${folder}/index.js does not end with its exports: worker-build has changed.`);
  writeFileSync(module, text.replace(exportsAtTheEnd, `export{${isAsMade ? exported : entrypoint} as default};\n`));
}

/** Handlers get the event alone: ours read the bindings once, and to have them put together for each request takes longer than to find a token. */
function handOverTheEventAlone() {
  const text = readFileSync(module, "utf8");
  const withBindings = /(\.prototype\.\w+=)function\(([\w$]+)\)\{return ([\w$]+)\.call\(this,\2,this\.env,this\.ctx\)\}/g;
  if (!withBindings.test(text)) fail(`${folder}/index.js does not call handlers as it did: worker-build has changed.`);
  writeFileSync(module, text.replace(withBindings, "$1$3"));
}

/**
 * After a panic, the next call makes a new instance of the wasm. wasm-bindgen 0.2.130 first looks whether a closure is of the
 * present instance, and makes the new one after that: so the answer that a request of the old one was waiting for would
 * call into the new one, with addresses in the old one's memory. Here the two change places.
 */
function endClosuresWithTheirInstance() {
  const text = readFileSync(module, "utf8");
  const [, renew] = text.match(/function ([\w$]+)\(\)\{if\([\w$]+\?\?=[\w$]+\.__instance_terminated\b/) ?? [];
  const [before, after, ...more] = text.split(/(?=if\([\w$]+\.instance!==[\w$]+\)throw new Error\("Cannot invoke closure from previous)/);
  if (!renew || !after || more.length > 0) fail(`${folder}/index.js does not tell a closure's instance as it did: wasm-bindgen has changed.`);
  writeFileSync(module, `${before}${renew}();${after}`);
}

/**
 * A tenth of the release are the names of its functions, which nobody reads: a panic tells its place in the source. Before they
 * go, they order the functions: those of like names are alike, and gzip says briefly what it has just seen, which saves 2 %.
 */
function dropNames() {
  // The features are those that the module says it uses; wasm-opt reads them from it.
  run(inCheckout("node_modules/.bin/wasm-opt"), ["--reorder-functions-by-name", "--strip-debug", "--strip-producers", "--emit-target-features", wasm, "-o", wasm]);
}

function fingerprintInputs() {
  const hash = createHash("sha256");
  for (const path of [...everyInput, ...inputs].flatMap(filesUnder).sort()) {
    hash.update(`${relative(checkout, path)}\0`).update(readFileSync(path)).update("\0");
  }
  const npmVersions = npmTools.map((name) => JSON.parse(readFileSync(inCheckout(`node_modules/${name}/package.json`))).version);
  const tools = [outputOf("rustc", ["--version"]), process.env.RUSTFLAGS, workerBuild.version, wasmBindgen.version, ...npmVersions];
  return hash.update(JSON.stringify(tools)).digest("hex");
}

function filesUnder(name) {
  const path = inCheckout(name);
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path).flatMap((entry) => filesUnder(join(name, entry)));
}

function readRecord() {
  try {
    return JSON.parse(readFileSync(record, "utf8"));
  } catch {
    return {}; // never built, or the build was broken off
  }
}

function toolPath(tool) {
  return findTool(tool) ?? fail(`${tool.crate} ${tool.version} is missing. Type: node scripts/setup.mjs`);
}

function inCheckout(path) {
  return join(checkout, path);
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
