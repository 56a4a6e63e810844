import type { AnswerFields } from "../core/answer-fields.ts";
import type { Clock } from "../core/clock.ts";
import { describeError, openAiError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { Attempt } from "./attempt.ts";
import { headersForClient, isEventStream } from "./headers.ts";
import { relay } from "./relay.ts";
import type { Answer } from "./upstream.ts";
import { createUsageFilter } from "./usage-filter.ts";
import { readUsage } from "./usage.ts";

interface RespondDeps {
  readonly metrics: RouterMetrics;
  readonly answerFields: AnswerFields;
  readonly clock: Clock;
  readonly log: Log;
}

/** Passes an engine's answer on; `engineMs` is what of the time until now engines took. */
export type Respond = (attempt: Attempt, answer: Answer, engineMs: number) => Response;

const brokenOff = new RouterError("upstream_reset", "The engine broke off while it was answering.");

// The empty line ends an event that the engine broke off in; between events it is nothing.
const failureEvent = (reason = brokenOff): Buffer<ArrayBuffer> =>
  Buffer.from(`\n\ndata: ${JSON.stringify(openAiError(reason))}\n\n`);

/** Creates the way of an answer to the client: its head at once, its body as it comes. */
export const createRespond = ({ metrics, answerFields, clock, log }: RespondDeps): Respond => {
  const headOf = (
    { call, client, endpoint, plan }: Attempt,
    { status, headers }: Answer,
    engineMs: number,
  ) => {
    const fields = headersForClient(headers, call.id);
    if (answerFields.endpoint) fields.set("x-vllm-router-endpoint", endpoint.id);
    if (answerFields.reason) fields.set("x-vllm-router-reason", plan.reason);
    const ms = clock.monotonic() - client.arrivedAt - engineMs;
    metrics.overhead(ms);
    if (answerFields.serverTiming) fields.append("server-timing", `router;dur=${ms.toFixed(3)}`);
    return { status, headers: fields };
  };

  return (attempt, answer, engineMs) => {
    const { call, client, ticket } = attempt;
    const { status, headers, first, rest } = answer;
    const init = headOf(attempt, answer, engineMs);
    // What is compressed cannot be looked into.
    const isSiftable = attempt.hidesUsage && isEventStream(headers) && !headers.has("content-encoding");
    const filter = isSiftable ? createUsageFilter() : undefined;
    const endWell = (last: Uint8Array | undefined, before?: Uint8Array): void => {
      const usage = filter?.usage() ?? readUsage(last, before);
      if (usage) ticket.tokens(usage);
      attempt.answered(status);
    };
    if (!rest) {
      endWell(first);
      return new Response(first ?? null, init);
    }
    // An answer's last bytes may stand in two chunks.
    let before: Uint8Array | undefined;
    let last: Uint8Array | undefined = first;
    const body = relay(first, rest, {
      failureEvent: isEventStream(headers) ? failureEvent : undefined,
      signal: client.signal,
      clock,
      filter,
      onChunk: (chunk) => {
        before = last;
        last = chunk;
        ticket.chunk();
      },
      onEnd: (how, cause) => {
        if (how === "done") endWell(last, before);
        else attempt.brokeOff(how);
        if (how !== "failed") return;
        log.warning(`Request ${call.id} broke off while its answer streamed: ${describeError(cause)}`);
      },
    });
    return new Response(new ReadableStream(body), init);
  };
};
