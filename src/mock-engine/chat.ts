import * as v from "valibot";
import { chatMessage, renderChat } from "./chat-template.ts";
import { generate, usageOf, type Generation } from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route } from "./parts.ts";
import { sendError, sendJson, type Reply } from "./reply.ts";
import { findModel, readBody, samplingFields } from "./request-body.ts";
import { tokenize } from "./tokens.ts";

const chatRequest = v.looseObject({
  messages: v.array(chatMessage),
  ...samplingFields,
  max_completion_tokens: samplingFields.max_tokens,
});

type ChatRequest = v.InferOutput<typeof chatRequest>;

/** `POST /v1/chat/completions`. */
export const chatRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, reply, chatRequest);
    const model = body && findModel(parts, reply, body.model);
    if (!body || !model) return;
    if ((body.n ?? 1) !== 1) return sendError(reply, 400, "This simulated engine only supports n=1.", "n");

    const id = `chatcmpl-${headerOf(request, "x-request-id") ?? parts.newId()}`;
    const created = Math.floor(parts.clock.now() / 1000);
    const answerWith = body.stream === true ? streamChunks : sendWhole;
    const output = answerWith({ id, created, model: model.name }, body, reply);
    const generation = generate(
      parts,
      reply,
      {
        prompt: tokenize(renderChat(body.messages)),
        model,
        maxTokens: body.max_completion_tokens ?? body.max_tokens,
        minTokens: body.min_tokens,
        ignoreEos: body.ignore_eos,
        stop: body.stop,
        seed: body.seed,
        cacheSalt: body.cache_salt,
      },
      output.token,
    );
    if (generation) output.begin(generation);
  };

interface Identity {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

interface Output {
  readonly begin: (generation: Generation) => void;
  readonly token: (index: number, isLast: boolean) => void;
}

const sendWhole = ({ id, created, model }: Identity, _body: ChatRequest, reply: Reply): Output => {
  let generation: Generation | undefined;
  return {
    begin: (begun) => {
      generation = begun;
    },
    token: (_index, isLast) => {
      if (!isLast || !generation) return;
      const { answer, promptTokens } = generation;
      const message = {
        role: "assistant",
        content: answer.pieces.join(""),
        refusal: null,
        annotations: null,
        audio: null,
        function_call: null,
        tool_calls: [],
        reasoning: null,
      };
      sendJson(reply, 200, {
        id,
        object: "chat.completion",
        created,
        model,
        choices: [
          {
            index: 0,
            message,
            logprobs: null,
            finish_reason: answer.finishReason,
            stop_reason: answer.stopReason,
            token_ids: null,
          },
        ],
        service_tier: null,
        system_fingerprint: null,
        usage: usageOf(promptTokens, answer.pieces.length, generation.cachedTokens()),
        prompt_logprobs: null,
        prompt_token_ids: null,
        kv_transfer_params: null,
      });
    },
  };
};

const streamChunks = ({ id, created, model }: Identity, body: ChatRequest, reply: Reply): Output => {
  // Only the text of a token differs from chunk to chunk.
  const head =
    `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${created},` +
    `"model":${JSON.stringify(model)},"choices":[`;
  const includesUsage = body.stream_options?.include_usage === true;
  const isContinuous = includesUsage && body.stream_options?.continuous_usage_stats === true;
  let generation: Generation | undefined;

  const usage = (tokens: number): string =>
    isContinuous && generation ? `,"usage":${JSON.stringify(usageOf(generation.promptTokens, tokens))}` : "";
  const chunk = (delta: string, finish: string, tokens: number): string =>
    `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]${usage(tokens)}`;

  return {
    begin: (begun) => {
      generation = begun;
      reply.head(200, { contentType: "text/event-stream; charset=utf-8" });
    },
    token: (index, isLast) => {
      if (!generation) return;
      const { answer, promptTokens } = generation;
      if (index === 0) {
        reply.write(`${chunk('{"role":"assistant","content":""}', "null", 0)},"prompt_token_ids":null}\n\n`);
      }
      const delta = `{"content":${JSON.stringify(answer.pieces[index])}}`;
      if (!isLast) return reply.write(`${chunk(delta, 'null,"token_ids":null', index + 1)}}\n\n`);
      const finish = `"${answer.finishReason}","stop_reason":${JSON.stringify(answer.stopReason)},"token_ids":null`;
      reply.write(`${chunk(delta, finish, index + 1)}}\n\n`);
      if (includesUsage) {
        const total = usageOf(promptTokens, index + 1, generation.cachedTokens());
        reply.write(`${head}],"usage":${JSON.stringify(total)}}\n\n`);
      }
      reply.write("data: [DONE]\n\n");
      reply.end();
    },
  };
};
