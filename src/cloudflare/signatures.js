// Signatures by WebCrypto. Each resolves, or rejects and says why.

const rsa = (name, bits) => ({ name, hash: `SHA-${bits}`, saltLength: bits / 8 }); // RFC 7518 §3.5: as long as the hash

/** What WebCrypto calls them (RFC 7518 §3.1). The parameters are those of importing, verifying and signing at once. */
const algorithms = {
  RS256: rsa("RSASSA-PKCS1-v1_5", 256),
  RS384: rsa("RSASSA-PKCS1-v1_5", 384),
  RS512: rsa("RSASSA-PKCS1-v1_5", 512),
  PS256: rsa("RSA-PSS", 256),
  PS384: rsa("RSA-PSS", 384),
  PS512: rsa("RSA-PSS", 512),
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  EdDSA: { name: "Ed25519" },
  "RSA-SHA1": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-1" }, // RFC 5849 §3.4.3
};

/** Whether `signature` is that of `message` by the key, a JWK as JSON. */
export async function verify(name, jwk, message, signature) {
  const algorithm = algorithms[name];
  const key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), algorithm, false, ["verify"]);
  return crypto.subtle.verify(algorithm, key, signature, message);
}

/** The signature of `message` by the key, which is PKCS#8. */
export async function sign(name, pkcs8, message) {
  const algorithm = algorithms[name];
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(algorithm, key, message));
}
