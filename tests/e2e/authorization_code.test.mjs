// Authorization codes and implicit tokens as client libraries drive them that we did not write.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { person } from "./person.mjs";
import { runPython } from "./python.mjs";
import { alice, checkout, startPostern } from "./support.mjs";

const loopback = { [oauth.allowInsecureRequests]: true };
const callback = "http://127.0.0.1:4000/cb";
let postern, server, spa, web;

before(async () => {
  postern = await startPostern();
  const code = { redirect_uris: [callback], grant_types: ["authorization_code", "refresh_token"] };
  spa = await postern.createApplication({ client_id: "spa", client_type: "public", client_name: "The <app>", ...code });
  web = await postern.createApplication({ client_id: "web", client_type: "confidential", ...code });
  await postern.signUp();
  const issuer = postern.url;
  server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...loopback }));
});
after(() => postern.stop());

/** Where the person ends who is sent to the authorization endpoint like this. */
const authorize = async (client, params, decision) => {
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: client.client_id, redirect_uri: callback, response_type: "code", scope: "read", ...params });
  return new URL(await person(postern).authorize(url.href, alice, decision));
};

for (const [kind, authentication] of [
  ["a public client", () => oauth.None()],
  ["a confidential client by Basic", () => oauth.ClientSecretBasic(web.client_secret)],
  ["a confidential client by its body", () => oauth.ClientSecretPost(web.client_secret)],
]) {
  test(`oauth4webapi: ${kind} gets and refreshes tokens, once for each code`, async () => {
    const client = kind === "a public client" ? spa : web;
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
    const landing = await authorize(client, { state, code_challenge, code_challenge_method: "S256" });
    // Checks state, and that `iss` is there and right (RFC 9207).
    const params = oauth.validateAuthResponse(server, client, landing, state);
    const exchange = () => oauth.authorizationCodeGrantRequest(server, client, authentication(), params, callback, verifier, loopback);
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, await exchange());
    assert.deepEqual([tokens.scope, tokens.expires_in], ["read", 36000]);
    assert.equal((await postern.validate(tokens.access_token)).status, 200);

    const response = await oauth.refreshTokenGrantRequest(server, client, authentication(), tokens.refresh_token, loopback);
    const refreshed = await oauth.processRefreshTokenResponse(server, client, response);
    assert.equal((await postern.validate(refreshed.access_token)).status, 200);

    await assert.rejects(async () => oauth.processAuthorizationCodeResponse(server, client, await exchange()), { error: "invalid_grant" });
    for (const token of [tokens.access_token, refreshed.access_token]) assert.equal((await postern.validate(token, "?fresh=1")).status, 401);
  });
}

test("oauth4webapi: a person who does not agree is an error with its state", async () => {
  const code_challenge = await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier());
  const landing = await authorize(spa, { state: "s", code_challenge, code_challenge_method: "S256", prompt: "consent" }, "deny");
  assert.throws(() => oauth.validateAuthResponse(server, spa, landing, "s"), { error: "access_denied" });
});

test("oauth4webapi: an implicit token", async () => {
  const legacy = await postern.createApplication({ client_type: "public", redirect_uris: [callback], grant_types: ["implicit"] });
  const landing = await authorize(legacy, { response_type: "token", state: "s" });
  const params = new URLSearchParams(landing.hash.slice(1));
  assert.deepEqual([landing.search, params.get("state"), params.get("iss"), params.get("token_type")], ["", "s", postern.url.origin, "Bearer"]);
  assert.equal((await postern.validate(params.get("access_token"))).status, 200);
});

for (const [kind, authentication] of [
  ["a public client", () => openid.None()],
  ["a confidential client", () => openid.ClientSecretPost(web.client_secret)],
]) {
  test(`openid-client: ${kind} by discovery, code, refresh, introspection and revocation`, async () => {
    const client = kind === "a public client" ? spa : web;
    const options = { algorithm: "oauth2", execute: [openid.allowInsecureRequests] };
    const config = await openid.discovery(postern.url, client.client_id, undefined, authentication(), options);
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: callback,
      scope: "read write",
      state: expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
    });
    const landing = new URL(await person(postern).authorize(url.href, alice));
    const tokens = await openid.authorizationCodeGrant(config, landing, { pkceCodeVerifier, expectedState });
    assert.equal(tokens.scope, "read write");
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    if (client === web) assert.equal((await openid.tokenIntrospection(config, refreshed.access_token)).username, "alice");
    await openid.tokenRevocation(config, refreshed.refresh_token);
    assert.equal((await postern.validate(refreshed.access_token, "?fresh=1")).status, 401);
  });
}

test("requests-oauthlib and Authlib do the same", async () => {
  const program = `${checkout}/tests/python/authorization_code.py`;
  const told = { POSTERN: postern.url.origin, ALICE: JSON.stringify(alice), SPA: JSON.stringify(spa), WEB: JSON.stringify(web), CALLBACK: callback };
  const { code, output } = await runPython([program], { env: { ...process.env, ...told } });
  assert.equal(code, 0, output);
  const written = readFileSync(program, "utf8").match(/def test_/g).length;
  assert.match(output, new RegExp(`^Ran ${written} tests in .*\\n+OK$`, "m"), output);
});
