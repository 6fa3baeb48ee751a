// `npm run manage`: each of the operator's commands against a server elsewhere, judged by what the API then does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createCipheriv, generateKeyPairSync, hkdfSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { basic, checkout, secrets, startPostern } from "./support.mjs";

const password = "open-sesame-1001";
const newPassword = "open-sesame-1002";
const names = [
  ["createapplication", "listapplications", "showapplication", "changeapplication", "deleteapplication", "rotatesecret"],
  ["createuser", "createsuperuser", "listusers", "showuser", "changeuser", "disableuser", "enableuser", "deleteuser"],
  ["changepassword", "logout", "listauditevents", "rotatekeys", "cleartokens"],
].flat();
let postern;
let printed = ""; // by all commands

before(async () => {
  postern = await startPostern();
});
after(() => postern.stop());

/** Runs the script: its exit code, and what it prints. `input` is its standard input, which never is a terminal. */
async function run(args, { input = "", token = secrets.ADMIN_TOKEN } = {}) {
  const { ADMIN_TOKEN: _, ...env } = process.env;
  const child = spawn(process.execPath, [`${checkout}/scripts/manage.mjs`, ...args], {
    env: { ...env, ...(token !== null && { ADMIN_TOKEN: token }) },
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (said[name] += text));
  child.stdin.on("error", () => {}).end(input); // it may end without reading
  const [code] = await once(child, "close");
  printed += said.stdout + said.stderr;
  return { code, ...said };
}

const manage = (args, options) => run([...args, "--remote", postern.url], options);

/** One that goes well: what it prints for people. */
async function prints(args, options) {
  const { code, stdout, stderr } = await manage(args, options);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

/** One that goes well: its JSON, which is all that it prints. */
const json = async (args, options) => JSON.parse(await prints([...args, "--json"], options));

/** One that goes wrong: what it says about it. */
async function refuses(code, args, options) {
  const result = await manage(args, options);
  assert.deepEqual([result.code, result.stdout], [code, ""], `${args.join(" ")}: ${result.stderr}`);
  return result.stderr;
}

/** What the API says, past the script. */
const api = async (path) => {
  const response = await postern.admin("GET", path);
  return response.status === 200 ? response.json() : response.status;
};

const createUser = (username, ...more) => json(["createuser", username, "--password-stdin", ...more], { input: `${password}\n` });

let front; // the application that people log in with
const logIn = async (username, typed = password) => {
  front ??= await postern.createApplication({ client_id: "front", client_type: "public", grant_types: ["password", "refresh_token"] });
  return postern.post("/o/token/", { grant_type: "password", client_id: "front", username, password: typed });
};
const tokenOf = async (username) => {
  const response = await logIn(username);
  assert.equal(response.status, 200);
  return (await response.json()).access_token;
};
const clientCredentials = async (app) => (await postern.post("/o/token/", { grant_type: "client_credentials" }, basic(app))).status;
const statusOf = async (token) => (await postern.validate(token, "?fresh=1")).status;

test("help is there for all commands and for each", async () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, stdout, stderr } = await run(args, { token: null });
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    for (const name of names) assert.ok(stdout.includes(`\n  ${name} `), name);
  }
  await Promise.all(names.map(async (name) => {
    for (const args of [[name, "--help"], ["help", name]]) {
      const { code, stdout, stderr } = await run(args, { token: null });
      assert.deepEqual([code, stderr], [0, ""], args.join(" "));
      assert.ok(stdout.startsWith(`npm run manage -- ${name}`) && stdout.includes("--remote URL"), stdout);
    }
  }));
});

test("createapplication takes Django OAuth Toolkit's spelling, and adds refresh_token where it is of use", async () => {
  const deviceCode = "urn:ietf:params:oauth:grant-type:device_code";
  for (const [typed, grants] of [
    [["public", "password"], ["password", "refresh_token"]],
    [["public", "password", "--no-refresh-token"], ["password"]],
    [["public", "refresh-token,password"], ["refresh_token", "password"]],
    [["confidential", "client-credentials"], ["client_credentials"]],
    [["confidential", "client_credentials"], ["client_credentials"]],
    [["public", "authorization-code", "--redirect-uris", "https://a.example/cb https://b.example/cb"], ["authorization_code", "refresh_token"]],
    [["public", "device-code", "--no-refresh-token"], [deviceCode]],
    [["public", deviceCode], [deviceCode, "refresh_token"]],
  ]) {
    const created = await json(["createapplication", ...typed]);
    const { client_secret, ...shown } = created;
    assert.deepEqual([shown.client_type, [...shown.grant_types].sort()], [typed[0], [...grants].sort()], typed.join(" "));
    assert.equal(client_secret === undefined, typed[0] === "public");
    assert.deepEqual(await api(`applications/${created.client_id}`), shown);
  }
});

test("createapplication passes on its options", async () => {
  await createUser("owner");
  const created = await json([
    ...["createapplication", "public", "authorization-code", "--client-id", "all-options", "--name", "All options", "--user", "owner"],
    ...["--redirect-uris", "https://a.example/cb", "--redirect-uris", "https://b.example/cb", "--allowed-origins", "https://a.example"],
    ...["--post-logout-redirect-uris", "https://a.example/bye", "--scope", "read write", "--skip-authorization"],
  ]);
  const { client_name, owner, redirect_uris, allowed_origins, post_logout_redirect_uris, scope, skip_authorization } = created;
  assert.deepEqual(
    [client_name, owner, redirect_uris, allowed_origins, post_logout_redirect_uris, scope, skip_authorization],
    [
      ...["All options", "owner", ["https://a.example/cb", "https://b.example/cb"], ["https://a.example"]],
      ...[["https://a.example/bye"], "read write", true],
    ],
  );
});

test("an application is created with a secret that works, and one that is chosen", async () => {
  const created = await prints(["createapplication", "confidential", "client-credentials", "--client-id", "to-read"]);
  const client_secret = created.match(/^client_secret +(pst_cs_[\w-]{43})$/m)?.[1];
  assert.equal(await clientCredentials({ client_id: "to-read", client_secret }), 200);

  const chosen = { client_id: "chosen", client_secret: "a-secret-of-the-operators-own-choice" };
  await prints(["createapplication", "confidential", "client-credentials", "--client-id", chosen.client_id, "--client-secret", chosen.client_secret]);
  assert.equal(await clientCredentials(chosen), 200);
});

test("an application that signs its requests is created with its methods and public keys", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwks = (key) => JSON.stringify({ keys: [key.export({ format: "jwk" })] });
  const typed = ["createapplication", "confidential", "oauth1,client-credentials", "--redirect-uris", "https://a.example/cb", "--xauth-allowed"];
  const created = await json([...typed, "--signature-methods", "RSA-SHA256 HMAC-SHA256", "--signature-methods", "PLAINTEXT", "--jwks", jwks(publicKey)]);
  const { client_secret, ...shown } = created;
  assert.deepEqual([shown.grant_types, shown.oauth1_signature_methods, JSON.stringify(shown.jwks), shown.xauth_allowed],
    [["oauth1", "client_credentials"], ["RSA-SHA256", "HMAC-SHA256", "PLAINTEXT"], jwks(publicKey), true]);
  assert.deepEqual(await api(`applications/${created.client_id}`), shown);
  assert.equal(await clientCredentials(created), 200);
  assert.match(await prints(["showapplication", created.client_id]), /^oauth1_signature_methods +RSA-SHA256 HMAC-SHA256 PLAINTEXT$/m);

  const { d, ...secret } = privateKey.export({ format: "jwk" });
  const refused = await refuses(1, [...typed, "--jwks", jwks(privateKey)]);
  assert.match(refused, /^ {2}jwks: .*private/m);
  for (const member of [d, secret.p, secret.qi]) assert.ok(!refused.includes(member));
  assert.match(await refuses(1, [...typed, "--signature-methods", "RSA-SHA1"]), /^ {2}jwks: ./m);
  assert.match(await refuses(1, [...typed, "--signature-methods", "HMAC-MD5"]), /^ {2}oauth1_signature_methods: .*HMAC-SHA1/m);
  assert.match(await refuses(1, ["createapplication", "public", "oauth1"]), /^ {2}grant_types: ./m);
});

test("an application that begins to sign its requests is given a new secret", async () => {
  const app = await json(["createapplication", "confidential", "client-credentials"]);
  const { client_secret } = await json(["changeapplication", app.client_id, "--grant-types", "client-credentials,oauth1"]);
  assert.deepEqual([await clientCredentials(app), await clientCredentials({ ...app, client_secret })], [401, 200]);
  const changed = await json(["changeapplication", app.client_id, "--grant-types", "client-credentials"]);
  assert.deepEqual([changed.client_secret, await clientCredentials({ ...app, client_secret })], [undefined, 200]);
});

test("listapplications and showapplication show what there is, without secrets", async () => {
  const { client_secret, ...created } = await json(["createapplication", "confidential", "client-credentials", "--name", "Listed"]);
  const { applications } = await json(["listapplications"]);
  assert.deepEqual(applications, (await api("applications?limit=200")).applications);
  assert.deepEqual(await json(["showapplication", created.client_id]), created);

  const [heading, ...rows] = (await prints(["listapplications"])).trimEnd().split("\n");
  assert.match(heading, /^client_id +client_name +client_type +grant_types +is_active$/);
  assert.equal(rows.length, applications.length);
  assert.ok(rows.some((row) => row.startsWith(created.client_id) && row.includes("Listed")));
  assert.match(await prints(["showapplication", created.client_id]), /^client_name +Listed$/m);
});

test("lists go on past a page", async () => {
  const { DB } = postern.env;
  const columns = (await DB.prepare("SELECT name FROM pragma_table_info('users')").all()).results.map(({ name }) => name);
  await createUser("many-000");
  const own = { id: "printf('many-many-m-%04d', i)", username: "printf('many-%03d', i)", username_key: "printf('many-%03d', i)" };
  const made = columns.map((name) => own[name] ?? name); // else as createuser made it
  await DB.prepare(
    `INSERT INTO users (${columns}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
     SELECT ${made} FROM users, n WHERE username = 'many-000'`,
  ).run();
  const { users } = await json(["listusers", "--search", "many-"]);
  assert.equal(new Set(users.map(({ username }) => username)).size, 451);
  await DB.prepare("DELETE FROM users WHERE username LIKE 'many-%'").run();
});

test("changeapplication changes what is named, and nothing else", async () => {
  const app = await json(["createapplication", "confidential", "client-credentials"]);
  const { client_secret, ...before } = app;
  const changed = await json(["changeapplication", app.client_id, "--name", "New name", "--scope", "read"]);
  assert.deepEqual(changed, { ...before, client_name: "New name", scope: "read" });
  assert.deepEqual(await api(`applications/${app.client_id}`), changed);

  await prints(["changeapplication", app.client_id, "--no-active"]);
  assert.equal(await clientCredentials(app), 401);
  await prints(["changeapplication", app.client_id, "--active"]);
  assert.equal(await clientCredentials(app), 200);
  await json(["changeapplication", app.client_id, "--grant-types", "token-exchange,client-credentials"]);
  assert.deepEqual((await api(`applications/${app.client_id}`)).grant_types.sort(), ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]);
});

test("rotatesecret ends the old secret and shows a new one that works", async () => {
  const app = await json(["createapplication", "confidential", "client-credentials"]);
  const { client_secret } = await json(["rotatesecret", app.client_id]);
  assert.equal(await clientCredentials(app), 401);
  assert.equal(await clientCredentials({ ...app, client_secret }), 200);
});

test("deleteapplication ends it", async () => {
  const app = await json(["createapplication", "confidential", "client-credentials"]);
  assert.equal(await prints(["deleteapplication", app.client_id]), "Done.\n");
  assert.equal(await clientCredentials(app), 401);
  assert.equal(await api(`applications/${app.client_id}`), 404);
  assert.match(await refuses(1, ["showapplication", app.client_id]), /./);
});

test("createuser and createsuperuser create people who can log in", async () => {
  const dave = await createUser("dave", "--email", "dave@example.com", "--email-verified", "--first-name", "Dave", "--last-name", "Dee");
  assert.deepEqual(dave, await api("users/dave"));
  assert.deepEqual([dave.email, dave.email_verified, dave.first_name, dave.last_name, dave.is_superuser], ["dave@example.com", true, "Dave", "Dee", false]);
  await prints(["createsuperuser", "root", "--password-stdin"], { input: `${password}\r\n` });
  assert.equal((await api("users/root")).is_superuser, true);
  for (const username of ["dave", "root"]) assert.equal((await logIn(username)).status, 200);
});

test("a password is taken as it is, less one line end", async () => {
  for (const [username, typed] of [["spaces", "  open sesame 1001  "], ["two-lines", "open-sesame-1001\n"], ["umlauts", "öffne-dich-sésame"]]) {
    await prints(["createuser", username, "--password-stdin"], { input: `${typed}\n` });
    assert.equal((await logIn(username, typed)).status, 200, username);
    assert.equal((await logIn(username, `${typed}x`)).status, 400, username);
  }
});

test("a password that is not UTF-8 is told, and a byte order mark is part of one", async () => {
  for (const bytes of ["fffeff", "c3", "eda080"]) {
    const input = Buffer.concat([Buffer.from(bytes, "hex"), Buffer.from(password)]);
    assert.match(await refuses(2, ["createuser", "no-text", "--password-stdin"], { input }), /not UTF-8/, bytes);
    assert.equal(await api("users/no-text"), 404);
  }
  await prints(["createuser", "marked", "--password-stdin"], { input: `\ufeff${password}` });
  assert.deepEqual([(await logIn("marked", `\ufeff${password}`)).status, (await logIn("marked")).status], [200, 400]);
});

test("changepassword ends the old password and all tokens", async () => {
  await createUser("pat");
  const token = await tokenOf("pat");
  assert.equal(await prints(["changepassword", "pat", "--password-stdin"], { input: newPassword }), "Done.\n");
  assert.deepEqual([await statusOf(token), (await logIn("pat")).status, (await logIn("pat", newPassword)).status], [401, 400, 200]);
});

test("listusers lists all, or those whose name begins so", async () => {
  await createUser("search.one", "--email", "uno@example.com");
  await createUser("search.two");
  const usernames = async (...args) => (await json(["listusers", ...args])).users.map(({ username }) => username).sort();
  assert.deepEqual(await usernames(), (await api("users?limit=200")).users.map(({ username }) => username).sort());
  assert.deepEqual(await usernames("--search", "search."), ["search.one", "search.two"]);
  assert.deepEqual(await usernames("--search", "uno@"), ["search.one"]);
  assert.deepEqual(await usernames("--search", "nobody-at-all"), []);
  assert.match(await prints(["listusers", "--search", "search.o"]), /^username +email +is_active .*\nsearch\.one +uno@example\.com +true .*\n$/);
});

test("showuser shows one, whatever their name", async () => {
  await createUser("a+b@c.example");
  assert.deepEqual(await json(["showuser", "a+b@c.example"]), await api(`users/${encodeURIComponent("a+b@c.example")}`));
  assert.match(await prints(["showuser", "a+b@c.example"]), /^username +a\+b@c\.example$/m);
  assert.match(await prints(["showuser", "a+b@c.example"]), /^\w+_at +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m);
});

test("what people call themselves cannot command the operator's terminal", async () => {
  await createUser("escaper");
  await postern.env.DB.prepare("UPDATE users SET first_name = ? WHERE username = 'escaper'").bind("\u001b[2Jx\u009bx\nis_superuser  true").run();
  const shown = await prints(["showuser", "escaper"]);
  assert.doesNotMatch(shown.replaceAll("\n", ""), /\p{Cc}/u);
  assert.doesNotMatch(shown, /^is_superuser +true$/m);
});

test("changeuser changes what is named, and nothing else", async () => {
  const before = await createUser("changing", "--email", "old@example.com", "--last-name", "Last");
  const changed = await json(["changeuser", "changing", "--email", "new@example.com", "--email-verified", "--superuser"]);
  assert.deepEqual(changed, { ...before, email: "new@example.com", email_verified: true, is_superuser: true });
  assert.equal((await json(["changeuser", "changing", "--no-superuser"])).is_superuser, false);
  assert.equal((await api("users/changing")).is_superuser, false);
});

test("disableuser locks a user out, and enableuser lets them in again", async () => {
  await createUser("locked");
  const token = await tokenOf("locked");
  await prints(["disableuser", "locked"]);
  assert.deepEqual([await statusOf(token), (await logIn("locked")).status], [401, 400]);
  await prints(["enableuser", "locked"]);
  assert.equal((await logIn("locked")).status, 200);
});

test("logout ends a user's tokens, and leaves them their password", async () => {
  await createUser("leaving");
  const token = await tokenOf("leaving");
  assert.deepEqual(await json(["logout", "leaving"]), {});
  assert.deepEqual([await statusOf(token), (await logIn("leaving")).status], [401, 200]);
});

test("deleteuser ends a user and their tokens", async () => {
  await createUser("gone");
  const token = await tokenOf("gone");
  await prints(["deleteuser", "gone"]);
  assert.deepEqual([await statusOf(token), (await logIn("gone")).status, await api("users/gone")], [401, 400, 404]);
});

test("listauditevents shows who did what to what, the latest first", async () => {
  await createUser("watched");
  const { id } = await json(["showuser", "watched"]);
  await prints(["logout", "watched"]);
  const [latest, before] = (await json(["listauditevents"])).audit_events;
  assert.deepEqual([latest.actor, latest.action, latest.target], ["operator", "user_logged_out", id]);
  assert.deepEqual([before.action, before.target], ["user_created", id]);
  const [head, first] = (await prints(["listauditevents"])).split("\n");
  assert.match(head, /^created_at +actor +action +target +address$/);
  assert.match(first, new RegExp(`^20.*Z +operator +user_logged_out +${id}`));
});

test("cleartokens deletes all that has expired, in as many steps as that takes", async () => {
  const { DB } = postern.env;
  await prints(["cleartokens"]);
  await DB.prepare(
    `INSERT INTO families (id, application_id, application_epoch, scope, access_digest, access_scope, access_issued_at,
       access_expires_at, created_at, expires_at)
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
     SELECT 'expired-' || i, 'x', 0, 'read', 'x', 'read', 1, 2, 1, 2 FROM n`,
  ).run();
  assert.equal((await json(["cleartokens"])).deleted.families, 2500);
  assert.equal(await DB.prepare("SELECT count(*) AS n FROM families WHERE id LIKE 'expired-%'").first("n"), 0);
  assert.match(await prints(["cleartokens"]), /^families +0$/m);
});

test("what the API refuses is told by field, with exit code 1", async () => {
  assert.match(await refuses(1, ["createapplication", "secret", "password"]), /^ {2}client_type: ./m);
  assert.match(await refuses(1, ["createapplication", "public", "passwort"]), /^ {2}grant_types: ./m);
  assert.match(await refuses(1, ["createuser", "weak", "--password-stdin"], { input: "12345678" }), /^ {2}password: ./m);
  assert.match(await refuses(1, ["createuser", "weak", "--password-stdin", "--email", "no address"], { input: password }), /^ {2}email: ./m);
  assert.equal(await api("users/weak"), 404);

  const answer = JSON.parse(await refuses(1, ["createuser", "no spaces", "--password-stdin", "--json"], { input: password }));
  assert.deepEqual([answer.error, Object.keys(answer.fields)], ["invalid_request", ["username"]]);
});

test("who is not there is told so, with exit code 1", async () => {
  for (const command of ["showuser", "disableuser", "enableuser", "deleteuser", "logout"]) {
    assert.match(await refuses(1, [command, "nobody"]), /./, command);
  }
  for (const command of ["showapplication", "rotatesecret", "deleteapplication"]) {
    assert.match(await refuses(1, [command, "nothing"]), /./, command);
  }
});

test("a flag and its opposite are told with exit code 2, in whatever order", async () => {
  const app = await json(["createapplication", "public", "password"]);
  const user = await createUser("undecided");
  for (const [command, name, flags] of [
    ["changeuser", "undecided", ["superuser", "email-verified"]],
    ["changeapplication", app.client_id, ["skip-authorization", "xauth-allowed", "allow-plain-pkce", "active"]],
  ]) {
    for (const flag of flags) {
      for (const both of [[`--${flag}`, `--no-${flag}`], [`--no-${flag}`, `--${flag}`]]) {
        assert.ok((await refuses(2, [command, name, ...both])).includes(`--${flag} and --no-${flag}`));
      }
    }
  }
  assert.deepEqual([await api("users/undecided"), await api(`applications/${app.client_id}`)], [user, app]);
});

test("a name that is none is told with exit code 2, and not taken for all", async () => {
  const named = ["showuser", "changeuser", "disableuser", "enableuser", "deleteuser", "changepassword", "logout"];
  const typed = { changeuser: ["--last-name", "X"], changeapplication: ["--name", "X"], changepassword: ["--password-stdin"] };
  for (const command of [...named, "showapplication", "changeapplication", "deleteapplication", "rotatesecret"]) {
    for (const name of ["", ".", ".."]) {
      const said = await refuses(2, [command, name, ...(typed[command] ?? [])], { input: password });
      assert.ok(said.includes(`"${name}" is no name`), `${command}: ${said}`);
    }
  }
  await createUser("...");
  assert.equal((await json(["showuser", "..."])).username, "...");
});

test("what is typed wrong is told with exit code 2 and where help is", async () => {
  await createUser("steady");
  for (const args of [
    ["showuser"],
    ["showuser", "steady", "dave"],
    ["listusers", "steady"],
    ["listusers", "--nonsense"],
    ["changeuser", "steady"],
    ["changeuser", "steady", "--email"],
    ["changeapplication", "front", "--jwks", "{"],
    ["createapplication", "public"],
  ]) {
    assert.match(await refuses(2, args), new RegExp(`manage -- ${args[0]} --help`), args.join(" "));
  }
  for (const args of [["nonsense"], ["toString"]]) assert.ok((await refuses(2, args)).includes(`no command ${args[0]}`));
  assert.match(await refuses(2, []), /createapplication/);
});

test("a password is not taken from the command line, and not asked for where there is no terminal", async () => {
  for (const args of [[password], ["--password", password], [`--password=${password}`], [`--password-stdin=${password}`]]) {
    for (const command of ["createuser", "createsuperuser", "changepassword"]) {
      await refuses(2, [command, "argued", ...args], { input: password });
    }
  }
  assert.match(await refuses(2, ["createuser", "argued"], { input: password }), /--password-stdin/);
  assert.equal(await api("users/argued"), 404);
});

test("a wrong operator's token is refused with exit code 1, and none at all with 2", async () => {
  assert.match(await refuses(1, ["listusers"], { token: secrets.ADMIN_TOKEN.toUpperCase() }), /./);
  assert.match(await refuses(2, ["listusers"], { token: null }), /ADMIN_TOKEN/);
});

test("what cannot be a token, or is no plain URL, is told with exit code 2 and not quoted", async () => {
  for (const token of ["line1-secret\nline2", "line1-secret\n", "a secret", "sécret-secret", "secret-\u007f", ""]) {
    for (const more of [[], ["--json"]]) {
      const said = await refuses(2, ["listusers", ...more], { token });
      assert.match(said, /ADMIN_TOKEN/);
      assert.doesNotMatch(said, /secret/);
    }
  }
  const { host } = new URL(postern.url);
  for (const url of [`user:hidden@${host}`, `user@${host}`, `:hidden@${host}`, `${host}/?x=1`, `${host}/?`, `${host}/#x`, `${host}/#`, `user:hidden@${host}:x`]) {
    const { code, stdout, stderr } = await run(["listusers", "--remote", `http://${url}`]);
    assert.deepEqual([code, stdout], [2, ""], url);
    assert.match(stderr, /--remote/);
    assert.doesNotMatch(stderr, /user:|hidden/);
  }
  await prints(["listusers"]);
});

test("the operator's token is sent by https or to this machine alone, and not where a redirect points", async () => {
  let requests = 0;
  const stranger = createServer((request, response) => response.end(String(++requests))).listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const { port } = stranger.address();
  for (const url of ["http://not-loopback.example", `http://0.0.0.0:${port}`, `http://user@[::]:${port}`, "ftp://localhost", "nowhere"]) {
    const { code, stderr } = await run(["listusers", "--remote", url]);
    assert.equal(code, 2, url);
    assert.match(stderr, /https|not a URL/);
  }

  const redirecting = createServer((request, response) => {
    response.writeHead(307, { Location: `http://127.0.0.1:${port}${request.url}` }).end();
  }).listen(0, "127.0.0.1");
  await once(redirecting, "listening");
  const { code } = await run(["listusers", "--remote", `http://127.0.0.1:${redirecting.address().port}`]);
  assert.deepEqual([code, requests], [1, 0]);
  for (const server of [stranger, redirecting]) server.close();
});

test("a server that is not there, or is no Postern, is told with exit code 1", async () => {
  const other = createServer((request, response) => response.end("<h1>Hello</h1>")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const url = `http://127.0.0.1:${other.address().port}`;
  const answered = await run(["listusers", "--remote", url]);
  assert.deepEqual([answered.code, answered.stdout], [1, ""]);
  assert.match(answered.stderr, /answered 200/);
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
  const gone = await run(["listusers", "--remote", url]);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /cannot be reached/);
});

/** What the server keeps of a text in the row with this id: sealed by a key of MASTER_KEY (src/crypto/sealed.rs). */
function sealed(masterKey, label, row, text) {
  const [id, key] = masterKey.split(":");
  const derived = hkdfSync("sha256", Buffer.from(key, "base64url"), Buffer.alloc(0), label, 32);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(derived), nonce).setAAD(Buffer.from(row));
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  return `${id}.${Buffer.concat([nonce, ciphertext]).toString("base64url")}`;
}

test("rotatekeys --reencrypt encrypts anew what old keys have encrypted, so that they can go", async () => {
  const old = "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
  const rotated = await startPostern({ vars: { MASTER_KEY: `${secrets.MASTER_KEY},${old}` } });
  try {
    const { id: user } = await (await rotated.admin("POST", "users", { username: "mona", password })).json();
    const accounts = Array.from({ length: 120 }, (_, n) => [n, Buffer.alloc(12, n + 1).toString("base64url")]);
    const tokens = (account, n) => sealed(old, "postern provider token", account, JSON.stringify({ access_token: `token-${n}` }));
    await rotated.env.DB.batch(accounts.map(([n, account]) =>
      rotated.env.DB.prepare("INSERT INTO social_accounts (id, user_id, provider, uid, tokens, created_at, last_used_at) VALUES (?, ?, ?, ?, ?, 1, 1)")
        .bind(account, user, `provider-${n}`, "7", n === 7 ? "9.AAAA" : tokens(account, n))));
    const app = await rotated.createApplication({ client_type: "confidential", grant_types: ["client_credentials", "oauth1"] });
    const { id: row } = await rotated.env.DB.prepare("SELECT id FROM applications").first();
    const secret = `sealed$${sealed(old, "postern client secret", row, app.client_secret)}`;
    await rotated.env.DB.prepare("UPDATE applications SET secret = ?").bind(secret).run();
    const reencrypt = async () => {
      const { code, stdout, stderr } = await run(["rotatekeys", "--reencrypt", "--json", "--remote", rotated.url]);
      assert.deepEqual([code, stderr], [0, ""]);
      return JSON.parse(stdout);
    };
    assert.deepEqual(await reencrypt(), { reencrypted: 120, unreadable: 1 });
    assert.deepEqual(await reencrypt(), { reencrypted: 0, unreadable: 1 });
    const keys = await rotated.env.DB.prepare("SELECT substr(tokens, 1, 2) AS key, count(*) AS n FROM social_accounts GROUP BY 1 ORDER BY 1").all();
    assert.deepEqual(keys.results, [{ key: "1.", n: 119 }, { key: "9.", n: 1 }]);
    assert.match(await rotated.env.DB.prepare("SELECT secret FROM applications").first("secret"), /^sealed\$1\./);
    assert.equal((await rotated.post("/o/token/", { grant_type: "client_credentials" }, basic(app))).status, 200);
    for (const [n] of accounts.filter(([n]) => n !== 7)) {
      const response = await rotated.admin("GET", `users/mona/social/provider-${n}/token`);
      assert.equal((await response.json()).access_token, `token-${n}`);
    }
  } finally {
    await rotated.stop();
  }
});

test("rotatekeys takes --remote with --reencrypt alone, and then makes no key", async () => {
  assert.match(await refuses(2, ["rotatekeys"]), /--reencrypt/);
  assert.equal(await prints(["rotatekeys", "--reencrypt"]), "reencrypted  0\nunreadable   0\n");
});

// To be the last: it looks at all that was printed.
test("no secret is printed, except for a new client secret once", () => {
  const shown = printed.match(/pst_cs_[\w-]+|a-secret-of-the-operators-own-choice/g);
  assert.ok(shown.length > 1);
  assert.equal(new Set(shown).size, shown.length);
  for (const secret of [secrets.ADMIN_TOKEN, secrets.MASTER_KEY, password, newPassword, "$argon2", "pst_at_", "pst_rt_"]) {
    assert.ok(!printed.includes(secret), secret);
  }
});
