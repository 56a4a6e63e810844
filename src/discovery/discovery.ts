import type { Endpoint } from "../core/endpoint.ts";

/** Which engines exist, and which models they serve; nothing of health or load. */
export interface Discovery extends AsyncDisposable {
  /** Replaced as a whole when anything changes, never edited: an unchanged array means unchanged engines. */
  readonly endpoints: readonly Endpoint[];
  /** Models that this kind of discovery has ever known: a missing one is then unavailable, not unknown. */
  readonly hasSeen: (model: string) => boolean;
}
