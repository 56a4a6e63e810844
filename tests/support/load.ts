/** What became of requests, in the order in which they were answered. */
export interface Answered {
  readonly statuses: readonly number[];
  /** Milliseconds until the whole answer. */
  readonly times: readonly number[];
}

/** Clients that send. */
export interface Load extends Answered {
  /** Answers of another status than 200. */
  readonly failed: () => number;
  /** Resolves when so many more requests are answered. */
  readonly further: (count: number) => Promise<void>;
  /** No further requests; resolves when the last one is answered. */
  readonly stop: () => Promise<void>;
}

/** Clients that each send a short chat to the model `m`, one after the other, until they are told to stop. */
export const startLoad = ({ url }: { readonly url: string }, clients: number, pauseMs = 5): Load => {
  const over = new AbortController();
  const statuses: number[] = [];
  const times: number[] = [];
  const sending = Array.from({ length: clients }, async () => {
    while (!over.signal.aborted) {
      const askedAt = performance.now();
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hello" }], max_tokens: 3 }),
      });
      await response.arrayBuffer();
      statuses.push(response.status);
      times.push(performance.now() - askedAt);
      await Bun.sleep(pauseMs);
    }
  });
  return {
    statuses,
    times,
    failed: () => statuses.filter((status) => status !== 200).length,
    further: async (count) => {
      const wanted = statuses.length + count;
      while (statuses.length < wanted) await Bun.sleep(5);
    },
    stop: async () => {
      over.abort();
      await Promise.all(sending);
    },
  };
};
