import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineFetch, EngineRequest } from "../core/engine-fetch.ts";
import { errorTable, openAiError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RequestOutcome } from "../core/request-stats.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { RequestSeries, RouterMetrics } from "../metrics/router-metrics.ts";
import type { RoutePlan, RoutingPolicy } from "../routing/policy.ts";
import type { RequestLedger, Ticket } from "../stats/request-ledger.ts";
import type { Call } from "./call.ts";
import { headersForClient, headersForEngine, isEventStream } from "./headers.ts";
import { relay } from "./relay.ts";
import { type EndPhase, endLine, routingLine } from "./routing-log.ts";
import { exchange, type Answer } from "./upstream.ts";
import { readUsage } from "./usage.ts";

/** Sends a call to an engine and its answer back. */
export type Forward = (call: Call, client: Client) => Promise<Response>;

/** A choice that was made for a request; one for each attempt. */
export interface Routed extends RoutePlan {
  readonly requestId: string;
  /** The model that is served, an alias resolved. */
  readonly model: string;
  /** From 1. */
  readonly attempt: number;
}

/** The other end of a request. */
export interface Client {
  /** Aborted when the client has left, in every phase. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds at which the request came. */
  readonly arrivedAt: number;
  /** Lets the connection be silent while an engine thinks. */
  readonly allowSilence: () => void;
  /** Puts the server's limit on silence back: whoever allowed it must. */
  readonly limitSilence: () => void;
}

// The empty line ends an event that the engine broke off in; between events it is nothing.
const failureEvent = Buffer.from(
  `\n\ndata: ${JSON.stringify(openAiError(new RouterError("upstream_reset", "The engine broke off while it was answering.")))}\n\n`,
);

interface ForwardDeps {
  readonly fleet: Fleet;
  readonly policy: RoutingPolicy;
  readonly requests: RequestLedger;
  readonly metrics: RouterMetrics;
  /** Fields of an answer that tell of the router. */
  readonly answerFields: { readonly endpoint: boolean; readonly serverTiming: boolean };
  readonly aliases: ReadonlyMap<string, string>;
  /** Engines tried for one request at most. */
  readonly maxAttempts: number;
  readonly fetch: EngineFetch;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every choice before the request is sent. */
  readonly onRouted?: ((routed: Routed) => void) | undefined;
}

/** One attempt to have a request answered. */
interface Attempt {
  readonly call: Call;
  readonly client: Client;
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly ticket: Ticket;
  readonly series: RequestSeries;
}

/** Creates the hot path: choose an engine, send, wait for its first bytes, relay; again elsewhere if it fails before. */
export const createForward = (deps: ForwardDeps): Forward => {
  const { fleet, policy, requests, metrics, answerFields, aliases, maxAttempts } = deps;
  const { fetch, clock, log, onRouted } = deps;
  const logsEnds = log.isEnabled("debug");

  const firstLine = (call: Call, client: Client, { endpoint, sessionId }: RoutePlan): string =>
    routingLine({
      requestId: call.id,
      sessionId,
      url: endpoint.url,
      epochMs: clock.now(),
      elapsedMs: clock.monotonic() - client.arrivedAt,
    });

  const modelOf = (call: Call): string => {
    const named = call.model ?? fleet.onlyModel();
    if (named !== undefined) return aliases.get(named) ?? named;
    throw new RouterError(
      "invalid_request",
      "Invalid request: missing 'model' in the query (?model=<name>).",
    );
  };

  const end = (attempt: Attempt, outcome: RequestOutcome, phase: EndPhase): void => {
    const { call, ticket, client, model, endpoint } = attempt;
    ticket.end(outcome);
    client.limitSilence();
    const elapsedMs = clock.monotonic() - client.arrivedAt;
    if (outcome === "done") metrics.answered(model, elapsedMs);
    if (logsEnds) log.debug(endLine({ requestId: call.id, url: endpoint.url, outcome, phase, elapsedMs }));
  };

  const headOf = ({ call, client, endpoint }: Attempt, { status, headers }: Answer, engineMs: number) => {
    const fields = headersForClient(headers, call.id);
    if (answerFields.endpoint) fields.set("x-vllm-router-endpoint", endpoint.id);
    const ms = clock.monotonic() - client.arrivedAt - engineMs;
    metrics.overhead(ms);
    if (answerFields.serverTiming) fields.append("server-timing", `router;dur=${ms.toFixed(3)}`);
    return { status, headers: fields };
  };

  const respond = (attempt: Attempt, answer: Answer, engineMs: number): Response => {
    const { call, client, ticket, series } = attempt;
    const { status, headers, first, rest } = answer;
    const init = headOf(attempt, answer, engineMs);
    const outcome = status >= 500 ? "failed" : status >= 400 ? "refused" : "done";
    const endWell = (last: Uint8Array | undefined, before?: Uint8Array): void => {
      const usage = readUsage(last, before);
      if (usage) ticket.tokens(usage);
      end(attempt, outcome, "with its whole answer");
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
      onChunk: (chunk) => {
        before = last;
        last = chunk;
        ticket.chunk();
      },
      onEnd: (how, cause) => {
        if (how === "done") endWell(last, before);
        else end(attempt, how, "in the middle of its answer");
        if (how !== "failed") return;
        series.failed("upstream_reset", "while");
        log.warning(`Request ${call.id} broke off while its answer streamed: ${describe(cause)}`);
      },
    });
    return new Response(new ReadableStream(body), init);
  };

  const attemptOn = async (
    attempt: Attempt,
    message: EngineRequest & { readonly path: string },
    waited: { ms: number },
  ): Promise<Response> => {
    const { endpoint, call, client, ticket, series } = attempt;
    const sentAt = clock.monotonic();
    client.allowSilence();
    try {
      const answer = await exchange(fetch, endpoint.url + message.path, message, call.isReplaySafe);
      ticket.firstByte(isEventStream(answer.headers));
      waited.ms += clock.monotonic() - sentAt;
      return respond(attempt, answer, waited.ms);
    } catch (error) {
      waited.ms += clock.monotonic() - sentAt;
      const hasLeft = error instanceof RouterError && error.code === "client_closed";
      end(attempt, hasLeft ? "client_closed" : "failed", "before its answer");
      if (isEngineFailure(error)) series.failed(error.code, "before");
      throw error;
    }
  };

  return async (call, client) => {
    const model = modelOf(call);
    metrics.arrived(fleet.hasSeen(model) ? model : undefined);
    const narrowing = { except: new Set<string>(), only: call.engineId };
    const routed = { model, headers: call.headers, field: call.field };
    const message = {
      ...call.messageFor(model),
      method: call.method,
      headers: headersForEngine(call.headers, call.id),
      signal: client.signal,
    };

    const waited = { ms: 0 };

    for (let attempt = 1; ; attempt += 1) {
      const candidates = fleet.candidates(model, narrowing);
      if (!candidates) throw fleet.missing(model);
      const plan = await policy.plan(routed, candidates);
      const { endpoint } = plan;
      log.info(
        attempt === 1
          ? firstLine(call, client, plan)
          : `Routing request ${call.id} to ${endpoint.url} (attempt ${attempt}/${maxAttempts})`,
      );
      onRouted?.({ ...plan, requestId: call.id, model, attempt });
      try {
        const series = metrics.seriesOf(endpoint.url, model);
        const ticket = requests.begin(endpoint.id, series);
        return await attemptOn({ call, client, model, endpoint, ticket, series }, message, waited);
      } catch (error) {
        if (!isEngineFailure(error)) throw error;
        log.warning(
          `Request ${call.id} failed on ${endpoint.url} (attempt ${attempt}/${maxAttempts}): ${describe(error)}`,
        );
        narrowing.except.add(endpoint.id);
        const isLast = attempt === maxAttempts || !fleet.candidates(model, narrowing);
        if (isLast || !mayTryElsewhere(error, call)) throw error;
        metrics.retried(model);
      }
    }
  };
};

const isEngineFailure = (error: unknown): error is RouterError =>
  error instanceof RouterError && errorTable[error.code].isRetryable;

/** Whether another engine may be asked: nothing was answered, and asking twice does no harm. */
const mayTryElsewhere = (failure: RouterError, call: Call): boolean =>
  call.isReplaySafe || failure.code === "upstream_unreachable";

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
};
