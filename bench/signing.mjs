// Signed requests of OAuth 1.0a (RFC 5849). Their timestamps are good for five minutes and their nonces once: so what does not
// change is prepared, and each is signed as it is sent.
import { createHmac, randomBytes, sign } from "node:crypto";

/**
 * A request of an application to be signed: `request`, as cases have them, and `signing`, which `signed` needs besides. `url`: what
 * is signed. `more`: of the protocol's parameters. `token`: none, or its `oauth_token` and `oauth_token_secret`. `privateKey`: of
 * the RSA methods, in PEM.
 */
export function signable({ method = "GET", url, more = {}, form = {}, headers = {} }, application, { token, signatureMethod = "HMAC-SHA1", privateKey } = {}) {
  const oauth = {
    oauth_consumer_key: application.client_id,
    oauth_nonce: "NONCE",
    oauth_signature_method: signatureMethod,
    oauth_timestamp: "TIMESTAMP",
    ...(token && { oauth_token: token.oauth_token }),
    ...more,
  };
  const { origin, pathname, searchParams } = new URL(url);
  const pairs = [oauth, form].flatMap(Object.entries).concat([...searchParams]).map((pair) => pair.map(encode).join("="));
  const credentials = Object.entries({ ...oauth, oauth_signature: "SIGNATURE" }).map(([name, value]) => `${name}="${encode(value)}"`);
  const body = new URLSearchParams(form).toString();
  return {
    request: {
      method,
      headers: {
        ...headers,
        Authorization: `OAuth ${credentials.join(", ")}`,
        ...(body && { "Content-Type": "application/x-www-form-urlencoded" }),
      },
      body,
    },
    signing: {
      hash: signatureMethod.split("-")[1],
      baseString: [method, origin + pathname, pairs.sort().join("&")].map(encode).join("&"),
      secrets: `${encode(application.client_secret)}&${encode(token?.oauth_token_secret ?? "")}`,
      privateKey,
    },
  };
}

/** The same text, which nobody has sent before. */
export function signed(text, { hash, baseString, secrets, privateKey }) {
  const nonce = `${firstOfNonce}${(nonces++).toString(36)}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const fill = (template) => template.replace("NONCE", nonce).replace("TIMESTAMP", timestamp);
  const message = fill(baseString);
  const signature = privateKey ? sign(hash, message, privateKey).toString("base64") : createHmac(hash, secrets).update(message).digest("base64");
  return fill(text).replace("SIGNATURE", encode(signature));
}

const firstOfNonce = randomBytes(12).toString("hex");
let nonces = 0;

/** RFC 5849 §3.6. */
function encode(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
