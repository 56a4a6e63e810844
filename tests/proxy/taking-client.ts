/** A client that takes one chunk for each read; what it has not taken keeps its sender waiting. */
export interface TakingClient {
  /** The next chunk as text, `(end)`, or what broke the body. */
  readonly read: () => Promise<unknown>;
  /** Leaves, as the server tells it. */
  readonly cancel: () => void;
}

interface Offer {
  readonly value: unknown;
  readonly taken: () => void;
}

/** Drives a source as `Bun.serve` does, with a socket that has room for nothing. */
export const takeFrom = (source: Bun.DirectUnderlyingSource<Uint8Array>): TakingClient => {
  const offers: Offer[] = [];
  const readers: ((value: unknown) => void)[] = [];
  let last: { readonly value: unknown } | undefined;
  let isGone = false;

  const finish = (value: unknown): void => {
    last ??= { value };
    if (offers.length > 0) return;
    for (const reader of readers.splice(0)) reader(value);
  };
  const write = async (chunk: unknown): Promise<number> => {
    if (isGone) return 0;
    const value = Buffer.from(chunk as Uint8Array).toString();
    const reader = readers.shift();
    if (reader) reader(value);
    else {
      const { promise, resolve } = Promise.withResolvers<void>();
      offers.push({ value, taken: resolve });
      await promise;
    }
    return value.length;
  };
  const sink: ReadableStreamDirectController = {
    write,
    flush: () => 0,
    start: () => {},
    end: () => 0,
    close: (error) => finish(error ?? "(end)"),
  };
  void source.pull(sink);

  return {
    read: async () => {
      const offer = offers.shift();
      if (offer) {
        offer.taken();
        return offer.value;
      }
      if (last) return last.value;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      readers.push(resolve);
      return promise;
    },
    cancel: () => {
      isGone = true;
      for (const { taken } of offers.splice(0)) taken();
      finish("(end)");
      void source.cancel?.();
    },
  };
};
