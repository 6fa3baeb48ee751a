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

/** As `readAtMost`, of a request; at once if it says how many bytes there are. */
export async function readBody(request, longest) {
  const told = request.headers.get("content-length");
  if (told === null || !(Number(told) <= longest)) return readAtMost(request.body, longest);
  const whole = new Uint8Array(await request.arrayBuffer());
  return whole.length > longest ? null : whole;
}
