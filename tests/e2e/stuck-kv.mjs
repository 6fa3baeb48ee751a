// The build with test hooks, over a KV that takes what is put and never says so. `/puts` tells the keys of it.
import { env } from "cloudflare:workers";
import Postern from "../../build/test_hooks/index.js";

const puts = [];
Object.getPrototypeOf(env.TOKENS).put = (key) => {
  puts.push(key);
  return new Promise(() => {});
};

export default class extends Postern {
  async fetch(request) {
    return new URL(request.url).pathname === "/puts" ? Response.json(puts) : super.fetch(request);
  }
}
