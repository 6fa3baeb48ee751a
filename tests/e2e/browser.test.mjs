// What people do in a browser: the single-page app of examples/spa as its README runs it, an application without script, and the pages
// themselves. The app is at localhost and Postern at 127.0.0.1, which are two sites to a browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, afterEach, before, describe, test } from "node:test";
import { devices, inspect, openBrowser, startBrowser } from "./browser.mjs";
import { openIdProvider } from "./openid_provider.mjs";
import { signingClient } from "./signing_client.mjs";
import { alice, basic, checkout, secrets, startPostern } from "./support.mjs";

let postern, at, local, browser, api, client, spa, provider;
const opened = [];

before(async () => {
  provider = await openIdProvider();
  const known = { kind: "oidc", issuer: provider.issuer, client_id: provider.clientId, client_secret: "OP_SECRET" };
  const providers = { op: { ...known, label: "The provider" }, "op-post": { ...known, label: "The posting provider", response_mode: "form_post" } };
  // These are more people than sign up from one address in an hour.
  postern = await startPostern({ vars: { SIGN_UP_LIMIT: "0", SOCIAL_AUTH_PROVIDERS: JSON.stringify(providers), OP_SECRET: provider.clientSecret } });
  at = `http://127.0.0.1:${postern.url.port}`;
  local = `http://localhost:${postern.url.port}`; // to a browser, another site than the provider's
  for (const origin of [at, local]) provider.client.redirect_uris.push(...Object.keys(providers).map((name) => `${origin}/complete/${name}/`));
  browser = await startBrowser();
  api = await startServer(async (request, response) => {
    const answer = await postern.worker("origin-api").fetch(request.url, { headers: request.headers });
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  client = await startClient();
  spa = await startSpa();
});
afterEach(async () => {
  const people = opened.splice(0);
  for (const { context } of people) await context.close();
  assert.deepEqual(people.flatMap(({ complaints }) => complaints), []);
});
after(async () => {
  if (spa) process.kill(-spa.child.pid, "SIGKILL");
  for (const { server } of [api, client].filter(Boolean)) {
    server.close();
    server.closeAllConnections();
  }
  await browser?.close();
  await postern.stop();
  provider.close();
});

async function startServer(answer, host = "127.0.0.1") {
  const server = createServer(answer).listen(0, host);
  await once(server, "listening");
  return { server, origin: `http://${host}:${server.address().port}` };
}

/**
 * An application of which only the redirect URI is there, at `/cb`. It notes what comes. `/cb-and-on` sends people on to another host;
 * `/frames?…` frames what the query names.
 */
async function startClient() {
  const seen = [];
  const started = await startServer(async (request, response) => {
    const url = new URL(request.url, "http://client");
    const body = await text(request);
    if (url.pathname === "/cb") seen.push(request.method === "POST" ? new URLSearchParams(body) : url.searchParams);
    if (url.pathname === "/cb-and-on") return response.writeHead(303, { Location: "https://www.client.example/welcome" }).end();
    const frames = url.searchParams.getAll("frame").map((src) => `<iframe src="${src.replaceAll("&", "&amp;")}"></iframe>`);
    response.writeHead(200, { "Content-Type": "text/html" }).end(`<!doctype html><title>The application</title><link rel=icon href="data:,">${frames.join("")}`);
  }, "localhost");
  return { ...started, seen, redirect_uri: `${started.origin}/cb` };
}

/** Serves examples/spa with its `npm start`, and registers it by the line of its README, at the test's addresses. */
async function startSpa() {
  const [, line] = readFileSync(`${checkout}/examples/spa/README.md`, "utf8").match(/^npm run manage -- (.*)$/m);
  const child = spawn("npm", ["start", "--silent"], {
    cwd: `${checkout}/examples/spa`,
    env: { ...process.env, PORT: "0", POSTERN: at, API: api.origin },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true, // a process group of its own, which ends as one
  });
  const [said] = await once(child.stdout, "data");
  const [origin] = String(said).match(/http:\/\/localhost:\d+/);
  assert.ok(line.includes("http://localhost:8789"));
  const register = spawn("sh", ["-c", `node scripts/manage.mjs ${line.replaceAll("http://localhost:8789", origin)} --remote ${at}`], {
    cwd: checkout,
    env: { ...process.env, ADMIN_TOKEN: secrets.ADMIN_TOKEN },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(register, "exit");
  assert.equal(code, 0, line);
  return { child, origin, url: `${origin}/` };
}

/** A person with a browser of their own, which finds no fault with our pages. */
async function open(options) {
  const person = await openBrowser(browser, options);
  opened.push(person);
  return person;
}

const password = alice.password;
let people = 0;

/** A name that nobody has. */
const newName = () => `person-${++people}`;

async function signUp(page, username, typed = password) {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(typed);
  await page.getByRole("button", { name: "Sign up" }).click();
}

async function logIn(page, username, typed = password) {
  await page.getByLabel("Username").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(typed);
  await page.getByRole("button", { name: "Log in" }).click();
}

const allow = (page) => page.getByRole("button", { name: "Allow" });

/** Where an application sends people: with the challenge of RFC 7636 App. B. */
const authorization = ({ client_id }, { redirect_uri = client.redirect_uri, scope = "read write", ...more } = {}) =>
  `${at}/o/authorize/?${new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri,
    scope,
    state: "a state",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
    ...more,
  })}`;
const code_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const exchange = async (code, redirect_uri, params, headers) => {
  const response = await postern.post("/o/token/", { grant_type: "authorization_code", code, redirect_uri, code_verifier, ...params }, headers);
  return { status: response.status, ...(await response.json()) };
};

describe("the single-page app", () => {
  const button = (page, name) => page.getByRole("button", { name, exact: true });
  const says = (page, text) => page.getByText(text).waitFor();
  const tokens = (page) =>
    page.evaluate(() => {
      const key = Object.keys(sessionStorage).find((name) => name.startsWith("oidc.user:"));
      return key ? JSON.parse(sessionStorage.getItem(key)) : null;
    });

  test("sign up, allow, call the API, refresh, log out", async () => {
    const { page } = await open();
    const username = newName();
    await page.goto(spa.url);
    await says(page, "You are logged out.");
    await button(page, "Sign up").click();
    await page.waitForURL(`${at}/accounts/signup/**`);
    await signUp(page, username);
    await page.waitForURL(`${at}/o/authorize/**`);
    await page.getByRole("heading", { name: "Allow A single-page app?" }).waitFor();
    await allow(page).click();

    await says(page, "You are logged in. This app may: read write.");
    assert.equal(page.url(), spa.url); // the code is out of the address
    await button(page, "Call the API").click();
    await says(page, `200 {"hello":"${username}"`);
    const first = await tokens(page);

    await button(page, "Refresh").click();
    await says(page, "There are new tokens.");
    const second = await tokens(page);
    assert.notEqual(second.access_token, first.access_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    await button(page, "Call the API").click();
    await says(page, `200 {"hello":"${username}"`);
    assert.equal((await postern.validate(second.access_token)).status, 200);

    await button(page, "Log out").click();
    await says(page, "You are logged out.");
    assert.equal(await tokens(page), null);
    for (const { access_token, refresh_token } of [first, second]) {
      assert.equal((await postern.validate(access_token)).status, 401);
      const refreshed = await postern.post("/o/token/", { grant_type: "refresh_token", client_id: "spa", refresh_token });
      assert.deepEqual([refreshed.status, (await refreshed.json()).error], [400, "invalid_grant"]);
    }
  });

  test("a reload keeps the login, and another tab has none", async () => {
    const { context, page } = await open();
    await page.goto(spa.url);
    await button(page, "Sign up").click();
    await signUp(page, newName());
    await allow(page).click();
    await says(page, "You are logged in.");
    await page.reload();
    await says(page, "You are logged in.");

    const other = await context.newPage();
    await other.goto(spa.url);
    await says(other, "You are logged out.");
  });

  test("whoever has a session does not log in again, but is asked again on loopback (RFC 8252 §8.6)", async () => {
    const { page } = await open();
    await page.goto(spa.url);
    await button(page, "Sign up").click();
    await signUp(page, newName());
    await allow(page).click();
    await button(page, "Log out").click();
    await button(page, "Log in").click();
    await page.waitForURL(`${at}/o/authorize/**`);
    await allow(page).click();
    await says(page, "You are logged in.");
  });

  test("who cancels comes back with access_denied, and the app says so", async () => {
    const { page } = await open();
    await page.goto(spa.url);
    await button(page, "Sign up").click();
    await signUp(page, newName());
    await page.getByRole("button", { name: "Cancel" }).click();
    await says(page, "access_denied");
    assert.equal(page.url(), spa.url);
    await says(page, "You are logged out.");
    assert.equal(await tokens(page), null);
  });

  test("a person who logs in, at last, and unticks a scope", async () => {
    const { page } = await open();
    const username = newName();
    await postern.signUp({ username, password });
    await page.goto(spa.url);
    await button(page, "Log in").click();
    await page.waitForURL(`${at}/accounts/login/**`);
    await logIn(page, username, "not the password");
    await says(page, "Username or password is wrong.");
    await logIn(page, username);
    await page.getByLabel("Change your data").uncheck();
    await allow(page).click();
    await says(page, "You are logged in. This app may: read.");
    assert.equal((await tokens(page)).scope, "read");
  });

  test("its dependencies are those that are tested here", () => {
    const { devDependencies } = JSON.parse(readFileSync(`${checkout}/package.json`, "utf8"));
    const { dependencies } = JSON.parse(readFileSync(`${checkout}/examples/spa/package.json`, "utf8"));
    for (const [name, version] of Object.entries(dependencies)) assert.equal(version, devDependencies[name], name);
  });

  for (const [device, options] of Object.entries(devices)) {
    test(`it looks well on a ${device}`, async () => {
      const { page } = await open(options);
      await page.goto(spa.url);
      await says(page, "You are logged out.");
      await inspect(page, `spa-logged-out-${device}`);
      await button(page, "Sign up").click();
      await signUp(page, newName());
      await allow(page).click();
      await button(page, "Call the API").click();
      await says(page, "200 {");
      await inspect(page, `spa-logged-in-${device}`);
    });
  }
});

describe("an application that a person allows", () => {
  const web = () => postern.createApplication({ client_type: "confidential", client_name: "The web application", scope: "read write", redirect_uris: [client.redirect_uri] });

  /** What the application got, once the browser is there. */
  const answer = async (page) => {
    await page.waitForURL(`${client.redirect_uri}**`);
    return client.seen.at(-1);
  };

  test("without script in the browser: log in, allow, and the code is good", async () => {
    const app = await web();
    const username = newName();
    await postern.signUp({ username, password });
    const { page } = await open({ javaScriptEnabled: false });
    await page.goto(authorization(app));
    await logIn(page, username);
    await allow(page).click();
    const params = await answer(page);
    assert.deepEqual([...params.keys()].sort(), ["code", "iss", "state"]);
    assert.deepEqual([params.get("state"), params.get("iss")], ["a state", at]);

    const issued = await exchange(params.get("code"), client.redirect_uri, {}, basic(app));
    assert.deepEqual([issued.status, issued.scope], [200, "read write"]);
    assert.equal((await (await postern.validate(issued.access_token)).json()).username, username);
  });

  test("whoever has allowed it is not asked again, unless it wants more", async () => {
    const app = await web();
    const username = newName();
    const { page } = await open();
    await page.goto(authorization(app, { scope: "read" }));
    await page.getByRole("link", { name: "Sign up" }).click();
    await signUp(page, username);
    await allow(page).click();
    const first = (await answer(page)).get("code");

    await page.goto(authorization(app, { scope: "read" }));
    const second = (await answer(page)).get("code");
    assert.ok(second && second !== first);

    const { page: elsewhere } = await open(); // from the login, it is redirects all the way
    await elsewhere.goto(authorization(app, { scope: "read" }));
    await logIn(elsewhere, username);
    const third = (await answer(elsewhere)).get("code");
    assert.ok(third && third !== second);

    await page.goto(authorization(app));
    await allow(page).waitFor();
  });

  test("the answer is posted where the application wants that, by itself, or without script at a click", async () => {
    const app = await web();
    for (const javaScriptEnabled of [true, false]) {
      const username = newName();
      await postern.signUp({ username, password });
      const { page } = await open({ javaScriptEnabled });
      await page.goto(authorization(app, { response_mode: "form_post" }));
      await logIn(page, username);
      await allow(page).click();
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Continue" }).click();
      const params = await answer(page);
      assert.equal(page.url(), client.redirect_uri); // nothing of it is in the address
      assert.deepEqual([...params.keys()].sort(), ["code", "iss", "state"]);
      assert.equal((await exchange(params.get("code"), client.redirect_uri, {}, basic(app))).status, 200);
    }
  });

  test("an application's callback may send people on to another host", async () => {
    const redirect_uri = `${client.origin}/cb-and-on`;
    const app = await postern.createApplication({ client_type: "confidential", scope: "read write", redirect_uris: [redirect_uri] });
    const { page } = await open();
    await page.goto(authorization(app, { redirect_uri }));
    await page.getByRole("link", { name: "Sign up" }).click();
    await signUp(page, newName());
    await allow(page).waitFor();
    const sentOn = page.waitForRequest("https://www.client.example/welcome"); // which is not there
    await allow(page).click();
    await sentOn;
  });

  test("an app on a phone gets the code by its private-use scheme", async () => {
    const redirect_uri = "com.example.app:/callback";
    const app = await postern.createApplication({ client_type: "public", scope: "read write", redirect_uris: [redirect_uri] });
    const { page } = await open();
    await page.goto(authorization(app, { redirect_uri }));
    await page.getByRole("link", { name: "Sign up" }).click();
    await signUp(page, newName());
    await allow(page).waitFor();
    // No program has the scheme here: the browser tries to call it, and stays where it is.
    const called = page.waitForRequest((request) => request.url().startsWith("com.example.app:"));
    await allow(page).click();
    const params = new URL((await called).url()).searchParams;
    assert.equal(params.get("state"), "a state");
    assert.equal((await exchange(params.get("code"), redirect_uri, { client_id: app.client_id })).status, 200);
  });

  test("cookies are for the server alone, and not for requests that other sites make", async () => {
    const { context, page } = await open();
    await page.goto(`${at}/accounts/signup/`);
    await signUp(page, newName());
    const cookies = await context.cookies();
    const attributes = { httpOnly: true, sameSite: "Lax", path: "/", domain: "127.0.0.1", secure: false }; // no https here
    assert.deepEqual(
      cookies.map(({ name, httpOnly, sameSite, path, domain, secure }) => ({ name, httpOnly, sameSite, path, domain, secure })),
      ["postern_browser", "postern_session"].map((name) => ({ name, ...attributes })),
    );
    assert.equal(await page.evaluate(() => document.cookie), "");
  });

  test("a page that frames ours shows nothing of them (clickjacking)", async () => {
    const app = await web();
    const { context, page } = await open();
    await page.goto(`${at}/accounts/signup/`);
    await signUp(page, newName());
    const framed = [authorization(app), `${at}/accounts/login/`, `${at}/accounts/logout/`, `${at}/account/`];
    const trap = await context.newPage();
    const query = new URLSearchParams([...framed, `${client.origin}/framed`].map((url) => ["frame", url]));
    await trap.goto(`${client.origin}/frames?${query}`);
    const frames = trap.frames().slice(1);
    const own = frames.pop();
    assert.deepEqual([frames.length, await own.title()], [framed.length, "The application"]); // what may be framed is shown
    for (const frame of frames) {
      await frame.waitForURL((url) => url.protocol === "chrome-error:");
      assert.equal(await frame.locator("form").count(), 0);
    }
    // That is what the browser complains of, and nothing else.
    const { complaints } = opened.find((person) => person.context === context);
    assert.equal(complaints.length, framed.length, complaints.join("\n"));
    for (const complaint of complaints.splice(0)) assert.match(complaint, /frame-ancestors 'none'/);
  });
});

describe("an application that signs its requests", () => {
  const register = async (callback) => {
    const application = { client_type: "confidential", client_name: "The old application", grant_types: ["oauth1"], redirect_uris: [client.redirect_uri] };
    return signingClient(at, await postern.createApplication(application), callback);
  };
  const newPerson = async () => {
    const username = newName();
    await postern.signUp({ username, password });
    return username;
  };

  /** What the application got, once the browser is there. */
  const answer = async (page) => {
    await page.waitForURL(`${client.redirect_uri}**`);
    return client.seen.at(-1);
  };

  /** What is known of a request that it signs. */
  const validate = async (application, credentials) => {
    const url = "https://api.example/photos";
    const headers = { Authorization: application.header(credentials, "GET", url), "X-Forwarded-Method": "GET", "X-Original-URL": url };
    const response = await postern.fetch("/validate/", { headers });
    return { status: response.status, ...(await response.json()) };
  };

  for (const javaScriptEnabled of [true, false]) {
    test(`sends a person to log in, untick a scope and allow it, and gets a token, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
      const username = await newPerson();
      const application = await register(client.redirect_uri);
      const temporary = await application.requestToken({ scope: "read write" });
      const { page } = await open({ javaScriptEnabled });
      await page.goto(application.page(temporary));
      await logIn(page, username);
      await page.getByRole("heading", { name: "Allow The old application?" }).waitFor();
      await page.getByLabel("Change your data").uncheck();
      await allow(page).click();
      const params = await answer(page);
      assert.deepEqual([...params.keys()].sort(), ["oauth_token", "oauth_verifier"]);
      assert.equal(params.get("oauth_token"), temporary.token);
      const credentials = await application.accessToken(temporary, params.get("oauth_verifier"));
      const known = await validate(application, credentials);
      assert.deepEqual([known.status, known.username, known.scope], [200, username, "read"]);

      // Who has allowed it is asked again: it is another request, of which nobody knows who began it.
      const again = await application.requestToken();
      await page.goto(application.page(again));
      await allow(page).waitFor();
      // The first one is no request any more.
      await page.goto(application.page(temporary));
      await page.getByText("Invalid request token.").waitFor();
    });
  }

  test("learns that a person does not agree, or leaves nothing ticked", async () => {
    const username = await newPerson();
    const application = await register(client.redirect_uri);
    const { page } = await open();
    const go = async () => page.goto(application.page(await application.requestToken({ scope: "read" })));
    await go();
    await logIn(page, username);
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await answer(page)).get("error"), "Access not granted by user.");
    await go();
    await page.getByLabel("Read your data").uncheck();
    await allow(page).click();
    const params = await answer(page);
    assert.deepEqual([params.get("error"), params.get("oauth_verifier")], ["Access not granted by user.", null]);
  });

  test("without a callback: the person types a number in, which a click selects", async () => {
    const username = await newPerson();
    const application = await register("oob");
    const temporary = await application.requestToken();
    const { page } = await open();
    await page.goto(application.page(temporary));
    await logIn(page, username);
    await allow(page).click();
    const number = page.getByText(/^\d{10}$/);
    await number.click();
    const verifier = await page.evaluate(() => String(getSelection()).trim());
    assert.equal(verifier, await number.textContent());
    const size = await number.evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
    assert.ok(size >= 28, String(size));
    const credentials = await application.accessToken(temporary, verifier);
    assert.equal((await validate(application, credentials)).username, username);
  });
});

describe("logging in at a provider", () => {
  const continueWith = (page, label = "The provider") => page.getByRole("link", { name: `Continue with ${label}`, exact: true });

  /** An application's request, by the name that makes Postern another site than the provider. */
  const request = (app) => authorization(app).replace(at, local);

  const arrive = async (page, app, username) => {
    await page.getByText(username, { exact: true }).waitFor();
    await allow(page).click();
    await page.waitForURL(`${client.redirect_uri}**`);
    const { searchParams } = new URL(page.url());
    assert.equal(searchParams.get("state"), "a state");
    const { status, access_token } = await exchange(searchParams.get("code"), client.redirect_uri, {}, basic(app));
    assert.equal(status, 200);
    assert.equal((await (await postern.validate(access_token)).json()).username, username);
  };

  const register = () => postern.createApplication({ client_type: "confidential", scope: "read write", redirect_uris: [client.redirect_uri] });

  for (const javaScriptEnabled of [true, false]) {
    test(`from an application, to the provider, and back with a code, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
      const app = await register();
      const account = newAccount();
      const { context, page } = await open({ javaScriptEnabled });
      await page.goto(request(app));
      await continueWith(page).click();
      await logInThere(page, account);
      await arrive(page, app, account);
      const cookies = await context.cookies(local);
      assert.deepEqual(cookies.map(({ name }) => name).filter((name) => name.startsWith("postern_login")), []);
      // The next time, nobody is asked anything but by the application.
      await page.goto(request(app));
      await page.waitForURL(`${client.redirect_uri}**`);
    });
  }

  test("from the sign-up page", async () => {
    const app = await register();
    const account = newAccount();
    const { page } = await open();
    await page.goto(request(app));
    await page.getByRole("link", { name: "Sign up" }).click();
    await continueWith(page).click();
    await logInThere(page, account);
    await arrive(page, app, account);
  });

  test("who cancels there gets back to the application's request", async () => {
    const app = await register();
    const username = newName();
    await postern.signUp({ username, password });
    const { page } = await open();
    await page.goto(request(app));
    await continueWith(page).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("The provider has not confirmed who you are.").waitFor();
    await page.getByRole("link", { name: "Log in" }).click();
    await logIn(page, username);
    await arrive(page, app, username);
  });

  test("a provider that posts its answer: the cookie comes along, on loopback without TLS, too", async () => {
    const app = await register();
    const account = newAccount();
    const { context, page } = await open();
    await page.goto(request(app));
    const posted = page.waitForRequest((request) => request.method() === "POST" && request.url() === `${local}/complete/op-post/`);
    await continueWith(page, "The posting provider").click();
    const [cookie] = (await context.cookies(local)).filter(({ name }) => name === "postern_login_op-post");
    assert.deepEqual([cookie.sameSite, cookie.secure, cookie.httpOnly], ["None", true, true]);
    await logInThere(page, account);
    const sent = (await (await posted).allHeaders()).cookie;
    assert.match(sent, /postern_login_op-post=/);
    await arrive(page, app, account);
    assert.deepEqual((await context.cookies(local)).filter(({ name }) => name.startsWith("postern_login")), []);
  });

  for (const label of ["The provider", "The posting provider"]) {
    test(`an account at ${label.toLowerCase()} is connected by a button, and disconnected`, async () => {
      const username = newName();
      const account = newAccount();
      await postern.signUp({ username, password });
      const { page } = await open();
      await page.goto(`${local}/accounts/login/`);
      await logIn(page, username);
      await page.getByRole("button", { name: `Connect ${label}`, exact: true }).click();
      await logInThere(page, account);
      await page.getByText("Your account is connected").waitFor();
      await page.getByText(username, { exact: true }).waitFor();

      const other = await open();
      await other.page.goto(`${local}/accounts/login/`);
      await continueWith(other.page, label).click();
      await logInThere(other.page, account);
      await other.page.getByText(username, { exact: true }).waitFor();

      await page.getByRole("button", { name: `Disconnect ${label}`, exact: true }).click();
      await page.getByText("The account is no longer connected.").waitFor();
      await page.getByRole("button", { name: `Connect ${label}`, exact: true }).waitFor();
    });
  }

  test("another site's page cannot link an account of its own to who is logged in", async () => {
    const username = newName();
    await postern.signUp({ username, password });
    const { page } = await open();
    await page.goto(`${local}/accounts/login/`);
    await logIn(page, username);
    await page.waitForURL(`${local}/account/`);
    await page.goto(provider.endpoints.discovery);
    await page.evaluate((action) => {
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action });
      document.documentElement.append(form);
      form.submit();
    }, `${local}/login/op/`);
    await page.getByText("came from elsewhere").waitFor();
  });
});

let accounts = 0;

/** An account at the provider, of somebody whom nobody knows here. */
function newAccount(claims) {
  const account = `member-${++accounts}`;
  provider.accounts[account] = { sub: `sub-of-${account}`, preferred_username: account, ...claims };
  return account;
}

async function logInThere(page, account) {
  await page.getByLabel("Account").fill(account);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** What a provider adds to the pages. */
async function lookAtProviders(options, inspectAs) {
  const { page } = await open(options);
  const look = (name) => inspectAs(page, name);
  const visit = async (path, name) => {
    await page.goto(at + path);
    await look(name);
  };
  const click = (role, name) => page.getByRole(role, { name, exact: true }).click();
  await visit("/login/nobody/", "social-unknown");
  await visit("/auth/login/nobody/", "social-unknown-auth");
  await visit("/complete/op/", "social-begin-again");
  await visit("/auth/complete/op/", "social-begin-again-auth");
  await visit("/disconnect/op/", "social-method");
  await visit("/auth/disconnect/op/", "social-method-auth");
  await visit("/auth/disconnect/op/none/", "social-method-one");

  const email = `${newName()}@mail.example`;
  const account = newAccount({ email, email_verified: true, given_name: "Some", family_name: "Member" });
  await page.goto(`${at}/login/op/`);
  await click("button", "Cancel");
  await page.getByText("has not confirmed who you are").waitFor();
  await look("social-cancelled");
  provider.breakDown("token", 500);
  await page.goto(`${at}/login/op/`);
  await logInThere(page, account);
  await page.getByText("does not answer").waitFor();
  await look("social-down");
  provider.recover();
  await page.reload();
  await page.waitForURL(`${at}/account/`);
  await look("account-by-provider");
  await page.getByLabel("E-mail").fill("else@mail.example");
  await click("button", "Save");
  await page.getByText("Set one, before").waitFor();
  await look("account-without-password");
  await click("link", "Change password");
  await look("password-none");
  await click("link", "Your account");
  await click("button", "Disconnect The provider");
  await page.getByText("You could not log in any more.").waitFor();
  await look("social-last-way-in");
  await page.goto(`${at}/account/`);
  await click("button", "Connect The posting provider");
  await page.getByText("Your account is connected").waitFor();
  await look("account-connected");

  const elsewhere = await open(options);
  const taken = `${newName()}@mail.example`;
  await postern.signUp({ username: newName(), password, email: taken });
  await elsewhere.page.goto(`${at}/login/op/`);
  await logInThere(elsewhere.page, newAccount({ email: taken, email_verified: true }));
  await elsewhere.page.getByText("has your e-mail address already").waitFor();
  await inspectAs(elsewhere.page, "social-email-taken");
}

/** The pages that a person sees whose application signs its requests. */
async function lookAtOauth1(page, look) {
  const application = { client_type: "confidential", client_name: "The old application", grant_types: ["oauth1"], redirect_uris: [client.redirect_uri] };
  const registered = await postern.createApplication(application);
  const go = async (callback) => {
    const signing = signingClient(at, registered, callback);
    await page.goto(signing.page(await signing.requestToken()));
    await allow(page).waitFor();
  };
  await go(client.redirect_uri);
  await look("oauth1-consent");
  await go("oob");
  await look("oauth1-consent-oob");
  await allow(page).click();
  await page.getByText("type in this number").waitFor();
  await look("oauth1-verifier");
  await go("oob");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("may do nothing for you").waitFor();
  await look("oauth1-denied");
  await page.goto(`${at}/oauth/authorize/`);
  await look("oauth1-refused");
}

/** The routes of src/router.rs that are pages, as patterns of a path. */
const pages = [...readFileSync(`${checkout}/src/router.rs`, "utf8").matchAll(/\b(?:page\(|route\((?=[^)]*?Shape::Page,))\s*"([^"]+)"/g)].map(
  ([, path]) => new RegExp(`^${path.replaceAll("{}", "[^/]+").replace(/\/?$/, "/")}$`),
);

/** What is one's own: goes through it as a person does, and looks at each page. */
async function lookAround(page, username, look, visit) {
  const click = (role, name) => page.getByRole(role, { name, exact: true }).click();
  const elsewhere = await open({ userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" });
  await elsewhere.page.goto(`${at}/accounts/login/`);
  await logIn(elsewhere.page, username);
  await elsewhere.page.waitForURL(`${at}/account/`);

  await visit("/account/", "account");
  await page.getByLabel("E-mail").fill("a@b");
  await click("button", "Save");
  await page.getByText("look at the fields").waitFor();
  await look("account-again");
  await page.getByLabel("E-mail").fill("person@example.com");
  await page.getByLabel("First name").fill("Some");
  await page.getByLabel("Current password").fill(password);
  await click("button", "Save");
  await page.getByText("has been saved").waitFor();
  await look("account-saved");
  await page.getByRole("button", { name: "Log out of Firefox, Linux" }).click();
  await page.getByText("You are logged out there.").waitFor();
  await elsewhere.page.reload();
  assert.equal(new URL(elsewhere.page.url()).pathname, "/accounts/login/");
  for (const field of await page.locator("[name=csrf_token]").all()) await field.evaluate((input) => (input.value = "made up"));
  await click("button", "Log out everywhere");
  await page.getByText("came from elsewhere").waitFor();
  await look("sessions-refused");

  await visit("/account/", "account-alone");
  await click("link", "Change password");
  await look("password");
  await page.getByLabel("Current password").fill("not the password");
  await page.getByLabel("New password").fill("another horse battery");
  await click("button", "Change password");
  await page.getByText("not your current password").waitFor();
  await look("password-again");
  await page.getByLabel("Current password").fill(password);
  await page.getByLabel("New password").fill("another horse battery");
  await click("button", "Change password");
  await page.getByText("Your password has been changed.").waitFor();

  await click("link", "Applications that you have authorized");
  await look("authorized");
  await click("link", "End what The web application may do");
  await look("authorized-delete");
  await click("button", "End it");
  await page.getByText("You have authorized no application.").waitFor();
  await look("authorized-none");

  await visit("/o/applications/register/", "applications-refused");
  await postern.admin("PATCH", `users/${username}`, { is_superuser: true });
  await visit("/o/applications/", "applications-none");
  await click("link", "Register an application");
  await look("applications-register");
  await page.getByLabel("Name", { exact: true }).fill("My application");
  await page.getByLabel("Type").selectOption("confidential");
  await page.getByLabel("Redirect URIs").fill("https://app.example/callback\nnonsense");
  await click("button", "Register an application");
  await page.getByText("nonsense must").or(page.getByText("nonsense is")).first().waitFor();
  await look("applications-register-again");
  await page.getByLabel("Redirect URIs").fill("https://app.example/callback\ncom.example.app:/callback");
  await click("button", "Register an application");
  await page.getByText("This is the only time").waitFor();
  await look("applications-secret");
  await click("link", "My application");
  await look("application");
  await click("link", "Make a new secret");
  await look("application-rotate-secret");
  await click("link", "Cancel");
  await click("link", "Change");
  await look("application-update");
  await page.getByLabel("Name", { exact: true }).fill("The same, renamed");
  await click("button", "Save");
  await page.getByRole("heading", { name: "The same, renamed" }).waitFor();
  await click("link", "Your applications");
  await look("applications");
  await click("link", "The same, renamed");
  await click("link", "Delete");
  await look("application-delete");
  await click("button", "Delete");
  await page.getByText("You have no applications.").waitFor();
}

for (const [device, options] of Object.entries(devices)) {
  test(`every page can be read and used on a ${device}, in the light and in the dark`, async () => {
    const { page } = await open(options);
    const username = newName();
    const app = await postern.createApplication({ client_type: "confidential", client_name: "The web application", redirect_uris: [client.redirect_uri] });
    const seen = new Set();
    const look = async (name) => {
      seen.add(new URL(page.url()).pathname);
      await inspect(page, `${name}-${device}`);
    };
    /** Goes to a page, and looks at it. */
    const visit = async (path, name) => {
      await page.goto(at + path);
      await look(name);
    };

    await visit("/", "home");
    await visit("/nothing-is-here/", "not-found");
    await visit("/o/authorize/?client_id=nobody", "authorize-refused");
    await visit("/auth/authorize/?client_id=nobody", "authorize-refused-auth");

    await visit("/accounts/signup/", "signup");
    await page.getByLabel("E-mail").fill("a@b");
    await signUp(page, "not a name", "short");
    await page.getByText("look at the fields").waitFor();
    await look("signup-again");

    await page.goto(authorization(app));
    await look("login");
    await logIn(page, username, "not the password");
    await page.getByText("is wrong").waitFor();
    await look("login-again");
    await page.getByRole("link", { name: "Sign up" }).click();
    await signUp(page, username);
    await allow(page).waitFor();
    await look("consent");
    await allow(page).click();
    await page.waitForURL(`${client.redirect_uri}**`);

    // Its script posts it at once. The application does not answer, so the page is still there.
    await page.route(client.redirect_uri, (route) => route.abort("aborted"));
    await page.goto(authorization(app, { response_mode: "form_post" }), { waitUntil: "commit" });
    await page.getByRole("button", { name: "Continue" }).waitFor();
    await look("form-post");

    await lookAtOauth1(page, look);
    await page.goto(`${at}/o/authorized_tokens/`);
    await page.getByRole("link", { name: "End what The old application may do" }).click();
    await page.getByRole("button", { name: "End it" }).click();

    await lookAround(page, username, look, visit);
    await lookAtProviders(options, async (page, name) => {
      seen.add(new URL(page.url()).pathname);
      await inspect(page, `${name}-${device}`);
    });
    await visit("/accounts/email/verify/", "email-verify");
    await visit("/accounts/email/sent/", "email-sent");
    await visit("/accounts/email/verified/", "email-verified");
    await visit("/accounts/email/verify/no-link/", "email-verify-old");
    await visit("/accounts/password/reset/", "password-reset");
    await visit("/accounts/password/sent/", "password-sent");
    await visit("/accounts/password/reset/no-link/", "password-reset-old");

    await visit("/accounts/logout/", "logout");
    await page.locator("[name=csrf_token]").evaluate((field) => (field.value = "made up"));
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("came from elsewhere").waitFor();
    await look("form-refused");

    assert.ok(pages.length >= 15);
    assert.deepEqual(pages.filter((page) => ![...seen].some((path) => page.test(path))), []);
  });

  test(`a server that is not set up says so, on a ${device}`, async () => {
    const unusable = await startPostern({ vars: { SCOPES: "nonsense" } });
    try {
      const { page } = await open(options);
      await page.goto(`http://127.0.0.1:${unusable.url.port}/accounts/login/`);
      await page.getByText("SCOPES").waitFor();
      await inspect(page, `not-set-up-${device}`);
    } finally {
      await unusable.stop();
    }
  });
}
