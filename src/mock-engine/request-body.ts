import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import { headerOf, type HttpRequest } from "./http-message.ts";

const flag = v.nullish(v.boolean("Input should be a valid boolean"));
const whole = v.pipe(
  v.number("Input should be a valid integer"),
  v.integer("Input should be a valid integer"),
);

/** A field that holds a name or another text. */
export const textField = v.nullish(v.string("Input should be a valid string"));

/** A field that holds an integer. */
export const integerField = v.nullish(whole);

/** What a request says of the other engine that takes part in its answer; fields as in vLLM. */
export const transferField = v.nullish(
  v.looseObject({
    do_remote_decode: v.nullish(v.boolean()),
    do_remote_prefill: v.nullish(v.boolean()),
    remote_engine_id: v.nullish(v.string()),
    remote_block_ids: v.nullish(v.array(v.number())),
    remote_host: v.nullish(v.string()),
    remote_port: v.nullish(v.number()),
  }),
);

/** Fields of every route with generated text; unknown ones are ignored, as in vLLM. */
export const samplingFields = {
  model: textField,
  max_tokens: integerField,
  min_tokens: integerField,
  ignore_eos: flag,
  stop: v.nullish(
    v.union([v.string(), v.array(v.string())], "Input should be a string or a list of strings"),
  ),
  stream: flag,
  stream_options: v.nullish(v.looseObject({ include_usage: flag, continuous_usage_stats: flag })),
  n: integerField,
  seed: integerField,
  kv_transfer_params: transferField,
  cache_salt: v.nullish(
    v.pipe(v.string(), v.nonEmpty("Parameter 'cache_salt' must be a non-empty string if provided.")),
  ),
};

/** A text or a list of tokens, or several of them. */
export const promptInput = v.union(
  [v.string(), v.array(v.string()), v.array(whole), v.array(v.array(whole))],
  "Input should be a valid string or a list of strings or tokens",
);

/** An error of the kind that vLLM's request models give, with the path of the field in the body. */
export const invalidBody = (path: readonly (string | number)[], type: string, message: string): ApiError => {
  const quoted = path.map((step) => (typeof step === "number" ? String(step) : `'${step}'`));
  const location = ["'body'", ...quoted].join(", ");
  return new ApiError(
    400,
    `1 validation error:\n  {'type': '${type}', 'loc': (${location}), 'msg': '${message}'}`,
    {
      type: "Bad Request",
      param: ["body", ...path].join("."),
    },
  );
};

/** Reads a JSON body by a schema; throws vLLM's 400 where it does not fit. */
export const readBody = <Schema extends v.GenericSchema>(
  request: HttpRequest,
  schema: Schema,
): v.InferOutput<Schema> => {
  const type = headerOf(request, "content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    const message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed";
    throw new ApiError(400, message, { type: "Bad Request" });
  }
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString());
  } catch {
    throw invalidBody([], "json_invalid", "JSON decode error");
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  const isMissing = issue.received === "undefined";
  throw invalidBody(path, isMissing ? "missing" : issue.type, isMissing ? "Field required" : issue.message);
};
