// Where Chromium is, or a browser made of it.
import { existsSync } from "node:fs";
import { findOnPath } from "./run.mjs";

const onMac = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

/** The path of the program, or null if there is none. */
export function findChromium() {
  return findOnPath("chromium", "google-chrome", "chrome") ?? onMac.find((path) => existsSync(path)) ?? null;
}
