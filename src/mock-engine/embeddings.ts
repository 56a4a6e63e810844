import * as v from "valibot";
import { chatMessage, renderChat } from "./chat-template.ts";
import { startPrompts } from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route, Routes } from "./parts.ts";
import { readPrompts, textPrompt, type Prompt } from "./prompts.ts";
import { sendJson } from "./reply.ts";
import { integerField, invalidBody, promptInput, readBody, textField } from "./request-body.ts";
import { hashOf } from "./tokens.ts";
import { unitVector } from "./vectors.ts";

const poolingRequest = v.looseObject({
  model: textField,
  input: v.nullish(promptInput),
  messages: v.nullish(v.array(chatMessage)),
  encoding_format: v.nullish(v.picklist(["float", "base64"], "Input should be 'float' or 'base64'")),
  dimensions: integerField,
  cache_salt: v.nullish(v.string()),
});

type PoolingRequest = v.InferOutput<typeof poolingRequest>;

const defaultDimensions = 64;

const promptsOf = (body: PoolingRequest): readonly Prompt[] => {
  if (body.messages) return [textPrompt(renderChat(body.messages))];
  if (body.input === null || body.input === undefined)
    throw invalidBody(["input"], "missing", "Field required");
  return readPrompts(body.input);
};

const encode = (vector: readonly number[], format: PoolingRequest["encoding_format"]): unknown =>
  format === "base64" ? Buffer.from(new Float32Array(vector).buffer).toString("base64") : vector;

/** A route that answers each input with a value of its own and all of them with one usage object. */
const perInput =
  (
    parts: EngineParts,
    idPrefix: string,
    entry: (index: number, seed: number, body: PoolingRequest) => object,
  ): Route =>
  (request, reply) => {
    const body = readBody(request, poolingRequest);
    const model = parts.models.find(body.model);
    const prompts = promptsOf(body);
    const salt = `${model.cacheSalt}${body.cache_salt ?? ""}`;
    let total = 0;
    for (const { tokens } of prompts) total += tokens.length;
    startPrompts(
      parts,
      reply,
      prompts.map(({ tokens }) => ({ tokens, salt })),
      () =>
        sendJson(reply, 200, {
          id: `${idPrefix}-${headerOf(request, "x-request-id") ?? parts.newId()}`,
          object: "list",
          created: Math.floor(parts.clock.now() / 1000),
          model: model.name,
          data: prompts.map(({ tokens }, index) =>
            entry(index, hashOf([parts.config.seed, ...tokens]), body),
          ),
          usage: {
            prompt_tokens: total,
            total_tokens: total,
            completion_tokens: 0,
            prompt_tokens_details: null,
          },
        }),
    );
  };

/** Routes that turn text into vectors and classes. */
export const embeddingRoutes = (parts: EngineParts): Routes => ({
  "POST /v1/embeddings": perInput(parts, "embd", (index, seed, body) => ({
    index,
    object: "embedding",
    embedding: encode(unitVector(seed, body.dimensions ?? defaultDimensions), body.encoding_format),
  })),
  "POST /pooling": perInput(parts, "pool", (index, seed, body) => ({
    index,
    object: "pooling",
    data: encode(unitVector(seed, body.dimensions ?? defaultDimensions), body.encoding_format),
  })),
  "POST /classify": perInput(parts, "classify", (index, seed) => {
    const share = (seed % 1000) / 1000;
    return { index, label: share < 0.5 ? "LABEL_0" : "LABEL_1", probs: [1 - share, share], num_classes: 2 };
  }),
});
