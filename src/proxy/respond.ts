import type { AnswerFields } from "../core/answer-fields.ts";
import type { Clock } from "../core/clock.ts";
import { describeError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { Attempt } from "./attempt.ts";
import type { Deadlines } from "./deadlines.ts";
import { failureEvent } from "./failure-event.ts";
import { type Answer, isEventStream } from "../core/answer.ts";
import { asHeaders, headersForClient } from "./headers.ts";
import { relay } from "./relay.ts";
import { readStreamEnd } from "./stream-end.ts";
import { createTail, tailText } from "./tail.ts";
import { createUsageFilter } from "./usage-filter.ts";
import { readUsage } from "./usage.ts";

interface RespondDeps {
  readonly metrics: RouterMetrics;
  readonly answerFields: AnswerFields;
  readonly deadlines: Pick<Deadlines, "stalled">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Passes an engine's answer on; `engineMs` is what of the time until now engines took. */
export type Respond = (attempt: Attempt, answer: Answer, engineMs: number) => Response;

const cutShort = new RouterError("upstream_reset", "The engine ended its answer before it was complete.");

/** Creates the way of an answer to the client: its head at once, its body as it comes. */
export const createRespond = ({ metrics, answerFields, deadlines, clock, log }: RespondDeps): Respond => {
  const headOf = (
    { call, client, endpoint, plan }: Attempt,
    { status, headers, cookies }: Answer,
    engineMs: number,
  ) => {
    const fields = headersForClient(headers, call.id);
    if (answerFields.endpoint) fields["x-vllm-router-endpoint"] = endpoint.id;
    if (answerFields.reason) fields["x-vllm-router-reason"] = plan.reason;
    const ms = clock.monotonic() - client.arrivedAt - engineMs;
    metrics.overhead(ms);
    if (answerFields.serverTiming) {
      const engines = fields["server-timing"];
      const ours = `router;dur=${ms.toFixed(3)}`;
      fields["server-timing"] = engines === undefined ? ours : `${engines}, ${ours}`;
    }
    return { status, headers: asHeaders(fields, cookies) };
  };

  return (attempt, answer, engineMs) => {
    const { call, client, ticket, series, signal, progress } = attempt;
    const { status, headers, first, rest } = answer;
    const init = headOf(attempt, answer, engineMs);
    // What is compressed cannot be looked into.
    const isReadable = isEventStream(headers) && headers["content-encoding"] === undefined;
    const filter = attempt.hidesUsage && isReadable ? createUsageFilter() : undefined;
    const endWell = (last: Uint8Array | undefined, before?: Uint8Array, as = status): void => {
      const usage = filter?.usage() ?? readUsage(last, before);
      if (usage) ticket.tokens(usage);
      attempt.answered(as);
      client.over();
    };
    if (!rest) {
      endWell(first);
      return new Response(first ?? null, init);
    }
    const tail = createTail(first);
    let endStatus = status;
    const body = relay(first, rest, {
      failureEvent: isEventStream(headers) ? (reason) => failureEvent(call.path, reason) : undefined,
      signal,
      clock,
      filter,
      onChunk: (chunk) => {
        tail.add(chunk);
        ticket.chunk();
      },
      onStall: (isStalled) => deadlines.stalled(progress, isStalled),
      checkEnd: () => {
        if (!isReadable || status !== 200) return;
        const { isComplete, errorStatus } = readStreamEnd(call.path, tailText(tail.last(), tail.before()));
        endStatus = errorStatus ?? status;
        if (isComplete) return;
        series.unterminated();
        throw cutShort;
      },
      onEnd: (how, cause) => {
        if (how === "done") endWell(tail.last(), tail.before(), endStatus);
        else {
          attempt.brokeOff(how);
          client.over();
        }
        if (how === "failed")
          log.warning(`Request ${call.id} broke off while its answer streamed: ${describeError(cause)}`);
        else if (cause instanceof RouterError && cause.code !== "client_closed")
          log.warning(`Request ${call.id} was cut while its answer streamed: ${describeError(cause)}`);
      },
    });
    return new Response(new ReadableStream(body), init);
  };
};
