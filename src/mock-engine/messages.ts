import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import { renderChat } from "./chat-template.ts";
import { planAnswer, startAnswer, type Generation, type OutputStep } from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route, Routes } from "./parts.ts";
import { openStream, sendJson, type Reply } from "./reply.ts";
import { readBody } from "./request-body.ts";
import { tokenize } from "./tokens.ts";

const content = v.union([
  v.string(),
  v.array(v.looseObject({ type: v.string(), text: v.nullish(v.string()) })),
]);

const conversation = {
  model: v.pipe(v.string(), v.nonEmpty("Model is required")),
  messages: v.array(v.looseObject({ role: v.string(), content })),
  system: v.nullish(content),
};

const messagesRequest = v.looseObject({
  ...conversation,
  max_tokens: v.pipe(v.number(), v.integer(), v.minValue(1, "max_tokens must be positive")),
  stop_sequences: v.nullish(v.array(v.string())),
  stream: v.nullish(v.boolean()),
});

const countRequest = v.looseObject(conversation);

const promptOf = (body: v.InferOutput<typeof countRequest>): number[] => {
  const system = body.system ? [{ role: "system", content: body.system }] : [];
  const messages = [...system, ...body.messages].map((message) => ({
    role: message.role,
    content:
      typeof message.content === "string"
        ? message.content
        : message.content.map((block) => ({ ...block, text: block.text ?? undefined })),
  }));
  return tokenize(renderChat(messages));
};

/** vLLM answers in Anthropic's form only to what its chat serving refuses, not to a malformed body. */
const inAnthropicForm =
  (route: Route): Route =>
  (request, reply) => {
    try {
      return route(request, reply);
    } catch (error) {
      if (!(error instanceof ApiError) || error.type === "Bad Request") throw error;
      sendJson(reply, error.status, { type: "error", error: { type: error.type, message: error.message } });
    }
  };

/** Anthropic's API: `POST /v1/messages` and its token count. */
export const messagesRoutes = (parts: EngineParts): Routes => ({
  "POST /v1/messages": inAnthropicForm((request, reply) => {
    const body = readBody(request, messagesRequest);
    const model = parts.models.find(body.model);
    const plan = planAnswer(parts, {
      prompt: promptOf(body),
      model,
      max_tokens: body.max_tokens,
      stop: body.stop_sequences,
    });
    const id = `chatcmpl-${headerOf(request, "x-request-id") ?? parts.newId()}`;
    const writer = body.stream === true ? streamEvents : sendWhole;
    const onStep = writer({ id, model: model.name }, reply);
    const generation = startAnswer(parts, reply, plan, (step) => onStep(step, generation));
    if (body.stream === true) openStream(reply);
  }),

  "POST /v1/messages/count_tokens": inAnthropicForm((request, reply) => {
    const body = readBody(request, countRequest);
    parts.models.find(body.model);
    const input_tokens = promptOf(body).length;
    sendJson(reply, 200, { input_tokens, context_management: { original_input_tokens: input_tokens } });
  }),
});

interface Identity {
  readonly id: string;
  readonly model: string;
}

type OnStep = (step: OutputStep, generation: Generation) => void;

const stopReasonOf = (finish: NonNullable<OutputStep["finish"]>): string =>
  finish.reason === "length" ? "max_tokens" : "end_turn";

const sendWhole = ({ id, model }: Identity, reply: Reply): OnStep => {
  let whole = "";
  return ({ text, tokens, finish }, { promptTokens }) => {
    whole += text;
    if (!finish) return;
    sendJson(reply, 200, {
      id,
      type: "message",
      role: "assistant",
      content: whole === "" ? [] : [{ type: "text", text: whole }],
      model,
      stop_reason: stopReasonOf(finish),
      usage: { input_tokens: promptTokens, output_tokens: tokens },
    });
  };
};

const streamEvents = ({ id, model }: Identity, reply: Reply): OnStep => {
  const write = (type: string, fields: object): void =>
    reply.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  let hasBegun = false;
  let isOpen = false;
  return ({ text, tokens, finish }, { promptTokens }) => {
    if (!hasBegun) {
      hasBegun = true;
      const usage = { input_tokens: promptTokens, output_tokens: 0 };
      write("message_start", {
        message: {
          id,
          type: "message",
          role: "assistant",
          content: [],
          model,
          stop_reason: null,
          stop_sequence: null,
          usage,
        },
      });
    }
    if (text !== "") {
      if (!isOpen) write("content_block_start", { content_block: { type: "text", text: "" }, index: 0 });
      isOpen = true;
      write("content_block_delta", { delta: { type: "text_delta", text }, index: 0 });
    }
    if (!finish) return;
    if (isOpen) write("content_block_stop", { index: 0 });
    write("message_delta", {
      delta: { stop_reason: stopReasonOf(finish) },
      usage: { input_tokens: promptTokens, output_tokens: tokens },
    });
    write("message_stop", {});
    reply.end();
  };
};
