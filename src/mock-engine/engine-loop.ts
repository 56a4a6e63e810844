import type { Clock } from "../core/clock.ts";
import type { Scheduler, Step } from "./scheduler.ts";
import type { Sequence, SequenceSpec } from "./sequence.ts";

/** Hears of its sequence after each step in which it gained a token or finished, and when `abortAll` ends it. */
export type Listener = (sequence: Sequence) => void;

/** What the loop tells of each step, for metrics; times in milliseconds of the lent clock. */
export interface LoopObserver {
  readonly submitted: (sequence: Sequence, atMs: number) => void;
  readonly stepBegan: (step: Step, atMs: number) => void;
  readonly stepEnded: (progressed: readonly Sequence[], atMs: number) => void;
  readonly aborted: (sequence: Sequence) => void;
}

/** Runs a scheduler in the time of a clock. */
export interface EngineLoop extends Disposable {
  readonly submit: (spec: SequenceSpec, listener: Listener) => Sequence;
  /** Ends the sequence at once; its listener hears no more. Nothing happens when it is over. */
  readonly abort: (sequence: Sequence) => void;
  /** Ends every sequence; their listeners hear of it. */
  readonly abortAll: () => void;
  /** Sequences wait, running ones too, until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
}

// Tokens sent in one go before other events of the process get their turn.
const tokensPerTurn = 4096;
// A process that is this late cannot keep up; it goes on from now instead of running ever faster.
const maxLagMs = 100;

/** A loop at rest; `timeScale` 2 runs twice as fast, 0 takes no time at all. */
export const createEngineLoop = (
  scheduler: Scheduler,
  timeScale: number,
  deps: { readonly clock: Clock; readonly observer: LoopObserver },
): EngineLoop => {
  const { clock, observer } = deps;
  const listeners = new Map<Sequence, Listener>();
  let stepEndsMs: number | undefined;
  let timer: Disposable | undefined;
  let isStarting = false;
  let isPaused = false;

  const begin = (atMs: number): void => {
    const step = isPaused ? undefined : scheduler.beginStep();
    stepEndsMs = step && atMs + (timeScale === 0 ? 0 : step.durationMs / timeScale);
    if (step) observer.stepBegan(step, atMs);
  };

  /** Ends the step under way; returns how many tokens it brought. */
  const finish = (endedMs: number): number => {
    const progressed = scheduler.finishStep();
    observer.stepEnded(progressed, endedMs);
    for (const sequence of progressed) {
      const listener = listeners.get(sequence);
      if (sequence.status === "finished") listeners.delete(sequence);
      // There is none when an earlier listener of the same step has aborted this sequence.
      listener?.(sequence);
    }
    return progressed.length;
  };

  const run = (): void => {
    timer = undefined;
    const now = clock.monotonic();
    let budget = tokensPerTurn;
    for (;;) {
      const endedMs = stepEndsMs;
      if (endedMs === undefined || endedMs > now || budget <= 0) break;
      budget -= Math.max(1, finish(endedMs));
      begin(now - endedMs > maxLagMs ? now : endedMs);
    }
    if (stepEndsMs !== undefined) timer = clock.after(Math.max(0, stepEndsMs - now), run);
  };

  const start = (): void => {
    isStarting = false;
    if (stepEndsMs !== undefined || isPaused) return;
    begin(clock.monotonic());
    run();
  };

  /** The first step waits for the end of the turn, so that requests which arrive together start together. */
  const wake = (): void => {
    if (stepEndsMs !== undefined || isStarting || isPaused) return;
    isStarting = true;
    queueMicrotask(start);
  };

  return {
    submit: (spec, listener) => {
      const sequence = scheduler.submit(spec);
      listeners.set(sequence, listener);
      observer.submitted(sequence, clock.monotonic());
      wake();
      return sequence;
    },
    abort: (sequence) => {
      listeners.delete(sequence);
      if (scheduler.abort(sequence)) observer.aborted(sequence);
    },
    abortAll: () => {
      for (const [sequence, listener] of listeners) {
        listeners.delete(sequence);
        if (!scheduler.abort(sequence)) continue;
        observer.aborted(sequence);
        listener(sequence);
      }
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      wake();
    },
    [Symbol.dispose]: () => {
      isPaused = true;
      stepEndsMs = undefined;
      timer?.[Symbol.dispose]();
      listeners.clear();
    },
  };
};
