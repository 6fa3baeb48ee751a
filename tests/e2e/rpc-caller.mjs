// A Worker bound to Postern that calls its RPC method with the arguments it is posted, and tells what came of it as JSON.
export default {
  async fetch(request, env) {
    try {
      return Response.json({ resolved: await env.AUTH.validate(...(await request.json())) });
    } catch (error) {
      return Response.json({ rejected: String(error) });
    }
  },
};
