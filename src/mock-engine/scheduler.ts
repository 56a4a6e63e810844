import { createBlockPool } from "./prefix-cache.ts";
import { createSequenceBlocks } from "./sequence-blocks.ts";
import type { Sequence, SequenceSpec } from "./sequence.ts";

/** What bounds a step and how long it takes. */
export interface SchedulerConfig {
  readonly maxNumBatchedTokens: number;
  readonly maxNumSeqs: number;
  readonly blockSize: number;
  /** As in vLLM, one of them is set aside and never holds tokens. */
  readonly numGpuBlocks: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeMs: number;
  readonly decodeMsPerSeq: number;
}

/** A step under way. */
export interface Step {
  readonly durationMs: number;
  readonly prefillTokens: number;
  readonly decodes: number;
  /** Sequences that run for the first time. */
  readonly admitted: readonly Sequence[];
}

/** Running totals since the start, as vLLM's counters have them. */
export interface SchedulerTotals {
  readonly preemptions: number;
  readonly prefixQueries: number;
  readonly prefixHits: number;
}

/** vLLM's V1 scheduler as a state machine in virtual time: it knows how long a step takes, never what time it is. */
export interface Scheduler {
  readonly submit: (spec: SequenceSpec) => Sequence;
  /** Ends a sequence and frees its blocks at once; false when it was over already. */
  readonly abort: (sequence: Sequence) => boolean;
  /** Chooses what the next step computes; `undefined` when there is nothing to do. */
  readonly beginStep: () => Step | undefined;
  /**
   * How many steps exactly like the one under way, itself included, would follow each other if no request came or
   * was aborted meanwhile: more than 1 only while all that there is to do is decoding.
   */
  readonly steadySteps: () => number;
  /**
   * Ends the step, or as many like it as are given, `steadySteps` at most; returns the sequences that gained tokens
   * or finished, in batch order.
   */
  readonly finishStep: (steps?: number) => readonly Sequence[];
  readonly running: () => number;
  readonly waiting: () => number;
  /** Share of the KV cache in use, from 0 to 1. */
  readonly usage: () => number;
  readonly totals: () => SchedulerTotals;
  /** How many tokens of a prompt the prefix cache holds now. */
  readonly cachedTokens: (spec: SequenceSpec) => number;
  /** Empties the prefix cache; false while any sequence holds blocks. */
  readonly resetPrefixCache: () => boolean;
}

/** A scheduler with no requests and a cold prefix cache. */
export const createScheduler = (config: SchedulerConfig): Scheduler => {
  const { blockSize } = config;
  const pool = createBlockPool(config.numGpuBlocks - 1);
  const { extend, drop, decodeMore } = createSequenceBlocks(pool, blockSize);
  const waiting: Sequence[] = [];
  const running: Sequence[] = [];
  let batch: Sequence[] = [];
  let isPrefilling = false;
  let preemptions = 0;
  let prefixQueries = 0;
  let prefixHits = 0;

  /** Recomputation is vLLM's only answer to a full cache: the youngest sequence starts over. */
  const preemptYoungest = (): Sequence | undefined => {
    const victim = running.pop();
    if (!victim) return undefined;
    drop(victim);
    victim.status = "waiting";
    waiting.unshift(victim);
    preemptions += 1;
    return victim;
  };

  const admit = (sequence: Sequence, budget: number): number => {
    const length = sequence.promptTokens + sequence.emitted;
    // The last token is always computed, because its logits give the next one.
    const matched = pool.match(sequence.blockHashes, Math.floor((length - 1) / blockSize));
    const cached = matched.length * blockSize;
    const isFetched = sequence.isFetched === true && sequence.cachedTokens === undefined;
    const tokens = isFetched ? length - cached : Math.min(length - cached, budget);
    if (!extend(sequence, tokens, matched)) return 0;
    if (sequence.cachedTokens === undefined) {
      sequence.cachedTokens = isFetched ? length - 1 : cached;
      prefixQueries += length;
      prefixHits += cached;
    }
    sequence.status = "running";
    running.push(sequence);
    return isFetched ? 1 : tokens;
  };

  const remove = (from: Sequence[], sequence: Sequence): void => {
    const index = from.indexOf(sequence);
    if (index >= 0) from.splice(index, 1);
  };

  return {
    submit: (spec) => {
      const sequence: Sequence = {
        promptTokens: spec.promptTokens,
        outputTokens: spec.outputTokens,
        blockHashes: spec.blockHashes,
        ...(spec.isFetched === undefined ? {} : { isFetched: spec.isFetched }),
        status: "waiting",
        emitted: 0,
        cachedTokens: undefined,
        computed: 0,
        sealed: 0,
        blocks: [],
      };
      waiting.push(sequence);
      return sequence;
    },

    abort: (sequence) => {
      if (sequence.status === "finished" || sequence.status === "aborted") return false;
      remove(sequence.status === "running" ? running : waiting, sequence);
      drop(sequence);
      sequence.status = "aborted";
      return true;
    },

    beginStep: () => {
      let budget = config.maxNumBatchedTokens;
      let prefillTokens = 0;
      let decodes = 0;
      const preemptedBefore = preemptions;
      const scheduled: Sequence[] = [];
      const admitted: Sequence[] = [];

      for (let index = 0; index < running.length && budget > 0; index += 1) {
        const sequence = running[index];
        if (!sequence) break;
        const missing = sequence.promptTokens + sequence.emitted - sequence.computed;
        const tokens = Math.min(missing, budget);
        const decoding = sequence.emitted > 0 && missing === 1;
        let fits = extend(sequence, tokens, []);
        while (!fits && preemptYoungest() !== sequence) fits = extend(sequence, tokens, []);
        if (!fits) break;
        budget -= tokens;
        scheduled.push(sequence);
        if (decoding) decodes += 1;
        else prefillTokens += tokens;
      }

      // A cache that has just turned a sequence out takes no new one in the same step.
      const places = preemptions > preemptedBefore ? 0 : config.maxNumSeqs;
      while (budget > 0 && running.length < places) {
        const sequence = waiting[0];
        const isNew = sequence?.cachedTokens === undefined;
        const tokens = sequence ? admit(sequence, budget) : 0;
        if (!sequence || tokens === 0) break;
        waiting.shift();
        if (isNew) admitted.push(sequence);
        budget -= tokens;
        prefillTokens += tokens;
        scheduled.push(sequence);
      }

      batch = scheduled;
      isPrefilling = prefillTokens > 0;
      if (scheduled.length === 0) return undefined;
      const prefillMs = (prefillTokens * 1000) / config.prefillTokensPerSecond;
      const decodeMs = decodes === 0 ? 0 : config.decodeMs + config.decodeMsPerSeq * decodes;
      return { durationMs: prefillMs + decodeMs, prefillTokens, decodes, admitted };
    },

    steadySteps: () => {
      if (isPrefilling || batch.length === 0 || batch.length < running.length) return 1;
      if (waiting.length > 0 && running.length < config.maxNumSeqs) return 1;
      if (batch.some(({ status }) => status !== "running")) return 1;
      const steps = Math.min(...batch.map(({ outputTokens, emitted }) => outputTokens - emitted));
      let blocks = 0;
      for (const sequence of batch) {
        blocks += Math.ceil((sequence.computed + steps - 1) / blockSize) - sequence.blocks.length;
      }
      return blocks > pool.freeCount() ? 1 : steps;
    },

    finishStep: (steps = 1) => {
      if (steps > 1) decodeMore(batch, steps - 1);
      const progressed: Sequence[] = [];
      for (const sequence of batch) {
        const isWhole = sequence.computed === sequence.promptTokens + sequence.emitted;
        if (sequence.status !== "running" || !isWhole) continue;
        if (sequence.outputTokens > 0) sequence.emitted += 1;
        if (sequence.emitted >= sequence.outputTokens) {
          sequence.status = "finished";
          pool.release(sequence.blocks);
        }
        progressed.push(sequence);
      }
      batch = [];
      if (progressed.some((sequence) => sequence.status === "finished")) {
        const rest = running.filter((sequence) => sequence.status === "running");
        running.splice(0, running.length, ...rest);
      }
      return progressed;
    },

    running: () => running.length,
    waiting: () => waiting.length,
    usage: () => 1 - pool.freeCount() / pool.capacity,
    totals: () => ({ preemptions, prefixQueries, prefixHits }),
    cachedTokens: ({ blockHashes, promptTokens }) =>
      blockSize * pool.match(blockHashes, Math.floor((promptTokens - 1) / blockSize)).length,
    resetPrefixCache: pool.reset,
  };
};
