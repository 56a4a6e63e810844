import { OTHER_MODEL } from "./catalog.ts";
import type { Registry } from "./registry.ts";

/** What is known of the model that a request names: `wanted` where there is no engine at all, so that it may be one. */
export type Standing = "served" | "wanted" | "unknown";

/** Counts of requests as they come. */
export interface Arrivals {
  /** A valid request came. */
  readonly arrived: (model: string, standing: Standing) => void;
}

/** Clients write these names: there is an end to them. */
const MAX_WANTED = 20;
const MAX_NAME = 200;

/**
 * Counts requests by their model, whether or not there is an engine: what scales engines up from zero waits for the
 * name of a model that this router has not seen yet.
 */
export const createArrivals = ({ counter }: Pick<Registry, "counter">): Arrivals => {
  const byModel = new Map<string, ReturnType<typeof counter>>();
  const wanted = new Set<string>();
  const labelOf = (model: string, standing: Standing): string => {
    if (standing === "served" || wanted.has(model)) return model;
    if (standing === "unknown" || wanted.size === MAX_WANTED || model.length > MAX_NAME) return OTHER_MODEL;
    wanted.add(model);
    return model;
  };
  return {
    arrived: (model, standing) => {
      const label = labelOf(model, standing);
      let series = byModel.get(label);
      if (!series)
        byModel.set(label, (series = counter("vllm:num_incoming_requests_total", { model: label })));
      series.add(1);
    },
  };
};
