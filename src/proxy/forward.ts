import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineFetch, EngineRequest } from "../core/engine-fetch.ts";
import { errorTable, openAiError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { RoutePlan, RoutingPolicy } from "../routing/policy.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import type { Call } from "./call.ts";
import { headersForClient, headersForEngine, isEventStream } from "./headers.ts";
import { relay } from "./relay.ts";
import { routingLine } from "./routing-log.ts";
import { exchange, type Answer } from "./upstream.ts";

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
  readonly aliases: ReadonlyMap<string, string>;
  /** Engines tried for one request at most. */
  readonly maxAttempts: number;
  readonly fetch: EngineFetch;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every choice before the request is sent. */
  readonly onRouted?: ((routed: Routed) => void) | undefined;
}

/** Creates the hot path: choose an engine, send, wait for its first bytes, relay; again elsewhere if it fails before. */
export const createForward = (deps: ForwardDeps): Forward => {
  const { fleet, policy, requests, aliases, maxAttempts, fetch, clock, log, onRouted } = deps;

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

  const respond = (call: Call, client: Client, answer: Answer, end: () => void): Response => {
    const { status, headers, first, rest } = answer;
    const init = { status, headers: headersForClient(headers, call.id) };
    if (!rest) {
      end();
      return new Response(first ?? null, init);
    }
    const body = relay(first, rest, {
      failureEvent: isEventStream(headers) ? failureEvent : undefined,
      signal: client.signal,
      clock,
      onEnd: (how, cause) => {
        end();
        if (how === "failed")
          log.warning(`Request ${call.id} broke off while its answer streamed: ${describe(cause)}`);
      },
    });
    return new Response(new ReadableStream(body), init);
  };

  const attemptOn = async (
    endpoint: Endpoint,
    call: Call,
    client: Client,
    message: EngineRequest & { readonly path: string },
  ): Promise<Response> => {
    const ticket = requests.begin(endpoint.id);
    const end = (): void => {
      ticket.end();
      client.limitSilence();
    };
    client.allowSilence();
    try {
      const answer = await exchange(fetch, endpoint.url + message.path, message, call.isReplaySafe);
      ticket.firstByte();
      return respond(call, client, answer, end);
    } catch (error) {
      end();
      throw error;
    }
  };

  return async (call, client) => {
    const model = modelOf(call);
    const narrowing = { except: new Set<string>(), only: call.engineId };
    const routed = { model, headers: call.headers, field: call.field };
    const message = {
      ...call.messageFor(model),
      method: call.method,
      headers: headersForEngine(call.headers, call.id),
      signal: client.signal,
    };

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
        return await attemptOn(endpoint, call, client, message);
      } catch (error) {
        if (!isEngineFailure(error)) throw error;
        log.warning(
          `Request ${call.id} failed on ${endpoint.url} (attempt ${attempt}/${maxAttempts}): ${describe(error)}`,
        );
        narrowing.except.add(endpoint.id);
        const isLast = attempt === maxAttempts || !fleet.candidates(model, narrowing);
        if (isLast || !mayTryElsewhere(error, call)) throw error;
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
