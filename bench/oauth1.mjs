// The cases of OAuth 1.0a: see cases.mjs.
import { generateKeyPairSync } from "node:crypto";
import { signable, signed } from "./signing.mjs";

/** What an API is asked for, and how its proxy tells of it. */
const url = "https://api.example/photos?size=original&file=vacation.jpg";
const forwarded = {
  "X-Forwarded-Method": "GET",
  "X-Forwarded-Proto": "https",
  "X-Forwarded-Host": "api.example",
  "X-Forwarded-Uri": "/photos?size=original&file=vacation.jpg",
};

/** Registers an application that signs its requests, and gets it a token for the user. `base`: where that Postern is. */
export async function setUpSigning(base, register, user) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const application = await register({
    client_id: "bench-signing",
    client_type: "confidential",
    grant_types: ["oauth1"],
    oauth1_signature_methods: ["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA256"],
    jwks: { keys: [publicKey.export({ format: "jwk" })] },
    xauth_allowed: true,
  });
  const { request, signing } = xauth(base, application, user);
  const headers = { ...request.headers, Authorization: signed(request.headers.Authorization, signing) };
  const response = await fetch(`${base}/oauth/access_token/`, { ...request, headers });
  if (!response.ok) throw new Error(`xAuth: ${response.status} ${await response.text()}`);
  const token = Object.fromEntries(new URLSearchParams(await response.text()));
  return { application, token, privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

/** A signed request for the API, which the API asks `/validate/` about. */
export function signedForApi({ application, token, privateKey }, signatureMethod = "HMAC-SHA1") {
  const isRsa = signatureMethod.startsWith("RSA");
  return signable({ url, headers: forwarded }, application, { token, signatureMethod, privateKey: isRsa ? privateKey : undefined });
}

function xauth(base, application, user) {
  const form = { x_auth_mode: "client_auth", x_auth_username: user.username, x_auth_password: user.password };
  return signable({ method: "POST", url: `${base}/oauth/access_token/`, form }, application);
}

/** The cases, of an application that was set up. `loaded`: where the loader's requests say that they go. */
export function signedCases(signing, user, loaded) {
  const validate = (signatureMethod, more) => ({
    name: `validate, signed (${signatureMethod})`,
    worker: "postern",
    path: "/validate/",
    ...asCase(signedForApi(signing, signatureMethod)),
    calls: { d1: 1, kvReads: 0, kvWrites: 0 },
    ...more,
  });
  const requestToken = { method: "POST", url: `${loaded}/oauth/request_token/`, more: { oauth_callback: "oob" } };
  return [
    validate("HMAC-SHA1", { floor: () => "/signed/floor-family---------0", budget: { of: "floor", ratio: 0.85 } }),
    validate("HMAC-SHA256"),
    validate("RSA-SHA256", { note: "the loader signs slowly: it waits for that more than for Postern" }),
    {
      name: "issue, OAuth 1.0a request token",
      worker: "postern",
      path: "/oauth/request_token/",
      ...asCase(signable(requestToken, signing.application)),
      calls: { d1: 2, kvReads: 0, kvWrites: 0 },
    },
    {
      name: "issue, OAuth 1.0a token by xAuth",
      worker: "postern",
      path: "/oauth/access_token/",
      ...asCase(xauth(loaded, signing.application, user)),
      calls: { d1: 3, kvReads: 0, kvWrites: 0 },
      connections: 2,
      slow: true,
    },
  ];
}

function asCase({ request, signing }) {
  return { requests: [request], signing };
}
