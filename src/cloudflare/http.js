// What is read of a request, in as few calls as possible: each call from wasm costs more than what it fetches.

const first = ["authorization", "x-forwarded-host", "x-forwarded-method", "x-forwarded-proto", "x-forwarded-uri", "x-original-url"];
const others = ["accept", "cf-connecting-ip", "content-type", "cookie", "origin", "sec-fetch-site", "user-agent"];

/** The method, a space, the URL and a line feed; then the headers that validation reads, authorization first. */
export function head(request) {
  return `${request.method} ${request.url}\n${lines(request, first)}`;
}

/** An answer with this text, or null for none, and the head of another answer. */
export function respond(body, head) {
  return new Response(body, head);
}

/** The other headers that this server reads. Throws as `checkHost` does. */
export function otherHeaders(request) {
  checkHost(request);
  return lines(request, others);
}

/**
 * Throws if the header Host is no host: workerd puts it before the target, and a `/`, `?` or `#` in it would make what is asked
 * part of the query, or hide it. What memory answers at once has no query, so nothing could be hidden there.
 */
export function checkHost({ headers }) {
  if (/[/\\?#@]/.test(headers.get("host") ?? "")) throw new Error("the header host is malformed");
}

/** Those of the headers that are there: each the name, a colon, the value, and a line feed, which no value can hold. */
function lines({ headers }, names) {
  let lines = "";
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) lines += `${name}:${value}\n`;
  }
  return lines;
}
