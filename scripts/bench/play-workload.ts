import { createMeter, type Measures } from "../../src/simulate/measures.ts";
import { bytesOf, type Span } from "../../src/simulate/prompt.ts";
import { SESSION_HEADER } from "../../src/simulate/simulation.ts";
import type { Workload, WorkloadRequest } from "../../src/simulate/workloads/workload.ts";
import { complete } from "./completion.ts";

/** What is played against. */
export interface PlayTarget {
  readonly url: string;
  readonly model: string;
  /** How many times as fast as their clock the engines run; the workload comes so many times as fast, too. */
  readonly timeScale: number;
  readonly ttftLimitMs: number;
}

/** What a workload met, its times at the engines' own speed. */
export interface Played {
  readonly measures: Measures;
  /** Milliseconds by which the requests were sent late, in the mean: the generator's own share. */
  readonly lagMs: number;
  readonly errors: readonly string[];
}

/**
 * Text of a span, each of its tokens one for the simulated engine: a space and four letters. The last one is a line
 * break, so that an answer's first word is no continuation of it: the engine's tokens are then those of the next round.
 */
const textOf = (span: Span): string =>
  Buffer.from(bytesOf([span]))
    .toString()
    .replaceAll(/.{4}/g, " $&")
    .replace(/.{5}$/, "\n");

/**
 * Plays a workload over HTTP: every request is sent when it is due, whether or not earlier ones are answered, and its
 * times count from then; a user of a closed loop goes on with the answer that really came.
 */
export const playWorkload = async (
  { arrivals, next }: Workload,
  { url, model, timeScale, ttftLimitMs }: PlayTarget,
): Promise<Played> => {
  const meter = createMeter(ttftLimitMs);
  const answers = new Map<number, string>();
  const errors: string[] = [];
  const totals = { busyMs: 0, preemptions: 0, prefixQueries: 0, prefixHits: 0 };
  const beganAt = performance.now();
  let lagMs = 0;
  let sent = 0;

  const play = async (request: WorkloadRequest): Promise<void> => {
    const { prompt, promptTokens, outputTokens, answerId, session } = request;
    const dueAt = beganAt + request.atMs / timeScale;
    const text = prompt.map((span) => answers.get(span.id) ?? textOf(span)).join("");
    await Bun.sleep(Math.max(0, dueAt - performance.now()));
    lagMs += performance.now() - dueAt;
    sent += 1;
    meter.arrived(promptTokens, 0);
    const headers: Record<string, string> = session === undefined ? {} : { [SESSION_HEADER]: session };
    try {
      const answer = await complete(url, model, { prompt: text, maxTokens: outputTokens, headers });
      if (answerId !== undefined) answers.set(answerId, answer.text);
      const ttftMs = answer.firstAt - dueAt;
      const gaps = answer.outputTokens - 1;
      if (gaps > 0) meter.gap((timeScale * (answer.endAt - answer.firstAt)) / gaps, gaps);
      meter.finished(timeScale * ttftMs, timeScale * (answer.endAt - dueAt), answer.outputTokens);
      totals.prefixQueries += answer.promptTokens;
      totals.prefixHits += answer.cachedTokens;
    } catch (error) {
      meter.failed();
      errors.push(String(error));
    }
    const following = next?.(request, (performance.now() - beganAt) * timeScale);
    if (following) await play(following);
  };

  await Promise.all(Array.from(arrivals, play));
  const lastedMs = (performance.now() - beganAt) * timeScale;
  return { measures: meter.measures([totals], lastedMs), lagMs: lagMs / Math.max(1, sent), errors };
};
