// The floor is worth something only while it does what Postern does: the same SQL, built with the same profile.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../scripts/run.mjs";

/** What of the floor is not as in Postern any more, in words; empty if all is well. */
export function whatTheFloorLacks() {
  const store = readdirSync(join(checkout, "src/store")).map((name) => oneLine(read(`src/store/${name}`))).join(" ");
  const constants = read("bench/worker/src/statements.rs").matchAll(/pub const (\w+): &str =\s*r?#?"(.*?)"#?;\n/gs);
  const lacks = [...constants].filter(([, , sql]) => !store.includes(oneLine(sql))).map(([, name]) => `its SQL ${name}`);
  const crates = new Set(read("bench/worker/Cargo.lock").matchAll(/name = "(.*)"/g).map(([, name]) => name));
  const profile = (manifest) => readProfile(manifest).filter((line) => !line.includes("{") || crates.has(line.split(" ")[0]));
  if (`${profile("bench/worker/Cargo.toml")}` !== `${profile("Cargo.toml")}`) lacks.push("its [profile.release]");
  const versions = (lock) => ["wasm-bindgen", "worker", "argon2"].map((name) => read(lock).match(new RegExp(`name = "${name}"\nversion = (.*)`))?.[1]);
  if (`${versions("bench/worker/Cargo.lock")}` !== `${versions("Cargo.lock")}`) lacks.push("its versions of worker, wasm-bindgen and argon2");
  return lacks;
}

/** The lines of how a release is built, with those of single crates. */
function readProfile(manifest) {
  return read(manifest).split(/^(?=\[)/m).filter((table) => table.startsWith("[profile.release")).join("").split("\n").filter((line) => /^[^#]/.test(line));
}

function oneLine(text) {
  return text.replace(/\s+/g, " ");
}

function read(path) {
  return readFileSync(join(checkout, path), "utf8");
}
