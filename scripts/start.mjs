// `npm start`: sets up, builds, and serves Postern on this machine; then prints how to do the main job with curl.
import { applySchema, ensureSecrets, isTaken, localPort, serve } from "./local.mjs";
import { fail, runScript } from "./run.mjs";

const port = localPort();
if (await isTaken(port)) fail(`Port ${port} is in use. End what runs there, or choose another: PORT=${port + 1} npm start`);

runScript("setup.mjs");
runScript("build.mjs");
ensureSecrets();
applySchema();
const server = await serve(port);
console.log(mainJob(server.url));
await server.died;
fail("The local server has ended by itself.");

/** The main job in curl. Secrets are named, not shown. */
function mainJob(url) {
  return `
Postern is ready on ${url}. The main job, to paste into another terminal that is in this folder:

  # Register an application, with the operator's token
  ADMIN_TOKEN=$(sed -n 's/^ADMIN_TOKEN=//p' .dev.vars)
  curl -sw '\\n' ${url}/admin/api/applications -H "Authorization: Bearer $ADMIN_TOKEN" -H "Content-Type: application/json" \\
    -d '{"client_id": "my-app", "client_type": "public", "grant_types": ["password", "refresh_token"]}'

  # Sign a user up
  curl -sw '\\n' ${url}/sign_up/ -d username=alice -d password=open-sesame-1001

  # Get a token, as a front-end would
  ANSWER=$(curl -s ${url}/o/token/ -d grant_type=password -d client_id=my-app -d username=alice -d password=open-sesame-1001)
  echo "$ANSWER"

  # Validate it, as an origin API would
  TOKEN=$(echo "$ANSWER" | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  curl -siw '\\n' ${url}/validate/ -H "Authorization: Bearer $TOKEN"

Ctrl-C ends it.
`;
}
