import type { Endpoint, ModelCard } from "../core/endpoint.ts";
import type { Discovery } from "./discovery.ts";
import { createEngineProber, type ProberDeps } from "./engine-prober.ts";

/** A backend as configured; without models the engine is asked. */
export interface StaticBackend {
  readonly url: string;
  readonly models?: readonly string[];
  readonly label?: string;
}

interface StaticDeps extends ProberDeps {
  /** Engines as they were known before: what one of them answered when it was asked holds until it is asked again. */
  readonly known?: readonly Endpoint[] | undefined;
}

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

/** A fixed list of engines. Those without configured models join when their `/v1/models` has answered. */
export const createStaticDiscovery = (
  backends: readonly StaticBackend[],
  { known: earlier = [], ...deps }: StaticDeps,
): Discovery => {
  const addedAt = Math.floor(deps.clock.now() / 1000);
  const earlierById = new Map(earlier.map((endpoint) => [endpoint.id, endpoint]));
  let all: readonly Endpoint[] = backends.map((backend) =>
    endpointFor(backend, addedAt, earlierById.get(idOf(backend))),
  );
  const seen = new Set(all.flatMap(({ models }) => models));
  const answered = () => all.filter(({ models }) => models.length > 0);
  let endpoints = answered();

  const learn = (id: string, cards: readonly ModelCard[]): void => {
    const models = cards.map((card) => card.id);
    for (const model of models) seen.add(model);
    all = all.map((endpoint) => (endpoint.id === id ? { ...endpoint, models, cards } : endpoint));
    endpoints = answered();
  };
  const prober = createEngineProber({ timeoutMs: ASK_TIMEOUT_MS, onCards: learn }, deps);

  backends.forEach(({ models }, index) => {
    const endpoint = all[index];
    if (models === undefined && endpoint) prober.ask({ ...endpoint, key: endpoint.id });
  });

  return {
    get endpoints() {
      return endpoints;
    },
    hasSeen: (model) => seen.has(model),
    [Symbol.asyncDispose]: prober[Symbol.asyncDispose],
  };
};
