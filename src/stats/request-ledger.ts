import type { Clock } from "../core/clock.ts";
import type {
  RequestObserver,
  RequestOutcome,
  RequestStats,
  RequestWatcher,
  TokenUsage,
} from "../core/request-stats.ts";
import { createWindow } from "../core/window.ts";

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
  { windowMs }: { readonly windowMs: number },
  { clock }: { readonly clock: Clock },
): RequestLedger => {
  const open = () => {
    const begun = createWindow(windowMs);
    const firstTokens = createWindow(windowMs);
    const gaps = createWindow(windowMs);
    const latencies = createWindow(windowMs);
    const lengths = createWindow(windowMs);
    const account = {
      begun,
      firstTokens,
      gaps,
      latencies,
      lengths,
      inPrefill: 0,
      inDecode: 0,
      finished: 0,
      failed: 0,
      firstRequestAt: undefined as number | undefined,
      lastDataAt: undefined as number | undefined,
    };
    const view: RequestStats = {
      get inPrefill() {
        return account.inPrefill;
      },
      get inDecode() {
        return account.inDecode;
      },
      get qps() {
        return account.firstRequestAt === undefined
          ? undefined
          : begun.count(clock.monotonic()) / (windowMs / 1000);
      },
      get finished() {
        return account.finished;
      },
      get failed() {
        return account.failed;
      },
      get firstRequestAt() {
        return account.firstRequestAt;
      },
      get lastDataAt() {
        return account.lastDataAt;
      },
      get timeToFirstTokenMs() {
        return firstTokens.mean(clock.monotonic());
      },
      get interTokenMs() {
        return gaps.mean(clock.monotonic());
      },
      get latencyMs() {
        return latencies.mean(clock.monotonic());
      },
      get decodeLength() {
        return lengths.mean(clock.monotonic());
      },
    };
    return { account, view };
  };

  const accounts = new Map<string, ReturnType<typeof open>>();

  const accountOf = (endpointId: string): ReturnType<typeof open> => {
    const known = accounts.get(endpointId);
    if (known) return known;
    const opened = open();
    accounts.set(endpointId, opened);
    return opened;
  };

  return {
    begin: (endpointId, observer, watcher) => {
      const { account } = accountOf(endpointId);
      const beganAt = clock.monotonic();
      let phase: "prefill" | "decode" | "over" = "prefill";
      let isStream = false;
      let lastAt = beganAt;
      let chunks = 0;
      let outputTokens: number | undefined;
      account.firstRequestAt ??= beganAt;
      account.inPrefill += 1;
      account.begun.add(beganAt);
      observer?.began();
      watcher?.began();
      return {
        firstByte: (streams = false) => {
          if (phase !== "prefill") return;
          phase = "decode";
          isStream = streams;
          account.inPrefill -= 1;
          account.inDecode += 1;
          lastAt = clock.monotonic();
          account.lastDataAt = lastAt;
          chunks = 1;
          if (!streams) return;
          account.firstTokens.add(lastAt, lastAt - beganAt);
          observer?.streamBegan(lastAt - beganAt);
          watcher?.streamBegan(lastAt - beganAt);
        },
        chunk: () => {
          if (phase !== "decode") return;
          const now = clock.monotonic();
          account.lastDataAt = now;
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
          if (phase === "prefill") account.inPrefill -= 1;
          else account.inDecode -= 1;
          phase = "over";
          const now = clock.monotonic();
          const length = outputTokens ?? (isStream ? chunks : undefined);
          if (outcome === "failed") account.failed += 1;
          if (outcome === "done" || outcome === "refused") account.finished += 1;
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
      for (const [id, { account }] of accounts) {
        if (!endpointIds.has(id) && account.inPrefill + account.inDecode === 0) accounts.delete(id);
      }
    },
  };
};
