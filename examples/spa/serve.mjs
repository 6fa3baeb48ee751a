// Serves the front-end, bundled. What is under /api/ goes on to the origin API, so that one origin has both.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const { PORT = "8789", POSTERN = "http://localhost:8787", CLIENT_ID = "spa", API = "http://localhost:8788" } = process.env;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const bundle = await build({
  entryPoints: [here("app.js")],
  bundle: true,
  format: "esm",
  write: false,
  define: { POSTERN: JSON.stringify(POSTERN), CLIENT_ID: JSON.stringify(CLIENT_ID) },
});
const files = {
  "/": ["text/html; charset=utf-8", await readFile(here("index.html"))],
  "/style.css": ["text/css; charset=utf-8", await readFile(here("style.css"))],
  "/app.js": ["text/javascript; charset=utf-8", bundle.outputFiles[0].contents],
};
const headers = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": `default-src 'self'; img-src data:; connect-src 'self' ${POSTERN}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "Referrer-Policy": "no-referrer", // the address of this page has the code in it, for a moment
  "X-Content-Type-Options": "nosniff",
};

const server = createServer(async (request, response) => {
  if (request.url.startsWith("/api/")) return passOn(request, response);
  const [type, content] = files[request.url.split("?")[0]] ?? [];
  if (!content) return response.writeHead(404).end();
  response.writeHead(200, { ...headers, "Content-Type": type }).end(content);
});
server.listen(Number(PORT), "localhost", () => console.log(`http://localhost:${server.address().port}/ is ready.`));

async function passOn(request, response) {
  const { authorization } = request.headers;
  try {
    const answer = await fetch(API + request.url.slice("/api".length), { headers: authorization ? { authorization } : {} });
    const challenge = answer.headers.get("WWW-Authenticate");
    response.writeHead(answer.status, {
      "Content-Type": answer.headers.get("Content-Type") ?? "text/plain",
      "Cache-Control": "no-store",
      ...(challenge && { "WWW-Authenticate": challenge }),
    });
    response.end(await answer.text());
  } catch {
    response.writeHead(502, { "Content-Type": "text/plain" }).end("The origin API does not answer.");
  }
}
