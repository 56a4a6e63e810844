import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import { chatMessage, renderChat } from "./chat-template.ts";
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
import { openStream, sendJson, type Reply } from "./reply.ts";
import { integerField, readBody, samplingFields } from "./request-body.ts";
import { tokenize } from "./tokens.ts";

const chatRequest = v.looseObject({
  messages: v.array(chatMessage, "Input should be a valid list"),
  ...samplingFields,
  max_completion_tokens: integerField,
});

type ChatRequest = v.InferOutput<typeof chatRequest>;

/** `POST /v1/chat/completions`. */
export const chatRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, chatRequest);
    const model = parts.models.find(body.model);
    if ((body.n ?? 1) !== 1)
      throw new ApiError(400, "This simulated engine only supports n=1.", { param: "n" });
    const prompt = tokenize(renderChat(body.messages));
    const max_tokens = body.max_completion_tokens ?? body.max_tokens;
    const planned = planAnswer(parts, { ...body, prompt, model, max_tokens });
    const params = body.kv_transfer_params;

    const id = `chatcmpl-${headerOf(request, "x-request-id") ?? parts.newId()}`;
    const identity = { id, created: Math.floor(parts.clock.now() / 1000), model: model.name };
    const isStream = body.stream === true;
    const onStep = isStream
      ? streamChunks(identity, body, reply)
      : sendWhole(identity, reply, () => parts.transfers.offer(params, planned));
    const start = (plan: PlannedAnswer): void => {
      const generation = startAnswer(parts, reply, plan, (step) => onStep(step, generation));
      if (isStream) openStream(reply);
    };
    return parts.transfers.isRemote(params)
      ? parts.transfers.fetch(params, planned).then(start)
      : start(planned);
  };

interface Identity {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

type OnStep = (step: OutputStep, generation: Generation) => void;

const sendWhole = ({ id, created, model }: Identity, reply: Reply, offer: () => object | null): OnStep => {
  let content = "";
  return ({ text, tokens, finish }, generation) => {
    content += text;
    if (!finish) return;
    const message = {
      role: "assistant",
      content,
      refusal: null,
      annotations: null,
      audio: null,
      function_call: null,
      tool_calls: [],
      reasoning: null,
    };
    const choice = {
      index: 0,
      message,
      logprobs: null,
      finish_reason: finish.reason,
      stop_reason: finish.stopReason,
      token_ids: null,
    };
    sendJson(reply, 200, {
      id,
      object: "chat.completion",
      created,
      model,
      choices: [choice],
      service_tier: null,
      system_fingerprint: null,
      usage: usageOf(generation.promptTokens, tokens, generation.cachedTokens()),
      prompt_logprobs: null,
      prompt_token_ids: null,
      kv_transfer_params: offer(),
    });
  };
};

const streamChunks = ({ id, created, model }: Identity, body: ChatRequest, reply: Reply): OnStep => {
  // Only the text of a token differs from chunk to chunk.
  const head =
    `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${created},` +
    `"model":${JSON.stringify(model)},"choices":[`;
  const includesUsage = body.stream_options?.include_usage === true;
  const isContinuous = includesUsage && body.stream_options?.continuous_usage_stats === true;
  let isFirst = true;

  return ({ text, tokens, finish }, { promptTokens, cachedTokens }) => {
    const usage = (count: number): string =>
      isContinuous ? `,"usage":${JSON.stringify(usageOf(promptTokens, count))}` : "";
    if (isFirst) {
      isFirst = false;
      reply.write(
        `${head}{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]` +
          `${usage(0)},"prompt_token_ids":null}\n\n`,
      );
    }
    const end = finish
      ? `"${finish.reason}","stop_reason":${JSON.stringify(finish.stopReason)},"token_ids":null}]`
      : 'null,"token_ids":null}]';
    const delta = `{"index":0,"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":${end}`;
    reply.write(`${head}${delta}${usage(tokens)}}\n\n`);
    if (!finish) return;
    if (includesUsage) {
      const total = usageOf(promptTokens, tokens, cachedTokens());
      reply.write(`${head}],"usage":${JSON.stringify(total)}}\n\n`);
    }
    reply.write("data: [DONE]\n\n");
    reply.end();
  };
};
