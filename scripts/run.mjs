// Running other programs: the few functions that every script here shares.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json. */
export const checkout = fileURLToPath(new URL("..", import.meta.url));

/** Ends the script with a message for the person who started it. */
export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/** Runs a program on our terminal. If it fails, the script ends with its exit code. */
export function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: checkout, stdio: "inherit", ...options });
  if (error) fail(`${program} cannot be run: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs another script of this folder, as `run` does. */
export function runScript(name, args = [], options = {}) {
  run(process.execPath, [fileURLToPath(new URL(name, import.meta.url)), ...args], options);
}

/** What a program prints, or null if it is missing or fails. */
export function outputOf(program, args) {
  const { status, stdout } = spawnSync(program, args, { cwd: checkout, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/** Where the first of these programs is that is on the PATH, or null. Servers are in `sbin`, which is not on everybody's PATH. */
export function findOnPath(...programs) {
  const path = (process.env.PATH ?? "").split(delimiter);
  const folders = path.flatMap((folder) => [folder, folder.replace(/\/bin\/?$/, "/sbin")]);
  return programs.flatMap((program) => folders.map((folder) => join(folder, program))).find((place) => existsSync(place)) ?? null;
}
