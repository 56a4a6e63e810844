import {
  BunClient,
  defaultStackParser,
  linkedErrorsIntegration,
  makeFetchTransport,
  Scope,
} from "@sentry/bun";
import type { Clock } from "../../core/clock.ts";
import { scrubEvent } from "./scrub.ts";

/** Reports to Sentry; disposing it sends what is under way, for a second at most. */
export interface ErrorReports extends AsyncDisposable {
  /** Sends an error in the background, the same one not again for a while. Never throws and never waits. */
  readonly report: (error: unknown) => void;
}

interface ReportOptions {
  readonly dsn: string;
  /** Such as `vllm-router@0.1.0`. */
  readonly release: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Texts that must not leave the process. */
  readonly secrets: readonly string[];
}

/** The same error is told again after so long. */
const REPEAT_MS = 10 * 60_000;
const MAX_DISTINCT = 100;
/** Reports under way at once; further ones are dropped, so that a dead Sentry costs nothing. */
const MAX_UNDER_WAY = 8;
const FLUSH_MS = 1000;

/**
 * A client of its own instead of `Sentry.init`, which would change `fetch`, `console` and the handlers of the
 * process, and load ten times the code.
 */
export const createErrorReports = (
  { dsn, release, tags, secrets }: ReportOptions,
  { clock }: { readonly clock: Clock },
): ErrorReports => {
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
    transport: makeFetchTransport,
    transportOptions: { bufferSize: MAX_UNDER_WAY },
    beforeSend: (event) => scrubEvent(event, secrets),
  });
  client.init();
  const scope = new Scope();
  scope.setClient(client);
  scope.setTags({ ...tags });

  const lastAt = new Map<string, number>();
  const isNew = (key: string): boolean => {
    const now = clock.monotonic();
    const before = lastAt.get(key);
    if (before !== undefined && now - before < REPEAT_MS) return false;
    lastAt.delete(key);
    lastAt.set(key, now);
    const [oldest] = lastAt.keys();
    if (lastAt.size > MAX_DISTINCT && oldest !== undefined) lastAt.delete(oldest);
    return true;
  };

  return {
    report: (error) => {
      const exception = error instanceof Error ? error : new Error(String(error));
      if (!isNew(`${exception.name}: ${exception.message}`)) return;
      client.captureException(exception, { originalException: exception }, scope);
    },
    [Symbol.asyncDispose]: async () => {
      await client.close(FLUSH_MS);
    },
  };
};
