// The operator's commands, as data: what each takes, the options of its JSON body, and its call of the admin API. One that is
// `offline` opens the API itself, if it needs it.
import { UsageError } from "./admin-api.mjs";
import { rotateKeys } from "./keys.mjs";

const deviceCode = "urn:ietf:params:oauth:grant-type:device_code";
const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const grantsThatRefresh = ["password", "authorization_code", deviceCode];

// Options that become members of the JSON body: [member, kind, what it is].
const applicationOptions = {
  "client-id": ["client_id", "text", "else generated"],
  "client-secret": ["client_secret", "text", "else generated"],
  name: ["client_name", "text", "what people see when they are asked for consent"],
  user: ["owner", "text", "the username of the owner"],
  "redirect-uris": ["redirect_uris", "list", "separated by spaces, or given several times"],
  "post-logout-redirect-uris": ["post_logout_redirect_uris", "list", "likewise"],
  "allowed-origins": ["allowed_origins", "list", "origins of web pages that may call us; likewise"],
  scope: ["scope", "text", "all that it may ask for, separated by spaces"],
  "token-endpoint-auth-method": ["token_endpoint_auth_method", "text", "client_secret_basic, client_secret_post, none, …"],
  "token-format": ["token_format", "text", "opaque or jwt"],
  "signature-methods": ["oauth1_signature_methods", "list", "how it signs for oauth1: HMAC-SHA1, RSA-SHA256, PLAINTEXT, …; likewise"],
  jwks: ["jwks", "json", "its public keys, for RSA signatures: a JWK Set"],
  "skip-authorization": ["skip_authorization", "flag", "no consent page"],
  "xauth-allowed": ["xauth_allowed", "flag", "may use xAuth"],
  "allow-plain-pkce": ["allow_plain_pkce", "flag", "may use PKCE's method plain"],
};
const { "client-id": _id, "client-secret": _secret, ...applicationChanges } = {
  ...applicationOptions,
  "client-type": ["client_type", "text", "public or confidential"],
  "grant-types": ["grant_types", "grants", "separated by commas"],
  active: ["is_active", "flag", "its tokens are good"],
};
const userOptions = {
  email: ["email", "text", "e-mail address"],
  "email-verified": ["email_verified", "flag", "the address is known to be theirs"],
  "first-name": ["first_name", "text", ""],
  "last-name": ["last_name", "text", ""],
};

// Each command: what it takes, the options that make its body, and its call, which resolves to the answer to show.
export const commands = {
  createapplication: {
    about: "Register an application. Its secret is shown this once.",
    takes: ["client_type", "grant"],
    notes: [
      "client_type is public or confidential.",
      "grant is one or several, separated by commas: authorization_code, password, client_credentials, refresh_token, implicit,",
      "device_code, token_exchange, convert_token, oauth1. refresh_token is added to password, authorization_code and",
      "device_code, unless --no-refresh-token says otherwise.",
    ],
    options: applicationOptions,
    extra: { "no-refresh-token": "do not add refresh_token" },
    call: (api, [clientType, grant], body, given) =>
      api("POST", "applications", { client_type: clientType, grant_types: withRefresh(parseGrants(grant), given), ...body }),
  },
  listapplications: {
    about: "List all applications.",
    call: (api) => listAll(api, "applications"),
    columns: ["client_id", "client_name", "client_type", "grant_types", "is_active"],
  },
  showapplication: {
    about: "Show one application.",
    takes: ["client_id"],
    call: (api, [id]) => api("GET", `applications/${segment(id)}`),
  },
  changeapplication: {
    about: "Change what the options name; the rest stays.",
    takes: ["client_id"],
    options: applicationChanges,
    changes: true,
    call: (api, [id], body) => api("PATCH", `applications/${segment(id)}`, body),
  },
  deleteapplication: {
    about: "Delete an application, and end its tokens.",
    takes: ["client_id"],
    call: (api, [id]) => api("DELETE", `applications/${segment(id)}`),
  },
  rotatesecret: {
    about: "Give an application a new secret, shown this once. The old one ends.",
    takes: ["client_id"],
    call: (api, [id]) => api("POST", `applications/${segment(id)}/rotate-secret`),
  },
  createuser: {
    about: "Create a user.",
    takes: ["username"],
    options: userOptions,
    password: true,
    call: (api, [username], body) => api("POST", "users", { username, ...body }),
  },
  createsuperuser: {
    about: "Create a user who may administer.",
    takes: ["username"],
    options: userOptions,
    password: true,
    call: (api, [username], body) => api("POST", "users", { username, is_superuser: true, ...body }),
  },
  listusers: {
    about: "List users.",
    query: { search: ["search", "text", "the beginning of a username or e-mail address"] },
    call: (api, _words, _body, given) => listAll(api, "users", given.search && { search: given.search }),
    columns: ["username", "email", "is_active", "is_superuser", "last_login_at"],
  },
  showuser: {
    about: "Show one user.",
    takes: ["username"],
    call: (api, [username]) => api("GET", `users/${segment(username)}`),
  },
  changeuser: {
    about: "Change what the options name; the rest stays.",
    takes: ["username"],
    options: { ...userOptions, superuser: ["is_superuser", "flag", "may administer"] },
    changes: true,
    call: (api, [username], body) => api("PATCH", `users/${segment(username)}`, body),
  },
  disableuser: {
    about: "Lock a user out, and end all their tokens.",
    takes: ["username"],
    call: (api, [username]) => api("PATCH", `users/${segment(username)}`, { is_active: false }),
  },
  enableuser: {
    about: "Let a user in again.",
    takes: ["username"],
    call: (api, [username]) => api("PATCH", `users/${segment(username)}`, { is_active: true }),
  },
  deleteuser: {
    about: "Delete a user, and end all their tokens.",
    takes: ["username"],
    call: (api, [username]) => api("DELETE", `users/${segment(username)}`),
  },
  changepassword: {
    about: "Set a user's password, and end all their tokens.",
    takes: ["username"],
    password: true,
    call: (api, [username], body) => api("POST", `users/${segment(username)}/set-password`, body),
  },
  logout: {
    about: "Log a user out everywhere.",
    takes: ["username"],
    call: (api, [username]) => api("POST", `users/${segment(username)}/logout`),
  },
  listauditevents: {
    about: "List who did what to what, when and from where: the latest 200 events.",
    call: (api) => api("GET", "audit-events?limit=200"),
    columns: ["created_at", "actor", "action", "target", "address"],
  },
  rotatekeys: {
    about: "Put a new key in front of MASTER_KEY. What the old keys made stays good.",
    notes: [
      "Changes .dev.vars: the local server takes it up when it is started again. For a server elsewhere, give its MASTER_KEY",
      "in the environment: then nothing is changed, and two values are printed. Put `accept` first (npx wrangler secret put",
      "MASTER_KEY) and `use` a minute later: so no isolate meets a token whose key it does not know. Take the old key out when",
      "the tokens that it made have expired.",
      "--reencrypt encrypts anew what the old keys have encrypted: the tokens of identity providers, and the secrets of",
      "applications and tokens of OAuth 1.0a. Those are lost with the old key else. Where the server is elsewhere, do that with --remote once its MASTER_KEY is `use`: no other key is made then.",
      "It goes in small steps, and may be broken off and repeated. What no key can read is left as it is, and counted.",
    ],
    extra: { reencrypt: "encrypt anew what the old keys have encrypted" },
    offline: true,
    call: rotateKeys,
  },
  cleartokens: {
    about: "Delete what has expired.",
    call: clearTokens,
  },
};

/** Grant names as on the wire. Django OAuth Toolkit's spelling (authorization-code) and the short names are accepted. */
export function parseGrants(text) {
  const short = { device_code: deviceCode, token_exchange: tokenExchange };
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  return names.map((name) => (name.includes(":") ? name : name.replaceAll("-", "_"))).map((name) => short[name] ?? name);
}

function withRefresh(grants, given) {
  const wanted = grants.some((grant) => grantsThatRefresh.includes(grant)) && !given["no-refresh-token"];
  return wanted && !grants.includes("refresh_token") ? [...grants, "refresh_token"] : grants;
}

/** A name as a segment of the API's path. These would not be one: the path would end before it, or lead elsewhere. */
function segment(text) {
  if (["", ".", ".."].includes(text)) throw new UsageError(`"${text}" is no name.`);
  return encodeURIComponent(text);
}

async function listAll(api, kind, query = {}) {
  const all = [];
  let cursor;
  do {
    const page = await api("GET", `${kind}?${new URLSearchParams({ limit: 200, ...query, ...(cursor && { cursor }) })}`);
    all.push(...page[kind]);
    cursor = page.next_cursor;
  } while (cursor);
  return { [kind]: all };
}

async function clearTokens(api) {
  const deleted = {};
  let more = true;
  while (more) {
    const answer = await api("POST", "cleartokens");
    for (const [table, count] of Object.entries(answer.deleted)) deleted[table] = (deleted[table] ?? 0) + count;
    more = answer.more;
  }
  return { deleted };
}
