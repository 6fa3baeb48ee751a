// Rotating MASTER_KEY: a list of keys, of which the first makes tokens and all are accepted.
import { randomBytes } from "node:crypto";
import { changeLocalSecret, ensureSecrets, localSecret } from "../local.mjs";
import { runsHere, UsageError } from "./admin-api.mjs";

/** Rotates, and with `--reencrypt` lets the server encrypt anew what older keys have encrypted. */
export async function rotateKeys(openApi, { reencrypt, remote }) {
  if (!reencrypt) {
    if (remote !== undefined) throw new UsageError("rotatekeys asks no server without --reencrypt: --remote does nothing here.");
    return rotate();
  }
  if (remote === undefined) {
    if (process.env.MASTER_KEY !== undefined) throw new UsageError("For a server elsewhere, --reencrypt takes --remote, once its MASTER_KEY begins with the new key.");
    if (await runsHere()) throw new UsageError("The local server is running, with the keys that it knows: stop it first.");
  }
  const rotated = remote === undefined ? rotate() : {}; // Only who deploys can change the keys of a server elsewhere.
  const api = await openApi();
  return { ...rotated, ...(await reencryptBy(api.call).finally(api.close)) };
}

/**
 * Makes a new key: the local server's own list gets it at once. Cloudflare shows no secret again, so for a server elsewhere
 * the list comes from the environment, and the next two values are shown instead.
 */
function rotate() {
  const elsewhere = process.env.MASTER_KEY;
  if (elsewhere !== undefined) return nextOf(elsewhere);
  ensureSecrets();
  const { use } = nextOf(localSecret("MASTER_KEY"));
  changeLocalSecret("MASTER_KEY", use);
  return { makes_tokens: idOf(use.split(",")[0]), accepted: use.split(",").map(idOf) };
}

async function reencryptBy(api) {
  const done = { reencrypted: 0, unreadable: 0 };
  let cursor = null;
  do {
    const step = await api("POST", "reencrypt", { cursor });
    for (const name of Object.keys(done)) done[name] += step[name];
    cursor = step.next_cursor;
  } while (cursor !== null);
  return done;
}

/** `accept`: the list with a new key behind the others; `use`: with the new key in front. */
function nextOf(list) {
  const keys = list.split(",").map((key) => key.trim());
  const ids = keys.map(idOf);
  const free = Array.from({ length: 256 }, (_, step) => (Math.max(...ids) + 1 + step) % 256).find((id) => !ids.includes(id));
  if (ids.some(Number.isNaN) || free === undefined) throw new UsageError("MASTER_KEY is not a list of keys with room for one more.");
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice !== undefined) throw new UsageError(`MASTER_KEY is not a list of keys that differ in their ids: ${twice} stands twice.`);
  const key = `${free}:${randomBytes(32).toString("base64url")}`;
  return { accept: [...keys, key].join(","), use: [key, ...keys].join(",") };
}

/** A bare key has the id 0. */
function idOf(key) {
  const [, id, encoded] = key.match(/^(?:(\d{1,3}):)?([\w-]{43})$/) ?? [];
  return encoded === undefined || Number(id) > 255 ? NaN : Number(id ?? 0);
}
