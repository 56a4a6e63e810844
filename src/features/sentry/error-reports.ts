import type { Clock } from "../../core/clock.ts";
import { createSentryClient, type SentryTarget } from "./client.ts";

/** Reports to Sentry; disposing it sends what is under way, for a second at most. */
export interface ErrorReports extends AsyncDisposable {
  /** Sends an error in the background, the same one not again for a while. Never throws and never waits. */
  readonly report: (error: unknown) => void;
}

/** The same error is told again after so long. */
const REPEAT_MS = 10 * 60_000;
const MAX_DISTINCT = 100;

/** Reports the errors of the router. */
export const createErrorReports = (
  target: SentryTarget,
  { clock }: { readonly clock: Clock },
): ErrorReports => {
  const sentry = createSentryClient(target);
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
      sentry.client.captureException(exception, { originalException: exception }, sentry.scope);
    },
    [Symbol.asyncDispose]: sentry[Symbol.asyncDispose],
  };
};
