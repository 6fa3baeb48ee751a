// Postern over a D1 whose answers, while there is a gate, wait for that to be asked. `/gate?url=…` sets one, `/gate` takes it away;
// `/memory` tells the bytes of the wasm's memory.
import { env } from "cloudflare:workers";
import { instances } from "./watch-instances.mjs"; // before the module that makes them
import Postern from "../../build/index.js";

let gate = null;
wait(Object.getPrototypeOf(env.DB), "batch");
wait(Object.getPrototypeOf(env.DB.prepare("SELECT 1")), "run");

function wait(prototype, method) {
  const original = prototype[method];
  prototype[method] = async function (...args) {
    const result = await original.apply(this, args);
    if (gate) await (await fetch(gate)).text();
    return result;
  };
}

export default class extends Postern {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/memory") return Response.json(instances.map(({ memory }) => memory.deref()?.buffer.byteLength ?? 0));
    if (pathname !== "/gate") return super.fetch(request);
    gate = searchParams.get("url");
    return new Response();
  }
}
