import type { Clock } from "../core/clock.ts";
import { whyNoAnswer } from "../core/no-answer.ts";
import { type Health, judge, presumedWell, type Thresholds, type Verdict } from "./health.ts";
import { createLagMeter } from "./lag.ts";

/** Something that is probed; two with the same key are the same thing. */
export interface Target {
  readonly key: string;
}

/** What a probe found; `reason` is half a sentence for the log. */
export interface Finding {
  readonly verdict: Verdict;
  readonly reason: string;
}

interface CheckerOptions<Subject extends Target> {
  /** What there is to probe now; asked again at least once a second. */
  readonly targets: () => readonly Subject[];
  /** One probe; a rejection is a failure. It must end when the signal aborts. */
  readonly probe: (target: Subject, signal: AbortSignal) => Promise<Finding>;
  /** Whether a target that lets a probe time out is busy rather than dead; no when the signal aborts before it is known. */
  readonly isBusy: (target: Subject, signal: AbortSignal) => Promise<boolean>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly thresholds: Pick<Thresholds, "fall" | "rise">;
  /** What is known of each target by its key: kept by whoever lends it, forgotten when a target is gone. */
  readonly states: Map<string, Health>;
  /** Monotonic milliseconds at which something else than probes let a target in again that is in. */
  readonly returnedAt?: ((target: Subject) => number | undefined) | undefined;
  readonly onChange: (target: Subject, isUp: boolean, reason: string) => void;
}

interface CheckerDeps {
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
}

/** A running checker; disposing it ends its probes. */
export interface Checker extends AsyncDisposable {
  /** Keys of the targets that are down; replaced whole by every change, never edited. */
  readonly down: ReadonlySet<string>;
  /** Has a target that is up and unsuspected probed at once, unless it just was: something speaks against it. */
  readonly suspect: (key: string) => void;
}

interface Watched<Subject> {
  target: Subject;
  /** Of the next probe; absent while that waits for its turn or is under way. */
  timer: Disposable | undefined;
  /** When the last probe began. */
  probedAt: number;
}

/** Probes under way at once. */
const MOST_AT_ONCE = 16;
/** A change of mind is settled by probes that follow sooner. */
const TRANSITION_MS = 2000;
/**
 * What gets no requests is asked so often whether it is back, however rarely it is asked otherwise; where nothing
 * is left, as often as in transition.
 */
const RECOVERY_MS = 5000;
/** Time over which the first probes are spread. */
const SPREAD_MS = 5000;
/** However much speaks against a target, it is not probed more often. */
const LEAST_MS = 500;
const JITTER = 0.2;
const RECONCILE_MS = 1000;

/** Two changes in any 30 s at most, and sooner where probes are more frequent. */
const holdDownFor = (intervalMs: number): number => Math.min(3 * intervalMs, 15_000);

/** Probes every target again and again, spread in time, and tells who changed. */
export const createChecker = <Subject extends Target>(
  options: CheckerOptions<Subject>,
  { clock, random }: CheckerDeps,
): Checker => {
  const { targets, probe, isBusy, intervalMs, timeoutMs, states, returnedAt, onChange } = options;
  const thresholds = { ...options.thresholds, holdDownMs: holdDownFor(intervalMs) };
  const stop = new AbortController();
  const lag = createLagMeter({ clock });
  const watched = new Map<string, Watched<Subject>>();
  const underWay = new Set<Promise<void>>();
  /** Those that are due, in the order in which they fell due. */
  const due: Watched<Subject>[] = [];
  let down: ReadonlySet<string> = new Set();

  const stateOf = (key: string): Health => states.get(key) ?? presumedWell;

  const noteDown = (): void => {
    const nowDown = new Set([...watched.keys()].filter((key) => !stateOf(key).isUp));
    if (nowDown.symmetricDifference(down).size > 0) down = nowDown;
  };

  /** The finding of one probe; `undefined` where it says nothing about the target. */
  const ask = async (target: Subject): Promise<Finding | undefined> => {
    const startedAt = clock.monotonic();
    const deadline = new AbortController();
    using _watch = lag.watch();
    using _timer = clock.after(timeoutMs, () =>
      deadline.abort(new Error(`no answer in ${timeoutMs / 1000} s`)),
    );
    const signal = AbortSignal.any([stop.signal, deadline.signal]);
    let busy: Promise<boolean> | undefined;
    // Both questions end together: whoever is dead is to be known as dead in the time of one.
    using _half = clock.after(timeoutMs / 2, () => {
      busy = isBusy(target, signal);
    });
    const finding = await probe(target, signal).catch((error: unknown): Finding => ({
      verdict: "fail",
      reason: whyNoAnswer(error),
    }));
    if (stop.signal.aborted || lag.hasLaggedSince(startedAt)) return undefined;
    const isLate = finding.verdict === "fail" && deadline.signal.aborted;
    return isLate && (await busy) === true ? undefined : finding;
  };

  /** What was let in again by others is held as long as what its probes let in. */
  const held = (target: Subject): Health => {
    const health = stateOf(target.key);
    const letInAt = health.isUp ? returnedAt?.(target) : undefined;
    return letInAt === undefined || letInAt <= health.changedAt ? health : { ...health, changedAt: letInAt };
  };

  const check = async (entry: Watched<Subject>): Promise<void> => {
    entry.probedAt = clock.monotonic();
    const finding = await ask(entry.target);
    const { target } = entry;
    if (stop.signal.aborted || watched.get(target.key) !== entry) return;
    const before = held(target);
    const after = finding ? judge(before, finding.verdict, clock.monotonic(), thresholds) : before;
    states.set(target.key, after);
    if (finding && after.isUp !== before.isUp) {
      noteDown();
      onChange(target, after.isUp, finding.reason);
    }
    const isSettled = finding !== undefined && after.against === 0;
    const isLast = down.size === watched.size;
    const longestMs = !isSettled || isLast ? TRANSITION_MS : after.isUp ? intervalMs : RECOVERY_MS;
    // From one beginning to the next: time that a probe spent in vain is time to ask again.
    const spentMs = clock.monotonic() - entry.probedAt;
    const delayMs = Math.min(intervalMs, longestMs) * (1 - JITTER + 2 * JITTER * random());
    schedule(entry, Math.max(0, delayMs - spentMs));
  };

  const startDue = (): void => {
    while (underWay.size < MOST_AT_ONCE) {
      const entry = due.shift();
      if (!entry) return;
      if (watched.get(entry.target.key) !== entry) continue;
      const task = check(entry).finally(() => {
        underWay.delete(task);
        if (!stop.signal.aborted) startDue();
      });
      underWay.add(task);
    }
  };

  const schedule = (entry: Watched<Subject>, delayMs: number): void => {
    entry.timer = clock.after(delayMs, () => {
      entry.timer = undefined;
      due.push(entry);
      startDue();
    });
  };

  const reconcile = (): void => {
    const found = new Map(targets().map((target) => [target.key, target]));
    for (const [key, { timer }] of watched) {
      if (found.has(key)) continue;
      timer?.[Symbol.dispose]();
      watched.delete(key);
      states.delete(key);
    }
    for (const [key, target] of found) {
      const known = watched.get(key);
      if (known) known.target = target;
      else {
        const entry: Watched<Subject> = {
          target,
          timer: undefined,
          probedAt: Number.NEGATIVE_INFINITY,
        };
        watched.set(key, entry);
        schedule(entry, random() * Math.min(intervalMs, SPREAD_MS));
      }
    }
    noteDown();
  };

  let reconciling: Disposable | undefined;
  const keepReconciled = (): void => {
    reconcile();
    reconciling = clock.after(RECONCILE_MS, keepReconciled);
  };
  keepReconciled();

  return {
    get down() {
      return down;
    },
    suspect: (key) => {
      const entry = watched.get(key);
      if (!entry?.timer || stop.signal.aborted) return;
      const { isUp, against } = stateOf(key);
      if (!isUp || against > 0 || clock.monotonic() - entry.probedAt < LEAST_MS) return;
      entry.timer[Symbol.dispose]();
      schedule(entry, 0);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("health checks stopped"));
      reconciling?.[Symbol.dispose]();
      for (const { timer } of watched.values()) timer?.[Symbol.dispose]();
      await Promise.all(underWay);
    },
  };
};
