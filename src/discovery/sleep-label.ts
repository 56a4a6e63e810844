import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { KubeApi } from "../kubernetes/api.ts";
import { kubeErrorOf } from "../kubernetes/kube-error.ts";

interface SleepLabelDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Log;
}

/** A client waits for it. */
const TIMEOUT_MS = 5000;

/**
 * Sets or takes away the label `sleeping` of the object at a path of the API, by which all routers learn of it.
 * Never rejects: the engine sleeps or wakes whether or not the others know. The same failure is logged once.
 */
export const createSleepLabel = ({ api, clock, log }: SleepLabelDeps) => {
  let told: string | undefined;
  return async (path: string, isAsleep: boolean): Promise<void> => {
    const deadline = new AbortController();
    using _timer = clock.after(TIMEOUT_MS, () =>
      deadline.abort(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)),
    );
    try {
      const response = await api.request({
        method: "PATCH",
        path,
        body: {
          contentType: "application/merge-patch+json",
          json: { metadata: { labels: { sleeping: isAsleep ? "true" : null } } },
        },
        signal: deadline.signal,
      });
      if (!response.ok) throw await kubeErrorOf(response, "patch", path);
      await response.body?.cancel();
      told = undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== told) log.warning(`Other routers do not learn which engines sleep: ${why}`);
      told = why;
    }
  };
};
