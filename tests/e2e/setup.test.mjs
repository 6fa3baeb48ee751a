// What building needs: scripts/setup.mjs on machines that lack something (their PATH is a folder of ours), and wrangler.toml.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, test } from "node:test";
import { checkout } from "./support.mjs";

const scratch = mkdtempSync(join(tmpdir(), "postern-setup-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const isRoot = process.getuid() === 0;
const isLinux = process.platform === "linux";

/** Where a program is on this machine, or null. */
const placeOf = (name) => process.env.PATH.split(delimiter).map((place) => join(place, name)).find((path) => existsSync(path)) ?? null;

/**
 * A machine with these programs of ours, and these that only note how they were called, after a line of their own:
 * `{ bin, calls() }`.
 */
function machine(programs, made = {}) {
  const bin = mkdtempSync(join(scratch, "machine-"));
  const log = join(bin, "calls");
  for (const name of programs) {
    const path = placeOf(name);
    if (path) symlinkSync(path, join(bin, name));
  }
  for (const [name, line] of Object.entries(made)) program(join(bin, name), `${line}\necho "${name} $*" >>'${log}'`);
  return { bin, calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []) };
}

function program(path, lines) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines}\n`, { flag: "wx" }); // never through a link to the real one
  chmodSync(path, 0o755);
}

/** Runs setup.mjs on such a machine. */
function setUp({ bin }, { args = [], env = {}, script = `${checkout}/scripts/setup.mjs` } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { env: { ...process.env, ...env, PATH: bin }, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

const rust = ["rustc", "cargo", "rustup"];
const proxies = { nginx: "", caddy: "" };
const browser = { chromium: "" };

test("with nothing missing, setup says nothing and does nothing", () => {
  const made = { "apt-get": "", rustup: "", cargo: "" };
  const complete = machine(["rustc", "cc", "gcc", "clang"], made);
  assert.deepEqual(setUp(complete), { code: 0, stdout: "", stderr: "" });
  assert.deepEqual(complete.calls(), []);
});

test("without Rust, the way to rustup is told", () => {
  const { code, stderr } = setUp(machine(["cc"]));
  assert.equal(code, 1);
  assert.match(stderr, /Rust is missing.*https:\/\/rustup\.rs/s);
});

test("without a C compiler, the package that has it is told, or installed where that may be", () => {
  const bare = setUp(machine(rust));
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, isLinux ? /C compiler is missing\. .*build-essential/ : /C compiler is missing/);

  if (!isLinux) return;
  const debian = machine(rust, { "apt-get": "" });
  const { code, stderr } = setUp(debian);
  if (isRoot) {
    assert.equal(code, 0, stderr);
    assert.match(debian.calls().join("\n"), /^apt-get update .*\napt-get install -y .*\bbuild-essential$/);
  } else {
    assert.equal(code, 1);
    assert.match(stderr, /sudo apt-get install build-essential/);
    assert.deepEqual(debian.calls(), []);
  }
});

test("Rust's target for wasm is added, and for the tests its formatter and linter", () => {
  const sysroot = join(scratch, "sysroot");
  mkdirSync(sysroot);
  const made = { rustc: `echo '${sysroot}'` };
  const without = setUp(machine(["cc"], made));
  assert.equal(without.code, 1);
  assert.match(without.stderr, /wasm32-unknown-unknown is missing.*rustup/);

  for (const [args, calls] of [
    [[], ["rustup target add wasm32-unknown-unknown"]],
    [["tests"], ["rustup target add wasm32-unknown-unknown", "rustup component add rustfmt", "rustup component add clippy"]],
  ]) {
    const bare = machine(["cc"], { ...made, ...proxies, ...browser, rustup: "", python3: "" });
    assert.equal(setUp(bare, { args }).code, 0);
    assert.deepEqual(bare.calls().filter((call) => call.startsWith("rustup")), calls);
  }
});

test("Python that cannot make virtual environments is told, or installed where that may be, for the tests alone", () => {
  const there = [...rust, "cc"];
  const unasked = setUp(machine(there, { python3: "exit 1" }));
  assert.deepEqual(unasked, { code: 0, stdout: "", stderr: "" });

  for (const python of [{}, { python3: "exit 1" }]) {
    const bare = setUp(machine(there, { ...proxies, ...browser, ...python }), { args: ["tests"] });
    assert.equal(bare.code, 1);
    assert.match(bare.stderr, isLinux ? /Python .* venv is missing\. .*python3-venv/ : /Python .* venv is missing/);
  }
  if (!isLinux || !isRoot) return;
  const debian = machine(there, { ...proxies, ...browser, python3: "exit 1", "apt-get": "" });
  assert.equal(setUp(debian, { args: ["tests"] }).code, 0);
  assert.match(debian.calls().join("\n"), /apt-get install -y .*\bpython3-venv$/);
});

test("the servers that the tests run are told, or installed where that may be, and not started by that", () => {
  const policy = "/usr/sbin/policy-rc.d"; // without it, Debian starts what it installs
  const hadPolicy = existsSync(policy);
  for (const [there, missing] of [
    [{}, "nginx caddy"],
    [{ nginx: "" }, "caddy"],
    [{ caddy: "" }, "nginx"],
  ]) {
    const bare = setUp(machine([...rust, "cc"], { python3: "", ...browser, ...there }), { args: ["tests"] });
    assert.equal(bare.code, 1);
    assert.match(bare.stderr, new RegExp(`A server that the tests run is missing\\. .*\\b${missing}\\n`));

    if (!isLinux) continue;
    const debian = machine([...rust, "cc"], { python3: "", ...browser, ...there, "apt-get": isRoot ? `[ -x ${policy} ] || exit 9` : "" });
    const { code, stderr } = setUp(debian, { args: ["tests"] });
    assert.equal(code, isRoot ? 0 : 1, stderr);
    if (isRoot) assert.match(debian.calls().join("\n"), new RegExp(`\napt-get update .*\napt-get install -y .*recommends ${missing}$`));
    else assert.match(stderr, new RegExp(`sudo apt-get install ${missing}\n`));
    assert.equal(existsSync(policy), hadPolicy);
  }
  assert.equal(setUp(machine([...rust, "cc"], { python3: "", ...proxies, ...browser, "apt-get": "exit 9" }), { args: ["tests"] }).code, 0);
});

test("the browser that the tests drive is told, or installed where that may be, for the tests alone", () => {
  const there = { python3: "", ...proxies };
  const unasked = machine([...rust, "cc"], { ...there, "apt-get": "" });
  assert.deepEqual(setUp(unasked), { code: 0, stdout: "", stderr: "" });
  assert.deepEqual(unasked.calls(), []);

  for (const name of ["chromium", "google-chrome", "chrome"]) {
    const complete = machine([...rust, "cc"], { ...there, [name]: "", "apt-get": "exit 9" });
    assert.deepEqual(setUp(complete, { args: ["tests"] }), { code: 0, stdout: "", stderr: "" });
    assert.ok(!complete.calls().some((call) => call.startsWith("chrom")), "looked for, not started");
  }
  if (!isLinux) return; // elsewhere it may be in /Applications, which no PATH hides
  const bare = setUp(machine([...rust, "cc"], there), { args: ["tests"] });
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /A browser that the tests drive is missing\. .*\bchromium\n/);

  const debian = machine([...rust, "cc"], { ...there, "apt-get": "" });
  const { code, stderr } = setUp(debian, { args: ["tests"] });
  assert.equal(code, isRoot ? 0 : 1, stderr);
  if (isRoot) assert.match(debian.calls().join("\n"), /\napt-get update .*\napt-get install -y .*recommends chromium$/);
  else assert.match(stderr, /sudo apt-get install chromium\n/);
});

test("tools are compiled in the pinned version, beside another one that is there", () => {
  const [, bindgen] = readFileSync(`${checkout}/Cargo.lock`, "utf8").match(/name = "wasm-bindgen"\nversion = "([^"]+)"/);
  const home = join(scratch, "cargo-home");
  program(join(home, "bin/wasm-bindgen"), "echo wasm-bindgen 0.0.1");
  const bare = machine(["rustc", "cc"], { cargo: "", "pkg-config": "" });
  const { code, stdout } = setUp(bare, { env: { CARGO_HOME: home } });
  assert.equal(code, 0);
  assert.match(stdout, /Compiling worker-build .*\nCompiling wasm-bindgen-cli /);
  const [first, second, ...more] = bare.calls().filter((call) => call.startsWith("cargo"));
  assert.match(first, /^cargo install --root \S+\/cargo-home worker-build@\d+\.\d+\.\d+$/);
  assert.equal(second, `cargo install --root ${home}/postern-tools/wasm-bindgen-cli-${bindgen} wasm-bindgen-cli@${bindgen}`);
  assert.deepEqual(more, []);
});

test("a tool that does not compile ends setup with cargo's exit code", () => {
  const bare = machine(["rustc", "cc"], { cargo: "exit 101", "pkg-config": "" });
  assert.equal(setUp(bare, { env: { CARGO_HOME: join(scratch, "no-cargo-home") } }).code, 101);
});

test("without the npm packages, npm install is told", () => {
  const fresh = join(scratch, "fresh");
  for (const name of ["scripts", "Cargo.lock", "package.json"]) cpSync(join(checkout, name), join(fresh, name), { recursive: true });
  const { code, stderr } = setUp(machine([...rust, "cc"]), { script: join(fresh, "scripts/setup.mjs") });
  assert.equal(code, 1);
  assert.match(stderr, /npm install/);
});

test("the configuration deploys: the Worker, its bindings, and nothing that is secret", () => {
  const out = join(scratch, "out");
  const { status, stdout, stderr } = spawnSync("wrangler", ["deploy", "--dry-run", "--outdir", out], {
    cwd: checkout,
    env: { ...process.env, PATH: `${checkout}/node_modules/.bin${delimiter}${process.env.PATH}`, WRANGLER_SEND_METRICS: "false" },
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
  for (const [name, kind] of [["DB", "D1 Database"], ["TOKENS", "KV Namespace"]]) assert.match(stdout, new RegExp(`env\\.${name}\\b.*${kind}`));
  assert.doesNotMatch(stdout + stderr, /ADMIN_TOKEN|MASTER_KEY|WARNING/);
  const toml = readFileSync(`${checkout}/wrangler.toml`, "utf8");
  assert.match(toml, /^\[observability\.logs\]\nenabled = true\ninvocation_logs = false\b/m);
  assert.match(toml, /^\[triggers\]\ncrons = \["/m);
  const files = readdirSync(out);
  assert.ok(files.includes("index.js") && files.some((name) => name.endsWith(".wasm")), files.join(" "));
});
