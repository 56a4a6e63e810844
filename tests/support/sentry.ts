/** What of an event a test looks at. */
export interface SentEvent {
  readonly release?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly exception?: { readonly values: readonly { readonly type: string; readonly value: string }[] };
}

/** A local server that takes envelopes as Sentry does. */
export interface FakeSentry extends AsyncDisposable {
  readonly dsn: string;
  /** Everything that was posted, as it came. */
  readonly bodies: readonly string[];
  /** Resolves with the first so many events. */
  readonly events: (count: number) => Promise<readonly SentEvent[]>;
}

/** Listens on a free port; a silent one takes what comes and never answers. */
export const startFakeSentry = ({ silent = false } = {}): FakeSentry => {
  const bodies: string[] = [];
  const waiting: (() => void)[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    routes: {
      "/api/1/envelope/": {
        POST: async (request) => {
          bodies.push(await request.text());
          for (const wake of waiting.splice(0)) wake();
          return silent ? Promise.withResolvers<Response>().promise : Response.json({ id: "1" });
        },
      },
    },
    fetch: () => new Response("no route", { status: 404 }),
  });
  const sent = (): readonly SentEvent[] =>
    bodies.flatMap((body) => {
      const [, header = "{}", payload = "{}"] = body.split("\n");
      const { type } = JSON.parse(header) as { readonly type?: string };
      return type === "event" ? [JSON.parse(payload) as SentEvent] : [];
    });
  return {
    dsn: `http://public@127.0.0.1:${server.port}/1`,
    bodies,
    events: async (count) => {
      while (sent().length < count) {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.push(resolve);
        await promise;
      }
      return sent().slice(0, count);
    },
    [Symbol.asyncDispose]: async () => server.stop(true),
  };
};
