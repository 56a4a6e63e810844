import type { Answer } from "../core/answer.ts";
import type { EngineRoom } from "../admission/engine-room.ts";
import type { AnswerFields } from "../core/answer-fields.ts";
import type { Clock } from "../core/clock.ts";
import type { DeadlineLimits } from "../core/deadline-limits.ts";
import type { EngineSend } from "../core/engine-send.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import { describeError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { EngineGroup, Narrowing } from "../fleet/engine-group.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { RoutePlan, RoutingPolicy, SinglePlan } from "../routing/policy.ts";
import type { RequestLedger } from "../stats/request-ledger.ts";
import { createAsk, type Message, type Outcome } from "./ask.ts";
import { type Attempt, createAttempts } from "./attempt.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import { createDeadEnds } from "./dead-ends.ts";
import { createDeadlines } from "./deadlines.ts";
import { createFailover, type Failover } from "./failover.ts";
import type { Prefill, Prefilled } from "./handover.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { createRespond, type Respond } from "./respond.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { routingLine } from "./routing-log.ts";
import { askForUsage } from "./usage-request.ts";

/** Sends a call to an engine and its answer back. */
export type Forward = (call: Call, client: Client) => Promise<Response>;

/** A choice that was made for a request; one for each attempt. */
export interface Routed extends SinglePlan {
  readonly requestId: string;
  /** The model that is served, an alias resolved. */
  readonly model: string;
  /** From 1. */
  readonly attempt: number;
}

/** What requests need of a router's parts. */
export interface ForwardDeps {
  readonly fleet: EngineGroup;
  readonly policy: RoutingPolicy<RoutePlan>;
  /** Needed by a policy whose plans ask for it. */
  readonly prefill?: Prefill | undefined;
  /** What becomes of an answer; it goes to the client where absent. */
  readonly respond?: ((attempt: Attempt, answer: Answer) => Response) | undefined;
  readonly requests: RequestLedger;
  readonly metrics: RouterMetrics;
  readonly answerFields: AnswerFields;
  readonly aliases: ReadonlyMap<string, string>;
  /** Whether streams are asked for their usage where the client does not want it. */
  readonly countsStreams: boolean;
  /** Attempts that are made for one request at most. */
  readonly maxAttempts: number;
  readonly budget: RetryBudget;
  readonly limits: DeadlineLimits;
  readonly requestHeaders: RequestHeaders;
  /** Absent where every engine has room for all. */
  readonly room?: EngineRoom | undefined;
  readonly send: EngineSend;
  readonly reach: EngineReach;
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Told of every choice before the request is sent. */
  readonly onRouted?: ((routed: Routed) => void) | undefined;
}

type Made = Outcome & { readonly attempt: Attempt };

/** How much a client learns from it: more from what an engine says than from its silence, and least where none was reached. */
const telling = ({ answer, failure }: Outcome): number => (answer ? 2 : failure === "unsent" ? 0 : 1);

const describe = ({ answer, error }: Outcome): string =>
  answer ? `The engine answered with status ${answer.status}.` : describeError(error);

/** Creates the hot path: choose an engine, send, wait for its first bytes, relay; again elsewhere if it fails before. */
export const createForward = (deps: ForwardDeps): Forward => {
  const { requests, room, prefill, budget } = deps;
  const { fleet, policy, metrics, aliases, countsStreams, maxAttempts, clock, log, onRouted } = deps;
  const deadlines = createDeadlines(deps.limits, { ...deps, isLeftBehind: fleet.isLeftBehind });
  const begin = createAttempts({ ...deps, deadlines });
  const deadEnds = createDeadEnds();
  const failOver = createFailover({ ...deps, deadEnds });
  const ask = createAsk({ ...deps, deadlines, deadEnds });
  const respond: Respond = deps.respond ?? createRespond({ ...deps, deadlines });
  const logsReasons = log.isEnabled("debug");

  const firstLine = (call: Call, since: number, { endpoint, sessionId }: SinglePlan): string =>
    routingLine({
      requestId: call.id,
      sessionId,
      url: endpoint.url,
      epochMs: clock.now(),
      elapsedMs: clock.monotonic() - since,
    });

  const modelOf = (call: Call): string => {
    const named = call.model ?? fleet.onlyModel();
    if (named !== undefined) return aliases.get(named) ?? named;
    throw new RouterError(
      "invalid_request",
      "Invalid request: missing 'model' in the query (?model=<name>).",
    );
  };

  const announce = (plan: SinglePlan, call: Call, since: number, number: number): void => {
    const { url } = plan.endpoint;
    log.info(
      number === 1
        ? firstLine(call, since, plan)
        : `Routing request ${call.id} to ${url} (attempt ${number}/${maxAttempts})`,
    );
    if (logsReasons) log.debug(`Request ${call.id} goes to ${url}: ${plan.reason}`);
  };

  /** The last word on a request that failed; where trying again is pointless it says so to the client's library. */
  const conclude = ({ attempt, answer, error }: Made, engineMs: number, isPointless: boolean): Response => {
    if (!answer)
      throw isPointless ? new RouterError(error.code, error.message, { cause: error, isPointless }) : error;
    const response = respond(attempt, answer, engineMs);
    if (isPointless) response.headers.set("x-should-retry", "false");
    return response;
  };

  const drawIn = (
    { among }: EngineRoom,
    model: string,
    narrowing: Narrowing,
    { client, isAgain }: { readonly client: Client; readonly isAgain: boolean },
  ) => among(() => fleet.draw(model, narrowing), client, isAgain);

  return async (call, client) => {
    const model = modelOf(call);
    metrics.arrived(model, fleet.hasSeen(model) ? "served" : fleet.isEmpty() ? "wanted" : "unknown");
    budget.arrived(client.arrivedAt);
    const { headers, field } = call;
    const prompt = once(() => call.prompt(model));
    const { path, body } = call.messageFor(model);
    const asking = countsStreams && body ? askForUsage(body, path, field) : undefined;
    const hidesUsage = asking !== undefined;
    const fields = deps.requestHeaders({ id: call.id, headers, address: client.address() });
    if (hidesUsage) fields["accept-encoding"] = "identity";
    const message: Message = { path, body: asking ?? body, method: call.method, headers: fields };

    let engineMs = 0;
    let failover: Failover | undefined;
    let last: Made | undefined;

    let prefilled: Prefilled | undefined;
    let isAgain = false;
    for (let number = 1; ;) {
      const narrowing = failover?.narrowing ?? { only: call.engineId };
      const drawn = room ? drawIn(room, model, narrowing, { client, isAgain }) : fleet.draw(model, narrowing);
      const candidates = drawn instanceof Promise ? await drawn : drawn;
      if (!candidates) throw fleet.missing(model);
      const canPrefill = prefill !== undefined && !prefilled && prefill.isPossible(call);
      const at = clock.monotonic();
      const planned = policy.plan({ model, headers, field, prompt, at, canPrefill }, candidates);
      // Requests that come at once are each planned with the one before it under way.
      const plan = planned instanceof Promise ? await planned : planned;
      switch (plan.kind) {
        case "single":
          break;
        case "disaggregated": {
          if (!prefill) throw new TypeError("a policy asks for a prefill that nobody does");
          if (logsReasons) log.debug(`Request ${call.id} is prefilled elsewhere: ${plan.reason}`);
          const done = await prefill.ask(call, client, model);
          if (done instanceof Response) return done;
          engineMs += done.at - at;
          prefilled = done;
          continue;
        }
        default:
          plan satisfies never;
      }
      const sent = prefilled ? { ...message, body: prefilled.bodyOf(message.body) } : message;
      const { endpoint } = plan;
      const place = room?.take({ endpoint, requests: requests.of(endpoint.id) });
      isAgain = room !== undefined && !place;
      if (isAgain) continue;
      // Where another request began to probe it meanwhile, this one chooses among the rest.
      const trial = fleet.begin(endpoint, model, narrowing);
      if (!trial) {
        place?.leave();
        continue;
      }
      announce(plan, call, prefilled?.at ?? client.arrivedAt, number);
      onRouted?.({ ...plan, requestId: call.id, model, attempt: number });

      const attempt = begin({ call, client, model, endpoint, plan, trial, place, hidesUsage });
      const outcome = await ask(attempt, sent, prefilled?.told);
      engineMs += outcome.engineMs;
      failover?.answered();
      const { answer, failure } = outcome;
      if (!failure) return respond(attempt, answer, engineMs);

      log.warning(
        `Request ${call.id} failed on ${endpoint.url} (attempt ${number}/${maxAttempts}): ${describe(outcome)}`,
      );
      if (!last || telling(outcome) >= telling(last)) last = { ...outcome, attempt };
      failover ??= failOver(call, model);
      const next = await failover.after({ endpoint, failure, answer });
      if (next !== "again") return conclude(last, engineMs, next === "pointless");
      // An engine may have taken what there was to fetch, of which the one that computed it keeps nothing then.
      if (failure !== "unsent" && prefilled?.isReusable === false) prefilled = undefined;
      metrics.retried(model);
      number += 1;
    }
  };
};

const once = <Result>(find: () => Result): (() => Result) => {
  let found: { readonly result: Result } | undefined;
  return () => (found ??= { result: find() }).result;
};
