import type { Clock } from "../core/clock.ts";
import type { RequestStats } from "../core/request-stats.ts";
import { createWindow, type Window } from "./window.ts";

/** One request's life on one endpoint. */
export interface Ticket {
  /** The first byte of the answer came: the request moves from prefill to decode. */
  readonly firstByte: () => void;
  /** Ends it, however it ended; ending it again is harmless. */
  readonly end: () => void;
}

/** Exact accounting of what this router has sent to each endpoint. */
export interface RequestLedger {
  readonly begin: (endpointId: string) => Ticket;
  /** A live view: its numbers are those of the moment they are read. */
  readonly of: (endpointId: string) => RequestStats;
  /** Forgets endpoints that are gone and have no request left. */
  readonly keepOnly: (endpointIds: ReadonlySet<string>) => void;
}

interface Account {
  inPrefill: number;
  inDecode: number;
  begun: boolean;
  readonly window: Window;
  readonly view: RequestStats;
}

/** Accounts with a request rate over `windowMs`. */
export const createRequestLedger = (
  { windowMs }: { readonly windowMs: number },
  { clock }: { readonly clock: Clock },
): RequestLedger => {
  const accounts = new Map<string, Account>();

  const open = (): Account => {
    const window = createWindow(windowMs);
    const account: Account = {
      inPrefill: 0,
      inDecode: 0,
      begun: false,
      window,
      view: {
        get inPrefill() {
          return account.inPrefill;
        },
        get inDecode() {
          return account.inDecode;
        },
        get qps() {
          return account.begun ? window.count(clock.monotonic()) / (windowMs / 1000) : undefined;
        },
      },
    };
    return account;
  };

  const accountOf = (endpointId: string): Account => {
    const known = accounts.get(endpointId);
    if (known) return known;
    const account = open();
    accounts.set(endpointId, account);
    return account;
  };

  return {
    begin: (endpointId) => {
      const account = accountOf(endpointId);
      let phase: "prefill" | "decode" | "over" = "prefill";
      account.begun = true;
      account.inPrefill += 1;
      account.window.add(clock.monotonic());
      return {
        firstByte: () => {
          if (phase !== "prefill") return;
          phase = "decode";
          account.inPrefill -= 1;
          account.inDecode += 1;
        },
        end: () => {
          if (phase === "prefill") account.inPrefill -= 1;
          if (phase === "decode") account.inDecode -= 1;
          phase = "over";
        },
      };
    },
    of: (endpointId) => accountOf(endpointId).view,
    keepOnly: (endpointIds) => {
      for (const [id, { inPrefill, inDecode }] of accounts) {
        if (!endpointIds.has(id) && inPrefill + inDecode === 0) accounts.delete(id);
      }
    },
  };
};
