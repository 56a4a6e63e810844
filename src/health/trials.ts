import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import { type Attempt, type Breaker, type BreakerOptions, holdDownFor, type Trip } from "./breaker.ts";
import { type Court, UNREACHABLE } from "./court.ts";
import { busyUntil, type Judged, type JudgedEngines } from "./judged-engines.ts";

/** A request that an engine failed on. */
export interface Failure {
  /** Half a sentence for the log. */
  readonly reason: string;
  /** No connection could be made. */
  readonly isUnreachable: boolean;
}

/** An engine had no room for a request, which is no failure. */
export interface Refusal {
  /** Milliseconds for which it had better get less. */
  readonly busyMs: number;
}

/**
 * How a request to an engine ended: with its answer, with the client gone, which says nothing of the engine, with
 * an engine that had no room, or with a failure.
 */
export type Ending = "ended" | "left" | Refusal | Failure;

/** One request to an engine. */
export interface Trial {
  /** The engine is ejected, and this is not the request that probes it. */
  readonly isBeside: boolean;
  /** The answer has begun, and it is one. */
  readonly answered: () => void;
  /** Of several ends the first one counts. */
  readonly end: (ending: Ending) => void;
}

/** A request of which nothing is made. */
export const unjudged: Trial = { isBeside: false, answered: () => {}, end: () => {} };

/** The trials of all engines. */
export interface Trials {
  /** A request is sent; `onUnreachable` is told when no connection can be made. */
  readonly begin: (endpoint: Endpoint, onUnreachable?: (endpointId: string) => void) => Trial;
  /** Takes an engine back that was out for long enough and whose probes were answered. */
  readonly settle: (judged: Judged) => void;
}

/** What trials are judged with. */
export interface TrialsDeps {
  readonly engines: JudgedEngines;
  readonly court: Court;
  /** An engine gets its full share bit by bit from now on, where that is asked for. */
  readonly slowDown: (judged: Judged, now: number) => void;
  /** Whether an engine may be ejected beside those that are. */
  readonly hasRoom: (endpointId: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Monotonic milliseconds at which the probes of an engine last changed their mind. */
  readonly healthChangedAt: (endpointId: string) => number | undefined;
  readonly onEjected: (url: string, trip: Trip) => void;
}

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

/** Ejects engines by what becomes of their requests, and takes them back; without options it ejects none. */
export const createTrials = (
  options: BreakerOptions | undefined,
  { engines, court, slowDown, hasRoom, clock, log, healthChangedAt, onEjected }: TrialsDeps,
): Trials => {
  /** Requests to an engine that is gone say nothing of one that came under its name. */
  const isCurrent = (judged: Judged): boolean => engines.get(judged.id) === judged;

  const settle = (judged: Judged): void => {
    const { url, breaker } = judged;
    if (!breaker?.isOpen()) return;
    const now = clock.monotonic();
    if (!breaker.canClose(now)) return;
    const openedAt = court.exclusively(() => {
      const { at } = breaker.opened() ?? {};
      if (!breaker.settle(now) || !isCurrent(judged)) return undefined;
      slowDown(judged, now);
      court.changed();
      return at;
    });
    if (openedAt === undefined) return;
    log.info(`Engine ${url} answers again and gets requests, after ${seconds(now - openedAt)}`);
  };

  /** Gives what says what was done. */
  const trip = (judged: Judged, why: Trip, { reason, isUnreachable }: Failure, now: number) => {
    const { id, url, state, breaker } = judged;
    if (!breaker || !isCurrent(judged)) return undefined;
    if (why === "failed_probe") {
      state[UNREACHABLE] = Number(isUnreachable);
      return () => {
        onEjected(url, why);
        log.debug(`Engine ${url} still fails and gets no requests yet: ${reason}`);
      };
    }
    // Whoever has just come back would come and go: it gets fewer requests instead.
    const cameAt = Math.max(breaker.closedAt(), healthChangedAt(id) ?? Number.NEGATIVE_INFINITY);
    if (options && now - cameAt < holdDownFor(options)) {
      slowDown(judged, now);
      return undefined;
    }
    if (!hasRoom(id)) return undefined;
    breaker.open(now);
    state[UNREACHABLE] = Number(isUnreachable);
    engines.slow(judged, undefined);
    const forMs = (breaker.opened()?.until ?? now) - now;
    const what = why === "failure_rate" ? "most of them fail" : "one after the other fails";
    return () => {
      onEjected(url, why);
      log.warning(`Engine ${url} gets no requests for ${seconds(forMs)}, because ${what}: ${reason}`);
    };
  };

  const finish = (judged: Judged, breaker: Breaker, attempt: Attempt, ending: Ending): void => {
    // What is no probe is counted by each thread for itself.
    const isProbe = attempt.probe !== undefined;
    if (ending === "ended") {
      if (isProbe) court.exclusively(() => breaker.ended(attempt));
      return;
    }
    const now = clock.monotonic();
    if (ending === "left") {
      if (isProbe) court.exclusively(() => breaker.left(attempt, now));
      else breaker.left(attempt, now);
      return;
    }
    const say = court.exclusively(() => {
      const isRefused = "busyMs" in ending;
      const why = isRefused ? breaker.refused(attempt, now) : breaker.failed(attempt, now);
      const failure = isRefused ? { reason: "no room", isUnreachable: false } : ending;
      if (isRefused) engines.busy(judged, Math.max(busyUntil(judged) ?? 0, now + ending.busyMs));
      return why && trip(judged, why, failure, now);
    });
    say?.();
  };

  return {
    begin: (endpoint, onUnreachable) => {
      const { id, url } = endpoint;
      const judged = engines.of(id, url);
      const { breaker } = judged;
      if (!breaker) return unjudged;
      const now = clock.monotonic();
      const isOpen = breaker.isOpen();
      const attempt = isOpen ? court.exclusively(() => breaker.begin(now)) : breaker.begin(now);
      let isOver = false;
      return {
        isBeside: isOpen && attempt.probe === undefined,
        answered: () => {
          if (isOver) return;
          if (attempt.probe === undefined) breaker.answered(attempt);
          else court.exclusively(() => breaker.answered(attempt));
          settle(judged);
        },
        end: (ending) => {
          if (isOver) return;
          isOver = true;
          finish(judged, breaker, attempt, ending);
          if (typeof ending !== "string" && "isUnreachable" in ending && ending.isUnreachable)
            onUnreachable?.(id);
        },
      };
    },
    settle,
  };
};
