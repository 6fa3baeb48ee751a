// A Worker bound to the entrypoint of watched.mjs.
export default {
  fetch: async (request, env) => Response.json(await env.WATCH.look()),
};
