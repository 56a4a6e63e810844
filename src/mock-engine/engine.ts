import type { Clock } from "../core/clock.ts";
import { chatRoute } from "./chat.ts";
import { completionsRoute } from "./completions.ts";
import { createEngineLoop } from "./engine-loop.ts";
import { createEngineStats } from "./engine-stats.ts";
import { createFaultPlan, type FaultRule } from "./fault-plan.ts";
import { answerWithFault, faultHeader, parseFault } from "./faults.ts";
import { headerOf, type HttpRequest } from "./http-message.ts";
import { createHttpServer } from "./http-server.ts";
import { createModelRegistry } from "./models.ts";
import { defaultMockEngineConfig, type MockEngineConfig } from "./options.ts";
import type { EngineParts, Route, Routes } from "./parts.ts";
import { createRecorder, type ReceivedRequest } from "./recorder.ts";
import { sendError, sendJson, type Reply } from "./reply.ts";
import { createScheduler } from "./scheduler.ts";
import { serverRoutes } from "./server-routes.ts";
import { hashTokens } from "./tokens.ts";

/** What an engine can tell of itself, for tests; `GET /mock/state` answers with the same. */
export interface MockEngineState {
  readonly running: number;
  readonly waiting: number;
  /** Sequences whose client left before their end. */
  readonly aborted: number;
  /** Sequences that came to their end. */
  readonly finished: number;
  readonly kvCacheUsage: number;
  readonly connections: number;
  /** Bytes of answers that clients have not taken yet. */
  readonly bufferedBytes: number;
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
    const { all, blocks } = hashTokens([[seed, port(), count]], 2, "id");
    const hex = (value: number): string => value.toString(16).padStart(13, "0");
    return `${hex(all)}${hex(blocks[0] ?? 0)}${count.toString(16).padStart(6, "0")}`.slice(0, 32);
  };
};

/** Starts an engine; options that are not given have the defaults of `mockEngineOptions`, but port 0. */
export const createMockEngine = (
  options: Partial<MockEngineConfig>,
  deps: { readonly clock: Clock },
): MockEngine => {
  const { clock } = deps;
  const given: MockEngineConfig = { ...defaultMockEngineConfig(), port: 0, ...options };
  const capacity = (given.numGpuBlocks - 1) * given.blockSize;
  const config: MockEngineConfig = { ...given, maxModelLen: Math.min(given.maxModelLen, capacity) };

  const scheduler = createScheduler(config);
  const stats = createEngineStats(config.maxModelLen);
  const loop = createEngineLoop(scheduler, config.timeScale, { clock, observer: stats });
  const recorder = createRecorder(keptRequests);
  const faults = createFaultPlan(
    config.fault && { fault: config.fault, every: config.faultEvery, scope: config.faultScope },
  );
  const newId = createIdSource(config.seed, () => server.port);
  const models = createModelRegistry(config.servedModelName, config.maxModelLen, { clock, newId });
  const parts: EngineParts = { config, clock, models, loop, stats, newId };

  const state = (): MockEngineState => ({
    running: scheduler.running(),
    waiting: scheduler.waiting(),
    aborted: stats.finished("abort"),
    finished: stats.finished("stop") + stats.finished("length"),
    kvCacheUsage: scheduler.usage(),
    connections: server.connections(),
    bufferedBytes: server.bufferedBytes(),
    received: recorder.total(),
    requests: recorder.latest(),
  });
  const setFault: MockEngine["setFault"] = (fault, rule) =>
    faults.set(
      fault === undefined
        ? undefined
        : { fault: parseFault(fault), every: rule?.every ?? 1, scope: rule?.scope ?? "inference" },
    );

  const routes: Routes = {
    ...serverRoutes(parts, {
      scheduler,
      startedAtMs: clock.now(),
      load: () => scheduler.running() + scheduler.waiting(),
    }),
    "POST /v1/chat/completions": chatRoute(parts),
    "POST /v1/completions": completionsRoute(parts),
    "GET /mock/state": (_request, reply) => sendJson(reply, 200, state()),
    "POST /mock/fault": (request, reply) => {
      const rule = JSON.parse(request.body.toString()) as {
        fault?: string;
        every?: number;
        scope?: FaultRule["scope"];
      };
      setFault(rule.fault, rule);
      sendJson(reply, 200, {});
    },
  };
  const table = new Map<string, Route>(Object.entries(routes));

  const dispatch = (request: HttpRequest, reply: Reply): void => {
    if (config.apiKey !== undefined && request.path.startsWith("/v1")) {
      if (headerOf(request, "authorization") !== `Bearer ${config.apiKey}`) {
        return sendJson(reply, 401, { error: "Unauthorized" });
      }
    }
    const route = table.get(`${request.method} ${request.path}`);
    if (route) return route(request, reply);
    const allowed = ["GET", "POST"].filter((method) => table.has(`${method} ${request.path}`));
    if (allowed.length === 0) return sendJson(reply, 404, { detail: "Not Found" });
    const body = JSON.stringify({ detail: "Method Not Allowed" });
    reply.head(405, {
      contentType: "application/json",
      length: body.length,
      headers: { allow: allowed.join(", ") },
    });
    reply.write(body);
    reply.end();
  };

  const handler = (request: HttpRequest, reply: Reply): void => {
    if (request.path.startsWith("/mock/")) return dispatch(request, reply);
    recorder.add(request, clock.now());
    const fault = faults.choose(request);
    if (fault === undefined) return dispatch(request, reply);
    if (typeof fault === "string") return sendError(reply, 400, fault, faultHeader);
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
