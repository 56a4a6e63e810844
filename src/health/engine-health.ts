import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import { type Checker, createChecker } from "./checker.ts";
import type { Health } from "./health.ts";
import type { ModelType } from "./payloads.ts";
import { probeLiveness, probeModel } from "./probes.ts";

interface Check {
  readonly intervalMs: number;
  /** Time that one probe may take. */
  readonly timeoutMs: number;
  /** Probes in a row that exclude, and that include again. */
  readonly thresholds: { readonly fall: number; readonly rise: number };
}

interface LivenessCheck extends Check {
  readonly path: string;
}

/** Which checks there are, and how often; a kind that is absent is off. */
export interface HealthOptions {
  /** A light request to every engine. */
  readonly liveness?: LivenessCheck | undefined;
  /** A real request to every model whose type is known. */
  readonly models?: Check | undefined;
}

/** What gets no requests. */
export interface Excluded {
  /** Ids of engines. */
  readonly engines: ReadonlySet<string>;
  /** Keys of models on an engine, as `modelKey` makes them. */
  readonly models: ReadonlySet<string>;
}

/** Which engines can serve, as the probes say. */
export interface EngineHealth extends AsyncDisposable {
  /** Replaced whole by every change: the same object means that nothing changed. */
  readonly excluded: Excluded;
  /** Has an engine probed at once to which a request could make no connection. */
  readonly suspect: (endpointId: string) => void;
}

interface HealthDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch: EngineFetch;
  readonly reach: EngineReach;
  /** From 0, below 1. */
  readonly random: () => number;
  /** Sent with every probe. */
  readonly apiKey?: string | undefined;
  readonly endpoints: () => readonly Endpoint[];
  /** A sleeping engine is asked for no model. */
  readonly isSleeping: (endpointId: string) => boolean;
  readonly typeOf: (endpoint: Endpoint, model: string) => ModelType | undefined;
  /** Monotonic milliseconds at which bytes of an answer last came from an engine. */
  readonly lastDataAt: (endpointId: string) => number | undefined;
  /** Monotonic milliseconds at which an engine was let in again, otherwise than by probes, that is in. */
  readonly returnedAt?: ((endpointId: string) => number | undefined) | undefined;
  /** Told of every light probe that an engine answered over a fresh connection. */
  readonly onReached?: ((endpointId: string) => void) | undefined;
  /** What is known already, by engine and model; outlives the checks where the lender keeps it. */
  readonly states: Map<string, Health>;
}

/** An engine that sent anything so recently is busy rather than dead, while its host takes connections. */
const BUSY_MS = 10_000;

/** Names a model on an engine; no engine's id looks like it. */
export const modelKey = (endpointId: string, model: string): string => `${endpointId} ${model}`;

/** Starts the checks; an exclusion is one warning, and its end one line of information. */
export const createEngineHealth = ({ liveness, models }: HealthOptions, deps: HealthDeps): EngineHealth => {
  const { clock, log, fetch, reach, apiKey, endpoints, isSleeping, typeOf, lastDataAt, states } = deps;
  const { returnedAt, onReached } = deps;
  const parts = new AsyncDisposableStack();

  const isBusy = async (
    { id, url }: { readonly id: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<boolean> => {
    const dataAt = lastDataAt(id);
    return dataAt !== undefined && clock.monotonic() - dataAt < BUSY_MS && (await reach(url, signal));
  };

  const watchEngines = ({ path, ...check }: LivenessCheck): Checker => {
    const probe = probeLiveness(path, { fetch, apiKey });
    return createChecker(
      {
        ...check,
        states,
        targets: () => endpoints().map(({ id, url }) => ({ key: id, id, url })),
        probe: async (target, signal) => {
          const finding = await probe(target, signal);
          if (finding.verdict === "pass") onReached?.(target.id);
          return finding;
        },
        returnedAt: ({ id }) => returnedAt?.(id),
        isBusy,
        onChange: ({ url }, isUp, reason) => {
          if (isUp) log.info(`Engine ${url} is healthy again and gets requests`);
          else log.warning(`Engine ${url} is unhealthy and gets no requests until it recovers: ${reason}`);
        },
      },
      deps,
    );
  };

  const ofEngines = liveness && parts.use(watchEngines(liveness));

  const servedModels = () =>
    endpoints().flatMap((endpoint) => {
      const { id, url } = endpoint;
      // Neither could answer, which is known without a warning for each of its models.
      if (isSleeping(id) || ofEngines?.down.has(id)) return [];
      return endpoint.models.flatMap((model) => {
        const type = typeOf(endpoint, model);
        return type === undefined ? [] : [{ key: modelKey(id, model), id, url, model, type }];
      });
    });

  const watchModels = (check: Check): Checker =>
    createChecker(
      {
        ...check,
        states,
        targets: servedModels,
        probe: probeModel({ fetch, apiKey }),
        isBusy,
        onChange: ({ url, model }, isUp, reason) => {
          const what = `Model ${model} on ${url}`;
          if (isUp) log.info(`${what} is healthy again and gets requests`);
          else log.warning(`${what} is unhealthy and gets no requests until it recovers: ${reason}`);
        },
      },
      deps,
    );

  const ofModels = models && parts.use(watchModels(models));
  const none: ReadonlySet<string> = new Set();
  let excluded: Excluded = { engines: none, models: none };

  return {
    get excluded() {
      const engines = ofEngines?.down ?? none;
      const down = ofModels?.down ?? none;
      if (excluded.engines !== engines || excluded.models !== down) excluded = { engines, models: down };
      return excluded;
    },
    suspect: (endpointId) => ofEngines?.suspect(endpointId),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
