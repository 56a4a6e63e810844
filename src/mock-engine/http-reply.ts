import { headerOf, type HttpRequest } from "./http-message.ts";
import type { Outbox } from "./outbox.ts";
import type { Reply, ReplyHead } from "./reply.ts";

/** A reply with the end that only its connection brings about. */
export interface HttpReply extends Reply {
  /** The client is gone: nothing is written any more, and whoever works on the answer hears of it. */
  readonly abandon: () => void;
}

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

const headText = (status: number, head: ReplyHead, date: string): string => {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\ndate: ${date}\r\nserver: uvicorn\r\n`;
  if (head.length !== undefined) text += `content-length: ${head.length}\r\n`;
  if (head.contentType) text += `content-type: ${head.contentType}\r\n`;
  for (const [name, value] of Object.entries(head.headers ?? {})) text += `${name}: ${value}\r\n`;
  return head.length === undefined ? `${text}transfer-encoding: chunked\r\n` : text;
};

/** Writes the answer to `request` as HTTP/1.1; calls `onDone` when it is complete or given up. */
export const createHttpReply = (
  request: HttpRequest,
  outbox: Outbox,
  deps: { readonly date: () => string; readonly onDone: () => void },
): HttpReply => {
  const closes = request.version === "HTTP/1.0" || headerOf(request, "connection")?.toLowerCase() === "close";
  const hasBody = request.method !== "HEAD";
  let isChunked = false;
  let isDone = false;
  let isAbandoned = false;
  let tasks: (() => void)[] = [];

  const abandon = (): void => {
    if (isDone) return;
    isDone = true;
    isAbandoned = true;
    for (const task of tasks) task();
    tasks = [];
    deps.onDone();
  };

  return {
    head: (status, head) => {
      if (isDone) return;
      isChunked = head.length === undefined;
      outbox.push(headText(status, head, deps.date()) + (closes ? "connection: close\r\n\r\n" : "\r\n"));
    },
    write: (data) => {
      if (isDone || !hasBody) return;
      if (isChunked) outbox.push(`${Buffer.byteLength(data).toString(16)}\r\n`);
      outbox.push(data);
      if (isChunked) outbox.push("\r\n");
    },
    end: () => {
      if (isDone) return;
      isDone = true;
      if (isChunked && hasBody) outbox.push("0\r\n\r\n");
      if (closes) outbox.close("fin");
      deps.onDone();
    },
    abort: (ending, raw) => {
      if (isDone) return;
      if (raw !== undefined) outbox.push(raw);
      outbox.close(ending);
      abandon();
    },
    onAbandoned: (task) => {
      if (isAbandoned) task();
      else tasks.push(task);
    },
    abandon,
  };
};
