// How many calls of D1 and KV a request of each case makes, asked of bench/counted.mjs.
import { setTimeout as sleep } from "node:timers/promises";
import { wire } from "./cases.mjs";
import { counted } from "./workers.mjs";

const sent = 20;

/** The counts for each request of a case, in the mean; before, each request is sent once uncounted. */
export async function countCalls(contest, { port, load }) {
  const worker = counted(contest.worker);
  const order = {
    port: port(worker),
    connections: 1,
    expect: contest.expect ?? 200,
    follow: contest.follow,
    signing: contest.signing,
    exchange: contest.exchange && wire(contest.exchange, "/o/token/"),
    requests: contest.requests.slice(0, sent).map((request) => wire(request, contest.path)),
  };
  const read = async () => {
    await sleep(100); // what comes after the answer has to have come
    return (await fetch(`http://127.0.0.1:${port(worker)}/counts`)).json();
  };
  order.requests = (await load(order)).requests ?? order.requests;
  await read();
  const requests = Array.from({ length: contest.follow ? order.requests.length : sent }, (_, index) => order.requests[index % order.requests.length]);
  const { requests: followed } = await load({ ...order, requests });
  const total = await read();
  if (followed) contest.requests = contest.requests.map((request, index) => ({ ...request, body: bodyOf(followed[index]) }));
  return Object.fromEntries(Object.entries(total).map(([name, count]) => [name, count / requests.length]));
}

function bodyOf(wired) {
  return wired.slice(wired.indexOf("\r\n\r\n") + 4);
}
