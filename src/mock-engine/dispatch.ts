import { ApiError } from "./api-error.ts";
import { headerOf } from "./http-message.ts";
import type { HttpHandler } from "./http-server.ts";
import type { Route, Routes } from "./parts.ts";
import { sendError, sendJson, type Reply } from "./reply.ts";

/** What every request passes before its route. */
export interface DispatchOptions {
  readonly apiKey: string | undefined;
  /** Makes the request ids that `--enable-request-id-headers` returns; absent without that flag. */
  readonly newRequestId: (() => string) | undefined;
  /** Hears of errors that are defects of the engine, not of a request. */
  readonly onDefect: (error: unknown) => void;
}

const withRequestId = (reply: Reply, id: string): Reply => ({
  ...reply,
  head: (status, head) => reply.head(status, { ...head, headers: { ...head.headers, "x-request-id": id } }),
});

/** Sends each request to its route, and answers what is refused as vLLM does. */
export const createDispatch = (routes: Routes, options: DispatchOptions): HttpHandler => {
  const table = new Map<string, Route>(Object.entries(routes));

  const sendWrongMethod = (reply: Reply, allowed: readonly string[]): void => {
    const body = JSON.stringify({ detail: "Method Not Allowed" });
    const headers = { allow: allowed.join(", ") };
    reply.head(405, { contentType: "application/json", length: body.length, headers });
    reply.write(body);
    reply.end();
  };

  const refuse = (reply: Reply, error: unknown): void => {
    if (error instanceof ApiError) return sendError(reply, error);
    options.onDefect(error);
    sendError(reply, new ApiError(500, "Internal Server Error"));
  };

  return (request, plainReply) => {
    const { apiKey, newRequestId } = options;
    const reply = newRequestId
      ? withRequestId(plainReply, headerOf(request, "x-request-id") ?? newRequestId())
      : plainReply;
    if (apiKey !== undefined && request.path.startsWith("/v1")) {
      if (headerOf(request, "authorization") !== `Bearer ${apiKey}`) {
        return sendJson(reply, 401, { error: "Unauthorized" });
      }
    }
    const route = table.get(`${request.method} ${request.path}`);
    if (!route) {
      const allowed = ["GET", "POST"].filter((method) => table.has(`${method} ${request.path}`));
      if (allowed.length > 0) return sendWrongMethod(reply, allowed);
      return sendJson(reply, 404, { detail: "Not Found" });
    }
    try {
      route(request, reply)?.catch((error: unknown) => refuse(reply, error));
    } catch (error) {
      refuse(reply, error);
    }
  };
};
