import type { EngineProgress } from "./engine-progress.ts";
import type { EngineSpeed } from "./engine-speed.ts";

/** Prompts that an engine computes, those of one step together. */
export interface EngineSteps {
  /** A prompt of which so many tokens were missing is computed now, beside so many answers that streamed. */
  readonly computed: (at: number, tokens: number, streams: number) => void;
}

/** A prompt that is ready after less than this share of its time was computed together with the one before. */
const SAME_STEP = 0.25;

/** Teaches a speed how long steps take: that one is over is known when the next one is. */
export const createEngineSteps = (
  { tokensMs, observe }: Pick<EngineSpeed, "tokensMs" | "observe">,
  progress: Pick<EngineProgress, "servedAt" | "serve">,
): EngineSteps => {
  let tokens = 0;
  let streams = 0;
  let ms = 0;
  return {
    computed: (at, ownTokens, ownStreams) => {
      const elapsed = at - progress.servedAt;
      progress.serve(at);
      if (tokens > 0 && elapsed < SAME_STEP * tokensMs(ownTokens)) {
        tokens += ownTokens;
        ms += elapsed;
        return;
      }
      if (tokens > 0) observe(tokens, streams, ms, at);
      tokens = ownTokens;
      streams = ownStreams;
      ms = elapsed;
    },
  };
};
