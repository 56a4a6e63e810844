import * as v from "valibot";
import { hashOf, tokenize } from "./tokens.ts";

const part = v.looseObject({ type: v.optional(v.string()), text: v.optional(v.string()) });

/** A message of a conversation; content is text, or parts of which some are text. */
export const chatMessage = v.looseObject({
  role: v.string(),
  content: v.nullish(v.union([v.string(), v.array(v.union([v.string(), part]))])),
});

/** One message of a conversation. */
export type ChatMessage = v.InferOutput<typeof chatMessage>;

/** An image or a sound stands as a mark of fixed length that differs where the content differs. */
const markOf = (content: object): string => {
  const hash = hashOf(tokenize(JSON.stringify(content)));
  return `<media ${hash.toString(36)}>`;
};

const textOf = (content: ChatMessage["content"]): string => {
  if (typeof content === "string") return content;
  return (content ?? [])
    .map((item) => (typeof item === "string" ? item : (item.text ?? markOf(item))))
    .join("");
};

/**
 * The prompt of a conversation. A conversation that goes on begins with the prompt and the answer before, so
 * that its prefix is found in the cache.
 */
export const renderChat = (messages: readonly ChatMessage[]): string =>
  `${messages.map((message) => `${message.role}\n${textOf(message.content)}\n\n`).join("")}assistant\n`;
