// The process that loads the Workers, apart from the one that starts them: a bare HTTP/1.1 client, so that it takes less
// of the machine than what it measures. Each message is a load, each answer its outcome.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { signed } from "./signing.mjs";

process.on("message", async (load) => {
  try {
    process.send(await run(load));
  } catch (error) {
    process.send({ error: error.message });
  }
});

/**
 * Sends `requests` (whole texts) in turn over `connections` connections, each waiting for its answer before the next: for
 * `milliseconds` after `warmUp` milliseconds, or until all were sent once. Every answer must have the status `expect`.
 *
 * - `perConnection`: each connection sends its own of the requests, again and again.
 * - `follow`: with the refresh token of the answer put in place of the one that was sent.
 * - `signing`: each is signed anew before it is sent.
 * - `exchange`: sent after each, with the authorization code of the answer in place of CODE; it has to be answered 200.
 * - `collect`: the member of the answers that is returned as a list.
 * - `pid`: the process whose CPU time is measured.
 */
async function run(load) {
  const sockets = await Promise.all(Array.from({ length: load.connections }, () => open(load.port)));
  let next = 0;
  const latencies = [];
  const collected = [];

  const sendUntil = (isOver) =>
    Promise.all(
      sockets.map(async (socket, connection) => {
        while (!isOver()) {
          const index = load.perConnection ? connection : next++ % load.requests.length;
          const text = load.signing ? signed(load.requests[index], load.signing) : load.requests[index];
          const begin = performance.now();
          const { status, head, body } = await socket.request(text);
          if (load.exchange) {
            const [, code] = /[?&]code=([\w-]+)/.exec(head) ?? [];
            const exchanged = await socket.request(load.exchange.replace(/CODE-*/, code));
            if (exchanged.status !== 200) throw new Error(`${exchanged.status}: ${exchanged.body}`);
          }
          latencies.push(performance.now() - begin);
          if (status !== load.expect) throw new Error(`${status} instead of ${load.expect}: ${body}`);
          if (load.follow) load.requests[index] = load.requests[index].replace(/pst_rt_[\w-]+/, JSON.parse(body).refresh_token);
          if (load.collect) collected.push(JSON.parse(body)[load.collect]);
        }
      }),
    );
  const sendFor = (milliseconds) => {
    const end = performance.now() + milliseconds;
    return sendUntil(() => performance.now() >= end);
  };

  try {
    if (load.milliseconds === undefined) {
      await sendUntil(() => next >= load.requests.length);
      return { collected, requests: load.follow && load.requests };
    }
    await sendFor(load.warmUp);
    latencies.length = 0;
    const cpuBefore = cpuSeconds(load.pid);
    const begin = performance.now();
    await sendFor(load.milliseconds);
    const seconds = (performance.now() - begin) / 1000;
    const cpu = cpuSeconds(load.pid) - cpuBefore;
    latencies.sort((a, b) => a - b);
    const count = latencies.length;
    const percentile = (share) => latencies[Math.min(count - 1, Math.floor(count * share))];
    return {
      perSecond: count / seconds,
      p50: percentile(0.5),
      p99: percentile(0.99),
      cpuMicroseconds: (cpu / count) * 1e6,
      requests: load.follow && load.requests,
    };
  } finally {
    for (const socket of sockets) socket.end();
  }
}

/** A connection that is kept open, and does one request after the other. */
async function open(port) {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let received = "";
  let waiting = null;
  const fail = (error) => waiting?.reject(error ?? new Error("the connection was closed"));
  socket.on("error", fail).on("close", () => fail());
  socket.setEncoding("latin1"); // one character is one byte
  socket.on("data", (data) => {
    received += data;
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, end + 2));
    if (!length) return fail(new Error(`an answer without Content-Length: ${received.slice(0, end)}`));
    if (received.length < end + 4 + Number(length[1])) return;
    const answer = { status: Number(received.slice(9, 12)), head: received.slice(0, end), body: received.slice(end + 4) };
    received = "";
    const { resolve } = waiting;
    waiting = null;
    resolve(answer);
  });
  return {
    request: (text) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(text, "latin1");
      }),
    end: () => socket.destroy(),
  };
}

/** The CPU time that a process has used, all its threads together; NaN where the system does not tell. */
function cpuSeconds(pid) {
  if (!pid) return NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
