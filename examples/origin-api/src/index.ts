// An origin API that lets Postern judge each caller, over a service binding: once by HTTP, once by RPC.

interface Env {
  AUTH: Postern;
}

/** What Postern's Worker offers to whoever binds it. */
interface Postern {
  fetch(url: string, init?: RequestInit): Promise<Response>;
  validate(authorization: string | null | undefined, options?: ValidateOptions): Promise<Verdict>;
}

interface ValidateOptions {
  scope?: string;
  any_scope?: string;
  read_write?: boolean;
  fresh?: boolean;
  audience?: string;
  method?: string;
  url?: string;
  body?: string;
}

interface Verdict {
  status: 200 | 400 | 401 | 403 | 503;
  headers: Record<string, string>;
  body: { active?: boolean; sub?: string; username?: string; client_id?: string; scope?: string; exp?: number };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/by-http":
        return byHttp(request, env);
      case "/by-rpc":
        return byRpc(request, env);
      default:
        return Response.json({ routes: ["/by-http", "/by-rpc"] }, { status: 404 });
    }
  },
};

/** Asks `/validate/`, as nginx or Caddy would. Only what Postern says goes on to the API. */
async function byHttp(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  const question = new Headers({
    "X-Forwarded-Method": request.method,
    "X-Forwarded-Proto": url.protocol.replace(":", ""),
    "X-Forwarded-Host": url.host,
    "X-Forwarded-Uri": url.pathname + url.search,
  });
  for (const name of ["Authorization", "Content-Type"]) {
    const value = request.headers.get(name);
    if (value !== null) question.set(name, value);
  }
  const body = isSignedForm(request) ? request.clone().body : null; // Postern answers 413 to more than 64 KiB, and reads no further

  let verdict: Response;
  try {
    verdict = await env.AUTH.fetch("https://postern/validate/?scope=read", { method: "POST", headers: question, body });
  } catch {
    return unavailable();
  }
  if (verdict.status !== 200) return verdict; // the status and WWW-Authenticate tell the caller why

  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()].filter((name) => name.startsWith("x-auth-"))) headers.delete(name); // the caller's own
  for (const [name, value] of verdict.headers) if (name.startsWith("x-auth-")) headers.set(name, value);
  return api(new Request(request, { headers }));
}

/** Calls Postern's method `validate`: no request is made or parsed on the way. */
async function byRpc(request: Request, env: Env): Promise<Response> {
  const options: ValidateOptions = { scope: "read", method: request.method, url: request.url };
  if (isSignedForm(request)) {
    if (Number(request.headers.get("Content-Length") ?? Infinity) > 65_536) return new Response(null, { status: 413 });
    options.body = await request.text();
  }

  let verdict: Verdict;
  try {
    verdict = await env.AUTH.validate(request.headers.get("Authorization"), options);
  } catch {
    return unavailable();
  }
  if (verdict.status !== 200) return Response.json(verdict.body, { status: verdict.status, headers: verdict.headers });
  return greet(verdict.body.client_id ?? "", verdict.body.sub, verdict.body.username);
}

/**
 * A signature of OAuth 1.0a covers the method and the URL, and the body of a form (RFC 5849 §3.4.1.3.1). Nobody signs what comes
 * with a Bearer token: its body is not read.
 */
function isSignedForm(request: Request): boolean {
  const authorization = request.headers.get("Authorization") ?? "OAuth "; // without one, the signature may stand in the form
  const isForm = /^application\/x-www-form-urlencoded *(;|$)/i.test(request.headers.get("Content-Type") ?? "");
  return isForm && /^OAuth /i.test(authorization);
}

/** The API itself. It trusts X-Auth-* because nobody but `byHttp` calls it. */
function api(request: Request): Response {
  const username = request.headers.get("X-Auth-Username");
  const subject = request.headers.get("X-Auth-Subject") ?? undefined;
  return greet(request.headers.get("X-Auth-Client-Id") ?? "", subject, username ? decodeURIComponent(username) : undefined);
}

/** An application on its own behalf (client_credentials) has neither subject nor username. */
function greet(client: string, subject?: string, username?: string): Response {
  return Response.json({ hello: username ?? client, subject: subject ?? null });
}

/** No verdict is no permission. */
function unavailable(): Response {
  return Response.json({ error: "temporarily_unavailable" }, { status: 503, headers: { "Retry-After": "1" } });
}
