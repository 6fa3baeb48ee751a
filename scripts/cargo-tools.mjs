// The two tools that cargo compiles: which version each must have, and where it is. A tool of another version that is
// already in cargo's bin folder stays there; ours then goes into a folder of its own beside it.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { checkout, fail, outputOf } from "./run.mjs";

const cargoHome = process.env.CARGO_HOME || join(homedir(), ".cargo");

export const workerBuild = { crate: "worker-build", program: "worker-build", version: "0.8.7" };

/** wasm-bindgen's tool works only with the very version of the library that Cargo.lock pins. */
export const wasmBindgen = { crate: "wasm-bindgen-cli", program: "wasm-bindgen", version: versionInCargoLock("wasm-bindgen") };

/** The path of a tool in its right version, or null if that has to be installed. */
export function findTool(tool) {
  return placesFor(tool).map((root) => programIn(root, tool)).find((path) => isVersion(path, tool.version)) ?? null;
}

/** Where to install a tool that `findTool` did not find: cargo's usual place, unless another version is there. */
export function rootFor(tool) {
  const [usual, own] = placesFor(tool);
  return existsSync(programIn(usual, tool)) ? own : usual;
}

function placesFor({ crate, version }) {
  return [cargoHome, join(cargoHome, "postern-tools", `${crate}-${version}`)];
}

function programIn(root, { program }) {
  return join(root, "bin", program);
}

function isVersion(path, version) {
  return existsSync(path) && outputOf(path, ["--version"])?.split(" ").includes(version);
}

function versionInCargoLock(crate) {
  const lock = join(checkout, "Cargo.lock");
  const found = existsSync(lock) && readFileSync(lock, "utf8").match(new RegExp(`name = "${crate}"\\r?\\nversion = "([^"]+)"`));
  return found ? found[1] : fail(`Cargo.lock does not tell the version of ${crate}. Is this a whole checkout?`);
}
