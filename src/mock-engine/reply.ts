import { errorBody, type ApiError } from "./api-error.ts";

/** How a connection ends when its answer is not completed. */
export type Ending = "fin" | "reset";

/** What an answer may say beside its status. */
export interface ReplyHead {
  readonly contentType?: string;
  /** Bytes of the body; without it the body is sent in chunks as it comes. */
  readonly length?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One answer on its way to one client: first `head`, then any number of `write`, then `end`. */
export interface Reply {
  readonly head: (status: number, head: ReplyHead) => void;
  readonly write: (data: string | Uint8Array) => void;
  readonly end: () => void;
  /** Closes the connection without completing the answer, after sending `raw` as it is. */
  readonly abort: (ending: Ending, raw?: string) => void;
  /** Runs `task` once if the connection closes before the answer is complete; at once if it has. */
  readonly onAbandoned: (task: () => void) => void;
}

/** Sends a whole body with its length. */
export const send = (reply: Reply, status: number, contentType: string, body: string | Uint8Array): void => {
  reply.head(status, { contentType, length: Buffer.byteLength(body) });
  if (body.length > 0) reply.write(body);
  reply.end();
};

/** Sends a JSON value as FastAPI does. */
export const sendJson = (reply: Reply, status: number, value: unknown): void =>
  send(reply, status, "application/json", JSON.stringify(value));

/** Sends an empty 200, which is what vLLM's health routes answer. */
export const sendNothing = (reply: Reply): void => {
  reply.head(200, { length: 0 });
  reply.end();
};

/** Opens a stream of server-sent events. */
export const openStream = (reply: Reply): void =>
  reply.head(200, { contentType: "text/event-stream; charset=utf-8" });

/** Sends vLLM's error object. */
export const sendError = (reply: Reply, error: ApiError): void =>
  sendJson(reply, error.status, errorBody(error));
