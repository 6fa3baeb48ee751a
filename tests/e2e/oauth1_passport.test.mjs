// OAuth 1.0a as passport-oauth1 drives it in an application, which then asks an API who the person is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OAuth1Strategy from "passport-oauth1";
import { listen } from "./origin.mjs";
import { person } from "./person.mjs";
import { alice, startPostern } from "./support.mjs";

const callback = "http://127.0.0.1:4000/cb?from=postern";
let postern, api, app;

before(async () => {
  postern = await startPostern();
  api = await listen(postern.worker("origin-api"));
  const oauth1_signature_methods = ["HMAC-SHA1", "PLAINTEXT"];
  app = await postern.createApplication({ client_type: "confidential", redirect_uris: [callback], grant_types: ["oauth1"], oauth1_signature_methods });
  await postern.signUp();
});
after(() => Promise.all([api?.close(), postern?.stop()]));

/** A provider of passport's is a strategy that says how to ask who somebody is. */
class PosternStrategy extends OAuth1Strategy {
  userProfile(token, secret, _, done) {
    this._oauth.get(`${api.url}/by-http?of=me&as=%C3%B8`, token, secret, (error, body) => (error ? done(error) : done(null, JSON.parse(body))));
  }
}

/** The application, which passport's middleware stands in for: what the strategy says of a request to it. */
function application({ client_secret = app.client_secret, ...options } = {}) {
  const verify = (token, tokenSecret, profile, done) => done(null, { token, tokenSecret, profile });
  const session = {};
  const strategy = new PosternStrategy(
    {
      requestTokenURL: `${postern.url.origin}/oauth/request_token/`,
      userAuthorizationURL: `${postern.url.origin}/oauth/authorize/`,
      accessTokenURL: `${postern.url.origin}/oauth/access_token/`,
      consumerKey: app.client_id,
      consumerSecret: client_secret,
      callbackURL: callback,
      ...options,
    },
    verify,
  );
  return (query = {}) =>
    new Promise((resolve, reject) => {
      const outcomes = { success: (user) => resolve({ user }), fail: (info, status) => resolve({ failed: status }), redirect: (url) => resolve({ url }), error: reject };
      Object.assign(Object.create(strategy), outcomes).authenticate({ query, session });
    });
}

const comeBack = async (visit, url, decision) => visit(Object.fromEntries(new URL(await person(postern).authorize(url, alice, decision)).searchParams));

for (const signatureMethod of ["HMAC-SHA1", "PLAINTEXT"]) {
  test(`a person logs in to an application, which asks the API who they are, by ${signatureMethod}`, async () => {
    const visit = application({ signatureMethod });
    const { url } = await visit();
    const landing = new URL(await person(postern).authorize(url, alice));
    assert.equal(landing.searchParams.get("from"), "postern"); // of the callback, as it was registered
    const query = Object.fromEntries(landing.searchParams);
    const { user } = await visit(query);
    assert.equal(user.profile.hello, "alice");
    await assert.rejects(visit(query), /Failed to find request token in session/);
  });
}

test("who does not agree has no token", async () => {
  const visit = application();
  const { url } = await visit();
  await assert.rejects(comeBack(visit, url, "deny"), ({ oauthError }) => {
    assert.deepEqual([oauthError.statusCode, oauthError.data], [400, "Invalid request token."]); // which is gone
    return true;
  });
});

test("an application with another's secret gets no request token", async () => {
  await assert.rejects(application({ client_secret: "not-the-secret-of-it" })(), ({ oauthError }) => {
    assert.deepEqual([oauthError.statusCode, oauthError.data], [401, "Could not verify OAuth request."]);
    return true;
  });
});
