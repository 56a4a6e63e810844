import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineGroup, Narrowing } from "../fleet/engine-group.ts";
import type { Candidate } from "../routing/policy.ts";
import type { Call } from "./call.ts";
import type { DeadEnds } from "./dead-ends.ts";
import { type Failure, isConnectionFailure, nextAttempt, repeatDelayMs } from "./next-attempt.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { Answer } from "../core/answer.ts";

/** An attempt that an engine failed on, nothing of whose answer went to the client. */
export interface Failed {
  readonly endpoint: Endpoint;
  readonly failure: Failure;
  /** What the engine said of it; absent where it said nothing. */
  readonly answer?: Pick<Answer, "headers"> | undefined;
}

/** The failed attempts of one request and what follows from them. */
export interface Failover {
  /** Leaves the engines that are left for the next attempt. */
  readonly narrowing: Narrowing;
  /**
   * What is to be done after a failed attempt; resolves to `again` when it is time for it. `pointless` means that
   * the client had better not try again either.
   */
  readonly after: (failed: Failed) => Promise<"again" | "over" | "pointless">;
  /** The attempt that `after` allowed has its answer, of whatever kind. */
  readonly answered: () => void;
}

interface FailoverDeps {
  readonly fleet: Pick<EngineGroup, "candidates" | "isPanic">;
  readonly budget: RetryBudget;
  readonly deadEnds: DeadEnds;
  readonly maxAttempts: number;
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
}

/** Share of the KV cache above which an engine has no room to speak of. */
const FULL_CACHE = 0.9;

const hasRoom = ({ engine }: Candidate): boolean =>
  engine?.waiting === 0 && (engine.kvCacheUsage ?? 0) < FULL_CACHE;

/** Begins the failover of one request: called when its first attempt has failed, so that others cost nothing. */
export const createFailover =
  ({ fleet, budget, deadEnds, maxAttempts, clock, random }: FailoverDeps) =>
  ({ isReplaySafe, engineId }: Pick<Call, "isReplaySafe" | "engineId">, model: string): Failover => {
    const failures: Failure[] = [];
    const asked = new Set<string>();
    const except = new Set<string>();
    const narrowing: Narrowing = { except, only: engineId };
    let permit: Disposable | undefined;

    const inFlight = (): number =>
      (fleet.candidates(model) ?? []).reduce(
        (sum, { requests }) => sum + requests.inPrefill + requests.inDecode,
        0,
      );

    const leaveOnlySpare = (): boolean => {
      for (const candidate of fleet.candidates(model, narrowing) ?? [])
        if (!hasRoom(candidate)) except.add(candidate.endpoint.id);
      return fleet.candidates(model, narrowing) !== undefined;
    };

    const wait = async (ms: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(ms, resolve);
      await promise;
    };

    return {
      narrowing,
      after: async ({ endpoint, failure, answer }) => {
        const { id } = endpoint;
        const now = clock.monotonic();
        const asksToWait = answer?.headers["retry-after"] !== undefined;
        const isRepeat = asked.has(id);
        failures.push(failure);
        asked.add(id);
        except.add(id);
        if (isConnectionFailure(failure)) deadEnds.found(endpoint, now);
        const others = fleet.candidates(model, narrowing);
        const hasOthers = others !== undefined;
        const isDeadEnd = others
          ? others.every((other) => deadEnds.has(other.endpoint, now))
          : deadEnds.has(endpoint, now);
        const past = { failures, maxAttempts, isReplaySafe, hasOthers, isRepeat, asksToWait, isDeadEnd };
        const next = nextAttempt(past);
        if (next.to === "nobody") return next.isPointless ? "pointless" : "over";
        if (next.to === "spare" && !leaveOnlySpare()) return "over";
        if (next.isCounted) {
          // Too few are left to be asked twice.
          permit = fleet.isPanic(model) ? undefined : budget.take(now, inFlight());
          // What no engine got is no load on them: its client may come again.
          if (!permit) return failures.every((each) => each === "unsent") ? "over" : "pointless";
        }
        if (next.to === "same") {
          await wait(repeatDelayMs(failures.length, random));
          except.delete(id);
        }
        return fleet.candidates(model, narrowing) ? "again" : "over";
      },
      answered: () => permit?.[Symbol.dispose](),
    };
  };
