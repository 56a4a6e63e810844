import { noLimits } from "../core/deadline-limits.ts";
import type { Log } from "../core/log.ts";
import type { MetricsState } from "../metrics/registry.ts";
import { createReadBody } from "../proxy/body.ts";
import type { RouterLegacy } from "../router-legacy.ts";
import type { RouterPlatform } from "../router-platform.ts";
import { createRouter, type Router } from "../router.ts";
import { createAsking } from "../workers/asking.ts";
import { followView, type ViewChange } from "../workers/engine-view.ts";
import { followEngines } from "../workers/followed-engines.ts";
import type { FromWorker, Next, Told, WorkerSetup } from "../workers/messages.ts";

interface WorkerRouterDeps extends Pick<
  RouterPlatform,
  | "clock"
  | "log"
  | "fetch"
  | "send"
  | "reach"
  | "random"
  | "readMemory"
  | "collect"
  | "isDraining"
  | "sampleTrace"
> {
  readonly post: (message: FromWorker) => void;
}

/** The router of a worker, by what the control plane says. */
export interface WorkerRouter extends Pick<Router, "fetch" | "cut" | "lookAtKeys"> {
  /** Something is known of engines; perhaps with a configuration for the requests that come from now on. */
  readonly apply: (change: ViewChange, next?: Next) => void;
  /** The control plane has answered. */
  readonly told: (answer: Told) => void;
  readonly counted: (servers: ReadonlySet<string>) => MetricsState;
}

const silent: Log = {
  debug: () => {},
  info: () => {},
  infoBlock: () => {},
  warning: () => {},
  error: () => {},
  isEnabled: () => false,
};

/** A router that forwards by what it is told of engines, and asks the control plane for everything else. */
export const createWorkerRouter = (
  { row, view: known, ...first }: Pick<WorkerSetup, "row" | "view" | keyof Next>,
  { post, ...lent }: WorkerRouterDeps,
): WorkerRouter => {
  const view = followView(known);
  const createEngines = followEngines({
    view,
    suspect: (endpointId) => post({ kind: "suspect", endpointId }),
  });
  const asking = createAsking({
    ask: (asked) => post({ kind: "ask", asked }),
    leave: (id) => post({ kind: "left", id }),
  });
  const create = ({ config, memory }: Next, previous?: RouterLegacy): Router => {
    const sharing = { memory, seat: { row, slotOf: view.slotOf } };
    const { bodyMs } = config.deadlines ?? noLimits;
    const readBody = createReadBody(bodyMs, lent);
    const elsewhere = asking.by({ readBody, maxBodyBytes: config.server.maxRequestBodyBytes });
    // The control plane looks after keys and memory as well, and tells of it.
    return createRouter(config, { ...lent, sharing, watchLog: silent, createEngines, elsewhere }, previous);
  };
  let router = create(first);

  return {
    fetch: (request, server) => router.fetch(request, server),
    cut: () => router.cut(),
    lookAtKeys: async () => router.lookAtKeys(),
    apply: (change, next) => {
      view.apply(change);
      if (!next) return;
      const old = router;
      router = create(next, old.legacy());
      void old[Symbol.asyncDispose]();
    },
    told: asking.told,
    counted: (servers) => router.legacy().metrics.state(servers),
  };
};
