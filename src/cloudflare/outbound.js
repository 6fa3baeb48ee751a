// Requests to identity providers.

/**
 * Sends a request, follows no redirect, and resolves to the status and at most `longest` bytes of the body. Rejects, and says
 * why, if there is no whole answer within `patience` milliseconds.
 */
export async function send(method, url, headers, body, longest, patience) {
  const signal = AbortSignal.timeout(patience);
  const response = await fetch(url, { method, headers: JSON.parse(headers), body, redirect: "manual", signal });
  return { status: response.status, body: await read(response, longest) };
}

async function read(response, longest) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > longest) throw new Error(`the answer is longer than ${longest} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
