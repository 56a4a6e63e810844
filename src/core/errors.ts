import type { Ending } from "./ending.ts";
interface ErrorKind {
  /** HTTP status of the answer; 499 is nginx's "client closed request" and never reaches a client. */
  readonly status: number;
  /** `error.type` of the OpenAI error object. */
  readonly type: string;
  /** True when the same request may be sent to another engine: nothing of it was answered. */
  readonly isRetryable: boolean;
  /** What it means and what to do, for docs/errors.md. */
  readonly meaning: string;
}

/** Every error that the router itself answers, by code. */
export const errorTable = {
  invalid_request: {
    status: 400,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "The request cannot be routed as it is; the message names what is missing or malformed.",
  },
  invalid_api_key: {
    status: 401,
    type: "invalid_request_error",
    isRetryable: false,
    meaning:
      "The router has keys (--api-key, --api-key-file), and the request presents none of them as Authorization: Bearer or x-api-key.",
  },
  not_found: {
    status: 404,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "No route has this path.",
  },
  model_not_found: {
    status: 404,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "No engine has ever served the model; GET /v1/models lists those that are served.",
  },
  method_not_allowed: {
    status: 405,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "The path exists, but not with this method; `Allow` lists the methods.",
  },
  body_timeout: {
    status: 408,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "The request body did not come within --request-body-timeout-seconds.",
  },
  body_too_large: {
    status: 413,
    type: "invalid_request_error",
    isRetryable: false,
    meaning: "The request body is larger than --max-request-body-bytes.",
  },
  queue_full: {
    status: 429,
    type: "rate_limit_error",
    isRetryable: false,
    meaning:
      "As many requests are under way (--max-concurrent-requests) and waiting (--queue-size) as may be; try again.",
  },
  queue_timeout: {
    status: 429,
    type: "rate_limit_error",
    isRetryable: false,
    meaning: "The request waited --queue-timeout-seconds, and its turn did not come; try again.",
  },
  client_closed: {
    status: 499,
    type: "client_error",
    isRetryable: false,
    meaning: "The client left before the answer; only logs and metrics show it.",
  },
  internal: {
    status: 500,
    type: "internal_error",
    isRetryable: false,
    meaning: "A defect of the router; the log has the details under the request id.",
  },
  upstream_unreachable: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: true,
    meaning:
      "No connection could be made to any of the engines that were tried, so that none got the request; try again.",
  },
  upstream_reset: {
    status: 502,
    type: "upstream_error",
    isRetryable: true,
    meaning: "The engine closed the connection before it answered.",
  },
  upstream_invalid: {
    status: 502,
    type: "upstream_error",
    isRetryable: true,
    meaning: "The engine answered with something that is not valid HTTP, or with a redirect.",
  },
  upstream_timeout: {
    status: 504,
    type: "upstream_error",
    isRetryable: true,
    meaning:
      "The engine did not answer in time (--upstream-head-timeout-seconds, --upstream-first-chunk-timeout-seconds), or did not go on (--upstream-chunk-idle-timeout-seconds).",
  },
  overloaded: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: false,
    meaning:
      "The router uses 85 % of its memory limit and takes no further work until it uses less; try again.",
  },
  request_timeout: {
    status: 504,
    type: "timeout_error",
    isRetryable: false,
    meaning:
      "The request took longer than --request-timeout-seconds, or than the client itself gave it (x-request-timeout-ms).",
  },
  client_stalled: {
    status: 499,
    type: "client_error",
    isRetryable: false,
    meaning:
      "The client took nothing of its answer for --client-stall-timeout-seconds; only logs and metrics show it.",
  },
  router_shutdown: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: false,
    meaning:
      "The router ends and could not wait for the answer any longer; try again, another one will take it.",
  },
  no_endpoint: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: false,
    meaning: "The model is known, but no engine can serve it now; try again.",
  },
  prefill_unavailable: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: false,
    meaning: "No engine with a label of --prefill-model-labels can serve the model now; try again.",
  },
  decode_unavailable: {
    status: 503,
    type: "service_unavailable_error",
    isRetryable: false,
    meaning: "No engine with a label of --decode-model-labels can serve the model now; try again.",
  },
} as const satisfies Record<string, ErrorKind>;

/** A row of the error table. */
export type ErrorCode = keyof typeof errorTable;

/** A code that says that an engine failed before it answered. */
export type EngineErrorCode = {
  [Code in ErrorCode]: (typeof errorTable)[Code]["isRetryable"] extends true ? Code : never;
}[ErrorCode];

/** An error whose consequence is known where it is thrown; http/error-response.ts turns it into an answer. */
export class RouterError extends Error {
  readonly code: ErrorCode;
  /** Sending the request again would not help, or would do harm. */
  readonly isPointless: boolean;

  /** `message` is shown to clients: it never holds an engine's address, a header value or a body. */
  constructor(
    code: ErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly isPointless?: boolean },
  ) {
    super(message, options);
    this.name = "RouterError";
    this.code = code;
    this.isPointless = options?.isPointless ?? false;
  }
}

/** Whether an error is an engine's failure, and no end that the client or the router made. */
export const isEngineFailure = (error: unknown): error is RouterError & { readonly code: EngineErrorCode } =>
  error instanceof RouterError && errorTable[error.code].isRetryable;

/** Why a signal has aborted: whoever aborts it with a RouterError says so, otherwise the client has left. */
export const reasonOf = ({ reason }: Ending, cause?: unknown): RouterError =>
  reason instanceof RouterError
    ? reason
    : new RouterError("client_closed", "The client closed the connection.", { cause });

/** The end of a request that has taken all its time, wherever it was. */
export const requestTimeout = (): RouterError =>
  new RouterError(
    "request_timeout",
    "The request took longer than it may (--request-timeout-seconds, or x-request-timeout-ms where that is less).",
    { isPointless: true },
  );

/** The OpenAI error object for an error of the router. */
export const openAiError = ({ code, message }: RouterError) => ({
  error: { message, type: errorTable[code].type, param: null, code },
});

/** The runtime names the URL, whose query is the client's own, and advises whoever wrote the call. */
const RUNTIME_ADDS = / fetching "[^"]*"|\.? For more information, pass `verbose: true`[^]*/g;

const wordsOf = ({ message }: Error): string => message.replace(RUNTIME_ADDS, "");

/** An error in a line of the log: its message, and that of its cause. */
export const describeError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${wordsOf(error)} (${wordsOf(error.cause)})` : wordsOf(error);
};
