import type { RequestWatcher } from "../../core/request-stats.ts";

/** What was sent to engines and has not ended. */
export interface InFlight {
  readonly requests: (endpointId: string) => number;
  /** Tokens that were given with these requests. */
  readonly tokens: (endpointId: string) => number;
  /** Counts a request with so many tokens on an engine for as long as it is there. */
  readonly watch: (endpointId: string, tokens: number) => RequestWatcher;
}

/** Nothing sent yet. */
export const createInFlight = (): InFlight => {
  const requests = new Map<string, number>();
  const tokens = new Map<string, number>();
  const add = (to: Map<string, number>, id: string, count: number): void => {
    to.set(id, (to.get(id) ?? 0) + count);
  };
  return {
    requests: (id) => requests.get(id) ?? 0,
    tokens: (id) => tokens.get(id) ?? 0,
    watch: (id, count) => ({
      began: () => {
        add(requests, id, 1);
        add(tokens, id, count);
      },
      streamBegan: () => undefined,
      tokens: () => undefined,
      ended: () => {
        add(requests, id, -1);
        add(tokens, id, -count);
      },
    }),
  };
};
