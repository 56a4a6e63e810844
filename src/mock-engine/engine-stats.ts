import type { LoopObserver } from "./engine-loop.ts";
import { createHistogram, type Histogram } from "./histogram.ts";
import type { Sequence } from "./sequence.ts";

/** Why a request ended, in vLLM's words. */
export const finishReasons = ["stop", "length", "abort"] as const;

/** One of those words. */
export type FinishReason = (typeof finishReasons)[number];

const latencyBounds: readonly number[] = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const firstTokenBounds: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];
const tokenBounds: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const stepBounds: readonly number[] = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

/** 1, 2, 5, 10, ... up to `limit`. */
const oneTwoFive = (limit: number): readonly number[] => {
  const bounds: number[] = [];
  for (let power = 1; power <= limit; power *= 10) {
    for (const digit of [1, 2, 5]) if (digit * power <= limit) bounds.push(digit * power);
  }
  return bounds;
};

/** Everything that an engine counts about its requests; times in seconds. */
export interface EngineStats extends LoopObserver {
  readonly timeToFirstToken: Histogram;
  readonly interTokenLatency: Histogram;
  readonly timePerOutputToken: Histogram;
  readonly endToEnd: Histogram;
  readonly queueTime: Histogram;
  readonly prefillTime: Histogram;
  readonly decodeTime: Histogram;
  readonly inferenceTime: Histogram;
  readonly promptLength: Histogram;
  readonly outputLength: Histogram;
  readonly stepTokens: Histogram;
  readonly promptTokens: () => number;
  readonly generationTokens: () => number;
  readonly finished: (reason: FinishReason) => number;
  /** Books the reason for which a sequence that has ended by itself did so. */
  readonly countFinish: (reason: FinishReason) => void;
}

interface Times {
  readonly arrivedMs: number;
  startedMs: number;
  firstMs: number;
  lastMs: number;
}

/** Counters at zero for an engine whose contexts hold `maxModelLen` tokens. */
export const createEngineStats = (maxModelLen: number): EngineStats => {
  const times = new Map<Sequence, Times>();
  const finishes = new Map<FinishReason, number>();
  let promptTokens = 0;
  let generationTokens = 0;

  const timeToFirstToken = createHistogram(firstTokenBounds);
  const interTokenLatency = createHistogram(tokenBounds);
  const timePerOutputToken = createHistogram(tokenBounds);
  const endToEnd = createHistogram(latencyBounds);
  const queueTime = createHistogram(latencyBounds);
  const prefillTime = createHistogram(latencyBounds);
  const decodeTime = createHistogram(latencyBounds);
  const inferenceTime = createHistogram(latencyBounds);
  const promptLength = createHistogram(oneTwoFive(maxModelLen));
  const outputLength = createHistogram(oneTwoFive(maxModelLen));
  const stepTokens = createHistogram(stepBounds);

  const seconds = (fromMs: number, toMs: number): number => (toMs - fromMs) / 1000;

  const observeToken = (sequence: Sequence, at: Times, endedMs: number): void => {
    if (sequence.emitted <= 1) {
      at.firstMs = endedMs;
      promptTokens += sequence.promptTokens;
      timeToFirstToken.observe(seconds(at.arrivedMs, endedMs));
    } else {
      interTokenLatency.observe(seconds(at.lastMs, endedMs));
    }
    generationTokens += sequence.emitted > 0 ? 1 : 0;
    at.lastMs = endedMs;
  };

  const observeFinish = (sequence: Sequence, at: Times): void => {
    endToEnd.observe(seconds(at.arrivedMs, at.lastMs));
    queueTime.observe(seconds(at.arrivedMs, at.startedMs));
    prefillTime.observe(seconds(at.startedMs, at.firstMs));
    decodeTime.observe(seconds(at.firstMs, at.lastMs));
    inferenceTime.observe(seconds(at.startedMs, at.lastMs));
    promptLength.observe(sequence.promptTokens);
    outputLength.observe(sequence.emitted);
    if (sequence.emitted > 1) {
      timePerOutputToken.observe(seconds(at.firstMs, at.lastMs) / (sequence.emitted - 1));
    }
  };

  const countFinish = (reason: FinishReason): void => {
    finishes.set(reason, (finishes.get(reason) ?? 0) + 1);
  };

  return {
    timeToFirstToken,
    interTokenLatency,
    timePerOutputToken,
    endToEnd,
    queueTime,
    prefillTime,
    decodeTime,
    inferenceTime,
    promptLength,
    outputLength,
    stepTokens,
    promptTokens: () => promptTokens,
    generationTokens: () => generationTokens,
    finished: (reason) => finishes.get(reason) ?? 0,
    countFinish,

    submitted: (sequence, atMs) => {
      times.set(sequence, { arrivedMs: atMs, startedMs: atMs, firstMs: atMs, lastMs: atMs });
    },
    stepBegan: (step, atMs) => {
      stepTokens.observe(step.prefillTokens + step.decodes);
      for (const sequence of step.admitted) {
        const at = times.get(sequence);
        if (at) at.startedMs = atMs;
      }
    },
    stepEnded: (progressed, endedMs) => {
      for (const sequence of progressed) {
        const at = times.get(sequence);
        if (!at) continue;
        observeToken(sequence, at, endedMs);
        if (sequence.status !== "finished") continue;
        observeFinish(sequence, at);
        times.delete(sequence);
      }
    },
    aborted: (sequence) => {
      times.delete(sequence);
      countFinish("abort");
    },
  };
};
