// KV.

/** The values of the keys, a JSON list, as another one: null where there is none. */
export async function getMany(namespace, keys) {
  const names = JSON.parse(keys);
  const found = await namespace.get(names, "text");
  return JSON.stringify(names.map((name) => found.get(name) ?? null));
}

/** Resolves when the value is stored, for so many seconds; or rejects and says why. */
export async function put(namespace, key, value, seconds) {
  await namespace.put(key, value, { expirationTtl: seconds });
}

/** As `put`, but nobody wants to know whether it worked. */
export function tryToPut(namespace, key, value, seconds) {
  return put(namespace, key, value, seconds).catch(() => {});
}
