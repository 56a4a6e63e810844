/** An engine that knows how many requests it has at once. */
export interface CountingEngine extends AsyncDisposable {
  readonly url: string;
  readonly received: () => number;
  /** The most that it ever had at once. */
  readonly peak: () => number;
  /** Requests that it has now. */
  readonly underWay: () => number;
}

/** Answers every completion after a moment. */
export const startCountingEngine = (holdMs: number): CountingEngine => {
  let underWay = 0;
  let peak = 0;
  let received = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/v1/models") return Response.json({ object: "list", data: [{ id: "m" }] });
      if (!pathname.endsWith("completions")) return new Response("");
      received += 1;
      underWay += 1;
      peak = Math.max(peak, underWay);
      await request.bytes();
      await Bun.sleep(holdMs);
      underWay -= 1;
      return Response.json({ id: "c", object: "text_completion", choices: [] });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    received: () => received,
    peak: () => peak,
    underWay: () => underWay,
    [Symbol.asyncDispose]: async () => server.stop(true),
  };
};
