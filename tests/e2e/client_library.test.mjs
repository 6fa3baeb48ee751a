// The flows as a client library drives them that we did not write.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import { alice, startPostern } from "./support.mjs";

const loopback = { [oauth.allowInsecureRequests]: true };
let postern, server, app, service;

before(async () => {
  postern = await startPostern();
  app = await postern.createApplication({ client_id: "my-app", client_type: "public", grant_types: ["password", "refresh_token"] });
  service = await postern.createApplication({ client_id: "a-service", client_type: "confidential", grant_types: ["client_credentials"] });
  await postern.signUp();
  server = await discover(postern.url);
});
after(() => postern.stop());

const discover = async (issuer) =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...loopback }));

const logIn = async (params) => {
  const response = await oauth.genericTokenEndpointRequest(server, app, oauth.None(), "password", { ...alice, ...params }, loopback);
  return oauth.processGenericTokenEndpointResponse(server, app, response);
};
const introspect = async (token) => {
  const response = await oauth.introspectionRequest(server, service, oauth.ClientSecretBasic(service.client_secret), token, loopback);
  return oauth.processIntrospectionResponse(server, service, response);
};
const refresh = async (token) => {
  const response = await oauth.refreshTokenGrantRequest(server, app, oauth.None(), token, loopback);
  return oauth.processRefreshTokenResponse(server, app, response);
};

test("discovery finds all endpoints of the server", () => {
  const issuer = postern.url.origin;
  assert.equal(server.issuer, issuer);
  assert.equal(server.token_endpoint, `${issuer}/o/token/`);
  assert.equal(server.revocation_endpoint, `${issuer}/o/revoke_token/`);
  assert.equal(server.introspection_endpoint, `${issuer}/o/introspect/`);
  assert.deepEqual(server.grant_types_supported, ["authorization_code", "password", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange", "implicit"]);
  assert.deepEqual(server.response_types_supported, ["code", "token", "none"]);
});

for (const [method, authenticate] of [
  ["client_secret_basic", oauth.ClientSecretBasic],
  ["client_secret_post", oauth.ClientSecretPost],
]) {
  test(`client credentials with ${method}`, async () => {
    assert.ok(server.token_endpoint_auth_methods_supported.includes(method));
    const authentication = authenticate(service.client_secret);
    const response = await oauth.clientCredentialsGrantRequest(server, service, authentication, { scope: "read" }, loopback);
    const tokens = await oauth.processClientCredentialsResponse(server, service, response);
    assert.deepEqual([tokens.token_type, tokens.expires_in, tokens.scope, tokens.refresh_token], ["bearer", 36000, "read", undefined]);
    assert.equal((await introspect(tokens.access_token)).client_id, service.client_id);
  });
}

test("a secret with characters that Basic must encode", async () => {
  const secret = "%+&=/?:@ and blanks in a secret of one's own";
  const chosen = await postern.createApplication({ client_id: "chosen:id", client_secret: secret, client_type: "confidential", grant_types: ["client_credentials"] });
  for (const authenticate of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
    const response = await oauth.clientCredentialsGrantRequest(server, chosen, authenticate(secret), {}, loopback);
    assert.ok((await oauth.processClientCredentialsResponse(server, chosen, response)).access_token);
  }
});

test("the password grant, refresh, introspection and revocation", async () => {
  const first = await logIn({ scope: "read write" });
  assert.equal(first.scope, "read write");
  const { active, username, scope } = await introspect(first.access_token);
  assert.deepEqual([active, username, scope], [true, "alice", "read write"]);

  const second = await refresh(first.refresh_token);
  assert.notEqual(second.access_token, first.access_token);
  assert.equal((await introspect(second.access_token)).active, true);

  const response = await oauth.revocationRequest(server, app, oauth.None(), second.refresh_token, loopback);
  await oauth.processRevocationResponse(response);
  assert.equal((await introspect(second.access_token)).active, false);
  await assert.rejects(refresh(second.refresh_token), { name: "ResponseBodyError", error: "invalid_grant", status: 400 });
});

test("a wrong password is an OAuth error", async () => {
  await assert.rejects(logIn({ password: "open-sesame-1002" }), { name: "ResponseBodyError", error: "invalid_grant", status: 400 });
});

test("a wrong secret is a challenge", async () => {
  const response = await oauth.clientCredentialsGrantRequest(server, service, oauth.ClientSecretBasic("wrong"), {}, loopback);
  await assert.rejects(oauth.processClientCredentialsResponse(server, service, response), (error) => {
    assert.equal(error.name, "WWWAuthenticateChallengeError");
    assert.deepEqual([error.status, error.cause[0].scheme], [401, "basic"]);
    return true;
  });
});

test("a protected resource request to validation", async () => {
  const { access_token } = await logIn();
  const url = new URL("/validate/", postern.url);
  const response = await oauth.protectedResourceRequest(access_token, "GET", url, undefined, undefined, loopback);
  assert.equal((await response.json()).active, true);
  await assert.rejects(oauth.protectedResourceRequest("made-up", "GET", url, undefined, undefined, loopback), (error) => {
    assert.deepEqual([error.status, error.cause[0].scheme, error.cause[0].parameters.error], [401, "bearer", "invalid_token"]);
    return true;
  });
});
