// A Worker that holds the built module instead of being bound to it, and tells what the module exports.
import * as postern from "../../build/index.js";

export default {
  fetch: () => Response.json({ exports: Object.keys(postern), methods: Object.getOwnPropertyNames(postern.default.prototype) }),
};
