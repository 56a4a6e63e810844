/** How well a discovery that follows a cluster knows it. */
export interface DiscoveryStatus {
  /** Whether there has been a list of what there is. */
  readonly isSynced: boolean;
  /** Time since the cluster last said anything; absent while it never has. */
  readonly staleMs?: number | undefined;
  /** What keeps it from following the cluster now. */
  readonly error?: string | undefined;
  /** How many engines there are by what keeps them from requests, if anything does. */
  readonly engines: EngineCounts;
}

/** How many engines a cluster has. */
export interface EngineCounts {
  /** Getting requests, unless their health or their sleep forbids it. */
  readonly serving: number;
  /** Ready, and waiting: to tell their models, or to have stayed. */
  readonly waiting: number;
  readonly unready: number;
}
