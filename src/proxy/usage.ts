import type { TokenUsage } from "../core/request-stats.ts";
import { tailText } from "./tail.ts";

/** Places that look like the field which are tried, from the end. */
const MAX_TRIES = 4;

const FIELD = '"usage"';
const OBJECT = /^\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})/;

const countOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;

const parseUsage = (text: string): TokenUsage | undefined => {
  const object = OBJECT.exec(text)?.[1];
  if (object === undefined) return undefined;
  let fields: Fields;
  try {
    fields = JSON.parse(object) as Fields;
  } catch {
    return undefined;
  }
  // OpenAI's words for completions, then those of its responses and of Anthropic's messages.
  const input = countOf(fields["prompt_tokens"] ?? fields["input_tokens"]);
  const output = countOf(fields["completion_tokens"] ?? fields["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const details = fields["prompt_tokens_details"] ?? fields["input_tokens_details"];
  const cached = isFields(details) ? countOf(details["cached_tokens"]) : undefined;
  const counts = { input: input ?? 0, output: output ?? 0 };
  return cached === undefined ? counts : { ...counts, cached };
};

/**
 * The tokens that an answer tells of at its end, found without parsing it; `before` is what came just before
 * `last`, in case the engine's bytes were cut in between. Never throws.
 */
export const readUsage = (last: Uint8Array | undefined, before?: Uint8Array): TokenUsage | undefined => {
  const text = tailText(last, before);
  let at = text.length;
  for (let tries = 0; tries < MAX_TRIES && at > 0; tries += 1) {
    // Within a text of the answer the quotes are escaped, so that only a field or a name matches.
    at = text.lastIndexOf(FIELD, at - 1);
    if (at < 0) return undefined;
    const usage = parseUsage(text.slice(at + FIELD.length));
    if (usage) return usage;
  }
  return undefined;
};
