import * as v from "valibot";
import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { Log } from "../core/log.ts";
import { ApiError } from "./api-error.ts";
import { audioRoutes } from "./audio.ts";
import { chatRoute } from "./chat.ts";
import { completionsRoute } from "./completions.ts";
import { controlRoutes } from "./control.ts";
import { createDispatch } from "./dispatch.ts";
import { embeddingRoutes } from "./embeddings.ts";
import { createEngineLoop } from "./engine-loop.ts";
import { createEngineStats } from "./engine-stats.ts";
import { createFaultPlan, type FaultRule } from "./fault-plan.ts";
import { answerWithFault, faultHeader, parseFault } from "./faults.ts";
import { createHttpServer, type HttpHandler } from "./http-server.ts";
import { messagesRoutes } from "./messages.ts";
import { createModelRegistry } from "./models.ts";
import { defaultMockEngineConfig, type MockEngineConfig } from "./options.ts";
import type { EngineParts, Routes } from "./parts.ts";
import { createRecorder, type ReceivedRequest } from "./recorder.ts";
import { sendError, sendJson, sendNothing } from "./reply.ts";
import { readBody } from "./request-body.ts";
import { responsesRoute } from "./responses.ts";
import { createScheduler } from "./scheduler.ts";
import { scoringRoutes } from "./scoring.ts";
import { serverRoutes } from "./server-routes.ts";
import { tokenizationRoutes } from "./tokenization.ts";
import { hashOf } from "./tokens.ts";
import { createTransfers } from "./transfers.ts";

/** What an engine can tell of itself, for tests; `GET /mock/state` answers with the same. */
export interface MockEngineState {
  readonly running: number;
  readonly waiting: number;
  /** Sequences that were ended early: the client left, or the engine went to sleep. */
  readonly aborted: number;
  /** Sequences that came to their end. */
  readonly finished: number;
  readonly kvCacheUsage: number;
  readonly connections: number;
  /** Bytes of answers that clients have not taken yet. */
  readonly bufferedBytes: number;
  /** Prompts that it has computed for others, which have not fetched them. */
  readonly keptPrompts: number;
  /** Requests since the start, those under `/mock` left out. */
  readonly received: number;
  /** The latest 256 of them, oldest first. */
  readonly requests: readonly ReceivedRequest[];
}

/** A simulated vLLM engine that listens; disposing it closes every connection. */
export interface MockEngine extends AsyncDisposable {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly state: () => MockEngineState;
  /** Puts a fault such as `reset-after=100` into coming answers, or ends that; as `POST /mock/fault` does. */
  readonly setFault: (
    fault: string | undefined,
    options?: { every?: number; scope?: FaultRule["scope"] },
  ) => void;
}

const keptRequests = 256;

/** A source of 32 hex digits that differ from call to call and from engine to engine, without randomness. */
const createIdSource = (seed: number, port: () => number): (() => string) => {
  let count = 0;
  return () => {
    count += 1;
    const hex = (salt: number): string => hashOf([salt, seed, port(), count]).toString(16).padStart(13, "0");
    return `${hex(0)}${hex(1)}${count.toString(16).padStart(6, "0")}`.slice(0, 32);
  };
};

const faultRequest = v.object({
  fault: v.optional(v.string()),
  every: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  scope: v.optional(v.picklist(["inference", "all"])),
});

/** Starts an engine; options that are not given have the defaults of `mockEngineOptions`, but port 0. */
export const createMockEngine = (
  options: Partial<MockEngineConfig>,
  deps: {
    readonly clock: Clock;
    readonly log?: Pick<Log, "error">;
    /** How an engine that decodes asks one that prefilled. */
    readonly fetch?: EngineFetch;
  },
): MockEngine => {
  const { clock, log } = deps;
  const given: MockEngineConfig = { ...defaultMockEngineConfig(), port: 0, ...options };
  const capacity = (given.numGpuBlocks - 1) * given.blockSize;
  const config: MockEngineConfig = { ...given, maxModelLen: Math.min(given.maxModelLen, capacity) };

  const scheduler = createScheduler(config);
  const stats = createEngineStats(config.maxModelLen);
  const loop = createEngineLoop(scheduler, config.timeScale, { clock, observer: stats });
  const recorder = createRecorder(keptRequests);
  const newId = createIdSource(config.seed, () => server.port);
  const models = createModelRegistry(config.servedModelName, config.maxModelLen, { clock, newId });
  const { role, host: address, blockSize } = config;
  const transfers = createTransfers(
    { role, host: address, port: () => server.port, blockSize },
    { fetch: deps.fetch, newId },
  );
  const parts: EngineParts = { config, clock, models, loop, stats, transfers, newId };

  const state = (): MockEngineState => ({
    running: scheduler.running(),
    waiting: scheduler.waiting(),
    aborted: stats.finished("abort"),
    finished: stats.finished("stop") + stats.finished("length"),
    kvCacheUsage: scheduler.usage(),
    connections: server.connections(),
    bufferedBytes: server.bufferedBytes(),
    keptPrompts: transfers.kept(),
    received: recorder.total(),
    requests: recorder.latest(),
  });
  const setFault: MockEngine["setFault"] = (fault, rule) =>
    faults.set(
      fault === undefined
        ? undefined
        : { fault: parseFault(fault), every: rule?.every ?? 1, scope: rule?.scope ?? "inference" },
    );

  const inference: Routes = {
    "POST /v1/chat/completions": chatRoute(parts),
    "POST /v1/completions": completionsRoute(parts),
    "POST /v1/responses": responsesRoute(parts),
    ...messagesRoutes(parts),
    ...embeddingRoutes(parts),
    ...scoringRoutes(parts),
    ...tokenizationRoutes(parts),
    ...audioRoutes(parts),
  };
  const load = (): number => scheduler.running() + scheduler.waiting();
  const routes: Routes = {
    ...inference,
    ...serverRoutes(parts, { scheduler, startedAtMs: clock.now(), load }),
    ...controlRoutes(parts, { scheduler }),
    ...transfers.routes,
    "GET /mock/state": (_request, reply) => sendJson(reply, 200, state()),
    "POST /mock/fault": (request, reply) => {
      const { fault, every, scope } = readBody(request, faultRequest);
      try {
        setFault(fault, { every: every ?? 1, scope: scope ?? "inference" });
      } catch (error) {
        throw error instanceof RangeError ? new ApiError(400, error.message, { param: "fault" }) : error;
      }
      sendNothing(reply);
    },
  };
  const faults = createFaultPlan(
    config.fault && { fault: config.fault, every: config.faultEvery, scope: config.faultScope },
    ({ method, path }) => `${method} ${path}` in inference,
  );
  const dispatch = createDispatch(routes, {
    apiKey: config.apiKey,
    newRequestId: config.enableRequestIdHeaders ? newId : undefined,
    onDefect: (error) => log?.error(`mock engine: ${error instanceof Error ? error.stack : String(error)}`),
  });

  const handler: HttpHandler = (request, reply) => {
    if (request.path.startsWith("/mock/")) return dispatch(request, reply);
    recorder.add(request, clock.now());
    const fault = faults.choose(request);
    if (fault === undefined) return dispatch(request, reply);
    if (typeof fault === "string") return sendError(reply, new ApiError(400, fault, { param: faultHeader }));
    answerWithFault(fault, reply, clock, (faulty) => dispatch(request, faulty));
  };

  const server = createHttpServer(
    { hostname: config.host, port: config.port, keepAliveMs: config.keepAliveSeconds * 1000 },
    { clock, handler },
  );
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;

  return {
    url: `http://${host}:${server.port}`,
    port: server.port,
    state,
    setFault,
    [Symbol.asyncDispose]: async () => {
      loop[Symbol.dispose]();
      server[Symbol.dispose]();
    },
  };
};
