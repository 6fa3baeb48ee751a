// E-mail leaves by its real carriers: a webhook on loopback, wrangler's simulation of the `send_email` binding, and the log.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { startBare } from "./bare.mjs";
import { checkout, schema, secrets, startPostern } from "./support.mjs";

const limit = { timeout: 20_000 };
const from = "id@id.example";
const ann = (n) => ({ username: `ann-${n}`, password: "open-sesame-1001", email: `ann-${n}@mail.example` });

/** The JSON lines in a log. */
const linesIn = (log) => (log.match(/^\{.*\}$/gm) ?? []).map((line) => JSON.parse(line));
const lines = (postern) => postern.logs().flatMap(({ message }) => linesIn(message));

/** Looks until something is there, or the test takes too long. */
async function seen(find, { signal }) {
  let found;
  while (!(found = find()) && !signal.aborted) await nextTurn();
  return found;
}

/** What stands in an e-mail to verify an address: the link is for this server. */
function assertIsToVerify({ subject, text }, url) {
  assert.equal(subject, "Confirm your e-mail address");
  const [, origin, secret] = text.match(/^(http:\S+?)\/accounts\/email\/verify\/([\w-]{43})\/$/m) ?? assert.fail(text);
  assert.equal(origin, new URL(url).origin);
  return secret;
}

describe("the webhook", () => {
  let postern, webhook, answer;
  let log = "";

  before(async () => {
    webhook = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request.setEncoding("utf8")) body += chunk;
      const { method, url, headers } = request;
      webhook.emit("mail", { method, url, headers, body });
      answer(response);
    }).listen(0, "127.0.0.1");
    await once(webhook, "listening");
    const settings = { MAIL_WEBHOOK_URL: `http://127.0.0.1:${webhook.address().port}/send?to=us`, MAIL_WEBHOOK_TOKEN: "token-of-the-tests", MAIL_FROM: from };
    // Without wrangler, whose own proxy would see to the redirects.
    postern = await startBare({ bindings: { ...secrets, ...settings }, schema, hear: (line) => (log += `${line}\n`) });
  });
  after(async () => {
    webhook.closeAllConnections();
    webhook.close();
    await postern.stop();
  });

  /** Signs up; what arrives at the webhook, which answers by `answering`. */
  async function signUp(user, answering) {
    answer = answering;
    const arrived = once(webhook, "mail");
    const { status } = await fetch(new URL("/sign_up/", postern.url), { method: "POST", body: new URLSearchParams(user) });
    assert.equal(status, 201);
    const [mail] = await arrived;
    return mail;
  }

  test("is posted JSON with a Bearer token", limit, async (t) => {
    const { method, url, headers, body } = await signUp(ann(1), (response) => response.end());
    assert.deepEqual([method, url], ["POST", "/send?to=us"]);
    assert.deepEqual([headers.authorization, headers["content-type"]], ["Bearer token-of-the-tests", "application/json"]);
    const mail = JSON.parse(body);
    assert.deepEqual(Object.keys(mail), ["from", "to", "subject", "text"]);
    assert.deepEqual([mail.from, mail.to], [from, "ann-1@mail.example"]);
    assertIsToVerify(mail, postern.url);
  });

  test("is not waited for", limit, async (t) => {
    let held;
    // It does not answer until the sign-up has been answered.
    await signUp(ann(2), (response) => (held = response));
    await seen(() => held, t);
    held.end();
  });

  for (const [status, headers] of [[500, {}], [302, { Location: "/elsewhere" }], [304, {}]]) {
    test(`that answers ${status} has failed: the log says so, and neither to whom nor what`, limit, async (t) => {
      log = "";
      const urls = [];
      const note = ({ url }) => urls.push(url);
      webhook.on("mail", note);
      const { body } = await signUp(ann(status), (response) => response.writeHead(status, headers).end("an answer that nobody reads"));
      const failed = await seen(() => linesIn(log).find(({ event }) => event === "mail_failed"), t);
      webhook.off("mail", note);
      assert.deepEqual(failed, { level: "error", event: "mail_failed", detail: `the webhook answered ${status}` });
      assert.deepEqual(urls, ["/send?to=us"], "the token goes nowhere else");
      const secret = assertIsToVerify(JSON.parse(body), postern.url);
      assert.ok(![secret, "ann-", "token-of-the-tests"].some((word) => log.includes(word)), log);
    });
  }

  test("that does not answer is given up, and the isolate goes on", limit, async (t) => {
    log = "";
    await signUp(ann(3), () => {});
    assert.match((await seen(() => linesIn(log).find(({ event }) => event === "mail_failed"), t)).detail, /./);
    await signUp(ann(4), (response) => response.end());
  });
});

describe("the binding EMAIL", () => {
  const vars = { MAIL_CARRIER: "send_email", MAIL_FROM: from };

  function textsSent() {
    const folder = `${checkout}/.wrangler/tmp/email`;
    if (!existsSync(folder)) return [];
    const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".txt"));
    return files.map((name) => readFileSync(`${folder}/${name}`, "utf8"));
  }

  test("is handed the e-mail", limit, async (t) => {
    const only = { allowed_sender_addresses: [from], allowed_destination_addresses: ["ann-1@mail.example"] };
    const postern = await startPostern({ testHooks: true, vars, bindings: { send_email: [{ name: "EMAIL", ...only }] } });
    try {
      await postern.signUp(ann(1));
      // Wrangler's simulation keeps the text in a file.
      const text = await seen(() => textsSent().find((sent) => sent.includes(`${new URL(postern.url).origin}/`)), t);
      assertIsToVerify({ subject: "Confirm your e-mail address", text }, postern.url);
      assert.deepEqual(lines(postern).filter(({ event }) => event === "mail_failed"), []);
    } finally {
      await postern.stop();
    }
  });

  test("that refuses the e-mail does not stop anybody from signing up", limit, async (t) => {
    const bindings = { send_email: [{ name: "EMAIL", allowed_sender_addresses: ["other@id.example"] }] };
    const postern = await startPostern({ testHooks: true, vars, bindings });
    try {
      await postern.signUp(ann(1));
      const { detail } = await seen(() => lines(postern).find(({ event }) => event === "mail_failed"), t);
      assert.match(detail, /not allowed/);
    } finally {
      await postern.stop();
    }
  });

  for (const [what, bindings] of [["missing", {}], ["something else", { kv_namespaces: [{ binding: "TOKENS", id: "TOKENS" }, { binding: "EMAIL", id: "EMAIL" }] }]]) {
    test(`is named by a 503 page if it is ${what}`, limit, async (t) => {
      const postern = await startPostern({ testHooks: true, vars, bindings });
      try {
        const response = await postern.fetch("/");
        assert.equal(response.status, 503);
        assert.match(await response.text(), /\bEMAIL\b/);
      } finally {
        await postern.stop();
      }
    });
  }
});

describe("the log", () => {
  test("has the e-mail, for who runs this on a laptop", limit, async (t) => {
    const postern = await startPostern({ vars: { MAIL_CARRIER: "log" } });
    try {
      await postern.signUp(ann(1));
      const { mail } = await seen(() => lines(postern).find(({ event }) => event === "mail"), t);
      assert.deepEqual([mail.from, mail.to], ["postern@localhost", "ann-1@mail.example"]);
      assertIsToVerify(mail, postern.url);
    } finally {
      await postern.stop();
    }
  });

  test("is refused where others could read it", limit, async (t) => {
    const postern = await startPostern({ vars: { MAIL_CARRIER: "log", ISSUER: "https://id.example" } });
    try {
      const response = await postern.fetch("/");
      assert.equal(response.status, 503);
      assert.match(await response.text(), /\bMAIL_CARRIER\b/);
    } finally {
      await postern.stop();
    }
  });
});
