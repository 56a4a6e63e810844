import { openAiError, RouterError } from "../core/errors.ts";

const brokenOff = new RouterError("upstream_reset", "The engine broke off while it was answering.");

const anthropicEvent = ({ message }: RouterError): string =>
  `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: "api_error", message } })}`;

const responsesEvent = ({ code, message }: RouterError): string =>
  `event: error\ndata: ${JSON.stringify({ type: "error", code, message, param: null })}`;

const openAiEvent = (error: RouterError): string => `data: ${JSON.stringify(openAiError(error))}`;

const DIALECTS: Readonly<Record<string, (error: RouterError) => string>> = {
  "/v1/messages": anthropicEvent,
  "/v1/responses": responsesEvent,
};

/**
 * The event that tells the client of a route's stream why it is cut, in the words of that route's API: because its
 * engine broke off, unless another reason is given.
 */
export const failureEvent = (path: string, reason: RouterError = brokenOff): Buffer<ArrayBuffer> =>
  // The empty line ends an event that the engine broke off in; between events it is nothing.
  Buffer.from(`\n\n${(DIALECTS[path] ?? openAiEvent)(reason)}\n\n`);
