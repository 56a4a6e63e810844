import { type DeadlineLimits, noLimits } from "../../src/core/deadline-limits.ts";
import { createLog, type WriteLine } from "../../src/core/log.ts";
import type { ConfiguredBackend } from "../../src/config/backends.ts";
import type { ReadMemory } from "../../src/core/memory-use.ts";
import type { Config } from "../../src/config/config.ts";
import { dial } from "../../src/dial.ts";
import { createEngineSend } from "../../src/proxy/engine-send.ts";
import { collectGarbage, engineFetch, engineReach, systemClock, systemRandom } from "../../src/platform.ts";
import type { RouterLegacy } from "../../src/router-legacy.ts";
import { createRouter, type Router } from "../../src/router.ts";
import type { Sharing } from "../../src/sharing.ts";
import { routingBy } from "../../src/routing/index.ts";

/** A router on a real socket in this process. */
export interface TestRouter extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Everything it logged, in order. */
  readonly lines: readonly string[];
  /** Resolves when a line that matches was logged. */
  readonly logged: (pattern: RegExp) => Promise<void>;
  readonly router: Router;
}

interface TestRouterOptions {
  readonly backends: readonly ConfiguredBackend[];
  readonly aliases?: Readonly<Record<string, string>>;
  readonly routing?: Config["routing"];
  readonly maxReroutes?: number;
  /** No limits but those given. */
  readonly deadlines?: Partial<DeadlineLimits>;
  readonly maxRequestBodyBytes?: number;
  readonly idleTimeoutSeconds?: number;
  /** What the configuration says; it listens on the loopback in any case. */
  readonly host?: string;
  /** Metrics and control are on the router's other entrance. */
  readonly admin?: boolean;
  readonly engineApiKey?: string;
  readonly access?: Config["access"];
  readonly trustedProxies?: readonly string[];
  /** No checks unless they are given. */
  readonly health?: Config["health"];
  /** Engines are not judged by their requests unless it is given. */
  readonly outliers?: Config["outliers"];
  /** Engines are not asked for their metrics unless it is given. */
  readonly engineStatsIntervalSeconds?: number;
  readonly logStatsIntervalSeconds?: number;
  readonly countsStreams?: boolean;
  readonly answerFields?: Config["answerFields"];
  readonly isDraining?: () => boolean;
  /** No limit unless it is given. */
  readonly admission?: Config["admission"];
  readonly readMemory?: ReadMemory;
  /** The router is one of several that share their accounts. */
  readonly sharing?: Sharing;
  /** The router takes over from one that knew this. */
  readonly previous?: RouterLegacy;
}

/** Starts a router on a free port; disposing it closes every connection. */
export const startRouter = (options: TestRouterOptions): TestRouter => {
  const lines: string[] = [];
  let waiting: { readonly pattern: RegExp; readonly resolve: () => void }[] = [];
  const write: WriteLine = (_stream, line) => {
    lines.push(line);
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve();
    waiting = waiting.filter(({ pattern }) => !pattern.test(line));
  };
  const log = createLog({ level: "debug", format: "text" }, { clock: systemClock, write });
  const config: Config = {
    server: {
      host: options.host ?? "127.0.0.1",
      port: 0,
      maxRequestBodyBytes: options.maxRequestBodyBytes ?? 8 * 1024 * 1024,
      idleTimeoutSeconds: options.idleTimeoutSeconds ?? 30,
    },
    admin: options.admin ? { host: "127.0.0.1", port: 0 } : undefined,
    leaving: { delayMs: 0, timeoutMs: 0 },
    log: { level: "debug", format: "text" },
    discovery: { kind: "static", backends: options.backends },
    health: options.health,
    outliers: options.outliers,
    aliases: new Map(Object.entries(options.aliases ?? {})),
    routing: options.routing ?? routingBy("roundrobin"),
    maxReroutes: options.maxReroutes ?? 0,
    deadlines: { ...noLimits, ...options.deadlines },
    requestStatsWindowSeconds: 60,
    countsStreams: options.countsStreams ?? false,
    ...(options.answerFields && { answerFields: options.answerFields }),
    engineStatsIntervalSeconds: options.engineStatsIntervalSeconds,
    logStatsIntervalSeconds: options.logStatsIntervalSeconds,
    engineApiKey: options.engineApiKey,
    admission: options.admission,
    access: options.access,
    trustedProxies: options.trustedProxies,
  };
  const router = createRouter(
    config,
    {
      clock: systemClock,
      log,
      fetch: engineFetch,
      send: createEngineSend({ dial, fetch: engineFetch }),
      reach: engineReach,
      random: systemRandom,
      isDraining: options.isDraining,
      readMemory: options.readMemory,
      sharing: options.sharing,
      collect: collectGarbage,
    },
    options.previous,
  );
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: config.server.idleTimeoutSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    fetch: router.fetch,
  });
  const port = server.port ?? 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    lines,
    logged: async (pattern) => {
      if (lines.some((line) => pattern.test(line))) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ pattern, resolve });
      await promise;
    },
    router,
    [Symbol.asyncDispose]: async () => {
      await server.stop(true);
      await router[Symbol.asyncDispose]();
    },
  };
};
