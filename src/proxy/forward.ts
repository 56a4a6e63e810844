import type { AnswerFields } from "../core/answer-fields.ts";
import type { Clock } from "../core/clock.ts";
import type { EngineFetch, EngineRequest } from "../core/engine-fetch.ts";
import { describeError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { RoutePlan, RoutingPolicy } from "../routing/policy.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import { type Attempt, createAttempts, isEngineFailure } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import { headersForEngine, isEventStream } from "./headers.ts";
import { createRespond } from "./respond.ts";
import { routingLine } from "./routing-log.ts";
import { exchange } from "./upstream.ts";

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

interface ForwardDeps {
  readonly fleet: Fleet;
  readonly policy: RoutingPolicy;
  readonly requests: RequestLedger;
  readonly metrics: RouterMetrics;
  readonly answerFields: AnswerFields;
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
  const { fleet, policy, metrics, aliases, maxAttempts, fetch, clock, log, onRouted } = deps;
  const begin = createAttempts(deps);
  const respond = createRespond(deps);
  const logsReasons = log.isEnabled("debug");

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

  const ask = async (
    attempt: Attempt,
    message: EngineRequest & { readonly path: string },
    waited: { ms: number },
  ): Promise<Response> => {
    const { endpoint, call, ticket } = attempt;
    const sentAt = clock.monotonic();
    try {
      const answer = await exchange(fetch, endpoint.url + message.path, message, call.isReplaySafe);
      ticket.firstByte(isEventStream(answer.headers));
      waited.ms += clock.monotonic() - sentAt;
      return respond(attempt, answer, waited.ms);
    } catch (error) {
      waited.ms += clock.monotonic() - sentAt;
      attempt.failed(error);
      throw error;
    }
  };

  return async (call, client) => {
    const model = modelOf(call);
    metrics.arrived(fleet.hasSeen(model) ? model : undefined);
    const narrowing = { except: new Set<string>(), only: call.engineId };
    const { headers, field } = call;
    const prompt = once(() => call.prompt(model));
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
      const planned = policy.plan({ model, headers, field, prompt, at: clock.monotonic() }, candidates);
      // Requests that come at once are each planned with the one before it under way.
      const plan = planned instanceof Promise ? await planned : planned;
      const { endpoint, reason } = plan;
      log.info(
        attempt === 1
          ? firstLine(call, client, plan)
          : `Routing request ${call.id} to ${endpoint.url} (attempt ${attempt}/${maxAttempts})`,
      );
      if (logsReasons) log.debug(`Request ${call.id} goes to ${endpoint.url}: ${reason}`);
      onRouted?.({ ...plan, requestId: call.id, model, attempt });
      try {
        return await ask(begin({ call, client, model, endpoint, plan }), message, waited);
      } catch (error) {
        if (!isEngineFailure(error)) throw error;
        log.warning(
          `Request ${call.id} failed on ${endpoint.url} (attempt ${attempt}/${maxAttempts}): ${describeError(error)}`,
        );
        narrowing.except.add(endpoint.id);
        const isLast = attempt === maxAttempts || !fleet.candidates(model, narrowing);
        if (isLast || !mayTryElsewhere(error, call)) throw error;
        metrics.retried(model);
      }
    }
  };
};

const once = <Result>(find: () => Result): (() => Result) => {
  let found: { readonly result: Result } | undefined;
  return () => (found ??= { result: find() }).result;
};

/** Whether another engine may be asked: nothing was answered, and asking twice does no harm. */
const mayTryElsewhere = (failure: RouterError, call: Call): boolean =>
  call.isReplaySafe || failure.code === "upstream_unreachable";
