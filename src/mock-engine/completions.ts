import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import {
  planAnswer,
  startAnswer,
  usageOf,
  type Generation,
  type OutputStep,
  type PlannedAnswer,
} from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route } from "./parts.ts";
import { readPrompts, type Prompt } from "./prompts.ts";
import { openStream, sendJson, type Reply } from "./reply.ts";
import { promptInput, readBody, samplingFields } from "./request-body.ts";

const completionRequest = v.looseObject({
  prompt: promptInput,
  ...samplingFields,
  echo: v.nullish(v.boolean("Input should be a valid boolean")),
});

type CompletionRequest = v.InferOutput<typeof completionRequest>;

/** `POST /v1/completions`: one choice for each prompt. */
export const completionsRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, completionRequest);
    const model = parts.models.find(body.model);
    if ((body.n ?? 1) !== 1)
      throw new ApiError(400, "This simulated engine only supports n=1.", { param: "n" });
    const prompts = readPrompts(body.prompt);
    // 16 is OpenAI's own default, which vLLM keeps for this route only.
    const max_tokens = body.max_tokens ?? 16;
    const plans = prompts.map(({ tokens }) =>
      planAnswer(parts, { ...body, prompt: tokens, model, max_tokens }),
    );

    const id = `cmpl-${headerOf(request, "x-request-id") ?? parts.newId()}`;
    const generations: Generation[] = [];
    const isStream = body.stream === true;
    const job: Job = {
      id,
      created: Math.floor(parts.clock.now() / 1000),
      model: model.name,
      prompts,
      generations,
    };
    const params = body.kv_transfer_params;
    const [first] = plans;
    const offer = (): object | null => (first ? parts.transfers.offer(params, first) : null);
    const onStep = isStream ? streamChunks(job, body, reply) : sendWhole(job, body, { reply, offer });
    const start = (ready: readonly PlannedAnswer[]): void => {
      for (const [choice, plan] of ready.entries()) {
        generations.push(startAnswer(parts, reply, plan, (step) => onStep(choice, step)));
      }
      if (isStream) openStream(reply);
    };
    // As in vLLM, a transfer is that of the first prompt.
    return first && parts.transfers.isRemote(params)
      ? parts.transfers.fetch(params, first).then((fetched) => start([fetched, ...plans.slice(1)]))
      : start(plans);
  };

interface Job {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly prompts: readonly Prompt[];
  readonly generations: readonly Generation[];
}

type OnStep = (choice: number, step: OutputStep) => void;

const totalUsage = ({ generations }: Job, tokens: number): object => {
  let promptTokens = 0;
  for (const generation of generations) promptTokens += generation.promptTokens;
  // As in vLLM, the cached tokens are those of the first prompt.
  return usageOf(promptTokens, tokens, generations[0]?.cachedTokens() ?? 0);
};

const echoOf = (job: Job, body: CompletionRequest, choice: number): string =>
  body.echo === true ? (job.prompts[choice]?.text ?? "") : "";

const sendWhole = (
  job: Job,
  body: CompletionRequest,
  { reply, offer }: { readonly reply: Reply; readonly offer: () => object | null },
): OnStep => {
  const texts = job.prompts.map((_, choice) => echoOf(job, body, choice));
  const choices: object[] = [];
  let left = job.prompts.length;
  let total = 0;
  return (index, { text, tokens, finish }) => {
    texts[index] += text;
    if (!finish) return;
    total += tokens;
    choices[index] = {
      index,
      text: texts[index],
      logprobs: null,
      finish_reason: finish.reason,
      stop_reason: finish.stopReason,
      token_ids: null,
      prompt_logprobs: null,
      prompt_token_ids: null,
    };
    left -= 1;
    if (left > 0) return;
    sendJson(reply, 200, {
      id: job.id,
      object: "text_completion",
      created: job.created,
      model: job.model,
      choices,
      service_tier: null,
      system_fingerprint: null,
      usage: totalUsage(job, total),
      kv_transfer_params: offer(),
    });
  };
};

const streamChunks = (job: Job, body: CompletionRequest, reply: Reply): OnStep => {
  const head =
    `data: {"id":${JSON.stringify(job.id)},"object":"text_completion","created":${job.created},` +
    `"model":${JSON.stringify(job.model)},"choices":[`;
  const includesUsage = body.stream_options?.include_usage === true;
  const isContinuous = includesUsage && body.stream_options?.continuous_usage_stats === true;
  const echoes = job.prompts.map((_, choice) => echoOf(job, body, choice));
  let left = job.prompts.length;
  let total = 0;
  return (choice, { text, tokens, finish }) => {
    const content = JSON.stringify((echoes[choice] ?? "") + text);
    echoes[choice] = "";
    const reason = finish ? `"${finish.reason}"` : "null";
    const stop = JSON.stringify(finish?.stopReason ?? null);
    const promptTokens = job.generations[choice]?.promptTokens ?? 0;
    const usage = isContinuous ? `,"usage":${JSON.stringify(usageOf(promptTokens, tokens))}` : "";
    reply.write(
      `${head}{"index":${choice},"text":${content},"logprobs":null,"finish_reason":${reason},` +
        `"stop_reason":${stop},"prompt_token_ids":null,"token_ids":null}]${usage}}\n\n`,
    );
    if (!finish) return;
    total += tokens;
    left -= 1;
    if (left > 0) return;
    if (includesUsage) reply.write(`${head}],"usage":${JSON.stringify(totalUsage(job, total))}}\n\n`);
    reply.write("data: [DONE]\n\n");
    reply.end();
  };
};
