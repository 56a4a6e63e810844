import type { InferOutput } from "valibot";
import { invalidBody, type promptInput } from "./request-body.ts";
import { detokenize, tokenize } from "./tokens.ts";

/** A prompt as text and as tokens. */
export interface Prompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** A prompt given as text. */
export const textPrompt = (text: string): Prompt => ({ text, tokens: tokenize(text) });

const tokenPrompt = (tokens: readonly number[]): Prompt => {
  const text = detokenize(tokens);
  if (text === undefined) throw invalidBody(["prompt"], "value_error", "Token id is out of vocabulary");
  return { text, tokens };
};

/** The prompts of a request, of which there is at least one; throws vLLM's 400 for none. */
export const readPrompts = (input: InferOutput<typeof promptInput>): readonly Prompt[] => {
  if (typeof input === "string") return [textPrompt(input)];
  if (input.length === 0) throw invalidBody(["prompt"], "value_error", "Prompt must not be empty");
  const tokens = input.filter((item) => typeof item === "number");
  if (tokens.length > 0) return [tokenPrompt(tokens)];
  return input
    .filter((item) => typeof item !== "number")
    .map((item) => (typeof item === "string" ? textPrompt(item) : tokenPrompt(item)));
};
