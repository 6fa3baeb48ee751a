// A Worker bound to Postern that calls its RPC methods, and tells what came of it as JSON.
import { RpcTarget } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      // The method named in the query, with the arguments that are posted.
      case "/call":
        return Response.json(await settled(env.AUTH[searchParams.get("method")](...(await request.json()))));
      // Several methods at once, each with its arguments, in this order: what came of each.
      case "/calls": {
        const calls = await request.json();
        return Response.json(await Promise.all(calls.map(([method, ...args]) => settled(env.AUTH[method](...args)))));
      }
      // A property of the entrypoint that is not called.
      case "/read":
        return Response.json(await settled(env.AUTH[searchParams.get("property")]));
      // A request over the binding, as it is posted: [path, init].
      case "/fetch": {
        const [path, init] = await request.json();
        const response = await env.AUTH.fetch(`http://localhost${path}`, init);
        return Response.json({ status: response.status, headers: Object.fromEntries(response.headers), body: await response.json() });
      }
      // A form whose body never ends, at the path and with the headers that are posted.
      case "/endless": {
        const [path, headers] = await request.json();
        return Response.json(await settled(send(env, path, headers, endless())));
      }
      // The same with the text that is posted after them.
      case "/text": {
        const [path, headers, text] = await request.json();
        return Response.json(await settled(send(env, path, headers, new Blob([text]).stream().pipeThrough(new TransformStream()))));
      }
      // The same with a body of 1 MB: what came of it, and how much of the body was taken.
      case "/long": {
        const [path, headers] = await request.json();
        const body = chunks(100);
        return Response.json({ ...(await settled(send(env, path, headers, body.stream))), taken: body.taken() });
      }
      // All wrong values, each as the first and as the second argument of a method: [[what, { resolved } or { rejected }], …].
      case "/wrong-arguments": {
        const outcomes = [];
        for (const [what, make] of Object.entries(wrongValues)) {
          const call = env.AUTH[searchParams.get("method")];
          if (!optionsOnly.has(what)) outcomes.push([`${what} as authorization`, await settled(call(make()))]);
          outcomes.push([`${what} as options`, await settled(call(null, make()))]);
          outcomes.push([`${what} as options, and a third argument`, await settled(call(undefined, make(), make()))]);
        }
        return Response.json(outcomes);
      }
    }
  },
};

async function settled(promise) {
  try {
    const resolved = await promise;
    return { resolved: resolved === undefined ? "undefined" : resolved };
  } catch (error) {
    return { rejected: String(error) };
  }
}

async function send(env, path, headers, body) {
  const form = { "Content-Type": "application/x-www-form-urlencoded" };
  return (await env.AUTH.fetch(`http://localhost${path}`, { method: "POST", headers: { ...form, ...headers }, body })).status;
}

function endless() {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(10_000))) });
}

/** So many chunks of 10,000 bytes, made when they are asked for. */
function chunks(count) {
  let made = 0;
  const pull = (controller) => (made++ < count ? controller.enqueue(new TextEncoder().encode("x".repeat(10_000))) : controller.close());
  return { stream: new ReadableStream({ pull }), taken: () => made * 10_000 };
}

/** What RPC cannot carry at all (symbols, objects without a prototype) is refused on the caller's side. */
const wrongValues = {
  "a number": () => 5,
  zero: () => 0,
  "not a number": () => NaN,
  "a big integer": () => 10n,
  "a truth value": () => true,
  "an array": () => ["Bearer x"],
  "an array of pairs": () => [["scope", "read"]],
  "an object of no option": () => ({ authorization: "Bearer x" }),
  "a misspelt option": () => ({ scopes: "read" }),
  "an option without a name": () => ({ "": "read" }),
  "an option named __proto__": () => JSON.parse('{"__proto__": {"scope": "read"}}'),
  "an option named constructor": () => ({ constructor: "x" }),
  "a number as scope": () => ({ scope: 1 }),
  "null as scope": () => ({ scope: null }),
  "undefined as scope": () => ({ scope: undefined }),
  "an object as scope": () => ({ scope: { a: { b: { c: {} } } } }),
  "an array as any_scope": () => ({ any_scope: ["read"] }),
  "a text as fresh": () => ({ fresh: "true" }),
  "a number as read_write": () => ({ read_write: 1, method: "GET" }),
  "a function as method": () => ({ method: () => "GET" }),
  "a number as url": () => ({ url: 1, method: "GET" }),
  "null as body": () => ({ body: null }),
  "undefined as body": () => ({ body: undefined, method: "GET", url: "https://api.example/" }),
  "bytes as body": () => ({ body: new TextEncoder().encode("a=b"), method: "POST", url: "https://api.example/" }),
  "a stream as body": () => ({ body: new ReadableStream() }),
  "a URL of 5 MB": () => ({ url: `https://api.example/?${"x=1&".repeat(1_250_000)}`, method: "GET" }),
  "a form of 5 MB as body": () => ({ body: "x=1&".repeat(1_250_000), method: "POST", url: "https://api.example/" }),
  "a boxed string": () => Object("Bearer x"),
  "a date": () => new Date(0),
  "a regular expression": () => /x/,
  "a map": () => new Map([["scope", "read"]]),
  "a set": () => new Set(["read"]),
  "an error": () => new Error("x"),
  "a buffer": () => new ArrayBuffer(8),
  "some bytes": () => new Uint8Array(8),
  "a function": () => () => "Bearer x",
  "an async function": () => async () => ({}),
  "an object of the caller": () => new (class extends RpcTarget { get scope() { return "read"; } })(), // prettier-ignore
  headers: () => new Headers({ Authorization: "Bearer x" }),
  "a request": () => new Request("http://localhost/"),
  "a response": () => new Response("Bearer x"),
  "a stream": () => new ReadableStream(),
  "a cyclic object": () => { const cyclic = {}; cyclic.scope = cyclic; return cyclic; }, // prettier-ignore
  "an object of 100,000 names": () => Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`n${index}`, ""])),
  "a text of 5 MB": () => "x".repeat(5_000_000),
  "a text": () => "read",
};

/** As `authorization` it is no wrong type. */
const optionsOnly = new Set(["a text"]);
