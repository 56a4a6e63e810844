import type { Clock } from "../../core/clock.ts";
import type { SampleTrace } from "../../core/request-trace.ts";
import type { SentryTarget } from "./client.ts";
import { createErrorReports, type ErrorReports } from "./error-reports.ts";
import { createTraces } from "./traces.ts";

/** What is sent to Sentry; disposing it sends what is under way, for a second at most. */
export interface Sentry extends ErrorReports {
  /** Absent where no request is traced. */
  readonly sampleTrace: SampleTrace | undefined;
}

interface SentryOptions extends SentryTarget {
  /** The part of all requests that is traced, from 0 to 1. */
  readonly tracesSampleRate: number;
}

/** Reports errors, and traces requests where the rate is above 0. */
export const createSentry = (
  { tracesSampleRate, ...target }: SentryOptions,
  deps: { readonly clock: Clock; readonly random: () => number },
): Sentry => {
  const reports = createErrorReports(target, deps);
  const traces = tracesSampleRate > 0 ? createTraces({ ...target, rate: tracesSampleRate }, deps) : undefined;
  return {
    report: reports.report,
    sampleTrace: traces?.sample,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([reports[Symbol.asyncDispose](), traces?.[Symbol.asyncDispose]()]);
    },
  };
};
