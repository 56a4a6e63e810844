import type { EngineSet } from "./engine-set.ts";
import type { Follow, KubernetesOptions } from "./kubernetes.ts";
import { parsePod, readPod } from "./pods.ts";

/** Every pod that is selected is an engine. */
export const followPods = (
  { labelSelector, port }: Pick<KubernetesOptions, "labelSelector" | "port">,
  follow: Follow,
  engines: Pick<EngineSet, "replace" | "see" | "lose">,
) => [
  follow("pods", {
    labelSelector,
    parse: parsePod,
    onChange: (change) => {
      if (change.type === "replaced") engines.replace(change.objects.map((pod) => readPod(pod, port)));
      else if (change.type === "changed") engines.see(readPod(change.object, port));
      else engines.lose(change.object.metadata);
    },
  }),
];
