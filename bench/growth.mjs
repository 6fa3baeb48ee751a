// Whether Postern gets slower as rows pile up: the same requests with few and with many stored sessions, or nonces.
import { bearer, connections, setUp, wire } from "./cases.mjs";
import { signedForApi } from "./oauth1.mjs";

const step = 20_000; // rows that one statement stores

/**
 * `sessions`, `nonces`: how many are `few` and `many`. For each case what grows, and the rounds of requests per second, by
 * Worker: `postern-few` and `postern-many`.
 */
export async function measureGrowth({ sessions, nonces, rounds, milliseconds, workers, load }) {
  const growing = (what, counts) => ({ what, ...counts, contestants: new Map() });
  const cases = new Map([
    ["validate with fresh=1 (D1)", growing("sessions", sessions)],
    ["refresh", growing("sessions", sessions)],
    ["validate, signed (HMAC-SHA1)", growing("nonces", nonces)],
  ]);
  for (const size of ["few", "many"]) {
    const worker = `postern-${size}`;
    const { DB } = await workers.env(worker);
    await fillSessions(DB, sessions[size]);
    await fillNonces(DB, nonces[size]);
    const { token, refreshes, signing } = await setUp(workers.port(worker));
    const order = { port: workers.port(worker), connections, expect: 200, warmUp: 100, milliseconds };
    const [validate, refresh, validateSigned] = [...cases.values()].map(({ contestants }) => contestants);
    validate.set(worker, { order: { ...order, requests: [wire(bearer(token), "/validate/?fresh=1")] }, results: [] });
    const chains = refreshes.map((request) => wire(request, "/o/token/"));
    refresh.set(worker, { order: { ...order, requests: chains, perConnection: true, follow: true }, results: [] });
    const signed = signedForApi(signing);
    validateSigned.set(worker, { order: { ...order, requests: [wire(signed.request, "/validate/")], signing: signed.signing }, results: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const contest of cases.values()) {
      const contestants = [...contest.contestants.values()];
      for (const contestant of round % 2 ? contestants.reverse() : contestants) {
        const result = await load(contestant.order);
        contestant.results.push(result.perSecond);
        if (result.requests) contestant.order.requests = result.requests;
      }
    }
  }
  return cases;
}

/** Stores sessions of other users and applications, each with a grant of its own. */
async function fillSessions(db, sessions) {
  const now = Math.floor(Date.now() / 1000);
  for (let stored = 0; stored < sessions; stored += step) {
    await db
      .prepare(
        `INSERT INTO families (id, application_id, application_epoch, user_id, user_epoch, grant_id, scope, refresh_digest,
           refresh_expires_at, access_digest, access_scope, access_issued_at, access_expires_at, created_at, expires_at)
         WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1)
         SELECT hex(randomblob(11)), hex(randomblob(8)), 0, hex(randomblob(8)), 0, hex(randomblob(8)), 'read write groups',
           substr(hex(randomblob(22)), 1, 43), ?2 + 2592000, substr(hex(randomblob(22)), 1, 43), 'read write groups',
           ?2, ?2 + 36000, ?2, ?2 + 2592000 - value FROM number`,
      )
      .bind(Math.min(step, sessions - stored), now)
      .run();
  }
}

/** Stores nonces that have not expired: those that have are deleted as others come. */
async function fillNonces(db, nonces) {
  const expiry = Math.floor(Date.now() / 1000) + 3600;
  for (let stored = 0; stored < nonces; stored += step) {
    await db
      .prepare(
        `INSERT INTO oauth1_nonces (digest, expires_at)
         WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < ?1)
         SELECT substr(hex(randomblob(22)), 1, 43), ?2 + value FROM number`,
      )
      .bind(Math.min(step, nonces - stored), expiry)
      .run();
  }
}
