import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { Endpoint, ModelCard } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import type { Discovery } from "./discovery.ts";
import { fetchModelCards } from "./model-cards.ts";

/** A backend as configured; without models the engine is asked. */
export interface StaticBackend {
  readonly url: string;
  readonly models?: readonly string[];
  readonly label?: string;
}

interface StaticDeps {
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly log: Log;
  /** Sent to engines whose models are asked for. */
  readonly apiKey?: string | undefined;
  /** Engines as they were known before: what one of them answered when it was asked holds until it is asked again. */
  readonly known?: readonly Endpoint[] | undefined;
}

const RETRY_MS = { first: 250, max: 10_000 };
/** How often an engine that answered is asked again: adapters come and go. */
const REFRESH_MS = 30_000;
const ASK_TIMEOUT_MS = 5_000;

// The same engine has the same id in every replica and after every restart.
const idOf = ({ url, label }: StaticBackend): string =>
  Bun.randomUUIDv5(label === undefined ? url : `${url}#${label}`, "url");

const endpointFor = (backend: StaticBackend, addedAt: number, known: Endpoint | undefined): Endpoint => {
  const { url, models, label } = backend;
  return {
    id: idOf(backend),
    url,
    models: models ?? known?.models ?? [],
    addedAt: known?.addedAt ?? addedAt,
    ...(label === undefined ? {} : { label }),
    ...(models === undefined && known?.cards ? { cards: known.cards } : {}),
  };
};

/** Fields that vLLM makes anew for every answer, with a random id and the time of day. */
const VOLATILE: ReadonlySet<string> = new Set(["created", "permission"]);

const lasting = (cards: readonly ModelCard[] | undefined): string | undefined =>
  JSON.stringify(cards, (key, value: unknown) => (VOLATILE.has(key) ? undefined : value));

/** A fixed list of engines. Those without configured models join when their `/v1/models` has answered. */
export const createStaticDiscovery = (
  backends: readonly StaticBackend[],
  { clock, fetch, log, apiKey, known: earlier = [] }: StaticDeps,
): Discovery => {
  const stop = new AbortController();
  const addedAt = Math.floor(clock.now() / 1000);
  const earlierById = new Map(earlier.map((endpoint) => [endpoint.id, endpoint]));
  let all: readonly Endpoint[] = backends.map((backend) =>
    endpointFor(backend, addedAt, earlierById.get(idOf(backend))),
  );
  const seen = new Set(all.flatMap(({ models }) => models));
  let endpoints = all.filter(({ models }) => models.length > 0);

  const learn = (id: string, cards: readonly ModelCard[]): void => {
    const known = all.find((endpoint) => endpoint.id === id);
    if (!known || lasting(known.cards) === lasting(cards)) return;
    const models = cards.map((card) => card.id);
    for (const model of models) seen.add(model);
    all = all.map((endpoint) => (endpoint.id === id ? { ...endpoint, models, cards } : endpoint));
    endpoints = all.filter((endpoint) => endpoint.models.length > 0);
    log.info(`Engine ${known.url} serves ${models.join(", ") || "no model"}`);
  };

  const ask = async ({ id, url }: Endpoint, failures: number): Promise<void> => {
    const deadline = new AbortController();
    using _timer = clock.after(ASK_TIMEOUT_MS, () =>
      deadline.abort(new Error(`no answer in ${ASK_TIMEOUT_MS} ms`)),
    );
    const signal = AbortSignal.any([stop.signal, deadline.signal]);
    let nextMs = REFRESH_MS;
    let nextFailures = 0;
    try {
      learn(id, await fetchModelCards(url, { fetch, apiKey }, signal));
    } catch (error) {
      if (stop.signal.aborted) return;
      // Models once learned stay: whether the engine is alive is for health checks to say.
      nextFailures = failures + 1;
      nextMs = Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.max);
      if (failures === 0) {
        const why = error instanceof Error ? error.message : String(error);
        log.warning(`Engine ${url} does not tell its models (${why}); asking again until it does`);
      }
    }
    const endpoint = all.find((candidate) => candidate.id === id);
    if (endpoint && !stop.signal.aborted) schedule(endpoint, nextMs, nextFailures);
  };

  const timers = new Map<string, Disposable>();
  const asking = new Set<Promise<void>>();
  const start = (endpoint: Endpoint, failures: number): void => {
    const task = ask(endpoint, failures).finally(() => asking.delete(task));
    asking.add(task);
  };
  const schedule = (endpoint: Endpoint, delayMs: number, failures: number): void => {
    timers.set(
      endpoint.id,
      clock.after(delayMs, () => start(endpoint, failures)),
    );
  };

  backends.forEach(({ models }, index) => {
    const endpoint = all[index];
    if (models === undefined && endpoint) start(endpoint, 0);
  });

  return {
    get endpoints() {
      return endpoints;
    },
    hasSeen: (model) => seen.has(model),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("discovery stopped"));
      for (const timer of timers.values()) timer[Symbol.dispose]();
      await Promise.all(asking);
    },
  };
};
