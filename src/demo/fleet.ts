import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineSend } from "../core/engine-send.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import type { Log } from "../core/log.ts";
import { createMockEngine } from "../mock-engine/engine.ts";
import type { Routed } from "../proxy/forward.ts";
import { createRouter } from "../router.ts";
import type { Role } from "../routing/disaggregated.ts";
import { routingBy } from "../routing/index.ts";

/** One of the simulated engines. */
export interface DemoEngine {
  readonly name: string;
  readonly model: string;
  /** Absent where it does all by itself. */
  readonly role: Role | undefined;
  readonly url: string;
}

/** The engines and the router before them; disposing it ends them all at once. */
export interface DemoFleet extends AsyncDisposable {
  /** Base URL of the router. */
  readonly url: string;
  readonly port: number;
  readonly engines: readonly DemoEngine[];
  /** How an engine is chosen, in a few words. */
  readonly routing: string;
  /** Takes no new requests and resolves when those under way have ended. */
  readonly drain: () => Promise<void>;
}

/** The header that names a user, whose requests stay on one engine. */
export const sessionHeader = "x-user-id";

/** Another name for the model of the third engine. */
export const alias = { name: "smart", model: "qwen3-32b" } as const;

/** The model of the first two engines. */
export const sharedModel = "llama-3.1-8b";

const IDLE_TIMEOUT_SECONDS = 30;

interface FleetOptions {
  /** Port of the router; 0 takes a free one. */
  readonly port: number;
  /** 2 is twice as fast, 0 takes no time. */
  readonly timeScale: number;
  /** Whether of each model one engine prefills and another answers. */
  readonly isDivided: boolean;
}

type Part = Pick<DemoEngine, "model"> & { readonly role?: Role };

/** The engines of a fleet in which each does all by itself, and of one in which they divide the work. */
const whole: readonly Part[] = [{ model: sharedModel }, { model: sharedModel }, { model: alias.model }];
const divided: readonly Part[] = [sharedModel, alias.model].flatMap((model): readonly Part[] => [
  { model, role: "prefill" },
  { model, role: "decode" },
]);

interface FleetDeps {
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly send: EngineSend;
  readonly reach: EngineReach;
  readonly random: () => number;
  readonly log: Log;
  readonly onRouted: (routed: Routed) => void;
}

/**
 * Starts engines of two models and a router that keeps sessions, or has requests divided between two engines each;
 * throws when it cannot listen.
 */
export const startFleet = async (
  { port, timeScale, isDivided }: FleetOptions,
  { clock, fetch, send, reach, random, log, onRouted }: FleetDeps,
): Promise<DemoFleet> => {
  await using parts = new AsyncDisposableStack();
  const engines = (isDivided ? divided : whole).map(({ model, role }, index): DemoEngine => {
    // About the pace of one GPU: 54 tokens a second, and a second for a prompt of 1,000 tokens.
    const pace = { prefillTokensPerSecond: 1000, decodeMs: 18, timeScale };
    const options = {
      ...(role && { role }),
      servedModelName: [model],
      answerTokens: 56,
      seed: index,
      ...pace,
    };
    const { url } = parts.use(createMockEngine(options, { clock, fetch }));
    return { name: `engine ${"ABCD".charAt(index)}`, model, role, url };
  });
  const server = { host: "127.0.0.1", port, maxRequestBodyBytes: 1024 * 1024 };
  const router = parts.use(
    createRouter(
      {
        server: { ...server, idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS },
        leaving: { delayMs: 0, timeoutMs: 0 },
        log: { level: "warning", format: "text" },
        discovery: {
          kind: "static",
          backends: engines.map(({ url, model, role }) => ({
            url,
            models: [model],
            ...(role && { label: role }),
          })),
        },
        aliases: new Map([[alias.name, alias.model]]),
        routing: isDivided
          ? routingBy("disaggregated_prefill_orchestrated", {
              prefillModelLabels: ["prefill"],
              decodeModelLabels: ["decode"],
            })
          : routingBy("session", { sessionKey: sessionHeader }),
        maxReroutes: 0,
        requestStatsWindowSeconds: 60,
        countsStreams: false,
      },
      { clock, fetch, send, reach, random, log, onRouted },
    ),
  );
  const listener = Bun.serve({
    hostname: server.host,
    port,
    idleTimeout: IDLE_TIMEOUT_SECONDS,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    // Otherwise the runtime shares a port that another router already has.
    reusePort: false,
    fetch: router.fetch,
  });
  parts.defer(async () => listener.stop(true));
  const running = parts.move();
  return {
    url: listener.url.origin,
    port: listener.port ?? port,
    engines,
    routing: isDivided ? "disaggregated prefill" : `session routing by ${sessionHeader}`,
    drain: async () => listener.stop(),
    [Symbol.asyncDispose]: async () => running.disposeAsync(),
  };
};
