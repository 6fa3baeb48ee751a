// Installs what building needs and npm does not bring: Rust's wasm target and two tools that cargo compiles.
// `node scripts/setup.mjs tests` adds what the tests need. When nothing is missing, it takes a blink.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findTool, rootFor, wasmBindgen, workerBuild } from "./cargo-tools.mjs";
import { findChromium } from "./chromium.mjs";
import { checkout, fail, findOnPath, outputOf, run } from "./run.mjs";

const forTests = process.argv.includes("tests");

needNodeModules();
needRust();
if (!findOnPath("cc", "gcc", "clang")) needPackages("A C compiler", "build-essential", "xcode-select --install");
for (const tool of [workerBuild, wasmBindgen]) {
  if (!findTool(tool)) install(tool);
}
if (forTests) needPython();
if (forTests) needProxies();
if (forTests) needBrowser();

function needNodeModules() {
  if (!existsSync(join(checkout, "node_modules", "wrangler"))) fail("The npm packages are missing. Type: npm install");
}

/** The Rust compiler with its standard library for wasm, and for the tests its formatter and linter. */
function needRust() {
  const sysroot = outputOf("rustc", ["--print", "sysroot"]);
  if (!sysroot) {
    fail(
      "Rust is missing, or not on the PATH. If it is installed, type: . ~/.cargo/env\n" +
        "Else install it (https://rustup.rs): curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
    );
  }
  const target = "wasm32-unknown-unknown";
  if (!existsSync(join(sysroot, "lib", "rustlib", target, "lib"))) rustup("target", target);
  for (const [component, program] of forTests ? [["rustfmt", "cargo-fmt"], ["clippy", "cargo-clippy"]] : []) {
    if (!existsSync(join(sysroot, "bin", program))) rustup("component", component);
  }
}

function rustup(kind, name) {
  if (!findOnPath("rustup")) {
    fail(`Rust's ${kind} ${name} is missing, and rustup, which would add it, is not on the PATH. See https://rustup.rs`);
  }
  run("rustup", [kind, "add", name]);
}

/** Python that can make virtual environments, for the tests in tests/python. */
function needPython() {
  const canMakeThem = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
  if (outputOf("python3", ["-c", canMakeThem]) === null) needPackages("Python 3.11 or later with venv", "python3-venv", "brew install python3");
}

function install(tool) {
  // worker-build links OpenSSL, for downloads that our builds never make.
  if (tool === workerBuild && process.platform === "linux" && outputOf("pkg-config", ["--exists", "openssl"]) === null) {
    needPackages("OpenSSL for compiling worker-build", "libssl-dev pkg-config");
  }
  console.log(`Compiling ${tool.crate} ${tool.version}: a few minutes, once for this machine.`);
  run("cargo", ["install", "--root", rootFor(tool), `${tool.crate}@${tool.version}`]);
}

/** The servers that the tests run with the files of examples/. Installing them starts none. */
function needProxies() {
  const missing = ["nginx", "caddy"].filter((name) => !findOnPath(name));
  if (missing.length === 0) return;
  const policy = "/usr/sbin/policy-rc.d"; // what Debian asks before it starts a service
  if (process.getuid() === 0 && existsSync(dirname(policy)) && !existsSync(policy)) {
    process.on("SIGINT", () => {}); // apt-get gets it, too; then we end in order
    process.on("exit", () => rmSync(policy, { force: true }));
    writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  }
  needPackages("A server that the tests run", missing.join(" "), `brew install ${missing.join(" ")}`);
}

/** The browser that tests drive. */
function needBrowser() {
  if (!findChromium()) needPackages("A browser that the tests drive", "chromium", "brew install --cask google-chrome");
}

/** Debian packages are installed where we are root; else the person is told the line to type. */
function needPackages(what, debian, mac) {
  if (process.platform === "darwin" && mac) fail(`${what} is missing. Type: ${mac}`);
  if (!findOnPath("apt-get")) fail(`${what} is missing. On Debian it is in: ${debian}`);
  if (process.getuid() !== 0) fail(`${what} is missing. Type: sudo apt-get install ${debian}`);
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...debian.split(" ")], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
