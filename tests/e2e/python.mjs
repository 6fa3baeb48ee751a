// Python programs that test Postern, in a virtual environment with what tests/python/requirements.txt pins.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./support.mjs";

const requirements = `${checkout}/tests/python/requirements.txt`;

/** Runs Python of the virtual environment, which is made if it is missing: `{ code, output }`. */
export async function runPython(args, options) {
  const child = spawn(join(virtualEnvironment(), "bin/python"), args, { cwd: checkout, ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  return { code, output };
}

/** The folder of the virtual environment. Another Python, or other requirements, make another one. */
function virtualEnvironment() {
  const version = execute("python3", ["-c", "import sys; print(sys.version, sys.base_prefix)"]);
  const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = join(checkout, "target/python", key);
  if (!existsSync(folder)) make(folder);
  return folder;
}

/** Makes it elsewhere and moves it in place when it is whole: what was broken off is never found, nor what another makes. */
function make(folder) {
  mkdirSync(join(folder, ".."), { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  try {
    execute("python3", ["-m", "venv", unfinished]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--only-binary", ":all:"];
    execute(join(unfinished, "bin/python"), [...pip, "--requirement", requirements]);
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // else another one was faster
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** What a program prints; an error with all that it said if it fails. */
function execute(program, args) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { cwd: checkout, encoding: "utf8" });
  if (status === 0) return stdout;
  throw error ?? new Error(`${program} ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
}
