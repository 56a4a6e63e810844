import type { Scheduler, SchedulerConfig } from "../../src/mock-engine/scheduler.ts";
import type { Sequence } from "../../src/mock-engine/sequence.ts";

/** The defaults of `vllm-router mock-engine`. */
export const config: SchedulerConfig = {
  maxNumBatchedTokens: 8192,
  maxNumSeqs: 256,
  blockSize: 16,
  numGpuBlocks: 32_768,
  prefillTokensPerSecond: 8000,
  decodeMs: 6,
  decodeMsPerSeq: 0.35,
};

/** Block hashes of a text that shares nothing with one of another name. */
const hashesOf = (name: number, tokens: number): number[] =>
  Array.from({ length: Math.floor(tokens / config.blockSize) }, (_, index) => name * 100_000 + index);

let names = 0;
/** Submits a request; those of one name share their text as far as both go. */
export const submit = (
  scheduler: Scheduler,
  promptTokens: number,
  outputTokens: number,
  name = (names += 1),
): Sequence =>
  scheduler.submit({ promptTokens, outputTokens, blockHashes: hashesOf(name, promptTokens + outputTokens) });

/** When each sequence got each of its tokens, in virtual milliseconds, running until nothing is left to do. */
export const run = (
  scheduler: Scheduler,
  startMs = 0,
): { times: Map<Sequence, number[]>; steps: number; endMs: number } => {
  const times = new Map<Sequence, number[]>();
  let now = startMs;
  let steps = 0;
  for (let step = scheduler.beginStep(); step; step = scheduler.beginStep()) {
    now += step.durationMs;
    steps += 1;
    for (const sequence of scheduler.finishStep()) times.set(sequence, [...(times.get(sequence) ?? []), now]);
  }
  return { times, steps, endMs: now };
};

/** When a sequence got its first token. */
export const firstOf = (times: Map<Sequence, number[]>, sequence: Sequence): number =>
  times.get(sequence)?.[0] ?? Number.NaN;
