import {
  BunClient,
  defaultStackParser,
  linkedErrorsIntegration,
  makeFetchTransport,
  Scope,
} from "@sentry/bun";
import { scrubEvent, scrubTransaction } from "./scrub.ts";

/** Where reports go and what is said with each. */
export interface SentryTarget {
  readonly dsn: string;
  /** Such as `vllm-router@0.1.0`. */
  readonly release: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Texts that must not leave the process. */
  readonly secrets: readonly string[];
}

/** A client and the scope of what it sends. Disposing it sends what is under way, for a second at most. */
export interface SentryClient extends AsyncDisposable {
  readonly client: BunClient;
  readonly scope: Scope;
  /** Whether as much is under way as may be: more would be dropped. */
  readonly isFull: () => boolean;
}

/** Envelopes under way at once; further ones are dropped, so that a dead Sentry costs nothing. */
const MAX_UNDER_WAY = 8;
const FLUSH_MS = 1000;

type CreateTransport = typeof makeFetchTransport;

/**
 * A client of its own instead of `Sentry.init`, which would change `fetch`, `console` and the handlers of the
 * process, and load ten times the code.
 */
export const createSentryClient = ({ dsn, release, tags, secrets }: SentryTarget): SentryClient => {
  let underWay = 0;
  const transport: CreateTransport = (options) => {
    const inner = makeFetchTransport(options);
    return {
      flush: (timeoutMs) => inner.flush(timeoutMs),
      send: async (envelope) => {
        underWay += 1;
        try {
          return await inner.send(envelope);
        } finally {
          underWay -= 1;
        }
      },
    };
  };
  const client = new BunClient({
    dsn,
    release,
    sendClientReports: false,
    dataCollection: {
      userInfo: false,
      cookies: false,
      httpHeaders: false,
      httpBodies: [],
      urlQueryParams: false,
    },
    stackParser: defaultStackParser,
    integrations: [linkedErrorsIntegration()],
    transport,
    transportOptions: { bufferSize: MAX_UNDER_WAY },
    // A trace is one event, so that all of it goes through one scrubbing.
    traceLifecycle: "static",
    beforeSend: (event) => scrubEvent(event, secrets),
    beforeSendTransaction: scrubTransaction,
  });
  client.init();
  const scope = new Scope();
  scope.setClient(client);
  scope.setTags({ ...tags });
  return {
    client,
    scope,
    isFull: () => underWay >= MAX_UNDER_WAY,
    [Symbol.asyncDispose]: async () => {
      await client.close(FLUSH_MS);
    },
  };
};
