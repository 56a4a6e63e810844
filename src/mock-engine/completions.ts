import * as v from "valibot";
import { generate, usageOf, type Generation } from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route } from "./parts.ts";
import { sendError, sendJson, type Reply } from "./reply.ts";
import { findModel, promptInput, readBody, samplingFields } from "./request-body.ts";
import { detokenize, tokenize } from "./tokens.ts";

const completionRequest = v.looseObject({
  prompt: promptInput,
  ...samplingFields,
  echo: v.nullish(v.boolean()),
});

type CompletionRequest = v.InferOutput<typeof completionRequest>;

interface Prompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** The prompts of a request: text and tokens, one or several. */
const promptsOf = (input: CompletionRequest["prompt"]): readonly Prompt[] => {
  const fromText = (text: string): Prompt => ({ text, tokens: tokenize(text) });
  const fromTokens = (tokens: readonly number[]): Prompt => ({ text: detokenize(tokens) ?? "", tokens });
  if (typeof input === "string") return [fromText(input)];
  const numbers = input.filter((item) => typeof item === "number");
  if (numbers.length > 0) return [fromTokens(numbers)];
  return input.map((item) =>
    typeof item === "string" ? fromText(item) : fromTokens(item as readonly number[]),
  );
};

/** `POST /v1/completions`: one choice for each prompt. */
export const completionsRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, reply, completionRequest);
    const model = body && findModel(parts, reply, body.model);
    if (!body || !model) return;
    if ((body.n ?? 1) !== 1) return sendError(reply, 400, "This simulated engine only supports n=1.", "n");
    const prompts = promptsOf(body.prompt);
    if (prompts.length === 0) return sendError(reply, 400, "prompt must not be empty", "prompt");

    const id = `cmpl-${headerOf(request, "x-request-id") ?? parts.newId()}`;
    const created = Math.floor(parts.clock.now() / 1000);
    const generations: Generation[] = [];
    const isStream = body.stream === true;
    const writer = isStream ? streamWriter : wholeWriter;
    const output = writer({ id, created, model: model.name, prompts, generations }, body, reply);
    for (const [choice, prompt] of prompts.entries()) {
      const generation = generate(
        parts,
        reply,
        {
          prompt: prompt.tokens,
          model,
          // OpenAI's own default, which vLLM keeps for this route only.
          maxTokens: body.max_tokens ?? 16,
          minTokens: body.min_tokens,
          ignoreEos: body.ignore_eos,
          stop: body.stop,
          seed: body.seed,
          cacheSalt: body.cache_salt,
        },
        (index, isLast) => output(choice, index, isLast),
      );
      if (!generation) return;
      generations.push(generation);
    }
    if (isStream) reply.head(200, { contentType: "text/event-stream; charset=utf-8" });
  };

interface Job {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly prompts: readonly Prompt[];
  readonly generations: readonly Generation[];
}

type OnToken = (choice: number, index: number, isLast: boolean) => void;

const totalUsage = (generations: readonly Generation[], withDetails: boolean): object => {
  let promptTokens = 0;
  let tokens = 0;
  for (const generation of generations) {
    promptTokens += generation.promptTokens;
    tokens += generation.answer.pieces.length;
  }
  // As in vLLM, the cached tokens are those of the first prompt.
  return usageOf(promptTokens, tokens, withDetails ? generations[0]?.cachedTokens() : undefined);
};

const wholeWriter = (job: Job, body: CompletionRequest, reply: Reply): OnToken => {
  let left = job.prompts.length;
  return (_choice, _index, isLast) => {
    if (!isLast) return;
    left -= 1;
    if (left > 0) return;
    const choices = job.generations.map(({ answer }, index) => ({
      index,
      text: (body.echo === true ? (job.prompts[index]?.text ?? "") : "") + answer.pieces.join(""),
      logprobs: null,
      finish_reason: answer.finishReason,
      stop_reason: answer.stopReason,
      token_ids: null,
      prompt_logprobs: null,
      prompt_token_ids: null,
    }));
    sendJson(reply, 200, {
      id: job.id,
      object: "text_completion",
      created: job.created,
      model: job.model,
      choices,
      service_tier: null,
      system_fingerprint: null,
      usage: totalUsage(job.generations, true),
      kv_transfer_params: null,
    });
  };
};

const streamWriter = (job: Job, body: CompletionRequest, reply: Reply): OnToken => {
  const head =
    `data: {"id":${JSON.stringify(job.id)},"object":"text_completion","created":${job.created},` +
    `"model":${JSON.stringify(job.model)},"choices":[`;
  const includesUsage = body.stream_options?.include_usage === true;
  const isContinuous = includesUsage && body.stream_options?.continuous_usage_stats === true;
  let left = job.prompts.length;
  return (choice, index, isLast) => {
    const generation = job.generations[choice];
    if (!generation) return;
    const { answer, promptTokens } = generation;
    const echo = index === 0 && body.echo === true ? (job.prompts[choice]?.text ?? "") : "";
    const text = JSON.stringify(echo + (answer.pieces[index] ?? ""));
    const finish = isLast ? `"${answer.finishReason}"` : "null";
    const stop = isLast ? JSON.stringify(answer.stopReason) : "null";
    const usage = isContinuous ? `,"usage":${JSON.stringify(usageOf(promptTokens, index + 1))}` : "";
    reply.write(
      `${head}{"index":${choice},"text":${text},"logprobs":null,"finish_reason":${finish},` +
        `"stop_reason":${stop},"prompt_token_ids":null,"token_ids":null}]${usage}}\n\n`,
    );
    if (!isLast) return;
    left -= 1;
    if (left > 0) return;
    if (includesUsage)
      reply.write(`${head}],"usage":${JSON.stringify(totalUsage(job.generations, true))}}\n\n`);
    reply.write("data: [DONE]\n\n");
    reply.end();
  };
};
