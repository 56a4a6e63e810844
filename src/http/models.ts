import type { ModelCard } from "../core/endpoint.ts";
import type { Fleet } from "../fleet/fleet.ts";

/** The body of `GET /v1/models`: one card for each model, the first engine's, and one for each alias. */
export const listModels = (
  { endpoints }: Pick<Fleet, "endpoints">,
  aliases: ReadonlyMap<string, string>,
  createdAt: number,
): { readonly object: "list"; readonly data: readonly ModelCard[] } => {
  const cards = new Map<string, ModelCard>();
  const add = (card: ModelCard): void => {
    if (cards.has(card.id)) return;
    const { id } = card;
    const defaults = { id, object: "model", created: createdAt, owned_by: "vllm", root: null, parent: null };
    cards.set(id, { ...defaults, ...card });
  };
  for (const { models, cards: reported = [] } of endpoints) {
    for (const card of reported) add(card);
    for (const id of models) add({ id });
  }
  for (const [alias, model] of aliases) {
    const card = cards.get(model);
    if (card) add({ ...card, id: alias, root: model });
  }
  return { object: "list", data: [...cards.values()] };
};

/** The body of `GET /engines`. */
export const listEngines = ({ endpoints }: Pick<Fleet, "endpoints">) =>
  endpoints.map(({ id, models, addedAt }) => ({ engine_id: id, serving_models: models, created: addedAt }));
