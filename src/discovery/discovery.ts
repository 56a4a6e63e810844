import type { DiscoveryStatus } from "../core/discovery-status.ts";
import type { Endpoint } from "../core/endpoint.ts";

/** Which engines exist, and which models they serve; nothing of health or load. */
export interface Discovery extends AsyncDisposable {
  /** Replaced as a whole when anything changes, never edited: an unchanged array means unchanged engines. */
  readonly endpoints: readonly Endpoint[];
  /** Models that this kind of discovery has ever known: a missing one is then unavailable, not unknown. */
  readonly hasSeen: (model: string) => boolean;
  /** Tells all other routers that an engine sleeps, or no longer does. Never rejects; absent where nobody can be told. */
  readonly markSleeping?: (endpointId: string, isAsleep: boolean) => Promise<void>;
  /** Absent where there is nothing to follow. */
  readonly status?: () => DiscoveryStatus;
}
