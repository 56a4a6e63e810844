import { endToEnd } from "./end-to-end.ts";

// The floor of the router's design: what `Bun.serve` and `fetch` cost by themselves when a body is read whole and
// end-to-end fields are copied. Its arguments are a port of 127.0.0.1 and the engine's URL.

const [port, engine = ""] = process.argv.slice(2);

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  development: false,
  fetch: async (request) => {
    const body = await request.arrayBuffer();
    const { pathname, search } = new URL(request.url);
    const upstream = await fetch(engine + pathname + search, {
      method: request.method,
      headers: endToEnd(request.headers),
      body,
      redirect: "manual",
      decompress: false,
      proxy: false,
      timeout: false,
    } as RequestInit);
    return new Response(upstream.body, { status: upstream.status, headers: endToEnd(upstream.headers) });
  },
});
