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

/** Whether nobody else serves one of the engine's models. */
const isNeeded = ({ models }: Endpoint, others: readonly Endpoint[]): boolean =>
  models.some((model) => !others.some((other) => other.models.includes(model)));

const endpointOf = ({ id, object, engine }: Entry): Endpoint | undefined => {
  if (!engine?.cards) return undefined;
  const { url, cards, addedAt } = engine;
  const { uid, label } = object;
  const models = cards.map((card) => card.id);
  return { id, instance: uid, url, models, cards, addedAt, ...(label !== undefined && { label }) };
};

/**
 * The endpoints that stand for entries: those that have told their models. Of two with one address the older one
 * has lost it, and nobody has said so yet. One that flaps is left out, unless nobody else serves its models.
 */
export const endpointsOf = (entries: Iterable<Entry>): readonly Endpoint[] => {
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
  return [...steady, ...held.filter((endpoint) => isNeeded(endpoint, steady))];
};
