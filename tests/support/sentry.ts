/** What of an event a test looks at. */
export interface SentEvent {
  readonly release?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly exception?: { readonly values: readonly { readonly type: string; readonly value: string }[] };
}

/** What of a trace a test looks at. */
export interface SentTransaction extends SentEvent {
  readonly transaction?: string;
  readonly start_timestamp?: number;
  readonly timestamp?: number;
  readonly contexts?: {
    readonly trace?: { readonly trace_id: string; readonly span_id: string; readonly status: string };
  };
  readonly spans?: readonly {
    readonly trace_id: string;
    readonly parent_span_id: string;
    readonly description: string;
  }[];
}

/** A local server that takes envelopes as Sentry does. */
export interface FakeSentry extends AsyncDisposable {
  readonly dsn: string;
  /** Everything that was posted, as it came. */
  readonly bodies: readonly string[];
  /** Resolves with the first so many events. */
  readonly events: (count: number) => Promise<readonly SentEvent[]>;
  /** Resolves with the first so many traces. */
  readonly transactions: (count: number) => Promise<readonly SentTransaction[]>;
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
  const sent = (wanted: string): readonly SentTransaction[] =>
    bodies.flatMap((body) => {
      const [, header = "{}", payload = "{}"] = body.split("\n");
      const { type } = JSON.parse(header) as { readonly type?: string };
      return type === wanted ? [JSON.parse(payload) as SentTransaction] : [];
    });
  const first = async (wanted: string, count: number): Promise<readonly SentTransaction[]> => {
    while (sent(wanted).length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      await promise;
    }
    return sent(wanted).slice(0, count);
  };
  return {
    dsn: `http://public@127.0.0.1:${server.port}/1`,
    bodies,
    events: async (count) => first("event", count),
    transactions: async (count) => first("transaction", count),
    [Symbol.asyncDispose]: async () => server.stop(true),
  };
};
