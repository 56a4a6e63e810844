import type { Clock } from "../core/clock.ts";
import { ApiError } from "./api-error.ts";

/** A model that the engine serves under some name. */
export interface ServedModel {
  /** The name that answers carry. */
  readonly name: string;
  /** Keeps its cached prefixes apart from those of other adapters; empty for the base model. */
  readonly cacheSalt: string;
}

/** The names that an engine answers to: those of its model and its LoRA adapters. */
export interface ModelRegistry {
  /** The model behind a name; an absent name means the base model; throws vLLM's 404 for an unknown one. */
  readonly find: (name: string | null | undefined) => ServedModel;
  readonly has: (adapter: string) => boolean;
  readonly load: (adapter: string, path: string) => void;
  readonly unload: (adapter: string) => boolean;
  /** The answer of `GET /v1/models`. */
  readonly list: () => unknown;
}

/** A registry of `names` without adapters; `newId` names the permissions of its cards. */
export const createModelRegistry = (
  names: readonly string[],
  maxModelLen: number,
  deps: { readonly clock: Clock; readonly newId: () => string },
): ModelRegistry => {
  const base: ServedModel = { name: names[0] ?? "", cacheSalt: "" };
  const adapters = new Map<string, string>();

  const card = (id: string, own: object): unknown => {
    const created = Math.floor(deps.clock.now() / 1000);
    return {
      id,
      object: "model",
      created,
      owned_by: "vllm",
      ...own,
      permission: [
        {
          id: `modelperm-${deps.newId()}`,
          object: "model_permission",
          created,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: "*",
          group: null,
          is_blocking: false,
        },
      ],
    };
  };

  return {
    find: (name) => {
      if (!name || names.includes(name)) return base;
      if (adapters.has(name)) return { name, cacheSalt: `lora ${name}` };
      throw new ApiError(404, `The model \`${name}\` does not exist.`, { param: "model" });
    },
    has: (adapter) => adapters.has(adapter),
    load: (adapter, path) => {
      adapters.set(adapter, path);
    },
    unload: (adapter) => adapters.delete(adapter),
    list: () => ({
      object: "list",
      data: [
        ...names.map((id) => card(id, { root: base.name, parent: null, max_model_len: maxModelLen })),
        ...[...adapters].map(([id, root]) => card(id, { root, parent: base.name, max_model_len: null })),
      ],
    }),
  };
};
