import * as v from "valibot";
import { chatMessage, renderChat } from "./chat-template.ts";
import type { EngineParts, Routes } from "./parts.ts";
import { sendJson } from "./reply.ts";
import { invalidBody, readBody, textField } from "./request-body.ts";
import { detokenize, tokenize } from "./tokens.ts";

const tokenizeRequest = v.looseObject({
  model: textField,
  prompt: textField,
  messages: v.nullish(v.array(chatMessage)),
  return_token_strs: v.nullish(v.boolean()),
});

const detokenizeRequest = v.looseObject({
  model: textField,
  tokens: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** `POST /tokenize` and `POST /detokenize`, each the other's inverse. */
export const tokenizationRoutes = (parts: EngineParts): Routes => ({
  "POST /tokenize": (request, reply) => {
    const body = readBody(request, tokenizeRequest);
    parts.models.find(body.model);
    const text = body.messages ? renderChat(body.messages) : body.prompt;
    if (text === null || text === undefined) throw invalidBody(["prompt"], "missing", "Field required");
    const tokens = tokenize(text);
    const token_strs = body.return_token_strs === true ? tokens.map((token) => detokenize([token])) : null;
    sendJson(reply, 200, {
      count: tokens.length,
      max_model_len: parts.config.maxModelLen,
      tokens,
      token_strs,
    });
  },
  "POST /detokenize": (request, reply) => {
    const body = readBody(request, detokenizeRequest);
    parts.models.find(body.model);
    const prompt = detokenize(body.tokens);
    if (prompt === undefined) throw invalidBody(["tokens"], "value_error", "Token id is out of vocabulary");
    sendJson(reply, 200, { prompt });
  },
});
