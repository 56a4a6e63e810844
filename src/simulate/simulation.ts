import { setImmediate } from "node:timers/promises";
import type { SchedulerConfig } from "../mock-engine/scheduler.ts";
import type { SequenceSpec } from "../mock-engine/sequence.ts";
import type { Prompt, RoutePlan, RoutingPolicy, RoutingRequest } from "../routing/policy.ts";
import { createRequestLedger, type Ticket } from "../stats/request-ledger.ts";
import type { FaultEvent } from "./fault-events.ts";
import type { FleetView } from "./fleet-view.ts";
import { createMeter, type Measures } from "./measures.ts";
import { blockHashesOf, bytesOf, createPerfectCache } from "./prompt.ts";
import { createSimulatedFleet, MODEL } from "./simulated-fleet.ts";
import { createTimeline } from "./timeline.ts";
import type { Workload, WorkloadRequest } from "./workloads/workload.ts";

/** Header in which a request carries its session, where its workload knows users. */
export const SESSION_HEADER = "x-session-id";

/** Engines that a request is sent to at most, one after the other as they die before its first token. */
const MAX_ATTEMPTS = 4;
/** How long the ledger looks back, and how often engines are asked: the defaults of the router. */
const WINDOW_MS = 60_000;
const SCRAPE_MS = 10_000;

/** A simulation to be run. */
export interface Scenario {
  readonly workload: Workload;
  /** All with blocks of one size. */
  readonly engines: readonly SchedulerConfig[];
  readonly faults: readonly FaultEvent[];
  readonly ttftLimitMs: number;
  /** Called once, with a view of the engines for those who may see it. */
  readonly createPolicy: (view: FleetView) => RoutingPolicy<RoutePlan>;
}

/** What a simulation is lent. */
export interface SimulationDeps {
  /** Real milliseconds, for what a decision costs. */
  readonly monotonic: () => number;
  /** Ends the simulation early, with an error. */
  readonly signal?: AbortSignal | undefined;
}

/** A request on its way; `sent` is set while an engine has it. */
interface Flight {
  readonly request: WorkloadRequest;
  readonly spec: SequenceSpec;
  readonly failedOn: Set<string>;
  firstMs: number | undefined;
}

const routingRequestOf = ({ session, prompt }: WorkloadRequest, at: number): RoutingRequest => {
  let gathered: Prompt | undefined;
  return {
    model: MODEL,
    headers: new Headers(session === undefined ? {} : { [SESSION_HEADER]: session }),
    at,
    prompt: () => (gathered ??= { root: MODEL, bytes: bytesOf(prompt) }),
    field: (name) => (name === "stream" ? true : undefined),
  };
};

const TASKS_PER_CHECK = 10_000;

/**
 * Plays a workload against simulated engines in virtual time, with a real policy, the real fleet and the real
 * accounting. The same scenario gives the same measures, but for what decisions cost.
 */
export const simulate = async (scenario: Scenario, deps: SimulationDeps): Promise<Measures> => {
  const { workload, engines, faults, ttftLimitMs, createPolicy } = scenario;
  const { monotonic, signal } = deps;
  const blockSize = engines[0]?.blockSize ?? 16;
  const timeline = createTimeline();
  const meter = createMeter(ttftLimitMs);
  const ledger = createRequestLedger({ windowMs: WINDOW_MS }, { clock: timeline });
  const simulated = createSimulatedFleet(engines, {
    timeline,
    ledger,
    onGap: meter.gap,
    onServing: (ids) => policy.keepOnly?.(ids),
  });
  const { members, fleet } = simulated;
  const perfect = createPerfectCache();
  const arrivals = workload.arrivals[Symbol.iterator]();
  /** Requests that are on their way, or will be. */
  let open = 0;
  let lastEndMs = 0;
  let deciding: SequenceSpec = { promptTokens: 0, outputTokens: 0, blockHashes: [] };
  /** Decisions for which a policy takes its time: nothing else happens meanwhile. */
  const decisions: Promise<void>[] = [];

  const memberOf = (id: string) => {
    const member = members.get(id);
    if (!member) throw new Error(`the policy chose ${id}, which was no candidate`);
    return member;
  };

  const policy = createPolicy({
    request: () => deciding,
    blockSize,
    cachedTokens: (id) => memberOf(id).engine.cachedTokens(deciding),
    prefillTokens: (id) => memberOf(id).engine.prefillTokens("whole prompts"),
    prefillLeftMs: (id) => {
      const { engine, config } = memberOf(id);
      const laterMs = (1000 * engine.prefillTokens("later steps")) / config.prefillTokensPerSecond;
      return engine.stepLeftMs() + laterMs;
    },
    prefillTokensPerSecond: (id) => memberOf(id).config.prefillTokensPerSecond,
    stats: (id) => memberOf(id).engine.stats(),
    decoding: (id) => memberOf(id).engine.decoding(),
    usedBlocks: (id) => {
      const { kvCacheUsage = 0, blockCount = 0 } = memberOf(id).engine.stats();
      return Math.round(kvCacheUsage * blockCount);
    },
  });

  const expect = (request: WorkloadRequest, then?: () => void): void => {
    open += 1;
    timeline.at(request.atMs, () => {
      arrive(request);
      then?.();
    });
  };

  const end = ({ request }: Flight): void => {
    open -= 1;
    lastEndMs = timeline.monotonic();
    if (request.answerId !== undefined) {
      perfect.learn([...request.prompt, { id: request.answerId, tokens: request.outputTokens }]);
    }
    const next = workload.next?.(request, lastEndMs);
    if (next) expect(next);
  };

  const send = (flight: Flight, plan: RoutePlan): void => {
    if (plan.kind !== "single") throw new TypeError("no simulated engine prefills for another");
    const { endpoint, watcher } = plan;
    const { request, spec } = flight;
    const ticket: Ticket = ledger.begin(endpoint.id, undefined, watcher);
    let cached: number | undefined;
    const isTaken = memberOf(endpoint.id).engine.submit(spec, {
      firstToken: (cachedTokens) => {
        cached = cachedTokens;
        flight.firstMs = timeline.monotonic();
        ticket.firstByte(true);
      },
      ended: (outcome) => {
        if (outcome === "done") {
          ticket.tokens({ input: spec.promptTokens, output: spec.outputTokens, cached });
        }
        ticket.end(outcome);
        if (outcome === "done") {
          const nowMs = timeline.monotonic();
          meter.finished((flight.firstMs ?? nowMs) - request.atMs, nowMs - request.atMs, spec.outputTokens);
          end(flight);
        } else if (flight.firstMs === undefined) {
          flight.failedOn.add(endpoint.id);
          route(flight);
        } else {
          meter.failed();
          end(flight);
        }
      },
    });
    if (isTaken) return;
    ticket.end("refused");
    meter.refused();
    end(flight);
  };

  const route = (flight: Flight): void => {
    const except = flight.failedOn;
    const candidates = except.size < MAX_ATTEMPTS ? fleet.candidates(MODEL, { except }) : undefined;
    if (!candidates) {
      meter.failed();
      end(flight);
      return;
    }
    deciding = flight.spec;
    const request = routingRequestOf(flight.request, timeline.monotonic());
    const begunAt = monotonic();
    const plan = policy.plan(request, candidates);
    if (plan instanceof Promise) {
      const decided = plan.then((chosen) => {
        meter.decided(monotonic() - begunAt);
        send(flight, chosen);
      });
      decisions.push(decided);
      return;
    }
    meter.decided(monotonic() - begunAt);
    send(flight, plan);
  };

  const arrive = (request: WorkloadRequest): void => {
    const { prompt, promptTokens, outputTokens, answerId } = request;
    const whole = answerId === undefined ? prompt : [...prompt, { id: answerId, tokens: outputTokens }];
    // The engine always computes the last token, and finds whole blocks only.
    const reusable = Math.min(perfect.match(prompt), promptTokens - 1);
    meter.arrived(promptTokens, reusable - (reusable % blockSize));
    perfect.learn(prompt);
    const blockHashes = blockHashesOf(whole, blockSize);
    const spec: SequenceSpec = { promptTokens, outputTokens, blockHashes };
    route({ request, spec, failedOn: new Set(), firstMs: undefined });
  };

  const takeArrival = (): void => {
    const { value, done } = arrivals.next();
    if (done !== true) expect(value, takeArrival);
  };

  const scrape = (): void => {
    simulated.scrape();
    if (open > 0) timeline.after(SCRAPE_MS, scrape);
  };

  for (const event of faults) timeline.at(event.atMs, () => simulated.suffer(event));
  takeArrival();
  scrape();
  let tasks = 0;
  for (let task = timeline.next(); task; task = timeline.next()) {
    task();
    for (let next = decisions.shift(); next; next = decisions.shift()) await next;
    tasks += 1;
    if (tasks % TASKS_PER_CHECK > 0) continue;
    // The process hears of signals only between turns of its event loop.
    await setImmediate();
    signal?.throwIfAborted();
  }
  return meter.measures(
    [...members.values()].map(({ engine }) => engine.totals()),
    lastEndMs,
  );
};
