import type { Endpoint, ModelCard } from "../core/endpoint.ts";
import type { Flapping } from "./flapping.ts";
import type { EngineObject } from "./engine-object.ts";

/** What is asked while its object is ready. */
interface Engine {
  /** What the prober knows it by. */
  readonly key: string;
  readonly url: string;
  /** Epoch seconds. */
  readonly addedAt: number;
  cards: readonly ModelCard[] | undefined;
}

/** An object of the cluster, and its engine while that may get requests. */
export interface Entry {
  readonly id: string;
  readonly flapping: Flapping;
  object: EngineObject;
  engine: Engine | undefined;
  /** Monotonic milliseconds since when a list that is hard to believe does not hold it. */
  doubtedAt: number | undefined;
}

const countByModel = (endpoints: readonly Endpoint[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { models } of endpoints) {
    for (const model of models) counts.set(model, (counts.get(model) ?? 0) + 1);
  }
  return counts;
};

const endpointOf = ({ id, object, engine }: Entry): Endpoint | undefined => {
  if (!engine?.cards) return undefined;
  const { url, cards, addedAt } = engine;
  const { uid, label } = object;
  const models = cards.map((card) => card.id);
  return { id, instance: uid, url, models, cards, addedAt, ...(label !== undefined && { label }) };
};

/**
 * The endpoints that stand for entries: those that have told their models. Of two with one address the older one
 * has lost it, and nobody has said so yet. One that flaps is left out, unless fewer others
 * are awake for one of its models than flap: the rest could not carry that.
 */
export const endpointsOf = (entries: Iterable<Entry>, asleep: ReadonlySet<string>): readonly Endpoint[] => {
  const byUrl = new Map<string, Entry>();
  for (const entry of entries) {
    if (!entry.engine?.cards) continue;
    const { url } = entry.engine;
    const other = byUrl.get(url);
    if (!other || other.object.createdAt < entry.object.createdAt) byUrl.set(url, entry);
  }
  const steady: Endpoint[] = [];
  const held: Endpoint[] = [];
  for (const entry of byUrl.values()) {
    const endpoint = endpointOf(entry);
    if (endpoint) (entry.flapping.isHeld ? held : steady).push(endpoint);
  }
  if (held.length === 0) return steady;
  const flapping = countByModel(held);
  const awake = countByModel(steady.filter(({ id }) => !asleep.has(id)));
  const isNeeded = ({ models }: Endpoint): boolean =>
    models.some((model) => (awake.get(model) ?? 0) < (flapping.get(model) ?? 0));
  return [...steady, ...held.filter(isNeeded)];
};
