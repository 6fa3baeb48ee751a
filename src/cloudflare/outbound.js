// Requests to identity providers.

import { readAtMost } from "./body.js";

/**
 * Sends a request, follows no redirect, and resolves to the status and at most `longest` bytes of the body. Rejects, and says
 * why, if there is no whole answer within `patience` milliseconds. The reason names neither the URL nor what was sent.
 */
export async function send(method, url, headers, body, longest, patience) {
  // `fetch` would put such a URL into its error, and workerd such a header into its log.
  if (!/^https?:/.test(url) || !URL.canParse(url)) throw new Error("the URL is not one of http or https");
  if (/[^ -~]/.test(headers)) throw new Error("a header is not of printable ASCII");
  const signal = AbortSignal.timeout(patience);
  const response = await fetch(url, { method, headers: JSON.parse(headers), body, redirect: "manual", signal });
  const read = await readAtMost(response.body, longest);
  if (!read) throw new Error(`the answer is longer than ${longest} bytes`);
  return { status: response.status, body: read };
}
