import * as v from "valibot";
import { headerOf, type HttpRequest } from "./http-message.ts";
import type { ServedModel } from "./models.ts";
import type { EngineParts } from "./parts.ts";
import { sendError, sendJson, type Reply } from "./reply.ts";

const whole = v.pipe(
  v.number("Input should be a valid integer"),
  v.integer("Input should be a valid integer"),
);

/** Fields that every route with a model accepts; unknown ones are ignored, as in vLLM. */
export const modelFields = { model: v.nullish(v.string("Input should be a valid string")) };

/** Fields that every route with generated text accepts. */
export const samplingFields = {
  ...modelFields,
  max_tokens: v.nullish(whole),
  min_tokens: v.nullish(whole),
  ignore_eos: v.nullish(v.boolean("Input should be a valid boolean")),
  stop: v.nullish(
    v.union([v.string(), v.array(v.string())], "Input should be a string or a list of strings"),
  ),
  stream: v.nullish(v.boolean("Input should be a valid boolean")),
  stream_options: v.nullish(
    v.looseObject({
      include_usage: v.nullish(v.boolean()),
      continuous_usage_stats: v.nullish(v.boolean()),
    }),
  ),
  n: v.nullish(whole),
  seed: v.nullish(whole),
  cache_salt: v.nullish(
    v.pipe(v.string(), v.nonEmpty("Parameter 'cache_salt' must be a non-empty string if provided.")),
  ),
};

/** A non-empty text or token list, or several of them. */
export const promptInput = v.union(
  [v.string(), v.array(v.string()), v.array(whole), v.array(v.array(whole))],
  "Input should be a valid string or a list of strings or tokens",
);

/** Sends vLLM's answer to a body that does not fit its model. */
export const sendInvalid = (reply: Reply, message: string, param: string | null): void =>
  sendJson(reply, 400, { error: { message, type: "Bad Request", param, code: 400 } });

/** Reads a JSON body by a schema; answers 400 and returns `undefined` when it does not fit. */
export const readBody = <Schema extends v.GenericSchema>(
  request: HttpRequest,
  reply: Reply,
  schema: Schema,
): v.InferOutput<Schema> | undefined => {
  const type = headerOf(request, "content-type");
  if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    sendInvalid(reply, "Unsupported Media Type: Only 'application/json' is allowed", null);
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString());
  } catch (error) {
    sendInvalid(reply, `JSON decode error: ${error instanceof Error ? error.message : "invalid"}`, "body");
    return undefined;
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const message = issue.received === "undefined" ? "Field required" : issue.message;
  sendInvalid(reply, `1 validation error:\n  ${path ?? "body"}: ${message}`, path);
  return undefined;
};

/** Finds the model that a body names; answers vLLM's 404 and returns `undefined` when it is not served. */
export const findModel = (
  parts: EngineParts,
  reply: Reply,
  name: string | null | undefined,
): ServedModel | undefined => {
  const model = parts.models.find(name);
  if (!model) sendError(reply, 404, `The model \`${name}\` does not exist.`, "model");
  return model;
};
