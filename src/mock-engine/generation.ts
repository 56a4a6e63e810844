import { writeAnswer, type Answer, type AnswerLimits } from "./answer.ts";
import type { ServedModel } from "./models.ts";
import type { EngineParts } from "./parts.ts";
import { sendError, type Reply } from "./reply.ts";
import type { Sequence } from "./scheduler.ts";
import { hashTokens } from "./tokens.ts";

/** What a request asks the model, and the rules for the answer. */
export interface GenerationRequest {
  readonly prompt: readonly number[];
  readonly model: ServedModel;
  readonly maxTokens: number | null | undefined;
  readonly minTokens?: number | null | undefined;
  readonly ignoreEos?: boolean | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly seed?: number | null | undefined;
  readonly cacheSalt?: string | null | undefined;
}

/** An answer that the engine has begun to work on. */
export interface Generation {
  readonly answer: Answer;
  readonly promptTokens: number;
  /** Prompt tokens that the prefix cache held; 0 until the first token. */
  readonly cachedTokens: () => number;
}

/** vLLM's usage object; `tokens` of the answer so far. */
export const usageOf = (promptTokens: number, tokens: number, cachedTokens?: number): object => ({
  prompt_tokens: promptTokens,
  total_tokens: promptTokens + tokens,
  completion_tokens: tokens,
  ...(cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
});

/** The limits that a request sets, or the sentence and the field that refuse it. */
const limitsOf = (
  request: GenerationRequest,
  maxModelLen: number,
): AnswerLimits | { readonly refusal: string; readonly param: string } => {
  const { maxTokens } = request;
  const room = maxModelLen - request.prompt.length;
  if (maxTokens !== null && maxTokens !== undefined && maxTokens < 1) {
    return { refusal: `max_tokens must be at least 1, got ${maxTokens}.`, param: "max_tokens" };
  }
  if (room < (maxTokens ?? 1)) {
    const refusal =
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested ${maxTokens ?? 1} ` +
      `output tokens and your prompt contains ${request.prompt.length} input tokens, for a total of ` +
      `${request.prompt.length + (maxTokens ?? 1)} tokens. Please reduce the length of the input prompt or the ` +
      "number of requested output tokens.";
    return { refusal, param: "input_tokens" };
  }
  const stop = request.stop ?? [];
  return {
    maxTokens: maxTokens ?? room,
    minTokens: request.minTokens ?? 0,
    ignoreEos: request.ignoreEos ?? false,
    stop: typeof stop === "string" ? [stop] : stop,
  };
};

/**
 * Submits a request to the engine and calls `onToken` for each token of the answer. Answers 400 and returns
 * `undefined` when its limits cannot be met; ends the work when the client leaves.
 */
export const generate = (
  parts: EngineParts,
  reply: Reply,
  request: GenerationRequest,
  onToken: (index: number, isLast: boolean) => void,
): Generation | undefined => {
  const { config, loop, stats } = parts;
  const limits = limitsOf(request, config.maxModelLen);
  if ("refusal" in limits) {
    sendError(reply, 400, limits.refusal, limits.param);
    return undefined;
  }
  const prompt = request.prompt.length > 0 ? request.prompt : [0];
  const salt = `${request.model.cacheSalt}${request.cacheSalt ?? ""}`;
  const seed = hashTokens(
    [[config.seed, request.seed ?? 0], prompt],
    config.blockSize,
    request.model.cacheSalt,
  ).all;
  const answer = writeAnswer(seed, config.answerTokens, limits);
  const sequence: Sequence = loop.submit(
    {
      promptTokens: prompt.length,
      outputTokens: answer.pieces.length,
      blockHashes: hashTokens([prompt, answer.tokens], config.blockSize, salt).blocks,
    },
    ({ emitted, status }) => {
      const isLast = status === "finished";
      if (isLast) stats.countFinish(answer.finishReason);
      onToken(emitted - 1, isLast);
    },
  );
  reply.onAbandoned(() => loop.abort(sequence));
  return { answer, promptTokens: prompt.length, cachedTokens: () => sequence.cachedTokens ?? 0 };
};
