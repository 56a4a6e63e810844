import type { ReplaySafety } from "../proxy/call.ts";

/** A path that is forwarded to an engine. */
export interface ForwardedRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly isReplaySafe: ReplaySafety;
  /** What stands for a path that is a client's own words. */
  readonly pattern?: string;
}

const pure: ReplaySafety = () => true;
const never: ReplaySafety = () => false;
/** OpenAI stores a response unless told otherwise. */
const unlessStored: ReplaySafety = (field) => field("store") === false;

const post = (path: string, isReplaySafe: ReplaySafety = pure): ForwardedRoute => ({
  method: "POST",
  path,
  isReplaySafe,
});

/** The routes of the reference that go to an engine, and vLLM's others that compute and nothing else. */
export const forwardedRoutes: readonly ForwardedRoute[] = [
  post("/v1/chat/completions"),
  post("/v1/completions"),
  post("/v1/embeddings"),
  post("/tokenize"),
  post("/detokenize"),
  post("/v1/rerank"),
  post("/v2/rerank"),
  post("/rerank"),
  post("/v1/score"),
  post("/score"),
  post("/v1/responses", unlessStored),
  post("/v1/messages"),
  post("/v1/messages/count_tokens"),
  post("/v1/audio/speech"),
  post("/v1/audio/transcriptions"),
  post("/v1/audio/translations"),
  { method: "GET", path: "/v1/audio/voices", isReplaySafe: pure },
  post("/v1/images/generations"),
  post("/v1/images/edits"),
  post("/pooling"),
  post("/classify"),
  post("/invocations", never),
];

/** Below `/v1/`, but of one engine rather than of the fleet, or not for engines at all. */
const WITHHELD = /^\/v1\/(?:(?:un)?load_lora_adapter|realtime|files|batches)(?:\/|$)/;

// A segment of dots alone would be taken out of the path on its way to the engine.
const CANONICAL = /^\/v1(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~:@-]+)+$/;

/** Whether a path that is in no table may pass to an engine as it is. */
export const passesThrough = (path: string): boolean => CANONICAL.test(path) && !WITHHELD.test(path);

/** What a path that is only passed through is taken for. */
export const passedThrough = (method: "GET" | "POST", path: string): ForwardedRoute => ({
  method,
  path,
  isReplaySafe: method === "GET" ? pure : never,
  pattern: "/v1/*",
});

/** Paths of the router's own routes that read a body. */
export const readsBody: ReadonlySet<string> = new Set(["/sleep", "/wake_up", "/debug/route"]);
