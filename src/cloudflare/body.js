// The bodies of requests, and of answers to ours.

/** The bytes of a stream; null if there are more than `longest`: then it is not read any further. */
export async function readAtMost(stream, longest) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > longest) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * As `readAtMost`, of a request; at once if it says how many bytes there are. Over a service binding it can say what it
 * likes: one byte more is waited for, and if it comes, there are more than are read. Throws if there are fewer.
 */
export async function readBody({ headers, body }, longest) {
  const told = Number(headers.get("content-length") ?? NaN);
  if (told > longest) return null;
  if (!body || !Number.isInteger(told) || told < 0) return readAtMost(body, longest);
  const { value } = await body.getReader({ mode: "byob" }).readAtLeast(told + 1, new Uint8Array(told + 1));
  const length = value?.length ?? 0;
  if (length < told) throw new Error("the body broke off");
  return length > told ? null : value ?? new Uint8Array();
}
