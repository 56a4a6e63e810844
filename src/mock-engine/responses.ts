import * as v from "valibot";
import { renderChat } from "./chat-template.ts";
import { planAnswer, startAnswer, type Generation, type OutputStep } from "./generation.ts";
import type { EngineParts, Route } from "./parts.ts";
import { openStream, sendJson, type Reply } from "./reply.ts";
import { integerField, readBody, samplingFields, textField } from "./request-body.ts";
import { tokenize } from "./tokens.ts";

const inputPart = v.looseObject({ type: v.string(), text: v.nullish(v.string()) });
const inputItem = v.looseObject({
  role: v.nullish(v.string()),
  content: v.nullish(v.union([v.string(), v.array(inputPart)])),
});

const responsesRequest = v.looseObject({
  model: samplingFields.model,
  input: v.union([v.string(), v.array(inputItem)], "Input should be a valid string or a list of items"),
  instructions: textField,
  max_output_tokens: integerField,
  stream: samplingFields.stream,
  cache_salt: samplingFields.cache_salt,
  metadata: v.nullish(v.record(v.string(), v.unknown())),
  temperature: v.nullish(v.number()),
  top_p: v.nullish(v.number()),
  user: textField,
  previous_response_id: textField,
  request_id: textField,
});

type ResponsesRequest = v.InferOutput<typeof responsesRequest>;

const promptOf = (body: ResponsesRequest): number[] => {
  const system = body.instructions ? [{ role: "system", content: body.instructions }] : [];
  const items = typeof body.input === "string" ? [{ role: "user", content: body.input }] : body.input;
  const messages = items.map(({ role, content, ...rest }) => ({
    role: role ?? "tool",
    content: Array.isArray(content)
      ? content.map((part) => ({ ...part, text: part.text ?? undefined }))
      : (content ?? JSON.stringify(rest)),
  }));
  return tokenize(renderChat([...system, ...messages]));
};

/** `POST /v1/responses`: OpenAI's Responses API, whole or as a stream of its events. */
export const responsesRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, responsesRequest);
    const model = parts.models.find(body.model);
    const prompt = promptOf(body);
    const { cache_salt, max_output_tokens: max_tokens } = body;
    const plan = planAnswer(parts, { prompt, model, max_tokens, cache_salt });
    const job: Job = {
      id: body.request_id ?? `resp_${parts.newId()}`,
      itemId: `msg_${parts.newId()}`,
      created: Math.floor(parts.clock.now() / 1000),
      model: model.name,
      maxTokens: max_tokens ?? parts.config.maxModelLen - plan.prompt.length,
      body,
    };
    const isStream = body.stream === true;
    const onStep = isStream ? streamEvents(job, reply) : sendWhole(job, reply);
    const generation = startAnswer(parts, reply, plan, (step) => onStep(step, generation));
    if (isStream) openStream(reply);
  };

interface Job {
  readonly id: string;
  readonly itemId: string;
  readonly created: number;
  readonly model: string;
  readonly maxTokens: number;
  readonly body: ResponsesRequest;
}

type OnStep = (step: OutputStep, generation: Generation) => void;
type Status = "in_progress" | "completed" | "incomplete";

const textPart = (text: string): object => ({ type: "output_text", text, annotations: [], logprobs: [] });

const messageItem = (job: Job, status: Status, content: readonly object[]): object => ({
  id: job.itemId,
  type: "message",
  role: "assistant",
  status,
  content,
});

/** The response object in one of its states. */
const responseObject = (
  job: Job,
  status: Status,
  output: readonly object[],
  usage: object | null,
): object => ({
  id: job.id,
  created_at: job.created,
  incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
  instructions: job.body.instructions ?? null,
  metadata: job.body.metadata ?? null,
  model: job.model,
  object: "response",
  output,
  parallel_tool_calls: true,
  temperature: job.body.temperature ?? 1,
  tool_choice: "auto",
  tools: [],
  top_p: job.body.top_p ?? 1,
  background: false,
  max_output_tokens: job.maxTokens,
  max_tool_calls: null,
  previous_response_id: job.body.previous_response_id ?? null,
  prompt: null,
  reasoning: null,
  service_tier: "auto",
  status,
  text: null,
  top_logprobs: null,
  truncation: "disabled",
  usage,
  user: job.body.user ?? null,
  input_messages: null,
  output_messages: null,
});

const usageOf = (generation: Generation, tokens: number): object => ({
  input_tokens: generation.promptTokens,
  input_tokens_details: { cached_tokens: generation.cachedTokens() },
  output_tokens: tokens,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: generation.promptTokens + tokens,
});

const statusOf = (finish: NonNullable<OutputStep["finish"]>): Status =>
  finish.reason === "length" ? "incomplete" : "completed";

const sendWhole = (job: Job, reply: Reply): OnStep => {
  let whole = "";
  return ({ text, tokens, finish }, generation) => {
    whole += text;
    if (!finish) return;
    const item = messageItem(job, "completed", [textPart(whole)]);
    sendJson(reply, 200, responseObject(job, statusOf(finish), [item], usageOf(generation, tokens)));
  };
};

const streamEvents = (job: Job, reply: Reply): OnStep => {
  const place = { item_id: job.itemId, output_index: 0, content_index: 0 };
  let sequence = 0;
  let whole = "";
  let hasBegun = false;
  const write = (type: string, fields: object): void => {
    reply.write(
      `event: ${type}\ndata: ${JSON.stringify({ ...fields, sequence_number: sequence, type })}\n\n`,
    );
    sequence += 1;
  };
  const begin = (): void => {
    const response = responseObject(job, "in_progress", [], null);
    write("response.created", { response });
    write("response.in_progress", { response });
    write("response.output_item.added", { item: messageItem(job, "in_progress", []), output_index: 0 });
    write("response.content_part.added", { ...place, part: textPart("") });
  };
  return ({ text, tokens, finish }, generation) => {
    if (!hasBegun) begin();
    hasBegun = true;
    whole += text;
    if (text !== "") write("response.output_text.delta", { ...place, delta: text, logprobs: [] });
    if (!finish) return;
    const item = messageItem(job, "completed", [textPart(whole)]);
    write("response.output_text.done", { ...place, text: whole, logprobs: [] });
    write("response.content_part.done", { ...place, part: textPart(whole) });
    write("response.output_item.done", { item, output_index: 0 });
    const response = responseObject(job, statusOf(finish), [item], usageOf(generation, tokens));
    write("response.completed", { response });
    reply.end();
  };
};
