import type { Clock } from "../core/clock.ts";
import { type FindCells, ownCells } from "../core/engine-cells.ts";
import type {
  RequestObserver,
  RequestOutcome,
  RequestStats,
  RequestWatcher,
  TokenUsage,
} from "../core/request-stats.ts";
import { type Account, ACCOUNT_CELLS, openAccount } from "./account.ts";

/** One request's life on one endpoint. */
export interface Ticket {
  /** The first byte of the answer came: the request moves from prefill to decode. */
  readonly firstByte: (isStream?: boolean) => void;
  /** Further bytes of the answer came. */
  readonly chunk: () => void;
  /** Monotonic milliseconds at which bytes last came, or at which it began where none have. */
  readonly lastAt: () => number;
  /** What the engine said of the request's tokens; told before the end. */
  readonly tokens: (usage: TokenUsage) => void;
  /** Ends it, `done` unless told otherwise; ending it again is harmless. */
  readonly end: (outcome?: RequestOutcome) => void;
}

interface LedgerOptions {
  readonly windowMs: number;
  /** Where the numbers of an endpoint are; those of this thread alone unless told otherwise. */
  readonly find?: FindCells | undefined;
}

/** Exact accounting of what this router has sent to each endpoint. */
export interface RequestLedger {
  readonly begin: (endpointId: string, observer?: RequestObserver, watcher?: RequestWatcher) => Ticket;
  /** A live view: its numbers are those of the moment they are read. */
  readonly of: (endpointId: string) => RequestStats;
  /** Forgets endpoints that are gone and have no request left. */
  readonly keepOnly: (endpointIds: ReadonlySet<string>) => void;
}

/** Accounts with rates and means over `windowMs`: fixed memory for each endpoint, O(1) for each event. */
export const createRequestLedger = (
  { windowMs, find = ownCells(ACCOUNT_CELLS) }: LedgerOptions,
  { clock }: { readonly clock: Clock },
): RequestLedger => {
  const accounts = new Map<string, Account>();

  const accountOf = (endpointId: string): Account => {
    const known = accounts.get(endpointId);
    const cells = find(endpointId, known?.cells);
    if (known?.cells === cells) return known;
    const opened = openAccount(cells, windowMs, clock);
    accounts.set(endpointId, opened);
    return opened;
  };

  return {
    begin: (endpointId, observer, watcher) => {
      const account = accountOf(endpointId);
      const beganAt = clock.monotonic();
      let phase: "prefill" | "decode" | "over" = "prefill";
      let isStream = false;
      let lastAt = beganAt;
      let chunks = 0;
      let outputTokens: number | undefined;
      account.began(beganAt);
      observer?.began();
      watcher?.began();
      return {
        firstByte: (streams = false) => {
          if (phase !== "prefill") return;
          phase = "decode";
          isStream = streams;
          lastAt = clock.monotonic();
          account.answered(lastAt);
          chunks = 1;
          if (!streams) return;
          account.firstTokens.add(lastAt, lastAt - beganAt);
          observer?.streamBegan(lastAt - beganAt);
          watcher?.streamBegan(lastAt - beganAt);
        },
        chunk: () => {
          if (phase !== "decode") return;
          const now = clock.monotonic();
          account.data(now);
          if (isStream) {
            chunks += 1;
            account.gaps.add(now, now - lastAt);
            observer?.streamWentOn(now - lastAt);
          }
          lastAt = now;
        },
        lastAt: () => lastAt,
        tokens: (usage) => {
          if (phase === "over") return;
          outputTokens = usage.output;
          observer?.tokens(usage);
          watcher?.tokens(usage);
        },
        end: (outcome = "done") => {
          if (phase === "over") return;
          account.ended(phase, outcome);
          phase = "over";
          const now = clock.monotonic();
          const length = outputTokens ?? (isStream ? chunks : undefined);
          if (outcome === "done") {
            account.latencies.add(now, now - beganAt);
            if (length !== undefined) account.lengths.add(now, length);
          }
          observer?.ended(outcome, now - beganAt, isStream);
          watcher?.ended(outcome, now - beganAt, isStream);
        },
      };
    },
    of: (endpointId) => accountOf(endpointId).view,
    keepOnly: (endpointIds) => {
      for (const [id, { view }] of accounts) {
        if (!endpointIds.has(id) && view.inPrefill + view.inDecode === 0) accounts.delete(id);
      }
    },
  };
};
