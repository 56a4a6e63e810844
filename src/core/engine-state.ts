/** What an engine can be: in service in one of four ways, failing its probes, or put to sleep. */
export const engineStates = ["serving", "slow_start", "ejected", "half_open", "unhealthy", "asleep"] as const;

/** How an engine stands, as a metric names it. */
export type EngineState = (typeof engineStates)[number];
