import { type ErrorCode, errorTable, openAiError, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** Codes whose body keeps the reference's `{"error": "<message>"}`, which its clients read. */
const PLAIN: ReadonlySet<string> = new Set(["invalid_request", "model_not_found", "no_endpoint"]);

/** Codes whose body keeps the reference's `{"detail": "<message>"}`. */
const DETAIL: ReadonlySet<string> = new Set([
  "not_found",
  "method_not_allowed",
  "prefill_unavailable",
  "decode_unavailable",
]);

const bodyOf = (error: RouterError): unknown => {
  if (PLAIN.has(error.code)) return { error: error.message };
  if (DETAIL.has(error.code)) return { detail: error.message };
  return openAiError(error);
};

/** What client libraries wait by. */
const TRY_AGAIN_SOON = { "retry-after": "1", "retry-after-ms": "1000" } as const;

/** When the next probes have told whether an engine is back; client libraries wait and try again by these. */
const TRY_AGAIN_LATER = { "retry-after": "5", "retry-after-ms": "5000", "x-should-retry": "true" } as const;

/** Fields that an answer of this code has beyond its body. */
const FIELDS: Readonly<Partial<Record<ErrorCode, Readonly<Record<string, string>>>>> = {
  // The rest of the body is on its way: the connection cannot carry another request.
  body_too_large: { connection: "close" },
  body_timeout: { connection: "close" },
  invalid_api_key: { "www-authenticate": "Bearer" },
  queue_full: TRY_AGAIN_SOON,
  queue_timeout: TRY_AGAIN_SOON,
  overloaded: TRY_AGAIN_SOON,
  router_shutdown: TRY_AGAIN_SOON,
  method_not_allowed: { allow: "GET, POST" },
  no_endpoint: TRY_AGAIN_LATER,
  upstream_unreachable: TRY_AGAIN_LATER,
  prefill_unavailable: TRY_AGAIN_LATER,
  decode_unavailable: TRY_AGAIN_LATER,
};

/** The answer to an error: JSON in the reference's form where its clients depend on it, else OpenAI's. */
export const errorResponse = (error: RouterError, requestId: string): Response =>
  Response.json(bodyOf(error), {
    status: errorTable[error.code].status,
    headers: {
      "x-request-id": requestId,
      ...FIELDS[error.code],
      ...(error.isPointless && { "x-should-retry": "false" }),
    },
  });

/** Whatever was thrown, as a RouterError; a defect is logged here with its stack and shown to nobody. */
export const asRouterError = (error: unknown, requestId: string, log: Log): RouterError => {
  if (error instanceof RouterError) return error;
  log.error(
    `Request ${requestId} met a defect of the router: ${error instanceof Error ? error.stack : String(error)}`,
  );
  return new RouterError(
    "internal",
    "The router failed on this request; its log tells more under the request id.",
    {
      cause: error,
    },
  );
};
