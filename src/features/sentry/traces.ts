import { getSpanStatusFromHttpCode } from "@sentry/bun";
import type { Clock } from "../../core/clock.ts";
import type { RequestOutcome } from "../../core/request-stats.ts";
import type { RequestTrace, SampleTrace } from "../../core/request-trace.ts";
import { createSentryClient, type SentryTarget } from "./client.ts";

/** Traces of some requests; disposing it sends what is under way, for a second at most. */
export interface Traces extends AsyncDisposable {
  readonly sample: SampleTrace;
}

interface TraceOptions extends SentryTarget {
  /** The part of all requests that is traced, above 0 and at most 1. */
  readonly rate: number;
}

interface TraceDeps {
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
}

type Attributes = Readonly<Record<string, string | number>>;

interface Span {
  readonly data: Record<string, string | number>;
  readonly description: string;
  readonly op: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly trace_id: string;
  readonly start_timestamp: number;
  timestamp: number;
  status: string;
}

const STATUS_OF: Readonly<Record<RequestOutcome, string>> = {
  done: "ok",
  refused: "invalid_argument",
  failed: "unavailable",
  client_closed: "cancelled",
};

const CLIENT_CLOSED = 499;

const newId = (): string => crypto.randomUUID().replaceAll("-", "");
const newSpanId = (): string => newId().slice(16);

/** The status of a request by what its client was told, and by how the stream ended that it was given. */
const statusOf = (status: number, last: RequestOutcome | undefined): string => {
  if (status === CLIENT_CLOSED || last === "client_closed") return STATUS_OF.client_closed;
  if (status < 400 && last !== undefined) return STATUS_OF[last];
  return getSpanStatusFromHttpCode(status).message ?? "ok";
};

/**
 * Sends one transaction for each request that is sampled, with a span for each attempt: the route, the model, ids
 * of engines, statuses, counts and times. Requests are sampled only while Sentry takes what is sent.
 */
export const createTraces = ({ rate, ...target }: TraceOptions, { clock, random }: TraceDeps): Traces => {
  // Not the client of the errors: where traces fill what may be under way, errors still go.
  const sentry = createSentryClient(target);

  const trace = (arrivedAt: number): RequestTrace => {
    // All times count from one reading of the wall clock, whatever happens to that meanwhile.
    const epochMs = clock.now() - clock.monotonic();
    const timestamp = (): number => (epochMs + clock.monotonic()) / 1000;
    const trace_id = newId();
    const span_id = newSpanId();
    const spans: Span[] = [];
    const data: Record<string, string | number> = {};
    let route: string | undefined;
    let status: number | undefined;
    let last: RequestOutcome | undefined;
    let open = 0;

    const finish = (): void => {
      if (route === undefined || status === undefined || open > 0) return;
      const attributes: Attributes = { ...data, "http.response.status_code": status };
      sentry.client.captureEvent(
        {
          type: "transaction",
          transaction: route,
          transaction_info: { source: "route" },
          start_timestamp: (epochMs + arrivedAt) / 1000,
          timestamp: timestamp(),
          contexts: {
            trace: { trace_id, span_id, op: "http.server", status: statusOf(status, last), data: attributes },
          },
          spans,
        },
        {},
        sentry.scope,
      );
    };

    return {
      routed: (name) => {
        route = name;
      },
      attempt: (engineId, model) => {
        data["gen_ai.request.model"] = model;
        const begun = timestamp();
        const span: Span = {
          op: "http.client",
          description: engineId,
          trace_id,
          span_id: newSpanId(),
          parent_span_id: span_id,
          start_timestamp: begun,
          timestamp: begun,
          status: "ok",
          data: {},
        };
        spans.push(span);
        open += 1;
        return {
          began: () => {},
          streamBegan: (ms) => {
            span.data["time_to_first_token_ms"] = ms;
          },
          tokens: ({ input, output }) => {
            span.data["gen_ai.usage.input_tokens"] = input;
            span.data["gen_ai.usage.output_tokens"] = output;
          },
          ended: (outcome) => {
            last = outcome;
            span.status = STATUS_OF[outcome];
            span.timestamp = timestamp();
            open -= 1;
            finish();
          },
        };
      },
      answered: (code) => {
        status = code;
        finish();
      },
    };
  };

  return {
    sample: (arrivedAt) => (random() < rate && !sentry.isFull() ? trace(arrivedAt) : undefined),
    [Symbol.asyncDispose]: sentry[Symbol.asyncDispose],
  };
};
