import { metricsText } from "./metrics-text.ts";
import type { EngineParts, Routes } from "./parts.ts";
import { send, sendJson, sendNothing } from "./reply.ts";
import type { Scheduler } from "./scheduler.ts";
import { version } from "../version.ts";

/** Health, metrics and what else an engine says of itself. */
export const serverRoutes = (
  parts: EngineParts,
  deps: { readonly scheduler: Scheduler; readonly startedAtMs: number; readonly load: () => number },
): Routes => {
  const { config, stats, models } = parts;
  const metrics = {
    modelName: config.servedModelName[0] ?? "",
    blockSize: config.blockSize,
    numGpuBlocks: config.numGpuBlocks,
    legacyMetrics: config.legacyMetrics,
    createdSeconds: deps.startedAtMs / 1000,
  };
  return {
    "GET /health": (_request, reply) => sendNothing(reply),
    "GET /ping": (_request, reply) => sendNothing(reply),
    "POST /ping": (_request, reply) => sendNothing(reply),
    "GET /version": (_request, reply) => sendJson(reply, 200, { version: `0.0.0+mock.${version}` }),
    "GET /load": (_request, reply) => sendJson(reply, 200, { server_load: deps.load() }),
    "GET /v1/models": (_request, reply) => sendJson(reply, 200, models.list()),
    "GET /metrics": (_request, reply) =>
      send(
        reply,
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        metricsText(metrics, deps.scheduler, stats),
      ),
  };
};
