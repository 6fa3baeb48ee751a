// Rotating MASTER_KEY: a list of keys, of which the first makes tokens and all are accepted.
import { randomBytes } from "node:crypto";
import { changeLocalSecret, ensureSecrets, localSecret } from "../local.mjs";
import { UsageError } from "./admin-api.mjs";

/**
 * Makes a new key: the local server's own list gets it at once. Cloudflare shows no secret again, so for a server elsewhere
 * the list comes from the environment, and the next two values are shown instead.
 */
export async function rotateKeys() {
  const elsewhere = process.env.MASTER_KEY;
  if (elsewhere !== undefined) return nextOf(elsewhere);
  ensureSecrets();
  const { use } = nextOf(localSecret("MASTER_KEY"));
  changeLocalSecret("MASTER_KEY", use);
  return { makes_tokens: idOf(use.split(",")[0]), accepted: use.split(",").map(idOf) };
}

/** `accept`: the list with a new key behind the others; `use`: with the new key in front. */
function nextOf(list) {
  const keys = list.split(",").map((key) => key.trim());
  const ids = keys.map(idOf);
  const free = Array.from({ length: 256 }, (_, step) => (Math.max(...ids) + 1 + step) % 256).find((id) => !ids.includes(id));
  if (ids.some(Number.isNaN) || free === undefined) throw new UsageError("MASTER_KEY is not a list of keys with room for one more.");
  const key = `${free}:${randomBytes(32).toString("base64url")}`;
  return { accept: [...keys, key].join(","), use: [key, ...keys].join(",") };
}

/** A bare key has the id 0. */
function idOf(key) {
  const [, id, encoded] = key.match(/^(?:(\d{1,3}):)?([\w-]{43})$/) ?? [];
  return encoded === undefined || Number(id) > 255 ? NaN : Number(id ?? 0);
}
