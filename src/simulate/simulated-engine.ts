import type { EngineStats } from "../core/engine-stats.ts";
import { createScheduler, type SchedulerConfig } from "../mock-engine/scheduler.ts";
import type { Sequence, SequenceSpec } from "../mock-engine/sequence.ts";
import type { Timeline } from "./timeline.ts";

/** Whoever has a request on an engine; each is told once at most, at the virtual time at which it happens. */
export interface Job {
  readonly firstToken: (cachedTokens: number) => void;
  readonly ended: (outcome: "done" | "failed") => void;
}

/** What an engine has done since the start, over all its lives. */
export interface EngineTotals {
  /** Milliseconds in which it computed. */
  readonly busyMs: number;
  readonly preemptions: number;
  /** Prompt tokens that were looked up in its prefix cache, and those that were found. */
  readonly prefixQueries: number;
  readonly prefixHits: number;
}

/** A simulated engine in virtual time: the scheduler of mock-engine without sockets, timers and text. */
export interface SimulatedEngine {
  /** Takes a request on; false, changing nothing, when its KV cache could never hold it. */
  readonly submit: (spec: SequenceSpec, job: Job) => boolean;
  /** Steps that begin from now on take so many times as long. */
  readonly setSlowness: (factor: number) => void;
  /** Ends every request as failed and loses the prefix cache; what comes later finds a cold engine. */
  readonly die: () => void;
  /** What it would say of itself now. */
  readonly stats: () => EngineStats;
  readonly totals: () => EngineTotals;
  /** Prompt tokens of requests without a first token: all that its cache did not hold, or what no step has taken on. */
  readonly prefillTokens: (of: "whole prompts" | "later steps") => number;
  /** Milliseconds until the step under way ends; 0 while idle. */
  readonly stepLeftMs: () => number;
  /** Requests that are past their first token. */
  readonly decoding: () => number;
  /** How many prompt tokens it holds of a text with these block hashes. */
  readonly cachedTokens: (spec: SequenceSpec) => number;
}

interface Live extends Job {
  readonly spec: SequenceSpec;
  /** What the cache held when that was first asked, for one that waits. */
  expectedCached: number | undefined;
  lastTokenMs: number | undefined;
}

/** Steps that are all alike, one after the other. */
interface Stretch {
  readonly fromMs: number;
  readonly stepMs: number;
  steps: number;
}

/** An idle, cold engine; `onGap` hears how many tokens came so long after the ones before them. */
export const createSimulatedEngine = (
  config: SchedulerConfig,
  {
    timeline,
    onGap,
  }: { readonly timeline: Timeline; readonly onGap: (gapMs: number, count: number) => void },
): SimulatedEngine => {
  const jobs = new Map<Sequence, Live>();
  let scheduler = createScheduler(config);
  let past: EngineTotals = { busyMs: 0, preemptions: 0, prefixQueries: 0, prefixHits: 0 };
  let stretch: Stretch | undefined;
  let timer: Disposable | undefined;
  let wake: Disposable | undefined;
  let slowness = 1;
  let busyMs = 0;
  let decoding = 0;

  const tell = (sequence: Sequence, steps: number, { fromMs, stepMs }: Stretch): void => {
    const job = jobs.get(sequence);
    if (!job) return;
    const { lastTokenMs } = job;
    job.lastTokenMs = fromMs + stepMs * steps;
    if (sequence.status === "finished") {
      jobs.delete(sequence);
      if (lastTokenMs !== undefined) decoding -= 1;
    } else if (lastTokenMs === undefined) decoding += 1;
    if (lastTokenMs === undefined) job.firstToken(sequence.cachedTokens ?? 0);
    else {
      onGap(fromMs + stepMs - lastTokenMs, 1);
      if (steps > 1) onGap(stepMs, steps - 1);
    }
    if (sequence.status === "finished") job.ended("done");
  };

  const finish = (steps: number, current: Stretch): void => {
    busyMs += current.stepMs * steps;
    for (const sequence of scheduler.finishStep(steps)) tell(sequence, steps, current);
  };

  const begin = (fromMs: number): void => {
    const step = scheduler.beginStep();
    stretch = step && { fromMs, stepMs: step.durationMs * slowness, steps: 1 };
  };

  /** Waits for the end of as many steps as nothing can change but a request that comes or goes. */
  const awaitEnd = (mostSteps: number): void => {
    timer?.[Symbol.dispose]();
    const current = stretch;
    if (!current) return;
    current.steps = Math.min(mostSteps, scheduler.steadySteps());
    timer = timeline.at(current.fromMs + current.stepMs * current.steps, () => {
      stretch = undefined;
      finish(current.steps, current);
      begin(timeline.now());
      awaitEnd(Infinity);
    });
  };

  /** Brings the scheduler to the present, with the step in whose midst that is under way. */
  const settle = (): void => {
    const current = stretch;
    if (!current || current.steps === 1) return;
    const ended = Math.floor((timeline.now() - current.fromMs) / current.stepMs);
    const steps = Math.min(current.steps - 1, current.stepMs > 0 ? ended : current.steps - 1);
    if (steps <= 0) return;
    finish(steps, current);
    begin(current.fromMs + current.stepMs * steps);
    awaitEnd(Infinity);
  };

  const start = (): void => {
    wake = undefined;
    if (stretch) return;
    begin(timeline.now());
    awaitEnd(Infinity);
  };

  const totals = (): EngineTotals => {
    const { preemptions, prefixQueries, prefixHits } = scheduler.totals();
    return {
      busyMs: past.busyMs + busyMs,
      preemptions: past.preemptions + preemptions,
      prefixQueries: past.prefixQueries + prefixQueries,
      prefixHits: past.prefixHits + prefixHits,
    };
  };

  return {
    submit: (spec, job) => {
      const blocks = Math.ceil((spec.promptTokens + spec.outputTokens) / config.blockSize);
      if (blocks >= config.numGpuBlocks) return false;
      settle();
      jobs.set(scheduler.submit(spec), { ...job, spec, expectedCached: undefined, lastTokenMs: undefined });
      // The first step waits until all that comes at this time is there, so that it starts together.
      if (stretch) awaitEnd(Infinity);
      else wake ??= timeline.at(timeline.now(), start);
      return true;
    },
    setSlowness: (factor) => {
      settle();
      slowness = factor;
      if (stretch) awaitEnd(1);
    },
    die: () => {
      settle();
      past = totals();
      busyMs = 0;
      decoding = 0;
      scheduler = createScheduler(config);
      stretch = undefined;
      timer?.[Symbol.dispose]();
      const lost = [...jobs.values()];
      jobs.clear();
      for (const job of lost) job.ended("failed");
    },
    stats: () => {
      settle();
      const { preemptions, prefixQueries, prefixHits } = scheduler.totals();
      return {
        running: scheduler.running(),
        waiting: scheduler.waiting(),
        kvCacheUsage: scheduler.usage(),
        prefixCacheQueries: prefixQueries,
        prefixCacheHits: prefixHits,
        preemptions,
        blockSize: config.blockSize,
        blockCount: config.numGpuBlocks,
      };
    },
    totals,
    prefillTokens: (of) => {
      let tokens = 0;
      for (const [{ promptTokens, computed, cachedTokens }, job] of jobs) {
        if (job.lastTokenMs !== undefined) continue;
        const cached = cachedTokens ?? (job.expectedCached ??= scheduler.cachedTokens(job.spec));
        tokens += promptTokens - (of === "later steps" ? Math.max(cached, computed) : cached);
      }
      return tokens;
    },
    stepLeftMs: () => {
      settle();
      return stretch ? stretch.fromMs + stretch.stepMs - timeline.now() : 0;
    },
    decoding: () => decoding,
    cachedTokens: (spec) => scheduler.cachedTokens(spec),
  };
};
