// Builds the Worker into build/: release wasm, its bindings, optimized and bundled. Does nothing if no input has changed.
// Every program that worker-build would download is handed to it.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { findTool, wasmBindgen, workerBuild } from "./cargo-tools.mjs";
import { checkout, fail, outputOf, run } from "./run.mjs";

const inputs = ["src", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "schema.sql"];
const npmTools = ["binaryen", "esbuild"];
const wasm = inCheckout("build/index_bg.wasm");
const record = inCheckout("build/fingerprint.json"); // what the files beside it were built from

const fingerprint = fingerprintInputs();
const last = readRecord();
if (last.fingerprint === fingerprint && existsSync(wasm) && existsSync(inCheckout("build/index.js"))) {
  console.log(`build/ is up to date: ${last.size}`);
} else {
  rmSync(record, { force: true });
  run(toolPath(workerBuild), ["--release"], {
    env: {
      ...process.env,
      WASM_BINDGEN_BIN: toolPath(wasmBindgen),
      WASM_OPT_BIN: inCheckout("node_modules/.bin/wasm-opt"),
      ESBUILD_BIN: inCheckout("node_modules/.bin/esbuild"),
    },
  });
  const size = `the wasm is ${kilobytes(gzipSync(readFileSync(wasm), { level: 9 }).length)} gzipped`;
  writeFileSync(record, JSON.stringify({ fingerprint, size }));
  console.log(`build/ is ready: ${size} (${kilobytes(statSync(wasm).size)} unpacked)`);
}

function fingerprintInputs() {
  const hash = createHash("sha256");
  for (const path of inputs.flatMap(filesUnder).sort()) {
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
