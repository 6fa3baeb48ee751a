// A real browser, and what each page must be in it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/chromium.mjs";
import { checkout } from "./support.mjs";

const axe = readFileSync(`${checkout}/node_modules/axe-core/axe.min.js`, "utf8");

/** What people hold in their hands, or have before them. */
export const devices = {
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 800 } },
};

/** Starts Chromium. It reaches this machine, and finds no other. `close()` ends it. */
export function startBrowser() {
  const args = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"];
  return chromium.launch({ executablePath: findChromium(), args });
}

/**
 * A person who has just opened the browser, without cookies. `complaints` are what the browser finds wrong with the pages, as what their
 * Content-Security-Policy forbids; a page that answers an error is not one.
 */
export async function openBrowser(browser, options = {}) {
  const context = await browser.newContext(options);
  const complaints = [];
  context.on("console", (message) => {
    const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of ");
    if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(`${message.page()?.url()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(error.error().message));
  return { context, page: await context.newPage(), complaints };
}

/**
 * Looks at the page as it stands, in the light and in the dark: photographs it as `name`, in target/screenshots, and fails if axe-core finds
 * anything, if one must scroll sideways, or cannot see where the focus is. axe-core comes in by the debugger, past the page's policy, which
 * stays as it is.
 */
export async function inspect(page, name) {
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: `${checkout}/target/screenshots/${name}-${colorScheme}.png`, fullPage: true });
    const violations = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations);
    const found = violations.map(({ id, impact, help, nodes }) => `${id} (${impact}): ${help}\n  ${nodes.map((node) => node.html).join("\n  ")}`);
    assert.deepEqual(found, [], `${name}, ${colorScheme}, at ${page.url()}`);
  }
  const content = await page.evaluate(() => document.documentElement.scrollWidth);
  const { width } = page.viewportSize();
  assert.ok(content <= width, `${name} is ${content} wide on a screen of ${width}`);
  assert.deepEqual(await unmarkedFocus(page), [], `${name}: where is the focus?`);
}

/** What the Tab key reaches without a mark that it is there. */
async function unmarkedFocus(page) {
  const unmarked = [];
  for (let left = await page.locator("a[href], button, input:not([type=hidden]), select, textarea").count(); left > 0; left--) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const element = document.activeElement;
      return element !== document.body && getComputedStyle(element).outlineStyle === "none" ? element.outerHTML : null;
    });
    if (found) unmarked.push(found);
  }
  return unmarked;
}
