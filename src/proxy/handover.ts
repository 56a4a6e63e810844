import type { Answer, Bytes } from "../core/answer.ts";
import { RouterError } from "../core/errors.ts";
import type { Handover } from "../routing/policy.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import { withFields } from "./json-fields.ts";

/** What an engine has computed of a request for another one. */
export interface Prefilled {
  /** Monotonic milliseconds at which it was done. */
  readonly at: number;
  /** The body for the engine that answers. */
  readonly bodyOf: (body: Bytes | undefined) => Bytes | undefined;
  /** The answer of that engine: where it failed, in the words that tell which of the two did. */
  readonly told: (answer: Answer) => Answer;
  /** Whether an engine may be given it that another one was given before. */
  readonly isReusable: boolean;
}

/** Has an engine compute prompts for others. */
export interface Prefill {
  readonly isPossible: (call: Call) => boolean;
  /** Throws where no engine could be asked; a response where the engine refused or failed, in its words. */
  readonly ask: (call: Call, client: Client, model: string) => Promise<Prefilled | Response>;
}

/** Which of the two engines of a request. */
export type Leg = "prefill" | "decode";

/** How a prefill is asked for and handed on. */
export interface HandoverForm {
  /** The body for the engine that prefills; `field` reads the client's. */
  readonly prefillBody: (body: Bytes, field: Call["field"]) => Bytes;
  /**
   * Makes the body for the engine that answers, from what the engine at `url` said of its prefill. Throws
   * `upstream_invalid`.
   */
  readonly decodeBody: (said: Bytes, url: string) => (body: Bytes) => Bytes;
  readonly isReusable: boolean;
  /** What a client is told of a failure, from what the engine said. */
  readonly failure: (leg: Leg, status: number, said: string) => unknown;
}

/** Fields that a prefill has otherwise than its request: one token and no stream. */
const ONE_TOKEN = {
  max_tokens: "1",
  min_tokens: undefined,
  stream: "false",
  stream_options: undefined,
} as const;

/** Asks an engine to keep what it computes for another one; as vLLM's own proxies write it. */
const KEEP_FOR_OTHERS = JSON.stringify({
  do_remote_decode: true,
  do_remote_prefill: false,
  remote_engine_id: null,
  remote_block_ids: null,
  remote_host: null,
  remote_port: null,
});

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What an engine's error says to people; all of it where that is not known. */
const messageOf = (said: string): string => {
  const value = parse(said);
  const error = isFields(value) ? (value["error"] ?? value["message"] ?? value["detail"]) : undefined;
  const message = isFields(error) ? error["message"] : error;
  return typeof message === "string" ? message : said;
};

const edit = (body: Bytes, changes: Parameters<typeof withFields>[1]): Bytes => {
  try {
    return withFields(body, changes);
  } catch (error) {
    // Of a small body only the fields that count were counted.
    throw new RouterError("invalid_request", "Invalid request: request body must be valid JSON.", {
      cause: error,
    });
  }
};

const transferParams = (prefilled: Bytes, url: string): string | undefined => {
  const answer = parse(Buffer.from(prefilled).toString());
  if (!isFields(answer))
    throw new RouterError("upstream_invalid", "The engine's answer to a prefill is not a JSON object.");
  const params = answer["kv_transfer_params"];
  if (!isFields(params)) return undefined;
  // Engines name the interface that they listen on, which others need not reach; without brackets for IPv6.
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return JSON.stringify({ ...params, remote_host: host });
};

const PREFIXES = { prefill: "Prefiller", decode: "Decoder" } as const;

/** Both ways in which what one engine computed comes to another. */
export const handoverForms: Readonly<Record<Handover, HandoverForm>> = {
  cache: {
    prefillBody: (body) => edit(body, { ...ONE_TOKEN, max_completion_tokens: undefined }),
    decodeBody: () => (body) => body,
    isReusable: true,
    failure: (leg, status, said) => ({
      error: {
        message: `${PREFIXES[leg]} error: ${messageOf(said)}`,
        type: leg === "prefill" ? "prefiller_error" : "decoder_error",
        code: status,
      },
    }),
  },
  parameters: {
    prefillBody: (body, field) =>
      edit(body, {
        ...ONE_TOKEN,
        max_completion_tokens: field("max_completion_tokens") === undefined ? undefined : "1",
        kv_transfer_params: KEEP_FOR_OTHERS,
      }),
    decodeBody: (said, url) => {
      const params = transferParams(said, url);
      return (body) => (params === undefined ? body : edit(body, { kv_transfer_params: params }));
    },
    isReusable: false,
    failure: (leg, _status, said) => ({
      error: `${leg === "prefill" ? "Prefill" : "Decode"} failed: ${said}`,
    }),
  },
};

/** An engine's answer as the client gets it: as it is, or where it is a failure that came whole, with the leg named. */
export const toldBy = (form: HandoverForm, leg: Leg, answer: Answer): Answer => {
  const { status, headers, first, rest } = answer;
  // What is compressed cannot be quoted.
  if (status < 400 || rest || headers["content-encoding"] !== undefined) return answer;
  const said = Buffer.from(first ?? []).toString();
  return {
    ...answer,
    headers: { ...headers, "content-type": "application/json" },
    first: Buffer.from(JSON.stringify(form.failure(leg, status, said))),
  };
};

/** Routes whose prompts one engine can compute for another. */
const PATHS: ReadonlySet<string> = new Set(["/v1/completions", "/v1/chat/completions"]);

/** Fields whose answer needs what only the engine that computed the prompt has. */
const NEEDS_PROMPT = ["echo", "prompt_logprobs"] as const;

const isOff = (value: unknown): boolean => value === undefined || value === null || value === false;

const isOnePrompt = (prompt: unknown): boolean =>
  !Array.isArray(prompt) || prompt.length === 1 || typeof prompt[0] === "number";

/** Whether one engine can compute the prompt of a call for another: text for one answer to one prompt. */
export const isDivisible = ({ method, path, field, headers }: Call): boolean =>
  method === "POST" &&
  PATHS.has(path) &&
  !(headers.get("content-type") ?? "").toLowerCase().startsWith("multipart/") &&
  (field("n") ?? 1) === 1 &&
  isOnePrompt(field("prompt")) &&
  NEEDS_PROMPT.every((name) => isOff(field(name)));
