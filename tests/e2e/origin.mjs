// A Worker of the tests at an address of its own.
import { once } from "node:events";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";

/** Lets other programs reach a Worker that has no address of its own. It is told the URL that they asked for. */
export async function listen(worker) {
  const server = createServer(async (request, response) => {
    try {
      const { method, headers } = request;
      const body = ["GET", "HEAD"].includes(method) ? undefined : await buffer(request);
      const answer = await worker.fetch(`http://${headers.host}${request.url}`, { method, headers, body });
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
