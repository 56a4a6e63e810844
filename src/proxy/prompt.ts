import type { Prompt } from "../routing/policy.ts";
import type { KeptStrings } from "./kept-strings.ts";

/** Reads a top-level field of a body; of a value that is too long only its beginning. */
export type FieldReader = (name: string) => unknown;

/** Fields that make a prompt, in the order in which chat templates and vLLM's pooling routes lay them out. */
const PROMPT_FIELDS = [
  "tools",
  "system",
  "instructions",
  "text_1",
  "data_1",
  "query",
  "queries",
  "documents",
  "items",
  "text_2",
  "data_2",
  "messages",
  "prompt",
  "input",
] as const;

/** Routes that compute nothing from the prompt that they are sent. */
const WITHOUT_MODEL = new Set(["/tokenize", "/detokenize", "/v1/messages/count_tokens"]);

/** Says where a client ends a prefix for billing; it moves from turn to turn and no engine computes it. */
const UNCOMPUTED_KEYS = new Set(["cache_control"]);

/** A string that is no text but an image, a sound or a file is known by its hash from this length on. */
const MIN_MEDIA = 256;

const SEPARATOR = "\0";

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTokenList = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && typeof value[0] === "number";

/**
 * What an engine computes for the body of a request, `undefined` where there is no prompt. All forms of all routes:
 * messages with content parts and tools, one or several prompts as text or token ids, inputs of embeddings,
 * responses, reranking and scoring. Images and sounds count by their identity. `bytesOf` tells what strings stand for
 * that stand for others.
 */
export const readPrompt = (
  read: FieldReader,
  model: string,
  path: string,
  bytesOf: KeptStrings["bytesOf"] = () => undefined,
): Prompt | undefined => {
  if (WITHOUT_MODEL.has(path)) return undefined;
  const pieces: Uint8Array[] = [];
  let texts: string[] = [];

  const flush = (): void => {
    if (texts.length > 0) pieces.push(Buffer.from(texts.join("")));
    texts = [];
  };

  const push = (text: string): void => {
    const bytes = bytesOf(text);
    if (bytes) {
      flush();
      pieces.push(bytes);
    } else texts.push(text);
  };

  const addMedia = (text: string): void => {
    const media = bytesOf(text) ?? text;
    texts.push(media.length < MIN_MEDIA ? text : `${SEPARATOR}${Bun.hash.xxHash64(media).toString(36)}`);
  };

  const addObject = (value: Readonly<Record<string, unknown>>, addString: (text: string) => void): void => {
    for (const [key, child] of Object.entries(value)) {
      if (child === null || UNCOMPUTED_KEYS.has(key)) continue;
      texts.push(SEPARATOR);
      push(key);
      texts.push(SEPARATOR);
      add(child, addString);
    }
  };

  const addPart = (part: unknown): void => {
    if (!isObject(part)) add(part, addText);
    else if (typeof part["text"] === "string") {
      push(part["text"]);
      texts.push(SEPARATOR);
    } else if (part["type"] === "tool_result") addMessage(part);
    else addObject(part, part["type"] === "tool_use" ? addText : addMedia);
  };

  const addMessage = ({ role, content, ...rest }: Readonly<Record<string, unknown>>): void => {
    texts.push(SEPARATOR);
    if (typeof role === "string") push(role);
    texts.push(SEPARATOR);
    if (Array.isArray(content)) for (const part of content) addPart(part);
    else if (typeof content === "string") {
      push(content);
      texts.push(SEPARATOR);
    }
    addObject(rest, addText);
  };

  const addText = (text: string): void => {
    if (text !== "") push(text);
  };

  const add = (value: unknown, addString: (text: string) => void): void => {
    if (typeof value === "string") addString(value);
    else if (isTokenList(value)) {
      flush();
      pieces.push(new Uint8Array(Uint32Array.from(value).buffer));
    } else if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        if (index > 0) texts.push(SEPARATOR);
        add(item, addString);
      }
    } else if (isObject(value)) {
      if ("content" in value) addMessage(value);
      else addObject(value, addString);
    } else if (typeof value === "number" || typeof value === "boolean") texts.push(String(value));
  };

  for (const name of PROMPT_FIELDS) add(read(name), addText);
  flush();
  const [first] = pieces;
  if (first === undefined) return undefined;
  const salt = read("cache_salt");
  return {
    root: typeof salt === "string" ? `${model}${SEPARATOR}${bytesOf(salt)?.toString() ?? salt}` : model,
    bytes: pieces.length === 1 ? first : Buffer.concat(pieces),
  };
};
