// A front-end whose users log in at Postern: authorization code with PKCE (RFC 7636), by the library oidc-client-ts.
import { UserManager, WebStorageStateStore } from "oidc-client-ts";

const store = new WebStorageStateStore({ store: sessionStorage }); // for this tab alone, and gone with it
const postern = new UserManager({
  authority: POSTERN, // serve.mjs puts the address in when it bundles, and CLIENT_ID
  metadataUrl: `${POSTERN}/.well-known/oauth-authorization-server`,
  client_id: CLIENT_ID,
  redirect_uri: `${location.origin}/`,
  scope: "read write", // the library's own default is openid
  userStore: store,
  stateStore: store,
});

const actions = {
  "log-in": () => postern.signinRedirect(),
  "sign-up": () => postern.signinRedirect({ prompt: "create" }),
  call: callApi,
  refresh,
  "log-out": logOut,
};
for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", () => attempt(action));
await attempt(comeBack);

/** Postern sends people back to this page, with its answer in the address (RFC 6749 §4.1.2), where it must not stay. */
async function comeBack() {
  const answer = location.href;
  if (!new URL(answer).searchParams.has("state")) return;
  history.replaceState(null, "", location.pathname);
  await postern.signinRedirectCallback(answer);
}

async function callApi() {
  const { access_token } = await postern.getUser();
  const response = await fetch("/api/by-http", { headers: { Authorization: `Bearer ${access_token}` } });
  element("answer").textContent = `${response.status} ${await response.text()}`;
}

/** The library does this by itself, too, a minute before the access token expires. */
async function refresh() {
  try {
    await postern.signinSilent();
    element("answer").textContent = "There are new tokens.";
  } catch (error) {
    if (error.error === "invalid_grant") await postern.removeUser(); // ended elsewhere
    throw error;
  }
}

/** Either token ends both. What was revoked is forgotten, and also what could not be. */
async function logOut() {
  await postern.revokeTokens(["refresh_token"]).finally(() => postern.removeUser());
  element("answer").textContent = "";
}

async function attempt(action) {
  element("error").textContent = "";
  try {
    await action();
  } catch (error) {
    element("error").textContent = error.error ? `${error.error}: ${error.error_description}` : error.message;
  }
  await show();
}

async function show() {
  const user = await postern.getUser();
  element("logged-in").hidden = !user;
  element("logged-out").hidden = Boolean(user);
  element("status").textContent = user ? `You are logged in. This app may: ${user.scope}.` : "You are logged out.";
}

function element(id) {
  return document.getElementById(id);
}
