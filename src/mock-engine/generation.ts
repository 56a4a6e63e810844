import { writeAnswer, type Answer, type AnswerLimits } from "./answer.ts";
import { ApiError } from "./api-error.ts";
import type { FinishReason } from "./engine-stats.ts";
import type { ServedModel } from "./models.ts";
import type { EngineParts } from "./parts.ts";
import type { Reply } from "./reply.ts";
import { blockHashes, createTokenHasher, hashOf } from "./tokens.ts";

/** What a request asks the model, and the rules for the answer. */
export interface GenerationRequest {
  readonly prompt: readonly number[];
  readonly model: ServedModel;
  readonly max_tokens?: number | null | undefined;
  readonly min_tokens?: number | null | undefined;
  readonly ignore_eos?: boolean | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly seed?: number | null | undefined;
  readonly cache_salt?: string | null | undefined;
}

/** An answer that can be given: checked, written, but not begun. */
export interface PlannedAnswer {
  readonly prompt: readonly number[];
  readonly answer: Answer;
  readonly blockHashes: readonly number[];
  /** Another engine has computed the prompt, and it is here. */
  readonly isFetched?: boolean;
}

/** What one step of the engine adds to an answer. */
export interface OutputStep {
  readonly text: string;
  /** Tokens of the answer so far. */
  readonly tokens: number;
  /** Set when it is over. */
  readonly finish?: { readonly reason: FinishReason; readonly stopReason: string | null };
}

/** An answer that the engine works on. */
export interface Generation {
  readonly promptTokens: number;
  /** Prompt tokens that the prefix cache held; known from the first step on. */
  readonly cachedTokens: () => number;
}

const limitsOf = (request: GenerationRequest, maxModelLen: number): AnswerLimits => {
  const maxTokens = request.max_tokens ?? undefined;
  const length = request.prompt.length;
  if (maxTokens !== undefined && maxTokens < 1) {
    throw new ApiError(400, `max_tokens must be at least 1, got ${maxTokens}.`, { param: "max_tokens" });
  }
  const wanted = maxTokens ?? 1;
  if (length + wanted > maxModelLen) {
    const message =
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested ${wanted} output ` +
      `tokens and your prompt contains ${length} input tokens, for a total of ${length + wanted} tokens. Please ` +
      "reduce the length of the input prompt or the number of requested output tokens.";
    throw new ApiError(400, message, { param: "input_tokens" });
  }
  const stop = request.stop ?? [];
  return {
    maxTokens: maxTokens ?? maxModelLen - length,
    minTokens: request.min_tokens ?? 0,
    ignoreEos: request.ignore_eos ?? false,
    stop: typeof stop === "string" ? [stop] : stop,
  };
};

/** Tokens of a prompt as the engine computes them: an empty one still has its first token. */
const promptTokens = (tokens: readonly number[]): readonly number[] => (tokens.length > 0 ? tokens : [0]);

/** Plans the answer to a request; throws vLLM's 400 when its limits cannot be met. */
export const planAnswer = (parts: EngineParts, request: GenerationRequest): PlannedAnswer => {
  const { config } = parts;
  const prompt = promptTokens(request.prompt);
  const limits = limitsOf({ ...request, prompt }, config.maxModelLen);
  const plain = createTokenHasher(config.blockSize, request.model.cacheSalt);
  plain.push(prompt);
  const answer = writeAnswer(
    hashOf([plain.value(), config.seed, request.seed ?? 0]),
    config.answerTokens,
    limits,
  );
  plain.push(answer.tokens);
  if (!request.cache_salt) return { prompt, answer, blockHashes: plain.blocks };
  const salt = `${request.model.cacheSalt}${request.cache_salt}`;
  return { prompt, answer, blockHashes: blockHashes([...prompt, ...answer.tokens], config.blockSize, salt) };
};

/** Begins a planned answer and calls `onStep` for each token; ends the work when the client leaves. */
export const startAnswer = (
  parts: EngineParts,
  reply: Reply,
  plan: PlannedAnswer,
  onStep: (step: OutputStep) => void,
): Generation => {
  const { loop, stats } = parts;
  const { answer, prompt } = plan;
  const sequence = loop.submit(
    {
      promptTokens: prompt.length,
      outputTokens: answer.pieces.length,
      blockHashes: plan.blockHashes,
      isFetched: plan.isFetched ?? false,
    },
    ({ emitted, status }) => {
      if (status === "aborted") {
        return onStep({ text: "", tokens: emitted, finish: { reason: "abort", stopReason: null } });
      }
      const text = answer.pieces[emitted - 1] ?? "";
      if (status !== "finished") return onStep({ text, tokens: emitted });
      stats.countFinish(answer.finishReason);
      const finish = { reason: answer.finishReason, stopReason: answer.stopReason };
      onStep({ text, tokens: emitted, finish });
    },
  );
  reply.onAbandoned(() => loop.abort(sequence));
  return { promptTokens: prompt.length, cachedTokens: () => sequence.cachedTokens ?? 0 };
};

/** Computes prompts that need no answer, such as texts to embed, and calls `onDone` when all are done. */
export const startPrompts = (
  parts: EngineParts,
  reply: Reply,
  prompts: readonly { readonly tokens: readonly number[]; readonly salt: string }[],
  onDone: () => void,
): void => {
  const { config, loop, stats } = parts;
  for (const { tokens } of prompts) {
    if (tokens.length <= config.maxModelLen) continue;
    const message =
      `This model's maximum context length is ${config.maxModelLen} tokens. However, your request has ` +
      `${tokens.length} input tokens. Please reduce the length of the input messages.`;
    throw new ApiError(400, message, { param: "input_tokens" });
  }
  let left = prompts.length;
  let isAborted = false;
  const sequences = prompts.map(({ tokens, salt }) =>
    loop.submit(
      {
        promptTokens: tokens.length,
        outputTokens: 0,
        blockHashes: blockHashes(tokens, config.blockSize, salt),
      },
      ({ status }) => {
        isAborted ||= status === "aborted";
        if (!isAborted) stats.countFinish("stop");
        left -= 1;
        if (left > 0) return;
        if (isAborted) reply.abort("fin");
        else onDone();
      },
    ),
  );
  reply.onAbandoned(() => sequences.forEach(loop.abort));
};

/** vLLM's usage object; without `cachedTokens` it has no details, as in the middle of a stream. */
export const usageOf = (prompt: number, tokens: number, cachedTokens?: number): object => ({
  prompt_tokens: prompt,
  total_tokens: prompt + tokens,
  completion_tokens: tokens,
  ...(cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
});
