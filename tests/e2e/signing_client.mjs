// A client of OAuth 1.0a: the package `oauth` of npm, with promises.
import { OAuth } from "oauth";

const form = "application/x-www-form-urlencoded";

/**
 * An application that signs what it sends to the server at `at`. Credentials are `{ token, secret }`.
 *
 * - `requestToken(params)`, `accessToken(credentials, verifier)`: the legs; an error holds the `statusCode` and `data` of a refusal.
 * - `page(credentials)`: where it sends the person in between.
 * - `xauth(person)`: an access token for a username and password.
 * - `header(credentials, method, url, form)`: what signs a request, for its `Authorization` header. `form`: what its body holds.
 * - `signedUrl(credentials, method, url)`: the URL of a request with what signs it in its query.
 */
export function signingClient(at, { client_id, client_secret }, callback = "oob") {
  const [requestUrl, pageUrl, accessUrl] = ["request_token", "authorize", "access_token"].map((leg) => `${at}/oauth/${leg}/`);
  const oauth = new OAuth(requestUrl, accessUrl, client_id, client_secret, "1.0", callback, "HMAC-SHA1");
  const promised = (call) =>
    new Promise((resolve, reject) => call((error, token, secret) => (error ? reject(error) : resolve({ token, secret }))));
  /** As its `authHeader`, which knows of no form. */
  const header = ({ token, secret }, method, url, form = {}) =>
    oauth._buildAuthorizationHeaders(oauth._prepareParameters(token, secret, method, url, form));
  return {
    requestToken: (params = {}) => promised((done) => oauth.getOAuthRequestToken(params, done)),
    accessToken: ({ token, secret }, verifier) => promised((done) => oauth.getOAuthAccessToken(token, secret, verifier, done)),
    page: ({ token }) => `${pageUrl}?oauth_token=${token}`,
    xauth: async ({ username, password }) => {
      const fields = { x_auth_mode: "client_auth", x_auth_username: username, x_auth_password: password };
      const headers = { Authorization: header({}, "POST", accessUrl, fields), "Content-Type": form };
      const response = await fetch(accessUrl, { method: "POST", headers, body: new URLSearchParams(fields) });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} ${text}`);
      const answer = new URLSearchParams(text);
      return { token: answer.get("oauth_token"), secret: answer.get("oauth_token_secret") };
    },
    header,
    signedUrl: ({ token, secret }, method, url) => oauth.signUrl(url, token, secret, method),
  };
}
