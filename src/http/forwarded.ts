import type { Admission } from "../admission/admission.ts";
import type { ReadBody } from "../proxy/body.ts";
import { understand } from "../proxy/call.ts";
import { dueAt } from "../proxy/deadlines.ts";
import type { Forward } from "../proxy/forward.ts";
import type { Admitted, App } from "./app.ts";
import { type ForwardedRoute, forwardedRoutes, passedThrough, passesThrough } from "./routes.ts";

interface ForwardedDeps {
  readonly admission: Admission;
  readonly forward: Forward;
  readonly readBody: ReadBody;
  readonly maxRequestBodyBytes: number;
  /** Milliseconds that a request may take. */
  readonly requestMs: number;
}

/** Answers a request of a route that goes to an engine. */
export type Forwarded = (request: Request, admitted: Admitted, route: ForwardedRoute) => Promise<Response>;

/** Creates the way of such requests: its body, its place among those under way, its engine. */
export const createForwarded =
  ({
    admission,
    forward,
    readBody,
    maxRequestBodyBytes: maxBodyBytes,
    requestMs,
  }: ForwardedDeps): Forwarded =>
  async (request, admitted, route) => {
    const { requestId: id, client } = admitted;
    const { method, path, isReplaySafe, pattern } = route;
    client.trace?.routed(`${method} ${pattern ?? path}`);
    admission.check();
    const body = method === "GET" ? undefined : await admission.read(readBody(request, maxBodyBytes));
    const call = understand({ id, request, path, isReplaySafe }, body);
    client.dueAt = dueAt(requestMs, client, call);
    const place = admission.enter(client);
    const { leave } = place instanceof Promise ? await place : place;
    client.over = leave;
    try {
      return await forward(call, client);
    } catch (error) {
      leave();
      throw error;
    }
  };

/** Of an absolute URL, as it is written. */
export const pathOf = (url: string): string => {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
};

/** Below `/v1/`, but answered by the router itself. */
const OWN = "/v1/models";

/** An app that forwards what goes to engines, and has all else answered elsewhere. */
export const createForwardingApp = (forwarded: Forwarded, elsewhere: App["fetch"]): App => {
  const direct = new Map(forwardedRoutes.map((route) => [route.path, route]));
  return {
    fetch: (request, admitted) => {
      const path = pathOf(request.url);
      const { method } = request;
      const route = direct.get(path);
      if (route?.method === method) return forwarded(request, admitted, route);
      const passes = !route && path !== OWN && (method === "GET" || method === "POST") && passesThrough(path);
      return passes
        ? forwarded(request, admitted, passedThrough(method, path))
        : elsewhere(request, admitted);
    },
  };
};
