// How long a bare workerd takes from its start to the first answer of a Worker, and how much memory it has then.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import workerd from "workerd";
import { checkout } from "../scripts/run.mjs";
import { compatibilityDate, secrets } from "./workers.mjs";

/** Starts each build in turn; for each the milliseconds to the first answer, and the MiB that workerd holds after it (NaN where the system does not tell). */
export async function measureColdStarts(rounds, folders) {
  const starts = new Map(folders.map((folder) => [folder, []]));
  for (let round = 0; round < rounds; round++) {
    for (const folder of folders) starts.get(folder).push(await start(folder));
  }
  return starts;
}

async function start(folder) {
  const scratch = mkdtempSync(join(tmpdir(), "postern-bench-"));
  const port = await freePort();
  const config = join(scratch, "config.capnp");
  writeFileSync(join(scratch, "index.js"), readFileSync(join(checkout, folder, "index.js")));
  writeFileSync(join(scratch, "index_bg.wasm"), readFileSync(join(checkout, folder, "index_bg.wasm")));
  writeFileSync(config, configFor(port));
  const begin = performance.now();
  const child = spawn(workerd.default ?? workerd, ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  try {
    while (!(await answers(port))) {
      if (child.exitCode !== null || performance.now() - begin > 10_000) throw new Error(`workerd did not start ${folder}: ${said}`);
      await sleep(1);
    }
    return { milliseconds: performance.now() - begin, mebibytes: residentMebibytes(child.pid) };
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    if (child.exitCode === null) await ended;
    rmSync(scratch, { recursive: true });
  }
}

/** All builds get the same bindings; what stands behind D1 and KV is never called. */
function configFor(port) {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "stub", worker = .stub)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
  compatibilityDate = "${compatibilityDate}",
  bindings = [
    (name = "DB", wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = "stub")])),
    (name = "TOKENS", kvNamespace = "stub"),
    ${Object.entries(secrets).map(([name, value]) => `(name = "${name}", text = "${value}")`).join(",\n    ")},
  ],
);
const stub :Workerd.Worker = (
  modules = [(name = "stub.js", esModule = "export default { fetch: () => new Response(null, { status: 500 }) };")],
  compatibilityDate = "${compatibilityDate}",
);
`;
}

/** Asks what any build can answer without its storage. False while nobody listens. */
async function answers(port) {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    socket.write("GET /validate/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer pst_at_made-up\r\n\r\n");
    const [answer] = await once(socket, "data");
    if (!/^HTTP\/1.1 (200|401) /.test(answer)) throw new Error(`an unexpected first answer: ${answer}`);
    return true;
  } catch (error) {
    if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function residentMebibytes(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m)[1]) / 1024;
  } catch {
    return NaN;
  }
}
