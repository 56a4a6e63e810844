import type { Clock } from "./core/clock.ts";
import type { EngineFetch } from "./core/engine-fetch.ts";
import type { EngineReach } from "./core/engine-reach.ts";
import type { EngineSend } from "./core/engine-send.ts";
import type { ReadHost } from "./core/host-usage.ts";
import type { Log } from "./core/log.ts";
import type { ReadMemory } from "./core/memory-use.ts";
import type { ReloadStatus } from "./core/reload-status.ts";
import type { SampleTrace } from "./core/request-trace.ts";
import type { createEngines } from "./engines.ts";
import type { App } from "./http/app.ts";
import type { KubeApi } from "./kubernetes/api.ts";
import type { MetricsState } from "./metrics/registry.ts";
import type { Routed } from "./proxy/forward.ts";
import type { RoutePlan, RoutingPolicy } from "./routing/policy.ts";
import type { Sharing } from "./sharing.ts";

/** Everything impure that a router is lent; it outlives the router. */
export interface RouterPlatform {
  readonly clock: Clock;
  readonly log: Log;
  /** Where it is told what becomes of keys and memory; `log` where absent. */
  readonly watchLog?: Log | undefined;
  readonly fetch: EngineFetch;
  /** Sends what is forwarded; `fetch` does where it is absent. */
  readonly send?: EngineSend | undefined;
  readonly reach: EngineReach;
  /** From 0, below 1. */
  readonly random: () => number;
  /** Whether the process is ending; never where it is not lent. */
  readonly isDraining?: (() => boolean) | undefined;
  /** What came of changes of the configuration file; absent where none is followed. */
  readonly reloadStatus?: (() => ReloadStatus) | undefined;
  /** The API server of the cluster; needed where engines are found in one. */
  readonly kubernetes?: KubeApi | undefined;
  /** Told of failures that only a person can end. */
  readonly onFailure?: ((error: Error) => void) | undefined;
  /** Absent where nobody wants to know how busy the machine is. */
  readonly readHost?: ReadHost | undefined;
  /** Lines of the log that were dropped until now; absent where nobody counts them. */
  readonly droppedLines?: (() => number) | undefined;
  /** Absent where the process has all of the memory, or nobody cares. */
  readonly readMemory?: ReadMemory | undefined;
  /** Has garbage collected; nothing where it is not lent. */
  readonly collect?: (() => void) | undefined;
  /** Absent where no request is traced. */
  readonly sampleTrace?: SampleTrace | undefined;
  /** Adds to the policy whoever writes down what it is asked; absent where nobody does. */
  readonly record?: ((policy: RoutingPolicy<RoutePlan>) => RoutingPolicy<RoutePlan>) | undefined;
  /** What this thread shares with others that serve; absent where there are none. */
  readonly sharing?: Sharing | undefined;
  /** What finds and checks engines, where it is not this router itself that does. */
  readonly createEngines?: typeof createEngines | undefined;
  /** What other threads have counted of these servers, where there are others. */
  readonly othersCounted?: ((servers: ReadonlySet<string>) => Promise<readonly MetricsState[]>) | undefined;
  /** Answers what is not forwarded, where it is not this router itself that does. */
  readonly elsewhere?: App["fetch"] | undefined;
  /** Told which engine was chosen for a request and why; the demo shows it. */
  readonly onRouted?: ((routed: Routed) => void) | undefined;
}
