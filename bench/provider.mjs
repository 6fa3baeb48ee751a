// An identity provider on loopback that knows one person, and answers at once: what is measured is Postern.
import { createServer } from "node:http";
import { once } from "node:events";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

const clientId = "bench-client";
const sub = "a-person";
const profile = { sub, email: "person@provider.example", email_verified: true, given_name: "A", family_name: "Person", preferred_username: "person" };

/** `setting`: the value of SOCIAL_AUTH_PROVIDERS. `count(path)`: how often that was asked for. */
export async function openProvider() {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const keys = [{ ...(await exportJWK(publicKey)), kid: "bench", alg: "RS256", use: "sig" }];
  const exp = Math.floor(Date.now() / 1000) + 86_400;
  const answers = {
    "/jwks": { keys },
    "/introspect": { active: true, client_id: clientId, sub, exp },
    "/userinfo": profile,
  };
  const asked = new Map();
  const server = createServer((request, response) => {
    asked.set(request.url, (asked.get(request.url) ?? 0) + 1);
    request.resume();
    response.setHeader("Content-Type", "application/json");
    response.statusCode = request.url in answers ? 200 : 404;
    response.end(JSON.stringify(answers[request.url] ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const entry = {
    client_id: clientId,
    issuer,
    discovery: false,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    introspection_endpoint: `${issuer}/introspect`,
    userinfo_endpoint: `${issuer}/userinfo`,
  };
  const idToken = await new SignJWT(profile).setProtectedHeader({ alg: "RS256", kid: "bench" }).setIssuer(issuer).setAudience(clientId).setIssuedAt().setExpirationTime(exp).sign(privateKey);
  return {
    // Of the second, nobody may log in whom it knows: what is measured ends with the proof.
    setting: JSON.stringify({ bench: entry, closed: { ...entry, allowed_domains: ["elsewhere.example"] } }),
    idToken,
    accessToken: "an-access-token-of-the-provider",
    count: (path) => asked.get(path) ?? 0,
    stop: () => server.close(),
  };
}
